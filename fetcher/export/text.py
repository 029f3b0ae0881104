"""The report for a person: on a terminal, in a pipe, or in a .txt file.

The verdict comes first, then what fell short and why, then what the numbers say. A
section that would say nothing (one host, one status) is left out, and a list that
was cut says by how much.

On a terminal a long URL gives way in its middle, a reason never does. Anywhere else
URLs are whole, for grep and for clicking. All text of strangers passes `printable`,
and none is ever read as rich's markup. What the console's encoding lacks is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ..models import Finding, Kind, Severity, State
from ..report import (
    Counts,
    EndingCertificate,
    Report,
    Shortfall,
    SlowPage,
    Spread,
    Tally,
    human_duration,
    human_size,
)
from .layout import Cell, Layout
from .text_site import SiteScreen, links_verdict

if TYPE_CHECKING:
    from ..page import Page

__all__ = ["TextReport", "for_terminal", "open_exporter"]

FILE_WIDTH = 100
SHORTFALLS_SHOWN = 50  # two screens
SHORTFALLS_SHOWN_PER_REASON = 5  # at least, however many reasons there are
FINDINGS_SHOWN = 50
FINDINGS_SHOWN_PER_RULE = 5  # at least, however many rules there are
HOSTS_SHOWN = 10
CONTENT_TYPES_SHOWN = 8
PAGES_SHOWN = 5  # of the slowest and of the largest
CERTIFICATES_SHOWN = 10

STATE_STYLES = {
    State.OK: "green",
    State.REDIRECTED: "cyan",
    State.BROKEN: "red",
    State.BLOCKED: "yellow",
    State.FAILED: "red",
    State.SKIPPED: "yellow",
}
# What a person can mend comes first.
STATE_ORDER = (State.BROKEN, State.FAILED, State.BLOCKED, State.SKIPPED)

KINDS_IN_WORDS = {
    "dns": "the host name does not resolve",
    "refused": "connection refused",
    "unreachable": "no way to the host",
    "connect_timeout": "no connection in time",
    "proxy": "the proxy failed",
    "tls_expired": "certificate expired",
    "tls_hostname": "certificate of another host",
    "tls_untrusted": "certificate not trusted",
    "tls_other": "no secure connection",
    "timeout": "not complete in time",
    "reset": "connection cut",
    "protocol": "not proper HTTP",
    "too_many_redirects": "redirects without end",
    "too_large": "larger than the limit",
    "bad_encoding": "content that cannot be decoded",
    "forbidden_address": "an address that may not be contacted",
    "bad_url": "not a URL that can be fetched",
    "worker_lost": "the worker process was lost",
    "analysis_crashed": "the analysis crashed",
    "cancelled": "stopped before it was done",
}

PHASES_IN_WORDS = {
    "queue_s": "queue",
    "dns_s": "dns",
    "connect_s": "connect",
    "tls_s": "tls",
    "ttfb_s": "first byte",
    "transfer_s": "transfer",
    "total_s": "total",
}


class TextReport:
    """Prints the report to a console when the run is finished."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take no notice: the report knows."""

    def flush(self) -> None:
        """Do nothing: all is printed at the end."""

    def finish(self, report: Report) -> None:
        """Print the report."""
        # In one piece and by ourselves: rich answers a broken pipe with SystemExit,
        # and the other outputs of the run would not be finished.
        with self._console.capture() as captured:
            Screen(self._console).show(report)
        self._console.file.write(captured.get())
        self._console.file.flush()


