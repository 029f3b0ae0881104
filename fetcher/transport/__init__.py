"""Fetches one URL: `get_url(request) -> Page`, over requests with libcurl underneath.

    get_url -- one hop after another, one deadline over all ----> Page
       | sessions   a requests.Session per thread: auth, cookies, proxies
       | adapter    CurlAdapter, the seam: requests' `send` above, libcurl below
       | curl       easy handles, each with one open connection; phases; size cap
       + failures, certificates, budget, exchange

What is promised:

1. It raises nothing that the network or a server did, nor for a URL that makes no
   sense: that is `page.failure`, a kind out of a closed set and a sentence.
2. It ends within `timeout_s`: name look-ups, handshakes, redirects and all.
3. A body never costs more memory than `max_bytes`, however it was packed.
4. Credentials, client certificate and header fields that were given for one origin go
   to no other, cookies where browsers send them. Credentials in a redirect's Location
   are dropped.
5. A request goes only where its `reach` and the settings allow it, and so does each
   redirect: libcurl is told before it connects, and before it asks on a kept
   connection. What is not allowed is `forbidden_address` (see `fetcher.guard`).

A redirect to anything but http and https, or to what is no URL, is `bad_url`; the Page
then has the status and the head of that redirect. With an adapter of the user's own
the deadline is looked at between reads, and phases other than the total are unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import requests
import urllib3

from .. import urls
from ..models import Failure, Headers, Hop, Kind, Request, Settings
from ..page import Page
from .adapter import CurlAdapter, CurlResponse
from .curl import CUT_BODY_KEPT_BYTES, REDIRECTS
from .exchange import Exchange, Transfer
from .failures import clean, failure_of_requests
from .sessions import USER_AGENT, Client, Credentials, client_for

__all__ = ["USER_AGENT", "CurlAdapter", "get_url"]

FOREIGN_READ_BYTES = 64 * 1024
_DEFAULTS = Settings()


def get_url(
    request: Request | str,
    settings: Settings = _DEFAULTS,
    *,
    max_bytes: int | None = None,
    with_secrets: bool = True,
    condition: tuple[tuple[str, str], ...] = (),
) -> Page:
    """Return what one URL came to, redirects followed.

    May be called in any thread and process; connections, cookies and TLS sessions are
    kept for the next call with equal settings.

    Args:
        request: the URL, or a Request that also says which attempt this is,
            whether to ask with GET or HEAD, and how private its address may be.
        settings: how to ask.
        max_bytes: instead of the settings' own, for this one.
        with_secrets: whether the URL's origin may see the settings' credentials and
            header fields; False for a URL that somebody else named.
        condition: n (name, value) header fields that are sent to this very URL and not
            where it redirects to: what makes a request conditional (RFC 9110, 13).

    Raises:
        ConfigError: if a file that the settings name cannot be read, or a header
            field is none. What `settings.session` raises is passed on.
    """
    if isinstance(request, str):
        request = Request(url=request)
    fetched_at = datetime.now(UTC)
    client = client_for(settings)
    exchange = Exchange(settings.timeout_s, max_bytes or settings.max_bytes)
    walk = _Walk(client, exchange, request, with_secrets=with_secrets)
    outcome = walk.run(request.url, condition)
    transfer = outcome.transfer
    headers = transfer.headers
    return Page(
        url=request.url,
        final_url=outcome.url,
        status=transfer.status,
        headers=headers,
        content=transfer.body,
        encoding=None if headers is None else _charset(headers.get("content-type")),
        wire_bytes=transfer.wire_bytes,
        hops=walk.hops,
        timings=exchange.timings(),
        ip=transfer.ip,
        http_version=transfer.http_version,
        certificate=transfer.certificate,
        failure=transfer.failure,
        attempt=request.attempt,
        depth=request.depth,
        fetched_at=fetched_at,
        worker_pid=os.getpid(),
        accepted=_accepted(transfer.status, settings.accept),
    )


class _Outcome(NamedTuple):
    """The last URL that was asked, without its credentials, and what it gave."""

    url: str
    transfer: Transfer


class _Url(NamedTuple):
    """A URL in WHATWG form; `to_ask` has neither fragment nor credentials."""

    to_ask: str
    origin: str
    fragment: str
    credentials: Credentials | None

    @property
    def shown(self) -> str:
        return f"{self.to_ask}#{self.fragment}" if self.fragment else self.to_ask


def _parse(text: str, base: str | None = None) -> _Url:
    """Return a URL as a browser reads it, its credentials apart.

    Raises:
        BadUrl: if it is none that can be fetched; the message says why.
    """
    found = urls.parse(text if base is None else _joined(base, text))
    bare, credentials = urls.split_credentials(found.href)
    return _Url(bare, found.origin, found.fragment, credentials)


def _joined(base: str, location: str) -> str:
    r"""Return what a Location means, as a browser reads it; a host as it was written.

    Joining would turn `http://a\@b/`, which names different hosts to different
    parsers, into a URL that is plain, and nobody could refuse it any more.
    """
    location = location.strip()
    if _NAMES_HOST.match(location) is None:
        return urls.join(base, location)
    if location[0] in "/\\":
        return f"{base.partition(':')[0]}:{location}"
    return location


_NAMES_HOST = re.compile(r"(?:https?:)?[/\\]{2}", re.IGNORECASE)


class _Walk:
    """One URL and the redirects that it leads through."""

    def __init__(
        self,
        client: Client,
        exchange: Exchange,
        request: Request,
        *,
        with_secrets: bool,
    ) -> None:
        self._client = client
        self._exchange = exchange
        self._method = request.method
        self._reach = request.reach  # how private the next address may be
        self._with_secrets = with_secrets
        self.hops: list[Hop] = []

    def run(self, text: str, condition: tuple[tuple[str, str], ...]) -> _Outcome:
        """Return what the last URL gave; the first alone sees the condition."""
        try:
            url = asked = _parse(text)
        except urls.BadUrl as error:
            return _Outcome(text, _failed(Kind.BAD_URL, str(error)))
        while True:
            transfer = self._ask(url, asked, () if self.hops else condition)
            location = _location(transfer)
            if location is None:
                return _Outcome(url.shown, transfer)
            try:
                following = _parse(location, url.to_ask)
            except urls.BadUrl as error:
                text = f"the redirect leads nowhere: {error}"
                transfer.failure = Failure(Kind.BAD_URL, text)
                return _Outcome(url.shown, transfer)
            if len(self.hops) >= self._client.settings.max_redirects:
                transfer.failure = self._too_many()
                return _Outcome(url.shown, transfer)
            self.hops.append(Hop(url.shown, transfer.status or 0, transfer.ip))
            guard = self._client.guard
            self._reach = guard.led_by(self._reach, transfer.ip, url.to_ask)
            url = following._replace(fragment=following.fragment or url.fragment)

    def _too_many(self) -> Failure:
        text = f"more than {len(self.hops)} redirects"
        return Failure(Kind.TOO_MANY_REDIRECTS, text)

    def _ask(
        self, url: _Url, asked: _Url, condition: tuple[tuple[str, str], ...]
    ) -> Transfer:
        exchange = self._exchange
        exchange.last = None
        exchange.rule = self._client.guard.rule_for(self._reach)
        is_own = url.origin == asked.origin
        try:
            answer = self._client.ask(
                url.to_ask,
                url.origin,
                exchange,
                method=self._method,
                credentials=asked.credentials if is_own else None,
                is_trusted=is_own and self._with_secrets,
                condition=condition,
            )
            if isinstance(answer, Transfer):
                return answer
            if isinstance(answer.raw, CurlResponse):
                return answer.raw.transfer
            return _read_foreign(answer, exchange)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            last = exchange.last
            if last is not None and last.failure is not None:
                return last
            return Transfer(failure=failure_of_requests(error))


def _failed(kind: Kind, message: str) -> Transfer:
    return Transfer(failure=Failure(kind, message))


def _location(transfer: Transfer) -> str | None:
    """Return where an answer redirects to, None where it does not."""
    if transfer.failure is not None or transfer.status not in REDIRECTS:
        return None
    field = transfer.headers and transfer.headers.get_all("location")
    # Header bytes are read as Latin-1; a Location beyond ASCII is UTF-8 in practice.
    if not field:
        return None
    return field[0].encode("latin-1", "replace").decode(errors="replace")


def _read_foreign(response: requests.Response, exchange: Exchange) -> Transfer:
    """Return what an adapter that is not ours gave: a mock, or the user's own."""
    headers = _foreign_headers(response)
    transfer = Transfer(
        status=response.status_code, reason=response.reason or "", headers=headers
    )
    with response:
        if transfer.status not in REDIRECTS or "location" not in headers:
            _read_foreign_body(response, exchange, transfer)
    return transfer


