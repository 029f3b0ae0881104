"""Expectations: each met, not met and on its border; and what a run makes of them."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import ConfigError, Expectation, Report, crawl, judge
from fetcher.checks import PHASES, Rule, by_url
from fetcher.cli import main
from fetcher.cli.flags import EXPECT_OPTIONS
from fetcher.export import for_path
from fetcher.models import Certificate, Finding, Hop, Kind, Severity, State, Timings
from fetcher.output import Outputs
from fetcher.testing import make_failed_page, make_page
from tests.servers import (
    answer,
    by_path,
    make_certificates,
    message,
    redirect,
    serve,
)

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "reference"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HTML = "Content-Type: text/html; charset=utf-8"
LOCAL = {"workers": 1, "retries": 0}
SHOP = """<!doctype html><html lang="en-GB"><title>Shop</title>
<h1>Opening hours</h1>
<p class=price>3.50</p><p class=price>4.00</p>"""


def certificate(days: float, *, verified: bool = True) -> Certificate:
    return Certificate(
        subject="CN=a",
        issuer="CN=b",
        names=("a",),
        not_before=NOW - timedelta(days=90),
        not_after=NOW + timedelta(days=days),
        verified=verified,
        reason=None if verified else "self-signed certificate",
    )


def shop(**parts):
    return make_page(**{"html": SHOP, **parts})


def api(value: object) -> object:
    text = value if isinstance(value, str) else json.dumps(value)
    return make_page(html=text, headers={"Content-Type": "application/json"})


def found(page, **expected) -> list[Finding]:
    return list(judge(page, Expectation(**expected), NOW))


SECURE = {"url": "https://site.example/"}
MOVED = [Hop("http://site.example/", 301, None), Hop("http://b.example/x", 302, None)]
HEADERS = [("Content-Type", "text/html"), ("Vary", "a"), ("Vary", "b")]

MET = [
    (shop(), {"status": ((200, 200),)}),
    (shop(status=204), {"status": ((200, 204), (404, 404))}),
    (shop(status=404), {"status": ((404, 404),), "contains": ("Opening",)}),
    (shop(), {"contains": ("Opening hours", "class=price")}),
    (shop(), {"lacks": ("Closed", "opening hours")}),
    (shop(), {"matches": (r"\d\.\d\d</p>", "(?s)Opening.*4.00")}),
    (shop(), {"lacks_match": ("^Opening", r"\d{3}")}),
    (shop(headers=HEADERS), {"header": {"content-TYPE": "text/html"}}),
    (shop(headers=HEADERS), {"header": {"Vary": "b"}}),
    (shop(headers=HEADERS), {"header": {"Vary": "a, b"}}),
    (shop(headers=HEADERS), {"header": (("Vary", "a"), ("Vary", "/^b$/"))}),
    (api({"status": "up"}), {"json": {"status": "up"}}),
    (api({"status": "up-42"}), {"json": {"status": r"/^up-\d+$/"}}),
    (api({"n": 1.0, "l": [1, {"a": None}]}), {"json": {"n": 1, "l": [1, {"a": None}]}}),
    (api({"l": [{"s": "up"}, {"s": "down"}]}), {"json": {"length(l[?s=='up'])": 1}}),
    (api({}), {"json": {"gone": None}}),
    (shop(), {"css": {"p.price": (2, 2), "h1": (1, None), "table": (0, 0)}}),
    (shop(headers={"Content-Type": "text/plain"}), {"css": {"h1": (0, 0)}}),
    (shop(hops=MOVED), {"redirects_to": "HTTP://B.example:80/x#part"}),
    (shop(hops=MOVED), {"redirects_to": "/^http:..b/"}),
    (shop(), {"final_url": "http://SITE.example"}),
    (shop(final_url="https://a.example/"), {"final_url": "/^https:/"}),
    (shop(), {"fail_over_s": {"total_s": 0.030}, "warn_over_s": {"ttfb_s": 0.020}}),
    (shop(), {"fail_over_s": {"tls_s": 0.001}}),
    (shop(**SECURE, certificate=certificate(14)), {"certificate_days": 14}),
    (shop(), {"certificate_days": 14, "certificate_verified": True}),
    (shop(**SECURE, certificate=certificate(1)), {"certificate_verified": True}),
    (shop(html="x" * 100), {"min_body_bytes": 100, "max_body_bytes": 100}),
    (shop(), {"language": "en"}),
    (shop(), {"language": "EN-gb"}),
    (make_page(headers={"Content-Language": "de, fr-CH"}), {"language": "fr"}),
    (shop(), {"content_type": "text/html"}),
    (shop(), {"content_type": "TEXT/*"}),
    (shop(), {"content_type": "*/*"}),
]

UNMET = [
    (shop(status=500), {"status": ((200, 299),)}, "status 200 to 299, got 500"),
    (shop(), {"status": ((404, 404),)}, "expected status 404, got 200"),
    (
        shop(),
        {"contains": ("Closed",)},
        "the text 'Closed', got none in 1",
    ),
    (shop(), {"lacks": ("hours",)}, "no text 'hours', got it at line 2, column 13: "),
    (shop(), {"matches": (r"\d{3}",)}, r"a match of /\d{3}/, got none"),
    (shop(), {"lacks_match": ("4.00",)}, "/4.00/, got one at line 3, column 39: "),
    (shop(headers=HEADERS), {"header": {"Vary": "c"}}, "Vary: c, got 'a, b'"),
    (shop(headers=HEADERS), {"header": {"Vary": "/^c/"}}, "Vary: /^c/, got 'a, b'"),
    (shop(), {"header": {"X-Frame-Options": "DENY"}}, "DENY, got none"),
    (api({"s": "down"}), {"json": {"s": "up"}}, 's to be "up", got "down"'),
    (api({"s": True}), {"json": {"s": 1}}, "s to be 1, got true"),
    (api({"s": [1, 2]}), {"json": {"s": [1]}}, "s to be [1], got [1, 2]"),
    (api("{"), {"json": {"s": 1}}, "got what is no JSON (Expecting property name"),
    (api("[" * 5000 + "]" * 5000), {"json": {"s": 1}}, "got JSON that nests too deep"),
    (api("[" * 450 + "]" * 450), {"json": {"s": 1}}, "got JSON that nests too deep"),
    (api("NaN"), {"json": {"@": 1}}, "NaN is not JSON"),
    (api({}), {"json": {"length(gone)": 1}}, "got no value: "),
    (api("1e999"), {"json": {"ceil(@)": 1}}, "got no value: "),
    (
        shop(),
        {"css": {"p.price": (3, None)}},
        "at least 3 of 'p.price', got 2, the first",
    ),
    (
        shop(),
        {"css": {"h1": (0, 0)}},
        "0 of 'h1', got 1, the first at line 2, column 1",
    ),
    (shop(), {"css": {"table": (1, 3)}}, "1 to 3 of 'table', got 0"),
    (api({}), {"css": {"h1": (1, None)}}, "at least 1 of 'h1', got no HTML"),
    (shop(), {"redirects_to": "http://b.example/"}, "got no redirect"),
    (
        shop(hops=MOVED),
        {"redirects_to": "http://b.example/y"},
        "expected a redirect to http://b.example/y, got http://b.example/x",
    ),
    (shop(), {"final_url": "/^https:/"}, "/^https:/, got http://site.example/"),
    (
        shop(),
        {"fail_over_s": {"total_s": 0.029}},
        "expected time of at most 0.029 s, got 0.03 s",
    ),
    (
        shop(),
        {"fail_over_s": {"ttfb_s": 0.01}},
        "first byte of at most 0.01 s, got 0.02",
    ),
    (
        shop(**SECURE, certificate=certificate(13.99)),
        {"certificate_days": 14},
        "good for 14 days, got 13.9 days (until 2026-06-15 11:45 UTC)",
    ),
    (
        shop(**SECURE, final_url="http://site.example/"),
        {"certificate_days": 14},
        "got none to look at",
    ),
    (shop(**SECURE), {"certificate_days": 14}, "good for 14 days, got none to look at"),
    (
        shop(**SECURE, certificate=certificate(9, verified=False)),
        {"certificate_verified": True},
        "a certificate that is verified, got 'self-signed certificate'",
    ),
    (shop(html="x" * 99), {"min_body_bytes": 100}, "at least 100 bytes, got 99"),
    (shop(html="x" * 101), {"max_body_bytes": 100}, "at most 100 bytes, got 101"),
    (shop(), {"language": "en-US"}, "language en-US, got 'en-GB'"),
    (shop(html="<p>"), {"language": "en"}, "language en, got none declared"),
    (shop(), {"content_type": "application/json"}, "got text/html"),
    (shop(headers={}), {"content_type": "text/*"}, "content type text/*, got none"),
]


def names(expected: dict) -> str:
    return " ".join(f"{name} {value}" for name, value in expected.items())


@pytest.mark.parametrize(("page", "expected"), MET, ids=[names(e) for _, e in MET])
def test_what_is_met_is_not_found(page, expected):
    """A page that is as it should be, also by a hair, has no finding."""
    assert found(page, **expected) == []


@pytest.mark.parametrize(
    ("page", "expected", "said"), UNMET, ids=[names(e) for _, e, _ in UNMET]
)
def test_what_is_not_met_is_one_finding_that_says_what_was_expected_and_got(
    page, expected, said
):
    """One sentence for a person, and the same in parts for a program."""
    [finding] = found(page, **expected)
    assert said in finding.message
    assert finding.message.startswith(f"expected {finding.expected}, got {finding.got}")
    assert finding.severity is Severity.ERROR
    assert finding.url == page.url


def test_every_rule_is_found_by_some_case_above():
    """The table misses no kind of expectation, and every field has its case."""
    rules = {finding.rule for page, e, _ in UNMET for finding in found(page, **e)}
    assert rules == {*Rule}
    fields = {each.name for each in dataclasses.fields(Expectation)}
    tried = {name for _, expected, _ in UNMET for name in expected}
    assert fields - tried == {"warn_over_s", "severity"}, (
        "which have tests of their own"
    )


# Which pages are judged.


@pytest.mark.parametrize("kind", Kind)
def test_a_page_without_an_answer_is_not_judged(kind):
    """Its failure says what is wrong; a finding for each expectation would be noise."""
    page = make_failed_page(kind=kind)
    assert found(page, status=((200, 200),), contains=("x",), json={"a": 1}) == []
    assert found(make_page(skipped="robots.txt"), contains=("x",)) == []


def test_of_an_error_page_only_the_status_is_judged():
    """A 500 is not the page that was meant: its text says nothing."""
    page = shop(status=500, html="oops")
    assert [f.rule for f in found(page, status=((200, 200),), contains=("x",))] == [
        "expect-status"
    ]
    assert found(page, contains=("x",)) == [], "it fell short, which is told already"


def test_a_time_over_both_limits_is_one_error_and_over_the_lower_a_warning():
    limits = {"warn_over_s": {"total_s": 0.020}, "fail_over_s": {"total_s": 0.025}}
    [error] = found(shop(), **limits)
    assert (error.rule, error.severity) == ("expect-time", Severity.ERROR)
    quicker = shop(timings=Timings(total_s=0.021))
    [warning] = found(quicker, **limits)
    assert warning.severity is Severity.WARN
    assert warning.message == "expected time of at most 0.02 s, got 0.021 s"


def test_the_severity_of_an_expectation_is_that_of_its_findings():
    page = shop()
    assert found(page, contains=("x",), severity=Severity.WARN)[0].severity == "warn"
    assert found(page, contains=("x",), severity="warn")[0].severity is Severity.WARN
    assert found(page, contains=("x",), severity=Severity.OFF) == []


# Places.


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("here", 1, 1),
        ("\nhere", 2, 1),
        ("a\r\nb here", 2, 3),
        ("a\rb\r\rhere", 4, 1),
        ("é\U0001f600 here", 1, 4),
    ],
    ids=["start", "LF", "CRLF", "CR", "beyond ASCII"],
)
def test_a_place_is_told_by_line_and_column_of_characters(text, line, column):
    """As an editor counts, for texts and for patterns alike."""
    page = make_page(html=text, headers={"Content-Type": "text/plain; charset=utf-8"})
    for expected in ({"lacks": ("here",)}, {"lacks_match": ("h.re",)}):
        [finding] = found(page, **expected)
        assert (finding.line, finding.column) == (line, column)


def test_an_excerpt_is_one_line_of_200_characters_around_the_place():
    text = "far away " * 1000 + "before\n\n  HERE\tafter " + "beyond " * 1000
    [finding] = found(make_page(html=text), lacks=("HERE",))
    assert " before HERE after beyond " in finding.excerpt
    assert len(finding.excerpt) <= 200
    assert len(finding.message) < 400


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"<a href='/x?a=1&token={SECRET}&b=2'>Error</a>",
        f"<a href='/x?token={'x' * 150}{SECRET}Error'>",
        f"<a href='/x?{'a=1&' * 60}token={SECRET}Error'>",
        f"<a href='/x?token={SECRET}{'x' * 9000}Error'>",
        f"Error <a href='https://me:{SECRET}@site.example/'>",
        f"Error <a href='https://me:{SECRET}{'x' * 190}@site.example/'>",
        f"Error {'x' * 180} <a href='https://me:{SECRET}{'x' * 9000}@site.example/'>",
    ],
    ids=["near", "cut before", "the word", "no end", "user", "cut after", "far"],
)
def test_an_excerpt_hides_secrets_although_it_is_cut(text):
    """Wherever it is cut, what names the secret is not cut off first."""
    for expected in ({"lacks": ("Error",)}, {"lacks_match": ("Err.r",)}):
        [finding] = found(make_page(html=text), **expected)
        assert SECRET not in repr(finding)


def test_what_was_got_hides_secrets():
    url = f"http://site.example/x?token={SECRET}"
    headers = {"Set-Cookie": f"id={SECRET}; Path=/", "Location": url}
    page = make_page(url, headers=headers, hops=MOVED, final_url=url)
    findings = found(
        page,
        header={"Set-Cookie": "x", "Location": "y", "X-Api-Key": SECRET},
        final_url="http://site.example/",
        redirects_to="http://site.example/",
    )
    findings += found(api({"next": url}), json={"next": "z"})
    assert len(findings) == 6
    shown = [f"{f.message} {f.expected} {f.got} {f.excerpt}" for f in findings]
    assert not [text for text in shown if SECRET in text]


# What can be no expectation.


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ({"contains": "text"}, "contains is a list of texts, none empty, got 'text'"),
        ({"lacks": ("",)}, "lacks is a list of texts"),
        ({"matches": ("(a",)}, r"'\(a' is no pattern of RE2: missing \)"),
        ({"lacks_match": ("(?=a)",)}, "no pattern of RE2: invalid perl operator"),
        ({"matches": ("(x{1,1000}){1,1000}",)}, "invalid repetition size"),
        ({"matches": ("\ud800",)}, "no pattern of RE2"),
        ({"header": {"A": "/(/"}}, "no pattern of RE2"),
        ({"json": {"a[": 1}}, r"'a\[' is no JMESPath"),
        ({"json": {"$.a": 1}}, "there is no `\\$` in front"),
        ({"json": {"(" * 5000: 1}}, "is no JMESPath"),
        ({"css": {"p[": (1, None)}}, "css: invalid CSS selector"),
        ({"css": {"p": (2, 1)}}, r"css counts rise from 0, got \(2, 1\) for 'p'"),
        ({"status": ((20, 30),)}, r"statuses rise from 100 to 999, got \(20, 30\)"),
        ({"final_url": "here"}, "final_url is a URL or a /pattern/: .*'here'"),
        ({"redirects_to": "/login"}, "redirects_to is a URL or a /pattern/"),
        ({"warn_over_s": {"queue_s": 1}}, "warn_over_s: no phase 'queue_s'; use dns_s"),
        ({"fail_over_s": {"total_s": 0}}, "fail_over_s: total_s is above 0, got 0"),
        ({"min_body_bytes": 2, "max_body_bytes": 1}, "min_body_bytes is 2"),
        ({"severity": "fatal"}, "severity is off, warn or error, got 'fatal'"),
    ],
    ids=lambda value: names(value)[:40] if isinstance(value, dict) else "",
)
def test_what_can_be_no_expectation_is_refused_when_it_is_made(expected, says):
    """One sentence, before anything is fetched."""
    with pytest.raises(ConfigError, match=says):
        Expectation(**expected)


def test_expect_is_an_expectation_or_one_by_url():
    one = Expectation(status=((200, 200),))
    assert by_url(None)("http://a.example/") is None
    assert by_url(one)("http://a.example/") is one
    of = by_url({"HTTP://A.example": one})
    assert of("http://a.example/#part") is one
    assert of("http://b.example/") is None
    with pytest.raises(ConfigError, match="expect is an Expectation"):
        by_url(200)
    with pytest.raises(ConfigError, match="'http://a/' has no Expectation but 200"):
        by_url({"http://a/": 200})


# Hostile pages.

ALL = Expectation(
    status=((200, 599),),
    contains=("needle",),
    lacks=("a",),
    matches=(r"(a+)+$", r"\bx\b"),
    lacks_match=(r".",),
    header={"x": "y", "content-type": "/z/"},
    json={"a": 1, "length(@)": 2, "sort(@)": 3, "sum(@)": 4, "to_string(@)": "/5/"},
    css={"p": (1, 1), ":not(p)": (0, 0)},
    redirects_to="https://a.example/",
    final_url="/^https:/",
    warn_over_s=dict.fromkeys(PHASES, 0.001),
    fail_over_s=dict.fromkeys(PHASES, 0.5),
    certificate_days=30,
    certificate_verified=True,
    min_body_bytes=10,
    max_body_bytes=20,
    language="en",
    content_type="text/*",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BODIES = st.one_of(
    st.binary(),
    st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"\xff\xfe\x00", b"[" * 3000, b"9" * 5000, b"\xef\xbb\xbf<p lang>"]
    ),
)
TEXTS = st.text(st.characters(codec=None), max_size=40)
TYPES = st.sampled_from(["text/html", "application/json", "image/png"]) | TEXTS


@settings(max_examples=150, deadline=None)
@given(
    body=BODIES,
    kind=TYPES,
    encoding=st.none()
    | st.sampled_from(["utf-8", "utf-16", "x", "replacement"])
    | TEXTS,
    fields=st.lists(st.tuples(st.sampled_from(["x", "content-language"]), TEXTS)),
    final_url=st.sampled_from(["https://a.example/", "http://[::1"]) | TEXTS,
    status=st.sampled_from([200, 404, 999]),
    total_s=st.none() | st.floats(0, 1e6),
)
@pytest.mark.slow
def test_judging_never_raises(body, kind, encoding, fields, final_url, status, total_s):
    """Whatever a stranger's page holds, it ends in findings of bounded size."""
    page = make_page(
        status=status,
        html=body,
        headers=[("Content-Type", kind), *fields],
        encoding=encoding,
        final_url=final_url,
        hops=[Hop(final_url, 302, None)],
        timings=Timings(total_s=total_s),
    )
    for finding in judge(page, ALL, NOW):
        assert finding.message
        assert len(finding.excerpt) <= 200
        assert len(finding.message) < 1000
    page.release()
    page.read_ahead(ALL.facts)
    assert judge(page, ALL, NOW) == judge(page, ALL, NOW)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(a|a)*b", r"(a?){50}a{50}c", r"(.*a){20}!", r"^(\w+\s?)*$"]
)
def test_no_pattern_explodes_on_a_hostile_text(pattern):
    """What takes other engines longer than the universe is old is done in a moment.

    1 MB of what these patterns choke on, looked at six times: 10 s would be over a
    microsecond a byte.
    """
    page = make_page(html=b"a" * 1_000_000 + b"!b", headers={"Content-Type": "x/y"})
    began_s = time.process_time()
    judge(page, Expectation(matches=(pattern,), lacks_match=(pattern,)), NOW)
    assert time.process_time() - began_s < 10


