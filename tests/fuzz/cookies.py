"""Set-Cookie into the jar: nothing is raised, and no cookie reaches another domain."""

from __future__ import annotations

import ipaddress
import json
import random
import warnings
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar, get_cookie_header

from fetcher.models import Headers, Settings
from fetcher.transport.adapter import take_cookies
from fetcher.transport.sessions import Client

from .harness import Target, Wrong, mutated, of_words

# http.cookiejar alone lets `intranet` set a cookie for `wiki` (`Domain=.local`), and
# one address for another: whom a cookie is for is judged once the jar is fetcher's own.
KEEPS_TO_SITES = find_spec("fetcher.transport.cookies") is not None
HOSTS = (
    *(
        "a.example",
        "b.example",
        "www.a.example",
        "aa.example",
        "a.example.",
        "intranet",
    ),
    *("wiki", "127.0.0.1", "10.0.0.1", "[::1]", "co.uk", "a.co.uk", "b.co.uk"),
    *(
        "xn--bcher-kva.example",
        "a.local",
        "b.local",
        "localhost",
        "1.example",
        "example",
    ),
)
WORDS = (
    *(b"a=b", b"a", b"=b", b"=", b"", b";", b"; ", b",", b"a=b, c=d", b'a="b;c"'),
    *(b"; Domain=", b"; domain=.", b"; Domain=a.example", b"; Domain=.example"),
    *(b"; Domain=example", b"; Domain=.local", b"; Domain=local", b"; Domain=.co.uk"),
    *(b"; Domain=0.1", b"; Domain=127.0.0.1", b"; Domain=.0.0.1", b"; Domain=[::1]"),
    *(b"; Domain=b.example", b"; Domain=www.a.example", b"; Domain=.", b"; Domain=.."),
    *(b"; Path=/", b"; Path=", b"; Path=/x", b"; Path=x", b"; Secure", b"; HttpOnly"),
    *(b"; Max-Age=", b"; Max-Age=-1", b"; Max-Age=0", b"; Max-Age=" + b"9" * 400),
    *(b"; Max-Age=" + b"9" * 5_000, b"; Max-Age=1e9", b"; Max-Age=9999999999999999"),
    *(b"; Expires=Fri, 31 Dec 9999 23:59:59 GMT", b"; Expires=0", b"; Expires="),
    *(b"; Expires=Thu, 01 Jan 1970 00:00:00 GMT", b"; Expires=" + b"1" * 60),
    *(b"; Expires=01 Jan 99999999999999999999 00:00:00", b"; Expires=1 " * 1000),
    *(b"; Version=1", b"; Version=x", b"; Port=80", b'; Port="80,x"', b"; Comment=x"),
    *(b"; SameSite=None", b"__Host-a=b", b"__Secure-a=b", b"\0", b"\x80", b'"', b"\\"),
    *(b"\t", b" " * 100, b"a=" + b"b" * 5_000, b"a" * 5_000 + b"=", b"; " * 500),
)


class Sent(NamedTuple):
    """What the jar holds, and which fields it would send where."""

    names: list[tuple[str, str, str | None]]
    fields: dict[str, str]
    warned: list[str]


def make(dice: random.Random) -> bytes:
    """Return the host that answered and what it set."""
    fields = []
    for _ in range(dice.randint(1, 4)):
        value = b"n%d=v" % dice.randrange(3) if dice.random() < 0.7 else b""
        value += of_words(dice, WORDS, most=6)
        if dice.random() < 0.3:
            value = mutated(value, dice, WORDS, most=3)
        fields.append(value[:30_000].decode("latin-1"))
    return json.dumps([dice.choice(HOSTS), fields]).encode()


def parts_of(case: bytes) -> tuple[str, list[str]]:
    """Return host and fields; bytes that are no case are a field of the first host."""
    try:
        host, fields = json.loads(case)
        if host in HOSTS and isinstance(fields, list):
            return host, [str(each) for each in fields]
    except (ValueError, TypeError):
        pass
    return HOSTS[0], [case.decode("latin-1")]


def run(case: bytes) -> Sent:
    """Take what an answer sets into a client's own jar; ask what goes to each host."""
    host, fields = parts_of(case)
    jar = _jar()
    headers = Headers(("Set-Cookie", value) for value in fields)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        take_cookies(jar, _request(f"http://{host}/x/y"), headers)
        sent = {
            other: get_cookie_header(jar, _request(f"http://{other}/x/y")) or ""  # type: ignore[no-untyped-call]
            for other in HOSTS
        }
    names = [(each.name, each.domain, each.value) for each in jar]
    return Sent(names, sent, [str(each.message) for each in warned])


def _request(url: str) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.method, request.url = "GET", url
    request.headers = requests.structures.CaseInsensitiveDict()
    return request


_clients: list[Client] = []


def _jar() -> RequestsCookieJar:
    if not _clients:
        _clients.append(Client(Settings()))
    jar = _clients[0].session.cookies
    jar.clear()
    return jar


def judge(case: bytes, result: object) -> None:
    """Only hosts that domain-match may have set a cookie, or be sent one."""
    assert isinstance(result, Sent)
    host, _ = parts_of(case)
    if result.warned:
        raise Wrong(f"the jar stumbled: {result.warned[0][-300:]!r}")
    if KEEPS_TO_SITES:
        _judge_sites(host, result)
    for field in result.fields.values():
        if "\r" in field or "\n" in field or "\0" in field:
            raise Wrong(f"a field with a line end: {field[:200]!r}")


def _judge_sites(host: str, result: Sent) -> None:
    for name, domain, _ in result.names:
        if not domain_matches(host, domain):
            raise Wrong(f"{host} set {name!r} for {domain!r}")
    for other, field in result.fields.items():
        if field and not _may_share(host, other, result):
            raise Wrong(f"{host} set what is sent to {other}: {field[:200]!r}")


def _may_share(host: str, other: str, result: Sent) -> bool:
    """Whether there is a domain of at least two labels that both belong to."""
    if _same(host, other):
        return True
    return any(
        domain_matches(host, domain) and domain_matches(other, domain)
        for _, domain, _ in result.names
        if "." in domain.strip(".")
    )


def _same(host: str, other: str) -> bool:
    return host.removesuffix(".") == other.removesuffix(".")


def domain_matches(host: str, domain: str) -> bool:
    """RFC 6265, 5.1.3: the same, or a suffix at a dot of what is no address.

    The jar writes `intranet.local` where it means the host `intranet`.
    """
    wanted = domain.removeprefix(".").lower()
    if wanted in (host, host.strip("[]"), f"{host}.local"):
        return True
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return host.removesuffix(".").endswith(f".{wanted.removesuffix('.')}")
    return False


TARGET = Target(name="cookies", make=make, run=run, judge=judge, words=WORDS)
