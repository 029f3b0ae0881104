"""What remembering a run costs: CPU time and bytes, for pages as a server gave them.

    python -m tests.benchmarks.store_speed [--pages 10000] [--runs 4] [--folder DIR]

Each run records the same pages, as a crawl does: `add`, `keep`, and `flush_if_due` when
there is nothing else to do. The first run of pages that nobody knows writes facts,
links and bodies; the later ones find them unchanged. With `--folder` the pages are the
HTML files found there, each again and again with a word of its own until there are
enough; without, small ones. Parsing is counted apart: a crawl whose outputs show facts
has parsed anyway.
Exits 1 if the rows of an unchanged run, the raw checks, take more than 100 bytes each:
1 MB for 10,000 pages. Times are for reading: they hang on the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

from fetcher import Page
from fetcher.models import Request, Timings
from fetcher.store.reading import contents
from fetcher.store.recorder import Job, Recorder
from fetcher.testing import make_page

JOB = Job.of(["benchmark"], {}, version="0")
FACTS = ("title", "description", "canonical", "language", "robots", "headings")
MORE_FACTS = ("word_count", "text_hash", "links")
MADE_AT_ONCE = 500
IDLE_AFTER = 8  # answers, in a crawl that waits for the network
MOST_BYTES = 100  # of a row


def pages_of(folder: Path | None, count: int) -> Iterator[Page]:
    """Give so many pages, of 200 hosts, each with facts that a worker has read."""
    small = b"<title>Page</title><h1>H</h1><a href=/a>a</a><p>words %d</p>"
    files = [small] if folder is None else _files(folder)
    for number, content in enumerate(islice(cycle(files), count)):
        host = f"host{number % 200}.example"
        word = b"%s<p>%d</p>" % (content, number) if folder else content % number
        timings = Timings(0.001, None, 0.0104, 0.0231, 0.0842, 0.0021, 0.1198)
        page = make_page(
            f"https://{host}/section/page-{number}.html",
            html=word,
            headers=[
                ("Date", "Sun, 01 Nov 2026 08:49:37 GMT"),
                ("Content-Type", "text/html; charset=utf-8"),
                ("Server", "nginx/1.24.0"),
                ("ETag", f'"{number:x}-5f2a"'),
                ("Cache-Control", "max-age=600, must-revalidate"),
            ],
            ip=f"192.0.2.{number % 200}",
            timings=timings._replace(ttfb_s=0.05 + number % 977 / 1e4),
            fetched_at=datetime.now(UTC),
        )
        page.read_ahead((*FACTS, *MORE_FACTS))
        page.release()
        yield page


def _files(folder: Path) -> list[bytes]:
    found = [path.read_bytes() for path in sorted(folder.rglob("*.html"))[:500]]
    if not found:
        raise SystemExit(f"no HTML in {folder}")
    return found


def record(path: Path, folder: Path | None, count: int) -> float:
    """Record one run; return the CPU seconds that it took."""
    spent_s = 0.0
    given = enumerate(pages_of(folder, count))
    with closing(Recorder.open(path, JOB)) as recorder:
        # Many at a time: asking for the CPU time may cost as much as a page.
        while some := [
            (number, page, Request(url=page.url, key=page.url))
            for number, page in islice(given, MADE_AT_ONCE)
        ]:
            began_s = time.process_time()
            for number, page, asked in some:
                recorder.take_in_hand(asked)
                recorder.add(page)
                recorder.keep(asked, page, number)
                recorder.put_down()
                if number % IDLE_AFTER == 0:
                    recorder.flush_if_due()
            spent_s += time.process_time() - began_s
        began_s = time.process_time()
        recorder.finish(pages=count, fell_short=0, ok=True, interrupted=False)
        return spent_s + time.process_time() - began_s


def main() -> int:
    """Print a line a run; return 1 if an unchanged one took too much room."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        used_before = code = 0
        for number in range(1, asked.runs + 1):
            cpu_s = record(path, asked.folder, asked.pages)
            now = contents(path)
            grown = now.used_bytes - used_before
            size = now.file_bytes / 1e6
            print(
                f"run {number}: {cpu_s:.2f} s of CPU, {grown / 1e6:.2f} MB more in use"
                f" ({grown / asked.pages:.0f} bytes a page), file {size:.1f} MB",
                flush=True,
            )
            if number > 1 and grown > MOST_BYTES * asked.pages:
                print(f"  more than {MOST_BYTES} bytes a page")
                code = 1
            used_before = now.used_bytes
    return code


if __name__ == "__main__":
    sys.exit(main())
