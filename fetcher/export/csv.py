"""A line a page, for spreadsheets: flat columns, always the same ones in one order.

Lists become counts, except where a list of words fits in a cell. A cell that a
spreadsheet would calculate is defused with a leading quote. Controls and direction
marks are shown as escapes. Line ends are CRLF (RFC 4180, 2).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from .escape import defused, printable
from .row import iso, plain

if TYPE_CHECKING:
    from ..models import Finding
    from ..page import Page
    from ..report import Report

__all__ = ["COLUMNS", "Csv", "open_exporter"]

COLUMNS = (
    *("url", "final_url", "state", "status", "reason", "failure_kind"),
    *("attempt", "depth", "group", "hops"),
    *("queue_s", "dns_s", "connect_s", "tls_s", "ttfb_s", "transfer_s", "total_s"),
    *("ip", "http_version", "content_type", "encoding", "body_bytes", "wire_bytes"),
    *("fetched_at", "certificate_not_after", "certificate_verified"),
    *("title", "description", "canonical", "language", "robots", "h1"),
    *("word_count", "text_hash", "links", "images", "images_without_alt"),
    *("capped", "findings", "extract"),
)


class Csv:
    """Writes a heading, then a line for each page."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writer = csv.writer(_Utf8(stream))
        self._writer.writerow(COLUMNS)

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write the line of a page."""
        self._writer.writerow([_cell(value) for value in _values(page, findings)])

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """Flush: the report is not in it, because it is not a page."""
        self._stream.flush()


class _Utf8:
    """What the csv module writes its text to."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        self._stream.write(text.encode())


def _values(page: Page, findings: Sequence[Finding]) -> tuple[object, ...]:
    found = len(findings)
    return (*_answer(page), *_content(page), found, _extract(page.extract))


def _answer(page: Page) -> tuple[object, ...]:
    certificate, facts = page.certificate, page.facts
    return (
        *(page.url, page.final_url, page.state.value, page.status, page.reason),
        page.failure and page.failure.kind.value,
        *(page.attempt, page.depth, page.group, len(page.hops)),
        *page.timings,
        *(page.ip, page.http_version, page.content_type),
        page.encoding if facts is None else facts.encoding,
        *(page.body_bytes, page.wire_bytes, iso(page.fetched_at)),
        certificate and iso(certificate.not_after),
        certificate and str(certificate.verified).lower(),
    )


def _content(page: Page) -> tuple[object, ...]:
    facts = page.facts
    if facts is None:
        return (None,) * 12
    return (
        *(facts.title, facts.description, facts.canonical, facts.language),
        *(", ".join(facts.robots), " | ".join(facts.h1)),
        *(facts.word_count, facts.text_hash, len(facts.links), len(facts.images)),
        sum(image.alt is None for image in facts.images),
        ", ".join(facts.capped),
    )


def _extract(value: object) -> str | None:
    """Return what `extract=` gave: text as it is, anything else as JSON."""
    if value is None:
        return None
    known = plain(value)
    return known if isinstance(known, str) else json.dumps(known, ensure_ascii=False)


def _cell(value: object) -> object:
    if isinstance(value, str):
        return printable(defused(value))
    return round(value, 6) if isinstance(value, float) else value


def open_exporter(stream: BinaryIO) -> Csv:
    """Return a Csv that writes to this stream."""
    return Csv(stream)
