"""Names that hide an address or have none, and a name server that lies.

The name server is only for a network namespace in which it is the only one: see
`tests.hostile.namespace`.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from fetcher.models import Kind, State

__all__ = ["NAMES", "SPELLINGS", "NameCase", "serve_names"]

NAME_SERVER = ("127.0.0.53", 53)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCase:
    """A URL by its name, and what must come of it. `asks`: a name server is asked."""

    name: str
    url: str
    state: State = State.FAILED
    kind: Kind | None = Kind.BAD_URL
    waits: bool = False
    asks: bool = False


# Spellings of 127.0.3.1, where a good page is (WHATWG URL, 3.5: IPv4 parser).
SPELLINGS = {
    "hexadecimal": "0x7f.0.3.1",
    "octal": "0177.0.3.1",
    "one number": "2130707201",
    "one hexadecimal number": "0x7F000301",
    "three parts": "127.0.769",
    "a dot behind": "127.0.3.1.",
    "full-width digits": "\uff11\uff12\uff17.\uff10.\uff13.\uff11",
    "percent signs": "127%2E0%2E3%2E1",
    "ideographic dots": "127\u30020\u30023\u30021",
}


def _bad(name: str, url: str) -> NameCase:
    return NameCase(name=name, url=url)


def _asking(name: str, url: str, kind: Kind = Kind.DNS) -> NameCase:
    waits = kind is Kind.CONNECT_TIMEOUT
    return NameCase(name=name, url=url, kind=kind, waits=waits, asks=True)


NAMES = (
    _bad("no end of an IPv6 address", "http://[::1"),
    _bad("a port of 99999", "http://127.0.3.1:99999/"),
    _bad("a port that is no number", "http://127.0.3.1:http/"),
    _bad("a number too large", "http://127.0.3.256/"),
    _bad("five numbers", "http://127.0.0.3.1/"),
    _bad("a space", "http://127.0.3.1 .invalid/"),
    _bad("nothing but a user", "http://user:secret@/"),
    _bad("a percent-encoded slash", "http://127.0.3.1%2F.invalid/"),
    _bad("a NUL", "http://127.0.3.1%00.invalid/"),
    _bad("a zone", "http://[fe80::1%25lo]/"),
    _bad("a wrong A-label", "http://xn--a-\u00e9.invalid/"),
    _bad("90 KB", f"http://{'a.' * 45_000}invalid/"),
    _asking("nobody has it", "http://nxdomain.invalid/"),
    _asking("a homograph", "http://\u0430\u0440\u0440\u04cf\u0435.nxdomain.invalid/"),
    _asking("its server fails", "http://servfail.invalid/"),
    _asking("its server refuses", "http://refused.invalid/"),
    _asking("it has no address", "http://empty.invalid/"),
    _asking("it is its own alias", "http://loop.invalid/"),
    _asking("an answer cut short", "http://truncated.invalid/"),
    _asking("no answer", "http://silent.invalid/", Kind.CONNECT_TIMEOUT),
    _asking("answers of nonsense", "http://garbage.invalid/", Kind.CONNECT_TIMEOUT),
    _asking("answers to others", "http://other.invalid/", Kind.CONNECT_TIMEOUT),
    _asking("a label of 64 letters", f"http://{'a' * 64}.nxdomain.invalid/"),
    _asking("a name of 300 letters", f"http://{'abcd.' * 60}nxdomain.invalid/"),
    _asking("an empty label", "http://a..nxdomain.invalid/"),
)

# RFC 1035, 4.1.1: response, recursion desired and available.
ANSWER = 0x8180
SERVFAIL, NXDOMAIN, REFUSED, TRUNCATED = 2, 3, 5, 0x0200


def _reply(asked: bytes, flags: int, answers: bytes = b"", count: int = 0) -> bytes:
    question = asked[12:]
    end = question.index(b"\0") + 5
    head = asked[:2] + struct.pack(">HHHHH", ANSWER | flags, 1, count, 0, 0)
    return head + question[:end] + answers


def _alias_of_itself(asked: bytes) -> bytes:
    # The question's name stands at byte 12; CNAME, IN, 60 s.
    alias = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    return _reply(asked, 0, alias, 1)


REPLIES: dict[bytes, Callable[[bytes], bytes | None]] = {
    b"silent": lambda asked: None,
    b"garbage": lambda asked: b"\xff" * 40,
    b"other": lambda asked: bytes([asked[0] ^ 255]) + _reply(asked, 0)[1:],
    b"servfail": lambda asked: _reply(asked, SERVFAIL),
    b"refused": lambda asked: _reply(asked, REFUSED),
    b"empty": lambda asked: _reply(asked, 0),
    b"truncated": lambda asked: _reply(asked, TRUNCATED),
    b"loop": _alias_of_itself,
}


def serve_names() -> None:
    """Answer for names in a thread that ends with the process."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(NAME_SERVER)
    threading.Thread(target=_answer_all, args=(server,), daemon=True).start()


def _answer_all(server: socket.socket) -> None:
    while True:
        asked, client = server.recvfrom(4096)
        label = asked[13 : 13 + asked[12]].lower()
        known = REPLIES.get(label)
        reply = _reply(asked, NXDOMAIN) if known is None else known(asked)
        if reply is not None:
            server.sendto(reply, client)
