"""What a database of runs remembers, refuses and forgets."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import re
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fetcher.errors import ConfigError, NothingLeft, StoreError
from fetcher.models import (
    TEXT,
    Certificate,
    Failure,
    Finding,
    Hop,
    Kind,
    Purpose,
    Reach,
    Request,
    Severity,
)
from fetcher.store import database, layout, recorder
from fetcher.store.database import Database, open_for_reading
from fetcher.store.pruning import compact, prune, used_bytes
from fetcher.store.reading import contents, problems
from fetcher.store.recorder import BODIES_KEPT, Job, Recorder
from fetcher.store.restoring import (
    answer_bytes,
    answer_from,
    travelled_facts,
)
from fetcher.testing import make_failed_page, make_page

URL = "http://site.example/"
JOB = Job.of(["list.txt"], {"depth": 0}, version="1")
HTML = '<html lang=en><title>T</title><h1>H</h1><a href="/a">a</a><p>{}</p>'
CERTIFICATE = Certificate(
    subject="CN=site.example",
    issuer="CN=Root",
    names=("site.example", "*.site.example"),
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    not_after=datetime(2027, 1, 1, tzinfo=UTC),
    verified=True,
)


def request(url: str = URL, **fields: object) -> Request:
    asked = {"url": url, "key": url, "host": "site.example", "origin": URL[:-1]}
    return Request(**{**asked, **fields})


def remember(path, *pages, job=JOB, resume=False, **ended):
    """Record one run of these pages, and finish it unless told otherwise."""
    recorder = Recorder.open(path, job, resume=resume)
    with closing(recorder):
        for page in pages:
            recorder.add(page)
            recorder.keep(request(page.url), page, 1)
        if ended.pop("finished", True):
            how = {"pages": len(pages), "fell_short": 0, "ok": True, **ended}
            recorder.finish(**{"interrupted": False, **how})
    return recorder.run_id


def rows(path, sql, *values):
    with open_for_reading(path) as connection:
        return connection.execute(sql, values).fetchall()


def sha(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


# What is remembered.


def test_a_page_of_a_run_is_a_row_that_sqlite_can_read(path):
    """state, status, times, address and certificate stand in the database."""
    page = make_page(
        URL,
        html=HTML.format("words"),
        certificate=CERTIFICATE,
        hops=(Hop("http://old.example/", 301, None),),
    )
    number = remember(path, page)
    ((state, status, total_us, ip, subject, title, hops),) = rows(
        path,
        "select pages.state, status, total_us, ips.text, subject, title, chains.text"
        " from pages join urls on urls.id = pages.url_id"
        " join texts ips on ips.id = ip_id join texts chains on chains.id = hops_id"
        " join certificates on certificates.id = certificate_id"
        " join versions on versions.id = version_id where run_id = ? and url = ?",
        number,
        URL,
    )
    assert (state, status, ip, title) == ("redirected", 200, "192.0.2.1", "T")
    assert subject == "CN=site.example"
    assert hops == '[["http://old.example/", 301, null]]'
    assert total_us == round(page.timings.total_s * 1e6)
    assert problems(path) == []


def test_a_failure_is_remembered_with_its_kind_and_sentence(path):
    remember(path, make_failed_page(URL, Kind.TIMEOUT, "it took too long"))
    found = rows(
        path,
        "select state, kind, text, version_id from pages join texts on texts.id ="
        " reason_id",
    )
    assert found == [("failed", "timeout", "it took too long", None)]


def test_what_was_cancelled_is_no_result(path):
    """A URL that a stopped run did not come to has no row: it can be continued."""
    remember(path, make_failed_page(URL, Kind.CANCELLED, "stopped"))
    assert rows(path, "select * from pages") == []


def test_where_a_page_links_to_is_remembered_as_ids(path):
    links = "".join(f'<a href="/{n % 3}#{n}">x</a>' for n in range(9))
    remember(path, make_page(URL, html=f"<title>T</title>{links}"))
    found = rows(
        path,
        "select url from links join urls on urls.id = target_id order by url",
    )
    assert found == [(f"{URL}{n}",) for n in range(3)]


def test_findings_are_kept_with_their_page(path):
    found = Finding(
        rule="broken-link",
        severity=Severity.ERROR,
        url=URL,
        message="it answers 404",
        target=f"{URL}gone",
        line=3,
    )
    with closing(Recorder.open(path, JOB)) as recorder:
        recorder.add(make_page(URL), [found])
    assert rows(
        path,
        "select rule, severity, text, urls.url, line, column from findings"
        " join texts on texts.id = message_id join urls on urls.id = target_id",
    ) == [("broken-link", "error", "it answers 404", f"{URL}gone", 3, None)]


def test_text_that_no_file_can_hold_is_kept_escaped(path):
    """A lone surrogate in a list or a title costs nothing but itself."""
    page = make_page("http://x.example/\udc80", html="<title>&#xd800;</title>")
    remember(path, page, make_failed_page("\udfff", Kind.BAD_URL, "no \udc81 URL"))
    assert len(rows(path, "select url from urls")) == 2


def test_an_unchanged_page_costs_its_row_and_nothing_else(path):
    """Facts, links and body of a page that says the same again are not written."""
    page = make_page(URL, html=HTML.format("words"))
    for _ in range(3):
        remember(path, page)
    counts = contents(path).counts
    assert (counts["pages"], counts["versions"], counts["bodies"]) == (3, 1, 1)


def test_an_unchanged_page_is_not_parsed_for_the_database(path):
    remember(path, make_page(URL, html=HTML.format("words")))
    page = make_page(URL, html=HTML.format("words"))
    remember(path, page)
    assert page.facts_read is None
    assert contents(path).counts["versions"] == 1


def without_times(path):
    with open_for_reading(path) as connection:
        return [
            line
            for line in connection.iterdump()
            if not re.match(r'INSERT INTO "(runs|migrations)"', line)
        ]


@pytest.mark.parametrize("ahead", [3, 200])
def test_what_is_read_ahead_changes_nothing_but_the_time(tmp_path, monkeypatch, ahead):
    """Pages in any order, changed, changed back, gone, new and twice in a run."""
    monkeypatch.setattr(recorder, "BODIES_KEPT", 1)
    moments = random.Random(7)
    texts = ["one", "one", "two", "three"]
    runs = [
        [(moments.randrange(20), moments.choice(texts)) for _ in range(50)]
        for _ in range(5)
    ]
    for name, most in (("ahead", ahead), ("not", 0)):
        monkeypatch.setattr(recorder, "URLS_AHEAD", most)
        for run in runs:
            shown = [(f"{URL}{n}", HTML.format(f"{text} {n}")) for n, text in run]
            at = datetime.now(UTC)
            pages = [make_page(url, html=html, fetched_at=at) for url, html in shown]
            number = remember(tmp_path / name, *pages)
            with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
                connection.execute("update pages set started_ms = ?", (number,))
    assert without_times(tmp_path / "ahead") == without_times(tmp_path / "not")
    assert contents(tmp_path / "not").counts["versions"] > 40
    assert problems(tmp_path / "ahead") == []


@pytest.mark.slow
def test_a_body_is_kept_when_the_text_changed_and_only_then(path):
    """A page whose code changes at every look has one body, the newest."""
    for number in range(4):
        html = HTML.format("same words").replace("<h1>", f"<h1 data-n={number}>")
        remember(path, make_page(URL, html=html))
    ((content,),) = rows(path, "select content from bodies")
    assert b"data-n=3" in zlib.decompress(content)
    remember(path, make_page(URL, html=HTML.format("other words")))
    assert contents(path).counts["bodies"] == 2


@pytest.mark.slow
def test_the_last_five_bodies_of_a_page_are_kept(path):
    for number in range(BODIES_KEPT + 3):
        remember(path, make_page(URL, html=HTML.format(f"words {number}")))
    found = rows(path, "select content from bodies order by id")
    assert len(found) == BODIES_KEPT == 5
    assert b"words 7" in zlib.decompress(found[-1][0])
    assert b"words 3" in zlib.decompress(found[0][0])
    assert problems(path) == []


def test_an_error_page_is_no_version_of_a_page(path):
    remember(path, make_page(URL, html=HTML.format("words")))
    remember(path, make_page(URL, 503, "<title>Sorry</title>"))
    assert rows(path, "select title from versions") == [("T",)]
    assert contents(path).counts["bodies"] == 1


def test_what_a_run_would_be_continued_from_is_let_go_when_it_is_finished(path):
    page = make_page(URL, 404, "<title>Gone</title>")
    remember(path, page, finished=False)
    counts = contents(path).counts
    assert (counts["answers"], counts["bodies"]) == (1, 1)
    remember(path, resume=True)
    counts = contents(path).counts
    assert (counts["answers"], counts["bodies"]) == (0, 0)


def test_a_new_run_lets_go_what_an_unfinished_one_left(path):
    remember(path, make_page(URL), finished=False)
    remember(path, make_page(URL))
    assert contents(path).counts["answers"] == 0
    assert [run.state for run in contents(path).runs] == ["finished", "abandoned"]


# A page as it is written down.

PAGES = {
    "html": make_page(
        URL, html=HTML.format("words"), extract={"a": (1, b"\0", [None])}
    ),
    "moments": make_page(URL, extract=[datetime(2026, 1, 2, tzinfo=UTC), 1.5, {1: 2}]),
    "failed": make_failed_page(URL),
    "redirected": make_page(
        URL, final_url=f"{URL}new", hops=(Hop(URL, 301, "192.0.2.1"),)
    ),
    "certificate": make_page(URL, certificate=CERTIFICATE, http_version="2"),
    "refused": make_page(URL, None, b"", skipped="robots.txt does not allow it"),
    "many fields": make_page(URL, headers=[("Set-Cookie", "a"), ("set-cookie", "b")]),
}


def written_and_read(page):
    written = answer_bytes(request(), page)
    return answer_from(written, page.content, travelled_facts(page))[1]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_comes_back_as_it_was_written_down(page):
    back = written_and_read(page)
    assert back.__reduce__() == page.__reduce__()
    assert back.body_bytes == page.body_bytes


def test_a_body_that_is_not_kept_still_has_its_size():
    page = make_page(URL, html=b"\x89PNG" * 9, headers={"Content-Type": "image/png"})
    _, back = answer_from(answer_bytes(request(), page), b"", None)
    assert (back.content, back.body_bytes) == (b"", 36)


def test_facts_that_only_a_worker_may_read_come_back_without_parsing():
    """`--analyse-in workers`: a page that was read there is read nowhere else."""
    page = make_page(URL, html=HTML.format("words"))
    page.is_parsed_elsewhere = True
    page.read_ahead(["title", "links", "fragments", "headings", TEXT])
    back = written_and_read(page)
    assert back.title == "T"
    assert back.links == page.links
    assert back.facts_read == (), "nothing was parsed here"


def test_no_pickle_of_a_stranger_is_run():
    """A database from elsewhere cannot name a function that is called."""
    facts = b"cos\nsystem\n(S'exit 1'\ntR."
    answer = answer_bytes(request(), make_page(URL))
    with pytest.raises(Exception, match=r"plain values name nothing, got os\.system"):
        answer_from(answer, b"x", facts)


def test_a_request_comes_back_as_it_was_written_down():
    odd = request(
        "HTTP://A.example/\udc80#top",
        depth=3,
        purpose=Purpose.CHECK,
        method="HEAD",
        attempt=2,
        reach=Reach.PRIVATE,
    )
    back, _ = answer_from(answer_bytes(odd, make_page(URL)), b"", None)
    assert back == odd
    assert back.reach is Reach.PRIVATE


# Who may open it.


@pytest.mark.slow
def test_a_second_writer_is_told_who_the_first_is(path):
    """Two runs into one database at once: the second ends with one sentence."""
    with closing(Recorder.open(path, JOB)):
        program = (
            "import sys; from fetcher.store.database import Database\n"
            "try: Database(sys.argv[1])\n"
            "except Exception as error: print(error)"
        )
        told = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert told.strip() == (
            f"{path} is being written by process {os.getpid()}: one run at a time"
        )
        with pytest.raises(StoreError, match=f"by process {os.getpid()}"):
            Database(path)
    Database(path).close()


def test_readers_read_while_a_run_writes(path):
    with closing(Recorder.open(path, JOB)) as recorder:
        recorder.add(make_page(URL))
        assert contents(path).counts["pages"] == 0, "not saved yet"
        recorder.flush()
        assert contents(path).counts["pages"] == 1


def test_who_reads_cannot_write_and_writes_no_log_back(path):
    with closing(Recorder.open(path, JOB)) as recorder:
        recorder.add(make_page(URL))
        recorder.flush()
        before = sha(path), path.with_name("runs.db-wal").stat().st_size
        assert contents(path).counts["pages"] == 1
        assert problems(path) == []
        after = sha(path), path.with_name("runs.db-wal").stat().st_size
        assert after == before
        with open_for_reading(path) as connection, pytest.raises(sqlite3.Error):
            connection.execute("delete from pages")


def test_a_forked_child_cannot_use_the_connection(path):
    """SQLite's locks do not survive a fork; who tries is told."""
    with closing(Recorder.open(path, JOB)) as recorder:
        ours, theirs = multiprocessing.Pipe()

        def use():
            try:
                recorder.add(make_page(URL))
            except StoreError as error:
                theirs.send(str(error))

        child = multiprocessing.get_context("fork").Process(target=use)
        child.start()
        assert ours.poll(20)
        assert f"was opened by process {os.getpid()}" in ours.recv()
        child.join()
        recorder.add(make_page(URL))


