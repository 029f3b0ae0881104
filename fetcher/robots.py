"""What a robots.txt says to one robot: bytes to `Rules`.

Pure: the caller fetches and keeps the file. Whatever the bytes are, nothing is
raised, and time and memory are bounded. This module reads lines and groups; whether
a path matches is protego's answer. The lines are not left to protego because there

1. `fetch` would be a group for the robot `fetcher`, and `fetcher/2.0` would not;
2. every group keeps its rules: 2,000 names above 2,000 rules, a file of 56 KB, take
   14 s to read;
3. a record that is unknown ends the list of names of a group;
4. a form feed or U+2028 ends a line.

Source:
    RFC 9309, Robots Exclusion Protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from .urls import BadUrl, join, parse

if TYPE_CHECKING:
    from protego import Protego

__all__ = [
    "ALLOW_ALL",
    "DISALLOW_ALL",
    "ROBOTS_MAX_BYTES",
    "RobotsLine",
    "Rules",
    "product_token",
    "read",
    "rules_from",
]

ROBOTS_MAX_BYTES = 500 * 1024  # RFC 9309, 2.5: at least 500 KiB
# A site that asks for more is a site for a few pages. No standard has a bound;
# Heritrix 3 obeys up to this many seconds (respectCrawlDelayUpToSeconds).
CRAWL_DELAY_MAX_S = 300.0
SITEMAPS_MAX = 1_000
# Past these bounds a question costs milliseconds, and it is asked for every link: a
# rule with a wildcard costs 1 us for a URL of usual length, others far less.
RULES_MAX = 10_000
WILDCARD_RULES_MAX = 2_000

ALLOW, DISALLOW, AGENT, DELAY, SITEMAP = (
    *("allow", "disallow", "user-agent"),
    *("crawl-delay", "sitemap"),
)
# How a field is written in files out there. RFC 9309, 2.2.4 lets a crawler be lenient;
# these are the spellings that Google's parser and protego know.
FIELDS = {
    **dict.fromkeys(["allow"], ALLOW),
    **dict.fromkeys(["disallow", "dissallow"], DISALLOW),  # codespell:ignore
    **dict.fromkeys(["dissalow", "disalow"], DISALLOW),  # codespell:ignore
    **dict.fromkeys(["diasllow", "disallaw"], DISALLOW),
    **dict.fromkeys(["user-agent", "useragent", "user agent"], AGENT),
    **dict.fromkeys(["crawl-delay", "crawl delay", "crawldelay"], DELAY),
    **dict.fromkeys(["sitemap", "sitemaps", "site-map"], SITEMAP),
}
TOO_MANY_RULES = (
    f"robots.txt has more than {RULES_MAX:,} rules for one robot, or"
    f" {WILDCARD_RULES_MAX:,} with wildcards: nothing is fetched"
)
NAMES_OF_RULES = {True: "Allow", False: "Disallow"}

# RFC 9309, 2.2.1 has no digits; MJ12bot and others do.
_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}", re.ASCII)
_LINE_END = re.compile(r"\r\n|\r|\n")
_WHITE = " \t"  # RFC 9309, 2.2
# What protego would take for white space or the end of a line.
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f]")
_HTML = re.compile(r"\s*<(?:!doctype\s+html|!--|html|head|body|script|meta)", re.I)


class RobotsLine(NamedTuple):
    """An Allow or Disallow line: its number, from 1, and its path as written.

    The number is 0 for a rule that stands in no file.
    """

    number: int
    is_allow: bool
    path: str

    def __str__(self) -> str:
        return f"{NAMES_OF_RULES[self.is_allow]}: {self.path}"


class Rules:
    """What one origin's robots.txt says to one robot.

    Attributes:
        lines: the n Allow and Disallow lines that hold for it, in the file's order,
            each once.
        crawl_delay_s: seconds between two requests, at most CRAWL_DELAY_MAX_S; None
            where the file has none that makes sense.
        sitemaps: at most SITEMAPS_MAX absolute URLs, in the file's order, each once.
        note: one sentence where these are not, or not all, the rules of a file.
    """

    __slots__ = ("_matcher", "crawl_delay_s", "lines", "note", "sitemaps")

    def __init__(
        self,
        lines: Iterable[RobotsLine] = (),
        *,
        crawl_delay_s: float | None = None,
        sitemaps: Iterable[str] = (),
        note: str | None = None,
    ) -> None:
        self.lines = tuple(lines)
        self.crawl_delay_s = crawl_delay_s
        self.sitemaps = tuple(sitemaps)
        self.note = note
        self._matcher: Protego | None = None

    def may_fetch(self, url: str) -> bool:
        """Whether the robot may fetch this absolute URL.

        A URL that cannot be taken apart may not. Costs 5 to 13 us where there are
        some dozens of rules, and next to nothing where there are none.
        """
        if not self.lines:
            return True
        if self._matcher is None:
            self._matcher = _matcher(self.lines)
        return _may_fetch(self._matcher, url)

    def rule_for(self, url: str) -> RobotsLine | None:
        """Return the line by which `may_fetch` answers; None where no line speaks.

        The longest of the lines that match and say what was answered. For reports:
        it reads every line anew, some 20 us each.
        """
        answer = self.may_fetch(url)
        said = [line for line in self.lines if line.is_allow is answer]
        for line in sorted(said, key=lambda line: -len(line.path)):
            # As a Disallow, because what no rule matches is allowed.
            if not _may_fetch(_matcher([line._replace(is_allow=False)]), url):
                return line
        return None

    def __repr__(self) -> str:
        parts = [f"{len(self.lines)} lines"]
        if self.crawl_delay_s is not None:
            parts.append(f"Crawl-delay {self.crawl_delay_s:g} s")
        if self.sitemaps:
            parts.append(f"{len(self.sitemaps)} sitemaps")
        if self.note is not None:
            parts.append(self.note)
        return f"<Rules {', '.join(parts)}>"


def _matcher(lines: Iterable[RobotsLine]) -> Protego:
    from protego import Protego

    written = (f"{NAMES_OF_RULES[line.is_allow]}: {_safe(line.path)}" for line in lines)
    return Protego.parse("\n".join(("User-agent: *", *written)))


def _safe(path: str) -> str:
    return _UNSAFE.sub(lambda found: quote(found[0]), path)


def _may_fetch(matcher: Protego, url: str) -> bool:
    try:
        return matcher.can_fetch(url, "*")
    except ValueError:  # half of an IPv6 address, a lone surrogate
        return False


ALLOW_ALL = Rules()
DISALLOW_ALL = Rules([RobotsLine(0, False, "/")])


def product_token(user_agent: str) -> str:
    """Return the name that a robots.txt can call this robot by, in lower case.

    The first word of its User-Agent without the version: "fetcher" for
    "fetcher/1.0 (+https://...)"; "" where there is none, which no group matches.
    """
    found = _TOKEN.match(user_agent.lstrip(_WHITE))
    return "" if found is None else found[0].lower()


def rules_from(
    status: int | None,
    content: bytes,
    agent: str,
    *,
    content_type: str | None = None,
    too_large: bool = False,
    url: str | None = None,
) -> Rules:
    """Return the rules that the answer to a request for robots.txt amounts to.

    1. 2xx: what the file says (RFC 9309, 2.3.1.1).
    2. 4xx: no rules (2.3.1.3), 429 included; that host's pace is another matter.
    3. 3xx, which is where the caller gave up following redirects, in a loop or after
       too many: no rules (2.3.1.2: it may be taken as unavailable).
    4. No answer, 5xx and any other status: nothing may be fetched (2.3.1.4).

    Args:
        status: of the last answer, after redirects; None where none came.
        content: the body, or its start: the first 500 KiB are read.
        agent: the product token, or a User-Agent that begins with it.
        content_type: of the answer; it only decides what a note says.
        too_large: whether `content` was cut by the caller.
        url: where the file was asked for: relative Sitemap lines are resolved
            against it, and dropped without it.
    """
    if status is None:
        return _disallow_all("robots.txt could not be fetched")
    if 200 <= status < 300:
        return _read(content, agent, content_type, too_large, url)
    if status in (404, 410):  # there is no such file: nothing to say
        return ALLOW_ALL
    if 400 <= status < 500:
        return _allow_all(f"robots.txt answered {status}", "2.3.1.3")
    if 300 <= status < 400:
        return _allow_all("robots.txt leads from redirect to redirect", "2.3.1.2")
    return _disallow_all(f"robots.txt answered {status}")


def _allow_all(why: str, section: str) -> Rules:
    return Rules(note=f"{why}: everything may be fetched (RFC 9309, {section})")


def _disallow_all(why: str) -> Rules:
    note = f"{why}: nothing is fetched (RFC 9309, 2.3.1.4)"
    return Rules(DISALLOW_ALL.lines, note=note)


def read(content: bytes, agent: str, *, url: str | None = None) -> Rules:
    """Return what a robots.txt says to one robot; the arguments of `rules_from`."""
    return _read(content, agent, None, False, url)


def _read(
    content: bytes, agent: str, content_type: str | None, cut: bool, url: str | None
) -> Rules:
    cut = cut or len(content) > ROBOTS_MAX_BYTES
    text = _text(content, cut)
    file = _File(product_token(agent), url)
    file.read(_records(text))
    group, note = file.group, file.group.note
    if group.is_too_long:
        return Rules(DISALLOW_ALL.lines, sitemaps=file.sitemaps, note=TOO_MANY_RULES)
    if cut:
        note = "robots.txt has more than 500 KiB: the rest is not read (RFC 9309, 2.5)"
    elif not group.is_there and _is_html(text, content_type):
        note = "robots.txt is an HTML page without rules: everything may be fetched"
    says_nothing = not (group.lines or file.sitemaps or note)
    if says_nothing and group.delay_s is None:
        return ALLOW_ALL  # one for all such sites
    return Rules(
        group.lines.values(),
        crawl_delay_s=group.delay_s,
        sitemaps=file.sitemaps,
        note=note,
    )


def _text(content: bytes, cut: bool) -> str:
    """Return the text of a file, without the line that a cut may have halved."""
    if cut:
        content = content[:ROBOTS_MAX_BYTES]
        content = content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1]
    # RFC 9309, 2.3 asks for UTF-8; 2.2.2 lets a crawler bridge what is something else.
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if is_utf16 else "utf-8", "replace")
    return text.removeprefix("\ufeff")


def _is_html(text: str, content_type: str | None) -> bool:
    is_said = content_type is not None and "html" in content_type.lower()
    return _HTML.match(text) is not None or (is_said and text.lstrip()[:1] == "<")


def _records(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, field and value of each line whose field is known."""
    for number, line in enumerate(_LINE_END.split(text), start=1):
        known = line.partition("#")[0].strip(_WHITE)
        name, colon, value = known.partition(":")
        field = FIELDS.get(name.rstrip(_WHITE).lower())
        if field is not None and colon:
            yield number, field, value.strip(_WHITE)
        elif known and (found := _without_colon(known)) is not None:
            yield number, *found


