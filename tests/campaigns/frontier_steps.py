"""Drives a frontier through a million steps with a clock that only moves when told.

    python -m tests.campaigns.frontier_steps [--steps 1000000] [--seed 1]

Hosts answer at random: well, late, not at all, with 429 and 503 with and without
Retry-After, with limits that are used up, with a robots.txt that forbids half or asks
for a delay, with errors to HEAD. What a host could complain about is asserted at every
step: too many at once, too soon, during its rest, against its robots.txt, before its
robots.txt was answered, the same URL twice. At the end every request has ended exactly
once. One step is one answer of `next` or one call of `done`.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from dataclasses import dataclass, replace

from fetcher.frontier import (
    RETRY_AFTER_MAX_S,
    Frontier,
    Refused,
    limit_reset_s,
    retry_after_s,
)
from fetcher.models import Failure, Headers, Kind, Purpose, Request, Timings
from fetcher.page import Page

RETRY_DELAYS_S = (2.0, 10.0)
GATES = (Purpose.ROBOTS, Purpose.PROBE)


@dataclass(frozen=True)
class Rules:
    """A robots.txt that forbids every nth URL."""

    crawl_delay_s: float | None
    forbids_every: int

    def may_fetch(self, url: str) -> bool:
        number = int(url.rpartition("/")[2])
        return not self.forbids_every or number % self.forbids_every != 0


class World:
    """Hosts that answer at random, and keep account of what is asked of them."""

    def __init__(self, seed: int, per_host: int, delay_s: float) -> None:
        self.random = random.Random(seed)
        self.per_host = per_host
        self.delay_s: dict[str, float] = {}
        self._least_delay_s = delay_s
        self.under_way: Counter[str] = Counter()
        self.last_end_s: dict[str, float] = {}
        self.rests_until_s: dict[str, float] = {}
        self.rules: dict[str, Rules | None] = {}
        self.ended: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str, int]] = Counter()

    def began(self, asked: Request, now_s: float) -> None:
        host = asked.host
        self.under_way[host] += 1
        delay_s = self.delay_s.get(host, self._least_delay_s)
        assert self.under_way[host] <= (1 if delay_s else self.per_host), asked
        assert now_s - self.last_end_s.get(host, -math.inf) >= delay_s - 1e-6, asked
        assert now_s >= self.rests_until_s.get(host, 0.0) - 1e-6, asked
        self.asked[asked.url, asked.method, asked.attempt] += 1
        assert self.asked[asked.url, asked.method, asked.attempt] == 1, asked
        if asked.purpose not in GATES and asked.depth:
            rules = self.rules[asked.origin]  # known by now
            assert rules is None or rules.may_fetch(asked.url), asked

    def answered(self, asked: Request, now_s: float) -> Page:
        host = asked.host
        page = self._answer(asked)
        self.under_way[host] -= 1
        self.last_end_s[host] = now_s
        rest_s = min(retry_after_s(page) or 0.0, RETRY_AFTER_MAX_S)
        rest_s = max(rest_s, limit_reset_s(page))
        until_s = max(self.rests_until_s.get(host, 0.0), now_s + rest_s)
        self.rests_until_s[host] = until_s
        return page

    def _answer(self, asked: Request) -> Page:
        draw = self.random.random
        fields: list[tuple[str, str]] = []
        failure = None
        status: int | None = 200
        dice = draw()
        if dice < 0.03:
            status = self.random.choice([429, 503])
            if draw() < 0.5:
                fields.append(("Retry-After", self.random.choice(["3", "40", "900"])))
        elif dice < 0.05:
            fields += [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "7")]
        elif dice < 0.08:
            kinds = [Kind.TIMEOUT, Kind.REFUSED, Kind.RESET, Kind.DNS, Kind.WORKER_LOST]
            failure, status = Failure(self.random.choice(kinds), ""), None
        elif dice < 0.12:
            status = self.random.choice([404, 500, 405, 501])
        first_s = self.random.choice([0.01, 0.02, 0.05, 3.0 if draw() < 0.02 else 0.1])
        return Page(
            url=asked.url,
            status=status,
            headers=Headers(fields),
            failure=failure,
            attempt=asked.attempt,
            timings=Timings(ttfb_s=first_s, total_s=first_s),
        )

    def forget(self, asked: Request) -> None:
        for key in [key for key in self.asked if key[0] == asked.url]:
            del self.asked[key]

    def rules_of(self) -> Rules:
        return Rules(
            self.random.choice([None, None, None, 1.0]),
            self.random.choice([0, 0, 2, 7]),
        )


def aside(request: Request, purpose: Purpose) -> Request:
    """Return what is asked of an origin for itself."""
    url = f"{request.origin}/{purpose}/0"
    return replace(request, url=url, key=url, purpose=purpose, method="GET", attempt=1)


def drive(steps: int, seed: int = 1, *, per_host: int = 4, delay_s: float = 0.0) -> int:
    """Run so many steps; return how many requests ended."""
    world = World(seed, per_host, delay_s)
    draw = world.random

    def first(request: Request) -> list[Request]:
        return [aside(request, Purpose.ROBOTS)]

    frontier = Frontier(
        per_host=per_host,
        delay_s=delay_s,
        retry_delays_s=RETRY_DELAYS_S,
        waits=lambda r: r.depth > 0 and r.purpose not in GATES,
        first=first,
    )
    now_s = 0.0
    flying: list[Request] = []
    added = step = 0
    refused = 0
    while True:
        if step < steps and frontier.queued < 5_000:
            for _ in range(50):
                number = 3 * added + 1
                host = f"h{draw.randrange(200)}"
                origin = f"http://{host}:{draw.randrange(2)}"  # of one host, two
                url = f"{origin}/{number}"
                request = Request(
                    url=url,
                    key=url,
                    host=host,
                    origin=origin,
                    depth=draw.choice([0, 1, 1]),
                    purpose=draw.choice([Purpose.PAGE, Purpose.CHECK]),
                    method=draw.choice(["GET", "HEAD"]),
                )
                assert frontier.add(request)
                assert not frontier.add(request)
                added += 1
        step += 1
        found = frontier.next(now_s)
        if found is None:
            break
        if isinstance(found, Request):
            world.began(found, now_s)
            flying.append(found)
            continue
        if isinstance(found, Refused):
            world.ended[found.request.url] += 1
            refused += 1
            continue
        assert flying or found < math.inf
        if not flying or (found < 0.5 and draw.random() < 0.5):
            now_s += found
            continue
        now_s += draw.choice([0.0, 0.001, 0.01, 0.2])
        asked = flying.pop(draw.randrange(len(flying)))
        page = world.answered(asked, now_s)
        step += 1
        if not frontier.done(page, asked, now_s):
            continue
        if asked.purpose is Purpose.ROBOTS:
            rules = world.rules_of()
            world.rules[asked.origin] = rules
            if rules.crawl_delay_s is not None:
                world.delay_s[asked.host] = max(rules.crawl_delay_s, delay_s)
            frontier.obey(asked, rules, now_s)
            if draw.random() < 0.5:
                frontier.ask_first(aside(asked, Purpose.PROBE))
            world.forget(asked)  # it is asked anew after 24 hours
        elif asked.purpose is Purpose.PROBE:
            world.forget(asked)
        else:
            world.ended[asked.url] += 1
    assert set(world.ended.values()) == {1}
    assert len(world.ended) == added
    assert refused > 0
    return added


def main() -> None:
    """Run it and say how long it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    ended = drive(options.steps, options.seed)
    took_s = time.monotonic() - began_s
    print(
        f"{options.steps:,} steps, {ended:,} requests, each ended once; {took_s:.0f} s"
    )


if __name__ == "__main__":
    main()
