"""Every page and the report as one JSON object: `{"pages": [...], "report": {...}}`.

Pages come first because they are written as they finish and not held; a page is a
line of the file, so that line tools can look into it as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from .escape import json_safe
from .row import to_row

if TYPE_CHECKING:
    from ..models import Finding
    from ..page import Page
    from ..report import Report

__all__ = ["Json", "open_exporter"]


class Json:
    """Writes rows into an array, and the report after it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = b'{"pages":[\n'

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write the row of a page."""
        row = to_row(page, findings)
        self._stream.write(self._before + row)
        self._before = b",\n"

    def flush(self) -> None:
        """Flush the stream; what it holds is complete only after `finish`."""
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """End the array and write the report."""
        start = self._before if self._before != b",\n" else b"\n"
        written = json.dumps(report.to_dict(), ensure_ascii=False, indent=1)
        self._stream.write(start + b'],\n"report":' + json_safe(written) + b"}\n")
        self._stream.flush()


def open_exporter(stream: BinaryIO) -> Json:
    """Return a Json that writes to this stream."""
    return Json(stream)