class TextFile(TextReport):
    """Writes the report to a binary stream, without colour and with whole URLs."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = StringIO()
        super().__init__(
            Console(
                file=self._written,
                width=FILE_WIDTH,
                color_system=None,
                force_terminal=False,
            )
        )

    def finish(self, report: Report) -> None:
        """Write the report."""
        super().finish(report)
        self._stream.write(self._written.getvalue().encode())
        self._stream.flush()


def open_exporter(stream: BinaryIO) -> TextFile:
    """Return a TextFile that writes to this stream."""
    return TextFile(stream)


def for_terminal(stream: TextIO, *, color: bool | None = None) -> TextReport:
    """Return a TextReport for what may be a terminal.

    Args:
        stream: stdout; its own encoding is kept to.
        color: None lets the terminal, NO_COLOR and FORCE_COLOR decide.
    """
    if color is None:
        return TextReport(Console(file=stream))
    system = "auto" if color else None
    forced = True if color else None
    return TextReport(
        Console(file=stream, color_system=system, force_terminal=forced)  # type: ignore[arg-type]  # "auto" is one of its literals
    )


class Screen(Layout):
    """Lays the parts of a report out for one console."""

    def show(self, report: Report) -> None:
        """Print all sections, in the order in which they stand below."""
        self.show_verdict(report)
        if report.changes is not None:
            from .text_changes import ChangesScreen

            ChangesScreen(self._console).show(report.changes)
        self.show_shortfalls(report)
        self.show_findings(report)
        if report.site is not None:
            SiteScreen(self._console).show(report.site)
        self.show_certificates(report)
        self.show_counts(report)
        self.show_times(report)
        self.show_tops(report)
        self.show_verdict_again(report)

    def show_verdict(self, report: Report) -> None:
        """Print one line that says how it went, and one of what else to know."""
        verdict = Text(str(report), style="bold")
        for state, count in report.by_state.items():
            words = [f"{count:,} {state}", f": {state}", f"all {state}"]
            if count:
                verdict.highlight_words(words, STATE_STYLES[state])
        self._print(verdict)
        if report.interrupted:
            self._print(Text(_interruption(report), style="bold yellow"))
        elif report.unread is None or report.unread:
            self._print(Text(_unread(report.unread), style="yellow"))
        if report.insecure:
            warning = "Certificates were not verified (--insecure)."
            self._print(Text(warning, style="yellow"))
        remarks = list(_remarks(report))
        if remarks:
            self._print(Text(", ".join(remarks), style="dim"))

    def show_verdict_again(self, report: Report) -> None:
        """Say at the end, where a reader of a long report is, that all is not well."""
        if report.ok or report.interrupted:
            return
        parts = []
        if report.fell_short and (report.total > 1 or report.site is not None):
            parts.append(f"{report.fell_short:,} of {_pages(report.total)} fell short")
        if unmet := report.count_findings(Severity.ERROR):
            parts.append(_unmet(unmet))
        if report.site is not None and not report.site.ok:
            parts.append(links_verdict(report.site))
        if parts:
            self._print(Text())
            self._print(Text(", ".join(parts), style="bold red"))

    def show_shortfalls(self, report: Report) -> None:
        """Print what fell short by reason, with the pages as far as they are kept."""
        groups = _by_reason(report)
        if not groups:
            return
        heading = f"{_pages(report.fell_short)} fell short"
        self._heading(heading)
        shown = max(SHORTFALLS_SHOWN // len(groups), SHORTFALLS_SHOWN_PER_REASON)
        for kind, shortfalls in groups:
            self._show_reason(kind, report.by_reason[kind], shortfalls, shown)

    def _show_reason(
        self, kind: str, count: int, shortfalls: list[Shortfall], shown: int
    ) -> None:
        style = STATE_STYLES[shortfalls[0].state] if shortfalls else ""
        words = (_reason_in_words(kind), style)
        self._folded(Text.assemble(words, f", {_pages(count)}"), indent=2)
        if kind == Kind.CANCELLED:
            return  # which they are says nothing of the pages; the files have them
        # One more is shown in the place of a line that says that there is one more.
        shown = count if count <= shown + 1 else shown
        ordered = sorted(shortfalls, key=lambda s: s.url)[:shown]
        rows = [(self._safe(s.url), self._safe(_detail(s))) for s in ordered]
        details = {detail for _, detail in rows}
        if len(rows) > 1 and len(details) == 1:
            self._folded(Text(details.pop(), style="dim"), indent=4)
            rows = [(url, "") for url, _ in rows]
        self._show_details(rows)
        if count > len(rows):
            self._print(Text(f"    and {count - len(rows):,} more", style="dim"))

    def _show_details(self, rows: list[tuple[str, str]]) -> None:
        """Print URL and reason on one line where all of them fit, else on two."""
        longest_url = max((cell_len(url) for url, _ in rows), default=0)
        longest = max((cell_len(detail) for _, detail in rows), default=0)
        if self._width is None or 4 + longest_url + 2 + longest <= self._width:
            cells = [(Cell(url), Cell(detail, "dim")) for url, detail in rows]
            self._columns(cells, gives=0, indent=4)
            return
        for url, detail in rows:
            self._print_url(url)
            self._folded(Text(detail, style="dim"), indent=6)

    def show_findings(self, report: Report) -> None:
        """Print what was expected and not met by rule, errors before warnings."""
        errors = report.count_findings(Severity.ERROR)
        warnings = report.count_findings(Severity.WARN)
        if not errors and not warnings:
            return
        words = [_unmet(errors)] if errors else []
        if warnings:
            words.append(f"{warnings:,} {'warning' if warnings == 1 else 'warnings'}")
        self._heading(", ".join(words))
        groups = _by_severity_and_rule(report)
        shown = max(FINDINGS_SHOWN // len(groups), FINDINGS_SHOWN_PER_RULE)
        for (severity, rule), count, findings in groups:
            style = "red" if severity is Severity.ERROR else "yellow"
            weight = "" if severity is Severity.ERROR else ", warning"
            heading = Text.assemble((self._safe(rule), style), f"{weight}, {count:,}")
            self._folded(heading, indent=2)
            self._show_findings(findings, count, shown)

    def _show_findings(self, findings: list[Finding], count: int, shown: int) -> None:
        shown = count if count <= shown + 1 else shown
        ordered = sorted(findings, key=lambda each: (each.url, each.message))[:shown]
        rows = [(self._safe(each.url), self._safe(each.message)) for each in ordered]
        self._show_details(rows)
        if count > len(rows):
            self._print(Text(f"    and {count - len(rows):,} more", style="dim"))

    def show_certificates(self, report: Report) -> None:
        """Print the hosts whose certificates ended or end soon."""
        endings = report.ending_certificates
        if not endings:
            return
        self._heading("Certificates that ended or end within 14 days")
        shown = endings[:CERTIFICATES_SHOWN]
        ends = [_end_in_words(ending, short=self._narrow) for ending in shown]
        hosts = [Cell(self._safe(ending.host)) for ending in shown]
        self._columns(list(zip(hosts, ends, strict=True)), gives=0)
        if len(endings) > len(shown):
            more = f"    and {len(endings) - len(shown):,} more hosts"
            self._print(Text(more, style="dim"))
        if report.certificates_unlisted:
            pages = _pages(report.certificates_unlisted)
            self._print(Text(f"    and {pages} on hosts not listed", style="dim"))

    def show_counts(self, report: Report) -> None:
        """Print counts by status, content type and host, where there are several."""
        statuses = sorted(
            report.by_status.items(), key=lambda item: (item[0] is None, item[0] or 0)
        )
        times = "\N{MULTIPLICATION SIGN}" if self._unicode else "x"
        named = [
            f"{count:,} {times} {status}" if status else f"{count:,} without answer"
            for status, count in statuses
        ]
        types = [
            f"{counts.pages:,} {times} {self._safe(name)}"
            for name, counts in report.by_content_type.top(CONTENT_TYPES_SHOWN)
        ]
        if len(report.by_content_type) > CONTENT_TYPES_SHOWN:
            types.append("and others")
        if len(named) > 1:
            self._inline("Answers", named)
        if len(types) > 1:
            self._inline("Content", types)
        if len(report.by_group):
            self._show_tally("Groups", "groups", report.by_group)
        hosts, top = len(report.by_host), report.by_host.top(1)
        if hosts > 1 and top[0][1].pages == 1:
            self._inline("Hosts", [f"{hosts:,}, a page each"])
        elif hosts > 1:
            self._show_tally("Hosts", "hosts", report.by_host)

    def _show_tally(self, heading: str, names: str, tally: Tally) -> None:
        top = tally.top(HOSTS_SHOWN)
        self._heading(heading)
        self._columns([self._host(name, counts) for name, counts in top], gives=0)
        others = len(tally) - len(top)
        if others:
            pages = sum(counts.pages for _, counts in tally.top()[len(top) :])
            self._print(
                Text(f"    and {others:,} other {names}: {_pages(pages)}", style="dim")
            )
        beyond = tally.others[0]
        if beyond:
            kept = f"{len(tally):,}"
            words = f"    and {_pages(beyond)} of {names} beyond the first {kept}"
            self._print(Text(words, style="dim"))

    def _host(self, host: str, counts: Counts) -> tuple[Cell, ...]:
        pages, fell_short = f"{counts.pages:,}", f"{counts.fell_short:,}"
        short = Cell(f"{fell_short} fell short" if counts.fell_short else "", "red")
        if self._narrow:
            return Cell(self._safe(host)), Cell(pages, right=True), short
        return (
            Cell(self._safe(host)),
            Cell(_pages(counts.pages), right=True),
            Cell(human_size(counts.body_bytes), right=True),
            short,
        )

    def show_times(self, report: Report) -> None:
        """Print how long each phase took."""
        times = report.times()
        if not times:
            return
        self._heading("Times")
        once = all(spread.count == 1 for spread in times.values())
        rows = [] if once else [_heads(("", "p50", "p95", "p99", "max"))]
        for phase, spread in times.items():
            style = "bold" if phase == "total_s" else ""
            times_s = (spread.max_s,) if once else _percentiles(spread)
            cells = [
                Cell(self._duration(time_s or 0.0), style, right=True)
                for time_s in times_s
            ]
            rows.append((Cell(PHASES_IN_WORDS[phase], style), *cells))
        self._columns(rows, gives=0)

    def _duration(self, seconds: float) -> str:
        words = human_duration(seconds)
        return words.replace(" ", "") if self._narrow else words

    def show_tops(self, report: Report) -> None:
        """Print the slowest and the largest pages, unless there is only one."""
        if report.total < 2:
            return
        slowest, largest = report.slowest[:PAGES_SHOWN], report.largest[:PAGES_SHOWN]
        if slowest:
            self._heading("Slowest")
            rows = [(*_slowness(s), Cell(self._safe(s.url))) for s in slowest]
            if self._narrow:
                rows = [(total, Cell(""), url) for total, _, url in rows]
            self._columns(rows, gives=2)
        if largest:
            self._heading("Largest")
            sizes = [Cell(human_size(each.body_bytes), right=True) for each in largest]
            urls = [Cell(self._safe(each.url)) for each in largest]
            self._columns(list(zip(sizes, urls, strict=True)), gives=1)


def _pages_word(count: int) -> str:
    return "page" if count == 1 else "pages"


def _pages(count: int) -> str:
    return f"{count:,} {_pages_word(count)}"


def _unmet(count: int) -> str:
    return f"{count:,} {'expectation' if count == 1 else 'expectations'} not met"


def _by_severity_and_rule(
    report: Report,
) -> list[tuple[tuple[Severity, str], int, list[Finding]]]:
    """Return the findings of each weight and rule, with their count, worst first."""
    listed: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in report.findings:
        listed.setdefault((finding.severity, finding.rule), []).append(finding)
    groups = [
        ((severity, rule), count, listed.get((severity, rule), []))
        for rule, counts in report.by_rule.items()
        for severity, count in counts.items()
    ]
    return sorted(groups, key=lambda group: (group[0][0], -group[1], group[0][1]))


def _interruption(report: Report) -> str:
    if report.unread == 0:
        return "Interrupted."
    return f"Interrupted. {_unread(report.unread)}"


def _unread(unread: int | None) -> str:
    if unread is None:
        return "The input was not read to its end."
    return f"{unread:,} {'URL was' if unread == 1 else 'URLs were'} not read."


def _remarks(report: Report) -> Iterator[str]:
    if report.links:
        yield f"{report.links:,} links on {report.html_pages:,} HTML pages"
    if report.capped:
        pages = "page has" if report.capped == 1 else "pages have"
        yield f"{report.capped:,} {pages} more than is listed"
    if report.wire_bytes and report.wire_bytes < report.body_bytes * 0.99:
        yield f"{human_size(report.wire_bytes)} over the wire"
    if report.duplicates == 1:
        yield "1 duplicate fetched once"
    elif report.duplicates:
        yield f"{report.duplicates:,} duplicates fetched once"
    if report.not_modified:
        yield f"{report.not_modified:,} not modified"
    if report.retries:
        yield f"{report.retries:,} {'retry' if report.retries == 1 else 'retries'}"


def _by_reason(report: Report) -> list[tuple[str, list[Shortfall]]]:
    """Return the reasons, those that can be mended and weigh most first."""
    groups: dict[str, list[Shortfall]] = {kind: [] for kind in report.by_reason}
    for shortfall in report.shortfalls:
        groups[shortfall.kind].append(shortfall)

    def weight(group: tuple[str, list[Shortfall]]) -> tuple[int, int, str]:
        kind, listed = group
        rank = STATE_ORDER.index(listed[0].state) if listed else len(STATE_ORDER)
        return rank, -report.by_reason[kind], kind

    return sorted(groups.items(), key=weight)


def _reason_in_words(kind: str) -> str:
    if kind in KINDS_IN_WORDS:
        return f"{kind}: {KINDS_IN_WORDS[kind]}"
    before, _, status = kind.rpartition(" ")
    if before.endswith("HTTP") and status.isdecimal():
        try:
            return f"{kind} {HTTPStatus(int(status)).phrase}"
        except ValueError:
            return kind
    return kind


def _detail(shortfall: Shortfall) -> str:
    """Return what the reason says beyond the heading that it stands under."""
    _, status_known, sign = shortfall.reason.partition(f"HTTP {shortfall.status}")
    if shortfall.kind.endswith(f"HTTP {shortfall.status}") and status_known:
        return sign.removeprefix(", ")
    return shortfall.reason.removeprefix(f"{shortfall.kind}: ")


def _end_in_words(ending: EndingCertificate, *, short: bool) -> Cell:
    days = ending.left / timedelta(days=1)
    date = f"{ending.not_after:%Y-%m-%d}"
    if days < 0:
        return Cell(f"ended {date}", "red")
    left = f"{days * 24:.0f} hours" if days < 2 else f"{days:.0f} days"
    style = "red" if days < 2 else "yellow"
    return Cell(f"in {left}" if short else f"ends in {left}, on {date}", style)


def _heads(names: Iterable[str]) -> tuple[Cell, ...]:
    return tuple(Cell(name, "dim", right=True) for name in names)


def _percentiles(spread: Spread) -> tuple[float | None, ...]:
    return (*(spread.percentile(percent) for percent in (50, 95, 99)), spread.max_s)


def _slowness(slow: SlowPage) -> tuple[Cell, Cell]:
    """Return how long it took, and the phase that took most of it."""
    phases = slow.timings._asdict()
    del phases["queue_s"], phases["total_s"]
    known = {name: time_s for name, time_s in phases.items() if time_s is not None}
    longest = max(known, key=lambda name: known[name], default="")
    total = Cell(human_duration(slow.total_s), right=True)
    if not longest or known[longest] < slow.total_s / 2:
        return total, Cell("")
    most = f"{PHASES_IN_WORDS[longest]} {human_duration(known[longest])}"
    return total, Cell(most, "dim")
