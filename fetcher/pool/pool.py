"""`Pool`: multiprocessing.Pool's face on workers whose death costs only their tasks.

The methods, argument names, results and errors are those of `multiprocessing.Pool`;
its documentation holds here too. This file checks arguments, pickles tasks and hands
them to the foreman (see `foreman`, which opens with a drawing of what goes where).
"""

from __future__ import annotations

import itertools
import os
import pickle  # the default of loads=, as in multiprocessing
import queue
import threading
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from multiprocessing import util
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, TypeVar

from .foreman import Foreman, Loads
from .results import (
    AsyncResult,
    Call,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
)
from .start import Launcher
from .task import Task
from .wire import TASK, TASK_BY_VALUE, dumps, dumps_by_value, names_main

__all__ = ["Pool"]

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"

_task_ids = itertools.count(1)  # 0 is for messages that are about no task


def _map_chunk(function: Callable[[S], T], chunk: Iterable[S]) -> list[T]:
    return list(map(function, chunk))


def _starmap_chunk(
    function: Callable[..., T], chunk: Iterable[Iterable[object]]
) -> list[T]:
    return list(itertools.starmap(function, chunk))


class Pool:
    """A pool of worker processes that survives the death of any of them.

    Args:
        processes: how many workers; one more than there are CPUs by default.
        initializer: called with `initargs` by each worker when it starts. If it keeps
            raising, tasks fail with `InitializerFailed`, whose cause is what it raised.
        initargs: its arguments.
        maxtasksperchild: a worker that has done so many tasks is replaced.
        context: a context of multiprocessing, whose rules then hold. By default
            workers come from a server process that has not imported `__main__`, and
            functions of `__main__` travel by value.
        slots: tasks that one worker runs at a time, each in a thread.
        extra_slots: further tasks that a worker may run at a time if they prefer it;
            without, a worker that is full sends them to another.
        loads: reads results and exceptions (from a memoryview), instead of pickle.
        preload: modules that the server imports once, so that workers start warm.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[object] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
        *,
        slots: int = 1,
        extra_slots: int = 0,
        loads: Loads = pickle.loads,
        preload: Iterable[str] = (),
    ) -> None:
        self._state = INIT  # first, for __del__ if anything below raises
        if processes is None:
            processes = (os.cpu_count() or 1) + 1
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None and (
            not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0
        ):
            raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if not isinstance(slots, int) or slots < 1:
            raise ValueError(f"slots must be a positive int, got {slots!r}")
        if not isinstance(extra_slots, int) or extra_slots < 0:
            raise ValueError(f"extra_slots must be an int from 0, got {extra_slots!r}")
        if not callable(loads):
            raise TypeError(f"loads must be a callable, got {loads!r}")

        launcher = Launcher(
            context=context,
            slots=slots + extra_slots,
            initializer=initializer,
            initargs=tuple(initargs),
            preload=tuple(preload),
        )
        self._by_value = context is None
        self._capacity = processes * slots
        self._foreman = Foreman(
            launcher.launch, processes, slots, maxtasksperchild, loads, extra_slots
        )
        self._cache: dict[int, Call] = self._foreman.calls
        self._feeder = _Feeder(self._foreman)
        self._foreman.start()
        self._finalizer = util.Finalize(
            self, _finish, args=(self._foreman, self._feeder), exitpriority=15
        )
        self._state = RUN

    def __del__(
        self,
        _warn: Callable[..., None] = warnings.warn,  # globals may be gone by then
    ) -> None:
        if self._state == RUN:
            _warn(
                f"unclosed running multiprocessing pool {self!r}",
                ResourceWarning,
                source=self,
            )

    def __repr__(self) -> str:
        cls = self.__class__
        size = len(self._pool) if self._state != INIT else 0
        name = f"{cls.__module__}.{cls.__qualname__}"
        return f"<{name} state={self._state} pool_size={size}>"

    def __reduce__(self) -> NoReturn:
        raise NotImplementedError(
            "pool objects cannot be passed between processes or pickled"
        )

    def __enter__(self) -> Pool:
        self._check_running()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.terminate()

    # -- one call ------------------------------------------------------------------

    def apply(
        self,
        func: Callable[..., T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
    ) -> T:
        """Return `func(*args, **kwds)`, run in a worker."""
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Callable[..., T],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},
        callback: Callable[[T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        prefer: Hashable = None,
        resend: bool = False,
        deadline_s: float | None = None,
    ) -> AsyncResult[T]:
        """Have a worker run `func(*args, **kwds)`; return where the answer will be.

        Callbacks run in one thread of this process, one at a time. What a callback
        raises becomes the answer of its call.

        Args:
            func: what to call, with `args` and `kwds`.
            args: its positional arguments.
            kwds: its keyword arguments.
            callback: called with what it returned.
            error_callback: called with what it raised, or what went wrong.
            prefer: a key; the worker that was given this key last gets the task if it
                has a free slot, or an extra one; else any worker.
            resend: the task may be run again if its worker dies. After two workers in
                a row have died of it, it fails with `WorkerLost`.
            deadline_s: seconds after which the worker that runs it is killed and
                replaced. Time in which callbacks ran does not count, nor does time
                in the queue; but while a task with a deadline is the next to be run,
                a worker has that time and ten seconds to become ready.

        Raises:
            ValueError: if the pool is closed or terminated.
        """
        self._check_running()
        result: AsyncResult[T] = AsyncResult(self, callback, error_callback)
        try:
            kind, payload = self._pickle((func, args, kwds))
        except Exception as error:  # user code: __reduce__; it is this call's error
            self._foreman.answer_soon(result, 0, (False, error))
            return result
        self._foreman.submit(
            Task(next(_task_ids), kind, payload, result, 0, prefer, resend, deadline_s)
        )
        return result

    def _pickle(self, what: tuple[object, object, object]) -> tuple[int, bytes]:
        """Return the kind of message and the pickled call."""
        if not self._by_value:
            return TASK, dumps(what)
        try:
            pickled = dumps(what)
        except (AttributeError, TypeError, pickle.PicklingError):
            return TASK_BY_VALUE, dumps_by_value(what)
        if names_main(pickled):
            return TASK_BY_VALUE, dumps_by_value(what)
        return TASK, pickled

    # -- many calls ----------------------------------------------------------------

    def map(
        self,
        func: Callable[[S], T],
        iterable: Iterable[S],
        chunksize: int | None = None,
    ) -> list[T]:
        """Return the results of `func` for each element, in their order."""
        return self.map_async(func, iterable, chunksize).get()

    def map_async(
        self,
        func: Callable[[S], T],
        iterable: Iterable[S],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[T]:
        """Return where the results of `map` will be."""
        return self._map_async(
            func, iterable, _map_chunk, chunksize, callback, error_callback
        )

    def starmap(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[T]:
        """Return the results of `func(*element)` for each element, in their order."""
        return self.starmap_async(func, iterable, chunksize).get()

    def starmap_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult[T]:
        """Return where the results of `starmap` will be."""
        return self._map_async(
            func, iterable, _starmap_chunk, chunksize, callback, error_callback
        )

    def _map_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[Any],
        run_chunk: Callable[..., list[T]],
        chunksize: int | None,
        callback: Callable[[list[T]], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> MapResult[T]:
        self._check_running()
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        length = len(iterable)  # type: ignore[arg-type]  # it has one now
        if chunksize is None:
            chunksize = -(-length // (self._capacity * 4))
        if length == 0:
            chunksize = 0
        result: MapResult[T] = MapResult(
            self, chunksize, length, callback, error_callback
        )
        if chunksize > 0:
            elements = _first(iterable, length)
            calls = ((run_chunk, (func, c)) for c in _chunks(elements, chunksize))
            expected = -(-length // chunksize)
            self._feeder.feed(self._tasks(result, calls, expected=expected))
        return result

    def imap(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int = 1
    ) -> Iterator[T]:
        """Return an iterator over the results, in the order of the elements.

        The elements are read by a thread of the pool, some way ahead of the workers.
        """
        return self._imap(IMapIterator, func, iterable, chunksize)

    def imap_unordered(
        self, func: Callable[[S], T], iterable: Iterable[S], chunksize: int = 1
    ) -> Iterator[T]:
        """Return an iterator over the results, as they come."""
        return self._imap(IMapUnorderedIterator, func, iterable, chunksize)

    def _imap(
        self,
        kind: type[IMapIterator[Any]],
        func: Callable[[S], T],
        iterable: Iterable[S],
        chunksize: int,
    ) -> Iterator[T]:
        self._check_running()
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize!r}")
        result = kind(self)
        calls: Iterable[tuple[Callable[..., object], tuple[object, ...]]]
        if chunksize == 1:
            calls = _calls(func, iterable)
        else:
            calls = ((_map_chunk, (func, c)) for c in _chunks(iterable, chunksize))
        self._feeder.feed(self._tasks(result, calls, result._set_length))
        if chunksize == 1:
            return result
        return (item for chunk in result for item in chunk)

    def _tasks(
        self,
        call: Call,
        calls: Iterable[tuple[Callable[..., object], tuple[object, ...]]],
        set_length: Callable[[int], None] | None = None,
        expected: int = 0,
    ) -> Iterator[Task]:
        """Yield the tasks of a map as they are wanted; errors go to its call.

        Runs in the feeder's thread, and so does the caller's iterable.

        Args:
            call: what the answers are for.
            calls: function and arguments of each task.
            set_length: to be told how many tasks there were in the end.
            expected: how many answers the call waits for, if that is known.
        """
        count = 0
        error: Exception = ValueError("the iterable gave less than its len() says")
        try:
            for function, args in calls:
                index, count = count, count + 1
                try:
                    kind, payload = self._pickle((function, args, {}))
                except Exception as problem:  # user code: __reduce__
                    self._foreman.answer_soon(call, index, (False, problem))
                    continue
                yield Task(next(_task_ids), kind, payload, call, index)
        except Exception as problem:  # user code: the iterable
            error = problem
            expected = max(expected, count + 1)
        for index in range(count, expected):
            self._foreman.answer_soon(call, index, (False, error))
        if set_length is not None:
            set_length(max(count, expected))
            self._foreman.nudge()

    # -- the end -------------------------------------------------------------------

    def close(self) -> None:
        """Take no more tasks; the workers end when those submitted are answered."""
        if self._state == RUN:
            self._state = CLOSE
            self._feeder.close()
            self._foreman.close()

    def terminate(self) -> None:
        """End the workers at once; calls without answer fail with `PoolTerminated`."""
        self._state = TERMINATE
        self._finalizer()

    def join(self) -> None:
        """Wait until the workers have ended, after `close` or `terminate`."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        self._foreman.thread.join()
        self._feeder.join()

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")

    # -- names that CPython's own tests of Pool look at ------------------------------

    @property
    def _pool(self) -> list[BaseProcess]:
        """The worker processes of this moment."""
        return [worker.process for worker in list(self._foreman.workers)]

    def _repopulate_pool(self) -> None:
        """Nothing to do: a worker is replaced as soon as its end is seen."""
        self._foreman.nudge()


