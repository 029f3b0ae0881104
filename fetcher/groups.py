"""Groups: pages of a run that have a name, and are asked for and judged alike.

    crawl([Group(name="shop", urls=["https://shop.example/"], tags=("front",))])

What a group does not say for itself holds as it does for the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from .checks import Expectation
    from .models import Request
    from .text_lines import Filter

__all__ = ["GROUP_SETTINGS", "Group"]

# Of Settings, what may be otherwise for a group. Which addresses may be asked is one
# rule for a run, and so is whom robots.txt is read for.
GROUP_SETTINGS = frozenset(
    {
        *("accept", "auth", "cacert", "cert", "cookie_file", "headers", "insecure"),
        *("ip_version", "max_bytes", "max_redirects", "netrc", "timeout_s"),
        "user_agent",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pages of a run that have a name, and are asked for and judged alike.

    A URL that stands in two groups belongs to the first. What is found on a page of a
    group belongs to that group too.

    name:          what reports call it, one line
    urls:          n URLs, lists (Path) and Requests, as crawl() takes them
    expect:        what is expected of each page; None: what the run expects
    expect_by_url: URL -> what is expected of that page instead
    text_filter:   which part of the text is compared; None: what the run compares
    text_filter_by_url: URL -> which part of that page's text is instead
    tags:          n words
    settings:      fields of `Settings` that are otherwise here; `headers` come
                   on top of the run's

    Raises:
        ConfigError: from the constructor; it names the field and what is wrong.
    """

    name: str
    urls: Sequence[str | Path | Request]
    expect: Expectation | None = None
    expect_by_url: Mapping[str, Expectation] = field(
        default_factory=lambda: MappingProxyType({})
    )
    text_filter: Filter | None = None
    text_filter_by_url: Mapping[str, Filter] = field(
        default_factory=lambda: MappingProxyType({})
    )
    tags: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what can be no group."""
        if not self.name or not self.name.isprintable():
            raise ConfigError(f"a group has a name of one line, got {self.name!r}")
        if isinstance(self.urls, str) or not isinstance(self.urls, Sequence):
            raise ConfigError(
                f"group {self.name!r}: urls is a list of URLs and paths, got"
                f" {self.urls!r}"
            )
        for name in self.settings:
            if name not in GROUP_SETTINGS:
                hint = did_you_mean(name, GROUP_SETTINGS)
                raise ConfigError(
                    f"group {self.name!r}: settings has no {name!r}{hint}"
                )
