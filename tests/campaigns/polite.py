"""50 hosts, of which some answer 429, some are slow and some die: what did they see?

    python -m tests.campaigns.polite [--pages 40] [--per-host 6] [--delay 0] [--depth 0]

Prints, as the server saw it: the most requests in flight to one host, the least pause
between two, how often each URL was asked for, and when the healthy hosts were done,
beside a run in which all hosts are healthy. Exits 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter

from fetcher import Page, State, crawl
from tests.sites import Manner, PoliteHosts, Visits, in_process

SLOWED_AT_MOST = 1.1


def run(
    site: PoliteHosts, per_host: int, delay_s: float, depth: int
) -> tuple[Visits, Counter[str], Counter[State], float]:
    """Fetch every page of every host; return what was seen on both sides."""
    pages: Counter[str] = Counter()
    states: Counter[State] = Counter()

    def note(page: Page) -> None:
        pages[page.url] += 1
        states[page.state] += 1

    with in_process(site, site.hosts) as server:
        urls = site.urls(server.port)
        if depth:
            urls = [url for url in urls if url.endswith(f"{server.port}/")]
        began_s = time.monotonic()
        crawl(urls, note, per_host=per_host, delay_s=delay_s, depth=depth)
        visits = server.record
    return visits, pages, states, began_s


def healthy_s(visits: Visits, hosts: list[str], began_s: float) -> float:
    """Return when the median healthy host was done, seconds after the start."""
    ends: dict[str, float] = {}
    for visit in visits:
        ends[visit.host] = max(ends.get(visit.host, 0.0), visit.end_s)
    return statistics.median(ends[host] - began_s for host in hosts)


def main() -> int:
    """Run both worlds and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--per-host", type=int, default=6)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--depth", type=int, default=0)
    options = parser.parse_args()
    how = (options.per_host, options.delay, options.depth)

    all_well = PoliteHosts(pages=options.pages, busy=0, slow=0, dying=0)
    visits, *_, began_s = run(all_well, *how)
    site = PoliteHosts(pages=options.pages)
    healthy = site.with_manner(Manner.HEALTHY)
    alone_s = healthy_s(visits, healthy, began_s)

    visits, pages, states, began_s = run(site, *how)
    beside_s = healthy_s(visits, healthy, began_s)
    limit = 1 if options.delay else options.per_host
    in_flight = max(visits.most_in_flight().values())
    pause_s = min(visits.least_pause_s().values())
    expected = len(site.hosts) * len(site.paths)
    print(f"{sum(states.values())} pages: {dict(states)}")
    print(f"in flight to one host at most {in_flight}, allowed {limit}")
    print(f"least pause {pause_s:.3f} s, asked for {options.delay:g} s")
    print(f"requests per URL at most {max(visits.times_asked().values())}")
    print(
        f"healthy hosts done after {beside_s:.2f} s, {alone_s:.2f} s without the others"
    )
    wrong = []
    if in_flight > limit:
        wrong.append("too many at once")
    if options.delay and pause_s < options.delay:
        wrong.append("too soon")
    if set(pages.values()) != {1}:
        wrong.append("a page came twice")
    if not options.depth and len(pages) != expected:
        wrong.append(f"{len(pages)} pages came, not {expected}")
    if beside_s > alone_s * SLOWED_AT_MOST:
        wrong.append("the healthy hosts were slowed down")
    print("; ".join(wrong) or "every promise was kept")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
