"""What a sitemap lists: bytes to entries, lazily.

Pure: the caller fetches, and judges where an entry leads. Read are the XML of
sitemaps.org, sitemaps and indexes of them, RSS and Atom, text with a URL a line, and
gzip of any. Whatever the bytes are, nothing is raised: what is wrong is a `Problem`
among the entries. Neither entries nor tree are held: beyond `content`, a reader needs
a few hundred kilobytes. Only this module imports lxml; entities and DTDs are not
read, and lxml's own limits (depth, length of texts) stay on.

Source:
    https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from .urls import BadUrl, join, parse

__all__ = ["ENTRIES_MAX", "INDEX_DEPTH_MAX", "Entry", "Problem", "looks_like", "read"]

# sitemaps.org: a sitemap and an index each have at most 50,000 entries and 50 MB
# (52,428,800 bytes), uncompressed; a <loc> has less than 2,048 characters.
ENTRIES_MAX = 50_000
DECODED_MAX_BYTES = 52_428_800
LOC_MAX_CHARS = 2_047
# An index may not list indexes, and some do: one below another is followed, no more.
INDEX_DEPTH_MAX = 2

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
CHUNK_BYTES = 64 * 1024
LOOKED_AT_BYTES = 8 * 1024
ENTRY_MAX_BYTES = 1024 * 1024  # one with 1,000 images, which Google allows, has 100 KB
LINES_MAX = 10 * ENTRIES_MAX  # blank ones, too, take their time
LINE_MAX_BYTES = 4 * LOC_MAX_CHARS  # UTF-8 needs at most four bytes a character
GZIP_MEMBERS_MAX = 1_000  # a file has one; empty ones cost time and give nothing
GZIP_MAGIC = b"\x1f\x8b"
# lxml keeps each name of an element or attribute as long as the thread lives: without
# a bound a hostile sitemap of 10 MB costs 50 MB for ever.
NAMES_MAX = 1_000
BAD_LINES_AT_START_MAX = 10  # then it is not a list of URLs at all
SHOWN_CHARS = 80
NAMES_KEPT = 256  # elements of a sitemap have few names, and each is met 50,000 times
DATES_KEPT = 1_024

# What each root element lists, as which element, and whether those are sitemaps.
ENTRY_NAMES: Final = {
    "urlset": "url",
    "sitemapindex": "sitemap",
    "rss": "item",
    "RDF": "item",  # RSS 1.0
    "feed": "entry",
}
# Elements with the date, of any namespace: W3C's form, but RFC 822's in a pubDate.
DATE_NAMES = frozenset({"lastmod", "updated", "date", "pubDate"})
TEXT_TYPES = frozenset({"text/plain", "application/octet-stream"})
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# W3C, "Date and Time Formats" (1997). Without a zone, which is an error, UTC is meant.
_W3C_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:urlset|sitemapindex|rss|RDF|feed)[\s/>]")
_HTML = re.compile(rb"\s{0,99}<(?:!doctype\s+)?html[\s>]", re.IGNORECASE)
_NAMES = re.compile(
    rb"""<([^\s/>!?&;<]+)|\s([^\s=<>"'/&;]+)\s*=\s*["']""",
)
_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)""")
# Encodings in which markup is the same bytes as in ASCII, so that _NAMES sees it.
_ENCODING = re.compile(
    rb"utf-?8|(?:us-)?ascii|iso-8859-\d{1,2}|windows-125\d", re.IGNORECASE
)
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Entry(NamedTuple):
    """One URL that a sitemap lists, in WHATWG form and without fragment.

    `last_modified` is aware UTC, None where it is not said or not to be read.
    `is_sitemap` tells the entry of an index from that of a page. The host may be any.
    """

    url: str
    last_modified: datetime | None = None
    is_sitemap: bool = False


class Problem(NamedTuple):
    """One sentence on what is wrong with a sitemap; the line, from 1, where known."""

    message: str
    line: int | None = None

    def __str__(self) -> str:
        return (
            self.message if self.line is None else f"line {self.line}: {self.message}"
        )


def looks_like(content: bytes, content_type: str | None, url: str) -> bool:
    """Whether a body is a sitemap, judged by its first 8 KB.

    XML is known by its root element, whatever its type is said to be. Text is a
    sitemap if all its lines are URLs and its type, or name, is that of a text.

    Args:
        content: the body, any bytes.
        content_type: the media type, without parameters or with them.
        url: where it came from.
    """
    if _HTML.match(content) is not None:  # most of what is asked about
        return False
    head = _Head(_Decoder(content[:LOOKED_AT_BYTES]), LOOKED_AT_BYTES)
    start = head.start[:LOOKED_AT_BYTES]
    if head.is_xml:
        hinted = head.is_utf_16 or _ROOT.search(start) is not None
        root = _root_of(start) if hinted else None
        return root is not None and root.name in ENTRY_NAMES
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in TEXT_TYPES and not (media_type == "" and _names_text(url)):
        return False
    lines = _LINE_END.split(start)
    if len(content) > LOOKED_AT_BYTES or len(head.start) > LOOKED_AT_BYTES:
        lines.pop()  # it may be cut
    written = [line.strip() for line in lines if line.strip()]
    return bool(written) and all(_is_url(line) for line in written)


def _names_text(url: str) -> bool:
    try:
        name = urlsplit(url).path.rpartition("/")[2].lower()
    except ValueError:
        return False
    return name.removesuffix(".gz").endswith(".txt") or "sitemap" in name


def _is_url(line: bytes) -> bool:
    try:
        parse(line.decode())
    except (BadUrl, UnicodeDecodeError):
        return False
    return True


def read(content: bytes, url: str) -> Iterator[Entry | Problem]:
    """Yield the entries of a sitemap in its order, and its problems where they are.

    Entries come as they are read. A problem of one entry does not end it; XML that
    is not well-formed does, and so do the bounds of sitemaps.org.

    Args:
        content: the body, any bytes.
        url: where it came from; a relative URL, which is an error, is resolved
            against it. "" for a file that came from nowhere.
    """
    decoder = _Decoder(content)
    head = _Head(decoder, CHUNK_BYTES)
    reader: _XmlReader | _TextReader = _TextReader(url, head.lines_skipped)
    if head.is_xml:
        if head.encoding is not None:
            yield Problem(f"the encoding is {_shown(head.encoding)}, not UTF-8")
            return
        root = _root_of(head.start)
        if (refused := _why_refused(root)) or root is None:
            yield Problem(refused)
            return
        if head.lines_skipped and head.start.startswith(b"<?xml"):
            yield Problem("blank lines stand before the XML declaration", 1)
        if root.name in ("urlset", "sitemapindex") and root.namespace != NAMESPACE:
            yield Problem(
                f"the namespace is {_shown(root.namespace)}, not {NAMESPACE!r}",
                root.line + head.lines_skipped,
            )
        reader = _XmlReader(root, url, head.lines_skipped)
    entries = 0
    for chunk in chain([head.start], decoder):
        for found in reader.feed(chunk):
            entries += 1
            if entries > ENTRIES_MAX:
                yield Problem(
                    f"more than {ENTRIES_MAX:,} entries: the rest is not read"
                )
                return
            yield from found
        if reader.is_done:
            break
    else:
        for found in reader.finish():
            yield from found
    if (problem := decoder.problem or reader.problem) is not None:
        yield problem


# Bytes.


class _Decoder:
    """The content in pieces, unpacked if it is gzip, up to the bound of sitemaps.org.

    After the last piece `problem` tells why that was not the end of the content.
    """

    def __init__(self, content: bytes) -> None:
        self.problem: Problem | None = None
        is_gzip = content.startswith(GZIP_MAGIC)
        pieces = _pieces(content)
        self._pieces = self._bounded(self._gunzip(pieces) if is_gzip else pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def _bounded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        left = DECODED_MAX_BYTES
        for piece in pieces:
            yield piece[:left]
            left -= len(piece)
            if left < 0:
                self.problem = Problem("more than 50 MB: the rest is not read")
                return

    def _gunzip(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Unpack all members (RFC 1952, 2.2); zeros may follow the last."""
        members = 1
        member = zlib.decompressobj(wbits=31)
        try:
            for piece in pieces:
                rest = piece
                while rest:
                    if member.eof:
                        rest = rest.lstrip(b"\0")
                        if not rest.startswith(GZIP_MAGIC[:1]):
                            break
                        members += 1
                        member = zlib.decompressobj(wbits=31)
                    if members > GZIP_MEMBERS_MAX:
                        self.problem = Problem("gzip of too many parts")
                        return
                    yield member.decompress(rest, CHUNK_BYTES)
                    rest = member.unused_data if member.eof else member.unconsumed_tail
        except zlib.error as error:
            self.problem = Problem(f"the gzip data is damaged: {error}")
            return
        if not member.eof:
            self.problem = Problem("the gzip data ends early")


