"""What the demo site shows: each page, what it answers, and what should be said of it.

`EXHIBITS` is the whole site as a table. An answer is a pure function from a visit to
an `Answer`; nothing here opens a socket. Long texts stand in `pages/`.
"""

from __future__ import annotations

import gzip
import itertools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ..models import Kind, State

__all__ = [
    "EXHIBITS",
    "Answer",
    "Exhibit",
    "Expected",
    "Visit",
    "answer_to",
    "read_page",
]

HTML = "text/html; charset=utf-8"
HTML_WITHOUT_CHARSET = "text/html"
PROVING_S = 0.4  # long enough to be the slowest page, short enough for a visitor
CATALOGUE_BYTES = 1_000_000
DOUGH_BYTES = 12_000_000  # decoded; over the default size cap of 10 MB
TORN_PAGE_BYTES = 4_096  # promised, not sent


class Visit(NamedTuple):
    """One request: its path without the query, and how often that path was asked for.

    `nth` counts from 1. `base_url` has no slash at its end.
    """

    path: str
    nth: int
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response, as the server is to send it.

    A `promised_bytes` larger than the body makes the server announce that many,
    send what there is, and hang up. A `chunked` body is sent without its length.
    """

    status: int = 200
    reason: str | None = None
    content_type: str | None = HTML
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay_s: float = 0.0
    promised_bytes: int | None = None
    chunked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a page of the site should come to, once it was tried often enough.

    Attributes:
        state: the state of its final Page.
        lesson: one sentence for a person: what this page shows.
        status: the final HTTP status; None where there is a failure.
        kind: the kind of the failure; None where there is none.
        hops: redirects that lead to the answer; not counted where there is a failure.
        attempts: how often it must be asked, at least, to come to this.
        title: the title as a browser would show it; None where there is none.
    """

    state: State
    lesson: str
    status: int | None = None
    kind: Kind | None = None
    hops: int = 0
    attempts: int = 1
    title: str | None = None


class Exhibit(NamedTuple):
    """One page on the list: its path, its answer, and what should be said of it.

    A `next_door` page is served under the neighbour's name (`localhost`), so that a
    host that asks for patience holds up nobody else.
    """

    path: str
    answer: Callable[[Visit], Answer]
    expected: Expected
    next_door: bool = False


def answer_to(visit: Visit) -> Answer:
    """Return what the site answers to this visit; 404 for what it does not have."""
    answer = _ANSWERS.get(visit.path)
    if answer is not None:
        return answer(visit)
    if visit.path.startswith("/spiral/"):
        return _one_step_up(visit)
    return _nothing_here(visit)


@cache
def read_page(name: str) -> str:
    """Return the text of a file in `pages/`."""
    return files(__package__).joinpath("pages", name).read_text("utf-8")


def _page(
    name: str,
    *,
    encoding: str = "utf-8",
    content_type: str | None = HTML,
    delay_s: float = 0.0,
) -> Callable[[Visit], Answer]:
    def answer(visit: Visit) -> Answer:
        html = read_page(name).replace("{{base}}", visit.base_url)
        return Answer(
            content_type=content_type, body=html.encode(encoding), delay_s=delay_s
        )

    return answer


def _menu(visit: Visit) -> Answer:
    html = read_page("menu.html").replace("{{base}}", visit.base_url)
    return Answer(
        headers=(("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")),
        body=gzip.compress(html.encode(), mtime=0),
    )


def _moved(status: int, target: str) -> Callable[[Visit], Answer]:
    def answer(visit: Visit) -> Answer:
        html = f'<title>Moved</title><p>It is <a href="{target}">over there</a>.</p>'
        return Answer(
            status=status, headers=(("Location", target),), body=html.encode()
        )

    return answer


def _one_step_up(visit: Visit) -> Answer:
    step = visit.path.rpartition("/")[2]
    above = int(step) + 1 if step.isdecimal() and len(step) < 9 else 1
    return _moved(302, f"/spiral/{above}")(visit)


def _refusal(
    status: int, reason: str, words: str, *headers: tuple[str, str]
) -> Callable[[Visit], Answer]:
    def answer(visit: Visit) -> Answer:
        html = (
            read_page("error.html")
            .replace("{{status}}", str(status))
            .replace("{{reason}}", reason)
            .replace("{{words}}", words)
        )
        return Answer(status=status, reason=reason, headers=headers, body=html.encode())

    return answer


