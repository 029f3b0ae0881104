"""Whole sites made up for tests and benchmarks, and what they saw of a crawler.

    with in_process(EndlessSite(urls=100_000)) as server:
        crawl(server.url, depth=9)
    assert server.record.duplicates == 0

A site is an object that answers requests and keeps a record. `in_process` serves it
from a process of its own, so that it takes nothing from the interpreter of the one who
asks; `in_thread` is quicker to start, for small ones. Both serve by one asyncio loop
on loopback: connections are kept, a HEAD gets the head, and no behaviour blocks
another. `server.record` is what was asked for so far, and stays when the server ends.
Times are of `time.monotonic`, which on Linux all processes share.

What one server does wrong to one request is in `tests/servers.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import multiprocessing
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from tests.servers import message, redirect

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
PORT_TRIES = 50

Record = TypeVar("Record")
RecordOut = TypeVar("RecordOut", covariant=True)


class Asked(NamedTuple):
    """One request: `host` is the address it came to, `target` as in its first line."""

    host: str
    method: str
    target: str
    head: str


class End(StrEnum):
    """What becomes of the connection after an answer, and of its host."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HOST_DIES = "host dies"  # nothing listens there any more, and all is reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is more than bytes sent at once.

    content:       the whole message, head and body
    wait_s:        how long nothing is sent
    drip_every_s:  the body is sent byte by byte, this far apart; None: at once
    end:           what happens then
    on_end:        called with the time when the request was read and the time just
                   before the last byte was sent (or when the client had gone)
    """

    content: bytes = b""
    wait_s: float = 0.0
    drip_every_s: float | None = None
    end: End = End.KEEP
    on_end: Callable[[float, float], None] | None = None


class Site(Protocol[RecordOut]):
    """What is served: answers, and a record of what was asked for."""

    def answer(self, asked: Asked) -> bytes | Reply: ...

    def record(self) -> RecordOut: ...


# Serving.


class Server(Generic[Record]):
    """Where a site is, and what it has seen so far."""

    def __init__(self, hosts: Sequence[str], port: int) -> None:
        self.hosts = tuple(hosts)
        self.port = port
        self.origins = tuple(f"http://{host}:{port}" for host in hosts)
        self.url = self.origins[0] + "/"
        self._ask: Callable[[], Record] | None = None
        self._last: Record | None = None

    @property
    def record(self) -> Record:
        if self._ask is not None:
            self._last = self._ask()
        assert self._last is not None
        return self._last

    def _ended(self) -> None:
        _ = self.record
        self._ask = None


@contextmanager
def in_process(
    site: Site[Record], hosts: Sequence[str] = ("127.0.0.1",)
) -> Iterator[Server[Record]]:
    """Serve a site from a process of its own, on one port of each host.

    The process is spawned: a script that calls this needs its `__main__` guard.
    """
    context = multiprocessing.get_context("spawn")  # whatever threads there are here
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve_until_told, args=(site, hosts, theirs), daemon=True
    )
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_LIMIT_S):
            raise TimeoutError(f"no server after {START_LIMIT_S} s")
        server: Server[Record] = Server(hosts, ours.recv())
        server._ask = partial(_ask_through, ours)
        try:
            yield server
        finally:
            server._ended()
    finally:
        ours.close()  # which ends it
        process.join(STOP_LIMIT_S)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        if code != 0:
            raise RuntimeError(f"the server did not end well: exit code {code}")


@contextmanager
def in_thread(
    site: Site[Record], hosts: Sequence[str] = ("127.0.0.1",)
) -> Iterator[Server[Record]]:
    """Serve a site from a thread, on one port of each host."""
    loop = asyncio.new_event_loop()
    service = _Service(site, loop)
    port = service.listen(hosts)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server: Server[Record] = Server(hosts, port)
    server._ask = site.record
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        service.close()
        loop.close()
        server._ended()


def _ask_through(pipe: Connection) -> Any:
    pipe.send("record")
    return pipe.recv()


def _serve_until_told(
    site: Site[object], hosts: Sequence[str], pipe: Connection
) -> None:
    """Serve until the other end of the pipe is closed; send the record when asked."""
    loop = asyncio.new_event_loop()
    service = _Service(site, loop)

    def on_word() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            loop.stop()
        else:
            pipe.send(site.record())

    pipe.send(service.listen(hosts))
    loop.add_reader(pipe.fileno(), on_word)
    with contextlib.suppress(KeyboardInterrupt):
        loop.run_forever()
    service.close()
    loop.close()


class _Service:
    """The listening sockets of one site and their connections, on one loop."""

    def __init__(self, site: Site[object], loop: asyncio.AbstractEventLoop) -> None:
        self.site = site
        self.loop = loop
        self.open: dict[str, set[_Connection]] = {}
        self._listeners: dict[str, asyncio.Server] = {}

    def listen(self, hosts: Sequence[str]) -> int:
        """Return the port, the same on all hosts."""
        sockets = _bound(hosts)
        port: int = sockets[0].getsockname()[1]
        for host, listener in zip(hosts, sockets, strict=True):
            self.open[host] = set()
            make = partial(_Connection, self, host)
            starting = self.loop.create_server(make, sock=listener, backlog=1024)
            self._listeners[host] = self.loop.run_until_complete(starting)
        return port

    def host_dies(self, host: str) -> None:
        self._listeners[host].close()
        for connection in list(self.open[host]):
            connection.reset()

    def close(self) -> None:
        for host in self._listeners:
            self.host_dies(host)
        self.loop.run_until_complete(asyncio.sleep(0))  # connections end in callbacks


def _bound(hosts: Sequence[str]) -> list[socket.socket]:
    """Return a listening socket for each host, all on one port that is free on all."""
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        port = 0
        try:
            for host in hosts:
                sockets.append(socket.create_server((host, port), backlog=1024))
                port = sockets[0].getsockname()[1]
        except OSError:  # taken on one of them
            for each in sockets:
                each.close()
        else:
            return sockets
    raise OSError(f"no port is free on all of {len(hosts)} hosts")


class _Connection(asyncio.Protocol):
    """One client: one request at a time is answered, in order."""

    def __init__(self, service: _Service, host: str) -> None:
        self._service = service
        self._host = host
        self._unread = b""
        self._reply: Reply | None = None  # what is under way
        self._drops = b""
        self._read_at_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.open[self._host].add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.open[self._host].discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._over()

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._next()

    def reset(self) -> None:
        """End by RST instead of FIN."""
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()

    def _next(self) -> None:
        while self._reply is None and not self._transport.is_closing():
            raw, found, rest = self._unread.partition(b"\r\n\r\n")
            if not found:
                return
            self._unread = rest
            head = raw.decode("latin-1")
            method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
            self._read_at_s = time.monotonic()
            asked = Asked(self._host, method, target, head)
            reply = self._service.site.answer(asked)
            is_head = method == "HEAD"
            if isinstance(reply, bytes):
                self._transport.write(_head_of(reply) if is_head else reply)
            else:
                self._begin(reply, is_head)

    def _begin(self, reply: Reply, is_head: bool) -> None:
        self._reply = reply
        self._drops = _head_of(reply.content) if is_head else reply.content
        if reply.wait_s:
            self._timer = self._service.loop.call_later(reply.wait_s, self._send)
        else:
            self._send()

    def _send(self) -> None:
        reply = self._reply
        assert reply is not None
        if reply.drip_every_s is None:
            self._finish()
            return
        head = _head_of(self._drops)
        self._transport.write(head)
        self._drops = self._drops[len(head) :]
        self._drip(reply.drip_every_s)

    def _drip(self, every_s: float) -> None:
        if len(self._drops) <= 1:
            self._finish()
            return
        self._transport.write(self._drops[:1])
        self._drops = self._drops[1:]
        self._timer = self._service.loop.call_later(every_s, self._drip, every_s)

    def _finish(self) -> None:
        """Send what is left; the next request may come."""
        assert self._reply is not None
        end = self._reply.end
        content = self._drops
        # Before it is sent: nobody can have read it earlier than that, so that no
        # client looks quicker to come back than it was.
        self._over()
        if content:
            self._transport.write(content)
        if end is End.CLOSE:
            self._transport.close()
        elif end is End.RESET:
            self.reset()
        elif end is End.HOST_DIES:
            self._service.host_dies(self._host)
        else:
            self._next()

    def _over(self) -> None:
        reply, self._reply, self._timer = self._reply, None, None
        if reply is not None and reply.on_end is not None:
            reply.on_end(self._read_at_s, time.monotonic())


def _head_of(content: bytes) -> bytes:
    head, end, _ = content.partition(b"\r\n\r\n")
    return head + end


def page(title: str, links: Iterable[str], more: str = "") -> bytes:
    """Return the message of an HTML page with a paragraph of links."""
    anchors = "\n".join(
        f'<a href="{escape(url)}">to {escape(url)}</a>' for url in links
    )
    return html(f"<title>{escape(title)}</title>\n<p>{anchors}</p>\n{more}")


def html(body: str, status: str = "200 OK", *fields: str) -> bytes:
    return message(
        body.encode(), status, "Content-Type: text/html; charset=utf-8", *fields
    )


def not_found() -> bytes:
    return html("<title>404</title><p>There is no such page.</p>", "404 Not Found")


# A million pages.


class EndlessRecord(NamedTuple):
    """What an EndlessSite was asked for.

    requests:  how many requests for its pages, HEAD ones too
    times:     for each page how often, at most 255 times
    others:    how often each other path
    """

    requests: int
    times: bytes
    others: Counter[str]

    @property
    def distinct(self) -> int:
        return len(self.times) - self.times.count(0)

    @property
    def duplicates(self) -> int:
        """How many pages were asked for more than once."""
        return self.distinct - self.times.count(1)


class EndlessSite:
    """N different pages `/p/<n>.html` of 1.6 KB, made when they are asked for.

    Each has `links` links. The first half are the page's children in a tree (n*k+1 to
    n*k+k), so that breadth-first from `/p/0.html` finds all pages; the rest, and those
    in place of children past the last page, lead to pages before it.
    """

    def __init__(self, urls: int = 1_000_000, links: int = 20) -> None:
        self.urls = urls
        self.front = "/p/0.html"
        self._links = links
        self._children = max(links // 2, 1)
        self._times = bytearray(urls)
        self._requests = 0
        self._others: Counter[str] = Counter()

    @property
    def depth(self) -> int:
        """How many links the last page is away from the first."""
        page_number, depth = self.urls - 1, 0
        while page_number:
            page_number, depth = (page_number - 1) // self._children, depth + 1
        return depth

    def links_of(self, number: int) -> list[int]:
        first = number * self._children + 1
        found = list(range(first, min(first + self._children, self.urls)))
        # Knuth's multiplicative hash: the same for each run, and spread over all.
        return found + [
            (number * 2_654_435_761 + at * 40_503) % (number + 1)
            for at in range(self._links - len(found))
        ]

    def answer(self, asked: Asked) -> bytes:
        number = self._number(asked.target)
        if number is None:
            self._others[asked.target] += 1
            return html(self.front) if asked.target == "/" else not_found()
        self._requests += 1
        self._times[number] = min(self._times[number] + 1, 255)
        anchors = "\n".join(
            f'<li><a href="/p/{to}.html">Page number {to}</a>'
            for to in self.links_of(number)
        )
        return html(
            f"<!DOCTYPE html>\n<html lang=en>\n<title>Page {number}</title>\n"
            f"<h1>Page {number} of {self.urls}</h1>\n<ul>\n{anchors}\n</ul>\n"
            f"<p>{_WORDS}\n</html>\n"
        )

    def record(self) -> EndlessRecord:
        return EndlessRecord(self._requests, bytes(self._times), self._others)

    def _number(self, target: str) -> int | None:
        digits = target[3:-5]
        if not (target[:3] == "/p/" and target[-5:] == ".html" and digits.isdecimal()):
            return None
        number = int(digits)
        return number if number < self.urls and digits == str(number) else None


_WORDS = " ".join(["Words fill the page, as they do on every other one."] * 10)


# Traps.


class TrapRecord(NamedTuple):
    """How often each honest page, each kind of trap and each other path was asked for.

    The kinds are "calendar", "deeper", "again", "sid in the path", "sid in the query"
    and "facets".
    """

    honest: Counter[str]
    traps: Counter[str]
    others: Counter[str]


class TrapSite:
    """30 honest pages, and five ways never to be done with a site.

    /calendar?month=2026-12   each month leads to the one before and the one after
    /deeper/a/b/a/b/          a relative link leads one folder deeper, always
    /again/again/again/       the same, by one segment repeated
    /shop;sid=3f2a...         each link carries a session id never seen before
    /cart?sid=3f2a...         the same, in the query
    /filter?color=2&size=5    each page adds or changes a facet, in any order
    """

    HONEST = 30
    FACETS = ("color", "size", "sort", "brand")
    VALUES = 8

    def __init__(self) -> None:
        self.honest = ["/", *(f"/honest/{n}.html" for n in range(1, self.HONEST))]
        self._sids = random.Random(4)  # the same in each run
        self._asked_honest: Counter[str] = Counter()
        self._asked_traps: Counter[str] = Counter()
        self._asked_others: Counter[str] = Counter()

    def answer(self, asked: Asked) -> bytes:
        target = asked.target
        path, _, query = target.partition("?")
        trap = self._trap(path, query)
        if trap is not None:
            kind, links = trap
            self._asked_traps[kind] += 1
            return page(f"{kind}: {target}", ["/", *links])
        if target in self.honest:
            self._asked_honest[target] += 1
            return page(f"Honest {target}", self._links_of_honest(target))
        self._asked_others[target] += 1
        return not_found()

    def record(self) -> TrapRecord:
        return TrapRecord(self._asked_honest, self._asked_traps, self._asked_others)

    def _links_of_honest(self, target: str) -> list[str]:
        if target != "/":
            at = self.honest.index(target)
            return ["/", self.honest[(at + 1) % len(self.honest)]]
        traps = ["/calendar?month=2026-12", "/deeper/", "/again/", "/filter"]
        sids = [f"/shop;sid={self._sid()}", f"/cart?sid={self._sid()}"]
        return [*self.honest[1:], *traps, *sids]

    def _trap(self, path: str, query: str) -> tuple[str, list[str]] | None:
        """Return the kind of trap that stands here, and where it leads."""
        if path == "/calendar":
            return "calendar", _months_beside(query)
        if path.startswith("/deeper/"):
            return "deeper", ["b/" if path.endswith("/a/") else "a/"]
        if path.startswith("/again/"):
            return "again", ["again/"]
        if path.startswith("/shop;sid="):
            return "sid in the path", [f"/shop;sid={self._sid()}" for _ in range(5)]
        if path == "/cart":
            return "sid in the query", [f"/cart?sid={self._sid()}" for _ in range(5)]
        if path == "/filter":
            return "facets", self._facets_beside(query)
        return None

    def _sid(self) -> str:
        return f"{self._sids.getrandbits(128):032x}"

    def _facets_beside(self, query: str) -> list[str]:
        chosen = dict(parse_qsl(query))
        return [
            f"/filter?{urlencode({**chosen, facet: value})}"
            for facet in self.FACETS
            for value in range(self.VALUES)
            if chosen.get(facet) != str(value)
        ]


def _months_beside(query: str) -> list[str]:
    year, _, month = dict(parse_qsl(query)).get("month", "2026-12").partition("-")
    number = int(year) * 12 + int(month or 1) - 1
    beside = (number - 1, number + 1)
    return [f"/calendar?month={at // 12:04}-{at % 12 + 1:02}" for at in beside]


# Many hosts.


class Manner(StrEnum):
    """How a host of PoliteHosts behaves."""

    HEALTHY = "healthy"
    BUSY = "busy"  # answers 429 with Retry-After at first
    SLOW = "slow"
    DYING = "dying"  # answers some requests, and then none


class Visit(NamedTuple):
    """One request, from when it was read to when its answer was sent.

    `status` is 0 where no answer was sent: the host died, or the client had gone.
    """

    host: str
    path: str
    status: int
    start_s: float
    end_s: float


class Visits(tuple[Visit, ...]):
    """All requests of a run, in the order of their ends."""

    __slots__ = ()

    def most_in_flight(self) -> dict[str, int]:
        """Return for each host how many requests it had at once, at most."""
        return {host: _most_at_once(visits) for host, visits in self._by_host()}

    def least_pause_s(self) -> dict[str, float]:
        """Return for each host the least time from an end to the next start.

        Infinite for a host that was asked once. What starts before another has ended
        makes no pause with it: `most_in_flight` tells of that.
        """
        return {host: _least_pause_s(visits) for host, visits in self._by_host()}

    def times_asked(self) -> Counter[tuple[str, str]]:
        """Return how often each (host, path) was asked for."""
        return Counter((visit.host, visit.path) for visit in self)

    def _by_host(self) -> Iterator[tuple[str, list[Visit]]]:
        ordered = sorted(self, key=lambda visit: (visit.host, visit.start_s))
        for host, visits in itertools.groupby(ordered, key=lambda visit: visit.host):
            yield host, list(visits)


def _most_at_once(visits: list[Visit]) -> int:
    # An end comes before a start of the same moment: the two did not overlap.
    changes = [(visit.start_s, 1) for visit in visits]
    changes += [(visit.end_s, -1) for visit in visits]
    return max(itertools.accumulate(change for _, change in sorted(changes)))


def _least_pause_s(visits: list[Visit]) -> float:
    least = float("inf")
    ends = sorted(visit.end_s for visit in visits)
    ended, last_end_s = 0, float("-inf")
    for visit in visits:
        while ended < len(ends) and ends[ended] <= visit.start_s:
            last_end_s = ends[ended]
            ended += 1
        least = min(least, visit.start_s - last_end_s)
    return least


class PoliteHosts:
    """Hosts 127.0.1.1 and up: by default 5 busy, 5 slow, 5 that die, the rest healthy.

        site = PoliteHosts(hosts=50, pages=40)
        with in_process(site, site.hosts) as server:
            crawl(site.urls(server.port), ...)
        assert max(server.record.most_in_flight().values()) <= 6

    Each has pages `/p/<n>.html`, and `/` that links to them all.

    Args:
        pages: how many each host has, beside its front page.
        busy_for_s: a busy host answers 429 for so long after its first request.
        busy_every: and to each request with this number, counted by host; 0: to none.
        retry_after_s: what it then says.
        slow_s: how long a slow host takes.
        healthy_s: how long every other takes.
        dies_after: how many requests a dying host answers.
        death: End.HOST_DIES (then it refuses connections), or End.RESET (it accepts
            them, and resets at a request).
    """

    def __init__(
        self,
        hosts: int = 50,
        *,
        pages: int = 20,
        busy: int = 5,
        slow: int = 5,
        dying: int = 5,
        busy_for_s: float = 3.0,
        busy_every: int = 0,
        retry_after_s: int = 2,
        slow_s: float = 2.0,
        healthy_s: float = 0.01,
        dies_after: int = 10,
        death: End = End.HOST_DIES,
    ) -> None:
        self.hosts = [f"127.0.1.{n}" for n in range(1, hosts + 1)]
        manners = [Manner.BUSY] * busy + [Manner.SLOW] * slow + [Manner.DYING] * dying
        manners += [Manner.HEALTHY] * (hosts - len(manners))
        self.manners = dict(zip(self.hosts, manners, strict=True))
        self.paths = ["/", *(f"/p/{n}.html" for n in range(pages))]
        self._busy_for_s = busy_for_s
        self._busy_every = busy_every
        self._retry_after_s = retry_after_s
        self._slow_s = slow_s
        self._healthy_s = healthy_s
        self._dies_after = dies_after
        self._death = death
        self._first_s: dict[str, float] = {}
        self._asked: Counter[str] = Counter()
        self._visits: list[Visit] = []
        self._pages = {path: self._page(path) for path in self.paths}

    def urls(self, port: int) -> list[str]:
        """Return the URL of every page, one host after the other within each path."""
        return [
            f"http://{host}:{port}{path}" for path in self.paths for host in self.hosts
        ]

    def with_manner(self, manner: Manner) -> list[str]:
        return [host for host in self.hosts if self.manners[host] is manner]

    def answer(self, asked: Asked) -> Reply:
        host = asked.host
        self._asked[host] += 1
        manner = self.manners[host]
        if manner is Manner.DYING and self._asked[host] > self._dies_after:
            return Reply(end=self._death, on_end=self._noting(asked, 0))
        content = self._pages.get(asked.target)
        status = 404 if content is None else 200
        if manner is Manner.BUSY and self._is_busy(host):
            wait = f"Retry-After: {self._retry_after_s}"
            content, status = html("later", "429 Too Many Requests", wait), 429
        return Reply(
            content=content or not_found(),
            wait_s=self._slow_s if manner is Manner.SLOW else self._healthy_s,
            on_end=self._noting(asked, status),
        )

    def record(self) -> Visits:
        return Visits(self._visits)

    def _is_busy(self, host: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._first_s.setdefault(host, now_s) < self._busy_for_s:
            return True
        return self._busy_every > 0 and self._asked[host] % self._busy_every == 0

    def _noting(self, asked: Asked, status: int) -> Callable[[float, float], None]:
        def note(start_s: float, end_s: float) -> None:
            visit = Visit(asked.host, asked.target, status, start_s, end_s)
            self._visits.append(visit)

        return note

    def _page(self, path: str) -> bytes:
        if path == "/":
            return page("Front", self.paths[1:])
        at = self.paths.index(path)
        beside = [self.paths[at - 1], self.paths[(at + 1) % len(self.paths)]]
        return page(path, beside, f"<p>{_WORDS}")


# Sites of given answers: robots.txt and sitemaps.

Body = bytes | Callable[[str], bytes]  # a function of the request's origin
Given = Reply | tuple[str, Sequence[str], Body]


class GivenSite:
    """Each path has its own answer, any other 404; the record is what was asked for.

    An answer is a Reply, or (status, header fields, body), where a body may be a
    function of the origin that was asked ("http://127.0.0.1:40123"). The record is a
    list of Asked, in order.
    """

    def __init__(self, answers: Mapping[str, Given]) -> None:
        self._answers = dict(answers)
        self._asked: list[Asked] = []

    def answer(self, asked: Asked) -> bytes | Reply:
        self._asked.append(asked)
        given = self._answers.get(asked.target)
        if given is None:
            return not_found()
        if isinstance(given, Reply):
            return given
        status, fields, body = given
        if not isinstance(body, bytes):
            body = body(_origin(asked))
        return message(body, status, *fields)

    def record(self) -> list[Asked]:
        return list(self._asked)


def _origin(asked: Asked) -> str:
    for line in asked.head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "host":
            return f"http://{value.strip()}"
    return f"http://{asked.host}"


PLAIN = ("Content-Type: text/plain",)
HTML = ("Content-Type: text/html; charset=utf-8",)
XML = ("Content-Type: application/xml",)


def robots_site(
    robots: Given | Mapping[str, Given], pages: Iterable[str] = ("/a", "/b/c", "/d")
) -> GivenSite:
    """Return a site of some pages, linked from `/`, with a robots.txt.

    `robots` is the answer to `/robots.txt`, or those to it and the paths it leads to:

        robots_site(robots_body(b"User-agent: *\\nDisallow: /b"))
        robots_site(robots_loop())
    """
    paths = ["/", *pages]
    answers: dict[str, Given] = {
        path: Reply(content=page(path, paths)) for path in paths
    }
    extra = robots if isinstance(robots, Mapping) else {"/robots.txt": robots}
    return GivenSite({**answers, **extra})


def robots_body(
    body: bytes, status: str = "200 OK", fields: Sequence[str] = PLAIN
) -> Given:
    return status, fields, body


def robots_padded(first: bytes, last: bytes, size_bytes: int = 5_000_000) -> Given:
    """Return rules with comments between them, this long in all."""
    line = b"# " + b"x" * 77 + b"\n"
    room = size_bytes - len(first) - len(last) - 2
    lines, left = divmod(room, len(line))
    padding = line * lines + b"#" * left
    return robots_body(first + b"\n" + padding + b"\n" + last)


def robots_chain(hops: int, last: Given) -> dict[str, Given]:
    """Return that many redirects from `/robots.txt`, then an answer."""
    paths = ["/robots.txt", *(f"/robots/{n}.txt" for n in range(1, hops + 1))]
    chain: dict[str, Given] = {
        path: robots_elsewhere(then) for path, then in itertools.pairwise(paths)
    }
    return {**chain, paths[-1]: last}


def robots_loop() -> dict[str, Given]:
    """Return two redirects that lead to each other."""
    return {
        "/robots.txt": robots_elsewhere("/robots/2.txt"),
        "/robots/2.txt": robots_elsewhere("/robots.txt"),
    }


def robots_elsewhere(url: str) -> Given:
    """Return a redirect, to another host too."""
    return Reply(content=redirect(url))


def robots_dripped(body: bytes, every_s: float) -> Given:
    """Return a body that comes byte by byte."""
    content = message(body, "200 OK", *PLAIN)
    return Reply(content=content, drip_every_s=every_s)


def robots_never(after_s: float = 3600.0) -> Given:
    """Return an answer that does not come while anybody waits."""
    return Reply(content=message(), wait_s=after_s)


def sitemap_site(
    sitemaps: Mapping[str, Given],
    pages: Mapping[str, Sequence[str]],
    robots: Body | None = None,
) -> GivenSite:
    """Return a site of pages, path to the paths each links to, and its sitemaps.

    sitemap_site(
        {"/sitemap.xml": sitemap_index(["/one.xml"]), "/one.xml": urlset(["/a"])},
        {"/": ["/b"], "/a": [], "/b": []},
    )
    """
    answers: dict[str, Given] = {
        path: Reply(content=page(path, links)) for path, links in pages.items()
    }
    if robots is not None:
        answers["/robots.txt"] = ("200 OK", PLAIN, robots)
    return GivenSite({**answers, **sitemaps})


# Sources: sitemaps.org/protocol.html (index, text, RSS); paths get the site's origin.


def urlset(paths: Sequence[str]) -> Given:
    return "200 OK", XML, partial(_sitemap, "urlset", "url", paths)


def sitemap_index(paths: Sequence[str]) -> Given:
    return "200 OK", XML, partial(_sitemap, "sitemapindex", "sitemap", paths)


def text_sitemap(paths: Sequence[str]) -> Given:
    def body(origin: str) -> bytes:
        return "".join(f"{origin}{path}\n" for path in paths).encode()

    return "200 OK", ("Content-Type: text/plain; charset=utf-8",), body


def rss_sitemap(paths: Sequence[str]) -> Given:
    def body(origin: str) -> bytes:
        items = "".join(
            f"<item><title>x</title><link>{escape(origin + path)}</link></item>\n"
            for path in paths
        )
        return f'<rss version="2.0"><channel>\n{items}</channel></rss>\n'.encode()

    return "200 OK", ("Content-Type: application/rss+xml",), body


def atom_sitemap(paths: Sequence[str]) -> Given:
    def body(origin: str) -> bytes:
        entries = "".join(
            f'<entry><link href="{escape(origin + path)}"/></entry>\n' for path in paths
        )
        namespace = "http://www.w3.org/2005/Atom"
        return f'<feed xmlns="{namespace}">\n{entries}</feed>\n'.encode()

    return "200 OK", ("Content-Type: application/atom+xml",), body


def gzipped(given: Given) -> Given:
    """Return a sitemap as a .gz file: packed, and not said to be so by the header."""
    if isinstance(given, Reply):
        raise TypeError("only (status, fields, body) can be packed, got a Reply")
    status, _, body = given

    def packed(origin: str) -> bytes:
        return gzip.compress(body if isinstance(body, bytes) else body(origin), 1)

    return status, ("Content-Type: application/gzip",), packed


def _sitemap(root: str, entry: str, paths: Sequence[str], origin: str) -> bytes:
    entries = "".join(
        f"<{entry}><loc>{escape(origin + path)}</loc></{entry}>\n" for path in paths
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{entries}</{root}>\n"
    ).encode()
