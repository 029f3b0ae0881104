"""A page that an earlier run has is asked for only if it changed, and never lost.

The servers are real, and what workers do is done in this process.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import threading
import zlib
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from fetcher import Expectation, conditional, crawl
from fetcher.conditional import (
    Conditions,
    Known,
    asked_as,
    condition,
    freshened,
    kept_fields,
    restore,
)
from fetcher.engine import run as run_module
from fetcher.groups import Group
from fetcher.models import Headers, Kind, Purpose, Request, Settings, State
from fetcher.page import Page
from fetcher.store import recorder
from fetcher.store.reading import contents, problems
from fetcher.task import fetch
from fetcher.testing import make_failed_page, make_page
from tests.servers import message, redirect, serve

ROOT = Path(__file__).parent.parent
OLD = "Thu, 01 Jan 2026 00:00:00 GMT"
LATER = "Fri, 02 Jan 2026 00:00:00 GMT"
HTML = "Content-Type: text/html; charset=utf-8"
BODY = "<html lang=de><title>Überall</title><p>these words</p>".encode()
ASKED = asked_as(Settings(), with_secrets=True)


class InProcess:
    """A pool that does what its workers would do, at once and one after another."""

    def apply_async(self, func, args=(), kwds=None, callback=None, error_callback=None):
        try:
            page = fetch(*args)
        except Exception as error:
            error_callback(error)
        else:
            callback(page)

    def close(self) -> None: ...
    def join(self) -> None: ...
    def terminate(self) -> None: ...


class Site:
    """What a server has at each path: an answer, made from the request's head."""

    def __init__(self, **answers) -> None:
        self.answers = answers

    def __call__(self, peer) -> None:
        while (head := peer.read_head()) is not None:
            name = head.split(" ", 2)[1].strip("/").replace(".", "_")
            make = self.answers.get(name)
            peer.send(message(b"", "404 Not Found") if make is None else make(head))


def field(head: str, name: str) -> str | None:
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((v.strip() for n, _, v in lines if n.lower() == name.lower()), None)


def now() -> str:
    return f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}"


def html(body: bytes = BODY, *fields: str):
    """Answer 200 to whatever is asked."""
    whole = (HTML, now(), *fields)
    return lambda _: message(body, "200 OK", *whole)


def not_modified(*fields: str) -> bytes:
    return b"\r\n".join(
        [b"HTTP/1.1 304 Not Modified", *(f.encode() for f in fields), b"", b""]
    )


def guarded(body: bytes = BODY, *fields: str, fresh: tuple[str, ...] | None = None):
    """Answer 304 to whom has it, as RFC 9110, 13.2.2 says, else 200.

    `fresh` are the fields of the 304; the ETag and the date, if nothing is given.
    """
    given = dict(each.split(": ", 1) for each in fields)
    etag, changed = given.get("ETag"), given.get("Last-Modified")

    def make(head: str) -> bytes:
        match, since = field(head, "if-none-match"), field(head, "if-modified-since")
        if etag is not None and match is not None:
            is_known = match.removeprefix("W/") == etag.removeprefix("W/")
        else:
            is_known = changed is not None and since == changed
        if not is_known:
            return html(body, *fields)(head)
        if fresh is not None:
            return not_modified(*fresh)
        return not_modified(now(), *fields)

    return make


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


def look(server, path, *names: str, **options):
    """Make one run over these paths; return its pages by path."""
    pages: dict[str, Page] = {}
    urls = [server.url + name for name in names or ("a",)]

    def keep(page: Page) -> None:
        pages[page.url.removeprefix(server.url)] = page

    how = {"db": path, "pool": InProcess(), "retries": 0, **options}
    crawl(urls, keep, **how)
    return pages


def conditions_of(server) -> list[bool]:
    """Say of each request whether it was conditional."""
    pairs = zip(
        server.fields("if-none-match"), server.fields("if-modified-since"), strict=True
    )
    return [pair != (None, None) for pair in pairs]


def rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


# A page that is as it was.

VALIDATORS = {
    "a strong ETag": ('ETag: "1"',),
    "a weak ETag": ('ETag: W/"1"',),
    "a date": (f"Last-Modified: {OLD}",),
    "both": ('ETag: "1"', f"Last-Modified: {OLD}"),
}


