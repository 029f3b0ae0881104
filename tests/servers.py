"""Real servers on loopback, well-behaved and not: one function per behaviour.

    with serve(drip_body(every_s=0.05)) as server:
        page = get_url(server.url)
    assert server.paths == ["/"]

A behaviour is a function of a `Peer`, called once for each connection in a thread of
its own. It may wait only by `peer.pause`, which ends when the server does, so that
leaving the `with` block takes no time, whatever the behaviour.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ipaddress
import socket
import ssl
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[["Peer"], None]

SOCKET_LIMIT_S = 20.0
ENDLESS_LIMIT_BYTES = 400_000_000


class Peer:
    """One connection of a server, from its side."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server = server
        self._connection = connection
        self._unread = b""

    def read_head(self) -> str | None:
        """Return the next request's head, None when the client has gone."""
        while b"\r\n\r\n" not in self._unread:
            got = self._connection.recv(65536)
            if not got:
                return None
            self._unread += got
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        self.server.heads.append(text)
        return text

    def send(self, *parts: bytes) -> None:
        self._connection.sendall(b"".join(parts))

    def pause(self, for_s: float) -> bool:
        """Wait; return False when the server is being stopped."""
        return not self.server.stopping.wait(for_s)

    def drip(self, content: bytes, every_s: float) -> None:
        for byte in content:
            self.send(bytes([byte]))
            if not self.pause(every_s):
                return

    def end_sending(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection by RST instead of FIN."""
        self._connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._connection.close()


class Server:
    """A listening socket, its threads, and what clients asked of it."""

    def __init__(
        self, behaviour: Behaviour, tls: ssl.SSLContext | None, address: str
    ) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._behaviour = behaviour
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((address, 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://{address}:{self.port}/"
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [head.split(" ", 2)[1] for head in self.heads]

    def fields(self, name: str) -> list[str | None]:
        """Return the value of one field in each request, in order."""
        return [_field(head, name) for head in self.heads]

    def stop(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            _shut(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(SOCKET_LIMIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain = connection
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            self._behaviour(Peer(self, connection))
        except OSError:  # the client went away, as clients do
            pass
        finally:
            connection.close()
            plain.close()
            self._open -= {connection, plain}


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _field(head: str, name: str) -> str | None:
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return None


@contextmanager
def serve(
    behaviour: Behaviour,
    *,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
) -> Iterator[Server]:
    server = Server(behaviour, tls, address)
    try:
        yield server
    finally:
        server.stop()


# What a server may do, well-behaved first.


def message(
    body: bytes = b"",
    status: str = "200 OK",
    *fields: str,
    length: int | None = None,
) -> bytes:
    """Return a whole answer; `length` is what it claims, by default the truth."""
    claimed = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {claimed}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answer(
    body: bytes = b"<title>ok</title>",
    status: str = "200 OK",
    *fields: str,
    length: int | None = None,
) -> Behaviour:
    """Answer every request alike and keep the connection."""
    whole = message(body, status, *fields, length=length)

    def behave(peer: Peer) -> None:
        while peer.read_head() is not None:
            peer.send(whole)

    return behave


def raw(content: bytes) -> Behaviour:
    """Send these bytes for a request, then close."""

    def behave(peer: Peer) -> None:
        if peer.read_head() is not None:
            peer.send(content)

    return behave


def by_path(answers: Mapping[str, bytes]) -> Behaviour:
    """Answer each path with its own bytes, any other with 404."""

    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            path = head.split(" ", 2)[1]
            peer.send(answers.get(path, message(b"no such page", "404 Not Found")))

    return behave


def redirect(location: str, status: str = "302 Found", *fields: str) -> bytes:
    return message(b"moved", status, f"Location: {location}", *fields)


def redirect_loop(peer: Peer) -> None:
    while (head := peer.read_head()) is not None:
        path = head.split(" ", 2)[1]
        peer.send(redirect(path + "x"))


def redirect_with_endless_body(location: str) -> Behaviour:
    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            if not head.startswith("GET / "):
                peer.send(message(b"there"))
                continue
            peer.send(
                b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(1000):
                peer.send(b"5\r\nmoved\r\n")
                if not peer.pause(0.02):
                    return

    return behave


def echo_head(peer: Peer) -> None:
    """Answer with the request's own head."""
    while (head := peer.read_head()) is not None:
        peer.send(message(head.encode("latin-1"), "200 OK", "Content-Type: text/plain"))


def basic_auth(user: str, password: str) -> Behaviour:
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            if _field(head, "authorization") == expected:
                peer.send(message(b"welcome"))
            else:
                challenge = 'WWW-Authenticate: Basic realm="x"'
                peer.send(message(b"who?", "401 Unauthorized", challenge))

    return behave


def digest_auth(user: str, password: str) -> Behaviour:
    """Ask for a digest (RFC 7616, MD5, qop=auth) and check it."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def is_right(field: str) -> bool:
        given = dict(
            part.strip().split("=", 1) for part in field[len("Digest ") :].split(",")
        )
        given = {key: value.strip('"') for key, value in given.items()}
        secret = md5(f"{user}:realm:{password}")
        asked = md5(f"GET:{given['uri']}")
        parts = (secret, given["nonce"], given["nc"], given["cnonce"], "auth", asked)
        return given["response"] == md5(":".join(parts))

    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            field = _field(head, "authorization")
            if field is not None and field.startswith("Digest ") and is_right(field):
                peer.send(message(b"welcome"))
                continue
            challenge = 'WWW-Authenticate: Digest realm="realm", nonce="n", qop="auth"'
            peer.send(message(b"who?", "401 Unauthorized", challenge))

    return behave


def proxy(peer: Peer) -> None:
    """Answer as a proxy would for any plain URL: with what it was asked for."""
    while (head := peer.read_head()) is not None:
        peer.send(message(b"by proxy: " + head.split(" ", 2)[1].encode()))


def refusing_proxy(peer: Peer) -> None:
    while peer.read_head() is not None:
        peer.send(message(b"no", "403 Forbidden"))


def close_after_each(peer: Peer) -> None:
    """Promise to keep the connection, and close it all the same."""
    if peer.read_head() is not None:
        peer.send(message(b"one"))


def slow_redirects(each_s: float) -> Behaviour:
    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            if not peer.pause(each_s):
                return
            peer.send(redirect(head.split(" ", 2)[1] + "x"))

    return behave


def measured(before_head_s: float, in_body_s: float) -> Behaviour:
    """Wait a known time before the first byte and another before the last."""

    def behave(peer: Peer) -> None:
        while peer.read_head() is not None:
            peer.pause(before_head_s)
            peer.send(message(b"first ", length=10))
            peer.pause(in_body_s)
            peer.send(b"last")

    return behave


# And what no server should.


def drip_head(every_s: float = 0.05) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        peer.drip(b"X-Drip: " + b"x" * 10_000, every_s)

    return behave


def drip_body(every_s: float = 0.05) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        peer.drip(b"x" * 10_000, every_s)

    return behave


def stall_at_once(peer: Peer) -> None:
    peer.pause(SOCKET_LIMIT_S)


def stall_before_head(peer: Peer) -> None:
    peer.read_head()
    peer.pause(SOCKET_LIMIT_S)


def stall_in_body(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    peer.pause(SOCKET_LIMIT_S)


def plain_text_at_once(peer: Peer) -> None:
    peer.send(b"220 no tls here\r\n")
    peer.pause(0.3)


def reset_at_once(peer: Peer) -> None:
    peer.reset()


def close_at_once(peer: Peer) -> None:
    peer.read_head()


def half_close_before_head(peer: Peer) -> None:
    """Say that nothing more will come, and keep the connection."""
    peer.read_head()
    peer.end_sending()
    peer.pause(SOCKET_LIMIT_S)


def deaf(peer: Peer) -> None:
    """Answer without having read, and never read."""
    peer.send(message(b"deaf"))
    peer.pause(0.3)


def reset_before_head(peer: Peer) -> None:
    peer.read_head()
    peer.reset()


def reset_in_body(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    peer.pause(0.05)
    peer.reset()


def endless_body(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    block = b"x" * 65536
    for _ in range(ENDLESS_LIMIT_BYTES // len(block)):
        peer.send(block)


def endless_head(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    block = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(60))
    for _ in range(1000):
        peer.send(block)


def endless(head: bytes, block: bytes) -> Behaviour:
    """Send a head and then the same bytes for ever, as fast as they are taken."""

    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(head)
        while not peer.server.stopping.is_set():
            peer.send(block)

    return behave


def then_stall(content: bytes) -> Behaviour:
    """Send these bytes for a request, then nothing more."""

    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(content)
        peer.pause(SOCKET_LIMIT_S)

    return behave


def then_reset(content: bytes) -> Behaviour:
    """Send these bytes for a request, then an RST."""

    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(content)
        peer.pause(0.05)  # so that they are read before
        peer.reset()

    return behave


def then_drip(content: bytes, drops: bytes, every_s: float = 0.05) -> Behaviour:
    """Send these bytes for a request, then others one at a time."""

    def behave(peer: Peer) -> None:
        peer.read_head()
        peer.send(content)
        peer.drip(drops, every_s)

    return behave


# Packed zeros: what 100 MB of them come to, a thousand times smaller or more.


BOMB_BLOCK = b"\0" * 1_000_000


def _deflated_zeros(window_bits: int, blocks: int = 100) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    packed = b"".join(packer.compress(BOMB_BLOCK) for _ in range(blocks))
    return packed + packer.flush()


# 100 MB of zeros in Brotli, made by Google's encoder at quality 11.
BROTLI_ZEROS = base64.b64decode(
    "z///f/gnAOKxQCD3/p/////wTwDEYQGA7v0/////4Z8AiMMiAN37f/7//8M/ARCHBQC69//8//+HfwIg"
    "DgsAdO//8x+8Hv8EQBwWAOhi1wM="
)


def bomb(encoding: str) -> bytes:
    """Return 100 MB of zeros packed as "gzip", "deflate", "raw deflate" or "br".

    "gzip, gzip" is packed twice: the 100 KB of the first come to 1 KB.
    """
    if encoding == "br":
        return BROTLI_ZEROS
    if encoding == "gzip, gzip":
        return gzip.compress(_deflated_zeros(31))
    return _deflated_zeros({"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding])


def gzip_bomb(size_bytes: int = 200_000_000) -> Behaviour:
    """Send zeros that are a thousand times larger once unpacked."""
    packed = _deflated_zeros(31, size_bytes // len(BOMB_BLOCK))
    return answer(packed, "200 OK", "Content-Encoding: gzip")


def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


# Certificates, made when a test asks for them.


@dataclass(frozen=True)
class Certificates:
    """Server contexts by what is wrong with them, and the root that a client trusts."""

    root: str
    good: ssl.SSLContext
    expired: ssl.SSLContext
    not_yet_valid: ssl.SSLContext
    other_host: ssl.SSLContext
    self_signed: ssl.SSLContext
    unknown_root: ssl.SSLContext
    missing_intermediate: ssl.SSLContext
    old_version: ssl.SSLContext
    http_2: ssl.SSLContext  # chooses it, whatever the server then speaks
    long_chain: ssl.SSLContext


def make_certificates(
    directory: Path, addresses: Sequence[str] = ("127.0.0.1",)
) -> Certificates:
    """Return contexts whose certificates are for localhost and these addresses.

    The directory then holds root.pem, good.pem (with its key) and others.
    """
    root_key, root = _certificate("test root", is_root=True)
    other_key, other = _certificate("other root", is_root=True)
    middle_key, middle = _certificate(
        "intermediate", issuer=(root_key, root), is_root=True
    )
    root_file = directory / "root.pem"
    root_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def context(name: str, **how: object) -> ssl.SSLContext:
        how = {"issuer": (root_key, root), "addresses": addresses, **how}
        key, certificate = _certificate(name, **how)  # type: ignore[arg-type]
        return _context(directory / f"{name}.pem", key, certificate)

    return Certificates(
        root=str(root_file),
        good=context("good"),
        expired=context("expired", begins_in_days=-20, ends_in_days=-10),
        not_yet_valid=context("early", begins_in_days=10, ends_in_days=20),
        other_host=context("other", names=["other.example"], addresses=[]),
        self_signed=context("self", issuer=None),
        unknown_root=context("unknown", issuer=(other_key, other)),
        missing_intermediate=context("leaf", issuer=(middle_key, middle)),
        old_version=_old_version(context("old")),
        http_2=_http_2(context("http2")),
        long_chain=_long_chain(directory, context("long")),
    )


def _http_2(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["h2"])
    return context


def _long_chain(directory: Path, context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context show 200 KB of certificates (OpenSSL takes 100 KB)."""
    leaf = (directory / "long.pem").read_bytes()
    root = (directory / "root.pem").read_bytes()
    (directory / "long.pem").write_bytes(leaf + root * (200_000 * 4 // 3 // len(root)))
    context.load_cert_chain(directory / "long.pem")
    return context


def _old_version(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context speak TLS 1.1 and no newer (RFC 8996 forbids it)."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _certificate(
    name: str,
    *,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None = None,
    is_root: bool = False,
    begins_in_days: int = -1,
    ends_in_days: int = 30,
    names: list[str] | None = None,
    addresses: Sequence[str] = (),
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if issuer is None else issuer[0]
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[1].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_in_days))
        .not_valid_after(now + timedelta(days=ends_in_days))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
    )
    if not is_root:
        hosts = ["localhost"] if names is None else names
        alternatives: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in addresses]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
    return key, builder.sign(signer, hashes.SHA256())


def _context(
    path: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> ssl.SSLContext:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
