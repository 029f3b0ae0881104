"""What a call to the pool can fail with, besides what its own function raises.

WorkerLost             the worker died while it held the task
+-- DeadlinePassed     ... because the task took longer than its `deadline_s`
InitializerFailed      no worker could be started; its cause is the `__cause__`
TaskExited             the task raised SystemExit or the like
PoolTerminated         `terminate()` was called before the task was done
"""

from __future__ import annotations

import signal
from multiprocessing import TimeoutError  # noqa: A004  # its name there
from multiprocessing.pool import (  # type: ignore[attr-defined]  # not in its stubs
    MaybeEncodingError,
    RemoteTraceback,
)

__all__ = [
    "DeadlinePassed",
    "InitializerFailed",
    "MaybeEncodingError",
    "PoolTerminated",
    "RemoteTraceback",
    "TaskExited",
    "TimeoutError",
    "WorkerLost",
    "describe_exit",
]


class WorkerLost(Exception):
    """The worker that held this task died before it gave an answer.

    Attributes:
        pid: the worker's process id.
        exitcode: as in `multiprocessing.Process`: negative for a signal, None
            where it could not be learnt.
    """

    def __init__(
        self, message: str, *, pid: int | None = None, exitcode: int | None = None
    ) -> None:
        super().__init__(message)
        self.pid = pid
        self.exitcode = exitcode

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that killed the worker, if it was one that has a name."""
        return _signal_of(self.exitcode)


class DeadlinePassed(WorkerLost):
    """The task was not done within its `deadline_s`; its worker was killed for it."""


class InitializerFailed(Exception):
    """No worker got as far as taking tasks; `__cause__` says why, where known."""


class TaskExited(Exception):
    """The task raised SystemExit, or another exception that is no `Exception`.

    Raised as itself in the parent it would end the parent, which never asked for it.

    Attributes:
        code: what the task gave to `sys.exit`, as text; None where it was something
            other than SystemExit.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class PoolTerminated(Exception):
    """`terminate()` was called (or the `with` block left) before the task was done."""


def describe_exit(exitcode: int | None) -> str:
    """Return how a process ended, as the verb of a sentence."""
    name = _signal_of(exitcode)
    if name is not None:
        return f"was killed by {name.name}"
    if exitcode is None:
        return "disappeared"
    if exitcode < 0:
        return f"was killed by signal {-exitcode}"
    return f"ended with exit code {exitcode}"


def _signal_of(exitcode: int | None) -> signal.Signals | None:
    if exitcode is None or exitcode >= 0:
        return None
    try:
        return signal.Signals(-exitcode)
    except ValueError:
        return None
