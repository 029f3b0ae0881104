"""What a page says of itself: HTML bytes to `Facts`.

Pure: the same bytes, URL and charset give the same Facts, in the parent or in a
worker. Whatever the bytes are, nothing is raised, and the work grows with their
number (the parser nests no deeper than 512 elements). Only this module imports
turbohtml, which parses as the HTML standard says, scripts off: what stands in
`<noscript>` is read as markup. `docs/explanation/facts.md` defines each fact.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cached_property, partial
from typing import Any, Final, NamedTuple, TypeVar

import turbohtml
import turbohtml.detect  # registers the whatwg-* codecs
from turbohtml import Document, Element, Namespace

from .link_table import LinkSort, LinkTable, joined, packed
from .memory import call_within
from .models import TEXT, Facts, Heading, Image, Link, MetaRefresh, StructuredItem
from .urls import Resolver

__all__ = [
    "Decoded",
    "FactsAhead",
    "Selected",
    "ahead",
    "check_selector",
    "decode",
    "decode_as",
    "decode_plain",
    "extract",
    "joined_fragments",
    "link_table",
    "nests_too_deep",
    "parsed",
    "selected",
    "selected_by",
    "visible_text",
]

LINK_TEXT_MAX_CHARS = 200
TEXT_MAX_CHARS = 4_000  # of any one text, before its white space is folded
# Elements nest up to 512 deep, and each one's text holds that of all inside it. Past
# this many times the size of the page, texts are not read any more but left empty.
TEXTS_MAX_TIMES_PAGE = 4
# What one page may cost; docs/reference/limits.md says so too.
LISTED_MAX = 50_000  # of links, of images, of headings, ...: what is beyond is left out
URLS_MAX_CHARS = 6_000_000  # of all links: a long <base> stands in each of them
MARKUP_MAX_TAGS = 300_000  # end tags counted, and every other "<": 130 bytes each
JSON_LD_MAX_CHARS = 1_000_000  # of all blocks together: "{}," takes 72 bytes
PARSING_MAX_BYTES = 48 * 1024 * 1024  # beside what its text takes:
PARSING_MAX_TIMES_PAGE = 4  # four bytes a character
# A page that unfolds beyond that is read up to this tag. Each can bring 510 elements.
UNFOLDING_MAX_TAGS = 500
CUT_PAGE_MAX_BYTES = 256 * 1024
# What takes no more than PARSING_MAX_BYTES, whatever it is.
SAFE_TO_PARSE_TAGS = 700
SAFE_TO_PARSE_BYTES = 256 * 1024
ENCODED_TIMES = 6  # a byte of windows-1252 is two of UTF-8, and those "%C3%A9"
CAPPED_MIN_BYTES = 3_000  # 1,500 of a <base>, in 500 links: 4,500,000 characters
WORDS_AT_ONCE_CHARS = 1_000_000  # a word as an object takes ten times its characters
REFRESH_MAX_S = 1e9  # 30 years: a delay of 400 digits would be infinite
JSON_MAX_DEPTH = 400  # as turbohtml's; far below what pickle and json can nest

BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
WHITE_SPACE = " \t\n\f\r"  # ASCII white space, Infra standard, 4.6
INVISIBLE: Final = "script,style,template,noscript,iframe,noframes,noembed"
HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
OUTLINE_TAGS = (
    *("html", "body", "base", "title", "meta", "link", "script", "img"),
    *HEADINGS,
)
ANCHORS = '[id],a[name],a[href=""],area[href=""],[itemscope],[typeof]'
# For counting. One of these attributes, on any element, is one link, as `href` is.
SELDOM_NAMES = (
    *("src", "action", "formaction", "cite"),
    *("data", "poster", "background", "longdesc"),
)
# These hold any number of links, or an `href` that is none: they are not counted apart.
SEVERAL_LINKS = (
    r'style,[style*="("],[style*="\\"],[srcset],[imagesrcset],[xlink\:href],[ping],'
    r'[archive],meta[http-equiv*="refresh" i],:not(a):not(area)[href=""],'
    r'[href^=" "],[href^="\9 "],[href^="\a "],[href^="\c "],[href^="\d "]'
)
SELDOM_LINKS = (
    f"{','.join(f'[{name}]' for name in SELDOM_NAMES)},base[href],{SEVERAL_LINKS}"
)
TAGS_WITH_REL = frozenset({"a", "area", "link", "form"})

NOWHERE = (0, -1)  # line 0, column 0: an element that no tag in the source began

_new = tuple.__new__  # half the time of Link(...), which is a Python function


Result = TypeVar("Result")
FactsAhead = tuple[tuple[str, object], ...]  # names of facts and their plain values


class Decoded(NamedTuple):
    """A body as text, the WHATWG name of its encoding, and how that was learnt.

    `source` is "bom", "http", "meta", "detected" or "default".
    """

    text: str
    encoding: str
    source: str


def decode(content: bytes, charset: str | None = None) -> Decoded:
    """Return the bytes as text, in the encoding that `extract` reads them in.

    The first of these decides: a byte-order mark, `charset` if it is a WHATWG label,
    what a `<meta>` declares, UTF-8 if the bytes are valid UTF-8, windows-1252.
    Bytes that do not fit become U+FFFD. A byte-order mark is not part of the text.

    Args:
        content: a body, any bytes.
        charset: the label of the Content-Type field; one that is not known is ignored.

    Source:
        WHATWG Encoding, 4.2 (labels); HTML, 13.2.3.2 (the order).
    """
    # The whole page is parsed, because a <meta> may stand anywhere and be heeded.
    document = _parse(content, charset).document
    encoding, source = _encoding_of(document, content, charset)
    text = content.decode(f"whatwg-{encoding}")
    return Decoded(text.removeprefix("\ufeff"), encoding, source)


def decode_as(content: bytes, encoding: str) -> str:
    """Return the bytes as text in an encoding whose WHATWG name `facts` told."""
    return content.decode(f"whatwg-{encoding}").removeprefix("\ufeff")


def decode_plain(content: bytes, charset: str | None = None) -> str:
    """Return a body that is no HTML as text, without parsing it.

    As `decode` does, but that nothing in it is heeded as a `<meta>`.
    """
    for mark, encoding in zip(
        BYTE_ORDER_MARKS, ("utf-8", "utf-16le", "utf-16be"), strict=True
    ):
        if content.startswith(mark):
            return decode_as(content, encoding)
    labelled = _named_by(charset)
    if labelled is not None:
        return decode_as(content, labelled)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return decode_as(content, "windows-1252")


def extract(
    content: bytes, url: str, charset: str | None = None, *, known: FactsAhead = ()
) -> Facts:
    """Return what an HTML page says of itself.

    Args:
        content: the body, any bytes.
        url: where it came from, after redirects; relative links are resolved
            against it, or against the page's `<base>`.
        charset: the label of the Content-Type field, None without one.
        known: what `ahead` gave for these very bytes, in this or another process.
    """
    return _ReadFacts(content, url, charset, known)


def visible_text(facts: Facts) -> str:
    """Return the text of a page that a reader sees, white space folded.

    Of facts that `extract` gave, in this process or with `TEXT` read ahead.
    """
    if not isinstance(facts, _ReadFacts):
        raise TypeError(f"facts that `extract` gave are needed, got {type(facts)!r}")
    return facts._text()


SELECTED_BY = "selected by "  # and a selector: what can be read ahead besides


class Selected(NamedTuple):
    """How many elements a CSS selector finds, and where the first of them stands.

    `line` and `column` count from 1; 0 where that is not known, or there is none.
    """

    number: int
    line: int
    column: int


def selected(facts: Facts, selector: str) -> Selected:
    """Return what a CSS selector finds in the page that facts were read from.

    Of facts that `extract` gave, in this process or with `selected_by` read ahead.

    Raises:
        ValueError: the selector is none; see `check_selector`.
    """
    if not isinstance(facts, _ReadFacts):
        raise TypeError(f"facts that `extract` gave are needed, got {type(facts)!r}")
    return facts._selected(selector)


def selected_by(selector: str) -> str:
    """Return the name by which `ahead` knows what a selector finds."""
    return f"{SELECTED_BY}{selector}"


def check_selector(selector: str) -> None:
    """Do nothing for a CSS selector.

    Raises:
        ValueError: for anything else; the message says what is wrong, and where.
    """
    turbohtml.parse(b"").select(selector)


def ahead(facts: Facts, names: Iterable[str]) -> FactsAhead:
    """Return the values of these facts in plain values, which cross a pipe quickly.

    What may have been cut short comes with word of it.
    """
    names = dict.fromkeys([*names, "capped"])
    return tuple((name, _plainly(name, facts)) for name in names)


class _ReadFacts(Facts):
    """Facts whose fields are read from the parsed page when first asked for, and kept.

    Most callers look at two or three fields, and links and words alone take three
    times as long as parsing. What is seen is the same value, whenever one looks.
    """

    __slots__ = ("_known", "_reader", "_source", "link_count", "missed")
    _known: dict[str, object]
    _reader: _Reader | None
    _source: tuple[bytes, str, str | None]
    missed: list[str]  # what had to be read from the page here

    def __init__(
        self, content: bytes, url: str, charset: str | None, known: FactsAhead
    ) -> None:
        for name, value in (
            ("_source", (content, url, charset)),
            ("_reader", None),
            ("_known", dict(known)),
            ("missed", []),
        ):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> object:  # only for a field not yet read
        if name in self._known:
            value = _as_it_was(name, self._known[name])
        elif name == "link_count" and "links" in self._known:
            value = self._table().link_count
        elif name == "capped" and self.is_small:
            value = ()
        else:
            read = getattr(_Reader, f"read_{name}", None)
            if read is None:
                raise AttributeError(f"Facts has no {name!r}")
            value = read(self._read())
            self.missed.append(name)
        object.__setattr__(self, name, value)
        return value

    @property
    def is_small(self) -> bool:
        """Whether the page is too small for any of its facts to be cut short."""
        content, url, _ = self._source
        if len(content) + len(url) < CAPPED_MIN_BYTES:
            return True
        # Each link takes two bytes or more, and all may begin with the base.
        return (
            len(content) < 2 * LISTED_MAX
            and (len(url) // 2 + ENCODED_TIMES) * len(content) < URLS_MAX_CHARS
            and not _may_have_base(content)
        )

    def _table(self) -> LinkTable:
        """Return the links as a table, in which they crossed the pipe if they did."""
        known = self._known.get("links")
        if known is not None:
            return LinkTable(*known)  # type: ignore[misc]  # its own fields
        if "links" not in self.missed:
            self.missed.append("links")
        return self._read().table

    def _text(self) -> str:
        known = self._known.get(TEXT)
        return _folded(self._read().text) if known is None else str(known)

    def _selected(self, selector: str) -> Selected:
        name = selected_by(selector)
        known: Any = self._known.get(name)
        if known is None:
            known = self._known[name] = self._read().select(selector)
            self.missed.append(name)
        return Selected(*known)

    def _read(self) -> _Reader:
        if self._reader is None:
            object.__setattr__(self, "_reader", _Reader(*self._source))
        assert self._reader is not None  # noqa: S101 -- for the types
        return self._reader

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Facts):
            return NotImplemented
        return all(getattr(self, each) == getattr(other, each) for each in FIELDS)

    __hash__ = None  # type: ignore[assignment]  # structured data holds dictionaries

    def __reduce__(self) -> tuple[object, ...]:
        return _whole, tuple(getattr(self, each) for each in FIELDS)


FIELDS: Final = tuple(field.name for field in fields(Facts))


def _whole(*values: object) -> Facts:
    return Facts(**dict(zip(FIELDS, values, strict=True)))  # type: ignore[arg-type]


# Facts that hold named tuples. Plain ones cross a pipe in a third of the time.
_TUPLES: Final = {
    "headings": Heading,
    "images": Image,
    "structured_data": StructuredItem,
}
_TUPLE: Final = {"meta_refresh": MetaRefresh}


def link_table(facts: Facts) -> LinkTable:
    """Return the links as a table; for who looks at all links of many pages."""
    if isinstance(facts, _ReadFacts):
        return facts._table()
    return LinkTable.of(facts.links)


def joined_fragments(facts: Facts) -> str:
    """Return `facts.fragments` as one text, which crosses a pipe in less time.

    `fetcher.link_table.split` takes it apart.
    """
    known = facts._known.get("fragments") if isinstance(facts, _ReadFacts) else None
    return joined(facts.fragments) if known is None else str(known)


def _plainly(name: str, facts: Facts) -> object:
    if name == TEXT:
        return visible_text(facts)
    if name.startswith(SELECTED_BY):
        return tuple(selected(facts, name.removeprefix(SELECTED_BY)))
    if name == "links":
        return tuple(link_table(facts))
    if name == "fragments":
        return joined(facts.fragments)
    value = getattr(facts, name)
    if name in _TUPLES:
        return [tuple(each) for each in value]
    if name in _TUPLE:
        return value and tuple(value)
    return value


def _as_it_was(name: str, value: Any) -> object:
    if name == "links":
        return LinkTable._make(value).links()
    if name == "fragments":
        return frozenset(value.split("\0")) if value else frozenset()
    if name in _TUPLES:
        kind = _TUPLES[name]
        return tuple([_new(kind, each) for each in value])
    if name in _TUPLE:
        return value and _TUPLE[name](*value)
    return value


def _may_have_base(content: bytes) -> bool:
    lower = content.lower()
    return b"<base" in lower or b"<\0b\0a\0s\0e" in lower  # in UTF-16, too


class _Reader:
    """A parsed page, and each field of Facts read from it: `read_<field>`."""

    def __init__(self, content: bytes, url: str, charset: str | None) -> None:
        self._content = content
        self._url = url
        self._charset = charset
        self._document, self._is_cut = _parse(content, charset)
        self._capped: set[str] = set()

    @cached_property
    def _outline(self) -> _Outline:
        return _Outline(self._document, self._url, len(self._content))

    @cached_property
    def _anchors(self) -> _Anchors:
        return _anchors(self._document)

    @cached_property
    def _resolve(self) -> Resolver:
        return Resolver(self._outline.base)

    @cached_property
    def _encoding(self) -> tuple[str, str]:
        return _encoding_of(self._document, self._content, self._charset)

    @cached_property
    def table(self) -> LinkTable:
        size = len(self._content)
        try:
            found = _bounded(size, 0, self._document.links)
        except MemoryError:  # millions, in one srcset or <style>
            self._capped.add("links")
            return LinkTable.of(())
        listed = _first_links(found, len(self._outline.base), size)
        empty = self._anchors.empty_links
        if len(listed) < len(found) or len(listed) + len(empty) > LISTED_MAX:
            self._capped.add("links")
            empty = empty[: LISTED_MAX - len(listed)]
        return _link_table(listed, self._resolve, empty, size)

    @cached_property
    def _links(self) -> tuple[Link, ...]:
        return self.table.links()

    def read_link_count(self) -> int:
        # Making the Links takes twice as long as parsing, having turbohtml find them
        # half as long, and counting the attributes a quarter.
        if "table" in self.__dict__:  # and the tree may be less than it was
            return self.table.link_count
        counted = 0
        base = self._url
        for element in self._document.select(SELDOM_LINKS):
            if element.tag == "base":
                base = self._outline.base
                # No link stands on a <base>, but its href is counted below.
                counted -= element.attr("href") is not None
                continue
            if element.matches(SEVERAL_LINKS):
                return self.table.link_count
            counted += sum(bool(_written(element, name)) for name in SELDOM_NAMES)
        counted += len(self._document.select("[href]"))
        longest = counted * len(base) + ENCODED_TIMES * len(self._content)
        if counted > LISTED_MAX or longest > URLS_MAX_CHARS:
            return self.table.link_count
        return counted

    @cached_property
    def _images(self) -> tuple[Image, ...]:
        images = tuple(_images(self._outline.images, self._resolve))
        if len(images) < len(self._outline.images):
            self._capped.add("images")
        return images

    @cached_property
    def _structured_data(self) -> tuple[StructuredItem, ...]:
        items: list[StructuredItem] = []
        with suppress(MemoryError):
            items = _structured_data(
                self._document, self._outline, self._anchors, len(self._content)
            )
            if len(items) <= LISTED_MAX and self._outline.json_ld_left >= 0:
                return tuple(items)
        self._capped.add("structured_data")
        return tuple(items[:LISTED_MAX])

    @cached_property
    def _meta_refresh(self) -> MetaRefresh | None:
        if not self._outline.refreshes:
            return None
        return _meta_refresh(self._document, self._url, self._resolve)

    @cached_property
    def text(self) -> str:
        # Takes the invisible elements out of the tree: all else is read before.
        _ = self.table, self._images, self._structured_data, self._meta_refresh
        return _visible_text(self._outline.body)

    @cached_property
    def _words(self) -> tuple[int, str]:
        return _count_and_hash(self.text)

    def select(self, selector: str) -> tuple[int, int, int]:
        document = self._document
        if "text" in self.__dict__:  # which took elements out of the tree
            document = _parse(self._content, self._charset).document
        found = document.select(selector)
        line, column = (found[0].position if found else None) or NOWHERE
        return len(found), line, column + 1

    def read_title(self) -> str | None:
        return self._outline.title

    def read_description(self) -> str | None:
        return self._outline.description

    def read_canonical(self) -> str | None:
        href = self._outline.canonical
        return None if href is None else self._resolve[href]

    def read_language(self) -> str | None:
        return self._outline.language

    def read_robots(self) -> tuple[str, ...]:
        return tuple(self._outline.robots)

    def read_headings(self) -> tuple[Heading, ...]:
        return tuple(self._outline.headings)

    def read_links(self) -> tuple[Link, ...]:
        return self._links

    def read_images(self) -> tuple[Image, ...]:
        return self._images

    def read_fragments(self) -> frozenset[str]:
        return self._anchors.fragments

    def read_meta_refresh(self) -> MetaRefresh | None:
        return self._meta_refresh

    def read_base(self) -> str:
        return self._outline.base

    def read_structured_data(self) -> tuple[StructuredItem, ...]:
        return self._structured_data

    def read_word_count(self) -> int:
        return self._words[0]

    def read_text_hash(self) -> str:
        return self._words[1]

    def read_encoding(self) -> str:
        return self._encoding[0]

    def read_encoding_source(self) -> str:
        return self._encoding[1]

    def read_capped(self) -> tuple[str, ...]:
        _ = self._images, self._structured_data, self.read_link_count()
        capped = self._capped | self._outline.capped
        return tuple(sorted([*capped, *["markup"] * self._is_cut]))


def parsed(
    content: bytes, charset: str | None = None, *, most_tags: int = MARKUP_MAX_TAGS
) -> Document:
    """Return a page's tree, or that of its first tags, within the page's memory."""
    return _parse(_first_tags(content, most_tags), charset).document


class _Parsed(NamedTuple):
    """A page's tree, and whether only the first part of the page is in it."""

    document: Document
    is_cut: bool


