"""Facts: what is read from a page, beside another parser, and from hostile bytes."""

import pickle
import random
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.facts import (
    Decoded,
    ahead,
    check_selector,
    decode,
    decode_plain,
    extract,
    selected,
    selected_by,
)
from fetcher.models import Facts, Heading, Image, Link, MetaRefresh, StructuredItem
from tests.benchmarks.facts_agree import differences

URL = "http://site.example/dir/page.html?q#f"
PYTHON_MANUAL = Path("/usr/share/doc/python3.11/html")


def facts_of(html: str, url: str = URL) -> Facts:
    return extract(html.encode(), url)


def urls_of(html: str) -> list[str]:
    return [link.url for link in facts_of(html).links]


PAGE = b"""<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<title>  A caf\xc3\xa9,
  and more </title>
<meta name="Description" content=" what   it is ">
<meta name="robots" content="NoIndex, nofollow">
<link rel="Canonical alternate" href="/canon">
<link rel=stylesheet href=style.css>
<style>body { background: url(bg.png) }</style>
</head>
<body>
<h1 id=top>One <b>heading</b></h1>
<p>Some <a href="../x#y" rel="NOFOLLOW ugc">link
  text</a> here.<script>var hidden = 1</script></p>
<h3>Third</h3>
<a name="old" href="mailto:a@b.example"><img src="i.png" alt="An  icon"></a>
<img src="/no-alt.png"><img src=empty.png alt="" srcset="big.png 2x, huge.png 3x">
<noscript>unseen <a href=plain>p</a></noscript>
</body>
</html>
"""


def test_a_page_says_what_it_is():
    facts = extract(PAGE, URL)
    assert facts.title == "A café, and more"
    assert facts.description == "what it is"
    assert facts.canonical == "http://site.example/canon"
    assert facts.language == "en-GB"
    assert facts.robots == ("noindex", "nofollow")
    assert facts.headings == (Heading(1, "One heading"), Heading(3, "Third"))
    assert facts.h1 == ("One heading",)
    assert facts.fragments == {"top", "old"}
    assert facts.base == URL
    assert facts.meta_refresh is None
    assert facts.structured_data == ()
    assert facts.word_count == 7  # One heading Some link text here. Third
    assert (facts.encoding, facts.encoding_source) == ("utf-8", "meta")


def test_links_in_document_order_with_the_place_where_they_stand():
    site = "http://site.example"
    assert extract(PAGE, URL).links == (
        Link(f"{site}/canon", "", ("canonical", "alternate"), "link", "href", 9, 1),
        Link(f"{site}/dir/style.css", "", ("stylesheet",), "link", "href", 10, 1),
        Link(f"{site}/dir/bg.png", "", (), "style", None, 11, 1),
        Link(f"{site}/x#y", "link text", ("nofollow", "ugc"), "a", "href", 15, 9),
        Link("mailto:a@b.example", "An icon", (), "a", "href", 18, 1),
        Link(f"{site}/dir/i.png", "An icon", (), "img", "src", 18, 41),
        Link(f"{site}/no-alt.png", "", (), "img", "src", 19, 1),
        Link(f"{site}/dir/empty.png", "", (), "img", "src", 19, 24),
        Link(f"{site}/dir/big.png", "", (), "img", "srcset", 19, 24),
        Link(f"{site}/dir/huge.png", "", (), "img", "srcset", 19, 24),
        Link(f"{site}/dir/plain", "p", (), "a", "href", 20, 18),
    )


def test_images_with_and_without_alt():
    assert extract(PAGE, URL).images == (
        Image("http://site.example/dir/i.png", "An  icon", 18, 41),
        Image("http://site.example/no-alt.png", None, 19, 1),
        Image("http://site.example/dir/empty.png", "", 19, 24),
    )
    assert facts_of("<img alt=x>").images == (Image("", "x", 1, 1),)


def test_a_page_that_says_nothing():
    facts = extract(b"", URL)
    assert facts.title is None
    assert facts.description is None
    assert facts.canonical is None
    assert facts.language is None
    assert facts.links == ()
    assert facts.word_count == 0
    assert facts.fragments == frozenset()


def test_an_empty_title_is_a_title_and_one_in_a_drawing_is_not():
    assert facts_of("<title></title>").title == ""
    drawing = "<svg><title>Drawing</title></svg>"
    assert facts_of(f"<body>{drawing}").title is None
    assert facts_of(f"<body>{drawing}<title>Late</title>").title == "Late"
    assert facts_of("<title>First</title><title>Second</title>").title == "First"