_nothing_here = _refusal(
    404, "Not Found", "We looked under the dome, in the oven and behind the flour."
)
_door_sticks = _refusal(
    503, "Service Unavailable", "It sticks. Pull again.", ("Retry-After", "1")
)
_door_opens = _page("door.html")


def _sticky_door(visit: Visit) -> Answer:
    # Every other pull opens it, so that a second visitor finds what the first did.
    return _door_sticks(visit) if visit.nth % 2 else _door_opens(visit)


def _torn(visit: Visit) -> Answer:
    return Answer(body=read_page("torn.html").encode(), promised_bytes=TORN_PAGE_BYTES)


def _crumpled(visit: Visit) -> Answer:
    body = b"This was a gzip file until somebody sat on it. " * 20
    return Answer(headers=(("Content-Encoding", "gzip"),), body=body)


def _dough(visit: Visit) -> Answer:
    return Answer(headers=(("Content-Encoding", "gzip"),), body=_rising_dough())


@cache
def _rising_dough() -> bytes:
    start = b"<!doctype html><title>Dough without end</title><p>It rises"
    return gzip.compress(start + b" and rises" * (DOUGH_BYTES // 10), 1, mtime=0)


def _catalogue(visit: Visit) -> Answer:
    return Answer(body=_small_stars(), chunked=True)


@cache
def _small_stars() -> bytes:
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<title>Every small star | Tallow Hill</title>\n"
        '<meta name="description" content="All the stars too small to have a name.'
        ' We named them after breadcrumbs.">\n'
        '<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n'
        "<h1>Every small star</h1>\n"
        '<p>Counted by hand, on cloudless nights. <a href="/">Home</a></p>\n<ol>\n'
    )
    lines = [head]
    size = len(head)
    for number in itertools.count(1):
        line = _star_line(number)
        size += len(line)
        if size > CATALOGUE_BYTES - len(_CATALOGUE_END):
            break
        lines.append(line)
    return "".join([*lines, _CATALOGUE_END]).encode()


_CATALOGUE_END = "</ol>\n<p>Then it got light.</p>\n</body>\n</html>\n"
_ONSETS = ("Cr", "B", "Fl", "K", "M", "S", "T", "Gr", "L", "P", "Sp")
_VOWELS = ("u", "a", "o", "i", "e", "ou", "y")
_ENDINGS = ("mb", "st", "ke", "lt", "rr", "ffin", "ssel", "nch", "ll", "gel", "x", "n")


def _star_line(number: int) -> str:
    # Lengths 11, 7 and 12 share no divisor but 1: 924 names before one comes again.
    name = (
        _ONSETS[number % len(_ONSETS)]
        + _VOWELS[number % len(_VOWELS)]
        + _ENDINGS[number % len(_ENDINGS)]
    )
    hours, minutes = divmod(number * 7 % 1440, 60)
    degrees = number * 13 % 180 - 90
    return (
        f'<li id="star-{number}"><b>{name} {number}</b>: right ascension {hours} h'
        f" {minutes:02} min, declination {degrees:+d} degrees, about as bright as a"
        " crumb on a black table.</li>\n"
    )


# One letter a pixel: w hat, g its shade, b feathers, d wings, y eyes, k pupils,
# o beak and feet, t belly; a dot is transparent.
_OWL = """
.....wwwwww.....
...wwwwwwwwww...
..wwwgwwwwgwww..
...wwgwwwwgww...
....wggggggw....
..b.wwwwwwww.b..
..bbbbbbbbbbbb..
.bbyyyybbyyyybb.
.bbykkybbykkybb.
.bbykkyooykkybb.
.dbyyyyooyyyybd.
.ddbbbbbbbbbbdd.
.ddbttttttttbdd.
..dbttgttgttbd..
...bbttttttbb...
....oo.bb.oo....
"""
_INKS = {
    ".": (0, 0, 0),
    "w": (255, 250, 240),
    "g": (216, 202, 178),
    "b": (139, 94, 60),
    "d": (98, 62, 38),
    "y": (255, 220, 110),
    "k": (24, 20, 28),
    "o": (236, 140, 40),
    "t": (222, 184, 135),
}


def _owl(visit: Visit) -> Answer:
    return Answer(content_type="image/png", body=_owl_png())


@cache
def _owl_png() -> bytes:
    """Return the owl as a PNG of 16 colours at most, 128 pixels square.

    Source:
        W3C, "Portable Network Graphics (PNG) Specification", third edition, 11.2.
    """
    letters = list(_INKS)
    rows = [row for row in _OWL.split() for _ in range(8)]
    pixels = b"".join(
        b"\0" + bytes(letters.index(ink) for ink in row for _ in range(8))
        for row in rows
    )
    header = struct.pack(">IIBBBBB", len(rows), len(rows), 8, 3, 0, 0, 0)
    palette = b"".join(bytes(ink) for ink in _INKS.values())
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part))
        + name
        + part
        + struct.pack(">I", zlib.crc32(name + part))
        for name, part in (
            (b"IHDR", header),
            (b"PLTE", palette),
            (b"tRNS", b"\0"),
            (b"IDAT", zlib.compress(pixels, 9)),
            (b"IEND", b""),
        )
    )


