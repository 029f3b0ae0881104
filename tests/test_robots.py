"""robots.txt: RFC 9309 and its examples, what is out there, and what is hostile."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fetcher import robots
from fetcher.robots import (
    ALLOW_ALL,
    CRAWL_DELAY_MAX_S,
    DISALLOW_ALL,
    ROBOTS_MAX_BYTES,
    RULES_MAX,
    SITEMAPS_MAX,
    WILDCARD_RULES_MAX,
    Rules,
    product_token,
    read,
    rules_from,
)

SITE = "https://example.com"

RFC_EXAMPLE = b"""\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


def may(content: str | bytes, path: str, agent: str = "fetcher") -> bool:
    octets = content.encode() if isinstance(content, str) else content
    return read(octets, agent).may_fetch(SITE + path)


def forbids(path_in_rule: str, path: str) -> bool:
    return not may(f"User-agent: *\nDisallow: {path_in_rule}\n", path)


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("fetcher", "/", True),
        ("fetcher", "/a.gif", False),
        ("fetcher", "/a.gif?x", True),
        ("fetcher", "/example/", False),
        ("fetcher", "/publications/", True),
        ("fetcher", "/publications/a.gif", True),  # the longer rule
        ("foobot", "/", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/example/other.gif", False),
        ("foobot", "/publications/", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/example/a.gif", True),
        ("quxbot", "/example/a.gif", True),
    ],
)
def test_the_simple_example_of_the_rfc(agent, path, allowed):
    """RFC 9309, 5.1: four groups, of which the last has no rules."""
    assert may(RFC_EXAMPLE, path, agent) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/example/page/", True),
        ("/example/page/disallowed.gif", False),
        ("/example/page/disallow.gif", True),
    ],
)
def test_the_longest_match_decides(path, allowed):
    """RFC 9309, 5.2."""
    content = """\
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""
    assert may(content, path, "foobot") is allowed


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        # RFC 9309, 2.2.2: the table of encodings.
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        (
            "/foo/bar?baz=https://foo.bar",
            "/foo/bar?baz=https%3A%2F%2Ffoo.bar",
            False,  # the slash alone is kept apart from its escape
        ),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", True),
        ("/a%2Fb", "/a/b", False),
        ("/a%2Fb", "/a%2fb", True),
        # RFC 9309, 2.2.3: special characters.
        ("/this/path/exactly$", "/this/path/exactly", True),
        ("/this/path/exactly$", "/this/path/exactly/", False),
        ("/this/path/exactly$", "/this/path/exactly$", True),  # "$" may be meant
        ("/a$b", "/a$b", True),
        ("/this/*/exactly", "/this/is/it/exactly", True),
        ("/this/*/exactly", "/this/exactly", False),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-%24", "/path/foo-", False),
        # Where a match begins and ends.
        ("/fish", "/fish.html", True),
        ("/fish", "/Fish", False),
        ("/fish/", "/fish", False),
        ("/fish*", "/fishheads/yummy.html", True),
        ("*.php", "/folder/any.php.file", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/fish*.php", "/fishheads/catfish.php?id=1", True),
        ("/?", "/?x=1", True),
        ("/?", "/x", False),
        ("/a b", "/a%20b", True),
        ("", "/", False),
        ("fish", "/fish", False),  # no path begins so
        ("/caf\u00e9\u2028", "/caf%C3%A9%E2%80%A8", True),
    ],
)
def test_a_rule_matches_as_the_rfc_says(rule, path, matches):
    assert forbids(rule, path) is matches


def test_octets_that_are_not_utf_8_are_matched_all_the_same():
    content = b"User-agent: *\nDisallow: /caf\xe9/\n"
    assert not may(content, "/caf%E9/x")
    assert may(content, "/cafe/x")


@pytest.mark.parametrize(
    "rules",
    ["Allow: /a\nDisallow: /a", "Disallow: /a\nAllow: /a", "Disallow: *a\nAllow: /a"],
)
def test_allow_wins_a_tie(rules):
    """RFC 9309, 2.2.2: of equivalent rules, allow."""
    assert may(f"User-agent: *\n{rules}\n", "/a")


def test_robots_txt_itself_may_always_be_fetched():
    assert may("User-agent: *\nDisallow: /\n", "/robots.txt")


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("fetcher", True),
        ("Fetcher", True),
        ("fetcher/2.0", True),
        ("fetcher (new)", True),
        ("fetcher*", True),
        ("* # all of you", True),
        ("* and all", True),
        ("fetch", False),
        ("f", False),
        ("fetcherbot", False),
        ("fetcher-images", False),
        ("fetcher2", False),
        ("my-fetcher", False),
        ("my fetcher", False),
        ("", False),
    ],
)
def test_a_group_is_ours_if_it_names_the_whole_product_token(name, is_ours):
    """RFC 9309, 2.2.1; a rule for `fetch` is none for `fetcher`."""
    assert may(f"User-agent: {name}\nDisallow: /\n", "/") is not is_ours


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("fetcher/1.0 (+https://example.org/bot)", "fetcher"),
        (" Fetcher", "fetcher"),
        ("MJ12bot/v1.4", "mj12bot"),
        ("(nothing)", ""),
        ("", ""),
    ],
)
def test_the_product_token_is_how_a_user_agent_begins(user_agent, token):
    assert product_token(user_agent) == token


def test_a_robot_without_a_name_obeys_what_is_for_all():
    assert not may("User-agent:\nDisallow:/a\nUser-agent: *\nDisallow: /\n", "/", "")


def test_groups_for_the_same_robot_are_one():
    content = """\
