"""The pool that a run works with: how it is asked, and what its failures mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import signature
from typing import TYPE_CHECKING, Protocol

from ..errors import MachineError
from ..pool import MaybeEncodingError
from ..task import fetch

if TYPE_CHECKING:
    pass  # and this only one that is remembered


__all__ = ["PoolLike", "default_workers", "is_unsaid", "no_workers", "submitter"]


class PoolLike(Protocol):
    """What crawl() asks of a pool: the standard library's, ours or a cluster's."""

    def apply_async(  # noqa: D102 -- multiprocessing.pool.Pool's own
        self,
        func: Callable[..., object],
        args: tuple[object, ...] = ...,
        kwds: dict[str, object] = ...,
        callback: Callable[[object], object] | None = ...,
        error_callback: Callable[[BaseException], object] | None = ...,
    ) -> object: ...
    def close(self) -> None: ...  # noqa: D102
    def join(self) -> None: ...  # noqa: D102
    def terminate(self) -> None: ...  # noqa: D102


def submitter(
    pool: PoolLike, deadline_s: float
) -> Callable[
    [
        tuple[object, ...],
        tuple[str, int],
        Callable[[object], object],
        Callable[[BaseException], object],
    ],
    object,
]:
    """Return how to hand this pool a task, with the hints that it understands."""
    known = signature(pool.apply_async).parameters
    hints: dict[str, object] = {}
    if "resend" in known:
        hints["resend"] = True  # fetching a page twice does no harm
    if "deadline_s" in known:
        hints["deadline_s"] = deadline_s
    takes_prefer = "prefer" in known

    def submit(
        args: tuple[object, ...],
        lane: tuple[str, int],
        callback: Callable[[object], object],
        error_callback: Callable[[BaseException], object],
    ) -> object:
        if takes_prefer:
            hints["prefer"] = lane
        return pool.apply_async(
            fetch,
            args,
            callback=callback,
            error_callback=error_callback,
            **hints,  # type: ignore[arg-type]  # known by name from the signature
        )

    return submit


def is_unsaid(outcome: object) -> bool:
    """Whether a worker had no memory left for saying what came of a page."""
    return isinstance(outcome, MaybeEncodingError) and "MemoryError" in str(outcome)


def no_workers(error: BaseException) -> MachineError:
    """Return in one sentence why no worker could be started."""
    cause = error.__cause__ or error
    words = getattr(cause, "strerror", None) or str(cause)
    if isinstance(cause, EOFError):
        words = "the process that they are forked from ended"
    elif "AF_UNIX" in words:
        words = "the path of TMPDIR is too long for the address of a socket"
    words = words[:1].lower() + words[1:]
    return MachineError(f"no worker process could be started: {words}")


def default_workers() -> int:
    """Return one more than the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) + 1
    return (os.cpu_count() or 1) + 1
