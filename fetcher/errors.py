"""What the caller of fetcher did wrong, as exceptions.

What a *site* does wrong is never an exception: it is a `Failure` in a `Page`
(see `fetcher.models`).

    FetcherError
    +-- ConfigError (also a ValueError)    an option or a value makes no sense
    +-- InputError                         a list of URLs cannot be read
    +-- OutputError                        a result cannot be written
    +-- StoreError                         what a run must remember cannot be kept
    +-- MachineError                       the machine has not what a run needs
    +-- ExtractError                       `extract=` gave what cannot travel
    +-- NothingLeft                        what was to be continued is finished
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "ExtractError",
    "FetcherError",
    "InputError",
    "MachineError",
    "NothingLeft",
    "OutputError",
    "StoreError",
    "did_you_mean",
]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence on an unknown name, "" where none is near it."""
    from difflib import get_close_matches  # not for those who make no mistake

    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class FetcherError(Exception):
    """Base of every error that fetcher itself raises."""


class ConfigError(FetcherError, ValueError):
    """An option has a value that makes no sense; the message names both."""


class InputError(FetcherError):
    """A list of URLs cannot be read; the message names the file."""


class OutputError(FetcherError):
    """A result cannot be written; the message names the file."""


class MachineError(FetcherError):
    """The machine gives no process, thread or memory; the message says which."""


class StoreError(FetcherError):
    """What a run must remember cannot be kept or read; the message says why."""


class ExtractError(FetcherError):
    """The function given as `extract=` raised, or returned no plain value."""


class NothingLeft(FetcherError):
    """What was to be continued had been finished; `ok` says if all was well."""

    def __init__(self, message: str, *, ok: bool) -> None:
        super().__init__(message)
        self.ok = ok
