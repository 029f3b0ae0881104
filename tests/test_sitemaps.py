"""Sitemaps: every form of them, what is wrong with them, and hostile ones."""

from __future__ import annotations

import gzip
import tracemalloc
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fetcher import sitemaps
from fetcher.sitemaps import ENTRIES_MAX, Entry, Problem, looks_like, read
from fetcher.urls import parse

URL = "https://a.example/sitemap.xml"
NS = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(entries: str, start: str = f'<urlset xmlns="{NS}">') -> bytes:
    name = start[1:].split()[0].rstrip(">")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{start}{entries}</{name}>'.encode()


def entry(url: str, more: str = "") -> str:
    return f"<url><loc>{url}</loc>{more}</url>\n"


def urls(content: bytes, url: str = URL) -> list[str]:
    return [found.url for found in read(content, url) if isinstance(found, Entry)]


def problems(content: bytes, url: str = URL) -> list[str]:
    return [str(found) for found in read(content, url) if isinstance(found, Problem)]


ONE = urlset(entry("https://a.example/1"))
INDEX = urlset(
    "<sitemap><loc>https://a.example/s1.xml.gz</loc>"
    "<lastmod>2026-01-02</lastmod></sitemap>",
    f'<sitemapindex xmlns="{NS}">',
)
RSS = b"""<?xml version="1.0"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>
<link>https://a.example/</link><image><url>https://a.example/i.png</url></image>
<item><title>One</title><atom:link href="https://a.example/not"/>
<link>https://a.example/1</link><pubDate>Mon, 06 Sep 2021 02:01:00 +0200</pubDate>
</item></channel></rss>"""
RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><link>https://a.example/</link></channel>
<item><link>https://a.example/1</link><dc:date>2021-09-06</dc:date></item>
</rdf:RDF>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://a.example/"/>
<entry><link rel="self" href="https://a.example/e"/><link href="https://a.example/1"/>
<updated>2021-09-06T00:01:00Z</updated></entry></feed>"""
TEXT = "\ufeffhttps://a.example/1\r\n\n  https://a.example/é \r".encode()

SEPTEMBER = datetime(2021, 9, 6, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (ONE, [Entry("https://a.example/1")]),
        (
            INDEX,
            [
                Entry(
                    "https://a.example/s1.xml.gz",
                    datetime(2026, 1, 2, tzinfo=UTC),
                    is_sitemap=True,
                )
            ],
        ),
        (RSS, [Entry("https://a.example/1", SEPTEMBER)]),
        (RDF, [Entry("https://a.example/1", datetime(2021, 9, 6, tzinfo=UTC))]),
        (ATOM, [Entry("https://a.example/1", SEPTEMBER)]),
        (TEXT, [Entry("https://a.example/1"), Entry("https://a.example/%C3%A9")]),
        (urlset(""), []),
    ],
    ids=["urlset", "index", "RSS 2.0", "RSS 1.0", "Atom", "text", "empty urlset"],
)
@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_form_is_read(content, found, packed):
    assert list(read(packed(content), URL)) == found


@pytest.mark.parametrize(
    ("content", "content_type", "url", "is_one"),
    [
        (ONE, "text/html", "https://a.example/", True),
        (gzip.compress(ONE), "application/gzip", "https://a.example/s.xml.gz", True),
        (b"\n\n" + ONE, None, URL, True),
        (ONE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), None, URL, True),
        (INDEX, None, URL, True),
        (RSS, "application/rss+xml", URL, True),
        (RDF, None, URL, True),
        (ATOM, "application/atom+xml", URL, True),
        (b"<!-- " + b"x" * 9_000 + b" -->" + RDF, "text/xml", URL, False),
        (b"<!-- " + b"x" * 7_000 + b" -->" + RDF, "text/xml", URL, True),
        (b"<html><title>&lt;urlset></title>", "text/html", URL, False),
        (b"\n<!DOCTYPE HTML>\n<urlset>", None, URL, False),
        (b"<!-- x --><html><feed></html>", "text/html", URL, False),
        (b"<svg xmlns='x'><feed /></svg>", "image/svg+xml", URL, False),
        (b"<urlset", "text/xml", URL, False),
        (TEXT, "text/plain; charset=utf-8", "https://a.example/list", True),
        (TEXT[3:] * 1_000, "text/plain", "https://a.example/list", True),
        (gzip.compress(TEXT[3:] * 10_000), "text/plain", URL, True),
        (gzip.compress(TEXT), None, "https://a.example/urls.txt.gz", True),
        (TEXT, None, "https://a.example/sitemap", True),
        (TEXT, None, "https://a.example/list", False),
        (TEXT, "text/html", "https://a.example/sitemap.txt", False),
        (b"# mine\nhttps://a.example/1\n", "text/plain", URL, False),
        (b"", "text/plain", URL, False),
        (b"\xff\n", "text/plain", URL, False),
        (b"\x1f\x8b\x08", "text/plain", URL, False),
        (b"", None, "http://[", False),
    ],
)
def test_a_sitemap_is_known_when_it_is_seen(content, content_type, url, is_one):
    assert looks_like(content, content_type, url) is is_one


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (urlset(entry("https://a.example/1"), "<urlset>"), "line 2: the namespace"),
        (
            urlset(
                entry("https://a.example/1"),
                '<urlset xmlns="http://www.google.com/schemas/sitemap/0.84">',
            ),
            "line 2: the namespace is 'http://www.google.com/schemas/sitemap/0.84'",
        ),
        (b"\n\n" + ONE, "line 1: blank lines stand before the XML declaration"),
        (urlset(entry("/1")), "line 2: the URL is not absolute: '/1'"),
        (
            urlset(entry("https://a.example/1", "<lastmod>last week</lastmod>")),
            "line 2: 'last week' is no date",
        ),
    ],
)
def test_a_fault_is_said_and_the_entry_read_all_the_same(content, says):
    assert urls(content) == ["https://a.example/1"]
    found = problems(content)
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize(
    "start",
    [
        f'<s:urlset xmlns:s="{NS}">',
        f'<urlset xmlns="{NS}" xmlns:image="x">',
    ],
)
def test_prefixes_and_extensions_change_nothing(start):
    p = "s:" if start.startswith("<s:") else ""
    inner = "" if p else "<image:image><image:loc>https://a/i</image:loc></image:image>"
    content = urlset(
        f"<{p}url>{inner}<{p}loc><![CDATA[ https://a.example/?a&b ]]></{p}loc>"
        f"<{p}priority>1</{p}priority></{p}url>",
        start,
    )
    assert list(read(content, URL)) == [Entry("https://a.example/?a&b")]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "an entry has no URL"),
        ("ftp://a.example/", "only http and https can be fetched"),
        ("mailto:a@a.example", "only http and https can be fetched"),
        ("https://a.example/" + "x" * 2_030, "a URL has less than 2,048 characters"),
        ("https://a.example/<b/>", "an entry has no URL"),
        ("http://a\\@b/", "programs disagree"),
    ],
)
def test_an_entry_that_is_none_is_a_problem_and_the_next_one_is_read(written, says):
    content = urlset(entry(written) + entry("https://a.example/2"))
    assert urls(content) == ["https://a.example/2"]
    assert says in problems(content)[0]


def test_a_local_file_has_nothing_to_resolve_against():
    assert urls(urlset(entry("/1")), "") == []
    assert "begins with http:// or https://" in problems(urlset(entry("/1")), "")[0]


def test_the_longest_url_that_is_allowed_is_read():
    url = "https://a.example/" + "x" * (2_047 - 18)
    assert urls(urlset(entry(url))) == [url]


def test_an_entry_of_another_host_is_an_entry():
    assert urls(urlset(entry("http://b.example"))) == ["http://b.example/"]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026", (2026, 1, 1)),
        ("2026-03", (2026, 3, 1)),
        ("2026-03-04", (2026, 3, 4)),
        ("2026-03-04T05:06Z", (2026, 3, 4, 5, 6)),
        ("2026-03-04T05:06:07+02:00", (2026, 3, 4, 3, 6, 7)),
        ("2026-03-04T05:06:07.25-0130", (2026, 3, 4, 6, 36, 7, 250_000)),
        ("2026-03-04T05:06:07.123456789Z", (2026, 3, 4, 5, 6, 7, 123_456)),
        ("2026-03-04T05:06:07", (2026, 3, 4, 5, 6, 7)),
        ("Wed, 04 Mar 2026 05:06:07 GMT", (2026, 3, 4, 5, 6, 7)),
        ("2026-13-01", None),
        ("2026-02-30", None),
        ("0000", None),
        ("0001-01-01T00:00+14:00", None),
        ("9999-12-31T23:59-14:00", None),
        ("20260304", None),
        ("2026-W10", None),
        ("yesterday", None),
        ("Wed, 04 Mar 99999999999999 05:06:07 +9999999999", None),
        (", ,", None),
        ("x" * 100, None),
    ],
)
def test_dates_are_read_as_utc(written, moment):
    found = [*read(urlset(entry("http://a/", f"<lastmod>{written}</lastmod>")), URL)]
    expected = moment and datetime(*moment, tzinfo=UTC)
    assert found[-1] == Entry("http://a/", expected)
    assert len(found) == (1 if moment else 2)


# What breaks off.


@pytest.mark.parametrize(
    ("content", "count", "says"),
    [
        (ONE[:-9], 1, "line 3: this is not well-formed XML, and no more is read"),
        (ONE[:-30], 0, "this is not well-formed XML"),
        (
            urlset(entry("http://a/1") + entry("http://a/?a&b") + entry("http://a/2")),
            1,
            "line 3: this is not well-formed XML, and no more is read: EntityRef",
        ),
        (
            urlset(entry("http://a/1")).replace(b"UTF-8", b"ISO-8859-1")[:-9],
            1,
            "line 3",
        ),
        (urlset(entry("http://a/\0")), 0, "this is not well-formed XML"),
        (
            urlset(entry("http://a/1") + entry("http://a/é")).decode().encode("cp1252"),
            1,
            "line 3: this is not well-formed XML",
        ),
        (ONE.replace(b"UTF-8", b"Klingon"), 0, "the encoding is 'Klingon', not UTF-8"),
        (ONE[39:].decode().encode("utf-16-le"), 0, "the encoding is 'UTF-16'"),
        (ONE.decode().replace("UTF-8", "UTF-16").encode("utf-16"), 0, "'UTF-16', not"),
        (ONE.replace(b"UTF-8", b"UTF-7"), 0, "the encoding is 'UTF-7', not UTF-8"),
        (b"<urlset>" + b"".join(b"<a%d/>" % n for n in range(1_001)), 0, "names of"),
        (b"<urlset>" + b"".join(b"<a b%d=''/>" % n for n in range(1_001)), 0, "names"),
        (b"<html><body>", 0, "the root element is <html>: this is no sitemap"),
        (b"<!-- ", 0, "there is no XML element in the first 64 KB"),
        (b"a\n" * 20, 0, "this is no sitemap: the first lines are no URLs"),
        (gzip.compress(ONE)[:-10], 1, "the gzip data ends early"),
        (gzip.compress(ONE)[:12] + b"\xff" * 40, 0, "the gzip data is damaged"),
        (b"\x1f\x8b", 0, "the gzip data ends early"),
        (gzip.compress(b"") * 1_001, 0, "gzip of too many parts"),
    ],
)
def test_what_cannot_be_read_further_ends_with_its_reason(content, count, says):
    assert len(urls(content)) == count
    assert says in problems(content)[-1]


def test_a_line_of_text_that_is_no_url_is_named_by_its_number():
    content = (
        b"\n\nhttp://a/1\r\n\r\nnonsense\rhttp://a/2\nhttp://\xff/\n" + b"x" * 9_000
    )
    assert urls(content + b"\nhttp://a/3") == ["http://a/1", "http://a/2", "http://a/3"]
    assert [said[:22] for said in problems(content + b"\nhttp://a/3")] == [
        "line 5: a URL begins w",
        "line 7: this is not UT",
        "line 8: a URL has less",
    ]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
@pytest.mark.parametrize(
    "content",
    [ONE, INDEX, RSS, ATOM, TEXT],
    ids=["urlset", "index", "RSS", "Atom", "text"],
)
def test_nothing_depends_on_where_the_pieces_end(content, chunk, monkeypatch):
    whole = list(read(content, URL))
    monkeypatch.setattr(sitemaps._pieces, "__defaults__", (chunk,))
    assert list(read(content, URL)) == whole


# Bounds.


@pytest.mark.slow
def test_50_000_entries_are_read_and_no_more():
    full = entry("http://a/1") * ENTRIES_MAX
    assert set(read(urlset(full), URL)) == {Entry("http://a/1")}
    found = list(read(urlset(full + entry("http://a/2")), URL))
    assert len(found) == ENTRIES_MAX + 1
    assert found[-2:] == [
        Entry("http://a/1"),
        Problem("more than 50,000 entries: the rest is not read"),
    ]


@pytest.mark.slow
def test_50_megabytes_are_read_and_no_more():
    filler = "<url><loc>http://a/1</loc>" + " " * 500_000 + "</url>"
    content = gzip.compress(urlset(filler * 110))
    assert len(urls(content)) == 104
    assert problems(content) == ["more than 50 MB: the rest is not read"]


@pytest.mark.slow
def test_neither_entries_nor_tree_are_held():
    """20,000 entries, 2 MB, are unpacked and read in 0.5 MB of memory."""
    path = "http://a/some/path/of/usual/length/index.html"
    packed = gzip.compress(urlset(entry(path) * 20_000))
    list(read(ONE, URL))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(packed, URL)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


BOMB = (
    b'<!DOCTYPE a [<!ENTITY e0 "lol">'
    + b"".join(
        b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 9)
    )
    + b"]>"
)


@pytest.mark.parametrize(
    "content",
    [
        BOMB + b"<urlset><url><loc>&e8;</loc></url></urlset>",
        BOMB + b"<feed><entry><link href='&e8;'/></entry></feed>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        b"<urlset><url><loc>&x;</loc></url></urlset>",
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]>'
        b"<urlset><url><loc>http://a/</loc></url></urlset>",
    ],
    ids=["bomb", "bomb in an attribute", "external", "parameter"],
)
def test_a_sitemap_that_declares_entities_is_not_read(content):
    assert [*read(content, URL)] == [
        Problem("it declares entities, which have no place in a sitemap: not read")
    ]


def test_an_external_dtd_is_not_asked_for():
    start = b'<!DOCTYPE urlset SYSTEM "http://127.0.0.1:1/x.dtd">'
    content = start + ONE.partition(b"\n")[2].replace(b"/1", b"/1&x;")
    assert problems(content) == ["line 1: an entry has no URL"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"<urlset>" + b"<a>" * 100_000,
        b"<urlset>" + b"<a/>" * 1_000_000,
        b"<urlset><url>" + b"<a/>" * 1_000_000,
        b"<urlset><url>" + b"<a>x</a>" * 500_000,
        b"<urlset>" + b"x" * 20_000_000,
        b"<urlset>" + b"<!-- x -->" * 1_000_000,
        b"<urlset " + b" ".join(b"a%d=''" % n for n in range(500_000)),
        b"<urlset>" + b"".join(b"<a%d/>" % n for n in range(300_000)),
        b"<urlset>" + b"".join(b"<a xmlns='%d'/>" % n for n in range(300_000)),
        gzip.compress(b"<urlset>" + b" " * 200_000_000),
        gzip.compress(b"\n" * 2_000_000),
        gzip.compress(b"") * 300_000,
        b"\n" * 1_000_000,
        b"\0" * 10_000_000,
        b"http://a/" + b"a" * 10_000_000,
        b"http://a/\n" + b"a\n" * 10_000,
    ],
    ids=[
        *("depth", "siblings", "children", "texts", "text", "comments", "attributes"),
        *("names", "namespaces", "gzip bomb", "text bomb", "gzip members"),
        *("lines", "NUL", "one line", "bad lines"),
    ],
)
def test_a_hostile_sitemap_is_read_in_bounded_time_and_memory(content):
    """No entry, a problem, and little memory beyond the content."""
    tracemalloc.start()
    try:
        found = sum(1 for _ in read(content, URL))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert 0 < found <= ENTRIES_MAX + 1


PIECES = st.sampled_from(
    [
        *("<urlset>", "</urlset>", "<url>", "</url>", "<loc>", "</loc>", "<lastmod>"),
        *("</lastmod>", "<rss>", "<channel>", "<item>", "</item>", "<feed>", "<entry>"),
        *("<link href='x'/>", "<link>", "</link>", "<sitemapindex>", "<sitemap>", "<"),
        *("http://a/", "2026", "&amp;", "&x;", "<!-- ", " -->", "<?xml ", "?>", "\n"),
        *("<!DOCTYPE a [", "<!ENTITY x 'y'>", "]>", "<![CDATA[", "]]>", "\ufeff", "é"),
    ]
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.one_of(
        st.binary(),
        st.lists(PIECES).map("".join).map(str.encode),
        st.lists(PIECES).map("".join).map(lambda text: text.encode("utf-16")),
        st.lists(PIECES).map("".join).map(lambda text: gzip.compress(text.encode())),
    ),
    st.integers(0, 200),
)
@example(b"\x1f\x8b", 0)
@example(b"\xff\xfe", 0)
@example(b"<rss><item/></rss>", 0)
def test_whatever_the_bytes_are_nothing_is_raised(content, cut):
    for each in (content, content[:cut]):
        for found in read(each, URL):
            assert isinstance(found, Entry | Problem)
        assert looks_like(each, None, URL) in (True, False)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)))
@example(["x\xa0"])
def test_what_is_written_is_read(paths):
    """Whatever stands in a URL, escaped as XML asks, comes out as WHATWG has it.

    White space around it, of any kind, is the writer's layout and not part of it.
    """
    written = [f"https://a.example/{path}" for path in paths]
    content = urlset("".join(entry(escape(url)) for url in written))
    assert urls(content) == [parse(url.strip()).href for url in written]


def test_elements_that_are_no_entries_are_not_read_for_ever():
    """50 MB of what only looks like entries would take seconds of the parent."""
    filling = b"<url><loc>http://h.example/1</loc></url>\n" * 75_000  # 3 MB
    found = list(read(b"<rss>" + filling + b"</rss>", "http://h.example/"))
    [problem] = found
    assert "more than 1 MB without an entry" in str(problem)
