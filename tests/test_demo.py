"""The demo site does what its own table says, as seen by a plain HTTP client."""

import contextlib
import gzip
import http.client
import re
import socket
import ssl
import threading
import time
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

import fetcher.demo
from fetcher import demo
from fetcher.models import Kind, State

PNG = b"\x89PNG"
HTML_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


@pytest.fixture(scope="module")
def site():
    with demo.serve() as open_site:
        yield open_site


def ask(url, method="GET"):
    """Return the response and its body, as they came."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=5)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()


def follow(url, limit=12):
    """Return how many redirects were followed, the last response and its body."""
    for hops in range(limit):
        response, body = ask(url)
        if not 300 <= response.status < 400:
            return hops, response, body
        url = urljoin(url, response.headers["Location"])
    return limit, response, body


def decode(response, body):
    """Return the text as a browser would: byte order mark, then header, then meta."""
    if response.headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    if body.startswith(b"\xff\xfe"):
        return body.decode("utf-16")
    charset = response.headers.get_content_charset()
    if charset is None:
        found = re.search(rb"charset=[\"']?([\w-]+)", body)
        charset = found[1].decode() if found else "windows-1252"
    return body.decode("windows-1252" if charset == "iso-8859-1" else charset)


def served(site):
    """Return the URLs of the site proper that give an answer, with what is expected."""
    return {
        url: expected
        for url, expected in site.expected.items()
        if expected.status is not None
    }


def test_the_tour_shows_each_state_and_is_short(site):
    """A newcomer sees every kind of thing that fetcher tells, in one screen or two."""
    assert 25 <= len(site.urls) <= 36
    assert len(set(site.urls)) == len(site.urls)
    states = Counter(expected.state for expected in site.expected.values())
    assert set(states) == set(State) - {State.SKIPPED}
    kinds = {expected.kind for expected in site.expected.values()} - {None}
    assert kinds >= {
        Kind.DNS,
        Kind.REFUSED,
        Kind.TLS_UNTRUSTED,
        Kind.TOO_MANY_REDIRECTS,
        Kind.TOO_LARGE,
        Kind.BAD_ENCODING,
        Kind.BAD_URL,
    }


def test_what_is_expected_is_whole_and_said_in_a_sentence(site):
    for url, expected in site.expected.items():
        assert (expected.status is None) == (expected.state is State.FAILED), url
        assert (expected.kind is None) == (expected.state is not State.FAILED), url
        assert expected.lesson.endswith("."), url


@pytest.mark.slow
def test_every_page_answers_as_expected(site):
    for url, expected in served(site).items():
        for _ in range(expected.attempts):
            hops, response, body = follow(url)
        assert (response.status, hops) == (expected.status, expected.hops), url
        title = HTML_TITLE.search(decode(response, body)) if body[:4] != PNG else None
        shown = title and title[1].replace("&amp;", "&")
        assert shown == expected.title, url


def test_the_door_sticks_at_every_first_pull(site):
    """A second visitor of the same server finds what the first one found."""
    url = next(url for url in site.urls if url.endswith("/oven/door"))
    answers = [ask(url)[0] for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 200, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_to_look_at_the_door_is_not_to_pull_it(site):
    url = next(url for url in site.urls if url.endswith("/oven/door"))
    response, body = ask(url, "HEAD")
    assert (response.status, body) == (503, b"")
    assert ask(url)[0].status == 503
    assert ask(url)[0].status == 200


@pytest.mark.parametrize("path", ["/roundabout", "/spiral"])
def test_some_redirects_never_end(site, path):
    hops, response, _ = follow(site.base_url + path, limit=30)
    assert (hops, response.status) == (30, 302)


@pytest.mark.parametrize("step", ["x", "-1", "", "9" * 20])
def test_the_spiral_has_no_wrong_step(site, step):
    response, _ = ask(f"{site.base_url}/spiral/{step}")
    assert response.headers["Location"] == "/spiral/1"


def test_the_torn_page_ends_before_its_length(site):
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(f"{site.base_url}/torn")
    assert len(caught.value.partial) > 300
    assert caught.value.expected > 1000


def test_the_crumpled_page_is_no_gzip(site):
    response, body = ask(f"{site.base_url}/crumpled")
    assert response.headers["Content-Encoding"] == "gzip"
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(body)


def test_the_dough_is_small_on_the_wire_and_over_ten_megabytes_unpacked(site):
    _, body = ask(f"{site.base_url}/dough")
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) > 10_000_000


def test_the_catalogue_is_a_megabyte_in_chunks_with_no_name_twice(site):
    response, body = ask(f"{site.base_url}/catalogue")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert 990_000 <= len(body) <= 1_000_000
    ids = re.findall(r'id="(star-\d+)"', body.decode())
    assert len(ids) == len(set(ids)) > 5_000


@pytest.mark.slow
def test_the_slow_page_is_slow_and_not_too_slow(site):
    began_s = time.monotonic()
    ask(f"{site.base_url}/proving")
    assert 0.4 <= time.monotonic() - began_s < 1.5


def test_the_note_has_no_content_type(site):
    assert ask(f"{site.base_url}/note")[0].headers["Content-Type"] is None


def test_the_owl_is_a_png_of_its_own_size(site):
    response, body = ask(f"{site.base_url}/owl.png?of=a-bun")
    assert response.headers["Content-Type"] == "image/png"
    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    start = body.index(b"IDAT")
    length = int.from_bytes(body[start - 4 : start], "big")
    pixels = zlib.decompress(body[start + 4 : start + 4 + length])
    assert len(pixels) == 128 * (128 + 1)
    checksum = int.from_bytes(body[start + 4 + length :][:4], "big")
    assert checksum == zlib.crc32(body[start : start + 4 + length])


def test_the_refusing_port_refuses(site):
    url = next(url for url, it in site.expected.items() if it.kind is Kind.REFUSED)
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_the_pantry_shows_a_certificate_that_vouches_for_itself(site):
    url = next(
        url for url, it in site.expected.items() if it.kind is Kind.TLS_UNTRUSTED
    )
    address = ("127.0.0.1", urlsplit(url).port)
    with (
        socket.create_connection(address, timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="self-signed"),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_silent_visitor_of_the_pantry_keeps_nobody_out(site):
    """The handshake is the connection's own: others are accepted meanwhile."""
    url = next(
        url for url, it in site.expected.items() if it.kind is Kind.TLS_UNTRUSTED
    )
    address = ("127.0.0.1", urlsplit(url).port)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(address, timeout=5),
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert secure.recv(12) == b"HTTP/1.1 200"


