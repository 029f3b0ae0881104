"""A crawl of a site of a million pages: how memory and rate go as it grows.

    python -m tests.benchmarks.endless [--urls 1000000] [--links 20] [--every 50000]

The site is made up by a process of its own: 20 links a page, each page found once by a
breadth-first walk. Prints, every so many pages, the pages a second since the last line
and the resident memory of the parent; at the end how memory at the end compares with
that at a tenth, and the rate of the last tenth with that of the first. Exits 1 if a URL
was asked for twice or not at all.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fetcher import Page, crawl
from tests.sites import EndlessSite, in_process


def resident_mb() -> float:
    """Return the resident memory of this process, in MB (1,000,000 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class Watch:
    """Takes note of time and memory as pages come."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.pages = 0
        self.marks: list[tuple[int, float, float]] = [(0, time.monotonic(), 0.0)]

    def __call__(self, _: Page) -> None:
        self.pages += 1
        if self.pages % self.every:
            return
        mark = (self.pages, time.monotonic(), resident_mb())
        before = self.marks[-1]
        self.marks.append(mark)
        rate = (mark[0] - before[0]) / (mark[1] - before[1])
        print(
            f"{mark[0]:>9,} pages  {rate:6.0f} pages/s  {mark[2]:6.1f} MB", flush=True
        )


def main() -> int:
    """Crawl the site and compare its start with its end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--urls", type=int, default=1_000_000)
    parser.add_argument("--links", type=int, default=20)
    parser.add_argument("--every", type=int, default=50_000)
    parser.add_argument("--max-time", type=float, default=None, help="seconds")
    options = parser.parse_args()
    site = EndlessSite(options.urls, options.links)
    watch = Watch(options.every)
    with in_process(site) as server:
        began_s = time.monotonic()
        report = crawl(
            f"{server.url.rstrip('/')}{site.front}",
            watch,
            depth=10_000,
            per_host=64,
            retries=0,
            max_time_s=options.max_time,
        )
        took_s = time.monotonic() - began_s
        record = server.record
    print(f"{report}; {took_s:.0f} s with the report; {record.duplicates} duplicates")
    assert report.site is not None
    print(
        f"{report.site.links:,} links to {report.site.targets:,} targets, at the end"
        f" {resident_mb():.1f} MB"
    )
    tenth = [mark for mark in watch.marks if mark[0] >= options.urls // 10]
    if tenth:
        print(f"memory: {watch.marks[-1][2] / tenth[0][2]:.2f} of that at a tenth")
    if len(watch.marks) > 3:
        (a, b), (c, d) = watch.marks[1:3], watch.marks[-2:]
        first, last = ((y[0] - x[0]) / (y[1] - x[1]) for x, y in ((a, b), (c, d)))
        print(f"rate: {last / first:.2f} of that at the start")
    whole = record.distinct == options.urls or options.max_time is not None
    return 0 if record.duplicates == 0 and whole else 1


if __name__ == "__main__":
    sys.exit(main())
