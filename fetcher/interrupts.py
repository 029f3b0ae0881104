"""Lets a signal end a run only where no page is lost.

Two ways, for two kinds of program:

- A script gets Python's KeyboardInterrupt, held back to where a run can take it.
- The command has `StopSignals`: the first signal ends the run softly, a second at once.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "StopSignals"]

STOPPING = (signal.SIGINT, signal.SIGTERM)

# Signals of one press come twice: timeout(1) sends its own to the process and to the
# group that this is in, and what wraps a command hands on what the terminal sent to
# both. Nobody presses a key twice in this time.
ECHO_S = 0.05


class Interrupts:
    """When an interrupt is taken.

    Within `deferred` an interrupt is remembered, within `allowed` it is raised. Only
    Python's own handler, in the main thread, is stood in for, and a `StopSignals`
    asked to come here: a program with a handler of its own keeps it. After the first
    interrupt the handler is Python's again, so that a second one ends whatever is
    still being done.
    """

    def __init__(self) -> None:
        self._open = False
        self._pending = False
        self._reading = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Remember an interrupt until the end of the block, or until it is allowed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = _stop_signals()
        if signals is not None:
            with signals.guarded_by(self):
                yield
        elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)
            try:
                yield
            finally:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        else:
            yield
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

    @contextmanager
    def reading(self) -> Iterator[None]:
        """As `allowed`, for input that may not come: a soft stop leaves the block."""
        try:
            self._reading = True
            with self.allowed():
                yield
            self._reading = False  # here, where what comes before it is still caught
        except _InputLeft:
            pass
        finally:
            self._reading = False

    def leave_input(self) -> None:
        """Wait for input no longer, if that is what is being done."""
        if self._reading:
            self._reading = False
            raise _InputLeft

    def take(self) -> None:
        """Raise an interrupt, or remember it until it is allowed."""
        if self._open:
            raise KeyboardInterrupt
        self._pending = True

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.take()


class StopSignals:
    """What SIGINT and SIGTERM do to a command that runs `crawl(stop=signals.stop)`.

        with StopSignals() as signals:
            crawl(urls, stop=signals.stop)
        if signals.first is not None: ...

    Before the run: KeyboardInterrupt, as there is nothing to be finished. In it:

    1. The first sets `stop`, and ends a wait for input.
    2. The second is a KeyboardInterrupt, where no page is lost by it. Once the run is
       over and only its files are being finished, it does nothing, but that what was
       not read is not counted to its end.
    3. Each further one is a KeyboardInterrupt wherever it strikes.

    A signal that is ignored, as SIGINT is in the background of a script, stays so.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.first: signal.Signals | None = None
        self._times = 0
        self._counted_s = float("-inf")
        self._guard: Interrupts | None = None
        self._running = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for each in STOPPING:
                if signal.getsignal(each) not in (signal.SIG_IGN, None):
                    self._before[each] = signal.signal(each, self)
        return self

    def __exit__(self, *error: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Take a signal: Python calls this in the main thread."""
        now_s = time.monotonic()
        if now_s - self._counted_s < ECHO_S:
            return
        self._counted_s = now_s
        self._times += 1
        if self.first is None:
            self.first = signal.Signals(signum)
        self.stop.set()
        if self._guard is None:
            raise KeyboardInterrupt
        self._guard.leave_input()
        if self._times > 2:
            raise KeyboardInterrupt
        if self._times == 2 and self._running:
            self._guard.take()

    @contextmanager
    def guarded_by(self, interrupts: Interrupts) -> Iterator[None]:
        """Ask `interrupts` when a signal may be taken: in the block, and after it."""
        self._guard = interrupts
        self._running = True
        try:
            yield
        finally:
            self._running = False


class _InputLeft(BaseException):
    """Ends a read that may never end; seen by nobody outside of `reading`."""


def _stop_signals() -> StopSignals | None:
    """Return the handler that a command has put in the place of Python's."""
    for each in STOPPING:
        handler = signal.getsignal(each)
        if isinstance(handler, StopSignals):
            return handler
    return None
