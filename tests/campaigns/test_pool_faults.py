"""Every injected fault on the pool, under every start method; see `pool_faults`."""

from __future__ import annotations

import pytest

from .pool_cells import CELLS
from .pool_faults import LIMIT_S, METHODS, run_cell

OURS = METHODS[:-1]
# The way of running them, too, is tested; most have a row of their own in test_pool.py.
PLAIN = ("idle: sys.exit", "sending 50 MB: SIGKILL")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_the_pool_survives_a_few_of_them(name):
    """The pool works on, and leaves no process, thread, descriptor or file."""
    found = run_cell(name, "default")
    assert found["ok"], found


@pytest.mark.campaign
@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("name", CELLS)
def test_the_pool_survives(name, method):
    """The pool works on, and leaves no process, thread, descriptor or file."""
    found = run_cell(name, method)
    assert found["ok"], found
