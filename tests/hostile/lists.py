"""Lists that a stranger wrote: each has one good URL, and lines that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["LISTS", "ListCase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCase:
    """The bytes of a list around one good URL, and what must come of it.

    `bad` is how many rows of kind `bad_url` it gives; the good URL is always `ok`.
    """

    name: str
    content: Callable[[bytes], bytes]
    bad: int = 0
    duplicates: int = 0


def around(before: bytes, after: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda url: before + url + b"\n" + after


def bad_lines(count: int) -> bytes:
    return b"".join([b"no url at all %d\n" % n for n in range(count)])


SCHEMES = b"".join(
    each + b"\n"
    for each in (
        *(b"file:///etc/passwd", b"ftp://127.0.0.1/", b"javascript:alert(1)"),
        *(b"data:text/html,x", b"gopher://127.0.0.1:25/_HELO", b"dict://127.0.0.1/"),
        *(b"about:blank", b"ws://127.0.0.1/", b"view-source:http://127.0.0.1/"),
    )
)

LINES = 20_000  # of each list that is long

LISTS = (
    ListCase(name="bad lines", content=around(bad_lines(LINES)), bad=LINES),
    ListCase(
        name="duplicates",
        content=lambda url: (url + b"\n") * (LINES + 1),
        duplicates=LINES,
    ),
    ListCase(name="blank lines", content=around(b" \t\r\n" * LINES)),
    ListCase(name="comments", content=around(b"# http://a.example/\n" * LINES)),
    ListCase(
        name="NULs in lines",
        content=around(b"http://127.0.0.1/\0a\n\0\n\0http://127.0.0.1/\n"),
        bad=3,
    ),
    ListCase(name="a line of 20 MB", content=around(b"x" * 20_000_000 + b"\n"), bad=1),
    ListCase(
        name="a URL of 20 MB",
        content=around(b"http://127.0.0.1/" + b"x" * 20_000_000 + b"\n"),
        bad=1,
    ),
    ListCase(name="a comment of 20 MB", content=around(b"#" * 20_000_000 + b"\n")),
    ListCase(
        name="two encodings",
        content=around(b"http://127.0.0.1/\xe9\n", b"http://127.0.0.1/\xff\xfe\n"),
        bad=2,
    ),
    ListCase(
        name="UTF-16",
        content=lambda url: f"{url.decode()}\nno url\n".encode("utf-16"),
        bad=1,
    ),
    ListCase(
        name="a mark in the middle",
        content=around(b"", b"\xff\xfeh\0t\0t\0p\0\n"),
        bad=1,
    ),
    ListCase(
        name="CR alone", content=lambda url: b"no url\r" + url + b"\rno url", bad=2
    ),
    ListCase(name="other schemes", content=around(SCHEMES), bad=SCHEMES.count(b"\n")),
    ListCase(
        name="control characters",
        content=around(b"http://127.0.0.1/\x1b[31m\nhttp://127.0.0.1/\x07\n"),
        bad=2,
    ),
    ListCase(name="no URL but the good one", content=around(b"\xef\xbb\xbf")),
)
