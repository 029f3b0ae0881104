"""What travels: secrets only to the origins they were given for, by real servers."""

from __future__ import annotations

import json
import pickle
from http.cookiejar import DefaultCookiePolicy

import pytest
import requests

from fetcher import ConfigError, ExtractError, Settings, crawl, get_url
from fetcher.models import Kind, Purpose, Request
from fetcher.testing import FakePool, make_page
from tests.servers import answer, by_path, message, redirect, serve

HTML = "Content-Type: text/html"
XML = "Content-Type: application/xml"
ONE = {"workers": 1, "retries": 0, "per_host": 4, "timeout_s": 10.0}
KEY = "hunter2"


def page_of(*links: str) -> bytes:
    anchors = "".join(f'<a href="{link}">x</a>' for link in links)
    return message(f"<title>t</title>{anchors}".encode(), "200 OK", HTML)


def session_with_key():
    session = requests.Session()
    session.headers["X-Key"] = KEY
    session.auth = ("me", KEY)
    session.cookies.set("c", KEY)
    return session


GIVEN = {
    "headers": {"headers": {"X-Key": KEY}},
    "cookie-header": {"headers": {"Cookie": f"c={KEY}"}},
    "auth": {"auth": ("me", KEY)},
    "session": {"session": session_with_key},
}


def told(head: str) -> bool:
    """Whether a request's head says what was secret."""
    return KEY in head or "authorization:" in head.lower()


@pytest.fixture
def other():
    """A site that nobody listed: its pages link on to more of it."""
    behaviour = answer(b"<a href=/more>m</a>", "200 OK", HTML)
    with serve(behaviour, address="127.0.0.2") as server:
        yield server


# Secrets of the person.


@pytest.mark.slow
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("scope", ["origin", "all"])
def test_a_link_takes_no_secret_to_an_origin_that_nobody_listed(other, given, scope):
    """Checked or followed: -H, --user and cookies stay at what the person listed."""
    answers = {"/": page_of("/b", f"{other.url}x"), "/b": page_of()}
    with serve(by_path(answers)) as server:
        crawl(server.url, depth=2, scope=scope, **given, **ONE)
    assert other.heads
    assert not any(map(told, other.heads))
    assert {"/", "/b", "/robots.txt"} <= set(server.paths)
    assert all(map(told, server.heads))


@pytest.mark.slow
def test_a_sitemap_takes_no_secret_to_an_origin_that_nobody_listed(other):
    """A sitemap is a page's word and not the person's, also where it was given."""
    listed = f"<urlset><url><loc>{other.url}x</loc></url></urlset>".encode()
    with serve(by_path({"/sitemap.xml": message(listed, "200 OK", XML)})) as server:
        given = Request(url=f"{server.url}sitemap.xml", purpose=Purpose.SITEMAP)
        report = crawl([given], headers={"X-Key": KEY}, **ONE)
    assert report.total == 1
    assert told(server.heads[0])
    assert other.heads
    assert not any(map(told, other.heads))


@pytest.mark.slow
def test_a_redirect_makes_no_origin_a_listed_one(other):
    """Where what was listed redirects to is followed, without its secrets."""
    with serve(by_path({"/": redirect(f"{other.url}home")})) as server:
        crawl(server.url, depth=1, headers={"X-Key": KEY}, **ONE)
    assert {"/home", "/more"} <= set(other.paths)
    assert not any(map(told, other.heads))


@pytest.mark.slow
def test_every_origin_of_a_list_is_told_the_secret(other, tmp_path):
    """What the person listed is what the secret was given for, all of it."""
    with serve(answer()) as server:
        path = tmp_path / "list.txt"
        path.write_text(f"{server.url}a\n{other.url}b\n")
        crawl(path, headers={"X-Key": KEY}, **ONE)
    assert told(server.heads[0])
    assert told(other.heads[0])


