"""How a message looks on the pipe between the pool and a worker, and how it is read.

A message is a frame: the number of payload bytes, the id of the task and what kind
of message it is, then the payload. The id stands outside the payload, so that a
payload that cannot be unpickled still fails its own task and no other.

    to the worker     TASK, TASK_BY_VALUE, STOP
    from the worker   READY, RESULT, ERROR, NOT_READY
    made by a reader  TOO_LARGE, for a frame that memory did not suffice for

What it does not do: wait, or own a pipe.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import mmap
import pickle  # both ends are the same program
import socket
import struct
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

__all__ = [
    "ERROR",
    "NOT_READY",
    "READY",
    "RESULT",
    "STOP",
    "TASK",
    "TASK_BY_VALUE",
    "TOO_LARGE",
    "Frame",
    "FrameReader",
    "dumps",
    "dumps_by_value",
    "dumps_pieces",
    "frame",
    "names_main",
]

TASK: Final = 1  # (function, args, kwds), pickled
TASK_BY_VALUE: Final = 2  # the same, with functions of __main__ inside
STOP: Final = 3  # no more will come: leave in good order
READY: Final = 4  # the initializer is done
RESULT: Final = 5  # what the function returned, pickled
ERROR: Final = 6  # see pack_error
NOT_READY: Final = 7  # what the initializer raised, as ERROR
TOO_LARGE: Final = 8  # the payload was thrown away unread

_KINDS: Final = range(TASK, TOO_LARGE)

HEADER: Final = struct.Struct("<QQB")
_HEADER_BYTES: Final = HEADER.size
_TEXT_BYTES: Final = struct.Struct("<I")

# One read takes what has gathered. A megabyte measured no better than this.
SCRATCH_BYTES: Final = 256 * 1024

# From here on, fresh memory costs more than the bytes that come into it.
_HUGE_BYTES: Final = 4 * 1024 * 1024

Frame = tuple[int, int, "memoryview"]  # kind, task id, payload


def frame(kind: int, task_id: int, payload: bytes) -> bytes:
    """Return the whole message as one piece (meant for small payloads)."""
    return HEADER.pack(len(payload), task_id, kind) + payload


def pack_error(text: str, pickled: bytes) -> bytes:
    """Return the payload of an ERROR: the traceback's text, then the exception.

    The text is readable even where the exception cannot be unpickled.
    """
    encoded = text.encode("utf-8", "backslashreplace")
    return _TEXT_BYTES.pack(len(encoded)) + encoded + pickled


def unpack_error(payload: memoryview) -> tuple[str, memoryview]:
    """Return the traceback's text and the pickled exception."""
    (length,) = _TEXT_BYTES.unpack_from(payload)
    start = _TEXT_BYTES.size
    text = str(payload[start : start + length], "utf-8", "replace")
    return text, payload[start + length :]


