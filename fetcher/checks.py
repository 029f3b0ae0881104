"""What a person expects of a page, and what of that was not met: as Findings.

    wanted = Expectation(status=((200, 200),), contains=("Opening hours",))
    for finding in judge(page, wanted, datetime.now(UTC)):
        print(finding.message)  # expected status 200, got 503

Pure: the same page, expectation and moment give the same findings. Whatever a page
holds, nothing is raised, and no pattern takes longer than its text is long: patterns
are RE2's, which never tries a text twice. What is no expectation is refused when it is
made, and never while pages are judged.

Sources: RE2's syntax, https://github.com/google/re2/wiki/Syntax; JMESPath,
https://jmespath.org/specification.html; language ranges, RFC 4647, 3.3.1; media
ranges, RFC 9110, 12.5.1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ConfigError
from .models import Finding, Headers, Severity, Timings
from .patterns import compiled
from .redact import redacted, redacted_headers
from .urls import BadUrl, parse, spelling

if TYPE_CHECKING:
    from .page import Page

__all__ = ["Expectation", "Expected", "Rule", "by_url", "judge"]

EXCERPT_MAX_CHARS = 200
BEFORE_CHARS = 60  # of an excerpt, before the place that it shows
TOKEN_MAX_CHARS = 8_000  # a URL around a place, in which secrets must be seen as such
NO_CERTIFICATE = "none to look at"
TOKEN_ENDS = frozenset(" \t\r\n\"'<>")  # no URL goes on beyond these

# Phases of a Page's timings that are the server's; `queue_s` is ours.
PHASES = tuple(name for name in Timings._fields if name != "queue_s")
PHASES_IN_WORDS = {
    "dns_s": "name look-up",
    "connect_s": "connection",
    "tls_s": "TLS handshake",
    "ttfb_s": "first byte",
    "transfer_s": "transfer",
    "total_s": "time",
}

Pairs = Mapping[str, str] | Sequence[tuple[str, str]]
# What an expression of a person's may raise over a stranger's data. JMESPath's own
# errors are ValueErrors; `ceil` of 1e999 is an OverflowError.
JSON_ERRORS = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError),
    ValueError,
)


class Rule(StrEnum):
    """What a finding is about: `Finding.rule` of all that `judge` finds."""

    STATUS = "expect-status"
    TEXT = "expect-text"
    NO_TEXT = "expect-no-text"
    MATCH = "expect-match"
    NO_MATCH = "expect-no-match"
    HEADER = "expect-header"
    JSON = "expect-json"
    CSS = "expect-css"
    REDIRECT = "expect-redirect"
    FINAL_URL = "expect-final-url"
    TIME = "expect-time"
    CERTIFICATE_DAYS = "expect-certificate-days"
    VERIFIED = "expect-verified"
    SIZE = "expect-size"
    LANGUAGE = "expect-language"
    TYPE = "expect-type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is expected of a page; None: nothing is.

    status:         n (low, high) ranges of statuses, both ends included; one of these
    contains:       n texts that stand in the body as it came, white space and all
    lacks:          n texts that do not
    matches:        n patterns (RE2) that match somewhere in the body
    lacks_match:    n patterns that match nowhere
    header:         name -> value of a field; `/.../` is a pattern
    json:           JMESPath expression -> the value that the body, as JSON, has there;
                    a text that reads `/.../` is a pattern
    css:            selector -> (least, most) elements; most None: any number
    redirects_to:   where the first redirect leads, or `/.../`
    final_url:      where the answer came from, or `/.../`
    warn_over_s:    phase ("total_s", "ttfb_s", ...) -> seconds; more is a warning
    fail_over_s:    phase -> seconds; more is an error
    certificate_days:     days that the certificate is still good for, at least
    certificate_verified: whether the certificate is verified
    min_body_bytes, max_body_bytes: size of the decoded body, both included
    language:       a language range: "en" is met by "en" and by "en-GB"
    content_type:   a media type, or a range of them ("image/*")
    severity:       what a finding weighs, but for `warn_over_s`; "off": nothing is
                    judged

    Raises:
        ConfigError: from the constructor; it names the field and what is wrong.
    """

    status: tuple[tuple[int, int], ...] | None = None
    contains: tuple[str, ...] | None = None
    lacks: tuple[str, ...] | None = None
    matches: tuple[str, ...] | None = None
    lacks_match: tuple[str, ...] | None = None
    header: Pairs | None = None
    json: Mapping[str, object] | None = None
    css: Mapping[str, tuple[int, int | None]] | None = None
    redirects_to: str | None = None
    final_url: str | None = None
    warn_over_s: Mapping[str, float] | None = None
    fail_over_s: Mapping[str, float] | None = None
    certificate_days: float | None = None
    certificate_verified: bool | None = None
    min_body_bytes: int | None = None
    max_body_bytes: int | None = None
    language: str | None = None
    content_type: str | None = None
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        """Refuse what can be no expectation."""
        for name in ("contains", "lacks", "matches", "lacks_match"):
            _check_texts(name, getattr(self, name))
        for pattern in (*(self.matches or ()), *(self.lacks_match or ())):
            compiled(pattern)
        values = [value for _, value in _pairs(self.header)]
        given = [*values, *(self.json or {}).values(), self.redirects_to]
        for value in (*given, self.final_url):
            _pattern_in(value)
        for name in ("redirects_to", "final_url"):
            _check_url(name, getattr(self, name))
        for expression in self.json or ():
            _expression(expression)
        self._check_selectors()
        self._check_ranges()

    def _check_selectors(self) -> None:
        if not self.css:
            return
        from .facts import check_selector

        for selector, (least, most) in self.css.items():
            try:
                check_selector(selector)
            except ValueError as error:
                raise ConfigError(f"css: {error}") from error
            if least < 0 or (most is not None and most < least):
                raise ConfigError(
                    f"css counts rise from 0, got {(least, most)!r} for {selector!r}"
                )

    def _check_ranges(self) -> None:
        for low, high in self.status or ():
            if not 100 <= low <= high <= 999:
                raise ConfigError(f"statuses rise from 100 to 999, got {(low, high)!r}")
        for name in ("warn_over_s", "fail_over_s"):
            for phase, limit_s in (getattr(self, name) or {}).items():
                if phase not in PHASES:
                    known = ", ".join(PHASES)
                    raise ConfigError(f"{name}: no phase {phase!r}; use {known}")
                if not limit_s > 0:
                    raise ConfigError(f"{name}: {phase} is above 0, got {limit_s!r}")
        least, most = self.min_body_bytes, self.max_body_bytes
        if least is not None and most is not None and least > most:
            raise ConfigError(
                f"min_body_bytes is {least!r} and max_body_bytes less, {most!r}"
            )
        if self.severity not in tuple(Severity):
            raise ConfigError(f"severity is off, warn or error, got {self.severity!r}")

    @property
    def facts(self) -> tuple[str, ...]:
        """Names of the facts that judging looks at, as `Page.read_ahead` takes them."""
        names = []
        if self.contains or self.lacks or self.matches or self.lacks_match or self.json:
            names.append("encoding")
        if self.language is not None:
            names.append("language")
        if self.css:
            from .facts import selected_by

            names += [selected_by(selector) for selector in self.css]
        return tuple(names)

    def expects_status(self, status: int | None) -> bool:
        """Whether this very status is asked for: it is well then, whatever it is."""
        if self.status is None or status is None or self.severity == Severity.OFF:
            return False
        return _is_in(status, self.status)


