"""Sitemaps: XML, text, feeds and gzip of any bytes; no file and no host is touched.

A case may hold `@CANARY@` and `@PORT@`, which stand for a file and a port that are
watched while it is read: a parser that follows an entity or a DTD touches one of them.
"""

from __future__ import annotations

import atexit
import ctypes
import gzip
import os
import random
import shutil
import socket
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

from fetcher import sitemaps
from fetcher.models import Request
from fetcher.page import Page
from fetcher.source import entries_of
from fetcher.urls import parse

from .harness import Target, Wrong, mutated, of_words

SITE = "http://h.example/sitemap.xml"
SECRET = "what-stands-in-the-canary"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
URLSET = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
INDEX = b'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
ENTRY = (
    b"<url><loc>http://h.example/%d</loc><lastmod>2026-01-02</lastmod>"
    b"<priority>0.5</priority></url>\n"
)
WORDS = (
    *(XML, URLSET, INDEX, b"<urlset>", b"</urlset>", b"</sitemapindex>", b"<url>"),
    *(
        b"</url>",
        b"<loc>",
        b"</loc>",
        b"http://h.example/",
        b"<lastmod>",
        b"</lastmod>",
    ),
    *(
        b"<sitemap>",
        b"</sitemap>",
        b"2026-01-02",
        b"2026-01-02T03:04:05+99:99",
        b"0000",
    ),
    *(b"Mon, 01 Jan 99999999999999999999 00:00:00 +0000", b"9999-12-31T23:59:59-23:59"),
    *(b"0001-01-01T00:00:00+23:59", b"<rss version='2.0'><channel>", b"<item><link>"),
    *(
        b"</link></item>",
        b"</channel></rss>",
        b"<feed xmlns='http://www.w3.org/2005/Atom'>",
    ),
    *(b"<entry><link href='/x'/></entry>", b"</feed>", b"<pubDate>", b"</pubDate>"),
    *(b"<rdf:RDF xmlns:rdf='x'>", b"<image:image>", b"&amp;", b"&#0;", b"&#x110000;"),
    *(b"&lol;", b"&x;", b"%x;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x", b"?>"),
    *(b"<!DOCTYPE urlset SYSTEM 'file://@CANARY@'>", b"<!DOCTYPE urlset ["),
    *(b"<!ENTITY x SYSTEM 'file://@CANARY@'>", b"<!ENTITY lol 'lol'>", b"]>"),
    *(
        b"<!ENTITY x SYSTEM 'http://127.0.0.1:@PORT@/'>",
        b"<!ENTITY % x SYSTEM '@CANARY@'>",
    ),
    *(
        b"<!DOCTYPE urlset PUBLIC 'x' 'http://127.0.0.1:@PORT@/x.dtd'>",
        b"<!ENTITY y '&x;'>",
    ),
    *(b"<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='@CANARY@'/>",),
    *(
        b"<?xml-stylesheet href='http://127.0.0.1:@PORT@/'?>",
        b" xmlns:a='b'",
        b" a='b'",
    ),
    *(b"encoding='UTF-16'", b"encoding='utf-7'", b"encoding='x'", b"\xef\xbb\xbf"),
    *(
        b"\xff\xfe",
        b"\xfe\xff",
        b"\n",
        b"\r",
        b"http://h.example/x\n",
        b"\x1f\x8b",
        b"/x\n",
    ),
)
BOMB_BYTES = 300_000_000


class Read(NamedTuple):
    """What a sitemap came to, the list that it makes, and what was touched."""

    found: list[sitemaps.Entry | sitemaps.Problem]
    listed: list[Request | Page]
    is_one: bool
    touched: str


def make(dice: random.Random) -> bytes:
    """Return a sitemap of some form, changed, packed, cut, or made to be large."""
    kind = dice.random()
    if kind < 0.01:
        return _bomb(dice)
    if kind < 0.04:
        return _large(dice)
    content = _plain(dice) if kind < 0.6 else of_words(dice, WORDS, most=60)
    if dice.random() < 0.5:
        content = mutated(content, dice, WORDS)
    if dice.random() < 0.1:
        encoding = dice.choice(("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp037"))
        content = content.decode("utf-8", "replace").encode(encoding, "replace")
    if dice.random() < 0.2:
        content = _packed(content, dice)
    return content


