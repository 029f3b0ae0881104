"""What servers may do to a client, and what must come of it: one table.

`tests/test_transport_hostile.py` asks each alone, `tests.hostile` all at
once. A case that `waits` takes the whole deadline and no more; every other ends at
once. No case may cost more memory than the cap on a body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fetcher.models import Kind, State
from tests import servers
from tests.servers import (
    Behaviour,
    answer,
    bomb,
    by_path,
    endless,
    gzipped,
    message,
    raw,
    redirect,
    then_drip,
    then_reset,
    then_stall,
)

__all__ = ["CASES", "Case"]

OK = b"HTTP/1.1 200 OK\r\n"
TEN = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One behaviour and the only right account of it.

    `tls` names a context of `servers.Certificates`, or is "none" where https is asked
    of a server that does not speak TLS.
    """

    name: str
    behaviour: Behaviour
    state: State = State.FAILED
    kind: Kind | None = None
    or_kinds: frozenset[Kind] = frozenset()  # where two ends race
    waits: bool = False
    tls: str | None = None
    status: int | None = None
    content: bytes | None = None


def _failing(kind: Kind, behaviours: dict[str, Behaviour]) -> Iterator[Case]:
    waits = kind is Kind.TIMEOUT
    for name, behaviour in behaviours.items():
        yield Case(name=name, behaviour=behaviour, kind=kind, waits=waits)


def _drips_and_stalls() -> Iterator[Case]:
    yield from _failing(
        Kind.TIMEOUT,
        {
            "drip in status line": then_drip(b"", b"HTTP/1.1 200 O" + b"K" * 10_000),
            "drip in head": servers.drip_head(),
            "drip in body": servers.drip_body(),
            "drip in chunks": then_drip(CHUNKED, b"1\r\nx\r\n" * 10_000),
            "drip in trailers": then_drip(
                CHUNKED + b"0\r\n", b"X-Drip: " + b"x" * 10_000
            ),
            "stall at once": servers.stall_at_once,
            "stall before head": servers.stall_before_head,
            "stall in status line": then_stall(b"HTTP/1.1 2"),
            "stall in head": then_stall(OK + b"X-Half: a"),
            "stall after head": then_stall(TEN),
            "stall in body": servers.stall_in_body,
            "stall in chunk": then_stall(CHUNKED + b"5\r\nab"),
            "stall before last chunk": then_stall(CHUNKED + b"2\r\nab\r\n"),
            "stall in trailers": then_stall(CHUNKED + b"2\r\nab\r\n0\r\nX: y\r\n"),
            "stall after interim answer": then_stall(b"HTTP/1.1 100 Continue\r\n\r\n"),
            "stall after a redirect": by_path_then_stall({"/": redirect("/end")}),
            "stall in a redirect's head": then_stall(
                b"HTTP/1.1 302 Found\r\nLocation: /"
            ),
            "half of a bomb, then nothing": then_stall(
                OK
                + b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n"
                + bomb("gzip")[:500]
            ),
            "drip in a redirect's body": then_drip(
                b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 8000\r\n\r\n",
                b"x" * 8000,
            ),
            "switching protocols, then nothing": then_stall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\n\r\n"
            ),
        },
    )


def by_path_then_stall(answers: dict[str, bytes]) -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        while (head := peer.read_head()) is not None:
            known = answers.get(head.split(" ", 2)[1])
            if known is None:
                peer.pause(servers.SOCKET_LIMIT_S)
                return
            peer.send(known)

    return behave


