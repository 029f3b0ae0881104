"""The synthetic sites and the walk over files do what tests rely on them for."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests import site_walk, sites
from tests.site_walk import Disk, has_fragment, resolve, walk
from tests.sites import End, EndlessSite, Manner, PoliteHosts, TrapSite, Visit, Visits


class Client:
    """One kept connection."""

    def __init__(self, server: sites.Server, host: str | None = None) -> None:
        host = server.hosts[0] if host is None else host
        self._connection = http.client.HTTPConnection(host, server.port, timeout=10)

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        self._connection.request(method, path)
        answer = self._connection.getresponse()
        self.headers = answer.headers
        return answer.status, answer.read()

    def links(self, path: str) -> list[str]:
        _, body = self.get(path)
        found = re.findall(rb'href="([^"]*)"', body)
        return [urljoin(path, unescape(each.decode())) for each in found]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def client_of(server: sites.Server, host: str | None = None) -> Iterator[Client]:
    client = Client(server, host)
    try:
        yield client
    finally:
        client.close()


# A million pages.


def test_breadth_first_from_the_front_finds_every_page_once_and_in_depth():
    site = EndlessSite(urls=2_000, links=20)
    depths = {0: 0}
    level = [0]
    for depth in range(1, 100):
        links = [to for number in level for to in site.links_of(number)]
        level = [to for to in dict.fromkeys(links) if to not in depths]
        depths |= dict.fromkeys(level, depth)
    assert sorted(depths) == list(range(2_000))
    assert max(depths.values()) == site.depth


def test_a_page_of_the_endless_site_has_its_links_and_is_small():
    with sites.in_thread(EndlessSite(urls=1_000)) as server, client_of(server) as it:
        status, body = it.get("/p/17.html")
        links = it.links("/p/999.html")
    assert status == 200
    assert 1_000 < len(body) < 2_500
    assert len(re.findall(rb"<a href", body)) == len(links) == 20


def test_the_endless_site_counts_pages_duplicates_and_other_paths():
    with sites.in_thread(EndlessSite(urls=5)) as server, client_of(server) as it:
        for path in ("/p/0.html", "/p/1.html", "/p/1.html", "/p/4.html"):
            assert it.get(path)[0] == 200
        for path in ("/robots.txt", "/p/5.html", "/p/01.html", "/p/-1.html"):
            assert it.get(path)[0] == 404
        assert it.get("/p/4.html", "HEAD") == (200, b"")
    assert server.record.requests == 5
    assert (server.record.distinct, server.record.duplicates) == (3, 2)
    assert server.record.others["/robots.txt"] == 1


@pytest.mark.slow
def test_a_site_in_a_process_of_its_own_answers_and_tells_while_it_runs():
    """3,000 requests a second are the least a benchmark needs; here all in one go."""
    head = "GET /p/{}.html HTTP/1.1\r\nHost: x\r\n\r\n"
    asked = "".join(head.format(number) for number in range(3_000)).encode()
    with sites.in_process(EndlessSite(urls=3_000)) as server:
        with socket.create_connection((server.hosts[0], server.port), 10) as peer:
            peer.sendall(asked)
            got, left = 0, b""
            while got < 3_000:
                left += peer.recv(1 << 20)
                got += left.count(b"</html>\n")
                left = left[-7:]
        assert server.record.requests == 3_000
    assert server.record.distinct == 3_000


# Traps.


def follow(it: Client, path: str, times: int) -> list[str]:
    """Follow the last link that was not seen, again and again."""
    seen = [path]
    for _ in range(times):
        fresh = [link for link in it.links(seen[-1]) if link not in seen]
        seen.append(fresh[-1])
    return seen


@pytest.mark.parametrize(
    ("start", "kind", "shape"),
    [
        ("/calendar?month=2026-12", "calendar", r"month=2031-02$"),
        ("/deeper/", "deeper", r"^/deeper(/a/b){25}/$"),
        ("/again/", "again", r"^/again(/again){50}/$"),
        ("/shop;sid=0", "sid in the path", r"^/shop;sid=[0-9a-f]{32}$"),
        ("/cart?sid=0", "sid in the query", r"^/cart\?sid=[0-9a-f]{32}$"),
        ("/filter", "facets", r"^/filter\?brand=\d&sort=\d"),
    ],
    ids=["calendar", "deeper", "again", "sid in path", "sid in query", "facets"],
)
def test_a_trap_leads_on_to_a_page_never_seen_for_ever(start, kind, shape):
    with sites.in_thread(TrapSite()) as server, client_of(server) as it:
        seen = follow(it, start, 50)
    assert len(set(seen)) == 51
    assert re.search(shape, seen[-1])
    assert server.record.traps[kind] == 50


def test_facets_stand_in_the_order_in_which_they_were_chosen():
    with sites.in_thread(TrapSite()) as server, client_of(server) as it:
        assert "/filter?size=2&color=1" in it.links("/filter?size=2")
        assert "/filter?color=1&size=2" in it.links("/filter?color=1")


def test_the_honest_pages_are_reached_from_the_front_and_counted():
    site = TrapSite()
    with sites.in_thread(site) as server, client_of(server) as it:
        front = it.links("/")
        for path in site.honest[1:]:
            assert it.get(path)[0] == 200
        assert it.get("/calendar2")[0] == 404
    assert set(site.honest[1:]) <= set(front)
    assert len(server.record.honest) == 30
    assert set(server.record.honest.values()) == {1}
    assert not server.record.traps
    assert server.record.others == {"/calendar2": 1}


# Many hosts.


def few_hosts(**how: object) -> PoliteHosts:
    how = {"hosts": 4, "pages": 3, "busy": 1, "slow": 1, "dying": 1, **how}
    return PoliteHosts(**how)


def test_each_host_behaves_in_its_manner():
    site = few_hosts(slow_s=0.05, dies_after=2)
    busy, slow, dying, healthy = site.hosts
    with sites.in_thread(site, site.hosts) as server:
        with client_of(server, busy) as it:
            assert it.get("/p/0.html")[0] == 429
            assert it.headers["Retry-After"] == "2"
        with client_of(server, slow) as it:
            assert it.get("/p/0.html")[0] == 200
        with client_of(server, dying) as it:
            assert [it.get("/p/0.html")[0] for _ in range(2)] == [200, 200]
            with pytest.raises(ConnectionError):
                it.get("/p/1.html")
        with pytest.raises(ConnectionRefusedError), client_of(server, dying) as it:
            it.get("/p/2.html")
        with client_of(server, healthy) as it:
            assert it.links("/") == site.paths[1:]
    by_host = {
        host: [v for v in server.record if v.host == host] for host in site.hosts
    }
    assert by_host[slow][0].end_s - by_host[slow][0].start_s >= 0.05
    assert [visit.status for visit in by_host[dying]] == [200, 200, 0]
    assert server.record.times_asked()[healthy, "/"] == 1
    assert site.with_manner(Manner.HEALTHY) == [healthy]


def test_a_host_may_die_by_resets_and_be_busy_now_and_then():
    site = few_hosts(dies_after=0, death=End.RESET, busy_for_s=0.0, busy_every=3)
    busy, _, dying, _ = site.hosts
    with sites.in_thread(site, site.hosts) as server:
        for _ in range(2):
            with client_of(server, dying) as it, pytest.raises(ConnectionResetError):
                it.get("/p/1.html")
        with client_of(server, busy) as it:
            statuses = [it.get("/p/0.html")[0] for _ in range(6)]
    assert statuses == [200, 200, 429, 200, 200, 429]


def test_a_busy_host_is_healthy_after_a_while():
    site = few_hosts(busy_for_s=0.0)
    with (
        sites.in_thread(site, site.hosts) as server,
        client_of(server, site.hosts[0]) as it,
    ):
        assert it.get("/p/0.html")[0] == 200


def test_requests_at_once_and_pauses_are_seen_as_they_were():
    def visit(start_s: float, end_s: float, host: str = "a") -> Visit:
        return Visit(host, "/", 200, start_s, end_s)

    visits = Visits(
        [visit(0, 2), visit(1, 3), visit(2, 4), visit(4.5, 5), visit(0, 9, "b")]
    )
    assert visits.most_in_flight() == {"a": 2, "b": 1}
    assert visits.least_pause_s() == {"a": 0, "b": float("inf")}
    one_by_one = Visits([visit(0, 1), visit(1.5, 2), visit(2.25, 3)])
    assert one_by_one.least_pause_s() == {"a": 0.25}


@pytest.mark.slow
def test_the_record_of_many_hosts_comes_back_from_their_process():
    site = PoliteHosts(hosts=50, pages=3, busy=0, slow=0, dying=0, healthy_s=0.02)
    with sites.in_process(site, site.hosts) as server:

        def ask(url: str) -> int:
            parts = urlsplit(url)
            with client_of(server, parts.hostname) as it:
                return it.get(parts.path)[0]

        began_s = time.monotonic()
        with ThreadPoolExecutor(16) as threads:
            statuses = list(threads.map(ask, site.urls(server.port)))
        ended_s = time.monotonic()
    assert statuses == [200] * 200
    assert len(server.record) == 200
    assert set(server.record.times_asked().values()) == {1}
    assert all(began_s <= v.start_s <= v.end_s <= ended_s for v in server.record)


def test_a_client_that_leaves_ends_its_visit():
    site = few_hosts(slow_s=60.0)
    slow = site.hosts[1]
    with sites.in_thread(site, site.hosts) as server:
        with socket.create_connection((slow, server.port), 5) as peer:
            peer.sendall(b"GET /p/0.html HTTP/1.1\r\nHost: x\r\n\r\n")
            peer.shutdown(socket.SHUT_WR)
            assert peer.recv(1) == b""
        (visit,) = server.record
    assert visit.end_s - visit.start_s < 30


# Robots.txt.


def robots_of(robots: object) -> tuple[int, bytes, list[str]]:
    """Ask for robots.txt, following redirects of this host ten times."""
    asked = ["/robots.txt"]
    with sites.in_thread(sites.robots_site(robots)) as server, client_of(server) as it:
        status, body = it.get(asked[-1])
        while status == 302 and len(asked) < 10:
            asked.append(it.headers["Location"])
            status, body = it.get(asked[-1])
    assert [each.target for each in server.record] == asked
    return status, body, asked


def test_a_robots_txt_may_have_any_body_and_status():
    rules = b"User-agent: *\nDisallow: /b\n"
    assert robots_of(sites.robots_body(rules))[:2] == (200, rules)
    assert robots_of(sites.robots_body(b"", "503 Service Unavailable"))[0] == 503
    page = sites.robots_body(b"<html>", fields=sites.HTML)
    assert robots_of(page)[:2] == (200, b"<html>")


def test_a_large_robots_txt_begins_and_ends_with_rules():
    status, body, _ = robots_of(sites.robots_padded(b"User-agent: *", b"Disallow: /d"))
    assert status == 200
    assert len(body) == 5_000_000
    assert body.startswith(b"User-agent: *\n#")
    assert body.endswith(b"\nDisallow: /d")
    assert max(map(len, body.splitlines())) < 200


def test_a_chain_ends_in_its_answer_and_a_loop_does_not():
    last = sites.robots_body(b"User-agent: *")
    status, body, asked = robots_of(sites.robots_chain(5, last))
    assert (status, body, len(asked)) == (200, b"User-agent: *", 6)
    assert robots_of(sites.robots_chain(0, last))[2] == ["/robots.txt"]
    status, _, asked = robots_of(sites.robots_loop())
    assert (status, len(asked)) == (302, 10)


def test_a_robots_txt_may_be_on_another_host():
    elsewhere = sites.robots_elsewhere("http://127.0.0.2/robots.txt")
    with (
        sites.in_thread(sites.robots_site(elsewhere)) as server,
        client_of(server) as it,
    ):
        assert it.get("/robots.txt")[0] == 302
        assert it.headers["Location"] == "http://127.0.0.2/robots.txt"
        assert it.links("/") == ["/", "/a", "/b/c", "/d"]


def test_a_dripped_body_comes_slowly_and_whole():
    began_s = time.monotonic()
    status, body, _ = robots_of(sites.robots_dripped(b"Allow: /", 0.01))
    assert (status, body) == (200, b"Allow: /")
    assert time.monotonic() - began_s >= 0.07


def test_an_answer_that_never_comes_holds_up_nobody_else():
    site = sites.robots_site(sites.robots_never())
    with (
        sites.in_thread(site) as server,
        socket.create_connection((server.hosts[0], server.port), 5) as peer,
        client_of(server) as it,
    ):
        peer.sendall(b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        assert it.get("/a")[0] == 200
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(1)


# Sitemaps.


def test_sitemaps_of_every_form_name_the_sites_own_pages():
    site = sites.sitemap_site(
        {
            "/sitemap.xml": sites.sitemap_index(["/one.xml.gz", "/two.txt"]),
            "/one.xml.gz": sites.gzipped(sites.urlset(["/a?x=1&y=2"])),
            "/two.txt": sites.text_sitemap(["/b"]),
            "/feed": sites.rss_sitemap(["/c"]),
            "/atom": sites.atom_sitemap(["/d"]),
        },
        {"/": ["/a", "/b"], "/a": []},
        robots=lambda origin: f"Sitemap: {origin}/sitemap.xml\n".encode(),
    )
    with sites.in_thread(site) as server, client_of(server) as it:
        paths = ("/robots.txt", "/sitemap.xml", "/one.xml.gz", "/two.txt", "/feed")
        got = {path: it.get(path)[1] for path in (*paths, "/atom")}
        assert it.links("/") == ["/a", "/b"]
        assert it.get("/b")[0] == 404
    origin = server.origins[0].encode()
    assert got["/robots.txt"] == b"Sitemap: " + origin + b"/sitemap.xml\n"
    assert b"<sitemap><loc>" + origin + b"/one.xml.gz</loc>" in got["/sitemap.xml"]
    assert origin + b"/a?x=1&amp;y=2</loc>" in gzip.decompress(got["/one.xml.gz"])
    assert got["/two.txt"] == origin + b"/b\n"
    assert b"<link>" + origin + b"/c</link>" in got["/feed"]
    assert b'<link href="' + origin + b'/d"/>' in got["/atom"]


# The walk over files.

BASE = "http://docs.example"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("b.html", "/d/b.html"),
        ("../b.html#x y", "/b.html#x%20y"),
        ("./%2e%2E/../b", "/b"),
        ("?q=a b", "/d/a.html?q=a%20b"),
        ("", "/d/a.html?p=1"),
        ("#", "/d/a.html?p=1#"),
        ("#caf\u00e9<init>", "/d/a.html?p=1#caf%C3%A9%3Cinit%3E"),
        ("\\x\\y?a\\b", "/x/y?a\\b"),
        (" \n/a\tb ", "/ab"),
        ("HTTP://DOCS.example:80", "/"),
        ("//docs.example/a//b", "/a//b"),
        ("http:c.html", "/d/c.html"),
        ("a;b=c/%7E~'\"", "/d/a;b=c/%7E~'%22"),
        ("..", "/"),
        ("x/.", "/d/x/"),
    ],
)
def test_references_are_read_as_browsers_read_them(reference, expected):
    url, fragment = resolve(f"{BASE}/d/a.html?p=1", reference)
    assert url + ("" if fragment is None else f"#{fragment}") == BASE + expected


def test_other_schemes_come_back_and_what_is_no_url_is_refused():
    assert resolve(f"{BASE}/", "mailto:a@b.example#c") == ("mailto:a@b.example#c", None)
    for reference in ("http://[::1", "//", "http://a:b/"):
        with pytest.raises(ValueError, match=r".+"):
            resolve(f"{BASE}/", reference)


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", True),
        ("top", True),
        ("TOP", True),
        ("one", True),
        ("One", False),
        ("caf%C3%A9", True),
        ("%3Cinit%3E()", True),
        ("a%20b", True),
        ("50%25", True),
        ("50%", True),
        (":~:text=x", True),
        ("one:~:text=x", True),
        ("two:~:text=x", False),
    ],
)
def test_a_fragment_is_an_id_or_a_name_or_the_top(fragment, expected):
    ids = frozenset({"one", "caf\u00e9", "<init>()", "a b", "50%"})
    assert has_fragment(ids, fragment) is expected


def test_a_folder_answers_as_nginx_does(tmp_path: Path):
    (tmp_path / "with").mkdir()
    (tmp_path / "with/index.html").write_text("x")
    (tmp_path / "without").mkdir()
    (tmp_path / "a b.html").write_text("x")
    disk = Disk(tmp_path, BASE)

    def answer(path: str) -> tuple[int, str | None]:
        found = disk.answer(BASE + path)
        return found.status, found.location

    assert answer("/with/") == answer("//with//index.html?x") == (200, None)
    assert answer("/with?x=1") == (301, f"{BASE}/with/?x=1")
    assert answer("/without") == (301, f"{BASE}/without/")
    assert answer("/without/") == (403, None)
    assert answer("/a%20b.html") == (200, None)
    assert answer("/a%20b.html/") == answer("/none") == (404, None)
    for path in ("/%2e%2e/etc", "/a%00", "/50%"):
        assert answer(path) == (400, None)
    assert answer("/" + "x" * 300) == (404, None)
    assert list(disk.pages()) == [f"{BASE}/a%20b.html", f"{BASE}/with/index.html"]


FRONT = """<!DOCTYPE html>
<link rel=stylesheet href=gone.css><link rel=canonical href=canonical.html>
<link rel=alternate hreflang=de href=de.html><link rel=alternate href=feed.xml>
<link rel=preconnect href=gone-too>
<meta property=og:image content=og.png>
<meta http-equiv=refresh content="5; URL='r.html'">
<style>@import "i.css"; /* url(comment.png) */ b { background: url( s.png ) }</style>
<p style="background:url('st.png')"><a id=here>here</a>
<a href="a.html#one">one</a> <a href="a.html#two">No <b>such</b></a>
<a rel=nofollow href=n.html>n</a> <a href=d>folder</a> <a href="d/?q">q</a>
<a href=#here>here</a><a href=#gone><img alt=Picture src=p.png
srcset="p1.png 1x, p2.png 2x"></a>
<a href=http://else.where/>out</a> <a href=mailto:a@b.example>mail</a>
<a href="http://[x">no URL</a> <!-- <a href=comment.html> -->
<template><a href=t.html>t</a></template><textarea><a href=ta.html></textarea>
<form action=post><blockquote cite=cite.html></blockquote></form>
<noscript><img src=ns.png></noscript><iframe src=frame.html><a href=if.html></iframe>
<svg><a xlink:href=svg.html></a></svg><map><area href=area.html></map>
<a href=first.html href=second.html>twice</a>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    (tmp_path / "index.html").write_text(FRONT)
    (tmp_path / "a.html").write_text('<p id=one><a href="d/#x">x</a><a href=a.html>')
    (tmp_path / "d/index.html").write_text('<base href="/e/"><a name=x href=f.html>f')
    (tmp_path / "n.html").write_text("<a href=never.html>")
    (tmp_path / "r.html").write_text(
        '<meta name=robots content="NoFollow"><a href=o.html>'
    )
    for name in ("o", "canonical", "de", "frame", "area"):
        (tmp_path / f"{name}.html").write_text("<p>")
    return tmp_path