def test_a_database_is_for_its_owner_alone(path):
    """It holds URLs as they are, with what is secret in them."""
    remember(path, make_page(URL))
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_lies_beside_a_database_that_was_closed(path):
    remember(path, make_page(URL))
    assert [each.name for each in path.parent.iterdir()] == ["runs.db"]


def foreign_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table theirs (x)")


def newer_database(path):
    remember(path, make_page(URL))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 99")


STRANGE = {
    "text": (
        lambda path: path.write_text("a list\n" * 40),
        "is no database of fetcher",
    ),
    "short": (lambda path: path.write_text("a list"), "is no database of fetcher"),
    "another's": (foreign_database, "is no database of fetcher"),
    "newer": (newer_database, "written by a newer fetcher (schema 99"),
    "a folder": (lambda path: path.mkdir(), "cannot be used: is a directory"),
}


@pytest.mark.parametrize(("make", "said"), STRANGE.values(), ids=STRANGE)
def test_what_is_not_ours_is_refused_and_left_as_it_is(path, make, said):
    """--db with the wrong file name costs a sentence, and never the file."""
    make(path)
    before = None if path.is_dir() else sha(path)
    for opened in (lambda: Recorder.open(path, JOB), lambda: contents(path)):
        with pytest.raises(StoreError) as refused:
            opened()
        assert said in str(refused.value)
        assert str(path) in str(refused.value)
    if before is not None:
        assert sha(path) == before
    assert [each.name for each in path.parent.iterdir()] == ["runs.db"]


