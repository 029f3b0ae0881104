"""libcurl's easy handles: each with one open connection, kept by route, lent singly.

    take(route) -> Handle -> perform(url, ...) -> Transfer -> give back
                     |
                     +-- one CurlShare per process: name look-ups and TLS sessions

A handle is never used by two threads at once, and connections are not shared between
handles (curl does not support that between threads); what threads do share is the
CurlShare, for which pycurl supplies the locks. After a fork the child leaves the
handles of its parent alone: closing them would end the parent's TLS connections.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pycurl
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .. import descriptors
from ..guard import Rule
from ..models import Certificate, Failure, Kind, Timings
from .budget import BodyBudget
from .certificates import KnownCertificates, certificate_from
from .exchange import Exchange, Transfer, head_ended, read_head
from .failures import clean, failure_of_curl

__all__ = ["Question", "Route", "fetch"]

Address = tuple[int, int, int, tuple[str, int]]  # pycurl.CurlSockAddr

IDLE_MAX = 512
SPARE_MAX = 64  # handles for TLS that have read their roots, for the next route
FREE_BODY_BYTES = 256 * 1024
SHARED_BODY_BYTES = 48 * 1024 * 1024
RECEIVE_BUFFER_BYTES = 256 * 1024
CUT_BODY_KEPT_BYTES = 1_000_000  # enough to see what it was
SMALL_CHUNK_BYTES = 4096  # smaller ones are joined as they come
SMALL_CHUNKS_A_LOOK = 1024  # between two looks at the clock
# Of a whole head, interim answers and trailers included. Chromium takes 256 KB, libcurl
# 300 KB and 5,000 lines.
HEAD_MAX_BYTES = 256 * 1024
HEAD_MAX_LINES = 1_000
REDIRECT_BODY_MAX_BYTES = 8192  # of a redirect, to keep its connection

# Options that pycurl has no names for, from curl.h.
QUICK_EXIT = 322  # CURLOPT_QUICK_EXIT
SUPPRESS_CONNECT_HEADERS = 265  # CURLOPT_SUPPRESS_CONNECT_HEADERS
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}


class Route(NamedTuple):
    """All that decides which connection may serve a request; options of one handle.

    verify: True for the roots of this machine, False for none, else a PEM file or a
    directory of roots. `proxy` is "" for none.
    """

    origin: str
    proxy: str = ""
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    resolve: tuple[str, ...] = ()
    ip_version: int | None = None


class Question(NamedTuple):
    """One request as it goes to libcurl; `lines` are its header fields."""

    method: str
    url: str
    lines: list[bytes]
    encodings: str | None
    body: bytes | None = None


def fetch(route: Route, question: Question, exchange: Exchange) -> Transfer:
    """Return what came of one request; what went wrong is its `failure`."""
    state = _state
    handle = state.idle.take(route) or Handle(route, state)
    transfer = handle.perform(question, exchange)
    if transfer.certificate is None and route.origin.startswith("https:"):
        transfer.certificate = _certificate(route, transfer, exchange, state)
    if handle.is_reusable and state is _state:
        state.idle.give(handle)
    elif handle.has_usual_options and state is _state:
        state.idle.give_up(handle)
    else:
        handle.close()
    exchange.add(transfer)
    return transfer


def _certificate(
    route: Route, transfer: Transfer, exchange: Exchange, state: _State
) -> Certificate | None:
    known = state.certificates.get(route)
    failure = transfer.failure
    refused = failure is not None and failure.kind in _REFUSED_CERTIFICATE
    if failure is not None and failure.kind is Kind.FORBIDDEN_ADDRESS:
        return None
    if failure is not None and not refused:
        return known
    if known is not None and known.verified is (route.verify is not False) ^ refused:
        return known
    return _shown_certificate(route, failure, exchange, state)


_REFUSED_CERTIFICATE = frozenset(
    {Kind.TLS_EXPIRED, Kind.TLS_HOSTNAME, Kind.TLS_UNTRUSTED}
)


def _shown_certificate(
    route: Route, failure: Failure | None, exchange: Exchange, state: _State
) -> Certificate | None:
    """Return the certificate of one more full handshake that sends no request."""
    left_s = exchange.left_s()
    if left_s <= 0:
        return None
    curl = _new_curl(route, None)
    if exchange.rule is not None and not route.proxy:
        Gate(exchange.rule).guard(curl)
    curl.setopt(pycurl.CONNECT_ONLY, 1)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
    curl.setopt(pycurl.SSL_VERIFYPEER, 0)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    curl.setopt(pycurl.URL, route.origin + "/")
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left_s * 1000)))
    try:
        curl.perform()
        chain = curl.getinfo(pycurl.INFO_CERTINFO)
    except pycurl.error:
        return None
    finally:
        curl.close()
    verified = failure is None and route.verify is not False
    reason = None if verified else failure.message if failure else NOT_CHECKED
    shown = certificate_from(chain, verified=verified, reason=reason)
    if shown is not None:
        state.certificates.keep(route, shown)
    return shown


NOT_CHECKED = "not checked, as asked"


class Gate:
    """Lets libcurl connect, and ask, only where the rule of a request allows it.

    libcurl asks it with the very address, after the name was looked up and before
    anything is sent there; so a name that changes its address in between gains nothing.
    Without a rule it lets everything through.
    """

    def __init__(self, rule: Rule | None = None) -> None:
        self.rule = rule
        self.refused: str | None = None  # why the first address was that was
        self._has_opened = False
        self._lent: socket.socket | None = None  # until libcurl has a copy

    def guard(self, curl: pycurl.Curl) -> None:
        """Let a handle ask, from now on."""
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._take_back_socket)
        curl.setopt(pycurl.PREREQFUNCTION, self._before_request)

    def start(self, rule: Rule | None) -> None:
        """Judge by another request's rule from now on."""
        self.rule = rule
        self.refused = None
        self._has_opened = False

    @property
    def is_to_blame(self) -> bool:
        """Whether a request failed because no address of its host was allowed."""
        return self.refused is not None and not self._has_opened

    def _open_socket(self, purpose: int, address: Address) -> socket.socket | int:
        """Return a socket for an address, or SOCKET_BAD: libcurl tries the next one."""
        family, kind, protocol, place = address
        if not self._lets_through(place[0]):
            return pycurl.SOCKET_BAD
        self._has_opened = True
        try:
            self._lent = socket.socket(family, kind, protocol)
        except OSError:  # IPv6 is off, or no descriptor is left
            return pycurl.SOCKET_BAD
        return self._lent

    def _take_back_socket(self, descriptor: int, purpose: int) -> int:
        """Close ours: libcurl has pycurl's copy, which programs are not to inherit."""
        if self._lent is not None:
            self._lent.close()
            self._lent = None
        os.set_inheritable(descriptor, False)
        return pycurl.SOCKOPT_OK

    def _before_request(self, ip: str, *_: object) -> int:
        """Return whether to ask on a connection, which may be a kept one."""
        if self._lets_through(ip):
            return pycurl.PREREQFUNC_OK
        self._has_opened = False
        return pycurl.PREREQFUNC_ABORT

    def _lets_through(self, ip: str) -> bool:
        if self.rule is None:
            return True
        why_not = self.rule.why_not(ip)
        self.refused = self.refused or why_not
        return why_not is None


