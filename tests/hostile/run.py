"""One `crawl()` in a process of its own, whose memory is nobody else's.

    outcome = run(given, watched_lists, timeout_s=10.0, ...)

The process that asks has made servers and lists, and would be measured with them.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fetcher import Page, crawl
from fetcher.models import Kind, State

__all__ = ["Outcome", "Row", "run"]

LIMIT_S = 300.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of a Page."""

    state: State
    kind: Kind | None
    reason: str
    total_s: float | None
    capped: frozenset[str]


@dataclass(slots=True)
class Outcome:
    """What came of a run: rows by URL, seconds, kilobytes by process, and the rest."""

    rows: dict[str, Row] = field(default_factory=dict)
    again: Counter[str] = field(default_factory=Counter)  # URLs with a second row
    bad_lines: Counter[str] = field(default_factory=Counter)  # by list
    pages_of: Counter[str] = field(default_factory=Counter)  # by host
    memory_kb: dict[int, int] = field(default_factory=dict)
    parent_pid: int = field(default_factory=os.getpid)
    parent_cpu_s: float = 0.0
    took_s: float = 0.0
    duplicates: int = 0


def run(given: Sequence[str | Path], **options: object) -> Outcome:
    """Return what `crawl` makes of this, with every row written to a file, too."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hostile.run"],
        input=pickle.dumps((list(given), options)),
        stdout=subprocess.PIPE,
        timeout=LIMIT_S,
        check=True,
    )
    # From `tests.hostile.run` and not from `__main__`, as `_in_this_process` sees to.
    outcome: Outcome = pickle.loads(ran.stdout)
    return outcome


class Watch:
    """Takes note of pages, and of the memory of every process of the run."""

    def __init__(self, lists: Sequence[Path]) -> None:
        self.outcome = Outcome()
        self.outcome.memory_kb[self.outcome.parent_pid] = 0
        self._lists = [str(path) for path in lists]

    def on_page(self, page: Page) -> None:
        """Keep what the tables ask about."""
        outcome = self.outcome
        kind = page.failure.kind if page.failure else None
        if page.worker_pid is not None:
            outcome.memory_kb.setdefault(page.worker_pid, 0)
        elif page.failure is not None and kind is Kind.BAD_URL:
            message = page.failure.message
            of_list = next((each for each in self._lists if each in message), None)
            if of_list is not None:
                outcome.bad_lines[Path(of_list).name] += 1
                return
        outcome.again[page.url] += page.url in outcome.rows
        outcome.pages_of["".join(page.url.split("/")[2:3])] += 1
        outcome.rows[page.url] = Row(
            state=page.state,
            kind=kind,
            reason=page.reason or "",
            total_s=page.timings.total_s,
            capped=frozenset(page.facts.capped if page.facts else ()),
        )

    def look(self, ended: threading.Event) -> None:
        """Take note of memory until the run has ended (in a thread)."""
        while not ended.wait(LOOK_EVERY_S):
            self.note_memory()

    def note_memory(self) -> None:
        """Take note of the most memory that each process ever had."""
        for pid in list(self.outcome.memory_kb):
            with suppress(OSError, LookupError):
                self.outcome.memory_kb[pid] = peak_kb(pid)


def peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("VmHWM")


def run_here(given: list[str | Path], options: dict[str, object]) -> Outcome:
    """Return what came of a run in this process."""
    watch = Watch([each for each in given if isinstance(each, Path)])
    ended = threading.Event()
    looking = threading.Thread(target=watch.look, args=(ended,), daemon=True)
    with tempfile.TemporaryDirectory() as directory:
        looking.start()
        began_s = time.monotonic()
        report = crawl(
            given,
            watch.on_page,
            retries=0,
            output=Path(directory, "rows.jsonl"),
            **options,  # type: ignore[arg-type]
        )
        watch.outcome.took_s = time.monotonic() - began_s
        ended.set()
        looking.join()
    watch.note_memory()
    watch.outcome.duplicates = report.duplicates
    watch.outcome.parent_cpu_s = time.process_time()
    return watch.outcome


if __name__ == "__main__":
    from tests.hostile.run import run_here as run_it  # whose classes have that name

    came = run_it(*pickle.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(pickle.dumps(came))
