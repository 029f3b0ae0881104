"""What runs in a worker process: read tasks, run them, send what came of them.

    pipe --> whichever thread is idle reads --> inbox --> slot threads
    pipe <-- whichever thread has finished sends for all <-- outbox

With one slot the main thread does both, so that signals and alarms work in a task
as they do in `multiprocessing.Pool`. With more, threads are made as they are needed.
One thread more waits for the end of the parent, and then ends this process at once,
whatever its slots are doing.

What a task raises is sent back, SystemExit included; nothing a task does in Python
ends its worker, save `os._exit`.
"""

from __future__ import annotations

import gc
import os
import pickle  # both ends are the same program
import select
import signal
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing import parent_process

from .errors import MaybeEncodingError, TaskExited
from .wire import (
    ERROR,
    HEADER,
    NOT_READY,
    READY,
    RESULT,
    SCRATCH_BYTES,
    STOP,
    TASK_BY_VALUE,
    TOO_LARGE,
    FrameReader,
    dumps,
    dumps_by_value,
    dumps_pieces,
    pack_error,
)

__all__ = ["work"]

_BURST_MESSAGES = 64  # no more are left to the end of a burst
_JOINED_BYTES = 64 * 1024  # up to here one copy is cheaper than a list of pieces
_PIECES_AT_ONCE = 512  # sendmsg takes at most IOV_MAX (1024) pieces


def work(
    pipe: socket.socket,
    slots: int,
    initializer: Callable[..., object] | None,
    initargs: Iterable[object],
) -> None:
    """Serve tasks until told to stop (the target of the worker's process)."""
    # SIGINT was blocked while this process started: a Ctrl-C is the parent's to
    # handle, and must not end a worker half-way through its imports.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    pipe.settimeout(None)  # socket.setdefaulttimeout() of the caller is not ours
    worker = _Worker(pipe, slots)
    try:
        threading.Thread(
            target=_end_with_parent, args=(pipe,), name="pool-parent-watch", daemon=True
        ).start()
    except (RuntimeError, MemoryError) as error:  # no thread to be had
        worker.send(NOT_READY, 0, [_pickle_error(error, by_value=True)])
        os._exit(1)  # the parent says so: a traceback a worker helps nobody
    if initializer is not None:
        try:
            initializer(*initargs)
        except BaseException as error:  # user code
            worker.send(NOT_READY, 0, [_pickle_error(error, by_value=True)])
            raise
    worker.send(READY, 0, [])
    del initializer, initargs
    # What is there by now stays: modules, and what a fork has inherited. Looking
    # through it again and again took a third of the time of tasks that make many
    # objects, and copied the pages that processes share.
    gc.freeze()
    worker.serve(1)


def _end_with_parent(pipe: socket.socket) -> None:
    """End this process when the parent's end of the pipe, or the parent, is gone."""
    poll = select.poll()
    poll.register(pipe.fileno(), 0)  # 0: wake for POLLHUP only, not for every task
    parent = parent_process()
    if parent is not None:
        poll.register(parent.sentinel, select.POLLIN)
    poll.poll()
    os._exit(1)