class _Feeder:
    """The thread in which the iterables of map and imap are read.

    A thread of its own, because an iterable may block, or wait for earlier results.
    It stays a little ahead of the workers and no more, whatever the length.
    """

    def __init__(self, foreman: Foreman) -> None:
        self._foreman = foreman
        self._waiting: queue.SimpleQueue[Iterator[Task] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def feed(self, tasks: Iterator[Task]) -> None:
        """Submit these tasks, after those of earlier calls."""
        self._waiting.put(tasks)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="pool-feeder", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """End the thread when it has nothing left to do."""
        self._waiting.put(None)

    def join(self) -> None:
        """Wait for its end; not for ever, if an iterable blocks."""
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        foreman = self._foreman
        for tasks in iter(self._waiting.get, None):
            for task in tasks:
                if not foreman.await_room():
                    return
                foreman.submit(task)
                del task
            del tasks


def _finish(foreman: Foreman, feeder: _Feeder) -> None:
    """End a pool: by `terminate`, when it is forgotten, or when the program ends."""
    feeder.close()
    foreman.terminate()


def _chunks(iterable: Iterable[S], size: int) -> Iterator[tuple[S, ...]]:
    elements = iter(iterable)
    while chunk := tuple(itertools.islice(elements, size)):
        yield chunk


def _first(iterable: Iterable[S], count: int) -> Iterator[S]:
    """Yield at most `count` elements; `__iter__`, too, runs when the first is asked."""
    yield from itertools.islice(iterable, count)


def _calls(
    function: Callable[..., object], elements: Iterable[object]
) -> Iterator[tuple[Callable[..., object], tuple[object]]]:
    for element in elements:
        yield function, (element,)
