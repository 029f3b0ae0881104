"""Runs the command, and kills it with SIGKILL somewhere in a chosen phase.

    python -m tests.campaigns.aimed TOLD save=40,outputs=7 urls.txt --db runs.db ...

A thread wakes up at random moments, thousands a second, and looks where the main
thread is: at the 40th moment that finds it saving, or the 7th that finds it writing
outputs, the process kills itself, and no handler, `finally` or buffer of Python's or
SQLite's gets to run. What it was at stands in the file TOLD; of a process that was not
killed, how many moments found it in each phase.

Why this way: a kill from outside at a random time nearly never falls into a migration
of 3 ms. The kill could be hung on a statement or a system call (a trace callback,
strace), but then it falls only where one was expected. The stack is looked at from
beside, so nothing of fetcher is replaced. Two settings are changed, so that there is
more to hit: the log is written back each 20 pages and not each 1,000, and Python's
threads take turns each 50 us and not each 5 ms.

fetch       the loop of a crawl, waiting for answers and taking them in
save        a page or an answer is written, a transaction committed, a run finished
migrate     a database is being made, or brought up to date
checkpoint  SQLite writes its log back, in a commit or when it is closed
outputs     a row is written to outputs
appear      the report is written to outputs, and the files are put into their places
"""

from __future__ import annotations

import atexit
import mmap
import os
import random
import signal
import sqlite3
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from fetcher.__main__ import main

PHASES = ("fetch", "save", "migrate", "checkpoint", "outputs", "appear")
LOOKS_EVERY_S = 100e-6  # on average
SWITCH_S = 50e-6
PAGES_IN_LOG = 20
# wal.c, WalCkptInfo: how many frames of the log are written back, and how many were to
# be. https://www.sqlite.org/walformat.html, 2.2, "The WAL-Index Header"
BACKFILLED, TO_BACKFILL = 96, 128

SAVING = frozenset({"add", "keep", "flush", "finish", "close", "_begin"})
OPENING = frozenset({"_create", "_prepare", "migrate"})


def phase_of(frame: FrameType | None) -> str:
    """Return what a stack is at, by the innermost function that tells."""
    is_written = False
    while frame is not None:
        name = frame.f_code.co_name
        module = frame.f_code.co_filename.rpartition("/fetcher/")[2]
        if module in ("store/layout.py", "store/database.py") and name in OPENING:
            return "migrate"
        if module == "store/recorder.py" and name in SAVING:
            return "save"
        if module == "output.py" and name == "finish":
            return "appear"
        is_written = is_written or module.partition("/")[0] in ("output.py", "export")
        if module == "engine/run.py" and name == "_loop" and not is_written:
            return "fetch"
        frame = frame.f_back
    return "outputs" if is_written else "other"


def is_in_checkpoint(index: bytes | mmap.mmap) -> bool:
    """Return whether the index of a log (`-shm`) says that it is being written back."""
    done, wanted = (
        struct.unpack_from("=I", index, offset)[0]
        for offset in (BACKFILLED, TO_BACKFILL)
    )
    return bool(done < wanted)


class Aim:
    """Kills this process when its main thread was seen in a phase so many times."""

    def __init__(self, told: Path, aims: dict[str, int], database: Path) -> None:
        self._told = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._aims = aims
        self._index_path = database.with_name(f"{database.name}-shm")
        self._index: mmap.mmap | None = None
        self._seen: Counter[str] = Counter()
        self._main = threading.main_thread().ident or 0
        sqlite3.connect = partial(sqlite3.connect, factory=_ShortLog)  # type: ignore[assignment]
        sys.setswitchinterval(SWITCH_S)
        atexit.register(self._tell_seen)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        moments = random.Random()
        while True:
            time.sleep(moments.uniform(0, 2 * LOOKS_EVERY_S))
            phase = self._phase()
            self._seen[phase] += 1
            if self._seen[phase] == self._aims.get(phase):
                os.write(self._told, f"killed={phase}".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    def _phase(self) -> str:
        phase = phase_of(sys._current_frames().get(self._main))
        if phase != "save":
            return phase
        if self._index is None:
            self._index = self._open_index()
        is_checkpoint = self._index is not None and is_in_checkpoint(self._index)
        return "checkpoint" if is_checkpoint else phase

    def _open_index(self) -> mmap.mmap | None:
        # Never closed: that would take SQLite's locks on the file away.
        with suppress(OSError, ValueError):
            file = os.open(self._index_path, os.O_RDONLY)
            return mmap.mmap(file, TO_BACKFILL + 4, prot=mmap.PROT_READ)
        return None

    def _tell_seen(self) -> None:
        seen = ",".join(f"{phase}={times}" for phase, times in self._seen.items())
        os.write(self._told, seen.encode())


class _ShortLog(sqlite3.Connection):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.execute(f"pragma wal_autocheckpoint = {PAGES_IN_LOG}")


def counts_of(text: str) -> dict[str, int]:
    """Return the numbers in "save=40,outputs=7"."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {phase: int(times) for phase, _, times in pairs}


if __name__ == "__main__":
    told, aims, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    Aim(Path(told), counts_of(aims), Path(arguments[arguments.index("--db") + 1]))
    sys.exit(main())
