"""Crawls a folder of pages, walks over its files, and compares what both found.

    python -m tests.campaigns.site_agree --root /usr/share/doc/python3.11/html
        [--front /index.html] [--base URL] [--parser lxml] [--processes 2]

The folder is served by a process of this program, or by the server at `--base` that
serves it already. Compared are the pages that were reached, the broken links and the
missing fragments, each with the pages that they stand on (as far as the report lists
them). Every difference is printed; exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import mimetypes
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from fetcher import Page, Report, crawl
from tests.servers import message
from tests.site_walk import Disk, Walk, walk
from tests.sites import Asked, in_process, not_found

SHOWN = 10


class FilesSite:
    """Serves the files of a folder, and nothing above it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._answered = 0

    def answer(self, asked: Asked) -> bytes:
        self._answered += 1
        path = unquote(asked.target.partition("?")[0]).lstrip("/")
        found = self._root / path
        if found.is_dir():
            found /= "index.html"
        if ".." in found.parts or not found.is_file():
            return not_found()
        kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        return message(found.read_bytes(), "200 OK", f"Content-Type: {kind}")

    def record(self) -> int:
        """How many requests it answered."""
        return self._answered


@contextmanager
def served(root: Path, base: str | None) -> Iterator[str]:
    """Give the origin under which a folder is served."""
    if base is not None:
        yield base.rstrip("/")
        return
    with in_process(FilesSite(root)) as server:
        yield server.url.rstrip("/")


def crawled(front: str) -> tuple[Report, dict[str, int]]:
    """Return the report of a crawl, and how often each HTML page came."""
    pages: dict[str, int] = defaultdict(int)

    def note(page: Page) -> None:
        if page.ok and page.is_html:
            pages[page.url] += 1

    report = crawl(front, note, depth=1_000, external="skip", per_host=64, retries=0)
    return report, dict(pages)


def differences(report: Report, pages: dict[str, int], walked: Walk) -> Iterator[str]:
    """Yield a sentence for everything that one found and the other did not."""
    yield from (f"fetched {n} times: {url}" for url, n in pages.items() if n != 1)
    yield from _unlike("page", set(pages), set(walked.depths))
    site = report.site
    assert site is not None
    found = {target.url: target for target in site.broken}
    known: dict[str, set[str]] = defaultdict(set)
    for page, target in walked.broken_links:
        known[target].add(page)
    yield from _unlike("broken link", set(found), set(known))
    for bad in site.fragments:
        found[f"{bad.url.partition('#')[0]}#{bad.fragment}"] = bad
    fragments: dict[str, set[str]] = defaultdict(set)
    for page, target in walked.broken_fragments:
        fragments[target].add(page)
    yield from _unlike(
        "missing fragment", {url for url in found if "#" in url}, set(fragments)
    )
    for url, bad in found.items():
        here = {place.url for place in bad.places}
        there = known.get(url) or fragments.get(url) or set()
        if bad.place_count == len(bad.places) and here != there:
            yield f"{url} stands on {sorted(here)} here, on {sorted(there)} there"


def _unlike(what: str, ours: set[str], theirs: set[str]) -> Iterator[str]:
    yield from (f"{what} only in the crawl: {url}" for url in sorted(ours - theirs))
    yield from (f"{what} only in the walk: {url}" for url in sorted(theirs - ours))


def main() -> int:
    """Compare, and say what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--front", default="/index.html")
    parser.add_argument("--base", default=None)
    parser.add_argument("--parser", default="lxml")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with served(options.root, options.base) as base:
        report, pages = crawled(f"{base}{options.front}")
    walked = walk(
        Disk(options.root, base),
        options.front,
        parser=options.parser,
        processes=options.processes,
    )
    found = list(differences(report, pages, walked))
    site = report.site
    assert site is not None
    print(
        f"{len(pages):,} pages, {site.links:,} links, {site.bad_counts['broken']:,}"
        f" broken targets, {site.bad_counts['fragments']:,} missing fragments;"
        f" {len(found):,} differences"
    )
    for sentence in found[:SHOWN]:
        print(" ", sentence)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
