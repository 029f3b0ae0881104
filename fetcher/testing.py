"""Doubles for tests: a clock that is moved by hand, a pool without processes, pages.

They are fakes, not mocks: each does what the real thing does, only at once, in the
caller's thread and always in the same order. fetcher's own tests use them.

    from fetcher.testing import make_page

    def test_my_callback_counts_words():
        assert my_callback(make_page(html="<title>Hi</title><p>two words")) == 2
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypedDict, TypeVar, Unpack, cast

from .models import Certificate, Failure, Headers, Hop, Kind, Timings
from .page import Page

__all__ = [
    "FakeClock",
    "FakePool",
    "FakeResult",
    "FakeTask",
    "PageParts",
    "make_failed_page",
    "make_page",
]

T = TypeVar("T")

HTML = "text/html; charset=utf-8"
FETCHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
TIMINGS = Timings(
    queue_s=0.001,
    dns_s=0.002,
    connect_s=0.003,
    ttfb_s=0.020,
    transfer_s=0.005,
    total_s=0.030,
)


class FakeClock:
    """A clock that moves when told to; stands in for `time.monotonic` and `time.sleep`.

    Pass the clock itself where a function that tells the time is asked for, and
    `clock.sleep` where one that sleeps is. `slept_s` keeps every sleep, in order.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Move the time on.

        Raises:
            ValueError: if `seconds` is negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"a clock moves forward, got {seconds!r} seconds")
        self.now_s += seconds

    def sleep(self, seconds: float) -> None:
        """Move the time on, as one who sleeps would find it, and return at once."""
        self.advance(seconds)
        self.slept_s.append(seconds)

    def __repr__(self) -> str:
        return f"<FakeClock at {self.now_s:g} s>"


class FakeTask(NamedTuple):
    """What was asked of a FakePool: the arguments of one `apply_async`."""

    func: Callable[..., object]
    args: tuple[object, ...]
    kwds: Mapping[str, object]
    prefer: Hashable | None
    resend: bool
    deadline_s: float | None


