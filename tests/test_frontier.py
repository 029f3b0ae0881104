"""The frontier's promises, with a clock that only the test moves."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.frontier import (
    RETRY_AFTER_MAX_S,
    Frontier,
    Refused,
    limit_reset_s,
    retry_after_s,
)
from fetcher.models import Failure, Headers, Kind, Purpose, Request, Timings
from fetcher.page import Page
from tests.campaigns.frontier_steps import drive


def request(number: int = 0, host: str = "a.example", attempt: int = 1) -> Request:
    url = f"http://{host}/{number}"
    return Request(url=url, key=url, host=host, origin=host, attempt=attempt)


def answer(
    asked: Request, status: int | None = 200, kind: Kind | None = None, **fields: str
) -> Page:
    headers = Headers((name.replace("_", "-"), text) for name, text in fields.items())
    failure = Failure(kind, "") if kind else None
    return Page(
        url=asked.url,
        status=None if failure else status,
        headers=headers,
        failure=failure,
        attempt=asked.attempt,
    )


def take(frontier: Frontier, now_s: float) -> Request:
    found = frontier.next(now_s)
    assert isinstance(found, Request), found
    return found


def test_a_url_is_given_out_once_however_often_it_was_added():
    frontier = Frontier()
    assert frontier.add(request(1))
    assert not frontier.add(request(1))
    only = take(frontier, 0)
    assert frontier.next(0) == math.inf
    assert frontier.done(answer(only), only, 0)
    assert not frontier.add(request(1)), "nor when it was done"
    assert frontier.next(0) is None


def test_a_host_has_no_more_under_way_than_its_limit_and_others_go_on():
    frontier = Frontier(per_host=2)
    for number in range(3):
        frontier.add(request(number, "a.example"))
    frontier.add(request(0, "b.example"))
    taken = [take(frontier, 0) for _ in range(3)]
    assert sorted(r.host for r in taken) == ["a.example", "a.example", "b.example"]
    assert frontier.next(0) == math.inf
    frontier.done(answer(taken[0]), taken[0], 0)
    assert take(frontier, 0).host == taken[0].host


def test_hosts_take_turns():
    """A long list of one host does not keep the others waiting."""
    frontier = Frontier(per_host=6)
    for host in "ab":
        for number in range(4):
            frontier.add(request(number, host))
    assert [take(frontier, 0).host for _ in range(4)] == ["a", "b", "a", "b"]


def test_the_delay_counts_from_completion_and_means_one_at_a_time():
    frontier = Frontier(delay_s=5)
    frontier.add(request(1))
    frontier.add(request(2))
    first = take(frontier, 0)
    assert frontier.next(0) == math.inf
    frontier.done(answer(first), first, 3)
    assert frontier.next(3) == 5
    assert take(frontier, 8).url.endswith("/2")


def test_what_is_asked_over_waits_for_its_host_and_goes_first():
    """An answer of no use, to a condition: the next request keeps the delay too."""
    frontier = Frontier(delay_s=5)
    frontier.add(request(1))
    frontier.add(request(2))
    first = take(frontier, 0)
    frontier.repeat(answer(first, 412), first, 3)
    assert repr(frontier).startswith("<Frontier 2 queued, 0 under way")
    assert frontier.next(3) == 5
    assert take(frontier, 8) is first
    assert frontier.done(answer(first), first, 9)
    second = take(frontier, 14)
    assert frontier.done(answer(second), second, 14)
    assert frontier.next(14) is None


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_rests_the_whole_host(status):
    frontier = Frontier(retry_delays_s=[2])
    frontier.add(request(1))
    asked = take(frontier, 0)
    assert not frontier.done(answer(asked, status, Retry_After="7"), asked, 1)
    frontier.add(request(2))
    frontier.add(request(3, "b.example"))
    assert take(frontier, 1).host == "b.example"
    assert frontier.next(1) == 7
    assert sorted(take(frontier, 8).attempt for _ in range(2)) == [1, 2]


def test_without_retry_after_the_rest_doubles():
    frontier = Frontier(retry_delays_s=[])
    rests = []
    now_s = 0.0
    for number in range(4):
        frontier.add(request(number))
        asked = take(frontier, now_s)
        frontier.done(answer(asked, 503), asked, now_s)
        frontier.add(request(-1 - number))
        rests.append(frontier.next(now_s))
        now_s += rests[-1]
        asked = take(frontier, now_s)
        frontier.done(answer(asked, None, Kind.TIMEOUT), asked, now_s)
    assert rests == [1, 2, 4, 8]


def test_answers_to_one_burst_are_one_sign():
    """Six 429 to six parallel requests double the rest once and not six times."""
    frontier = Frontier(retry_delays_s=[])
    for number in range(7):
        frontier.add(request(number))
    for asked in [take(frontier, 0) for _ in range(6)]:
        frontier.done(answer(asked, 429), asked, 0)
    assert frontier.next(0) == 1


def test_a_host_that_asks_for_too_long_is_not_asked_again():
    frontier = Frontier(retry_delays_s=[2])
    frontier.add(request(1))
    asked = take(frontier, 0)
    wait = str(int(RETRY_AFTER_MAX_S) + 1)
    assert frontier.done(answer(asked, 429, Retry_After=wait), asked, 0)


@pytest.mark.parametrize(
    ("status", "kind", "again"),
    [
        (200, None, False),
        (404, None, False),
        (429, None, True),
        (500, None, True),
        (501, None, False),
        (503, None, True),
        (999, None, False),
        (None, Kind.TIMEOUT, True),
        (None, Kind.REFUSED, True),
        (None, Kind.RESET, True),
        (None, Kind.TLS_EXPIRED, False),
        (None, Kind.TOO_LARGE, False),
        (None, Kind.WORKER_LOST, False),
        (None, Kind.CANCELLED, False),
    ],
)
def test_only_what_may_pass_is_asked_again(status, kind, again):
    frontier = Frontier(retry_delays_s=[2, 10])
    frontier.add(request())
    asked = take(frontier, 0)
    assert frontier.done(answer(asked, status, kind), asked, 1) is not again
    assert frontier.next(1) == (2 if again else None)
    if not again:
        return
    asked = take(frontier, 3)
    assert asked.attempt == 2
    assert not frontier.done(answer(asked, status, kind), asked, 4)
    asked = take(frontier, 14)
    assert asked.attempt == 3
    assert frontier.done(answer(asked, status, kind), asked, 15), "two retries, no more"
    assert frontier.next(15) is None


def test_an_accepted_status_is_not_asked_again():
    frontier = Frontier()
    frontier.add(request())
    asked = take(frontier, 0)
    page = answer(asked, 503)
    page.accepted = True
    assert frontier.done(page, asked, 0)


def test_names_are_not_asked_again_while_nobody_ever_answered():
    """Without a network a list ends at once and not after every retry."""
    frontier = Frontier()
    frontier.add(request(1, "a.example"))
    asked = take(frontier, 0)
    assert frontier.done(answer(asked, None, Kind.DNS), asked, 0)
    frontier.add(request(1, "b.example"))
    asked = take(frontier, 0)
    frontier.done(answer(asked), asked, 0)
    frontier.add(request(1, "c.example"))
    asked = take(frontier, 0)
    assert not frontier.done(answer(asked, None, Kind.DNS), asked, 0)


def test_drain_gives_back_what_waits_and_ends_retries():
    frontier = Frontier(per_host=1)
    for number in range(3):
        frontier.add(request(number))
    first = take(frontier, 0)
    frontier.done(answer(first, 503), first, 0)
    second = take(frontier, 9)
    assert sorted(r.url[-1] for r in frontier.drain()) == ["0", "2"]
    assert frontier.done(answer(second, 503), second, 9)
    assert frontier.next(99) is None


def test_hosts_that_are_done_are_forgotten():
    """Memory follows the hosts that are due and not all that were ever met."""
    frontier = Frontier()
    for number in range(5000):
        frontier.add(request(0, f"h{number}"))
        asked = take(frontier, number)
        frontier.done(answer(asked), asked, number)
    assert len(frontier._hosts) <= 1025


def test_the_repr_shows_the_state():
    frontier = Frontier()
    frontier.add(request(1))
    frontier.add(request(2))
    take(frontier, 0)
    assert repr(frontier) == "<Frontier 1 queued, 1 under way, 1 hosts, 0 retries>"


@pytest.mark.parametrize(
    ("text", "date", "seconds"),
    [
        ("7", None, 7),
        (" 0 ", None, 0),
        ("-1", None, None),
        ("1.5", None, None),
        ("soon", None, None),
        ("", None, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", 30),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None, 37),
        ("Sun, 06 Nov 1994 08:48:00 GMT", None, 0),
        ("Sun, 99 Nov 1994 08:48:00 GMT", None, None),
    ],
)
def test_retry_after_in_both_forms(text, date, seconds):
    """RFC 9110, 10.2.3: a date counts from the answer's own Date."""
    page = answer(request(), 429, Retry_After=text, **({"Date": date} if date else {}))
    page.fetched_at = datetime(1994, 11, 6, 8, 49, 0, tzinfo=UTC)
    assert retry_after_s(page) == seconds


