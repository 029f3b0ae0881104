"""The report: bounded, mergeable, and every number in it true."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.export.text import for_terminal
from fetcher.models import (
    Certificate,
    Failure,
    Headers,
    Hop,
    Kind,
    State,
    Timings,
)
from fetcher.page import Page
from fetcher.report import (
    SHORTFALLS_KEPT,
    Report,
    Spread,
    human_duration,
    human_size,
)

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HTML = Headers([("Content-Type", "text/html; charset=utf-8")])


def good(url="https://a.example/", **parts):
    defaults = {"status": 200, "headers": HTML, "fetched_at": NOW}
    return Page(url=url, **{**defaults, **parts})


def failed(kind=Kind.DNS, url="https://gone.example/", message="no such name"):
    return Page(url=url, failure=Failure(kind, message), fetched_at=NOW)


def certificate(days):
    return Certificate(
        subject="CN=a",
        issuer="CN=b",
        names=("a",),
        not_before=NOW - timedelta(days=90),
        not_after=NOW + timedelta(days=days),
        verified=days > 0,
    )


def report_of(*pages):
    report = Report()
    for page in pages:
        report.add(page)
    return report


def nearest_rank(samples, percent):
    ordered = sorted(samples)
    return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]


# Counting.


def test_every_page_is_counted_by_state_status_host_and_type():
    report = report_of(
        good(content=b"12345", wire_bytes=3),
        good(hops=[Hop("https://b.example/", 301, None)]),
        good(url="https://b.example:8443/x", status=404),
        good(url="https://b.example:8443/y", status=429),
        failed(),
        failed(Kind.CANCELLED),
    )
    assert report.total == 6
    assert report.by_state == dict.fromkeys(State, 1)
    assert report.by_status == {200: 2, 404: 1, 429: 1, None: 2}
    assert report.by_reason == {
        "HTTP 404": 1,
        "blocked HTTP 429": 1,
        "dns": 1,
        "cancelled": 1,
    }
    assert dict(report.by_host.top()) == {
        "a.example": (2, 0, 5),
        "b.example:8443": (2, 2, 0),
        "gone.example": (2, 2, 0),
    }
    assert [name for name, _ in report.by_content_type.top()] == ["text/html"]
    assert (report.body_bytes, report.wire_bytes) == (5, 3)
    assert report.fell_short == 4
    assert not report.ok


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:pw@a.example/x", "a.example"),
        ("https://A.example?q=/", "a.example"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("no url at all", None),
    ],
    ids=["userinfo", "no path", "ipv6", "no host"],
)
def test_a_host_is_what_stands_in_the_url(url, host):
    names = [name for name, _ in report_of(good(url=url)).by_host.top()]
    assert names == ([host] if host else [])


def test_a_bad_url_has_no_host():
    report = report_of(failed(Kind.BAD_URL, url="http://[::1"))
    assert len(report.by_host) == 0


def test_attempts_beyond_the_first_are_retries():
    report = report_of(good(), good(attempt=3))
    assert (report.attempts, report.retries) == (4, 2)


def test_pages_that_are_as_before_are_counted_and_told():
    as_before = good()
    as_before.not_modified = True
    report = report_of(good(), as_before)
    report.merge(report_of(as_before))
    assert report.not_modified == report.to_dict()["not_modified"] == 2
    screen = StringIO()
    for_terminal(screen, color=False).finish(report)
    assert "2 not modified" in screen.getvalue()


def test_duplicates_are_counted():
    report = Report()
    report.count_duplicate()
    report.count_duplicate()
    assert report.duplicates == 2


def test_a_report_counts_the_links_of_html_pages():
    """What is no HTML counts as a page and has no links."""
    html = good(content=b"<!doctype html><a href=/1>1</a><img src=2.png>")
    text = good(
        content=b"http://not.a.link/ in a text",
        headers=Headers([("Content-Type", "text/plain")]),
    )
    report = report_of(html, html, text)
    assert (report.total, report.html_pages, report.links) == (3, 2, 4)
    report.merge(report_of(html))
    assert (report.html_pages, report.links) == (3, 6)


def test_a_report_keeps_no_page():
    page = good(timings=Timings(total_s=1.0), content=b"x", status=500)
    report = report_of(page)
    gone = weakref.ref(page)
    del page
    gc.collect()
    assert gone() is None
    assert report.total == 1


# What fell short.


def test_every_page_that_fell_short_is_listed_with_its_reason():
    report = report_of(good(status=404), failed(), good())
    listed = [(each.url, each.kind, each.reason) for each in report.shortfalls]
    assert listed == [
        ("https://a.example/", "HTTP 404", "HTTP 404"),
        ("https://gone.example/", "dns", "dns: no such name"),
    ]


def test_a_list_cut_short_has_its_full_count_and_every_kind_of_reason():
    """The first 1,000 are kept, and of a reason that comes later still ten."""
    report = Report()
    for number in range(SHORTFALLS_KEPT + 500):
        report.add(good(url=f"https://a.example/{number}", status=404))
    for _ in range(20):
        report.add(failed())
    fell_short = report.to_dict()["fell_short"]
    assert fell_short["count"] == SHORTFALLS_KEPT + 520
    assert fell_short["reasons"] == {"HTTP 404": SHORTFALLS_KEPT + 500, "dns": 20}
    assert len(fell_short["pages"]) == SHORTFALLS_KEPT + 10
    assert fell_short["unlisted"] == 510


def test_a_long_url_and_a_long_message_are_cut():
    report = report_of(failed(url="x" * 5_000_000, message="y" * 5_000_000))
    assert len(repr(report.shortfalls)) < 4_000


# Times.


def test_percentiles_are_times_that_pages_took():
    report = Report()
    times_s = [number / 1000 for number in range(1, 5_001)]
    for time_s in times_s:
        report.add(good(timings=Timings(ttfb_s=time_s)))
    spread = report.times()["ttfb_s"]
    assert set(report.times()) == {"ttfb_s"}
    for percent in (50, 95, 99):
        found = spread.percentile(percent)
        assert found in times_s
        assert found == pytest.approx(nearest_rank(times_s, percent), rel=0.01)
    assert spread.max_s == 5.0


DURATIONS = st.floats(min_value=1e-6, max_value=100_000)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(DURATIONS, min_size=1), st.integers(0, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_nearest_rank(samples, q):
    spread = Spread()
    spread.add_all(samples)
    exact = nearest_rank(samples, q)
    assert exact <= spread.percentile(q) <= exact * 1.010001
    assert spread.percentile(q) in samples
    assert spread.percentile(100) == spread.max_s == max(samples)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(DURATIONS), st.lists(DURATIONS))
def test_merged_spreads_are_the_spread_of_all(some, others):
    whole, part, rest = Spread(), Spread(), Spread()
    whole.add_all(some + others)
    part.add_all(some)
    rest.add_all(others)
    part.merge(rest)
    assert part.count == whole.count
    percents = range(0, 101, 10)
    assert [*map(part.percentile, percents)] == [*map(whole.percentile, percents)]


def test_a_time_below_a_microsecond_or_beyond_a_day_is_still_a_time():
    spread = Spread()
    spread.add_all([0.0, 1e9])
    assert (spread.percentile(50), spread.percentile(99)) == (0.0, 1e9)


def test_a_spread_of_nothing_has_no_percentiles():
    assert Spread().percentile(50) is None
    assert Spread().max_s is None
    assert repr(Spread()) == "<Spread of nothing>"


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percent_outside_its_range_is_an_error(percent):
    with pytest.raises(ValueError, match=r"\[0, 100\]"):
        Spread().percentile(percent)


def test_slowest_and_largest_pages_are_kept_in_order():
    pages = [
        good(
            url=f"https://a.example/{n}",
            content=b"x" * (n * 7 % 100),
            timings=Timings(total_s=float(n * 13 % 100)),
        )
        for n in range(100)
    ]
    report = report_of(*pages)
    assert [slow.total_s for slow in report.slowest] == [
        float(n) for n in range(99, 89, -1)
    ]
    assert [large.body_bytes for large in report.largest] == list(range(99, 89, -1))


# Certificates.


def test_certificates_that_end_within_14_days_are_listed_once_a_host():
    report = report_of(
        good("https://soon.example/", certificate=certificate(13)),
        good("https://soon.example/2", certificate=certificate(13)),
        good("https://later.example/", certificate=certificate(15)),
        good("https://ended.example/", certificate=certificate(-3)),
    )
    hosts = [(each.host, each.left.days) for each in report.ending_certificates]
    assert hosts == [("ended.example", -3), ("soon.example", 13)]


def test_of_two_certificates_of_a_host_the_sooner_to_end_is_listed():
    report = report_of(
        good(certificate=certificate(13)), good(certificate=certificate(2))
    )
    assert [each.left.days for each in report.ending_certificates] == [2]


# The end, and halves.


def test_finish_notes_how_the_run_ended():
    report = report_of(good())
    report.finish(elapsed_s=0.5, unread=None, interrupted=True)
    assert report.pages_per_s == 2.0
    assert report.interrupted
    assert report.unread is None
    assert repr(report) == "<Report 1 page: ok in 500 ms (interrupted)>"


def pages_of_a_run():
    return [
        good(
            url=f"https://host{n % 7}.example/{n}",
            status=404 if n % 10 == 0 else 200,
            content=b"x" * n,
            wire_bytes=n // 2,
            timings=Timings(ttfb_s=n / 100, total_s=n / 50),
            attempt=1 + n % 2,
            certificate=certificate(n % 30),
        )
        for n in range(300)
    ]


def test_two_halves_merge_into_the_whole():
    """A report of two merged halves says what one of all pages would say."""
    pages = pages_of_a_run()
    whole, half, rest = report_of(*pages), report_of(*pages[:99]), Report()
    for page in pages[99:]:
        rest.add(page)
    half.merge(rest)
    assert half.to_dict() == whole.to_dict()


def test_merged_runs_span_from_the_first_start_to_the_last_end():
    early, late = Report(started_at=NOW), Report(started_at=NOW + timedelta(seconds=5))
    early.finish(elapsed_s=2.0, unread=3)
    late.finish(elapsed_s=2.0, unread=None, interrupted=True)
    late.merge(early)
    assert (late.started_at, late.elapsed_s) == (NOW, 7.0)
    assert late.unread is None
    assert late.interrupted


def test_merged_unread_urls_are_summed():
    some, others = Report(), Report()
    some.finish(elapsed_s=1.0, unread=3)
    others.finish(elapsed_s=1.0, unread=4)
    some.merge(others)
    assert some.unread == 7


def test_to_dict_is_plain_json():
    report = report_of(*pages_of_a_run())
    report.started_at = NOW
    report.finish(elapsed_s=3.0)
    known = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert known["started_at"] == "2026-11-22T11:00:00Z"
    assert known["states"]["skipped"] == 0
    assert known["statuses"] == {"200": 270, "404": 30}
    assert set(known["timings"]["ttfb_s"]) == {
        *("count", "p50_s", "p95_s", "p99_s", "max_s")
    }


MANY_PAGES = """
import resource
from fetcher.models import Timings
from fetcher.page import Page
from fetcher.report import HOSTS_KEPT, Report