def _sitemap(visit: Visit) -> Answer:
    entries = "".join(
        f"<url><loc>{visit.base_url}{path}</loc></url>\n"
        for path, _, expected, next_door in EXHIBITS
        if expected.state is State.OK and not next_door
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{entries}</urlset>\n"
    )
    return Answer(content_type="application/xml", body=xml.encode())


def _fine(lesson: str, title: str | None = None) -> Expected:
    return Expected(state=State.OK, status=200, lesson=lesson, title=title)


def _elsewhere(lesson: str, title: str, hops: int = 1) -> Expected:
    return Expected(
        state=State.REDIRECTED, status=200, lesson=lesson, title=title, hops=hops
    )


def _wrong(status: int, reason: str, lesson: str, hops: int = 0) -> Expected:
    return Expected(
        state=State.BROKEN,
        status=status,
        lesson=lesson,
        hops=hops,
        title=f"{status} {reason} | Tallow Hill",
    )


def _unwelcome(status: int, reason: str, lesson: str) -> Expected:
    return Expected(
        state=State.BLOCKED,
        status=status,
        lesson=lesson,
        title=f"{status} {reason} | Tallow Hill",
    )


def _failing(kind: Kind, lesson: str) -> Expected:
    return Expected(state=State.FAILED, kind=kind, lesson=lesson)


_POLISH_TITLE = "Chleb żytni i gwiazdy"
_STARS_TITLE = "What is up tonight | Tallow Hill"
_HOME_TITLE = "Tallow Hill Observatory & Bakery"

