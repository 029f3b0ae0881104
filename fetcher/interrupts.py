"""Lets Ctrl-C in only where a run can take it without losing a page."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts"]


class Interrupts:
    """When an interrupt is taken.

    Within `deferred` an interrupt is remembered, within `allowed` it is raised. Only
    Python's own handler, in the main thread, is stood in for: a program with a
    handler of its own keeps it. After the first interrupt the handler is Python's
    again, so that a second one ends whatever is still being done.
    """

    def __init__(self) -> None:
        self._open = False
        self._pending = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Remember an interrupt until the end of the block, or until it is allowed."""
        ours = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if not ours:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Raise an interrupt, one that was remembered at once."""
        self._open = True
        try:
            if self._pending:
                self._pending = False
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self._open:
            raise KeyboardInterrupt
        self._pending = True
