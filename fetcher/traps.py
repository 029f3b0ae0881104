"""Traps: endless calendars, session ids, ever-deeper paths, told by their URLs.

`Traps.judge` is asked of each link before it is queued, and names the reason where
following it would lead on for ever. Size is no reason: a forum of a million numbered
pages is wide, and is followed to its last page. A trap shows in other ways:

1. It repeats itself inside one URL: `/a/b/a/b/a/b/`.
2. It is a chain. Each page of a calendar leads to the next, so that the pages of one
   pattern, `/*/*/*/`, lie one link deeper each; those of an archive lie side by side.
3. It is a product. Filters that can be combined make many URLs out of few values,
   where 5,000 topics have 5,000 numbers; a session id multiplies each path.
4. It is a permutation: the same segments in ever other orders.

What is none of these, a tree of ever fresh names that forks at each page, cannot be
told from a large site; `--max-pages` ends it. Memory is bounded; no I/O, no clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import takewhile
from typing import Generic, NamedTuple, TypeVar

from .errors import ConfigError
from .urls import MAYBE_SESSION_NAMES, strip_session_ids

__all__ = ["LeftOut", "Traps"]

# What old browsers and today's sitemaps can take: Internet Explorer's longest URL
# (Microsoft KB 208427); sitemaps.org allows 2,048 for <loc>.
URL_MAX_CHARS = 2_083
# Heritrix: TooManyPathSegmentsDecideRule, 20; PathologicalPathDecideRule, more than 2.
SEGMENTS_MAX = 20
REPEATS_MAX = 2  # of one segment, or of several, in a row
OCCURRENCES_MAX = 4  # of one segment or parameter, anywhere in a URL

# A real list that can only be paged through is hundreds of pages long, so that a chain
# may be 1,000 long; one of dates is a calendar, of which 100 months are enough.
BUDGET = 1_000
DATES_PART = 10
# A chain finds few pages at each depth. Numbers in a query are more suspicious.
PATH_WIDTH = 10
QUERY_WIDTH = 30
# A product has this many times more URLs than values. A list that can be sorted in
# four ways, up and down, has eight.
COMBINATIONS = 10
# A parameter with the name of a session id may have this many times the budget of
# values on one path; a document that is known by a random one is likelier under others.
NAMED_VALUES = 10
RANDOM_VALUES = 50
# Under any name random values are session ids if they stand on this many paths, on each
# URL that differs otherwise with this many values.
SESSION_PATHS = 20
SESSION_VALUES = 5
NAMED_MIN_CHARS = 6
RANDOM_MIN_CHARS = 16
ORDERS_MAX = 6  # three segments have six orders
EXHAUSTED_SETS = 3

KEPT_VERDICTS = 65_536
KEPT_PATTERNS = 10_000
KEPT_PRODUCTS = 1_000
KEPT_VALUES = 500  # of one product; one that has more is none
KEPT_SESSIONS = 50
KEPT_PLACES = 5_000  # of one of them
KEPT_SETS = 10_000
KEPT_SITES = 1_000
KEPT_WORDS = 1_000
REPORTED = 1_000

_VARIABLE = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?"
    r"|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:19|2\d)\d\d"
_DATE = re.compile(
    rf"(?<!\d)(?:{_YEAR}[-/.](?:[a-z]?\d\d?|{_MONTH})(?!\d)"
    rf"|(?:\d\d?|{_MONTH})[-/.]{_YEAR}(?!\d)"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])?(?!\d))",
    re.IGNORECASE,
)
_MONTH_SEGMENT = re.compile(rf"(?<=/){_MONTH}(?=/|\Z)", re.IGNORECASE)
_DATE_NAME = re.compile(r"year|month|week|date|\bday|calendar|\bcal\b", re.IGNORECASE)
# Letters and digits mixed, or many hex digits: nobody's word, nobody's number.
_TOKEN = re.compile(
    r"(?=[^a-z]*[a-z])(?=\D*\d)[0-9a-z_-]{6,}|[0-9a-f]{16,}", re.IGNORECASE
)
_VALUE_PARTS = re.compile(r"[,|;]|%2C|%7C|%3B", re.IGNORECASE)

Key = TypeVar("Key")
Value = TypeVar("Value")


class LeftOut(NamedTuple):
    """What was not followed: URLs of one pattern, for one reason, and one of them.

    In `pattern` stars stand for what varies, dots for the rest of a path; it is "" for
    what did not fit into the report.
    """

    pattern: str
    reason: str
    urls: int
    example: str


class Traps:
    """Tells endless sites from large ones, link by link.

    Args:
        budget: how many links deep a chain of pages of one pattern may be (a tenth of
            it if they are dates), and how many combinations of values may come before
            they are called that.
        url_max_chars: the longest URL that is followed.
    """

    def __init__(
        self, *, budget: int = BUDGET, url_max_chars: int = URL_MAX_CHARS
    ) -> None:
        if budget < DATES_PART:
            raise ConfigError(f"the trap budget is at least {DATES_PART}, not {budget}")
        self._budget = budget
        self._url_max_chars = url_max_chars
        self._verdicts: dict[int, str | None] = {}
        self._older_verdicts: dict[int, str | None] = {}
        self._chains: _Kept[str, _Chain] = _Kept(KEPT_PATTERNS, _Chain)
        self._products: _Kept[str, _Product] = _Kept(KEPT_PRODUCTS, _Product)
        self._sessions: _Kept[str, _Session] = _Kept(KEPT_SESSIONS, _Session)
        self._orders: _Kept[int, set[int]] = _Kept(KEPT_SETS, set)
        self._wandering: _Kept[str, _Words] = _Kept(KEPT_SITES, _Words)
        self._left_out: dict[tuple[str, str], tuple[int, str]] = {}
        self._not_listed = LeftOut("", "others", 0, "")

    def judge(self, url: str, depth: int) -> str | None:
        """Return why a URL is better not followed, in a few words; None if it may be.

        To be asked of every link that would be followed. A URL that was asked of
        lately gets the answer it got then, whatever the depth.

        Args:
            url: in WHATWG form; its fragment does not count.
            depth: links from a start; of a breadth-first walk, or chains are not seen.
        """
        url = url.partition("#")[0]
        key = hash(url)
        if key in self._verdicts:
            return self._verdicts[key]
        if key in self._older_verdicts:
            found = self._older_verdicts[key]
        else:
            found = self._judge_new(url, depth)
        self._keep(key, found)
        return found

    def report(self) -> list[LeftOut]:
        """Return what was left out, the largest counts first; a bounded list."""
        found = [
            LeftOut(pattern, reason, urls, example)
            for (pattern, reason), (urls, example) in self._left_out.items()
        ]
        found.sort(key=lambda each: -each.urls)
        return found + ([self._not_listed] if self._not_listed.urls else [])

    def _keep(self, key: int, verdict: str | None) -> None:
        """Remember a verdict; of two generations the older one is forgotten."""
        if len(self._verdicts) >= KEPT_VERDICTS:
            self._older_verdicts = self._verdicts
            self._verdicts = {}
        self._verdicts[key] = verdict

    def _judge_new(self, url: str, depth: int) -> str | None:
        bare = strip_session_ids(url)
        if bare != url:
            key = hash(bare)
            if key in self._verdicts or key in self._older_verdicts:
                return self._leave_out(_head(bare), "session id", url)
        found = self._find(bare, depth)
        verdict = None if found is None else self._leave_out(*found, url)
        if bare != url:
            self._keep(key, verdict)
        return verdict

    def _leave_out(self, pattern: str, reason: str, url: str) -> str:
        key = (pattern, reason)
        if key in self._left_out:
            urls, example = self._left_out[key]
            self._left_out[key] = (urls + 1, example)
        elif len(self._left_out) < REPORTED:
            self._left_out[key] = (1, url)
        else:
            urls, example = self._not_listed[2:]
            self._not_listed = LeftOut("", "others", urls + 1, example or url)
        return reason

    def _find(self, url: str, depth: int) -> tuple[str, str] | None:
        """Return the pattern and the reason if this URL belongs to a trap."""
        if len(url) > self._url_max_chars:
            return _head(url), f"URL longer than {self._url_max_chars:,} characters"
        start = url.find("/", 8)
        path, _, query = url[start:].partition("?")
        site = url[:start]
        segments = path.removesuffix("/").split("/")[1:]
        if len(segments) > SEGMENTS_MAX:
            return _head(url), "too deep a path"
        if len(set(segments)) < len(segments) and _repeats(segments):
            return _head(url), "repeated segments"
        if not query and len(segments) > 2 and self._wanders(site, segments):
            return _head(url), "the same segments in another order"
        parameters = [each for each in query.split("&") if each] if query else []
        if parameters:
            if _occurs_often(parameters):
                return f"{site}{path}?*", "repeated parameters"
            found = self._combined(site, path, parameters)
            if found is not None:
                return found
        return self._chained(site, path, parameters, depth)

    def _wanders(self, site: str, segments: list[str]) -> bool:
        """Whether these segments have come in too many orders."""
        words = tuple([each for each in segments if not each.isdecimal()])
        if len(words) < 3:
            return False
        different = frozenset(words)
        orders = self._orders.of(hash((site, different)))
        if hash(words) in orders:
            return False
        known = self._wandering.of(site)
        if known.sets >= EXHAUSTED_SETS:
            fresh = len(different - known.words)
            if fresh == 0 or (fresh == 1 and len(different) > 3):
                return True
        if len(orders) < ORDERS_MAX:
            orders.add(hash(words))
            return False
        if len(orders) == ORDERS_MAX:
            orders.add(0)  # counted below, once
            known.sets += 1
            if len(known.words) < KEPT_WORDS:
                known.words |= different
        return True

    def _combined(
        self, site: str, path: str, parameters: list[str]
    ) -> tuple[str, str] | None:
        """Find products: of parameters on one path, or of one parameter and paths."""
        values = []
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            values += [f"{name}={part}" for part in _VALUE_PARTS.split(value)]
            if _is_token(name, value):
                session = self._sessions.of(f"{site} {name}")
                others = [each for each in parameters if each is not parameter]
                place = f"{path}?{'&'.join(others)}"
                if session.repeats(path, place, value, self._least(name)):
                    return f"{site}/*?{name}=*", "session id"
        if len(values) > 1:
            product = self._products.of(site + path)
            if product.grows_with(values, self._budget):
                return f"{site}{path}?*", f"too many like {path}?*"
        return None

    def _least(self, name: str) -> _Least:
        if name.lower() in MAYBE_SESSION_NAMES:
            return _Least(self._budget, 1, 1)
        return _Least(self._budget, SESSION_PATHS, 2)

    def _chained(
        self, site: str, path: str, parameters: list[str], depth: int
    ) -> tuple[str, str] | None:
        """Find chains, by how much deeper than the first of its pattern a URL lies."""
        shape = path
        if _DIGIT.search(path):
            shape = _MONTH_SEGMENT.sub("*", _VARIABLE.sub("*", path))
        elif not parameters:
            return None
        most = math.inf
        if parameters:
            names = sorted({each.partition("=")[0] for each in parameters})
            shape += f"?{'&'.join(f'{name}=*' for name in names)}"
            most = _most_values(parameters) * self._budget
        chain = self._chains.of(site + shape)
        chain.urls += 1
        if depth < chain.first_depth:
            chain.first_depth = depth
        links = depth - chain.first_depth
        width = QUERY_WIDTH if parameters else PATH_WIDTH
        # Not one number that looks like a date, but every one so far.
        chain.is_dated = chain.is_dated and _is_dated(path, parameters)
        if (
            (links > self._budget and chain.urls < width * links)
            or (links > self._budget // DATES_PART and chain.is_dated)
            or chain.urls > most
        ):
            chain.urls -= 1  # left out, and so no sign of width
            return site + shape, f"too many like {shape}"
        return None

    def __repr__(self) -> str:
        left_out = sum(each.urls for each in self.report())
        return f"<Traps budget {self._budget}, {left_out} URLs left out>"


class _Chain:
    """URLs of one pattern that were let through, and the depth of the first."""

    __slots__ = ("first_depth", "is_dated", "urls")

    def __init__(self) -> None:
        self.urls = 0
        self.first_depth = 1 << 62
        self.is_dated = True


class _Product:
    """URLs made of few values; the values are let go once the matter is clear."""

    __slots__ = ("_is_trap", "_urls", "_values")

    def __init__(self) -> None:
        self._urls = 0
        self._values: set[int] | None = set()
        self._is_trap = False

    def grows_with(self, values: list[str], budget: int) -> bool:
        """Count one more URL; whether there are more of them than values explain."""
        if self._values is None:
            return self._is_trap
        self._urls += 1
        self._values.update(map(hash, values))
        known = len(self._values)
        self._is_trap = self._urls > max(budget, COMBINATIONS * known)
        if self._is_trap or known > KEPT_VALUES:
            self._values = None
        return self._is_trap


class _Least(NamedTuple):
    """What it takes to call a parameter a session id."""

    urls: int
    paths: int
    urls_of_value: int


class _Session:
    """Where random values of one parameter were met, as session ids are.

    A resource that is known by such a value has few paths: to see, to edit, to print;
    and each has values of its own, where a session's is on all links of an answer.
    """

    __slots__ = ("_is_other", "_is_trap", "_paths", "_places", "_urls", "_values")

    def __init__(self) -> None:
        self._urls = 0
        self._paths: set[int] = set()
        self._places: set[int] = set()  # URLs without the parameter
        self._values: set[int] = set()
        self._is_trap = False
        self._is_other = False  # too many places to tell

    def repeats(self, path: str, place: str, value: str, least: _Least) -> bool:
        """Count one more URL; whether it leads to a known place in a new session."""
        if self._is_other:
            return False
        is_full = len(self._places) >= KEPT_PLACES
        is_known = hash(place) in self._places
        if not is_full:
            self._places.add(hash(place))
        if self._is_trap:
            return is_known or is_full
        self._urls += 1
        self._paths.add(hash(path))
        self._values.add(hash(value))
        self._is_trap = (
            self._urls > max(least.urls, SESSION_VALUES * len(self._places))
            and len(self._paths) >= least.paths
            and self._urls >= least.urls_of_value * len(self._values)
        )
        self._is_other = is_full or len(self._values) > KEPT_VALUES * SESSION_VALUES
        if self._is_trap or self._is_other:
            self._paths.clear()
            self._values.clear()
        return self._is_trap and is_known


class _Words:
    """Segments of one site that come in any order, from how many sets of them."""

    __slots__ = ("sets", "words")

    def __init__(self) -> None:
        self.sets = 0
        self.words: set[str] = set()


class _Kept(Generic[Key, Value]):
    """Things by key, made when first asked for; the longest unused are forgotten.

    In two generations: when the young one is full it becomes the old one, and the old
    one goes, less what was asked for meanwhile. Quicker than to keep an exact order.
    """

    __slots__ = ("_make", "_most", "_old", "_young")

    def __init__(self, most: int, make: Callable[[], Value]) -> None:
        self._most = most
        self._make = make
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def of(self, key: Key) -> Value:
        found = self._young.get(key)
        if found is not None:
            return found
        found = self._old.pop(key, None)
        if found is None:
            found = self._make()
        if len(self._young) >= self._most // 2:
            self._old = self._young
            self._young = {}
        self._young[key] = found
        return found

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def _head(url: str) -> str:
    """Return the site and the first segment, by which such URLs are reported."""
    start = url.find("/", 8)
    first = "".join(takewhile(lambda char: char not in "/?", url[start + 1 :]))
    return f"{url[:start]}/{first[:80]}/..."


def _is_token(name: str, value: str) -> bool:
    """Whether a value looks random, which takes less under the name of a session."""
    is_named = name.lower() in MAYBE_SESSION_NAMES
    least = NAMED_MIN_CHARS if is_named else RANDOM_MIN_CHARS
    return len(value) >= least and _TOKEN.fullmatch(value) is not None


def _most_values(parameters: list[str]) -> float:
    """Return how many times the budget URLs of one pattern may be."""
    most = math.inf
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.lower() in MAYBE_SESSION_NAMES:
            return NAMED_VALUES
        if _is_token(name, value):
            most = RANDOM_VALUES
    return most


def _is_dated(path: str, parameters: list[str]) -> bool:
    if _DATE.search(path):
        return True
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if _DATE_NAME.search(name) or _DATE.search(value):
            return True
    return False


def _occurs_often(parts: list[str]) -> bool:
    return len(parts) > OCCURRENCES_MAX and any(
        parts.count(part) > OCCURRENCES_MAX for part in set(parts)
    )


def _repeats(segments: list[str]) -> bool:
    """Whether segments come again and again: some in a row, or one anywhere.

    A number may follow itself, as in `/1/1/1/`, up to the count for anywhere.
    """
    if _occurs_often(segments):
        return True
    length = len(segments)
    times = REPEATS_MAX + 1
    for size in range(1, length // times + 1):
        for start in range(length - size * times + 1):
            block = segments[start : start + size]
            if segments[start : start + size * times] == block * times:
                return not all(segment.isdecimal() for segment in block)
    return False