@pytest.mark.parametrize(
    ("html", "url"),
    [
        ("<a href=''>", "http://site.example/dir/page.html?q"),
        ("<a href>", "http://site.example/dir/page.html?q"),
        ("<a href='#x y'>", "http://site.example/dir/page.html?q#x%20y"),
        ("<a href=' \n b\nc '>", "http://site.example/dir/bc"),
        ("<a href='//[bad'>", "//[bad"),
        ("<a href='javascript:x'>", "javascript:x"),
        ("<area href=x>", "http://site.example/dir/x"),
        ("<iframe src=x>", "http://site.example/dir/x"),
        ("<script src=x></script>", "http://site.example/dir/x"),
        ("<form action=x>", "http://site.example/dir/x"),
        ("<video poster=x>", "http://site.example/dir/x"),
        ("<object data=x>", "http://site.example/dir/x"),
        ("<p style='background:url(x)'>", "http://site.example/dir/x"),
        ("<style>@import 'x';</style>", "http://site.example/dir/x"),
        ("<meta http-equiv=refresh content='1;url=x'>", "http://site.example/dir/x"),
        ("<svg><a xlink:href=x></a></svg>", "http://site.example/dir/x"),
        ("<frameset><frame src=x>", "http://site.example/dir/x"),
    ],
)
def test_a_link_of_every_kind(html, url):
    assert urls_of(html) == [url]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://other.example/a/", "http://other.example/a/"),
        ("/root/", "http://site.example/root/"),
        ("sub/", "http://site.example/dir/sub/"),
        ("", "http://site.example/dir/page.html?q"),
        ("http://[bad", URL),
        ("javascript:x", URL),
        ("data:text/html,x", URL),
    ],
)
def test_links_are_resolved_against_the_base(base, expected):
    facts = facts_of(f"<a href=first><base href='{base}'><base href=/second/><img>")
    assert facts.base == expected
    assert facts.links[0].url.startswith(expected.rpartition("/")[0])
    assert len(facts.links) == 1  # the base is none


def test_the_text_of_a_link_is_folded_and_cut():
    html = f"<a href=x>{'word  ' * 1000}</a><a href=y><img><img alt=z></a>"
    html += "<area href=z alt=' an  area '>"
    texts = [link.text for link in facts_of(html).links]
    assert texts[0] == ("word " * 40)
    assert texts[1:] == ["", "an area"]


def test_meta_refresh():
    html = "<base href=/b/><meta http-equiv=Refresh content='{}'>"
    found = facts_of(html.format("3; URL=next")).meta_refresh
    assert found == MetaRefresh(3.0, "http://site.example/b/next")
    assert facts_of(html.format("5")).meta_refresh == MetaRefresh(5.0, URL)
    assert facts_of(html.format("soon")).meta_refresh is None
    in_noscript = "<noscript><meta http-equiv=refresh content='0;url=x'></noscript>"
    assert facts_of(in_noscript).meta_refresh is None


@pytest.mark.parametrize("delay", [".", ". ", "..", "....5", ".x"])
def test_a_refresh_after_dots_is_none(delay):
    """A page whose delay is a dot does not end the run; its links are still found."""
    html = f"<meta http-equiv=refresh content='{delay};url=x'><a href=y>"
    facts = facts_of(html)
    assert facts.meta_refresh is None
    assert "http://site.example/dir/y" in [link.url for link in facts.links]


def test_a_refresh_in_ages_has_a_delay_that_can_be_written_down():
    """400 digits are more than a float holds: JSON has no word for that."""
    html = f"<meta http-equiv=refresh content='{'9' * 400};url=x'>"
    found = facts_of(html).meta_refresh
    assert found is not None
    assert found.delay_s == 1e9


def test_visible_words_end_at_white_space_and_at_tags():
    facts = facts_of(
        "<title>no</title><table><tr><td>a<td>b</table><ul><li>c<li>d\xa0e</ul>"
        "<p>f<b>g</b><!-- no -->h<br>i<style>no</style><template>no</template>"
        "<iframe>no</iframe><noscript>no</noscript><textarea>j</textarea>"
    )
    assert facts.word_count == len("abcdefghij")


def test_the_hash_is_of_the_words_however_they_are_laid_out():
    one = facts_of("<p>some  text</p>")
    assert len(one.text_hash) == 32
    same = facts_of("<title>x</title><div>so<i>me</i>\n<p>text<script>1</script>")
    assert one.text_hash == same.text_hash
    assert one.text_hash != facts_of("<p>some texts</p>").text_hash


def items(html: str) -> tuple[StructuredItem, ...]:
    return facts_of(html).structured_data


