"""All behaviours of the table at once, beside good pages, through `crawl()`.

    python -m tests.hostile
    python -m tests.hostile --good 200 --timeout 3 --workers 1

Each behaviour has a loopback address of its own; the good pages are on five more.
Nothing is retried. The program ends with 1 unless

1. every row has the state and kind of the table, and every good page is ok,
2. what need not wait for the deadline did not, and nothing went past it,
3. the whole run took at most 1.5 times the deadline,
4. no worker process ever had more than 150 MB (VmHWM of /proc).

Where the kernel lets it, the program runs in a network namespace of its own, in which
a name server never answers; else that one case is left out, and the program says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from fetcher import Page, crawl
from fetcher.models import Kind, State
from tests import servers
from tests.hostile.answers import CASES
from tests.servers import answer, serve

WORKER_MAX_KB = 150_000
SLACK_S = 1.0  # a page may begin to be fetched late, and its clock be read late
AT_ONCE_S = 2.5  # on a machine that is busy with all the others
GOOD_HOSTS = 5
GOOD_BODY = b"<title>good</title>" + b"<p>words and more words</p>" * 700  # 19 KB
INSIDE = "FETCHER_CAMPAIGN_INSIDE"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the row of one URL must say; `waits` and no kind: a good page."""

    name: str
    url: str
    state: State
    kinds: frozenset[Kind | None]
    waits: bool = False


def run_servers(pipe: Connection, directory: str) -> None:
    """Serve every case until the pipe is closed; first send the URLs (a process)."""
    addresses = [f"127.0.2.{n}" for n in range(1, len(CASES) + 1)]
    certificates = servers.make_certificates(Path(directory), addresses)
    with ExitStack() as running:
        urls = []
        for case, address in zip(CASES, addresses, strict=True):
            has_tls = case.tls not in (None, "none")
            tls = getattr(certificates, str(case.tls)) if has_tls else None
            server = running.enter_context(
                serve(case.behaviour, tls=tls, address=address)
            )
            secure = case.tls is not None
            urls.append(server.url.replace("http:", "https:") if secure else server.url)
        refusing = running.enter_context(
            serve(servers.refusing_proxy, address="127.0.2.254")
        )
        pipe.send((urls, refusing.url, certificates.root))
        with suppress(EOFError):
            pipe.recv()


def run_good_servers(pipe: Connection) -> None:
    """Serve the good pages from a process that the others cannot slow down."""
    with ExitStack() as running:
        behaviour = answer(GOOD_BODY, "200 OK", "Content-Type: text/html")
        pipe.send(
            [
                running.enter_context(serve(behaviour, address=f"127.0.3.{n}")).url
                for n in range(1, GOOD_HOSTS + 1)
            ]
        )
        with suppress(EOFError):
            pipe.recv()