class Handle:
    """One libcurl easy handle with its connection."""

    def __init__(self, route: Route, state: _State) -> None:
        self.route = route
        self.is_reusable = True
        self.has_usual_options = True
        self._state = state
        self._is_tls = route.origin.startswith("https:")
        self._curl = curl = _new_curl(route, state.share)
        self._lines: list[bytes] = []
        self._head_bytes = 0
        self._chunks: list[bytes | bytearray] = []
        self._small_chunks = 0
        self._received_bytes = 0
        self._allowed_bytes = -1
        self._took_budget = False
        self._stop: Failure | None = None
        self._is_redirect = False
        self._exchange: Exchange
        self._sent_lines: list[bytes] = []
        self._encodings: str | None = None
        self._method = "GET"
        self._ip: str | None = None
        self._version: str | None = None
        self._gate = Gate()
        self._is_gated = False
        curl.setopt(pycurl.HEADERFUNCTION, self._read_line)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)

    def perform(self, question: Question, exchange: Exchange) -> Transfer:
        """Return what came of one request, within the budget of its exchange."""
        left_s = exchange.left_s()
        if left_s <= 0:
            return Transfer(failure=_late(exchange))
        self._exchange = exchange
        if exchange.rule is not None or self._is_gated:
            refused = self._set_gate(exchange.rule, question.url)
            if refused is not None:
                return Transfer(failure=refused)
        self._prepare(question, left_s)
        failed: tuple[int, str] | None = None
        try:
            self._curl.perform()
        except pycurl.error as error:
            failed = error.args[:2]  # type: ignore[assignment]  # code, message
        transfer = self._read(failed)
        self._clear()
        return transfer

    def serve(self, route: Route) -> None:
        """Go over to another route of the same family.

        libcurl keeps the roots that a handle has read, which in one file of 140 take
        7 ms of CPU, and closes the connection when it makes the next.
        """
        self.route = route
        self.is_reusable = True
        self._ip = self._version = None

    def close(self) -> None:
        """End the connection."""
        self._curl.close()

    def _set_gate(self, rule: Rule | None, url: str) -> Failure | None:
        """Let the rule decide where this request goes; say if it is refused already.

        libcurl asks from the first rule on, so that what needs none costs nothing.
        A proxy's address is its own affair: what it would connect to is judged, as far
        as the URL tells.
        """
        if self.route.proxy:
            why_not = rule and rule.why_not_unseen(url)
            return _forbidden(self.route, why_not) if why_not else None
        self._gate.start(rule)
        if not self._is_gated:
            self._is_gated = True
            self._gate.guard(self._curl)
        return None

    def _prepare(self, question: Question, left_s: float) -> None:
        curl = self._curl
        curl.setopt(pycurl.URL, question.url)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left_s * 1000)))
        lines = question.lines
        if lines is not self._sent_lines:
            curl.setopt(pycurl.HTTPHEADER, lines)
            self._sent_lines = lines
        if question.encodings != self._encodings:
            self._encodings = question.encodings
            if question.encodings is None:
                curl.unsetopt(pycurl.ACCEPT_ENCODING)
            else:
                curl.setopt(pycurl.ACCEPT_ENCODING, question.encodings)
        if question.method != self._method:
            self._prepare_method(question)

    def _prepare_method(self, question: Question) -> None:
        self._method = question.method
        if question.method == "HEAD":
            self._curl.setopt(pycurl.NOBODY, 1)
            return
        self._curl.setopt(pycurl.NOBODY, 0)
        if question.method == "GET":
            self._curl.setopt(pycurl.HTTPGET, 1)
            return
        # Rather than undoing each of these options.
        self.is_reusable = self.has_usual_options = False
        if question.body is not None:
            self._curl.setopt(pycurl.POSTFIELDS, question.body)
        self._curl.setopt(pycurl.CUSTOMREQUEST, question.method)

    def _read_line(self, line: bytes) -> int | None:
        self._lines.append(line)
        self._head_bytes += len(line)
        if self._head_bytes > HEAD_MAX_BYTES or len(self._lines) > HEAD_MAX_LINES:
            self._stop = _too_much_head()
            return -1
        if line == b"\r\n" and self._leaves_body():
            self._is_redirect = True
            return -1
        return None

    def _leaves_body(self) -> bool:
        """Return whether to end a redirect after its head.

        The few bytes that redirects usually carry are read, so that the connection
        is kept. Not what is packed, long or of unknown length: it may be endless, a
        bomb, or never come.
        """
        status = self._lines[0][9:12]
        if status == b"200" or _status(self._lines) not in REDIRECTS:
            return False
        _, headers = read_head(self._lines)
        if "location" not in headers:
            return False
        if "content-encoding" in headers:
            return True
        length = headers.get("content-length", "")
        return not length.isdigit() or int(length[:9]) > REDIRECT_BODY_MAX_BYTES

    def _write(self, chunk: bytes) -> int | None:
        self._received_bytes += len(chunk)
        if self._received_bytes > self._allowed_bytes:
            return self._write_past_allowance(chunk)
        if len(chunk) < SMALL_CHUNK_BYTES and self._chunks:
            return self._write_small(chunk)
        self._chunks.append(chunk)
        return None

    def _write_small(self, chunk: bytes) -> int | None:
        """Join a small chunk to the last; end a transfer that is late.

        A body that comes byte by byte would cost fifty times its size as objects, and
        libcurl may take a second of such chunks before it looks at the clock.
        """
        last = self._chunks[-1]
        if isinstance(last, bytearray):
            last += chunk
        else:
            self._chunks.append(bytearray(chunk))
        self._small_chunks += 1
        late = self._small_chunks % SMALL_CHUNKS_A_LOOK == 0
        if late and self._exchange.left_s() <= 0:
            self._stop = _late(self._exchange)
            return -1
        return None

    def _write_past_allowance(self, chunk: bytes) -> int | None:
        """Take a chunk that is the first, that needs the shared budget, or too much.

        Returns:
            None to go on, -1 to end the transfer.
        """
        cap = self._exchange.max_bytes
        if self._allowed_bytes < 0:
            self._allowed_bytes = min(cap, FREE_BODY_BYTES)
        if self._received_bytes > cap:
            self._chunks.append(chunk[: len(chunk) - (self._received_bytes - cap)])
            self._chunks = [_first_bytes(self._chunks, CUT_BODY_KEPT_BYTES)]
            text = f"the body is larger than {cap} bytes"
            self._stop = Failure(Kind.TOO_LARGE, text)
            return -1
        if self._received_bytes > self._allowed_bytes:
            wanted = min(FREE_BODY_BYTES, cap - self._allowed_bytes)
            wanted = max(wanted, self._received_bytes - self._allowed_bytes)
            self._took_budget = True
            if not self._state.budget.take(self, wanted, self._exchange.deadline_s):
                self._stop = _late(self._exchange)
                return -1
            self._allowed_bytes += wanted
        self._chunks.append(chunk)
        return None

    def _read(self, failed: tuple[int, str] | None) -> Transfer:
        getinfo = self._curl.getinfo
        transfer = Transfer()
        is_new = bool(getinfo(pycurl.NUM_CONNECTS))
        if is_new:  # for what stays the same as long as the connection does
            self._ip = None if self.route.proxy else getinfo(pycurl.PRIMARY_IP) or None
            self._version = _VERSIONS.get(getinfo(pycurl.INFO_HTTP_VERSION))
        if failed is not None:
            transfer.failure = self._failure(*failed)
        if self._lines:
            transfer.status = getinfo(pycurl.RESPONSE_CODE) or None
            if transfer.failure is not None and (transfer.status or 0) < 200:
                transfer.status = None  # of an interim answer, and nothing after it
            elif failed is None and not head_ended(self._lines):
                transfer.failure = Failure(Kind.RESET, "the head was cut short")
                self.is_reusable = False
        if transfer.status is not None:
            transfer.reason, transfer.headers = read_head(self._lines)
            transfer.body = b"".join(self._chunks)
            transfer.wire_bytes = int(getinfo(pycurl.SIZE_DOWNLOAD_T))
            transfer.http_version = self._version
        refused = transfer.failure is not None and self._gate.is_to_blame
        transfer.ip = None if refused else self._ip
        transfer.timings = self._timings(is_new)
        if is_new and self._is_tls:
            transfer.certificate = self._certificate(transfer.failure)
        return transfer

    def _failure(self, code: int, message: str) -> Failure | None:
        if code == pycurl.E_WRITE_ERROR:
            if self._is_redirect:
                return None
            if self._stop is not None:
                return self._stop
            message = "the body cannot be unpacked as its Content-Encoding says"
        self.is_reusable = False
        if self._gate.is_to_blame and self._gate.refused:
            return _forbidden(self.route, self._gate.refused)
        getinfo = self._curl.getinfo
        # A kept connection is no new one, but something was sent on it.
        connected = getinfo(pycurl.NUM_CONNECTS) + getinfo(pycurl.REQUEST_SIZE) > 0
        return failure_of_curl(
            code,
            message,
            os_errno=getinfo(pycurl.OS_ERRNO),
            verify_result=getinfo(pycurl.SSL_VERIFYRESULT),
            connected=connected,
            proxied=bool(self.route.proxy),
        )

    def _timings(self, is_new: bool) -> Timings:
        """Return the phases as libcurl's clock has them: each from the start on."""
        getinfo = self._curl.getinfo
        sent_s = getinfo(pycurl.PRETRANSFER_TIME)
        first_s = getinfo(pycurl.STARTTRANSFER_TIME)
        dns_s = connect_s = tls_s = ttfb_s = transfer_s = None
        if is_new:
            resolved_s = getinfo(pycurl.NAMELOOKUP_TIME)
            connected_s = getinfo(pycurl.CONNECT_TIME)
            if resolved_s > 0:
                dns_s = resolved_s
            if connected_s > 0:
                connect_s = max(connected_s - resolved_s, 0.0)
            if self._is_tls:
                secured_s = getinfo(pycurl.APPCONNECT_TIME)
                tls_s = secured_s - connected_s if secured_s > 0 else None
        # libcurl's clock has a first byte also where none came.
        if first_s > 0 and getinfo(pycurl.HEADER_SIZE) > 0:
            ttfb_s = max(first_s - sent_s, 0.0)
            transfer_s = max(getinfo(pycurl.TOTAL_TIME) - first_s, 0.0)
        return Timings(None, dns_s, connect_s, tls_s, ttfb_s, transfer_s)

    def _certificate(self, failure: Failure | None) -> Certificate | None:
        """Return what a full handshake of this transfer showed, None without one."""
        refused = failure is not None and failure.kind in _REFUSED_CERTIFICATE
        verified = not refused and self.route.verify is not False
        reason = None if verified else failure.message if refused and failure else None
        found = certificate_from(
            self._curl.getinfo(pycurl.INFO_CERTINFO),
            verified=verified,
            reason=reason if verified or reason else NOT_CHECKED,
        )
        if found is not None:
            self._state.certificates.keep(self.route, found)
        return found

    def _clear(self) -> None:
        if self._took_budget:
            self._state.budget.release(self)
            self._took_budget = False
        self._lines.clear()
        self._head_bytes = 0
        self._chunks = []
        self._small_chunks = 0
        self._received_bytes = 0
        self._allowed_bytes = -1
        self._stop = None
        self._is_redirect = False

    def __repr__(self) -> str:
        return f"<Handle {self.route.origin}>"


