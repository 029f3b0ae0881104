"""Starts the process that workers are forked from, ahead of the first worker.

It reads requests and libcurl before it can fork one, which takes as long as all that
the command itself has to read: the two go side by side if this comes first.
"""

from __future__ import annotations

from .pool import warm_up

__all__ = ["PRELOADED", "start_reading"]

PRELOADED = ("fetcher.task", "fetcher.transport")


def start_reading() -> None:
    """Start the fork server, if it does not run, and do not wait for it."""
    warm_up(PRELOADED)