class _Worker:
    def __init__(self, pipe: socket.socket, slots: int) -> None:
        self._pipe = pipe
        self._slots = slots
        self._scratch = bytearray(SCRATCH_BYTES)
        self._reader = FrameReader(pipe, self._scratch)
        self._inbox: deque[tuple[int, int, bytes | memoryview]] = deque()
        self._reading = threading.Lock()  # held by the thread that reads the pipe
        self._idle: set[int] = set()  # slots that read, or wait to read
        self._threads = 1
        self._adding = threading.Lock()
        self._stopped = False
        self._outbox: deque[tuple[int, list[bytes]]] = deque()  # with the size
        self._sending = threading.Lock()
        self._left_behind = threading.Semaphore(0)  # results for the late sender
        self._sender_called = False
        self._sender: threading.Thread | None = None

    def serve(self, slot: int) -> None:
        """Be one of the slots until told to stop, or until there is no memory left."""
        try:
            self._run(slot)
        except MemoryError:  # not of a task, which is told: there is none to tell it
            os._exit(1)  # the parent gives what is held here to another worker

    def _run(self, slot: int) -> None:
        inbox, idle, slots = self._inbox, self._idle, self._slots
        while True:
            try:
                # Without the lock: a thread that has finished a short task goes on
                # with the next of the same delivery, and wakes nobody.
                kind, task_id, payload = inbox.popleft()
                idle.discard(slot)  # a new thread that need not wait after all
            except IndexError:
                idle.add(slot)
                found = self._await_task()
                idle.discard(slot)
                if found is None:
                    return
                kind, task_id, payload = found
                del found
            if not idle and self._threads < slots:
                self._add_thread()
            self._answer(kind, task_id, payload)
            del payload

    def _add_thread(self) -> None:
        """Start a slot, so that somebody reads while the others are at work."""
        with self._adding:
            if self._idle or self._threads >= self._slots:
                return
            slot = self._threads + 1
            self._idle.add(slot)  # it begins by waiting
            try:
                self._start_sender()  # first: what serves two slots cannot do without
                threading.Thread(
                    target=self.serve,
                    args=(slot,),
                    name=f"pool-slot-{slot}",
                    daemon=True,
                ).start()
            except RuntimeError:  # no more threads to be had: the others must do
                self._idle.discard(slot)
                return
            self._threads = slot

    def _start_sender(self) -> None:
        if self._sender is not None:
            return
        sender = threading.Thread(
            target=self._send_late, name="pool-late-sender", daemon=True
        )
        sender.start()
        self._sender = sender

    def _await_task(self) -> tuple[int, int, bytes | memoryview] | None:
        """Return the next task, or None if there will be none."""
        inbox = self._inbox
        with self._reading:
            while True:
                if inbox:
                    try:
                        return inbox.popleft()
                    except IndexError:  # a thread without the lock was quicker
                        continue
                if self._stopped:
                    return None
                self._read()

    def _read(self) -> None:
        try:
            frames = self._reader.read()
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone, and nobody is left to tell
        scratch = self._scratch
        for kind, task_id, payload in frames:
            if kind == STOP:
                self._stopped = True
                continue
            kept = bytes(payload) if payload.obj is scratch else payload
            self._inbox.append((kind, task_id, kept))

    def _answer(self, kind: int, task_id: int, payload: bytes | memoryview) -> None:
        """Run one task and send what came of it."""
        by_value = kind == TASK_BY_VALUE
        try:
            if kind == TOO_LARGE:
                raise MemoryError("the worker has no memory for this task's arguments")
            func, args, kwds = pickle.loads(payload)  # noqa: S301  # from our parent
            value = func(*args, **kwds)
        except BaseException as error:  # user code
            self.send(ERROR, task_id, [_pickle_error(error, by_value=by_value)])
            return
        try:
            pickled = _pickle(value, by_value=by_value)
        except BaseException as error:  # user code: __reduce__
            wrapped = _encoding_error(error, value)
            self.send(ERROR, task_id, [_pickle_error(wrapped, by_value=by_value)])
            return
        self.send(RESULT, task_id, pickled)

    def send(self, kind: int, task_id: int, payload: list[bytes]) -> None:
        """Send a message, its payload in pieces, or leave it to a thread that will.

        Three cases, in this order:
        1. More tasks wait for this thread, and there are threads to spare: short
           tasks come in bursts, and to wake the parent for each would cost more
           than the tasks. Whoever ends the burst sends for all; should the next
           task be a long one, `_send_late` does, a few milliseconds from now.
        2. Another thread is sending: it takes this along.
        3. Else it is sent here and now.
        """
        outbox = self._outbox
        size = sum(map(len, payload))
        payload.insert(0, HEADER.pack(size, task_id, kind))
        outbox.append((size, payload))
        if self._threads > 1 and self._inbox and len(outbox) < _BURST_MESSAGES:
            self._call_sender()
            return
        self._send_outbox()

    def _call_sender(self) -> None:
        if not self._sender_called:
            self._sender_called = True
            self._left_behind.release()

    def _send_late(self) -> None:
        """Send what a burst has left, if it is still there when this thread runs."""
        while True:
            self._left_behind.acquire()
            self._sender_called = False
            self._send_outbox()

    def _send_outbox(self) -> None:
        outbox = self._outbox
        # Who finds the lock taken may go: its holder looks again after letting go.
        while outbox and self._sending.acquire(blocking=False):
            try:
                self._send_gathered()
            finally:
                self._sending.release()

    def _send_gathered(self) -> None:
        outbox = self._outbox
        pieces: list[bytes] = []
        gathered = 0
        while outbox and gathered < _JOINED_BYTES:
            size, message = outbox.popleft()
            pieces += message
            gathered += size
        try:
            if gathered <= _JOINED_BYTES:
                self._pipe.sendall(b"".join(pieces))
                return
            for at in range(0, len(pieces), _PIECES_AT_ONCE):
                self._send_pieces(pieces[at : at + _PIECES_AT_ONCE])
        except OSError:
            os._exit(1)  # the parent is gone

    def _send_pieces(self, pieces: list[bytes]) -> None:
        sent = self._pipe.sendmsg(pieces)
        for piece in pieces:
            if sent < len(piece):
                self._pipe.sendall(memoryview(piece)[sent:])
            sent = max(sent - len(piece), 0)


def _pickle(value: object, *, by_value: bool) -> list[bytes]:
    """Return the pickle; by value only what came so, and cannot go by name."""
    try:
        return dumps_pieces(value)
    except Exception:
        if not by_value:
            raise
        return [dumps_by_value(value)]


def _pickle_error(error: BaseException, *, by_value: bool) -> bytes:
    """Return the payload that says what a task, or the initializer, raised."""
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:  # a __str__ that raises SystemExit
        text = f"{type(error).__name__} (its traceback cannot be formatted)\n"
    told: BaseException = error
    if not isinstance(error, Exception):
        told = _exited(error)
    try:
        pickled = b"".join(_pickle(told, by_value=by_value))
    except BaseException as problem:  # user code: __reduce__
        pickled = dumps(_encoding_error(problem, told))
    return pack_error(f'\n"""\n{text}"""', pickled)


def _exited(error: BaseException) -> TaskExited:
    if isinstance(error, SystemExit):
        return TaskExited(f"the task called sys.exit({error.code!r})", str(error.code))
    return TaskExited(f"the task raised {type(error).__name__}: {error}")


def _encoding_error(problem: BaseException, value: object) -> MaybeEncodingError:
    try:
        return MaybeEncodingError(problem, value)
    except BaseException:  # a __repr__ that raises
        return MaybeEncodingError(type(problem).__name__, object.__repr__(value))