User-agent: fetcher
Disallow: /a
User-agent: other
Disallow: /b
User-agent: FETCHER
Disallow: /c
"""
    assert [may(content, path) for path in ("/a", "/b", "/c")] == [False, True, False]


def test_the_group_for_all_does_not_hold_beside_our_own():
    content = "User-agent: *\nDisallow: /\nCrawl-delay: 9\nUser-agent: fetcher\n"
    assert read(content.encode(), "fetcher") is ALLOW_ALL


@pytest.mark.parametrize(
    "between", ["", "\n", "# x\n", "Sitemap: https://a.example/\n", "Noindex: /x\n"]
)
def test_nothing_but_a_rule_ends_the_names_of_a_group(between):
    """RFC 9309, 2.2.4: other records must not terminate a group."""
    content = f"User-agent: fetcher\n{between}User-agent: other\nDisallow: /\n"
    assert not may(content, "/")


@pytest.mark.parametrize("rule", ["Disallow:", "Allow: /", "Crawl-delay: 1"])
def test_a_rule_ends_the_names_of_a_group(rule):
    assert may(f"User-agent: fetcher\n{rule}\nUser-agent: other\nDisallow: /\n", "/")


def test_rules_before_the_first_name_are_nobodys():
    assert may("Disallow: /\nUser-agent: *\nDisallow: /a\n", "/b")


@pytest.mark.parametrize(
    "lines",
    [
        "User agent: *\nDissallow: /",
        "useragent:*\ndisallaw:/",
        "User-agent *\nDisallow /",
        "User agent *\n\tDisallow\t/",
        "User-agent : *\nDisallow : /",
        "\ufeffUser-agent: *\rDisallow: / # all",
        "User-agent: *\r\n\r\nDisallow: /\r\n",
        "USER-AGENT: *\n\x00\nDISALLOW: /",
        "<pre>\nUser-agent: *\nDisallow: /\n</pre>",
    ],
)
def test_lines_are_read_as_leniently_as_they_are_written(lines):
    assert not may(lines, "/x")


@pytest.mark.parametrize("form", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(form):
    mark = "" if form in ("utf-8-sig", "utf-16") else "\ufeff"
    assert not may(f"{mark}User-agent: *\nDisallow: /\n".encode(form), "/")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10", 10.0),
        ("0.5", 0.5),
        (".5 # half", 0.5),
        ("0", 0.0),
        ("300", CRAWL_DELAY_MAX_S),
        ("86400", CRAWL_DELAY_MAX_S),
        ("99999999999", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("1_0", None),
        ("\u0661", None),
        ("5s", None),
        ("", None),
    ],
)
def test_a_crawl_delay_is_a_number_of_seconds_within_reason(written, seconds):
    rules = read(f"User-agent: *\nCrawl-delay: {written}\n".encode(), "fetcher")
    assert rules.crawl_delay_s == seconds
    assert (rules.note is not None) is (written == "86400")


def test_the_longer_of_two_crawl_delays_is_kept():
    content = b"User-agent: *\nCrawl-delay: 5\nCrawl-delay: 2\n"
    assert read(content, "fetcher").crawl_delay_s == 5


def test_sitemaps_stand_anywhere_and_belong_to_no_group():
    content = b"""\
