"""One line and a status for Nagios, Icinga and whatever else runs their plugins.

    FETCHER CRITICAL: 2 of 100 pages fell short (1 HTTP 404, 1 dns) | pages=100;;;0 ...

Only printable text stands in it, and one `|`: what follows that is measured.

Source:
    Monitoring Plugins Development Guidelines: "Plugin Output for Nagios", "Plugin
    Return Codes", "Performance data".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

from ..models import Severity
from .escape import printable

if TYPE_CHECKING:
    from ..report import Report

__all__ = ["Status", "line_of", "status_of", "unknown"]

TEXT_MAX_CHARS = 400
REASONS_SHOWN = 3


class Status(IntEnum):
    """What a plugin returns as its exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def status_of(report: Report) -> Status:
    """Return what a run comes to.

    An interrupted run, or one without a page, knows nothing. CRITICAL is what the
    command otherwise ends with 1 for; a warning is what it leaves the 0.
    """
    if report.interrupted or not report.total:
        return Status.UNKNOWN
    if not report.ok:
        return Status.CRITICAL
    site = report.site
    is_moved = site is not None and site.redirects == "warn"
    if is_moved and site is not None and site.bad_counts.get("moved"):
        return Status.WARNING
    return Status.WARNING if report.count_findings(Severity.WARN) else Status.OK


def line_of(report: Report) -> str:
    """Return the line for a report, without its end."""
    text = "; ".join(_parts(report)) or str(report)
    if report.changes is not None and report.changes.has_news:
        text += f"; since {report.changes.since}: {report.changes}"
    measured = " ".join(_measured(report))
    return f"{_said(status_of(report), text)} | {measured}"


def unknown(sentence: str) -> str:
    """Return the line for a run that did not come to a report."""
    return _said(Status.UNKNOWN, sentence)


def _said(status: Status, text: str) -> str:
    shown = printable(text).replace("|", r"\x7c")
    if len(shown) > TEXT_MAX_CHARS:
        shown = f"{shown[: TEXT_MAX_CHARS - 3]}..."
    return f"FETCHER {status.name}: {shown}"


def _parts(report: Report) -> Iterator[str]:
    """Yield what is wrong, in the order in which it matters."""
    if report.interrupted:
        yield f"interrupted: {report}"
    elif not report.total:
        yield "there was no URL to fetch"
    if report.fell_short:
        yield _fell_short(report)
    for severity, words in ((Severity.ERROR, "not met"), (Severity.WARN, "warned of")):
        count = report.count_findings(severity)
        if count:
            first = next(
                (each for each in report.findings if each.severity is severity), None
            )
            told = f" ({first.url}: {first.message})" if first else ""
            yield f"{_count(count, 'expectation')} {words}{told}"
    yield from _links(report)


def _fell_short(report: Report) -> str:
    if report.total == 1 and report.shortfalls:
        only = report.shortfalls[0]
        return f"{only.url} {only.reason}"
    reasons = sorted(report.by_reason.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count:,} {reason}" for reason, count in reasons[:REASONS_SHOWN]]
    if len(reasons) > REASONS_SHOWN:
        named.append("others")
    pages = _count(report.total, "page")
    return f"{report.fell_short:,} of {pages} fell short ({', '.join(named)})"


def _links(report: Report) -> Iterator[str]:
    if report.site is None:
        return
    counts = report.site.bad_counts
    if counts.get("broken"):
        yield _count(counts["broken"], "broken link target")
    if counts.get("fragments"):
        yield _count(counts["fragments"], "missing fragment")
    if counts.get("moved") and report.site.redirects != "ok":
        yield f"{_count(counts['moved'], 'link target')} redirected for good"


def _measured(report: Report) -> Iterator[str]:
    """Yield `label=value[unit];warn;crit;min;max`; no label is a stranger's."""
    yield f"pages={report.total};;;0"
    yield f"fell_short={report.fell_short};;;0"
    yield f"unmet={report.count_findings(Severity.ERROR)};;;0"
    yield f"warnings={report.count_findings(Severity.WARN)};;;0"
    if report.site is not None:
        counts = report.site.bad_counts
        bad = counts.get("broken", 0) + counts.get("fragments", 0)
        yield f"bad_links={bad};;;0"
    if report.elapsed_s is not None:
        yield f"time={report.elapsed_s:.3f}s;;;0"
    if report.slowest:
        yield f"slowest={report.slowest[0].total_s:.3f}s;;;0"
    yield f"size={report.body_bytes}B;;;0"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