Expected = Expectation | Mapping[str, Expectation]


def by_url(expect: Expected | None) -> Callable[[str], Expectation | None]:
    """Return what tells the Expectation of a URL.

    Args:
        expect: one for all URLs, or one each, by URL. Spellings of the same URL
            are one (`HTTP://A.example` and `http://a.example/`).

    Raises:
        ConfigError: it is neither.
    """
    if expect is None:
        return lambda url: None
    if isinstance(expect, Expectation):
        return lambda url: expect
    if not isinstance(expect, Mapping):
        raise ConfigError(
            f"expect is an Expectation, or URLs with one each, got {expect!r}"
        )
    known = {spelling(url): each for url, each in expect.items()}
    for url, each in expect.items():
        if not isinstance(each, Expectation):
            raise ConfigError(f"expect: {url!r} has no Expectation but {each!r}")
    return lambda url: known.get(spelling(url))


def judge(page: Page, expectation: Expectation, now: datetime) -> tuple[Finding, ...]:
    """Return what of an expectation a page does not meet; nothing if all is well.

    A page without an answer is not judged: why there is none is what is wrong with
    it. Nor is one that fell short, or came with another status than expected, judged
    further than its status: it is not the page that was meant.

    Texts of the page in a finding are cut at 200 characters, and their secrets hidden.

    Args:
        page: a finished page.
        expectation: what is expected of it.
        now: the moment from which certificates have days left, aware.
    """
    if expectation.severity == Severity.OFF or page.status is None:
        return ()
    if page.failure is not None or page.skipped is not None:
        return ()
    view = _View(page, expectation, now)
    if expectation.status is None:
        return () if not page.ok else tuple(_all_but_status(view))
    if not _is_in(page.status, expectation.status):
        expected = f"status {_statuses(expectation.status)}"
        return (view.finding(Rule.STATUS, expected, str(page.status)),)
    return tuple(_all_but_status(view))


