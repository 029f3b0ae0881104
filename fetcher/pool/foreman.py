"""The thread that owns the workers: it deals tasks out and takes answers in.

    any thread             the foreman's thread                      worker processes
    ----------             --------------------                      ----------------
    apply_async            +-------------------------------+
      pickles the task --> | queue                         |
      wakes it if asleep   |   | deal: a free slot,        |   pipe   +-------------+
                           |   v the preferred one first   | <======> | slots, held |
                           | outbox of a worker            |          +-------------+
                           |   | as much as its pipe takes |   pipe   +-------------+
    feeder: map, imap ---> |   v                           | <======> | slots, held |
      (waits for room)     | (pipe)                        |          +-------------+
                           |   | whole messages, unpickled |               :
    get() <-- event set    |   v                           |   exit   +-------------+
    callback runs here <-- | answers                       | <------- | the dead    |
                           +-------------------------------+          +-------------+

It sleeps in one place, on all pipes, all process ends and a wake-up at once, and
nothing else it does waits for a worker: it writes what a pipe takes and reads what
has come. What is to be said to a worker while its pipe is full gathers in its outbox.

A task is in exactly one place: in the queue, or held by one worker, or answered.
When a worker dies, what it had sent is read first; then `after_loss` decides for each
task it held. Tasks are sent to free slots only, so one that is held has been started.

What is left to others: pickling tasks (`wire`), starting processes (`start`), the
verdict on a lost task (`task`), what an answer does (`results`). Callbacks do run
here. They may block: workers go on with what they hold, and no deadline runs meanwhile.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import pickle  # the default of loads=, as in multiprocessing
import selectors
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import partial
from multiprocessing.process import BaseProcess

from .errors import (
    InitializerFailed,
    PoolTerminated,
    RemoteTraceback,
    TaskExited,
    WorkerLost,
    describe_exit,
)
from .results import Call, Outcome
from .start import close_after_fork, keep_after_fork
from .task import Loss, Task, after_loss, loss_error
from .wire import (
    HEADER,
    NOT_READY,
    READY,
    RESULT,
    SCRATCH_BYTES,
    STOP,
    TOO_LARGE,
    FrameReader,
    frame,
    unpack_error,
)

__all__ = ["Foreman"]

log = logging.getLogger(__name__)

Loads = Callable[[memoryview], object]
Launch = Callable[[], tuple[BaseProcess, socket.socket]]

_PREFERENCES_KEPT = 10_000  # keys of prefer=, least recently used out first
_JOINED_BYTES = 64 * 1024  # a larger payload is sent as it is, without a copy
_PIECES_AT_ONCE = 512  # sendmsg takes at most IOV_MAX (1024) pieces
_TERM_GRACE_S = 0.5  # between SIGTERM and SIGKILL in terminate()
_STOP_GRACE_S = 5.0  # for a worker to leave in good order
_TERMINATE_WAIT_S = 5.0  # terminate() waits so long for a callback to return
_REST_S = 1.0  # between two series of vain starts
_START_GRACE_S = 10.0  # for a worker to start, on top of the deadline of who waits
_FOREVER = float("inf")


class _State(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"  # told to leave, holds nothing
    DYING = "dying"  # killed, or its pipe is closed; its end is awaited


class _Worker:
    """The foreman's side of one worker process."""

    __slots__ = (
        "expired",
        "given",
        "held",
        "listed",
        "outbox",
        "pipe",
        "process",
        "reader",
        "reserved",
        "room",
        "sentinel",
        "spoke",
        "started_s",
        "state",
        "stop_by_s",
        "unread",
        "was_reset",
        "writing",
    )

    def __init__(
        self, process: BaseProcess, pipe: socket.socket, scratch: bytearray
    ) -> None:
        self.process = process
        self.sentinel = process.sentinel
        self.pipe = pipe
        self.reader = FrameReader(pipe, scratch)
        self.state = _State.STARTING
        self.started_s = time.monotonic()
        self.spoke = False  # it has said that its initializer is done, or has failed
        self.held: dict[int, Task] = {}
        self.given = 0  # tasks in its whole life
        self.room = 0  # tasks it may be given now
        self.listed = False  # among the foreman's free workers
        self.reserved = False  # for a task that must be alone
        self.outbox: list[bytes | memoryview] = []
        self.writing = False  # waits until its pipe takes more
        self.expired: set[int] = set()  # the tasks it was killed for
        self.stop_by_s = _FOREVER
        self.unread: list[int] = []  # the tasks it was sent last, in one piece
        self.was_reset = False  # it died, and had not read the last piece

    def __repr__(self) -> str:
        return (
            f"<Worker {self.process.pid} {self.state.value} held={len(self.held)} "
            f"room={self.room}>"
        )


