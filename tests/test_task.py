"""What a worker does for one URL, in this process, with HTTP mocked by responses."""

from __future__ import annotations

import errno
import pickle
import time
from datetime import UTC, datetime

import pycurl
import pytest
import requests
import responses

from fetcher.errors import ConfigError, ExtractError
from fetcher.models import Settings
from fetcher.page import Page
from fetcher.task import READ_AHEAD_MAX_BYTES, Errand, fetch, job_bytes

URL = "http://site.example/"


def title(page: Page) -> object:
    return page.title


def give(value: object):
    return lambda page: value


def run(extract=None) -> Page:
    found = fetch(Errand(URL, 2, time.monotonic()), job_bytes(Settings(), extract))
    assert isinstance(found, Page)
    return found


@pytest.fixture(autouse=True)
def site():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(URL, body="<title>Hello</title>", content_type="text/html")
        yield mock


def test_a_page_comes_with_its_attempt_and_how_long_it_waited():
    page = run()
    assert (page.status, page.attempt) == (200, 2)
    assert 0 <= page.timings.queue_s < 5


def test_facts_asked_for_travel_with_the_page():
    """The parent finds them without parsing the page again."""
    page = fetch(
        Errand(URL, 1, time.monotonic(), ("title",)), job_bytes(Settings(), None)
    )
    page = pickle.loads(pickle.dumps(page))
    assert page.facts_read is None
    assert page.title == "Hello"
    assert page.facts_read == ()
    assert page.facts.links == ()
    assert page.facts_read == ("links",)


def test_large_pages_are_left_to_the_parent_unless_it_parses_none(site):
    body = "<title>Hello</title>" + " " * READ_AHEAD_MAX_BYTES
    site.replace("GET", URL, body=body, content_type="text/html")
    for parses_all, read_here in ((False, ("title",)), (True, ())):
        job = job_bytes(Settings(), None, parses_all=parses_all)
        page = fetch(Errand(URL, 1, time.monotonic(), ("title",)), job)
        assert page.title == "Hello"
        assert page.facts_read == read_here


def test_extract_sees_the_page_and_its_value_stays():
    assert run(title).extract == "Hello"


PLAIN = [
    None,
    True,
    1.5,
    "text",
    b"bytes",
    datetime(2020, 1, 1, tzinfo=UTC),
    [1, (2, {"a": [None]})],
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_travel(value):
    found = run(give(value)).extract
    assert pickle.loads(pickle.dumps(found)) == value


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({1}, "set"),
        ([{"a": object()}], "object"),
        ({(1, frozenset()): 1}, "frozenset"),
        (Text("x"), "Text"),
        (title, "function"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_an_error_that_names_the_function(value, name):
    with pytest.raises(ExtractError, match=rf"extract=.*give.* returned .*{name}"):
        run(give(value))


def test_an_extract_that_raises_is_named_with_its_cause():
    def wrong(page):
        return 1 / 0

    with pytest.raises(ExtractError, match=r"wrong raised on .*ZeroDivisionError"):
        run(wrong)


def test_extract_is_not_asked_about_a_page_that_failed(site):
    site.replace(responses.GET, URL, body=requests.ConnectionError("no"))
    page = run(lambda page: 1 / 0)
    assert page.extract is None
    assert page.state == "failed"


def test_what_cannot_be_sent_to_a_worker_is_refused_at_once():
    generator = (n for n in range(3))
    with pytest.raises(ConfigError, match="cannot be sent to a worker"):
        job_bytes(Settings(), lambda page: next(generator))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("_html.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        OSError(errno.EMFILE, "Too many open files"),
        SystemError("compile returned NULL without setting an exception"),
        pycurl.error(27, "Out of memory"),
        pycurl.error("initializing curl failed"),
    ],
    ids=repr,
)
def test_a_process_that_is_short_of_something_says_so_in_one_way(error, monkeypatch):
    """However it shows, it is no bug and ends no run: the engine knows MemoryError."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("fetcher.transport.get_url", fail)
    with pytest.raises(MemoryError) as caught:
        run()
    assert type(error).__name__ in str(caught.value)


@pytest.mark.parametrize(
    "error", [ValueError("x"), ImportError("no such name"), OSError(2, "not there")]
)
def test_a_bug_stays_a_bug(error, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("fetcher.transport.get_url", fail)
    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
