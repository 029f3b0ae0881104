"""What holds for each group: flags and variables over the file, groups over the rest.

    flags  >  variables  >  page  >  group  >  top of the file  >  defaults

Expectations go key by key, header fields name by name; any other value replaces the
one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loading import OwnPage, PageGroup

__all__ = ["Asked", "Fields", "merged", "over"]

Fields = tuple[tuple[str, str], ...]  # of a header: names and values


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What flags and variables say: it holds for every page.

    settings: names of the fields of Settings that they set, but for `headers`
    headers:  the fields that they send
    sent:     all fields that are sent outside of groups: the file's, and theirs
    expected: fields of Expectation
    """

    settings: frozenset[str] = frozenset()
    headers: Fields = ()
    sent: Fields = ()
    expected: Mapping[str, Any] = field(default_factory=dict)


def over(fields: Fields, others: Fields) -> Fields:
    """Return header fields, with those of the same names among the others replaced."""
    names = {name.lower() for name, _ in fields}
    return (*(each for each in others if each[0].lower() not in names), *fields)


def merged(groups: Iterable[PageGroup], asked: Asked) -> tuple[PageGroup, ...]:
    """Return the groups as they hold, with what flags and variables say put over."""
    return tuple(_merged(group, asked) for group in groups)


def _merged(group: PageGroup, asked: Asked) -> PageGroup:
    settings = {
        name: value
        for name, value in group.settings.items()
        if name not in asked.settings
    }
    if "headers" in settings:
        own = over(asked.headers, settings["headers"])
        settings["headers"] = over(own, asked.sent)
    return replace(
        group,
        settings=settings,
        expected=_expected(group.expected, asked),
        pages=tuple(_page(page, asked) for page in group.pages),
    )


def _page(page: OwnPage, asked: Asked) -> OwnPage:
    return replace(page, expected=_expected(page.expected, asked))


def _expected(expected: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    return {**expected, **asked.expected}
