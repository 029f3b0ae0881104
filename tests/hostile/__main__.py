"""All that servers, pages, names, redirects, lists and sites may do, at once.

    python -m tests.hostile
    python -m tests.hostile --good 200 --timeout 3 --workers 1

Over 290 behaviours, each on a loopback address of its own, beside 1,000 good pages in
64 slots; then whole sites. The program ends with 1 unless

1. every row has the state and kind of its table, and every good page is ok,
2. what need not wait for the deadline did not, and nothing went past it,
3. the first run took at most 1.5 times the deadline (that of sites, in which three
   may come one after another, 1.5 times three),
4. no process ever had --memory, 200 MB (VmHWM of /proc), the parent included; where
   others are at work, a quarter more: a parent that is slower has more waiting for it.

Where the kernel lets it, the program runs in a network namespace of its own with a
name server that lies; else the names that need one are left out, and it says so.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable

from tests.hostile import campaign
from tests.hostile.campaign import Expected, Outcome, Servers
from tests.hostile.namespace import INSIDE, is_inside, may_unshare, run_inside

BUSY_MEMORY = 1.25  # times --memory, where others are at work


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=1000, help="good pages")
    parser.add_argument("--timeout", type=float, default=10.0, help="the deadline, s")
    parser.add_argument("--slots", type=int, default=64, help="requests under way")
    parser.add_argument("--workers", type=int, help="by default as crawl() has them")
    parser.add_argument("--memory", type=int, default=200, help="of a process, MB")
    parser.add_argument("--quiet", action="store_true", help="print wrong rows only")
    asked = parser.parse_args()
    if INSIDE not in os.environ and may_unshare():
        return run_inside("tests.hostile", sys.argv[1:])
    if not is_inside():
        print("no network namespace: without the name server that lies")
    busyness = campaign.how_busy()
    if busyness > 1:
        print(f"others are at work: the whole may take {busyness:.1f} times as long")
    most_mb = round(asked.memory * min(max(busyness, 1.0), BUSY_MEMORY))
    with Servers() as found:
        if is_inside():
            campaign.start_names()
        expected = list(campaign.expectations(found, asked.good, asks=is_inside()))
        outcome = campaign.run_everything(
            found,
            expected,
            timeout_s=asked.timeout,
            slots=asked.slots,
            workers=asked.workers,
        )
        verdicts = campaign.problems_of_all(
            found, expected, outcome, asked.timeout, busyness, most_mb
        )
        right = told(verdicts, expected, outcome, quiet=asked.quiet)
        site_timeout_s = asked.timeout / 4
        outcome = campaign.run_sites(found, timeout_s=site_timeout_s, slots=asked.slots)
        verdicts = campaign.problems_of_sites(
            found, outcome, site_timeout_s, busyness, most_mb
        )
        return 0 if told(verdicts, (), outcome, quiet=asked.quiet) and right else 1


def told(
    verdicts: Iterable[tuple[str, str]],
    expected: Iterable[Expected],
    outcome: Outcome,
    *,
    quiet: bool,
) -> bool:
    """Print what was wrong, or all; return whether all of it is right."""
    rows = {one.name: outcome.rows.get(one.url) for one in expected}
    wrong = told_rows = good = 0
    for name, problem in verdicts:
        told_rows += 1
        good += name == "good"
        wrong += bool(problem)
        if problem or not (quiet or name == "good"):
            row = rows.get(name)
            came = (
                f"{row.state} {row.kind or '-'} {row.total_s or 0:.2f} s" if row else ""
            )
            print(f"{name:45} {came:36} {problem}")
    most_kb = max(outcome.memory_kb.values())
    parent_kb = outcome.memory_kb[outcome.parent_pid]
    print(
        f"{told_rows - good} behaviours and {good} good pages, {wrong} wrong;"
        f" {outcome.took_s:.2f} s; {len(outcome.memory_kb)} processes, the largest"
        f" {most_kb / 1000:.0f} MB, the parent {parent_kb / 1000:.0f} MB and"
        f" {outcome.parent_cpu_s:.1f} s of CPU",
        flush=True,
    )
    return not wrong


if __name__ == "__main__":
    sys.exit(main())
