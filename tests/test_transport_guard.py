"""Where requests may go, over real servers on loopback: `get_url` and `crawl`.

All of loopback is this machine; so that a page can be public here, the settings say
that 127.0.0.2 counts as public. Servers on 127.0.0.1 are private then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from fetcher import crawl
from fetcher.errors import ConfigError
from fetcher.frontier import Frontier, Refused
from fetcher.guard import Guard
from fetcher.models import Failure, Kind, Purpose, Reach, Request, Settings, State
from fetcher.robots import Rules, rules_from
from fetcher.testing import make_page
from fetcher.transport import curl, get_url
from fetcher.transport.curl import Question, Route, fetch
from fetcher.transport.exchange import Exchange
from fetcher.urls import BadUrl, parse
from tests import servers
from tests.servers import Peer, Server, answer, by_path, message, redirect, serve

PUBLIC = "127.0.0.2"
PUBLIC_NETS = (f"{PUBLIC}/32",)
SETTINGS = Settings(timeout_s=5.0, public_nets=PUBLIC_NETS)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    return servers.make_certificates(directory, ("127.0.0.1", PUBLIC))


def led(url: str, reach: Reach = Reach.PUBLIC, settings: Settings = SETTINGS):
    """Return what comes of a URL to which a page of this reach led."""
    return get_url(Request(url=url, reach=reach), settings)


def nothing_public():
    """Serve a public host that has no pages until its `_behaviour` is set."""
    return serve(by_path({}), address=PUBLIC)


def assert_forbidden(page, said: str = ""):
    assert page.failure is not None
    assert (page.failure.kind, page.state) == (Kind.FORBIDDEN_ADDRESS, State.SKIPPED)
    assert said in page.failure.message
    assert (page.status, page.content, page.ip) == (None, b"", None)


# One request


def test_what_a_person_listed_is_asked_wherever_it_is():
    with serve(answer()) as server:
        assert get_url(server.url, SETTINGS).ok


def test_a_public_page_leads_to_no_private_address():
    """The server sees not even a connection."""
    with serve(answer()) as server, serve(answer(), address=PUBLIC) as public:
        page = led(server.url)
        assert led(public.url).ok
    assert_forbidden(page, f"127.0.0.1:{server.port} may not be asked: 127.0.0.1 is")
    assert server.connections == 0


def test_a_private_page_leads_on_to_private_addresses():
    with serve(answer()) as server:
        assert led(server.url, Reach.LOOPBACK).ok
        assert_forbidden(led(server.url, Reach.LINK_LOCAL), "a link-local page led")
    assert len(server.paths) == 1


def test_a_kept_connection_is_judged_before_each_request():
    """A connection that a listed page opened is not there for strangers' links."""
    with serve(answer()) as server:
        get_url(server.url + "listed", SETTINGS)
        kept = led(server.url + "near", Reach.LOOPBACK)
        refused = led(server.url + "far")
        again = get_url(server.url + "listed", SETTINGS)
    assert kept.timings.connect_s is None  # so there was one to be judged
    assert_forbidden(refused, "127.0.0.1 is this machine")
    assert again.ok
    assert server.paths == ["/listed", "/near", "/listed"]


def test_a_name_is_judged_by_its_address():
    """A name says nothing: what it leads to at the moment of connecting does."""
    with serve(answer()) as server:
        page = led(f"http://localhost:{server.port}/")
    assert_forbidden(page, f"localhost:{server.port} may not be asked: ")
    assert server.connections == 0


def resolving(port: int, *addresses: str) -> Settings:
    entry = f"site.example:{port}:{','.join(addresses)}"
    return Settings(timeout_s=5.0, public_nets=PUBLIC_NETS, resolve=(entry,))


def test_of_several_addresses_those_that_are_allowed_are_tried():
    """A host with a private address beside its public one is asked at the latter."""
    with serve(answer(), address=PUBLIC) as public:
        settings = resolving(public.port, "127.0.0.1", "10.0.0.1", PUBLIC)
        page = led(f"http://site.example:{public.port}/", settings=settings)
    assert (page.ok, page.ip) == (True, PUBLIC)


def test_a_host_with_no_allowed_address_is_forbidden():
    with serve(answer()) as server:
        settings = resolving(server.port, "127.0.0.1", "10.0.0.1", "::1")
        page = led(f"http://site.example:{server.port}/", settings=settings)
    assert_forbidden(page, f"site.example:{server.port} may not be asked")
    assert server.connections == 0