@pytest.mark.parametrize("fields", VALIDATORS.values(), ids=VALIDATORS)
def test_a_page_that_is_as_it_was_is_told_of_as_it_was(fields, path, tmp_path):
    """The second run downloads nothing, and its row says what the first one's did."""
    out = tmp_path / "pages.jsonl"
    told = []
    with serve(Site(a=guarded(BODY, *fields))) as server:
        for _ in range(3):
            (page,) = look(server, path, output=out).values()
            told.append(json.loads(out.read_text()))
        assert conditions_of(server) == [False, True, True]
    assert page.not_modified
    assert (page.status, page.state, page.title) == (200, State.OK, "Überall")
    assert (page.content, page.encoding, page.is_html) == (BODY, "utf-8", True)
    assert page.text == BODY.decode()
    assert [row["not_modified"] for row in told] == [False, True, True]
    assert [row["wire_bytes"] for row in told] == [len(BODY), 0, 0]
    assert [row["body_bytes"] for row in told] == [len(BODY)] * 3
    for row in told:
        for name in ("not_modified", "wire_bytes", "timings", "fetched_at"):
            del row[name]
        del row["headers"]["date"]
    assert told[0] == told[1] == told[2]
    assert [each[0] for each in rows(path, "select version_id from pages")] == [1] * 3
    assert contents(path).counts["bodies"] == 1
    assert problems(path) == []


def test_what_is_sent_is_what_came_both_where_there_are_both(path):
    site = Site(a=guarded(BODY, 'ETag: W/"x y"', f"Last-Modified: {OLD}"))
    with serve(site) as server:
        look(server, path)
        look(server, path)
        assert server.fields("if-modified-since") == [None, OLD]
        assert server.fields("if-none-match") == [None, None], "no ETag has a space"
        site.answers["a"] = guarded(BODY, 'ETag: W/"xy"', f"Last-Modified: {LATER}")
        look(server, path)
        look(server, path)
        assert server.fields("if-modified-since")[2:] == [OLD, LATER]
        assert server.fields("if-none-match")[2:] == [None, 'W/"xy"']


def test_a_page_that_changed_comes_and_is_asked_for_by_its_new_etag(path):
    site = Site(a=guarded(BODY, 'ETag: "1"'))
    with serve(site) as server:
        look(server, path)
        site.answers["a"] = guarded(b"<title>New</title>", 'ETag: "2"')
        (page,) = look(server, path).values()
        assert (page.title, page.not_modified) == ("New", False)
        (page,) = look(server, path).values()
        assert (page.title, page.not_modified) == ("New", True)
        assert server.fields("if-none-match") == [None, '"1"', '"2"']
    assert contents(path).counts["versions"] == 2


def test_a_server_that_sends_the_same_page_again_is_no_change(path):
    """Some know no conditions: 200, the same body, perhaps a new ETag."""
    site = Site(a=html(BODY, 'ETag: "1"'))
    with serve(site) as server:
        look(server, path)
        site.answers["a"] = html(BODY, 'ETag: "2"')
        (page,) = look(server, path).values()
        look(server, path)
        assert server.fields("if-none-match") == [None, '"1"', '"2"']
    assert not page.not_modified
    assert contents(path).counts["versions"] == 1


def test_a_page_that_comes_packed_is_remembered_unpacked(path):
    """gzip: the ETag is that of the packed form, the words are those of the page."""
    packed = gzip.compress(BODY * 50)
    fields = ("Content-Encoding: gzip", 'ETag: W/"1"', "Vary: Accept-Encoding")
    # As nginx does: weak where it packs, strong where it does not send the page.
    site = Site(a=guarded(packed, *fields, fresh=(now(), 'ETag: "1"')))
    with serve(site) as server:
        look(server, path)
        (page,) = look(server, path).values()
        assert len(server.heads) == 2
    assert page.not_modified
    assert page.content == BODY * 50
    assert page.headers["content-encoding"] == "gzip"
    assert page.headers.get_all("etag") == ['"1"']


