"""What servers may do to a client, and what must come of it: one table.

`tests/test_transport_hostile.py` asks each alone, `tests.campaigns.hostile` all at
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
        },
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
    yield from _failing(
        Kind.BAD_ENCODING,
        {
            "not gzip": packed(b"plain", "gzip"),
            "not deflate": packed(b"\xff\xff\xff\xff", "deflate"),
            "not br": packed(b"xxxxx", "br"),
            "gzip with a wrong sum": packed(gzipped(b"x" * 99)[:-8] + b"8" * 8, "gzip"),
            "unknown encoding": packed(b"plain", "rot13"),
            "unknown transfer encoding": raw(OK + b"Transfer-Encoding: rot13\r\n\r\nx"),
            "200 encodings": packed(b"plain", "gzip, " * 199 + "gzip"),
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
        },
    )
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
        "redirect with escape bytes": by_path(
            {"/": redirect("/\x1b[31m"), "/%1B[31m": message(b"end")}
        ),
    }
    for name, behaviour in fine.items():
        yield Case(name=name, behaviour=behaviour, state=State.REDIRECTED, status=200)


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
            "status of a negative number": raw(message(b"", "-1 No")),
            "NUL in the reason": raw(b"HTTP/1.1 200 a\0b\r\n\r\n"),
            "NUL in the head": raw(OK + b"X: a\0b\r\n\r\n"),
            "a line that is no field": raw(OK + b"no field\r\n\r\n"),
            "more than 5,000 fields": raw(message(b"", "200 OK", *["X: y"] * 5001)),
            # 360 KB; libcurl takes 300 KB of head, browsers 256 KB or so.
            "90 cookies of 4 KB": raw(message(b"", "200 OK", *cookies)),
        },
    )
    odd = {
        "escape bytes in the reason": raw(
            b"HTTP/1.1 200 \x1b[31m\r\nContent-Length: 2\r\n\r\nok"
        ),
        "4,990 fields": raw(message(b"ok", "200 OK", *["X: y"] * 4990)),
        "60 cookies of 4 KB": raw(message(b"ok", "200 OK", *cookies[:60])),
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


def sending_at_once(content: bytes) -> Behaviour:
    def behave(peer: servers.Peer) -> None:
        peer.send(content)
        peer.pause(servers.SOCKET_LIMIT_S)

    return behave


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
)
