"""What may be fetched now.

The Frontier holds the requests that wait, host by host, and answers one question:
`next(now_s)`. It keeps these promises, whatever order pages come back in:

1. A URL is given out once, however often it was added, plus its retries.
2. A host never has more than `per_host` requests under way, and between the end of
   one and the start of the next lie at least `delay_s` seconds.
3. After a 429 or 503 the host as a whole rests: as long as its Retry-After asks
   for, or twice as long each time; what else waits goes on with other hosts.
4. What may pass (no connection, a time-out, 429, 5xx) is asked again, later.
5. Every request that was given out and answered through `done` ends exactly once.

It has no clock, does no I/O and never sleeps: the caller says what time it is.

    add ---> queued, by host ---> ready hosts, in turn ---> next() ---> under way
                ^                        ^                                 |
                |                resting hosts (heap by time)              |
                +---- retries (heap by time) <------------- done() <-------+
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .models import Kind, Request
from .page import Page

__all__ = ["RETRY_AFTER_MAX_S", "Frontier"]

RETRY_AFTER_MAX_S = 120.0  # a host that asks for more is left alone and reported
BACK_OFF_FIRST_S = 1.0
BACK_OFF_MAX_S = 60.0

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


@dataclass(slots=True)
class _Host:
    """One host's room: what waits for it and when it may be asked next."""

    name: str
    queued: deque[Request] = field(default_factory=deque)
    under_way: int = 0
    due_s: float = 0.0  # not asked before this moment
    back_off_s: float = 0.0
    listed: bool = False  # stands in the ready queue or the resting heap


class Frontier:
    """Per-host queues with limits, delays, back-off and retries.

    Args:
        per_host: requests that one host may have under way, at least 1.
        delay_s: seconds between the end of a request and the start of the next
            to the same host; above 0 it also means one request at a time.
        retry_delays_s: n waits in seconds, one before each retry; n retries.
    """

    def __init__(
        self,
        *,
        per_host: int = 6,
        delay_s: float = 0.0,
        retry_delays_s: Sequence[float] = (2.0, 10.0),
    ) -> None:
        self._per_host = 1 if delay_s > 0 else per_host
        self._delay_s = delay_s
        self._retry_delays_s = tuple(retry_delays_s)
        self._hosts: dict[str, _Host] = {}
        self._sweep_at = HOSTS_BEFORE_SWEEP
        self._seen: set[int] = set()
        self._ready: deque[_Host] = deque()
        self._resting: list[tuple[float, int, _Host]] = []
        self._retries: list[tuple[float, int, Request]] = []
        self._ticket = 0  # keeps the heaps stable and their entries comparable
        self._somebody_answered = False
        self.queued = 0
        self.under_way = 0

    def add(self, request: Request) -> bool:
        """Queue a request unless its key was seen before; say whether it is new."""
        # 64 bits of the key and not the key: a million URLs cost 60 MB instead of
        # 200, and two of them meet once in 30 million runs.
        mark = hash(request.key)
        if mark in self._seen:
            return False
        self._seen.add(mark)
        self.queued += 1
        self._queue(request)
        return True

    def next(self, now_s: float) -> Request | float | None:
        """Return what to do at this moment.

        Returns:
            a Request to be sent now; or the seconds after which to ask again
            (`inf`: not before some request is done); or None when nothing waits
            and nothing is under way.
        """
        self._wake(now_s)
        while self._ready:
            room = self._ready.popleft()
            room.listed = False
            if room.queued and room.due_s <= now_s:
                return self._take(room, now_s)
            self._list(room, now_s)  # told to rest while it stood in the queue
        if not self.queued and not self.under_way:
            return None
        return self._idle_s(now_s)

    def done(self, page: Page, request: Request, now_s: float) -> bool:
        """Take note of an answer; say whether this Page is the final one.

        False means that the request waits for another attempt.
        """
        room = self._hosts[request.host]
        room.under_way -= 1
        self.under_way -= 1
        self._rest(room, page, now_s)
        wait_s = self._retry_wait_s(page, request.attempt)
        if wait_s is not None:
            again = replace(request, attempt=request.attempt + 1)
            self._push_retry(max(now_s + wait_s, room.due_s), again)
        if page.status is not None:
            self._somebody_answered = True
        self._list(room, now_s)
        if len(self._hosts) > self._sweep_at:
            self._sweep(now_s)
        return wait_s is None

    def drain(self) -> list[Request]:
        """Empty every queue, allow no more retries, and return what waited."""
        waiting = [request for _, _, request in self._retries]
        for room in self._hosts.values():
            waiting += room.queued
            room.queued.clear()
        self._retries.clear()
        self._retry_delays_s = ()
        self.queued = 0
        return waiting

    def __repr__(self) -> str:
        return (
            f"<Frontier {self.queued} queued, {self.under_way} under way, "
            f"{len(self._hosts)} hosts, {len(self._retries)} retries>"
        )

    def _queue(self, request: Request) -> None:
        room = self._hosts.get(request.host)
        if room is None:
            room = self._hosts[request.host] = _Host(request.host)
        room.queued.append(request)
        self._list(room, room.due_s)

    def _list(self, room: _Host, now_s: float) -> None:
        """Put a host that may be asked, now or later, where `next` will find it."""
        if room.listed or not room.queued or room.under_way >= self._per_host:
            return
        room.listed = True
        if room.due_s <= now_s:
            self._ready.append(room)
        else:
            self._ticket += 1
            heapq.heappush(self._resting, (room.due_s, self._ticket, room))

    def _take(self, room: _Host, now_s: float) -> Request:
        request = room.queued.popleft()
        room.under_way += 1
        self.queued -= 1
        self.under_way += 1
        self._list(room, now_s)
        return request

    def _wake(self, now_s: float) -> None:
        """Move what has become due: first retries into queues, then resting hosts."""
        while self._retries and self._retries[0][0] <= now_s:
            self._queue(heapq.heappop(self._retries)[2])
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

    def _rest(self, room: _Host, page: Page, now_s: float) -> None:
        """Say when the host may be asked again after this answer."""
        if page.status not in RESTING_STATUSES:
            if page.status is not None:
                room.back_off_s = 0.0
            room.due_s = max(room.due_s, now_s + self._delay_s)
            return
        if room.due_s <= now_s:  # six answers to one burst are one sign, not six
            doubled_s = max(room.back_off_s * 2, BACK_OFF_FIRST_S)
            room.back_off_s = min(doubled_s, BACK_OFF_MAX_S)
        asked_s = retry_after_s(page)
        rest_s = room.back_off_s if asked_s is None else min(asked_s, RETRY_AFTER_MAX_S)
        room.due_s = max(room.due_s, now_s + max(rest_s, self._delay_s))

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

    def _sweep(self, now_s: float) -> None:
        """Forget hosts that nothing waits for and that need no rest."""
        for name, room in list(self._hosts.items()):
            if not (room.queued or room.under_way or room.listed or room.due_s > now_s):
                del self._hosts[name]
        self._sweep_at = max(2 * len(self._hosts), HOSTS_BEFORE_SWEEP)


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


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
