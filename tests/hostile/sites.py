"""Whole sites that would keep a crawler busy: robots.txt, sitemaps, links without end.

Each is crawled three links deep with its sitemaps. What must come of it: the page that
was given, and no more pages than `pages_max`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fetcher.models import Kind, State
from tests import servers
from tests.servers import Behaviour, message, redirect

__all__ = ["DEPTH", "SITES", "SiteCase"]

DEPTH = 3
HTML = "Content-Type: text/html"
XML = "Content-Type: application/xml"
SITEMAP = b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
Answer = bytes | Callable[[servers.Peer], None]
# An answer for a path, given the origin of the site.
Pages = Callable[[str, str], Answer | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCase:
    """A site, and what must come of its front page; the others are only counted."""

    name: str
    behaviour: Behaviour
    pages_max: int
    state: State = State.OK
    kind: Kind | None = None


def site(pages: Pages) -> Behaviour:
    """Answer each path as `pages` says; 404 where it says nothing."""

    def behave(peer: servers.Peer) -> None:
        while (head := peer.read_head()) is not None:
            path = head.split(" ", 2)[1]
            host = head.partition("Host: ")[2].partition("\r\n")[0]
            answer = pages(path, f"http://{host}")
            if callable(answer):
                answer(peer)
                return
            peer.send(answer or message(b"", "404 Not Found"))

    return behave


def html(body: str) -> bytes:
    return message(f"<title>t</title>{body}".encode(), "200 OK", HTML)


def links(*targets: str) -> bytes:
    return html("".join(f"<a href='{target}'>x</a>" for target in targets))


FRONT = links("/a", "/b")


def ordinary(more: Mapping[str, Answer]) -> Behaviour:
    """Answer like a site of three pages, but for these paths."""
    usual = {"/": FRONT, "/a": html("a"), "/b": html("b")}
    known: dict[str, Answer] = {**usual, **more}
    return site(lambda path, _: known.get(path))


def stall(peer: servers.Peer) -> None:
    peer.pause(servers.SOCKET_LIMIT_S)


def endless(head: bytes, block: bytes) -> Callable[[servers.Peer], None]:
    def send(peer: servers.Peer) -> None:
        peer.send(head)
        while not peer.server.stopping.is_set():
            peer.send(block)

    return send


def _of_robots() -> Iterator[SiteCase]:
    text = "Content-Type: text/plain"
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    wild = b"User-agent: *\n" + b"Disallow: /*a*a*a*a*a*a*a*a*a*b$\n" * 1_900
    groups = b"".join([b"User-agent: r%d\nDisallow: /\n" % n for n in range(20_000)])
    robots: dict[str, tuple[Answer, int]] = {
        "of 5 MB": (message(b"# nothing\n" * 500_000, "200 OK", text), 3),
        "without end": (endless(plain, b"Allow: /\n" * 5_000), 3),
        "that never comes": (stall, 1),
        "in a circle": (redirect("/robots.txt"), 3),
        "that fails": (message(b"", "500 Internal Server Error"), 1),
        "of wildcards": (message(wild, "200 OK", text), 3),
        "of 20,000 groups": (message(groups, "200 OK", text), 3),
        "of NULs": (message(b"\0" * 400_000, "200 OK", text), 3),
        "that is a bomb": (
            message(servers.bomb("gzip"), "200 OK", text, "Content-Encoding: gzip"),
            3,
        ),
        "of 2,000 sitemaps": (
            message(b"Sitemap: /none\n" * 2_000, "200 OK", text),
            3,
        ),
    }
    for name, (answer, pages_max) in robots.items():
        yield SiteCase(
            name=f"robots.txt {name}",
            behaviour=ordinary({"/robots.txt": answer}),
            pages_max=pages_max,
        )


def _of_sitemaps() -> Iterator[SiteCase]:
    laughs = b"".join(
        [b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12)]
    )
    entities = (
        b'<!DOCTYPE urlset [<!ENTITY l0 "ha">'
        + laughs
        + b"]>"
        + SITEMAP
        + b"<url><loc>"
        b"&l11;</loc></url></urlset>"
    )
    outside = (
        b'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + SITEMAP
        + b"<url><loc>/&x;</loc></url></urlset>"
    )
    entry = b"<url><loc>http://other.invalid/%d</loc></url>"
    others = b"".join([entry % n for n in range(50_001)])
    zeros = gzip.compress(gzip.compress(b"\0" * 100_000_000, 1), 9)
    maps = {
        "of entities in entities": message(entities, "200 OK", XML),
        "of a file of ours": message(outside, "200 OK", XML),
        "of 50,000 pages elsewhere": message(
            SITEMAP + others + b"</urlset>", "200 OK", XML
        ),
        "packed twice": message(zeros, "200 OK", "Content-Type: application/gzip"),
        "nested in itself": message(SITEMAP + b"<url>" * 500_000, "200 OK", XML),
        "that is a bomb": message(
            servers.bomb("gzip"), "200 OK", XML, "Content-Encoding: gzip"
        ),
        "in a circle": redirect("/sitemap.xml"),
        "of one line of 5 MB": message(
            b"http://127.0.0.1/" + b"x" * 5_000_000,
            "200 OK",
            "Content-Type: text/plain",
        ),
    }
    for name, answer in maps.items():
        yield SiteCase(
            name=f"sitemap {name}",
            behaviour=ordinary({"/sitemap.xml": answer}),
            pages_max=3,
        )

    def indexes(path: str, origin: str) -> bytes | None:
        if path == "/":
            return FRONT
        if not path.startswith("/sitemap"):
            return html("a") if path in ("/a", "/b") else None
        stem = path.removesuffix(".xml")
        inner = "".join(
            f"<sitemap><loc>{origin}{stem}-{n}.xml</loc></sitemap>" for n in range(12)
        )
        whole = f"<sitemapindex>{inner}</sitemapindex>".encode()
        return message(whole, "200 OK", XML)

    yield SiteCase(
        name="sitemap of sitemaps without end", behaviour=site(indexes), pages_max=3
    )


def _of_links() -> Iterator[SiteCase]:
    def calendar(path: str, _: str) -> bytes | None:
        if path == "/":
            return links("/calendar/1")
        head, _, day = path.rpartition("/")
        if head != "/calendar" or not day.isdigit():
            return None
        return links(*[f"/calendar/{int(day) * 8 + n}" for n in range(8)])

    def deeper(path: str, _: str) -> bytes | None:
        return links(*[f"{path.rstrip('/')}/{name}" for name in "abcdef"])

    def sessions(path: str, _: str) -> bytes | None:
        number = len(path)
        return links(*[f"/?sid={number}{n}{path[-3:]}" for n in range(6)])

    flood = "".join(f"<a href='#{n}'>x</a>" for n in range(40_000))
    yield SiteCase(
        name="40,000 links to itself",
        behaviour=site(lambda path, _: html(flood) if path == "/" else None),
        pages_max=1,
    )
    # A tree of these degrees, three links deep; a trap that is known has fewer.
    yield SiteCase(name="a calendar", behaviour=site(calendar), pages_max=74)
    yield SiteCase(name="deeper and deeper", behaviour=site(deeper), pages_max=259)
    yield SiteCase(
        name="a session in each link", behaviour=site(sessions), pages_max=259
    )
    refresh = "<meta http-equiv=refresh content='0;url=/{}'>"
    yield SiteCase(
        name="refreshes in a circle",
        behaviour=ordinary(
            {"/": html(refresh.format("a")), "/a": html(refresh.format(""))}
        ),
        pages_max=2,
    )
    yield SiteCase(
        name="a base elsewhere",
        behaviour=ordinary({"/": html("<base href=//127.0.5.254:9/><a href=a>x</a>")}),
        pages_max=1,
    )
    yield SiteCase(
        name="links that stall",
        behaviour=ordinary({"/": links("/s1", "/s2"), "/s1": stall, "/s2": stall}),
        pages_max=3,
    )
    circles = {f"/r{n}": redirect(f"/r{n}") for n in range(20)}
    yield SiteCase(
        name="links in circles",
        behaviour=ordinary({"/": links(*circles), **circles}),
        pages_max=21,
    )
    yield SiteCase(
        name="links of every scheme",
        behaviour=ordinary(
            {
                "/": links(
                    *(
                        "file:///etc/passwd",
                        "javascript:alert(1)",
                        "data:,x",
                        "ftp://a/",
                    ),
                    *("gopher://127.0.0.1:25/_HELO", "http://[", "http://:80", "//"),
                )
            }
        ),
        pages_max=1,
    )


SITES = (*_of_robots(), *_of_sitemaps(), *_of_links())