def _parse(content: bytes, charset: str | None = None) -> _Parsed:
    tags = content.count(b"<")
    first = _first_tags(content, MARKUP_MAX_TAGS) if tags > MARKUP_MAX_TAGS else content
    try:
        return _Parsed(_tree(first, charset, tags), first is not content)
    except MemoryError:
        first = _first_tags(content[:CUT_PAGE_MAX_BYTES], UNFOLDING_MAX_TAGS)
        return _Parsed(_tree(first, charset, UNFOLDING_MAX_TAGS), is_cut=True)


def _tree(content: bytes, charset: str | None, tags: int) -> Document:
    size = len(content)
    if charset is not None:
        try:
            read = partial(turbohtml.parse, content, encoding=charset)
            return _bounded(size, tags, read)
        except (LookupError, UnicodeError):
            pass  # not a WHATWG label: as if none had been given
    return _bounded(size, tags, partial(turbohtml.parse, content))


def _first_tags(content: bytes, wanted: int) -> bytes:
    """Return a page up to a tag, the first or the one after `wanted` others."""
    parts = content.split(b"<", wanted + 1)
    if len(parts) <= wanted + 1:
        return content
    return content[: len(content) - len(parts[-1]) - 1]


def _bounded(page_bytes: int, tags: int, call: Callable[[], Result]) -> Result:
    """Return what turbohtml makes of a page, within the page's memory.

    Raises:
        MemoryError: it would take more.
    """
    if tags <= SAFE_TO_PARSE_TAGS and page_bytes <= SAFE_TO_PARSE_BYTES:
        return call()
    extra_bytes = PARSING_MAX_BYTES + PARSING_MAX_TIMES_PAGE * page_bytes
    try:
        return call_within(extra_bytes, call)
    except MemoryError:  # which another thread of this process may have taken
        return call_within(extra_bytes, call)


