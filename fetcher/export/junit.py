"""JUnit XML: what CI servers show as tests. A page is a test case, a group a suite.

A page on which an expectation was not met, or which is broken, is a failure; one that
did not come is an error; one that was not asked for is skipped. Links are a suite of
their own, in which each bad target is a failure with the places where it stands.

A suite says in its first line how many tests it has, so cases wait until the end: in
memory the first 256 KB of each suite, and the rest in a file that has no name.

Sources:
    https://github.com/jenkinsci/xunit-plugin, junit-10.xsd; maven-surefire-plugin,
    surefire-test-report.xsd. Both know what is used here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO
from xml.sax.saxutils import escape, quoteattr

from ..models import Finding, Severity, State
from .escape import xml_text
from .findings import PageRule, address_of, bad_targets, of_page, unlisted_links

if TYPE_CHECKING:
    from ..page import Page
    from ..report import Report
    from ..site_report import BadTarget, SiteReport

__all__ = ["JUnit", "open_exporter"]

NAME = "fetcher"
LINKS = "links"
SUITES_KEPT = 200  # as many files may be open
OTHERS = "other groups"
HELD_BYTES = 256 * 1024  # of each suite, before it goes to a file
OUTCOMES = ("failure", "error", "skipped")


class JUnit:
    """Writes a suite for each group of pages, one for all others, one for the links."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._suites: dict[str, _Suite] = {}

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take a page as a case of its suite."""
        outcome, told = _outcome(page, of_page(page, findings))
        lines = [f"warning: {each.message}" for each in findings if not _weighs(each)]
        self._suite(page.group or NAME).add(
            page.url, outcome, told, lines, time_s=page.timings.total_s or 0.0
        )

    def _suite(self, name: str) -> _Suite:
        if name not in self._suites and len(self._suites) >= SUITES_KEPT:
            name = OTHERS
        if name not in self._suites:
            self._suites[name] = _Suite(name)
        return self._suites[name]

    def flush(self) -> None:
        """Wait: a suite is written when all its cases are known."""

    def finish(self, report: Report) -> None:
        """Write all suites."""
        suites = list(self._suites.values()) or [_Suite(NAME)]
        if report.site is not None:
            suites.append(_links(report.site))
        started = report.started_at
        timestamp = f"{started:%Y-%m-%dT%H:%M:%S}" if started else None
        self._write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites')
        self._write(f' name="{NAME}" time="{report.elapsed_s or 0.0:.3f}"')
        self._write(f"{_counts(suites, ('failure', 'error'))}>\n")
        for suite in suites:
            suite.write_to(self._stream, timestamp)
        self._write("</testsuites>\n")
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write(text.encode())


class _Suite:
    """The cases of a suite, and how many came to what."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = dict.fromkeys(("tests", *OUTCOMES), 0)
        self.time_s = 0.0
        # Closed when the suite is forgotten; the file has no name that could stay.
        self._cases = SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115

    def add(
        self,
        name: str,
        outcome: str | None,
        told: Sequence[Finding],
        lines: Sequence[str] = (),
        *,
        time_s: float = 0.0,
    ) -> None:
        """Take a case: what it came to (None: well), with what is held against it."""
        self.counts["tests"] += 1
        self.time_s += time_s
        inside = ""
        if outcome is not None:
            self.counts[outcome] += 1
            inside = _outcome_element(outcome, told)
        if lines:
            text = "\n".join(map(xml_text, lines))
            inside += f"<system-out>{escape(text)}</system-out>"
        case = (
            f" <testcase name={_attribute(name)} classname={_attribute(self.name)}"
            f' time="{time_s:.3f}"{f">{inside}</testcase>" if inside else "/>"}\n'
        )
        self._cases.write(case.encode())

    def write_to(self, stream: BinaryIO, timestamp: str | None) -> None:
        """Write the suite, and let go of its cases."""
        head = f'<testsuite name={_attribute(self.name)} time="{self.time_s:.3f}"'
        if timestamp is not None:
            head += f' timestamp="{timestamp}"'
        stream.write(f"{head}{_counts([self], OUTCOMES)}>\n".encode())
        self._cases.seek(0)
        shutil.copyfileobj(self._cases, stream)
        self._cases.close()
        stream.write(b"</testsuite>\n")


def _counts(suites: Sequence[_Suite], outcomes: Sequence[str]) -> str:
    named = {"failure": "failures", "error": "errors"}
    return "".join(
        f' {named.get(what, what)}="{sum(each.counts[what] for each in suites)}"'
        for what in ("tests", *outcomes)
    )


def _outcome(page: Page, held: list[Finding]) -> tuple[str | None, list[Finding]]:
    """Return what a page is as a test, and the Findings that make it so."""
    told = [each for each in held if _weighs(each) or each.rule in tuple(PageRule)]
    if not told:
        return None, []
    if page.state is State.SKIPPED:
        return "skipped", told
    is_missing = page.state in (State.FAILED, State.BLOCKED)
    return "error" if is_missing else "failure", told


def _weighs(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _outcome_element(outcome: str, told: Sequence[Finding]) -> str:
    message = _attribute(told[0].message)
    if outcome == "skipped":
        return f"<skipped message={message}/>"
    text = escape("\n".join(xml_text(_line(each)) for each in told))
    kind = _attribute(told[0].rule)
    return f"<{outcome} type={kind} message={message}>{text}</{outcome}>"


def _line(finding: Finding) -> str:
    place = f"{finding.url}:{finding.line}:{finding.column}: " if finding.line else ""
    return f"{place}{finding.rule}: {finding.message}"


def _links(site: SiteReport) -> _Suite:
    """Return the suite of the links: a failure a bad target, or one case for all."""
    suite = _Suite(LINKS)
    for rule, severity, targets in bad_targets(site):
        for target in targets if severity is Severity.ERROR else ():
            _add_target(suite, rule.value, target)
    more = unlisted_links(site, only=Severity.ERROR).targets
    if more:
        told = [_finding("unlisted-links", f"{more:,} more bad targets", "")]
        suite.add("targets that are not listed", "failure", told)
    if not suite.counts["tests"]:
        suite.add("every link leads somewhere", None, [])
    return suite


def _add_target(suite: _Suite, rule: str, target: BadTarget) -> None:
    url, reason = address_of(target), target.reason
    places = target.places
    told = [_finding(rule, reason, each.url, each.line, each.column) for each in places]
    if target.place_count > len(places) or not places:
        more = f"{reason}; in all {target.place_count:,} places"
        told.append(_finding(rule, more, ""))
    suite.add(url, "failure", told)


def _finding(
    rule: str, message: str, url: str, line: int = 0, column: int = 0
) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        url=url,
        message=message,
        line=line,
        column=column,
    )


def _attribute(text: str) -> str:
    return quoteattr(xml_text(text))


def open_exporter(stream: BinaryIO) -> JUnit:
    """Return a JUnit that writes to this stream."""
    return JUnit(stream)
