"""Who links to whom: every answer is checked against a plain one made from sets."""

from __future__ import annotations

import errno
import tempfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import graph as graph_module
from fetcher.backlog import url_id
from fetcher.errors import StoreError
from fetcher.graph import (
    NO_TARGET,
    LinkGraph,
    MissingAnchor,
    Place,
    fragment_of,
    has_anchor,
)
from fetcher.link_table import LinkTable, joined
from fetcher.models import Link

SITE = "http://a.example/"


@pytest.fixture
def graph():
    made = LinkGraph()
    yield made
    made.close()


@pytest.fixture
def tight(monkeypatch):
    """Bounds that three links reach: everything goes through files."""
    monkeypatch.setattr(graph_module, "ROWS_HELD", 3)
    monkeypatch.setattr(graph_module, "MEMORY_BYTES", 64)
    monkeypatch.setattr(graph_module, "WRITTEN_AT_ONCE_BYTES", 300)


def link(url: str, line: int = 1, text: str = "here") -> Link:
    return Link(url, text, (), "a", "href", line, 5)


def id_of(url: str) -> int:
    document = url.partition("#")[0]
    return url_id(document) if document.startswith("http") else NO_TARGET


def add(graph, url, links=(), anchors=()):
    links = [link(one) if isinstance(one, str) else one for one in links]
    table = LinkTable.of(links)
    targets = [id_of(document) for document, *_ in table.sorts]
    names = None if anchors is None else joined(anchors)
    graph.add_page(url, id_of(url), table, targets, names)


def places(graph, targets):
    """Every place of these targets, with its target; as many as are counted."""
    found = list(graph.places(targets, kept=1_000))
    assert all(one.link_count == len(one.places) for one in found)
    assert all(place.url == one.url for one in found for place in one.places)
    return [(one.target, place) for one in found for place in one.places]


def missing(graph) -> list[tuple[str, str]]:
    return sorted((one.url, one.fragment) for one in graph.missing_anchors())


def test_every_place_that_links_to_a_target_is_found(graph):
    gone, other = SITE + "gone", SITE + "other"
    add(graph, SITE + "1", [link(gone, 3, "first"), other, link(gone + "#x", 9)])
    add(graph, SITE + "2", [other])
    add(graph, SITE + "3", [Link(gone, "", (), "img", "src", 7, 2)])
    assert places(graph, {id_of(gone): "404"}) == [
        (id_of(gone), Place(SITE + "1", 3, 5, "first", None, "a", "href")),
        (id_of(gone), Place(SITE + "1", 9, 5, "here", "x", "a", "href")),
        (id_of(gone), Place(SITE + "3", 7, 2, "", None, "img", "src")),
    ]
    assert places(graph, {}) == []


def test_places_are_given_up_to_a_number_and_counted_beyond(graph):
    """A link that every page has is told twenty times, and counted to the last."""
    gone = SITE + "gone"
    for number in range(5):
        add(graph, f"{SITE}{number}", [link(gone, 3), SITE, link(gone + "#x", 9)])
    found = list(graph.places({id_of(gone)}, kept=3))
    assert [one.link_count for one in found] == [2] * 5
    assert [len(one.places) for one in found] == [2, 1, 0, 0, 0]


def test_a_link_to_nothing_that_is_fetched_is_no_place(graph):
    add(graph, SITE, ["mailto:a@b.example", SITE + "1"])
    assert places(graph, {NO_TARGET}) == []
    assert graph.links == 1


def test_a_fragment_that_its_page_lacks_is_missing(graph):
    add(graph, SITE + "1", [SITE + "2#there", SITE + "2#gone", "#own", "#mine"])
    add(graph, SITE + "2", [SITE + "2#self", SITE + "2#lost"], {"there", "self"})
    add(graph, SITE + "3", [SITE + "2#gone", SITE + "4#unknown"], None)
    assert missing(graph) == [(SITE + "2", "gone"), (SITE + "2", "lost")]
    pair = (id_of(SITE + "2"), "gone")
    assert MissingAnchor(*pair, SITE + "2") in set(graph.missing_anchors())
    places = list(graph.places_of_missing({pair}))
    assert [(found, place.url) for found, place in places] == [
        (pair, SITE + "1"),
        (pair, SITE + "3"),
    ]
    assert list(graph.places_of_missing(set())) == []


def test_only_pages_fetched_as_html_are_asked_for_anchors(graph):
    """A picture, a PDF or an error page has no anchors to miss."""
    add(graph, SITE + "1", [SITE + "2.pdf#page=3", SITE + "404#x"])
    add(graph, SITE + "2.pdf", [], None)
    assert missing(graph) == []


