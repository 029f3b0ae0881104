"""The forms a result can be written in, one module each, found by name or file ending.

    exporter = for_path("report.csv").open(stream)
    exporter.add(page, findings)   # for each page, as it finishes
    exporter.flush()               # when no page came for a moment
    exporter.finish(report)        # once; also after an interruption

Streams are binary and belong to the caller; what is written is UTF-8. Whatever a
page, a server or a list says is hostile text to all of them: see `escape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..models import Finding
    from ..page import Page
    from ..report import Report

__all__ = ["FORMATS", "Exporter", "Format", "for_name", "for_path"]


class Exporter(Protocol):
    """Writes one result to one stream."""

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take a finished page, and what was found on it."""

    def flush(self) -> None:
        """Hand what is complete so far to the stream, and flush that."""

    def finish(self, report: Report) -> None:
        """Write what remains, and flush. Nothing is added afterwards."""


class Format(NamedTuple):
    """A form a result can be written in: its name, file endings, and what it is."""

    name: str
    endings: tuple[str, ...]
    summary: str

    def open(self, stream: BinaryIO) -> Exporter:
        """Return an exporter that writes this format to a stream."""
        module = import_module(f".{self.name}", __name__)
        return cast("Callable[[BinaryIO], Exporter]", module.open_exporter)(stream)


FORMATS = (
    Format("text", (".txt",), "the report for a person, as on the terminal"),
    Format("json", (".json",), "every page, then the report, as one JSON object"),
    Format("jsonl", (".jsonl", ".ndjson"), "a JSON object a page, as pages finish"),
    Format("csv", (".csv",), "a line a page, for spreadsheets"),
    Format("sitemap", (".xml",), "the pages that should be found, for search engines"),
    Format("junit", ("junit.xml", ".junit"), "a test case a page, for CI servers"),
    Format("sarif", (".sarif", ".sarif.json"), "findings with places, SARIF 2.1.0"),
    Format("github", (), "annotations, for the log of GitHub Actions"),
    Format("markdown", (".md", ".markdown"), "what is wrong, for a comment in CI"),
    Format("prometheus", (".prom",), "metrics a page, for node_exporter"),
)


def for_name(name: str) -> Format:
    """Return the format of this name.

    Raises:
        ConfigError: there is none; the message names those there are.
    """
    for known in FORMATS:
        if known.name == name.lower():
            return known
    names = [known.name for known in FORMATS]
    raise ConfigError(f"unknown format {name!r}: {_choices(name.lower(), names)}")


def for_path(path: str | PurePath) -> Format:
    """Return the format that a file's ending asks for.

    Raises:
        ConfigError: the ending is missing or unknown; the message names those known.
    """
    name = PurePath(path).name.lower()
    ending = PurePath(path).suffix.lower()
    endings = [each for known in FORMATS for each in known.endings]
    # The longest first: `a.junit.xml` is no sitemap.
    longest = max(filter(name.endswith, endings), key=len, default=None)
    if ending and longest is not None:
        return next(known for known in FORMATS if longest in known.endings)
    problem = f"has the unknown ending {ending!r}" if ending else "has no ending"
    raise ConfigError(
        f"cannot tell the format of {str(path)!r}, which {problem}: "
        f"{_choices(ending, endings)}"
    )


def _choices(given: str, known: list[str]) -> str:
    listed = f"{', '.join(known[:-1])} or {known[-1]}"
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}? (known: {listed})" if near else f"use {listed}"