def test_what_a_selector_finds_is_the_same_after_words_were_counted():
    """Counting words takes scripts out of the tree; a selector still finds them."""
    page = make_page(html="<body><p>two words<script>x</script>")
    assert page.facts.word_count == 2
    assert found(page, css={"script": (1, 1)}) == []


# Reports and outputs.


def finding(number: int, rule: str = "expect-text", severity=Severity.ERROR) -> Finding:
    message_ = f"expected the text {number}, got none"
    url = f"http://site.example/{number:05}"
    return Finding(rule=rule, severity=severity, url=url, message=message_)


def test_a_report_counts_every_finding_and_lists_so_many():
    """1,000 are listed and of each rule ten; the counts are of all."""
    report = Report()
    for number in range(1_200):
        report.add(make_page(), [finding(number)])
    for number in range(30):
        warning = finding(number, "expect-time", Severity.WARN)
        report.add(make_page(), [warning, warning])
    assert report.by_rule == {
        "expect-text": {"error": 1_200},
        "expect-time": {"warn": 60},
    }
    assert report.count_findings(Severity.ERROR) == report.unmet_pages == 1_200
    assert len(report.findings) == 1_010
    assert not report.ok
    told = report.to_dict()["findings"]
    assert (told["errors"], told["warnings"], told["unlisted"]) == (1_200, 60, 250)
    assert len(told["list"]) == 1_010


