"""CPython's own tests of `multiprocessing.Pool` pass against ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .cpython_pool import NOT_INSTALLED


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "default",
        "fork",
        pytest.param("forkserver", marks=pytest.mark.campaign),
        pytest.param("spawn", marks=pytest.mark.campaign),
    ],
)
def test_cpythons_own_tests_pass(method):
    """All of `_TestPool`, `_TestPoolWorkerErrors` and `_TestPoolWorkerLifetime`."""
    runner = Path(__file__).with_name("cpython_pool.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(runner), method],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode == NOT_INSTALLED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-5000:]