def test_an_allowed_address_that_refuses_is_the_networks_failure():
    with serve(answer(), address=PUBLIC) as public:
        port = public.port
    page = led(f"http://site.example:{port}/", settings=resolving(port, PUBLIC, "::1"))
    assert page.failure.kind is Kind.REFUSED


def test_a_name_that_changes_its_address_gains_nothing():
    """Rebinding: public when it is first asked, this machine a moment later."""
    with serve(answer()) as server:
        url = f"http://site.example:{server.port}/"
        first = led(url, settings=resolving(server.port, PUBLIC))
        second = led(url, settings=resolving(server.port, "127.0.0.1"))
    assert first.failure.kind is Kind.REFUSED  # asked: nobody listens there
    assert_forbidden(second)
    assert server.connections == 0


def test_the_handshake_that_only_reads_a_certificate_is_judged_too(certificates):
    """It looks the name up once more, which may lead elsewhere by then."""
    with serve(answer(), tls=certificates.good) as server:
        route = Route(server.url.rstrip("/"))
        trusted, bound = Exchange(5.0, 1000), Exchange(5.0, 1000)
        bound.rule = Guard().rule_for(Reach.PUBLIC)
        shown = curl._shown_certificate(route, None, bound, curl._state)
        assert (shown, server.connections) == (None, 0)
        assert curl._shown_certificate(route, None, trusted, curl._state)


def test_a_refused_page_shows_no_certificate(certificates):
    settings = Settings(timeout_s=5.0, cacert=certificates.root)
    with serve(answer(), tls=certificates.good) as server:
        assert get_url(server.url, settings).certificate is not None
        page = led(server.url, settings=settings)
    assert_forbidden(page)
    assert page.certificate is None
    assert server.connections == 1


def test_the_guard_leaves_no_descriptor_open():
    with serve(answer()) as server, serve(answer(), address=PUBLIC) as public:
        led(public.url)
        before = len(list(DESCRIPTORS.iterdir()))
        for _ in range(20):
            led(server.url)
            led(public.url)
        assert len(list(DESCRIPTORS.iterdir())) <= before + 2


def test_no_program_inherits_a_connection():
    with serve(answer(), address=PUBLIC) as public:
        before = inheritable_sockets()
        led(public.url)
        assert inheritable_sockets() == before


DESCRIPTORS = Path("/proc/self/fd")


def inheritable_sockets() -> set[str]:
    found = set()
    for each in DESCRIPTORS.iterdir():
        with suppress(OSError):  # the one by which this directory is read
            is_socket = "socket" in str(each.readlink())
            if is_socket and os.get_inheritable(int(each.name)):
                found.add(each.name)
    return found


# Redirects


def test_a_redirect_leads_to_nothing_more_private_than_what_redirects():
    with serve(answer()) as server, nothing_public() as public:
        public._behaviour = by_path({"/": redirect(server.url)})
        page = get_url(public.url, SETTINGS)
    assert_forbidden(page, "a public page led there")
    assert [hop.url for hop in page.hops] == [public.url]
    assert page.final_url == server.url
    assert server.connections == 0


def test_a_redirect_is_judged_on_a_kept_connection_too():
    with serve(answer()) as server, nothing_public() as public:
        public._behaviour = by_path({"/": redirect(server.url + "secret")})
        assert get_url(server.url, SETTINGS).ok
        page = get_url(public.url, SETTINGS)
    assert_forbidden(page)
    assert (server.paths, server.connections) == (["/"], 1)


def test_a_private_page_redirects_to_a_private_one():
    with serve(answer()) as server, serve(by_path({})) as other:
        other._behaviour = by_path({"/": redirect(server.url)})
        assert get_url(other.url, SETTINGS).ok


