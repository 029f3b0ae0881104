"""All that strangers may do at once: the program, run as a person would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 280  # where others take the machine; alone 30 s


def run_everything(*arguments):
    """Run the program; return its code and what it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--quiet", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=LIMIT_S,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 20)
def test_whatever_strangers_do_good_pages_come_in_time():
    """Every row is right beside 1,000 good pages, in 1.5 deadlines and 200 MB.

    The same by hand: python -m tests.hostile
    """
    code, said = run_everything()
    assert code == 0, said


@pytest.mark.campaign
@pytest.mark.timeout(LIMIT_S + 20)
def test_one_worker_bears_it_alone():
    """The same with all 64 slots in one process, which then has more at a time."""
    code, said = run_everything("--workers", "1", "--memory", "300")
    assert code == 0, said
