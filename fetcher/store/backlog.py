"""The URLs of a crawl that is larger than memory.

`UrlBacklog` is a backlog on disk, `SpillingBacklog` one that begins in memory and
moves there when it has grown. Both give the answers of `backlog.MemoryBacklog`.

Without a path the file is SQLite's own kind of temporary file: it has no name, it is
gone when the process is, however that ends, and little of it reaches the disk before
the page cache is full. It has no journal and is never synchronised, because nobody
will read it again.

What SQLite cannot do, a full disk before all, is a `StoreError`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from ..backlog import Backlog, IdSet, MemoryBacklog, marks_of, unseen
from ..errors import StoreError
from ..models import Request

__all__ = ["SPILL_LIMIT", "SpillingBacklog", "UrlBacklog"]

SPILL_LIMIT = 100_000  # known URLs in memory: at most 25 MB
IDS_IN_MEMORY = 2_000_000  # 20 MB: to look one up costs 0.5 us, in SQLite 4
CACHE_KIB = 8 * 1024  # SQLite's page cache
ASKED_AT_ONCE = 200  # requests; two marks each stay below the 999 of old SQLites
MOVED_AT_ONCE = 1_000  # requests that a drain holds
REQUESTS_IN_A_ROW = 16  # most that are held of a host that is being asked: 4 kB
CHANGES_PER_COMMIT = 1_000  # requests; for a file that stays

APPLICATION_ID = 0x66657463  # "fetc": how such a file is told from others
SCHEMA_VERSION = 3  # 2: how private the address may be; 3: the group

Row = tuple[bytes, int, str]  # host, count, requests

_SCHEMA = """
create table if not exists seen (mark integer primary key);
create table if not exists waiting (
    host blob not null,       -- UTF-8
    number integer not null,  -- ascending: the order in which rows come
    count integer not null,   -- of requests in this row, at most 16
    requests text not null,   -- JSON, see _to_json
    primary key (host, number)
) without rowid;
"""


class UrlBacklog:
    """A backlog in SQLite: memory does not grow with the URLs, nor with the hosts.

    Not for several threads, nor for several processes. Requests that came together
    stand in one row, and the row a host is being asked from is in memory: 16 requests
    at most, and what was put back. The first ids of a temporary backlog stay in memory
    too, because 20 of them are asked for with every page.

    Args:
        path: a file that stays, and in which a later UrlBacklog finds what this one
            left: all of it after `close`; after a crash, what it was at most 1,000
            requests before, less what was in memory. None: a temporary file without
            a name.
        ids_in_memory: how many URLs are known in memory, 10 bytes each, before all
            of them are on disk; with a path they always are.

    Raises:
        StoreError: when the file cannot be opened or is something else; and from
            every method, when it cannot be read or written.
    """

    def __init__(
        self, path: Path | None = None, *, ids_in_memory: int = IDS_IN_MEMORY
    ) -> None:
        self._name = "a temporary file" if path is None else str(path)
        self._stays = path is not None
        self._known = self._waiting = 0
        self._heads: dict[str, deque[Request]] = {}  # what comes first, of some hosts
        self._ids_in_memory = ids_in_memory
        self._seen = IdSet() if path is None else None  # None: on disk
        with self._translated():
            # An autocommit connection: transactions begin and end where we say.
            self._connection = sqlite3.connect(
                "" if path is None else path, isolation_level=None
            )
        try:
            with self._translated():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @property
    def waiting(self) -> int:
        """How many requests wait, of all hosts."""
        return self._waiting

    @property
    def known(self) -> int:
        """How many were ever new; a URL checked and then fetched counts twice."""
        return self._known

    def add_unseen(self, requests: Sequence[Request]) -> list[Request]:
        """Queue those requests that are new, in their order, and return them."""
        new: list[Request] = []
        with self._translated():
            for start in range(0, len(requests), ASKED_AT_ONCE):
                new += self._add_some(requests[start : start + ASKED_AT_ONCE])
        return new

    def take(self, host: str, n: int) -> list[Request]:
        """Return the next n requests of one host, fewer where fewer wait."""
        taken: list[Request] = []
        while len(taken) < n:
            head = self._heads.get(host) or self._next_row(host)
            if not head:
                break
            while head and len(taken) < n:
                taken.append(head.popleft())
            if not head:
                del self._heads[host]
        self._waiting -= len(taken)
        return taken

    def put_back(self, requests: Sequence[Request]) -> None:
        """Let requests that were taken wait again, before all others of their hosts."""
        for request in reversed(requests):
            self._heads.setdefault(request.host, deque()).appendleft(request)
        self._waiting += len(requests)

    def drain(self) -> Iterator[Request]:
        """Give out everything that waits; what was seen stays seen."""
        for host in list(self._heads):
            yield from self._all_of(host)
        while self._waiting:
            with self._translated():
                (key,) = self._connection.execute(
                    "select host from waiting order by host limit 1"
                ).fetchone()
            yield from self._all_of(_host_of(key))

    def take_over(self, memory: MemoryBacklog) -> None:
        """Move all that another backlog holds into this one, new and temporary.

        Held twice is no more than a thousand requests.
        """
        self._seen, waiting = memory.hand_over()
        self._known = len(self._seen)
        with self._translated():
            while batch := list(islice(waiting, MOVED_AT_ONCE)):
                self._append(batch)
            self._move_ids_if_many()

    def close(self) -> None:
        """Save what there is if the file stays, and let go of it."""
        try:
            with self._translated():
                if self._stays and self._connection.in_transaction:
                    self._save_heads()
                    self._connection.execute("commit")
        finally:
            self._connection.close()

    def __repr__(self) -> str:
        return (
            f"<UrlBacklog in {self._name}: {self.waiting} waiting, {self.known} known>"
        )

    def _prepare(self) -> None:
        execute = self._connection.execute
        self._claim()  # before anything is written to what may be somebody else's
        execute(f"pragma cache_size = -{CACHE_KIB}")
        execute("pragma locking_mode = exclusive")
        if self._stays:
            execute("pragma journal_mode = wal")
            execute("pragma synchronous = normal")
        else:
            execute("pragma journal_mode = off")
            execute("pragma synchronous = off")
        self._connection.executescript(_SCHEMA)
        (self._known,) = execute("select count(*) from seen").fetchone()
        self._waiting, self._first, last = execute(
            "select ifnull(sum(count), 0), ifnull(min(number), 0),"
            " ifnull(max(number), 0) from waiting"
        ).fetchone()
        self._next = last + 1
        self._uncommitted = 0
        execute("begin")  # and, for a temporary file, never a commit

    def _claim(self) -> None:
        """Mark a new file as ours; refuse one that is somebody else's."""
        execute = self._connection.execute
        (tables,) = execute("select count(*) from sqlite_master").fetchone()
        if not tables:
            execute(f"pragma application_id = {APPLICATION_ID}")
            execute(f"pragma user_version = {SCHEMA_VERSION}")
            return
        (application,) = execute("pragma application_id").fetchone()
        (version,) = execute("pragma user_version").fetchone()
        if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
            raise StoreError(
                f"{self._name} is not a backlog of this version of fetcher"
            )

    def _add_some(self, requests: Sequence[Request]) -> list[Request]:
        if self._seen is not None:
            fresh = [request for _, request in unseen(requests, self._seen)]
            self._known += len(fresh)
            self._append(fresh)
            self._move_ids_if_many()
            return fresh
        return self._add_by_disk(requests)

    def _add_by_disk(self, requests: Sequence[Request]) -> list[Request]:
        asked = {mark for request in requests for mark in marks_of(request)}
        places = ",".join("?" * len(asked))
        found = self._connection.execute(
            f"select mark from seen where mark in ({places})",  # noqa: S608 - only "?"
            tuple(asked),
        )
        seen = {mark for (mark,) in found}
        if len(seen) == len(asked):
            return []
        new = list(unseen(requests, seen))
        self._remember(mark for mark, _ in new)
        self._known += len(new)
        fresh = [request for _, request in new]
        self._append(fresh)
        return fresh

    def _remember(self, marks: Iterable[int]) -> None:
        self._connection.executemany(
            "insert into seen values (?)", ((mark,) for mark in marks)
        )

    def _move_ids_if_many(self) -> None:
        if self._seen is not None and len(self._seen) > self._ids_in_memory:
            self._remember(self._seen)
            self._seen = None

    def _append(self, requests: Sequence[Request]) -> None:
        if not requests:
            return
        rows = _rows_of(requests)
        self._insert(rows, self._next)
        self._next += len(rows)
        self._waiting += len(requests)
        self._changed(len(requests))

    def _insert(self, rows: Sequence[Row], first_number: int) -> None:
        self._connection.executemany(
            "insert into waiting values (?, ?, ?, ?)",
            (
                (host, number, count, requests)
                for number, (host, count, requests) in enumerate(rows, first_number)
            ),
        )

    def _next_row(self, host: str) -> deque[Request] | None:
        """Move a host's first row into memory and return it, None where none is."""
        key = _host_key(host)
        with self._translated():
            row = self._connection.execute(
                "select number, requests from waiting where host = ?"
                " order by number limit 1",
                (key,),
            ).fetchone()
            if row is None:
                return None
            number, requests = row
            self._connection.execute(
                "delete from waiting where host = ? and number = ?", (key, number)
            )
            head = self._heads[host] = deque(_from_json(requests))
            self._changed(len(head))
        return head

    def _save_heads(self) -> None:
        """Write what is in memory before the rows of its hosts."""
        rows = _rows_of([*chain.from_iterable(self._heads.values())])
        self._insert(rows, self._first - len(rows))
        self._heads.clear()

    def _all_of(self, host: str) -> Iterator[Request]:
        while taken := self.take(host, MOVED_AT_ONCE):
            yield from taken

    def _changed(self, requests: int) -> None:
        """Commit now and then, if the file stays: each commit waits for the disk."""
        self._uncommitted += requests
        if self._stays and self._uncommitted >= CHANGES_PER_COMMIT:
            self._connection.execute("commit")
            self._connection.execute("begin")
            self._uncommitted = 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite raises into a StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            where = "" if self._stays else " (SQLITE_TMPDIR names another folder)"
            raise StoreError(
                f"the list of URLs cannot be kept in {self._name}{where}: {error}"
            ) from error