def test_a_chain_of_redirects_gains_no_privacy():
    """Private, public, private: the public one could have been told to say so."""
    with serve(answer()) as server, nothing_public() as public:
        public._behaviour = by_path({"/": redirect(server.url)})
        with serve(by_path({"/": redirect(public.url)})) as first:
            page = get_url(first.url, SETTINGS)
    assert_forbidden(page)
    assert len(page.hops) == 2
    assert server.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:70/_x",
        "dict://127.0.0.1/d:x",
        "ws://127.0.0.1/",
        "data:text/html,x",
        "javascript:alert(1)",
        r"http://a.example\@127.0.0.1/",
        r"//a.example\@127.0.0.1/",
        r"\\127.0.0.1/",
        r"/\127.0.0.1/",
        "http://127.0.0.1:99999/",
    ],
)
def test_a_redirect_to_another_scheme_or_a_riddle_is_no_url(location):
    with serve(by_path({"/": redirect(location)})) as server:
        page = get_url(server.url, SETTINGS)
    assert page.failure.kind is Kind.BAD_URL
    assert page.status == 302


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "dict://a/"])
def test_libcurl_itself_speaks_nothing_but_http(url):
    """Should a URL ever come past the parser, the library knows no other scheme."""
    transfer = fetch(Route(url), Question("GET", url, [], None), Exchange(2.0, 1000))
    assert transfer.failure is not None
    assert "disabled" in transfer.failure.message
    assert transfer.body == b""


# What the person says


def test_public_only_binds_what_was_listed():
    settings = Settings(timeout_s=5.0, public_nets=PUBLIC_NETS, public_only=True)
    with serve(answer()) as server, serve(answer(), address=PUBLIC) as public:
        assert get_url(public.url, settings).ok
        page = get_url(server.url, settings)
    assert_forbidden(page, "public_only allows public addresses alone")
    assert server.connections == 0


def test_a_network_may_be_allowed_and_another_denied():
    settings = Settings(
        timeout_s=5.0, public_nets=PUBLIC_NETS, allow_net=("127.0.0.1/32",)
    )
    deaf = Settings(timeout_s=5.0, deny_net=("127.0.0.0/8",))
    with serve(answer()) as server:
        assert led(server.url, settings=settings).ok
        assert_forbidden(get_url(server.url, deaf), "which deny_net refuses")
    assert server.connections == 1


# URLs that mean different hosts to different parsers