def _plain(dice: random.Random) -> bytes:
    entries = [_entry(dice, number) for number in range(dice.randint(0, 8))]
    forms = (
        (XML + URLSET, b"</urlset>"),
        (XML + INDEX, b"</sitemapindex>"),
        (b"<rss><channel>", b"</channel></rss>"),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'>", b"</feed>"),
        (_doctype(dice) + URLSET, b"</urlset>"),
        (b"", b""),
    )
    start, end = dice.choice(forms)
    return start + b"".join(entries) + end


def _entry(dice: random.Random, number: int) -> bytes:
    inside = dice.choice(
        (b"", b"&x;", b"&lol;", b"&y;", b"<a/>", b"<!-- -->", b"&lol9;")
    )
    return dice.choice(
        (
            ENTRY % number,
            b"<url><loc>http://h.example/%d%b</loc></url>" % (number, inside),
            b"<sitemap><loc>http://h.example/%d.xml%b</loc></sitemap>"
            % (number, inside),
            b"<item><link>http://h.example/%d</link></item>" % number,
            b"<entry><link href='http://h.example/%d'/>%b</entry>" % (number, inside),
            b"http://h.example/%d\n" % number,
        )
    )


def _doctype(dice: random.Random) -> bytes:
    """Return a DTD with entities of the kinds that hurt: outside, many, long."""
    laughs = [b"<!ENTITY lol 'lol'>"]
    for level in range(1, dice.randint(1, 12)):
        before = b"&lol%d;" % (level - 1) if level > 1 else b"&lol;"
        laughs.append(b"<!ENTITY lol%d '%b'>" % (level, before * 10))
    kinds = (
        b"".join(laughs),
        b"<!ENTITY lol '%b'>" % (b"a" * dice.choice((10, 10_000, 1_000_000))),
        b"<!ENTITY x SYSTEM 'file://@CANARY@'><!ENTITY y '&x;'>",
        b"<!ENTITY x SYSTEM 'http://127.0.0.1:@PORT@/x'>",
        b"<!ENTITY %% x SYSTEM 'file://@CANARY@'> %%x;",
        b"<!ENTITY %% x SYSTEM 'http://127.0.0.1:@PORT@/x'> %%x;",
        b"<!ENTITY x '&y;'><!ENTITY y '&x;'>",
        b"<!ATTLIST urlset a CDATA '&x;'>",
    )
    outside = dice.choice((b"", b"", b"SYSTEM 'file://@CANARY@'", b"SYSTEM '@CANARY@'"))
    return b"<!DOCTYPE urlset %b [%b]>\n" % (outside, dice.choice(kinds))


def _packed(content: bytes, dice: random.Random) -> bytes:
    packed = gzip.compress(content, mtime=0)
    return dice.choice(
        (
            packed,
            packed[: dice.randrange(len(packed) + 1)],
            packed * dice.choice((2, 1_500)),
            packed + b"\0" * 100,
            packed + b"x",
            gzip.compress(packed, mtime=0),
            mutated(packed, dice, most=3),
        )
    )


