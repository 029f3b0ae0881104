"""`get_url` against real servers on loopback, well-behaved and not."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import resource
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from fetcher.errors import ConfigError
from fetcher.models import Headers, Kind, Request, Settings, State, Timings
from fetcher.transport import USER_AGENT, CurlAdapter, get_url
from fetcher.transport.adapter import take_cookies
from fetcher.transport.budget import BodyBudget
from fetcher.transport.curl import IdleHandles, Route
from fetcher.transport.exchange import read_head
from fetcher.transport.failures import failure_of_curl
from tests import servers
from tests.servers import answer, by_path, message, raw, redirect, serve
from tests.sites import GivenSite, in_thread

QUICK = Settings(timeout_s=0.5)
PATIENT = Settings(timeout_s=5.0)
MARGIN_S = 0.35


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return servers.make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# What a good answer becomes


def test_a_page_holds_what_the_server_sent():
    fields = ("Content-Type: text/html; charset=UTF-8", "X-Two: a", "X-Two: b")
    with serve(answer(b"<p>hi", "200 OK", *fields)) as server:
        page = get_url(Request(url=server.url, attempt=2))
    assert (page.state, page.status, page.content) == (State.OK, 200, b"<p>hi")
    assert (page.url, page.final_url) == (server.url, server.url)
    assert (page.encoding, page.http_version, page.ip) == ("utf-8", "1.1", "127.0.0.1")
    assert page.headers.get_all("x-two") == ["a", "b"]
    assert (page.wire_bytes, page.attempt, page.hops) == (5, 2, ())
    assert page.worker_pid == os.getpid()
    assert page.fetched_at.tzinfo is not None
    assert server.fields("user-agent") == [USER_AGENT]


def test_head_asks_for_no_body_and_keeps_the_connection():
    """A HEAD and the GETs around it go over one connection."""
    with in_thread(GivenSite({"/": ("200 OK", (), b"<p>hello")})) as server:
        asked = [Request(url=server.url, method=m) for m in ("GET", "HEAD", "GET")]
        pages = [get_url(request, PATIENT) for request in asked]
        connected = [page.timings.connect_s is not None for page in pages]
    assert [one.method for one in server.record] == ["GET", "HEAD", "GET"]
    assert [page.content for page in pages] == [b"<p>hello", b"", b"<p>hello"]
    assert pages[1].headers["content-length"] == "8"
    assert connected == [True, False, False]


def test_a_request_can_have_a_limit_of_its_own():
    with serve(answer(b"x" * 2_000)) as server:
        page = get_url(server.url, PATIENT, max_bytes=1_000)
    assert page.failure.kind is Kind.TOO_LARGE
    assert page.content == b"x" * 1_000


def test_the_phases_lie_within_the_total():
    with serve(answer()) as server:
        first, second = get_url(server.url), get_url(server.url)
    for page in (first, second):
        took = page.timings
        parts = (took.dns_s, took.connect_s, took.ttfb_s, took.transfer_s)
        assert 0 < sum(part or 0.0 for part in parts) <= took.total_s < 1
    assert first.timings.connect_s is not None
    assert first.timings.queue_s is None
    assert second.timings.dns_s is second.timings.connect_s is None
    assert server.connections == 1


def test_the_phases_are_the_truth():
    with serve(servers.measured(0.1, 0.06)) as server:
        pages = [get_url(server.url, PATIENT) for _ in range(2)]
    for page in pages:
        assert page.timings.ttfb_s == pytest.approx(0.1, abs=0.03)
        assert page.timings.transfer_s == pytest.approx(0.06, abs=0.03)


def test_a_page_pickles_to_little_more_than_its_body():
    with serve(answer(b"x" * 5000, "200 OK", "Content-Type: text/html")) as server:
        page = get_url(server.url)
    assert len(pickle.dumps(page)) < len(page.content) + 1000


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_status_is_broken_and_no_failure(status):
    with serve(answer(b"sorry", f"{status} No")) as server:
        page = get_url(server.url, PATIENT)
    assert (page.state, page.status, page.failure) == (State.BROKEN, status, None)
    assert page.content == b"sorry"


@pytest.mark.parametrize("status", [429, 999])
def test_a_status_for_robots_is_blocked(status):
    with serve(answer(b"", f"{status} No", "Retry-After: 7")) as server:
        page = get_url(server.url, PATIENT)
    assert (page.state, page.headers["retry-after"]) == (State.BLOCKED, "7")


def test_accepted_follows_the_ranges_that_were_given():
    with serve(answer(b"", "404 Not Found")) as server:
        accepted = get_url(server.url, Settings(accept=((200, 299), (404, 404))))
        refused = get_url(server.url, Settings(accept=((200, 299),)))
    assert (accepted.accepted, accepted.state) == (True, State.OK)
    assert refused.accepted is False


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_encoded_body_comes_decoded(encoding):
    import zlib

    body = b"words " * 1000
    packed = servers.gzipped(body) if encoding == "gzip" else zlib.compress(body)
    with serve(answer(packed, "200 OK", f"Content-Encoding: {encoding}")) as server:
        page = get_url(server.url)
    assert page.content == body
    assert page.wire_bytes == len(packed)
    assert "gzip" in server.fields("accept-encoding")[0]


def test_trailers_and_interim_answers_are_not_part_of_the_head():
    with serve(
        raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n"
            b"3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n"
        )
    ) as server:
        page = get_url(server.url, PATIENT)
    assert (page.status, page.content) == (200, b"abc")
    assert list(page.headers) == ["transfer-encoding", "trailer"]


def test_a_folded_field_is_one_field():
    reason, headers = read_head([b"HTTP/1.1 200 Fine\r\n", b"A: 1\r\n", b"  2\r\n"])
    assert (reason, headers) == ("Fine", Headers([("A", "1 2")]))


# URLs


@pytest.mark.parametrize(
    "url", ["", "ftp://h/", "http://[::1", "http://a\0b/", "example", "http://", "x:"]
)
def test_what_is_no_web_address_is_bad_url(url):
    page = get_url(url)
    assert (page.state, page.failure.kind) == (State.FAILED, Kind.BAD_URL)
    assert page.url == url
    assert page.failure.message.isprintable()


def test_the_address_is_asked_for_as_a_browser_would():
    with serve(answer()) as server:
        page = get_url(server.url + "a/../b c?q=\u00e9#part", PATIENT)
    assert server.paths == ["/b%20c?q=%C3%A9"]
    assert page.final_url == server.url + "b%20c?q=%C3%A9#part"


def test_credentials_in_the_url_are_sent_and_not_shown():
    with serve(servers.basic_auth("me", "p@ss")) as server:
        page = get_url(server.url.replace("//", "//me:p%40ss@"), PATIENT)
    assert page.content == b"welcome"
    assert page.final_url == server.url


# Redirects


def test_redirects_are_followed_and_told():
    with serve(
        by_path(
            {
                "/": redirect("/two", "301 Moved"),
                "/two": redirect("three?x", "308 Permanent"),
                "/three?x": message(b"end"),
            }
        )
    ) as server:
        page = get_url(server.url + "#part", PATIENT)
    assert (page.state, page.content) == (State.REDIRECTED, b"end")
    assert page.final_url == server.url + "three?x#part"
    assert [(hop.status, hop.ip) for hop in page.hops] == [
        (301, "127.0.0.1"),
        (308, "127.0.0.1"),
    ]
    assert page.hops[1].url == server.url + "two#part"
    assert server.connections == 1


def test_a_redirect_loop_ends():
    with serve(servers.redirect_loop) as server:
        page = get_url(server.url, Settings(max_redirects=3))
    assert page.failure.kind is Kind.TOO_MANY_REDIRECTS
    assert (len(page.hops), len(server.heads)) == (3, 4)


def test_redirects_share_one_deadline():
    with serve(servers.slow_redirects(each_s=0.2)) as server:
        page = get_url(server.url, QUICK)
    assert (page.failure.kind, len(page.hops)) == (Kind.TIMEOUT, 2)
    assert page.timings.total_s < QUICK.timeout_s + MARGIN_S
    assert page.timings.ttfb_s == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("location", ["ftp://h/", "http://[::1", "javascript:x()"])
def test_a_redirect_to_what_is_no_web_address_is_bad_url(location):
    with serve(by_path({"/": redirect(location)})) as server:
        page = get_url(server.url, PATIENT)
    assert (page.failure.kind, page.status) == (Kind.BAD_URL, 302)


def test_the_body_of_a_redirect_is_not_waited_for():
    with serve(servers.redirect_with_endless_body("/there")) as server:
        page = get_url(server.url, PATIENT)
    assert (page.state, page.content) == (State.REDIRECTED, b"there")
    assert page.timings.total_s < 0.5


def test_a_bomb_on_a_redirect_costs_nothing():
    bomb = servers.gzipped(b"\0" * 20_000_000)
    first = redirect("/end", "302 Found")
    head = first.replace(b"Content-Length: 5", b"Content-Length: %d" % len(bomb))
    head = head.replace(b"\r\n\r\nmoved", b"\r\nContent-Encoding: gzip\r\n\r\n")
    with serve(by_path({"/": head + bomb, "/end": message(b"end")})) as server:
        page = get_url(server.url, PATIENT)
    assert page.content == b"end"


def test_a_redirect_without_location_is_an_answer():
    with serve(answer(b"odd", "302 Found")) as server:
        page = get_url(server.url, PATIENT)
    assert (page.status, page.content, page.hops) == (302, b"odd", ())


SECRETS = Settings(
    headers=(("X-Key", "secret"), ("Cookie", "c=secret"), ("Authorization", "secret")),
    timeout_s=5.0,
)


def secret_session():
    session = requests.Session()
    session.headers["X-Key"] = "secret"
    session.auth = ("secret", "secret")
    session.cookies.set("c", "secret")
    return session


@pytest.mark.parametrize(
    "settings",
    [
        SECRETS,
        Settings(auth=("me", "secret"), timeout_s=5.0),
        Settings(session=secret_session, timeout_s=5.0),
    ],
    ids=["headers", "auth", "session"],
)
def test_what_was_given_for_one_origin_goes_to_no_other(settings):
    """Neither to another host nor to another port, and again on the way back."""
    with serve(servers.echo_head) as other:
        away = redirect(other.url)
        with serve(by_path({"/": away, "/b": redirect("/end")})) as server:
            page = get_url(server.url, settings)
    assert page.state is State.REDIRECTED
    sent = "secret" in server.heads[0] or "authorization" in server.heads[0].lower()
    assert sent
    assert "secret" not in other.heads[0]
    assert "authorization" not in other.heads[0].lower()
    assert "x-key" not in other.heads[0].lower()


def test_credentials_of_the_url_stay_on_redirects_within_the_origin():
    with serve(servers.echo_head) as server:
        hop = redirect(server.url)
        with serve(by_path({"/": redirect("/in"), "/in": hop})) as first:
            get_url(first.url.replace("//", "//me:pw@"), PATIENT)
    assert first.fields("authorization") == ["Basic bWU6cHc="] * 2
    assert server.fields("authorization") == [None]


def test_cookies_set_on_a_redirect_are_sent_where_they_belong():
    settings = Settings(timeout_s=4.5)
    with serve(servers.echo_head, address="127.0.0.2") as other:
        answers = {
            "/": redirect("/two", "302 Found", "Set-Cookie: a=1; Path=/"),
            "/two": redirect(other.url, "302 Found", "Set-Cookie: b=2; Path=/two"),
        }
        with serve(by_path(answers)) as server:
            get_url(server.url, settings)
            get_url(server.url, settings)
    assert server.fields("cookie") == [None, "a=1", "a=1", "b=2; a=1"]
    assert other.fields("cookie") == [None, None]


# Bodies and their cap; what servers do beyond it is in test_transport_hostile


@pytest.mark.parametrize(
    "behaviour",
    [servers.endless_body, servers.gzip_bomb()],
    ids=["endless", "bomb"],
)
def test_a_body_past_the_cap_is_cut(behaviour):
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serve(behaviour) as server:
        page = get_url(server.url, Settings(max_bytes=1_000_000, timeout_s=5.0))
    assert (page.failure.kind, page.status) == (Kind.TOO_LARGE, 200)
    assert page.content == page.content[:1] * 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kb + 50_000


def test_a_body_of_exactly_the_cap_is_whole():
    with serve(answer(b"x" * 1000)) as server:
        page = get_url(server.url, Settings(max_bytes=1000))
    assert (page.state, len(page.content)) == (State.OK, 1000)


def test_a_large_body_comes_whole():
    body = os.urandom(3_000_000)
    with serve(answer(body)) as server:
        page = get_url(server.url)
    assert page.content == body


def test_a_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    page = get_url(f"http://127.0.0.1:{port}/", QUICK)
    assert page.failure.kind is Kind.REFUSED
    assert page.timings.total_s > 0
    assert page.timings._replace(total_s=None) == Timings(), "no phase took place"


@pytest.mark.parametrize(
    ("os_errno", "proxied", "kind"),
    [
        (errno.ECONNREFUSED, False, Kind.REFUSED),
        (errno.EHOSTUNREACH, False, Kind.UNREACHABLE),
        (errno.ENETUNREACH, False, Kind.UNREACHABLE),
        (errno.ETIMEDOUT, False, Kind.CONNECT_TIMEOUT),
        (errno.ECONNRESET, False, Kind.RESET),
        (errno.ECONNREFUSED, True, Kind.PROXY),
    ],
)
def test_no_connection_is_told_apart_by_the_systems_error(os_errno, proxied, kind):
    failure = failure_of_curl(
        7, "x", os_errno=os_errno, verify_result=1, connected=False, proxied=proxied
    )
    assert failure.kind is kind


def test_a_full_backlog_is_a_connect_timeout():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        page = get_url(f"http://127.0.0.1:{address[1]}/", QUICK)
        for one in waiting:
            one.close()
    assert page.failure.kind is Kind.CONNECT_TIMEOUT


def test_a_name_that_does_not_exist_is_dns():
    page = get_url("http://nothing.invalid/", PATIENT)
    assert page.failure.kind in (Kind.DNS, Kind.CONNECT_TIMEOUT)


@pytest.mark.slow
def test_the_deadline_holds_when_the_name_server_never_answers(tmp_path):
    """Not even the end of the process waits for it."""
    if not _may_unshare():
        pytest.skip("needs a mount namespace of its own")
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    program = textwrap.dedent("""
        import socket, time
        from fetcher.models import Settings
        from fetcher.transport import get_url
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        silent.bind(("127.0.0.53", 53))
        for _ in range(3):
            began_s = time.monotonic()
            page = get_url("http://silent.example/", Settings(timeout_s=0.3))
            print(page.failure.kind, time.monotonic() - began_s < 0.6)
        silent.close()
    """)
    script = (
        f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && "
        f"mount --bind {tmp_path}/nsswitch.conf /etc/nsswitch.conf && "
        "ip link set lo up 2>/dev/null; "
        'exec "$0" -c "$1"'
    )
    began_s = time.monotonic()
    ran = subprocess.run(
        ["unshare", "-rmn", "sh", "-c", script, sys.executable, program],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert ran.stdout == "connect_timeout True\n" * 3, ran.stderr
    assert time.monotonic() - began_s < 4


def _may_unshare():
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    try_it = ["unshare", "-rmn", "mount", "--bind", "/etc/hosts", "/etc/hosts"]
    return subprocess.run(try_it, capture_output=True, check=False).returncode == 0


# TLS

BAD_TLS = {
    "expired": Kind.TLS_EXPIRED,
    "not_yet_valid": Kind.TLS_EXPIRED,
    "other_host": Kind.TLS_HOSTNAME,
    "self_signed": Kind.TLS_UNTRUSTED,
    "unknown_root": Kind.TLS_UNTRUSTED,
}


def test_a_good_certificate_is_told_on_every_connection(certificates):
    """Also on a reused one, and on a new one that resumes the TLS session."""
    settings = Settings(cacert=certificates.root, timeout_s=5.0)
    with serve(
        by_path({"/": message(b"kept"), "/end": message(b"", "200 OK")}),
        tls=certificates.good,
    ) as server:
        with ThreadPoolExecutor(4) as threads:
            pages = list(threads.map(get_url, [server.url] * 12, [settings] * 12))
        pages += [get_url(server.url, settings)]
    assert {page.state for page in pages} == {State.OK}
    for page in pages:
        assert page.certificate.verified
        assert page.certificate.names == ("localhost", "127.0.0.1")
        assert page.certificate.not_after.tzinfo is not None
    assert pages[0].timings.tls_s > 0
    assert pages[-1].timings.tls_s is None


def test_a_certificate_that_was_forgotten_is_read_again(certificates):
    from fetcher.transport import curl

    settings = Settings(cacert=certificates.root, timeout_s=5.0)
    with serve(answer(), tls=certificates.good) as server:
        get_url(server.url, settings)
        curl._state.certificates = curl.KnownCertificates()
        page = get_url(server.url, settings)
    assert page.certificate.verified
    assert len(server.heads) == 2


@pytest.mark.parametrize("wrong", BAD_TLS)
def test_a_bad_certificate_is_refused_and_told(certificates, wrong):
    settings = Settings(cacert=certificates.root, timeout_s=5.0)
    with serve(answer(), tls=getattr(certificates, wrong)) as server:
        page = get_url(server.url, settings)
    assert page.failure.kind is BAD_TLS[wrong], page.reason
    assert page.certificate is not None
    assert not page.certificate.verified
    assert page.certificate.reason
    assert server.heads == []


def test_insecure_takes_any_certificate_and_says_so(certificates):
    settings = Settings(insecure=True, timeout_s=5.0)
    with serve(answer(), tls=certificates.expired) as server:
        pages = [get_url(server.url, settings) for _ in range(2)]
    for page in pages:
        assert page.state is State.OK
        assert not page.certificate.verified
    assert server.connections == 1


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (servers.stall_at_once, Kind.TIMEOUT),
        (servers.plain_text_at_once, Kind.TLS_OTHER),
        (servers.reset_at_once, Kind.RESET),
    ],
    ids=["stall", "plain text", "reset"],
)
def test_a_handshake_that_fails(behaviour, kind):
    with serve(behaviour) as server:
        page = get_url(server.url.replace("http:", "https:"), QUICK)
    assert page.failure.kind is kind, page.reason
    assert page.timings.total_s < QUICK.timeout_s + MARGIN_S


# Sessions, authentication, cookies, proxies


def digest_session():
    session = requests.Session()
    session.auth = requests.auth.HTTPDigestAuth("me", "pw")
    return session


def test_digest_authentication_by_a_session_of_the_users():
    with serve(servers.digest_auth("me", "pw")) as server:
        page = get_url(server.url, Settings(session=digest_session, timeout_s=5.0))
    assert (page.status, page.content) == (200, b"welcome")
    assert page.timings.ttfb_s is not None
    assert len(server.heads) == 2


def test_basic_authentication_by_the_settings():
    with serve(servers.basic_auth("me", "pw")) as server:
        page = get_url(server.url, Settings(auth=("me", "pw")))
    assert page.content == b"welcome"


def test_credentials_do_not_cost_the_compression():
    with serve(servers.echo_head) as server:
        get_url(server.url, Settings(auth=("me", "pw")))
        identity = (("Accept-Encoding", "identity"),)
        get_url(server.url, Settings(headers=identity))
    assert "gzip" in server.fields("accept-encoding")[0]
    assert server.fields("accept-encoding")[1] == "identity"


def test_netrc_is_read_only_when_asked_for(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for session in (None, requests.Session):
        with serve(servers.basic_auth("me", "pw")) as server:
            without = get_url(server.url, Settings(session=session))
            page = get_url(server.url, Settings(netrc=True, session=session))
        assert (without.status, page.content) == (401, b"welcome")


def test_cookies_of_a_file_are_sent_where_they_belong(tmp_path):
    path = tmp_path / "cookies.txt"
    path.write_text(
        "# Netscape HTTP Cookie File\n"
        "127.0.0.1\tFALSE\t/\tFALSE\t0\tmine\t1\n"
        "other.example\tFALSE\t/\tFALSE\t0\tother\t2\n"
    )
    with serve(answer()) as server:
        get_url(server.url, Settings(cookie_file=str(path)))
    assert server.fields("cookie") == ["mine=1"]


@pytest.mark.parametrize("name", ["cacert", "cert", "cookie_file"])
def test_a_file_that_cannot_be_read_is_the_callers_mistake(name):
    with pytest.raises(ConfigError, match=name):
        get_url("http://127.0.0.1/", Settings(**{name: "/nowhere/to/be.found"}))


def test_a_field_that_is_none_is_the_callers_mistake():
    with pytest.raises(ConfigError, match="headers"):
        get_url("http://127.0.0.1/", Settings(headers=(("X", "a\r\nY: b"),)))


def broken_session():
    raise LookupError("no session today")


def test_what_the_session_function_raises_is_passed_on():
    with pytest.raises(LookupError, match="today"):
        get_url("http://127.0.0.1/", Settings(session=broken_session))


@pytest.mark.parametrize("session", [None, requests.Session], ids=["ours", "users"])
@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_proxy_is_asked_unless_no_proxy_says_not(monkeypatch, how, session):
    with serve(servers.proxy) as proxy, serve(answer(b"direct")) as server:
        if how == "environment":
            monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        given = proxy.url if how == "flag" else None
        settings = Settings(proxy=given, timeout_s=5.0, session=session)
        # A session per thread: one that has not read this environment yet.
        with ThreadPoolExecutor(1) as thread:
            by_proxy = thread.submit(get_url, "http://a.example/x", settings).result()
            direct = thread.submit(get_url, server.url, settings).result()
    assert by_proxy.content == b"by proxy: http://a.example/x"
    assert by_proxy.ip is None
    assert direct.content == b"direct"


def test_a_proxy_that_refuses_a_tunnel_is_a_proxy_failure():
    with serve(servers.refusing_proxy) as proxy:
        page = get_url("https://a.example/", Settings(proxy=proxy.url, timeout_s=5.0))
    assert page.failure.kind is Kind.PROXY


def test_a_proxy_that_is_not_there_is_a_proxy_failure():
    with serve(servers.refusing_proxy) as proxy:
        pass
    page = get_url("http://a.example/", Settings(proxy=proxy.url, timeout_s=5.0))
    assert page.failure.kind is Kind.PROXY


def test_resolve_says_where_a_name_is():
    with serve(answer()) as server:
        where = f"a.example:{server.port}:127.0.0.1"
        settings = Settings(resolve=(where,), timeout_s=2.0, ip_version=4)
        page = get_url(f"http://a.example:{server.port}/", settings)
    assert (page.state, page.ip) == (State.OK, "127.0.0.1")
    assert server.fields("host") == [f"a.example:{server.port}"]


class CountingAdapter(HTTPAdapter):
    sent = 0

    def send(self, *args, **kwargs):
        type(self).sent += 1
        return super().send(*args, **kwargs)


def own_adapter_session():
    session = requests.Session()
    session.mount("http://127.0.0.1", CountingAdapter())
    return session


def test_an_adapter_of_the_users_own_is_left_in_place():
    settings = Settings(session=own_adapter_session, timeout_s=5.0)
    answers = {"/": redirect("/b"), "/b": message(b"end")}
    with serve(by_path(answers)) as server, ThreadPoolExecutor(1) as thread:
        page = thread.submit(get_url, server.url, settings).result()
    assert (page.content, len(page.hops), CountingAdapter.sent) == (b"end", 1, 2)
    assert page.timings.total_s > 0
    assert page.timings.ttfb_s is None


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (servers.drip_body(), Kind.TIMEOUT),
        (servers.stall_before_head, Kind.TIMEOUT),
        (servers.close_at_once, Kind.RESET),
        (raw(message(b"abc", length=10)), Kind.RESET),
        (answer(b"x" * 2000), Kind.TOO_LARGE),
        (answer(b"plain " * 20, "200 OK", "Content-Encoding: gzip"), Kind.BAD_ENCODING),
    ],
    ids=["drip", "stall", "close", "short", "large", "not gzip"],
)
def test_an_adapter_of_the_users_own_fails_alike(behaviour, kind):
    settings = Settings(session=own_adapter_session, timeout_s=0.5, max_bytes=1000)
    with serve(behaviour) as server:
        page = get_url(server.url, settings)
    assert page.failure.kind is kind, page.reason
    assert page.timings.total_s < 0.5 + MARGIN_S


@pytest.mark.parametrize("session", [None, requests.Session], ids=["ours", "users"])
@responses.activate
def test_responses_mocks_it(session):
    responses.get("http://a.example/", status=302, headers={"Location": "/b"})
    responses.get("http://a.example/b", body=b"mocked", content_type="text/plain")
    page = get_url("http://a.example/", Settings(session=session))
    assert (page.state, page.content) == (State.REDIRECTED, b"mocked")
    assert page.final_url == "http://a.example/b"
    assert get_url("http://a.example/c", Settings(session=session)).failure is not None


def test_an_ordinary_session_may_use_the_adapter():
    """With requests' own redirects, cookies, bodies and exceptions."""
    with requests.Session() as session:
        session.mount("http://", CurlAdapter())
        answers = {"/": redirect("/b", "302 Found", "Set-Cookie: a=1"), "/b": message()}
        with serve(by_path(answers)) as server:
            assert session.get(server.url, timeout=5).history[0].status_code == 302
            assert session.cookies["a"] == "1"
        packed = servers.gzipped(b"words")
        with serve(answer(packed, "200 OK", "Content-Encoding: gzip")) as server:
            assert session.get(server.url, timeout=5).content == b"words"
            assert session.post(server.url, data=b"x", timeout=5).ok
            assert session.head(server.url, timeout=5).content == b""
        with serve(servers.drip_body()) as server, pytest.raises(requests.ReadTimeout):
            session.get(server.url, timeout=0.3)
        refused = pytest.raises(requests.ConnectionError)
        with serve(servers.close_at_once) as server, refused:
            session.get(server.url, timeout=1)