SPELLINGS = {
    "http://127.0.0.1:{port}/": "127.0.0.1",
    "http://2130706433:{port}/": "127.0.0.1",
    "http://0x7f000001:{port}/": "127.0.0.1",
    "http://0x7f.1:{port}/": "127.0.0.1",
    "http://0177.0.0.01:{port}/": "127.0.0.1",
    "http://127.1:{port}/": "127.0.0.1",
    "http://127.0.0.1.:{port}/": "127.0.0.1",
    "http://%31%32%37.0.0.1:{port}/": "127.0.0.1",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{port}/": "127.0.0.1",
    "http://127。0。0。1:{port}/": "127.0.0.1",
    "http://①27.0.0.1:{port}/": "127.0.0.1",
    "http://127.0.0.\u00ad1:{port}/": "127.0.0.1",
    "http://1.1.1.1@127.0.0.1:{port}/": "127.0.0.1",
    "http://127.0.0.1:{port}?@1.1.1.1/": "127.0.0.1",
    "http://127.0.0.1:{port}#@1.1.1.1/": "127.0.0.1",
    "http://[::ffff:127.0.0.1]:{port}/": "::ffff:127.0.0.1",
    "http://[::ffff:7f00:1]:{port}/": "::ffff:127.0.0.1",
    "http://0:{port}/": "0.0.0.0",
    "http://localhost.:{port}/": "127.0.0.1",
    "HTTP://LOCALHOST:{port}/": "127.0.0.1",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_host_that_is_contacted_is_the_one_that_is_judged(spelling):
    """However an address is written, one parser reads it, and the guard sees where
    the connection really goes."""
    with serve(answer()) as server, nothing_public() as public:
        url = spelling.format(port=server.port)
        public._behaviour = by_path({"/": redirect(url.encode().decode("latin-1"))})
        refused = led(url)
        redirected = get_url(public.url, SETTINGS)
        seen = len(server.paths), server.connections
        listed = get_url(url, SETTINGS)
        said = parse(url).href.split("/")[2].rpartition("@")[2]
    assert_forbidden(refused)
    assert_forbidden(redirected)
    assert seen == (0, 0)
    assert listed.ok, listed.reason
    assert listed.ip == SPELLINGS[spelling]
    assert server.fields("host") == [said]


RIDDLES = [
    r"http://a\@127.0.0.1:{port}/",
    r"http://127.0.0.1:{port}\@a.example/",
    r"http:\\127.0.0.1:{port}/",
    "http://1.1.1.1 &@127.0.0.1:{port}#@3.3.3.3/",
    "http://a@b@127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t@a.example/",
    "http://127.0.0.1\r\nX: y:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://127.0.0.1%00.example:{port}/",
    "http://127.0.0.256:{port}/",
    "http://1.2.3.4.5:{port}/",
    "file://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("riddle", RIDDLES)
def test_what_parsers_read_differently_is_refused(riddle):
    with serve(answer()) as server:
        url = riddle.format(port=server.port)
        with pytest.raises(BadUrl):
            parse(url)
        assert get_url(url, SETTINGS).failure.kind is Kind.BAD_URL
    assert server.connections == 0


# Where addresses are not ours to see


def test_behind_a_proxy_addresses_in_the_url_are_judged():
    """The proxy would open its own machine's doors to a link."""
    with serve(servers.proxy) as proxy:
        settings = Settings(timeout_s=5.0, proxy=proxy.url)
        for url in ("http://127.0.0.1:1/", "http://localhost/", "http://[::1]/"):
            assert_forbidden(led(url, settings=settings), "this machine")
        assert proxy.paths == []
        assert led("http://site.example/", settings=settings).ok
        assert get_url("http://127.0.0.1:1/", settings).ok
    assert proxy.paths == ["http://site.example/", "http://127.0.0.1:1/"]


def test_a_trusted_proxy_decides_for_itself():
    with serve(servers.proxy) as proxy:
        settings = Settings(timeout_s=5.0, proxy=proxy.url, trust_proxy=True)
        assert led("http://127.0.0.1:1/", settings=settings).ok


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
def test_a_proxy_of_the_environment_and_the_guard_exclude_each_other(monkeypatch, name):
    monkeypatch.setenv(name, "http://me:hush@127.0.0.1:9")
    strict = Settings(public_only=True)
    with pytest.raises(ConfigError, match=rf"public_only.*\${name}") as caught:
        get_url("http://127.0.0.1:9/", strict)
    assert "hush" not in str(caught.value)


class OwnAdapter(HTTPAdapter):
    """An adapter of the user's: it connects by urllib3."""


def own_session() -> requests.Session:
    session = requests.Session()
    session.mount("http://", OwnAdapter())
    return session


def test_an_adapter_of_ones_own_is_judged_by_the_url_alone():
    settings = Settings(timeout_s=5.0, session=own_session)
    with serve(answer()) as server:
        assert get_url(server.url, settings).ok
        assert_forbidden(led(server.url, settings=settings))
        strict = Settings(timeout_s=5.0, session=own_session, public_only=True)
        with pytest.raises(ConfigError, match="an adapter of the session's own"):
            get_url(server.url, strict)
    assert len(server.paths) == 1


def test_a_session_of_ones_own_is_guarded_like_ours():
    settings = Settings(
        timeout_s=5.0, session=requests.Session, public_nets=PUBLIC_NETS
    )
    with serve(answer()) as server:
        assert get_url(server.url, settings).ok
        assert_forbidden(led(server.url, settings=settings))
    assert len(server.paths) == 1


# Whole runs


def site(routes: dict[str, bytes], keeps: bool = True, until=lambda: True):
    """Serve HTML by path, and nothing before `until` says so."""

    def behave(peer: Peer) -> None:
        while (head := peer.read_head()) is not None:
            while not until() and peer.pause(0.01):
                pass
            path = head.split(" ", 2)[1]
            peer.send(routes.get(path, message(b"none", "404 Not Found")))
            if not keeps:
                return

    return behave


def html(*links: str) -> bytes:
    text = "".join(f'<a href="{link}">x</a>' for link in links)
    return message(
        f"<title>t</title>{text}".encode(), "200 OK", "Content-Type: text/html"
    )


def run(urls, **options):
    """Return the pages of a run, by URL, each of which must have ended once."""
    pages: list = []
    options = {
        "workers": 1,
        "depth": 2,
        "scope": "all",
        "retries": 0,
        "timeout_s": 10.0,
        "public_nets": PUBLIC_NETS,
        **options,
    }
    report = crawl(urls, pages.append, **options)
    by_url = {page.url: page for page in pages}
    assert len(by_url) == len(pages) == report.total
    return by_url


def asked(server: Server) -> list[str]:
    """Return the paths that were asked for, less robots.txt and the probe."""
    own = re.compile(r"/robots\.txt|/[0-9a-f]{16}")
    return [path for path in server.paths if not own.fullmatch(path)]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["link", "redirect", "redirect of a link"])
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "new"])
@pytest.mark.parametrize("purpose", ["followed", "checked"])
def test_a_public_page_cannot_lead_into_a_private_site_that_was_listed(
    way, keeps, purpose
):
    """`forbidden_address`, and the server sees no request, kept connection or not."""
    with serve(site({"/": html()}, keeps)) as private:
        secret = f"{private.url}secret"
        routes = {
            "link": {"/": html(secret)},
            "redirect": {"/": redirect(secret)},
            "redirect of a link": {"/": html("/to"), "/to": redirect(secret)},
        }[way]
        was_seen = lambda: "/" in private.paths  # noqa: E731
        with serve(site(routes, until=was_seen), address=PUBLIC) as public:
            depth = 2 if purpose == "followed" else 0
            pages = run([private.url, public.url], depth=depth, check_links=True)
    assert asked(private) == ["/"]
    assert pages[private.url].ok
    where = {
        "link": secret,
        "redirect": public.url,
        "redirect of a link": f"{public.url}to",
    }[way]
    has_row = purpose == "followed" or way == "redirect"  # what is checked has none
    assert (where in pages) is has_row
    if has_row:
        assert_forbidden(pages[where], "a public page led there")
    if way == "link":
        assert pages[public.url].ok