class FrameReader:
    """Cuts what comes out of a socket into frames.

    Small frames are views into a buffer that the next `read` fills again; a frame
    that came in parts has memory of its own, which the kernel fills directly.
    """

    def __init__(self, source: socket.socket, scratch: bytearray) -> None:
        self._source = source
        self._scratch = memoryview(scratch)
        self._head = b""  # the first bytes of a header that came in parts
        self._rest: memoryview | None = None  # what is missing of a frame's payload
        self._whole: memoryview | None = None  # that payload; None: thrown away
        self._about = (0, 0)  # kind and id of that frame
        self._skip_bytes = 0  # of a payload that is thrown away

    def __repr__(self) -> str:
        missing = len(self._rest) if self._rest is not None else self._skip_bytes
        return f"<FrameReader missing_bytes={missing} head_bytes={len(self._head)}>"

    def read(self) -> list[Frame]:
        """Return the frames that one read of the socket completed, perhaps none.

        Raises:
            EOFError: the other end is closed.
            ValueError: what came is not a frame.
            OSError: as the socket's, BlockingIOError included.
        """
        frames: list[Frame] = []
        scratch = self._scratch
        if self._rest is None:
            count = self._source.recv_into(scratch)
            if count == 0:
                raise EOFError
        else:
            # Both in one call: the end of this frame, and whatever follows it.
            count = self._source.recvmsg_into([self._rest, scratch])[0]
            if count == 0:
                raise EOFError
            missing = len(self._rest)
            if count < missing:
                self._rest = self._rest[count:]
                return frames
            assert self._whole is not None  # noqa: S101  # set together with _rest
            frames.append((*self._about, self._whole))
            self._rest = self._whole = None
            count -= missing
        self._cut(scratch[:count], frames)
        return frames

    def _cut(self, came: memoryview, frames: list[Frame]) -> None:
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(came))
            self._skip_bytes -= skipped
            came = came[skipped:]
        if self._head and len(came):
            came = memoryview(self._head + bytes(came))
            self._head = b""
        at, end = 0, len(came)
        while end - at >= _HEADER_BYTES:
            length, task_id, kind = HEADER.unpack_from(came, at)
            if kind not in _KINDS:
                raise ValueError(f"not a message: kind {kind!r}, {length} bytes")
            at += _HEADER_BYTES
            if end - at >= length:
                frames.append((kind, task_id, came[at : at + length]))
                at += length
                continue
            self._begin(kind, task_id, length, came[at:], frames)
            return
        self._head = bytes(came[at:])

    def _begin(
        self,
        kind: int,
        task_id: int,
        length: int,
        first: memoryview,
        frames: list[Frame],
    ) -> None:
        """Make room for a frame of which only the beginning is here."""
        try:
            whole = memoryview(_memory(length))
        except (MemoryError, OverflowError):
            self._skip_bytes = length - len(first)
            frames.append((TOO_LARGE, task_id, memoryview(b"")))
            return
        whole[: len(first)] = first
        self._about = (kind, task_id)
        self._whole = whole
        self._rest = whole[len(first) :]


def _memory(length: int) -> bytearray | mmap.mmap:
    """Return that much memory to read into.

    A bytearray is written full of zeros first, page by page. For 2 GiB that took
    longer than what it is for, and all other workers waited meanwhile.
    """
    if length < _HUGE_BYTES:
        return bytearray(length)
    try:
        memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError from error
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    if advice is not None:
        with contextlib.suppress(OSError):  # a kernel without them
            memory.madvise(advice)
    return memory


class _Sink:
    """What a pickler writes to, at the cost of a list."""

    __slots__ = ("write",)

    def __init__(self, pieces: list[Any]) -> None:
        self.write = pieces.append


def dumps(thing: object) -> bytes:
    """Return `thing` pickled as multiprocessing pickles (sockets may be inside)."""
    pieces = dumps_pieces(thing)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def dumps_pieces(thing: object) -> list[bytes]:
    """Return the same as pieces, of which large bytes are not copies.

    `ForkingPickler` itself looks up every object in a chain of two Python
    mappings; one plain dict measured three times as fast.
    """
    pieces: list[Any] = []
    pickler = pickle.Pickler(_Sink(pieces), pickle.HIGHEST_PROTOCOL)
    extra: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]  # no public name
    pickler.dispatch_table = {**copyreg.dispatch_table, **extra}
    pickler.dump(thing)
    if len(pieces) > 1:
        # A bytearray comes as itself, and its owner may change it before it is sent.
        pieces = [p if type(p) is bytes else bytes(p) for p in pieces]
    return pieces


def dumps_by_value(thing: object) -> bytes:
    """Return `thing` pickled with functions and classes of `__main__` inside.

    Also lambdas and nested functions. They are rebuilt on the other side, which
    need not, and does not, import the caller's program.
    """
    import cloudpickle

    class ByValue(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        def __init__(self, file: io.BytesIO) -> None:
            super().__init__(file, pickle.HIGHEST_PROTOCOL)
            extra = ForkingPickler._extra_reducers  # type: ignore[attr-defined]  # no public name
            table = cloudpickle.Pickler.dispatch_table
            self.dispatch_table = table.new_child(extra)

    buffer = io.BytesIO()
    ByValue(buffer).dump(thing)
    return buffer.getvalue()


def names_main(pickled: bytes) -> bool:
    """May this pickle refer to something of the program's `__main__` by name?

    A pickle spells a module's name out. A false alarm costs only time.
    """
    return b"__main__" in pickled
