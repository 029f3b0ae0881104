"""SARIF 2.1.0: findings with their places, for code scanning and editors.

A result for each finding, and for each place of a bad link, with line and column where
they are known. An artifact is a URL: there are no files. Results are written as pages
finish, what is known of the rules after them.

Source:
    OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0" with
    Errata 01 (2023). Sections are named where they decide something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from .. import __version__
from ..models import Finding, Severity
from .escape import json_safe, printable
from .findings import ADVICE, LinkRule, PageRule, of_links, of_page, unlisted_links
from .row import iso

if TYPE_CHECKING:
    from ..page import Page
    from ..report import Report

__all__ = ["RESULTS_MAX", "Sarif", "open_exporter"]

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)
RESULTS_MAX = 25_000  # GitHub Docs, "SARIF support for code scanning": limits of a run
RULES_MAX = 1_000  # far more than there are
MESSAGE_MAX_CHARS = 2_000
# RFC 3986, 2.2 and 2.3, and "%"; square brackets stand in a host alone.
URI_SAFE = "!#$%&'()*+,/:;=?@-._~"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning"}
NOTES = frozenset({LinkRule.BLOCKED.value})  # nothing is known to be wrong


class Sarif:
    """Writes results, up to 25,000; how many more there are is a notification."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = 0
        self._left_out = 0
        self._rules: dict[str, str] = {}  # with their advice
        head = {"$schema": SCHEMA, "version": "2.1.0"}
        self._before = f'{json.dumps(head)[:-1]}, "runs": [{{"results": [\n'.encode()

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write what is held against a page."""
        self._write_all(of_page(page, findings))

    def _write_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if self._written >= RESULTS_MAX:
                self._left_out += 1
                continue
            self._written += 1
            if len(self._rules) < RULES_MAX:
                self._rules.setdefault(finding.rule, finding.advice)
            self._stream.write(self._before + _json(_result(finding)))
            self._before = b",\n"

    def flush(self) -> None:
        """Flush the stream; what it holds is complete only after `finish`."""
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """Write the places of bad links, the rules, and how the run went."""
        if report.site is not None:
            self._write_all(of_links(report.site))
        start = b"" if self._written else self._before
        rest = {
            "tool": {"driver": self._driver()},
            "invocations": [self._invocation(report)],
            "columnKind": "unicodeCodePoints",  # 3.14.17; what `facts` counts
            "defaultEncoding": "utf-8",
        }
        self._stream.write(start + b"\n],\n" + _json(rest)[1:] + b"]}\n")
        self._stream.flush()

    def _driver(self) -> dict[str, object]:
        rules = [_rule(name, advice) for name, advice in self._rules.items()]
        return {"name": "fetcher", "semanticVersion": __version__, "rules": rules}

    def _invocation(self, report: Report) -> dict[str, object]:
        known: dict[str, object] = {"executionSuccessful": not report.interrupted}
        if report.started_at is not None:
            known["startTimeUtc"] = iso(report.started_at)
            if report.elapsed_s is not None:
                ended_at = report.started_at + timedelta(seconds=report.elapsed_s)
                known["endTimeUtc"] = iso(ended_at)
        notes = [_notification("note", str(report)), *self._cuts(report)]
        return {**known, "toolExecutionNotifications": notes}

    def _cuts(self, report: Report) -> Iterable[object]:
        """Yield a notification for each thing that is counted and has no result."""
        if self._left_out:
            yield _notification("warning", f"{self._left_out:,} more results left out")
        if report.site is not None:
            targets, places = unlisted_links(report.site)
            if targets:
                yield _notification("warning", f"{targets:,} more bad link targets")
            if places:
                yield _notification("warning", f"{places:,} more places of bad links")


def _result(finding: Finding) -> dict[str, object]:
    is_note = finding.rule in NOTES
    result: dict[str, object] = {
        "ruleId": printable(finding.rule),
        "level": "note" if is_note else LEVELS.get(finding.severity, "note"),
        "message": {"text": _text(finding.message)},
        "locations": [{"physicalLocation": _location(finding)}],
        "partialFingerprints": {"ruleAndTarget/v1": _fingerprint(finding)},
    }
    properties = {
        name: _plain(value)
        for name in ("target", "link_text", "expected", "got", "excerpt")
        if (value := getattr(finding, name))
    }
    return {**result, "properties": properties} if properties else result


def _location(finding: Finding) -> dict[str, object]:
    artifact: dict[str, object] = {"artifactLocation": {"uri": _uri(finding.url)}}
    if not finding.line:
        return artifact
    region = {"startLine": finding.line}
    if finding.column:
        region["startColumn"] = finding.column
    return {**artifact, "region": region}


def _rule(name: str, advice: str) -> dict[str, object]:
    text = ADVICE.get(name) or advice or "See the message of the result."
    return {
        "id": printable(name),
        "shortDescription": {"text": _text(_words(name))},
        "help": {"text": _text(text)},
    }


def _words(rule: str) -> str:
    """Return a rule's name as words: "broken-link" as "broken link"."""
    words = rule.replace("-", " ")
    is_ours = rule in tuple(PageRule) or rule in tuple(LinkRule)
    if is_ours or not rule.startswith("expect-"):
        return words
    return f"expectation not met: {words.removeprefix('expect ')}"


def _notification(level: str, text: str) -> dict[str, object]:
    return {"level": level, "message": {"text": _text(text)}}


def _text(text: str) -> str:
    """Return plain text as a message holds it: no placeholder and no link is in it.

    Braces are doubled (3.11.5). `[text](target)` would be a link (3.11.6), also one
    with `javascript:`; with a space in it it is none.
    """
    shown = printable(text[:MESSAGE_MAX_CHARS]).replace("](", "] (")
    return shown.replace("{", "{{").replace("}", "}}")


def _plain(value: str) -> str:
    return printable(value[:MESSAGE_MAX_CHARS])


def _uri(url: str) -> str:
    """Return a URL that any reader takes for one (RFC 3986), whatever was asked for."""
    head, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if separator and host.isascii() and host.startswith("["):  # an IPv6 address
        return f"{_quoted(head)}://{quote(host, URI_SAFE + '[]')}{slash}{_quoted(path)}"
    return _quoted(url)


def _quoted(text: str) -> str:
    text = LONE_SURROGATE.sub("\ufffd", text)
    first, mark, fragment = quote(text, URI_SAFE).partition("#")
    whole = first + mark + fragment.replace("#", "%23")
    return STRAY_PERCENT.sub("%25", whole)


def _fingerprint(finding: Finding) -> str:
    """Return what a finding is known by in the next run, wherever it then stands."""
    parts = (finding.rule, finding.url, finding.target or finding.expected)
    joined = "\n".join(parts).encode("utf-8", "replace")
    return sha256(joined).hexdigest()[:32]


def _json(value: object) -> bytes:
    return json_safe(json.dumps(value, ensure_ascii=False))


def open_exporter(stream: BinaryIO) -> Sarif:
    """Return a Sarif that writes to this stream."""
    return Sarif(stream)