Sitemap: https://example.com/one.xml
User-agent: other
Disallow: /
Sitemap https://example.com/two.xml.gz
Sitemap: https://example.com/one.xml
Sitemap: /three.xml
Sitemap: ftp://example.com/four.xml
Sitemap: http://example.com\\@elsewhere.example/five.xml
Sitemap:
"""
    one, two = "https://example.com/one.xml", "https://example.com/two.xml.gz"
    assert read(content, "fetcher").sitemaps == (one, two)
    known = read(content, "fetcher", url="https://example.com/robots.txt")
    assert known.sitemaps == (one, two, "https://example.com/three.xml")


def test_the_number_of_sitemaps_is_bounded():
    lines = [f"Sitemap: https://example.com/{n}" for n in range(SITEMAPS_MAX + 5)]
    assert len(read("\n".join(lines).encode(), "fetcher").sitemaps) == SITEMAPS_MAX


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/private/a", (2, "Disallow: /private/")),
        ("/private/open/a", (3, "Allow: /private/open/")),
        ("/x.pdf", (5, "Disallow: /*.pdf$")),
        ("/x", None),
    ],
)
def test_the_line_that_decides_can_be_told(path, line):
    content = b"""\
User-agent: *
Disallow: /private/
Allow: /private/open/
Allow: /
Disallow: /*.pdf$
"""
    content = content.replace(b"Allow: /\n", b"Disallow: /p # x\n")
    found = read(content, "fetcher").rule_for(SITE + path)
    assert (found and (found.number, str(found))) == line


# What the answer to the request for robots.txt means.

FORBIDS = b"User-agent: *\nDisallow: /\n"


@pytest.mark.parametrize(
    ("status", "allowed", "note"),
    [
        (200, False, None),
        (206, False, None),
        (404, True, None),
        (410, True, None),
        (400, True, "robots.txt answered 400: everything may be fetched"),
        (401, True, "robots.txt answered 401: everything may be fetched"),
        (403, True, "robots.txt answered 403: everything may be fetched"),
        (429, True, "robots.txt answered 429: everything may be fetched"),
        (302, True, "robots.txt leads from redirect to redirect: everything may"),
        (500, False, "robots.txt answered 500: nothing is fetched"),
        (503, False, "robots.txt answered 503: nothing is fetched (RFC 9309, 2.3.1.4)"),
        (999, False, "robots.txt answered 999: nothing is fetched"),
        (None, False, "robots.txt could not be fetched: nothing is fetched"),
    ],
)
def test_the_status_decides_before_the_body(status, allowed, note):
    """RFC 9309, 2.3.1: an error page is no robots.txt, whatever it holds."""
    content = FORBIDS if status in (200, 206) or allowed else b"Allow: /"
    rules = rules_from(status, content, "fetcher")
    assert rules.may_fetch(f"{SITE}/") is allowed
    assert rules.may_fetch(f"{SITE}/robots.txt")
    assert (rules.note or "").startswith(note or "")
    assert (rules.note is None) is (note is None)


def test_an_empty_file_allows_everything():
    assert rules_from(200, b"", "fetcher") is ALLOW_ALL
    assert rules_from(204, b"", "fetcher") is ALLOW_ALL


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"<!DOCTYPE html><title>x</title>", None),
        (b"\n<html lang=en><p>Disallow: nothing", "text/html; charset=utf-8"),
        (b"<p>Sorry", "text/html"),
    ],
)
def test_an_html_page_in_place_of_robots_txt_is_said(content, content_type):
    rules = rules_from(200, content, "fetcher", content_type=content_type)
    assert rules.may_fetch(f"{SITE}/")
    assert "HTML page" in rules.note


def test_rules_in_what_is_called_html_hold():
    rules = rules_from(200, FORBIDS, "fetcher", content_type="text/html")
    assert not rules.may_fetch(f"{SITE}/")
    assert rules.note is None


def test_what_is_past_500_kib_is_not_read():
    """The limit falls into a line; its first half is not taken for a rule."""
    start = b"User-agent: *\nDisallow: /a\n"
    fill = b"#" * (ROBOTS_MAX_BYTES - len(start) - len(b"\nDisallow: /"))
    content = start + fill + b"\nDisallow: /b\nDisallow: /c\n"
    rules = read(content, "fetcher")
    assert [rules.may_fetch(SITE + path) for path in ("/a", "/b", "/c")] == [
        *(False, True, True)
    ]
    assert "500 KiB" in rules.note


def test_a_file_that_the_caller_cut_ends_with_half_a_line():
    content = b"User-agent: *\nDisallow: /a\nDisallow: /"
    rules = rules_from(200, content, "fetcher", too_large=True)
    assert not rules.may_fetch(f"{SITE}/a")
    assert rules.may_fetch(f"{SITE}/b")
    assert "500 KiB" in rules.note


# Hostile files.


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["/{}/", "/{}*x"], ids=["of any kind", "with wildcards"]
)
def test_more_rules_than_can_be_judged_quickly_forbid_everything(line):
    bound = WILDCARD_RULES_MAX if "*" in line else RULES_MAX
    lines = [f"Disallow: {line.format(number)}" for number in range(bound)]
    content = "\n".join(["User-agent: *", *lines]).encode()
    assert read(content, "fetcher").note is None
    rules = read(content + b"\nAllow: /one$more", "fetcher")
    assert rules.note == robots.TOO_MANY_RULES
    assert not rules.may_fetch(f"{SITE}/x")


def test_the_same_rule_a_thousand_times_is_one():
    content = b"User-agent: *\n" + b"Disallow: /x/*.html$\n" * 9_000
    assert len(read(content, "fetcher").lines) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * ROBOTS_MAX_BYTES,
        b"\n" * ROBOTS_MAX_BYTES,
        b"\xff" * ROBOTS_MAX_BYTES,
        b"User-agent: *\nDisallow: /" + b"*a" * 250_000,
        b"User-agent: *\nDisallow: /" + b"%" * 500_000,
        b"user-agent: *\n" * 36_000,
        b"User-agent: a b c\n" * 15_000 + b"User-agent: *\n" + b"allow: /1\n" * 20_000,
        "".join(f"user-agent: a{n}\n" for n in range(25_000)).encode() * 2,
    ],
    ids=["NUL", "LF", "0xFF", "asterisks", "percent", "one name", "both", "names"],
)
@pytest.mark.slow
def test_a_hostile_file_is_read_in_bounded_time(content):
    """Nothing here is quadratic: a second is a hundred times what it takes alone."""
    rules = read(content, "fetcher")
    rules.may_fetch(f"{SITE}/{'a' * 7_000}")
    rules.rule_for(f"{SITE}/{'a' * 7_000}")


PIECES = st.sampled_from(
    [
        *("User-agent: ", "Disallow: ", "Allow: ", "Crawl-delay: ", "Sitemap: "),
        *("*", "fetcher", "/", "a", "$", "%", "%4", "%41", "#", ":", " ", "\t", "\n"),
        *("\r", "\x00", "\x0b", "\x85", "\u2028", "\ufeff", "é", "http://a/", "//"),
        *("Request-rate: ", "Visit-time: ", "Host: ", "1/0"),
    ]
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.one_of(st.binary(), st.lists(PIECES).map("".join).map(str.encode)),
    st.one_of(
        st.text(), st.lists(PIECES).map(lambda found: "http://h/" + "".join(found))
    ),
)
@example(b"User-agent: *\nDisallow: /", "http://[")
@example(b"User-agent: *\nDisallow: /", "http://h/\ud800")
@example(b"User-agent: *\nDisallow: \x1c/", "http://h/")
def test_whatever_the_bytes_are_nothing_is_raised(content, url):
    rules = read(content, "fetcher")
    assert isinstance(rules.may_fetch(url), bool)
    found = rules.rule_for(url)
    if found is not None:
        assert found.is_allow is rules.may_fetch(url)
        assert found in rules.lines


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Allow", "Disallow"]),
            st.text("ab/*$", max_size=6).map(lambda path: f"/{path}"),
        ),
        max_size=6,
    ),
    st.text("ab/", max_size=6).map(lambda path: f"/{path}"),
)
def test_the_answer_is_that_of_the_longest_matching_rule(rules, path):
    """Judged by regular expressions made of the rules (RFC 9309, 2.2.2 and 2.2.3)."""

    def matches(rule: str) -> bool:
        ends = rule.endswith("$")
        parts = [re.escape(part) for part in rule[: -1 if ends else None].split("*")]
        return re.match(".*".join(parts) + (r"\Z" if ends else ""), path) is not None

    found = [(len(rule), field == "Allow") for field, rule in rules if matches(rule)]
    lines = "\n".join(f"{field}: {rule}" for field, rule in rules)
    expected = max(found)[1] if found else True
    assert may(f"User-agent: *\n{lines}\n", path) is expected


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        (ALLOW_ALL, "<Rules 0 lines>"),
        (DISALLOW_ALL, "<Rules 1 lines>"),
        (
            Rules(crawl_delay_s=2, sitemaps=["https://a/"], note="as said"),
            "<Rules 0 lines, Crawl-delay 2 s, 1 sitemaps, as said>",
        ),
    ],
)
def test_the_repr_shows_what_the_rules_are(rules, shown):
    assert repr(rules) == shown


def test_reading_rules_loads_nothing_until_they_are_asked():
    assert read(FORBIDS, "fetcher")._matcher is None
