"""Pages: real ones, changed, and ones made to hurt; and BeautifulSoup beside us.

Real pages are those of the Python manual (Debian's python3.11-doc), else the few of the
demo. One that is not changed must have the title and links that BeautifulSoup finds.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from functools import cache, lru_cache
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import fetcher
from fetcher import facts
from fetcher.models import Facts
from tests.benchmarks.facts_agree import differences

from .harness import Target, Wrong, mutated, of_words
from .heads import ENCODINGS

MANUAL = Path("/usr/share/doc/python3.11/html")
DEMO = Path(fetcher.__file__).parent / "demo" / "pages"
PAGE_MAX_BYTES = 100_000  # of a real page: the larger ones are more of the same
SITE = "http://pages.example/library/page.html"
CHARSETS = (None, None, None, "utf-8", "latin-1", "idna", "utf-16", "x" * 500, "\0", "")
WORDS = (
    *(b"<html>", b"<head>", b"<body>", b"</body>", b"</html>", b"<title>", b"</title>"),
    *(b"<a href='x'>", b"</a>", b"<a href=''>", b"<a href=' '>", b"<img src=x alt=y>"),
    *(b"<base href='//x/'>", b"<base href='data:,x'>", b"<base href='http://['>"),
    *(b"<base href='#'>", b"<base href='../..'>", b"<base target=x>", b"<base href>"),
    *(b"<meta http-equiv=refresh content='0;url=x'>", b"<meta http-equiv=refresh "),
    *(
        b"content='1e999;'>",
        b"content='.;url=x'>",
        b"content=.",
        b"content='0; URL=\"javascript:x\"'>",
        b"content=';'>",
    ),
    *(
        b"<meta charset=utf-16>",
        b"<meta charset=x-user-defined>",
        b"<meta charset=idna>",
    ),
    *(b"<meta name=description content=x>", b"<meta property=og:image content=x>"),
    *(b"<img srcset='a 1x, b 2x'>", b"<link rel=canonical href=x>", b"<template>"),
    *(
        b"<svg>",
        b"</svg>",
        b"<math>",
        b"<foreignObject>",
        b"<table>",
        b"<td>",
        b"<select>",
    ),
    *(
        b"<script>",
        b"</script>",
        b"<style>",
        b"</style>",
        b"<textarea>",
        b"<plaintext>",
    ),
    *(
        b"<noscript>",
        b"<iframe>",
        b"<frameset>",
        b"<form>",
        b"<p>",
        b"</p>",
        b"<b>",
        b"<i>",
    ),
    *(b"<script type='application/ld+json'>{\"@type\": [1]}</script>", b"<!--", b"-->"),
    *(b"<div itemscope itemprop=x itemref='a b' id=a>", b"<p typeof=x property=y>"),
    *(b"<![CDATA[", b"]]>", b"<?x", b"<!doctype html>", b"&#0;", b"&#xd800;", b"&amp"),
    *(b"&#99999999999;", b"&notit;", b"style='background:url(x)'", b"@import 'x';"),
    *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"<", b">", b"'", b'"', b"=", b"/"),
)

STARTS = (
    *(b"meta http-equiv=refresh content", b"meta name=robots content", b"base href"),
    *(b"meta http-equiv=content-type content", b"meta charset", b"a href", b"a rel"),
    *(b"a href=x ping", b"img srcset", b"img src", b"p style", b"a id", b"html lang"),
    *(
        b"script type",
        b"link rel=canonical href",
        b"div itemscope itemref",
        b"p typeof",
    ),
    *(b"div itemscope itemtype", b"p vocab='' typeof=x property", b"object archive"),
    *(b"meta property=og:type content", b"meta name=description content", b"a name"),
    *(b"svg><a xlink:href", b"form action", b"time datetime", b"link imagesrcset"),
    *(b"script type=application/ld+json>{}</script><a href", b"input formaction"),
)
VALUES = (
    *(
        b"0",
        b"1",
        b".",
        b";",
        b",",
        b"url",
        b"URL=",
        b"=",
        b" ",
        b"\n",
        b"-",
        b"+",
        b"e9",
    ),
    *(
        b"x",
        b"1x",
        b" 2x",
        b" 3w",
        b"(",
        b")",
        b"url(",
        b"@import ",
        b"\\",
        b'"',
        b"/*",
    ),
    *(b"//", b"http://", b"[", b"]", b"#", b"?", b":", b"@", b"%", b"&#39;", b"&#0;"),
    *(b"&#xd800;", b"&amp", b"text/html", b"charset=", b"utf-16", b"utf-7", b"a b"),
    *(b"application/ld+json", b"data:,", b"javascript:", b"\x0c", b"\0", b"\xff", b"<"),
    *("\u0130".encode(), "\u2028".encode(), b"9" * 400, b"..", b"noindex", b"og:"),
)


def _repeated(start: bytes, unit: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    """Return a maker of pages of so many bytes, `%d` in the unit a running number."""

    def made(size: int) -> bytes:
        if b"%d" not in unit:
            return start + unit * (size // len(unit)) + end
        many = size // (len(unit) + 4)
        return (
            start + b"".join(unit.replace(b"%d", b"%d" % n) for n in range(many)) + end
        )

    return made


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nesting": _repeated(b"", b"<div>"),
    "nesting closed": lambda size: b"<i>" * (size // 7) + b"</i>" * (size // 7),
    "nested links": _repeated(b"", b"<a href=x><div>"),
    "nested headings": _repeated(b"", b"<h1>x<div>"),
    "nested tables": _repeated(b"", b"<table><td>"),
    "nested svg": _repeated(b"<svg>", b"<g>"),
    "nested templates": _repeated(b"", b"<template>"),
    "nested selects": _repeated(b"", b"<select><optgroup><option>"),
    "formatting": _repeated(b"", b"<b><i><u><p>"),
    "formatting with names": _repeated(b"", b"<font a%d=x><p>"),
    "adoption": _repeated(b"", b"<a><b><div></a></b>"),
    "foster": _repeated(b"<table>", b"<b>x<tr>"),
    "attributes": _repeated(b"<p ", b"a%d=x ", b">"),
    "the same attribute": _repeated(b"<p ", b"a=x ", b">"),
    "a long attribute": _repeated(b"<a href='", b"x/", b"'>x</a>"),
    "a long name": _repeated(b"<a", b"a", b">"),
    "text": _repeated(b"<p>", b"word "),
    "one word": _repeated(b"<title>", b"a", b"</title>"),
    "white space": _repeated(b"<p>", b" "),
    "NULs": _repeated(b"<p>", b"\0"),
    "bad bytes": _repeated(b"<p>", b"\xff"),
    "references": _repeated(b"<p>", b"&amp"),
    "a long reference": _repeated(b"<p>&#", b"9", b";"),
    "links": _repeated(b"<p>", b"<a href=%d>x</a>"),
    "links up": _repeated(b"<p>", b"<a href=../../../../../../../../%d>"),
    "links with images": _repeated(b"<p>", b"<a href=x><img alt=y></a>"),
    "empty links": _repeated(b"<p>", b"<a href=''>x</a>"),
    "open links": _repeated(b"<p>", b"<a href=x>y"),
    "images": _repeated(b"<p>", b"<img src=%d alt=x>"),
    "srcset": _repeated(b"<img srcset='", b"a%d.png 1x, ", b"'>"),
    "srcset without ends": _repeated(b"<img srcset='", b"a (", b"'>"),
    "srcset of commas": _repeated(b"<img srcset='", b",", b"'>"),
    "srcsets": _repeated(b"<p>", b"<img srcset='a 1x, b 2x'>"),
    "ping": _repeated(b"<a href=x ping='", b"x ", b"'>"),
    "css urls": _repeated(b"<style>", b"a{b:url(%d)}", b"</style>"),
    "css open urls": _repeated(b"<style>", b"url(", b"</style>"),
    "css open quotes": _repeated(b"<style>", b"url('", b"</style>"),
    "css comments": _repeated(b"<style>", b"/*", b"</style>"),
    "css brackets": _repeated(b"<style>", b"({[", b"</style>"),
    "css escapes": _repeated(b"<style>", b"\\75 ", b"</style>"),
    "css imports": _repeated(b"<style>", b"@import ", b"</style>"),
    "css spaces": _repeated(b"<style>@import", b" ", b"</style>"),
    "style attributes": _repeated(b"<p>", b"<p style='b:url(%d)'>"),
    "a style attribute": _repeated(b"<p style='", b"url(", b"'>"),
    "styles": _repeated(b"", b"<style>@import 'x'</style>"),
    "ids": _repeated(b"<p>", b"<p id=%d>"),
    "microdata": _repeated(b"<p>", b"<p itemscope itemprop=x>"),
    "microdata closed": _repeated(b"<p>", b"<p itemscope itemprop=x>y</p>"),
    "microdata in circles": _repeated(
        b"<p id=a itemscope itemref='a b'><p id=b itemscope itemref='a b'>",
        b"<b itemscope itemprop=x itemref='a b'></b>",
    ),
    "microdata references": _repeated(b"<p itemscope itemref='", b"a%d ", b"'>"),
    "rdfa": _repeated(b"<p>", b"<p typeof=x property=y>"),
    "rdfa closed": _repeated(b"<p>", b"<p typeof=x property=y>z</p>"),
    "opengraph": _repeated(b"", b"<meta property=og:a%d content=x>"),
    "json": _repeated(b"<script type=application/ld+json>", b"[", b"</script>"),
    "json objects": _repeated(
        b"<script type=application/ld+json>", b'{"a":', b"</script>"
    ),
    "json number": _repeated(b"<script type=application/ld+json>", b"9", b"</script>"),
    "jsons": _repeated(b"", b"<script type=application/ld+json>{}</script>"),
    "refreshes": _repeated(b"", b"<meta http-equiv=refresh content='0;url=x'>"),
    "a refresh in ages": _repeated(b"<meta http-equiv=refresh content='", b"9", b"'>"),
    "a refresh": _repeated(b"<meta http-equiv=refresh content='0;", b" ", b"'>"),
    "robots": _repeated(b"<meta name=robots content='", b"a,", b"'>"),
    "rel": _repeated(b"<a href=x rel='", b"a ", b"'>"),
    "bases": _repeated(b"", b"<base href=%d>"),
    "titles": _repeated(b"", b"<title>x</title>"),
    "comments": _repeated(b"", b"<!-- x -->"),
    "an open comment": _repeated(b"<!--", b"<!--"),
    "bogus comments": _repeated(b"", b"<?x>"),
    "script starts": _repeated(b"<script><!--", b"<script>"),
    "doctypes": _repeated(b"", b"<!doctype html>"),
    "ends": _repeated(b"", b"</p>"),
    "less-than": _repeated(b"", b"<"),
    "bodies": _repeated(b"", b"<body a%d=x>"),
    "charsets": _repeated(b"", b"<meta charset=utf-8>"),
    "noscripts": _repeated(b"<body>", b"<noscript><a href=x>y</a></noscript>"),
}
SIZES = (1_000, 20_000, 20_000, 200_000, 200_000, 1_000_000)
LARGE = 10_000_000  # what is read of a page by default


class Read(NamedTuple):
    """One page, read in every way that a run reads it."""

    whole: Facts
    again: Facts
    link_count: int
    text: str
    decoded: facts.Decoded


@cache
def real_pages() -> tuple[Path, ...]:
    """Return the real pages, at least the demo's own."""
    where = MANUAL if MANUAL.is_dir() else DEMO
    paths = sorted(where.rglob("*.html"))
    found = [path for path in paths if path.stat().st_size <= PAGE_MAX_BYTES]
    if not found:
        raise RuntimeError(f"there are no pages under {where}")
    return tuple(found)


