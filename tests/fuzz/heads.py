"""Header lines: any bytes make fields; Content-Type, charset and Link among them.

The last is not read by fetcher by now; it is here so that its reader will be.
"""

from __future__ import annotations

import random
import re
import unicodedata
from typing import NamedTuple

from fetcher.facts import decode
from fetcher.models import Headers
from fetcher.page import Page
from fetcher.transport import _charset
from fetcher.transport.curl import HEAD_MAX_BYTES
from fetcher.transport.exchange import head_ended, read_head

from .harness import Target, Wrong, mutated, of_words

WORDS = (
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/2 404\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    *(b"HTTP/1.1 103 \r\n", b"HTTP/", b"HTTP/1.1", b"\r\n", b"\n", b"\r\n\r\n", b"\r"),
    *(b"Content-Type: text/html; charset=utf-8\r\n", b"Content-Type:\r\n", b": x\r\n"),
    *(b"content-type: TEXT/HTML;charset='idna'\r\n", b'Content-Type: a/b; charset="'),
    *(
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"; charset=utf-16",
        b"; charset=",
    ),
    *(b"; charset=punycode", b"; charset=rot13", b"; charset=replacement", b"; a=b;"),
    *(b"; charset=base64", b"; charset=" + b"a" * 3_000, b"; charset=x-user-defined"),
    *(b"Set-Cookie: a=b\r\n", b"Link: <x>; rel=next\r\n", b"X\r\n", b" folded\r\n"),
    *(
        b"\tfolded\r\n",
        b" \r\n",
        b"\t\r\n",
        b"X : y\r\n",
        b"X:y\r\n",
        b"X: " + b"y" * 9_000,
    ),
    *(
        b"Server: \xff\xfe\r\n",
        b"Server: a\0b\r\n",
        "Server: ü\r\n".encode(),
        b":",
        b";",
    ),
    *(b"X-A: 1\r\nX-A: 2\r\n", b"x-a: 3\r\n", b"cf-mitigated: challenge\r\n", b"\x85"),
)
# WHATWG Encoding, 4.2: names of all encodings, in lower case.
ENCODINGS = frozenset(
    {"utf-8", "utf-16le", "utf-16be", "ibm866", "koi8-r", "koi8-u", "macintosh"}
    | {f"iso-8859-{part}" for part in (*range(2, 9), 10, 13, 14, 15, 16)}
    | {"iso-8859-8-i", "windows-874", "x-mac-cyrillic", "gbk", "gb18030", "big5"}
    | {f"windows-{page}" for page in range(1250, 1259)}
    | {"euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "replacement", "x-user-defined"}
)
BODY = "<title>é</title><p>Grüße".encode()


class Read(NamedTuple):
    """A head as the product has it."""

    reason: str
    headers: Headers
    ended: bool
    charset: str | None
    encoding: str
    source: str


def make(dice: random.Random) -> bytes:
    """Return header lines as libcurl hands them out, as many bytes as are read."""
    content = b"HTTP/1.1 200 OK\r\n" if dice.random() < 0.8 else b""
    content += of_words(dice, WORDS, most=20)
    if dice.random() < 0.4:
        content = mutated(content, dice, WORDS)[:HEAD_MAX_BYTES]
    return content + (b"\r\n" if dice.random() < 0.7 else b"")


def lines_of(case: bytes) -> list[bytes]:
    """Return the lines, each with its end; libcurl hands out no other pieces."""
    lines = re.split(rb"(?<=\n)", case)
    return [line for line in lines if line not in (b"", b"\r")]  # no half line end


def run(case: bytes) -> Read:
    """Read a head, look at its fields as a run does, and decode a body by it."""
    lines = lines_of(case)
    reason, headers = read_head(lines)
    charset = _charset(headers.get("content-type"))
    decoded = decode(BODY, charset)
    for status in (200, 202, 403, 429, 503):
        page = Page(url="http://a/", status=status, headers=headers, content=BODY)
        _ = page.content_type, page.is_html, page.mitigation, page.state, page.reason
    _ = [headers[name] for name in headers], headers.get_all("link"), repr(headers)
    return Read(
        reason, headers, head_ended(lines), charset, decoded.encoding, decoded.source
    )


def judge(case: bytes, result: object) -> None:
    """The fields of the last head, each once; and only encodings that browsers know."""
    assert isinstance(result, Read)
    wanted = _fields_of(case)
    if list(result.headers.lines) != wanted:
        raise Wrong(f"{result.headers!r:.1000}, written {wanted!r:.1000}")
    for name, value in result.headers.lines:
        if "\n" in name or "\n" in value:
            raise Wrong(f"a field of two lines: {name!r:.200}: {value!r:.200}")
    if "\n" in result.reason:
        raise Wrong(f"a reason of two lines: {result.reason!r:.200}")
    if result.encoding not in ENCODINGS:
        raise Wrong(f"{result.charset!r} is read as {result.encoding!r}")
    charset = result.charset
    if charset is not None and (charset != charset.lower() or _hides(charset)):
        raise Wrong(f"the charset {charset!r}")


def _hides(text: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in text)


def _fields_of(case: bytes) -> list[tuple[str, str]]:
    """Read a head directly: what follows the last status line, up to a blank line.

    A status line counts where a head may begin; a line that begins with a blank goes
    on with the field before it (RFC 9112, 5.2).
    """
    heads: list[list[tuple[str, str]]] = []
    is_open = False
    for line in case.decode("latin-1").split("\n"):
        if not is_open:
            if line.startswith("HTTP/"):
                heads.append([])
                is_open = True
        elif line in ("", "\r"):
            is_open = False
        elif line[0] in " \t" and heads[-1]:
            name, value = heads[-1].pop()
            heads[-1].append((name, f"{value} {line.strip()}"))
        else:
            name, _, value = line.partition(":")
            heads[-1].append((name.rstrip(), value.strip()))
    return heads[-1] if heads else []


TARGET = Target(name="heads", make=make, run=run, judge=judge, words=WORDS)
