"""What the command tells on standard error: one line each, safe to show."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console


__all__ = [
    "color_of",
    "error_console",
    "is_terminal",
    "note",
    "said",
    "say",
    "tell_usage",
]


def note(text: str) -> None:
    """Tell something on standard error, in one line and without secrets."""
    say(f"fetcher: {said(text)}")


def said(text: str) -> str:
    """Return a sentence as it may be shown, whatever it repeats."""
    from ..export.escape import printable
    from ..redact import redacted

    return printable(redacted(text))


def tell_usage(error: click.ClickException) -> None:
    """Tell a mistake as click does; what it repeats of the arguments is shown safely.

    A shell's `*` brings in names of files, which are a stranger's text.
    """
    sentence = said(error.format_message())
    error.format_message = lambda: sentence  # type: ignore[method-assign]
    error.show()


def say(text: str) -> None:
    """Write a line to standard error; if nobody can read it, that ends no run."""
    with suppress(OSError):
        click.echo(text, err=True)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream, which may be closed, is a terminal."""
    return stream is not None and stream.isatty()


def color_of(choice: str) -> bool | None:
    """Return whether to colour: always, never, or None to let the terminal decide."""
    return {"always": True, "never": False}.get(choice)


def error_console(choice: str) -> Console:
    """Return rich's console for standard error."""
    from rich.console import Console

    color = color_of(choice)
    return Console(stderr=True, no_color=color is False or None, highlight=False)