HAS_ANCHOR = [
    ("as it is", "a", {"a"}, True),
    ("another", "b", {"a"}, False),
    ("upper case is another", "A", {"a"}, False),
    ("percent-encoded Unicode", "caf%C3%A9", {"café"}, True),
    ("percent-encoded ASCII", "a%20b", {"a b"}, True),
    ("an id that looks encoded", "a%20b", {"a%20b"}, True),
    ("decoded once only", "a%2520b", {"a b"}, False),
    ("no valid UTF-8", "%FF", {"\ufffd"}, True),
    ("no hexadecimal", "%zz", {"%zz"}, True),
    ("the empty one", "", set(), True),
    ("top", "top", set(), True),
    ("TOP", "ToP", set(), True),
    ("top, percent-encoded", "%74op", set(), True),
    ("plus is no space", "a+b", {"a b"}, False),
]


@pytest.mark.parametrize(
    ("fragment", "anchors", "there"),
    [case[1:] for case in HAS_ANCHOR],
    ids=[case[0] for case in HAS_ANCHOR],
)
def test_an_anchor_is_found_as_html_says(graph, fragment, anchors, there):
    assert has_anchor(anchors, fragment) is there
    add(graph, SITE + "1", [f"{SITE}2#{fragment}"])
    add(graph, SITE + "2", [f"{SITE}2#{fragment}"], anchors)
    expected = [] if there else [(SITE + "2", fragment)]
    assert missing(graph) == expected


@pytest.mark.parametrize(
    ("url", "fragment"),
    [
        (SITE, ""),
        (SITE + "#", ""),
        (SITE + "#a#b", "a#b"),
        (SITE + "#:~:text=words", ""),
        (SITE + "#a:~:text=words", "a"),
        (SITE + "?q=:~:#a", "a"),
    ],
)
def test_a_text_directive_is_no_part_of_the_fragment(graph, url, fragment):
    assert fragment_of(url) == fragment
    add(graph, SITE + "1", [url])
    (found,) = places(graph, {id_of(url)})
    assert found[1].fragment == (fragment or None)


def test_after_a_redirect_the_fragment_is_asked_of_the_page_where_it_ended(graph):
    old, new = SITE + "old", SITE + "new"
    add(graph, SITE + "1", [old + "#there", old + "#gone", new + "#gone"])
    graph.alias(id_of(old), id_of(new))
    graph.alias(id_of(new), id_of(new))
    add(graph, new, [], {"there"})
    assert sorted(graph.missing_anchors()) == sorted(
        [MissingAnchor(id_of(old), "gone", new), MissingAnchor(id_of(new), "gone", new)]
    )
    (place,) = graph.places_of_missing({(id_of(old), "gone")})
    assert place[1].url == SITE + "1"
    assert list(graph.unlinked([id_of(new), id_of(old), id_of(SITE + "1")])) == [
        id_of(SITE + "1")
    ]
    assert graph.degrees().most_linked == ((id_of(new), 2),)


def test_degrees_count_pages_and_not_links(graph):
    one, two, three = (SITE + number for number in "123")
    add(graph, one, [two, two + "#a", three, one, "mailto:x@y.example"])
    add(graph, two, [three])
    add(graph, three, [three])
    found = graph.degrees()
    assert (found.pages, found.links, found.targets) == (3, 6, 2)
    assert found.most_linked == ((id_of(three), 2), (id_of(two), 1))
    assert found.without_links == (three,)
    assert found.without_links_count == 1
    assert found.inward == {0: 1, 1: 1, 2: 1}
    assert found.outward == {0: 1, 1: 1, 2: 1}
    assert list(graph.unlinked(map(id_of, (one, two, three)))) == [id_of(one)]
    assert graph.urls_of({id_of(two), 5}) == {id_of(two): two}


def test_lists_are_cut_and_their_counts_are_not(graph):
    for number in range(5):
        add(graph, f"{SITE}{number}")
    found = graph.degrees(kept=2)
    assert found.without_links == (SITE + "0", SITE + "1")
    assert found.without_links_count == 5


def test_odd_texts_harm_nothing(graph):
    """Whatever a page or a caller puts into a text, the next link has its own."""
    add(
        graph,
        SITE + "\udc80",
        [
            link(SITE + "1#a\x00b", 1, "nul\x00 \udc80"),
            link(SITE + "2#c", 2, "x" * 200),
        ],
        {"odd\x00anchor", "c\nd"},
    )
    add(graph, SITE + "2", [], {"c"})
    texts = [place.text for _, place in places(graph, {id_of(SITE + n) for n in "12"})]
    assert texts == ["nul\ufffd \udc80", "x" * 200]
    assert missing(graph) == []