def _encoding_of(
    document: Document, content: bytes, charset: str | None
) -> tuple[str, str]:
    """Return the name of the encoding and how it was learnt."""
    encoding = (document.encoding or "windows-1252").lower()
    if content.startswith(BYTE_ORDER_MARKS):
        return encoding, "bom"
    if _named_by(charset) is not None:
        return encoding, "http"
    if document.encoding_confidence == "certain":
        return encoding, "meta"
    # turbohtml calls plain ASCII windows-1252, but it is valid UTF-8 as well.
    if encoding == "utf-8" or content.isascii():
        return "utf-8", "detected"
    return encoding, "default"


def _named_by(charset: str | None) -> str | None:
    """Return the WHATWG name of the encoding that a label names, None if none."""
    if charset is None:
        return None
    try:
        encoding = turbohtml.parse(b"", encoding=charset).encoding
    except (LookupError, UnicodeError):
        return None
    return None if encoding is None else encoding.lower()


class _Anchors(NamedTuple):
    """What `_anchors` met: names, links with an empty `href`, marks of formats."""

    fragments: frozenset[str]
    empty_links: list[Element]
    microdata: bool
    rdfa: bool


class _Outline:
    """What stands in few elements, gathered in one walk over those."""

    def __init__(self, document: Document, url: str, page_bytes: int) -> None:
        self.title: str | None = None
        self.description: str | None = None
        self.canonical: str | None = None  # as written
        self.language: str | None = None
        self.base = url
        self.robots: list[str] = []
        self.headings: list[Heading] = []
        self.images: list[Element] = []
        self.json_ld: list[Element] = []
        self.has_opengraph = False
        self.refreshes = False
        self.capped: set[str] = set()
        self.json_ld_left = JSON_LD_MAX_CHARS
        self.body: Element | None = None
        self._has_base = False
        left = TEXTS_MAX_TIMES_PAGE * page_bytes
        for element in document.iter_elements(OUTLINE_TAGS):
            tag = element.tag
            if tag in HEADINGS:
                if len(self.headings) == LISTED_MAX:
                    self.capped.add("headings")
                    continue
                text = element.text if left > 0 else ""
                left -= len(text)
                self.headings.append(Heading(HEADINGS[tag], _fold(text)))
            elif tag == "img":
                self.images.append(element)
            elif tag == "meta":
                self._read_meta(element)
            elif tag == "link":
                if self.canonical is None and _is_canonical(element):
                    self.canonical = element.attr("href")
            elif tag == "title":
                if self.title is None and element.namespace is Namespace.HTML:
                    self.title = _fold(element.text)
            elif tag == "html":
                self.language = (element.attr("lang") or "").strip() or None
            elif tag == "body":
                self.body = element
            elif tag == "script":
                if _is_json_ld(element):
                    self.json_ld_left -= len(element.text)
                    self.json_ld.append(element)
            else:
                self._read_base(element, url)

    def _read_meta(self, meta: Element) -> None:
        content = meta.attr("content")
        if content is None:
            return
        name = (meta.attr("name") or "").strip().lower()
        if name == "description":
            if self.description is None:
                self.description = _fold(content)
        elif name == "robots":
            self._read_robots(content)
        elif (meta.attr("http-equiv") or "").strip().lower() == "refresh":
            self.refreshes = True
        if meta.attr("property") is not None:
            self.has_opengraph = True

    def _read_robots(self, content: str) -> None:
        parts = content.lower().split(",", LISTED_MAX + 1)
        directives = [_fold(part) for part in parts]
        self.robots += [directive for directive in directives if directive]
        if len(self.robots) > LISTED_MAX or len(parts) > LISTED_MAX:
            self.capped.add("robots")
            del self.robots[LISTED_MAX:]

    def _read_base(self, base: Element, url: str) -> None:
        href = base.attr("href")
        if href is None or self._has_base:
            return
        self._has_base = True
        resolved = Resolver(url)[href]
        # HTML, 4.2.3: what does not parse, or has one of these schemes, is no base.
        schemes = ("data:", "javascript:")
        if Resolver(resolved).has_base and not resolved.startswith(schemes):
            self.base = resolved