class Site:
    """Answers at random, and notes what a host could complain about."""

    def __init__(self, per_host: int, delay_s: float) -> None:
        self.per_host, self.delay_s = per_host, delay_s
        self.under_way: dict[str, int] = {}
        self.last_end_s: dict[str, float] = {}
        self.rests_until_s: dict[str, float] = {}

    def began(self, asked: Request, now_s: float) -> None:
        busy = self.under_way.get(asked.host, 0) + 1
        assert busy <= (1 if self.delay_s else self.per_host)
        self.under_way[asked.host] = busy
        last_s = self.last_end_s.get(asked.host, -math.inf)
        assert now_s - last_s >= self.delay_s - 1e-9
        assert now_s >= self.rests_until_s.get(asked.host, 0) - 1e-9

    def ended(self, asked: Request, page: Page, now_s: float) -> None:
        self.under_way[asked.host] -= 1
        self.last_end_s[asked.host] = now_s
        rest_s = retry_after_s(page) or 0
        until_s = now_s + min(rest_s, RETRY_AFTER_MAX_S)
        self.rests_until_s[asked.host] = max(
            self.rests_until_s.get(asked.host, 0), until_s
        )


ANSWERS = st.sampled_from(
    [
        (200, None, None),
        (200, None, None),
        (404, None, None),
        (429, None, "3"),
        (429, None, "900"),
        (503, None, None),
        (500, None, None),
        (None, Kind.TIMEOUT, None),
        (None, Kind.DNS, None),
        (None, Kind.WORKER_LOST, None),
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    hosts=st.lists(st.sampled_from("abcd"), min_size=1, max_size=30),
    per_host=st.integers(1, 4),
    delay_s=st.sampled_from([0.0, 0.0, 1.5]),
    draws=st.data(),
)
@pytest.mark.slow
def test_whatever_hosts_answer_each_request_ends_once_and_no_rule_is_broken(
    hosts, per_host, delay_s, draws
):
    """Never two requests inside a delay, never over the limit, all end exactly once."""
    frontier = Frontier(per_host=per_host, delay_s=delay_s)
    site = Site(per_host, delay_s)
    for number, host in enumerate(hosts):
        frontier.add(request(number, host))
    now_s = 0.0
    flying: list[Request] = []
    ended: list[str] = []
    while (found := frontier.next(now_s)) is not None:
        if isinstance(found, Request):
            site.began(found, now_s)
            flying.append(found)
            continue
        if not flying:
            assert found < math.inf
        if found < math.inf and (not flying or draws.draw(st.booleans())):
            now_s += found
            continue
        now_s += draws.draw(st.sampled_from([0.0, 0.1, 2.0]))
        asked = flying.pop(draws.draw(st.integers(0, len(flying) - 1)))
        status, kind, wait = draws.draw(ANSWERS)
        page = answer(asked, status, kind, **({"Retry_After": wait} if wait else {}))
        site.ended(asked, page, now_s)
        if frontier.done(page, asked, now_s):
            ended.append(asked.url)
    assert sorted(ended) == sorted(f"http://{h}/{n}" for n, h in enumerate(hosts))


# Origins that are asked for their robots.txt first


class Rules:
    """A robots.txt that forbids what ends with a digit."""

    def __init__(self, crawl_delay_s: float | None = None, forbidden: str = "") -> None:
        self.crawl_delay_s = crawl_delay_s
        self.forbidden = forbidden

    def may_fetch(self, url: str) -> bool:
        return not self.forbidden or not url.endswith(self.forbidden)


def robots_of(asked: Request) -> list[Request]:
    url = f"http://{asked.host}/robots.txt"
    return [replace(asked, url=url, key=url, purpose=Purpose.ROBOTS)]


def gated(**options) -> Frontier:
    return Frontier(
        waits=lambda asked: asked.purpose is not Purpose.ROBOTS,
        obeys=lambda asked: asked.depth > 0,
        first=robots_of,
        **options,
    )


def found_request(number: int, host: str = "a.example") -> Request:
    return replace(request(number, host), depth=1)


def test_an_origin_is_asked_for_its_robots_txt_before_anything_else():
    frontier = gated()
    frontier.add_all(
        [found_request(1), found_request(2), found_request(3, "b.example")]
    )
    first = take(frontier, 0)
    assert first.purpose is Purpose.ROBOTS
    assert take(frontier, 0).host == "b.example", "and others are not kept waiting"
    assert frontier.next(0) == math.inf
    frontier.done(answer(first), first, 1)
    frontier.obey(first, Rules(), 1)
    assert {take(frontier, 1).url[-1] for _ in range(2)} == {"1", "2"}


def test_what_robots_txt_forbids_comes_back_refused_and_only_what_was_found():
    frontier = gated()
    frontier.add_all([found_request(1), found_request(2), request(11)])
    first = take(frontier, 0)
    frontier.done(answer(first), first, 0)
    frontier.obey(first, Rules(forbidden="1"), 0)
    found = [frontier.next(0) for _ in range(3)]
    assert [isinstance(each, Refused) for each in found] == [True, False, False]
    assert [each.url[-2:] for each in found[1:]] == ["/2", "11"]
    for each in found[1:]:
        frontier.done(answer(each), each, 0)
    assert frontier.next(0) is None


def test_a_crawl_delay_is_kept_from_the_first_page_on():
    frontier = gated()
    frontier.add_all([found_request(1), found_request(2)])
    first = take(frontier, 0)
    frontier.done(answer(first), first, 1)
    frontier.obey(first, Rules(crawl_delay_s=5), 1)
    assert frontier.next(1) == 5
    page = take(frontier, 6)
    assert frontier.next(6) == math.inf
    frontier.done(answer(page), page, 7)
    assert frontier.next(7) == 5


def test_rules_are_asked_for_anew_after_a_day():
    """RFC 9309, 2.4: not to be used for more than 24 hours."""
    frontier = gated()
    frontier.add(found_request(1))
    first = take(frontier, 0)
    frontier.done(answer(first), first, 0)
    frontier.obey(first, Rules(), 0)
    page = take(frontier, 0)
    frontier.done(answer(page), page, 0)
    frontier.add(found_request(2))
    assert take(frontier, 24 * 3600).purpose is Purpose.ROBOTS


def test_a_robots_txt_that_fails_is_retried_and_then_opens_the_origin():
    frontier = gated(retry_delays_s=[2])
    frontier.add(found_request(1))
    first = take(frontier, 0)
    assert not frontier.done(answer(first, None, Kind.TIMEOUT), first, 0)
    again = take(frontier, 2)
    assert (again.purpose, again.attempt) == (Purpose.ROBOTS, 2)
    assert frontier.done(answer(again, None, Kind.TIMEOUT), again, 2)
    assert take(frontier, 2).url.endswith("/1")


def test_a_get_after_a_head_does_not_stand_in_the_way_of_a_probe():
    """Two origins of one host: the probe of one waited for ever behind the other."""
    frontier = gated(per_host=2)
    here = replace(found_request(1), origin="http://a.example:1", method="HEAD")
    frontier.add(replace(here, purpose=Purpose.CHECK))
    robots = take(frontier, 0)
    frontier.done(answer(robots), robots, 0)
    frontier.obey(robots, Rules(), 0)
    head = take(frontier, 0)
    frontier.add(replace(found_request(2), origin="http://a.example:2"))
    robots = take(frontier, 0)
    frontier.done(answer(robots), robots, 0)
    frontier.obey(robots, Rules(crawl_delay_s=5), 0)
    frontier.ask_first(replace(robots, url="http://a.example/x", purpose=Purpose.PROBE))
    assert not frontier.done(answer(head, 404), head, 1)
    probe = take(frontier, 6)
    assert probe.purpose is Purpose.PROBE
    frontier.done(answer(probe, 404), probe, 6)
    asked = []
    for now_s in (11, 16):
        asked.append(take(frontier, now_s))
        frontier.done(answer(asked[-1]), asked[-1], now_s)
    assert {each.url[-1] for each in asked} == {"1", "2"}
    assert frontier.next(99) is None


@pytest.mark.parametrize(
    ("status", "kind", "asked_again"),
    [
        (200, None, False),
        (404, None, True),
        (405, None, True),
        (501, None, True),
        (503, None, True),
        (None, Kind.RESET, True),
        (None, Kind.DNS, False),
    ],
)
def test_where_head_is_answered_with_an_error_get_is_asked(status, kind, asked_again):
    frontier = Frontier(retry_delays_s=[])
    frontier.add(replace(request(1), method="HEAD"))
    head = take(frontier, 0)
    assert frontier.done(answer(head, status, kind), head, 0) is not asked_again
    if asked_again:
        assert take(frontier, 5).method == "GET"


@pytest.mark.parametrize(
    ("fields", "reset_s"),
    [
        ({}, 0),
        ({"RateLimit": '"default";r=0;t=30'}, 30),
        ({"RateLimit": '"default";r=5;t=30'}, 0),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "7"}, 7),
        ({"RateLimit_Remaining": "1", "RateLimit_Reset": "7"}, 0),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1767225640"}, 40),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "soon"}, 0),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "999999"}, RETRY_AFTER_MAX_S),
    ],
)
def test_a_limit_that_is_used_up_rests_the_host(fields, reset_s):
    """draft-ietf-httpapi-ratelimit-headers, and what came before it."""
    frontier = Frontier()
    frontier.add_all([request(1), request(2)])
    asked = take(frontier, 0)
    take(frontier, 0)
    page = answer(asked, 200, **fields)
    page.fetched_at = datetime(2026, 1, 1, tzinfo=UTC)  # 1767225600
    assert limit_reset_s(page) == reset_s
    frontier.done(page, asked, 0)
    frontier.add(request(3))
    assert frontier.next(0) == (reset_s or request(3))


