"""The run that another is compared with, read from whatever remembers it."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fetcher import crawl
from fetcher.changes import compare
from fetcher.cli import main
from fetcher.earlier import earlier_run
from fetcher.errors import ConfigError, InputError, StoreError
from tests.servers import by_path, message, serve

ROW = {"url": "https://a.example/", "state": "ok", "status": 200}


def page(text, link="/b"):
    body = f"<title>T</title><p>{text}</p><a href={link}>b</a>"
    return message(body.encode(), "200 OK", "Content-Type: text/html")


@pytest.fixture
def answers():
    return {"/a": page("one"), "/b": page("two"), "/c": page("three")}


@pytest.fixture
def site(answers):
    with serve(by_path(answers)) as server:
        yield server


def run(site, path, *names, **how):
    urls = [f"{site.url}{name}" for name in ("a", "b", "c")]
    outputs = [path / name for name in names]
    how = {"check_links": True, "ignore_robots": True, "retries": 0, **how}
    return crawl(urls, output=outputs, workers=1, **how)


@pytest.mark.slow
def test_a_run_is_the_same_from_database_json_and_jsonl(site, tmp_path, answers):
    """From whichever file: nothing changed, and what did is found."""
    run(site, tmp_path, "1.json", "1.jsonl", db=tmp_path / "runs.db")
    named = [tmp_path / name for name in ("1.json", "1.jsonl", "runs.db", "runs.db:1")]
    for one in named:
        for other in named:
            with earlier_run(one) as before, earlier_run(other) as after:
                assert not compare(before, after).has_news, (one, other)
    answers["/b"] = message(b"no", "404 Not Found")
    run(site, tmp_path, db=tmp_path / "runs.db")
    found = {}
    for one in named[:2]:
        with earlier_run(one) as before, earlier_run(named[2]) as after:
            found[one.suffix] = [each.kind for each in compare(before, after).listed]
    assert found == {".json": ["page-broken", "link-broken"], ".jsonl": ["page-broken"]}


@pytest.mark.slow
def test_a_file_is_a_baseline_without_any_database(
    site, tmp_path, answers, monkeypatch
):
    """The run is remembered in a temporary file that is gone afterwards."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run(site, tmp_path, "1.json")
    answers["/a"] = page("another")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    changes = run(site, tmp_path, baseline=tmp_path / "1.json").changes
    assert [(each.kind, each.note) for each in changes.listed] == [
        ("text", "what it said before is not at hand")
    ]
    assert not list(temporary.iterdir())


@pytest.mark.slow
def test_a_filter_of_the_text_decides_what_changed(site, tmp_path, answers):
    """What `--diff-css` does not find may change every day."""
    db = tmp_path / "runs.db"
    command = ["-q", "--db", str(db), "--workers", "1", "--no-check-links"]
    command += [f"{site.url}a", f"{site.url}c"]
    answers["/a"] = page("<i>12:00</i><p>kept")
    assert main(command) == 0
    answers["/a"] = page("<i>12:01</i><p>kept")
    assert main(command) == 0
    diff = ["diff", f"{db}:1", f"{db}:2"]
    assert main(diff) == 1
    assert main([*diff, "--diff-ignore", r"^\d+:\d+$"]) == 0
    assert main([*diff, "--diff-xpath", "//p[2]"]) == 0
    assert main([*diff, "--diff-css", "i"]) == 1


@pytest.mark.slow
def test_fail_on_new_is_for_what_was_not_so_before(site, tmp_path, answers, capsys):
    """Exit code 1 once, when it begins; without a baseline for whatever is wrong."""
    answers["/b"] = message(b"no", "404 Not Found")
    command = [f"{site.url}b", f"{site.url}c", "-q", "--retries", "0", "--workers", "1"]
    new = [*command, "--fail-on", "new", "--db", str(tmp_path / "runs.db")]
    assert main(new) == 1
    assert main(new) == 0
    answers["/c"] = message(b"no", "500 Oh")
    assert main(new) == 1
    assert main(new) == 0
    assert main([*command, "--fail-on", "none"]) == 0
    assert main(command) == 1
    assert main([*command, "--fail-on", "none", "-o", "/nowhere/x.json"]) == 3
    capsys.readouterr()
    assert main([*command, "--fail-on", "new", "--nagios"]) == 3
    assert "leave --fail-on out" in capsys.readouterr().out