def test_json_ld():
    script = "<script type='application/ld+json'>{}</script>"
    assert items(script.format('{"@type": ["A", "B"], "x": 1}')) == (
        StructuredItem("json-ld", ("A", "B"), {"@type": ["A", "B"], "x": 1}),
    )
    graph = {"@graph": [{"@type": "A"}, {"@type": "B"}, 1]}
    html = script.format('{"@graph": [{"@type": "A"}, {"@type": "B"}, 1]}')
    assert items(html) == (StructuredItem("json-ld", ("A", "B"), graph),)
    assert len(items(script.format('[{"@type": "A"}, {}]'))) == 2


@pytest.mark.parametrize(
    "block",
    ["", "{", "{'a': 1}", "NaN", "[" * 100_000, "[" * 500 + "]" * 500, "9" * 5000],
    ids=["empty", "cut", "quotes", "NaN", "open", "deep", "long number"],
)
def test_a_block_that_is_not_json_is_noted_and_does_not_raise(block):
    html = f"<script type=application/ld+json>{block}</script>"
    assert items(html) == (StructuredItem("json-ld", (), None),)


def test_microdata_rdfa_and_opengraph():
    assert items(
        "<div itemscope itemtype='http://schema.org/Person'><b itemprop=name>N</b>"
        "<p itemprop=home itemscope><i itemprop=city>C</i></div>"
    ) == (
        StructuredItem(
            "microdata",
            ("http://schema.org/Person",),
            {"name": ["N"], "home": [{"city": ["C"]}]},
        ),
    )
    assert items(
        "<div vocab='http://schema.org/' typeof=Person><b property=name>N</b></div>"
    ) == (
        StructuredItem(
            "rdfa", ("http://schema.org/Person",), {"http://schema.org/name": ["N"]}
        ),
    )
    assert items(
        "<meta property=og:type content=article><meta property=og:title content=T>"
    ) == (StructuredItem("opengraph", ("article",), {"type": "article", "title": "T"}),)


def test_structured_data_that_nests_too_deep_is_left_out():
    assert items("<div itemscope>" + "<div itemscope itemprop=y>" * 500) == ()
    assert items("<div typeof=x>" + "<div property=y typeof=x>" * 500) == ()
    kept = items("<p itemscope></p><meta property=og:type content=x><div typeof=x>")
    assert [item.format for item in kept] == ["microdata", "rdfa", "opengraph"]


KOI8 = b"<meta charset=koi8-r>"


@pytest.mark.parametrize(
    ("content", "charset", "decoded"),
    [
        (b"\xef\xbb\xbfa", "latin1", ("a", "utf-8", "bom")),
        (b"\xff\xfea\0", None, ("a", "utf-16le", "bom")),
        (b"\xfe\xff\0a", None, ("a", "utf-16be", "bom")),
        (b"\xe9", "latin1", ("é", "windows-1252", "http")),
        (b"\x82\xa0", "SJIS", ("あ", "shift_jis", "http")),
        (KOI8 + b"\xe9", " UTF-8 ", ("<meta charset=koi8-r>�", "utf-8", "http")),
        (KOI8 + b"\xe9", "bogus", ("<meta charset=koi8-r>И", "koi8-r", "meta")),
        (KOI8 + b"\xe9", None, ("<meta charset=koi8-r>И", "koi8-r", "meta")),
        (b"<meta charset=?>", None, ("<meta charset=?>", "utf-8", "detected")),
        (b"\xc3\xa9", None, ("é", "utf-8", "detected")),
        (b"\xc3\xa9", "idna", ("é", "utf-8", "detected")),
        (b"\xc3\xa9", "", ("é", "utf-8", "detected")),
        (b"\xc3\xa9", "\ud800", ("é", "utf-8", "detected")),
        (b"plain", None, ("plain", "utf-8", "detected")),
        (b"\xe9", None, ("é", "windows-1252", "default")),
        (b"", None, ("", "utf-8", "detected")),
        (b"abc", "replacement", ("�", "replacement", "http")),
    ],
)  # fmt: skip
def test_the_encoding_is_learnt_as_a_browser_does(content, charset, decoded):
    assert decode(content, charset) == Decoded(*decoded)
    facts = extract(content, URL, charset)
    assert (facts.encoding, facts.encoding_source) == decoded[1:]


def test_facts_pickle():
    facts = extract(PAGE, URL)
    assert pickle.loads(pickle.dumps(facts)) == facts


