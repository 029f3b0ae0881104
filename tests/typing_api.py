"""What type checkers see of the public API: read by mypy, never run.

A line here is a promise to those who check their own code against fetcher. A line
that mypy refuses is a change that breaks theirs.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import fetcher
from fetcher import (
    AsyncResult,
    Certificate,
    Expectation,
    Facts,
    Failure,
    Finding,
    Hop,
    Kind,
    Link,
    Page,
    Pool,
    Report,
    Request,
    Settings,
    Severity,
    State,
    Timings,
    crawl,
    demo,
    get_url,
    judge,
)
from fetcher.models import Headers, Heading, Image, MetaRefresh, StructuredItem
from fetcher.testing import FakeClock, FakePool, make_failed_page, make_page

if TYPE_CHECKING:
    import requests
    from bs4 import BeautifulSoup


def urls() -> Iterator[str]:
    yield "https://www.python.org/"


def on_page(page: Page) -> None:
    print(page.title)


def on_name(name: str) -> None:
    print(name)


def words(page: Page) -> int:
    return page.facts.word_count if page.facts is not None else 0


def open_session() -> requests.Session:
    raise NotImplementedError


def crawling() -> None:
    report = crawl("https://www.python.org/")
    assert_type(report, Report)
    assert_type(crawl(["https://a.example/", "https://b.example/"]), Report)
    assert_type(crawl(urls(), on_page), Report)
    assert_type(crawl(Path("urls.txt"), callback=on_page), Report)
    # A callback may return what it likes.
    assert_type(crawl(urls(), callback=lambda page: page.title), Report)
    crawl(urls(), extract=words, session=open_session, stop=threading.Event())
    crawl(urls(), pool=FakePool())
    crawl(3)  # type: ignore[arg-type]
    crawl(urls(), callback="print")  # type: ignore[arg-type]


def reporting(report: Report, page: Page) -> None:
    assert_type(report.ok, bool)
    assert_type(report.total, int)
    assert_type(report.by_state, dict[State, int])
    report.add(page)


def fetching() -> None:
    assert_type(get_url("https://www.python.org/"), Page)
    assert_type(get_url(Request(url="https://www.python.org/", attempt=2)), Page)
    assert_type(get_url("http://a.example/", Settings(timeout_s=5.0)), Page)


def expecting(page: Page, report: Report, now: datetime.datetime) -> None:
    expected = Expectation(
        status=((200, 204),),
        contains=("text",),
        header={"Vary": "/x/"},
        json={"status": "up", "items[0]": {"n": 1}},
        css={"h1": (1, None)},
        fail_over_s={"total_s": 2},
        certificate_days=14,
        severity=Severity.WARN,
    )
    assert_type(judge(page, expected, now), tuple[Finding, ...])
    assert_type(report.findings, list[Finding])
    assert_type(report.by_rule, dict[str, dict[Severity, int]])
    crawl(urls(), expect=expected)
    crawl(urls(), expect={"https://a.example/": expected})
    crawl(urls(), expect="ok")  # type: ignore[arg-type]


def asking_a_page(page: Page) -> None:
    assert_type(page.url, str)
    assert_type(page.final_url, str)
    assert_type(page.status, int | None)
    assert_type(page.headers, Headers)
    assert_type(page.headers["Server"], str)
    assert_type(page.headers.get("Server"), str | None)
    assert_type(page.headers.get_all("Set-Cookie"), list[str])
    assert_type(page.content, bytes)
    assert_type(page.encoding, str | None)
    assert_type(page.wire_bytes, int)
    assert_type(page.body_bytes, int)
    assert_type(page.hops, tuple[Hop, ...])
    assert_type(page.timings, Timings)
    assert_type(page.timings.ttfb_s, float | None)
    assert_type(page.ip, str | None)
    assert_type(page.http_version, str | None)
    assert_type(page.certificate, Certificate | None)
    assert_type(page.failure, Failure | None)
    assert_type(page.attempt, int)
    assert_type(page.fetched_at, datetime.datetime)
    assert_type(page.worker_pid, int | None)
    assert_type(page.extract, object)
    assert_type(page.state, State)
    assert_type(page.ok, bool)
    assert_type(page.reason, str | None)
    assert_type(page.content_type, str | None)
    assert_type(page.is_html, bool)
    assert_type(page.text, str)
    assert_type(page.title, str | None)
    assert_type(page.links, tuple[Link, ...])
    assert_type(page.facts, Facts | None)
    soup: BeautifulSoup = page.soup
    assert soup


def asking_facts(facts: Facts) -> None:
    assert_type(facts.title, str | None)
    assert_type(facts.description, str | None)
    assert_type(facts.canonical, str | None)
    assert_type(facts.language, str | None)
    assert_type(facts.robots, tuple[str, ...])
    assert_type(facts.headings, tuple[Heading, ...])
    assert_type(facts.h1, tuple[str, ...])
    assert_type(facts.links[0], Link)
    assert_type(facts.links[0].url, str)
    assert_type(facts.links[0].line, int)
    assert_type(facts.images, tuple[Image, ...])
    assert_type(facts.images[0].alt, str | None)
    assert_type(facts.fragments, frozenset[str])
    assert_type(facts.meta_refresh, MetaRefresh | None)
    assert_type(facts.structured_data, tuple[StructuredItem, ...])
    assert_type(facts.word_count, int)


def failing(failure: Failure, certificate: Certificate) -> None:
    assert_type(failure.kind, Kind)
    assert_type(failure.message, str)
    assert_type(certificate.not_after, datetime.datetime)
    assert_type(certificate.names, tuple[str, ...])
    failure.message = ""  # type: ignore[misc]
    Failure("dns", "x")  # type: ignore[arg-type]


def setting() -> None:
    settings = Settings(
        timeout_s=5,
        headers=(("Accept-Language", "de"),),
        auth=("owl", "hoot"),
        accept=((200, 299), (404, 404)),
        session=open_session,
    )
    assert_type(settings.timeout_s, float)
    assert_type(settings.session, "Callable[[], requests.Session] | None")
    Settings(5.0)  # type: ignore[call-arg]


def pooling() -> None:
    with Pool(4, slots=16) as pool:
        assert_type(pool.apply(get_url, ("http://a.example/",)), Page)
        pending = pool.apply_async(
            get_url,
            ("http://a.example/",),
            callback=on_page,
            error_callback=print,
            prefer="http://a.example",
            resend=True,
            deadline_s=30.0,
        )
        assert_type(pending, AsyncResult[Page])
        assert_type(pending.get(timeout=5), Page)
        assert_type(pending.ready(), bool)
        assert_type(pending.successful(), bool)
        assert_type(pool.map(get_url, ["http://a.example/"]), list[Page])
        pool.close()
        pool.join()


def wait_until(clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Stand for anything that takes `time.monotonic` and `time.sleep`."""


