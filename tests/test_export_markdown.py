"""Markdown for a comment: 60 lines, folded, and nothing of a stranger's is live."""

from __future__ import annotations

from datetime import timedelta

import pytest
from markdown_it import MarkdownIt

from fetcher.export.markdown import LINES_MAX
from fetcher.models import Severity
from fetcher.testing import FETCHED_AT, make_page
from tests.export_cases import (
    A,
    bad_site,
    bad_target,
    certificate,
    finding,
    one_of_each,
    written,
)

EVIL = [
    "[click](javascript:alert(1))",
    "[click](https://evil.example/)",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "@torvalds and org/repo#1 and #12 and GH-3",
    "https://github.com/org/repo/issues/1",
    "`` ` ``` </details> <details open>",
    "`",
    "``",
    "` `",
    "\n\n# heading\n\n- [ ] item",
    "| a | b |\n|---|---|",
    "$a^2$ :tada: &#x200b; &amp;",
    "   ",
    "",
]


def rendered(text: str):
    """Return the tokens that hold content, as GitHub's kind of Markdown has them."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text)
    for token in tokens:
        yield token
        yield from token.children or ()


def folds(text: str) -> list[str]:
    return [
        token.content.removeprefix("<details><summary>").partition("<")[0]
        for token in rendered(text)
        if token.type == "html_block" and "<summary>" in token.content
    ]


def test_the_verdict_comes_first_and_what_is_wrong_is_folded_below():
    text = written("markdown", one_of_each(), bad_site("warn"))
    assert text.startswith("### fetcher: not all is well\n\n7 pages: 3 ok, ")
    assert folds(text) == [
        "4 pages fell short",
        "1 expectation not met",
        "1 warning",
        "3 broken link targets",
        "1 missing fragment",
        "1 link target redirected for good",
        "1 link target refuses robots",
    ]
    assert text.count("<details>") == text.count("</details>") == 7


def test_a_list_item_names_the_page_and_what_is_wrong():
    text = written("markdown", one_of_each(), bad_site())
    assert f"- `{A}gone` `HTTP 404`\n" in text
    assert f"- `{A}lost` `HTTP 404` on `{A}:10:5`\n" in text
    assert f"- `{A}gone` `HTTP 404` on `{A}:10:5` and 4 more places\n" in text
    assert f"- `{A}page#below` on `{A}:10:5`\n" in text


def test_a_good_run_is_two_sentences():
    text = written("markdown", one_of_each()[:1])
    assert text.splitlines()[0] == "### fetcher: all well"
    assert len(text.splitlines()) == 3


def test_certificates_that_end_soon_are_told():
    ends = FETCHED_AT + timedelta(days=3)
    page = make_page(A, certificate=certificate(not_after=ends))
    text = written("markdown", [(page, ())])
    assert folds(text) == ["1 certificate ended or ends within 14 days"]
    assert f"- `a.example` {ends:%Y-%m-%d}" in text


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 9, 50, 2_000])
def test_a_comment_has_at_most_60_lines_however_much_is_wrong(count):
    """And says of each list how many it leaves out."""
    urls = [f"{A}{n}" for n in range(count)]
    pages = [(make_page(url, 404), ()) for url in urls]
    for severity in (Severity.ERROR, Severity.WARN):
        pages += [(make_page(u), (finding(u, severity),)) for u in urls]
    ends = FETCHED_AT + timedelta(days=3)
    pages += [
        (
            make_page(f"https://{n}.example/", certificate=certificate(not_after=ends)),
            (),
        )
        for n in range(count)
    ]
    site = bad_site("warn")
    names = ("broken", "fragments", "moved", "blocked")
    for name in names:
        targets = [bad_target(f"{n}", final_url=A) for n in range(min(count, 1_000))]
        setattr(site, name, targets)
    site.bad_counts = dict.fromkeys(names, count)
    text = written("markdown", pages, site, interrupted=True, insecure=True)
    assert len(text.splitlines()) <= LINES_MAX
    assert len(text) < 65_536, "what a comment may have"
    assert len(folds(text)) == 8
    assert text.count("\n- and ") == (0 if count == 1 else 8)


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_stranger_writes_is_shown_and_never_live(evil):
    """No link, image, HTML, heading or mention: it is all in code spans."""
    url = f"{A}{evil}"
    site = bad_site("warn")
    site.broken = [bad_target(evil, reason=evil)]
    site.moved = [bad_target(evil, final_url=evil)]
    pages = [
        (make_page(url, 404), ()),
        (make_page(evil), (finding(evil, message=evil),)),
    ]
    text = written("markdown", pages, site)
    plain = written("markdown", [(make_page("x", 404), ())], bad_site("warn"))
    kinds = {token.type for token in rendered(plain)}
    assert {token.type for token in rendered(text)} <= {*kinds, "code_inline"}
    blocks = [t.content.strip() for t in rendered(text) if t.type == "html_block"]
    assert all(
        block == "</details>" or block.startswith("<details><summary>")
        for block in blocks
    )
    outside = "".join(t.content for t in rendered(text) if t.type == "text")
    assert not any(live in outside for live in ("http", *"@#<[`|$"))
    shown = "".join(t.content for t in rendered(text) if t.type == "code_inline")
    assert evil.replace("\n", r"\n").strip() in shown


def test_the_test_above_would_see_a_link():
    """The renderer makes links, images and HTML of what is not in a code span."""
    kinds = {token.type for token in rendered("\n\n".join(EVIL))}
    assert {"link_open", "image", "html_inline", "heading_open"} <= kinds