@pytest.mark.parametrize("offset", [100, 4096, 8192], ids=["first", "second", "third"])
def test_a_corrupt_database_is_refused_and_left_as_it_is(path, offset):
    remember(path, make_page(URL, html=HTML.format("words")))
    content = bytearray(path.read_bytes())
    content[offset : offset + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    before = sha(path)
    with pytest.raises(StoreError, match="cannot be used") as refused:
        remember(path, make_page(URL, html=HTML.format("words")))
    assert "malformed" in str(refused.value)
    assert sha(path) == before


@pytest.mark.parametrize("place", ["missing/runs.db", "file/runs.db"])
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        Recorder.open(tmp_path / place, JOB)


def test_reading_a_database_that_is_not_there_makes_none(path):
    with pytest.raises(StoreError, match="there is no database"):
        contents(path)
    assert not path.exists()


def test_an_empty_file_becomes_a_database(path):
    path.touch()
    remember(path, make_page(URL))
    assert contents(path).counts["pages"] == 1


# Migrations.


FIRST_SCHEMA = Path(__file__).parent / "databases" / "schema1.sql"


@pytest.fixture
def first_schema(path):
    """A database that the first schema made, with a run that was killed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_SCHEMA.read_text())
        connection.execute(f"pragma application_id = {layout.APPLICATION_ID}")
        connection.execute("pragma user_version = 1")
        connection.execute("pragma journal_mode = wal")
    return path


def test_a_database_of_the_first_schema_loses_nothing(first_schema):
    """Runs, versions and bodies are what they were, under the tables of today."""
    tables = ("pages", "versions", "bodies", "links", "answers")
    before = {name: rows(first_schema, f"select * from {name}") for name in tables}
    assert [len(found) for found in before.values()] == [4, 3, 3, 3, 2]
    Database(first_schema).close()
    assert rows(first_schema, "pragma user_version") == [(layout.SCHEMA_VERSION,)]
    after = {name: rows(first_schema, f"select * from {name}") for name in tables}
    assert after == before
    assert rows(first_schema, "select * from heads") == []
    assert problems(first_schema) == []


def test_a_run_of_the_first_schema_is_continued(first_schema):
    """What an older fetcher was killed at, this one brings to its end."""
    with closing(Recorder.open(first_schema, JOB, resume=True)) as recorder:
        found = list(recorder.answers())
        assert [answer.request.url for answer in found] == [URL, f"{URL}b"]
        assert [answer.page.title for answer in found] == ["T", "T"]
        assert not found[0].page.not_modified
        recorder.finish(pages=2, fell_short=0, ok=True, interrupted=False)
    assert problems(first_schema) == []


@pytest.fixture
def two_steps(monkeypatch):
    """A further migration, as a later version of fetcher would have."""
    steps = (
        *layout.MIGRATIONS,
        ("create table later (x)", "insert into later values (1)"),
    )
    monkeypatch.setattr(layout, "MIGRATIONS", steps)
    monkeypatch.setattr(database, "SCHEMA_VERSION", len(steps))


def test_an_older_database_is_brought_up_to_date(path, request):
    remember(path, make_page(URL))
    request.getfixturevalue("two_steps")
    remember(path, make_page(URL))
    assert rows(path, "pragma user_version") == [(len(layout.MIGRATIONS),)]
    numbers = [number for (number,) in rows(path, "select version from migrations")]
    assert numbers == list(range(1, len(layout.MIGRATIONS) + 1))
    assert contents(path).counts["pages"] == 2


def test_a_migration_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    """Each step and the record of it are one transaction."""
    remember(path, make_page(URL))
    steps = (*layout.MIGRATIONS, ("create table later (x)", "insert into nowhere (1)"))
    monkeypatch.setattr(layout, "MIGRATIONS", steps)
    with pytest.raises(StoreError):
        Recorder.open(path, JOB)
    monkeypatch.undo()
    assert rows(path, "pragma user_version") == [(layout.SCHEMA_VERSION,)]
    assert rows(path, "select name from sqlite_master where name = 'later'") == []
    remember(path, make_page(URL))


# Continuing.


def test_answers_come_back_in_their_order_with_how_far_the_input_was_read(path):
    pages = [make_page(f"{URL}{n}", html=HTML.format(n)) for n in range(40)]
    with closing(Recorder.open(path, JOB)) as recorder:
        for number, page in enumerate(pages):
            recorder.add(page)
            recorder.keep(request(page.url), page, number)
    with closing(Recorder.open(path, JOB, resume=True)) as recorder:
        assert recorder.is_continued
        found = list(recorder.answers())
        assert [answer.page.__reduce__() for answer in found] == [
            page.__reduce__() for page in pages
        ]
        assert [answer.entries_read for answer in found] == list(range(40))
        asked = request(pages[7].url)
        assert recorder.take_answered(asked)
        assert not recorder.take_answered(asked), "once"
        assert not recorder.take_answered(request(f"{URL}new"))


def test_an_answer_is_saved_within_a_quarter_of_a_second_however_few_come(
    path, monkeypatch
):
    """Neither a commit for each page of a slow site, nor one for 50 of them."""
    now_s = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    with closing(Recorder.open(path, JOB)) as kept:
        assert kept.flush_if_due() == float("inf")
        kept.add(make_page(URL))
        kept.keep(request(), make_page(URL), 1)
        now_s += recorder.SAVED_WITHIN_S / 2
        assert kept.flush_if_due() == pytest.approx(recorder.SAVED_WITHIN_S / 2)
        assert contents(path).counts["answers"] == 0
        now_s += recorder.SAVED_WITHIN_S
        assert kept.flush_if_due() == float("inf")
        assert contents(path).counts["answers"] == 1
        kept.keep(request(), make_page(URL), 2)
        now_s += recorder.SAVED_WITHIN_S
        kept.keep(request(), make_page(URL), 3)  # also where there is no idle moment
        assert contents(path).counts["answers"] == 3


def test_a_finished_run_has_nothing_left(path):
    remember(path, make_page(URL), ok=False)
    with pytest.raises(NothingLeft, match="was finished") as told:
        Recorder.open(path, JOB, resume=True)
    assert told.value.ok is False


def test_a_run_is_continued_as_it_was_begun(path):
    remember(path, make_page(URL), finished=False)
    other = Job.of(["list.txt"], {"depth": 3}, version="1")
    with pytest.raises(ConfigError, match=r"was begun with depth 0 .* with 3"):
        Recorder.open(path, other, resume=True)


def test_another_list_in_the_same_database_is_another_job(path):
    remember(path, make_page(URL), finished=False)
    other = Job.of(["other.txt"], {"depth": 0}, version="1")
    remember(path, make_page(URL), job=other, resume=True)
    with closing(Recorder.open(path, JOB, resume=True)) as recorder:
        assert recorder.is_continued


def test_a_url_in_hand_at_three_deaths_is_set_aside(path):
    """The page that crashes the process each time does not do it a fourth time."""
    asked = request()
    for death in range(4):
        recorder = Recorder.open(path, JOB, resume=True)
        assert recorder.is_set_aside(asked) == (death == 3)
        recorder.take_in_hand(asked)
        # As a kill leaves it: the lock's file stays, with what was in hand.
        recorder._database._connection.close()
        recorder._database._lock.release()
    assert not Recorder.open(path, JOB, resume=True).is_set_aside(request(f"{URL}b"))


def test_what_ended_as_it_should_is_not_held_against_a_url(path):
    """Ctrl-C, or an error in the callback, takes no process down."""
    for _ in range(4):
        with closing(Recorder.open(path, JOB, resume=True)) as recorder:
            recorder.take_in_hand(request())
            assert not recorder.is_set_aside(request())


# What is forgotten.


def noise(seed: int) -> str:
    """Return 64 kB that no compression makes less than 32."""
    return "".join(hashlib.sha256(b"%d %d" % (seed, n)).hexdigest() for n in range(999))


def date_runs(path, *days_ago):
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, days in enumerate(days_ago, 1):
            at = time.time() - days * 86_400
            connection.execute(
                "update runs set started_at = ? where id = ?", (at, number)
            )


def pruned(path, *, days=365.0, max_bytes=10**9):
    with closing(Database(path)) as opened:
        return prune(opened, max_age=timedelta(days=days), max_bytes=max_bytes)


def test_old_runs_are_forgotten_but_not_the_last_of_a_job(path):
    for number in range(3):
        remember(path, make_page(f"{URL}{number}", html=HTML.format(number)))
    date_runs(path, 500, 400, 390)
    assert pruned(path).runs == 2
    assert [run.number for run in contents(path).runs] == [3]
    counts = contents(path).counts
    assert (counts["pages"], counts["versions"], counts["bodies"]) == (1, 1, 1)
    assert rows(path, "select url from urls order by url") == [
        (f"{URL}2",),
        (f"{URL}a",),
    ]
    assert problems(path) == []


def test_a_run_that_can_be_continued_is_never_too_much_but_gets_too_old(path):
    """One that nobody has continued for a year does not stay for ever."""
    remember(path, make_page(URL, html=HTML.format("words")), finished=False)
    assert pruned(path, max_bytes=0).runs == 0
    assert contents(path).counts["answers"] == 1
    date_runs(path, 500)
    assert pruned(path).runs == 1
    counts = contents(path).counts
    assert (counts["answers"], counts["bodies"], counts["urls"]) == (0, 0, 0)


@pytest.mark.slow
def test_too_much_is_made_less_oldest_first(path):
    """Bodies go before runs, and the newest body of a page never."""
    for number in range(4):
        remember(path, make_page(URL, html=HTML.format(noise(number))))
    with open_for_reading(path) as connection:
        used = used_bytes(connection)
    assert pruned(path, max_bytes=used - 1).bodies == 3
    assert len(contents(path).runs) == 4
    assert pruned(path, max_bytes=0).runs == 3
    counts = contents(path).counts
    assert (counts["runs"], counts["bodies"], counts["pages"]) == (1, 1, 1)


@pytest.mark.slow
def test_room_is_used_again_and_given_back_only_on_demand(path):
    for number in range(4):
        remember(path, make_page(URL, html=HTML.format(noise(number))))
    size = path.stat().st_size
    pruned(path, max_bytes=0)
    assert path.stat().st_size == size, "a run never compacts"
    with closing(Database(path)) as opened:
        compact(opened)
    assert path.stat().st_size < size


def test_a_finished_run_prunes_by_itself(path, monkeypatch):
    remember(path, make_page(URL))
    remember(path, make_page(URL))
    date_runs(path, 500, 400)
    remember(path, make_page(URL))
    assert [run.number for run in contents(path).runs] == [3]


def test_check_names_what_is_wrong(path):
    remember(path, make_page(URL, html=HTML.format("words")))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("delete from bodies")
    assert problems(path) == ["1 versions whose body is gone"]


def test_a_disk_that_is_full_is_told_once_and_the_run_goes_on(path, monkeypatch):
    """The store writes nothing more; the pages still come, and what was saved stays."""
    recorder = Recorder.open(path, JOB)
    recorder.add(make_page(URL))
    recorder.flush()
    recorder._execute("pragma max_page_count = 1")  # SQLite then says what a disk does
    page = make_page(f"{URL}b", html=HTML.format(os.urandom(99_999).hex()))
    with pytest.raises(StoreError, match="the disk is full"):
        recorder.add(page)
    recorder.add(page)
    recorder.keep(request(), page, 1)
    recorder.finish(pages=1, fell_short=0, ok=True, interrupted=False)
    recorder.close()
    assert contents(path).counts["pages"] == 1
    assert problems(path) == []


DOCUMENT = (Path(__file__).parent.parent / "docs/reference/db.md").read_text()


def test_the_questions_of_the_reference_are_answered(path):
    """Each query in docs/reference/db.md runs, and finds what it is said to."""
    asked = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(asked) == 3
    gone = make_page("https://example.com/gone", 404, "<title>Gone</title>")
    link = '<title>T</title><a href="/gone">x</a>'
    remember(path, gone, make_page("https://example.com/", html=link))
    short, times, linking = [rows(path, sql) for sql in asked]
    assert short == [("https://example.com/gone", "broken", 404, None)]
    assert [seconds for _, seconds in times] == [make_page().timings.total_s]
    assert linking == [("https://example.com/",)]


def test_every_column_is_in_the_reference(path):
    remember(path, make_page(URL))
    for (table,) in rows(path, "select name from sqlite_master where type = 'table'"):
        for _, column, *_ in rows(path, f"pragma table_info({table})"):
            assert f"`{table}`" in DOCUMENT or f"## {table}\n" in DOCUMENT
            assert f"`{column}`" in DOCUMENT, f"{table}.{column}"


def test_the_lock_record_has_the_size_that_is_written_at_once():
    assert database.LOCK.size == struct.calcsize("<4q")


def test_a_failure_of_a_page_says_who_failed():
    page = make_page(URL, failure=Failure(Kind.TOO_LARGE, "more than 10 MB"))
    back = written_and_read(page)
    assert back.reason == page.reason
