"""A Page as it is written down for a run that may be cut short, and read back.

What is read back answers as the Page did: the same row, the same facts. A body that
nothing more is to be learnt from (a picture) is not kept, its size is.

JSON, so that a later version can read it, and no pickle of a stranger's is run: facts
that a worker read are pickled, as they are plain and many, and read by one that knows
no class.
"""

from __future__ import annotations

import io
import json
import pickle
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..models import (
    Certificate,
    Failure,
    Headers,
    Hop,
    Kind,
    Purpose,
    Reach,
    Request,
    Timings,
)
from ..page import Page

__all__ = ["page_from", "page_text", "request_from", "request_text", "travelled_facts"]

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_PARTS = (
    *("url", "status", "encoding", "wire_bytes", "ip", "http_version", "attempt"),
    *("depth", "worker_pid", "accepted", "skipped", "body_bytes"),
)
_DATES = ("not_before", "not_after")


def page_text(page: Page) -> str:
    """Return all of a page as JSON, but for its body and its facts."""
    parts: dict[str, object] = {name: getattr(page, name) for name in _PARTS}
    if page.final_url != page.url:
        parts["final_url"] = page.final_url
    parts["headers"] = page.headers.lines
    parts["hops"] = page.hops
    parts["timings"] = page.timings
    parts["fetched_at"] = page.fetched_at.timestamp()
    if page.failure is not None:
        parts["failure"] = page.failure.kind.value, page.failure.message
    if page.certificate is not None:
        parts["certificate"] = certificate_parts(page.certificate)
    if page.extract is not None:
        parts["extract"] = _tagged(page.extract)
    if page.is_parsed_elsewhere:
        parts["is_parsed_elsewhere"] = True
    return _encode(parts)


def certificate_parts(certificate: Certificate) -> dict[str, object]:
    """Return the fields of a certificate as JSON knows them."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "verified": certificate.verified,
        "reason": certificate.reason,
    }


def travelled_facts(page: Page) -> bytes | None:
    """Return the facts that a worker read, where nobody else may read them."""
    if not page.is_parsed_elsewhere or not page._facts_ahead:
        return None
    return pickle.dumps(page._facts_ahead)


def page_from(text: str, content: bytes, facts: bytes | None) -> Page:
    """Return the page that was written down.

    Args:
        text: what `page_text` gave.
        content: its body; empty where that was not kept.
        facts: what `travelled_facts` gave.
    """
    parts = json.loads(text)
    page = Page(
        url=parts["url"],
        final_url=parts.get("final_url"),
        status=parts["status"],
        headers=Headers(tuple(line) for line in parts["headers"]),
        content=content,
        encoding=parts["encoding"],
        wire_bytes=parts["wire_bytes"],
        hops=[Hop(*hop) for hop in parts["hops"]],
        timings=Timings(*parts["timings"]),
        ip=parts["ip"],
        http_version=parts["http_version"],
        certificate=_certificate(parts.get("certificate")),
        failure=_failure(parts.get("failure")),
        attempt=parts["attempt"],
        depth=parts["depth"],
        fetched_at=datetime.fromtimestamp(parts["fetched_at"], UTC),
        worker_pid=parts["worker_pid"],
        accepted=parts["accepted"],
        extract=_untagged(parts.get("extract")),
        skipped=parts["skipped"],
    )
    page._body_bytes = parts["body_bytes"]
    page.is_parsed_elsewhere = parts.get("is_parsed_elsewhere", False)
    if facts is not None:
        page._facts_ahead = _PlainUnpickler(io.BytesIO(facts)).load()
    return page


def _certificate(parts: Mapping[str, Any] | None) -> Certificate | None:
    if parts is None:
        return None
    dates = {name: datetime.fromisoformat(parts[name]) for name in _DATES}
    return Certificate(**{**parts, **dates, "names": tuple(parts["names"])})


def _failure(parts: tuple[str, str] | None) -> Failure | None:
    return None if parts is None else Failure(Kind(parts[0]), parts[1])


def request_text(request: Request) -> str:
    """Return a request as JSON; a key of 0 is its URL."""
    return _encode(
        (
            request.url,
            0 if request.key == request.url else request.key,
            request.host,
            request.origin,
            request.depth,
            request.purpose.value,
            request.method,
            request.attempt,
            request.reach,
        )
    )


def request_from(text: str) -> Request:
    """Return the request that was written down."""
    url, key, host, origin, depth, purpose, method, attempt, reach = json.loads(text)
    return Request(
        url=url,
        key=url if key == 0 else key,
        host=host,
        origin=origin,
        depth=depth,
        purpose=Purpose(purpose),
        method=method,
        attempt=attempt,
        reach=None if reach is None else Reach(reach),
    )


def _tagged(value: object) -> object:
    """Return a plain value as JSON knows it: with a tag where that has no such type."""
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, tuple):
        return {"tuple": [_tagged(each) for each in value]}
    if isinstance(value, dict):
        return {"dict": [(_tagged(key), _tagged(kept)) for key, kept in value.items()]}
    if isinstance(value, list):
        return [_tagged(each) for each in value]
    return value


def _untagged(value: Any) -> object:
    if isinstance(value, list):
        return [_untagged(each) for each in value]
    if not isinstance(value, dict):
        return value
    ((tag, kept),) = value.items()
    if tag == "bytes":
        return b64decode(kept)
    if tag == "moment":
        return datetime.fromisoformat(kept)
    if tag == "tuple":
        return tuple(_untagged(each) for each in kept)
    return {_untagged(key): _untagged(each) for key, each in kept}


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickles of plain values: nothing can be named in them."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"plain values name nothing, got {module}.{name}")