def expectations(
    urls: list[str], good: list[str], pages: int, silent_names: bool
) -> Iterator[Expected]:
    """Yield the hostile and the good mixed, so that no kind has the pool alone."""
    hostile = [
        Expected(case.name, url, case.state, frozenset({case.kind}), case.waits)
        for case, url in zip(CASES, urls, strict=True)
    ]
    proxied = frozenset({Kind.PROXY})
    closed = socket.create_server(("127.0.2.253", 0))
    refused = f"http://127.0.2.253:{closed.getsockname()[1]}/"
    closed.close()
    hostile += [
        Expected(
            "a port nobody listens on", refused, State.FAILED, frozenset({Kind.REFUSED})
        ),
        Expected(
            "a proxy that is not there", "http://a.example/", State.FAILED, proxied
        ),
        Expected("a proxy that refuses", "https://b.example/", State.FAILED, proxied),
        Expected("no URL", "http://[::1", State.FAILED, frozenset({Kind.BAD_URL})),
    ]
    if silent_names:
        late = frozenset({Kind.CONNECT_TIMEOUT})
        url = "http://silent.invalid/"
        hostile.append(Expected("a silent name server", url, State.FAILED, late, True))
    # Those that wait come first: the run is to be as long as one of them, not two.
    hostile.sort(key=lambda one: not one.waits)
    every = max(pages // len(hostile), 1)
    for n in range(max(pages, len(hostile) * every)):
        if n < pages:
            url = f"{good[n % len(good)]}{n}"
            yield Expected("good", url, State.OK, frozenset({None}))
        at, rest = divmod(n, every)
        if rest == 0 and at < len(hostile):
            yield hostile[at]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: pages by URL, seconds, and kilobytes by worker."""

    pages: dict[str, Page]
    took_s: float
    memory_kb: dict[int, int]


def run(
    expected: list[Expected],
    root: str,
    timeout_s: float,
    slots: int,
    workers: int | None,
) -> Outcome:
    pages: dict[str, Page] = {}
    memory_kb: dict[int, int] = {}

    def note_memory(*_: object) -> None:
        for pid in memory_kb:
            with suppress(OSError, LookupError):
                memory_kb[pid] = peak_kb(pid)

    def on_page(page: Page) -> None:
        pages[page.url] = page
        if page.worker_pid is not None:
            memory_kb.setdefault(page.worker_pid, 0)
        if len(pages) % 50 == 0:
            note_memory()

    began_s = time.monotonic()
    crawl(
        [one.url for one in expected],
        on_page,
        concurrency=slots,
        workers=workers,
        retries=0,
        timeout_s=timeout_s,
        cacert=root,
        on_progress=note_memory,
    )
    return Outcome(pages, time.monotonic() - began_s, memory_kb)


def peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("VmHWM")


def wrong_with(one: Expected, page: Page | None, timeout_s: float) -> str:
    """Return what is wrong with a row, "" if it is as it should be."""
    if page is None:
        return "no row"
    kind = page.failure.kind if page.failure else None
    if page.state is not one.state or kind not in one.kinds:
        return f"{page.state} {kind}: {page.reason}"
    took_s = page.timings.total_s
    if took_s is None:
        return "" if Kind.BAD_URL in one.kinds else "no time"
    if took_s > timeout_s + SLACK_S:
        return f"took {took_s:.2f} s"
    if one.waits and took_s < timeout_s - 0.1:
        return f"gave up after {took_s:.2f} s"
    if not one.waits and took_s > min(AT_ONCE_S, timeout_s):
        return f"took {took_s:.2f} s and should end at once"
    return ""


def report(
    expected: list[Expected], outcome: Outcome, timeout_s: float, *, verbose: bool
) -> bool:
    """Print the table; return whether all of it is right."""
    wrong = 0
    slowest_good_s = 0.0
    for one in expected:
        page = outcome.pages.get(one.url)
        problem = wrong_with(one, page, timeout_s)
        wrong += bool(problem)
        took_s = (page and page.timings.total_s) or 0.0
        if one.name == "good":
            slowest_good_s = max(slowest_good_s, took_s)
            if not problem:
                continue
        if verbose or problem:
            kind = page.failure.kind if page and page.failure else "-"
            state = page.state if page else "-"
            print(f"{one.name:36} {state:10} {kind:18} {took_s:6.2f} s  {problem}")
    limit_s = 1.5 * timeout_s
    most_kb = max(outcome.memory_kb.values(), default=0)
    print(f"{len(expected)} pages, {wrong} wrong; slowest good {slowest_good_s:.2f} s")
    print(f"{outcome.took_s:.2f} s in all, of {limit_s:.2f} s allowed")
    print(f"workers: {len(outcome.memory_kb)}, the largest {most_kb / 1000:.0f} MB")
    return not wrong and outcome.took_s <= limit_s and 0 < most_kb < WORKER_MAX_KB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=1000, help="good pages")
    parser.add_argument("--timeout", type=float, default=10.0, help="the deadline, s")
    parser.add_argument("--slots", type=int, default=64, help="requests under way")
    parser.add_argument("--workers", type=int, help="by default as crawl() has them")
    parser.add_argument("--quiet", action="store_true", help="print wrong rows only")
    asked = parser.parse_args()
    if INSIDE not in os.environ and may_unshare():
        return run_inside()
    silent_names = os.environ.get(INSIDE) == "1"
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if silent_names:
        silent.bind(("127.0.0.53", 53))
    else:
        print("no network namespace: without the name server that never answers")
    # Servers in processes of their own, made while this one has no threads.
    fork = multiprocessing.get_context("fork")
    with silent, tempfile.TemporaryDirectory() as directory:
        ours, theirs = fork.Pipe()
        good_ours, good_theirs = fork.Pipe()
        bad = fork.Process(target=run_servers, args=(theirs, directory), daemon=True)
        good = fork.Process(target=run_good_servers, args=(good_theirs,), daemon=True)
        bad.start()
        good.start()
        urls, refusing, root = ours.recv()
        os.environ.update(
            http_proxy="http://127.0.2.253:9",
            https_proxy=refusing,
            no_proxy="127.0.0.0/8,silent.invalid",
        )
        expected = list(expectations(urls, good_ours.recv(), asked.good, silent_names))
        outcome = run(expected, root, asked.timeout, asked.slots, asked.workers)
        for process in (bad, good):
            process.kill()
            process.join()
    right = report(expected, outcome, asked.timeout, verbose=not asked.quiet)
    return 0 if right else 1


RESOLVERS = {
    "resolv.conf": "nameserver 127.0.0.53\n",
    "nsswitch.conf": "hosts: files dns\n",
}


def run_inside() -> int:
    """Run this program again where a name server of ours is the only one."""
    with tempfile.TemporaryDirectory() as directory:
        mounts = []
        for name, content in RESOLVERS.items():
            Path(directory, name).write_text(content)
            mounts.append(f"mount --bind {directory}/{name} /etc/{name}")
        script = " && ".join([*mounts, "ip link set lo up", 'exec "$@"'])
        again = [sys.executable, "-m", "tests.hostile", *sys.argv[1:]]
        ran = subprocess.run(
            ["unshare", "-rmn", "sh", "-c", script, "sh", *again],
            env={**os.environ, INSIDE: "1"},
            check=False,
        )
        return ran.returncode


def may_unshare() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    test = "mount --bind /etc/hosts /etc/hosts && ip link set lo up"
    command = ["unshare", "-rmn", "sh", "-c", test]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
