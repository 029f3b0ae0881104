"""Markdown for a comment in CI: the verdict, and what is wrong folded away below it.

At most 60 lines, however much is wrong; each list says how much it leaves out. Texts of
strangers stand in code spans, in which nothing is a link, an image, HTML, a mention of
somebody or of an issue; URLs do as well, so that no comment refers to an issue.

Source:
    CommonMark 0.31.2, 6.1 (code spans) and 4.6 (HTML blocks); GitHub Flavored Markdown
    0.29; GitHub Docs, "Mentioning people and teams".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ..models import Finding, Severity
from .escape import printable
from .findings import COUNTED_AS, LinkRule, address_of, bad_targets

if TYPE_CHECKING:
    from ..changes import Change, Changes
    from ..page import Page
    from ..report import Report
    from ..site_report import BadTarget, SiteReport

__all__ = ["LINES_MAX", "Markdown", "of_changes", "open_exporter"]

LINES_MAX = 60
FOLD_LINES = 6  # a blank one, <details>, a blank one, a blank one, </details>, "more"
SPAN_MAX_CHARS = 200
TICKS = re.compile("`+")
HEADINGS = {
    LinkRule.BROKEN: ("broken link target", "broken link targets"),
    LinkRule.FRAGMENT: ("missing fragment", "missing fragments"),
    LinkRule.MOVED: ("link target redirected for good", "redirected for good"),
    LinkRule.BLOCKED: ("link target refuses robots", "link targets refuse robots"),
}


class Section(NamedTuple):
    """A fold: its summary, of ours alone, its items, and how many there are in all."""

    summary: str
    items: list[str]
    total: int


class Markdown:
    """Writes the comment when all is known."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take no notice: the report knows."""

    def flush(self) -> None:
        """Take no notice: all is written at the end."""

    def finish(self, report: Report) -> None:
        """Write the comment."""
        lines = _head(report)
        sections = _sections(report)
        room = LINES_MAX - len(lines) - FOLD_LINES * len(sections)
        for number, section in enumerate(sections):
            share = room // (len(sections) - number)
            shown = section.items[: max(share, 1)]
            room -= len(shown)
            lines += _fold(section, shown)
        self._stream.write("".join(f"{line}\n" for line in lines).encode())
        self._stream.flush()


def _head(report: Report) -> list[str]:
    verdict = "all well" if report.ok else "not all is well"
    sentences = [str(report)]
    if report.interrupted:
        sentences.append("the run was interrupted")
    if report.insecure:
        sentences.append("certificates were not verified (`--insecure`)")
    if report.changes is not None:
        sentences.append(_changed(report.changes))
    return [f"### fetcher: {verdict}", "", "; ".join(sentences)]


def _sections(report: Report) -> list[Section]:
    found = [] if report.changes is None else [_changes(report.changes)]
    found.append(_shortfalls(report))
    for severity, one, many in (
        (Severity.ERROR, "expectation not met", "expectations not met"),
        (Severity.WARN, "warning", "warnings"),
    ):
        count = report.count_findings(severity)
        items = [_found(each) for each in report.findings if each.severity is severity]
        found.append(Section(_count(count, one, many), items, count))
    if report.site is not None:
        found += _links(report.site)
    found.append(_certificates(report))
    return [section for section in found if section.total]


def _changed(changes: Changes) -> str:
    at = changes.since_at
    when = "" if at is None else f" ({at:%Y-%m-%d %H:%M} UTC)"
    return f"since {_span(changes.since)}{when}: {changes}"


def _changes(changes: Changes) -> Section:
    """Return the news; what is still as bad stands in the lists below."""
    news = [each for each in changes.listed if each.kind.is_news]
    order = [kind for kind, _ in changes.sums()]
    news.sort(key=lambda each: order.index(each.kind))
    total = sum(count for _, count in changes.sums())
    summary = _count(total, "change", "changes")
    return Section(summary, [_change(each) for each in news], total)


def _change(change: Change) -> str:
    item = f"{change.kind.value.replace('-', ' ')}: {_span(change.url)}"
    if change.before is not None:
        item += f" was {_span(change.before)}"
    if change.after is not None:
        item += f"{', is' if change.before is not None else ''} {_span(change.after)}"
    return item


def _shortfalls(report: Report) -> Section:
    items = [f"{_span(each.url)} {_span(each.reason)}" for each in report.shortfalls]
    summary = _count(report.fell_short, "page fell short", "pages fell short")
    return Section(summary, items, report.fell_short)


def _found(finding: Finding) -> str:
    return f"{_span(finding.url)} {_span(finding.message)}"


def _links(site: SiteReport) -> list[Section]:
    sections = []
    for rule, _, targets in bad_targets(site):
        count = site.bad_counts.get(COUNTED_AS[rule], len(targets))
        items = [_target(rule, target) for target in targets]
        sections.append(Section(_count(count, *HEADINGS[rule]), items, count))
    return sections


def _target(rule: LinkRule, target: BadTarget) -> str:
    item = _span(address_of(target))
    if rule is LinkRule.MOVED:
        item += f" to {_span(target.final_url or '')}"
    elif rule is not LinkRule.FRAGMENT:
        item += f" {_span(target.reason)}"
    if target.places:
        place = target.places[0]
        item += f" on {_span(f'{place.url}:{place.line}:{place.column}')}"
    if target.place_count > 1:
        more = target.place_count - 1
        item += f" and {more:,} more {'place' if more == 1 else 'places'}"
    return item


def _certificates(report: Report) -> Section:
    endings = report.ending_certificates
    items = [f"{_span(each.host)} {each.not_after:%Y-%m-%d}" for each in endings]
    one, many = "certificate ended or ends", "certificates ended or end"
    summary = f"{_count(len(endings), one, many)} within 14 days"
    if report.certificates_unlisted:
        summary += f", and those of {report.certificates_unlisted:,} more pages"
    return Section(summary, items, len(endings))


def _fold(section: Section, shown: Sequence[str]) -> list[str]:
    """Return a section folded; the blank lines let Markdown begin again inside it."""
    summary = f"<details><summary>{section.summary}</summary>"
    lines = ["", summary, "", *(f"- {item}" for item in shown)]
    if section.total > len(shown):
        lines.append(f"- and {section.total - len(shown):,} more")
    return [*lines, "", "</details>"]


def _span(text: str) -> str:
    """Return text as a code span: its ticks are more, or fewer, than any run in it."""
    shown = printable(text)
    if len(shown) > SPAN_MAX_CHARS:
        shown = f"{shown[: SPAN_MAX_CHARS - 3]}..."
    runs = {len(run) for run in TICKS.findall(shown)}
    ticks = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    # A space at each end is taken away again, and needed beside a tick.
    pad = " " if not shown.strip(" ") or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown or ' '}{pad}{ticks}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def of_changes(changes: Changes) -> bytes:
    """Return a comment on nothing but what changed; 60 lines at most as well."""
    verdict = "something changed" if changes.has_news else "nothing changed"
    lines = [f"### fetcher: {verdict}", "", _changed(changes)]
    section = _changes(changes)
    if section.total:
        lines += _fold(section, section.items[: LINES_MAX - len(lines) - FOLD_LINES])
    return "".join(f"{line}\n" for line in lines).encode()


def open_exporter(stream: BinaryIO) -> Markdown:
    """Return a Markdown that writes to this stream."""
    return Markdown(stream)
