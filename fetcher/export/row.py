"""A Page as one JSON object: the row of `jsonl` and of the `pages` of `json`.

The names of the fields are a promise, written down in docs/reference/output.md and
page.schema.json. What is absent is null; `extract` alone is there only for pages
that have one.

A page has 110 to 170 links, so that almost all of a row is links. They are put
together by hand around the standard library's escaping of strings: a quarter of the
time of making a dict of each and encoding that.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from json import JSONEncoder
from json.encoder import encode_basestring  # in C; half the time of JSONEncoder.encode
from typing import TYPE_CHECKING

from .escape import json_safe

if TYPE_CHECKING:
    from ..models import Certificate, Facts, Finding, Headers, Image, Link
    from ..page import Page

__all__ = ["iso", "plain", "to_row"]

_encode = JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode

LINK_PARTS_KEPT = 1_000
# (rel, tag, attribute) of a link -> that part of its JSON; a site has few of them.
_link_parts: dict[tuple[tuple[str, ...], str, str | None], str] = {}


def to_row(page: Page, findings: Sequence[Finding] = ()) -> bytes:
    """Return the row of a page: one line of UTF-8 JSON, without the line end.

    The facts of the page are made if they are not there yet.
    """
    facts = page.facts
    row = {**_answer(page, facts), **_content(facts)}
    line = _encode(row)[:-1]
    links = "null" if facts is None else _links(facts.links)
    images = "null" if facts is None else _images(facts.images)
    found = _encode([_finding(each) for each in findings]) if findings else "[]"
    line = f'{line},"links":{links},"images":{images},"findings":{found}'
    if page.extract is not None:
        line = f'{line},"extract":{_encode(plain(page.extract))}'
    return json_safe(f"{line}}}")


def _answer(page: Page, facts: Facts | None) -> dict[str, object]:
    failure = page.failure
    return {
        "url": page.url,
        "final_url": page.final_url,
        "state": page.state.value,
        "status": page.status,
        "failure": failure and {"kind": failure.kind.value, "message": failure.message},
        "reason": page.reason,
        "attempt": page.attempt,
        "depth": page.depth,
        "group": page.group or None,
        "hops": [hop._asdict() for hop in page.hops],
        "timings": page.timings._asdict(),
        "ip": page.ip,
        "http_version": page.http_version,
        "headers": _headers(page.headers),
        "content_type": page.content_type,
        "encoding": page.encoding if facts is None else facts.encoding,
        "body_bytes": page.body_bytes,
        "wire_bytes": page.wire_bytes,
        "not_modified": page.not_modified,
        "fetched_at": iso(page.fetched_at),
        "certificate": page.certificate and _certificate(page.certificate),
    }


CONTENT_FIELDS = (
    *("title", "description", "canonical", "language", "robots", "h1"),
    *("word_count", "text_hash", "capped"),
)


def _content(facts: Facts | None) -> dict[str, object]:
    return {name: getattr(facts, name, None) for name in CONTENT_FIELDS}


def _headers(headers: Headers) -> dict[str, str]:
    """Return fields by lower-case name; repeats joined as RFC 9110, 5.3 says.

    But not Set-Cookie, which cannot be joined by commas: line ends, which no field
    can hold, stand between its values.
    """
    joined = dict(headers)
    if "set-cookie" in joined:
        joined["set-cookie"] = "\n".join(headers.get_all("set-cookie"))
    return joined


def _certificate(certificate: Certificate) -> dict[str, object]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": iso(certificate.not_before),
        "not_after": iso(certificate.not_after),
        "verified": certificate.verified,
        "reason": certificate.reason,
    }


def _links(links: Iterable[Link]) -> str:
    part_of, encode = _link_parts.get, encode_basestring
    written = [
        f'{{"url":{encode(url)},"text":{encode(text)},'
        f"{part_of(key := (rel, tag, attribute)) or _link_part(key)}"
        f'"line":{line},"column":{column}}}'
        for url, text, rel, tag, attribute, line, column in links
    ]
    return f"[{','.join(written)}]"


def _link_part(key: tuple[tuple[str, ...], str, str | None]) -> str:
    rel, tag, attribute = key
    if len(_link_parts) >= LINK_PARTS_KEPT:
        _link_parts.clear()
    part = (
        f'"rel":{_encode(rel)},"tag":{_encode(tag)},"attribute":{_encode(attribute)},'
    )
    _link_parts[key] = part
    return part


def _images(images: Iterable[Image]) -> str:
    encode = _encode
    written = [
        f'{{"url":{encode(url)},"alt":{encode(alt)},"line":{line},"column":{column}}}'
        for url, alt, line, column in images
    ]
    return f"[{','.join(written)}]"


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "expected": finding.expected or None,
        "got": finding.got or None,
        "excerpt": finding.excerpt or None,
        "line": finding.line or None,
        "column": finding.column or None,
    }


def plain(value: object) -> object:
    """Return a plain value as JSON knows it.

    bytes become base64, datetimes ISO 8601 (aware ones in UTC, with Z), tuples lists,
    keys strings, and numbers that JSON has not (nan, inf) null.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {_key(key): plain(kept) for key, kept in value.items()}
    if isinstance(value, list | tuple):
        return [plain(kept) for kept in value]
    raise TypeError(f"not a plain value: {value!r}")


def _key(key: object) -> str:
    known = plain(key)
    return known if isinstance(known, str) else _encode(known)


def iso(moment: datetime) -> str:
    """Return ISO 8601: in UTC with a Z; a moment without a zone stays without one."""
    if moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
