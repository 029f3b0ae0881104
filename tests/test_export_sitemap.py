"""The sitemap that is written: which pages, which URLs, and that it is one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from lxml import etree

from fetcher import export, sitemaps
from fetcher.export import sitemap
from fetcher.models import Failure, Hop, Kind
from fetcher.page import Page
from fetcher.report import Report
from fetcher.testing import FETCHED_AT, make_page

URL = "https://a.example/"
NS = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def page_of(head="", url=URL, headers=None, **parts):
    page = make_page(html=f"<title>x</title>{head}", url=url, **parts)
    for name, value in (headers or {}).items():
        page.headers = type(page.headers)([*page.headers.lines, (name, value)])
    return page


def written(*pages):
    stream = BytesIO()
    exporter = export.for_path("sitemap.xml").open(stream)
    for page in pages:
        exporter.add(page)
    exporter.flush()
    exporter.finish(Report(started_at=FETCHED_AT))
    return stream.getvalue()


def entries(*pages):
    found = list(sitemaps.read(written(*pages), ""))
    assert all(isinstance(each, sitemaps.Entry) for each in found)
    return found


def urls(*pages):
    return [each.url for each in entries(*pages)]


def test_the_format_is_found_by_name_and_by_ending():
    assert export.for_name("sitemap") is export.for_path("out/Sitemap.XML")


def test_what_is_written_is_what_sitemaps_org_asks_for():
    """The elements of the schema, in its order and namespace, in UTF-8."""
    page = page_of(
        url="https://a.example/?a&b='<\">é",
        headers={"Last-Modified": "Mon, 06 Sep 2021 00:01:00 GMT"},
    )
    content = written(page)
    assert content.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n<urlset')
    root = etree.fromstring(content)
    assert root.tag == f"{NS}urlset"
    (url,) = root
    assert [(child.tag, child.text) for child in url] == [
        (f"{NS}loc", "https://a.example/?a&b=%27%3C%22%3E%C3%A9"),
        (f"{NS}lastmod", "2021-09-06T00:01:00Z"),
    ]


def test_a_run_without_pages_still_gives_xml():
    assert urls() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: page_of(),
        lambda: page_of('<link rel=canonical href="/#top">'),
        lambda: page_of('<link rel=canonical href="HTTPS://A.example:443">'),
        lambda: page_of('<link rel=canonical href="http://">'),
        lambda: page_of('<meta name=robots content="nofollow, max-snippet:-1">'),
        lambda: page_of('<meta name=googlebot content="noindex">'),
        lambda: page_of(headers={"X-Robots-Tag": "googlebot: noindex, nofollow"}),
        lambda: page_of(
            headers={"X-Robots-Tag": "nofollow, unavailable_after: 1 Jan 2030"}
        ),
        lambda: page_of(url="https://user:secret@a.example/#part"),
        lambda: page_of(status=203),
    ],
)
def test_a_page_that_should_be_found_is_in_it(make):
    assert urls(make()) == [URL]


@pytest.mark.parametrize(
    "make",
    [
        lambda: page_of('<link rel=canonical href="/other">'),
        lambda: page_of('<meta name=robots content="NOINDEX">'),
        lambda: page_of("<meta name=robots content=none>"),
        lambda: page_of(headers={"X-Robots-Tag": "noindex"}),
        lambda: page_of(headers={"X-Robots-Tag": "nofollow, NoIndex"}),
        lambda: page_of(headers={"x-robots-tag": "max-snippet: 3, none"}),
        lambda: page_of(status=404),
        lambda: page_of(status=304),
        lambda: page_of(status=503),
        lambda: Page(url=URL, status=200, content=b"\x89PNG"),
        lambda: Page(url=URL, status=200, content=b""),
        lambda: Page(url=URL, failure=Failure(Kind.DNS, "no such host")),
        lambda: Page(url="nonsense", failure=Failure(Kind.BAD_URL, "no URL")),
    ],
)
def test_a_page_that_should_not_be_found_is_not(make):
    assert urls(make()) == []


def test_a_status_that_was_accepted_is_no_reason_to_be_found():
    page = page_of(status=404)
    page.accepted = True
    assert page.ok
    assert urls(page) == []


def test_a_redirect_leads_to_one_entry_of_its_target():
    hops = [Hop("https://a.example/old", 301, None)]
    old = page_of(url="https://a.example/old", hops=hops)
    old.final_url = URL
    assert urls(old, page_of(), old) == [URL]


@pytest.mark.parametrize(
    ("field", "moment"),
    [
        ("Mon, 06 Sep 2021 02:01:00 +0200", datetime(2021, 9, 6, 0, 1, tzinfo=UTC)),
        ("Monday, 06-Sep-21 00:01:00 GMT", datetime(2021, 9, 6, 0, 1, tzinfo=UTC)),
        ("Mon Sep  6 00:01:00 2021", datetime(2021, 9, 6, 0, 1, tzinfo=UTC)),
        (f"{FETCHED_AT:%a, %d %b %Y %H:%M:%S} GMT", FETCHED_AT),
        (f"{FETCHED_AT + timedelta(seconds=1):%a, %d %b %Y %H:%M:%S} GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Mon, 06 Sep 20210 00:01:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
        ("yesterday", None),
        (", ,", None),
        ("", None),
    ],
)
def test_a_last_modified_that_can_be_is_kept(field, moment):
    page = page_of(headers={"Last-Modified": field})
    assert entries(page) == [sitemaps.Entry(URL, moment)]


def test_what_finds_no_place_is_counted_and_said(monkeypatch):
    monkeypatch.setattr(sitemap, "URLS_MAX", 2)
    stream = BytesIO()
    exporter = sitemap.open_exporter(stream)
    for path in "abcacd":
        exporter.add(page_of(url=URL + path))
    exporter.finish(Report(started_at=FETCHED_AT))
    assert exporter.left_out == 3  # c, c and d
    assert b"<!-- 3 more pages are left out: a sitemap holds" in stream.getvalue()
    found = list(sitemaps.read(stream.getvalue(), ""))
    assert [each.url for each in found] == [URL + "a", URL + "b"]


def test_a_url_that_is_too_long_is_left_out():
    fits, too_long = (page_of(url=URL + "x" * (2_029 + more)) for more in (0, 1))
    content = written(fits, too_long)
    assert content.count(b"<loc>") == 1
    assert b"<!-- 1 more pages are left out" in content


def test_a_file_stays_below_its_bytes(monkeypatch):
    monkeypatch.setattr(sitemap, "FILE_MAX_BYTES", 2 * sitemap.ENTRY_MAX_BYTES + 3_000)
    pages = [page_of(url=f"{URL}{number}/{'x' * 1_000}") for number in range(9)]
    assert len(urls(*pages)) == 3
    assert len(written(*pages)) < sitemap.FILE_MAX_BYTES


def test_several_sites_in_one_sitemap_are_said():
    content = written(page_of(), page_of(url="http://b.example/"))
    assert b"<!-- the pages are of several sites" in content
    assert b"several sites" not in written(page_of(), page_of(url=URL + "b"))
