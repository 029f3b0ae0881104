"""Asks whether a page is still as a remembered run has it, instead of asking for it.

    known = conditions.begin(request, with_secrets=True)     # what it gave last
    page = get_url(..., condition=condition(known))          # a worker: If-None-Match
    restore(page, known, settings)                           # and makes a page of a 304
    if not conditions.end(request, page): ...                # to be asked for plainly

A server that answers 304 sends no body. The Page then has that of the last answer, with
its header fields as the 304 refreshes them, and says so: `page.not_modified`. All that
looks at it sees the page as it was. The body travels to the worker, packed as it is
kept, so that pages are read where they are when they come.

A page is never lost to this: an answer to the condition that is of no use is no answer,
and the URL is asked for once more, without.

Source:
    RFC 9110, 13 (conditional requests) and 8.8 (validators); RFC 9111, 3, 4.1 and 4.3.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import NamedTuple, Protocol

from . import __version__
from .models import Headers, Purpose, Request, Settings, State
from .page import Page

__all__ = [
    "Conditions",
    "Fields",
    "Known",
    "Memory",
    "asked_as",
    "condition",
    "kept_fields",
    "restore",
]

Fields = tuple[tuple[str, str], ...]

OK, NOT_MODIFIED, PRECONDITION_FAILED = 200, 304, 412
BYTES_UNDER_WAY = 16_000_000  # of packed bodies with workers; more are not sent along
VALIDATOR_MAX_CHARS = 1_000  # what is longer is not worth being sent back
DIGEST_BYTES = 16
# Of the caller's own fields, those that are no secret: any other may be one, and a
# digest of it in a file would let who has the file try out passwords.
OPEN_FIELDS = frozenset({"accept", "accept-charset", "accept-encoding"}) | frozenset(
    {"accept-language", "cache-control", "from", "pragma", "user-agent"}
)
# Not stored: what belongs to one connection (RFC 9111, 3.1; RFC 9110, 7.6.1), to one
# answer, or to one visitor.
OF_ONE_ANSWER = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"proxy-authenticate", "proxy-authentication-info", "proxy-authorization"}
    | {"age", "date", "set-cookie", "set-cookie2"}
)
# A 304 does not change these: the body was unpacked and read by them (RFC 9111, 3.2).
OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range"}) | {
    "content-type"
}


class Known(NamedTuple):
    """What a URL gave last, as it is kept and as it travels to a worker.

    fields:   JSON of n [name, value], as `kept_fields` gave them
    encoding: charset of its Content-Type
    packed:   its body, as zlib has it
    """

    fields: str
    encoding: str | None
    packed: bytes

    @property
    def headers(self) -> Headers:
        """Its header fields."""
        return Headers((name, value) for name, value in json.loads(self.fields))


class Memory(Protocol):
    """What remembers earlier runs: `fetcher.store.recorder.Recorder`."""

    def known(self, url: str, asked: bytes, max_bytes: int) -> Known | None:
        """Return what a URL gave last, where it may be asked conditionally."""


class Conditions:
    """Says what is known of a page that is to be asked for, and what came of that.

    Args:
        memory: what remembers earlier runs.
        settings: how the run asks, by the group of a request.
        asks: False: ask for every page, and only note how that was done.
    """

    def __init__(
        self, memory: Memory, settings: Mapping[str, Settings], *, asks: bool
    ) -> None:
        self._memory = memory
        self._asks = asks
        self._max_bytes = {name: each.max_bytes for name, each in settings.items()}
        self._asked = {
            (name, with_secrets): asked_as(each, with_secrets=with_secrets)
            for name, each in settings.items()
            for with_secrets in (True, False)
        }
        self._under_way: dict[int, tuple[bytes | None, int]] = {}  # and bytes sent
        self._bytes_under_way = 0
        self._distrusted: set[str] = set()  # origins whose answers were of no use

    def begin(self, request: Request, *, with_secrets: bool) -> Known | None:
        """Return what to ask with; None where the page is asked for plainly.

        A retry is: what is wrong with a host may be that it was asked conditionally.
        """
        self._forget(request)
        if request.purpose is not Purpose.PAGE or request.method != "GET":
            return None
        asked, known = self._asked[request.group, with_secrets], None
        is_trusted = request.attempt == 1 and request.origin not in self._distrusted
        has_room = self._bytes_under_way < BYTES_UNDER_WAY
        if self._asks and asked is not None and is_trusted and has_room:
            known = self._memory.known(
                request.url, asked, self._max_bytes[request.group]
            )
        sent_bytes = 0 if known is None else len(known.packed)
        self._bytes_under_way += sent_bytes
        self._under_way[id(request)] = asked, sent_bytes
        return known

    def end(self, request: Request, page: Page) -> bool:
        """Whether an answer tells of the page; if not, it has to be asked for again.

        That is a 304 about something else than what is known, and that of a server
        which takes the condition for one that is to fail (412). Its origin is then
        asked plainly for the rest of the run.
        """
        page.asked_as, sent_bytes = self._forget(request)
        if not sent_bytes or page.hops or page.failure is not None or page.not_modified:
            return True
        if page.status not in (NOT_MODIFIED, PRECONDITION_FAILED):
            return True
        self._distrusted.add(request.origin)
        return False

    def _forget(self, request: Request) -> tuple[bytes | None, int]:
        asked, sent_bytes = self._under_way.pop(id(request), (None, 0))
        self._bytes_under_way -= sent_bytes
        return asked, sent_bytes

    def __repr__(self) -> str:
        return (
            f"<Conditions: {len(self._under_way)} under way,"
            f" {self._bytes_under_way} bytes>"
        )


def restore(page: Page, known: Known, settings: Settings) -> None:
    """Make a page what a 304 says that it is, if that is about what is known."""
    if page.status != NOT_MODIFIED or page.hops or page.failure is not None:
        return
    headers = known.headers
    if not _is_about(page.headers, headers):
        return
    try:
        content = zlib.decompress(known.packed)
    except zlib.error:  # the file is damaged there
        return
    page.restore(
        status=OK,
        headers=freshened(headers, page.headers),
        content=content,
        encoding=known.encoding,
    )
    if settings.accept is not None:
        page.accepted = any(low <= OK <= high for low, high in settings.accept)


def asked_as(settings: Settings, *, with_secrets: bool) -> bytes | None:
    """Return a digest of what chooses among the forms that a URL may have.

    What a server varies its answer by must be as it was (RFC 9111, 4.1). Rather than
    what each answer's Vary names, all that a run sends by itself is taken.

    Returns:
        None where a secret is sent, of which no digest is to be in a file, or what this
        module does not see: cookies, what a session of the caller's adds.
    """
    if settings.session is not None or settings.cookie_file is not None:
        return None
    if with_secrets and (settings.auth or settings.netrc or settings.cert):
        return None
    own = [(name.lower(), value) for name, value in settings.headers]
    if not with_secrets:  # what goes to every origin
        own = [(name, value) for name, value in own if name == "from"]
    if not OPEN_FIELDS.issuperset(name for name, _ in own):
        return None
    agent = settings.user_agent or f"fetcher/{__version__}"
    # Another address, or a proxy, may be another server for the same URL.
    proxy = (settings.proxy or "").rpartition("@")[2]
    way = (proxy, settings.resolve, settings.ip_version)
    asked = repr((agent, own, way)).encode("utf-8", "replace")
    return blake2b(asked, digest_size=DIGEST_BYTES).digest()


def condition(headers: Headers) -> Fields:
    """Return the fields that ask for anything but this answer; none if there are none.

    Both where there are both: a server that does not know the one knows the other
    (RFC 9110, 13.1.3). An ETag that is none is not sent back: `*` would mean any.
    """
    found = []
    etag, date = headers.get("etag", ""), headers.get("last-modified", "")
    if _is_etag(etag):
        found.append(("If-None-Match", etag))
    if _DATE.fullmatch(date):
        found.append(("If-Modified-Since", date))
    return tuple(found)


def _is_etag(text: str) -> bool:
    return len(text) <= VALIDATOR_MAX_CHARS and _ETAG.fullmatch(text) is not None


_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # RFC 9110, 8.8.3
_DATE = re.compile(  # RFC 9110, 5.6.7: the form that is to be sent
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


def kept_fields(page: Page) -> Fields:
    """Return the header fields of a page that can be asked conditionally, else none.

    It came whole, with status 200, from the URL that was asked for; its answer may be
    stored, does not vary by what is not known here, and has a validator.
    """
    if page.asked_as is None or page.status != OK or page.state is not State.OK:
        return ()
    headers = page.headers
    if not _may_be_stored(headers):
        return ()
    if not _is_etag(headers.get("etag", "")):
        varies_by_cookie = "cookie" in _words(headers, "vary")  # a server's own
        is_settled = page.not_modified or _is_settled(headers)
        if varies_by_cookie or not is_settled:
            return ()
    dropped = OF_ONE_ANSWER
    if "connection" in headers:
        dropped = dropped | _words(headers, "connection")
    return tuple([line for line in headers.lines if line[0].lower() not in dropped])


def _may_be_stored(headers: Headers) -> bool:
    """Whether an answer may be taken again (RFC 9111, 4.1 and 5.2.2.5)."""
    if "no-store" in _words(headers, "cache-control"):
        return False
    return "*" not in _words(headers, "vary")


def freshened(known: Headers, came: Headers) -> Headers:
    """Return an answer's fields as a 304 brings them up to date (RFC 9111, 3.2)."""
    new = [line for line in came.lines if line[0].lower() not in OF_THE_BODY]
    replaced = {name.lower() for name, _ in new}
    old = (line for line in known.lines if line[0].lower() not in replaced)
    return Headers((*old, *new))


