"""requests' seam: an HTTPAdapter whose exchanges are made by libcurl.

`send` stays requests' own, so that what hooks into it still works (`responses`
mocks it); only what it asks for underneath is different.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Generator, Iterable, Mapping
from http.cookiejar import http2time  # type: ignore[attr-defined]  # typeshed has it not

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from requests.utils import select_proxy

from ..models import Failure, Headers, Kind
from .curl import Question, Route, fetch
from .exchange import Exchange, Transfer

__all__ = [
    "BareAdapter",
    "CurlAdapter",
    "CurlResponse",
    "ReadyHeaders",
    "take_cookies",
]

# What stands for every encoding that this libcurl can undo: CURLOPT_ACCEPT_ENCODING
ALL_ENCODINGS = ""
_USUAL_ENCODINGS = requests.utils.default_headers()["Accept-Encoding"]


class ReadyHeaders(CaseInsensitiveDict[str]):
    """Request header fields that do not change, made into libcurl's form once."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.question_lines = _lines(self)
        self.encodings = self.get("Accept-Encoding", ALL_ENCODINGS)


class CurlResponse(urllib3.HTTPResponse):
    """A urllib3 response whose body was read, and decoded, by libcurl."""

    def __init__(self, transfer: Transfer, method: str, url: str) -> None:
        headers = transfer.headers or Headers()
        super().__init__(
            body=io.BytesIO(transfer.body),
            headers=urllib3.HTTPHeaderDict(headers.lines),
            status=transfer.status or 0,
            version=_VERSION_NUMBERS.get(transfer.http_version or "", 11),
            version_string=f"HTTP/{transfer.http_version or '?'}",
            reason=transfer.reason,
            preload_content=False,
            decode_content=False,
            original_response=_original(headers),
            enforce_content_length=False,
            request_method=method,
            request_url=url,
        )
        self.transfer = transfer

    def stream(
        self, amt: int | None = 2**16, decode_content: bool | None = None
    ) -> Generator[bytes, None, None]:
        """Yield the body, which is decoded already."""
        return super().stream(amt, decode_content=False)

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,
        cache_content: bool = False,
    ) -> bytes:
        """Return the body or a part of it, which is decoded already."""
        return super().read(amt, decode_content=False, cache_content=cache_content)


_VERSION_NUMBERS = {"1.0": 10, "1.1": 11, "2": 20, "3": 30}


# draft-ietf-httpbis-rfc6265bis-20, 5.6: a cookie with one of these is none. Sent back,
# it would not be a header field either.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# http.cookiejar stumbles over a Max-Age without a value, one that no float holds and a
# month that there is not, and drops all that the answer set. RFC 6265, 5.2.1 and 5.2.2:
# what is no date or no number is ignored.
_MAX_AGE = re.compile(r";\s*max-age\s*(?:=([^;]*))?(?=;|\Z)", re.IGNORECASE)
_EXPIRES = re.compile(r";\s*expires\s*=\s*([^;]*)", re.IGNORECASE)
_SECONDS = re.compile(r"-?[0-9]+")


def _readable(max_age: re.Match[str]) -> str:
    seconds = (max_age[1] or "").strip(' \t"')
    if _SECONDS.fullmatch(seconds) is None:
        return ""
    return f"; Max-Age={seconds[:10]}"  # longer than any life


def _dated(expires: re.Match[str]) -> str:
    try:
        http2time(expires[1].strip(' \t"'))
    except ValueError:
        return ""
    return expires[0]


class _OriginalResponse:
    """As much of http.client's response as requests asks to find cookies."""

    def __init__(self, headers: Headers) -> None:
        self.msg = http.client.HTTPMessage()
        for value in headers.get_all("set-cookie"):
            if _CONTROL.search(value) is None:
                dated = _EXPIRES.sub(_dated, value)
                self.msg["Set-Cookie"] = _MAX_AGE.sub(_readable, dated)

    def close(self) -> None:
        """Do nothing: there is nothing left to read."""

    def isclosed(self) -> bool:
        """Return True: there is nothing left to read."""
        return True


def _original(headers: Headers) -> http.client.HTTPResponse | None:
    if "set-cookie" not in headers:
        return None
    return _OriginalResponse(headers)  # type: ignore[return-value]  # the part in use


