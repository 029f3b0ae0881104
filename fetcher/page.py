"""What one URL came to: the `Page` that the callback gets.

A Page is filled by `fetcher.transport` in a worker, crosses the pipe as one flat
tuple, and answers in the parent. `text`, `facts`, `soup`, `title` and `links` are
made when first asked for and kept. This module is the only owner of bs4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .memory import give_back
from .models import (
    Certificate,
    Facts,
    Failure,
    Headers,
    Hop,
    Kind,
    Link,
    State,
    Timings,
)
from .redact import redacted

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

    from .facts import FactsAhead

__all__ = ["Page", "PlainPage"]

LARGE_BYTES = 1_000_000  # what is worth some milliseconds
SKIPPING_KINDS = frozenset({Kind.FORBIDDEN_ADDRESS, Kind.CANCELLED})
NO_TIMINGS = Timings()
# Directives of X-Robots-Tag that have a colon; any other word before one is a robot's.
# Google Search Central, "Robots meta tag specifications".
WITH_VALUE = frozenset(
    {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
)
LAZY = ("content_type", "facts", "mitigation", "soup", "text")
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class Page:
    """What one URL came to.

    Attributes:
        url: the URL as asked for.
        final_url: the URL that gave the answer, after redirects; WHATWG form.
        status: the HTTP status, None where there was no answer.
        headers: header fields of the answer.
        content: decoded bytes of the body; when `too_large` the first 1 MB, or fewer.
        encoding: the charset label of the Content-Type field, None without one.
        wire_bytes: bytes of the body as they came, before decoding.
        hops: each redirect that was followed, in order.
        timings: seconds by phase.
        ip: the address that answered; None where unknown.
        http_version: "1.0", "1.1", "2" or "3"; None where unknown.
        certificate: what a TLS server showed.
        failure: why there is no usable answer; None for any complete answer.
        attempt: which attempt this was, from 1.
        depth: links followed to find it; 0 for what was given.
        fetched_at: when the attempt began, aware UTC.
        worker_pid: process that fetched it; None where none did.
        accepted: what `accept` says of the status; None where it was not given.
        extract: what the `extract=` function returned.
        skipped: why it was not asked for at all ("robots.txt ..."), else None.
        group: the name of the Group it belongs to; "" where there are none.
        is_soft_404: its host answers so for what is not there.
        is_parsed_elsewhere: `facts` are what a worker read, and nothing is parsed here.
        not_modified: the server said that it is as a remembered run has it (304), whose
            body, header fields and status it has.
        asked_as: what chose among the forms that the URL may have, as a digest; None
            where it is not to be asked conditionally (see `fetcher.conditional`).
    """

    _body_bytes: int | None = None  # of a body that a store did not keep
    asked_as: bytes | None = None

    def __init__(  # one value, its parts, each named by its caller
        self,
        *,
        url: str,
        final_url: str | None = None,
        status: int | None = None,
        headers: Headers | None = None,
        content: bytes = b"",
        encoding: str | None = None,
        wire_bytes: int = 0,
        hops: Sequence[Hop] = (),
        timings: Timings = NO_TIMINGS,
        ip: str | None = None,
        http_version: str | None = None,
        certificate: Certificate | None = None,
        failure: Failure | None = None,
        attempt: int = 1,
        depth: int = 0,
        fetched_at: datetime | None = None,
        worker_pid: int | None = None,
        accepted: bool | None = None,
        extract: object = None,
        skipped: str | None = None,
        group: str = "",
    ) -> None:
        self.url = url
        self.final_url = url if final_url is None else final_url
        self.status = status
        self.headers = Headers() if headers is None else headers
        self.content = content
        self.encoding = encoding
        self.wire_bytes = wire_bytes
        self.hops = tuple(hops)
        self.timings = timings
        self.ip = ip
        self.http_version = http_version
        self.certificate = certificate
        self.failure = failure
        self.attempt = attempt
        self.depth = depth
        self.fetched_at = datetime.now(UTC) if fetched_at is None else fetched_at
        self.worker_pid = worker_pid
        self.accepted = accepted
        self.extract = extract
        self.skipped = skipped
        self.group = group
        self.is_soft_404 = False
        self.is_parsed_elsewhere = False
        self.not_modified = False
        self._facts_ahead: FactsAhead = ()

    @property
    def state(self) -> State:
        """What the URL came to, out of the closed set."""
        if self.failure is not None:
            skipped = self.failure.kind in SKIPPING_KINDS
            return State.SKIPPED if skipped else State.FAILED
        if self.skipped is not None:
            return State.SKIPPED
        if self.is_soft_404:
            return State.BROKEN
        if self.status is None:
            return State.FAILED
        accepted = self.status < 400 if self.accepted is None else self.accepted
        is_named = self.status >= 400  # `accept` said so: 403, 429 and 999, too
        if accepted and (is_named or self.mitigation is None):
            return State.REDIRECTED if self.hops else State.OK
        return State.BROKEN if self.mitigation is None else State.BLOCKED

    @cached_property
    def mitigation(self) -> str | None:
        """The sign that the site refuses robots and not people, or None.

        A 403 alone is no such sign: it may refuse everybody.
        """
        if self.status is None or (self.status < 400 and self.status != 202):
            return None
        return _sign_of_mitigation(self.status, self.headers, self.content)

    @property
    def ok(self) -> bool:
        """Whether the URL gave what it should: `ok` or `redirected`."""
        return self.state in (State.OK, State.REDIRECTED)

    @property
    def reason(self) -> str | None:
        """One line saying why the page fell short; None when it did not."""
        if self.failure is not None:
            return f"{self.failure.kind}: {self.failure.message}"
        if self.skipped is not None or self.ok:
            return self.skipped
        answer = f"HTTP {self.status}"
        if self.is_soft_404:
            return f"{answer}, as for any path that is not there"
        return answer if self.mitigation is None else f"{answer}, {self.mitigation}"

    @property
    def body_bytes(self) -> int:
        """Size of the body, in bytes: of `content`, also where that was not kept."""
        known = self._body_bytes
        return len(self.content) if known is None else known

    @cached_property
    def content_type(self) -> str | None:
        """The media type without its parameters, lower-case; None without one."""
        field = self.headers.get("content-type")
        if field is None:
            return None
        return field.partition(";")[0].strip().lower() or None

    @property
    def is_html(self) -> bool:
        """Whether the body is HTML: by its media type, else by its first bytes."""
        if self.content_type is not None:
            return self.content_type in HTML_TYPES
        start = self.content[:512].lstrip().lower()
        return start.startswith((b"<!doctype html", b"<html"))

    @cached_property
    def text(self) -> str:
        """The body as text, decoded as a browser would (WHATWG labels only)."""
        from .facts import decode

        return decode(self.content, self.encoding).text

    @cached_property
    def facts(self) -> Facts | None:
        """What the page says of itself; None for what is not HTML or did not come."""
        if self.status is None or not self.content or not self.is_html:
            return None
        if self.is_parsed_elsewhere and not self._facts_ahead:
            return None
        if self.failure is not None and self.failure.kind is Kind.ANALYSIS_CRASHED:
            return None
        from .facts import extract

        return extract(
            self.content, self.final_url, self.encoding, known=self._facts_ahead
        )

    def read_ahead(self, names: Iterable[str]) -> None:
        """Read these facts now; they travel with the page and cost nothing later."""
        elsewhere, self.is_parsed_elsewhere = self.is_parsed_elsewhere, False
        if self.facts is not None:
            from .facts import ahead

            self._facts_ahead = ahead(self.facts, names)
        self.is_parsed_elsewhere = elsewhere

    def restore(
        self, *, status: int, headers: Headers, content: bytes, encoding: str | None
    ) -> None:
        """Be what a remembered run has of this URL: the server says that it is so."""
        for name in LAZY:
            self.__dict__.pop(name, None)
        self.status, self.headers = status, headers
        self.content, self.encoding = content, encoding
        self.not_modified = True

    @property
    def facts_read(self) -> tuple[str, ...] | None:
        """The facts for which the page was parsed here; None if none were asked for.

        Empty where all that was asked for had been read ahead.
        """
        facts = self.__dict__.get("facts")
        return None if facts is None else tuple(facts.missed)

    def release(self) -> None:
        """Let go of the parsed page; `facts` is read anew if asked for again.

        A parsed page weighs ten times its bytes; who keeps Pages keeps few of those.
        """
        if self.__dict__.pop("facts", None) and self.body_bytes > LARGE_BYTES:
            give_back()

    @cached_property
    def soup(self) -> BeautifulSoup:
        """The body as BeautifulSoup over lxml, for the caller's own analysis."""
        from bs4 import BeautifulSoup

        return BeautifulSoup(self.text, "lxml")

    def asks_robots(self, directive: str) -> bool:
        """Whether the page asks all robots for this: "nofollow", or "noindex".

        In its `<meta name=robots>`, or in an X-Robots-Tag field.
        """
        wanted = {directive, "none"}
        if self.facts is not None and not wanted.isdisjoint(self.facts.robots):
            return True
        if "x-robots-tag" not in self.headers:
            return False
        return not wanted.isdisjoint(_header_directives(self.headers))

    @property
    def title(self) -> str | None:
        """The text of `<title>`, white space folded; None without one."""
        return None if self.facts is None else self.facts.title

    @property
    def links(self) -> tuple[Link, ...]:
        """Everything the page points to; empty for what is not HTML."""
        return () if self.facts is None else self.facts.links

    def __repr__(self) -> str:
        return redacted(f"<Page {self.url} {self.state}: {self.reason or self.status}>")

    def plainly(self) -> PlainPage:
        """Return all that a Page is made of in plain values; nothing lazy is in it."""
        failure, certificate = self.failure, self.certificate
        return PlainPage(
            self.url,
            self.final_url,
            self.status,
            self.headers.lines,
            self.content,
            self.encoding,
            self.wire_bytes,
            tuple(tuple(hop) for hop in self.hops),
            tuple(self.timings),
            self.ip,
            self.http_version,
            None if certificate is None else _plain_certificate(certificate),
            None if failure is None else (failure.kind.value, failure.message),
            self.attempt,
            self.depth,
            self.fetched_at.timestamp(),
            self.worker_pid,
            self.accepted,
            self.extract,
            self.skipped,
            self.is_soft_404,
            self.is_parsed_elsewhere,
            self._facts_ahead,
            self.group,
            self.not_modified,
        )

    @classmethod
    def from_plain(cls, plain: PlainPage) -> Page:
        """Return the Page that `plainly` was asked of."""
        certificate, failure = plain.certificate, plain.failure
        page = cls(
            url=plain.url,
            final_url=plain.final_url,
            status=plain.status,
            headers=Headers(plain.header_lines),
            content=plain.content,
            encoding=plain.encoding,
            wire_bytes=plain.wire_bytes,
            hops=[Hop(*hop) for hop in plain.hops],
            timings=Timings(*plain.timings),
            ip=plain.ip,
            http_version=plain.http_version,
            certificate=None if certificate is None else _certificate(certificate),
            failure=None if failure is None else Failure(Kind(failure[0]), failure[1]),
            attempt=plain.attempt,
            depth=plain.depth,
            fetched_at=datetime.fromtimestamp(plain.fetched_at, UTC),
            worker_pid=plain.worker_pid,
            accepted=plain.accepted,
            extract=plain.extract,
            skipped=plain.skipped,
            group=plain.group,
        )
        page.is_soft_404 = plain.is_soft_404
        page.is_parsed_elsewhere = plain.is_parsed_elsewhere
        page._facts_ahead = plain.facts_ahead
        page.not_modified = plain.not_modified
        return page

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        # One flat tuple of plain values: a third of the bytes and time of pickling
        # the attributes by name.
        return _from_wire, tuple(self.plainly())