def _bomb(dice: random.Random) -> bytes:
    """Return gzip of far more than 50 MB."""
    unit = dice.choice(
        (b" ", b"\n", b"a", b"\0", ENTRY % 1, b"http://h.example/\n", b"<a>")
    )
    piece = unit * (1_000_000 // len(unit))
    packer = zlib.compressobj(9, wbits=31)
    start = dice.choice((b"", XML + URLSET, XML + URLSET + b"<url><loc>", b"<rss>"))
    packed = [packer.compress(start)]
    packed += [packer.compress(piece) for _ in range(BOMB_BYTES // len(piece))]
    return b"".join((*packed, packer.flush()))


def _large(dice: random.Random) -> bytes:
    """Return a few megabytes of one kind."""
    unit = dice.choice(
        (
            *(
                ENTRY,
                b"<a>",
                b"<a%d>",
                b"<a b%d='c'/>",
                b"<url>",
                b"<url><a>",
                b"</url>",
            ),
            *(
                b"<url><loc>",
                b"&amp;",
                b"<!-- x -->",
                b"<?x y?>",
                b"\n",
                b" ",
                b"<",
                b"]]>",
            ),
            *(
                b"http://h.example/%d\n",
                b"http://h.example/%d",
                b"<loc>/</loc>",
                b"a='b' ",
            ),
            *(b"<url><loc>/</loc><lastmod>%d</lastmod></url>", b"<url xmlns:a%d='b'/>"),
            *(
                b"<![CDATA[x]]>",
                b"&#65;",
                b"<image:loc>x</image:loc>",
                dice.choice(WORDS),
            ),
        )
    )
    many = dice.choice((10_000, 100_000, 3_000_000)) // len(unit)
    filled = b"".join(unit.replace(b"%d", b"%d" % number) for number in range(many))
    start = dice.choice((b"", XML + URLSET, XML + INDEX, URLSET + b"<url>", b"<rss>"))
    return start + filled + dice.choice((b"", b"</urlset>"))


class _Watch:
    """A file and a port that nobody has a reason to touch."""

    IN_ACCESS, IN_OPEN = 0x1, 0x20  # inotify(7)

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp(prefix="fuzz-sitemaps-")
        atexit.register(shutil.rmtree, self._directory, ignore_errors=True)
        self.path = Path(self._directory) / "canary"
        self.path.write_text(f"<!ENTITY x '{SECRET}'>")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        flags = self.IN_ACCESS | self.IN_OPEN
        if libc.inotify_add_watch(self._events, bytes(self.path), flags) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def touched(self) -> str:
        """Return what was touched since it was last asked, "" for nothing."""
        found = []
        try:
            os.read(self._events, 65_536)
            found.append("the file was opened")
        except BlockingIOError:
            pass
        try:
            self._listener.accept()[0].close()
            found.append("the port was connected to")
        except BlockingIOError:
            pass
        return " and ".join(found)


_watches: list[_Watch] = []


def watch() -> _Watch:
    """Return this process's own canaries."""
    if not _watches:
        _watches.append(_Watch())
    return _watches[0]


def run(case: bytes) -> Read:
    """Read a sitemap as a run does, once by itself and once as input."""
    canary = watch()
    content = case.replace(b"@CANARY@", bytes(canary.path))
    content = content.replace(b"@PORT@", b"%d" % canary.port)
    canary.touched()
    is_one = sitemaps.looks_like(content, "text/plain", SITE)
    sitemaps.looks_like(content, None, "x")
    found = list(sitemaps.read(content, SITE))
    listed = list(entries_of(content, "list.xml")) if len(found) < 100 else []
    return Read(found, listed, is_one, canary.touched())


def judge(case: bytes, result: object) -> None:
    """Bounded, in form, and nothing was touched."""
    assert isinstance(result, Read)
    if result.touched:
        raise Wrong(result.touched)
    if SECRET in repr(result.found):
        raise Wrong("the canary was read")
    entries = [each for each in result.found if isinstance(each, sitemaps.Entry)]
    if len(entries) > sitemaps.ENTRIES_MAX:
        raise Wrong(f"{len(entries):,} entries")
    if len(result.found) > 3 * sitemaps.ENTRIES_MAX + 10:
        raise Wrong(f"{len(result.found):,} entries and problems")
    for entry in entries[:1_000]:
        if parse(entry.url).href != entry.url:
            raise Wrong(f"an entry that is not in WHATWG form: {entry!r}")
        if entry.last_modified is not None and entry.last_modified.utcoffset() is None:
            raise Wrong(f"a date of no zone: {entry!r}")
    for problem in result.found[:1_000]:
        if isinstance(problem, sitemaps.Problem) and (
            len(str(problem)) > 2_000 or "\n" in str(problem)
        ):
            raise Wrong(f"no sentence: {str(problem)[:300]!r}")


def slow_s(case: bytes) -> float:
    """A second, and what 50 MB of entries take: that is where reading stops.

    A bomb is packed a thousandfold, so its size says nothing.
    """
    if case.startswith(sitemaps.GZIP_MAGIC):
        return 15.0
    return 1.0 + len(case) / 400_000


TARGET = Target(
    name="sitemaps",
    make=make,
    run=run,
    judge=judge,
    words=WORDS,
    slow_s=slow_s,
    memory_mb=150.0,
)
