"""One function call on its way to a worker, and what becomes of it if that dies.

Pure: values in, a verdict or an error out. Who holds a task, and when it is sent, is
the foreman's to say.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable

from .errors import DeadlinePassed, WorkerLost, describe_exit
from .results import Call

__all__ = ["Loss", "Task", "after_loss", "loss_error"]

_FOREVER = float("inf")


class Task:
    """One function call on its way, or one chunk of a map."""

    __slots__ = (
        "alone",
        "call",
        "deadline_s",
        "expires_s",
        "id",
        "index",
        "kind",
        "losses",
        "payload",
        "prefer",
        "resend",
        "unread",
    )

    def __init__(
        self,
        id: int,  # noqa: A002  # what it is
        kind: int,
        payload: bytes,
        call: Call,
        index: int = 0,
        prefer: Hashable = None,
        resend: bool = False,  # positional: made 3,000 times a second
        deadline_s: float | None = None,
    ) -> None:
        self.id = id
        self.kind = kind
        self.payload = payload
        self.call = call
        self.index = index
        self.prefer = prefer
        self.resend = resend
        self.deadline_s = deadline_s
        self.expires_s = _FOREVER  # on the foreman's clock, once it is held
        self.losses = 0  # workers that died with it, in a row
        self.alone = False  # to be tried in a worker of its own
        self.unread = 0  # workers that died before they had read it

    def __repr__(self) -> str:
        return (
            f"<Task {self.id} bytes={len(self.payload)} losses={self.losses}"
            f"{' alone' if self.alone else ''}>"
        )


class Loss(enum.Enum):
    """What becomes of a task whose worker died."""

    RESEND = "resend"
    RESEND_ALONE = "resend alone"
    FAIL = "fail"


def after_loss(
    *, resend: bool, losses: int, expired: bool, neighbours: int, blamed_other: bool
) -> Loss:
    """Return what becomes of a task that was held by a worker that died.

    In this order:
    1. Without leave to send it again it fails.
    2. The worker was killed because another task was late: it is sent again, and
       this does not count against it.
    3. It is the suspect (late itself, or the only one held) for the second time in
       a row: it fails, and is not sent a third time.
    4. It was lost twice, the last time among others: nobody knows whose fault it
       was, so it gets a worker to itself.
    5. Else it is sent again.

    Args:
        resend: may it be run again at all?
        losses: workers lost with it in a row, this one included.
        expired: was this worker killed because this very task was late?
        neighbours: how many other tasks the worker held.
        blamed_other: was the worker killed because another task was late?
    """
    if not resend:
        return Loss.FAIL
    if blamed_other and not expired:
        return Loss.RESEND
    if losses >= 2:
        return Loss.FAIL if expired or neighbours == 0 else Loss.RESEND_ALONE
    return Loss.RESEND


def loss_error(
    task: Task,
    *,
    pid: int | None,
    exitcode: int | None,
    expired: bool,
    neighbours: int,
    blamed_other: bool,
) -> WorkerLost:
    """Return what the call of a lost task fails with, in the user's words.

    Args:
        task: the one that was lost.
        pid: of the worker that held it.
        exitcode: how that ended, as in `multiprocessing.Process`.
        expired: was it killed because this very task was late?
        neighbours: how many other tasks it held.
        blamed_other: was it killed because another task was late?
    """
    others = (
        f" and {neighbours} other task{'s'[: neighbours > 1]}" if neighbours else ""
    )
    again = f"; {task.losses} workers in a row were lost with it" * (task.losses > 1)
    if expired:
        return DeadlinePassed(
            f"the task was not done within {task.deadline_s} s, so worker {pid} "
            f"that held it was killed{again}",
            pid=pid,
            exitcode=exitcode,
        )
    if blamed_other:
        return WorkerLost(
            f"worker {pid} was killed while it held this task, because another "
            "task in it was not done within its deadline",
            pid=pid,
            exitcode=exitcode,
        )
    ending = describe_exit(exitcode)
    return WorkerLost(
        f"worker {pid} {ending} while it held this task{others}{again}",
        pid=pid,
        exitcode=exitcode,
    )
