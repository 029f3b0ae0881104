r"""What a reader sees of a page, line by line, less what a person does not care about.

    noise = Filter(css="main", ignore=(r"^Updated \d",))
    text_lines(content, noise)    # ['Opening hours', 'Monday to Friday 9-17']

A line ends where a block does: a paragraph, an item of a list, a row of a table. Pure,
and bounded whatever the page is: selecting from it takes seconds at most. For that an
XPath is one of a small part of XPath: the rest of it can take hours on a page of 4,000
elements that is made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from turbohtml import Document, Element, Text

from .errors import ConfigError
from .facts import INVISIBLE, check_selector, parsed
from .patterns import compiled

__all__ = ["Filter", "text_lines"]

# Of a page with more only the first are selected from: a step of a path that nests may
# look at each of them 512 times, which takes seconds.
SELECTED_MAX_TAGS = 10_000
LINE_MAX_CHARS = 2_000
LINES_MAX = 20_000

# HTML, 15.3 (rendering): what begins a line of its own, and br. A cell does not: a row
# is one line.
BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "br", "caption"),
        *("center", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5"),
        *("h6", "header", "hgroup", "hr", "legend", "li", "listing", "main", "menu"),
        *("nav", "ol", "optgroup", "option", "p", "plaintext", "pre", "search"),
        *("section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul", "xmp"),
    }
)
CELLS = frozenset({"td", "th"})

_STEP_NAME = r"(?:[A-Za-z][\w-]*|\*)"
_TEXT = r"'[^']*'|\"[^\"]*\""
_FUNCTION = (
    r"(?:contains|starts-with|normalize-space|concat|not|position|last|string-length)\("
)
_PREDICATE = (
    rf"\[(?:{_TEXT}|@[A-Za-z][\w:.-]*|\d+|{_FUNCTION}|text\(\)|\b(?:and|or)\b"
    r"|[<>!]?=|[<>(),+-]|\s)+\]"
)
_PATH = rf"(?:\.?//?{_STEP_NAME}(?:{_PREDICATE})*)+"
PROBE = b"<p a=b>text</p>"
XPATH: Final = re.compile(rf"\s*{_PATH}(?:\s*\|\s*{_PATH})*\s*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which part of a page's text is compared with what it was.

    css:    only what this selector finds; None: all
    xpath:  only what this path finds: steps with `/` and `//`, predicates on
            attributes, `text()` and positions; with `css`: what either finds
    ignore: n patterns (RE2); a line that one of them matches does not count

    Raises:
        ConfigError: from the constructor; it names the field and what is wrong.
    """

    css: str | None = None
    xpath: str | None = None
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what finds nothing in any page."""
        if isinstance(self.ignore, str):
            raise ConfigError(f"ignore is a list of patterns, got {self.ignore!r}")
        for pattern in self.ignore:
            compiled(pattern)
        if self.css is not None:
            try:
                check_selector(self.css)
            except ValueError as error:
                raise ConfigError(f"css: {error}") from error
        if self.xpath is not None:
            _check_path(self.xpath)

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return self.css is None and self.xpath is None and not self.ignore


ALL: Final = Filter()


def text_lines(
    content: bytes, keeps: Filter = ALL, charset: str | None = None
) -> list[str]:
    """Return the lines that a reader sees, white space folded, none empty.

    At most 20,000 lines of 2,000 characters.

    Args:
        content: an HTML page, any bytes.
        keeps: which of its text.
        charset: the label of the Content-Type field, None without one.
    """
    selects = keeps.css is not None or keeps.xpath is not None
    if selects:
        document = parsed(content, charset, most_tags=SELECTED_MAX_TAGS)
    else:
        document = parsed(content, charset)
    lines: list[str] = []
    for element in _parts(document, keeps):
        for line in _lines_of(element):
            if len(lines) >= LINES_MAX:
                return lines
            if line and not _is_ignored(line, keeps.ignore):
                lines.append(line[:LINE_MAX_CHARS])
    return lines


def _check_path(path: str) -> None:
    if XPATH.fullmatch(path) is None:
        raise ConfigError(
            f"xpath {path!r} is none that is understood: steps of elements with / and"
            " //, predicates on attributes, text() and positions, and no axes"
        )
    probe = parsed(PROBE)
    try:
        for predicate in ("", *re.findall(_PREDICATE, path)):
            probe.xpath(f"//*{predicate}")  # it is looked at where there is an element
        probe.xpath(path)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"xpath {path!r}: {error}") from error


def _parts(document: Document, keeps: Filter) -> list[Element]:
    body = document.select_one("body")
    if body is None:
        return []
    body.remove(INVISIBLE)
    if keeps.css is None and keeps.xpath is None:
        return [body]
    found: list[Element] = []
    if keeps.css is not None:
        found += document.select(keeps.css)
    if keeps.xpath is not None:
        found += _at(document, keeps.xpath)
    return _outermost(found)


def _at(document: Document, path: str) -> Iterator[Element]:
    found: object = []
    with suppress(TypeError, ValueError):  # in a predicate that no probe came to
        found = document.xpath(path)
    for each in found if isinstance(found, list) else ():
        if isinstance(each, Element):
            yield each


def _outermost(found: Iterable[Element]) -> list[Element]:
    """Return the elements that are in none of the others: no text comes twice."""
    kept: list[Element] = []
    seen: set[Element] = set()
    for element in found:
        if element not in seen:
            kept.append(element)
            inner = (each for each in element.descendants if isinstance(each, Element))
            seen.update(inner, [element])
    return kept


def _lines_of(element: Element) -> Iterator[str]:
    for _, pieces in groupby(_pieces(element), key=lambda piece: piece[0]):
        yield " ".join("".join(text for _, text in pieces).split())


def _pieces(element: Element) -> Iterator[tuple[int, str]]:
    """Yield each text with the number of the line that it belongs to."""
    line = 0
    block: object = element
    for node in element.descendants:
        if isinstance(node, Element):
            if node.tag in BLOCKS:
                line, block = line + 1, node
            elif node.tag in CELLS:
                yield line, " "
        elif isinstance(node, Text):
            around = node.parent
            if isinstance(around, Element) and around.tag in BLOCKS and around != block:
                line, block = line + 1, around  # behind the end of another block
            yield line, node.data


def _is_ignored(line: str, patterns: Iterable[str]) -> bool:
    searchable = line.encode("utf-8", "replace")
    return any(compiled(each).search(searchable) is not None for each in patterns)