EXHIBITS: tuple[Exhibit, ...] = (
    # Well: pages in many encodings, and things that are no pages.
    Exhibit(
        "/",
        _page("index.html"),
        _fine("A page with all its parts in place.", _HOME_TITLE),
    ),
    Exhibit(
        "/menu",
        _menu,
        _fine("Came compressed with gzip.", "The menu | Tallow Hill"),
    ),
    Exhibit(
        "/stars/",
        _page("stars.html"),
        _fine("A table, and structured data beside it.", _STARS_TITLE),
    ),
    Exhibit(
        "/fr/",
        _page(
            "fr.html",
            encoding="windows-1252",  # which that name means to browsers
            content_type="text/html; charset=ISO-8859-1",
        ),
        _fine(
            "The Content-Type names an old encoding.",
            "L'observatoire-boulangerie de Tallow Hill",
        ),
    ),
    Exhibit(
        "/ja/",
        _page("ja.html", encoding="shift_jis", content_type=HTML_WITHOUT_CHARSET),
        _fine("Only a meta element says Shift_JIS.", "タロウヒル天文台とパン屋"),
    ),
    Exhibit(
        "/zh/",
        _page("zh.html", encoding="gb18030", content_type=HTML_WITHOUT_CHARSET),
        _fine("Only a meta element says GB18030.", "脂山天文台面包房"),
    ),
    Exhibit(
        "/el/",
        _page("el.html", encoding="utf-16", content_type=HTML_WITHOUT_CHARSET),
        _fine(
            "UTF-16, told by its byte order mark alone.",
            "Αστεροσκοπείο και φούρνος του Τάλοου Χιλ",
        ),
    ),
    Exhibit(
        "/pl/",
        _page("pl.html", content_type="text/html; charset=windows-1252"),
        _fine(
            "The Content-Type lies, and a browser believes it.",
            _POLISH_TITLE.encode().decode("windows-1252"),
        ),
    ),
    Exhibit(
        "/proving",
        _page("proving.html", delay_s=PROVING_S),
        _fine(
            f"Takes {PROVING_S} s to begin: the slowest page.",
            "The proving room | Tallow Hill",
        ),
    ),
    Exhibit(
        "/catalogue",
        _catalogue,
        _fine("A megabyte, sent in chunks.", "Every small star | Tallow Hill"),
    ),
    Exhibit(
        "/telescope",
        _page("telescope.html"),
        _fine(
            "Leads elsewhere by meta refresh, which is no redirect.",
            "The telescope | Tallow Hill",
        ),
    ),
    Exhibit(
        "/note",
        _page("note.html", content_type=None),
        _fine("Has no Content-Type, and no title either."),
    ),
    Exhibit(
        "/sourdough.txt",
        _page("sourdough.txt", content_type="text/plain; charset=utf-8"),
        _fine("Plain text."),
    ),
    Exhibit("/owl.png", _owl, _fine("An image.")),
    # Moved.
    Exhibit(
        "/bread",
        _moved(301, "/menu"),
        _elsewhere("Moved for good (301).", "The menu | Tallow Hill"),
    ),
    Exhibit(
        "/tonight",
        _moved(307, "/stars/"),
        _elsewhere("Elsewhere for now (307).", _STARS_TITLE),
    ),
    Exhibit(
        "/breadcrumbs",
        _moved(301, "/breadcrumbs/2"),
        _elsewhere("Three redirects in a row.", _HOME_TITLE, hops=3),
    ),
    Exhibit(
        "/roundabout",
        _moved(302, "/roundabout/exit"),
        _failing(Kind.TOO_MANY_REDIRECTS, "Two redirects that point at each other."),
    ),
    Exhibit(
        "/spiral",
        _one_step_up,
        _failing(Kind.TOO_MANY_REDIRECTS, "Each step redirects to the next, for ever."),
    ),
    # Broken: the site answers, and the answer is no.
    Exhibit(
        "/menu/moon-cheese-toast",
        _nothing_here,
        _wrong(404, "Not Found", "Never was."),
    ),
    Exhibit(
        "/comet-1997",
        _refusal(410, "Gone", "It has left. The next pass is in the year 4385."),
        _wrong(410, "Gone", "Was, and will not be again."),
    ),
    Exhibit(
        "/visitors",
        _moved(301, "/visitors/book"),
        _wrong(404, "Not Found", "Redirects to a page that is not there.", hops=1),
    ),
    Exhibit(
        "/oven",
        _refusal(500, "Internal Server Error", "The oven is on fire, inside."),
        _wrong(500, "Internal Server Error", "Is ill, however often one asks."),
    ),
    Exhibit(
        "/oven/door",
        _sticky_door,
        Expected(
            state=State.OK,
            status=200,
            attempts=2,
            title="The oven door | Tallow Hill",
            lesson="503 at first, with Retry-After; well when asked again.",
        ),
        next_door=True,
    ),
    # Blocked: a person would be let in.
    Exhibit(
        "/guestbook",
        _refusal(429, "Too Many Requests", "One signature at a time, please."),
        _unwelcome(
            429, "Too Many Requests", "Too many requests, also when asked later."
        ),
        next_door=True,
    ),
    Exhibit(
        "/members",
        _refusal(999, "Request Denied", "Members only, and members have feathers."),
        _unwelcome(999, "Request Denied", "A status that only robots see."),
        next_door=True,
    ),
    Exhibit(
        "/cellar",
        _refusal(
            403,
            "Forbidden",
            "Prove that you are not a robot: which of these loaves is the moon?",
            ("cf-mitigated", "challenge"),
        ),
        _unwelcome(403, "Forbidden", "A challenge page in front of the real one."),
        next_door=True,
    ),
    # Failed: there is no answer, or none that can be used.
    Exhibit(
        "/torn",
        _torn,
        _failing(Kind.RESET, "Ends before its Content-Length."),
    ),
    Exhibit(
        "/crumpled",
        _crumpled,
        _failing(Kind.BAD_ENCODING, "Says gzip, and is not."),
    ),
    Exhibit(
        "/dough",
        _dough,
        _failing(Kind.TOO_LARGE, "Unpacks to more than anybody should swallow."),
    ),
)

_ANSWERS: dict[str, Callable[[Visit], Answer]] = {
    **{exhibit.path: exhibit.answer for exhibit in EXHIBITS},
    # Reached from the pages above, not on the list.
    "/breadcrumbs/2": _moved(302, "/breadcrumbs/3"),
    "/breadcrumbs/3": _moved(308, "/"),
    "/roundabout/exit": _moved(302, "/roundabout"),
    "/robots.txt": _page("robots.txt", content_type="text/plain; charset=utf-8"),
    "/sitemap.xml": _sitemap,
    "/style.css": _page("style.css", content_type="text/css; charset=utf-8"),
}