def test_a_warning_leaves_the_report_well():
    report = Report()
    report.add(make_page(), [finding(1, severity=Severity.WARN)])
    assert report.ok
    assert report.unmet_pages == 0


def test_two_reports_of_halves_make_that_of_the_whole():
    whole, first, second = Report(), Report(), Report()
    for number in range(40):
        found_ = [finding(number, f"rule-{number % 3}")]
        whole.add(make_page(), found_)
        (first if number < 20 else second).add(make_page(), found_)
    first.merge(second)
    assert first.to_dict()["findings"] == whole.to_dict()["findings"]


# A run.


@pytest.fixture(scope="module")
def site():
    pages = {
        "/": message(SHOP.encode(), "200 OK", HTML, "X-Frame-Options: DENY"),
        "/none": message(b"<title>Nothing</title>", "200 OK", HTML),
        "/api": message(
            b'{"status": "up"}', "200 OK", "Content-Type: application/json"
        ),
        "/moved": redirect("/"),
    }
    with serve(by_path(pages)) as server:
        yield server


def refuse(*_: object) -> None:
    raise AssertionError("a page was parsed in the parent")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["parent", "workers"])
def test_a_run_judges_every_page_and_its_outputs_say_so(
    site, tmp_path, where, monkeypatch
):
    """The same findings wherever pages are parsed, in every output and the report."""
    if where == "workers":
        monkeypatch.setattr("fetcher.facts._parse", refuse)
    paths = [tmp_path / f"out.{ending}" for ending in ("jsonl", "json", "csv", "txt")]
    expect = Expectation(
        status=((200, 200),),
        contains=("Opening hours",),
        css={"p.price": (2, None)},
        language="en",
    )
    report = crawl(
        [f"{site.url}", f"{site.url}none", f"{site.url}gone"],
        expect=expect,
        analyse_in=where,
        output=paths,
        **LOCAL,
    )
    assert report.by_rule == {
        "expect-text": {"error": 1},
        "expect-css": {"error": 1},
        "expect-language": {"error": 1},
        "expect-status": {"error": 1},
    }
    assert not report.ok
    rows = {
        row["url"].rpartition("/")[2]: row["findings"]
        for row in map(json.loads, paths[0].read_text().splitlines())
    }
    assert rows[""] == []
    assert [each["rule"] for each in rows["gone"]] == ["expect-status"]
    assert rows["none"][0] == {
        "rule": "expect-text",
        "severity": "error",
        "message": "expected the text 'Opening hours', got none in 22 characters",
        "expected": "the text 'Opening hours'",
        "got": "none in 22 characters",
        "excerpt": None,
        "line": None,
        "column": None,
    }
    whole = json.loads(paths[1].read_text())
    assert whole["report"]["findings"]["errors"] == 4
    assert whole["report"]["findings"]["unmet_pages"] == 2
    with paths[2].open() as stream:
        counts = {row["url"][-4:]: row["findings"] for row in csv.DictReader(stream)}
    assert counts[site.url[-4:]] == "0"
    assert (counts["none"], counts["gone"]) == ("3", "1")
    text = paths[3].read_text()
    assert "\n4 expectations not met\n" in text
    assert f"{site.url}gone  expected status 200, got 404" in text
    assert text.endswith("1 of 3 pages fell short, 4 expectations not met\n")


