"""Which pages of a configuration are meant, by group and tag, and how many they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ConfigError, did_you_mean
from ..models import Purpose, Request
from ..source import Source

if TYPE_CHECKING:
    from .loading import Config, Given, PageGroup

__all__ = ["Count", "count_pages", "picked"]


def picked(
    config: Config, names: Sequence[str] = (), tags: Sequence[str] = ()
) -> tuple[PageGroup, ...]:
    """Return the groups that are asked for, with those pages that have one of the tags.

    Raises:
        ConfigError: there is no such group, or no page has such a tag.
    """
    known = [group.name for group in config.groups]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"there is no group {name!r} in {config.name}{hint}")
    groups = [each for each in config.groups if not names or each.name in names]
    if not tags:
        return tuple(groups)
    all_tags = {tag for group in config.groups for tag in _tags_of(group)}
    for tag in tags:
        if tag not in all_tags:
            hint = did_you_mean(tag, all_tags)
            raise ConfigError(f"no page of {config.name} has the tag {tag!r}{hint}")
    return tuple(_tagged(groups, frozenset(tags)))


def _tags_of(group: PageGroup) -> Iterator[str]:
    yield from group.tags
    for page in group.pages:
        yield from page.tags


def _tagged(groups: Iterable[PageGroup], tags: frozenset[str]) -> Iterator[PageGroup]:
    for group in groups:
        if not tags.isdisjoint(group.tags):
            yield group
            continue
        pages = [page for page in group.pages if not tags.isdisjoint(page.tags)]
        if pages:
            yield replace(group, urls=(), pages=tuple(pages))


class Count:
    """How many pages a configuration names, and how many sitemaps are still to fetch.

    A page that is named twice is one. What can be read but once is not read.
    """

    def __init__(self, config: Config) -> None:
        self.sitemaps = 0
        self._keys: set[str] = set()
        self._bad_lines = 0
        given: list[Given] = [*config.inputs]
        for group in config.groups:
            given += [*group.urls, *(page.url for page in group.pages)]
        for each in given:
            self._add(each)

    @property
    def pages(self) -> int:
        """How many pages there are, those included that will be told as bad URLs."""
        return len(self._keys) + self._bad_lines

    def _add(self, given: Given) -> None:
        source = Source([given])
        if source.may_block:
            return
        while (found := source.take()) is not None:
            if not isinstance(found, Request):
                self._bad_lines += 1
            elif found.purpose is Purpose.SITEMAP:
                self.sitemaps += 1
            else:
                self._keys.add(found.key)


def count_pages(config: Config) -> Count:
    """Return how many pages a configuration names; its lists are read for that."""
    return Count(config)
