"""Lets one piece of work have only so much memory: `with at_most(extra_bytes)`.

For parsers in C that are given a stranger's bytes. Markup of 44 KB can unfold to 4
million elements (formatting elements left open are opened again in every paragraph:
HTML, 13.2.4.3), and no count of tags tells in advance. Past the limit malloc has no
more, the parser gives up with MemoryError, and the process lives.

The limit is the process's own: for that moment the other threads, too, get no more.
Where there is no /proc (macOS) nothing is limited.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

__all__ = ["at_most"]

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = resource.getpagesize()
_one_at_a_time = RLock()  # the limit is put back to what it was before


@contextmanager
def at_most(extra_bytes: int) -> Iterator[None]:
    """Have MemoryError raised where the process would take so much more than now.

    Args:
        extra_bytes: beyond what the process has already, 0 or more.
    """
    with _one_at_a_time:
        before = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = _data_bytes() + extra_bytes
        if allowed == extra_bytes or not _lower(before, allowed):
            yield
            return
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    """Return how much private memory the process has; 0 where that is not told.

    Source:
        proc(5): the sixth number of statm, in pages; setrlimit(2), RLIMIT_DATA, which
        counts private mappings since Linux 4.7.
    """
    with suppress(OSError, LookupError, ValueError):
        return int(_STATM.read_bytes().split()[5]) * _PAGE_BYTES
    return 0


def _lower(limits: tuple[int, int], allowed: int) -> bool:
    """Lower the soft limit; return False where a lower one holds already."""
    soft, hard = limits
    if resource.RLIM_INFINITY not in (soft, allowed) and soft <= allowed:
        return False
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))
        return True
    return False
