"""What holds for each group: flags and variables over the file, groups over the rest.

    flags  >  variables  >  page  >  group  >  top of the file  >  defaults

Expectations go key by key, header fields name by name; any other value replaces the
one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..groups import Group

if TYPE_CHECKING:
    from ..checks import Expectation
    from ..text_lines import Filter
    from .loading import PageGroup

__all__ = ["Asked", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What flags and variables say: it holds for every page.

    settings: names of the fields of Settings that they set, but for `headers`
    headers:  names of the header fields that they send, lower-case
    expected: fields of Expectation
    filter:   fields of Filter
    """

    settings: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    expected: Mapping[str, Any] = field(default_factory=dict)
    filter: Mapping[str, Any] = field(default_factory=dict)


def merged(groups: Iterable[PageGroup], asked: Asked) -> list[Group]:
    """Return the groups as `crawl` takes them, with what was asked put over."""
    return [_merged(group, asked) for group in groups]


def _merged(group: PageGroup, asked: Asked) -> Group:
    return Group(
        name=group.name,
        urls=(*group.urls, *(page.url for page in group.pages)),
        expect=_expectation(group.expected, asked),
        expect_by_url={
            page.url: found
            for page in group.pages
            if (found := _expectation(page.expected, asked)) is not None
        },
        text_filter=_filter(group.filter, asked),
        text_filter_by_url={
            page.url: keeps
            for page in group.pages
            if (keeps := _filter(page.filter, asked)) is not None
        },
        tags=group.tags,
        settings=_settings(group.settings, asked),
    )


def _settings(settings: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    found = {name: settings[name] for name in settings if name not in asked.settings}
    if "headers" in found:
        found["headers"] = tuple(
            field for field in found["headers"] if field[0].lower() not in asked.headers
        )
    return found


def _filter(said: Mapping[str, Any], asked: Asked) -> Filter | None:
    found = {**said, **asked.filter}
    if not found:
        return None
    from ..text_lines import Filter

    return Filter(**found)


def _expectation(expected: Mapping[str, Any], asked: Asked) -> Expectation | None:
    found = {**expected, **asked.expected}
    if not found:
        return None
    from ..checks import Expectation

    return Expectation(**found)
