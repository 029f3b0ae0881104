"""Lists of URLs: any bytes, and each line ends in exactly one Request or bad URL."""

from __future__ import annotations

import atexit
import codecs
import random
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from fetcher.errors import InputError
from fetcher.models import Kind, Request
from fetcher.output import LINE_MAX_CHARACTERS, LINE_START_CHARACTERS
from fetcher.page import Page
from fetcher.source import Source, count_entries

from .harness import Target, Wrong, mutated, of_words

WORDS = (
    *(b"http://a.example/", b"https://b.example/x?y#z", b"a.example", b"localhost:80"),
    *(b"# comment", b" # comment", b"#", b"//a.example", b"ftp://a/", b"javascript:x"),
    *(
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\x85",
        "\u0085".encode(),
        b"\x0b",
        b"\x0c",
    ),
    *("\u2028".encode(), "\u2029".encode(), b"\x1c", b"\x1d", b"\x1e", b"\0", b"\x1a"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
    *(
        "\ufeff".encode() + b"#",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ),
    *(b"http://[", b"http://a b/", b"http://a\\@b/", b'"http://a/"', b"a,b,c", b"<a>"),
    *("http://ü.example/é".encode(), "http://a\u200b/".encode(), b"\t", b" ", b"."),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1", "cp500")
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LARGE = 10_000_000  # bytes


class Entries(NamedTuple):
    """What a list came to, and how many entries were counted beforehand."""

    found: list[Request | Page]
    counted: int


def make(dice: random.Random) -> bytes:
    """Return words in a row, in some encoding, or a list with huge lines."""
    content = of_words(dice, WORDS, most=60)
    kind = dice.random()
    if kind < 0.3:
        text = content.decode("utf-8", "replace")
        return text.encode(dice.choice(ENCODINGS), "replace")
    if kind < 0.6:
        return mutated(content, dice, WORDS)
    if kind < 0.97:
        return content
    unit = dice.choice(
        (b"a", b" ", b"#", b"\0", b"http://a/", b"\xff", b"\xef\xbb\xbf")
    )
    size = dice.choice((LINE_MAX_CHARACTERS, LINE_MAX_CHARACTERS, 200_000, LARGE))
    huge = unit * (size // len(unit) + dice.choice((0, 1, 2)))
    encoded = huge.decode("latin-1").encode(dice.choice(("latin-1", "utf-16")))
    ends = (b"\n", b"", b"#", b"http://a/")
    return content + dice.choice(ends) + encoded + dice.choice(ends) + content


def run(case: bytes) -> Entries:
    """Read a list as a run does, and count it as its progress bar does."""
    path = _directory() / "list.txt"
    path.write_bytes(case)
    found: list[Request | Page] = []
    try:
        counted = count_entries(path)
        source = Source(path)
        while (entry := source.take()) is not None:
            found.append(entry)
    except InputError:  # ours
        return Entries([], 0)
    return Entries(found, counted)


_made: list[Path] = []


def _directory() -> Path:
    if not _made:
        _made.append(Path(tempfile.mkdtemp(prefix="fuzz-lists-")))
        atexit.register(shutil.rmtree, _made[0], ignore_errors=True)
    return _made[0]


def judge(case: bytes, result: object) -> None:
    """One entry for each line that is no comment, in the order of the lines."""
    assert isinstance(result, Entries)
    wanted = [line for line in _lines(case) if _holds_something(line)]
    if len(result.found) != len(wanted):
        raise Wrong(f"{len(wanted)} lines, {len(result.found)} entries")
    if result.counted != len(wanted):
        raise Wrong(f"{len(wanted)} lines, counted as {result.counted}")
    for line, entry in zip(wanted, result.found, strict=True):
        _judge_entry(line, entry)


def _lines(case: bytes) -> list[str]:
    """Decode and split without the product: LF, CRLF and CR end a line."""
    encoding = next((name for mark, name in MARKS if case.startswith(mark)), "utf-8")
    if encoding == "utf-8":
        case = case.removeprefix(codecs.BOM_UTF8)
    text = case.decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _holds_something(line: str) -> bool:
    if len(line) > LINE_MAX_CHARACTERS:  # nobody looks at the rest of it
        if line[: LINE_MAX_CHARACTERS + 1].lstrip().startswith("#"):
            return False
        line = line[:LINE_START_CHARACTERS]
        if not line.strip().strip("\ufeff"):
            return True
    text = line.strip().removeprefix("\ufeff").strip()
    return bool(text) and not text.startswith("#")


def _judge_entry(line: str, entry: Request | Page) -> None:
    if isinstance(entry, Page):
        failure = entry.failure
        if failure is None or failure.kind is not Kind.BAD_URL:
            raise Wrong(f"{line[:200]!r} became {entry!r}")
        if len(entry.url) > 1_000:
            raise Wrong(
                f"a bad line of {len(entry.url):,} characters is repeated whole"
            )
        return
    if len(line) > LINE_MAX_CHARACTERS:
        raise Wrong(f"a line of {len(line):,} characters became {entry.url!r}")
    if not entry.key.startswith(("http://", "https://")) or not entry.host:
        raise Wrong(f"{line[:200]!r} became {entry!r}")


def slow_s(case: bytes) -> float:
    """A second, and for long lists 10,000 lines a second, or 3 MB of bad bytes."""
    lines = case.count(b"\n") + case.count(b"\r")
    return 1.0 + len(case) / 3e6 + lines / 10_000


TARGET = Target(
    name="lists", make=make, run=run, judge=judge, words=WORDS, slow_s=slow_s
)
