"""What analysing a hostile page costs: CPU, and memory beyond the page itself.

    python -m tests.hostile.page_cost                 # all of them, 10 MB each
    python -m tests.hostile.page_cost --bytes 1000000 srcset words

Each is read in a process of its own, every fact of it. The program ends with 1 unless
each took at most `SECONDS_MAX` and `EXTRA_MAX_BYTES`, and says what it cut.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

from fetcher.facts import extract
from fetcher.models import Facts
from tests.hostile.pages import CAPPED, PAGES

SECONDS_MAX = 6.0  # of CPU; on a busy machine each takes more of them
EXTRA_MAX_BYTES = 190_000_000  # a text, and the copies of it that words need
WHOLE_BYTES = 10_000_000  # the default of --max-size


@dataclass(frozen=True, slots=True)
class Cost:
    """What all facts of a page took, and which of them were cut short."""

    cpu_s: float
    extra_bytes: int
    capped: frozenset[str]


def peak_bytes(field: str = "VmHWM") -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def read_all(content: bytes) -> Facts:
    facts = extract(content, "http://site.example/dir/")
    for field in fields(Facts):
        getattr(facts, field.name)
    return facts


def cost_of(name: str, size: int) -> Cost:
    """Return what a page costs in this process, once."""
    content = PAGES[name](size)
    read_all(b"<p>warm")
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
    before = peak_bytes()
    began_s = time.process_time()
    facts = read_all(content)
    cpu_s = time.process_time() - began_s
    return Cost(cpu_s, peak_bytes() - before, frozenset(facts.capped))


def cost_apart(name: str, size: int) -> Cost:
    """Return what a page costs in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(cost_of, (name, size))


def problem_with(name: str, size: int, cost: Cost) -> str:
    if cost.cpu_s > SECONDS_MAX:
        return "too slow"
    if cost.extra_bytes > EXTRA_MAX_BYTES:
        return "too much memory"
    if size >= WHOLE_BYTES and not CAPPED.get(name, set()) <= cost.capped:
        return f"should be capped: {', '.join(sorted(CAPPED[name]))}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of pages; default all")
    parser.add_argument("--bytes", type=int, default=WHOLE_BYTES)
    asked = parser.parse_args()
    wrong = 0
    for name in asked.names or PAGES:
        cost = cost_apart(name, asked.bytes)
        problem = problem_with(name, asked.bytes, cost)
        wrong += bool(problem)
        capped = ", ".join(sorted(cost.capped)) or "-"
        took = f"{cost.cpu_s:6.2f} s {cost.extra_bytes / 1e6:5.0f} MB"
        print(f"{name:32} {took}  {capped:30} {problem}", flush=True)
    print(f"{len(asked.names or PAGES)} pages, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
