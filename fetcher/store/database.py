"""Opens the file of `--db`: one process writes, any number of others read.

Before anything of SQLite sees a file its head is looked at: what is somebody else's, or
a later fetcher's, is left as it is, byte for byte. One writer at a time holds a lock on
a file beside it. Who only reads opens it read-only and never writes its log back:
SQLite before 3.51.3 can corrupt a log that two connections reset.

In the lock's file stands what the process has in hand, so that whoever comes after a
kill knows: sixteen bytes, written without a system call that waits for the disk.

Source:
    https://www.sqlite.org/wal.html, "The WAL-Reset Bug"; fileformat2.html, 1.3.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from ..errors import StoreError
from .layout import APPLICATION_ID, SCHEMA_VERSION, migrate

__all__ = ["Database", "InHand", "open_for_reading", "sqlite_version"]

MAGIC = b"SQLite format 3\0"
HEAD = struct.Struct(">16s44xI4xI")  # magic, user_version, application_id
CACHE_KIB = 8 * 1024
BUSY_MS = 5_000  # a reader may be recovering the log

LOCK = struct.Struct("<q?7xqq")  # pid, whether something is in hand, run, mark
_AS_WRITTEN = {
    "disk is full": "the disk is full",
    "readonly": "it cannot be written",
    "unable to open": "it cannot be opened",
}


class InHand(NamedTuple):
    """What a process was busy with when it was killed: a run, and a request's mark."""

    run_id: int
    mark: int


def sqlite_version() -> str:
    """Return the version of the SQLite library that Python uses."""
    return sqlite3.sqlite_version