@pytest.mark.slow
def test_the_default_login_of_netrc_goes_to_listed_origins_only(
    other, tmp_path, monkeypatch
):
    """`default` in ~/.netrc means every host a person asks, not every link."""
    (tmp_path / "netrc").write_text(f"default login me password {KEY}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(by_path({"/": page_of(f"{other.url}x")})) as server:
        crawl(server.url, check_links=True, netrc=True, pool=FakePool(), **ONE)
    assert told(server.heads[0])
    assert other.heads
    assert not any(map(told, other.heads))


@pytest.mark.slow
def test_from_is_told_to_every_site(other):
    """--from says whom to write to: for sites that links lead to, too."""
    with serve(by_path({"/": page_of(f"{other.url}x")})) as server:
        crawl(server.url, check_links=True, headers={"From": "me@a.example"}, **ONE)
    assert set(other.fields("from")) == {"me@a.example"}


def test_the_credentials_of_a_link_go_with_it_and_nowhere_else():
    """A URL's own user and password are for its own origin."""
    with serve(answer()) as server:
        url = server.url.replace("//", "//u:p@")
        get_url(url, Settings(headers=(("X-Key", KEY),)), with_secrets=False)
    assert server.fields("authorization") == ["Basic dTpw"]
    assert server.fields("x-key") == [None]


def test_a_client_certificate_is_shown_to_the_origin_it_was_given_for(monkeypatch):
    """--cert is a credential as well: no redirect shows it to another origin."""
    from fetcher.transport import adapter

    seen = []

    def fetch(route, question, exchange):
        seen.append((question.url, route.cert))
        return was(route, question, exchange)

    was = adapter.fetch
    monkeypatch.setattr(adapter, "fetch", fetch)
    with serve(answer(), address="127.0.0.2") as there:
        away = by_path({"/": redirect(there.url)})
        with serve(away) as server:
            get_url(server.url, Settings(cert=__file__, timeout_s=5.0))
    assert seen == [(server.url, __file__), (there.url, None)]


# Never in a traceback, a log or a message.


def test_settings_do_not_show_their_secrets():
    """A traceback or a log that shows settings shows no password."""
    settings = Settings(
        headers=(("X-Key", KEY),),
        auth=("me", KEY),
        proxy=f"http://me:{KEY}@proxy.example/",
        timeout_s=3.0,
    )
    assert KEY not in repr(settings)
    assert "timeout_s=3.0" in repr(settings)
    assert "auth=<hidden>" in repr(settings)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert repr(Settings()) == "Settings()"


def chain_of(error: BaseException) -> str:
    """Return all that a traceback would print of an exception."""
    import traceback

    return "".join(traceback.format_exception(error))


def test_a_page_and_an_error_do_not_show_the_secrets_of_a_url():
    """What a log or a traceback shows of a Page, and of what `extract` raised."""
    url = f"https://me:{KEY}@a.example/?token={KEY}"
    assert KEY not in repr(make_page(url=url))
    with serve(answer()) as server, pytest.raises(ExtractError) as caught:
        crawl(
            f"{server.url}?token={KEY}",
            extract=lambda page: 1 / 0,
            pool=FakePool(),
            **ONE,
        )
    assert "token=REDACTED" in chain_of(caught.value)
    assert KEY not in chain_of(caught.value)


def test_a_header_that_is_none_is_told_without_its_value():
    with pytest.raises(ConfigError, match="X-Key") as caught:
        get_url("http://127.0.0.1/", Settings(headers=(("X-Key", f"{KEY}\r\n"),)))
    assert KEY not in chain_of(caught.value)


def test_a_cookie_file_that_is_none_is_told_without_its_lines(tmp_path):
    path = tmp_path / "cookies.txt"
    path.write_text(f"# Netscape HTTP Cookie File\nsid={KEY}\n")
    with pytest.raises(ConfigError, match="cookie_file: line 2") as caught:
        get_url("http://127.0.0.1/", Settings(cookie_file=str(path)))
    assert KEY not in chain_of(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        f"foo://me:{KEY}@h/",
        f"http://me:{KEY} x@h/",
        f"http://me:{KEY}@[::1/",
        f"me:{KEY}/x@h",
        f"http://me:{KEY}@nowhere.invalid:1/",
    ],
)
def test_a_proxy_that_is_none_is_told_without_its_password(proxy):
    """libcurl repeats the whole of it; the failure does not."""
    page = get_url("http://a.example/", Settings(proxy=proxy, timeout_s=5.0))
    assert page.failure.kind is Kind.PROXY
    assert KEY not in page.reason


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_fails_is_told_without_its_password(scheme):
    with serve(answer()) as server:
        pass
    proxy = server.url.replace("//", f"//me:{KEY}@")
    page = get_url(f"{scheme}://a.example/", Settings(proxy=proxy, timeout_s=5.0))
    assert page.failure is not None
    assert KEY not in page.reason