def _foreign_headers(response: requests.Response) -> Headers:
    raw_headers = getattr(response.raw, "headers", None)
    if isinstance(raw_headers, urllib3.HTTPHeaderDict):
        return Headers(raw_headers.iteritems())
    return Headers(response.headers.items())


def _read_foreign_body(
    response: requests.Response, exchange: Exchange, transfer: Transfer
) -> None:
    body = bytearray()
    try:
        for chunk in _foreign_chunks(response):
            body += chunk
            transfer.wire_bytes = len(body)
            if len(body) > exchange.max_bytes:
                text = f"the body is larger than {exchange.max_bytes} bytes"
                transfer.failure = Failure(Kind.TOO_LARGE, text)
                del body[CUT_BODY_KEPT_BYTES:]
                break
            if exchange.left_s() <= 0:
                text = f"no whole answer within {exchange.timeout_s:g} seconds"
                transfer.failure = Failure(Kind.TIMEOUT, text)
                break
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        transfer.failure = failure_of_requests(error)
    transfer.body = bytes(body[: exchange.max_bytes])


def _foreign_chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body in the pieces in which it comes, where urllib3 can do that.

    `iter_content` would wait for a whole piece, which a server that drips can draw
    out past any deadline.
    """
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse) or getattr(
        response, "_content_consumed", True
    ):
        yield from response.iter_content(FOREIGN_READ_BYTES)
        return
    while chunk := raw.read1(FOREIGN_READ_BYTES, decode_content=True):
        yield chunk


def _charset(content_type: str | None) -> str | None:
    """Return the charset label of a Content-Type field, None without one."""
    if content_type is None or ";" not in content_type:
        return None
    for parameter in content_type.split(";")[1:]:
        name, equals, value = parameter.partition("=")
        if equals and name.strip().lower() == "charset":
            return clean(value.strip().strip("\"'")).lower() or None
    return None


def _accepted(
    status: int | None, ranges: tuple[tuple[int, int], ...] | None
) -> bool | None:
    if status is None or ranges is None:
        return None
    return any(low <= status <= high for low, high in ranges)
