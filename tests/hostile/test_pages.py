"""What a page may cost whoever reads it, and that he is told what was left out."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from fetcher import facts, memory
from fetcher import page as page_module
from fetcher.facts import extract
from fetcher.page import Page
from fetcher.report import Report
from tests.hostile.page_cost import cost_of
from tests.hostile.pages import PAGES

URL = "http://site.example/dir/"
MB = 1_000_000


def costs_of(names):
    """Return what pages of 1 MB cost, in one process (which others call)."""
    return {name: cost_of(name, MB) for name in names}


@pytest.fixture(scope="module")
def costs():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(costs_of, (list(PAGES),))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_1_mb_takes_bounded_time_and_memory(costs, name):
    """All its facts in seconds, even on a busy machine, and in at most 100 MB."""
    cost = costs[name]
    assert cost.cpu_s < 5
    assert cost.extra_bytes < 100 * MB


@pytest.mark.campaign
def test_a_page_of_10_mb_takes_bounded_time_and_memory():
    """The same by hand: python -m tests.hostile.page_cost"""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.hostile.page_cost"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def many(unit, before=b"", after=b""):
    return before + unit * (facts.LISTED_MAX + 1) + after


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("links", many(b"<a href=x>")),
        ("links", many(b"a, ", b"<img srcset='", b"'>")),
        ("images", many(b"<img>")),
        ("headings", many(b"<h1>")),
        ("robots", many(b"a,", b"<meta name=robots content='", b"'>")),
        ("structured_data", many(b"1,", b"<script type=application/ld+json>[", b"1]")),
    ],
    ids=["links", "srcset", "images", "headings", "robots", "structured data"],
)
def test_a_list_that_is_too_long_is_cut_and_says_so(name, content):
    """50,000 entries are listed, and `capped` names the list."""
    found = extract(content, URL)
    assert len(getattr(found, name)) == facts.LISTED_MAX
    assert found.capped == (name,)
    if name == "links":
        assert found.link_count == facts.LISTED_MAX


@pytest.mark.slow
@pytest.mark.parametrize("known", [(), ("links", "title")], ids=["here", "ahead"])
def test_a_list_of_the_greatest_length_is_whole(known):
    """Exactly 50,000 links are all listed, and nothing is called cut."""
    content = b"<a href=x>" * facts.LISTED_MAX
    there = extract(content, URL)
    here = extract(content, URL, known=facts.ahead(there, known))
    assert len(here.links) == facts.LISTED_MAX
    assert here.capped == ()


def test_word_of_what_was_cut_crosses_the_pipe():
    """Who reads links in a worker hears there that they are not all."""
    content = many(b"<a href=x>")
    here = extract(content, URL, known=facts.ahead(extract(content, URL), ["links"]))
    assert here.capped == ("links",)
    assert here.missed == []


def test_urls_that_a_long_base_makes_huge_are_cut():
    """A base of 7,000 characters does not stand in 5,000 links."""
    links = b"".join([b"<a href=%d>" % n for n in range(5_000)])
    found = extract(b"<base href='/" + b"b" * 7_000 + b"/'>" + links, URL)
    assert sum(len(link.url) for link in found.links) <= facts.URLS_MAX_CHARS
    assert found.capped == ("links",)
    assert found.link_count == len(found.links)


def test_a_small_page_with_a_base_that_grows_says_that_it_was_cut():
    """A byte of a base may be six characters of every link."""
    base = "é".encode("cp1252") * 2_500
    links = b"a, " * 1_500
    content = b"<base href='/" + base + b"/'><img srcset='" + links + b"'>"
    found = extract(content, URL, "windows-1252")
    assert len(found.links) < 1_500
    assert found.capped == ("links",)


@pytest.mark.slow
def test_a_page_of_too_many_tags_is_read_up_to_there():
    """The first 300,000 tags are read; `markup` says that there is more."""
    before = b"<title>t</title><p>" * 100_000
    found = extract(before + b"<h1>after</h1>", URL)
    assert found.title == "t"
    assert found.headings == ()
    assert "markup" in found.capped


@pytest.mark.slow
@pytest.mark.skipif(not Path(memory._STATM).exists(), reason="limits memory by /proc")
def test_markup_that_unfolds_to_millions_of_elements_is_given_up():
    """200 KB that would be 20 million elements cost 100 MB at most."""
    found = extract(PAGES["formatting that unfolds"](200_000), URL)
    assert found.capped == ("markup",)


@pytest.mark.slow
def test_json_ld_of_more_than_1_mb_is_left_out():
    """Its objects would take seventy times the page."""
    content = PAGES["JSON-LD of many objects"](facts.JSON_LD_MAX_CHARS + 1_000)
    found = extract(content, URL)
    assert found.structured_data == ()
    assert found.capped == ("structured_data",)


def test_an_ordinary_page_has_nothing_cut():
    found = extract(b"<title>t</title><base href=/b/><a href=x>y</a>", URL)
    assert found.capped == ()


def test_the_report_counts_pages_of_which_not_everything_is_listed():
    """Who reads the report knows that a list is not whole."""
    page = Page(
        url=URL,
        status=200,
        content=many(b"a,", b"<html><meta name=robots content='", b"'>"),
    )
    report = Report()
    report.add(page)
    assert report.capped == 1
    assert report.to_dict()["capped"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["ab cd " * 400_000, "x" * 1_500_000 + " y", " " * 2_000_000, "é\u3000b" * 999],
)
def test_words_are_counted_alike_in_pieces_and_whole(text):
    """A text that is read piece by piece has the words it has."""
    content = f"<body><p>{text}".encode()
    found = extract(content, URL)
    assert found.word_count == len(text.split())
    folded = facts.visible_text(facts.extract(content, "http://h/"))
    assert folded == " ".join(text.split())


def test_a_limit_on_memory_is_lifted_again():
    """Whether or not the call kept to it."""
    before = memory.resource.getrlimit(memory.resource.RLIMIT_DATA)
    assert memory.call_within(10 * MB, lambda: 1) == 1
    with pytest.raises(MemoryError):
        memory.call_within(MB, lambda: bytearray(500 * MB))
    assert memory.resource.getrlimit(memory.resource.RLIMIT_DATA) == before
    assert len(bytearray(50 * MB)) == 50 * MB


def test_a_text_has_at_most_4_000_characters():
    """A title, a description or a heading of megabytes is cut."""
    text = b"t" * 50_000
    found = extract(
        b"<title>" + text + b"</title><meta name=description content=" + text + b">"
        b"<h1>" + text,
        URL,
    )
    for each in (found.title, found.description, *found.h1):
        assert each == "t" * facts.TEXT_MAX_CHARS


def test_what_a_large_page_took_is_given_back(monkeypatch):
    """When it was saved, and not only when the next large one comes."""
    given_back = []
    monkeypatch.setattr(page_module, "give_back", lambda: given_back.append(1))
    for size in (1_000, page_module.LARGE_BYTES):
        page = Page(url=URL, status=200, content=b"<html>" + b" " * size)
        assert page.facts is not None
        page.release()
        page.release()  # of which nothing is left
    assert given_back == [1]
    memory.give_back()