def test_kinds_of_link_are_told_apart_up_to_a_bound(graph, monkeypatch):
    monkeypatch.setattr(graph_module, "SHAPES_MAX", 2)
    kinds = [("a", "href"), ("style", None), ("x", "y"), ("a", "href")]
    links = [Link(SITE + "1", "", (), *kind, 1, 1) for kind in kinds]
    add(graph, SITE, links)
    found = [
        (place.tag, place.attribute) for _, place in places(graph, {id_of(SITE + "1")})
    ]
    assert found == [("a", "href"), ("style", None), ("", None), ("a", "href")]


def test_targets_and_links_must_be_as_many(graph):
    with pytest.raises(ValueError, match="as many targets as sorts, got 0 for 1"):
        graph.add_page(SITE, 1, LinkTable.of([link(SITE)]), [], "")


@pytest.mark.usefixtures("tight")
def test_questions_may_be_asked_at_any_time_and_within_each_other():
    graph = LinkGraph()
    for number in range(4):
        add(graph, f"{SITE}{number}", [f"{SITE}{one}#x" for one in range(4)], {"y"})
        assert len(list(graph.places({id_of(SITE + "0")}))) == number + 1
    both = [
        (outer.url, inner.url)
        for outer in graph.places({id_of(SITE + "0")})
        for inner in graph.places({id_of(SITE + "1")})
    ]
    assert len(set(both)) == 16
    assert len(missing(graph)) == 4
    graph.close()


def test_a_graph_says_what_it_holds(graph):
    add(graph, SITE, [SITE + "1"])
    assert repr(graph) == "<LinkGraph of 1 pages, 1 links>"


def test_a_full_disk_is_one_sentence(monkeypatch):
    class FullFile:
        def __init__(self, max_size):
            self.max_size = max_size

        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        def seek(self, offset):
            pass

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(graph_module, "SpooledTemporaryFile", FullFile)
    monkeypatch.setattr(graph_module, "WRITTEN_AT_ONCE_BYTES", 1)
    graph = LinkGraph()
    with pytest.raises(StoreError) as caught:
        add(graph, SITE)
    assert str(caught.value) == (
        f"the links between pages cannot be kept in {tempfile.gettempdir()}:"
        " No space left on device"
    )
    graph.close()


URLS = [f"{SITE}{number}" for number in range(6)]
NAMES = ["a", "b", "c%20d", "c d", "%74op", ""]
SITES = st.fixed_dictionaries(
    {},
    optional={
        url: st.tuples(
            st.lists(st.tuples(st.sampled_from(URLS), st.sampled_from(NAMES))),
            st.none() | st.sets(st.sampled_from(NAMES)),
        )
        for url in URLS[:5]
    },
)
REDIRECTS = st.dictionaries(st.just(URLS[5]), st.sampled_from(URLS[:5]))


@pytest.mark.slow
@pytest.mark.parametrize("bounds", ["wide", "tight"])
def test_every_answer_equals_that_of_plain_sets(bounds, request):
    if bounds == "tight":
        request.getfixturevalue("tight")

    @settings(max_examples=150, deadline=None)
    @given(SITES, REDIRECTS)
    def check(site, redirects):
        graph = LinkGraph()
        for url, (links, anchors) in site.items():
            add(graph, url, [f"{to}#{name}" for to, name in links], anchors)
        for old, new in redirects.items():
            graph.alias(id_of(old), id_of(new))
        end = {url: redirects.get(url, url) for url in URLS}

        lacking = {
            (id_of(to), name)
            for links, _ in site.values()
            for to, name in links
            if site.get(end[to], (0, None))[1] is not None
            and not has_anchor(site[end[to]][1], name)
        }
        found = [(one.target, one.fragment) for one in graph.missing_anchors()]
        assert sorted(found) == sorted(lacking)

        places = Counter(
            (pair, place.url) for pair, place in graph.places_of_missing(lacking)
        )
        assert places == Counter(
            ((id_of(to), name), url)
            for url, (links, _) in site.items()
            for to, name in links
            if (id_of(to), name) in lacking
        )

        edges = {
            (url, to)
            for url, (links, _) in site.items()
            for to, _ in links
            if to != url
        }
        linked = {to for _, to in edges} | {end[to] for _, to in edges}
        assert set(graph.unlinked(map(id_of, URLS))) == {
            id_of(url) for url in URLS if url not in linked
        }
        inward = Counter(id_of(end[to]) for _, to in edges)
        degrees = graph.degrees()
        assert dict(degrees.most_linked) == dict(inward)
        assert degrees.targets == len(inward)
        assert sum(degrees.inward.values()) == len(site)
        assert sum(degrees.outward.values()) == len(site)
        assert graph.urls_of({*map(id_of, URLS)}) == {id_of(url): url for url in site}
        graph.close()

    check()
