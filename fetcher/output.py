"""Opens lists of URLs to read and files to write; the only owner of both.

A list is read line by line and never held, whatever is in it. A file of results
appears under its name whole or not at all: it is written beside it, as
`.NAME.01234567.part`, and renamed when it is finished. What cannot be opened is known
before anything is fetched.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from .errors import InputError, OutputError
from .redact import redacted_parts
from .shown import ShownPage

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .models import Finding
    from .page import Page
    from .report import Report

__all__ = ["Line", "Outputs", "UrlList", "read_bytes", "read_list"]

LINE_MAX_CHARACTERS = 65_536  # no server takes a URL of this length
LINE_ENDLESS_CHARACTERS = 2**30  # /dev/zero has no other lines
LINE_START_CHARACTERS = 200  # of a line that is too long: what a message can quote
WRITE_BUFFER_BYTES = 256 * 1024  # a dozen rows of jsonl
NAME_MAX_BYTES = 255  # ext4, XFS, APFS, NTFS

# The longest first: UTF-32's mark begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

START_MAX_BYTES = NAME_MAX_BYTES - len("..01234567.part")

# A file of this name is an open descriptor: written to as it is, never replaced.
DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|(stdout)|(stderr))|/proc/self/fd/(\d+)")


class Line(NamedTuple):
    """A line of a list: its number, from 1, its text, and what is wrong with it.

    `problem` is a sentence that names file and line where the text cannot be what
    was meant: it is too long (then `text` is its start), or not in the encoding of
    the file (then `text` holds U+FFFD). None for any other line.
    """

    number: int
    text: str
    problem: str | None = None


class UrlList:
    """The lines of an open list: an iterator that closes its file at the end.

    Lines end at LF, CRLF or CR and come without it. UTF-8 is expected, UTF-16 and
    UTF-32 are known by their byte-order mark. No more than one line, cut at 65,536
    characters, is held.
    """

    def __init__(self, stream: BinaryIO, name: str, *, owned: bool = True) -> None:
        self.name = name
        self._stream = stream
        self._owned = owned
        self._lines = self._read()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        try:
            return next(self._lines)
        except StopIteration:
            self.close()
            raise
        except InputError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise InputError(f"cannot read {self.name}: {_cause(error)}") from error

    def _read(self) -> Generator[Line, None, None]:
        encoding = _encoding_of(self._stream)
        text = io.TextIOWrapper(self._stream, encoding, "replace")
        try:
            number = 0
            while line := text.readline(LINE_MAX_CHARACTERS + 1):
                number += 1
                too_long = len(line) > LINE_MAX_CHARACTERS and line[-1] != "\n"
                if too_long and not _skip_line(text):
                    raise InputError(f"line {number:,} of {self.name} does not end")
                yield self._judge(number, line.removesuffix("\n"), too_long)
        finally:
            # Not left to its own end, which closes the stream, perhaps not ours.
            with suppress(ValueError):  # closed by its owner before
                text.detach()

    def _judge(self, number: int, text: str, too_long: bool) -> Line:
        where = f"line {number:,} of {self.name}"
        if text.lstrip().startswith("#"):
            return Line(number, text[:LINE_START_CHARACTERS] if too_long else text)
        if too_long:
            problem = f"{where} is longer than {LINE_MAX_CHARACTERS:,} characters"
            return Line(number, text[:LINE_START_CHARACTERS], problem)
        if "\ufffd" in text:
            return Line(number, text, f"{where} is not proper UTF-8")
        return Line(number, text)

    def read_all(self, max_bytes: int) -> bytes:
        """Return the bytes of the file, instead of its lines; at most so many."""
        try:
            return self._stream.read(max_bytes)
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {_cause(error)}") from error

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._lines.close()
        if self._owned:
            self._stream.close()

    def __enter__(self) -> UrlList:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_list(path: str | Path, *, stdin: BinaryIO | None = None) -> UrlList:
    """Return the lines of a list; the file is open when this returns.

    Args:
        path: a file, or "-" for standard input.
        stdin: what "-" means, if not this process's standard input.

    Raises:
        InputError: it cannot be opened, or (from the iterator) read.
    """
    if str(path) == "-":
        return UrlList(stdin or _own_stdin(), "standard input", owned=False)
    try:
        stream = Path(path).open("rb")  # noqa: SIM115  # the UrlList closes it
    except IsADirectoryError as error:
        raise InputError(f"{path} is a directory, not a list of URLs") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"there is no file {str(path)!r}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {_cause(error)}") from error
    return UrlList(stream, str(path))


def read_bytes(path: str | Path, max_bytes: int) -> bytes:
    """Return what a file holds, all of it.

    Raises:
        InputError: it cannot be read, or holds more than `max_bytes`.
    """
    with read_list(path) as lines:
        content = lines.read_all(max_bytes + 1)
    if len(content) > max_bytes:
        raise InputError(f"{path} is larger than {max_bytes:,} bytes")
    return content


def _own_stdin() -> BinaryIO:
    if sys.stdin is None:
        raise InputError("cannot read standard input: it is closed")
    return sys.stdin.buffer


def _encoding_of(stream: BinaryIO) -> str:
    peek = getattr(stream, "peek", None)
    start: bytes = peek(4) if peek is not None else b""
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    return "utf-8"


def _skip_line(text: io.TextIOWrapper) -> bool:
    """Read to the end of a line; return False if it has none that could be reached."""
    for _ in range(LINE_ENDLESS_CHARACTERS // LINE_MAX_CHARACTERS):
        more = text.readline(LINE_MAX_CHARACTERS)
        if not more or more[-1] == "\n":
            return True
    return False


class Exporter(Protocol):
    """What writes one result to one stream: see `fetcher.export`."""

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take a finished page, and what was found on it."""

    def flush(self) -> None:
        """Hand what is complete so far to the stream."""

    def finish(self, report: Report) -> None:
        """Write what remains."""