BUILT_PAGES = [
    PAGE,
    b"<title>a</title><p>x<p>y<a href=q>z</a>",
    b"<base href=/b/><a href=''>e</a><a href=#f>f</a><img src=i srcset='a 1x, b 2x'>",
    b"<body background=bg.png><form action=f><button formaction=g>b</button></form>",
    b"<ul><li>a<li>b</ul><table><td>c<td>d</table><p style='color:url(x.png)'>e",
    "<meta charset=utf-8><title>ü</title><a href='ä?ö#ü'>ß</a>".encode(),
]


@pytest.mark.parametrize("content", BUILT_PAGES)
def test_facts_read_ahead_are_the_same_and_cost_no_parsing(content):
    """What a worker read crosses the pipe in plain values and comes out as it was."""
    there = extract(content, URL)
    names = [field.name for field in fields(Facts)]
    crossed = pickle.loads(pickle.dumps(ahead(there, [*names, "link_count"])))
    here = extract(content, URL, known=crossed)
    assert here == there
    assert here.link_count == there.link_count
    assert all(type(link) is Link for link in here.links)
    assert here.missed == []


def test_facts_that_were_not_read_ahead_are_read_when_asked_for():
    here = extract(PAGE, URL, known=ahead(extract(PAGE, URL), ["title"]))
    assert here.title == extract(PAGE, URL).title
    assert here.missed == []
    assert here.links == extract(PAGE, URL).links
    assert here.missed == ["links"]


@pytest.mark.parametrize("content", BUILT_PAGES)
def test_beautifulsoup_reads_the_same_on_built_pages(content):
    assert list(differences(content, "http://site.example/dir/")) == []


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON_MANUAL.is_dir(), reason="needs Debian's python3.11-doc")
def test_beautifulsoup_reads_the_same_on_real_pages():
    """Title, links and visible words of 40 pages of a manual, read by both."""
    paths = sorted(PYTHON_MANUAL.rglob("*.html"))
    for path in [path for path in paths if path.stat().st_size < 60_000][::10][:40]:
        url = f"http://docs.example/{path.relative_to(PYTHON_MANUAL)}"
        assert list(differences(path.read_bytes(), url)) == [], path


SNIPPETS = [
    b"<a href=", b"<a name=x>", b"</a>", b"<svg>", b"<math>", b"<template>", b"<table>",
    b"<script type=application/ld+json>", b"</script>", b"<base href=http://[>", b'"',
    b"<meta charset=utf-16>", b"<meta http-equiv=refresh content=", b"\0", b"\xff\xfe",
    b"<!--", b"]]>", b"&#xD800;", b"&#0;", b"<title>", b"<h1>", b"<select>", b"'", b">",
    b"<img srcset=", b"<style>@import url(", b"<p itemscope itemref=a id=a itemprop=a>",
    b"<div typeof=a property=b>", b"<frameset>", b"<plaintext>", b"<noscript>", b"\xf0",
    b"<meta property=og:type content=", b"http://a\\@b/", b"<body>", b"<html lang=",
]  # fmt: skip


@st.composite
def mutated_pages(draw: st.DrawFn) -> bytes:
    """A page with pieces cut out, doubled, moved or put in."""
    page = draw(st.sampled_from([*BUILT_PAGES, b""]))
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 12))):
        at, until = sorted(chance.choices(range(len(page) + 1), k=2))
        piece = chance.choice([chance.choice(SNIPPETS), chance.randbytes(3), b""])
        page = page[:at] + piece * chance.choice([1, 1, 1, 40]) + page[until:]
        if chance.random() < 0.5:
            page += PAGE[at:]
    return page


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(mutated_pages() | st.binary(), st.sampled_from([None, "utf-8", "utf-16", "x"]))
def test_whatever_the_bytes_nothing_is_raised(content, charset):
    facts = extract(content, URL, charset)
    decoded = decode(content, charset)
    assert (facts.encoding, facts.encoding_source) == decoded[1:]
    assert all(link.line >= 0 and link.column >= 0 for link in facts.links)
    assert extract(content, "nonsense", charset).word_count == facts.word_count
    pickle.dumps(facts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"<div>" * 100_000,
        b"<p " + b" ".join(b"a%d=1" % n for n in range(100_000)) + b">",
        b"<a href=x>" * 50_000,
        b"<a href=x><object>" * 50_000 + b"z" * 1_000_000,
        b"<h1><div>" * 50_000 + b"z " * 500_000,
        b"<a " * 20_000,
        b"<img srcset='" + b"a 1x, " * 50_000,
        b"<div itemscope><p itemprop=x>" * 20_000,
    ],
    ids=["depth", "attributes", "links", "links in links", "headings in headings",
         "open tags", "srcset", "microdata"],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_hostile_page_costs_what_its_size_does(content):
    """Each took many times this limit where the work grew faster than the page."""
    extract(content, URL)


