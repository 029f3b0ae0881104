"""Who links to whom: written page by page while a crawl runs, asked when it is over.

A `LinkGraph` holds neither links nor URLs. Each page becomes one record in two
temporary files (in memory up to 8 MB): its head says where it leads to, its body how.
Each question is answered by reading the heads from beginning to end, once, and
the bodies that it needs. Links are known by the 64 bits of the URL
they lead to (`backlog.url_id`); the file has the rest.

    add_page, alias ---> heads and bodies, one after the other
                              |
      places, urls_of   <-----+-----> drawers, by id ---> missing_anchors, degrees,
      (what is wanted                (256 of them; one    unlinked
      is small and held)              is held at a time)

What must be brought together from all over the site (the links that ask for an anchor,
and the page that may have it) is put into 256 drawers by the id both share, and
then one drawer after the other is looked at. So memory follows a 256th of the site,
beyond what is small enough to be held anyway.

What the disk cannot hold is a `StoreError`.
"""

from __future__ import annotations

import heapq
import marshal
import struct
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote

from .errors import StoreError
from .link_table import LinkTable, numbers, split

__all__ = [
    "NO_TARGET",
    "Degrees",
    "LinkGraph",
    "LinksTo",
    "MissingAnchor",
    "Place",
    "fragment_of",
    "has_anchor",
]

NO_TARGET = 0  # the target of a link that leads to nothing that is fetched: mailto:

MEMORY_BYTES = 8 * 1024 * 1024  # of records; beyond that, a file
WRITTEN_AT_ONCE_BYTES = 256 * 1024  # a write for each page costs as much as the page
DRAWERS = 256
ROWS_HELD = 100_000  # in drawers, before they are written; about 20 MB
CHARACTERS_OF_A_ROW = 100  # a row with a long text counts as several
SHAPES_MAX = 255  # kinds of link that are told apart; HTML has about 60
DEGREES_KEPT = 100
PLACES_KEPT = 20
PAIRS_KEPT = 100_000  # of target and fragment, that need not be asked again; 20 MB
COUNTED_IN_MEMORY = 100_000  # pages and targets: 20 MB

_SHAPE = itemgetter(1, 2)  # of a LinkSort: tag and attribute
_LENGTH = struct.Struct("<Q")

Row = TypeVar("Row")
Rest = TypeVar("Rest")


class Place(NamedTuple):
    """One link: the page it stands on, and where.

    `line` and `column` count from 1; `text` has at most 200 characters; `fragment` is
    what the link asks for behind `#`, None where it asks for nothing. `tag` is "" for
    a kind of link that came after 255 others.
    """

    url: str
    line: int
    column: int
    text: str
    fragment: str | None
    tag: str
    attribute: str | None


class LinksTo(NamedTuple):
    """The links of one page to one target: the URL of the page, how many, the first."""

    target: int
    url: str
    link_count: int
    places: list[Place]


class MissingAnchor(NamedTuple):
    """A fragment that links ask for and that its page does not have.

    `target` is the id the links lead to, `fragment` as they ask for it, `url` the
    page that was fetched for it: where a redirect ended, if there was one.
    """

    target: int
    fragment: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """How the pages of a site are linked to each other.

    A page counts once for each page it links to, however many links there are, and
    not for itself. A link to a URL that redirects counts for where that ended; a page
    that links to both counts twice there.

    links:        links in all, with those of one page to itself and repeated ones
    targets:      distinct URLs that are linked to, fetched or not
    most_linked:  the (id, pages that link to it) of most, most first; bounded
    without_links:       URLs of the first pages that link to no other; bounded
    without_links_count: how many there are
    inward, outward:     pages by how many link to them, and by how many they link
        to: {0: pages with none, 1: with one, 2: 2 or 3, 4: 4 to 7, ...}
    """

    pages: int
    links: int
    targets: int
    most_linked: tuple[tuple[int, int], ...]
    without_links: tuple[str, ...]
    without_links_count: int
    inward: Mapping[int, int]
    outward: Mapping[int, int]


