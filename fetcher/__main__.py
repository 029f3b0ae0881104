"""`fetcher` and `python -m fetcher`: the command, off to an early start."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

__all__ = ["main"]

NO_FETCHING = frozenset(
    {"-h", "--help", "--version", "--serve", "completion", "config", "init"}
)
INTERRUPTED = 130


def main() -> int:
    """Run the command; return its exit code."""
    try:
        fill_standard_streams()
        start_early(sys.argv[1:])
        from .cli import main as command

        code = command(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    # All is written: what is left is Python's own end, which would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def fill_standard_streams() -> None:
    """Put /dev/null where standard input, output or error was closed (`2>&-`).

    Else the next file that is opened takes the number, and gets what is meant for the
    terminal. `sys.stdin` and `sys.stdout` stay None: what was asked of them is refused.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
            os.set_inheritable(number, True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def start_early(arguments: list[str]) -> None:
    """Start the process that workers come from, unless nothing will be fetched."""
    completing = "_FETCHER_COMPLETE" in os.environ
    if not arguments or completing or not NO_FETCHING.isdisjoint(arguments):
        return
    from .descriptors import raise_limit
    from .warm import start_reading

    with suppress(OSError, ValueError):  # told when workers are started
        raise_limit()
        start_reading()


if __name__ == "__main__":
    sys.exit(main())