class SpillingBacklog:
    """A backlog in memory that moves, once, when it has grown, to a temporary file.

    Args:
        limit: how many URLs may be known before it moves.
    """

    def __init__(self, limit: int = SPILL_LIMIT) -> None:
        self._limit = limit
        self._memory: MemoryBacklog | None = MemoryBacklog()
        self._backlog: Backlog = self._memory

    @property
    def waiting(self) -> int:
        """How many requests wait, of all hosts."""
        return self._backlog.waiting

    @property
    def known(self) -> int:
        """How many were ever new; a URL checked and then fetched counts twice."""
        return self._backlog.known

    @property
    def spilled(self) -> bool:
        """Whether it has moved to disk."""
        return self._memory is None

    def add_unseen(self, requests: Sequence[Request]) -> list[Request]:
        """Queue those requests that are new, in their order, and return them."""
        new = self._backlog.add_unseen(requests)
        if self._memory is not None and self._memory.known > self._limit:
            self._spill(self._memory)
        return new

    def take(self, host: str, n: int) -> list[Request]:
        """Return the next n requests of one host, fewer where fewer wait."""
        return self._backlog.take(host, n)

    def put_back(self, requests: Sequence[Request]) -> None:
        """Let requests that were taken wait again, before all others of their hosts."""
        self._backlog.put_back(requests)

    def drain(self) -> Iterator[Request]:
        """Give out everything that waits; what was seen stays seen."""
        return self._backlog.drain()

    def close(self) -> None:
        """Let go of what is held."""
        self._backlog.close()

    def __repr__(self) -> str:
        return f"<SpillingBacklog over {self._limit}: {self._backlog!r}>"

    def _spill(self, memory: MemoryBacklog) -> None:
        disk = UrlBacklog()
        disk.take_over(memory)
        self._memory, self._backlog = None, disk


def _host_key(host: str) -> bytes:
    return host.encode("utf-8", "surrogatepass")


def _host_of(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _rows_of(requests: Iterable[Request]) -> list[Row]:
    """Return requests in rows of one host each, in their order."""
    by_host: dict[str, list[Request]] = {}
    for request in requests:
        by_host.setdefault(request.host, []).append(request)
    return [
        (_host_key(host), len(some), _to_json(some))
        for host, here in by_host.items()
        for start in range(0, len(here), REQUESTS_IN_A_ROW)
        for some in (here[start : start + REQUESTS_IN_A_ROW],)
    ]


def _to_json(requests: Sequence[Request]) -> str:
    """Return what requests are made of.

    JSON, because it escapes what SQLite's texts cannot hold (lone surrogates) and can
    be read by a later version.
    """
    return json.dumps([request.plainly() for request in requests])


def _from_json(text: str) -> Iterator[Request]:
    for parts in json.loads(text):
        yield Request.from_plain(parts)
