"""URLs that are known, and those that still wait, host by host.

A crawl asks two things of its backlog: was this URL seen before, and what comes next
for this host. `Backlog` is the protocol, `MemoryBacklog` keeps all of it in memory;
`fetcher.store` has the forms for crawls that are larger than memory. All of them give
the same answers in the same order: first in, first out, host by host.

A URL is known by 64 bits of its key and not by the key. They come from BLAKE2b and
not from `hash`, so that they are the same in every process and every run. Among n
URLs two have the same bits with odds of n^2 / 2^65: once in 37 million crawls of
1,000,000 URLs. Such a URL would not be fetched, and its links counted for another.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from operator import is_
from typing import Protocol

from .models import Purpose, Request

__all__ = ["Backlog", "IdSet", "MemoryBacklog", "Seen", "mark_of", "unseen", "url_id"]

RECENT_IDS = 16_384  # pages of one site repeat their links; about 4 MB
DRAINED_AT_ONCE = 1_000

# A key means another thing for each purpose: /robots.txt as rules is not the page
# /robots.txt that something links to. The numbers are arbitrary: the first ones of
# FIPS 180-4, 5.3.5, without their highest bit.
_DIFFERENCES = {
    Purpose.CHECK: 0x6A09E667F3BCC908,
    Purpose.ROBOTS: 0x3B67AE8584CAA73B,
    Purpose.SITEMAP: 0x3C6EF372FE94F82B,
    Purpose.PROBE: 0x254FF53A5F1D36F1,
}
# Looked up once: an enumeration's member costs a tenth of what a link may.
_PAGE, _CHECK = Purpose.PAGE, Purpose.CHECK


@lru_cache(RECENT_IDS)
def url_id(key: str) -> int:
    """Return the 64 bits that stand for a URL, as a signed number.

    Signed, because SQLite's integers are.

    Args:
        key: the URL in its normalised form, without a fragment (`Request.key`).

    Source:
        RFC 7693 (BLAKE2), with a digest of 8 bytes.
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class Backlog(Protocol):
    """URLs that are known, and those that still wait, host by host, first in first out.

    One thread at a time uses it.
    """

    @property
    def waiting(self) -> int:
        """How many requests wait, of all hosts."""

    @property
    def known(self) -> int:
        """How many were ever new; a URL checked and then fetched counts twice."""

    def add_unseen(self, requests: Sequence[Request]) -> list[Request]:
        """Queue those requests that are new, in their order, and return them.

        Known is a URL by its key and its purpose. What is known as a page is known
        for checking too; what was only checked is still new as a page.
        """

    def take(self, host: str, n: int) -> list[Request]:
        """Return the next n requests of one host, fewer where fewer wait."""

    def put_back(self, requests: Sequence[Request]) -> None:
        """Let requests that were taken wait again, before all others of their hosts.

        They come again in the order given here, new or known.
        """

    def drain(self) -> Iterator[Request]:
        """Give out everything that waits; what was seen stays seen.

        Read it to its end before anything else is asked. Each host's requests come
        in their order, and one host after the other.
        """

    def close(self) -> None:
        """Let go of what is held; nothing else may be asked afterwards."""


class Seen(Protocol):
    """Numbers that can be asked for and added: an `IdSet` or a set."""

    def __contains__(self, number: int, /) -> bool: ...

    def add(self, number: int, /) -> None:
        """Put a number in, unless it is there."""


class IdSet:
    """A set of signed 64-bit numbers in 10 bytes each.

    Python's set costs 75. The numbers stand in 4,096 shelves by their upper bits, each
    a sorted array in which one is found by bisection and put in its place by moving
    the rest. That is quick while a shelf has some thousand numbers, so up to ten
    million or so; and it relies on numbers that are spread as a digest's are.
    """

    __slots__ = ("_count", "_shelves")

    _SHELVES = 4_096
    _SHIFT = 52  # 64 bits less the 12 that number the shelves

    def __init__(self) -> None:
        # Negative numbers have the shelves from the end, as indices of a list do.
        self._shelves = [array("q") for _ in range(self._SHELVES)]
        self._count = 0

    def __contains__(self, number: int) -> bool:
        shelf = self._shelves[number >> self._SHIFT]
        place = bisect_left(shelf, number)
        return place < len(shelf) and shelf[place] == number

    def add(self, number: int) -> None:
        """Put a number in, unless it is there."""
        shelf = self._shelves[number >> self._SHIFT]
        place = bisect_left(shelf, number)
        if place == len(shelf) or shelf[place] != number:
            shelf.insert(place, number)
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        """Give the numbers in ascending order."""
        half = self._SHELVES // 2
        for shelf in (*self._shelves[half:], *self._shelves[:half]):
            yield from shelf

    def __repr__(self) -> str:
        return f"<IdSet of {self._count}>"