@pytest.mark.slow
def test_a_status_that_is_expected_is_well(site):
    """A page that should be gone, and is, is well; one that is there is not."""
    gone = Expectation(status=((404, 404),))
    report = crawl(f"{site.url}gone", expect=gone, **LOCAL)
    assert report.ok
    assert report.by_state[State.OK] == 1
    assert not crawl(f"{site.url}none", expect=gone, **LOCAL).ok


@pytest.mark.slow
def test_each_url_may_have_its_own_expectation(site):
    """A page for which there is none is not judged."""
    expect = {
        f"{site.url}api": Expectation(json={"status": "down"}),
        f"{site.url}moved": Expectation(redirects_to=site.url, final_url=site.url),
    }
    urls = [site.url, *expect]
    report = crawl(urls, expect=expect, **LOCAL)
    assert [(f.url, f.message) for f in report.findings] == [
        (f"{site.url}api", 'expected status to be "down", got "up"')
    ]


@pytest.mark.slow
def test_pages_that_were_followed_to_are_judged_too():
    """Whatever has a row is judged: a footer is expected of a whole site."""
    front = b"<p>footer</p><a href=/a>a</a><a href=/b>b</a>"
    pages = {"/": front, "/a": b"<p>footer</p>", "/b": b"<p>none</p>"}
    answers = {path: message(body, "200 OK", HTML) for path, body in pages.items()}
    with serve(by_path(answers)) as server:
        expect = Expectation(contains=("footer",))
        report = crawl(server.url, expect=expect, depth=1, **LOCAL)
        assert report.total == 3
        assert [f.url for f in report.findings] == [f"{server.url}b"]


