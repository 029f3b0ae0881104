"""The values that cross a process, and what a Page says it came to."""

import dataclasses
import pickle
from datetime import UTC, datetime
from multiprocessing.reduction import ForkingPickler

import pytest

from fetcher.models import (
    Certificate,
    Facts,
    Failure,
    Headers,
    Heading,
    Hop,
    Kind,
    Request,
    Settings,
    State,
    Timings,
)
from fetcher.page import Page
from fetcher.testing import make_failed_page, make_page

CERTIFICATE = Certificate(
    subject="CN=site.example",
    issuer="CN=A root",
    names=("site.example", "www.site.example"),
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    not_after=datetime(2026, 4, 1, tzinfo=UTC),
    verified=False,
    reason="certificate has expired",
)


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_header_names_are_found_in_any_case(name):
    headers = Headers([("Content-type", "text/html")])
    assert headers[name] == "text/html"
    assert name in headers
    assert headers.get_all(name) == ["text/html"]


def test_repeated_headers_are_joined_in_order_and_kept_apart():
    headers = Headers([("Set-Cookie", "a=1"), ("Vary", "*"), ("set-cookie", "b=2")])
    assert headers["Set-Cookie"] == "a=1, b=2"
    assert headers.get_all("SET-COOKIE") == ["a=1", "b=2"]
    assert list(headers) == ["set-cookie", "vary"]
    assert len(headers) == 2
    assert headers.lines[2] == ("set-cookie", "b=2")


def test_a_missing_header_is_a_key_error_an_empty_list_and_the_default():
    headers = Headers()
    with pytest.raises(KeyError):
        headers["Server"]
    assert headers.get_all("Server") == []
    assert headers.get("Server", "unknown") == "unknown"
    assert "Server" not in headers


def test_headers_show_what_came():
    headers = Headers(iter([("A", "1"), ("a", "2")]))
    assert repr(headers) == "Headers([('A', '1'), ('a', '2')])"
    assert eval(repr(headers)) == headers  # a mapping equals one of the same fields


def test_headers_travel_as_they_came():
    headers = Headers([("A", "1"), ("a", "2")])
    assert len(headers) == 1  # the joined form exists now, and stays behind
    assert pickle.loads(pickle.dumps(headers)).lines == headers.lines


OK_STATUSES = (200, 204, 206, 304)
REDIRECT = (Hop("http://site.example/old", 301, "192.0.2.1"),)
STATES = [
    *[pytest.param(make_page(status=s), "ok", None, id=f"{s}") for s in OK_STATUSES],
    pytest.param(make_page(hops=REDIRECT), "redirected", None, id="200 after a hop"),
    pytest.param(make_page(status=301), "ok", None, id="301 not followed"),
    *[
        pytest.param(make_page(status=s), "broken", f"HTTP {s}", id=f"{s}")
        for s in (400, 401, 403, 404, 410, 451, 500, 502, 503, 599)
    ],
    pytest.param(
        make_page(status=404, hops=REDIRECT), "broken", "HTTP 404", id="404 after a hop"
    ),
    pytest.param(
        make_page(status=429), "blocked", "HTTP 429, too many requests", id="429"
    ),
    pytest.param(
        make_page(status=999),
        "blocked",
        "HTTP 999, status 999 refuses robots",
        id="999",
    ),
    *[
        pytest.param(
            make_page(status=status, headers={"CF-Mitigated": "challenge"}),
            "blocked",
            f"HTTP {status}, cf-mitigated: challenge",
            id=f"{status} with cf-mitigated",
        )
        for status in (403, 503)
    ],
    *[
        pytest.param(
            make_page(status=status, headers={"x-amzn-waf-action": "captcha"}),
            "blocked",
            f"HTTP {status}, x-amzn-waf-action: captcha",
            id=f"{status} with x-amzn-waf-action",
        )
        for status in (202, 405)
    ],
    pytest.param(
        make_page(status=403, headers={"X-DataDome": "protected"}),
        "blocked",
        "HTTP 403, x-datadome",
        id="403 with x-datadome",
    ),
    pytest.param(
        make_page(status=403, html="<title>Just a moment...</title>"),
        "blocked",
        "HTTP 403, a challenge page",
        id="403 with a challenge page",
    ),
    pytest.param(
        make_page(headers={"cf-mitigated": "challenge"}),
        "ok",
        None,
        id="200 is never blocked",
    ),
    pytest.param(make_page(status=202), "ok", None, id="202 alone"),
    pytest.param(
        make_page(status=404, accepted=True), "ok", None, id="404 that is accepted"
    ),
    pytest.param(
        make_page(status=200, accepted=False),
        "broken",
        "HTTP 200",
        id="200 that is not accepted",
    ),
    pytest.param(
        make_page(status=429, accepted=True),
        "ok",
        None,
        id="429 that is accepted",
    ),
]


@pytest.mark.parametrize(("page", "state", "reason"), STATES)
def test_an_answer_comes_to_one_state_and_says_why(page, state, reason):
    assert page.state == state
    assert page.ok == (state in ("ok", "redirected"))
    assert page.reason == reason


def test_a_page_without_an_answer_is_failed_even_without_a_failure():
    page = Page(url="http://site.example/")
    assert page.state == "failed"
    assert not page.ok


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [None, 200, 404, 429])
def test_a_failure_decides_the_state_whatever_the_status(kind, status):
    """`forbidden_address` and `cancelled` are skipped pages, all others failed ones."""
    page = make_page(status=status, failure=Failure(kind, "why"))
    skipped = kind in ("forbidden_address", "cancelled")
    assert page.state == ("skipped" if skipped else "failed")
    assert not page.ok
    assert page.reason == f"{kind}: why"


