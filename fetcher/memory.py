"""Lets one call have only so much memory, and gives memory back.

    result = call_within(extra_bytes, call)
    give_back()

For parsers in C that are given a stranger's bytes. Markup of 44 KB can unfold to 4
million elements (formatting elements left open are opened again in every paragraph:
HTML, 13.2.4.3), and no count of tags tells in advance. Past the limit malloc has no
more, the parser gives up with MemoryError, and the process lives.

The limit is the whole process's, so it may hold only while no other thread runs: the
interpreter lets none in between the steps of a loop that is itself in C, and a call
in C that keeps the interpreter's lock lets none in either. Threads that are in C
without the lock could be hit in the moment in which the memory is spent.

Where there is no /proc (macOS) nothing is limited.
"""

from __future__ import annotations

import ctypes
import operator
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

__all__ = ["call_within", "give_back"]

Result = TypeVar("Result")

_STATM = "/proc/self/statm"
_PAGE_BYTES = resource.getpagesize()


def call_within(extra_bytes: int, call: Callable[[], Result]) -> Result:
    """Return what a call returns, if it takes no more memory than that.

    Args:
        extra_bytes: beyond what the process has already, 0 or more.
        call: a function in C that keeps the interpreter's lock, with its arguments
            bound by `functools.partial`.

    Raises:
        MemoryError: it would take more.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    has_bytes = _data_bytes()
    allowed = has_bytes + extra_bytes
    soft, hard = before
    if not has_bytes or (soft != resource.RLIM_INFINITY and soft <= allowed):
        return call()
    lower = partial(resource.setrlimit, resource.RLIMIT_DATA, (allowed, hard))
    restore = partial(resource.setrlimit, resource.RLIMIT_DATA, before)
    try:
        steps: tuple[Callable[[], object], ...] = (lower, call, restore)
        _, result, _ = map(operator.call, steps)
    except BaseException:
        restore()  # the first call: no other thread has run since
        raise
    return result  # type: ignore[return-value]  # of the second step


def give_back() -> None:
    """Give the system the memory that was freed, which glibc would keep for later.

    Of a parsed page of 10 MB that is some 80 MB, in pieces. Takes milliseconds.
    """
    with suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _data_bytes() -> int:
    """Return how much private memory the process has; 0 where that is not told.

    Source:
        proc(5): the sixth number of statm, in pages; setrlimit(2), RLIMIT_DATA, which
        counts private mappings since Linux 4.7.
    """
    # Each page is parsed so: what pathlib does takes three times as long.
    try:
        statm = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(statm, 200).split()[5]) * _PAGE_BYTES
    except (OSError, LookupError, ValueError):
        return 0
    finally:
        os.close(statm)
