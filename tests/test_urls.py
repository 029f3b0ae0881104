"""URLs: what is taken, what is refused and in which words, joining, lines of lists."""

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fetcher.urls import (
    URL_MAX_CHARS,
    BadUrl,
    Resolver,
    Url,
    from_line,
    join,
    looks_like_host,
    parse,
)


@pytest.mark.parametrize(
    ("written", "href"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/", "http://example.com/"),
        ("https://example.com:443/x", "https://example.com/x"),
        ("https://example.com:8443/x", "https://example.com:8443/x"),
        ("http://a/b/../c/./d", "http://a/c/d"),
        ("http://a/%7Efoo/%2e%2e/x", "http://a/x"),
        ("http://a/b c?d e", "http://a/b%20c?d%20e"),
        ("http://münchen.example/ä?ö", "http://xn--mnchen-3ya.example/%C3%A4?%C3%B6"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
        ("http://[0:0::0:1]", "http://[::1]/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://user:secret@h/", "http://user:secret@h/"),
        ("http://a/x#y", "http://a/x"),
        ("http://a/x?#", "http://a/x?"),
        ("  http://a/ \r\n", "http://a/"),
        ("http://a/b\\c", "http://a/b/c"),
        ("http://a/@b@c", "http://a/@b@c"),
    ],
)
def test_a_url_is_written_as_whatwg_says(written, href):
    assert parse(written).href == href


def test_the_parts_of_a_url():
    url = parse("https://User@Example.com:8443/p?q#Frag ment")
    assert url == Url(
        href="https://User@example.com:8443/p?q",
        origin="https://example.com:8443",
        scheme="https",
        host="example.com",
        fragment="Frag%20ment",
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "an empty text"),
        ("ftp://a/", "not 'ftp': 'ftp://a/'"),
        ("file:///etc/passwd", "not 'file'"),
        ("javascript:alert(1)", "not 'javascript'"),
        ("mailto:a@b.example", "not 'mailto'"),
        ("foo", "begins with http:// or https://: 'foo'"),
        ("//a/b", "begins with http:// or https://"),
        ("http:a", "two slashes"),
        ("http:/a/b", "two slashes"),
        ("http:\\\\a\\b", "two slashes"),
        ("http://", "no host"),
        ("http:///a", "no host"),
        ("http://?a", "no host"),
        ("http://user@/", "no host"),
        ("http://a\\@b/", "disagree about the host"),
        ("http://a\\b/", "disagree about the host"),
        ("http://a@b@c/", "disagree about the host"),
        ("http://[::1", "not a valid URL"),
        ("http://a:99999/", "not a valid URL"),
        ("http://a b/", "not a valid URL"),
        ("http://a%00b/", "not a valid URL"),
        ("http://a%2fb/", "not a valid URL"),
        ("http://1.2.3.4.5/", "not a valid URL"),
        ("http://xn--a/", "not a valid URL"),
        ("http://a:\u2028", "not a valid URL"),
        ("http://a\u3000", "not a valid URL"),
        ("http://a/\0", "control characters"),
        ("http://a\t.example/", "control characters"),
        ("http://a/\x7f", "control characters"),
        ("http://a/\ud800", "not a valid URL"),
        ("http://a/" + "x" * URL_MAX_CHARS, "at most 8000 characters"),
        ("http://a/" + "é" * 4000, "at most 8000 characters"),
    ],
)
def test_what_cannot_be_fetched_is_refused_in_one_sentence(written, words):
    with pytest.raises(BadUrl) as caught:
        parse(written)
    message = str(caught.value)
    assert words in message
    assert len(message) < 250
    assert message.isprintable()


@settings(deadline=None)
@given(st.text() | st.text("htps:/@\\.[]a1%#?\t\n ", max_size=30))
@example("http://a\ud800/")
def test_parse_gives_a_url_or_says_no(text):
    """Any text: an Url whose href parses to itself, or a BadUrl that can be shown."""
    for written in (text, f"http://{text}", f"http://h/{text}"):
        try:
            url = parse(written)
        except BadUrl as refused:
            assert str(refused).isprintable()  # noqa: PT017 - any text may be good
            continue
        assert parse(url.href)[:4] == url[:4]
        assert "#" not in url.href
        assert "\\" not in url.href.partition("?")[0]