def test_the_closed_sets_are_the_documented_ones():
    assert set(State) == {"ok", "redirected", "broken", "blocked", "failed", "skipped"}
    assert set(Kind) == {
        "dns",
        "refused",
        "unreachable",
        "connect_timeout",
        "proxy",
        "tls_expired",
        "tls_hostname",
        "tls_untrusted",
        "tls_other",
        "timeout",
        "reset",
        "protocol",
        "too_many_redirects",
        "too_large",
        "bad_encoding",
        "forbidden_address",
        "bad_url",
        "worker_lost",
        "analysis_crashed",
        "cancelled",
    }


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (make_page(), "<Page http://site.example/ ok: 200>"),
        (make_page(hops=REDIRECT), "<Page http://site.example/ redirected: 200>"),
        (make_page(status=404), "<Page http://site.example/ broken: HTTP 404>"),
        (
            make_failed_page(kind=Kind.DNS, message="no such name"),
            "<Page http://site.example/ failed: dns: no such name>",
        ),
    ],
    ids=["ok", "redirected", "broken", "failed"],
)
def test_a_page_shows_its_url_its_state_and_why(page, shown):
    assert repr(page) == shown


ATTRIBUTES = [
    "url",
    "final_url",
    "status",
    "content",
    "encoding",
    "wire_bytes",
    "hops",
    "timings",
    "ip",
    "http_version",
    "certificate",
    "failure",
    "attempt",
    "depth",
    "fetched_at",
    "worker_pid",
    "accepted",
    "extract",
    "skipped",
    "group",
    "is_soft_404",
    "is_parsed_elsewhere",
    "not_modified",
    "_facts_ahead",
]


def full_page():
    page = make_page(
        "http://site.example/old",
        headers=[
            ("Content-Type", "text/html"),
            ("Set-Cookie", "a"),
            ("Set-Cookie", "b"),
        ],
        final_url="http://site.example/",
        encoding="utf-8",
        hops=REDIRECT,
        timings=Timings(*(0.5 + part for part in range(7))),
        certificate=CERTIFICATE,
        attempt=3,
        depth=2,
        fetched_at=datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC),
        accepted=True,
        extract={"words": [1, 2], "when": None},
    )
    page.not_modified, page.group = True, "shop"
    return page


@pytest.mark.parametrize(
    "page",
    [full_page(), make_failed_page(certificate=CERTIFICATE), Page(url="x")],
    ids=["full", "failed", "empty"],
)
@pytest.mark.parametrize(
    "dumps", [pickle.dumps, ForkingPickler.dumps], ids=["pickle", "ForkingPickler"]
)
def test_a_page_arrives_as_it_was_sent(page, dumps):
    twin = pickle.loads(dumps(page))
    for name in ATTRIBUTES:
        assert getattr(twin, name) == getattr(page, name), name
    assert twin.headers.lines == page.headers.lines
    assert (twin.state, twin.reason) == (page.state, page.reason)
    assert all(type(hop) is Hop for hop in twin.hops)
    assert type(twin.timings) is Timings


def test_every_part_of_a_page_is_compared_above():
    """A part that is added to Page and forgotten in its pickle would be lost."""
    assert {*ATTRIBUTES, "headers"} == set(vars(Page(url="x")))


def test_a_page_travels_small_and_takes_nothing_lazy_along():
    """A pipe carries thousands of them: at most 700 bytes besides body and headers."""
    page = full_page()
    size_bytes = len(pickle.dumps(page))
    assert size_bytes - page.body_bytes < 700
    page.text = "<title>made when first asked for</title>"
    assert page.soup.title is not None
    assert page.content_type == "text/html"
    assert len(pickle.dumps(page)) == size_bytes


def test_a_body_is_not_copied_into_a_larger_form():
    small, large = make_page(html=b""), make_page(html=b"\xff" * 100_000)
    grown = len(pickle.dumps(large)) - len(pickle.dumps(small))
    assert grown - 100_000 < 20


@pytest.mark.parametrize(
    ("field", "media_type", "is_html"),
    [
        ("text/html", "text/html", True),
        ("Text/HTML ; charset=x", "text/html", True),
        ("application/xhtml+xml", "application/xhtml+xml", True),
        ("text/plain", "text/plain", False),
        ("", None, True),
        (None, None, True),
    ],
    ids=["html", "with parameters", "xhtml", "plain", "empty", "missing"],
)
def test_html_is_known_by_its_media_type_else_by_its_first_bytes(
    field, media_type, is_html
):
    headers = {} if field is None else {"Content-Type": field}
    page = make_page(html="\n <!DOCTYPE html><p>", headers=headers)
    assert page.content_type == media_type
    assert page.is_html == is_html


def test_what_is_no_html_has_neither_title_nor_links():
    page = make_page(html="<title>no</title>", headers={"Content-Type": "text/plain"})
    assert page.facts is None
    assert page.title is None
    assert page.links == ()


@pytest.mark.parametrize(
    "value",
    [Failure(Kind.DNS, "x"), CERTIFICATE, Settings(), Request(url="http://a/")],
    ids=lambda value: type(value).__name__,
)
def test_values_are_frozen_and_travel(value):
    field = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)
    assert pickle.loads(pickle.dumps(value)) == value


def test_h1_are_the_headings_of_the_first_level():
    headings = (Heading(1, "One"), Heading(2, "Two"), Heading(1, "Three"))
    names = {field.name: None for field in dataclasses.fields(Facts)}
    assert Facts(**{**names, "headings": headings}).h1 == ("One", "Three")
