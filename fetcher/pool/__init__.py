"""A drop-in `multiprocessing.Pool` that survives its workers.

    from fetcher.pool import Pool

    with Pool(4, slots=16) as pool:
        pool.apply_async(get_url, ("https://www.python.org/",), callback=print).wait()

Every task submitted is answered exactly once, whatever becomes of the worker that
held it: by what it returned, by what it raised, or by `WorkerLost`. This package
imports nothing else of fetcher. A pool cannot be used in a process forked from the
one that made it.
"""

from __future__ import annotations

from .errors import (
    DeadlinePassed,
    InitializerFailed,
    MaybeEncodingError,
    PoolTerminated,
    RemoteTraceback,
    TaskExited,
    TimeoutError,  # noqa: A004  # multiprocessing's
    WorkerLost,
)
from .pool import Pool
from .results import ApplyResult, AsyncResult, IMapIterator, MapResult
from .start import warm_up

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "DeadlinePassed",
    "IMapIterator",
    "InitializerFailed",
    "MapResult",
    "MaybeEncodingError",
    "Pool",
    "PoolTerminated",
    "RemoteTraceback",
    "TaskExited",
    "TimeoutError",
    "WorkerLost",
    "warm_up",
]