@pytest.mark.slow
def test_a_private_page_may_lead_into_the_same_site():
    """The test above fails for want of a rule, not for want of a link."""
    with serve(site({"/": html("/secret"), "/secret": html()})) as private:
        pages = run([private.url])
    assert sorted(asked(private)) == ["/", "/secret"]
    assert pages[f"{private.url}secret"].ok


@pytest.mark.slow
@pytest.mark.parametrize("ignore_robots", [False, True])
def test_nothing_is_asked_of_a_private_site_for_a_public_page(ignore_robots):
    """Not its robots.txt, no probe, no sitemap: it sees no connection at all."""
    with serve(site({"/": html()})) as private:
        routes = {
            "/": html(f"{private.url}a", f"{private.url}b"),
            "/robots.txt": message(
                f"User-agent: *\nSitemap: {private.url}sitemap.xml\n".encode()
            ),
        }
        with serve(site(routes), address=PUBLIC) as public:
            how = {"ignore_robots": ignore_robots, "sitemap": True}
            pages = run([public.url], **how)
    assert (private.connections, private.paths) == (0, [])
    for name in "ab":
        assert_forbidden(pages[f"{private.url}{name}"], "a public page led there")


def sitemap(*urls: str) -> bytes:
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}'
    return message(f"{text}</urlset>".encode(), "200 OK", "Content-Type: text/xml")


@pytest.mark.slow
def test_what_a_public_sitemap_lists_is_the_publics():
    """A sitemap from the web is not the person's list, though they named it."""
    with serve(site({"/a": html()})) as private:
        routes = {"/sitemap.xml": sitemap(f"{private.url}a")}
        with serve(site(routes), address=PUBLIC) as public:
            pages = run(
                [Request(url=f"{public.url}sitemap.xml", purpose=Purpose.SITEMAP)]
            )
    assert_forbidden(pages[f"{private.url}a"])
    assert private.connections == 0


@pytest.mark.slow
def test_what_a_local_sitemap_lists_is_the_persons(tmp_path: Path):
    with serve(site({"/a": html()})) as private:
        file = tmp_path / "sitemap.xml"
        file.write_bytes(sitemap(f"{private.url}a").partition(b"\r\n\r\n")[2])
        pages = run([file])
    assert pages[f"{private.url}a"].ok


@pytest.mark.slow
def test_public_only_refuses_what_a_strangers_list_says():
    with serve(site({"/": html()})) as private, nothing_public() as public:
        public._behaviour = site({"/": html(private.url)})
        pages = run([public.url, f"{private.url}listed"], public_only=True)
    assert pages[public.url].ok
    assert_forbidden(pages[private.url])
    assert_forbidden(pages[f"{private.url}listed"], "public_only")
    assert private.connections == 0