class LinkGraph:
    """The links between pages, on disk beyond a few megabytes.

    One thread uses it. The questions may be asked at any time and in any order; each
    costs a reading of the file.
    """

    def __init__(self) -> None:
        self._heads = _Records()
        self._bodies = _Records()
        self._aliases: _Drawers[tuple[int, int]] = _Drawers()
        self._shapes = _Shapes()
        self.pages = 0
        self.links = 0

    def add_page(
        self,
        url: str,
        key_id: int,
        links: LinkTable,
        targets: Sequence[int],
        anchors: str | None,
    ) -> None:
        """Take note of a page, its links and its anchors.

        Adding a page twice is an error that is not noticed: its links would count
        twice.

        Args:
            url: the page as a report names it.
            key_id: its `url_id`: of where it was found, after redirects.
            links: its links.
            targets: m ids, one for each of `links.sorts`: the `url_id` of the key it
                leads to, or NO_TARGET.
            anchors: what fragments can point to, as `joined_fragments` gives it; None
                if the page was not fetched as HTML, and so cannot be asked.

        Raises:
            ValueError: if there are not as many targets as sorts.
            StoreError: when the disk cannot hold it.
        """
        sorts = links.sorts
        if len(sorts) != len(targets):
            raise ValueError(
                f"as many targets as sorts, got {len(targets)} for {len(sorts)}"
            )
        shapes = bytes(map(self._shapes.__getitem__, map(_SHAPE, sorts)))
        details = marshal.dumps((links.texts, links.lines, links.columns, shapes))
        body = links.sort_of, links.fragments, anchors, details
        at = self._bodies.append(marshal.dumps(body))
        head = url, key_id, array("q", targets).tobytes(), at
        self._heads.append(marshal.dumps(head))
        self.pages += 1
        self.links += links.link_count
        if NO_TARGET in targets:
            leads_nowhere = [target == NO_TARGET for target in targets]
            self.links -= sum(map(leads_nowhere.__getitem__, numbers(links.sort_of)))

    def alias(self, from_id: int, to_id: int) -> None:
        """Take note that a URL answered with redirects that ended at another.

        What is asked of the first is then asked of the second, and counts for it.
        """
        if from_id != to_id:
            self._aliases.put(from_id, (from_id, to_id))

    def places(
        self, targets: Collection[int], kept: int = PLACES_KEPT
    ) -> Iterator[LinksTo]:
        """Give for every page what links it has to one of these targets.

        Args:
            targets: ids, as they were given to `add_page`; a set, or a mapping with
                them as keys. NO_TARGET is never found.
            kept: places that are given of each target, before links are only counted.
        """
        wanted = frozenset(targets) - {NO_TARGET}
        given: Counter[int] = Counter()
        for record in self._read():
            if wanted.isdisjoint(record.targets):
                continue
            details = None
            sort_of = numbers(record.body.sort_of)
            for target in wanted.intersection(record.targets):
                count = sum(
                    sort_of.count(number)
                    for number, each in enumerate(record.targets)
                    if each == target
                )
                found: list[Place] = []
                if given[target] < kept:
                    details = details or self._details(record)
                    found = [
                        details.place(number)
                        for number, each in enumerate(record.target_of_links())
                        if each == target
                    ][: kept - given[target]]
                    given[target] += len(found)
                yield LinksTo(target, record.url, count, found)

    def places_of_missing(
        self, missing: Collection[tuple[int, str]]
    ) -> Iterator[tuple[tuple[int, str], Place]]:
        """Give every link that asks for one of these fragments.

        Args:
            missing: (target, fragment) pairs, as in `MissingAnchor`; a set, or a
                mapping with them as keys.
        """
        targets = frozenset(target for target, _ in missing)
        for record in self._read():
            if targets.isdisjoint(record.targets):
                continue
            details = self._details(record)
            asked = zip(record.target_of_links(), record.fragments(), strict=True)
            for number, pair in enumerate(asked):
                if pair in missing:
                    yield pair, details.place(number)

    def missing_anchors(self) -> Iterator[MissingAnchor]:
        """Give each fragment that is asked of a page fetched as HTML and not there.

        Each pair of target and fragment comes once, however many links ask for it,
        in no order.

        Source:
            HTML, 7.4.6.4 "Scrolling to a fragment": an id or name equal to the
            fragment as it is, or to its percent-decoded form; "" and "top" in any case
            are always there.
        """
        with ExitStack() as stack:
            asked: _Drawers[tuple[int, tuple[int, str]]] = _Drawers(stack)
            pages: _Drawers[tuple[int, str, str]] = _Drawers(stack)
            asked_lately: set[tuple[int, str]] = set()
            for record in self._read():
                anchors = record.body.anchors
                if anchors is not None:
                    row = record.key_id, record.url, anchors
                    pages.put(record.key_id, row, len(anchors))
                if len(asked_lately) > PAIRS_KEPT:
                    asked_lately.clear()
                new = record.asked() - asked_lately
                asked_lately |= new
                for pair in new:
                    asked.put(pair[0], (pair[0], pair))
            resolved = self._resolved(asked, stack)
            for asked_rows, page_rows in zip(resolved, pages, strict=True):
                yield from _missing(asked_rows, page_rows)

    def degrees(self, kept: int = DEGREES_KEPT) -> Degrees:
        """Return how many pages link to each page and to how many it links.

        Args:
            kept: how long the lists are at most.
        """
        outward: Counter[int] = Counter()
        inward: Counter[int] = Counter()
        without_links: list[str] = []
        most: list[tuple[int, int]] = []
        distinct = 0
        counted = None if self._aliases else self._counted_in_memory(kept)
        if counted is not None:
            counts, ids, outward, without_links = counted
            return Degrees(
                pages=self.pages,
                links=self.links,
                targets=len(counts),
                most_linked=tuple(
                    heapq.nlargest(kept, counts.items(), key=itemgetter(1, 0))
                ),
                without_links=tuple(without_links),
                without_links_count=outward[0],
                inward=dict(sorted(Counter(_bucket(counts[n]) for n in ids).items())),
                outward=dict(sorted(outward.items())),
            )
        with ExitStack() as stack:
            linked: _Drawers[tuple[int, None]] = _Drawers(stack)
            pages: _Drawers[int] = _Drawers(stack)
            for record in self._read():
                targets = record.linked()
                for target in targets:
                    linked.put(target, (target, None))
                pages.put(record.key_id, record.key_id)
                outward[_bucket(len(targets))] += 1
                if not targets and len(without_links) < kept:
                    without_links.append(record.url)
            resolved = self._resolved(linked, stack)
            for rows, ids in zip(resolved, pages, strict=True):
                counts = Counter(target for target, _ in rows)
                distinct += len(counts)
                inward.update(_bucket(counts[one]) for one in ids)
                most = heapq.nlargest(
                    kept, chain(most, counts.items()), key=itemgetter(1, 0)
                )
        return Degrees(
            pages=self.pages,
            links=self.links,
            targets=distinct,
            most_linked=tuple(most),
            without_links=tuple(without_links),
            without_links_count=outward[0],
            inward=dict(sorted(inward.items())),
            outward=dict(sorted(outward.items())),
        )

    def _counted_in_memory(
        self, kept: int
    ) -> tuple[Counter[int], list[int], Counter[int], list[str]] | None:
        """Return what `degrees` counts, if it is little enough to be held at once."""
        if self.pages > COUNTED_IN_MEMORY:
            return None
        counts: Counter[int] = Counter()
        ids: list[int] = []
        outward: Counter[int] = Counter()
        without_links: list[str] = []
        for record in self._read():
            targets = record.linked()
            counts.update(targets)
            if len(counts) > COUNTED_IN_MEMORY:
                return None
            ids.append(record.key_id)
            outward[_bucket(len(targets))] += 1
            if not targets and len(without_links) < kept:
                without_links.append(record.url)
        return counts, ids, outward, without_links

    def unlinked(self, ids: Iterable[int]) -> Iterator[int]:
        """Give those of these ids that no page links to, but perhaps itself.

        A link to a URL that redirects is one to where that ended, too.
        """
        with ExitStack() as stack:
            linked: _Drawers[tuple[int, None]] = _Drawers(stack)
            for record in self._read():
                for target in record.linked():
                    linked.put(target, (target, None))
            wanted: _Drawers[int] = _Drawers(stack)
            for one in ids:
                wanted.put(one, one)
            resolved = self._resolved(linked, stack)
            for rows, ends, ids_here in zip(linked, resolved, wanted, strict=True):
                found = {target for target, _ in chain(rows, ends)}
                yield from (one for one in ids_here if one not in found)

    def urls_of(self, ids: Collection[int]) -> dict[int, str]:
        """Return the URLs of those of these ids that are pages here."""
        return {
            record.key_id: record.url for record in self._read() if record.key_id in ids
        }

    def close(self) -> None:
        """Let go of the file; nothing else may be asked afterwards."""
        self._heads.close()
        self._bodies.close()
        self._aliases.close()

    def __repr__(self) -> str:
        return f"<LinkGraph of {self.pages} pages, {self.links} links>"

    def _read(self) -> Iterator[_Record]:
        for head in self._heads:
            yield _Record(self._bodies, *marshal.loads(head))  # noqa: S302 - we wrote it

    def _details(self, record: _Record) -> _Details:
        return _Details(record, self._shapes.found)

    def _resolved(
        self, rows: _Drawers[tuple[int, Rest]], stack: ExitStack
    ) -> _Drawers[tuple[int, Rest]]:
        """Return the rows with their ids changed to where redirects ended."""
        if not self._aliases:
            return rows
        resolved: _Drawers[tuple[int, Rest]] = _Drawers(stack)
        for here, aliases in zip(rows, self._aliases, strict=True):
            end_of = dict(aliases)
            for one, rest in here:
                end = end_of.get(one, one)
                resolved.put(end, (end, rest))
        return resolved