@pytest.mark.slow
def test_what_is_written_hides_secrets_of_findings_too(tmp_path):
    """The URL of the page stands in a finding; outputs show it as everywhere."""
    with serve(answer(b"<p>x", "200 OK", HTML)) as server:
        url = f"{server.url}?token={SECRET}"
        paths = [tmp_path / name for name in ("a.jsonl", "a.json", "a.txt", "a.csv")]
        expect = Expectation(contains=("y",), final_url="http://a.example/")
        report = crawl(url, expect=expect, output=paths, **LOCAL)
    assert len(report.findings) == 2
    for path in paths:
        assert SECRET not in path.read_text()


def test_outputs_hide_secrets_in_whatever_a_finding_says(tmp_path):
    """Also where a rule did not: all that is written passes one place."""
    url = f"http://site.example/?token={SECRET}"
    leaky = Finding(rule="r", severity=Severity.ERROR, url=url, message=f"at {url}")
    for redact in (True, False):
        path = tmp_path / f"{redact}.jsonl"
        with Outputs(redact=redact) as outputs:
            outputs.open(path, for_path(path).open)
            outputs.add(make_page(), [leaky])
            outputs.finish(Report())
        assert (SECRET in path.read_text()) is not redact


def test_a_callback_that_raises_costs_no_finding(site, tmp_path):
    """The page on which it raised is judged, and stands in the outputs."""

    def fail(page):
        raise RuntimeError("mine")

    path = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError) as raised:
        crawl(
            site.url,
            fail,
            expect=Expectation(contains=("nope",)),
            output=path,
            **LOCAL,
        )
    assert raised.value.report.by_rule == {"expect-text": {"error": 1}}
    assert len(json.loads(path.read_text())["findings"]) == 1


