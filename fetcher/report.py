"""What came of a run: folds pages as they finish into counts and short lists.

A Report keeps no Page and parses none. It holds what it needs to say afterwards
what came of a million pages in a few megabytes:

- counts by state, status, content type, host and reason;
- the time of every phase in buckets 1 % wide, each with one time that some page
  really took (`Spread`);
- lists of bounded length: pages that fell short, findings, certificates that end
  soon, slowest and largest pages. A list that was cut short says how many it leaves
  out.

Two Reports of two halves of a run `merge` into that of the whole. Clocks, files
and exit codes are the business of others.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .models import Finding, Kind, Severity, State, Timings
from .redact import redacted_parts

if TYPE_CHECKING:
    from .changes import Changes
    from .page import Page
    from .site_report import SiteReport

Name = TypeVar("Name", str, State, Severity, int | None)
Top = TypeVar("Top", "SlowPage", "LargePage")

__all__ = [
    "EndingCertificate",
    "LargePage",
    "Report",
    "Shortfall",
    "SlowPage",
    "Spread",
    "Tally",
    "human_duration",
    "human_size",
]

CERTIFICATE_WARNING = timedelta(days=14)
GROUPS_KEPT = 1_000
HOSTS_KEPT = 5_000
CONTENT_TYPES_KEPT = 200
TOP_PAGES = 10
SHORTFALLS_KEPT = 1_000
SHORTFALLS_KEPT_PER_REASON = 10  # also when the list is full: no reason goes unseen
FINDINGS_KEPT = 1_000
FINDINGS_KEPT_PER_RULE = 10  # also when the list is full
CERTIFICATES_KEPT = 1_000
TIMINGS_GATHERED = 2_000  # folded together: a third of the cost of one by one

URL_MAX_CHARACTERS = 2_083  # what the longest URLs that browsers share have
MESSAGE_MAX_CHARACTERS = 500
NAME_MAX_CHARACTERS = 260  # a host name has at most 253 (RFC 1035, 2.3.4), and a port

# Bounds of the buckets: a microsecond, then each 1 % above the last, to 30 hours.
BUCKET_WIDTH = 1.01
BUCKET_BOUNDS_S = tuple(1e-6 * BUCKET_WIDTH**step for step in range(2_560))


class Shortfall(NamedTuple):
    """A page that did not give what it should.

    `kind` is what shortfalls are counted by: "HTTP 404", "blocked HTTP 429", or the
    kind of failure ("dns"); `reason` is the sentence for this page.
    """

    url: str
    state: State
    status: int | None
    kind: str
    reason: str


class SlowPage(NamedTuple):
    """One of the pages that took longest, with where its time went."""

    total_s: float
    url: str
    timings: Timings


class LargePage(NamedTuple):
    """One of the pages with the largest bodies."""

    body_bytes: int
    url: str
    content_type: str | None


class EndingCertificate(NamedTuple):
    """A certificate that ended, or ends soon, seen from when its page was fetched."""

    host: str
    not_after: datetime
    subject: str
    issuer: str
    seen_at: datetime

    @property
    def left(self) -> timedelta:
        """How long it was still good for when it was seen; negative if it was not."""
        return self.not_after - self.seen_at


class Counts(NamedTuple):
    """What is counted of one host: pages, those that fell short, decoded bytes."""

    pages: int
    fell_short: int
    body_bytes: int


class Spread:
    """How a time is spread: count, greatest and percentiles of any number of samples.

    Samples fall into buckets 1 % wide; of each bucket its count and its greatest
    sample are kept, 2,560 buckets at most. A percentile is the greatest sample of
    the bucket that holds the nearest rank: a time that some page really took, and
    at most 1 % above the exact one (or a microsecond, below a microsecond).
    """

    __slots__ = ("_counts", "_greatest", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}
        self._greatest: dict[int, float] = {}

    def add_all(self, samples_s: Iterable[float]) -> None:
        """Take n samples, in seconds."""
        ordered = sorted(samples_s)
        self.count += len(ordered)
        start = 0
        while start < len(ordered):
            bucket = bisect_left(BUCKET_BOUNDS_S, ordered[start])
            end = len(ordered)
            if bucket < len(BUCKET_BOUNDS_S):
                end = bisect_right(ordered, BUCKET_BOUNDS_S[bucket], start)
            self._put(bucket, end - start, ordered[end - 1])
            start = end

    def merge(self, other: Spread) -> None:
        """Take the samples of another Spread."""
        self.count += other.count
        for bucket, count in other._counts.items():
            self._put(bucket, count, other._greatest[bucket])

    def _put(self, bucket: int, count: int, greatest_s: float) -> None:
        self._counts[bucket] = self._counts.get(bucket, 0) + count
        known_s = self._greatest.get(bucket)
        if known_s is None or greatest_s > known_s:
            self._greatest[bucket] = greatest_s

    @property
    def max_s(self) -> float | None:
        """The greatest sample, exactly; None without samples."""
        return max(self._greatest.values(), default=None)

    def percentile(self, percent: int) -> float | None:
        """Return a sample at this percentile, by nearest rank; None without samples.

        Args:
            percent: a whole number in [0, 100].

        Source:
            Hyndman & Fan, "Sample Quantiles in Statistical Packages" (1996),
            definition 1.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percent lies in [0, 100], got {percent!r}")
        # Whole numbers, because 0.07 * 100 is 7.000000000000001 and its ceiling 8.
        rank = max(-(-percent * self.count // 100), 1)
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank <= 0:
                return self._greatest[bucket]
        return None

    def __repr__(self) -> str:
        if not self.count:
            return "<Spread of nothing>"
        median_s, max_s = self.percentile(50), self.max_s
        return f"<Spread of {self.count:,}: p50 {median_s:.3g} s, max {max_s:.3g} s>"


class Tally:
    """Counts of pages under at most `kept` names; what comes beyond is summed.

    The first names to come are kept, and what is said of a kept name is exact. (To
    keep the greatest instead would mean to guess at the counts of all.)
    """

    __slots__ = ("_kept", "counts", "others")

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self.counts: dict[str, list[int]] = {}
        self.others = [0, 0, 0]

    def at(self, name: str) -> list[int]:
        """Return the pages, shortfalls and bytes counted under a name, to add to."""
        counted = self.counts.get(name)
        if counted is None:
            name = name[:NAME_MAX_CHARACTERS]
            if len(self.counts) >= self._kept and name not in self.counts:
                return self.others
            counted = self.counts.setdefault(name, [0, 0, 0])
        return counted

    def merge(self, other: Tally) -> None:
        """Take the counts of another Tally."""
        for name, counted in other.counts.items():
            _add_to(self.at(name), counted)
        _add_to(self.others, other.others)

    def top(self, limit: int | None = None) -> list[tuple[str, Counts]]:
        """Return the names with most pages first, at most `limit` of them."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1][0], item[0]))
        return [(name, Counts(*counted)) for name, counted in ordered[:limit]]

    def __len__(self) -> int:
        return len(self.counts)


class Report:
    """What came of a run, page by page, in bounded size.

    Attributes:
        total: pages that came, each URL once.
        by_state: pages in each state; all six are there.
        by_status: pages by HTTP status; None stands for no answer.
        by_reason: pages that fell short by reason: "HTTP 404", "dns", ...
        by_rule: findings by rule and severity: {"expect-status": {"error": 3}}.
        unmet_pages: pages on which an error was found, however many.
        by_group: Tally of pages by the Group they belong to, if any does.
        by_host, by_content_type: Tally of pages by host (and port), by media type.
        html_pages, links: pages that are HTML, and the links that stand on them.
        capped: pages of which not everything is listed; see `Facts.capped`.
        body_bytes, wire_bytes: bytes of all bodies, decoded and as they came.
        attempts: requests made for the pages, retries counted.
        not_modified: pages that the server said are as an earlier run has them (304).
        duplicates: URLs of the input that had come before and were not asked again.
        unread: URLs of the input that a stopped run did not come to; None: unknown.
        started_at: when the run began, aware UTC; None until known.
        elapsed_s: how long it took; None until `finish`.
        interrupted: whether it was stopped before its end.
        insecure: whether any certificate was taken.
        site: what came of links; None where none were followed or checked.
        changes: what is otherwise than in an earlier run; None where it was compared
            with none.
    """

    def __init__(
        self, *, started_at: datetime | None = None, insecure: bool = False
    ) -> None:
        self.total = 0
        self.by_state: dict[State, int] = dict.fromkeys(State, 0)
        self.by_status: dict[int | None, int] = {}
        self.by_reason: dict[str, int] = {}
        self.by_rule: dict[str, dict[Severity, int]] = {}
        self.unmet_pages = 0
        self.by_group = Tally(GROUPS_KEPT)
        self.by_host = Tally(HOSTS_KEPT)
        self.by_content_type = Tally(CONTENT_TYPES_KEPT)
        self.html_pages = 0
        self.links = 0
        self.capped = 0
        self.body_bytes = 0
        self.wire_bytes = 0
        self.attempts = 0
        self.not_modified = 0
        self.duplicates = 0
        self.unread: int | None = 0
        self.started_at = started_at
        self.elapsed_s: float | None = None
        self.interrupted = False
        self.insecure = insecure
        self.site: SiteReport | None = None
        self.changes: Changes | None = None
        self._spreads = [Spread() for _ in Timings._fields]
        self._timings: list[Timings] = []
        self._slowest: list[SlowPage] = []
        self._largest: list[LargePage] = []
        self._shortfalls: list[Shortfall] = []
        self._listed: dict[str, int] = {}
        self._findings: list[Finding] = []
        self._findings_listed: dict[str, int] = {}
        self._certificates: dict[str, EndingCertificate] = {}
        self._certificates_unlisted = 0

    # Folding. `add` runs for every page in the parent: no objects for a good page.

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Fold one finished page in, and what was found on it; it is not kept."""
        state, status = page.state, page.status
        size = page.body_bytes
        self.total += 1
        self.by_state[state] += 1
        self.by_status[status] = self.by_status.get(status, 0) + 1
        self.body_bytes += size
        self.wire_bytes += page.wire_bytes
        self.attempts += page.attempt
        self.not_modified += page.not_modified
        fell_short = state is not State.OK and state is not State.REDIRECTED
        host = _host_of(page)
        if host:
            counted = self.by_host.at(host)
            counted[0] += 1
            counted[1] += fell_short
            counted[2] += size
        if page.group:
            counted = self.by_group.at(page.group)
            counted[0] += 1
            counted[1] += fell_short
            counted[2] += size
        if status is not None:
            counted = self.by_content_type.at(page.content_type or "none given")
            counted[0] += 1
            counted[1] += fell_short
            counted[2] += size
        facts = page.facts
        if facts is not None:
            self.html_pages += 1
            self.links += facts.link_count
            self.capped += bool(facts.capped)
        self._add_times(page)
        # Equal ones too: which of those are kept does not hang on who came first.
        if size and (len(self._largest) < TOP_PAGES or size >= self._largest[-1][0]):
            large = LargePage(size, page.url[:URL_MAX_CHARACTERS], page.content_type)
            _keep_greatest(self._largest, large)
        if page.certificate is not None:
            self._add_certificate(page, host)
        if fell_short:
            self._add_shortfall(page, state)
        if findings:
            self._add_findings(findings)

    def _add_times(self, page: Page) -> None:
        timings = page.timings
        self._timings.append(timings)
        if len(self._timings) >= TIMINGS_GATHERED:
            self._fold_times()
        total_s = timings.total_s
        slowest = self._slowest
        if total_s is not None and (
            len(slowest) < TOP_PAGES or total_s > slowest[-1][0]
        ):
            slow = SlowPage(total_s, page.url[:URL_MAX_CHARACTERS], timings)
            _keep_greatest(slowest, slow)

    def _fold_times(self) -> None:
        for spread, column in zip(
            self._spreads, zip(*self._timings, strict=True), strict=False
        ):
            spread.add_all([time_s for time_s in column if time_s is not None])
        self._timings.clear()

    def _add_certificate(self, page: Page, host: str) -> None:
        certificate = page.certificate
        if certificate is None:
            return
        if certificate.not_after - page.fetched_at >= CERTIFICATE_WARNING:
            return
        ending = EndingCertificate(
            host,
            certificate.not_after,
            certificate.subject[:MESSAGE_MAX_CHARACTERS],
            certificate.issuer[:MESSAGE_MAX_CHARACTERS],
            page.fetched_at,
        )
        if not self._list_certificate(ending):
            self._certificates_unlisted += 1

    def _list_certificate(self, ending: EndingCertificate) -> bool:
        """List it once for its host, the soonest to end; False if the list is full."""
        known = self._certificates.get(ending.host)
        if known is None and len(self._certificates) >= CERTIFICATES_KEPT:
            return False
        if known is None or ending.not_after < known.not_after:
            self._certificates[ending.host] = ending
        return True

    def _add_shortfall(self, page: Page, state: State) -> None:
        kind = _kind_of_shortfall(page, state)
        self.by_reason[kind] = self.by_reason.get(kind, 0) + 1
        if self._may_list(kind):
            reason = (page.reason or state.value)[:MESSAGE_MAX_CHARACTERS]
            url = page.url[:URL_MAX_CHARACTERS]
            self._list(Shortfall(url, state, page.status, kind, reason))

    def _may_list(self, kind: str) -> bool:
        return (
            len(self._shortfalls) < SHORTFALLS_KEPT
            or self._listed.get(kind, 0) < SHORTFALLS_KEPT_PER_REASON
        )

    def _list(self, shortfall: Shortfall) -> None:
        self._listed[shortfall.kind] = self._listed.get(shortfall.kind, 0) + 1
        self._shortfalls.append(shortfall)

    def _add_findings(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            counts = self.by_rule.setdefault(finding.rule, {})
            counts[finding.severity] = counts.get(finding.severity, 0) + 1
            self._list_finding(finding)
        self.unmet_pages += any(each.severity is Severity.ERROR for each in findings)

    def _list_finding(self, finding: Finding) -> None:
        listed = self._findings_listed.get(finding.rule, 0)
        is_full = len(self._findings) >= FINDINGS_KEPT
        if not is_full or listed < FINDINGS_KEPT_PER_RULE:
            self._findings_listed[finding.rule] = listed + 1
            self._findings.append(_bounded(finding))

    def count_duplicate(self) -> None:
        """Count a URL of the input that had come before."""
        self.duplicates += 1

    def finish(
        self,
        *,
        elapsed_s: float,
        unread: int | None = 0,
        interrupted: bool = False,
    ) -> None:
        """Note how the run ended.

        Args:
            elapsed_s: how long the run took.
            unread: URLs of the input it did not come to; None where unknown.
            interrupted: whether it was stopped before its end.
        """
        self.elapsed_s = elapsed_s
        self.unread = unread
        self.interrupted = interrupted

    def merge(self, other: Report) -> None:
        """Take the pages of another Report, as if they had been added here."""
        self._merge_span(other)
        self.total += other.total
        _count_all(self.by_state, other.by_state)
        _count_all(self.by_status, other.by_status)
        _count_all(self.by_reason, other.by_reason)
        for rule, counts in other.by_rule.items():
            _count_all(self.by_rule.setdefault(rule, {}), counts)
        self.unmet_pages += other.unmet_pages
        self.by_group.merge(other.by_group)
        self.by_host.merge(other.by_host)
        self.by_content_type.merge(other.by_content_type)
        self.html_pages += other.html_pages
        self.links += other.links
        self.capped += other.capped
        self.body_bytes += other.body_bytes
        self.wire_bytes += other.wire_bytes
        self.attempts += other.attempts
        self.not_modified += other.not_modified
        self.duplicates += other.duplicates
        if self.unread is None or other.unread is None:
            self.unread = None
        else:
            self.unread += other.unread
        self.interrupted = self.interrupted or other.interrupted
        self.insecure = self.insecure or other.insecure
        if self.site is None:
            self.site = other.site
        elif other.site is not None:
            self.site.merge(other.site)
        if self.changes is None:
            self.changes = other.changes
        self._merge_lists(other)

    def _merge_lists(self, other: Report) -> None:
        for mine, theirs in zip(self._spreads, other._all_spreads(), strict=True):
            mine.merge(theirs)
        for slow in other._slowest:
            _keep_greatest(self._slowest, slow)
        for large in other._largest:
            _keep_greatest(self._largest, large)
        for shortfall in other._shortfalls:
            if self._may_list(shortfall.kind):
                self._list(shortfall)
        for finding in other._findings:
            self._list_finding(finding)
        unlisted = [
            ending
            for ending in other._certificates.values()
            if not self._list_certificate(ending)
        ]
        self._certificates_unlisted += other._certificates_unlisted + len(unlisted)

    def _merge_span(self, other: Report) -> None:
        """From the earlier start to the later end, where all four are known."""
        if self.started_at and other.started_at and self.elapsed_s and other.elapsed_s:
            start = min(self.started_at, other.started_at)
            end = max(
                self.started_at + timedelta(seconds=self.elapsed_s),
                other.started_at + timedelta(seconds=other.elapsed_s),
            )
            self.started_at, self.elapsed_s = start, (end - start).total_seconds()
            return
        self.started_at = self.started_at or other.started_at
        self.elapsed_s = self.elapsed_s or other.elapsed_s

    # Asking.

    @property
    def ok(self) -> bool:
        """Whether every page gave what it should, and every link leads somewhere.

        A warning changes nothing, an error does.
        """
        if self.fell_short or self.count_findings(Severity.ERROR):
            return False
        return self.site is None or self.site.ok

    @property
    def fell_short(self) -> int:
        """How many pages are neither ok nor redirected."""
        good = self.by_state[State.OK] + self.by_state[State.REDIRECTED]
        return self.total - good

    @property
    def retries(self) -> int:
        """How many requests were repeats."""
        return self.attempts - self.total

    @property
    def pages_per_s(self) -> float | None:
        """Pages by seconds elapsed; None before `finish`."""
        return self.total / self.elapsed_s if self.elapsed_s else None

    @property
    def shortfalls(self) -> list[Shortfall]:
        """Pages that fell short: all up to 1,000, then some of each new reason."""
        return list(self._shortfalls)

    @property
    def findings(self) -> list[Finding]:
        """What was found on pages: all up to 1,000, then some of each new rule."""
        return list(self._findings)

    def count_findings(self, severity: Severity) -> int:
        """Return how many findings of this weight there are, listed or not."""
        return sum(counts.get(severity, 0) for counts in self.by_rule.values())

    @property
    def slowest(self) -> list[SlowPage]:
        """The ten pages that took longest, slowest first."""
        return list(self._slowest)

    @property
    def largest(self) -> list[LargePage]:
        """The ten pages with the largest bodies, largest first."""
        return list(self._largest)

    @property
    def ending_certificates(self) -> list[EndingCertificate]:
        """Certificates that ended or end within 14 days, a host once, soonest first."""
        return sorted(self._certificates.values(), key=lambda c: (c.not_after, c.host))

    @property
    def certificates_unlisted(self) -> int:
        """Pages with such a certificate whose host no longer fitted in the list."""
        return self._certificates_unlisted

    def times(self) -> dict[str, Spread]:
        """Return how each phase that took place is spread, by its name in Timings."""
        named = zip(Timings._fields, self._all_spreads(), strict=True)
        return {phase: spread for phase, spread in named if spread.count}

    def _all_spreads(self) -> list[Spread]:
        self._fold_times()
        return self._spreads

    def redacted(self) -> Report:
        """Return this report as it is written: with the secrets in its texts hidden."""
        shown = copy(self)
        for name, value in vars(self).items():
            setattr(shown, name, redacted_parts(value))
        return shown

    def to_dict(self) -> dict[str, object]:
        """Return everything in plain values that JSON knows."""
        return {
            "total": self.total,
            "ok": self.ok,
            "states": {state.value: n for state, n in self.by_state.items()},
            "statuses": _named_statuses(self.by_status),
            "groups": _tally_to_dict(self.by_group),
            "hosts": _tally_to_dict(self.by_host),
            "content_types": _tally_to_dict(self.by_content_type),
            "html_pages": self.html_pages,
            "links": self.links,
            "capped": self.capped,
            "body_bytes": self.body_bytes,
            "wire_bytes": self.wire_bytes,
            "attempts": self.attempts,
            "retries": self.retries,
            "not_modified": self.not_modified,
            "duplicates": self.duplicates,
            "unread": self.unread,
            "started_at": self.started_at and _iso(self.started_at),
            "elapsed_s": self.elapsed_s,
            "pages_per_s": self.pages_per_s,
            "interrupted": self.interrupted,
            "insecure": self.insecure,
            "timings": {name: _spread_to_dict(s) for name, s in self.times().items()},
            "slowest": [_slow_to_dict(slow) for slow in self.slowest],
            "largest": [large._asdict() for large in self.largest],
            "fell_short": {
                "count": self.fell_short,
                "reasons": _by_count(self.by_reason),
                "unlisted": self.fell_short - len(self._shortfalls),
                "pages": [_shortfall_to_dict(s) for s in self._shortfalls],
            },
            "findings": self._findings_to_dict(),
            "site": self.site and self.site.to_dict(),
            "changes": None if self.changes is None else self.changes.to_dict(),
            "ending_certificates": {
                "within_days": CERTIFICATE_WARNING.days,
                "unlisted_pages": self._certificates_unlisted,
                "certificates": [
                    _certificate_to_dict(ending) for ending in self.ending_certificates
                ],
            },
        }

    def _findings_to_dict(self) -> dict[str, object]:
        errors = self.count_findings(Severity.ERROR)
        warnings = self.count_findings(Severity.WARN)
        return {
            "errors": errors,
            "warnings": warnings,
            "unmet_pages": self.unmet_pages,
            "rules": {
                rule: {severity.value: n for severity, n in counts.items()}
                for rule, counts in sorted(self.by_rule.items())
            },
            "unlisted": errors + warnings - len(self._findings),
            "list": [_finding_to_dict(finding) for finding in self._findings],
        }

    def __str__(self) -> str:
        """Return the verdict in one line."""
        parts = [
            f"{count:,} {state}" for state, count in self.by_state.items() if count
        ]
        if len(parts) == 1:
            state = parts[0].partition(" ")[2]
            parts = [state if self.total == 1 else f"all {state}"]
        noun = "page" if self.total == 1 else "pages"
        verdict = f"{self.total:,} {noun}"
        if parts:
            verdict += ": " + ", ".join(parts)
        return verdict + "".join(self._pace())

    def _pace(self) -> Iterable[str]:
        if self.elapsed_s is not None:
            yield f" in {human_duration(self.elapsed_s)}"
        if self.pages_per_s is not None and self.total > 1:
            yield f", {human_rate(self.pages_per_s)} pages/s"
        if self.body_bytes:
            yield f", {human_size(self.body_bytes)}"

    def __repr__(self) -> str:
        return f"<Report {self}{' (interrupted)' if self.interrupted else ''}>"


def human_size(size_bytes: int) -> str:
    """Return a size as people read it: "0 B", "27.1 kB", "135 MB"; 1 kB is 1,000 B."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        # 999.5 would be written as 1000.
        if size < 999.5 or unit == "TB":
            break
        size /= 1_000
    return f"{size_bytes} B" if unit == "B" else f"{_three_digits(size)} {unit}"


def human_duration(seconds: float) -> str:
    """Return a time as people read it: "0.85 ms", "12.3 ms", "3.21 s", "4 min 05 s"."""
    if seconds < 0.9995:
        return f"{_three_digits(seconds * 1e3)} ms"
    if seconds < 59.95:
        return f"{_three_digits(seconds)} s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600:,} h {whole % 3_600 // 60:02} min"


def human_rate(rate: float) -> str:
    """Return a number per second: "0.42", "15.6", "1,560"."""
    return f"{rate:,.0f}" if rate >= 99.95 else _three_digits(rate)


def _three_digits(number: float) -> str:
    if number >= 99.95:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def _host_of(page: Page) -> str:
    """Return the host (and port) that answered, or should have; "" if there is none."""
    if page.failure is not None and page.failure.kind is Kind.BAD_URL:
        return ""
    authority = page.final_url.partition("://")[2].partition("/")[0]
    if "@" in authority or "?" in authority or "#" in authority:
        authority = authority.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return authority.lower()


def _kind_of_shortfall(page: Page, state: State) -> str:
    if page.failure is not None:
        return page.failure.kind.value
    if page.status is None:
        return "no answer"
    if state is State.BLOCKED:
        return f"blocked HTTP {page.status}"
    return f"HTTP {page.status}"


def _keep_greatest(ranked: list[Top], entry: Top) -> None:
    """Put it where it belongs in a list that holds the greatest, greatest first."""
    ranked.append(entry)
    ranked.sort(key=lambda kept: (-kept[0], kept[1]))
    del ranked[TOP_PAGES:]


def _add_to(mine: list[int], theirs: Iterable[int]) -> None:
    mine[:] = [a + b for a, b in zip(mine, theirs, strict=True)]


def _count_all(mine: dict[Name, int], theirs: Mapping[Name, int]) -> None:
    for name, count in theirs.items():
        mine[name] = mine.get(name, 0) + count


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _named_statuses(by_status: Mapping[int | None, int]) -> dict[str, int]:
    numbers = sorted(status for status in by_status if status is not None)
    named = {str(status): by_status[status] for status in numbers}
    if None in by_status:
        named["none"] = by_status[None]
    return named


def _tally_to_dict(tally: Tally) -> dict[str, object]:
    return {
        "kept": {name: counts._asdict() for name, counts in tally.top()},
        "others": Counts(*tally.others)._asdict(),
    }


def _spread_to_dict(spread: Spread) -> dict[str, object]:
    percentiles = {f"p{p}_s": spread.percentile(p) for p in (50, 95, 99)}
    return {"count": spread.count, **percentiles, "max_s": spread.max_s}


def _slow_to_dict(slow: SlowPage) -> dict[str, object]:
    return {
        "total_s": slow.total_s,
        "url": slow.url,
        "timings": slow.timings._asdict(),
    }


def _shortfall_to_dict(shortfall: Shortfall) -> dict[str, object]:
    return {**shortfall._asdict(), "state": shortfall.state.value}


def _bounded(finding: Finding) -> Finding:
    return replace(
        finding,
        url=finding.url[:URL_MAX_CHARACTERS],
        message=finding.message[:MESSAGE_MAX_CHARACTERS],
    )


def _finding_to_dict(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "url": finding.url,
        "message": finding.message,
        "line": finding.line or None,
        "column": finding.column or None,
    }


def _certificate_to_dict(ending: EndingCertificate) -> dict[str, object]:
    return {
        "host": ending.host,
        "not_after": _iso(ending.not_after),
        "days_left": ending.left // timedelta(days=1),
        "subject": ending.subject,
        "issuer": ending.issuer,
    }