def _is_canonical(link: Element) -> bool:
    return "canonical" in (link.attr("rel") or "").lower().split()


def _is_json_ld(script: Element) -> bool:
    media_type = script.attr("type")
    if media_type is None:
        return False
    return media_type.partition(";")[0].strip().lower() == "application/ld+json"


def _fold(text: str) -> str:
    return " ".join(text[:TEXT_MAX_CHARS].split())


def _anchors(document: Document) -> _Anchors:
    """Return what `#...` can point to, and what else one more walk can tell."""
    names = []
    empty_links = []
    microdata = rdfa = False
    for element in document.select(ANCHORS):
        names.append(element.attr("id"))
        microdata = microdata or element.attr("itemscope") is not None
        rdfa = rdfa or element.attr("typeof") is not None
        tag = element.tag
        if tag == "a":
            names.append(element.attr("name"))
        if tag in ("a", "area") and element.attr("href") == "":
            empty_links.append(element)
    fragments = frozenset([name for name in names if name])
    return _Anchors(fragments, empty_links, microdata, rdfa)


def _first_links(
    found: list[turbohtml.Link], base_chars: int, page_bytes: int
) -> list[turbohtml.Link]:
    """Return as many links as are listed; all, but for pages that bring too many."""
    listed = found[:LISTED_MAX]
    if len(listed) * base_chars + ENCODED_TIMES * page_bytes <= URLS_MAX_CHARS:
        return listed
    left = URLS_MAX_CHARS
    for count, link in enumerate(listed):
        left -= base_chars + len(link.url)
        if left < 0:
            return listed[:count]
    return listed