def testing() -> None:
    clock = FakeClock(5.0)
    assert_type(clock(), float)
    wait_until(clock, clock.sleep)
    pool = FakePool()
    assert_type(pool.apply(get_url, ("http://a.example/",)), Page)
    assert_type(pool.map(len, ["a"]), list[int])
    pool.apply_async(get_url, ("http://a.example/",), callback=on_page)
    pool.apply_async(get_url, callback=on_name)  # type: ignore[misc]
    assert_type(make_page(status=404, hops=[Hop("http://a/", 301, None)]), Page)
    assert_type(make_failed_page(kind=Kind.DNS), Page)
    make_page(color=404)  # type: ignore[call-arg]


def showing() -> None:
    with demo.serve(port=8000) as site:
        assert_type(site, demo.Site)
        assert_type(site.base_url, str)
        assert_type(site.urls, tuple[str, ...])
        assert_type(site.expected, Mapping[str, demo.Expected])
        assert_type(site.expected[site.urls[0]].kind, Kind | None)
        assert_type(crawl(site.urls, on_page), Report)


def catching() -> None:
    errors: Sequence[type[Exception]] = (
        fetcher.ConfigError,
        fetcher.ExtractError,
        fetcher.InputError,
        fetcher.MachineError,
        fetcher.OutputError,
        fetcher.WorkerLost,
    )
    base: tuple[type[fetcher.FetcherError], type[ValueError]] = (
        fetcher.ConfigError,
        fetcher.ConfigError,
    )
    assert errors
    assert base
    assert_type(fetcher.__version__, str)
