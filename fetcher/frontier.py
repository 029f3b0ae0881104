"""What may be fetched now.

The Frontier holds the requests that wait, host by host, and answers one question:
`next(now_s)`. It keeps these promises, whatever order pages come back in:

1. A URL is given out once, however often it was added, plus its retries.
2. A host never has more than `per_host` requests under way, and between the end of
   one and the start of the next lie at least `delay_s` seconds, or what its
   robots.txt asks for (Crawl-delay).
3. After a 429 or 503, or when a host says that nothing is left of its limit, the host
   as a whole rests: as long as it asks for, or twice as long each time; what else
   waits goes on with other hosts. A host that gets slower is asked less at a time.
4. What may pass (no connection, a time-out, 429, 5xx) is asked again, later.
5. Every request that was given out and answered through `done` ends exactly once.
6. A request that obeys robots.txt is given out when its origin's rules are known and
   allow it; where they do not, it comes back from `next` as `Refused`.

It has no clock, does no I/O and never sleeps: the caller says what time it is.

    add ---> Backlog, by host ---> ready hosts, in turn ---> next() ---> under way
                ^                        ^                                 |
                |                resting hosts (heap by time)              |
                +---- retries (heap by time) <------------- done() <-------+
"""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

from .backlog import Backlog, MemoryBacklog
from .models import Kind, Purpose, Reach, Request
from .page import Page

__all__ = ["RETRY_AFTER_MAX_S", "Frontier", "Refused", "Robots"]

RETRY_AFTER_MAX_S = 120.0  # a host that asks for more is left alone and reported
BACK_OFF_FIRST_S = 1.0
BACK_OFF_MAX_S = 60.0
RULES_LAST_S = 24 * 3600.0  # RFC 9309, 2.4
TAKEN_AT_ONCE = 8  # from the backlog, which may lie on a disk

# A host is slower when its answers take four times what they took at first, and more
# than a second: below that it may be the network, or this machine that is busy.
SLOWER_TIMES = 4.0
SLOWER_LEAST_S = 1.0
NEW_SHARE = 0.25  # of the newest answer in the average of the last ones
ANSWERS_BEFORE_SLOWER = 8
ANSWERS_BEFORE_LOOK = 4  # to what asking less has come to

TRANSIENT_KINDS = frozenset(
    {
        Kind.DNS,
        Kind.REFUSED,
        Kind.UNREACHABLE,
        Kind.CONNECT_TIMEOUT,
        Kind.PROXY,
        Kind.TIMEOUT,
        Kind.RESET,
    }
)
RESTING_STATUSES = frozenset({429, 503})  # RFC 6585, 4; RFC 9110, 15.6.4
TRANSIENT_STATUSES = frozenset({*range(500, 600)} - {501, 505})  # what may pass
HOSTS_BEFORE_SWEEP = 1024
_GATE_PURPOSES = frozenset({Purpose.ROBOTS, Purpose.PROBE})


class Robots(Protocol):
    """What the frontier asks of an origin's robots.txt: `fetcher.robots.Rules`."""

    @property
    def crawl_delay_s(self) -> float | None:
        """Seconds between two requests, None where the file does not say."""

    def may_fetch(self, url: str) -> bool:
        """Whether this URL may be asked for."""


class Refused(NamedTuple):
    """A request that its origin's robots.txt does not allow; it is done with."""

    request: Request


@dataclass(slots=True)
class _Gate:
    """What must be known of an origin before what waits there is asked for."""

    host: str
    asked: int = 0  # requests that have to be answered first
    rules: Robots | None = None
    until_s: float = float("inf")
    reach: Reach | None = None  # of the request for which it was made
    is_forbidden: bool = False  # the guard lets no request of that reach go there

    def is_too_strict_for(self, request: Request) -> bool:
        """Whether the guard may let this request ask what it let nobody ask before.

        What a public page links to must not close a private origin to who listed it.
        """
        if not self.is_forbidden or self.reach is None:
            return False
        return request.reach is None or request.reach > self.reach