@pytest.mark.parametrize(
    ("base", "reference", "joined"),
    [
        ("http://a/b/c?d#e", "", "http://a/b/c?d"),
        ("http://a/b/c?d#e", "#f", "http://a/b/c?d#f"),
        ("http://a/b/c?d#e", "#ä b", "http://a/b/c?d#%C3%A4%20b"),
        ("http://a/b/c?d", "?x", "http://a/b/c?x"),
        ("http://a/b/c", "../../../x", "http://a/x"),
        ("http://a/b/c", "//h/x", "http://h/x"),
        ("http://a/b/c", "\\x", "http://a/x"),
        ("http://a/b/c", " x\ny ", "http://a/b/xy"),
        ("http://a/b/c", "mailto:x@y.example", "mailto:x@y.example"),
        ("http://a/b/c", "javascript:void 0", "javascript:void 0"),
        ("http://a/b/c", "http://[::1", "http://[::1"),
        ("http://a/b/c", "\ud800", "\ud800"),
        ("nonsense", "x", "x"),
        ("nonsense", "#x", "#x"),
        ("nonsense", "HTTP://B", "http://b/"),
        ("data:text/html,x", "#y", "data:text/html,x#y"),
        ("mailto:x", "y", "y"),
    ],
)
def test_a_reference_is_joined_as_whatwg_says(base, reference, joined):
    assert join(base, reference) == joined


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_plain_fragment_is_joined_like_any_other(text):
    """The short cut for `#...` gives what a join gives, character for character."""
    resolver = Resolver("http://a/b?c#d")
    resolver._page = ""  # no short cut
    assert join("http://a/b?c#d", f"#{text}") == resolver[f"#{text}"]


def test_a_resolver_remembers():
    resolver = Resolver("http://a/")
    assert resolver["x"] == "http://a/x"
    assert resolver == {"x": "http://a/x"}


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("http://a/", "http://a/"),
        ("  http://a/\t\r\n", "http://a/"),
        ("\ufeffhttp://a/", "http://a/"),
        ("", None),
        (" \n", None),
        ("# a comment", None),
        ("  #http://a/", None),
        ("\ufeff# a comment", None),
        ("http://a/#frag", "http://a/#frag"),
        ("http://a/#frag  # and why", "http://a/#frag"),
        ("http://a/\t#x", "http://a/"),
        ("example.com", "https://example.com"),
        ("example.com/x#y", "https://example.com/x#y"),
        ("example.com # the front page", "https://example.com"),
        ("localhost", "https://localhost"),
        ("localhost:8000/x", "https://localhost:8000/x"),
        ("intranet:8080", "https://intranet:8080"),
        ("[::1]:80/", "https://[::1]:80/"),
        ("10.0.0.1?x", "https://10.0.0.1?x"),
        ("münchen.example", "https://münchen.example"),
        ("//example.com/x", "https://example.com/x"),
        ("ftp://example.com/", "ftp://example.com/"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("tel:112", "tel:112"),
        ("word", "word"),
        ("a@example.com", "a@example.com"),
        ("http://a b/", "http://a b/"),
    ],
)
def test_a_line_of_a_list(line, url):
    assert from_line(line) == url


def test_the_default_scheme_is_the_callers():
    assert from_line("example.com", "http") == "http://example.com"
    assert from_line("//example.com", default_scheme="http") == "http://example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "word",
        "a/b.html",
        "3.14",
        "1.2.3",
        "a..b",
        ".a",
        "-",
        "[1]",
        "x:99999",
        "tel:112",
        "javascript:1",
        "user@h.example",
        "two words.example x",
        "h\\x.y",
    ],
)
def test_what_does_not_look_like_a_host(text):
    assert not looks_like_host(text)


@settings(deadline=None)
@given(st.text())
def test_any_line_is_none_or_a_text_for_parse(line):
    url = from_line(line)
    assert url is None or url == url.strip() != ""
    if url is not None:
        with suppress(BadUrl):
            parse(url)