# Threads and processes


def test_idle_connections_are_shared_between_threads():
    """Each thread asks in turn, so one connection is enough for all."""
    with serve(answer()) as server:
        for _ in range(5):
            thread = threading.Thread(target=get_url, args=(server.url,))
            thread.start()
            thread.join()
    assert server.connections == 1
    assert len(server.heads) == 5


def test_an_idle_connection_that_the_server_closed_is_no_failure():
    with serve(servers.close_after_each) as server:
        pages = [get_url(server.url, PATIENT) for _ in range(3)]
    assert {page.state for page in pages} == {State.OK}
    assert server.connections == 3


def test_idle_handles_are_lent_last_in_first_out_and_bounded():
    closed = []
    idle = IdleHandles(2, closed.append)
    one, other = Route("http://a"), Route("http://b")
    handles = [FakeHandle(route) for route in (one, one, other)]
    for handle in handles:
        idle.give(handle)
    assert repr(idle) == "<IdleHandles 2/2, 2 routes>"
    assert closed == handles[:1]
    assert idle.take(one) is handles[1]
    assert idle.take(one) is None
    assert len(idle) == 1


def test_a_handle_without_connection_serves_the_next_route_of_its_family():
    closed = []
    idle = IdleHandles(1, closed.append, spares=1)
    old, new = FakeHandle(Route("https://a")), FakeHandle(Route("https://b"))
    idle.give(old)
    idle.give(new)
    assert idle.take(Route("https://c", verify=False)) is None
    assert idle.take(Route("http://c")) is None
    assert idle.take(Route("https://c")) is old
    assert old.route == Route("https://c")
    assert idle.take(Route("https://c")) is None
    idle.give_up(old)
    idle.give_up(new)
    assert closed == [new]
    assert repr(idle) == "<IdleHandles 1/1, 1 routes>"