def _without_colon(line: str) -> tuple[str, str] | None:
    """Return field and value of a line such as `Disallow /private`."""
    for words in (2, 1):  # "user agent" before "user"
        parts = line.split(None, words)
        field = FIELDS.get(" ".join(parts[:words]).lower())
        if field is not None:
            return field, parts[words] if len(parts) > words else ""
    return None


class _Group:
    """The rules of all groups for one name, gathered into one (RFC 9309, 2.2.1)."""

    def __init__(self) -> None:
        self.is_there = False
        self.lines: dict[tuple[bool, str], RobotsLine] = {}
        self.delay_s: float | None = None
        self.note: str | None = None
        self._wildcards = 0

    @property
    def is_too_long(self) -> bool:
        return len(self.lines) > RULES_MAX or self._wildcards > WILDCARD_RULES_MAX

    def add(self, number: int, field: str, value: str) -> None:
        if field == DELAY:
            self._slow_down(value)
        elif value and not self.is_too_long:
            line = RobotsLine(number, field == ALLOW, value)
            if self.lines.setdefault(line[1:], line) is line:
                self._wildcards += "*" in value or "$" in value

    def _slow_down(self, value: str) -> None:
        if _SECONDS.fullmatch(value) is None:
            return
        asked_s = float(value)
        if asked_s > CRAWL_DELAY_MAX_S:
            self.note = (
                f"robots.txt asks for {asked_s:g} s between requests:"
                f" {CRAWL_DELAY_MAX_S:g} s are kept"
            )
        self.delay_s = max(min(asked_s, CRAWL_DELAY_MAX_S), self.delay_s or 0.0)