# Cookies: RFC 6265 and the public suffix list.


def cookies_of(
    first: str, then: str, *set_cookie: str, session=None
) -> list[str | None]:
    """Return what two hosts are sent: the first, and another after it had set these."""
    fields = [f"Set-Cookie: {each}" for each in set_cookie]
    with serve(answer(b"x", "200 OK", *fields)) as server:
        where = tuple(f"{host}:{server.port}:127.0.0.1" for host in (first, then))
        settings = Settings(resolve=where, timeout_s=5.0, session=session)
        get_url(f"http://{first}:{server.port}/", settings)
        get_url(f"http://{then}:{server.port}/", settings)
        return server.fields("cookie")


@pytest.mark.parametrize(
    ("first", "then", "cookie", "sent"),
    [
        ("a.co.uk", "b.co.uk", "c=1; Domain=co.uk", None),
        ("a.co.uk", "b.co.uk", "c=1; Domain=.co.uk", None),
        ("a.co.uk", "b.co.uk", "c=1; Domain=CO.UK", None),
        ("me.github.io", "you.github.io", "c=1; Domain=github.io", None),
        ("github.io", "you.github.io", "c=1; Domain=github.io", None),
        ("github.io", "github.io", "c=1; Domain=github.io", "c=1"),
        ("a.example.com", "b.example.com", "c=1; Domain=example.com", "c=1"),
        ("a.example.com", "b.example.com", "c=1", None),
        ("example.com", "b.example.com", "c=1", None),
        ("example.com", "example.com", "c=1", "c=1"),
        ("a.example.com", "evilexample.com", "c=1; Domain=example.com", None),
        ("evil.example", "bank.example", "c=1; Domain=bank.example", None),
        ("localhost", "localhost", "c=1; Domain=localhost", "c=1"),
        ("localhost", "localhost", "c=1", "c=1"),
    ],
    ids=[
        *("suffix", "suffix-dot", "suffix-upper", "private-suffix", "own-suffix"),
        *("own-suffix-itself", "site", "host-only", "host-only-below", "host-itself"),
        *("ending", "foreign", "localhost-domain", "localhost"),
    ],
)
def test_a_cookie_goes_where_browsers_send_it(first, then, cookie, sent):
    """No cookie for a public suffix, none for another site, and none below its host."""
    assert cookies_of(first, then, cookie) == [None, sent]


@pytest.mark.parametrize("domain", ["co.uk", ".co.uk", "CO.UK"])
def test_a_session_of_ones_own_takes_no_cookie_of_a_public_suffix(domain):
    """Its jar is given the rules, unless its owner gave it others."""
    session = requests.Session
    cookie = f"c=1; Domain={domain}"
    assert cookies_of("a.co.uk", "b.co.uk", cookie, session=session) == [None, None]
    cookie = "c=1; Domain=a.co.uk"
    assert cookies_of("a.co.uk", "b.a.co.uk", cookie, session=session)[1] == "c=1"


def session_with_rules():
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(strict_ns_domain=1))
    session.cookies.set("mine", "1")
    return session


def session_with_cookie():
    session = requests.Session()
    session.cookies.set("mine", "1")
    return session


def test_a_session_keeps_the_rules_and_cookies_that_its_owner_gave_it():
    """Cookies without a domain are for every URL that was given."""
    assert cookies_of("a.example", "b.example", session=session_with_cookie) == [
        "mine=1",
        "mine=1",
    ]
    found = cookies_of(
        "a.co.uk", "b.co.uk", "c=1; Domain=co.uk", session=session_with_rules
    )
    assert "c=1" in found[1], "its own policy says so"