@pytest.mark.parametrize(
    "content",
    [
        b'<base href=/x><a href="">e</a><a href=>f</a><a href>g</a><area href="">',
        b'<svg><a href=""></a></svg><base><base href=z><a href=" ">',
        b'<img srcset="1,2 2x"><style>a{background:url(x)}</style>',
        b"<meta http-equiv=refresh content='0;url=/y'><form action=/z></form>",
        b"<p>x<noscript><a href=/n>n</a><img src=i></noscript>",
        b"",
    ],
)
def test_links_are_counted_without_being_made(content):
    """`link_count` is the number of `links`, whichever is asked for first."""
    count = extract(content, "http://h/").link_count
    assert count == len(extract(content, "http://h/").links)
    whole = pickle.loads(pickle.dumps(extract(content, "http://h/")))
    assert whole.link_count == count
    words_first = extract(content, "http://h/")
    assert words_first.word_count >= 0
    assert words_first.link_count == count
    assert whole == extract(content, "http://h/")


TAGS = "a area base link img script iframe object source form button meta style input"
NAMES = (
    "href src action formaction cite data poster background longdesc srcset imagesrcset"
    " xlink:href ping archive style http-equiv content name id"
)
VALUES = ["", "x", " ", "  ", "\t", " y", "a b", "a 1x, b 2x", "refresh", "0;url=q"]
VALUES += ["background:url(x)", "color:red", r"u\72l(x)", "#t"]
ATTRIBUTES = st.tuples(st.sampled_from(NAMES.split()), st.sampled_from(VALUES))
ELEMENTS = st.tuples(st.sampled_from(TAGS.split()), st.lists(ATTRIBUTES, max_size=3))


@settings(max_examples=300, deadline=None)
@given(st.lists(ELEMENTS, min_size=1, max_size=4))
@pytest.mark.slow
def test_whatever_attributes_there_are_the_count_is_that_of_the_links(elements):
    """Counting by attributes and making the Links never disagree."""
    tags = (
        f"<{tag} {' '.join(f'{name}={value!r}' for name, value in attributes)}>"
        for tag, attributes in elements
    )
    content = "".join(tags).encode()
    links = extract(content, "http://h/").links
    assert extract(content, "http://h/").link_count == len(links)


def test_what_a_selector_finds_is_counted_and_placed():
    """And crosses a pipe as other facts do: whoever looks then need not parse."""
    content = b"<p>a</p>\n <p>b</p><template><i>c</i></template>"
    read = extract(content, URL)
    assert selected(read, "p, i") == (3, 1, 1)
    assert selected(read, "p + p") == (1, 2, 2)
    assert selected(read, "table") == (0, 0, 0)
    known = ahead(read, [selected_by("p + p")])
    there = extract(content, URL, known=known)
    assert selected(there, "p + p") == (1, 2, 2)
    assert there.missed == []
    assert selected(there, "i").number == 1
    assert there.missed == [selected_by("i")]


def test_what_is_no_selector_is_said():
    check_selector("a:not([href^='https:']) > img")
    with pytest.raises(ValueError, match='invalid CSS selector "p\\["'):
        check_selector("p[")


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b"caf\xc3\xa9", None, "caf\xe9"),
        (b"caf\xe9", None, "caf\xe9"),
        (b"caf\xe9", "latin1", "caf\xe9"),
        (b"caf\xe9", "no label", "caf\xe9"),
        (b"\xef\xbb\xbfa", "latin1", "a"),
        (b"\xff\xfea\0", None, "a"),
        (b"\xfe\xff\0a", "utf-8", "a"),
        (b"\x83A", "Shift_JIS", "\u30a2"),
        (b"<meta charset=shift_jis>\xc3\xa9", None, "<meta charset=shift_jis>\xe9"),
        (b"a\xffb", "utf-8", "a\ufffdb"),
    ],
)
def test_a_body_that_is_no_html_is_decoded_without_being_parsed(content, charset, text):
    assert decode_plain(content, charset) == text


@pytest.mark.parametrize("space", ["\x0b", "\x1c", "\u00a0", " ", "\t", ""])
def test_links_are_counted_as_they_are_listed_whatever_blank_they_hold(space):
    """Only what HTML calls white space is none of a URL."""
    page = f"<img src='{space}'><q cite='{space}'>".encode()
    found = extract(page, "http://h/", "utf-8")
    assert extract(page, "http://h/", "utf-8").link_count == len(found.links)
    assert bool(found.images[0].url) is bool(found.links)