# The command.


def fetcher(*arguments: object):
    return subprocess.run(
        [sys.executable, "-m", "fetcher", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT)},
        check=False,
    )


LOCAL_FLAGS = ("--workers", "1", "--retries", "0", "--color", "never")
# Where it is tried, what is met, what is not, and how that is told.
FLAGS = [
    ("", "--expect-status=200..=204", "", ""),
    ("", "--expect-text=Opening hours", "--expect-text=Closed", "the text 'Closed'"),
    ("", "--expect-no-text=Closed", "--expect-no-text=Opening", "no text 'Opening'"),
    ("", "--expect-match=[0-9].[0-9]{2}", "--expect-match=^x", "a match of /^x/"),
    ("", "--expect-no-match=^x", "--expect-no-match=Op[e]n", "no match of /Op[e]n/"),
    ("", "--expect-header=x-frame-options: DENY", "--expect-header=A: b", "A: b"),
    ("", "--expect-header=X-Frame-Options: /^D/", "--expect-header=C: /d/", "C: /d/"),
    ("", "--expect-type=text/html", "--expect-type=image/*", "content type image/*"),
    ("", "--expect-language=en", "--expect-language=de", "language de"),
    ("", "--expect-css=p.price", "--expect-css=table", "at least 1 of 'table'"),
    ("", "--expect-no-css=table", "--expect-no-css=p.price", "0 of 'p.price'"),
    ("", "--expect-size=100..1KB", "--expect-size=1KB..", "at least 1,000 bytes"),
    ("", "--max-time-per-page=60s", "--max-time-per-page=0.001ms", "time of at most 0"),
    ("", "--cert-days=99", "", ""),
    (
        "api",
        "--expect-json=status == 'up'",
        "--expect-json=a",
        "a to be true, got null",
    ),
    (
        "moved",
        "--expect-redirect=/^http:/",
        "--expect-redirect=/^x/",
        "redirect to /^x/",
    ),
    ("moved", "--expect-final-url=/[0-9]/$/", "--expect-final-url=/m/", "from /m/"),
]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "api", "moved"], ids=["page", "api", "moved"])
def test_a_flag_expects_of_every_page(site, path):
    """Met is exit code 0; not met is 1, with the page and a sentence in the report."""
    url = f"{site.url}{path}"
    met = [flag for at, flag, _, _ in FLAGS if at == path]
    done = fetcher(url, *LOCAL_FLAGS, *met)
    assert (done.returncode, done.stderr) == (0, "")
    assert "expect" not in done.stdout
    unmet = [(flag, said) for at, _, flag, said in FLAGS if at == path and flag]
    done = fetcher(url, *LOCAL_FLAGS, *(flag for flag, _ in unmet))
    assert (done.returncode, done.stderr) == (1, "")
    for flag, said in unmet:
        sentence = f"expected (the answer |a )?{re.escape(said)}"
        assert re.search(sentence, done.stdout), flag
    noun = "expectation" if len(unmet) == 1 else "expectations"
    assert f"\n{len(unmet)} {noun} not met\n" in done.stdout
    assert f"    {url}" in done.stdout
    assert done.stdout.endswith(f"\n{len(unmet)} {noun} not met\n")