def _link_table(
    found: list[turbohtml.Link],
    resolve: Resolver,
    empty_links: list[Element],
    page_bytes: int,
) -> LinkTable:
    """Return everything the page points to, in document order, `<base>` aside.

    One loop, few calls: a page has 110 to 170 links, half the time goes here.
    """
    if empty_links:
        empty = [turbohtml.Link(element, "href", "") for element in empty_links]
        found = [*found, *empty]
        found.sort(key=lambda link: link.element.position or NOWHERE)
    left = TEXTS_MAX_TIMES_PAGE * page_bytes
    sorts: dict[LinkSort, int] = {}
    places: dict[str, tuple[str, str]] = {}  # document and fragment of a reference
    sort_of, fragments, texts, lines, columns = [], [], [], [], []
    for element, attribute, reference in found:
        tag = element.tag
        text = ""
        rel: tuple[str, ...] = ()
        if tag in TAGS_WITH_REL:
            if tag == "a":
                if left > 0:
                    text = element.text
                    left -= len(text)
                    text = " ".join(text[:TEXT_MAX_CHARS].split())
                    text = text[:LINK_TEXT_MAX_CHARS] or _alt_inside(element)
            elif tag == "area":
                text = _alt(element)
            written = element.attr("rel")
            if written is not None:
                rel = tuple(written.lower().split())
        elif tag == "img":
            text = _alt(element)
        elif tag == "base":
            continue
        place = places.get(reference)
        if place is None:
            document, mark, fragment = resolve[reference].partition("#")
            place = places[reference] = document, mark + fragment
        document, fragment = place
        sort = document, tag, attribute, rel
        number = sorts.get(sort)
        if number is None:
            number = sorts[sort] = len(sorts)
        line, column = element.position or NOWHERE
        sort_of.append(number)
        fragments.append(fragment)
        texts.append(text)
        lines.append(line)
        columns.append(column + 1)
    return LinkTable(
        tuple(sorts),
        packed(sort_of),
        joined(fragments),
        joined(texts),
        packed(lines),
        packed(columns),
    )