def _is_about(came: Headers, known: Headers) -> bool:
    """Whether a 304 is about the answer that is known (RFC 9111, 4.3.4).

    Of ETags what they quote is compared, also of a strong one: nginx makes a weak one
    of it when it packs a page, and not when it answers 304. A 304 that names none is
    about what it was asked for.
    """
    if "etag" in came:
        return _quoted(came["etag"]) == _quoted(known.get("etag", ""))
    if "last-modified" in came:
        return came["last-modified"] == known.get("last-modified")
    return True


def _quoted(etag: str) -> str:
    return etag.removeprefix("W/")


def _is_settled(headers: Headers) -> bool:
    """Whether a page cannot have changed twice in the second of its Last-Modified.

    Source:
        RFC 9110, 8.8.2.2.
    """
    changed = _moment(headers.get("last-modified", ""))
    sent = _moment(headers.get("date", ""))
    return changed is not None and sent is not None and changed < sent


def _moment(text: str) -> datetime | None:
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:  # the 31st of February
        return None


def _words(headers: Headers, name: str) -> frozenset[str]:
    """Return the members of a list field, lower-case, without their arguments."""
    field = headers.get(name)
    if field is None:
        return frozenset()
    members = field.lower().split(",")
    return frozenset([member.partition("=")[0].strip() for member in members])