class Outputs:
    """The results of a run, each to its own place, written together.

        with Outputs() as outputs:
            outputs.open("-", for_name("jsonl").open)
            outputs.open("report.json", for_path("report.json").open)
            outputs.add(page)
            outputs.finish(report)

    Leaving the block without `finish` drops the files; what went to stdout, a pipe or
    a device is gone. One output that fails (a full disk) is dropped; the others get
    every page all the same, then OutputError is raised. A BrokenPipeError, whose
    reader wanted no more, is raised as it is.

    Everything that is written passes here, and what it holds of secrets is hidden
    here: see `fetcher.redact`. Not with `redact=False`.
    """

    def __init__(self, *, redact: bool = True) -> None:
        self._redact = redact
        self._outputs: list[_Output] = []
        self._paths: set[str] = set()

    def open(self, path: str | Path, opener: Callable[[BinaryIO], Exporter]) -> None:
        """Add a place to write to, "-" for stdout; it is tried at once.

        Args:
            path: where to; missing folders are not made.
            opener: makes the exporter for the stream, as `Format.open`.

        Raises:
            OutputError: it cannot be written, or was given before.
        """
        place = _target(str(path))
        real = "-" if str(path) == "-" else os.path.realpath(str(path))
        if real in self._paths:
            place.drop()
            raise OutputError(f"{path} was given twice: a result needs its own file")
        self._paths.add(real)
        self._outputs.append(_Output(place, opener(place.stream)))

    def use(self, exporter: Exporter, *, name: str = "standard output") -> None:
        """Add an exporter that has its own stream, as the report on a terminal."""
        self._outputs.append(_Output(_Kept(name, io.BytesIO()), exporter))

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Give a finished page to every exporter, and what was found on it."""
        written = ShownPage(page) if self._redact else page
        found = redacted_parts(tuple(findings)) if self._redact else findings
        self._each(lambda output: output.exporter.add(written, found))

    def flush(self) -> None:
        """Flush every exporter: what is there can be seen by whoever waits for it."""
        self._each(lambda output: output.exporter.flush())

    def finish(self, report: Report) -> None:
        """Finish every exporter and let its file appear, also after an interruption."""
        hides = self._redact and self._outputs
        written = report.redacted() if hides else report

        def finish(output: _Output) -> None:
            output.exporter.finish(written)
            output.place.keep()

        self._each(finish)
        self._outputs.clear()

    def abort(self) -> None:
        """Drop what was not finished: no file appears or changes."""
        outputs, self._outputs = self._outputs, []
        for output in outputs:
            output.place.drop()

    def _each(self, act: Callable[[_Output], None]) -> None:
        """Act on every output, then raise the first error of those that failed."""
        failures: list[tuple[_Output, OSError]] = []
        for output in self._outputs:
            try:
                act(output)
            except OSError as problem:
                failures.append((output, problem))
        for output, _ in failures:
            self._outputs.remove(output)
            output.place.drop()
        for output, error in failures:
            if isinstance(error, BrokenPipeError):
                raise error
            message = f"cannot write {output.place.name}: {_cause(error)}"
            raise OutputError(message) from error

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abort()


class _Kept:
    """A stream that stays: stdout, a pipe, a device. It is written in place."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name = name
        self.stream = stream

    def keep(self) -> None:
        self.stream.close()

    def drop(self) -> None:
        with suppress(OSError):  # a pipe whose reader is gone: it was said before
            self.stream.close()