def test_a_failed_connection_does_not_cost_the_roots(certificates):
    """The handle goes on with another server, and the certificates are its own."""
    from fetcher.transport import curl

    settings = Settings(cacert=certificates.root, timeout_s=4.6)
    good = serve(answer(), tls=certificates.good)
    bad = serve(answer(), tls=certificates.expired)
    with good as server, bad as expired:
        refused = get_url(expired.url, settings)
        spares = list(curl._state.idle._spares)
        page = get_url(server.url, settings)
    assert refused.failure.kind is Kind.TLS_EXPIRED
    assert page.state is State.OK
    assert page.certificate.verified
    assert page.certificate.subject != refused.certificate.subject
    assert len(spares) == len(curl._state.idle._spares) + 1


class FakeHandle:
    def __init__(self, route):
        self.route = route

    def serve(self, route):
        self.route = route


def test_many_threads_get_their_own_pages():
    answers = {f"/{n}": message(b"page %d" % n) for n in range(200)}
    with serve(by_path(answers)) as server, ThreadPoolExecutor(16) as threads:
        urls = [f"{server.url}{n}" for n in range(200)]
        pages = list(threads.map(get_url, urls))
    assert [page.content for page in pages] == [b"page %d" % n for n in range(200)]
    assert server.connections <= 16


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_it_works_in_a_standard_pool(method, certificates):
    """Also where the parent has connections of its own, which stay usable."""
    settings = Settings(cacert=certificates.root, timeout_s=5.0)
    with serve(answer(), tls=certificates.good) as server:
        get_url(server.url, settings)
        with multiprocessing.get_context(method).Pool(2) as pool:
            pages = pool.starmap(get_url, [(server.url, settings)] * 6)
        pages.append(get_url(server.url, settings))
    assert {page.state for page in pages} == {State.OK}
    assert os.getpid() not in {page.worker_pid for page in pages[:6]}