class _File:
    """The records of a file, those that one robot asks for."""

    def __init__(self, token: str, url: str | None) -> None:
        self.mine = _Group()
        self.everybody = _Group()
        self.sitemaps: dict[str, None] = {}
        self._token = token
        self._url = url

    def read(self, records: Iterable[tuple[int, str, str]]) -> None:
        """Give each record to the groups it stands in.

        A rule ends the names of a group: the next name begins another. So does a
        Crawl-delay, which is a rule to those who read it. Nothing else does, neither
        blank lines nor other records (RFC 9309, 2.2.4).
        """
        current: set[_Group] = set()
        in_names = False
        for number, field, value in records:
            if field == SITEMAP:
                self._add_sitemap(value)
            elif field == AGENT:
                current = current if in_names else set()
                in_names = True
                group = self._named(value)
                if group is not None:
                    group.is_there = True
                    current.add(group)
            else:
                in_names = False
                for group in current:
                    group.add(number, field, value)

    @property
    def group(self) -> _Group:
        return self.mine if self.mine.is_there else self.everybody

    def _named(self, value: str) -> _Group | None:
        """Return the group that a User-agent line names, None for another robot's.

        What follows the name is left out (`fetcher/2.0`, `fetcher (new)`), and so are
        asterisks beside it, which mean nothing there.
        """
        if value == "*" or value.startswith(("* ", "*\t")):
            return self.everybody
        token = product_token(value.replace("*", ""))
        return self.mine if token and token == self._token else None

    def _add_sitemap(self, value: str) -> None:
        if not value or len(self.sitemaps) >= SITEMAPS_MAX:
            return
        try:
            is_absolute = self._url is None or ":" in value.partition("/")[0]
            found = parse(value if is_absolute else join(self._url or "", value))
        except BadUrl:
            return
        self.sitemaps.setdefault(found.href)