def test_a_304_brings_header_fields_up_to_date_but_not_those_of_the_body(path):
    """RFC 9111, 3.2; and what is brought up to date is remembered."""
    first = ('ETag: "1"', "Cache-Control: max-age=1", "X-Kept: yes", "Set-Cookie: a=1")
    fresh = (
        *(now(), 'ETag: "1"', "Cache-Control: max-age=2", "X-New: 2"),
        *("Content-Type: application/pdf", "Content-Length: 7"),
    )
    site = Site(a=guarded(BODY, *first, fresh=fresh))
    with serve(site) as server:
        look(server, path)
        pages = [*look(server, path).values()]
        site.answers["a"] = guarded(BODY, *first, fresh=())
        pages += look(server, path).values()
        assert conditions_of(server) == [False, True, True]
    for page in pages:
        assert page.headers["cache-control"] == "max-age=2"
        assert (page.headers["x-kept"], page.headers["x-new"]) == ("yes", "2")
        assert page.headers["content-length"] == str(len(BODY))
        assert page.content_type == "text/html"
        assert "set-cookie" not in page.headers, "it was for one visitor"
    assert b"a=1" not in path.read_bytes()


def test_whoever_looks_at_a_page_sees_it_as_it_was(path):
    """What is expected, links that are followed and checked: as in the first run."""
    link = b'<title>T</title><a href="/b">b</a><a href="/gone">x</a><p>these words</p>'
    site = Site(a=guarded(link, 'ETag: "1"', "X-Own: 1"), b=guarded(BODY, 'ETag: "b"'))
    expect = Expectation(contains=("these words",), header=(("x-own", "1"),))
    with serve(site) as server:
        reports = [
            crawl(
                [server.url + "a"],
                depth=1,
                expect=expect,
                db=path,
                pool=InProcess(),
                retries=0,
                ignore_robots=True,
            )
            for _ in range(2)
        ]
        asked = list(zip(server.paths, conditions_of(server), strict=True))
    half = len(asked) // 2
    assert {name for name, is_asked in asked[:half] if is_asked} == set()
    assert {name for name, is_asked in asked[half:] if is_asked} == {"/a", "/b"}
    first, second = (report.to_dict() for report in reports)
    assert first["findings"]["unmet_pages"] == 1, "b has no such field"
    assert first["site"]["broken"]["count"] == 1
    for name in ("states", "links", "body_bytes", "fell_short", "findings", "site"):
        assert first[name] == second[name], name
    assert second["wire_bytes"] < first["wire_bytes"]


def length(page: Page) -> int:
    return len(page.content)


def test_what_workers_do_with_a_page_they_do_with_one_that_is_as_it_was(path):
    """`extract=` has the body, and facts are read where nobody else may read them."""
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        for _ in range(2):
            (page,) = look(server, path, extract=length).values()
            assert page.extract == len(BODY)
        (page,) = look(server, path, analyse_in="workers").values()
        assert page.title == "Überall"
        assert page.is_parsed_elsewhere
        assert page.not_modified
        assert len(server.heads) == 3


def test_a_run_that_fetches_all_the_same_does_not_make_the_next_one_do_so(path):
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        look(server, path, conditional=False)
        look(server, path, conditional=False)
        look(server, path)
        assert conditions_of(server) == [False, False, True]


# What a 304 does not say.


def test_a_304_that_nobody_asked_for_stays_what_it_is(path):
    with serve(Site(a=lambda _: not_modified(now()))) as server:
        for _ in range(2):
            (page,) = look(server, path).values()
            assert (page.status, page.content) == (304, b"")
            assert not page.not_modified
        assert conditions_of(server) == [False, False]


OF_NO_USE = {
    "another ETag": not_modified('ETag: "2"'),
    "another date": not_modified(f"Last-Modified: {LATER}"),
    "412": message(b"no", "412 Precondition Failed"),
}


@pytest.mark.parametrize("answer", OF_NO_USE.values(), ids=OF_NO_USE)
def test_an_answer_that_is_of_no_use_is_asked_for_again_plainly(answer, path):
    """A page is never lost; and such a server is not asked so again in this run."""

    def make(head: str) -> bytes:
        is_conditional = field(head, "if-none-match") is not None
        tags = ('ETag: "1"', f"Last-Modified: {OLD}")
        return answer if is_conditional else html(BODY, *tags)(head)

    with serve(Site(a=make, b=make)) as server:
        look(server, path, "a", "b", concurrency=1)
        pages = look(server, path, "a", "b", concurrency=1)
        assert server.paths == ["/a", "/b", "/a", "/a", "/b"]
        assert conditions_of(server) == [False, False, True, False, False]
    for page in pages.values():
        assert (page.status, page.title, page.attempt) == (200, "Überall", 1)
        assert not page.not_modified