class FakeResult(Generic[T]):
    """The answer to one task of a FakePool; the methods of `AsyncResult`.

    It never blocks: to wait for a held task is to run it, with all before it.
    """

    def __init__(
        self,
        pool: FakePool,
        run: Callable[[], T],
        callback: Callable[[T], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> None:
        self._pool = pool
        self._run = run
        self._callback = callback
        self._error_callback = error_callback
        self._answers: list[T] = []
        self._error: BaseException | None = None

    def ready(self) -> bool:
        """Return whether the task has been answered."""
        return bool(self._answers) or self._error is not None

    def successful(self) -> bool:
        """Return whether the answer is a value and not an error.

        Raises:
            ValueError: if there is no answer yet.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._error is None

    def wait(self, timeout: float | None = None) -> None:
        """Run held tasks, oldest first, until this one is answered."""
        while not self.ready() and self._pool.run_next():
            pass

    def get(self, timeout: float | None = None) -> T:
        """Return what the task returned, or raise what it raised.

        Raises:
            RuntimeError: if the pool was terminated before the task ran.
        """
        self.wait(timeout)
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise RuntimeError("the pool was terminated before this task ran")
        return self._answers[0]

    def _answer(self) -> None:
        try:
            answer = self._run()
        except Exception as error:
            self._fail(error)
            return
        # As in our Pool: a callback that raises turns the answer into its error.
        try:
            if self._callback is not None:
                self._callback(answer)
        except Exception as error:
            self._error = error
        else:
            self._answers.append(answer)

    def _fail(self, error: BaseException) -> None:
        self._error = error
        try:
            if self._error_callback is not None:
                self._error_callback(error)
        except Exception as raised:
            self._error = raised

    def __repr__(self) -> str:
        if not self.ready():
            return "<FakeResult waiting>"
        answer = self._error if self._error is not None else self._answers[0]
        return f"<FakeResult {answer!r}>"


class FakePool:
    """A Pool whose tasks run in the caller's thread: `multiprocessing.Pool`'s methods.

    A task runs when it is submitted. After `hold()` tasks wait instead, until
    `run_next()`, `run_all()`, `join()` or the `get()` of a result runs them, oldest
    first; `fail_next(error)` answers the oldest as if its worker had been lost.
    Nothing is pickled, no process is started, `prefer`, `resend` and `deadline_s` are
    written down and change nothing.

    Attributes:
        tasks: everything that was submitted, in order.
        state: "running", "closed" or "terminated".
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[object] = (),
        maxtasksperchild: int | None = None,
        context: object = None,
        *,
        slots: int = 1,
    ) -> None:
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        self.tasks: list[FakeTask] = []
        self.state = "running"
        self._waiting: deque[FakeResult[object]] = deque()
        self._holds = False
        if initializer is not None:
            initializer(*initargs)

    @property
    def waiting(self) -> int:
        """How many tasks wait to be run."""
        return len(self._waiting)

    def hold(self) -> None:
        """Let tasks wait from now on, until they are run by hand."""
        self._holds = True

    def run_next(self) -> bool:
        """Run the oldest task that waits; return whether there was one."""
        if not self._waiting:
            return False
        self._waiting.popleft()._answer()
        return True

    def run_all(self) -> None:
        """Run every task that waits, and those that they submit."""
        while self.run_next():
            pass

    def fail_next(self, error: BaseException) -> None:
        """Answer the oldest task that waits with this error, without running it.

        Raises:
            IndexError: if none waits.
        """
        self._waiting.popleft()._fail(error)

    def apply_async(
        self,
        func: Callable[..., T],
        args: Iterable[object] = (),
        kwds: Mapping[str, object] | None = None,
        callback: Callable[[T], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        prefer: Hashable | None = None,
        resend: bool = False,
        deadline_s: float | None = None,
    ) -> FakeResult[T]:
        """Submit `func(*args, **kwds)` and return its result, answered or to come.

        Raises:
            ValueError: if the pool was closed or terminated.
        """
        args, kwds = tuple(args), dict(kwds or {})
        task = FakeTask(func, args, kwds, prefer, resend, deadline_s)
        return self._submit(task, lambda: func(*args, **kwds), callback, error_callback)

    def apply(
        self,
        func: Callable[..., T],
        args: Iterable[object] = (),
        kwds: Mapping[str, object] | None = None,
    ) -> T:
        """Return `func(*args, **kwds)`."""
        return self.apply_async(func, args, kwds).get()

    def map(
        self,
        func: Callable[..., T],
        iterable: Iterable[object],
        chunksize: int | None = None,
    ) -> list[T]:
        """Return `func(item)` of every item, in order."""
        return self.map_async(func, iterable, chunksize).get()

    def map_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[object],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> FakeResult[list[T]]:
        """Submit `func(item)` for every item, as one task."""
        ones = ((item,) for item in iterable)
        return self.starmap_async(func, ones, chunksize, callback, error_callback)

    def starmap(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[object]],
        chunksize: int | None = None,
    ) -> list[T]:
        """Return `func(*item)` of every item, in order."""
        return self.starmap_async(func, iterable, chunksize).get()

    def starmap_async(
        self,
        func: Callable[..., T],
        iterable: Iterable[Iterable[object]],
        chunksize: int | None = None,
        callback: Callable[[list[T]], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> FakeResult[list[T]]:
        """Submit `func(*item)` for every item, as one task."""
        items = tuple(tuple(item) for item in iterable)
        task = FakeTask(func, items, {}, None, False, None)
        return self._submit(
            task, lambda: [func(*item) for item in items], callback, error_callback
        )

    def imap(
        self, func: Callable[..., T], iterable: Iterable[object], chunksize: int = 1
    ) -> Iterator[T]:
        """Return an iterator over `func(item)` of every item, in order."""
        results = [self.apply_async(func, (item,)) for item in iterable]
        return (result.get() for result in results)

    def imap_unordered(
        self, func: Callable[..., T], iterable: Iterable[object], chunksize: int = 1
    ) -> Iterator[T]:
        """Return what `imap` does: here the order of completion is the order asked."""
        return self.imap(func, iterable, chunksize)

    def close(self) -> None:
        """Take no more tasks; those that wait will still run."""
        if self.state == "running":
            self.state = "closed"

    def terminate(self) -> None:
        """Take no more tasks and drop those that wait: they are never answered."""
        self.state = "terminated"
        self._waiting.clear()

    def join(self) -> None:
        """Run what still waits.

        Raises:
            ValueError: if the pool was neither closed nor terminated.
        """
        if self.state == "running":
            raise ValueError("Pool is still running")
        self.run_all()

    def _submit(
        self,
        task: FakeTask,
        run: Callable[[], T],
        callback: Callable[[T], object] | None,
        error_callback: Callable[[BaseException], object] | None,
    ) -> FakeResult[T]:
        if self.state != "running":
            raise ValueError("Pool not running")
        self.tasks.append(task)
        result = FakeResult(self, run, callback, error_callback)
        if self._holds:
            self._waiting.append(cast("FakeResult[object]", result))
        else:
            result._answer()
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.terminate()

    def __repr__(self) -> str:
        return (
            f"<FakePool {self.state}: {len(self.tasks)} tasks, {self.waiting} waiting>"
        )


class PageParts(TypedDict, total=False):
    """The parts of a Page that `make_page` takes besides its own."""

    final_url: str
    encoding: str | None
    wire_bytes: int
    hops: Sequence[Hop]
    timings: Timings
    ip: str | None
    http_version: str | None
    certificate: Certificate | None
    failure: Failure | None
    attempt: int
    depth: int
    fetched_at: datetime
    worker_pid: int | None
    accepted: bool | None
    extract: object
    skipped: str | None
    group: str


def make_page(
    url: str = "http://site.example/",
    status: int | None = 200,
    html: str | bytes = "<title>A page</title>",
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    **parts: Unpack[PageParts],
) -> Page:
    """Return a Page as if this answer had come, the same one every time.

    Text is sent as UTF-8, and without `headers` the Content-Type says so. The other
    parts have plausible values of their own; any of them can be given.
    """
    content = html.encode() if isinstance(html, str) else html
    if headers is None:
        headers = {"Content-Type": HTML}
        parts.setdefault("encoding", "utf-8")
    lines = headers.items() if isinstance(headers, Mapping) else headers
    given: PageParts = {
        "wire_bytes": len(content),
        "timings": TIMINGS,
        "ip": "192.0.2.1",  # RFC 5737: for documentation
        "http_version": "1.1",
        "fetched_at": FETCHED_AT,
        "worker_pid": 1000,
        **parts,
    }
    return Page(
        url=url, status=status, headers=Headers(lines), content=content, **given
    )


def make_failed_page(
    url: str = "http://site.example/",
    kind: Kind = Kind.TIMEOUT,
    message: str = "it took too long",
    **parts: Unpack[PageParts],
) -> Page:
    """Return a Page as if there had been no usable answer, for this kind of reason."""
    given: PageParts = {
        "failure": Failure(kind, message),
        "timings": Timings(queue_s=0.001, total_s=0.030),
        "ip": None,
        "http_version": None,
        **parts,
    }
    return make_page(url, None, "", headers=(), **given)
