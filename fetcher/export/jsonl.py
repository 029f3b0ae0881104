"""A JSON object a page and a line each, as pages finish.

Lines gather in a buffer and go to the stream when it is full, and whenever `flush`
is called: the first row of a slow run is there at once, and 5,000 quick ones cost a
few hundred writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from .row import to_row

if TYPE_CHECKING:
    from ..models import Finding
    from ..page import Page
    from ..report import Report

__all__ = ["Jsonl", "open_exporter"]

GATHERED_BYTES = 256 * 1024


class Jsonl:
    """Writes rows, one a line. The report is not in it: it is not a page."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._gathered = 0

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write the row of a page, now or with those that follow."""
        row = to_row(page, findings)
        self._lines.append(row)
        self._gathered += len(row)
        if self._gathered >= GATHERED_BYTES:
            self._write()

    def flush(self) -> None:
        """Write what has gathered."""
        self._write()
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """Write what has gathered."""
        self.flush()

    def _write(self) -> None:
        if self._lines:
            lines, self._lines, self._gathered = self._lines, [], 0
            self._stream.write(b"\n".join(lines) + b"\n")


def open_exporter(stream: BinaryIO) -> Jsonl:
    """Return a Jsonl that writes to this stream."""
    return Jsonl(stream)