def test_a_retry_is_made_plainly(path):
    """A server that stumbles over the condition has another chance."""

    def make(head: str) -> bytes:
        if field(head, "if-none-match") is not None:
            return message(b"oh", "500 Internal Server Error")
        return html(BODY, 'ETag: "1"')(head)

    with serve(Site(a=make)) as server:
        look(server, path)
        (page,) = look(server, path, retries=1, retry_delay_s=0.0).values()
        assert conditions_of(server) == [False, True, False]
    assert (page.status, page.attempt) == (200, 2)


def corrupt(path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


GONE = {
    "pruned": ("update versions set body_id = null", [False, False]),
    "no such row": ("delete from bodies", [False, False]),
    "not to be read": ("update bodies set content = x'00'", [False, True, False]),
}


@pytest.mark.parametrize(("sql", "asked"), GONE.values(), ids=GONE)
def test_a_page_whose_body_is_gone_is_fetched(sql, asked, path):
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        look(server, path)
        corrupt(path, sql)
        (page,) = look(server, path).values()
        assert (page.status, page.content) == (200, BODY)
        assert conditions_of(server) == asked


# What is asked plainly.


def test_a_redirect_is_followed_without_the_condition(path):
    """What was said of one URL is not said to another: a 304 there is unasked."""
    site = Site(a=guarded(BODY, 'ETag: "1"'), b=guarded(BODY, 'ETag: "1"'))
    with serve(site) as server:
        look(server, path)
        site.answers["a"] = lambda _: redirect("/b")
        for _ in range(2):
            (page,) = look(server, path).values()
            assert (page.state, page.content) == (State.REDIRECTED, BODY)
        assert server.paths == ["/a", "/a", "/b", "/a", "/b"]
        assert conditions_of(server) == [False, True, False, False, False]
        site.answers["a"] = guarded(BODY, 'ETag: "1"')
        look(server, path)
        site.answers.update(a=lambda _: redirect("/b"), b=lambda _: not_modified())
        (page,) = look(server, path).values()
    assert (page.status, page.content) == (304, b"")


def test_after_an_error_the_page_comes_whole(path):
    """A condition is made of what the URL came to last."""
    site = Site(a=guarded(BODY, 'ETag: "1"'))
    with serve(site) as server:
        look(server, path)
        site.answers["a"] = lambda _: message(b"oh", "503 Service Unavailable")
        (page,) = look(server, path).values()
        assert (page.state, page.status) == (State.BROKEN, 503)
        site.answers["a"] = guarded(BODY, 'ETag: "1"')
        look(server, path)
        look(server, path)
        assert conditions_of(server) == [False, True, False, True]


@pytest.mark.slow
def test_only_pages_are_asked_so(path):
    """Neither robots.txt nor sitemaps, probes, or what is only checked."""
    link = b'<title>T</title><a href="/a">a</a><a href="/b">b</a>'
    urls = b"<urlset><url><loc>/</loc></url></urlset>"
    site = Site(
        a=guarded(link, 'ETag: "a"'),
        b=guarded(BODY, 'ETag: "b"'),
        robots_txt=guarded(b"User-agent: *\n", 'ETag: "r"'),
        sitemap_xml=guarded(urls, 'ETag: "s"'),
    )
    with serve(site) as server:
        for _ in range(2):
            look(server, path, check_links=True, sitemap=True, obey_robots=True)
        asked = [*zip(server.paths, conditions_of(server), strict=True)]
    assert {name for name, is_asked in asked if is_asked} == {"/a"}
    assert {"/b", "/robots.txt", "/sitemap.xml"} <= {name for name, _ in asked}


def session():
    import requests

    return requests.Session()


PLAINLY = {
    "as told": {"conditional": False},
    "a header that may be a secret": {"headers": {"X-Key": "secret"}},
    "conditions of the caller's": {"headers": {"If-None-Match": '"9"'}},
    "a password": {"auth": ("user", "secret")},
    "a session": {"session": session},
    "a body that would be too large": {"max_bytes": len(BODY) - 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("how", PLAINLY.values(), ids=PLAINLY)
def test_where_it_would_be_wrong_no_condition_is_made(how, path):
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        look(server, path)
        look(server, path, **how)
        look(server, path, **how)
        sent = {value for value in server.fields("if-none-match") if value}
        assert sent <= {'"9"'}, "of the caller's alone"
        assert len(server.heads) == 3
    assert b"secret" not in path.read_bytes()


def test_who_asks_for_another_form_of_a_page_gets_that(path):
    """Another Accept-Language, or another User-Agent, may be another page."""
    german = {"headers": {"Accept-Language": "de"}}
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        look(server, path)
        look(server, path, **german)
        look(server, path, **german)
        look(server, path, **german, user_agent="other/1")
        look(server, path, **german, user_agent="other/1")
        assert conditions_of(server) == [False, False, True, False, True]


# A run that is cut short.


def test_a_continued_run_comes_to_what_an_unbroken_one_does(
    path, tmp_path, monkeypatch
):
    """Pages that are as they were are so after a kill too."""
    monkeypatch.setattr(recorder, "ANSWERS_PER_COMMIT", 1)
    names = [f"p{n}" for n in range(6)]
    site = Site(
        **{name: guarded(BODY + name.encode(), f'ETag: "{name}"') for name in names}
    )
    out = tmp_path / "pages.jsonl"
    with serve(site) as server:
        look(server, path, *names, concurrency=1)
        stop = threading.Event()
        urls = [server.url + name for name in names]
        how = {"db": path, "pool": InProcess(), "concurrency": 1, "output": out}

        def end(page: Page) -> None:
            if page.url.endswith("p2"):
                stop.set()

        crawl(urls, end, stop=stop, **how)
        crawl(urls, resume=True, **how)
        assert len(server.heads) == 12
        assert conditions_of(server) == [False] * 6 + [True] * 6
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["url"] for row in told] == urls
    assert {row["title"] for row in told} == {"Überall"}
    assert {row["not_modified"] for row in told} == {True}
    assert problems(path) == []


def test_what_had_come_when_the_callback_raised_is_what_it_was(path, tmp_path):
    """Answers that wait are saved: a 304 as its page, one of no use as cancelled."""
    names = ["a", "b", "c"]
    site = Site(**{name: guarded(BODY, 'ETag: "1"') for name in names})
    out = tmp_path / "pages.jsonl"
    with serve(site) as server:
        look(server, path, *names)
        site.answers["c"] = lambda _: message(b"no", "412 Precondition Failed")

        def fail(page: Page) -> None:
            raise ZeroDivisionError

        urls = [server.url + name for name in names]
        with pytest.raises(ZeroDivisionError):
            crawl(urls, fail, db=path, pool=InProcess(), output=out)
    told = [json.loads(line) for line in out.read_text().splitlines()]
    found = {row["url"][-1]: (row["state"], row["not_modified"]) for row in told}
    assert found == {"a": ("ok", True), "b": ("ok", True), "c": ("skipped", False)}


@pytest.mark.slow
def test_workers_ask_so_too(path):
    """The same through processes: one request for each page of a run."""
    names = [f"p{n}" for n in range(40)]
    site = Site(
        **{name: guarded(BODY + name.encode(), f'ETag: "{name}"') for name in names}
    )
    with serve(site) as server:
        for run in range(2):
            pages = look(server, path, *names, pool=None, workers=2)
            assert [page.not_modified for page in pages.values()] == [run == 1] * 40
            for name, page in pages.items():
                assert page.content == BODY + name.encode()
            assert {page.title for page in pages.values()} == {"Überall"}
        assert len(server.heads) == 80


@pytest.mark.slow
def test_the_command_fetches_all_the_same_if_told_so(path, tmp_path):
    """`--no-conditional`, where a server is not to be believed."""
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        command = [sys.executable, "-m", "fetcher"]
        for more in ([], [], ["--no-conditional"]):
            ended = subprocess.run(
                [*command, server.url + "a", "--db", path, *more],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                capture_output=True,
                check=False,
            )
            assert ended.returncode == 0, ended.stderr
        assert conditions_of(server) == [False, True, False]


def test_pages_of_a_group_are_asked_as_its_group_is(path):
    """One group sends a password, the other does not: its pages are asked so."""
    with serve(Site(a=guarded(BODY, 'ETag: "1"'), b=guarded(BODY, 'ETag: "1"'))) as at:
        groups = [
            Group(name="open", urls=[f"{at.url}a"]),
            Group(name="shut", urls=[f"{at.url}b"], settings={"auth": ("u", "word")}),
        ]
        for _ in range(2):
            crawl(groups, db=path, pool=InProcess())
        asked = {*zip(at.paths[2:], conditions_of(at)[2:], strict=True)}
        assert asked == {("/a", True), ("/b", False)}


def test_a_lost_worker_leaves_nothing_of_what_was_sent_along(path, monkeypatch):
    """However many workers die, there is room for the bodies of other pages."""
    made = []

    class Noted(Conditions):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            made.append(self)

    class Losing(InProcess):
        def apply_async(self, func, args=(), kwds=None, callback=None, **more):
            assert args[0].known is not None
            more["error_callback"](MemoryError("none left"))

    monkeypatch.setattr(run_module, "Conditions", Noted)
    with serve(Site(a=guarded(BODY, 'ETag: "1"'))) as server:
        look(server, path)
        (page,) = look(server, path, pool=Losing()).values()
    assert page.failure.kind is Kind.WORKER_LOST
    assert repr(made[-1]) == "<Conditions: 0 under way, 0 bytes>"


# The rules, one by one.


@pytest.mark.parametrize(
    ("etag", "sent"),
    [
        ('"x"', True),
        ('W/"x"', True),
        ('""', True),
        ("x", False),
        ("*", False),
        ('"a", "b"', False),
        ('"a b"', False),
        ('"\x01"', False),
        ('"' + "x" * 1_000 + '"', False),
    ],
)
def test_an_etag_that_is_none_is_not_sent_back(etag, sent):
    """`*` would mean: whatever there is, and every page would be as it was."""
    found = condition(Headers([("ETag", etag)]))
    assert found == ((("If-None-Match", etag),) if sent else ())


@pytest.mark.parametrize("date", ["", "0", "yesterday", "Thu, 1 Jan 26 00:00:00 +0100"])
def test_a_date_that_is_none_is_not_sent_back(date):
    assert condition(Headers([("Last-Modified", date)])) == ()


def answer_of(*fields: str, **parts) -> Page:
    lines = [tuple(each.split(": ", 1)) for each in (HTML, *fields)]
    page = make_page(html=BODY, headers=lines, **parts)
    page.asked_as = ASKED
    return page


DATED = (f"Last-Modified: {OLD}", f"Date: {LATER}")
KEPT = {
    "an ETag": (answer_of('ETag: "1"'), True),
    "a date": (answer_of(*DATED), True),
    "a date and no clock": (answer_of(f"Last-Modified: {OLD}"), False),
    "a date of now": (
        answer_of(f"Last-Modified: {OLD}", f"Date: {OLD}"),
        False,
    ),
    "no validator": (answer_of(), False),
    "not to be stored": (answer_of('ETag: "1"', "Cache-Control: a, No-Store"), False),
    "varies by anything": (answer_of('ETag: "1"', "Vary: *"), False),
    "a date that varies": (answer_of(*DATED, "Vary: Accept, Cookie"), False),
    "an ETag that varies": (answer_of('ETag: "1"', "Vary: Cookie"), True),
    "another status": (answer_of('ETag: "1"', status=203), False),
    "an accepted error": (answer_of('ETag: "1"', status=404, accepted=True), False),
    "not well": (answer_of('ETag: "1"', accepted=False), False),
}


@pytest.mark.parametrize(("page", "kept"), KEPT.values(), ids=KEPT)
def test_only_what_can_be_relied_on_is_kept_for_a_condition(page, kept):
    assert bool(kept_fields(page)) == kept
    page.asked_as = None
    assert kept_fields(page) == ()


def test_what_belongs_to_one_connection_or_visitor_is_not_kept():
    fields = ("Connection: close, X-Hop", "X-Hop: 1", "Set-Cookie: a=1", 'ETag: "1"')
    page = answer_of(*fields, *DATED, "Age: 3", "Transfer-Encoding: chunked")
    names = [name for name, _ in kept_fields(page)]
    assert names == ["Content-Type", "ETag", "Last-Modified"]


def test_fields_that_grow_with_every_304_end_in_the_page_itself(path):
    """A server cannot make the database grow without end."""
    looks = iter(range(99))

    def make(head: str) -> bytes:
        if field(head, "if-none-match") is None:
            return html(BODY, 'ETag: "1"')(head)
        return not_modified(now(), f"X-{next(looks)}: {'x' * 8_000}")

    with serve(Site(a=make)) as server:
        for _ in range(7):
            look(server, path)
        assert conditions_of(server) == [False, *[True] * 5, False]
    ((fields,),) = rows(path, "select fields from heads")
    assert len(fields) < 1_000


def test_repeated_fields_are_replaced_together():
    known = Headers([("Link", "a"), ("ETag", '"1"'), ("link", "b")])
    came = Headers([("LINK", "c"), ("LINK", "d")])
    assert freshened(known, came).lines == (
        *(("ETag", '"1"'), ("LINK", "c")),
        ("LINK", "d"),
    )


def test_what_is_sent_to_nobody_else_does_not_keep_others_from_being_asked():
    """A password for one site says nothing of the pages that it links to."""
    how = Settings(auth=("user", "word"), headers=(("X-Key", "k"), ("From", "me@x.y")))
    assert asked_as(how, with_secrets=True) is None
    from_me = Settings(headers=(("From", "me@x.y"),))
    openly = asked_as(how, with_secrets=False)
    assert openly == asked_as(from_me, with_secrets=True)
    assert openly not in (None, asked_as(Settings(), with_secrets=False))


@pytest.mark.parametrize(
    "how",
    [
        Settings(resolve=("a.example:80:127.0.0.1",)),
        Settings(proxy="http://proxy.example"),
        Settings(ip_version=6),
        Settings(user_agent="x"),
        Settings(headers=(("accept", "text/html"),)),
    ],
)
def test_who_asks_elsewhere_or_otherwise_may_get_something_else(how):
    assert asked_as(how, with_secrets=True) not in (None, ASKED)


def test_a_proxys_password_leaves_no_trace():
    one, other = (Settings(proxy=f"http://u:{word}@p.example") for word in "ab")
    assert asked_as(one, with_secrets=True) == asked_as(other, with_secrets=True)


KNOWN = Known('[["ETag","\\"1\\""]]', None, zlib.compress(BODY))


class Remembered:
    """A memory of one page, which has an ETag."""

    def known(self, url, asked, max_bytes):
        return KNOWN


ONE = Request(url="http://a.example/", origin="http://a.example")


def test_what_was_asked_is_forgotten_with_its_answer():
    """A request that is gone leaves nothing that another could be taken for."""
    conditions = Conditions(Remembered(), {"": Settings()}, asks=True)
    assert conditions.begin(ONE, with_secrets=True) == KNOWN
    sent = len(KNOWN.packed)
    assert repr(conditions) == f"<Conditions: 1 under way, {sent} bytes>"
    assert conditions.end(ONE, make_failed_page(ONE.url, Kind.RESET))
    assert repr(conditions) == "<Conditions: 0 under way, 0 bytes>"
    assert conditions.end(ONE, make_page(ONE.url, 304, b"")), "unasked"
    check = Request(url="http://a.example/", purpose=Purpose.CHECK, method="HEAD")
    assert conditions.begin(check, with_secrets=True) is None


def test_no_more_bodies_travel_than_memory_should_hold(monkeypatch):
    """Past the limit pages are fetched, until answers make room again."""
    monkeypatch.setattr(conditional, "BYTES_UNDER_WAY", len(KNOWN.packed) + 1)
    conditions = Conditions(Remembered(), {"": Settings()}, asks=True)
    asked = [Request(url=f"http://a.example/{n}") for n in range(3)]
    known = [conditions.begin(each, with_secrets=True) for each in asked]
    assert known == [KNOWN, KNOWN, None]
    conditions.end(asked[0], make_page(ONE.url))
    assert conditions.begin(asked[2], with_secrets=True) == KNOWN


def test_what_is_accepted_is_asked_of_the_status_that_is_remembered():
    """`--accept 200`: a 304 is no shortfall, `--accept 404`: the page is one."""
    for status, state in ((200, State.OK), (404, State.BROKEN)):
        page = make_page(ONE.url, 304, b"", accepted=False)
        restore(page, KNOWN, Settings(accept=((status, status),)))
        assert page.not_modified
        assert page.state is state
