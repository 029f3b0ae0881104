"""What went wrong, in the closed set of kinds.

From libcurl's codes, or from exceptions of requests where the adapter is not ours.

Three choices that the names of the kinds do not tell:

1. A body that ends before its announced length, or in the middle of a chunk, is
   `reset`: the server went away. A head or a chunk that makes no sense is `protocol`.
2. A timeout is `connect_timeout` while there was no connection (the name look-up
   included) and `timeout` afterwards (the TLS handshake included).
3. A certificate that is not valid yet is `tls_expired`, like one no longer valid.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator

import pycurl
import requests
import urllib3

from ..models import Failure, Kind

__all__ = ["clean", "failure_of_curl", "failure_of_requests"]

MESSAGE_MAX_CHARS = 300

_KIND_OF_CODE = {
    # A wrong scheme or a malformed URL was refused before libcurl saw it, so code 1
    # is an answer in HTTP/0.9 or in no protocol at all.
    pycurl.E_UNSUPPORTED_PROTOCOL: Kind.PROTOCOL,
    pycurl.E_URL_MALFORMAT: Kind.BAD_URL,
    pycurl.E_COULDNT_RESOLVE_PROXY: Kind.PROXY,
    pycurl.E_COULDNT_RESOLVE_HOST: Kind.DNS,
    pycurl.E_COULDNT_CONNECT: Kind.UNREACHABLE,
    pycurl.E_PARTIAL_FILE: Kind.RESET,
    pycurl.E_WRITE_ERROR: Kind.BAD_ENCODING,
    pycurl.E_OPERATION_TIMEDOUT: Kind.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: Kind.TLS_OTHER,
    pycurl.E_TOO_MANY_REDIRECTS: Kind.TOO_MANY_REDIRECTS,
    pycurl.E_GOT_NOTHING: Kind.RESET,
    pycurl.E_SSL_ENGINE_NOTFOUND: Kind.TLS_OTHER,
    pycurl.E_SSL_ENGINE_SETFAILED: Kind.TLS_OTHER,
    pycurl.E_SEND_ERROR: Kind.RESET,
    pycurl.E_RECV_ERROR: Kind.PROTOCOL,
    pycurl.E_SSL_CERTPROBLEM: Kind.TLS_OTHER,
    pycurl.E_SSL_CIPHER: Kind.TLS_OTHER,
    pycurl.E_PEER_FAILED_VERIFICATION: Kind.TLS_OTHER,
    pycurl.E_BAD_CONTENT_ENCODING: Kind.BAD_ENCODING,
    pycurl.E_SSL_CACERT_BADFILE: Kind.TLS_OTHER,
    pycurl.E_SSL_SHUTDOWN_FAILED: Kind.RESET,
    pycurl.E_SSL_CRL_BADFILE: Kind.TLS_OTHER,
    pycurl.E_SSL_ISSUER_ERROR: Kind.TLS_UNTRUSTED,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: Kind.TLS_UNTRUSTED,
    pycurl.E_SSL_INVALIDCERTSTATUS: Kind.TLS_OTHER,
    92: Kind.RESET,  # CURLE_HTTP2_STREAM, unnamed in pycurl: reset by the server
    97: Kind.PROXY,  # CURLE_PROXY, unnamed in pycurl
}

# Source: OpenSSL, X509_V_ERR_* in include/openssl/x509_vfy.h
_KIND_OF_VERIFY_RESULT = {
    # libcurl compares the host name itself, after a handshake in which OpenSSL found
    # the chain good; until then it keeps 1 in the place of OpenSSL's verdict.
    0: Kind.TLS_HOSTNAME,
    1: Kind.TLS_HOSTNAME,
    2: Kind.TLS_UNTRUSTED,  # unable to get issuer certificate
    9: Kind.TLS_EXPIRED,  # not yet valid
    10: Kind.TLS_EXPIRED,
    18: Kind.TLS_UNTRUSTED,  # self-signed
    19: Kind.TLS_UNTRUSTED,  # self-signed in chain
    20: Kind.TLS_UNTRUSTED,  # unable to get local issuer certificate
    21: Kind.TLS_UNTRUSTED,  # unable to verify the first certificate
    24: Kind.TLS_UNTRUSTED,  # invalid CA certificate
    27: Kind.TLS_UNTRUSTED,
    28: Kind.TLS_UNTRUSTED,  # rejected
    62: Kind.TLS_HOSTNAME,
    64: Kind.TLS_HOSTNAME,  # the IP address does not match
}

_GONE = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN})
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+"
)
# libcurl repeats a proxy that it cannot read, user and password included.
_PROXY_REPEATED = re.compile(
    r"(?:(?<=proxy scheme)|(?<=proxy syntax)) (?:for|in) '.*'", re.DOTALL
)


def clean(text: str) -> str:
    """Return `text` as one short line without control or bidirectional characters."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    if len(line) <= MESSAGE_MAX_CHARS:
        return line
    return line[: MESSAGE_MAX_CHARS - 3] + "..."