BROKEN = {
    "nothing of ours": (b"hello\n", "line 1 of {} is not fetcher's: no JSON"),
    "no object": (b"[1]\n", "line 1 of {} is not fetcher's: no object"),
    "no url": (b'{"state": "ok"}\n', "line 1 of {} is not fetcher's: it has no url"),
    "state": ({**ROW, "state": "fine"}, "line 1 of {}: state is none of a page's"),
    "status": ({**ROW, "status": "200"}, "line 1 of {}: status is a whole number"),
    "truth": ({**ROW, "status": True}, "line 1 of {}: status is a whole number"),
    "hops": ({**ROW, "hops": 1}, "line 1 of {}: hops is a list"),
    "hop": ({**ROW, "hops": [1]}, "line 1 of {}, hops is not fetcher's"),
    "robots": ({**ROW, "text_hash": "1", "robots": [1]}, "line 1 of {}: robots is a"),
    "deep": (b'{"a":' * 100_000, "line 1 of {} is not fetcher's: no JSON"),
    "second": (json.dumps(ROW).encode() + b"\n{}\n", "line 2 of {} is not fetcher's"),
    "cut short": (b'{"pages":[\n' + json.dumps(ROW).encode(), "{} ends before"),
    "no report": (b'{"pages":[\n],\n"repo', "line 3 of {} is not fetcher's"),
    "report": (b'{"pages":[\n],\n"report":{}x}', "the report in {} is not fetcher's"),
    "certificate": (
        {**ROW, "certificate": {"not_before": "soon"}},
        "line 1 of {}, certificate: not_before is no moment: 'soon'",
    ),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_row_of_ours_is_told_with_its_place(tmp_path, content, said, capsys):
    """One sentence with file and line, and exit code 2."""
    path = tmp_path / "x.jsonl"
    text = json.dumps(content).encode() if isinstance(content, dict) else content
    path.write_bytes(text)
    with pytest.raises(InputError) as refused, earlier_run(path):
        pass
    assert said.format(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert main(["diff", str(path), str(path)]) == 2
    assert capsys.readouterr().err.startswith("fetcher: ")


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ("nothing.json", InputError),
        ("empty.jsonl:2", ConfigError),
        ("other.db", StoreError),
        (".", InputError),
        ("a\0b", InputError),
    ],
)
def test_a_file_that_holds_no_run_is_refused(tmp_path, monkeypatch, named, error):
    """What is not there, not ours, or has no run of that number."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(error), earlier_run(named):
        pass


def test_a_file_whose_name_ends_in_a_number_is_that_file(tmp_path):
    """FILE:RUN is a run only where there is no file of the whole name."""
    (tmp_path / "x:1").write_text(json.dumps(ROW))
    with earlier_run(tmp_path / "x:1") as found:
        assert [each.url for each in found.pages()] == [ROW["url"]]


def test_a_baseline_that_is_not_there_is_known_before_anything_is_fetched(tmp_path):
    """No request, no output, no run in the database."""
    for how, said in (
        ({"baseline": 3}, "needs the db="),
        ({"baseline": "x.json"}, "there is no file x.json"),
        ({"text_filter": 3, "db": tmp_path / "r.db"}, "text_filter is a Filter"),
        ({"baseline": 3, "db": tmp_path / "r.db"}, "there is no file"),
    ):
        with pytest.raises((ConfigError, InputError), match=said):
            crawl(["http://127.0.0.1:1/"], **how)
    assert not list(tmp_path.iterdir())


def test_a_database_of_the_first_schema_is_read_as_it_is(tmp_path):
    """Nothing is migrated by who only reads, and nothing is missing."""
    path = tmp_path / "runs.db"
    schema = Path(__file__).parent / "databases/schema1.sql"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema.read_text())
        connection.execute("pragma application_id = 0x66657472")
        connection.execute("pragma user_version = 1")
        connection.execute("update runs set state = 'finished' where id = 2")
        connection.commit()
    with earlier_run(f"{path}:1") as before, earlier_run(f"{path}:2") as after:
        assert [each.kind for each in compare(before, after).listed if each.kind]
        assert after.samples(next(after.pages()).url)


def test_how_long_a_304_took_says_nothing_of_the_page(tmp_path):
    """A page that is fetched whole again is not slower than its 304s were."""
    path = tmp_path / "runs.jsonl"
    row = {**ROW, "timings": {"ttfb_s": 0.25, "transfer_s": 0.25}}
    rows = [row, {**row, "url": "https://b.example/", "not_modified": True}]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    with earlier_run(path) as found:
        assert [each.time_s for each in found.pages()] == [0.5, None]


def test_a_line_without_end_is_not_held(tmp_path, monkeypatch):
    """What is longer than any row of ours is refused before it is read to its end."""
    monkeypatch.setattr("fetcher.earlier.ROW_MAX_BYTES", 1_000)
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + "x" * 10_000)
    said = f"line 2 of {path} is longer than 1,000 bytes"
    with pytest.raises(InputError, match=said), earlier_run(path):
        pass


@pytest.mark.slow
def test_a_run_that_is_continued_is_compared_as_an_unbroken_one(
    site, tmp_path, answers
):
    """What came before the interruption counts, and links are remembered once."""
    db = tmp_path / "runs.db"
    run(site, tmp_path, db=db)
    answers["/b"] = message(b"no", "404 Not Found")

    def interrupt(page):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(site, tmp_path, db=db, callback=interrupt)
    changes = run(site, tmp_path, db=db, resume=True).changes
    found = [(each.kind, each.url) for each in changes.listed]
    assert found == [("page-broken", f"{site.url}b"), ("link-broken", f"{site.url}b")]


@pytest.mark.slow
def test_a_run_that_is_stopped_makes_nothing_gone(site, tmp_path):
    """`--max-pages` and a soft stop: what was not come to is not told."""
    db = tmp_path / "runs.db"
    run(site, tmp_path, db=db)
    stop = threading.Event()
    report = run(site, tmp_path, db=db, stop=stop, callback=lambda page: stop.set())
    assert report.interrupted
    assert "page-gone" not in report.changes.counts
    assert report.changes.remarks == [
        "the run did not come to its end: what is gone is not told"
    ]
    for _ in range(2):
        changes = run(site, tmp_path, db=db, max_pages=1, check_links=False).changes
        assert not changes.has_news
        assert changes.remarks