class _Place(NamedTuple):
    """Where in a text something stands: line and column from 1, and what is there."""

    line: int
    column: int
    excerpt: str


class _View:
    """A page, seen with one expectation: what several judgements look at."""

    def __init__(self, page: Page, expectation: Expectation, now: datetime) -> None:
        self.page = page
        self.expectation = expectation
        self.now = now

    @cached_property
    def text(self) -> str:
        """The body as text. What a worker has parsed is not parsed again for it."""
        from .facts import decode_as, decode_plain

        page = self.page
        if page.facts is None:
            return decode_plain(page.content, page.encoding)
        return decode_as(page.content, page.facts.encoding)

    @cached_property
    def json(self) -> object:
        """The body as JSON; _NotJson where it is none."""
        return _json_of(self.text)

    @cached_property
    def searchable(self) -> bytes:
        """The text as RE2 reads it; a lone surrogate is no character."""
        return self.text.encode("utf-8", "replace")

    def finding(
        self,
        rule: Rule,
        expected: str,
        got: str,
        place: _Place | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        message = f"expected {expected}, got {got}"
        if place is not None and place.line:
            message += f" at line {place.line:,}, column {place.column:,}"
        if place is not None and place.excerpt:
            message += f': "{place.excerpt}"'
        return Finding(
            rule=rule.value,
            severity=severity or Severity(self.expectation.severity),
            url=self.page.url,
            message=message,
            expected=expected,
            got=got,
            excerpt="" if place is None else place.excerpt,
            line=0 if place is None else place.line,
            column=0 if place is None else place.column,
        )


def _all_but_status(view: _View) -> Iterator[Finding]:
    for judgement in JUDGEMENTS:
        yield from judgement(view)


# Texts and patterns.


def _judge_texts(view: _View) -> Iterator[Finding]:
    for text in view.expectation.contains or ():
        if text not in view.text:
            yield view.finding(Rule.TEXT, f"the text {_quoted(text)}", _none_in(view))
    for text in view.expectation.lacks or ():
        start = view.text.find(text)
        if start >= 0:
            place = _place(view.text, start)
            yield view.finding(Rule.NO_TEXT, f"no text {_quoted(text)}", "it", place)


def _judge_patterns(view: _View) -> Iterator[Finding]:
    for pattern in view.expectation.matches or ():
        if compiled(pattern).search(view.searchable) is None:
            expected = f"a match of /{_cut(pattern)}/"
            yield view.finding(Rule.MATCH, expected, _none_in(view))
    for pattern in view.expectation.lacks_match or ():
        found = compiled(pattern).search(view.searchable)
        if found is not None:
            before = view.searchable[: found.start()]
            place = _place(view.text, len(before.decode("utf-8", "replace")))
            expected = f"no match of /{_cut(pattern)}/"
            yield view.finding(Rule.NO_MATCH, expected, "one", place)


def _none_in(view: _View) -> str:
    return f"none in {len(view.text):,} characters"


def _pattern_in(value: object) -> Any:
    """Return the pattern that a value between slashes stands for, else None."""
    if isinstance(value, str) and len(value) > 2 and value[0] == value[-1] == "/":
        return compiled(value[1:-1])
    return None


def _meets(value: str, wanted: str) -> bool:
    """Whether a text is the one wanted, or matches if that is a pattern."""
    pattern = _pattern_in(wanted)
    if pattern is None:
        return value == wanted
    return pattern.search(value.encode("utf-8", "replace")) is not None


# What the answer says of itself.


def _judge_header(view: _View) -> Iterator[Finding]:
    for name, wanted in _pairs(view.expectation.header):
        lines = view.page.headers.get_all(name)
        if any(_meets(value.strip(), wanted) for value in (*lines, ", ".join(lines))):
            continue
        got = "none" if not lines else _quoted(_shown_field(name, lines))
        expected = f"{name}: {_cut(_shown_field(name, [wanted]))}"
        yield view.finding(Rule.HEADER, expected, got)


def _shown_field(name: str, values: Sequence[str]) -> str:
    shown = redacted_headers(Headers([(name, value) for value in values]))
    return ", ".join(value for _, value in shown.lines)


def _judge_type(view: _View) -> Iterator[Finding]:
    wanted, found = view.expectation.content_type, view.page.content_type
    if wanted is None or (found is not None and _is_type(found, wanted.lower())):
        return
    got = "none" if found is None else _cut(found)
    yield view.finding(Rule.TYPE, f"content type {wanted}", got)


def _is_type(found: str, wanted: str) -> bool:
    if wanted.endswith("/*"):
        return wanted == "*/*" or found.startswith(wanted[:-1])
    return found == wanted


def _judge_language(view: _View) -> Iterator[Finding]:
    wanted, page = view.expectation.language, view.page
    if wanted is None:
        return
    declared = page.facts.language if page.facts is not None else None
    found = [declared] if declared else _listed(page.headers, "content-language")
    if any(_is_language(each, wanted) for each in found):
        return
    got = _quoted(", ".join(found)) if found else "none declared"
    yield view.finding(Rule.LANGUAGE, f"language {wanted}", got)


def _is_language(tag: str, wanted: str) -> bool:
    """Whether a tag is in a range, by basic filtering (RFC 4647, 3.3.1)."""
    tag, wanted = tag.lower(), wanted.lower()
    return tag == wanted or wanted == "*" or tag.startswith(f"{wanted}-")


def _listed(headers: Headers, name: str) -> list[str]:
    parts = ",".join(headers.get_all(name)).split(",")
    return [part.strip() for part in parts if part.strip()]


def _judge_size(view: _View) -> Iterator[Finding]:
    least, most = view.expectation.min_body_bytes, view.expectation.max_body_bytes
    size = view.page.body_bytes
    got = f"{size:,}"
    if least is not None and size < least:
        yield view.finding(Rule.SIZE, f"at least {least:,} bytes", got)
    if most is not None and size > most:
        yield view.finding(Rule.SIZE, f"at most {most:,} bytes", got)


# What is in it.


def _judge_json(view: _View) -> Iterator[Finding]:
    for expression, wanted in (view.expectation.json or {}).items():
        try:
            value = _expression(expression).search(view.json)
            is_met, got = _is_same(value, wanted), _as_json(value)
        except _NotJson as error:
            is_met, got = False, str(error)
        except JSON_ERRORS as error:
            is_met, got = False, f"no value: {_quoted(str(error))}"
        if not is_met:
            expected = f"{_cut(expression)} to be {_as_json(wanted)}"
            yield view.finding(Rule.JSON, expected, got)


class _NotJson(ValueError):
    """A body is no JSON; the message says so in the words of a finding."""


def _json_of(text: str) -> object:
    from .facts import nests_too_deep

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")  # RFC 8259, 6

    try:
        value: object = json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise _NotJson("JSON that nests too deep") from None
    except ValueError as error:
        raise _NotJson(f"what is no JSON ({_cut(str(error))})") from None
    if nests_too_deep(value):
        raise _NotJson("JSON that nests too deep")
    return value


@lru_cache(maxsize=1024)
def _expression(text: str) -> Any:
    """Return a JMESPath expression, ready to search.

    Raises:
        ConfigError: it is none.
    """
    import jmespath

    try:
        return jmespath.compile(text)
    except (RecursionError, ValueError) as error:
        hint = "; there is no `$` in front" if text.startswith("$") else ""
        why = str(error).partition("\n")[0].rstrip(":")
        raise ConfigError(f"{text!r} is no JMESPath: {why}{hint}") from error


def _is_same(value: object, wanted: object) -> bool:
    """Whether two values are the same JSON; 1 is 1.0, and True is not 1."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return _meets(value, wanted) or value == wanted
    if isinstance(value, dict) and isinstance(wanted, Mapping):
        return value.keys() == wanted.keys() and all(
            _is_same(value[name], wanted[name]) for name in value
        )
    if isinstance(value, list) and isinstance(wanted, list | tuple):
        return len(value) == len(wanted) and all(map(_is_same, value, wanted))
    return value == wanted


def _as_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return _cut(redacted(text[:TOKEN_MAX_CHARS]))


def _judge_css(view: _View) -> Iterator[Finding]:
    from .facts import Selected, selected

    facts = view.page.facts
    for selector, (least, most) in (view.expectation.css or {}).items():
        found = Selected(0, 0, 0) if facts is None else selected(facts, selector)
        if found.number < least or (most is not None and found.number > most):
            expected = f"{_counts(least, most)} of {_cut(selector)!r}"
            got = f"{found.number:,}" if facts is not None else "no HTML"
            place = _Place(found.line, found.column, "") if found.number else None
            got += ", the first" if found.line else ""
            yield view.finding(Rule.CSS, expected, got, place)


def _counts(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least:,}"
    return f"{least:,}" if most == least else f"{least:,} to {most:,}"


# How it came.


def _judge_redirect(view: _View) -> Iterator[Finding]:
    wanted, page = view.expectation.redirects_to, view.page
    if wanted is None:
        return
    targets = [*(hop.url for hop in page.hops[1:]), page.final_url]
    if page.hops and _is_url(targets[0], wanted):
        return
    got = _cut(redacted(targets[0])) if page.hops else "no redirect"
    yield view.finding(Rule.REDIRECT, f"a redirect to {_cut(redacted(wanted))}", got)


def _judge_final_url(view: _View) -> Iterator[Finding]:
    wanted, found = view.expectation.final_url, view.page.final_url
    if wanted is None or _is_url(found, wanted):
        return
    expected = f"the answer from {_cut(redacted(wanted))}"
    yield view.finding(Rule.FINAL_URL, expected, _cut(redacted(found)))


def _is_url(found: str, wanted: str) -> bool:
    if _pattern_in(wanted) is not None:
        return _meets(found, wanted)
    return spelling(found) == spelling(wanted)


def _judge_times(view: _View) -> Iterator[Finding]:
    warn_over_s = view.expectation.warn_over_s or {}
    fail_over_s = view.expectation.fail_over_s or {}
    for phase in PHASES:
        time_s = getattr(view.page.timings, phase)
        for limits, severity in ((fail_over_s, None), (warn_over_s, Severity.WARN)):
            limit_s = limits.get(phase, math.inf)
            if time_s is not None and time_s > limit_s:
                expected = f"{PHASES_IN_WORDS[phase]} of at most {_seconds(limit_s)}"
                got = _seconds(time_s)
                yield view.finding(Rule.TIME, expected, got, severity=severity)
                break  # what failed need not be warned of


def _seconds(time_s: float) -> str:
    return f"{time_s:.3f}".rstrip("0").rstrip(".") + " s"


def _has_tls(page: Page) -> bool:
    """Whether there is, or should be, a certificate: asked for or answered by https."""
    return page.url.startswith("https:") or page.final_url.startswith("https:")


def _judge_days(view: _View) -> Iterator[Finding]:
    days, certificate = view.expectation.certificate_days, view.page.certificate
    if days is None or not _has_tls(view.page):
        return
    got = NO_CERTIFICATE
    if certificate is not None:
        left = certificate.not_after - view.now
        if left >= timedelta(days=days):
            return
        got = f"{_days(left)} (until {certificate.not_after:%Y-%m-%d %H:%M} UTC)"
    expected = f"a certificate good for {days:g} days"
    yield view.finding(Rule.CERTIFICATE_DAYS, expected, got)


def _judge_verified(view: _View) -> Iterator[Finding]:
    wanted, certificate = view.expectation.certificate_verified, view.page.certificate
    if wanted is None or not _has_tls(view.page):
        return
    got = NO_CERTIFICATE
    if certificate is not None:
        if certificate.verified is wanted:
            return
        got = "a verified one" if certificate.verified else _quoted(certificate.reason)
    expected = f"a certificate that is {'' if wanted else 'not '}verified"
    yield view.finding(Rule.VERIFIED, expected, got)


def _days(left: timedelta) -> str:
    """Return days, rounded down to a decimal: too few must not look like enough."""
    return f"{math.floor(left / timedelta(days=1) * 10) / 10:,.1f} days"


JUDGEMENTS = (
    *(_judge_redirect, _judge_final_url, _judge_header, _judge_type),
    *(_judge_texts, _judge_patterns, _judge_json, _judge_css, _judge_language),
    *(_judge_size, _judge_times, _judge_days, _judge_verified),
)


# Words.


def _is_in(status: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(low <= status <= high for low, high in ranges)


def _statuses(ranges: Iterable[tuple[int, int]]) -> str:
    return " or ".join(
        f"{low}" if low == high else f"{low} to {high}" for low, high in ranges
    )


def _pairs(given: Pairs | None) -> Iterable[tuple[str, str]]:
    if given is None:
        return ()
    return given.items() if isinstance(given, Mapping) else given


def _cut(text: str) -> str:
    """Return a text in one line, of 200 characters at most."""
    line = " ".join(text[: 4 * EXCERPT_MAX_CHARS].split())
    is_whole = len(line) <= EXCERPT_MAX_CHARS and len(text) <= 4 * EXCERPT_MAX_CHARS
    return line if is_whole else f"{line[: EXCERPT_MAX_CHARS - 3]}..."


def _quoted(text: str | None) -> str:
    return repr(_cut(redacted(text or "")))


def _place(text: str, start: int) -> _Place:
    """Return where an index lies. Lines end at LF, CRLF or CR, as in HTML."""
    before = text[:start].replace("\r\n", "\n").replace("\r", "\n")
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    return _Place(line, column, _excerpt(text, start))


def _excerpt(text: str, start: int) -> str:
    """Return what stands around an index, in one line, with its secrets hidden.

    A secret is known by what stands before it, so whole words are looked at, and cut
    only then. Of a word too long for that nothing is shown.
    """
    low = _token_edge(text, max(start - BEFORE_CHARS, 0), -1)
    high = _token_edge(text, min(start + EXCERPT_MAX_CHARS, len(text)), 1)
    if low is None or high is None:
        return ""
    around = text[low:high]
    shown = redacted(around)
    if shown == around and start - low > BEFORE_CHARS:
        shown = around[start - low - BEFORE_CHARS :]
    return _cut(shown)


def _token_edge(text: str, index: int, step: int) -> int | None:
    """Return the nearest end of a word in one direction, None if it is far away."""
    edge = index
    while (
        0 < edge < len(text) and text[edge if step > 0 else edge - 1] not in TOKEN_ENDS
    ):
        edge += step
        if abs(edge - index) > TOKEN_MAX_CHARS:
            return None
    return edge


# What can be no expectation.


def _check_texts(name: str, texts: object) -> None:
    if texts is None:
        return
    is_list = isinstance(texts, Sequence) and not isinstance(texts, str)
    if not is_list or not all(isinstance(each, str) and each for each in texts):  # type: ignore[attr-defined]  # a Sequence
        raise ConfigError(f"{name} is a list of texts, none empty, got {texts!r}")


def _check_url(name: str, wanted: str | None) -> None:
    if wanted is None or _pattern_in(wanted) is not None:
        return
    try:
        parse(wanted)
    except BadUrl as error:
        raise ConfigError(f"{name} is a URL or a /pattern/: {error}") from error