def test_the_unknown_name_cannot_be_looked_up(site):
    """A typing error that is a URL and no name: no query is sent for it."""
    url = next(url for url, it in site.expected.items() if it.kind is Kind.DNS)
    with pytest.raises((OSError, UnicodeError)):
        socket.getaddrinfo(urlsplit(url).hostname, 80)


def test_every_link_of_the_front_page_is_on_the_tour(site):
    """And the tour has nothing of the site proper that is not linked from there."""
    _, body = ask(site.base_url + "/")
    paths = {
        urlsplit(link).path
        for link in re.findall(r'href="([^"]*)"', body.decode())
        if not link.startswith(("mailto:", "tel:", "#"))
    }
    toured = {urlsplit(url).path for url in site.urls if "http://second" not in url}
    assert {path or "/" for path in paths} - {"/style.css"} <= toured
    assert toured - paths <= {"/", "/note"}


def test_pages_name_themselves_by_the_port_they_are_served_on(site):
    for path in ("/", "/menu", "/stars/", "/robots.txt", "/sitemap.xml"):
        response, body = ask(site.base_url + path)
        text = decode(response, body)
        assert site.base_url in text, path
        assert "{{" not in text, path


def test_the_sitemap_lists_pages_that_are_well(site):
    _, body = ask(f"{site.base_url}/sitemap.xml")
    listed = re.findall(r"<loc>(.*?)</loc>", body.decode())
    assert len(listed) > 10
    assert all(site.expected[url].state is State.OK for url in listed)


def test_a_connection_is_kept_over_good_and_broken_pages(site):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(site.base_url).port)
    with contextlib.closing(connection):
        connection.connect()
        kept = connection.sock
        for path in ("/", "/nothing", "/catalogue", "/bread", "/oven", "/members"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is kept, path


def test_a_port_can_be_chosen_and_a_taken_one_is_an_os_error(site):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with demo.serve(port) as chosen:
        assert chosen.base_url == f"http://127.0.0.1:{port}"
        assert repr(chosen) == f"<Site http://127.0.0.1:{port} with 34 URLs>"
        with pytest.raises(OSError, match="in use"):
            demo.serve(port)


def test_the_site_closes_in_a_moment_and_hangs_up_on_everybody():
    """Also on a kept connection, and in the middle of the slow page."""
    with demo.serve() as site:
        address = ("127.0.0.1", urlsplit(site.base_url).port)
        idle = socket.create_connection(address, timeout=5)
        slow = socket.create_connection(address, timeout=5)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        slow.sendall(b"GET /proving HTTP/1.1\r\nHost: x\r\n\r\n")
        began_s = time.monotonic()
        site.close()
    assert time.monotonic() - began_s < 1
    for connection in (idle, slow):
        with connection, contextlib.suppress(ConnectionError):
            while connection.recv(65_536):
                pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
    site.close()  # again, and nothing happens


def test_a_closed_site_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with demo.serve() as site:
        ask(site.base_url + "/")
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=2)
    assert set(threading.enumerate()) <= before


def test_visitors_who_hang_up_are_not_reported_on_stderr(capfd):
    with demo.serve() as site:
        address = ("127.0.0.1", urlsplit(site.base_url).port)
        for request in (b"", b"GET", b"GET /catalogue HTTP/1.1\r\nHost: x\r\n\r\n"):
            with socket.create_connection(address, timeout=5) as visitor:
                visitor.sendall(request)
                visitor.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                )
        ask(site.base_url + "/")
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_the_site_itself_is_logged(site, monkeypatch, caplog):
    def burn(visit):
        raise LookupError("no such page")

    monkeypatch.setattr("fetcher.demo.server.answer_to", burn)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(site.base_url + "/")
    assert "the demo site could not answer" in caplog.text
    assert "LookupError: no such page" in caplog.text


def test_every_file_of_the_pages_is_used():
    """What ships is served: no page lies about that nobody can reach."""
    folder = Path(fetcher.demo.__file__).parent
    source = (folder / "exhibits.py").read_text() + (folder / "server.py").read_text()
    for page in (folder / "pages").iterdir():
        assert f'"{page.name}"' in source, page.name
