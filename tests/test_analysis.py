"""Pages whose analysis brings a process down, and answers that are read as data."""

from __future__ import annotations

import ctypes
import datetime
import os
import pickle
import zoneinfo

import pytest

from fetcher import ConfigError, Page, crawl
from fetcher.errors import ExtractError
from fetcher.models import Certificate, Kind, State, StructuredItem
from fetcher.task import read_answer
from fetcher.testing import make_page
from tests.servers import answer, message, serve
from tests.sites import GivenSite, Reply, html, in_thread

HTML = "Content-Type: text/html; charset=utf-8"


def crash(page: Page) -> object:
    """Do what a fault in a parser written in C does: a real segmentation fault."""
    if page.url.endswith("/crash"):
        ctypes.string_at(0)
    return page.title


@pytest.fixture(scope="module")
def site():
    title = answer(b"<title>T</title><a href=x>y</a>", "200 OK", HTML)
    with serve(title) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("where", ["parent", "workers"])
def test_a_page_whose_analysis_kills_workers_costs_only_itself(site, where):
    """It has a status and no facts; every other page is well, and the run goes on."""
    urls = [f"{site.url}{number}" for number in range(30)]
    urls[7] = f"{site.url}crash"
    pages = {}
    report = crawl(
        urls,
        lambda page: pages.setdefault(page.url, page),
        extract=crash,
        analyse_in=where,
        workers=2,
        per_host=8,
    )
    bad = pages.pop(urls[7])
    assert report.total == 30
    assert bad.failure.kind is Kind.ANALYSIS_CRASHED
    assert "SIGSEGV" in bad.failure.message
    assert (bad.state, bad.status, bad.facts) == (State.FAILED, 200, None)
    assert {page.extract for page in pages.values()} == {"T"}
    assert all(page.ok for page in pages.values())


def refuse(*_: object) -> None:
    raise AssertionError("a page was parsed in the parent")


@pytest.mark.slow
def test_the_parent_parses_nothing_where_workers_do(monkeypatch, tmp_path):
    """Links, fragments, quoted text and rows all come from what workers read."""
    front = "<title>F</title><a href=/a#x>a</a><a href=/a#no>b</a><p id=p>some words"
    back = "<title>A</title><p id=x>x<a href='/#:~:text=some%20words'>q</a>"
    back += "<a href='/#:~:text=other'>r</a><a href=/gone>g</a>"
    site = GivenSite({"/": Reply(content=html(front)), "/a": Reply(content=html(back))})
    monkeypatch.setattr("fetcher.facts._parse", refuse)
    pages = []
    with in_thread(site) as server:
        report = crawl(
            server.url,
            pages.append,
            depth=3,
            retries=0,
            workers=1,
            analyse_in="workers",
            output=tmp_path / "out.jsonl",
        )
    assert {page.title for page in pages} == {"F", "A", "404"}
    assert all(page.facts.word_count and page.facts_read == () for page in pages)
    assert report.site.bad_counts["broken"] == 1
    missing = {one.fragment for one in report.site.fragments}
    assert missing == {"no", ":~:text=other"}


def only_pages(page: Page) -> object:
    if page.url.endswith(("/robots.txt", "/picture")) or page.title is None:
        raise LookupError(f"{page.url} is no page of mine")
    return page.title


@pytest.mark.slow
def test_extract_runs_on_the_callers_pages_alone():
    """Not on robots.txt, a probe, or what is only looked at because of a link."""
    front = Reply(content=html("<title>F</title><img src=/picture><a href=/a>a</a>"))
    picture = Reply(content=message(b"x", "200 OK", "Content-Type: image/png"))
    robots = Reply(content=message(b"User-agent: *", "200 OK"))
    answers = {"/": front, "/a": front, "/robots.txt": robots, "/picture": picture}
    pages = []
    with in_thread(GivenSite(answers)) as server:
        crawl(server.url, pages.append, depth=2, extract=only_pages, workers=1)
    assert [page.extract for page in pages] == ["F", "F"]


def test_where_is_one_of_two():
    with pytest.raises(ConfigError, match=r"analyse_in is one of .*, got 'moon'"):
        crawl([], analyse_in="moon")


# --- what a worker sends is data -----------------------------------------------------


def test_a_page_comes_through_whole():
    """Everything that a Page holds is among what may be in an answer."""
    now = datetime.datetime.now(datetime.UTC)
    page = make_page(
        "http://h/",
        html='<title>T</title><script type=application/ld+json>{"@type": "X"}</script>'
        "<h1>a</h1><img src=i><a href=l>m</a>",
        certificate=Certificate(
            subject="s",
            issuer="i",
            names=("n",),
            not_before=now,
            not_after=now,
            verified=True,
        ),
    )
    page.extract = {
        "at": datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        "there": now,
    }
    names = ["title", "links", "images", "headings", "structured_data", "fragments"]
    page.read_ahead(names)
    read = read_answer(pickle.dumps(page))
    assert read.extract == page.extract
    assert read.certificate == page.certificate
    assert read.facts == page.facts
    assert isinstance(read.facts.structured_data[0], StructuredItem)


@pytest.mark.parametrize(
    "error", [ExtractError("e"), ConfigError("c"), OSError(2, "x"), KeyError("k")]
)
def test_errors_of_ours_and_of_python_come_through(error):
    read = read_answer(pickle.dumps(error))
    assert (type(read), read.args) == (type(error), error.args)


class OwnError(Exception):
    """What a caller's program raises."""


def no_session() -> None:
    raise OwnError("no login today")


@pytest.mark.slow
def test_what_a_session_of_the_callers_own_raises_is_told(site):
    """The words come through, and no class of the caller's is loaded for them."""
    with pytest.raises(ConfigError, match=r"OwnError\('no login today'\)"):
        crawl([site.url], session=no_session, workers=1)


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: object, *args: object) -> None:
        self._call = function, args

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize(
    "thing",
    [
        Call(os.system, "echo no"),
        Call(eval, "1 + 1"),
        Call(getattr, int, "from_bytes"),
        Call(getattr, zoneinfo.ZoneInfo, "clear_cache"),
        Call(__import__, "os"),
        Call(type, "T", (), {}),
        Call(BaseException),
        Call(SystemExit, 1),
        make_page,
        Page,
    ],
)
def test_an_answer_that_names_anything_else_is_refused(thing):
    """Nothing of it is called, whatever a worker was made to send."""
    with pytest.raises(pickle.UnpicklingError, match="a worker's answer"):
        read_answer(pickle.dumps(thing))
