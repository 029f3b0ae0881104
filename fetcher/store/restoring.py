"""A Page as it is written down for a run that may be cut short, and read back.

What is read back answers as the Page did: the same row, the same facts. A body that
nothing more is to be learnt from (a picture) is not kept, its size is.

Written are plain values, pickled: a third of the time of JSON. They are read by one
that knows no class and no function, so that a database from elsewhere runs nothing.
"""

from __future__ import annotations

import io
import pickle
from datetime import datetime
from typing import Any

from ..models import Certificate, Request
from ..page import Page, PlainPage

__all__ = [
    "answer_bytes",
    "answer_from",
    "certificate_parts",
    "request_of",
    "travelled_facts",
]


def answer_bytes(request: Request, page: Page) -> bytes:
    """Return a request and all of its page, but for the body and the facts."""
    plain = [*page.plainly()]
    for place, value in _NOT_KEPT:
        plain[place] = value
    if page.extract is not None:
        plain[_EXTRACT] = _tagged(page.extract)
    return pickle.dumps((request.plainly(), tuple(plain), page.body_bytes))


# Where the fields stand: `_replace` would take as long as the pickling.
_EXTRACT = PlainPage._fields.index("extract")
_NOT_KEPT = tuple(
    (PlainPage._fields.index(name), value)
    for name, value in (("content", b""), ("is_soft_404", False), ("facts_ahead", ()))
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
    return Request.from_plain(_plain(answer)[0])


def answer_from(
    answer: bytes, content: bytes, facts: bytes | None
) -> tuple[Request, Page]:
    """Return what was written down.

    Args:
        answer: what `answer_bytes` gave.
        content: the body of the page; empty where that was not kept.
        facts: what `travelled_facts` gave.
    """
    request, parts, body_bytes = _plain(answer)
    plain = PlainPage(*parts)
    page = Page.from_plain(
        plain._replace(
            content=content,
            extract=_untagged(plain.extract),
            facts_ahead=() if facts is None else _plain(facts),
        )
    )
    page._body_bytes = body_bytes
    return Request.from_plain(request), page


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