def _first_bytes(chunks: Iterable[bytes | bytearray], limit_bytes: int) -> bytes:
    first = bytearray()
    for chunk in chunks:
        first += chunk[: limit_bytes - len(first)]
    return bytes(first)


def _status(lines: list[bytes]) -> int:
    """Return the status of the last head among these lines: "HTTP/1.1 301 Moved"."""
    for line in reversed(lines):
        if line.startswith(b"HTTP/"):
            word = line.split(None, 2)[1:2]
            return int(word[0]) if word and word[0].isdigit() else 0
    return 0


def _forbidden(route: Route, why: str) -> Failure:
    """Return the failure of a request whose address was refused."""
    host = route.origin.partition("://")[2]
    return Failure(Kind.FORBIDDEN_ADDRESS, clean(f"{host} may not be asked: {why}"))


def _too_much_head() -> Failure:
    text = f"the head is larger than {HEAD_MAX_BYTES} bytes or {HEAD_MAX_LINES} lines"
    return Failure(Kind.PROTOCOL, text)


def _late(exchange: Exchange) -> Failure:
    text = f"no whole answer within {exchange.timeout_s:g} seconds"
    return Failure(Kind.TIMEOUT, text)


def _new_curl(route: Route, share: pycurl.CurlShare | None) -> pycurl.Curl:
    """Return an easy handle with every option that its route decides."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.NOSIGNAL, 1)
    # Closing a handle would otherwise wait for its name server, deadline or not.
    curl.setopt(QUICK_EXIT, 1)
    curl.setopt(pycurl.PATH_AS_IS, 1)
    curl.setopt(pycurl.MAXCONNECTS, 1)
    curl.setopt(pycurl.BUFFERSIZE, RECEIVE_BUFFER_BYTES)
    curl.setopt(SUPPRESS_CONNECT_HEADERS, 1)
    # Always set: libcurl would read the environment for itself.
    curl.setopt(pycurl.PROXY, route.proxy)
    curl.setopt(pycurl.NOPROXY, "")
    curl.setopt(pycurl.IPRESOLVE, _IP_RESOLVE[route.ip_version])
    if route.resolve:  # its addresses must not reach the look-ups of other routes
        curl.setopt(pycurl.RESOLVE, list(route.resolve))
    elif share is not None:
        curl.setopt(pycurl.SHARE, share)
    if route.origin.startswith("https:") or route.proxy.startswith("https:"):
        _set_tls(curl, route)
    return curl


_IP_RESOLVE = {
    None: pycurl.IPRESOLVE_WHATEVER,
    4: pycurl.IPRESOLVE_V4,
    6: pycurl.IPRESOLVE_V6,
}


def _set_tls(curl: pycurl.Curl, route: Route) -> None:
    curl.setopt(pycurl.OPT_CERTINFO, 1)
    if route.verify is False:
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    else:
        roots = _default_roots() if route.verify is True else route.verify
        _set_roots(curl, roots)
    if isinstance(route.cert, tuple):
        curl.setopt(pycurl.SSLCERT, route.cert[0])
        curl.setopt(pycurl.SSLKEY, route.cert[1])
    elif route.cert is not None:
        curl.setopt(pycurl.SSLCERT, route.cert)


@cache
def _is_directory(path: str) -> bool:
    return Path(path).is_dir()


def _set_roots(curl: pycurl.Curl, roots: str) -> None:
    if _is_directory(roots):
        curl.setopt(pycurl.CAPATH, roots)
        curl.unsetopt(pycurl.CAINFO)
        options = (pycurl.PROXY_CAPATH, pycurl.PROXY_CAINFO)
    else:
        curl.setopt(pycurl.CAINFO, roots)
        options = (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)
    curl.setopt(options[0], roots)


@cache
def _default_roots() -> str:
    """Return the machine's directory of hashed roots, else requests' own file.

    Reading a file of 140 roots takes a new handle 10 ms of CPU; a directory is
    looked into only for the root in question.
    """
    directory = ssl.get_default_verify_paths().capath
    if directory is not None and next(Path(directory).glob("????????.0"), None):
        return directory
    return DEFAULT_CA_BUNDLE_PATH


def _family(route: Route) -> Route | None:
    """Return what routes have in common whose handles differ in no option.

    None without TLS, where a new handle costs next to nothing.
    """
    if not route.origin.startswith("https:"):
        return None
    return route._replace(origin="https:")


class IdleHandles:
    """Handles that nobody uses, by route; the last one given is the first taken.

    Past the limit the oldest becomes a spare, as one does whose connection failed:
    it serves the next route of its family that has none.
    """

    def __init__(
        self, limit: int, close: Callable[[Handle], None], spares: int = 0
    ) -> None:
        self.limit = limit
        self._close = close
        self._spare_limit = spares
        self._spares: list[Handle] = []
        self._lock = Lock()
        self._by_route: dict[Route, list[Handle]] = {}
        self._oldest_first: OrderedDict[Handle, None] = OrderedDict()

    def take(self, route: Route) -> Handle | None:
        """Return a handle that was used on this route, None when there is none."""
        with self._lock:
            handles = self._by_route.get(route)
            if not handles:
                return self._take_spare(route) if self._spares else None
            handle = handles.pop()
            if not handles:
                del self._by_route[route]
            del self._oldest_first[handle]
            return handle

    def give(self, handle: Handle) -> None:
        """Keep a handle for the next that asks; past the limit close the oldest."""
        with self._lock:
            self._by_route.setdefault(handle.route, []).append(handle)
            self._oldest_first[handle] = None
            surplus = self._surplus()
        for one in surplus:
            self.give_up(one)

    def give_up(self, handle: Handle) -> None:
        """Keep a handle without its connection, for another route, or close it."""
        if _family(handle.route) is not None:
            with self._lock:
                if len(self._spares) < self._spare_limit:
                    self._spares.append(handle)
                    return
        self._close(handle)

    def _take_spare(self, route: Route) -> Handle | None:
        family = _family(route)
        for at, handle in enumerate(self._spares):
            if _family(handle.route) == family:
                del self._spares[at]
                handle.serve(route)
                return handle
        return None

    def _surplus(self) -> Iterable[Handle]:
        surplus = []
        while len(self._oldest_first) > self.limit:
            handle, _ = self._oldest_first.popitem(last=False)
            handles = self._by_route[handle.route]
            handles.remove(handle)  # it stands first: it was given before the others
            if not handles:
                del self._by_route[handle.route]
            surplus.append(handle)
        return surplus

    def __len__(self) -> int:
        return len(self._oldest_first)

    def __repr__(self) -> str:
        routes = len(self._by_route)
        return f"<IdleHandles {len(self)}/{self.limit}, {routes} routes>"


class _State:
    """What the threads of one process share."""

    def __init__(self) -> None:
        self.share = pycurl.CurlShare()
        self.share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)
        self.share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_SSL_SESSION)
        idle_max = min(IDLE_MAX, descriptors.idle_max())
        spare_max = min(SPARE_MAX, idle_max // 4)
        self.idle = IdleHandles(idle_max, Handle.close, spare_max)
        self.budget = BodyBudget(SHARED_BODY_BYTES)
        self.certificates = KnownCertificates()


_state = _State()
_left_alone: list[_State] = []


def _start_anew() -> None:
    global _state
    _left_alone.append(_state)
    _state = _State()


os.register_at_fork(after_in_child=_start_anew)
