"""How many requests a process can make at a time with the files it may open.

A connection costs more than its socket, and one that waits for its next request costs
as much as one that is at work. Who knows the limit beforehand asks for less at a time;
who does not has pages that fail for no fault of theirs.
"""

from __future__ import annotations

import resource

__all__ = ["idle_max", "raise_limit", "slots_max"]

# Counted in /proc/self/fd with libcurl 8: the socket, and two eventfds by which the
# handle's own loop is woken.
PER_CONNECTION = 3
PER_LOOK_UP = 3  # the thread that asks for a name: a pair to wake by, and its socket
KEPT_FREE = 24  # the interpreter's, the pool's pipes, roots and cookie files
WANTED = 65_536  # no more is any use: 10,000 requests at a time


def raise_limit() -> None:
    """Let this process, and those it starts, open as many files as it may allow itself.

    The soft limit is 1,024 on many machines for the sake of programs that use select(),
    the hard one a hundred times that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def slots_max() -> int:
    """Return how many requests a process may make at a time, at least 1.

    They have half of the descriptors, the connections that wait the other half.
    """
    return max(_half() // (PER_CONNECTION + PER_LOOK_UP), 1)


def idle_max() -> int:
    """Return how many connections of a process may wait for more, at least 1."""
    return max(_half() // PER_CONNECTION, 1)


def _half() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    usable = WANTED if soft == resource.RLIM_INFINITY else soft
    return (usable - KEPT_FREE) // 2
