"""What came of links: bounded lists, exact counts, one verdict, plain values."""

from __future__ import annotations

import json

import pytest

from fetcher.export.text import TextFile
from fetcher.graph import Place
from fetcher.models import Hop, State
from fetcher.report import Report
from fetcher.site_report import PLACES_KEPT, BadTarget, Degree, SiteReport
from fetcher.testing import make_page


def place(number: int = 1) -> Place:
    return Place("http://a.example/", number, 1, "text", None, "a", "href")


def broken(url: str = "http://a.example/gone") -> BadTarget:
    return BadTarget.of(make_page(url, 404), State.BROKEN)


def test_a_target_lists_some_places_and_counts_all():
    target = broken()
    for number in range(PLACES_KEPT + 5):
        target.add_place(place(number))
    assert len(target.places) == PLACES_KEPT
    assert target.place_count == PLACES_KEPT + 5
    assert target.reason == "HTTP 404"


def test_a_redirect_says_where_it_leads():
    page = make_page(
        "http://a.example/old",
        final_url="http://a.example/new",
        hops=[Hop("http://a.example/old", 301, None)],
    )
    target = BadTarget.of(page, State.REDIRECTED)
    assert target.final_url == "http://a.example/new"
    assert target.reason == "redirected for good"


@pytest.mark.parametrize(
    ("counts", "redirects", "ok"),
    [
        ({}, "ok", True),
        ({"broken": 1}, "ok", False),
        ({"fragments": 1}, "ok", False),
        ({"blocked": 9}, "error", True),
        ({"moved": 1}, "warn", True),
        ({"moved": 1}, "error", False),
    ],
)
def test_what_makes_a_run_fall_short(counts, redirects, ok):
    site = SiteReport(bad_counts=counts, redirects=redirects)
    assert site.ok is ok
    report = Report()
    report.add(make_page())
    report.site = site
    assert report.ok is ok


def test_everything_is_json():
    site = SiteReport(
        broken=[broken()],
        bad_counts={"broken": 1},
        most_linked=[Degree("http://a.example/", 7)],
        in_degrees={0: 1, 4: 2},
        by_depth={0: 1, 1: 9},
        checked={State.OK: 3},
    )
    found = json.loads(json.dumps(site.to_dict()))
    assert found["broken"]["count"] == 1
    assert found["in_degrees"] == {"0": 1, "4": 2}
    assert found["checked"] == {"ok": 3}


def test_two_halves_make_a_whole():
    one, other = Report(), Report()
    one.site = SiteReport(
        links=2, broken=[broken("http://a/")], bad_counts={"broken": 1}
    )
    other.site = SiteReport(links=3, by_depth={0: 1}, bad_counts={"broken": 2})
    other.site.broken = [broken("http://b/"), broken("http://c/")]
    one.merge(other)
    assert one.site.links == 5
    assert one.site.bad_counts == {"broken": 3}
    assert len(one.site.broken) == 2, "lists stay bounded"
    empty = Report()
    empty.merge(one)
    assert empty.site is one.site


def test_hostile_text_of_links_reaches_no_terminal():
    target = broken("http://a.example/\x1b[31m")
    target.add_place(place()._replace(text="\x1b]0;title\x07[bold]"))
    report = Report()
    report.add(make_page())
    report.site = SiteReport(pages=1, broken=[target], bad_counts={"broken": 1})

    class Sink:
        content = b""

        def write(self, content: bytes) -> None:
            self.content += content

        def flush(self) -> None:
            pass

    sink = Sink()
    TextFile(sink).finish(report)
    assert b"\x1b" not in sink.content
    assert b"[bold]" in sink.content
