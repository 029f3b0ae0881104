"""Retry-After and the rate limit's fields: any text is None, or a time that ends."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime
from typing import NamedTuple

from fetcher.frontier import (
    RETRY_AFTER_MAX_S,
    Frontier,
    limit_reset_s,
    retry_after_s,
)
from fetcher.models import Headers, Request
from fetcher.page import Page

from .harness import Target, Wrong, mutated, of_words

# What was fetched at one moment gives the same answer in every run.
FETCHED_AT = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = (
    *("Retry-After", "Retry-After", "Retry-After", "Date", "RateLimit"),
    *("RateLimit-Remaining", "RateLimit-Reset"),
    *("X-RateLimit-Remaining", "X-RateLimit-Reset"),
)
VALUES = (
    *(
        b"0",
        b"1",
        b"120",
        b"121",
        b"-1",
        b"1.5",
        b"1e9",
        b"+5",
        b"0x10",
        b" 7 ",
        b"5 s",
    ),
    *(b"9" * 9, b"9" * 12, b"9" * 13, b"9" * 5_000, b"NaN", b"inf", b"-inf", b"1_000"),
    *(
        "٣".encode(),
        "\uff11\uff12".encode(),
        "²".encode(),
        b"1767225600",
        b"17672256000000",
    ),
    *(b"Fri, 02 Jan 2026 00:00:00 GMT", b"Wed, 21 Oct 2015 07:28:00 GMT"),
    *(b"Friday, 02-Jan-26 00:00:00 GMT", b"Fri Jan  2 00:00:00 2026", b"2026-01-02"),
    *(b"Fri, 31 Dec 9999 23:59:59 GMT", b"Fri, 31 Dec 9999 23:59:59 -2359"),
    *(b"Mon, 01 Jan 0001 00:00:00 +2359", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    *(b"Fri, 02 Jan 99999999999999999999 00:00:00 GMT", b"Fri, 02 Jan 26 99:99:99 GMT"),
    *(b"Fri, 02 Jan 2026 00:00:00 +99999999999", b"32 Jan 2026 00:00:00 -0000"),
    *(b'"default";r=0;t=30', b'"a";r=0;t=999999999', b";r=0;t=" + b"1" * 10, b";r=0"),
    *(b"r=0;t=1", b'"a";t=30;r=0', b";  r=0  ;  t=5, ;r=0;t=7"),
)
WORDS = (
    *(b"Fri, ", b"02 ", b"Jan ", b"2026 ", b"00:00:00", b" GMT", b" +0000", b" -9999"),
    *(
        b"99999999999999999999",
        b":",
        b",",
        b"-",
        b"+",
        b"(",
        b")",
        b" UTC",
        b" EST",
        b"1",
    ),
    *(b";r=0;t=", b";", b"=", b'"', b".", b"0", b" ", b"\t"),
)
STATUSES = (200, 403, 429, 429, 503, 503)


class Waits(NamedTuple):
    """How long the product waits, in each of the ways that it asks."""

    asked_s: float | None
    reset_s: float
    next_s: object


def make(dice: random.Random) -> bytes:
    """Return a status and some fields."""
    fields = []
    for _ in range(dice.randint(1, 4)):
        value = dice.choice(VALUES)
        if dice.random() < 0.5:
            value = mutated(value, dice, WORDS, most=3)[:20_000]
        if dice.random() < 0.2:
            value = of_words(dice, WORDS, most=12)
        fields.append([dice.choice(NAMES), value.decode("latin-1")])
    return json.dumps([dice.choice(STATUSES), fields]).encode()


def page_of(case: bytes) -> Page:
    """Return the answer that a case stands for; bytes that are none, a Retry-After."""
    try:
        status, fields = json.loads(case)
        lines = [(str(name), str(value)) for name, value in fields]
        status = int(status)
    except (ValueError, TypeError, OverflowError):
        status, lines = 429, [("Retry-After", case.decode("latin-1"))]
    url = "http://a.example/0"
    return Page(url=url, status=status, headers=Headers(lines), fetched_at=FETCHED_AT)


def run(case: bytes) -> Waits:
    """Ask for the seconds, and ask a frontier when it would go on."""
    page = page_of(case)
    frontier = Frontier()
    for number in range(2):
        url = f"http://a.example/{number}"
        frontier.add(Request(url=url, key=url, host="a.example", origin="a.example"))
    taken = frontier.next(0.0)
    assert isinstance(taken, Request)
    frontier.next(0.0)
    frontier.done(page, taken, 0.0)
    return Waits(retry_after_s(page), limit_reset_s(page), frontier.next(0.0))


def judge(case: bytes, result: object) -> None:
    """No wait is negative, none is endless, and the frontier keeps to its bound."""
    assert isinstance(result, Waits)
    asked_s, reset_s, _ = result
    if asked_s is not None and not 0 <= asked_s < math.inf:
        raise Wrong(f"Retry-After asks for {asked_s!r} s")
    if not 0 <= reset_s <= RETRY_AFTER_MAX_S:
        raise Wrong(f"a limit is reset in {reset_s!r} s")
    _judge_frontier(page_of(case))


def _judge_frontier(page: Page) -> None:
    """A host that answered is asked again within the bound."""
    frontier = Frontier(per_host=1, retry_delays_s=())
    for number in range(2):
        url = f"http://a.example/{number}"
        frontier.add(Request(url=url, key=url, host="a.example", origin="a.example"))
    taken = frontier.next(0.0)
    assert isinstance(taken, Request)
    frontier.done(page, taken, 0.0)
    wait = frontier.next(0.0)
    if isinstance(wait, Request):
        return
    if isinstance(wait, float | int) and not 0 <= wait <= RETRY_AFTER_MAX_S:
        raise Wrong(f"the host is left alone for {wait!r} s")
    if not isinstance(frontier.next(RETRY_AFTER_MAX_S), Request):
        raise Wrong("the host is not asked again")


TARGET = Target(name="retry", make=make, run=run, judge=judge, words=(*VALUES, *WORDS))
