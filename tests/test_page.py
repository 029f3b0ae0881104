"""Page: the state of a URL, the reason it fell short, and how it travels."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from fetcher.models import (
    Certificate,
    Failure,
    Headers,
    Hop,
    Kind,
    Request,
    Settings,
    State,
    Timings,
)
from fetcher.page import Page

URL = "http://a.example/"
HOP = Hop("http://a.example/old", 301, "127.0.0.1")


def a_page(**how):
    return Page(url=URL, **how)


def test_every_failure_but_two_is_failed():
    for kind in Kind:
        page = a_page(status=200, failure=Failure(kind, "why"))
        skipped = kind in (Kind.FORBIDDEN_ADDRESS, Kind.CANCELLED)
        assert page.state is (State.SKIPPED if skipped else State.FAILED)
        assert not page.ok
        assert page.reason == f"{kind}: why"


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [
        ({"status": 200}, State.OK, None),
        ({"status": 204}, State.OK, None),
        ({"status": 200, "hops": [HOP]}, State.REDIRECTED, None),
        ({"status": 404}, State.BROKEN, "HTTP 404"),
        ({"status": 500, "hops": [HOP]}, State.BROKEN, "HTTP 500"),
        ({"status": 404, "accepted": True}, State.OK, None),
        ({"status": 429, "accepted": True}, State.OK, None),
        ({"status": 999, "accepted": True}, State.OK, None),
        ({"status": 200, "accepted": False}, State.BROKEN, "HTTP 200"),
        ({"status": 403}, State.BROKEN, "HTTP 403"),
        ({"status": 429}, State.BLOCKED, "HTTP 429, too many requests"),
        ({"status": 999}, State.BLOCKED, "HTTP 999, status 999 refuses robots"),
        (
            {"status": 403, "headers": Headers([("CF-Mitigated", "challenge")])},
            State.BLOCKED,
            "HTTP 403, cf-mitigated: challenge",
        ),
        (
            {"status": 202, "headers": Headers([("x-amzn-waf-action", "challenge")])},
            State.BLOCKED,
            "HTTP 202, x-amzn-waf-action: challenge",
        ),
        (
            {"status": 503, "content": b"<title>Just a moment...</title>"},
            State.BLOCKED,
            "HTTP 503, a challenge page",
        ),
        ({}, State.FAILED, "HTTP None"),
    ],
)
def test_the_state_and_its_reason(how, state, reason):
    page = a_page(**how)
    assert (page.state, page.reason) == (state, reason)
    assert page.ok == (reason is None)


@pytest.mark.parametrize(
    ("field", "content", "media_type", "is_html"),
    [
        ("text/html; charset=utf-8", b"", "text/html", True),
        ("Application/XHTML+XML", b"", "application/xhtml+xml", True),
        ("image/png", b"<html>", "image/png", False),
        (None, b" \n<!DOCTYPE html>", None, True),
        (None, b"\x89PNG", None, False),
        (";", b"", None, False),
    ],
)
def test_what_is_html(field, content, media_type, is_html):
    lines = [] if field is None else [("Content-Type", field)]
    page = a_page(status=200, headers=Headers(lines), content=content)
    assert (page.content_type, page.is_html) == (media_type, is_html)


def test_a_page_arrives_as_it_was_sent():
    certificate = Certificate(
        subject="CN=a",
        issuer="CN=b",
        names=("a.example",),
        not_before=datetime(2025, 1, 1, tzinfo=UTC),
        not_after=datetime(2026, 1, 1, tzinfo=UTC),
        verified=False,
        reason="certificate has expired",
    )
    sent = a_page(
        final_url=URL + "b",
        status=200,
        headers=Headers([("A", "1"), ("a", "2")]),
        content=b"body",
        encoding="utf-8",
        wire_bytes=3,
        hops=[HOP],
        timings=Timings(0.1, None, 0.2, None, 0.3, 0.4, 1.0),
        ip="127.0.0.1",
        http_version="2",
        certificate=certificate,
        failure=Failure(Kind.TLS_EXPIRED, "late"),
        attempt=3,
        fetched_at=datetime(2025, 6, 1, 12, tzinfo=UTC),
        worker_pid=7,
        accepted=True,
        extract={"a": [1]},
    )
    got = pickle.loads(pickle.dumps(sent))
    wanted, found = vars(sent).copy(), vars(got).copy()
    assert found.pop("headers").lines == wanted.pop("headers").lines
    assert found == wanted
    assert isinstance(got.hops[0], Hop)
    assert isinstance(got.timings, Timings)
    assert got.failure.kind is Kind.TLS_EXPIRED


def test_a_page_shows_what_it_came_to():
    assert repr(a_page(status=200)) == f"<Page {URL} ok: 200>"
    assert repr(a_page(status=404)) == f"<Page {URL} broken: HTTP 404>"


def test_header_fields_are_found_in_any_case_and_joined():
    headers = Headers([("Set-Cookie", "a"), ("set-cookie", "b"), ("X", "y")])
    assert (headers["SET-COOKIE"], headers.get("none")) == ("a, b", None)
    assert headers.get_all("Set-Cookie") == ["a", "b"]
    assert list(headers) == ["set-cookie", "x"]
    assert len(headers) == 2
    assert pickle.loads(pickle.dumps(headers)).lines == headers.lines


def test_requests_and_settings_are_values():
    assert Request(url=URL) == Request(url=URL, attempt=1)
    assert hash(Settings(headers=(("a", "b"),))) == hash(
        Settings(headers=(("a", "b"),))
    )