def test_every_flag_of_this_section_is_tried_and_explained():
    """None is left out of the table above, nor of docs/reference/expectations.md."""
    text = (DOCS / "expectations.md").read_text()
    tried = " ".join(" ".join(flags) for flags in FLAGS)
    for name in (name for each in EXPECT_OPTIONS for name in flags_of(each)):
        assert f"`{name}`" in text
        assert f"{name}=" in tried or name == "--warn-time-per-page"


def flags_of(add) -> list[str]:
    @add
    def command() -> None: ...

    return command.__click_params__[0].opts


@pytest.mark.slow
def test_a_warning_is_told_and_leaves_the_exit_code(site):
    done = fetcher(site.url, *LOCAL_FLAGS, "--warn-time-per-page", "0.000001")
    assert done.returncode == 0
    assert "\n1 warning\n" in done.stdout
    assert "expected time of at most 0" in done.stdout
    assert "not met" not in done.stdout


@pytest.fixture(scope="module")
def tls_site(tmp_path_factory):
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    with serve(answer(b"<p>x", "200 OK", HTML), tls=certificates.good) as server:
        yield server, certificates.root


@pytest.mark.slow
def test_the_days_that_a_certificate_has_left(tls_site):
    """The certificate of the test server is good for less than a hundred years."""
    server, cacert = tls_site
    flags = (server.url, *LOCAL_FLAGS, "--cacert", cacert)
    done = fetcher(*flags, "--cert-days", "0.5")
    assert done.returncode == 0, done.stdout
    done = fetcher(*flags, "--cert-days", "36500")
    assert done.returncode == 1
    assert "expected a certificate good for 36500 days, got " in done.stdout
    assert " UTC)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--expect-status", "fine"], "statuses read 200..=204,404"),
        (["--expect-match", "(?=x)"], "is no pattern of RE2"),
        (["--expect-css", "p["], "invalid CSS selector"),
        (["--expect-json", "a["], "is no JMESPath"),
        (["--expect-size", "1KB"], "sizes read 1KB..2MB"),
        (["--expect-header", "nonsense"], "an expected header reads 'Name: value'"),
        (["--max-time-per-page", "soon"], "a duration reads 500ms"),
        (["--cert-days", "-1"], "--cert-days"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_flag_that_can_be_no_expectation_is_one_sentence_and_exit_2(
    arguments, says, capsys
):
    """A mistake is told before anything is fetched."""
    assert main(["x.example", *arguments]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_every_rule_and_field_is_explained():
    """docs/reference/expectations.md has a line for each."""
    text = (DOCS / "expectations.md").read_text()
    for name in (*Rule, *(each.name for each in dataclasses.fields(Expectation))):
        assert f"`{name}`" in text