def test_a_cookie_of_an_address_is_for_that_address():
    """Domain=0.0.1 of 127.0.0.1 is no domain: addresses have none (RFC 6265, 5.1.3)."""
    with serve(answer(b"x", "200 OK", "Set-Cookie: c=1; Domain=0.0.1")) as server:
        settings = Settings(timeout_s=5.5)
        get_url(server.url, settings)
        get_url(server.url, settings)
    assert server.fields("cookie") == [None, None]


def test_no_site_takes_away_the_cookie_of_another():
    """A cookie that has ended ends nothing but the site's own."""
    gone = "c=; Domain=.a.example; Path=/; Max-Age=0"
    with (
        serve(answer(b"x", "200 OK", "Set-Cookie: c=1; Domain=a.example; Path=/")) as a,
        serve(answer(b"x", "200 OK", f"Set-Cookie: {gone}")) as b,
    ):
        where = (f"a.example:{a.port}:127.0.0.1", f"b.example:{b.port}:127.0.0.1")
        settings = Settings(resolve=where, timeout_s=5.0)
        for host, server in (("a", a), ("b", b), ("a", a)):
            get_url(f"http://{host}.example:{server.port}/", settings)
    assert a.fields("cookie") == [None, "c=1"]


def test_a_site_may_end_its_own_cookie():
    answers = {
        "/": message(b"x", "200 OK", "Set-Cookie: c=1; Domain=a.example; Path=/"),
        "/out": message(
            b"x", "200 OK", "Set-Cookie: c=; Domain=a.example; Path=/; Max-Age=0"
        ),
    }
    with serve(by_path(answers)) as server:
        settings = Settings(
            resolve=(f"a.example:{server.port}:127.0.0.1",), timeout_s=5.1
        )
        for path in ("/", "/out", "/end"):
            get_url(f"http://a.example:{server.port}{path}", settings)
    assert server.fields("cookie") == [None, "c=1", None]


def test_cookies_of_a_file_go_to_their_hosts_and_below_only_where_it_says_so(tmp_path):
    path = tmp_path / "cookies.txt"
    path.write_text(
        "# Netscape HTTP Cookie File\n"
        "a.example\tFALSE\t/\tFALSE\t0\thost\t1\n"
        ".a.example\tTRUE\t/\tFALSE\t0\tsite\t2\n"
        "localhost\tFALSE\t/\tFALSE\t0\there\t3\n"
    )
    hosts = ("a.example", "b.a.example", "xa.example", "localhost")
    with serve(answer()) as server:
        where = tuple(f"{host}:{server.port}:127.0.0.1" for host in hosts)
        settings = Settings(cookie_file=str(path), resolve=where, timeout_s=5.0)
        for host in hosts:
            get_url(f"http://{host}:{server.port}/", settings)
    sent = [set((field or "").split("; ")) for field in server.fields("cookie")]
    assert sent == [{"host=1", "site=2"}, {"site=2"}, {""}, {"here=3"}]


# Text is decoded by WHATWG labels only.


@pytest.mark.slow
@pytest.mark.parametrize(
    "label",
    ["idna", "unicode_escape", "rot13", "undefined", "mbcs", "punycode", "hex", "zlib"],
)
def test_a_charset_that_only_python_knows_is_none(label):
    """`charset=unicode_escape` would turn text into what its writer did not show."""
    body = rb"<title>\x41 uryyb xn--4ca caf\u00e9</title>"
    pages = []
    kind = f"Content-Type: text/html; charset={label}"
    with serve(answer(body, "200 OK", kind)) as server:
        crawl(server.url, pages.append, **ONE)
    (page,) = pages
    assert page.text == body.decode("ascii")
    assert page.title == r"\x41 uryyb xn--4ca caf\u00e9"
    assert page.facts.encoding_source != "http"


# --insecure is said.


@pytest.mark.slow
def test_a_run_that_took_any_certificate_says_so(tmp_path):
    """In the report's text, its JSON and its attribute."""
    with serve(answer()) as server:
        files = [tmp_path / "r.txt", tmp_path / "r.json"]
        report = crawl(server.url, insecure=True, output=files, **ONE)
        plain = crawl(server.url, **ONE)
    assert report.insecure
    assert "Certificates were not verified (--insecure)." in files[0].read_text()
    assert json.loads(files[1].read_text())["report"]["insecure"] is True
    assert not plain.insecure