def test_what_is_withdrawn_costs_its_host_no_rest():
    """A continued run goes past what it has at once, however long the delay is."""
    frontier = Frontier(delay_s=10)
    for number in range(3):
        frontier.add(request(number))
    for _ in range(2):
        frontier.withdraw(take(frontier, 0))
    last = take(frontier, 0)
    assert (last, frontier.under_way) == (request(2), 1)
    frontier.done(answer(last), last, 0)
    assert frontier.next(0) is None


def test_an_origin_whose_robots_txt_is_known_from_before_is_not_asked_for_it():
    asked: list[Request] = []

    def first(one: Request) -> list[Request]:
        asked.append(one)
        return [replace(one, purpose=Purpose.ROBOTS)]

    frontier = Frontier(waits=lambda _: True, first=first)
    known = replace(request(), purpose=Purpose.ROBOTS)
    frontier.know(answer(known), known)
    frontier.add(request(1))
    assert take(frontier, 0) == request(1)
    assert asked == []


def test_a_host_that_gets_slower_is_asked_less_at_a_time_until_it_recovers():
    frontier = Frontier(per_host=8)
    flying: list[Request] = []
    number = 0

    def most_at_once(first_s: float, answers: int) -> int:
        nonlocal number
        most = 0
        for _ in range(answers):
            while len(flying) < 8:
                frontier.add(request(number))
                number += 1
                found = frontier.next(0)
                if not isinstance(found, Request):
                    break
                flying.append(found)
            most = len(flying)
            asked = flying.pop(0)
            page = answer(asked)
            page.timings = Timings(ttfb_s=first_s)
            frontier.done(page, asked, 0)
        return most

    assert most_at_once(0.05, 40) == 8
    assert most_at_once(0.15, 40) == 8, "three times as long is the noise of a network"
    assert most_at_once(2.0, 60) == 1
    assert most_at_once(0.05, 120) == 8


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.5])
def test_a_long_run_breaks_no_rule(delay_s):
    assert drive(15_000, seed=7, delay_s=delay_s) > 5_000


@pytest.mark.campaign
def test_a_million_steps_break_no_rule():
    assert drive(1_000_000) > 100_000


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 02 Jan 99999999999999999999 00:00:00 GMT",
        "Fri, 02 Jan 4294967295 00:00:00 GMT",
        "Fri, 02 Jan 2026 00:00:00 +99999999999999999999",
    ],
)
def test_a_date_that_no_calendar_has_is_no_retry_after(date):
    """A server that names the year 10^20 does not end the run."""
    assert retry_after_s(answer(request(), 503, Retry_After=date)) is None
    page = answer(
        request(), 503, Retry_After="Fri, 02 Jan 2026 00:00:00 GMT", Date=date
    )
    assert retry_after_s(page) is not None