class MemoryBacklog:
    """A backlog in memory: 10 bytes a URL that is known, about 250 while it waits."""

    def __init__(self) -> None:
        self._seen = IdSet()
        self._queues: dict[str, deque[Request]] = {}
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many requests wait, of all hosts."""
        return self._waiting

    @property
    def known(self) -> int:
        """How many were ever new; a URL checked and then fetched counts twice."""
        return len(self._seen)

    def add_unseen(self, requests: Sequence[Request]) -> list[Request]:
        """Queue those requests that are new, in their order, and return them."""
        new = [request for _, request in unseen(requests, self._seen)]
        for request in new:
            queue = self._queue_of(request)
            queue.append(_leaner(request, queue[-1] if queue else request))
        self._waiting += len(new)
        return new

    def take(self, host: str, n: int) -> list[Request]:
        """Return the next n requests of one host, fewer where fewer wait."""
        queue = self._queues.get(host)
        if queue is None:
            return []
        taken = [queue.popleft() for _ in range(min(n, len(queue)))]
        if not queue:
            del self._queues[host]
        self._waiting -= len(taken)
        return taken

    def put_back(self, requests: Sequence[Request]) -> None:
        """Let requests that were taken wait again, before all others of their hosts."""
        for request in reversed(requests):
            self._queue_of(request).appendleft(request)
        self._waiting += len(requests)

    def drain(self) -> Iterator[Request]:
        """Give out everything that waits; what was seen stays seen."""
        for host in list(self._queues):
            while taken := self.take(host, DRAINED_AT_ONCE):
                yield from taken

    def hand_over(self) -> tuple[IdSet, Iterator[Request]]:
        """Return what is known and what waits, the latter to be read to its end.

        The backlog is of no use afterwards.
        """
        return self._seen, self.drain()

    def close(self) -> None:
        """Let go of what is held."""
        self._seen = IdSet()
        self._queues.clear()
        self._waiting = 0

    def __repr__(self) -> str:
        return (
            f"<MemoryBacklog {self.waiting} waiting of {len(self._queues)} hosts,"
            f" {self.known} known>"
        )

    def _queue_of(self, request: Request) -> deque[Request]:
        queue = self._queues.get(request.host)
        if queue is None:
            queue = self._queues[request.host] = deque()
        return queue


def unseen(requests: Sequence[Request], seen: Seen) -> Iterator[tuple[int, Request]]:
    """Give those requests that are new, each with its mark, which `seen` then has.

    A mark is the `url_id` of the key, changed for each purpose but that of a page.
    """
    for request in requests:
        page = mark = url_id(request.key)
        if request.purpose is not _PAGE:
            mark ^= _DIFFERENCES[request.purpose]
            if request.purpose is _CHECK and page in seen:
                continue
        if mark not in seen:
            seen.add(mark)
            yield mark, request


def mark_of(request: Request) -> int:
    """Return the mark by which a request is known."""
    page = url_id(request.key)
    if request.purpose is _PAGE:
        return page
    return page ^ _DIFFERENCES[request.purpose]


def marks_of(request: Request) -> tuple[int, ...]:
    """Return what `unseen` will look for: the mark of a request, or two to check."""
    page = url_id(request.key)
    if request.purpose is _PAGE:
        return (page,)
    mark = page ^ _DIFFERENCES[request.purpose]
    return (page, mark) if request.purpose is _CHECK else (mark,)


def _leaner(request: Request, like: Request) -> Request:
    """Return the request with the strings shared that it has in common with another.

    Each URL that was parsed has its own copy of host and origin, and often a key that
    equals it: 200 bytes that are said already.
    """
    key = request.url if request.key == request.url else request.key
    origin = like.origin if request.origin == like.origin else request.origin
    has = (request.key, request.host, request.origin)
    if all(map(is_, has, (key, like.host, origin))):
        return request
    return replace(request, key=key, host=like.host, origin=origin)
