"""How the pages of each group are asked for, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError
from ..groups import Group
from ..models import (
    Settings,
)
from ..options import settings_of
from ..task import Extract, job_bytes
from ..urls import spelling

if TYPE_CHECKING:
    from ..changes import Filter  # and what compares, where something is remembered
    from ..checks import Expectation, Expected  # imported where something is expected


__all__ = ["Jobs", "Manner", "manners_of"]


class Jobs(NamedTuple):
    """What workers are told once for all requests, as `job_bytes` gives it.

    pages:  fetch, and run `extract`
    others: fetch what the run itself asks for
    unread: fetch a page and let nobody parse it
    """

    pages: bytes
    others: bytes
    unread: bytes


class Manner(NamedTuple):
    """How the pages of a group are asked for, and what is expected of them."""

    settings: Settings
    jobs: Jobs
    expectation_of: Callable[[str], Expectation | None]
    filter_of: Callable[[str], Filter | None] | None = None


def manners_of(
    groups: Iterable[Group],
    run: Settings,
    expect: Expected | None,
    extract: Extract | None,
    *,
    parses_here: bool,
) -> dict[str, Manner]:
    """Return the manner of each group by its name; "" has that of all other pages."""
    everywhere = _expectation_of(expect)
    jobs = partial(_jobs, extract=extract, parses_all=not parses_here)
    manners = {"": Manner(run, jobs(run), everywhere)}
    for group in groups:
        if group.name in manners:
            raise ConfigError(f"there are two groups of the name {group.name!r}")
        settings = settings_of(group, run)
        expectation_of = _expectation_in(group) or everywhere
        manners[group.name] = Manner(
            settings, jobs(settings), expectation_of, _filter_in(group)
        )
    return manners


def _jobs(settings: Settings, extract: Extract | None, *, parses_all: bool) -> Jobs:
    return Jobs(
        pages=job_bytes(settings, extract, parses_all=parses_all),
        others=job_bytes(settings, None, parses_all=parses_all),
        unread=job_bytes(settings, None, parses_all=True),
    )


def _expectation_in(group: Group) -> Callable[[str], Expectation | None] | None:
    """Return what tells the Expectation of a URL of a group; None: the run's does."""
    everywhere = group.expect
    if not group.expect_by_url:
        return None if everywhere is None else lambda _: everywhere
    own = _expectation_of(group.expect_by_url)
    return lambda url: own(url) or everywhere


def _filter_in(group: Group) -> Callable[[str], Filter | None] | None:
    """Return what tells which text of a URL of a group counts; None: the run's does."""
    everywhere, own = group.text_filter, group.text_filter_by_url
    if everywhere is None and not own:
        return None
    known = {spelling(url): keeps for url, keeps in own.items()}
    return lambda url: known.get(spelling(url), everywhere)


def _expectation_of(expect: Expected | None) -> Callable[[str], Expectation | None]:
    """Return what tells the Expectation of a URL; without any, in no time."""
    if expect is None:
        return lambda _: None
    from ..checks import by_url

    return by_url(expect)
