"""What a check of many pages costs: one run of the command, and the same once more.

    python -m tests.benchmarks.checks_speed --urls FILE --db FILE [--text TEXT]
        [--max-time 30s] [--runs 2] [--bare] [-- options of fetcher]

Each run is a process of its own, `python -m fetcher FILE --db FILE`, which expects a
status, a text and a time of every page. Told of each: how it ended, how long it took,
how many pages there were and how many fell short, what the database grew by, and of the
parent process the CPU time and the most memory that it held (VmHWM; its workers'
memory is not in it). With `--bare` each run is made without a database as well, and the
parts that `--db` costs are told. Exits 1 if a run ended with a code above 1, or did not
remember as many pages as the list has lines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fetcher.store.reading import contents

LOOKS_EVERY_S = 0.05
FELL_SHORT = 1  # the exit code of a run in which a page did
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run cost: seconds, seconds of CPU and bytes of memory of the parent."""

    code: int
    took_s: float
    cpu_s: float
    peak_bytes: int


def measured(command: list[str]) -> Cost:
    """Run a command to its end; return what it cost."""
    began_s = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    peak_bytes, cpu_s = 0, 0.0
    while process.poll() is None:
        with suppress(OSError, ValueError, IndexError):  # it may have just ended
            peak_bytes = max(peak_bytes, _peak_bytes(process.pid))
            cpu_s = max(cpu_s, _cpu_s(process.pid))
        time.sleep(LOOKS_EVERY_S)
    return Cost(
        code=process.returncode,
        took_s=time.monotonic() - began_s,
        cpu_s=cpu_s,
        peak_bytes=peak_bytes,
    )


def _peak_bytes(pid: int) -> int:
    """Return the most that a process held: the kernel's own mark, in proc(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process without its children: proc(5), stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def used_bytes(database: Path) -> int:
    """Return how much of a database is in use; of none, nothing."""
    return contents(database).used_bytes if database.exists() else 0


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--urls", type=Path, required=True)
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--status", default="200")
    parser.add_argument("--text", default="</html>")
    parser.add_argument("--max-time", default="30s")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--bare", action="store_true", help="and without a database")
    parser.add_argument("more", nargs="*", metavar="OPTION", help="after --")
    return parser.parse_args()


def tell(name: str, cost: Cost) -> None:
    """Print what a run cost."""
    print(
        f"{name}: exit {cost.code}, {cost.took_s:.1f} s; parent {cost.cpu_s:.1f} s of"
        f" CPU, {cost.peak_bytes / 1e6:.0f} MB at most",
        flush=True,
    )


def main() -> int:
    """Print lines for each run; return 1 if one did not end as it should."""
    asked = arguments()
    lines = [line.strip() for line in asked.urls.read_text().splitlines()]
    given = len({line for line in lines if line and not line.startswith("#")})
    command = [
        *(sys.executable, "-m", "fetcher", str(asked.urls), "--quiet"),
        *("--expect-status", asked.status, "--expect-text", asked.text),
        *("--max-time-per-page", asked.max_time, *asked.more),
    ]
    is_wrong = False
    for number in range(1, asked.runs + 1):
        before = used_bytes(asked.db)
        cost = measured([*command, "--db", str(asked.db)])
        tell(f"run {number}", cost)
        run = contents(asked.db).runs[0]
        grown = used_bytes(asked.db) - before
        print(
            f"  {run.pages:,} pages, {run.fell_short:,} fell short, {given:,} were"
            f" given; the database grew by {grown / 1e6:.2f} MB"
            f" ({grown / max(run.pages or 0, 1):.0f} bytes a page)",
            flush=True,
        )
        is_wrong |= cost.code > FELL_SHORT or run.pages != given
        if asked.bare:
            bare = measured(command)
            tell("  without a database", bare)
            times = cost.took_s / bare.took_s, cost.cpu_s / bare.cpu_s
            print(f"  with it {times[0]:.2f} times as long, {times[1]:.2f} of the CPU")
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
