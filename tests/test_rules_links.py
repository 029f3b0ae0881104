"""Links: which are followed or checked, what came of them, and places in them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.facts import extract
from fetcher.graph import has_anchor
from fetcher.models import Failure, Finding, Hop, Kind, Link, Severity, State
from fetcher.page import Page
from fetcher.rules.links import (
    Answer,
    LinkKind,
    SplitUrl,
    address_problem,
    is_soft_404,
    kind_of,
    moved_for_good,
    split_fragment,
    text_directive_found,
    verdict_of,
)

FOLLOW, CHECK, ADDRESS, OTHER, BAD = LinkKind


def links_of(html):
    return extract(html.encode(), "https://h/d/").links


SORTED = [
    ("<a href=x>", [FOLLOW]),
    ("<a href='#top'>", [FOLLOW]),
    ("<a href=''>", [FOLLOW]),
    ("<a href=x rel=nofollow>", [FOLLOW]),
    ("<a href=x ping='y z'>", [FOLLOW, OTHER, OTHER]),
    ("<area href=x>", [FOLLOW]),
    ("<iframe src=x>", [FOLLOW]),
    ("<frameset><frame src=x>", [FOLLOW]),
    ("<meta http-equiv=refresh content='0;url=x'>", [FOLLOW]),
    ("<link rel=canonical href=x>", [FOLLOW]),
    ("<link rel=alternate hreflang=de href=x>", [FOLLOW]),
    ("<link rel='NEXT' href=x><link rel=prev href=y>", [FOLLOW, FOLLOW]),
    ("<svg><a xlink:href=x></a></svg>", [FOLLOW]),
    ("<link rel='alternate stylesheet' href=x>", [CHECK]),
    ("<link rel=stylesheet href=x><link rel=icon href=y>", [CHECK, CHECK]),
    ("<link rel=preload imagesrcset='x 1x, y 2x' href=z>", [CHECK] * 3),
    ("<link href=x>", [CHECK]),
    ("<link rel='preconnect dns-prefetch' href=x>", [OTHER]),
    ("<link rel='preconnect stylesheet' href=x>", [CHECK]),
    ("<link rel=pingback href=x>", [OTHER]),
    ("<img src=x srcset='y 1x, z 2x' longdesc=w>", [CHECK] * 4),
    ("<script src=x></script>", [CHECK]),
    ("<style>@import 'x'; a {background: url(y)}</style>", [CHECK, CHECK]),
    ("<p style='background: url(x)'>", [CHECK]),
    ("<video src=x poster=y><source src=z><track src=w></video>", [CHECK] * 4),
    ("<audio src=x></audio><embed src=y><object data=z></object>", [CHECK] * 3),
    ("<table background=x>", [CHECK]),
    ("<q cite=x></q>", [CHECK]),
    ("<input type=image src=x>", [CHECK]),
    ("<svg><image href=x /><use xlink:href='y#z' /></svg>", [CHECK, CHECK]),
    ("<form action=x method=post><button formaction=y>", [OTHER, OTHER]),
    ("<applet archive=x>", [OTHER]),
    ("<div href=x>", [OTHER]),
    ("<p cite=x>", [OTHER]),
    ("<a href='mailto:a@b.example'>", [ADDRESS]),
    ("<a href='TEL:+49301234'>", [ADDRESS]),
    ("<a href='javascript:go()'><a href='about:blank'>", [OTHER, OTHER]),
    ("<img src='data:image/png;base64,AA=='>", [OTHER]),
    ("<img src='blob:https://h/1'>", [OTHER]),
    ("<a href='ftp://h/x'><a href='sms:+49'>", [OTHER, OTHER]),
    ("<a href='http://[x'>", [BAD]),
    ("<a href='https://a b/c'>", [BAD]),
    ("<a href='http://h:99999/x/'>", [BAD]),
    ("<a href='HTTP://1.2.3.999/'>", [BAD]),
    ("<a href='http://'>", [BAD]),
    ("<a href='//'>", [BAD]),
    ("<a href='https://ann:pw@h:8080/x'>", [FOLLOW]),
    ("<a href='https://münchen.example/'>", [FOLLOW]),
    ("<a href='http://[::1]:8000/'>", [FOLLOW]),
]


@pytest.mark.parametrize(("html", "kinds"), SORTED, ids=[html for html, _ in SORTED])
def test_each_link_of_a_page_has_its_kind(html, kinds):
    if html.startswith("<frameset"):
        html = f"<head></head>{html}"
    assert [kind_of(link) for link in links_of(html)] == kinds


def test_a_link_without_a_base_is_bad():
    assert kind_of(Link("x.html", "", (), "a", "href", 1, 1)) is BAD


# --- verdicts ------------------------------------------------------------------------


def hops(*statuses):
    return [Hop("http://h/", status, None) for status in statuses]


VERDICTS = [
    (Page(url="http://h/", status=200), State.OK),
    (Page(url="http://h/", status=200, hops=hops(302)), State.REDIRECTED),
    (Page(url="http://h/", status=404), State.BROKEN),
    (Page(url="http://h/", status=410, hops=hops(301)), State.BROKEN),
    (Page(url="http://h/", status=999), State.BLOCKED),
    (Page(url="http://h/", status=429), State.BLOCKED),
    (Page(url="http://h/", failure=Failure(Kind.DNS, "")), State.FAILED),
    (Page(url="http://h/", failure=Failure(Kind.CANCELLED, "")), State.SKIPPED),
    (Page(url="http://h/", failure=Failure(Kind.FORBIDDEN_ADDRESS, "")), State.SKIPPED),
    # The target is there; only we could not use all of it.
    (Page(url="http://h/", status=200, failure=Failure(Kind.TOO_LARGE, "")), State.OK),
    (
        Page(
            url="http://h/",
            status=200,
            hops=hops(301),
            failure=Failure(Kind.TOO_LARGE, ""),
        ),
        State.REDIRECTED,
    ),
    (
        Page(url="http://h/", status=404, failure=Failure(Kind.TOO_LARGE, "")),
        State.BROKEN,
    ),
    (
        Page(url="http://h/", status=200, failure=Failure(Kind.ANALYSIS_CRASHED, "")),
        State.OK,
    ),
    (Page(url="http://h/", failure=Failure(Kind.ANALYSIS_CRASHED, "")), State.FAILED),
    (Page(url="http://h/", status=200, failure=Failure(Kind.RESET, "")), State.FAILED),
]


@pytest.mark.parametrize(
    ("page", "verdict"), VERDICTS, ids=[repr(page) for page, _ in VERDICTS]
)
def test_a_target_gets_one_verdict_out_of_the_closed_set(page, verdict):
    assert verdict_of(page) is verdict


def test_a_soft_404_is_broken_and_nothing_else_becomes_so():
    for page, verdict in VERDICTS:
        softly = verdict_of(page, is_soft_404=True)
        there = verdict in (State.OK, State.REDIRECTED)
        assert softly is (State.BROKEN if there else verdict)


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ((), False),
        ((301,), True),
        ((308, 301), True),
        ((301, 302), False),
        ((307, 308), False),
        ((303,), False),
    ],
)
def test_a_page_has_moved_for_good_if_all_its_redirects_are_permanent(statuses, answer):
    assert moved_for_good(hops(*statuses)) is answer


def answer(status=200, to=None, title="Pears", words="pears", count=400):
    return Answer(status, to, title, words, count)


NOT_FOUND = answer(title="Not found", words="not-found", count=30)
FRONT = answer(title="Fruit", words="front", count=200)
SOFT = [
    ("an honest host", answer(words="404"), answer(404, words="404"), FRONT, False),
    ("a page that differs", answer(), NOT_FOUND, FRONT, False),
    ("a page with the words of the probe", NOT_FOUND, NOT_FOUND, FRONT, True),
    ("nothing known of the front page", NOT_FOUND, NOT_FOUND, None, True),
    ("an honest 404", answer(404, words="not-found"), NOT_FOUND, FRONT, False),
    (
        "the path in the words",
        answer(title="Not found", words="other", count=32),
        NOT_FOUND,
        FRONT,
        True,
    ),
    (
        "a long page of that title",
        answer(title="Not found", words="other", count=300),
        NOT_FOUND,
        FRONT,
        False,
    ),
    (
        "one title for the whole site",
        answer(title="Fruit", words="other", count=30),
        answer(title="Fruit", words="not-found", count=30),
        FRONT,
        False,
    ),
    (
        "no titles",
        answer(title=None, words="other", count=30),
        answer(title=None, words="not-found", count=30),
        FRONT,
        False,
    ),
    (
        "both sent to one place",
        answer(to="http://h/", words="front"),
        answer(to="http://h/", words="front"),
        None,
        True,
    ),
    (
        "both sent to the front page",
        answer(to="http://h/", words="front"),
        answer(to="http://h/", words="front"),
        FRONT,
        True,
    ),
    (
        "the very page that nonsense is sent to",
        answer(words="error-page"),
        answer(to="http://h/error", words="error-page"),
        FRONT,
        False,
    ),
    (
        "sent elsewhere",
        answer(to="http://h/b"),
        answer(to="http://h/", words="front"),
        FRONT,
        False,
    ),
    (
        "an application drawn by scripts",
        answer(words="shell"),
        answer(words="shell"),
        answer(words="shell"),
        False,
    ),
]


@pytest.mark.parametrize(
    ("page", "probe", "front", "soft"),
    [row[1:] for row in SOFT],
    ids=[row[0] for row in SOFT],
)
def test_a_soft_404_answers_as_nonsense_is_answered(page, probe, front, soft):
    assert is_soft_404(page, probe, front=front) is soft


# --- places --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("http://h/a", ("http://h/a", None, ())),
        ("http://h/a#", ("http://h/a", "", ())),
        ("http://h/a#b", ("http://h/a", "b", ())),
        ("http://h/a#b#c", ("http://h/a", "b#c", ())),
        ("http://h/a#:~:text=x", ("http://h/a", "", ("x",))),
        ("http://h/a#b:~:text=x,y&text=z", ("http://h/a", "b", ("x,y", "z"))),
        ("http://h/a#b:~:other=x&text=", ("http://h/a", "b", ("",))),
        ("http://h/a#b:~:", ("http://h/a", "b", ())),
        ("http://h/a:~:text=x", ("http://h/a:~:text=x", None, ())),
    ],
)
def test_a_url_is_taken_apart_at_its_fragment_and_directives(url, split):
    assert split_fragment(url) == SplitUrl(*split)


ANCHORS = frozenset({"install", "münchen", "a b", "100%", "%41", "C++", "Top10"})


@pytest.mark.parametrize(
    ("fragment", "exists"),
    [
        ("install", True),
        ("Install", False),
        ("m%C3%BCnchen", True),
        ("münchen", True),
        ("a%20b", True),
        ("a+b", False),
        ("100%", True),
        ("100%25", True),
        ("%41", True),  # as it is, before it is decoded
        ("%2541", True),
        ("A", False),
        ("C++", True),
        ("C%2b%2B", True),
        ("", True),
        ("top", True),
        ("TOP", True),
        ("%54op", True),
        ("topp", False),
        ("%FF", False),
        ("missing", False),
    ],
)
def test_a_fragment_is_looked_for_as_a_browser_does(fragment, exists):
    assert has_anchor(ANCHORS, fragment) is exists


def test_every_anchor_of_a_page_is_found_by_the_fragment_written_for_it():
    page = extract(
        '<p id="ä"><a name="b c">x</a><a href="#ä">1</a><a href="#b c">2</a>'.encode(),
        "http://h/",
    )
    fragments = [split_fragment(link.url).fragment for link in page.links]
    assert len(fragments) == 2
    assert all(has_anchor(page.fragments, each) for each in fragments)


TEXT = """The quick  brown
fox jumps over the lazy dog. A second fox, 100% sure, sleeps - deeply.
東京都に住んでいます。 Straße. The fox jumps again."""


@pytest.mark.parametrize(
    ("directive", "found"),
    [
        ("quick%20brown%20fox", True),
        ("QUICK%20Brown", True),
        ("quick%0A%20brown", True),
        ("quic", False),
        ("uick", False),
        ("jumps,dog", True),
        ("dog,jumps", True),
        ("again,jumps", False),
        ("lazy,quick", False),
        ("quick-,brown", True),
        ("lazy-,brown", False),
        ("brown,-fox", True),
        ("brown,-dog", False),
        ("the-,fox,again,-.", True),
        ("second-,fox,sure,-,", False),
        ("quick-,brown,over,-the", True),
        ("quick-,brown,over,-a", False),
        ("fox%2C%20100%25%20sure", True),
        ("sleeps%20%2D%20deeply", True),
        ("%E4%BD%8F%E3%82%93", True),
        ("strasse", True),
        ("", False),
        ("a-,", False),
        ("a-", False),
        ("-a", False),
        ("a,b,c", False),
        (",", False),
        (".*", False),
    ],
)
def test_a_text_directive_finds_the_words_it_quotes(directive, found):
    assert text_directive_found(directive, TEXT) is found


@given(st.text(max_size=30), st.text("ab ,-%", max_size=20))
def test_any_directive_has_an_answer(directive, text):
    assert text_directive_found(directive, text) in (True, False)


@pytest.mark.slow
def test_a_directive_that_is_nearly_found_everywhere_is_quick():
    text = "a " * 500_000
    assert not text_directive_found("a,b", text)
    assert not text_directive_found("a-,a,a,-b", text)


# --- addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        # RFC 6068, 6: its own examples
        "mailto:chris@example.com",
        "mailto:infobot@example.com?subject=current-issue",
        "mailto:infobot@example.com?body=send%20current-issue%0D%0Asend%20index",
        "mailto:list@example.org?In-Reply-To=%3C3469A91.D10AF4C@example.com%3E",
        "mailto:addr1@an.example,addr2@an.example",
        "mailto:?to=addr1@an.example,addr2@an.example",
        "mailto:addr1@an.example?to=addr2@an.example",
        "mailto:joe@example.com?cc=bob@example.com&body=hello",
        "mailto:gorby%25kremvax@example.com",
        "mailto:unlikely%3Faddress@example.com?blat=foop",
        "mailto:%22not%40me%22@example.org",
        "mailto:%22oh%5C%5Cno%22@example.org",
        "mailto:%22%5C%5C%5C%22it's%5C%20ugly%5C%5C%5C%22%22@example.org",
        "mailto:user@example.org?subject=caf%C3%A9",
        "mailto:user@%E7%B4%8D%E8%B1%86.example.org?subject=Test&body=NATTO",
        # and others
        "mailto:?subject=Read%20this&body=http://h/",
        "mailto:o'neil+news@example.co.uk",
        "mailto:j%C3%BCrgen@example.com",
        "mailto:ann@xn--mnchen-3ya.example",
        "mailto:ann@[192.0.2.1]",
        "mailto:ann@localhost",
        "mailto:a@b.example%2C%20c@d.example",
        "mailto:a@b.example#c",
        # RFC 3966, 6
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "tel:863-1234;phone-context=+1-914-555",
        "tel:+358-555-1234567;postd=pp22",
        "tel:+49(30)123.45;ext=12",
        "tel:112",
        "tel:*100%23",
    ],
)
def test_a_well_formed_address_has_no_problem(url):
    assert address_problem(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mailto:", "it names no address"),
        ("mailto:ann", "there is no @ in 'ann'"),
        ("mailto:@example.com", "a part is missing"),
        ("mailto:ann@", "a part is missing"),
        ("mailto:ann@@example.com", "a bad character"),
        ("mailto:ann@example..com", "'example..com' is no domain"),
        ("mailto:ann@-x.example", "is no domain"),
        ("mailto:ann@exa_mple.com", "is no domain"),
        ("mailto:ann@192.0.2.1", "is no domain"),
        ("mailto:ann@example.com.", "is no domain"),
        (f"mailto:ann@{'x' * 64}.example", "is no domain"),
        ("mailto:ann.@example.com", "misplaced dot"),
        ("mailto:.ann@example.com", "misplaced dot"),
        ("mailto:ann%20lee@example.com", "white space"),
        ("mailto:%20ann@example.com", "white space"),
        ("mailto:Ann%20%3Cann@example.com%3E", "white space"),
        ("mailto:ann@example.com,", "an empty address"),
        ("mailto:a@b.example;c@d.example", "commas stand between"),
        ("mailto:ann(at)example.com", "there is no @"),
        ("mailto://ann@example.com", "no slashes follow mailto:"),
        ("mailto:ann@example.com?cc=bob", "there is no @ in 'bob'"),
        ("mailto:a%zz@example.com", "two hex digits"),
        ("mailto:%FF@example.com", "not UTF-8"),
        (f"mailto:{'x' * 65}@example.com", "more than 64 octets"),
        (f"mailto:a@{'x' * 60}.{'.'.join(['y' * 60] * 4)}", "more than 254 octets"),
        ("mailto:a@b.example%2C%20c", "there is no @ in 'c'"),
        ("tel:", "there is no number"),
        ("tel://+49301234", "no slashes follow tel:"),
        ("tel:+49 30 1234", "white space"),
        ("tel:+49%2030%201234", "white space"),
        ("tel:1-800-FLOWERS", "no telephone number"),
        ("tel:+49x", "follow the +"),
        ("tel:+", "follow the +"),
        ("tel:()", "no telephone number"),
        ("tel:+1234567890123456", "at most 15 digits"),
        ("tel:+49;=x", "no parameter"),
        ("tel:+49%3", "two hex digits"),
    ],
)
def test_a_malformed_address_has_its_problem_named(url, problem):
    found = address_problem(url)
    assert found is not None
    assert problem in found


@given(st.sampled_from(["mailto:", "tel:"]), st.text(max_size=40))
def test_any_address_has_an_answer(scheme, rest):
    found = address_problem(scheme + rest)
    assert found is None or (found and "\n" not in found)


# --- findings ------------------------------------------------------------------------


def test_a_finding_is_a_value():
    finding = Finding(
        rule="broken-link", severity=Severity.ERROR, url="http://h/", message="404"
    )
    assert finding.severity == "error"
    assert (finding.target, finding.line, finding.link_text) == (None, 0, "")
    with pytest.raises(AttributeError):
        finding.rule = "other"


@pytest.mark.parametrize("url", ["tel:+{}x", "tel:{}x", "tel:+{}+", "mailto:{}@b"])
def test_a_long_address_is_judged_at_once_and_in_one_sentence(url):
    """A page of one long number does not stop the run, nor fill the report."""
    began_s = time.process_time()
    problem = address_problem(url.format("1" * 300_000))
    assert time.process_time() - began_s < 1
    assert problem is not None
    assert len(problem) < 500
