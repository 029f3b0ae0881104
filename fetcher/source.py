"""What is to be fetched: a list, a sitemap, a URL or an iterable, entry by entry.

The input is read as it is needed and never held whole. Each entry comes out as a
Request, or, when it makes no sense, as the Page that says so: a bad line costs that
line and nothing else.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from . import sitemaps
from . import urls as url_rules
from .errors import ConfigError
from .groups import Group
from .models import Failure, Kind, Purpose, Reach, Request
from .output import Line, UrlList, read_bytes, read_list
from .page import Page

__all__ = [
    "Given",
    "Source",
    "count_entries",
    "entries_of",
    "given_names",
    "given_url",
    "is_read_once",
    "is_url",
]

SHOWN_URL = 300  # characters of a bad line that a Page repeats
LIST_ENDINGS = frozenset(  # a word that ends so is a missing list and not a host
    {".txt", ".csv", ".tsv", ".list", ".lst", ".urls", ".xml", ".json", ".jsonl"}
)

SITEMAP_ENDINGS = frozenset({".xml", ".gz", ".rss", ".atom"})
_SITEMAP_NAME = re.compile(
    r"[^?#]*/(?:[^/?#]*\.xml(?:\.gz)?|sitemap[^/?#]*\.txt(?:\.gz)?)(?:[?#].*)?",
    re.IGNORECASE,
)

Given = str | Path | Iterable[str | Path | Request | Group]
Entries = Iterator[Request | Page]
Item = str | Path | Request | Group | Entries  # the last: a list, opened


_UNREAD = Page(url="")  # stands for a URL that is only counted


class Source:
    """The input, entry by entry.

    Args:
        given: one URL; the path of a list or a sitemap, "-" for standard input; or an
            iterable of URLs and Requests, in which a `Path` stands for such a file;
            in a list or tuple also Groups.
        default_scheme: "http" or "https", for a URL without a scheme.

    Attributes:
        exhausted: whether it was read to its end.
        on_listed: called with each page that a sitemap given as a file lists, and
            the name of that sitemap.

    Raises:
        ConfigError: for what is none of these.
        InputError: when a list cannot be opened.
    """

    def __init__(self, given: Given, *, default_scheme: str = "https") -> None:
        if default_scheme not in ("http", "https"):
            raise ConfigError(
                f"default_scheme is 'http' or 'https', got {default_scheme!r}"
            )
        self.groups = _groups_in(given)
        self.on_listed: Callable[[Request, str], None] | None = None
        self._default_scheme = default_scheme
        self._countable = isinstance(given, str | Path | Sized)
        self._entries = self._open(given)
        self._ahead: list[Request | Page] = []
        self.exhausted = False
        self._only_counts = False
        self.may_block = not self._countable or _reads_once(given)

    def peek(self, wanted: int) -> int:
        """Read ahead up to `wanted` entries; return how many there are."""
        while len(self._ahead) < wanted and (entry := next(self._entries, None)):
            self._ahead.append(entry)
        return len(self._ahead)

    @property
    def has_sitemap_ahead(self) -> bool:
        """Whether what was read ahead leads to more."""
        return any(
            isinstance(entry, Request) and entry.purpose is Purpose.SITEMAP
            for entry in self._ahead
        )

    def take(self) -> Request | Page | None:
        """Return the next entry, None when there is no more."""
        if self._ahead:
            return self._ahead.pop(0)
        found = next(self._entries, None)
        self.exhausted = found is None
        return found

    def count_unread(self, at_most: int | None = None) -> int | None:
        """Read what is left without fetching it; None where that might never end.

        None also where more is left than `at_most`.
        """
        if not self._countable or self.may_block:
            return None
        self._only_counts = True  # to understand a URL takes five times as long
        entries = chain(self._ahead, self._entries)
        counted = sum(1 for _ in islice(entries, at_most))
        more = next(entries, None) is not None
        self._ahead.clear()
        if isinstance(self._entries, Generator):
            self._entries.close()  # and with it the list
        return None if more else counted

    def _open(self, given: Given) -> Entries:
        if isinstance(given, str) and given != "-" and is_url(given):
            return self._items([given_url(given)], "")
        if isinstance(given, str | Path):
            return self._lines(given)
        if not isinstance(given, Iterable):
            raise ConfigError(f"urls is a URL, a path or an iterable, got {given!r}")
        if isinstance(given, list | tuple):
            return self._items(self._opened(given), "item ")
        return self._items(given, "item ")

    def _opened(self, items: Sequence[str | Path | Request | Group]) -> list[Item]:
        """Open the lists among these, so that a missing one is told at once."""
        opened: list[Item] = []
        for item in items:
            if isinstance(item, Path):
                opened.append(self._lines(item))
            elif isinstance(item, Group):
                opened.append(self._members(item, self._opened(item.urls)))
            else:
                opened.append(item)
        return opened

    def _members(self, group: Group, items: list[Item]) -> Entries:
        """Yield what is to be fetched of a group; each entry knows its name."""
        for entry in self._items(items, f"group {group.name!r}, item "):
            if isinstance(entry, Request):
                yield replace(entry, group=group.name)
                continue
            if entry is not _UNREAD:
                entry.group = group.name
            yield entry

    def _lines(self, path: str | Path) -> Entries:
        if str(path) != "-" and Path(path).suffix.lower() in SITEMAP_ENDINGS:
            content = read_bytes(path, sitemaps.DECODED_MAX_BYTES)
            return self._told(entries_of(content, str(path)), str(path))
        return self._listed(read_list(path))

    def _told(self, entries: Entries, name: str) -> Entries:
        """Tell whoever wants to know what a sitemap lists."""
        for entry in entries:
            if self.on_listed is not None and isinstance(entry, Request):
                self.on_listed(entry, name)
            yield entry

    def _listed(self, lines: UrlList) -> Entries:
        with lines:
            yield from self._entries_of(lines, f"{lines.name}, line ")

    def _items(self, items: Iterable[Item], where: str) -> Entries:
        for number, item in enumerate(items, 1):
            if isinstance(item, Iterator):
                yield from item
            elif isinstance(item, Path):
                yield from self._lines(item)
            elif isinstance(item, Request):
                yield from self._requested(item)
            elif isinstance(item, Group):
                raise ConfigError("groups come in a list or a tuple")
            else:
                yield from self._entries_of([Line(number, item)], where)

    def _requested(self, request: Request) -> Entries:
        for found in self._entries_of([Line(0, request.url)], ""):
            if isinstance(found, Request):
                found = _placed(replace(request, url=found.url))
            yield found

    def _entries_of(self, lines: Iterable[Line], where: str) -> Entries:
        for number, given, problem in lines:
            place = f"{where}{number}: " if where else ""
            if not isinstance(given, str):
                yield _bad_page(repr(given), f"{place}a URL is text, got {given!r:.80}")
                continue
            text = url_rules.from_line(given, self._default_scheme)
            if text is None and _is_passed_over(given, problem):
                continue
            if self._only_counts:
                yield _UNREAD
                continue
            if text is None or problem is not None:
                yield _bad_page(text or "", str(problem))
                continue
            try:
                yield _placed(Request(url=text))
            except ValueError as error:
                yield _bad_page(text, f"{place}{error}")


def _groups_in(given: Given) -> tuple[Group, ...]:
    if not isinstance(given, list | tuple):
        return ()
    return tuple(item for item in given if isinstance(item, Group))


def _is_passed_over(text: str, problem: str | None) -> bool:
    """Whether a line without a URL is a blank one or a comment.

    One that is too long comes cut, and there may be more than blanks in the rest.
    """
    return problem is None or "#" in text


def _reads_once(given: Given | Group) -> bool:
    if isinstance(given, str):
        return given == "-" or (not is_url(given) and is_read_once(Path(given)))
    if isinstance(given, Path):
        return is_read_once(given)
    items = given.urls if isinstance(given, Group) else given
    return isinstance(items, Sequence) and any(
        _reads_once(item) for item in items if isinstance(item, Path | Group)
    )


def is_read_once(path: Path) -> bool:
    """Whether a list can be read but once, and may never come: no ordinary file.

    Standard input, a pipe (what a shell makes of `<(command)`), a device.
    """
    if str(path) == "-":
        return True
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # told when it is opened
        return False


def entries_of(
    content: bytes,
    name: str,
    *,
    depth: int = 0,
    reach: Reach | None = None,
    group: str = "",
) -> Entries:
    """Yield what a sitemap lists, pages and further sitemaps, as it is read.

    What is wrong with it comes as the Page of a bad URL that names place and line.

    Args:
        content: the sitemap, any bytes.
        name: its URL, or path; for messages.
        depth: of the requests.
        reach: how private their addresses may be; None for a sitemap of the person's.
        group: the group of the requests.
    """
    for found in sitemaps.read(content, name if "://" in name else ""):
        if isinstance(found, sitemaps.Problem):
            yield _bad_page(name, f"{name}: {found}")
            continue
        purpose = Purpose.SITEMAP if found.is_sitemap else Purpose.PAGE
        yield _placed(
            Request(
                url=found.url, depth=depth, purpose=purpose, reach=reach, group=group
            )
        )


def given_names(given: Given) -> list[str]:
    """Return what was given in words by which it is known again.

    The path of a list stands for its lines; so does what can be read only once.
    """
    if isinstance(given, str | Path):
        given = [given]
    if not isinstance(given, list | tuple | set | frozenset):
        return [f"<{type(given).__name__}>"]
    return [name for each in given for name in _names_of(each)]


def _names_of(item: object) -> list[str]:
    if isinstance(item, Group):
        return [f"{item.name}: {_name_of(each)}" for each in item.urls]
    return [_name_of(item)]


def _name_of(item: object) -> str:
    if isinstance(item, Request):
        return item.url
    is_list = isinstance(item, Path) or (isinstance(item, str) and not is_url(item))
    if not is_list or str(item) == "-":
        return str(item)
    return str(Path(str(item)).absolute())


def given_url(text: str) -> str | Request:
    """Return a URL that was given by itself: a Request if it names a sitemap."""
    if _SITEMAP_NAME.fullmatch(text) is None:
        return text
    return Request(url=text, purpose=Purpose.SITEMAP)


def is_url(text: str) -> bool:
    """Whether an argument means a URL and not the path of a list.

    A scheme makes a URL. Without one, an existing file is a list, and what looks
    like a host is a URL, unless its name ends as lists end: a list that was
    mistyped is told as missing instead of being looked up as a host.
    """
    if "://" in text:
        return True
    path = Path(text)
    if path.exists() or ("/" not in text and path.suffix.lower() in LIST_ENDINGS):
        return False
    return url_rules.looks_like_host(text)


def _placed(request: Request) -> Request:
    """Fill in whose limits the request falls under."""
    parsed = url_rules.parse(request.url)
    return replace(request, host=parsed.host, origin=parsed.origin, key=parsed.href)


def _bad_page(text: str, message: str) -> Page:
    shown = text if len(text) <= SHOWN_URL else f"{text[:SHOWN_URL]}..."
    return Page(url=shown, failure=Failure(Kind.BAD_URL, message))


def count_entries(path: str | Path) -> int:
    """Return how many URLs a list has, good and bad, duplicates counted each."""
    if Path(path).suffix.lower() in SITEMAP_ENDINGS:
        content = read_bytes(path, sitemaps.DECODED_MAX_BYTES)
        return sum(1 for _ in entries_of(content, str(path)))
    with read_list(path) as lines:
        return sum(
            url_rules.from_line(line.text) is not None
            or not _is_passed_over(line.text, line.problem)
            for line in lines
        )
