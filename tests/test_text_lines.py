"""What of a page's text is compared, line by line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import ConfigError
from fetcher.text_lines import LINE_MAX_CHARS, LINES_MAX, Filter, text_lines

PAGE = b"""<html><title>Not text</title><body>
<nav><a href=/>Home</a> <a href=/b>Bread</a></nav>
<main id=main class="wide main"><h1>Opening <b>ho</b>urs</h1>
<p>Monday<br>Tuesday</p><ul><li>one<li>two</ul>
<table><tr><td>1<td>2<tr><td>3</table><div>in</div>behind</main>
<script>var x</script><noscript>no script</noscript><footer>Page 17 ms</footer>"""


def test_a_line_ends_where_a_block_does():
    """Paragraphs, items, rows and br are lines; what a reader does not see is none."""
    assert text_lines(PAGE) == [
        *("Home Bread", "Opening hours", "Monday", "Tuesday", "one", "two"),
        *("1 2", "3", "in", "behind", "Page 17 ms"),
    ]


@pytest.mark.parametrize(
    ("keeps", "expected"),
    [
        (Filter(css="h1, li"), ["Opening hours", "one", "two"]),
        (Filter(xpath="//main//li"), ["one", "two"]),
        (
            Filter(xpath="//*[@id='main']/p | //h1"),
            ["Opening hours", "Monday", "Tuesday"],
        ),
        (Filter(xpath="//li[2]"), ["two"]),
        (
            Filter(
                xpath="//main[contains(concat(' ', normalize-space(@class), ' '),"
                " ' main ')]//li[last()]"
            ),
            ["two"],
        ),
        (Filter(css="nav", xpath="//footer"), ["Home Bread", "Page 17 ms"]),
        (Filter(css="main, li", ignore=("^[1-3]", "o", "day$", "hi")), ["in"]),
        (Filter(css="video"), []),
    ],
    ids=str,
)
def test_a_filter_keeps_what_it_finds_once(keeps, expected):
    """Only what css or xpath find counts, without lines that match an ignore."""
    assert text_lines(PAGE, keeps) == expected


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"css": "p["}, "css: "),
        ({"ignore": ("(",)}, "no pattern of RE2"),
        ({"ignore": "x"}, "ignore is a list of patterns, got 'x'"),
        *(
            ({"xpath": path}, f"xpath {path!r} is none that is understood")
            for path in (
                *("", "//p[", "//p/..", "//p[.//b]", "//p[../p]", "//p[b='x']"),
                *("//p/following-sibling::p", "//p[preceding-sibling::p]"),
                *("count(//p)", "//*[contains(., 'x')]", "//p[//p]", "//p[*]"),
            )
        ),
        ({"xpath": "//p[contains(@a)]"}, "xpath '//p[contains(@a)]': "),
    ],
    ids=str,
)
def test_what_is_no_filter_is_refused_when_it_is_made(parts, said):
    """Refused are also the parts of XPath that can take hours on a page made for it."""
    with pytest.raises(ConfigError) as refused:
        Filter(**parts)
    assert said in str(refused.value)


HOSTILE = {
    "blocks": b"<p class=a>x" * 90_000,
    "nested": b"<div>" * 150_000,
    "rows": b"<tr><td>" * 90_000,
    "inline": b"<b>" * 400 + b"<i>x</i><p>" * 50_000,
    "one line": b"x" * 10_000_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE)
def test_selecting_from_a_hostile_page_takes_seconds_and_not_hours(page):
    """Lines are bounded in number and length, and so is the time of finding them."""
    began_s = time.process_time()
    for keeps in (
        Filter(),
        Filter(xpath="//*//*//*[contains(text(), 'y') or @a]//p[last()]"),
        Filter(css="p ~ p"),
    ):
        lines = text_lines(page, keeps)
        assert len(lines) <= LINES_MAX
        assert max(map(len, lines), default=0) <= LINE_MAX_CHARS
    assert time.process_time() - began_s < 30


@given(st.binary(max_size=400))
def test_any_bytes_have_lines(content):
    """Whatever a page is, nothing is raised, and no line is empty or holds a break."""
    for line in text_lines(content):
        assert line.strip() == line != ""
        assert "\n" not in line
