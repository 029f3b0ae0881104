"""CPython's own tests of `multiprocessing.Pool`, run against `fetcher.pool.Pool`.

    python tests/cpython_pool.py fork|forkserver|spawn|default [unittest's options]

They are the classes `_TestPool`, `_TestPoolWorkerErrors` and `_TestPoolWorkerLifetime`
of `test._test_multiprocessing`, unchanged, with `multiprocessing.Pool` replaced. Under
"default" the Pool gets no context: its workers come from its own server. Exits 77
where Python's test package is not installed (Debian: libpython3.11-testsuite).
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import multiprocessing.pool
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fetcher.pool import Pool

NOT_INSTALLED = 77
CLASSES = ("_TestPool", "_TestPoolWorkerErrors", "_TestPoolWorkerLifetime")


def install_for_workers() -> None:
    """Define the test classes here, too, when a worker imports this module."""
    with contextlib.suppress(ImportError):
        from test import _test_multiprocessing as cpython

        cpython.install_tests_in_module_dict(globals(), "forkserver", "processes")


def make_pool(method: str):
    """Return what takes the place of `multiprocessing.Pool`."""
    if method == "default":
        return Pool
    context = multiprocessing.get_context(method)

    @functools.wraps(multiprocessing.Pool)
    def pool(processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        return Pool(processes, initializer, initargs, maxtasksperchild, context)

    return pool


def load(method: str) -> unittest.TestSuite:
    """Return the cases of the three classes.

    They belong to this file as an importable module, because workers look their
    methods up in it by name.
    """
    import cpython_pool as home
    from test import _test_multiprocessing as cpython

    pool = make_pool(method)
    multiprocessing.Pool = pool
    cpython.ProcessesMixin.Pool = staticmethod(pool)
    start_method = "forkserver" if method == "default" else method
    cpython.install_tests_in_module_dict(vars(home), start_method, "processes")
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for name in CLASSES:
        cases = getattr(home, "WithProcesses" + name[1:])
        suite.addTests(loader.loadTestsFromTestCase(cases))
    return suite


def main() -> int:
    method = sys.argv[1] if len(sys.argv) > 1 else "default"
    try:
        suite = load(method)
    except ImportError as missing:
        print(f"Python's own tests are not installed here: {missing}")
        return NOT_INSTALLED
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
elif multiprocessing.parent_process() is not None:
    install_for_workers()