@pytest.mark.parametrize("parser", ["html.parser", "lxml"])
def test_the_walk_reaches_what_links_lead_to(site, parser):
    found = walk(Disk(site, BASE), "/", parser=parser)
    reached = ["", "canonical.html,de.html,r.html,a.html,d/,d/?q,frame.html,area.html"]
    assert found.depths == {
        f"{BASE}/{path}": depth
        for depth, paths in enumerate(reached)
        for path in paths.split(",")
    }
    assert found.redirects == {f"{BASE}/d": f"{BASE}/d/"}
    assert found.unreached == [f"{BASE}/n.html", f"{BASE}/o.html"]


@pytest.mark.parametrize("parser", ["html.parser", "lxml"])
def test_the_walk_finds_each_broken_link_and_fragment(site, parser):
    found = walk(Disk(site, BASE), "/", parser=parser)
    gone = "gone.css feed.xml og.png i.css s.png st.png p.png p1.png p2.png"
    gone += " cite.html ns.png svg.html first.html"
    expected = {(f"{BASE}/", f"{BASE}/{name}") for name in gone.split()}
    expected |= {(f"{BASE}/", "http://[x")}
    expected |= {(f"{BASE}/{page}", f"{BASE}/e/f.html") for page in ("d/", "d/?q")}
    assert found.broken_links == expected
    assert found.broken_fragments == {
        (f"{BASE}/", f"{BASE}/a.html#two"),
        (f"{BASE}/", f"{BASE}/#gone"),
    }
    assert found.statuses[f"{BASE}/gone.css"] == 404
    assert found.counts["external"] == 1
    assert found.counts["other schemes"] == 1
    assert found.counts["pages with nofollow"] == 1


def test_every_place_of_a_broken_link_is_told(site):
    found = walk(Disk(site, BASE), "/")
    places = {
        place.target.removeprefix(BASE): place[2:]
        for place in found.places
        if place.page == f"{BASE}/"
    }
    assert places["/a.html#two"] == ("a", "href", 9, 30, "No such")
    assert places["/#gone"] == ("a", "href", 11, 23, "Picture")
    assert places["/s.png"] == ("style", "(text)", 7, 1, "")
    assert places["http://[x"][-1] == "no URL"


@pytest.mark.slow
def test_the_program_writes_what_it_found_and_says_so_by_its_exit_code(site, capsys):
    written = site.parent / "out.json"
    options = f"--root {site} --base {BASE} --processes 2 --json {written}"
    assert site_walk.main(options.split()) == 1
    found = json.loads(written.read_text())
    assert [f"{BASE}/", f"{BASE}/gone.css"] in found["broken_links"]
    assert found["pages"] == sorted(found["depths"])
    assert "broken fragments          2" in capsys.readouterr().out
    (site / "index.html").write_text("<p>")
    assert site_walk.main(options.split()) == 0
