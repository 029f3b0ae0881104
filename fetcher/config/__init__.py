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
    from .loading import Config as Config
    from .loading import PageGroup as PageGroup
    from .loading import load as load
    from .mistakes import Mistakes as Mistakes

_HOMES = {
    "Config": "loading",
    "Mistakes": "mistakes",
    "PageGroup": "loading",
    "load": "loading",
}

__all__ = [*_HOMES, "duration_s", "size_bytes", "size_range", "status_ranges"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
