"""The certificate a TLS server showed: libcurl's words for it, as a Certificate.

libcurl tells the certificate only after a full handshake, neither on a reused
connection nor on a resumed session. So it is kept with the route of the connection.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock

from ..models import Certificate
from .failures import clean

__all__ = ["KnownCertificates", "certificate_from"]

KNOWN_MAX = 4096
NAMES_MAX = 100
_CURL_TIME = "%b %d %H:%M:%S %Y GMT"
# What libcurl puts around OpenSSL's words: "... verify result: WORDS (10)".
_PREAMBLE = re.compile(r"^.*verify result: |\s*\(\d+\)\s*$")


def certificate_from(
    chain: Sequence[Sequence[tuple[str, str]]], *, verified: bool, reason: str | None
) -> Certificate | None:
    """Return the first certificate of a chain as libcurl tells it; None without one.

    Args:
        chain: n certificates of (field, text) pairs, the server's own first.
        verified: whether it was checked and found good.
        reason: libcurl's message, where it was not.
    """
    if not chain:
        return None
    return _read(tuple(map(tuple, chain[0])), verified, reason)


@lru_cache(maxsize=256)  # a tenth of a new connection's time, and mostly the same
def _read(
    pairs: tuple[tuple[str, ...], ...], verified: bool, reason: str | None
) -> Certificate | None:
    fields = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    try:
        not_before = _time(fields["Start date"])
        not_after = _time(fields["Expire date"])
    except (KeyError, ValueError):
        return None
    return Certificate(
        subject=clean(fields.get("Subject", "")),
        issuer=clean(fields.get("Issuer", "")),
        names=_names(fields.get("X509v3 Subject Alternative Name", "")),
        not_before=not_before,
        not_after=not_after,
        verified=verified,
        reason=None if reason is None else clean(_PREAMBLE.sub("", reason)),
    )


def _time(text: str) -> datetime:
    return datetime.strptime(" ".join(text.split()), _CURL_TIME).replace(tzinfo=UTC)


def _names(text: str) -> tuple[str, ...]:
    """Return the host names and addresses of "DNS:a.example, IP Address:::1"."""
    parts = (part.strip().partition(":") for part in text.split(","))
    found = (clean(name) for label, _, name in parts if label in ("DNS", "IP Address"))
    return tuple(found)[:NAMES_MAX]


class KnownCertificates:
    """What each route showed in its last full handshake; the oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_route: OrderedDict[Hashable, Certificate] = OrderedDict()

    def get(self, route: Hashable) -> Certificate | None:
        """Return what this route showed, None if it is not known."""
        return self._by_route.get(route)

    def keep(self, route: Hashable, certificate: Certificate) -> None:
        """Remember what this route showed."""
        with self._lock:
            self._by_route[route] = certificate
            self._by_route.move_to_end(route)
            if len(self._by_route) > KNOWN_MAX:
                self._by_route.popitem(last=False)
