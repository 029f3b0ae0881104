"""A textfile for Prometheus' node_exporter, with the names of blackbox_exporter.

Dashboards and alerts that were made for that one work here: `instance` is the URL that
was asked for. What the run does not know of an answer has the value that
blackbox_exporter gives it, 0; what it cannot know is left out.

Sources:
    github.com/prometheus/blackbox_exporter, prober/http.go and prober/tls.go;
    github.com/prometheus/node_exporter, "Textfile Collector".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ..models import Certificate, Finding, Severity, Timings
from .escape import printable

if TYPE_CHECKING:
    from prometheus_client import Metric

    from ..page import Page
    from ..report import Report

__all__ = ["PAGES_MAX", "Prometheus", "open_exporter"]

# Each page is 17 series, and a series costs a Prometheus server a few kilobytes.
PAGES_MAX = 10_000
LABEL_MAX_CHARS = 2_083

# blackbox_exporter's phases, and the times of ours that they are.
PHASES = {
    "resolve": "dns_s",
    "connect": "connect_s",
    "tls": "tls_s",
    "processing": "ttfb_s",
    "transfer": "transfer_s",
}


class Probe(NamedTuple):
    """What is written of a page, in a tenth of the memory of a Page."""

    instance: str
    is_well: bool
    timings: Timings
    status: int
    redirects: int
    version: float
    content_length: int
    body_bytes: int
    certificate: Certificate | None


Values = Callable[[Probe], Iterable[tuple[tuple[str, ...], float]]]


class Prometheus:
    """Writes a metric after the other, as the format wants, when all pages are known.

    The first 10,000 pages are listed: `fetcher_pages_unlisted` says how many are not.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._probes: dict[str, Probe] = {}
        self._unlisted = 0

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Take what is measured of a page."""
        instance = _label(page.url)
        # Two series of one name would make the whole file useless.
        if instance in self._probes or len(self._probes) >= PAGES_MAX:
            self._unlisted += 1
            return
        is_unmet = any(each.severity is Severity.ERROR for each in findings)
        self._probes[instance] = Probe(
            instance=instance,
            is_well=page.ok and not is_unmet,
            timings=page.timings,
            status=page.status or 0,
            redirects=len(page.hops),
            version=_number(page.http_version),
            content_length=_content_length(page),
            body_bytes=page.body_bytes,
            certificate=page.certificate,
        )

    def flush(self) -> None:
        """Wait: a metric is written when all its pages are known."""

    def finish(self, report: Report) -> None:
        """Write all metrics."""
        from prometheus_client import generate_latest

        for metric in self._metrics(report):
            self._stream.write(generate_latest(_Registry(metric)))
        self._stream.flush()

    def _metrics(self, report: Report) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for name, (text, labels, values) in METRICS.items():
            metric = GaugeMetricFamily(name, text, labels=("instance", *labels))
            for probe in self._probes.values():
                for extra, value in values(probe):
                    metric.add_metric((probe.instance, *extra), value)
            if metric.samples:
                yield metric
        ended_s = _ended(report).timestamp()
        yield GaugeMetricFamily(
            "fetcher_last_run_timestamp_seconds", "When the last run ended", ended_s
        )
        yield GaugeMetricFamily(
            "fetcher_pages_unlisted",
            "Pages of the last run that are not in this file",
            self._unlisted,
        )


class _Registry:
    """One metric, as prometheus_client collects it."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _phases(probe: Probe) -> Iterator[tuple[tuple[str, ...], float]]:
    for phase, field in PHASES.items():
        yield (phase,), getattr(probe.timings, field) or 0.0


def _expiry(probe: Probe) -> Iterator[tuple[tuple[str, ...], float]]:
    if probe.certificate is not None:
        yield (), probe.certificate.not_after.timestamp()


def _verified_expiry(probe: Probe) -> Iterator[tuple[tuple[str, ...], float]]:
    if probe.certificate is not None and probe.certificate.verified:
        yield from _expiry(probe)


def _chain(probe: Probe) -> Iterator[tuple[tuple[str, ...], float]]:
    certificate = probe.certificate
    if certificate is not None:
        names = ",".join(certificate.names)
        texts = (certificate.subject, certificate.issuer, names)
        yield tuple(map(_label, texts)), 1.0


def _only(value: Callable[[Probe], float]) -> Values:
    """Return what gives the one value that a metric has for a page."""
    return lambda probe: [((), value(probe))]


# By name: what it means, its labels besides `instance`, its values for a page.
METRICS: dict[str, tuple[str, tuple[str, ...], Values]] = {
    "probe_success": (
        "Whether the page came well and met what is expected of it",
        (),
        _only(lambda probe: probe.is_well),
    ),
    "probe_duration_seconds": (
        "How long the page took, redirects included",
        (),
        _only(lambda probe: probe.timings.total_s or 0.0),
    ),
    "probe_http_duration_seconds": (
        "How long each phase took, summed over redirects",
        ("phase",),
        _phases,
    ),
    "probe_http_status_code": (
        "HTTP status; 0 without an answer",
        (),
        _only(lambda probe: probe.status),
    ),
    "probe_http_redirects": (
        "Redirects that were followed",
        (),
        _only(lambda probe: probe.redirects),
    ),
    "probe_http_version": (
        "HTTP version; 0 where it is not known",
        (),
        _only(lambda probe: probe.version),
    ),
    "probe_http_content_length": (
        "Content-Length of the answer; -1 where it has none",
        (),
        _only(lambda probe: probe.content_length),
    ),
    "probe_http_uncompressed_body_length": (
        "Size of the body, decoded",
        (),
        _only(lambda probe: probe.body_bytes),
    ),
    "probe_ssl_earliest_cert_expiry": (
        "When the certificate of the server ends, in seconds since 1970",
        (),
        _expiry,
    ),
    "probe_ssl_last_chain_expiry_timestamp_seconds": (
        "When the certificate of the server ends, if it was verified",
        (),
        _verified_expiry,
    ),
    "probe_ssl_last_chain_info": (
        "The certificate of the server",
        ("subject", "issuer", "subjectalternative"),
        _chain,
    ),
}


def _label(text: str) -> str:
    return printable(text[:LABEL_MAX_CHARS])


def _number(version: str | None) -> float:
    try:
        return float(version or 0)
    except ValueError:
        return 0.0


def _content_length(page: Page) -> int:
    """Return what the field says, as blackbox_exporter: -1 if it is not there."""
    if page.status is None:
        return 0
    field = page.headers.get("content-length", "").strip()
    is_number = field.isascii() and field.isdecimal() and len(field) < 19
    return int(field) if is_number else -1


def _ended(report: Report) -> datetime:
    if report.started_at is None:
        return datetime.now(UTC)
    return report.started_at + timedelta(seconds=report.elapsed_s or 0.0)


def open_exporter(stream: BinaryIO) -> Prometheus:
    """Return a Prometheus that writes to this stream."""
    return Prometheus(stream)
