"""What becomes of links: kinds, fragments, directives, addresses, CSS, srcset."""

from __future__ import annotations

import json
import random
import re
from typing import NamedTuple

from fetcher import facts
from fetcher.graph import has_anchor
from fetcher.models import Link
from fetcher.rules import links as rules

from .harness import Target, Wrong, mutated, of_words

WORDS = (
    *(
        b"#",
        b":~:",
        b"text=",
        b"a,b",
        b"-,",
        b",-",
        b",",
        b"&",
        b"&text=",
        b"%2C",
        b"%",
    ),
    *(b"%ff", b"%00", b"%F0%9F%98%80", b"top", b"TOP", b"id", b"a b", b"wort", b"\0"),
    *("\u0130".encode(), "ß".encode(), "\ufeff".encode(), b"(", b"[", b"*", b"\\"),
    *(b"mailto:", b"tel:", b"tel:+", b"a@b.example", b"@", b".", b"..", b'"', b'"\\"'),
    *(
        b"?to=",
        b"?cc=a@b",
        b"&bcc=",
        b",",
        b";",
        b"[1.2.3.4]",
        b"xn--",
        "ü@ü.de".encode(),
    ),
    *(b"+1-2", b"(", b")", b"12345", b";ext=1", b";phone-context=", b"*", b"x", b" "),
    *(b"http://a.example/", b"http://", b"https://[", b"javascript:", b"data:,", b"//"),
)
CSS_WORDS = (
    *(
        b"url(",
        b")",
        b"'",
        b'"',
        b"@import ",
        b";",
        b"{",
        b"}",
        b"/*",
        b"*/",
        b"\\",
        b"\n",
    ),
    *(
        b"url('x')",
        b'url("y")',
        b"url(z)",
        b"\\75 rl(x)",
        b"src(",
        b"image-set(",
        b"<!--",
    ),
    *(b"u\\72l(", b"\\0", b"\\110000 ", b"(", b"\\\n", b"@charset", b"a", b" ", b"-->"),
)
SRCSET_WORDS = (
    *(
        b"a.png",
        b" 1x",
        b" 2x",
        b" 100w",
        b",",
        b", ",
        b" ",
        b"(",
        b")",
        b"data:,x",
        b"\t",
    ),
    *(
        b" 1e999x",
        b" -1w",
        b"\n",
        b",,",
        b"http://a.example/",
        b" 1x 2x",
        b"\x0c",
        b"%",
    ),
)
TAGS = ("a", "img", "link", "form", "use", "SCRIPT", "meta", "x-y", "")
ATTRIBUTES = (
    "href",
    "src",
    "srcset",
    "style",
    None,
    "xlink:href",
    "content",
    "og:image",
)


class Said(NamedTuple):
    """What the rules say of one text."""

    split: rules.SplitUrl
    problems: list[str | None]
    found: list[bool]
    links: tuple[Link, ...]


def make(dice: random.Random) -> bytes:
    """Return a text to take for a link, a directive, an address, CSS and a srcset."""
    kind = dice.random()
    if kind < 0.5:
        text = of_words(dice, WORDS, most=12)
    elif kind < 0.65:
        text = of_words(dice, CSS_WORDS, most=30)
    elif kind < 0.8:
        text = of_words(dice, SRCSET_WORDS, most=30)
    else:
        text = mutated(of_words(dice, WORDS, most=6), dice, WORDS)
    if dice.random() < 0.01:
        word = dice.choice(WORDS + CSS_WORDS + SRCSET_WORDS)
        text += word * (dice.choice((1_000, 30_000, 300_000)) // len(word))
        text += dice.choice(WORDS)
    if dice.random() < 0.01:
        prefix = dice.choice((b"mailto:", b"tel:+", b"tel:", b"mailto:?to="))
        word = dice.choice((b"1", b"a", b"a.", b"(", b'"', b"%61", b"-", b",", b"a@"))
        text = prefix + word * (dice.choice((1_000, 30_000, 300_000)) // len(word))
        text += dice.choice((b"", b"x", b"@b", b"@", b" ", b'"', b"."))
    return text


def run(case: bytes) -> Said:
    """Ask every rule about the text, and the facts about a page that holds it."""
    text = case.decode("utf-8", "replace")
    split = rules.split_fragment(text)
    addresses = [f"mailto:{text}", f"tel:{text}"]
    if text.startswith(rules.ADDRESS_SCHEMES):
        addresses.append(text)
    problems = [rules.address_problem(each) for each in addresses]
    words = re.sub(r"[^\w]+", " ", text)
    found = [
        rules.text_directive_found(each, f"{words} some words {words}")
        for each in (*split.text_directives[:50], text)
    ]
    for fragment in (split.fragment, text):
        if fragment is not None:
            has_anchor(frozenset({"id", "top", "a b", "\ufffd"}), fragment)
    for tag in TAGS:
        for attribute in ATTRIBUTES:
            rules.kind_of(Link(text, "", ("next",), tag, attribute, 1, 1))
    page = facts.extract(_page(case), "http://a.example/x")
    for link in page.links:
        rules.kind_of(link)
    return Said(split, problems, found, page.links)


def _page(case: bytes) -> bytes:
    quoted = case.replace(b"&", b"&amp;").replace(b'"', b"&quot;")
    return b'<style>%b</style><img srcset="%b"><p style="%b"><a href="%b">' % (
        *(case.replace(b"</", b""), quoted, quoted, quoted),
    )


# Whatever it is about, a sentence is for a screen.
SENTENCE_MAX_CHARS = 5_000


def judge(case: bytes, result: object) -> None:
    """Nothing is lost in splitting; what is quoted word for word is found."""
    assert isinstance(result, Said)
    text = case.decode("utf-8", "replace")
    document, fragment, directives = result.split
    if not text.startswith(document) or (fragment is None) != ("#" not in text):
        raise Wrong(f"{text[:200]!r} was split into {result.split!r:.500}")
    if any("&" in each for each in directives):
        raise Wrong(f"two directives in one: {directives!r:.500}")
    for problem in result.problems:
        if problem is not None and len(problem) > SENTENCE_MAX_CHARS:
            raise Wrong(f"a sentence of {len(problem):,} characters: {problem[:200]!r}")
    if not all(isinstance(each, bool) for each in result.found):
        raise Wrong(f"neither true nor false: {result.found!r:.500}")
    if not any(link.tag == "a" for link in result.links) and text.strip(" \t\n\r\x0c"):
        raise Wrong("the page's link is missing: " + json.dumps(text[:200]))


def slow_s(case: bytes) -> float:
    """A second, and for 300 KB in every place at once 2 s."""
    return 1.0 + len(case) / 300_000


TARGET = Target(
    name="links",
    make=make,
    run=run,
    judge=judge,
    words=(*WORDS, *CSS_WORDS, *SRCSET_WORDS),
    slow_s=slow_s,
)
