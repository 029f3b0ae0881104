"""Serve the demo site from this process, on this machine alone.

The server has threads and no processes. It keeps connections alive, answers at once,
writes nothing to stderr, and ends within a moment of `Site.close()`.

Besides the site itself there are a port that refuses, a name that nobody has, a
pantry whose certificate vouches for itself, and a line that is no URL.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file, files
from types import MappingProxyType, TracebackType
from typing import Self

from ..models import Kind, State
from .exhibits import EXHIBITS, Answer, Expected, Visit, answer_to

__all__ = ["Site", "serve"]

LOOPBACK = "127.0.0.1"
NEXT_DOOR = "localhost"  # the same server by another name
# A label is never empty (RFC 1035, 2.3.1): no query is sent for this name, so that it
# fails at once and alike with and without a network.
UNKNOWN_HOST = "www..tallow-hill.example"
NO_URL = "http://second door on the left/"
IDLE_S = 30.0  # a kept connection on which nothing is asked is closed
CLOSING_CHECK_S = 0.05

logger = logging.getLogger(__name__)


def serve(port: int = 0) -> Site:
    """Return the site, already open, on this port of 127.0.0.1; 0 takes any free one.

    Raises:
        OSError: if the port is taken, or not ours to take.
    """
    return Site(port)


class Site:
    """The demo site while it is open; a context manager that closes it.

    Attributes:
        base_url: where its front page is, without the slash at the end.
        urls: everything there is to fetch, one line each, in the order of the tour.
        expected: what should be said of each of `urls`.
    """

    base_url: str
    urls: tuple[str, ...]
    expected: Mapping[str, Expected]

    def __init__(self, port: int = 0) -> None:
        self._parts = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self._parts.close)
            bakery = self._open(_Server(port))
            pantry = self._open(_Server(0, _pantry_context()))
            refusing = self._parts.enter_context(_refusing_socket())
            undo.pop_all()
        self.base_url = f"http://{LOOPBACK}:{bakery.port}"
        self.expected = MappingProxyType(
            {
                **_expected_of_exhibits(bakery.port),
                f"http://{LOOPBACK}:{refusing.getsockname()[1]}/": _failing(
                    Kind.REFUSED, "Nobody listens at this port."
                ),
                f"http://{UNKNOWN_HOST}/": _failing(
                    Kind.DNS, "A dot too many: nobody has this name."
                ),
                f"https://{LOOPBACK}:{pantry.port}/": _failing(
                    Kind.TLS_UNTRUSTED, "Its certificate vouches for itself."
                ),
                NO_URL: _failing(Kind.BAD_URL, "This line is no URL."),
            }
        )
        self.urls = tuple(self.expected)

    def _open(self, server: _Server) -> _Server:
        server.start()
        self._parts.callback(server.close)
        return server

    def close(self) -> None:
        """Close the site and every connection to it; harmless when closed."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Site {self.base_url} with {len(self.urls)} URLs>"


def _expected_of_exhibits(port: int) -> dict[str, Expected]:
    return {
        f"http://{NEXT_DOOR if next_door else LOOPBACK}:{port}{path}": expected
        for path, _, expected, next_door in EXHIBITS
    }


def _failing(kind: Kind, lesson: str) -> Expected:
    return Expected(state=State.FAILED, kind=kind, lesson=lesson)


def _refusing_socket() -> socket.socket:
    """Return a bound socket that does not listen: its port refuses, and stays ours."""
    refusing = socket.socket()
    refusing.bind((LOOPBACK, 0))
    return refusing


def _pantry_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with as_file(files(__package__).joinpath("pages", "pantry.pem")) as path:
        context.load_cert_chain(path)
    return context


class _Server(ThreadingHTTPServer):
    """The server: a thread that accepts, and one for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        self._visits: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()  # guards the two above
        self._thread = threading.Thread(
            target=self.serve_forever,
            args=(CLOSING_CHECK_S,),
            name="fetcher-demo",
            daemon=True,
        )
        super().__init__((LOOPBACK, port), _Handler)
        if context is not None:
            # The handshake waits for the connection's own thread: a visitor that
            # stays silent must not keep others from being accepted.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port

    def server_bind(self) -> None:
        # Not HTTPServer's own, which looks up the name of this machine and may wait.
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = LOOPBACK, self.port

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                _hang_up(connection)

    def visit(self, path: str) -> Visit:
        with self._lock:
            self._visits[path] += 1
            nth = self._visits[path]
        return Visit(path, nth, f"http://{LOOPBACK}:{self.port}")

    def look(self, path: str) -> Visit:
        """Return a visit that is not counted: a HEAD is no pull at the door."""
        return Visit(path, 1, f"http://{LOOPBACK}:{self.port}")

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        if self.closing.is_set():  # close() may have come between accept and here
            _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        # Visitors hang up, and some do not care for the pantry's certificate.
        if not isinstance(sys.exception(), OSError):
            logger.exception(  # noqa: LOG004, socketserver calls this while handling
                "the demo site could not answer %s", client_address
            )


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection to the site, in a thread of its own."""

    protocol_version = "HTTP/1.1"
    server_version = "TallowHill/1"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    timeout = IDLE_S
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._send(answer_to(self.server.visit(self._asked_path())))

    def do_HEAD(self) -> None:
        self._send_head(answer_to(self.server.look(self._asked_path())))

    def _asked_path(self) -> str:
        return self.path.partition("?")[0]

    def _send(self, answer: Answer) -> None:
        if answer.delay_s:
            self.server.closing.wait(answer.delay_s)
        self._send_head(answer)
        if answer.chunked:
            self._send_chunks(answer.body)
        else:
            self.wfile.write(answer.body)

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status, answer.reason)
        if answer.content_type is not None:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.promised_bytes is not None:
            self.send_header("Content-Length", str(answer.promised_bytes))
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _send_chunks(self, body: bytes, chunk_bytes: int = 65_536) -> None:
        for start in range(0, len(body), chunk_bytes):
            chunk = body[start : start + chunk_bytes]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, as inherited
        """Say nothing: stderr belongs to the command."""
