"""The links of a page column by column, as they cross a pipe and lie in a file.

A page has 110 to 170 links, but half as many different ones, and nobody looks at the
text or the line of a link that is well. A `LinkTable` names each different one once
and packs the rest: a dozen objects in place of a thousand. `links()` gives the Links.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from typing import NamedTuple

from .models import Link

__all__ = ["LinkSort", "LinkTable", "joined", "numbers", "packed", "split"]

# Separates texts. HTML's tokenizer leaves no NUL in an attribute or a text and URLs
# have it percent-encoded; where one comes from elsewhere it is replaced.
_SEPARATOR = "\0"
_REPLACEMENT = "\ufffd"

# What tells links apart: the URL without its fragment, tag, attribute and rel.
LinkSort = tuple[str, str, str | None, tuple[str, ...]]

_new = tuple.__new__  # half the time of Link(...), which is a Python function


class LinkTable(NamedTuple):
    """The n links of a page, in their order.

    sorts:      m different sorts of link
    sort_of:    n numbers of sorts, as `numbers` packs them
    fragments:  n joined texts: "#..." as it ends the URL, "" where there is none
    texts:      n joined texts
    lines:      n packed numbers, from 1; 0 for an element that no tag began
    columns:    n packed numbers, from 1; 0 likewise
    """

    sorts: tuple[LinkSort, ...]
    sort_of: bytes
    fragments: str
    texts: str
    lines: bytes
    columns: bytes

    @classmethod
    def of(cls, links: Iterable[Link]) -> LinkTable:
        """Return the table of these links."""
        rows = list(links)
        sorts: dict[LinkSort, int] = {}
        sort_of = []
        fragments = []
        for url, _, rel, tag, attribute, _, _ in rows:
            document, mark, fragment = url.partition("#")
            sort = (document, tag, attribute, rel)
            sort_of.append(sorts.setdefault(sort, len(sorts)))
            fragments.append(mark + fragment)
        return cls(
            sorts=tuple(sorts),
            sort_of=packed(sort_of),
            fragments=joined(fragments),
            texts=joined([link.text for link in rows]),
            lines=packed([link.line for link in rows]),
            columns=packed([link.column for link in rows]),
        )

    @property
    def link_count(self) -> int:
        """How many links there are."""
        return len(self.sort_of) // _NUMBER_BYTES

    def links(self) -> tuple[Link, ...]:
        """Return the links one by one."""
        sorts = self.sorts
        links = []
        for sort, fragment, text, line, column in zip(
            numbers(self.sort_of),
            split(self.fragments, self.link_count),
            split(self.texts, self.link_count),
            numbers(self.lines),
            numbers(self.columns),
            strict=True,
        ):
            document, tag, attribute, rel = sorts[sort]
            row = (document + fragment, text, rel, tag, attribute, line, column)
            links.append(_new(Link, row))
        return tuple(links)


_NUMBER_BYTES = array("I").itemsize


def packed(values: Collection[int]) -> bytes:
    """Return numbers in [0, 2**32) as bytes, four each."""
    return array("I", values).tobytes()


def numbers(content: bytes) -> array[int]:
    """Return the numbers that `packed` packed."""
    return array("I", content)


def joined(texts: Collection[str]) -> str:
    """Return n texts as one; a NUL in one of them becomes U+FFFD."""
    together = _SEPARATOR.join(texts)
    if together.count(_SEPARATOR) > max(len(texts) - 1, 0):
        clean = [text.replace(_SEPARATOR, _REPLACEMENT) for text in texts]
        together = _SEPARATOR.join(clean)
    return together


def split(together: str, count: int) -> list[str]:
    """Return the `count` texts that `joined` put together."""
    return together.split(_SEPARATOR) if count else []