@lru_cache(maxsize=200)
def _content(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _by_size() -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for path in real_pages():
        found.setdefault(path.stat().st_size, []).append(path)
    return found


def is_real(case: bytes) -> bool:
    """Whether this is a real page as it is."""
    return any(_content(path) == case for path in _by_size().get(len(case), ()))


def make(dice: random.Random) -> bytes:
    """Return a real page, one changed or cut, or one that is made to hurt."""
    kind = dice.random()
    if kind < 0.03:
        return _content(dice.choice(real_pages()))
    if kind < 0.3:
        return _changed(dice)
    if kind < 0.85:  # small ones are read by the hundred
        return _small(dice)
    name = dice.choice(tuple(HOSTILE))
    size = dice.choice(SIZES) if dice.random() < 0.97 else LARGE
    case = HOSTILE[name](size)
    if size <= SIZES[1] and dice.random() < 0.7:
        case = mutated(case, dice, WORDS)
    return case


def _changed(dice: random.Random) -> bytes:
    content = _content(dice.choice(real_pages()))
    if dice.random() < 0.5:
        start = dice.randrange(len(content))
        content = content[start : start + dice.randrange(20_000)]
    if dice.random() < 0.1:
        text = content.decode("utf-8", "replace")
        encoding = dice.choice(("utf-16", "latin-1", "shift_jis", "utf-32", "gb18030"))
        content = text.encode(encoding, "replace")
    return mutated(content, dice, WORDS, most=dice.choice((2, 20, 100)))


def _small(dice: random.Random) -> bytes:
    """Return words in a row, and attributes that mean something with any value."""
    pieces = []
    for _ in range(dice.randint(1, 6)):
        value = of_words(dice, VALUES, most=5).replace(b"'", b"")
        pieces += [b"<%b='%b'>" % (dice.choice(STARTS), value)]
        pieces += [of_words(dice, WORDS, most=6)]
    return b"".join(pieces)


def run(case: bytes) -> Read:
    """Read all facts, send them through a pipe, and read the text."""
    charset = CHARSETS[len(case) % len(CHARSETS)] if not is_real(case) else None
    counted = facts.extract(case, SITE, charset)
    link_count = counted.link_count
    found = facts.extract(case, SITE, charset)
    ahead = facts.ahead(found, facts.FIELDS)
    crossed = pickle.loads(pickle.dumps(ahead))
    again = facts.extract(case, SITE, charset, known=crossed)
    text = facts.visible_text(facts.extract(case, SITE, charset))
    return Read(found, again, link_count, text, facts.decode(case, charset))


def judge(case: bytes, result: object) -> None:
    """The same facts on both sides of a pipe; of a real page those of BeautifulSoup."""
    assert isinstance(result, Read)
    whole = result.whole
    if result.again != whole:
        raise Wrong("facts that crossed the pipe are others")
    if result.link_count != len(whole.links):
        raise Wrong(f"{result.link_count} links counted, {len(whole.links)} read")
    if len(result.text.split()) != whole.word_count:
        raise Wrong(f"{len(result.text.split())} words, or {whole.word_count}")
    if whole.encoding not in ENCODINGS or result.decoded.encoding != whole.encoding:
        raise Wrong(f"{whole.encoding!r}, or {result.decoded.encoding!r}")
    if whole.meta_refresh is not None and not isfinite(whole.meta_refresh.delay_s):
        raise Wrong(f"a refresh after {whole.meta_refresh.delay_s!r} s")
    for link in whole.links[:2_000]:
        if len(link.text) > facts.LINK_TEXT_MAX_CHARS:
            raise Wrong(f"a link with {len(link.text)} characters of text")
        link.url.encode()  # no half of a pair: it could not be written down
    if is_real(case):
        for difference in differences(case, SITE):
            if not difference.kind.startswith("words"):
                raise Wrong(f"{difference.kind}: {difference.example}")


def slow_s(case: bytes) -> float:
    """A second, and three for each megabyte: a case is parsed five times."""
    return 1.0 + 3.0 * len(case) / 1e6


TARGET = Target(
    name="pages",
    make=make,
    run=run,
    judge=judge,
    words=WORDS,
    slow_s=slow_s,
    memory_mb=2_000.0,
)