def _written(element: Element, name: str) -> str:
    return (element.attr(name) or "").strip(WHITE_SPACE)


def _alt(image: Element) -> str:
    return _fold(image.attr("alt") or "")[:LINK_TEXT_MAX_CHARS]


def _alt_inside(link: Element) -> str:
    """Return the alt text of the first image in a link without text."""
    image = link.find("img")
    return "" if image is None else _alt(image)


def _images(elements: Sequence[Element], resolve: Resolver) -> Iterator[Image]:
    urls_left = URLS_MAX_CHARS
    for element in elements[:LISTED_MAX]:
        source = _written(element, "src")
        url = resolve[source] if source else ""
        urls_left -= len(url)
        if urls_left < 0:
            return
        line, column = element.position or NOWHERE
        yield Image(url, element.attr("alt"), line, column + 1)


def _meta_refresh(
    document: Document, url: str, resolve: Resolver
) -> MetaRefresh | None:
    try:
        found = document.meta_refresh()
    except ValueError:  # turbohtml takes dots alone for a number
        return None
    if found is None:
        return None
    delay_s, target = min(found[0], REFRESH_MAX_S), found[1]
    return MetaRefresh(delay_s, resolve[target] if target else url)


def _visible_text(body: Element | None) -> str:
    """Return the text of the page; a word ends at white space and at every tag."""
    if body is None:
        return ""
    body.remove(INVISIBLE)
    return " ".join(body.strings)


