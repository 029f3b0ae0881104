"""Exit codes of the command: docs/reference/exit-codes.md."""

from __future__ import annotations

__all__ = ["ALL_WELL", "FELL_SHORT", "INTERRUPTED", "NOT_DONE", "PIPE_CLOSED", "USAGE"]

ALL_WELL = 0
FELL_SHORT = 1
USAGE = 2
NOT_DONE = 3
INTERRUPTED = 130  # and 143: 128 and the number of the signal
PIPE_CLOSED = 141  # what a shell says of a program that SIGPIPE ended
