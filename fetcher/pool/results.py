"""What the pool hands out for a call: an answer that is not there yet.

The same names, methods and errors as in `multiprocessing.pool`. Two promises more:
a callback that raises becomes the error of its own call, and a call that can no longer
be answered says so instead of waiting for ever.

Everything named with a leading underscore is for the pool's own threads.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import TimeoutError  # noqa: A004  # its name there
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "Call",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "Outcome",
]

T = TypeVar("T")

Outcome = tuple[bool, Any]  # (True, value) or (False, exception)

_jobs = itertools.count()
_making_event = threading.Lock()


class Call(Protocol):
    """What the owning thread needs to know of any of the classes below."""

    _has_callbacks: bool

    def _set(self, index: int, outcome: Outcome) -> None: ...
    def _cancel(self, error: Exception) -> None: ...


class _Home(Protocol):
    """What a result needs of its pool."""

    _cache: dict[int, Call]


class AsyncResult(Generic[T]):
    """The answer to one `apply_async`."""

    def __init__(
        self,
        pool: _Home,
        callback: Callable[[T], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._pool: _Home | None = pool  # a pool lives while it owes an answer
        self._job = next(_jobs)
        self._cache = pool._cache
        self._callback = callback
        self._error_callback = error_callback
        self._has_callbacks = callback is not None or error_callback is not None
        self._done = False
        self._event: threading.Event | None = None  # made by the first who waits
        self._success = True
        self._value: Any = None
        self._cache[self._job] = self

    def __repr__(self) -> str:
        state = "pending"
        if self._done:
            state = "successful" if self._success else f"failed: {self._value!r}"
        return f"<{type(self).__name__} {state}>"

    def ready(self) -> bool:
        """Is the answer there?"""
        return self._done

    def successful(self) -> bool:
        """Did the call return, and raise nothing?

        Raises:
            ValueError: if the answer is not there yet.
        """
        if not self._done:
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout: float | None = None) -> None:
        """Return when the answer is there, or after `timeout` seconds."""
        if self._done:
            return
        with _making_event:
            if self._event is None:
                self._event = threading.Event()
        # Written before _done is looked at again; _finish does it the other way round.
        if not self._done:
            self._event.wait(timeout)

    def get(self, timeout: float | None = None) -> T:
        """Return what the function returned, or raise what it raised.

        Raises:
            multiprocessing.TimeoutError: if there is none within `timeout` seconds.
        """
        self.wait(timeout)
        if not self._done:
            raise TimeoutError
        if self._success:
            value: T = self._value
            return value
        raise self._value

    def _set(self, index: int, outcome: Outcome) -> None:
        self._success, self._value = outcome
        self._call_back()
        self._finish()

    def _call_back(self) -> None:
        """Run the user's callback; what it raises is the answer instead."""
        callback = self._callback if self._success else self._error_callback
        if callback is None:
            return
        try:
            callback(self._value)
        except BaseException as error:  # user code, SystemExit too
            self._success, self._value = False, error

    def _cancel(self, error: Exception) -> None:
        """Answer with an error, without callbacks."""
        self._success, self._value = False, error
        self._finish()

    def _finish(self) -> None:
        self._done = True
        if self._event is not None:
            self._event.set()
        self._cache.pop(self._job, None)
        self._pool = None
        self._callback = self._error_callback = None


ApplyResult = AsyncResult  # multiprocessing.pool has both names


class MapResult(AsyncResult[list[T]]):
    """The answer to one `map_async` or `starmap_async`."""

    def __init__(
        self,
        pool: _Home,
        chunksize: int,
        length: int,
        callback: Callable[[list[T]], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        super().__init__(pool, callback, error_callback)
        self._value = [None] * length
        self._chunksize = chunksize
        if chunksize <= 0:
            self._chunks_left = 0
            self._finish()
        else:
            self._chunks_left = -(-length // chunksize)

    def _set(self, index: int, outcome: Outcome) -> None:
        self._chunks_left -= 1
        success, value = outcome
        if success and self._success:
            start = index * self._chunksize
            self._value[start : start + self._chunksize] = value
        elif not success and self._success:
            self._success, self._value = False, value  # the first error is kept
        if self._chunks_left == 0:
            self._call_back()
            self._finish()


class IMapIterator(Iterator[T]):
    """The results of one `imap`, in the order of the arguments."""

    _has_callbacks = False

    def __init__(self, pool: _Home) -> None:
        self._pool: _Home | None = pool
        self._condition = threading.Condition(threading.Lock())
        self._job = next(_jobs)
        self._cache = pool._cache
        self._items: deque[Outcome] = deque()
        self._index = 0
        self._length: int | None = None
        self._unsorted: dict[int, Outcome] = {}
        self._cache[self._job] = self

    def __iter__(self) -> IMapIterator[T]:
        return self

    def next(self, timeout: float | None = None) -> T:
        """Return the next result.

        Raises:
            multiprocessing.TimeoutError: if there is none within `timeout` seconds.
        """
        with self._condition:
            if not self._items and self._index != self._length:
                self._condition.wait(timeout)
            if not self._items:
                if self._index == self._length:
                    self._pool = None
                    raise StopIteration
                raise TimeoutError
            success, value = self._items.popleft()
        if success:
            result: T = value
            return result
        raise value

    __next__ = next  # noqa: A003  # the method, as in multiprocessing.pool

    def _set(self, index: int, outcome: Outcome) -> None:
        with self._condition:
            self._arrange(index, outcome)
            self._end_if_complete()

    def _arrange(self, index: int, outcome: Outcome) -> None:
        """Put a result where `next` finds it, if it is its turn."""
        self._unsorted[index] = outcome
        while self._index in self._unsorted:
            self._items.append(self._unsorted.pop(self._index))
            self._index += 1
            self._condition.notify()

    def _set_length(self, length: int) -> None:
        with self._condition:
            self._length = length
            self._end_if_complete()

    def _end_if_complete(self) -> None:
        if self._index == self._length:
            self._condition.notify_all()
            self._cache.pop(self._job, None)
            self._pool = None

    def _cancel(self, error: Exception) -> None:
        with self._condition:
            self._unsorted.clear()
            self._items.append((False, error))
            self._length = self._index
            self._end_if_complete()


class IMapUnorderedIterator(IMapIterator[T]):
    """The results of one `imap_unordered`, as they come."""

    def _arrange(self, index: int, outcome: Outcome) -> None:
        self._items.append(outcome)
        self._index += 1
        self._condition.notify()