def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

report, page = Report(), Page(url="", status=404, content=b"x")
before_bytes = peak_bytes()
for number in range(200_000):
    page.url = page.final_url = f"https://host{number}.example/{number}"
    page.timings = Timings(*[number * 1e-5] * 7)
    page.content_type = f"text/{number}"
    report.add(page)
assert len(report.by_host) == HOSTS_KEPT
assert report.by_host.others[0] == 200_000 - HOSTS_KEPT
print(peak_bytes() - before_bytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux only")
def test_200_000_pages_on_as_many_hosts_take_a_few_megabytes():
    """Memory does not follow pages: hosts, types and reasons are all bounded."""
    command = [sys.executable, "-c", MANY_PAGES]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(run.stdout) < 6_000_000


# Words.


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.00 kB"),
        (27_140, "27.1 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (135_000_000, "135 MB"),
        (5_000_000_000_000_000, "5,000 TB"),
    ],
)
def test_sizes_read_well(size, words):
    assert human_size(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.00 ms"),
        (0.00085, "0.85 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (3.214, "3.21 s"),
        (59.96, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3_600, "1 h 00 min"),
        (36_000_000, "10,000 h 00 min"),
    ],
)
def test_durations_read_well(seconds, words):
    assert human_duration(seconds) == words


def test_the_verdict_is_one_line():
    report = report_of(good(content=b"x" * 1_000), good(), good(status=404))
    report.finish(elapsed_s=2.0)
    assert str(report) == "3 pages: 2 ok, 1 broken in 2.00 s, 1.50 pages/s, 1.00 kB"
    assert str(report_of(good(), good())) == "2 pages: all ok"
    assert str(Report()) == "0 pages"
