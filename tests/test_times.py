"""The phases of a page are what the server made of them, however busy we are.

The server is a process of its own. It waits for known times, and writes into each
body how long it really waited by its own clock: that is the truth here.

What can be measured of a connection: the kernel of a server accepts it before the
server does. A server that is late to accept therefore shows in `ttfb_s`, or in `tls_s`
where TLS comes first; only a kernel that has no room in its queue delays `connect_s`,
by the second after which a SYN is sent again (RFC 6298, 2.1).

Milliseconds can only be judged on a machine that does nothing else: those tests are a
campaign, `python -m pytest tests/test_times.py -m campaign`. At 64 slots a process they
do not always hold: a thread that waits for the interpreter reads its header lines late.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import ssl
import struct
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from fetcher import crawl
from fetcher.models import Settings
from fetcher.transport import get_url
from tests import servers

TLS_WAIT_S = 0.2
BODY_BYTES = 200


def within_promise(measured_s, truth_s):
    """5 ms or 10 % of the truth."""
    return abs(measured_s - truth_s) <= max(0.005, 0.1 * truth_s)


def _serve_timed(pipe, certificate):
    """Answer /FIRST/LAST/N after so many ms, and so many before the last byte."""
    contexts = []
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512)]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        contexts.append(context)
    pipe.send(listeners[0].getsockname()[1])
    while True:
        connection, _ = listeners[0].accept()
        threading.Thread(
            target=_answer_timed,
            args=(connection, contexts, time.monotonic()),
            daemon=True,
        ).start()


def _answer_timed(connection, contexts, accepted_s):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    truth = {"tls_s": None}
    with suppress(OSError):
        if contexts:
            time.sleep(TLS_WAIT_S)
            connection = contexts[0].wrap_socket(connection, server_side=True)
            truth["tls_s"] = time.monotonic() - accepted_s
        while True:
            request, asked_s = _receive(connection, stamped=not contexts)
            if not request:
                return
            _, first_ms, last_ms, _ = request.split(b" ")[1].split(b"/")
            time.sleep(int(first_ms) / 1000)
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES
            began_s = time.time()
            connection.sendall(head)
            time.sleep(int(last_ms) / 1000)
            truth["ttfb_s"] = began_s - asked_s
            truth["transfer_s"] = time.time() - began_s
            connection.sendall(json.dumps(truth).encode().ljust(BODY_BYTES))
            truth["tls_s"] = None


SO_TIMESTAMPNS = 35  # asm-generic/socket.h; unknown to Python


def _receive(connection, *, stamped):
    """Return the next bytes and when the kernel had them, by its own clock.

    Not when this thread was woken: that may be milliseconds later on a busy machine.
    """
    if not stamped:
        return connection.recv(65536), time.time()
    request, extras, _, _ = connection.recvmsg(65536, 64)
    for _, kind, stamp in extras:
        if kind == SO_TIMESTAMPNS:
            whole_s, part_ns = struct.unpack("qq", stamp)
            return request, whole_s + part_ns / 1e9
    return request, time.time()


@contextmanager
def timed_server(certificate=None):
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_serve_timed, args=(theirs, certificate), daemon=True
    )
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def wrong_phases(pages):
    """Return (phase, measured, truth) of what is not within the promise."""
    wrong = []
    for page in pages:
        truth = json.loads(page.content)
        measured = page.timings
        for phase in ("tls_s", "ttfb_s", "transfer_s"):
            found, true = getattr(measured, phase), truth[phase]
            if (found is None) != (true is None):
                wrong.append((phase, found, true))
            elif found is not None and not within_promise(found, true):
                wrong.append((phase, round(found, 4), round(true, 4)))
        if measured.connect_s is not None and measured.connect_s > 0.005:
            wrong.append(("connect_s", round(measured.connect_s, 4), 0.0))
    return wrong


def ask_all(url, slots, rounds, callback_s=0.0, **settings):
    """Return the pages of a crawl in one worker with so many slots."""
    pages = []

    def on_page(page):
        pages.append(page)
        time.sleep(callback_s)

    delays = [(0, 0), (20, 0), (0, 30), (60, 20), (150, 40), (40, 90)]
    asked = [delays[n % len(delays)] for n in range(max(slots * rounds, 12))]
    urls = [f"{url}/{first}/{last}/{n}" for n, (first, last) in enumerate(asked)]
    crawl(
        urls,
        on_page,
        workers=1,
        concurrency=slots,
        per_host=slots,
        retries=0,
        **settings,
    )
    return pages


TRIES = 3


def wrong_every_time(ask):
    """Return the wrong phases of the best of three tries, stopping at a right one.

    Another program may keep a core from us for 10 ms, and no clock in here can tell.
    What is wrong with our clocks is wrong every time.
    """
    best = wrong_phases(ask())
    for _ in range(TRIES - 1):
        if best:
            best = min(best, wrong_phases(ask()), key=len)
    if best and os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1):
        pytest.skip(f"the machine is too busy to measure milliseconds: {best[:3]}")
    return best


@pytest.mark.campaign
@pytest.mark.parametrize("callback_s", [0.0, 0.02], ids=["", "slow callback"])
@pytest.mark.parametrize("slots", [1, 16, 64])
def test_every_phase_is_the_truth(slots, callback_s):
    """Within 5 ms or 10 %, also where 64 threads share one interpreter."""
    with timed_server() as port:
        url = f"http://127.0.0.1:{port}"
        wrong = wrong_every_time(lambda: ask_all(url, slots, 3, callback_s))
    phases = 3 * slots * 3
    assert len(wrong) <= phases // 100, wrong


@pytest.mark.campaign
@pytest.mark.parametrize("slots", [1, 16])
def test_the_handshake_is_the_truth(slots, tmp_path):
    """Each page has a connection of its own, whose handshake waits for 0.2 s."""
    certificates = servers.make_certificates(tmp_path)

    def ask():
        return ask_all(f"https://127.0.0.1:{port}", slots, 1, cacert=certificates.root)

    with timed_server(str(tmp_path / "good.pem")) as port:
        wrong = wrong_every_time(ask)
    assert [one for one in wrong if one[0] == "tls_s"] == []


@pytest.mark.slow
def test_a_server_late_to_accept_is_late_with_its_first_byte():
    """Its kernel has taken the connection long before: `connect_s` is short."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:

        def accept_late():
            time.sleep(0.3)
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(servers.message(b"late"))

        thread = threading.Thread(target=accept_late)
        thread.start()
        began_s = time.monotonic()
        page = get_url(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        took_s = time.monotonic() - began_s
        thread.join()
    assert page.timings.connect_s < 0.05
    assert page.timings.ttfb_s == pytest.approx(0.3, abs=0.03)
    assert page.timings.total_s == pytest.approx(took_s, abs=0.005)


@pytest.mark.slow
def test_a_kernel_without_room_is_late_to_connect():
    """The first SYN is dropped, the second comes a second later: `connect_s` is 1 s."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        listener.settimeout(5)
        first = socket.create_connection(address)  # takes all the room there is

        def make_room():
            time.sleep(0.5)
            listener.accept()[0].close()
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(servers.message(b"at last"))

        thread = threading.Thread(target=make_room)
        thread.start()
        page = get_url(f"http://127.0.0.1:{address[1]}/", Settings(timeout_s=5.0))
        thread.join()
        first.close()
    assert page.timings.connect_s == pytest.approx(1.0, abs=0.1)
    assert page.timings.ttfb_s < 0.1
