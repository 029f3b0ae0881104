"""One exchange: what `get_url` may spend on it, and what came of it.

An `Exchange` travels to the adapter as requests' `timeout=`, the one value that
requests hands through untouched; so it needs no variable of the thread, and a
second request that requests makes on its own (digest authentication) spends the
same budget.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

from urllib3.util import Timeout

from ..guard import Rule
from ..models import Certificate, Failure, Headers, Timings

__all__ = ["Exchange", "Transfer", "head_ended", "read_head"]

DEFAULT_MAX_BYTES = 10_000_000
NO_TIMINGS = Timings()
FOREVER_S = 10.0 * 365 * 24 * 3600


@dataclass(slots=True)
class Transfer:
    """One request and what came back, by libcurl's account.

    `reached` is False where the failure came before any answer.
    """

    status: int | None = None
    reason: str = ""
    headers: Headers | None = None
    body: bytes = b""
    wire_bytes: int = 0
    ip: str | None = None
    http_version: str | None = None
    certificate: Certificate | None = None
    failure: Failure | None = None
    timings: Timings = NO_TIMINGS


class Exchange(Timeout):
    """The budget of one `get_url` and its account, over all its requests.

    `rule` says where the next of them may go; None: anywhere.
    """

    def __init__(self, timeout_s: float | None, max_bytes: int) -> None:
        super().__init__()
        self.timeout_s = FOREVER_S if timeout_s is None else timeout_s
        self.max_bytes = max_bytes
        self.began_s = time.monotonic()
        self.deadline_s = self.began_s + self.timeout_s
        self.last: Transfer | None = None
        self.rule: Rule | None = None
        self._timings = NO_TIMINGS

    @classmethod
    def from_timeout(cls, timeout: object) -> Exchange:
        """Return an exchange for a request that `get_url` did not make.

        A total of urllib3's Timeout is the deadline, else its read part; none is none.
        """
        if isinstance(timeout, cls):
            return timeout
        timeout_s = None
        if isinstance(timeout, Timeout):
            total = timeout.total if timeout.total is not None else timeout._read
            timeout_s = float(total) if isinstance(total, (int, float)) else None
        return cls(timeout_s, DEFAULT_MAX_BYTES)

    def left_s(self) -> float:
        """Return the seconds until the deadline; not above zero when it passed."""
        return self.deadline_s - time.monotonic()

    def add(self, transfer: Transfer) -> None:
        """Take one more transfer into the account."""
        self.last = transfer
        took, before = transfer.timings, self._timings
        self._timings = took if before is NO_TIMINGS else _sum(before, took)

    def timings(self) -> Timings:
        """Return the phases of all transfers, summed, and the time since the start."""
        return self._timings._replace(total_s=time.monotonic() - self.began_s)


def _sum(one: Timings, other: Timings) -> Timings:
    """Return each phase of both, summed; None only where neither has it."""
    pairs = zip(one, other, strict=True)
    return Timings(*[b if a is None else a if b is None else a + b for a, b in pairs])


def read_head(lines: list[bytes]) -> tuple[str, Headers]:
    """Return the reason phrase and the fields of the last head among these lines.

    Before it may stand interim answers (1xx), after it the trailers of a chunked
    body; neither is part of the answer.

    Args:
        lines: n header lines as libcurl hands them out, status and blank lines
            included.
    """
    reason = ""
    fields: list[tuple[str, str]] = []
    ended = True
    for line in lines:
        if ended:
            if line.startswith(b"HTTP/"):
                ended = False
                fields = []
                reason = line.decode("latin-1").strip().partition(" ")[2][4:]
        elif line in _BLANK:
            ended = True
        elif line[0] in _WHITE and fields:  # obsolete folding: RFC 9112, 5.2
            name, value = fields[-1]
            fields[-1] = name, f"{value} {line.decode('latin-1').strip()}"
        else:
            fields.append(_field(line))
    return reason, Headers(fields)


def head_ended(lines: list[bytes]) -> bool:
    """Return whether a blank line came after the last status line.

    libcurl takes a head that the server's FIN cuts short for a whole one.
    """
    for line in reversed(lines):
        if line in _BLANK:
            return True
        if line.startswith(b"HTTP/"):
            return False
    return False


_BLANK = (b"\r\n", b"\n")
_WHITE = b" \t"


@lru_cache(maxsize=1024)  # the lines of one site are alike, but for a few
def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.rstrip(), value.strip()