def fragment_of(url: str) -> str:
    """Return what a URL asks for behind `#`, "" where it asks for nothing.

    Text directives are left out: they ask for words and not for an anchor.

    Source:
        URL Fragment Text Directives (WICG): the fragment ends before the first ":~:".
    """
    return url.partition("#")[2].partition(":~:")[0]


def has_anchor(anchors: Collection[str], fragment: str) -> bool:
    """Whether a page with these ids and names has what a fragment asks for.

    Source:
        HTML, 7.4.6.4 "Scrolling to a fragment".
    """
    if not fragment or fragment in anchors:
        return True
    decoded = unquote(fragment, errors="replace")
    return decoded in anchors or decoded.lower() == "top"


class _Body(NamedTuple):
    """What is kept of a page's links one by one.

    sort_of: packed; marked: fragments with their "#", joined; anchors: joined;
    details: marshalled.
    """

    sort_of: bytes
    marked: str
    anchors: str | None
    details: bytes


class _Record:
    """What is kept of one page, as far as it has been asked for."""

    def __init__(
        self, bodies: _Records, url: str, key_id: int, targets: bytes, at: int
    ) -> None:
        self.url = url
        self.key_id = key_id
        self.targets = array("q", targets)  # of each sort of link
        self._bodies = bodies
        self._at = at

    @cached_property
    def body(self) -> _Body:
        """The rest, which most questions do not need."""
        return _Body(*marshal.loads(self._bodies.read(self._at)))  # noqa: S302 - ours

    def target_of_links(self) -> Iterator[int]:
        """Give the target of each link."""
        return map(self.targets.__getitem__, numbers(self.body.sort_of))

    def fragments(self) -> list[str]:
        """Return what each link asks for, "" for nothing."""
        marked = split(self.body.marked, len(self.body.sort_of))
        if ":~:" in self.body.marked:
            return [fragment_of(one) for one in marked]
        return [one[1:] for one in marked]

    def asked(self) -> set[tuple[int, str]]:
        """Return the pairs of target and fragment that other pages must answer.

        What a page asks of itself, as every third link of a manual does, and has,
        is settled here.
        """
        if "#" not in self.body.marked:
            return set()
        own: frozenset[str] = frozenset()
        if self.body.anchors is not None and self.key_id in self.targets:
            own = frozenset(split(self.body.anchors, 1))
        here = self.key_id
        pairs = set(zip(self.target_of_links(), self.fragments(), strict=True))
        return {
            pair
            for pair in pairs
            if pair[1] and pair[0] and (pair[0] != here or pair[1] not in own)
        }

    def linked(self) -> set[int]:
        """Return the ids of the other pages that this one links to."""
        return set(self.targets) - {self.key_id, NO_TARGET}


