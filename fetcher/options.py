"""Keyword arguments of `crawl()` as values; what is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from .errors import ConfigError, did_you_mean
from .groups import Group
from .guard import Guard
from .models import CrawlOptions, Following, Settings
from .urls import Scope, ScopeKind

__all__ = ["at_least", "one_of", "over", "settings_and_following", "settings_of"]

Fields = tuple[tuple[str, str], ...]  # of a header: names and values


def settings_and_following(options: CrawlOptions) -> tuple[Settings, Following]:
    """Make Settings and Following of keyword arguments; an unknown one is named."""
    ours = [field.name for field in fields(Following)]
    known = [*(field.name for field in fields(Settings)), *ours]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(f"crawl() has no option {name!r}{hint}")
    settings = {name: value for name, value in options.items() if name not in ours}
    following = {name: value for name, value in options.items() if name in ours}
    return _settings(settings), _following(following)


def settings_of(group: Group, run: Settings) -> Settings:
    """Return the settings of a group: the run's, but for what it says for itself."""
    if not group.settings:
        return run
    options: dict[str, Any] = dict(group.settings)
    if "headers" in options:
        own = options["headers"]
        own = own if isinstance(own, tuple) else tuple(dict(own).items())
        options["headers"] = over(own, run.headers)
    given = {each.name: getattr(run, each.name) for each in fields(Settings)}
    try:
        return _settings({**given, **options})
    except ConfigError as error:
        raise ConfigError(f"group {group.name!r}: {error}") from error


def over(fields: Fields, others: Fields) -> Fields:
    """Return header fields, with those of the same names among the others replaced."""
    names = {name.lower() for name, _ in fields}
    return (*(each for each in others if each[0].lower() not in names), *fields)


def _settings(options: Mapping[str, Any]) -> Settings:
    found = Settings(**options)
    headers = found.headers
    if not isinstance(headers, tuple):
        headers = tuple(dict(headers).items())
    at_least("timeout_s", found.timeout_s, 0.001)
    at_least("max_redirects", found.max_redirects, 0)
    at_least("max_bytes", found.max_bytes, 1)
    if found.ip_version not in (None, 4, 6):
        raise ConfigError(f"ip_version is 4, 6 or None, got {found.ip_version!r}")
    guard = Guard.of(found)
    if found.proxy is not None:
        guard.must_see_past("proxy=")
    return replace(
        found,
        headers=headers,
        allow_net=tuple(found.allow_net),
        deny_net=tuple(found.deny_net),
        public_nets=tuple(found.public_nets),
    )


def _following(options: Mapping[str, Any]) -> Following:
    given = dict(options)
    for name in ("include", "exclude", "strip_params"):
        if isinstance(given.get(name, ()), str):
            raise ConfigError(f"{name} is a list of texts, got {given[name]!r}")
        if name in given:
            given[name] = tuple(given[name])
    found = Following(**given)
    at_least("depth", found.depth, 0)
    at_least("max_url_chars", found.max_url_chars, 1)
    one_of("scope", found.scope, tuple(ScopeKind))
    one_of("external", found.external, ("check", "skip"))
    one_of("redirects", found.redirects, ("ok", "warn", "error"))
    Scope(ScopeKind(found.scope), include=found.include, exclude=found.exclude)
    if found.ignore_robots and found.obey_robots:
        raise ConfigError("ignore_robots and obey_robots ask for opposite things")
    return found


def one_of(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise a ConfigError for a value that is none of the choices."""
    if value not in choices:
        known = ", ".join(map(repr, map(str, choices)))
        raise ConfigError(f"{name} is one of {known}, got {value!r}")


def at_least(name: str, value: float | None, least: float) -> None:
    """Raise a ConfigError for a number that is less; None is well."""
    if value is not None and not value >= least:
        raise ConfigError(f"{name} is at least {least}, got {value!r}")