def _pieces(content: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


class _Head:
    """How a content begins: what is told by that, and what to read first.

    start:          the first bytes, without white space and byte-order mark
    lines_skipped:  lines that ended in that white space
    encoding:       of XML, where it is one that is not read
    """

    def __init__(self, decoder: _Decoder, size: int) -> None:
        start = b""
        for piece in decoder:
            start += piece
            if len(start) >= size:
                break
        self.is_utf_16 = start.startswith(UTF_16_MARKS)
        self.lines_skipped = 0
        if not self.is_utf_16:
            text = start.removeprefix(BYTE_ORDER_MARK).lstrip()
            self.lines_skipped = start[: len(start) - len(text)].count(b"\n")
            start = text.removeprefix(BYTE_ORDER_MARK)
            self.is_utf_16 = start.startswith(UTF_16_MARKS)
        self.start = start
        self.is_xml = self.is_utf_16 or start.startswith(b"<")
        self.encoding = "UTF-16" if self.is_utf_16 else _unread_encoding(start)


def _unread_encoding(start: bytes) -> str | None:
    """Return the encoding that XML declares, if it is one that is not read."""
    declared = _DECLARED.match(start)
    if declared is None or _ENCODING.fullmatch(declared[1]) is not None:
        return None
    return declared[1].decode("ascii", "replace")


# XML.


class _Root(NamedTuple):
    """The root element, as far as its start tag tells."""

    name: str
    namespace: str
    line: int
    has_entities: bool


class _Element(Protocol):
    """What is used of an lxml element. The tag of an entity is not a str."""

    tag: str
    text: str | None
    sourceline: int | None

    def get(self, name: str, default: str = "") -> str: ...
    def getparent(self) -> _Element | None: ...
    def __iter__(self) -> Iterator[_Element]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> _Element: ...
    def __delitem__(self, index: slice) -> None: ...


class _Parser(Protocol):
    """What is used of an lxml XMLPullParser."""

    feed_error_log: Sequence[_XmlError]

    def feed(self, content: bytes) -> None: ...
    def close(self) -> object: ...
    def read_events(self) -> Iterable[tuple[str, _Element]]: ...


class _XmlError(Protocol):
    message: str
    line: int


def _parser(events: tuple[str, ...], tags: tuple[str, ...] | None) -> _Parser:
    from lxml.etree import XMLPullParser

    return cast("Callable[..., _Parser]", XMLPullParser)(
        events,
        tag=tags,
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )


def _root_of(start: bytes) -> _Root | None:
    """Return the root element if its start tag is among these bytes."""
    from lxml.etree import XMLSyntaxError

    parser = _parser(("start",), None)
    for piece in _pieces(start, LOOKED_AT_BYTES):
        with suppress(XMLSyntaxError):  # perhaps after the root
            parser.feed(piece)
        for _, element in parser.read_events():
            name, namespace = _split(element.tag)
            line = element.sourceline or 1
            return _Root(name, namespace, line, _declares_entities(element))
    return None


def _declares_entities(element: object) -> bool:
    from lxml.etree import ElementTree

    dtd = cast("Callable[[object], Any]", ElementTree)(element).docinfo.internalDTD
    return dtd is not None and any(True for _ in dtd.iterentities())


def _why_refused(root: _Root | None) -> str:
    """Return why XML with this root is not read, "" where it is."""
    if root is None:
        return f"there is no XML element in the first {CHUNK_BYTES // 1024} KB"
    if root.has_entities:
        return "it declares entities, which have no place in a sitemap: not read"
    if root.name not in ENTRY_NAMES:
        return f"the root element is <{_shown(root.name)[1:-1]}>: this is no sitemap"
    return ""


def _split(tag: str) -> tuple[str, str]:
    """Return the local name and the namespace ("" without one) of an lxml tag."""
    namespace, _, name = tag.rpartition("}")
    return name, namespace[1:]


class _XmlReader:
    """Reads chunks of XML; of the tree only the element that is open is kept."""

    def __init__(self, root: _Root, url: str, lines_before: int) -> None:
        self.is_done = False
        self.problem: Problem | None = None
        self._root_name = root.name
        self._entry_name = ENTRY_NAMES[root.name]
        self._url = url
        self._lines_before = lines_before
        names = (root.name, self._entry_name)
        self._parser = _parser(
            ("start", "end"), tuple(f"{{*}}{name}" for name in names)
        )
        self._root: _Element | None = None
        self._bytes_since_entry = 0
        self._names: set[int] = set()  # their hashes

    def feed(self, chunk: bytes) -> Iterator[list[Entry | Problem]]:
        """Yield what each entry came to that ends in this chunk."""
        self._names.update(map(hash, _NAMES.findall(chunk)))
        if len(self._names) > NAMES_MAX:
            self.is_done = True
            self.problem = Problem(
                f"more than {NAMES_MAX:,} names of elements: no more is read"
            )
            return
        yield from self._advance(lambda: self._parser.feed(chunk))
        self._prune(len(chunk))

    def finish(self) -> Iterator[list[Entry | Problem]]:
        """Yield what is left at the end of the file."""
        yield from self._advance(self._parser.close)

    def _advance(self, act: Callable[[], object]) -> Iterator[list[Entry | Problem]]:
        from lxml.etree import XMLSyntaxError

        failure: Exception | None = None
        try:
            act()
        except XMLSyntaxError as error:
            failure = error
        for event, element in self._parser.read_events():
            if event == "start":
                self._root = element if self._root is None else self._root
            elif self._is_entry(element):
                self._bytes_since_entry = 0
                yield self._entry(element)
        if failure is not None:
            self.is_done = True
            self.problem = self._broken(failure)

    def _broken(self, failure: Exception) -> Problem:
        """Say what is wrong with the XML, as libxml2 says it first."""
        errors = self._parser.feed_error_log
        message = errors[0].message if len(errors) else str(failure)
        line = errors[0].line if len(errors) else 0
        said = " ".join(message.split())[:SHOWN_CHARS]
        return Problem(
            f"this is not well-formed XML, and no more is read: {said}",
            line + self._lines_before if line else None,
        )

    def _is_entry(self, element: _Element) -> bool:
        """Whether it stands where entries stand: RSS has an <image> with a <url>."""
        parent = element.getparent()
        if self._root_name == "rss" and parent is not None:
            parent = parent.getparent()  # <rss><channel><item>
        return parent is not None and parent is self._root

    def _prune(self, size: int) -> None:
        """Let go of all that is complete, but for what is in the entry that is open."""
        if self._root is None or self.is_done:
            return
        last = self._root
        while len(last) and _split(last.tag)[0] != self._entry_name:
            del last[:-1]
            last = last[-1]
            if not isinstance(last.tag, str):  # an entity
                break
        self._bytes_since_entry += size
        if self._bytes_since_entry > ENTRY_MAX_BYTES:
            self.is_done = True
            self.problem = Problem(
                "more than 1 MB without an entry: the rest is not read",
                self._line_of(last),
            )

    def _line_of(self, element: _Element) -> int | None:
        line = element.sourceline
        return None if line is None else line + self._lines_before

    def _entry(self, element: _Element) -> list[Entry | Problem]:
        written, date = self._parts(element)
        line = self._line_of(element)
        is_sitemap = self._entry_name == "sitemap"
        return _judge(written, date, line, base=self._url, is_sitemap=is_sitemap)

    def _parts(self, element: _Element) -> tuple[str, str]:
        """Return the URL and the date of an entry as written, "" for what is absent."""
        written = date = ""
        entry_tag = element.tag
        for child in element:
            part = _part(entry_tag, child.tag)
            if part == "url":
                written = written or _text(child)
            elif part == "date":
                date = date or _text(child)
            elif part == "href" and not written:
                # RFC 4287, 4.2.7.2: without rel, it is the page.
                is_page = child.get("rel", "alternate") == "alternate"
                written = child.get("href", "").strip() if is_page else ""
        return written, date


@lru_cache(maxsize=NAMES_KEPT)
def _part(entry_tag: str, tag: object) -> str:
    """Return what a child of an entry holds: "url", "href", "date" or nothing ("").

    A URL stands in the namespace of the entry: an <image:loc> is another matter.
    """
    if not isinstance(tag, str):  # an entity
        return ""
    entry_name, entry_namespace = _split(entry_tag)
    name, namespace = _split(tag)
    if name in DATE_NAMES:
        return "date"
    if namespace != entry_namespace or name not in ("loc", "link"):
        return ""
    return "href" if entry_name == "entry" else "url"


def _text(element: _Element) -> str:
    # An element or an entity inside leaves half of it: then there is no text.
    return "" if len(element) else (element.text or "").strip()


# Text.


class _TextReader:
    """Reads chunks of text: a URL a line (sitemaps.org, "Text file")."""

    def __init__(self, url: str, lines_before: int) -> None:
        self.is_done = False
        self.problem: Problem | None = None
        self._url = url
        self._number = lines_before
        self._rest = b""
        self._skips = False  # the rest of a line that is too long
        self._has_url = False
        self._bad_lines = 0

    def feed(self, chunk: bytes) -> Iterator[list[Entry | Problem]]:
        """Yield what each line came to that ends in this chunk."""
        *lines, rest = _lines(self._rest + chunk)
        for line in lines:
            if found := self._line(line):
                yield found
            if self.is_done:
                return
        self._rest = rest
        if len(rest) > LINE_MAX_BYTES:
            if found := self._line(rest):
                yield found
            self._number -= 1  # it is counted at its end
            self._rest = b""
            self._skips = True

    def finish(self) -> Iterator[list[Entry | Problem]]:
        """Yield what the last line came to, if it has no end."""
        if found := self._line(self._rest):
            yield found

    def _line(self, line: bytes) -> list[Entry | Problem]:
        """Return what a line came to: nothing, if it is blank or the end of one."""
        self._number += 1
        if self._skips:
            self._skips = False
            return []
        if self._number > LINES_MAX:
            self._end(f"more than {LINES_MAX:,} lines: the rest is not read")
            return []
        written = line.strip()
        if not written:
            return []
        found = self._judge(written)
        self._has_url = self._has_url or isinstance(found[-1], Entry)
        self._bad_lines += not self._has_url
        if self._bad_lines >= BAD_LINES_AT_START_MAX and not self._has_url:
            self._end("this is no sitemap: the first lines are no URLs")
        return found

    def _end(self, why: str) -> None:
        self.is_done = True
        self.problem = Problem(why)

    def _judge(self, written: bytes) -> list[Entry | Problem]:
        try:
            text = written.decode()
        except UnicodeDecodeError:
            return [Problem("this is not UTF-8", self._number)]
        return _judge(text, "", self._number, base="", is_sitemap=False)


def _lines(content: bytes) -> list[bytes]:
    """Split at LF, CRLF and CR; a CR at the end may be half of a CRLF, and waits."""
    held = b"\r" if content.endswith(b"\r") else b""
    lines = _LINE_END.split(content[: len(content) - len(held)])
    lines[-1] += held
    return lines


# Entries.


def _judge(
    written: str, date: str, line: int | None, *, base: str, is_sitemap: bool
) -> list[Entry | Problem]:
    """Return the Entry that was written, if it is one, after what is wrong with it."""
    problems: list[Entry | Problem] = []
    last_modified = _moment(date)
    if date and last_modified is None:
        problems.append(Problem(f"{_shown(date)} is no date", line))
    if not written:
        return [*problems, Problem("an entry has no URL", line)]
    if len(written) > LOC_MAX_CHARS:
        said = f"a URL has less than 2,048 characters, not {len(written):,}"
        return [*problems, Problem(f"{said}: {_shown(written)}", line)]
    is_absolute = ":" in written.partition("/")[0]
    try:
        url = parse(written if is_absolute else join(base, written)).href
    except BadUrl as error:
        return [*problems, Problem(str(error), line)]
    if not is_absolute:
        problems.append(Problem(f"the URL is not absolute: {_shown(written)}", line))
    return [*problems, Entry(url, last_modified, is_sitemap)]


@lru_cache(maxsize=DATES_KEPT)
def _moment(text: str) -> datetime | None:
    """Return the moment that a date means, as aware UTC; its start if it is a day."""
    found = _W3C_DATE.fullmatch(text)
    try:
        if found is None:
            return _rfc_822_moment(text)
        year, month, day, time = found.groups()
        moment = datetime.fromisoformat(
            f"{year}-{month or '01'}-{day or '01'}{time or ''}"
        )
        return _utc(moment)
    except (ValueError, OverflowError):
        return None


def _rfc_822_moment(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    if not text or len(text) > SHOWN_CHARS:
        return None
    try:
        return _utc(parsedate_to_datetime(text))
    except (TypeError, IndexError):  # from the insides of email
        return None


def _utc(moment: datetime) -> datetime:
    return (
        moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    )


def _shown(text: str) -> str:
    """Return a text between quotes, cut to what a message can hold."""
    return repr(text) if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]!r}..."