def test_bodies_past_the_budget_wait_and_the_oldest_goes_on():
    budget = BodyBudget(100)
    soon_s = time.monotonic() + 0.05
    assert budget.take("old", 80, soon_s)
    assert not budget.take("new", 30, soon_s)
    assert budget.take("old", 80, soon_s)
    assert repr(budget) == "<BodyBudget 160/100, 2 readers>"
    budget.release("old")
    assert budget.take("new", 30, soon_s)
    budget.release("new")
    assert repr(budget) == "<BodyBudget 0/100, 0 readers>"


def test_a_body_that_waits_for_memory_ends_at_the_deadline(monkeypatch):
    from fetcher.transport import curl

    budget = BodyBudget(1)
    assert budget.take("somebody", 1, 0.0)
    monkeypatch.setattr(curl._state, "budget", budget)
    with serve(answer(b"x" * 2_000_000)) as server:
        page = get_url(server.url, QUICK)
    assert page.failure.kind is Kind.TIMEOUT
    assert page.timings.total_s < QUICK.timeout_s + MARGIN_S
    assert budget.used_bytes == 1


@pytest.mark.parametrize(
    "bad",
    [
        f"b=2; Max-Age={'9' * 400}",
        f"b=2; Max-Age={'9' * 5000}",
        "b=2; Max-Age",
        "b=2; Max-Age=soon",
        "b=2; Expires=Thu, 01 Jal 2030 00:00:00 GMT",
        "b=2\x00; Path=/",
        "b=2\x01",
        "b=2\x7f",
    ],
    ids=[
        "age of 400 digits",
        "of 5000 digits",
        "no age",
        "no number",
        "no month",
        "NUL",
        "control",
        "DEL",
    ],
)
def test_one_bad_cookie_does_not_cost_the_others(bad):
    """What a server sets beside a cookie that makes no sense is kept in silence."""
    jar = RequestsCookieJar()
    asked = requests.Request("GET", "http://a.example/").prepare()
    take_cookies(jar, asked, Headers([("Set-Cookie", "a=1"), ("Set-Cookie", bad)]))
    assert jar["a"] == "1"
    assert jar.get("b") in (None, "2")
    assert all(cookie.value.isprintable() for cookie in jar)