class PlainPage(NamedTuple):
    """A Page as it crosses a pipe, and as it is written down.

    `certificate` has the fields of Certificate with its dates as seconds since 1970,
    `failure` kind and sentence, `fetched_at` is in seconds since 1970.
    """

    url: str
    final_url: str
    status: int | None
    header_lines: tuple[tuple[str, str], ...]
    content: bytes
    encoding: str | None
    wire_bytes: int
    hops: tuple[tuple[Any, ...], ...]
    timings: tuple[float | None, ...]
    ip: str | None
    http_version: str | None
    certificate: tuple[Any, ...] | None
    failure: tuple[str, str] | None
    attempt: int
    depth: int
    fetched_at: float
    worker_pid: int | None
    accepted: bool | None
    extract: Any
    skipped: str | None
    is_soft_404: bool
    is_parsed_elsewhere: bool
    facts_ahead: FactsAhead
    group: str = ""  # from here on not in what an older fetcher wrote down
    not_modified: bool = False


def _from_wire(*parts: Any) -> Page:
    return Page.from_plain(PlainPage(*parts))


_CERTIFICATE = tuple(field.name for field in fields(Certificate))


def _plain_certificate(certificate: Certificate) -> tuple[object, ...]:
    values = (getattr(certificate, name) for name in _CERTIFICATE)
    return tuple(
        value.timestamp() if isinstance(value, datetime) else value for value in values
    )


