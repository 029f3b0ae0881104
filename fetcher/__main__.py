"""`fetcher` and `python -m fetcher`: the command, off to an early start."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

NO_FETCHING = frozenset({"-h", "--help", "--version", "--serve", "completion"})


def main() -> int:
    """Run the command; return its exit code."""
    arguments = sys.argv[1:]
    completing = "_FETCHER_COMPLETE" in os.environ
    if arguments and not completing and NO_FETCHING.isdisjoint(arguments):
        from .warm import start_reading

        start_reading()
    from .cli import main as command

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main())
