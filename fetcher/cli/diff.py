"""`fetcher diff`: what changed between two runs that are remembered."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..errors import OutputError
from .codes import ALL_WELL, FELL_SHORT
from .telling import color_of

if TYPE_CHECKING:
    from ..changes import Changes, Filter

__all__ = ["diff", "text_filter"]

FORMATS = ("text", "json", "markdown")


def text_filter(fields: Mapping[str, Any]) -> Filter | None:
    """Return which part of a text counts; None: all of it, and nothing is imported."""
    if not any(fields.values()):
        return None
    from ..text_lines import Filter

    return Filter(**fields)


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="What standard output gets.",
)
@click.option("--diff-css", metavar="SELECTOR", help="Only text that this finds.")
@click.option("--diff-xpath", metavar="PATH", help="Only text that this finds.")
@click.option(
    "--diff-ignore",
    multiple=True,
    metavar="REGEX",
    help="No lines of it that match (RE2); repeatable.",
)
@click.option(
    "--redact/--no-redact",
    default=True,
    show_default=True,
    help="Hide passwords and known token parameters of URLs.",
)
@click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    show_default=True,
    help="Colours in text; NO_COLOR is respected.",
)
def diff(
    before: str,
    after: str,
    form: str,
    diff_css: str | None,
    diff_xpath: str | None,
    diff_ignore: tuple[str, ...],
    redact: bool,
    color: str,
) -> int:
    """Tell what changed from run A to run B.

    Each is a .json or .jsonl that fetcher wrote, or a database of runs: FILE, its last
    finished run, or FILE:RUN. Exit code 0: nothing changed; 1: something did.
    """
    from ..changes import Filter, compare
    from ..earlier import earlier_run
    from ..redact import redacted_parts

    fields = {"css": diff_css, "xpath": diff_xpath, "ignore": diff_ignore}
    keeps = text_filter(fields) or Filter()
    with earlier_run(before) as old, earlier_run(after) as new:
        changes = compare(old, new, lambda _: keeps)
    tell(redacted_parts(changes) if redact else changes, form, color)
    return FELL_SHORT if changes.has_news else ALL_WELL


def tell(changes: Changes, form: str, color: str) -> None:
    """Write what changed to standard output."""
    if sys.stdout is None:
        raise OutputError("cannot write standard output: it is closed")
    if form == "text":
        from ..export.text_changes import show

        show(changes, sys.stdout, color=color_of(color))
        return
    if form == "json":
        import json

        from ..export.escape import json_safe

        written = json.dumps(changes.to_dict(), ensure_ascii=False, indent=1)
        write(sys.stdout, json_safe(written) + b"\n")
        return
    from ..export.markdown import of_changes

    write(sys.stdout, of_changes(changes))


def write(stream: TextIO, content: bytes) -> None:
    """Write bytes as they are, whatever a stream's encoding is."""
    stream.flush()
    stream.buffer.write(content)
    stream.buffer.flush()