@dataclass(slots=True)
class _Host:
    """One host's room: what waits for it and when it may be asked next."""

    name: str
    limit: float  # requests that it may have under way; whole, but for its growth
    delay_s: float
    waiting: int = 0  # in the backlog
    ahead: deque[Request] = field(default_factory=deque)  # to be given out before that
    first: deque[Request] = field(default_factory=deque)  # robots.txt, a probe
    shut: _Gate | None = None  # nothing else is given out until this is known
    under_way: int = 0
    due_s: float = 0.0  # not asked before this moment
    back_off_s: float = 0.0
    listed: bool = False  # stands in the ready queue or the resting heap
    answers: int = 0
    look_at: int = 0  # at this many answers, whether it is slower still
    usual_s: float = 0.0  # how long answers took at first, and take now
    recent_s: float = 0.0

    @property
    def has_work(self) -> bool:
        """Whether there is something that may be given out, were it due."""
        if self.first:
            return True
        return self.shut is None and (bool(self.ahead) or self.waiting > 0)


class Frontier:
    """Per-host queues with limits, delays, back-off, retries and robots.txt.

    Args:
        per_host: requests that one host may have under way, at least 1.
        delay_s: seconds between the end of a request and the start of the next
            to the same host; above 0 it also means one request at a time.
        retry_delays_s: n waits in seconds, one before each retry; n retries.
        backlog: what is known and waits; in memory if none is given.
        waits: whether a request waits for what has to be asked of its origin first.
        obeys: whether a request that waited is bound by robots.txt.
        first: returns what has to be asked of an origin before the first request that
            waits there: its robots.txt, a probe.
    """

    def __init__(
        self,
        *,
        per_host: int = 6,
        delay_s: float = 0.0,
        retry_delays_s: Sequence[float] = (2.0, 10.0),
        backlog: Backlog | None = None,
        waits: Callable[[Request], bool] = lambda _: False,
        obeys: Callable[[Request], bool] = lambda _: True,
        first: Callable[[Request], Sequence[Request]] = lambda _: (),
    ) -> None:
        self._per_host = per_host
        self._delay_s = delay_s
        self._retry_delays_s = tuple(retry_delays_s)
        self._backlog = MemoryBacklog() if backlog is None else backlog
        self._waits = waits
        self._obeys = obeys
        self._first = first
        self._hosts: dict[str, _Host] = {}
        self._gates: dict[str, _Gate] = {}
        self._sweep_at = HOSTS_BEFORE_SWEEP
        self._ready: deque[_Host] = deque()
        self._resting: list[tuple[float, int, _Host]] = []
        self._retries: list[tuple[float, int, Request]] = []
        self._ticket = 0  # keeps the heaps stable and their entries comparable
        self._somebody_answered = False
        self.queued = 0
        self.under_way = 0

    def add(self, request: Request) -> bool:
        """Queue a request unless its key was seen before; say whether it is new."""
        return bool(self.add_all([request]))

    def add_all(self, requests: Sequence[Request]) -> list[Request]:
        """Queue those requests whose key was not seen before, and return them."""
        new = self._backlog.add_unseen(requests)
        self.queued += len(new)
        for request in new:
            room = self._room(request.host)
            room.waiting += 1
            self._list(room, room.due_s)
        return new

    def ask_first(self, request: Request) -> None:
        """Queue a robots.txt or a probe; all else there waits until it is answered."""
        self.queued += 1
        room = self._room(request.host)
        room.first.append(request)
        gate = self._gates.setdefault(request.origin, _Gate(room.name))
        gate.asked += 1
        room.shut = gate
        self._list(room, room.due_s)

    def obey(self, request: Request, rules: Robots, now_s: float) -> None:
        """Take note of what the robots.txt of a request's origin says, for 24 hours."""
        room = self._room(request.host)
        gate = self._gates.setdefault(request.origin, _Gate(request.host))
        gate.rules = rules
        gate.until_s = now_s + RULES_LAST_S
        self._slow_down(room, rules)
        room.due_s = max(room.due_s, now_s + room.delay_s)

    def know(self, page: Page, request: Request) -> None:
        """Take note of an answer that an earlier process had: it is not asked for.

        What waits for its robots.txt or its probe need not wait any more.
        """
        if page.status is not None:
            self._somebody_answered = True
        if request.purpose in _GATE_PURPOSES:
            gate = self._gates.setdefault(request.origin, _Gate(request.host))
            gate.reach = request.reach
            self._note_if_forbidden(page, gate)

    def withdraw(self, request: Request) -> None:
        """Take back a request that was given out and need not be made.

        Its host need not rest for it.
        """
        room = self._hosts[request.host]
        room.under_way -= 1
        self.under_way -= 1
        self._list(room, room.due_s)

    def next(self, now_s: float) -> Request | Refused | float | None:
        """Return what to do at this moment.

        Returns:
            a Request to be sent now; or a Refused, which is not to be sent; or the
            seconds after which to ask again (`inf`: not before some request is
            done); or None when nothing waits and nothing is under way.
        """
        self._wake(now_s)
        while self._ready:
            room = self._ready.popleft()
            room.listed = False
            if room.has_work and room.due_s <= now_s:
                found = self._give_out(room, now_s)
                self._list(room, now_s)
                if found is not None:
                    return found
            else:  # told to rest while it stood in the queue
                self._list(room, now_s)
        if not self.queued and not self.under_way:
            return None
        return self._idle_s(now_s)

    def done(self, page: Page, request: Request, now_s: float) -> bool:
        """Take note of an answer; say whether this Page is the final one.

        False means that the request waits for another attempt.
        """
        room = self._take_in(page, request, now_s)
        ended = not self._ask_again(page, request, room, now_s)
        if ended and request.purpose in _GATE_PURPOSES:
            self._answered_first(page, request, room)
        self._list(room, now_s)
        if len(self._hosts) > self._sweep_at:
            self._sweep(now_s)
        return ended

    def repeat(self, page: Page, request: Request, now_s: float) -> None:
        """Take note of an answer that is none: ask once more, when the host may be.

        It is the same attempt, and goes before what waits there.
        """
        room = self._take_in(page, request, now_s)
        self.queued += 1
        room.ahead.appendleft(request)
        self._list(room, now_s)

    def drain(self) -> Iterator[Request]:
        """Empty every queue, allow no more retries, and give out what waited."""
        waiting = [request for _, _, request in self._retries]
        for room in self._hosts.values():
            waiting += room.ahead
            room.ahead.clear()
            room.first.clear()
            room.waiting = 0
        self._retries.clear()
        self._retry_delays_s = ()
        self.queued = 0
        yield from (each for each in waiting if each.purpose not in _GATE_PURPOSES)
        yield from self._backlog.drain()

    def close(self) -> None:
        """Let go of the backlog."""
        self._backlog.close()

    def __repr__(self) -> str:
        return (
            f"<Frontier {self.queued} queued, {self.under_way} under way, "
            f"{len(self._hosts)} hosts, {len(self._retries)} retries>"
        )

    # Hosts.

    def _take_in(self, page: Page, request: Request, now_s: float) -> _Host:
        """Return the host that answered, at whose pace it is asked from now on."""
        room = self._hosts[request.host]
        room.under_way -= 1
        self.under_way -= 1
        self._rest(room, page, now_s)
        self._pace(room, page)
        if page.status is not None:
            self._somebody_answered = True
        return room

    def _room(self, host: str) -> _Host:
        room = self._hosts.get(host)
        if room is None:
            room = _Host(
                host, 1 if self._delay_s > 0 else self._per_host, self._delay_s
            )
            self._hosts[host] = room
        return room

    def _list(self, room: _Host, now_s: float) -> None:
        """Put a host that may be asked, now or later, where `next` will find it."""
        if room.listed or room.under_way + 1 > room.limit or not room.has_work:
            return
        room.listed = True
        if room.due_s <= now_s:
            self._ready.append(room)
        else:
            self._ticket += 1
            heapq.heappush(self._resting, (room.due_s, self._ticket, room))

    def _give_out(self, room: _Host, now_s: float) -> Request | Refused | None:
        """Return the next request of a host, None when it must wait for its gate."""
        if room.first:
            return self._send_off(room.first.popleft(), room)
        if not room.ahead:
            taken = self._backlog.take(room.name, TAKEN_AT_ONCE)
            room.waiting -= len(taken)
            room.ahead.extend(taken)
        request = room.ahead[0]
        if self._waits(request):
            gate = self._gate(request, room, now_s)
            if gate.asked:
                room.shut = gate
                return None
            if gate.rules is not None and not self._may_fetch(
                request, room, gate.rules
            ):
                room.ahead.popleft()
                self.queued -= 1
                return Refused(request)
        return self._send_off(room.ahead.popleft(), room)

    def _send_off(self, request: Request, room: _Host) -> Request:
        room.under_way += 1
        self.queued -= 1
        self.under_way += 1
        return request

    def _wake(self, now_s: float) -> None:
        """Move what has become due: first retries into queues, then resting hosts."""
        while self._retries and self._retries[0][0] <= now_s:
            request = heapq.heappop(self._retries)[2]
            room = self._room(request.host)
            is_first = request.purpose in _GATE_PURPOSES
            (room.first if is_first else room.ahead).append(request)
            self._list(room, room.due_s)
        while self._resting and self._resting[0][0] <= now_s:
            room = heapq.heappop(self._resting)[2]
            room.listed = False
            self._list(room, now_s)  # back to the heap if its rest was made longer

    def _idle_s(self, now_s: float) -> float:
        due = [heap[0][0] for heap in (self._resting, self._retries) if heap]
        return min(due) - now_s if due else float("inf")

    def _push_retry(self, due_s: float, request: Request) -> None:
        self._ticket += 1
        heapq.heappush(self._retries, (due_s, self._ticket, request))
        self.queued += 1

    def _sweep(self, now_s: float) -> None:
        """Forget hosts that nothing waits for and that need no rest."""
        retried = {request.host for _, _, request in self._retries}
        for name, room in list(self._hosts.items()):
            busy = room.has_work or room.under_way or room.listed or room.shut
            if not busy and room.due_s <= now_s and name not in retried:
                del self._hosts[name]
        for origin, gate in list(self._gates.items()):
            if gate.host not in self._hosts:
                del self._gates[origin]
        self._sweep_at = max(2 * len(self._hosts), HOSTS_BEFORE_SWEEP)

    # Gates.

    def _gate(self, request: Request, room: _Host, now_s: float) -> _Gate:
        """Return an origin's gate; what it has to be asked first goes before all."""
        gate = self._gates.get(request.origin)
        is_known = gate is not None and now_s < gate.until_s
        if gate is not None and is_known and not gate.is_too_strict_for(request):
            return gate
        gate = self._gates[request.origin] = _Gate(room.name, reach=request.reach)
        for first in self._first(request):
            self.ask_first(first)
        return gate

    def _may_fetch(self, request: Request, room: _Host, rules: Robots) -> bool:
        self._slow_down(room, rules)
        return not self._obeys(request) or rules.may_fetch(request.url)

    def _slow_down(self, room: _Host, rules: Robots) -> None:
        delay_s = rules.crawl_delay_s
        if delay_s is not None and delay_s > room.delay_s:
            room.delay_s = delay_s
            room.limit = 1

    def _answered_first(self, page: Page, request: Request, room: _Host) -> None:
        gate = self._gates[request.origin]
        self._note_if_forbidden(page, gate)
        gate.asked -= 1
        if gate.asked == 0 and room.shut is gate:
            room.shut = None

    def _note_if_forbidden(self, page: Page, gate: _Gate) -> None:
        failure = page.failure
        if failure is not None and failure.kind is Kind.FORBIDDEN_ADDRESS:
            gate.is_forbidden = True

    # Politeness.

    def _rest(self, room: _Host, page: Page, now_s: float) -> None:
        """Say when the host may be asked again after this answer."""
        room.due_s = max(room.due_s, now_s + room.delay_s)
        if page.status not in RESTING_STATUSES:
            if page.status is not None:
                room.back_off_s = 0.0
                room.due_s = max(room.due_s, now_s + limit_reset_s(page))
            return
        if room.due_s <= now_s + room.delay_s:  # six answers to one burst are one sign
            doubled_s = max(room.back_off_s * 2, BACK_OFF_FIRST_S)
            room.back_off_s = min(doubled_s, BACK_OFF_MAX_S)
        asked_s = retry_after_s(page)
        rest_s = room.back_off_s if asked_s is None else min(asked_s, RETRY_AFTER_MAX_S)
        room.due_s = max(room.due_s, now_s + max(rest_s, room.delay_s))

    def _pace(self, room: _Host, page: Page) -> None:
        """Ask less at a time of a host that gets slower, more again as it recovers."""
        took_s = page.timings.ttfb_s
        if took_s is None or room.delay_s > 0 or self._per_host == 1:
            return
        room.answers += 1
        if room.answers == 1:
            room.usual_s = room.recent_s = took_s
            return
        room.recent_s += (took_s - room.recent_s) * NEW_SHARE
        if room.answers <= ANSWERS_BEFORE_SLOWER:
            room.usual_s = max(room.usual_s, took_s)
        elif room.recent_s > max(SLOWER_TIMES * room.usual_s, SLOWER_LEAST_S):
            if room.answers >= room.look_at:
                room.limit = max(room.limit // 2, 1)
                room.look_at = room.answers + ANSWERS_BEFORE_LOOK
        elif room.limit < self._per_host:
            room.limit = min(room.limit + 1 / max(room.limit, 1), self._per_host)

    def _ask_again(
        self, page: Page, request: Request, room: _Host, now_s: float
    ) -> bool:
        """Queue another attempt where that makes sense; say whether it does."""
        if request.method == "HEAD" and _wants_get(page):
            self.queued += 1
            room.ahead.appendleft(replace(request, method="GET"))
            return True
        wait_s = self._retry_wait_s(page, request.attempt)
        if wait_s is None:
            return False
        again = replace(request, attempt=request.attempt + 1)
        self._push_retry(max(now_s + wait_s, room.due_s), again)
        return True

    def _retry_wait_s(self, page: Page, attempt: int) -> float | None:
        """Return the seconds before another attempt, None when this one is final."""
        if attempt > len(self._retry_delays_s) or not self._may_pass(page):
            return None
        asked_s = retry_after_s(page)
        if asked_s is not None and asked_s > RETRY_AFTER_MAX_S:
            return None
        return max(self._retry_delays_s[attempt - 1], asked_s or 0.0)

    def _may_pass(self, page: Page) -> bool:
        if page.ok:  # `accept` may name a 429 or 503
            return False
        if page.failure is None:
            status = page.status or 0
            return status == 429 or status in TRANSIENT_STATUSES
        if page.failure.kind is Kind.DNS:
            # Without any answer from anybody there is no network to try again on.
            return self._somebody_answered
        return page.failure.kind in TRANSIENT_KINDS


def retry_after_s(page: Page) -> float | None:
    """Return the seconds that a Retry-After field asks for, None without a usable one.

    Source:
        RFC 9110, 10.2.3: a number of seconds or an HTTP date. A date counts from
        the answer's own Date field, so that a wrong clock on either side does no
        harm; without one, from the moment the page was fetched.
    """
    if page.status not in RESTING_STATUSES:
        return None
    text = page.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _http_date(text)
    if until is None:
        return None
    asked_at = _http_date(page.headers.get("date", "")) or page.fetched_at
    return max((until - asked_at).total_seconds(), 0.0)


def limit_reset_s(page: Page) -> float:
    """Return how long a host asks to be left alone because its limit is used up.

    Zero where it says nothing of the kind. Read are `RateLimit` ("default";r=0;t=30),
    its forerunners `RateLimit-Remaining` and `RateLimit-Reset`, and both with `X-`,
    whose reset is seconds, or a moment since 1970.

    Source:
        draft-ietf-httpapi-ratelimit-headers-10, 4; the forerunners are those of -03.
    """
    headers = page.headers
    together = _USED_UP.search(headers.get("ratelimit", ""))
    if together is not None:
        return min(float(together[1]), RETRY_AFTER_MAX_S)
    for prefix in ("ratelimit", "x-ratelimit"):
        if headers.get(f"{prefix}-remaining", "").strip() != "0":
            continue
        text = headers.get(f"{prefix}-reset", "").strip()
        if text.isascii() and text.isdigit():
            reset_s = float(text[:12])
            if reset_s > EPOCH_LEAST_S:
                reset_s -= page.fetched_at.timestamp()
            return min(max(reset_s, 0.0), RETRY_AFTER_MAX_S)
    return 0.0


_USED_UP = re.compile(r";\s*r=0\s*;\s*t=(\d{1,9})")
EPOCH_LEAST_S = 1e9  # September 2001: no reset is so many seconds away


def _wants_get(page: Page) -> bool:
    """Whether a server that was asked with HEAD may answer GET otherwise.

    Some do not know HEAD (405, 501), some answer it with any error, some hang up.
    """
    if page.failure is not None:
        return page.failure.kind in (Kind.RESET, Kind.PROTOCOL, Kind.BAD_ENCODING)
    return (page.status or 0) >= 400 and page.status != 429


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):  # as email raises them
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
