"""The programs of the tutorial that fetcher grew out of, but for the import.

    from fetcher import Pool, get_url

instead of `from multiprocessing import Pool`. Each runs here as a function; the
promise is the same in all: at most as many workers as the pool has, and callbacks in
the parent only.
"""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time

import pytest

from fetcher import Pool

from . import pool_tasks as tasks

pytestmark = pytest.mark.slow
WAIT_S = 20


def work(n):
    time.sleep(0.01)
    return n**2, os.getpid()


def test_synchronous_apply():
    """One task at a time: the caller waits for each."""
    pool = Pool(3)
    results = [pool.apply(work, args=(n,)) for n in range(10)]
    pool.close()
    pool.join()
    assert [square for square, _ in results] == [n**2 for n in range(10)]
    pids = {pid for _, pid in results}
    assert len(pids) <= 3
    assert os.getpid() not in pids


def test_apply_async_collected_after_join():
    """Submit all, `close()`, `join()`, then `get()` each."""
    pool = Pool(3)
    pending = [pool.apply_async(work, args=(n,)) for n in range(10)]
    pool.close()
    pool.join()
    results = [result.get() for result in pending]
    assert [square for square, _ in results] == [n**2 for n in range(10)]
    assert len({pid for _, pid in results}) <= 3


def test_results_gathered_at_the_end_without_a_callback():
    """`get()` in the order of submission, while the pool still works."""
    pool = Pool()
    pending = [pool.apply_async(work, args=(n,)) for n in range(20)]
    total = sum(result.get()[0] for result in pending)
    pool.close()
    pool.join()
    assert total == sum(n**2 for n in range(20))


def test_more_clients_than_workers():
    """Two workers serve five clients; those in surplus wait until one is free."""
    answers = {}

    def talk(address, name):
        with socket.create_connection(address, timeout=WAIT_S) as client:
            client.sendall(name.encode())
            answers[name] = client.recv(100)

    pool = Pool(2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = [f"client-{n}" for n in range(5)]
        clients = [
            threading.Thread(target=talk, args=(server.getsockname(), name))
            for name in names
        ]
        for client in clients:
            client.start()
        served = []
        for _ in names:
            connection, _address = server.accept()
            with connection:  # the worker gets a copy of its own
                served.append(pool.apply_async(tasks.serve_client, (connection, 0.1)))
        pids = [result.get(WAIT_S) for result in served]
        for client in clients:
            client.join(WAIT_S)
    pool.close()
    pool.join()
    assert answers == {name: name.upper().encode() for name in names}
    assert len(set(pids)) <= 2
    assert os.getpid() not in pids


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # http.server's name
        body = f"<title>{self.path}</title>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_get_url_with_a_callback(site):
    """Workers download, the parent analyses: every callback has the parent's pid."""
    get_url = pytest.importorskip("fetcher.transport").get_url
    callback_pids, pages = [], []

    def analyse(page):
        callback_pids.append(os.getpid())
        pages.append(page)

    pool = Pool(3)
    urls = [f"{site}/{n}" for n in range(10)]
    for url in urls:
        pool.apply_async(get_url, args=(url,), callback=analyse)
    pool.close()
    pool.join()
    assert sorted(page.url for page in pages) == sorted(urls)
    assert all(page.status == 200 for page in pages)
    assert callback_pids == [os.getpid()] * 10
    pids = {page.worker_pid for page in pages}
    assert len(pids) <= 3
    assert os.getpid() not in pids