def failure_of_curl(
    code: int,
    message: str,
    *,
    os_errno: int,
    verify_result: int,
    connected: bool,
    proxied: bool,
) -> Failure:
    """Return what an error of libcurl means.

    Args:
        code: CURLE_*.
        message: what libcurl says of it.
        os_errno: the operating system's number for it, 0 without one.
        verify_result: OpenSSL's X509_V_*, 0 when the chain is good.
        connected: whether there was a connection, to the proxy or to the site.
        proxied: whether a proxy was asked.
    """
    message = _PROXY_REPEATED.sub("", message)
    kind = _KIND_OF_CODE.get(code, Kind.PROTOCOL)
    if code == pycurl.E_COULDNT_CONNECT:
        if os_errno == errno.ECONNREFUSED:
            kind = Kind.REFUSED
        elif os_errno == errno.ETIMEDOUT:
            kind = Kind.CONNECT_TIMEOUT
        elif os_errno in _GONE:
            kind = Kind.RESET
        if proxied:
            kind = Kind.PROXY
    elif code == pycurl.E_OPERATION_TIMEDOUT and not connected:
        kind = Kind.CONNECT_TIMEOUT
    elif code == pycurl.E_PEER_FAILED_VERIFICATION:
        kind = _KIND_OF_VERIFY_RESULT.get(verify_result, Kind.TLS_OTHER)
    elif code == pycurl.E_SSL_CONNECT_ERROR and os_errno in _GONE:
        kind = Kind.RESET
    elif code == pycurl.E_RECV_ERROR:
        # One code for a lost connection, broken framing and a proxy's refusal. A TLS
        # stream cut short has no errno, only OpenSSL's words.
        if os_errno in _GONE or "eof while reading" in message.lower():
            kind = Kind.RESET
        elif proxied and "CONNECT" in message:
            kind = Kind.PROXY
    return Failure(kind, clean(message) or f"libcurl error {code}")


def failure_of_requests(error: BaseException) -> Failure:
    """Return what an exception of requests or urllib3 means.

    For adapters that are not ours, and for what requests itself refuses.
    """
    causes = list(_causes(error))
    message = clean(str(error)) or type(error).__name__
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            found = _KIND_OF_VERIFY_RESULT.get(cause.verify_code, Kind.TLS_OTHER)
            return Failure(found, message)
    for kind, types in _KINDS_OF_EXCEPTIONS:
        if any(isinstance(cause, types) for cause in causes):
            return Failure(kind, message)
    return Failure(Kind.PROTOCOL, message)


# The first that fits, so the narrow ones come first.
_KINDS_OF_EXCEPTIONS: tuple[tuple[Kind, tuple[type[BaseException], ...]], ...] = (
    (Kind.PROXY, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)),
    (
        Kind.BAD_URL,
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationValueError,
        ),
    ),
    (Kind.TLS_OTHER, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)),
    (Kind.DNS, (urllib3.exceptions.NameResolutionError, socket.gaierror)),
    (Kind.REFUSED, (ConnectionRefusedError,)),
    (Kind.RESET, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)),
    (
        Kind.CONNECT_TIMEOUT,
        (
            requests.exceptions.ConnectTimeout,
            urllib3.exceptions.ConnectTimeoutError,
        ),
    ),
    (Kind.TIMEOUT, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)),
    (Kind.UNREACHABLE, (urllib3.exceptions.NewConnectionError,)),
    (Kind.TOO_MANY_REDIRECTS, (requests.exceptions.TooManyRedirects,)),
    (
        Kind.BAD_ENCODING,
        (
            requests.exceptions.ContentDecodingError,
            urllib3.exceptions.DecodeError,
        ),
    ),
    (
        Kind.RESET,
        (
            requests.exceptions.ChunkedEncodingError,
            urllib3.exceptions.IncompleteRead,
            urllib3.exceptions.ProtocolError,
        ),
    ),
    (Kind.UNREACHABLE, (requests.exceptions.ConnectionError, OSError)),
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those it wraps, by cause, argument or `reason`."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < 50:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, one.__cause__, one.__context__]
        waiting.append(getattr(one, "reason", None))