class _Connection:
    """What `send` takes for a urllib3 connection pool: one request long."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def urlopen(
        self,
        *,
        method: str,
        url: str,
        body: object,
        headers: Mapping[str, str | bytes],
        timeout: object,
        **_: object,
    ) -> CurlResponse:
        """Return the answer; raise what urllib3 would where there is none."""
        exchange = Exchange.from_timeout(timeout)
        question = _question(method, url, body, headers)
        transfer = fetch(self._route, question, exchange)
        if transfer.failure is not None:
            raise _urllib3_error(transfer.failure)
        return CurlResponse(transfer, method, url)


class CurlAdapter(HTTPAdapter):
    """Sends requests through libcurl; mount it for "http://" and "https://".

    Redirects are not followed here. A `requests.Session` with this adapter has one
    deadline over the whole answer: `timeout=` of the call, a pair's second part.

    Args:
        resolve: n "host:port:address" in curl's form.
        ip_version: 4, 6, or None for both.
    """

    def __init__(
        self,
        *,
        resolve: tuple[str, ...] = (),
        ip_version: int | None = None,
    ) -> None:
        super().__init__()
        self.resolve = resolve
        self.ip_version = ip_version

    def get_connection_with_tls_context(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: str | tuple[str, str] | None = None,
    ) -> _Connection:
        """Return what makes this one exchange; only its `urlopen` is asked for."""
        return _Connection(self._route(request, verify, proxies, cert))

    def _route(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None,
        cert: str | tuple[str, str] | None,
    ) -> Route:
        url = request.url or ""
        return Route(
            origin=_origin(url),
            proxy=(select_proxy(url, dict(proxies)) or "") if proxies else "",
            verify=True if verify is None else verify,
            cert=cert,
            resolve=self.resolve,
            ip_version=self.ip_version,
        )

    def cert_verify(self, *_: object, **__: object) -> None:
        """Do nothing: the route carries `verify` and `cert`."""

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:
        """Return the whole URL: libcurl decides what a proxy gets of it."""
        return request.url or ""


class BareAdapter(CurlAdapter):
    """A CurlAdapter for sessions that only we see: no Response around the Transfer.

    Building urllib3's and requests' response objects takes as long as libcurl does.
    """

    def get_connection_with_tls_context(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: str | tuple[str, str] | None = None,
    ) -> _Connection:
        """Return what makes this one exchange and raises nothing."""
        return _BareConnection(self._route(request, verify, proxies, cert))

    def build_response(  # type: ignore[override]
        self, req: requests.PreparedRequest, resp: object
    ) -> requests.Response | Transfer:
        """Return a transfer as it is; a mock's response as requests would build it."""
        if isinstance(resp, Transfer):
            return resp
        response: requests.Response = super().build_response(req, resp)  # type: ignore[arg-type]
        return response


class _BareConnection(_Connection):
    def urlopen(  # type: ignore[override]
        self,
        *,
        method: str,
        url: str,
        body: object,
        headers: Mapping[str, str | bytes],
        timeout: Exchange,
        **_: object,
    ) -> Transfer:
        return fetch(self._route, _question(method, url, body, headers), timeout)


def take_cookies(
    jar: RequestsCookieJar, request: requests.PreparedRequest, headers: Headers
) -> None:
    """Put the cookies that an answer sets into the jar, by RFC 6265's rules."""
    if "set-cookie" in headers:
        response = _CookieResponse(_OriginalResponse(headers))
        extract_cookies_to_jar(jar, request, response)  # type: ignore[no-untyped-call]


class _CookieResponse:
    def __init__(self, original: _OriginalResponse) -> None:
        self._original_response = original


def _origin(url: str) -> str:
    """Return "https://host:port" of an absolute URL, its port only if it is written."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"


def _question(
    method: str, url: str, body: object, headers: Mapping[str, str | bytes]
) -> Question:
    url = url.partition("#")[0]
    if isinstance(headers, ReadyHeaders):
        return Question(method, url, headers.question_lines, headers.encodings)
    asked = headers.get("Accept-Encoding")
    if isinstance(asked, bytes):
        asked = asked.decode("latin-1")
    encodings = ALL_ENCODINGS if asked in (None, _USUAL_ENCODINGS) else asked
    return Question(method, url, _lines(headers), encodings, _whole(body))


def _lines(headers: Mapping[str, str | bytes]) -> list[bytes]:
    """Return header fields as CURLOPT_HTTPHEADER takes them.

    There "Name;" means a field that is empty, and "Name:" none at all. The fields
    that libcurl writes itself are left out.
    """
    lines = []
    for name, value in headers.items():
        if name.lower() in ("accept-encoding", "content-length", "transfer-encoding"):
            continue
        field = name if isinstance(name, bytes) else name.encode("latin-1")
        text = value if isinstance(value, bytes) else _encoded(value)
        lines.append(field + (b": " + text if text else b";"))
    if "content-type" not in headers:
        lines.append(b"Content-Type:")
    lines.append(b"Expect:")
    return lines


def _encoded(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _whole(body: object) -> bytes | None:
    """Return a request's body as bytes, whichever form requests left it in."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _whole(body.read())
    if isinstance(body, Iterable):
        return b"".join(_whole(part) or b"" for part in body)
    raise TypeError(f"a body is text, bytes or a file, got {type(body).__name__}")


class _ReadTimeoutError(urllib3.exceptions.ReadTimeoutError):
    """A timeout of ours, which has no urllib3 pool to name."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)


def _urllib3_error(failure: Failure) -> Exception:
    """Return the exception that `send` turns into the one people know."""
    if failure.kind.startswith("tls_"):
        return urllib3.exceptions.SSLError(failure.message)
    if failure.kind is Kind.PROXY:
        return urllib3.exceptions.ProxyError(failure.message, OSError(failure.message))
    if failure.kind is Kind.TIMEOUT:
        return _ReadTimeoutError(failure.message)
    return urllib3.exceptions.ProtocolError(failure.message)
