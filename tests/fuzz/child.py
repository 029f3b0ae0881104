"""The process in which the cases of one target are run; `__main__` watches over it.

    python -m tests.fuzz.child TARGET SEED FIRST SECONDS BLACKBOX

Prints one line of JSON for each finding of a kind that it has not told yet, and a last
one with what was done. A crash prints nothing: the case stands in the black box.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import resource
import sys
import time
from pathlib import Path

from .blackbox import BlackBox
from .harness import Outcome, attempt, case_number
from .targets import find

MEMORY_MAX_BYTES = 3_000_000_000
TOLD_MAX = 50


def run(name: str, seed: int, first: int, seconds: float, box: BlackBox) -> None:
    """Run cases until the time is over; tell of findings as they come."""
    target = find(name)
    told: set[str] = set()
    slowest, slowest_number, findings = Outcome(0.0, None), first, 0
    number, end_s = first, time.monotonic() + seconds
    while time.monotonic() < end_s:
        case = case_number(target, seed, number)
        box.note(number, case)
        outcome = attempt(target, case)
        if outcome.took_s > slowest.took_s:
            slowest, slowest_number = outcome, number
        if outcome.finding is not None:
            findings += 1
            if outcome.finding.kind not in told and len(told) < TOLD_MAX:
                told.add(outcome.finding.kind)
                say(number=number, case=coded(case), finding=outcome.finding)
        number += 1
    say(
        cases=number - first,
        findings=findings,
        slowest_s=slowest.took_s,
        slowest_number=slowest_number,
    )


def coded(case: bytes) -> str:
    """Return a case as JSON can hold it."""
    return base64.b64encode(case).decode()


def say(**what: object) -> None:
    """Print one line for the parent."""
    sys.__stdout__.write(json.dumps(what) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, name_, seed_, first_, seconds_, path_ = sys.argv
    run(name_, int(seed_), int(first_), float(seconds_), BlackBox(Path(path_)))
