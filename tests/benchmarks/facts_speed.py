"""What the facts of a page cost, step by step.

    python -m tests.benchmarks.facts_speed DIR [--base URL] [--pages 300]

Each page's best time of nine rounds counts, so that other work on the machine does not.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from fetcher import facts
from fetcher.urls import Resolver

ROUNDS = 9


def pages_of(directory: Path, url: str, count: int) -> list[tuple[bytes, str]]:
    paths = sorted(directory.rglob("*.html"))
    step = max(len(paths) // count, 1)
    return [
        (path.read_bytes(), f"{url.rstrip('/')}/{path.relative_to(directory)}")
        for path in paths[::step][:count]
    ]


def steps_of(content: bytes, url: str, timed: Callable[..., object]) -> None:
    """Do what `extract` does, each step through `timed(name, function, *args)`."""
    document = timed("parse", facts._parse, content, None)
    timed("encoding", facts._encoding_of, document, content, None)
    outline = timed(
        "title, meta, headings", facts._Outline, document, url, len(content)
    )
    resolve = timed("base URL", Resolver, outline.base)
    anchors = timed("fragments", facts._anchors, document)
    timed("  of links: links()", document.links)
    references = [link.url for link in document.links()]
    other = Resolver(outline.base)
    timed("  of links: resolve", lambda: [other[one] for one in references])
    empty, size = anchors.empty_links, len(content)
    timed("links", lambda: facts._links(document.links(), resolve, empty, size))
    timed("structured data", facts._structured_data, document, outline, anchors)
    timed("images", lambda: tuple(facts._images(outline.images, resolve)))
    words = timed("visible words", facts._visible_words, outline.body)
    timed("text hash", facts._text_hash, words)


def all_facts(content: bytes, url: str) -> None:
    found = facts.extract(content, url)
    for name in facts.FIELDS:
        getattr(found, name)


def count_links(content: bytes, url: str) -> int:
    return facts.extract(content, url).link_count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, help="a folder of HTML files")
    parser.add_argument("--base", default="http://site.example/", help="its URL")
    parser.add_argument("--pages", type=int, default=300, help="evenly spread")
    asked = parser.parse_args()
    pages = pages_of(asked.directory, asked.base, asked.pages)
    best: dict[tuple[int, str], float] = defaultdict(lambda: float("inf"))

    def measure(page: int, name: str, function: Callable[..., object], *args: object):
        begun_s = time.perf_counter()
        result = function(*args)
        took_s = time.perf_counter() - begun_s
        best[page, name] = min(best[page, name], took_s)
        return result

    gc.disable()
    for _ in range(ROUNDS):
        for number, (content, page_url) in enumerate(pages):
            measure(number, "all facts", all_facts, content, page_url)
            measure(number, "count of links only", count_links, content, page_url)
            steps_of(content, page_url, lambda *call, n=number: measure(n, *call))
        gc.collect()

    total_s: dict[str, float] = defaultdict(float)
    for (_, name), took_s in best.items():
        total_s[name] += took_s
    size = sum(len(content) for content, _ in pages) / len(pages)
    print(f"{len(pages)} pages of {size / 1000:.1f} kB on average, ms a page")
    for name, took_s in total_s.items():
        print(f"{name:24} {took_s / len(pages) * 1000:8.4f}")


if __name__ == "__main__":
    main()
