"""A Page as it is written down for a run that may be cut short, and read back.

What is read back answers as the Page did: the same row, the same facts. A body that
nothing more is to be learnt from (a picture) is not kept, its size is.

Written are plain values, pickled: a third of the time of JSON. They are read by one
that knows no class and no function, so that a database from elsewhere runs nothing.
"""

from __future__ import annotations

import io
import pickle
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

__all__ = [
    "answer_bytes",
    "answer_from",
    "certificate_parts",
    "request_of",
    "travelled_facts",
]

_DATES = ("not_before", "not_after")


def answer_bytes(request: Request, page: Page) -> bytes:
    """Return a request and all of its page, but for the body and the facts."""
    failure, certificate = page.failure, page.certificate
    reach = request.reach
    return pickle.dumps(
        (
            (
                request.url,
                None if request.key == request.url else request.key,
                request.host,
                request.origin,
                request.depth,
                request.purpose.value,
                request.method,
                request.attempt,
                None if reach is None else reach.value,
            ),
            page.url,
            None if page.final_url == page.url else page.final_url,
            page.status,
            page.headers.lines,
            page.encoding,
            page.wire_bytes,
            [tuple(hop) for hop in page.hops],
            tuple(page.timings),
            page.ip,
            page.http_version,
            None if certificate is None else certificate_parts(certificate),
            None if failure is None else (failure.kind.value, failure.message),
            page.attempt,
            page.depth,
            page.fetched_at.timestamp(),
            page.worker_pid,
            page.accepted,
            _tagged(page.extract),
            page.skipped,
            page.is_parsed_elsewhere,
            page.body_bytes,
        )
    )


def certificate_parts(certificate: Certificate) -> dict[str, object]:
    """Return the fields of a certificate in plain values."""
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


def request_of(answer: bytes) -> Request:
    """Return the request of what `answer_bytes` gave."""
    return _request(_plain(answer)[0])


def answer_from(
    answer: bytes, content: bytes, facts: bytes | None
) -> tuple[Request, Page]:
    """Return what was written down.

    Args:
        answer: what `answer_bytes` gave.
        content: the body of the page; empty where that was not kept.
        facts: what `travelled_facts` gave.
    """
    request, *parts = _plain(answer)
    page = _page(content, *parts)
    if facts is not None:
        page._facts_ahead = _plain(facts)
    return _request(request), page


def _page(  # the order of `answer_bytes`
    content: bytes,
    url: str,
    final_url: str | None,
    status: int | None,
    header_lines: tuple[tuple[str, str], ...],
    encoding: str | None,
    wire_bytes: int,
    hops: list[tuple[str, int, str | None]],
    timings: tuple[float | None, ...],
    ip: str | None,
    http_version: str | None,
    certificate: dict[str, Any] | None,
    failure: tuple[str, str] | None,
    attempt: int,
    depth: int,
    fetched_at: float,
    worker_pid: int | None,
    accepted: bool | None,
    extract: object,
    skipped: str | None,
    is_parsed_elsewhere: bool,
    body_bytes: int,
) -> Page:
    page = Page(
        url=url,
        final_url=final_url,
        status=status,
        headers=Headers(header_lines),
        content=content,
        encoding=encoding,
        wire_bytes=wire_bytes,
        hops=[Hop(*hop) for hop in hops],
        timings=Timings(*timings),
        ip=ip,
        http_version=http_version,
        certificate=_certificate(certificate),
        failure=None if failure is None else Failure(Kind(failure[0]), failure[1]),
        attempt=attempt,
        depth=depth,
        fetched_at=datetime.fromtimestamp(fetched_at, UTC),
        worker_pid=worker_pid,
        accepted=accepted,
        extract=_untagged(extract),
        skipped=skipped,
    )
    page._body_bytes = body_bytes
    page.is_parsed_elsewhere = is_parsed_elsewhere
    return page


def _request(parts: tuple[Any, ...]) -> Request:
    url, key, host, origin, depth, purpose, method, attempt, reach = parts
    return Request(
        url=url,
        key=url if key is None else key,
        host=host,
        origin=origin,
        depth=depth,
        purpose=Purpose(purpose),
        method=method,
        attempt=attempt,
        reach=None if reach is None else Reach(reach),
    )


def _certificate(parts: Mapping[str, Any] | None) -> Certificate | None:
    if parts is None:
        return None
    dates = {name: datetime.fromisoformat(parts[name]) for name in _DATES}
    return Certificate(**{**parts, **dates})


def _tagged(value: object) -> object:
    """Return a plain value with a tag in place of a moment, which is of a class."""
    if isinstance(value, datetime):
        return "moment", value.isoformat()
    if isinstance(value, dict):
        kept = [(_tagged(name), _tagged(each)) for name, each in value.items()]
        return "dict", kept
    if isinstance(value, list | tuple):
        tag = "list" if isinstance(value, list) else "tuple"
        return tag, [_tagged(each) for each in value]
    return value


def _untagged(value: Any) -> object:
    if not isinstance(value, tuple):
        return value
    tag, kept = value
    if tag == "moment":
        return datetime.fromisoformat(kept)
    if tag == "dict":
        return {_untagged(name): _untagged(each) for name, each in kept}
    parts = [_untagged(each) for each in kept]
    return parts if tag == "list" else tuple(parts)


def _plain(pickled: bytes) -> Any:
    return _PlainUnpickler(io.BytesIO(pickled)).load()


class _PlainUnpickler(pickle.Unpickler):
    """Reads pickles of plain values: nothing can be named in them."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"plain values name nothing, got {module}.{name}")
