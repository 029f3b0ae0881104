"""URLs: one host, whoever reads it.

What `urls.parse` says is the host must be what the URL standard's own algorithm
(`whatwg.place_of`, which shares no code with it) and libcurl, which connects, say.
"""

from __future__ import annotations

import json
import random
from typing import NamedTuple
from urllib.parse import urlsplit

import pycurl

from fetcher import urls
from fetcher.transport.adapter import _origin

from .harness import Target, Wrong, mutated, of_words
from .whatwg import BASE, REFUSED, TABLE, UNKNOWN, Place, place_of

WORDS = (
    *(b"http://", b"https://", b"http:", b"HTTP:", b"https:/", b"//", b"\\\\", b"/\\"),
    *(b"a.example", b"B.EXAMPLE", b"127.0.0.1", b"0x7f.1", b"0177.1", b"2130706433"),
    *(b"[::1]", b"[::ffff:127.0.0.1]", b"[fe80::1%25eth0]", b"localhost", b"1.2.3.4.5"),
    *(b"@", b":", b":80", b":443", b":0", b":65536", b"user:secret@", b"a@b@", b"%40"),
    *(
        b"/",
        b"\\",
        b"?",
        b"#",
        b".",
        b"..",
        b"%2e",
        b"%2f",
        b"%5c",
        b"%3a",
        b"%00",
        b"%",
    ),
    *(b"\t", b"\n", b"\r", b" ", b"\0", b"\x7f", b"xn--", b"xn--bcher-kva", b"utm_a=1"),
    *(
        "ü",
        "ß",
        "。",
        "\uff0e",
        "\uff0f",
        "\uff20",
        "\uff1a",
        "\uff05",
        "①",
        "\u00ad",
        "\u200b",
        "\u202e",
    ),
    *(b";jsessionid=1", b"&sid=abcdefghij0123456789x", b"/(S(abcdefghij0123456789x))/"),
    *(
        b"javascript:",
        b"mailto:",
        b"data:",
        b"file:///",
        b"ftp://",
        b"ws://",
        b"&",
        b"=",
    ),
)
BYTES = tuple(word if isinstance(word, bytes) else word.encode() for word in WORDS)
BASES = (BASE, "https://b.example/", "http://u:p@b.example:81/x/?y", "mailto:a@b", "")
ROWS = tuple(reference.encode() for reference, _ in TABLE)


# 80 characters are shown, each as ten at most (`\\U0001f600`); one name beside them.
SENTENCE_MAX_CHARS = 1_800


class Read(NamedTuple):
    """All that the product says of a reference."""

    parsed: urls.Url | urls.BadUrl
    joined: str
    joined_parsed: urls.Url | urls.BadUrl


def make(dice: random.Random) -> bytes:
    """Return a base and a reference: words in a row, or a row of the table changed."""
    if dice.random() < 0.4:
        text = mutated(dice.choice(ROWS), dice, BYTES, most=3)
    else:
        scheme = dice.choice((b"", b"http://", b"https://", b"http:", b"//"))
        text = scheme + of_words(dice, BYTES, most=9)
    written = text.decode("utf-8", "surrogateescape")
    return json.dumps([dice.choice(BASES), written]).encode()


def parts_of(case: bytes) -> tuple[str, str]:
    """Return base and reference; bytes that are no case are a reference."""
    try:
        base, reference = json.loads(case)
    except (ValueError, TypeError):
        return BASE, case.decode("utf-8", "surrogateescape")
    if not isinstance(base, str) or not isinstance(reference, str):
        return BASE, str(reference)
    return base, reference


def run(case: bytes) -> Read:
    """Parse, join and rewrite as lists, pages and crawls do."""
    base, reference = parts_of(case)
    line = urls.from_line(reference)
    if line is not None:
        _parsed(line)
    urls.looks_like_host(reference)
    joined = urls.join(base, reference)
    found = _parsed(joined)
    for url in (found, _parsed(reference)):
        if isinstance(url, urls.Url):
            urls.strip_params(url.href, ["utm_*"])
            urls.registrable_domain(url.host)
            scope = urls.Scope(urls.ScopeKind.PREFIX, [url.href], exclude=["/x"])
            scope.follows(joined)
            scope.why_not(joined)
    return Read(_parsed(reference), joined, found)


def _parsed(text: str) -> urls.Url | urls.BadUrl:
    try:
        return urls.parse(text)
    except urls.BadUrl as refused:
        return refused


def judge(case: bytes, result: object) -> None:
    """The same host by the standard and by libcurl, or a refusal in one sentence."""
    assert isinstance(result, Read)
    base, reference = parts_of(case)
    _judge_one(result.parsed, place_of(reference))
    _judge_one(result.joined_parsed, place_of(result.joined))
    page = place_of(base)
    if page not in (REFUSED, UNKNOWN):
        _judge_joined(result, place_of(reference, page))


def _judge_joined(result: Read, wanted: Place) -> None:
    found = result.joined_parsed
    if wanted == UNKNOWN or not isinstance(found, urls.Url):
        return
    if wanted == REFUSED:
        raise Wrong(f"joined to {result.joined!r}, which the standard refuses")
    if _place(found) != wanted:
        raise Wrong(f"joined to {result.joined!r}, by the standard {wanted}")


def _judge_one(found: urls.Url | urls.BadUrl, wanted: Place) -> None:
    if isinstance(found, urls.BadUrl):
        message = str(found)
        if not message.isprintable() or len(message) > SENTENCE_MAX_CHARS:
            raise Wrong(f"no sentence to show: {message!r}")
        return
    if wanted != UNKNOWN and _place(found) != wanted:
        raise Wrong(f"{found!r}, by the standard {wanted}")
    _judge_spelling(found)
    _judge_curl(found)
    stripped = urls.strip_session_ids(found.href)
    public, _ = urls.split_credentials(found.href)
    for other in (stripped, public):
        if urls.parse(other).host != found.host:
            raise Wrong(f"{found.href!r} has another host as {other!r}")


def _place(found: urls.Url) -> Place:
    rest = found.origin.partition("://")[2].removeprefix(found.host)
    return Place(found.scheme, found.host, int(rest[1:]) if rest else None)


def _judge_spelling(found: urls.Url) -> None:
    """What is sent is ASCII, stays as it is, and is cut at the same places by all."""
    if not found.href.isascii() or not found.href.isprintable():
        raise Wrong(f"{found.href!r} cannot be sent")
    if urls.parse(found.href)[:4] != found[:4]:
        raise Wrong(f"{found.href!r} is read as {urls.parse(found.href)!r}")
    if _origin(found.href) != found.origin:
        raise Wrong(
            f"{found.href!r} belongs to {_origin(found.href)!r} for the adapter"
        )
    host = urlsplit(found.href).hostname or ""
    if host != found.host.strip("[]"):
        raise Wrong(f"{found.href!r} has the host {host!r} for urllib")


def _judge_curl(found: urls.Url) -> None:
    try:
        parsed = pycurl.CurlUrl(found.href)
    except pycurl.error:
        return  # it does not ask anybody
    host, port = parsed.host, parsed.port
    if host != found.host:
        raise Wrong(f"{found.href!r} has the host {host!r} for libcurl")
    place = _place(found)
    if (None if port is None else int(port)) != place.port:
        raise Wrong(f"{found.href!r} has the port {port!r} for libcurl")


TARGET = Target(name="urls", make=make, run=run, judge=judge, words=BYTES)
