"""Runs with something wrong in them, for tests of formats that machines read."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

from fetcher import export
from fetcher.graph import Place
from fetcher.models import Certificate, Finding, Kind, Severity, State
from fetcher.page import Page
from fetcher.report import Report
from fetcher.site_report import BadTarget, SiteReport
from fetcher.testing import FETCHED_AT, make_failed_page, make_page

A = "https://a.example/"
Found = tuple[Page, tuple[Finding, ...]]


def finding(url: str = A, severity: Severity = Severity.ERROR, **parts) -> Finding:
    defaults = {
        "rule": "expect-text",
        "message": "expected the text 'Open', got none in 12 characters",
        "expected": "the text 'Open'",
        "got": "none in 12 characters",
    }
    return Finding(url=url, severity=severity, **{**defaults, **parts})


def certificate(*, verified: bool = True, **parts) -> Certificate:
    defaults = {
        "subject": "CN=a.example",
        "issuer": "CN=ca",
        "names": ("a.example", "b.example"),
        "not_before": FETCHED_AT,
        "not_after": FETCHED_AT + timedelta(days=60),
    }
    return Certificate(verified=verified, **{**defaults, **parts})


def one_of_each() -> list[Found]:
    """Pages: well, warned of, unmet, broken, failed, blocked, skipped."""
    warned, unmet = f"{A}warned", f"{A}unmet"
    return [
        (make_page(A), ()),
        (make_page(warned), (finding(warned, Severity.WARN, rule="expect-time"),)),
        (make_page(unmet), (finding(unmet, line=3, column=7),)),
        (make_page(f"{A}gone", 404), ()),
        (make_failed_page(f"{A}slow", Kind.TIMEOUT), ()),
        (make_page(f"{A}busy", 429), ()),
        (make_page(f"{A}secret", None, "", skipped="robots.txt forbids it"), ()),
    ]


def bad_target(path: str, places: int = 1, count: int | None = None, **parts):
    defaults = {"state": State.BROKEN, "reason": "HTTP 404", "status": 404}
    target = BadTarget(url=f"{A}{path}", **{**defaults, **parts})
    for number in range(places):
        target.add_place(Place(A, 10 + number, 5, "here", None, "a", "href"))
    target.place_count = places if count is None else count
    return target


def bad_site(redirects: str = "ok") -> SiteReport:
    """Two broken targets of three, a fragment, one that moved, one that refuses."""
    moved = bad_target("old", state=State.REDIRECTED, final_url=f"{A}new")
    site = SiteReport(
        broken=[bad_target("lost"), bad_target("gone", places=2, count=5)],
        fragments=[bad_target("page", fragment="below", state=State.OK)],
        moved=[moved],
        blocked=[bad_target("busy", state=State.BLOCKED, reason="HTTP 429")],
        redirects=redirects,
    )
    site.bad_counts = {"broken": 3, "fragments": 1, "moved": 1, "blocked": 1}
    return site


def report_of(pages: list[Found], site: SiteReport | None = None) -> Report:
    report = Report(started_at=FETCHED_AT)
    for page, findings in pages:
        report.add(page, findings)
    report.site = site
    report.finish(elapsed_s=2.5)
    return report


def written(
    name: str, pages: list[Found], site: SiteReport | None = None, **changes
) -> str:
    """Return what a format writes for a run."""
    report = report_of(pages, site)
    for attribute, value in changes.items():
        setattr(report, attribute, value)
    stream = BytesIO()
    exporter = export.for_name(name).open(stream)
    for page, findings in pages:
        exporter.add(page, findings)
        exporter.flush()
    exporter.finish(report)
    return stream.getvalue().decode()