def _certificate(plain: tuple[Any, ...]) -> Certificate:
    parts = dict(zip(_CERTIFICATE, plain, strict=True))
    for name in ("not_before", "not_after"):
        parts[name] = datetime.fromtimestamp(parts[name], UTC)
    return Certificate(**parts)


def _header_directives(headers: Headers) -> Iterator[str]:
    """Yield what X-Robots-Tag says to every robot, lower-case.

    A directive for one robot ("googlebot: noindex") is for that one alone.
    """
    for value in headers.get_all("x-robots-tag"):
        name, colon, _ = value.partition(":")
        if colon and "," not in name and name.strip().lower() not in WITH_VALUE:
            continue
        for directive in value.lower().split(","):
            yield directive.strip()


def _sign_of_mitigation(status: int, headers: Headers, content: bytes) -> str | None:
    """Name what shows that a robot was turned away where a person would not be.

    Source:
        Cloudflare, "Detect a Challenge Page response" (`cf-mitigated: challenge`);
        AWS WAF, "Challenge and CAPTCHA actions" (`x-amzn-waf-action`, 202 and 405);
        status 999 is LinkedIn's; 429 is RFC 6585, 4.
    """
    if status == 429:
        return "too many requests"
    if status == 999:
        return "status 999 refuses robots"
    for name in ("cf-mitigated", "x-amzn-waf-action"):
        if name in headers:
            return f"{name}: {headers[name]}"
    if status in (403, 503) and "x-datadome" in headers:
        return "x-datadome"
    if status in (403, 503) and b"<title>Just a moment...</title>" in content[:4096]:
        return "a challenge page"
    return None