class Database:
    """The one connection that writes to a database of runs.

    For one thread of one process; a forked child that uses it is told so. Whatever
    SQLite cannot do, a full disk before all, is a `StoreError`.

    Attributes:
        left_in_hand: what the last process had in hand, if it was killed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        self._pid = os.getpid()
        is_new = _look(self.path, self.name)
        self._lock = _Lock(self.path, self.name)
        try:
            self.left_in_hand = self._lock.left_in_hand
            if is_new:
                self._create()
            with self.translated():
                self._connection = _connect(self.path, "rw")
        except BaseException:
            self._lock.release()
            raise
        try:
            with self.translated():
                self._prepare()
        except BaseException:
            self._connection.close()
            self._lock.release()
            raise

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for the process that opened it."""
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.name} was opened by process {self._pid} and cannot be used"
                f" after a fork, by process {os.getpid()}"
            )
        return self._connection

    def take_in_hand(self, run_id: int, mark: int) -> None:
        """Note what may take the process down, before it is begun."""
        self._lock.write(InHand(run_id, mark))

    def put_down(self) -> None:
        """Note that it did not."""
        self._lock.write(None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin, and commit at the end of the block; an error takes all of it back."""
        with self.translated():
            connection = self.connection
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("rollback")
                raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what SQLite raises into a StoreError."""
        with _translated(self.name):
            yield

    def close(self) -> None:
        """Let go of the file; a transaction that is open is taken back.

        What is in hand stays so, for the next process to find.
        """
        if os.getpid() != self._pid:  # what a fork brought along
            return
        with suppress(sqlite3.Error):  # it could not write its log back: it stays
            self._connection.close()
        self._lock.release()

    def _create(self) -> None:
        """Make the file, for its owner's eyes alone: it holds URLs as they are."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            os.close(os.open(self.path, flags, 0o600))
        except OSError as error:
            raise _cannot(self.name, error.strerror or str(error)) from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute(f"pragma busy_timeout = {BUSY_MS}")
        (version,) = execute("pragma user_version").fetchone()
        (tables,) = execute("select count(*) from sqlite_master").fetchone()
        if version > SCHEMA_VERSION:  # a change that was still in the log
            raise _newer(self.name, version)
        _touch_tables(self._connection)  # before anything is written
        if not tables:
            execute(f"pragma application_id = {APPLICATION_ID}")
        execute("pragma journal_mode = wal")
        execute("pragma synchronous = normal")
        execute(f"pragma cache_size = -{CACHE_KIB}")
        migrate(self._connection)


@contextmanager
def open_for_reading(path: str | Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that writes nothing, to a file that may be in use.

    Raises:
        StoreError: there is no such file, or it is not one of ours.
    """
    name = str(path)
    if _look(Path(path), name):
        raise StoreError(f"there is no database {name}")
    with _translated(name):
        connection = _connect(Path(path), "ro")
        try:
            connection.execute("pragma query_only = on")
            connection.execute(f"pragma busy_timeout = {BUSY_MS}")
            yield connection
        finally:
            connection.close()


def _touch_tables(connection: sqlite3.Connection) -> None:
    """Read the first row of every table: what is badly broken is noticed here."""
    tables = connection.execute("select name from sqlite_master where type = 'table'")
    for (table,) in tables.fetchall():
        connection.execute(f'select * from "{table}" limit 1').fetchone()  # noqa: S608


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # Autocommit: transactions begin and end where we say.
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _look(path: Path, name: str) -> bool:
    """Return whether a file has still to be made; refuse one that is not ours."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD.size)
    except FileNotFoundError:
        return True
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else None
        raise _cannot(name, cause or str(error)) from error
    if not head:
        return True
    if len(head) < HEAD.size:
        raise _foreign(name)
    magic, version, application = HEAD.unpack(head)
    if magic != MAGIC or application != APPLICATION_ID:
        raise _foreign(name)
    if version > SCHEMA_VERSION:
        raise _newer(name, version)
    return False


def _foreign(name: str) -> StoreError:
    return StoreError(f"{name} is no database of fetcher's: it is left as it is")


def _newer(name: str, version: int) -> StoreError:
    return StoreError(
        f"{name} was written by a newer fetcher (schema {version}, and this one knows"
        f" up to {SCHEMA_VERSION}): it is left as it is"
    )


def _cannot(name: str, cause: str) -> StoreError:
    return StoreError(
        f"the database {name} cannot be used: {cause[:1].lower()}{cause[1:]}"
    )


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        said = str(error)
        known = [words for part, words in _AS_WRITTEN.items() if part in said]
        raise _cannot(name, known[0] if known else said) from error


class _Lock:
    """The lock on a database, and what its holder has in hand.

    A record lock of POSIX: it ends with the process, and no child that was forked
    keeps it. It does not see two openings by one process; `_HELD` does.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path.with_name(f"{path.name}-lock")
        self._real = os.path.realpath(path)
        with _HELD_LOCK:
            if self._real in _HELD:
                raise _in_use(name, os.getpid())
            self._file = self._acquire(name)
            _HELD.add(self._real)
        self.left_in_hand = self._read()[1]
        self._memory: mmap.mmap | None = None
        self.write(self.left_in_hand)  # by us from now on
        # What is in the memory of a file stays when the process is killed, and costs no
        # call: there are two for each page. Not every file system can do it.
        with suppress(OSError, ValueError):
            self._memory = mmap.mmap(self._file, LOCK.size)

    def write(self, in_hand: InHand | None) -> None:
        """Say who holds the lock, and what is in hand."""
        run_id, mark = in_hand or (0, 0)
        record = LOCK.pack(os.getpid(), in_hand is not None, run_id, mark)
        self._in_hand = in_hand
        if self._memory is None:
            os.pwrite(self._file, record, 0)
        else:
            self._memory[:] = record

    def release(self) -> None:
        """Let go; a file that says nothing more is taken away."""
        if self._in_hand is None:
            with suppress(OSError):
                self._path.unlink()
        if self._memory is not None:
            self._memory.close()
        with _HELD_LOCK:
            os.close(self._file)
            _HELD.discard(self._real)

    def _acquire(self, name: str) -> int:
        while True:
            try:
                flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
                file = os.open(self._path, flags, 0o600)
            except OSError as error:
                raise _cannot(name, error.strerror or str(error)) from error
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self._file = file
                holder = self._read()[0]
                os.close(file)
                raise _in_use(name, holder) from error
            if self._is_still(file):
                return file
            os.close(file)  # taken away by who held it before

    def _is_still(self, file: int) -> bool:
        ours = os.fstat(file)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _read(self) -> tuple[int | None, InHand | None]:
        record = os.pread(self._file, LOCK.size, 0)
        if len(record) < LOCK.size:
            return None, None
        pid, is_set, run_id, mark = LOCK.unpack(record)
        return pid, InHand(run_id, mark) if is_set else None


_HELD: set[str] = set()  # databases that this process has open for writing
_HELD_LOCK = threading.Lock()


def _in_use(name: str, pid: int | None) -> StoreError:
    holder = "another process" if pid is None else f"process {pid}"
    return StoreError(f"{name} is being written by {holder}: one run at a time")