def _resets() -> Iterator[Case]:
    yield from _failing(
        Kind.RESET,
        {
            "reset at once": servers.reset_at_once,
            "reset before head": servers.reset_before_head,
            "reset in status line": then_reset(b"HTTP/1.1 2"),
            "reset in head": then_reset(OK + b"X-Half: a"),
            "reset after head": then_reset(TEN),
            "reset in body": servers.reset_in_body,
            "reset in chunk": then_reset(CHUNKED + b"5\r\nab"),
            "reset in trailers": then_reset(CHUNKED + b"2\r\nab\r\n0\r\nX: y"),
            "close at once": servers.close_at_once,
            "close in status line": raw(b"HTTP/1.1 2"),
            "close in head": raw(OK + b"X-Whole: a\r\nX-Half: b"),
            "close in chunk": raw(CHUNKED + b"ff\r\nabc"),
            "close after a chunk": raw(CHUNKED + b"3\r\nabc\r\n"),
            "close after interim answers": raw(
                b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            ),
            "half-close before head": servers.half_close_before_head,
            "reset in interim answer": then_reset(b"HTTP/1.1 100 Con"),
        },
    )


def _lies_about_length() -> Iterator[Case]:
    short = raw(message(b"abc", length=10))
    yield Case(name="length too long", behaviour=short, kind=Kind.RESET)
    long = raw(message(b"abcdef", length=3))
    yield Case(name="length too short", behaviour=long, state=State.OK, content=b"abc")
    yield from _failing(
        Kind.PROTOCOL,
        {
            "length negative": raw(message(b"abc", length=-1)),
            "length no number": raw(OK + b"Content-Length: ten\r\n\r\nabc"),
            "length twice": raw(message(b"abc", "200 OK", "Content-Length: 2")),
            "chunk of no length": raw(CHUNKED + b"zz\r\nabc\r\n"),
            "chunk of negative length": raw(CHUNKED + b"-1\r\nabc\r\n"),
            "chunk of 80 bits": raw(CHUNKED + b"f" * 20 + b"\r\nabc\r\n"),
            "chunk without its line end": raw(CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
        },
    )
    yield Case(
        name="length of 9 exabytes",
        behaviour=raw(message(b"abc", length=9 * 10**18)),
        kind=Kind.RESET,
    )
    both = OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield Case(
        name="length and chunks",
        behaviour=raw(both + b"2\r\nok\r\n0\r\n\r\n"),
        state=State.OK,
        content=b"ok",
    )


def _endless() -> Iterator[Case]:
    yield from _failing(
        Kind.TOO_LARGE,
        {
            "endless body": servers.endless_body,
            "endless chunks": endless(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        },
    )
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    yield from _failing(
        Kind.PROTOCOL,
        {
            "endless status line": endless(b"HTTP/1.1 200 ", b"x" * 10_000),
            "endless head": servers.endless_head,
            "endless field": endless(OK + b"X: ", b"y" * 10_000),
            "endless folded field": endless(OK + b"X: y\r\n", b" z\r\n" * 1000),
            "endless blank lines": endless(b"", b"\r\n" * 1000),
            "endless interim answers": endless(b"", interim * 100),
            "endless trailers": endless(CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
            "endless chunk length": endless(CHUNKED, b"0" * 10_000),
        },
    )
    yield from _failing(
        Kind.TIMEOUT,
        {
            "endless chunk extension": endless(CHUNKED + b"3;", b"x=y;" * 10_000),
            "endless tiny chunks": endless(CHUNKED, b"1\r\nx\r\n" * 10),
        },
    )


def _encodings() -> Iterator[Case]:
    def packed(body: bytes, encoding: str) -> Behaviour:
        return answer(body, "200 OK", f"Content-Encoding: {encoding}")

    for how in ("gzip", "deflate", "raw deflate", "br", "gzip, gzip"):
        name = f"bomb in {how}"
        label = how.removeprefix("raw ")
        yield Case(name=name, behaviour=packed(bomb(how), label), kind=Kind.TOO_LARGE)
    # Where unpacking ends too early libcurl says nothing.
    for name, body in {
        "gzip cut short in its head": gzipped(b"x" * 99)[:8],
        "gzip cut short": gzipped(b"x" * 99)[:14],
    }.items():
        yield Case(name=name, behaviour=packed(body, "gzip"), state=State.OK)
    yield from _failing(
        Kind.BAD_ENCODING,
        {
            "not gzip": packed(b"plain", "gzip"),
            "not deflate": packed(b"\xff\xff\xff\xff", "deflate"),
            "gzip said to be br": packed(gzipped(b"x" * 99), "br"),
            "not br": packed(b"xxxxx", "br"),
            "gzip with a wrong sum": packed(gzipped(b"x" * 99)[:-8] + b"8" * 8, "gzip"),
            "unknown encoding": packed(b"plain", "rot13"),
            "unknown transfer encoding": raw(OK + b"Transfer-Encoding: rot13\r\n\r\nx"),
            "200 encodings": packed(b"plain", "gzip, " * 199 + "gzip"),
            "10 encodings": packed(b"plain", "gzip, " * 9 + "gzip"),
            "zstd, which is not asked for": packed(b"\x28\xb5\x2f\xfd", "zstd"),
            "compress, which nobody has": packed(b"\x1f\x9d\x90", "compress"),
            "200 fields of encodings": answer(
                b"plain", "200 OK", *["Content-Encoding: gzip"] * 200
            ),
        },
    )


def _redirects() -> Iterator[Case]:
    def away(location: str) -> Behaviour:
        return by_path({"/": redirect(location)})

    def with_body(*fields: str, body: bytes = b"") -> Behaviour:
        first = message(body, "302 Found", "Location: /end", *fields)
        return by_path({"/": first, "/end": message(b"end")})

    chain = {f"/{n}": redirect(f"/{n + 1}") for n in range(1, 30)}
    yield from _failing(
        Kind.TOO_MANY_REDIRECTS,
        {
            "redirect loop": servers.redirect_loop,
            "redirect to itself": away("/"),
            "redirect to nothing": away(""),
            "chain of 30 redirects": by_path({"/": redirect("/1"), **chain}),
        },
    )
    yield from _failing(
        Kind.BAD_URL,
        {
            "redirect to ftp": away("ftp://127.0.0.1/"),
            "redirect to file": away("file:///etc/passwd"),
            "redirect to javascript": away("javascript:alert(1)"),
            "redirect to data": away("data:text/html,x"),
            "redirect to no host": away("http://[::1"),
            "redirect to 90 KB": away("/" + "x" * 90_000),
            "redirect to gopher": away("gopher://127.0.0.1:25/_HELO"),
            "redirect to mailto": away("mailto:a@b.example"),
            "redirect to about": away("about:blank"),
            "redirect to a port of 99999": away("http://127.0.0.1:99999/"),
            "redirect to a label of 64": away(f"http://{'a' * 300}.{'b' * 9000}/"),
        },
    )
    yield Case(
        name="redirect to 1 MB",
        behaviour=away("/" + "x" * 1_000_000),
        kind=Kind.PROTOCOL,
    )
    here = {
        "302 without a place": raw(message(b"ok", "302 Found")),
        "300 with a list": raw(message(b"ok", "300 Multiple Choices", "Link: </a>")),
        "304 unasked": raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        "305 to a proxy": raw(
            message(b"ok", "305 Use Proxy", "Location: http://127.0.0.1:9/")
        ),
    }
    for name, behaviour in here.items():
        yield Case(name=name, behaviour=behaviour, state=State.OK)
    two = message(b"", "302 Found", "Location: /a", "Location: /b")
    yield Case(
        name="redirect to two places",
        behaviour=by_path({"/": two}),
        kind=Kind.PROTOCOL,
    )
    fine = {
        "redirect with an endless body": servers.redirect_with_endless_body("/end"),
        "redirect whose body never comes": redirect_without_body(),
        **{
            f"redirect with a bomb in {how}": with_body(
                f"Content-Encoding: {how}", body=bomb(how)
            )
            for how in ("gzip", "deflate", "br")
        },
        "redirect with credentials": redirect_with_credentials,
        "redirect by a 307": by_path(
            {"/": redirect("/end", "307 Temporary Redirect"), "/end": message(b"end")}
        ),
        "redirect upwards": by_path(
            {"/": redirect("../../../../end"), "/end": message(b"end")}
        ),
        "redirect with escape bytes": by_path(
            {"/": redirect("/\x1b[31m"), "/%1B[31m": message(b"end")}
        ),
    }
    for name, behaviour in fine.items():
        yield Case(name=name, behaviour=behaviour, state=State.REDIRECTED, status=200)


def redirect_with_credentials(peer: servers.Peer) -> None:
    while (head := peer.read_head()) is not None:
        host = head.partition("Host: ")[2].partition("\r\n")[0]
        if head.startswith("GET / "):
            peer.send(redirect(f"//me:secret@{host}/end"))
        elif "authorization:" in head.lower():
            return  # they were sent, which must not be: a reset, and so a wrong row
        else:
            peer.send(message(b"end"))


def redirect_without_body() -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        while (head := peer.read_head()) is not None:
            if head.startswith("GET / "):
                peer.send(
                    b"HTTP/1.1 302 Found\r\nLocation: /end\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n"
                )
            else:
                peer.send(message(b"end"))

    return behave


def _heads() -> Iterator[Case]:
    cookies = [f"Set-Cookie: c{n}={'v' * 4096}" for n in range(90)]
    yield from _failing(
        Kind.PROTOCOL,
        {
            "HTTP/0.9": raw(b"<p>no head at all"),
            "garbage": raw(b"\x00\xff\x13garbage\r\n\r\n" * 10),
            "TLS where HTTP was asked": raw(b"\x15\x03\x01\x00\x02\x02\x28"),
            "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "HTTP/2 unasked": raw(b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            "no status": raw(b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
            "status 000": raw(message(b"", "000 No")),
            "HTTP/9.9": raw(b"HTTP/9.9 200 OK\r\n\r\n"),
            "a field of 300 KB": raw(message(b"", "200 OK", "X: " + "y" * 300_000)),
            "NUL in a field's name": raw(OK + b"X\0Y: a\r\n\r\n"),
            "status of a negative number": raw(message(b"", "-1 No")),
            "NUL in the reason": raw(b"HTTP/1.1 200 a\0b\r\n\r\n"),
            "NUL in the head": raw(OK + b"X: a\0b\r\n\r\n"),
            "a line that is no field": raw(OK + b"no field\r\n\r\n"),
            "1,000 fields": raw(message(b"", "200 OK", *["X: y"] * 1_000)),
            "100,000 fields": raw(message(b"", "200 OK", *["X: y"] * 100_000)),
            # 360 KB; 256 KB are taken.
            "90 cookies of 4 KB": raw(message(b"", "200 OK", *cookies)),
        },
    )
    odd = {
        "escape bytes in the reason": raw(
            b"HTTP/1.1 200 \x1b[31m\r\nContent-Length: 2\r\n\r\nok"
        ),
        "990 fields": raw(message(b"ok", "200 OK", *["X: y"] * 990)),
        "60 cookies of 4 KB": raw(message(b"ok", "200 OK", *cookies[:60])),
        "a field that is only a colon": raw(OK + b":\r\nContent-Length: 2\r\n\r\nok"),
        "HTTP/3 by TCP": raw(b"HTTP/3 200\r\nContent-Length: 2\r\n\r\nok"),
        "chunks twice": raw(
            OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
        ),
        # As if there were none: until the connection ends.
        "length of 30 digits": raw(message(b"ok", length=10**30)),
        "lines without CR": raw(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        "HTTP/1.0 until the end": raw(b"HTTP/1.0 200 OK\r\n\r\nok"),
        "interim answers before": raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + message(b"ok")
        ),
    }
    for name, behaviour in odd.items():
        yield Case(
            name=name, behaviour=behaviour, state=State.OK, status=200, content=b"ok"
        )
    yield Case(
        name="101 with a body",
        behaviour=raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\nbody"),
        state=State.OK,
        status=101,
    )
    yield Case(
        name="status of 20 digits",
        behaviour=raw(message(b"", "2" * 20)),
        state=State.OK,
        status=222,
    )
    yield Case(
        name="an answer before it is asked",
        behaviour=servers.deaf,
        state=State.OK,
    )
    yield Case(
        name="204 with a body",
        behaviour=raw(b"HTTP/1.1 204 No Content\r\n\r\nbody"),
        state=State.OK,
        status=204,
        content=b"",
    )
    yield Case(
        name="status 999",
        behaviour=answer(b"", "999 Request Denied"),
        state=State.BLOCKED,
        status=999,
    )
    yield Case(
        name="status 600",
        behaviour=answer(b"", "600 What"),
        state=State.BROKEN,
        status=600,
    )


def _charsets() -> Iterator[Case]:
    labels = {
        "unknown": "klingon",
        "escape bytes": "\x1b[31m\x01",
        "50 KB": "x" * 50_000,
        "zlib, a codec of Python's": "zlib",
        "undefined, another": "undefined",
        "UTF-16 of an odd length": "utf-16",
        "UTF-7": "utf-7",
    }
    for name, label in labels.items():
        yield Case(
            name=f"charset {name}",
            behaviour=answer(
                b"caf\xe9 \xff\xfe\xfd",
                "200 OK",
                f"Content-Type: text/html; charset={label}",
            ),
            state=State.OK,
            content=b"caf\xe9 \xff\xfe\xfd",
        )


def _tls() -> Iterator[Case]:
    kinds = {
        "expired": Kind.TLS_EXPIRED,
        "not_yet_valid": Kind.TLS_EXPIRED,
        "self_signed": Kind.TLS_UNTRUSTED,
        "other_host": Kind.TLS_HOSTNAME,
        "unknown_root": Kind.TLS_UNTRUSTED,
        "missing_intermediate": Kind.TLS_UNTRUSTED,
        "old_version": Kind.TLS_OTHER,
        "long_chain": Kind.TLS_OTHER,
    }
    for wrong, kind in kinds.items():
        name = f"TLS: {wrong.replace('_', ' ')}"
        yield Case(name=name, behaviour=answer(), kind=kind, tls=wrong)
    without = {
        "stall in the handshake": (servers.stall_at_once, Kind.TIMEOUT),
        "stall after half a record": (
            sending_at_once(b"\x16\x03\x03\x00\x7a\x02"),
            Kind.TIMEOUT,
        ),
        "plain text": (servers.plain_text_at_once, Kind.TLS_OTHER),
        "HTTP": (sending_at_once(message(b"ok"), 0.3), Kind.TLS_OTHER),
        "garbage": (sending_at_once(b"\xff\x00" * 500, 0.3), Kind.TLS_OTHER),
        "alert": (
            sending_at_once(b"\x15\x03\x03\x00\x02\x02\x28", 0.3),
            Kind.TLS_OTHER,
        ),
        "record of 64 KB": (
            sending_at_once(b"\x16\x03\x03\xff\xff" + b"x" * 65535, 0.3),
            Kind.TLS_OTHER,
        ),
        "drip in the handshake": (
            then_drip_at_once(b"\x16\x03\x03\x40\x00\x02" + b"\x00" * 9000),
            Kind.TIMEOUT,
        ),
        "empty records without end": (
            endless_at_once(b"\x17\x03\x03\x00\x00" * 100),
            Kind.TLS_OTHER,
        ),
        "reset in the handshake": (servers.reset_at_once, Kind.RESET),
    }
    for name, (behaviour, kind) in without.items():
        yield Case(
            name=f"TLS: {name}",
            behaviour=behaviour,
            kind=kind,
            waits=kind is Kind.TIMEOUT,
            tls="none",
        )
    yield Case(
        name="TLS: good", behaviour=answer(), state=State.OK, status=200, tls="good"
    )


def sending_at_once(content: bytes, for_s: float = servers.SOCKET_LIMIT_S) -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        peer.send(content)
        peer.pause(for_s)

    return behave


def then_drip_at_once(content: bytes) -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        peer.drip(content, 0.05)

    return behave


def endless_at_once(block: bytes) -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        while not peer.server.stopping.is_set():
            peer.send(block)

    return behave


# HTTP/2, in bytes: RFC 9113, 4.1 and 6.

HTTP_2_DATA, HTTP_2_HEADERS, HTTP_2_RESET, HTTP_2_SETTINGS = 0, 1, 3, 4
HTTP_2_PING, HTTP_2_GO_AWAY, HTTP_2_WINDOW, HTTP_2_CONTINUATION = 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
STATUS_200 = b"\x88"  # RFC 7541, appendix A


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def http_2(sent: bytes, repeated: bytes = b"", every_s: float = 0.0) -> Behaviour:
    """Send settings and these frames, then others for ever, or nothing."""

    def behave(peer: servers.Peer) -> None:
        if peer.read_head() is None:
            return
        peer.send(frame(HTTP_2_SETTINGS), sent)
        while repeated and not peer.server.stopping.is_set():
            peer.send(repeated)
            if every_s and not peer.pause(every_s):
                return
        peer.pause(servers.SOCKET_LIMIT_S)

    return behave


def _http_2() -> Iterator[Case]:
    ok = frame(HTTP_2_HEADERS, STATUS_200, END_HEADERS, 1)
    # One field of 4 KB goes into the table; each byte more stands for all of it.
    field = b"\x40\x01x\x7f\x81\x1e" + b"v" * 4000
    packed = frame(HTTP_2_HEADERS, STATUS_200 + field + b"\xbe" * 12_000, 4, 1)
    # A frame that makes no sense is "Failed sending data" to libcurl if it has still to
    # send something on the connection that nghttp2 gave up; `reset` is all it can say.
    behaviours = {
        "HTTP/1 instead": (raw(message(b"ok")), Kind.RESET),
        "reset of the stream": (
            http_2(frame(HTTP_2_RESET, b"\0\0\0\x02", 0, 1)),
            Kind.RESET,
        ),
        "no settings": (
            sending_at_once(frame(HTTP_2_PING, b"12345678") * 3, 0.3),
            Kind.RESET,
        ),
        "settings of 5 bytes": (
            http_2(frame(HTTP_2_SETTINGS, b"12345")),
            Kind.RESET,
        ),
        "a frame of 16 MB": (http_2(b"\xff\xff\xff\x00\x00\0\0\0\x01"), Kind.RESET),
        "data without a head": (
            http_2(frame(HTTP_2_DATA, b"body", END_STREAM, 1)),
            Kind.RESET,
        ),
        "broken packing of fields": (
            http_2(frame(HTTP_2_HEADERS, b"\xff\xff\xff\xff\xff", END_HEADERS, 1)),
            Kind.RESET,
        ),
        "a bomb of fields": (http_2(packed), Kind.RESET),
        "endless continuation": (
            http_2(
                frame(HTTP_2_HEADERS, STATUS_200, 0, 1),
                frame(HTTP_2_CONTINUATION, b"\x00\x01a\x01b" * 20, 0, 1) * 50,
            ),
            Kind.RESET,
        ),
        "endless body": (
            http_2(ok, frame(HTTP_2_DATA, b"x" * 16_000, 0, 1)),
            Kind.RESET,  # more than the window that was granted
        ),
        "nothing": (http_2(b""), Kind.TIMEOUT),
        "nothing after the head": (http_2(ok), Kind.TIMEOUT),
        "drip in body": (
            http_2(ok, frame(HTTP_2_DATA, b"x", 0, 1), 0.05),
            Kind.TIMEOUT,
        ),
        "drip of pings": (
            http_2(b"", frame(HTTP_2_PING, b"12345678"), 0.05),
            Kind.TIMEOUT,
        ),
    }
    for name, (behaviour, kind) in behaviours.items():
        others = {Kind.PROTOCOL} if kind is Kind.RESET else set()
        if name == "endless body":
            others.add(Kind.TOO_LARGE)
        yield Case(
            name=f"HTTP/2: {name}",
            behaviour=behaviour,
            kind=kind,
            or_kinds=frozenset(others),
            waits=kind is Kind.TIMEOUT,
            tls="http_2",
        )


CASES: tuple[Case, ...] = (
    *_drips_and_stalls(),
    *_resets(),
    *_lies_about_length(),
    *_endless(),
    *_encodings(),
    *_redirects(),
    *_heads(),
    *_charsets(),
    *_tls(),
    *_http_2(),
)