def _pieces(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the words piece by piece, and whether the first goes on with the last."""
    goes_on = False
    for start in range(0, len(text), WORDS_AT_ONCE_CHARS):
        piece = text[start : start + WORDS_AT_ONCE_CHARS]
        yield piece.split(), goes_on and not piece[0].isspace()
        goes_on = not piece[-1].isspace()


def _folded(text: str) -> str:
    pieces = [" " * (not goes_on) + " ".join(words) for words, goes_on in _pieces(text)]
    return "".join(pieces).strip(" ")


def _count_and_hash(text: str) -> tuple[int, str]:
    """Return how many words a text has, and a digest of them.

    They are run together: new line breaks, or a tag inside a word, change nothing.
    """
    count = 0
    digest = hashlib.sha256()
    for words, goes_on in _pieces(text):
        count += len(words) - goes_on
        digest.update("".join(words).encode("utf-8", "surrogatepass"))
    return count, digest.hexdigest()[:32]


def _structured_data(
    document: Document, outline: _Outline, anchors: _Anchors, page_bytes: int
) -> list[StructuredItem]:
    """Return the page's structured data; a format is only read where its mark was met.

    Looking for formats that are not there would take as long as all the links.
    """
    items: list[StructuredItem] = []
    if outline.json_ld and outline.json_ld_left >= 0:
        items += _json_ld(outline.json_ld)
    if anchors.microdata:
        items += _microdata(document, page_bytes)
    if anchors.rdfa:
        items += _rdfa(document, page_bytes)
    if outline.has_opengraph:
        items += _opengraph(document)
    return items


def _json_ld(scripts: Iterable[Element]) -> Iterator[StructuredItem]:
    """Yield one item per object; one without values for a block that is not JSON."""
    for script in scripts:
        try:
            block = json.loads(script.text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            block = None
        if nests_too_deep(block):
            block = None
        for value in block if isinstance(block, list) else [block]:
            yield StructuredItem("json-ld", _json_ld_types(value), value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")  # RFC 8259, 6


def nests_too_deep(value: object) -> bool:
    """Whether JSON nests deeper than 400, which not everybody can read."""
    level = [value]
    for _ in range(JSON_MAX_DEPTH):
        inner: list[object] = []
        for part in level:
            if isinstance(part, dict):
                inner += part.values()
            elif isinstance(part, list):
                inner += part
        if not inner:
            return False
        level = inner
    return True


def _json_ld_types(value: object) -> tuple[str, ...]:
    """Return the `@type` of an object, or those of its `@graph`."""
    if not isinstance(value, dict):
        return ()
    nodes = [value]
    if "@type" not in value and isinstance(value.get("@graph"), list):
        nodes = [node for node in value["@graph"] if isinstance(node, dict)]
    types: list[object] = []
    for node in nodes:
        found = node.get("@type")
        types += found if isinstance(found, list) else [found]
    return tuple(name for name in types if isinstance(name, str))


def _microdata(document: Document, page_bytes: int) -> list[StructuredItem]:
    try:
        return [
            StructuredItem("microdata", tuple((item.type or "").split()), _plain(item))
            for item in _bounded(page_bytes, 0, document.microdata)[: LISTED_MAX + 1]
        ]
    except RecursionError:  # items inside items, deeper than 400 or in a circle
        return []


def _rdfa(document: Document, page_bytes: int) -> list[StructuredItem]:
    try:
        return [
            StructuredItem("rdfa", tuple(item.type), _plain(item))
            for item in _bounded(page_bytes, 0, document.rdfa)[: LISTED_MAX + 1]
        ]
    except RecursionError:
        return []


def _plain(item: object) -> object:
    """Return an item of microdata or RDFa as {property: [values]}, nested alike."""
    if isinstance(item, turbohtml.MicrodataItem | turbohtml.RdfaItem):
        return {
            name: [_plain(value) for value in values]
            for name, values in item.properties.items()
        }
    return item


def _opengraph(document: Document) -> list[StructuredItem]:
    values = dict(document.opengraph())
    if not values:
        return []
    kind = values.get("type")
    return [StructuredItem("opengraph", (kind,) if kind else (), values)]
