"""A configuration as one value: what a file says, checked, in the library's words.

    config = load(read(Path("fetcher.toml")), os.environ)
    config.groups[0].urls  # ("https://shop.example/", ...)

Either all of it makes sense, or `Mistakes` says what does not: every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..models import Purpose, Request
from ..source import given_url, is_url
from ..urls import from_line, parse
from .expanding import Expanded, expanded
from .mistakes import Mistake, Mistakes, dotted, is_secret, mistake_in, of_pydantic
from .translating import expectation_fields, filter_fields, options_of, settings_of

if TYPE_CHECKING:
    from .lines import KeyPath
    from .reading import File
    from .schema import FilterTable, GroupTable, PageTable, Root

__all__ = ["Config", "OwnPage", "PageGroup", "load"]

Given = str | Path | Request


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPage:
    """One page of a group that has a table of its own.

    url:      absolute
    tags:     n words; the group's and its own
    expected: fields of Expectation: its own over the group's over those of all
    filter:   fields of Filter: its own, else the group's, else those of all
    """

    url: str
    tags: tuple[str, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageGroup:
    """Pages that belong together.

    name:       as it stands in the file
    urls:       n URLs, lists and sitemaps, as `crawl` takes them; not those of `pages`
    pages:      those with a table of their own
    tags:       n words
    interval_s: seconds from one look to the next, None where nothing is said
    settings:   fields of Settings that are otherwise here; `headers` are those of
                the group alone
    expected:   fields of Expectation for its pages, those for all pages included
    filter:     fields of Filter for its pages, else those for all pages
    """

    name: str
    urls: tuple[Given, ...] = ()
    pages: tuple[OwnPage, ...] = ()
    tags: tuple[str, ...] = ()
    interval_s: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What one file says.

    name:     the file, as it is shown
    options:  the command's options that it sets, with their values
    expected: fields of Expectation, for pages of no group
    filter:   fields of Filter, for pages of no group
    inputs:   what is fetched when nothing is given, besides the groups
    groups:   in the order of the file
    lines:    option -> the line that sets it
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Given, ...] = ()
    groups: tuple[PageGroup, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)


def load(file: File, environ: Mapping[str, str]) -> Config:
    """Return what a file says.

    Args:
        file: the file, read.
        environ: the variables that `${NAME}` stands for.

    Raises:
        Mistakes: with all that is wrong in it.
    """
    root = _checked(file, expanded(file.table, environ))
    wrong = [mistake_in(file, *each) for each in _contradictions(root)]
    if wrong:
        raise Mistakes(wrong)
    said = root.given()
    options = options_of(said)
    _refuse_impossible(file, said)
    return Config(
        name=file.name,
        options=options,
        expected=_expected(root),
        filter=_filter(root.filter),
        inputs=tuple(_given_in(text, file.folder) for text in root.inputs or ()),
        groups=tuple(
            _group(name, group, root) for name, group in (root.groups or {}).items()
        ),
        lines={
            option: file.line_of((key,))
            for key in said
            for option in options_of({key: said[key]})
        },
    )


def _checked(file: File, expansion: Expanded) -> Root:
    from pydantic import ValidationError

    from .schema import Root
    from .types import Context

    wrong = [mistake_in(file, *each) for each in expansion.missing]
    places = {each.key for each in wrong}
    root = None
    try:
        root = Root.model_validate(expansion.table, context=Context(folder=file.folder))
    except ValidationError as error:
        for path, sentence in of_pydantic(error):
            if dotted(path) not in places:
                told = _without_secrets(path, sentence, expansion)
                wrong.append(mistake_in(file, path, told))
    if wrong or root is None:
        raise Mistakes(wrong)
    return root


def _without_secrets(path: KeyPath, sentence: str, expansion: Expanded) -> str:
    """Return a sentence that repeats nothing but what everybody may read."""
    written = expansion.variables.get(path)
    if written is None and not is_secret(path):
        return sentence
    told, got, _ = sentence.partition(", got ")
    if written is None:
        return told
    if not got:
        told = "this will not do"  # the sentence may quote the value anywhere
    return f"{told}, got what {written!r} holds"


def _contradictions(root: Root) -> Iterator[tuple[KeyPath, str]]:
    """Yield what cannot be although each key by itself could."""
    if root.ignore_robots and root.obey_robots:
        yield ("obey_robots",), "this and ignore_robots ask for opposite things"
    places: dict[str, str] = {}
    for name, group in (root.groups or {}).items():
        path: KeyPath = ("groups", name)
        if not (group.urls or group.list_ or group.pages):
            yield path, "a group has pages: give it urls, list or pages"
        yield from _twice(path, group, root, places)


def _twice(
    path: KeyPath, group: GroupTable, root: Root, places: dict[str, str]
) -> Iterator[tuple[KeyPath, str]]:
    """Yield pages that stand in two groups, or have two tables."""
    tables: set[str] = set()
    for number, page in enumerate(group.pages or ()):
        key = parse(_absolute(page.url, root)).href
        if key in tables:
            where = (*path, "pages", number, "url")
            yield where, f"this page has a table of its own already: {page.url!r}"
        tables.add(key)
    for where, url in _explicit(path, group):
        key = parse(_absolute(url, root)).href
        other = places.setdefault(key, dotted(path))
        if other != dotted(path):
            yield where, f"this page stands in {other} already: {url!r}"


def _explicit(path: KeyPath, group: GroupTable) -> Iterator[tuple[KeyPath, str]]:
    for number, url in enumerate(group.urls or ()):
        yield (*path, "urls", number), url
    for number, page in enumerate(group.pages or ()):
        yield (*path, "pages", number, "url"), page.url


def _refuse_impossible(file: File, said: Mapping[str, Any]) -> None:
    """Raise Mistakes for what `crawl` would refuse: settings that exclude others."""
    from ..errors import ConfigError
    from ..options import settings_and_following

    try:
        settings_and_following(settings_of(said))  # type: ignore[arg-type]  # by key
    except ConfigError as error:
        raise Mistakes([Mistake(file.name, 1, "", str(error))]) from None


def _absolute(url: str, root: Root) -> str:
    return from_line(url, root.default_scheme or "https") or url


def _given_in(text: str, folder: Path) -> Given:
    """Return what an input means: a URL, or the path of a list."""
    if text == "-" or ("://" not in text and (folder / text).exists()):
        return Path(text) if text == "-" else folder / text
    return given_url(text) if is_url(text) else folder / text


def _expected(root: Root) -> dict[str, Any]:
    return expectation_fields(root.expect.given() if root.expect else {})


def _filter(*tables: FilterTable | None) -> dict[str, Any]:
    """Return the fields of the first table that is there."""
    found = next((table for table in tables if table is not None), None)
    return {} if found is None else filter_fields(found.given())


def _group(name: str, group: GroupTable, root: Root) -> PageGroup:
    common = root.expect.given() if root.expect else {}
    keys = {**common, **(group.expect.given() if group.expect else {})}
    if group.severity is not None:
        keys["severity"] = group.severity
    own = tuple(_own_page(page, group, root, keys) for page in group.pages or ())
    tabled = {parse(page.url).href for page in own}
    urls = (_absolute(url, root) for url in group.urls or ())
    return PageGroup(
        name=name,
        urls=(
            *(url for url in urls if parse(url).href not in tabled),
            *_lists(group.list_ or ()),
        ),
        pages=own,
        tags=tuple(group.tags or ()),
        interval_s=group.interval,
        settings=settings_of(group.given()),
        expected=expectation_fields(keys),
        filter=_filter(group.filter, root.filter),
    )


def _lists(places: Iterable[str]) -> Iterator[Given]:
    for place in places:
        if "://" in place:
            yield Request(url=place, purpose=Purpose.SITEMAP)
        else:
            yield Path(place)


def _own_page(
    page: PageTable, group: GroupTable, root: Root, keys: Mapping[str, Any]
) -> OwnPage:
    merged = {**keys, **(page.expect.given() if page.expect else {})}
    if page.severity is not None:
        merged["severity"] = page.severity
    return OwnPage(
        url=_absolute(page.url, root),
        tags=tuple(dict.fromkeys((*(group.tags or ()), *(page.tags or ())))),
        expected=expectation_fields(merged),
        filter=_filter(page.filter, group.filter, root.filter),
    )