class Foreman:
    """Owns workers, pipes and tasks; see the head of this file.

    `submit`, `close`, `terminate`, `answer_soon` and `await_room` may be called from
    any thread, all else runs in the foreman's own.
    """

    def __init__(
        self,
        launch: Launch,
        size: int,
        slots: int,
        max_tasks: int | None,
        loads: Loads = pickle.loads,
        extra_slots: int = 0,
    ) -> None:
        self.calls: dict[int, Call] = {}  # those that wait for an answer
        self.workers: list[_Worker] = []
        self._launch = launch
        self._size = size
        self._slots = slots
        self._extra_slots = extra_slots
        self._max_tasks = max_tasks
        self._loads = loads
        self._scratch = bytearray(SCRATCH_BYTES)

        self._queue: deque[Task] = deque()
        self._lonely: deque[Task] = deque()  # tasks that must be alone
        self._free: deque[_Worker] = deque()  # round robin; may hold stale ones
        self._served: OrderedDict[Hashable, _Worker] = OrderedDict()
        self._answers: deque[tuple[Call, int, Outcome]] = deque()

        self._stalled_s = 0.0  # spent in callbacks: no deadline runs meanwhile
        self._next_expiry_s = _FOREVER  # on self._clock()
        self._next_chore_s = _FOREVER  # on time.monotonic(): restarts, stop grace

        self._told_failures = 0  # starts in a row in which the initializer raised
        self._silent_failures = 0  # starts in a row that ended without a word
        self._failure: Exception | None = None
        self._resting_until_s = 0.0

        self._asleep = False
        self._closing = False
        self._terminating = False
        self._ended = False
        self._room_for_more = threading.Event()
        self._queue_limit = 4 * size * slots + 64

        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = socket.socketpair()
        for end in (self._wake_r, self._wake_w):
            end.setblocking(False)
        for owned in (self._selector, self._wake_r, self._wake_w):
            close_after_fork(owned)
        self._selector.register(self._wake_r, selectors.EVENT_READ, self._on_wake)
        self.thread = threading.Thread(
            target=self._run, name="pool-foreman", daemon=True
        )

    def __repr__(self) -> str:
        return (
            f"<Foreman queued={len(self._queue) + len(self._lonely)} "
            f"held={sum(len(w.held) for w in self.workers)} "
            f"calls={len(self.calls)} workers={len(self.workers)}>"
        )

    # -- for any thread ------------------------------------------------------------

    def start(self) -> None:
        """Start the workers, then the thread. What fails here is raised here."""
        try:
            for _ in range(self._size):
                self._add_worker()
        except BaseException:
            self._end()
            raise
        self.thread.start()

    def submit(self, task: Task) -> None:
        """Queue a task; its call will be answered."""
        self._queue.append(task)
        if self._asleep:
            self._wake()
        if self._ended:
            self._cancel_calls()

    def answer_soon(self, call: Call, index: int, outcome: Outcome) -> None:
        """Answer a call in the foreman's thread, where callbacks run."""
        self._answers.append((call, index, outcome))
        self._wake()
        if self._ended:
            self._cancel_calls()

    def await_room(self) -> bool:
        """Wait until the queue is short; return False if the pool has ended."""
        while len(self._queue) >= self._queue_limit and not self._terminating:
            self._room_for_more.clear()
            if len(self._queue) >= self._queue_limit and not self._terminating:
                self._room_for_more.wait()
        return not self._terminating

    def nudge(self) -> None:
        """Have the foreman look whether there is anything to do."""
        self._wake()

    def close(self) -> None:
        """End the workers and the thread once every call is answered."""
        self._closing = True
        self._wake()

    def terminate(self) -> None:
        """End the workers and the thread now; calls without answer fail.

        Returns within seconds. While a callback blocks the foreman's thread, the
        workers are ended all the same, and what is left is done when it returns.
        """
        self._terminating = True
        self._room_for_more.set()
        if not self.thread.is_alive():
            return
        self._wake()
        if threading.current_thread() is self.thread:
            return  # called in a callback; the loop ends after it
        # By pid, because to ask after their end is for the foreman's thread alone.
        self._signal_all(BaseProcess.terminate)
        self.thread.join(_TERM_GRACE_S)
        if self.thread.is_alive():
            self._signal_all(BaseProcess.kill)
            self.thread.join(_TERMINATE_WAIT_S)

    def _signal_all(self, send: Callable[[BaseProcess], None]) -> None:
        for worker in list(self.workers):
            # It may have been reaped meanwhile, and closed.
            with contextlib.suppress(ValueError, OSError, AttributeError):
                send(worker.process)

    def _wake(self) -> None:
        self._asleep = False
        # Full: it is awake already. Closed: it has ended.
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_w.send(b"\0")

    # -- the loop ------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._terminating:
                self._deal()
                self._deliver()
                if self._closing and not self.calls and self._dismissed():
                    break
                if not self._terminating:
                    self._sleep_and_read()
                    self._expire()
                    self._chores()
        except BaseException:
            # Should not be; but if it is, nobody is left waiting for an answer.
            log.exception("the pool's own thread failed; the pool ends")
        finally:
            self._terminating = True
            self._end()

    def _sleep_and_read(self) -> None:
        # First asleep, then the look at what may have come meanwhile: submit()
        # does it the other way round, so one of us sees the other.
        # With no free slot a new task is no reason to wake.
        self._asleep = self._can_take()
        if self._has_work():
            self._asleep = False
            events = self._selector.select(0)
        else:
            events = self._selector.select(self._timeout_s())
            self._asleep = False
        for key, mask in events:
            key.data(mask)

    def _has_work(self) -> bool:
        return bool(
            self._answers or self._terminating or (self._queue and self._can_take())
        )

    def _can_take(self) -> bool:
        """Would a new task be given away, or a worker be started for it, at once?"""
        return self._has_room() or (
            len(self.workers) < self._size and time.monotonic() >= self._resting_until_s
        )

    def _has_room(self) -> bool:
        free = self._free
        while free:
            if free[0].room > 0:
                return True
            free.popleft().listed = False
        return False

    def _timeout_s(self) -> float | None:
        soonest = min(
            self._next_expiry_s - self._clock_s(),
            self._next_chore_s - time.monotonic(),
        )
        return None if soonest == _FOREVER else max(soonest, 0.0)

    def _clock_s(self) -> float:
        """Seconds that this thread was not in a callback; only differences count."""
        return time.monotonic() - self._stalled_s

    def _on_wake(self, mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_r.recv(4096)

    def _deliver(self) -> None:
        """Give the answers that are there to their calls; callbacks run in here."""
        answers = self._answers
        while answers and not self._terminating:
            call, index, outcome = answers.popleft()
            began_s = time.monotonic() if call._has_callbacks else None
            try:
                call._set(index, outcome)
            except Exception as error:  # a forged map result that has no length
                log.exception("an answer could not be delivered")
                call._cancel(error)
            if began_s is not None:
                self._stalled_s += time.monotonic() - began_s

    # -- dealing tasks out ---------------------------------------------------------

    def _deal(self) -> None:
        """Give waiting tasks to free slots, and send them."""
        if self._lonely:
            self._deal_lonely()
        queue = self._queue
        if not queue:
            return
        if len(self.workers) < self._size:
            self._staff()
        given: dict[_Worker, None] = {}
        while queue and self._has_room():
            task = queue.popleft()
            worker = self._choose(task.prefer)
            if worker not in given:
                given[worker] = None
                worker.unread = []
            self._give(task, worker)
        for worker in given:
            if not worker.writing:
                self._send(worker)
        if not self._room_for_more.is_set() and len(queue) < self._queue_limit:
            self._room_for_more.set()

    def _choose(self, prefer: Hashable) -> _Worker:
        """Return a worker with room: the one that served this key last, or the next."""
        if prefer is None:
            return self._next_free()
        served = self._served
        worker = served.get(prefer)
        if worker is not None and (worker.room > 0 or self._has_extra(worker)):
            served.move_to_end(prefer)
            return worker
        worker = served[prefer] = self._next_free()
        if len(served) > _PREFERENCES_KEPT:
            served.popitem(last=False)
        return worker

    def _has_extra(self, worker: _Worker) -> bool:
        """Return whether a full worker may take one more task that prefers it."""
        return (
            len(worker.held) < self._slots + self._extra_slots
            and worker.state is _State.READY
            and not worker.reserved
            and self._max_tasks is None
        )

    def _next_free(self) -> _Worker:
        worker = self._free[0]  # _has_room() has seen to it
        self._free.rotate(-1)
        return worker

    def _give(self, task: Task, worker: _Worker) -> None:
        worker.held[task.id] = task
        worker.room -= 1
        worker.given += 1
        payload = task.payload
        if len(payload) < _JOINED_BYTES:
            worker.outbox.append(frame(task.kind, task.id, payload))
        else:
            worker.unread = []  # sent in several pieces
            worker.outbox.append(HEADER.pack(len(payload), task.id, task.kind))
            worker.outbox.append(payload)
        worker.unread.append(task.id)
        if task.deadline_s is not None:
            task.expires_s = self._clock_s() + task.deadline_s
            self._next_expiry_s = min(self._next_expiry_s, task.expires_s)

    def _deal_lonely(self) -> None:
        """Empty a worker for the task that must be alone, then give it that task."""
        reserved = next((w for w in self.workers if w.reserved), None)
        if reserved is None:
            ready = [w for w in self.workers if w.state is _State.READY]
            if not ready:
                return
            reserved = min(ready, key=lambda w: len(w.held))
            reserved.reserved = True
            self._count_room(reserved)
        if not reserved.held and reserved.state is _State.READY:
            reserved.unread = []
            self._give(self._lonely.popleft(), reserved)
            reserved.room = 0
            self._send(reserved)

    def _count_room(self, worker: _Worker) -> None:
        """Work out how many tasks a worker may be given, after any change."""
        if worker.state is not _State.READY:
            worker.room = 0
            return
        room = self._slots - len(worker.held)
        if self._max_tasks is not None:
            room = min(room, self._max_tasks - worker.given)
            if room <= 0 and not worker.held:
                self._stop(worker)
                return
        if worker.reserved:
            if not self._lonely and not worker.held:
                worker.reserved = False
            else:
                room = 0
        worker.room = room
        if room > 0 and not worker.listed:
            worker.listed = True
            self._free.append(worker)

    def _send(self, worker: _Worker) -> None:
        """Write as much of a worker's outbox as its pipe takes."""
        outbox = worker.outbox
        try:
            while outbox:
                if len(outbox) == 1:
                    sent = worker.pipe.send(outbox[0])
                else:
                    sent = worker.pipe.sendmsg(outbox[:_PIECES_AT_ONCE])
                _drop_sent(outbox, sent)
        except BlockingIOError:
            pass
        except OSError:
            worker.was_reset = True  # what is in here it has surely not read
            outbox.clear()  # it is dead; the end of its process will tell
        if bool(outbox) != worker.writing:
            worker.writing = bool(outbox)
            self._watch(worker)

    def _watch(self, worker: _Worker) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.writing else 0)
        self._selector.modify(
            worker.pipe, events, self._selector.get_key(worker.pipe).data
        )

    # -- taking answers in ---------------------------------------------------------

    def _on_pipe(self, worker: _Worker, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read(worker)
        if mask & selectors.EVENT_WRITE and worker.state is not _State.DYING:
            self._send(worker)

    def _read(self, worker: _Worker) -> bool:
        """Take in what has come from a worker; return False if nothing had."""
        try:
            frames = worker.reader.read()
        except BlockingIOError:
            return False
        except (EOFError, OSError) as end:
            worker.was_reset |= isinstance(end, ConnectionResetError)
            self._kill(worker)  # without a pipe it is of no use
            return False
        except ValueError:
            log.exception("worker %s sent what is no message", worker.process.pid)
            self._kill(worker)
            return False
        for kind, task_id, payload in frames:
            task = worker.held.pop(task_id, None)
            if task is not None:
                self._answers.append(
                    (task.call, task.index, self._read_answer(kind, payload))
                )
            elif kind == READY:
                worker.spoke = True
                self._told_failures = self._silent_failures = 0
                if worker.state is _State.STARTING:
                    worker.state = _State.READY
            elif kind == NOT_READY:
                worker.spoke = True
                self._note_failed_start(self._read_answer(kind, payload)[1])
                worker.state = _State.STOPPING  # it ends by itself
                self._stop_by(worker)
        self._count_room(worker)
        return True

    def _read_answer(self, kind: int, payload: memoryview) -> Outcome:
        """Unpickle an answer; what cannot be read is an error of that call."""
        try:
            if kind == RESULT:
                return True, self._loads(payload)
            if kind == TOO_LARGE:
                return False, MemoryError("the result is too large for this process")
        except BaseException as error:  # user code: __setstate__
            return False, _unreadable(error, "its result was unpickled")
        text, pickled = unpack_error(payload)
        try:
            raised = self._loads(pickled)
            if not isinstance(raised, BaseException):
                raise TypeError(f"expected an exception, got {type(raised).__name__}")
        except BaseException as error:  # user code: __setstate__
            raised = _unreadable(error, "the exception of the task was unpickled")
        raised.__cause__ = RemoteTraceback(text)
        return False, raised

    # -- workers that come and go --------------------------------------------------

    def _add_worker(self) -> None:
        process, pipe = self._launch()
        worker = _Worker(process, pipe, self._scratch)
        self.workers.append(worker)
        register = self._selector.register
        register(pipe, selectors.EVENT_READ, partial(self._on_pipe, worker))
        register(worker.sentinel, selectors.EVENT_READ, partial(self._on_exit, worker))
        self._next_chore_s = min(self._next_chore_s, worker.started_s + _START_GRACE_S)

    def _staff(self) -> None:
        """Start workers until there are as many as there should be."""
        if self._terminating or time.monotonic() < self._resting_until_s:
            return
        if self._closing and not (self._queue or self._lonely):
            return
        while len(self.workers) < self._size:
            try:
                self._add_worker()
            except Exception as error:
                log.warning("a worker could not be started: %s", error)
                self._note_failed_start(error)
                self._rest()
                return

    def _rest(self) -> None:
        self._resting_until_s = time.monotonic() + _REST_S
        self._next_chore_s = min(self._next_chore_s, self._resting_until_s)

    def _note_failed_start(self, cause: Exception) -> None:
        """Count a start that came to nothing and said why."""
        self._failure = cause
        self._told_failures += 1
        if self._told_failures >= max(self._size, 3):
            self._give_up()

    def _note_silent_start(self, exitcode: int | None) -> None:
        """Count a start that was ended before it could say anything.

        With more patience if it was a signal: it may be somebody who kills workers
        at random.
        """
        self._silent_failures += 1
        patience = 10 if exitcode is not None and exitcode < 0 else 1
        if self._silent_failures >= patience * max(self._size, 3):
            self._failure = WorkerLost(
                f"each of the last {self._silent_failures} workers "
                f"{describe_exit(exitcode)} before it was ready",
                exitcode=exitcode,
            )
            self._give_up()

    def _ready_by_s(self, worker: _Worker) -> float:
        """Return when a starting worker is late: never, if no deadline waits for it.

        An initializer may take minutes, and nobody minds; but one that is stopped
        or stuck must not hold up a task whose submitter gave it seconds.
        """
        waiting = self._queue or self._lonely
        first_s = waiting[0].deadline_s if waiting else None
        if first_s is None:
            return _FOREVER
        return worker.started_s + first_s + _START_GRACE_S

    def _note_late_start(self, worker: _Worker, now_s: float) -> None:
        waited_s = now_s - worker.started_s
        worker.spoke = True  # counted here, and not again when it ends
        self._note_failed_start(
            WorkerLost(
                f"worker {worker.process.pid} was not ready after {waited_s:.0f} s "
                "and was killed, because a task with a deadline waited for it",
                pid=worker.process.pid,
            )
        )

    def _give_up(self) -> None:
        """Fail what waits, unless a worker is left to do it; then rest."""
        self._told_failures = self._silent_failures = 0
        self._rest()
        if any(worker.state is _State.READY for worker in self.workers):
            return
        waiting = [*self._lonely, *self._queue]
        self._lonely.clear()
        self._queue.clear()
        for task in waiting:
            error = InitializerFailed(f"no worker could be started: {self._failure!r}")
            error.__cause__ = self._failure
            self._fail(task, error)
        self._room_for_more.set()

    def _stop(self, worker: _Worker) -> None:
        """Tell a worker that holds nothing to leave in good order."""
        worker.state = _State.STOPPING
        worker.room = 0
        worker.outbox.append(frame(STOP, 0, b""))
        self._stop_by(worker)
        if not worker.writing:
            self._send(worker)

    def _stop_by(self, worker: _Worker) -> None:
        worker.stop_by_s = time.monotonic() + _STOP_GRACE_S
        self._next_chore_s = min(self._next_chore_s, worker.stop_by_s)

    def _kill(self, worker: _Worker) -> None:
        """Have a worker's process end now; `_on_exit` follows."""
        if worker.state is _State.DYING:
            return
        worker.state = _State.DYING
        worker.room = 0
        self._selector.unregister(worker.pipe)
        worker.process.kill()

    def _on_exit(self, worker: _Worker, mask: int) -> None:
        """Bury a worker whose process has ended, and settle what it held."""
        if worker.state is not _State.DYING:
            while self._read(worker):  # what it had sent is answered
                pass
        if worker.state is not _State.DYING:
            self._kill(worker)
        elif worker.process.exitcode is None:  # its end of the sentinel is closed
            worker.process.kill()
        worker.process.join(_STOP_GRACE_S)
        exitcode = worker.process.exitcode
        # Not before: a process that ends closes the sentinel and its pipe one after
        # the other, and only the closed pipe tells whether the last task was read.
        self._drain(worker)
        self._selector.unregister(worker.sentinel)
        self._forget(worker)
        if not worker.spoke and not self._closing:
            self._note_silent_start(exitcode)
        self._settle(worker, exitcode)
        self._staff()

    def _drain(self, worker: _Worker) -> None:
        """Read what a killed worker had sent before."""
        try:
            while True:
                for kind, task_id, payload in worker.reader.read():
                    task = worker.held.pop(task_id, None)
                    if task is not None:
                        outcome = self._read_answer(kind, payload)
                        self._answers.append((task.call, task.index, outcome))
        except ConnectionResetError:
            worker.was_reset = True
        except (EOFError, OSError, ValueError):
            return

    def _forget(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        keep_after_fork(worker.pipe)
        worker.pipe.close()
        for key in [k for k, served in self._served.items() if served is worker]:
            del self._served[key]
        if worker.listed:
            self._free.remove(worker)

    def _settle(self, worker: _Worker, exitcode: int | None) -> None:
        """Decide for each task that a dead worker held: again, or failed."""
        unread = self._take_unread(worker)
        lost = list(worker.held.values())
        worker.held.clear()
        self._queue.extendleft(reversed(unread))
        for task in reversed(lost):  # reversed, because each goes to the queue's head
            expired = task.id in worker.expired
            blamed_other = bool(worker.expired) and not expired
            if not blamed_other:
                task.losses += 1
            verdict = after_loss(
                resend=task.resend,
                losses=task.losses,
                expired=expired,
                neighbours=len(lost) - 1,
                blamed_other=blamed_other,
            )
            task.expires_s = _FOREVER
            if verdict is Loss.RESEND:
                self._queue.appendleft(task)
            elif verdict is Loss.RESEND_ALONE:
                task.alone = True
                self._lonely.append(task)
            else:
                error = loss_error(
                    task,
                    pid=worker.process.pid,
                    exitcode=exitcode,
                    expired=expired,
                    neighbours=len(lost) - 1,
                    blamed_other=blamed_other,
                )
                self._fail(task, error)

    def _take_unread(self, worker: _Worker) -> list[Task]:
        """Take those tasks off a dead worker that it had surely not begun.

        Linux tells a socket whose peer died with something unread (ECONNRESET in
        place of the end). A worker reads all there is at once, so what was sent in
        the last piece has not been read; and to send that again does no harm.
        """
        if not worker.was_reset:
            return []
        held = worker.held
        unread = [held[i] for i in worker.unread if i in held and held[i].unread < 9]
        for task in unread:
            del held[task.id]
            task.unread += 1
            task.expires_s = _FOREVER
        return unread

    def _fail(self, task: Task, error: Exception) -> None:
        self._answers.append((task.call, task.index, (False, error)))

    # -- time ----------------------------------------------------------------------

    def _expire(self) -> None:
        """Kill the workers that hold a task past its deadline."""
        now_s = self._clock_s()
        if now_s < self._next_expiry_s:
            return
        soonest_s = _FOREVER
        for worker in list(self.workers):
            if any(task.expires_s <= now_s for task in worker.held.values()):
                while worker.state is _State.READY and self._read(worker):
                    pass  # it may have answered while we were busy
                late = {t.id for t in worker.held.values() if t.expires_s <= now_s}
                if late and worker.state is _State.READY:
                    worker.expired = late
                    self._kill(worker)
            if worker.state is _State.READY:
                for task in worker.held.values():
                    soonest_s = min(soonest_s, task.expires_s)
        self._next_expiry_s = soonest_s

    def _chores(self) -> None:
        """Start workers after a rest; kill those that do not leave, or get ready."""
        now_s = time.monotonic()
        if now_s < self._next_chore_s:
            return
        self._next_chore_s = _FOREVER
        for worker in list(self.workers):
            if worker.state is _State.STOPPING:
                by_s = worker.stop_by_s
            elif worker.state is _State.STARTING:
                by_s = self._ready_by_s(worker)
            else:
                continue
            if by_s > now_s:
                # Who waits, and how long, may be another question by then.
                soon_s = min(by_s, now_s + _START_GRACE_S)
                self._next_chore_s = min(self._next_chore_s, soon_s)
                continue
            if worker.state is _State.STARTING:
                self._note_late_start(worker, now_s)
            self._kill(worker)
        if now_s < self._resting_until_s:
            self._next_chore_s = min(self._next_chore_s, self._resting_until_s)
        elif self._queue or self._lonely:
            self._staff()

    # -- the end -------------------------------------------------------------------

    def _dismissed(self) -> bool:
        """Tell every worker to leave; return True when all are gone."""
        for worker in list(self.workers):
            if worker.state in (_State.STARTING, _State.READY):
                self._stop(worker)
        return not self.workers

    def _end(self) -> None:
        """End every worker, give back every descriptor, answer every call."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.process.terminate()
        self._await_ends(_TERM_GRACE_S)
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.process.kill()
        self._await_ends(_STOP_GRACE_S)
        for worker in self.workers:
            keep_after_fork(worker.pipe)
            worker.pipe.close()
        self.workers.clear()
        self._free.clear()
        self._served.clear()
        for owned in (self._selector, self._wake_r, self._wake_w):
            keep_after_fork(owned)
            owned.close()
        self._ended = True
        self._queue.clear()
        self._lonely.clear()
        self._answers.clear()
        self._room_for_more.set()
        self._cancel_calls()

    def _await_ends(self, grace_s: float) -> None:
        """Wait until the workers have ended, and take those that have off the list."""
        until_s = time.monotonic() + grace_s
        for worker in list(self.workers):
            worker.process.join(max(until_s - time.monotonic(), 0.0))
            if worker.process.exitcode is not None:
                self.workers.remove(worker)
                keep_after_fork(worker.pipe)
                worker.pipe.close()

    def _cancel_calls(self) -> None:
        while self.calls:
            try:
                _, call = self.calls.popitem()
            except KeyError:
                return
            call._cancel(PoolTerminated("the pool was terminated before this was done"))


def _drop_sent(outbox: list[bytes | memoryview], sent: int) -> None:
    """Take the first `sent` bytes off an outbox."""
    done = 0
    for piece in outbox:
        if sent < len(piece):
            break
        sent -= len(piece)
        done += 1
    del outbox[:done]
    if sent:
        outbox[0] = memoryview(outbox[0])[sent:]


def _unreadable(error: BaseException, doing: str) -> Exception:
    """Return an error in unpickling as one that cannot end the parent."""
    if not isinstance(error, Exception):
        return TaskExited(f"{type(error).__name__} was raised while {doing}")
    error.add_note(f"raised in the parent, while {doing}")
    return error