@pytest.mark.slow
def test_an_allowed_network_opens_the_private_site_to_links():
    with serve(site({"/a": html()})) as private, nothing_public() as public:
        public._behaviour = site({"/": html(f"{private.url}a")})
        pages = run([public.url], allow_net=["127.0.0.1"])
    assert pages[f"{private.url}a"].ok
    assert "/robots.txt" in private.paths


@pytest.mark.slow
@pytest.mark.parametrize("trusts", [False, True])
def test_a_proxy_of_the_environment_stops_a_guarded_run_before_it_asks(trusts):
    """`--public-only` behind a proxy is exit 2 and a sentence, unless it is trusted."""
    command = [sys.executable, "-m", "fetcher", "http://site.example/", "--public-only"]
    with serve(servers.proxy) as proxy:
        ran = subprocess.run(
            [*command, "--trust-proxy"] if trusts else command,
            env={**os.environ, "http_proxy": proxy.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == (0 if trusts else 2), ran.stderr
    assert ("the proxy of $http_proxy" in ran.stderr) is not trusts
    assert proxy.paths == (["http://site.example/"] if trusts else [])


# robots.txt that may not be asked for


def gated(reach: Reach | None) -> Request:
    return Request(
        url="http://h.test/page",
        key=f"http://h.test/{reach}",
        host="h.test",
        origin="http://h.test",
        depth=1,
        reach=reach,
    )


def robots_of(request: Request) -> list[Request]:
    url = f"{request.origin}/robots.txt"
    key = f"{url} {request.reach}"
    kind = Purpose.ROBOTS
    return [Request(**{**fields(request), "url": url, "key": key, "purpose": kind})]


def fields(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in Request.__slots__}


@pytest.mark.parametrize("trusted", [None, Reach.LOOPBACK])
def test_a_robots_txt_that_is_forbidden_to_some_is_asked_for_by_others(trusted):
    """A link on the web must not close an intranet's site to who listed it."""
    frontier = Frontier(waits=lambda _: True, first=robots_of, per_host=1)
    frontier.add_all([gated(Reach.PUBLIC)])
    robots = frontier.next(0.0)
    assert (robots.purpose, robots.reach) == (Purpose.ROBOTS, Reach.PUBLIC)
    failure = Failure(Kind.FORBIDDEN_ADDRESS, "private")
    assert frontier.done(make_page(url=robots.url, failure=failure), robots, 0.0)
    frontier.obey(robots, rules_from(None, b"", "fetcher"), 0.0)
    assert isinstance(frontier.next(0.0), Refused)

    frontier.add_all([gated(trusted)])
    again = frontier.next(0.0)
    assert (again.purpose, again.reach) == (Purpose.ROBOTS, trusted)
    assert frontier.done(make_page(url=again.url), again, 0.0)
    frontier.obey(again, Rules(), 0.0)
    page = frontier.next(0.0)
    assert (page.purpose, page.reach) == (Purpose.PAGE, trusted)
    assert frontier.done(make_page(url=page.url), page, 0.0)
    assert frontier.next(0.0) is None


def test_a_robots_txt_is_asked_for_once_where_all_may_ask():
    """Links of a site do not make its robots.txt be fetched a second time."""
    frontier = Frontier(waits=lambda _: True, first=robots_of)
    frontier.add_all([gated(None), gated(Reach.PUBLIC), gated(Reach.LOOPBACK)])
    robots = frontier.next(0.0)
    frontier.done(make_page(url=robots.url), robots, 0.0)
    frontier.obey(robots, Rules(), 0.0)
    given = [frontier.next(0.0) for _ in range(3)]
    assert {request.purpose for request in given} == {Purpose.PAGE}


def test_threads_do_not_share_a_rule():
    """Handles go from thread to thread, and each request has the rule of its own."""
    with serve(answer()) as server:
        kinds: list[bool] = []

        def ask(reach: Reach | None) -> None:
            for _ in range(50):
                page = get_url(Request(url=server.url, reach=reach), SETTINGS)
                kinds.append(page.ok is (reach is not Reach.PUBLIC))

        threads = [
            threading.Thread(target=ask, args=(reach,))
            for reach in (None, Reach.PUBLIC, Reach.LOOPBACK, Reach.PUBLIC)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds == [True] * 200
    assert len(server.paths) == 100