class _Details:
    """Where each link of one page stands."""

    def __init__(
        self, record: _Record, shapes: Sequence[tuple[str, str | None]]
    ) -> None:
        texts, lines, columns, self._shape_of = marshal.loads(record.body.details)  # noqa: S302 - we wrote it
        self._url = record.url
        self._sort_of = numbers(record.body.sort_of)
        self._fragments = record.fragments()
        self._texts = split(texts, len(self._sort_of))
        self._lines, self._columns = numbers(lines), numbers(columns)
        self._shapes = shapes

    def place(self, number: int) -> Place:
        tag, attribute = self._shapes[self._shape_of[self._sort_of[number]]]
        return Place(
            url=self._url,
            line=self._lines[number],
            column=self._columns[number],
            text=self._texts[number],
            fragment=self._fragments[number] or None,
            tag=tag,
            attribute=attribute,
        )


class _Shapes(dict[tuple[str, str | None], int]):
    """Kinds of link (tag, attribute) by number; fills itself up to a bound."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = [("", None)]

    def __missing__(self, shape: tuple[str, str | None]) -> int:
        if len(self.found) > SHAPES_MAX:
            return 0
        self[shape] = number = len(self.found)
        self.found.append(shape)
        return number


class _Spool:
    """Bytes, in memory as long as they are few; a nameless temporary file then."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.size = 0

    def append(self, content: bytes) -> int:
        """Write behind what is there; return where that began."""
        began = self.size
        self.size += len(content)
        self._pending.append(content)
        self._pending_bytes += len(content)
        if self._pending_bytes >= WRITTEN_AT_ONCE_BYTES:
            self._write()
        return began

    def read(self, offset: int, length: int) -> bytes:
        if self._pending:
            self._write()
        try:
            self._file.seek(offset)
            return self._file.read(length)
        except OSError as error:  # what was written last is on its way only now
            raise _cannot_keep(error) from error

    def _write(self) -> None:
        try:
            self._file.seek(self.size - self._pending_bytes)
            self._file.write(b"".join(self._pending))
        except OSError as error:
            raise _cannot_keep(error) from error
        self._pending.clear()
        self._pending_bytes = 0

    def close(self) -> None:
        with suppress(OSError):  # what a full disk did not take is not needed now
            self._file.close()