class _Replaced(_Kept):
    """A file that is written beside its place and put there when it is whole."""

    def __init__(self, name: str, path: Path) -> None:
        self._path = path
        self._part, stream = _open_beside(path)
        super().__init__(name, stream)

    def keep(self) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        self._part.replace(self._path)

    def drop(self) -> None:
        with suppress(OSError):  # first, while its lock says that it is in use
            self._part.unlink(missing_ok=True)
        super().drop()


class _Output:
    """An exporter and the place it writes to."""

    def __init__(self, place: _Kept, exporter: Exporter) -> None:
        self.place = place
        self.exporter = exporter


def _target(path: str) -> _Kept:
    """Open a place to write to; the one function that translates what goes wrong."""
    name = "standard output" if path == "-" else path
    try:
        return _open(path, name)
    except FileNotFoundError as error:
        folder = Path(path).parent
        raise OutputError(f"cannot write {name}: no folder {folder}") from error
    except IsADirectoryError as error:
        raise OutputError(f"cannot write {name}: it is a directory") from error
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {name}: {_cause(error)}") from error


def _open(path: str, name: str) -> _Kept:
    if path == "-":
        return _Kept(name, _own_stdout())
    if found := DESCRIPTOR.fullmatch(path):
        standard = 1 if found[2] else 2
        number = found[1] or found[4]
        return _Kept(name, _descriptor(int(number) if number else standard))
    real = Path(os.path.realpath(path))  # a link stays: what it leads to is replaced
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        return _Replaced(name, real)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if stat.S_ISREG(mode):
        return _Replaced(name, real)
    return _Kept(name, real.open("wb", WRITE_BUFFER_BYTES))


def _own_stdout() -> BinaryIO:
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed")
    sys.stdout.flush()
    try:
        number = sys.stdout.fileno()
    except OSError:  # something that stands in for it, as in a notebook
        return io.BufferedWriter(_Lent(sys.stdout.buffer), WRITE_BUFFER_BYTES)
    return _descriptor(number)


def _descriptor(number: int) -> BinaryIO:
    return os.fdopen(os.dup(number), "wb", WRITE_BUFFER_BYTES)


class _Lent(io.RawIOBase):
    """A stream of somebody else, which stays open when this is closed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer) -> int:
        self._stream.write(content)
        return memoryview(content).nbytes


def _open_beside(path: Path) -> tuple[Path, BinaryIO]:
    """Create the file that will take the place of another, with its mode and owner."""
    start = f".{_start_of_name(path)}."
    _remove_left_behind(path.parent, start)
    part, number = _create_locked(path, start)
    with suppress(OSError):  # a new file; an owner that is not ours to give
        old = path.stat()
        os.fchmod(number, stat.S_IMODE(old.st_mode))
        os.fchown(number, old.st_uid, old.st_gid)
    return part, os.fdopen(number, "wb", WRITE_BUFFER_BYTES)


def _start_of_name(path: Path) -> str:
    name = os.fsencode(path.name)  # without a locale it is not text in UTF-8
    if len(name) <= START_MAX_BYTES:
        return path.name
    return os.fsdecode(name[:START_MAX_BYTES].decode(errors="ignore").encode())


def _create_locked(path: Path, start: str) -> tuple[Path, int]:
    """Create a file beside `path` and lock it, which tells others that it is in use."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    while True:
        part = path.with_name(f"{start}{secrets.token_hex(4)}.part")
        number = os.open(part, flags, 0o666)  # less the umask
        with suppress(OSError):  # a file system without locks: nobody removes it there
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            if part.stat().st_ino == os.fstat(number).st_ino:
                return part, number
        os.close(number)  # taken, before it was locked, for one that was left behind


def _remove_left_behind(folder: Path, start: str) -> None:
    """Remove the files of runs that were killed while they wrote this result.

    A run that lives holds a lock on its file; the system lets go of the lock of one
    that was killed.
    """
    named = re.compile(re.escape(start) + r"[0-9a-f]{8}\.part")
    with suppress(OSError):
        left = [entry for entry in os.scandir(folder) if named.fullmatch(entry.name)]
        for entry in left:
            with suppress(OSError), open(entry.path, "r+b") as stream:  # noqa: PTH123  # a DirEntry's
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)  # noqa: PTH108


def _cause(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"{words}"[:1].lower() + f"{words}"[1:]
