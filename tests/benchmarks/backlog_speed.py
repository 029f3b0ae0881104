"""What a backlog and a link graph cost as they grow: time a page and memory.

    python -m tests.benchmarks.backlog_speed [--urls 1000000] [--links 20]
        [--backlog memory disk spilling] [--graph]
    python -m tests.benchmarks.backlog_speed --manual [--urls 10000] [--links 55]

A crawl is played without a network. Page n links to pages n * links + 1 and the
following, as long as there are any, and otherwise to pages anywhere; so that all URLs
are found early, and most of them wait. Each page is taken, and its links are offered
as requests of their own; `--graph` records them too. What making the requests costs
is not counted. Each backlog has a process of its own. Times are CPU seconds of it.

`--manual` plays a manual instead: three quarters of its links ask for one of the 150
anchors of a page, one in a hundred of these for one that is not there. The graph is
then asked everything it can answer, and the answers are compared with what was put in.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fetcher.backlog import Backlog, MemoryBacklog, url_id
from fetcher.graph import LinkGraph
from fetcher.link_table import LinkTable, joined
from fetcher.models import Link, Request
from fetcher.store import SpillingBacklog, UrlBacklog

HOST, ORIGIN = "site.example", "http://site.example"
KINDS: dict[str, Callable[[], Backlog]] = {
    "memory": MemoryBacklog,
    "disk": UrlBacklog,
    "spilling": SpillingBacklog,
}
STEPS = 10


def rss_mb() -> float:
    """Return the resident memory of this process, of Linux's own count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return float("nan")


def request_of(number: int, depth: int) -> Request:
    """Return a request as parsing makes it: no string shared with another."""
    url = f"http://site.example/p/{number}.html"
    host, origin = "".join((HOST[:1], HOST[1:])), "".join((ORIGIN[:1], ORIGIN[1:]))
    return Request(url=url, key=f"{url}", host=host, origin=origin, depth=depth)


def linked_from(number: int, links: int, urls: int, chance: random.Random) -> list[int]:
    first = number * links + 1
    if first + links <= urls:
        return list(range(first, first + links))
    return [chance.randrange(urls) for _ in range(links)]


def record(graph: LinkGraph, page: Request, requests: list[Request]) -> None:
    links = LinkTable.of(
        Link(one.url, "a link of some words", (), "a", "href", line, 12)
        for line, one in enumerate(requests)
    )
    begun_s = time.process_time()
    targets = [url_id(document) for document, *_ in links.sorts]
    graph.add_page(page.url, url_id(page.key), links, targets, "")
    record.took_s += time.process_time() - begun_s  # type: ignore[attr-defined]


def play(kind: str, urls: int, links: int, with_graph: bool) -> None:
    backlog, graph = KINDS[kind](), LinkGraph()
    chance = random.Random(4)
    record.took_s = 0.0  # type: ignore[attr-defined]
    backlog.add_unseen([request_of(0, 0)])
    began_mb = rss_mb()
    took_s, pages, counted = 0.0, 0, 0
    print(f"{kind}: {began_mb:.0f} MB at the start")
    print("    pages     known   waiting  us/page  graph us/page  RSS MB")
    step = urls // STEPS
    while True:
        begun_s = time.process_time()
        taken = backlog.take(HOST, 1)
        took_s += time.process_time() - begun_s
        if not taken:
            break
        number = int(taken[0].url.rpartition("/")[2][:-5])
        requests = [
            request_of(found, taken[0].depth + 1)
            for found in linked_from(number, links, urls, chance)
        ]
        begun_s = time.process_time()
        backlog.add_unseen(requests)
        took_s += time.process_time() - begun_s
        if with_graph:
            record(graph, taken[0], requests)
        pages += 1
        if pages % step == 0 or pages in (step // 10, step // 2):
            each_us = 1e6 / (pages - counted)
            graph_us = record.took_s * each_us  # type: ignore[attr-defined]
            print(
                f"{pages:9} {backlog.known:9} {backlog.waiting:9}"
                f" {took_s * each_us:8.1f} {graph_us:14.1f} {rss_mb():7.1f}",
                flush=True,
            )
            took_s = record.took_s = 0.0  # type: ignore[attr-defined]
            counted = pages
    assert pages == urls, f"{pages} pages were fetched of {urls}"
    backlog.close()
    graph.close()


def play_manual(urls: int, links: int, anchors: int = 150) -> None:
    chance = random.Random(4)
    graph = LinkGraph()
    names = [f"anchor-number-{number}" for number in range(anchors)]
    ids = [url_id(f"{ORIGIN}/p/{number}.html") for number in range(urls)]
    bad: set[tuple[int, str]] = set()
    bad_places = 0
    began_mb, took_s = rss_mb(), 0.0
    for number in range(urls):
        page_links = []
        for line in range(links):
            to = chance.randrange(urls) if line % 4 else number
            url = f"{ORIGIN}/p/{to}.html"
            if line % 4:
                gone = chance.random() < 0.01
                name = f"gone-{line}" if gone else chance.choice(names)
                url = f"{url}#{name}"
                if gone:
                    bad.add((ids[to], name))
                    bad_places += 1
            page_links.append(Link(url, f"link {line}", (), "a", "href", line, 12))
        table, anchors_here = LinkTable.of(page_links), joined(names)
        begun_s = time.process_time()
        targets = [url_id(document) for document, *_ in table.sorts]
        graph.add_page(
            f"{ORIGIN}/p/{number}.html", ids[number], table, targets, anchors_here
        )
        took_s += time.process_time() - begun_s
    print(f"{urls} pages, {links} links and {anchors} anchors each")
    print(
        f"add_page         {took_s / urls * 1e6:8.1f} us/page,"
        f" +{rss_mb() - began_mb:.0f} MB"
    )
    some = frozenset(ids[:1000])

    def count_places() -> int:
        return sum(1 for _ in graph.places(some))

    questions: dict[str, Callable[[], object]] = {
        "places": count_places,
        "missing_anchors": lambda: {
            (m.target, m.fragment) for m in graph.missing_anchors()
        },
        "of missing": lambda: sum(1 for _ in graph.places_of_missing(bad)),
        "degrees": graph.degrees,
        "unlinked": lambda: list(graph.unlinked(ids)),
    }
    answers = {}
    for name, question in questions.items():
        begun_s = time.process_time()
        answers[name] = question()
        took_s = time.process_time() - begun_s
        print(f"{name:16} {took_s:8.2f} s,       +{rss_mb() - began_mb:.0f} MB")
    assert answers["missing_anchors"] == bad
    assert answers["of missing"] == bad_places
    graph.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--urls", type=int, help="1,000,000; a manual: 10,000")
    parser.add_argument("--links", type=int, help="on each page: 20; a manual: 55")
    parser.add_argument("--backlog", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--graph", action="store_true", help="record the links too")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--manual", action="store_true", help="the graph alone")
    asked = parser.parse_args()
    if asked.manual:
        play_manual(asked.urls or 10_000, asked.links or 55)
        return
    asked.urls, asked.links = asked.urls or 1_000_000, asked.links or 20
    if asked.here:
        play(asked.backlog[0], asked.urls, asked.links, asked.graph)
        return
    for kind in asked.backlog:
        command = [sys.executable, "-m", "tests.benchmarks.backlog_speed", "--here"]
        command += ["--backlog", kind, "--urls", str(asked.urls)]
        command += ["--links", str(asked.links), *["--graph"] * asked.graph]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