class _Records:
    """Byte strings, one behind the other, each after its length."""

    def __init__(self) -> None:
        self._spool = _Spool()

    def append(self, content: bytes) -> int:
        """Write a string; return where `read` finds it."""
        return self._spool.append(_LENGTH.pack(len(content)) + content)

    def read(self, offset: int) -> bytes:
        (length,) = _LENGTH.unpack(self._spool.read(offset, _LENGTH.size))
        return self._spool.read(offset + _LENGTH.size, length)

    def __iter__(self) -> Iterator[bytes]:
        offset = 0
        while offset < self._spool.size:
            content = self.read(offset)
            yield content
            offset += _LENGTH.size + len(content)

    def close(self) -> None:
        self._spool.close()


class _Drawers(Generic[Row]):
    """Rows in any number, given back drawer by drawer: 256 lists, by an id's top bits.

    Rows are what `marshal` can write. Two collections of drawers that were filled by
    the same ids can be read side by side.
    """

    def __init__(self, stack: ExitStack | None = None) -> None:
        # Negative ids have the drawers from the end, as indices of a list do.
        self._held: list[list[Row]] = [[] for _ in range(DRAWERS)]
        self._written = [array("Q") for _ in range(DRAWERS)]  # offset, length, ...
        self._weight = 0
        self._spool = _Spool()
        if stack is not None:
            stack.callback(self.close)

    def put(self, one: int, row: Row, characters: int = 0) -> None:
        self._held[one >> 56].append(row)
        self._weight += 1 + characters // CHARACTERS_OF_A_ROW
        if self._weight >= ROWS_HELD:
            self._write()

    def __bool__(self) -> bool:
        return bool(self._weight or self._spool.size)

    def __iter__(self) -> Iterator[list[Row]]:
        for held, written in zip(self._held, self._written, strict=True):
            rows = list(held)
            for place in range(0, len(written), 2):
                content = self._spool.read(written[place], written[place + 1])
                rows += marshal.loads(content)  # noqa: S302 - we wrote it
            yield rows

    def close(self) -> None:
        self._spool.close()

    def _write(self) -> None:
        for held, written in zip(self._held, self._written, strict=True):
            if held:
                content = marshal.dumps(held)
                written.extend((self._spool.append(content), len(content)))
                held.clear()
        self._weight = 0


def _missing(
    asked: Iterable[tuple[int, tuple[int, str]]], pages: Iterable[tuple[int, str, str]]
) -> Iterator[MissingAnchor]:
    asked_of: dict[int, set[tuple[int, str]]] = {}
    for key_id, pair in asked:
        asked_of.setdefault(key_id, set()).add(pair)
    for key_id, url, joined in pages:
        pairs = asked_of.get(key_id)
        if pairs is None:
            continue
        anchors = frozenset(split(joined, 1))
        for target, fragment in sorted(pairs):
            if not has_anchor(anchors, fragment):
                yield MissingAnchor(target, fragment, url)


def _bucket(count: int) -> int:
    """Return the least number of the bucket that a count falls into: a power of 2."""
    return 1 << (count.bit_length() - 1) if count else 0


def _cannot_keep(error: OSError) -> StoreError:
    return StoreError(
        f"the links between pages cannot be kept in {gettempdir()}:"
        f" {error.strerror or error}"
    )
