"""Everything that servers may do, at once: the campaign, small and whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run_hostile(*arguments):
    """Run the campaign in a process of its own; return its code and what it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--quiet", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        timeout=110,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
def test_hostile_servers_do_no_harm_to_good_ones():
    """All behaviours beside 150 good pages: rows, time and memory are right."""
    code, said = run_hostile("--good", "150", "--timeout", "4")
    assert code == 0, said


@pytest.mark.campaign
@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["usual", "one"])
def test_the_whole_campaign(workers):
    """Beside 1,000 good pages, in 64 slots of several workers and of one.

    The same by hand: python -m tests.hostile
    """
    code, said = run_hostile(*workers)
    assert code == 0, said
