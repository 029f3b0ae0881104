"""What people write into `fetcher.toml`, the environment and flags, as values.

`load` reads a configuration; what is wrong with it is told in one sentence each, with
file, line and key. pydantic, which knows the schema, is imported for that alone: a
command without a configuration does not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .values import duration_s, size_bytes, size_range, status_ranges

if TYPE_CHECKING:
    from .beginning import starter as starter
    from .loading import Config as Config
    from .loading import OwnPage as OwnPage
    from .loading import PageGroup as PageGroup
    from .loading import load as load
    from .merging import Asked as Asked
    from .merging import merged as merged
    from .mistakes import Mistake as Mistake
    from .mistakes import Mistakes as Mistakes
    from .picking import count_pages as count_pages
    from .picking import picked as picked
    from .reading import NAME as NAME
    from .reading import File as File
    from .reading import find as find
    from .reading import group_names as group_names
    from .reading import read as read

_HOMES = {
    "Asked": "merging",
    "Config": "loading",
    "File": "reading",
    "Mistake": "mistakes",
    "Mistakes": "mistakes",
    "NAME": "reading",
    "OwnPage": "loading",
    "PageGroup": "loading",
    "count_pages": "picking",
    "find": "reading",
    "group_names": "reading",
    "load": "loading",
    "merged": "merging",
    "picked": "picking",
    "read": "reading",
    "starter": "beginning",
}

__all__ = [*_HOMES, "duration_s", "size_bytes", "size_range", "status_ranges"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
