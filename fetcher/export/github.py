"""Annotations for GitHub Actions: what is wrong, as the log and the summary show it.

A line a finding, `::error file=URL,line=1,col=2,title=RULE::MESSAGE`, as pages finish,
and one at the end for the verdict. GitHub shows the first ten of each level of a step
as annotations and the rest as lines of its log.

Source:
    GitHub Docs, "Workflow commands for GitHub Actions"; how values are escaped:
    github.com/actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, BinaryIO

from ..models import Finding, Severity
from .escape import printable
from .findings import LinkRule, of_links, of_page, unlisted_links

if TYPE_CHECKING:
    from ..page import Page
    from ..report import Report

__all__ = ["ANNOTATIONS_MAX", "GitHub", "open_exporter"]

ANNOTATIONS_MAX = 1_000  # of each level; nobody reads more of them in a log
TEXT_MAX_CHARS = 2_000
LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning"}


class GitHub:
    """Writes annotations, up to 1,000 of each level; the last says how many more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._counts: dict[str, int] = {}

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write what is held against a page."""
        self._write_all(of_page(page, findings))

    def _write_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            is_note = finding.rule == LinkRule.BLOCKED
            level = "notice" if is_note else LEVELS.get(finding.severity, "notice")
            count = self._counts[level] = self._counts.get(level, 0) + 1
            if count <= ANNOTATIONS_MAX:
                self._stream.write(_annotation(level, finding))

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """Write the places of bad links, and the verdict."""
        more = 0
        if report.site is not None:
            self._write_all(of_links(report.site))
            more = sum(unlisted_links(report.site))
        more += sum(max(n - ANNOTATIONS_MAX, 0) for n in self._counts.values())
        verdict = str(report)
        if more:
            verdict += f"; {more:,} more problems have no annotation"
        self._stream.write(_command("notice", {"title": "fetcher"}, verdict))
        self._stream.flush()


def _annotation(level: str, finding: Finding) -> bytes:
    places = {"file": finding.url, "line": finding.line, "col": finding.column}
    known = {name: str(value) for name, value in places.items() if value}
    return _command(level, {**known, "title": finding.rule}, finding.message)


def _command(level: str, properties: dict[str, str], message: str) -> bytes:
    """Return the line of a workflow command; no text in it begins another."""
    named = ",".join(f"{name}={_property(v)}" for name, v in properties.items())
    return f"::{level} {named}::{_message(message)}\n".encode()


def _message(text: str) -> str:
    shown = printable(text[:TEXT_MAX_CHARS])  # no line end is left
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def open_exporter(stream: BinaryIO) -> GitHub:
    """Return a GitHub that writes to this stream."""
    return GitHub(stream)
