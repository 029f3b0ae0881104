"""What one page costs the transport in CPU, beside bare pycurl and requests.

    python -m tests.benchmarks.transport_speed --urls FILE
    python -m tests.benchmarks.transport_speed --tls https://localhost/ --cacert FILE

Prints the milliseconds of CPU (user and system, of this process alone) that a page
takes with 1, 16 and 64 threads, each tool in a process of its own, tools in turn, the
median of the rounds. Every tool must have read the same bytes, or the program ends
with an error. With `--tls` it prints what a new connection takes more than a kept
one: a full handshake, and one that resumes the session of an earlier connection.

The URLs should be of a server on this machine, or the network is measured with it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

THREADS = (1, 16, 64)
Fetch = Callable[[str], int]


def bare_pycurl(cacert: str | None) -> Fetch:
    """The least that libcurl costs from Python: a kept handle for each thread."""
    import io
    import threading

    import pycurl

    own = threading.local()

    def fetch(url: str) -> int:
        curl = getattr(own, "curl", None)
        if curl is None:
            curl = own.curl = pycurl.Curl()
            curl.setopt(pycurl.NOSIGNAL, 1)
            curl.setopt(pycurl.ACCEPT_ENCODING, "")
            curl.setopt(pycurl.BUFFERSIZE, 256 * 1024)
            if cacert:
                curl.setopt(pycurl.CAINFO, cacert)
        body = io.BytesIO()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        return len(body.getvalue())

    return fetch


def ours(cacert: str | None) -> Fetch:
    from fetcher.models import Settings
    from fetcher.transport import get_url

    settings = Settings(cacert=cacert)

    def fetch(url: str) -> int:
        page = get_url(url, settings)
        if not page.ok:
            raise SystemExit(f"{url}: {page.reason}")
        return len(page.content)

    return fetch


def requests_session(cacert: str | None) -> Fetch:
    import threading

    import requests

    own = threading.local()

    def fetch(url: str) -> int:
        session = getattr(own, "session", None)
        if session is None:
            session = own.session = requests.Session()
            session.verify = cacert or True
        return len(session.get(url).content)

    return fetch


TOOLS: dict[str, Callable[[str | None], Fetch]] = {
    "pycurl": bare_pycurl,
    "fetcher": ours,
    "requests": requests_session,
}


def measure(tool: str, threads: int, urls: list[str], cacert: str | None) -> str:
    """Return "milliseconds-a-page bytes-in-all", this process's CPU only."""
    fetch = TOOLS[tool](cacert)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fetch, urls[: max(50, 4 * threads)]))  # connections, imports
        began_s = time.process_time()
        size_bytes = sum(pool.map(fetch, urls))
        took_s = time.process_time() - began_s
    return f"{took_s / len(urls) * 1000} {size_bytes}"


def measure_tls(kind: str, url: str, count: int, cacert: str | None) -> str:
    """Return the milliseconds of a page on a kept, a new or a resumed connection."""
    import pycurl

    from fetcher.transport import curl

    fetch = ours(cacert)
    fetch(url)
    prepare = curl.Handle._prepare

    def prepare_anew(handle: Any, question: Any, left_s: float) -> None:
        prepare(handle, question, left_s)
        handle._curl.setopt(pycurl.FRESH_CONNECT, 1)
        if kind == "new":
            handle._curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)

    if kind != "kept":
        curl.Handle._prepare = prepare_anew  # type: ignore[method-assign]
    fetch(url)
    began_s = time.process_time()
    for _ in range(count):
        fetch(url)
    return f"{(time.process_time() - began_s) / count * 1000} 0"


def in_a_process(arguments: list[str]) -> tuple[float, int]:
    command = [sys.executable, "-m", "tests.benchmarks.transport_speed", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    cost_ms, size_bytes = ran.stdout.split()
    return float(cost_ms), int(size_bytes)


def compare(urls: str, pages: int, rounds: int, cacert: str | None) -> None:
    extra = ["--urls", urls, "--pages", str(pages)]
    if cacert:
        extra += ["--cacert", cacert]
    print("CPU ms a page" + "".join(f"{name:>12}" for name in TOOLS))
    for threads in THREADS:
        costs: dict[str, list[float]] = {tool: [] for tool in TOOLS}
        sizes = set()
        for _ in range(rounds):
            for tool, taken in costs.items():
                cost_ms, size = in_a_process(["--one", f"{tool}:{threads}", *extra])
                taken.append(cost_ms)
                sizes.add(size)
        if len(sizes) > 1:
            raise SystemExit(f"the tools read different bytes: {sizes}")
        row = "".join(f"{statistics.median(taken):12.3f}" for taken in costs.values())
        print(f"{threads:3} threads  {row}", flush=True)


def compare_tls(url: str, pages: int, rounds: int, cacert: str | None) -> None:
    extra = ["--tls", url, "--pages", str(pages)]
    if cacert:
        extra += ["--cacert", cacert]
    costs = {}
    for kind in ("kept", "new", "resumed"):
        taken = [in_a_process(["--one", kind, *extra])[0] for _ in range(rounds)]
        costs[kind] = statistics.median(taken)
    print(f"a page on a kept TLS connection  {costs['kept']:.3f} ms")
    print(f"a new connection, full handshake {costs['new'] - costs['kept']:+.3f} ms")
    resumed_ms = costs["resumed"] - costs["kept"]
    print(f"a new connection, resumed        {resumed_ms:+.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", help="a file of one URL a line")
    parser.add_argument("--tls", metavar="URL", help="measure new TLS connections")
    parser.add_argument("--cacert")
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one and asked.tls:
        print(measure_tls(asked.one, asked.tls, asked.pages, asked.cacert))
    elif asked.one:
        tool, _, threads = asked.one.partition(":")
        urls = Path(asked.urls).read_text().split()[: asked.pages]
        print(measure(tool, int(threads), urls, asked.cacert))
    elif asked.tls:
        compare_tls(asked.tls, min(asked.pages, 300), asked.rounds, asked.cacert)
    elif asked.urls:
        compare(asked.urls, asked.pages, asked.rounds, asked.cacert)
    else:
        parser.error("--urls FILE or --tls URL")


if __name__ == "__main__":
    main()
