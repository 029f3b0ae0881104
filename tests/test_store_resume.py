"""A run that is killed and continued ends as one that was not.

A kill is a copy of the database as it lies on the disk at that moment: nothing that the
process would have written later is in it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from fetcher import ConfigError, NothingLeft, Page, StoreError, crawl
from fetcher.backlog import mark_of
from fetcher.models import Failure, Kind, Request, State
from fetcher.store import layout, recorder
from fetcher.store.database import Database
from fetcher.store.reading import contents, problems
from fetcher.store.recorder import STRIKES, Recorder
from fetcher.store.restoring import answer_bytes, answer_from
from fetcher.testing import make_page
from tests.campaigns.resume import campaign, timeless
from tests.servers import serve, stall_before_head

ROOT = Path(__file__).parent.parent
SITE = "http://site.example/"
SMALL_TREE = 15


def tree(number: int) -> str:
    """Return a page of a tree of 15, with a broken link, a fragment and a quotation."""
    children = [n for n in (2 * number + 1, 2 * number + 2) if n < SMALL_TREE]
    links = [f"{SITE}{n}" for n in children]
    links += [f"{SITE}0#there", f"{SITE}0#nowhere", f"{SITE}gone{number % 2}"]
    links += [f"{SITE}0#:~:text=words%20of%200", f"{SITE}0#:~:text=others"]
    anchors = "".join(f'<a href="{url}">{url}</a>' for url in links)
    return f"<title>{number}</title><p id=there>words of {number}</p>{anchors}"


def answer(url: str) -> Page:
    path = url.removeprefix(SITE)
    if path == "robots.txt":
        text = f"User-agent: *\nDisallow: /5\nSitemap: {SITE}sitemap.xml\n"
        return make_page(url, html=text, headers={"Content-Type": "text/plain"})
    if path == "sitemap.xml":
        rows = f"<url><loc>{SITE}orphan</loc></url><url><loc>{SITE}1</loc></url>"
        text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</urlset>'
        return make_page(url, html=text, headers={"Content-Type": "application/xml"})
    if path == "picture":
        return make_page(url, html=b"\x89PNG", headers={"Content-Type": "image/png"})
    if path == "orphan" or path.isdigit():
        return make_page(url, html=tree(int(path) if path.isdigit() else 7))
    return make_page(url, 404, "<title>404</title>")


class OnePool:
    """Answers in the order asked, one request at a time."""

    def __init__(self, on_ask=lambda _: None) -> None:
        self.asked: list[str] = []
        self._on_ask = on_ask

    def apply_async(
        self, func, args=(), kwds=None, callback=None, error_callback=None
    ) -> None:
        errand, _ = args
        url = errand.url
        self.asked.append(url)
        self.facts = errand.facts
        self._on_ask(url)
        callback(answer(url))

    def close(self) -> None: ...
    def join(self) -> None: ...
    def terminate(self) -> None: ...


JOBS = {
    "a list": ([f"{SITE}{n}" for n in range(12)] + ["no url", f"{SITE}picture"], {}),
    "a list with a limit": ([f"{SITE}{n}" for n in range(12)], {"max_pages": 7}),
    "a site": ([SITE + "0"], {"depth": 3}),
    "a site and its sitemap": ([SITE + "0"], {"depth": 3, "sitemap": True}),
    "a site with a limit": ([SITE + "0"], {"depth": 3, "max_pages": 9}),
    "a site, robots.txt for all": (
        [SITE + "0", SITE + "5"],
        {"depth": 2, "obey_robots": True},
    ),
    "a site without robots.txt": ([SITE + "0"], {"depth": 3, "ignore_robots": True}),
    "a site, parsed in workers": ([SITE + "0"], {"depth": 2, "analyse_in": "workers"}),
}


def run(job, folder: Path, pool: OnePool, **options):
    urls, more = job
    return crawl(
        urls,
        pool=pool,
        db=folder / "runs.db",
        output=[folder / "out.json"],
        retries=0,
        concurrency=1,
        **{**more, **options},
    )


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Every other answer is saved at once, so that a short run can be killed midway."""
    monkeypatch.setattr(recorder, "ANSWERS_PER_COMMIT", 2)


def outputs(folder: Path) -> object:
    return timeless(json.loads((folder / "out.json").read_text()))


def killed_at(job, folder: Path, moment: int, **options) -> tuple[Path, list[str]]:
    """Return the database as a kill at the n-th request leaves it, and the requests."""
    left = folder / f"killed{moment}"
    left.mkdir()
    whole = folder / f"going{moment}"
    whole.mkdir()

    def take(_: str) -> None:
        if len(pool.asked) == moment:
            copy_of(whole, left)

    pool = OnePool(take)
    run(job, whole, pool, **options)
    return left, pool.asked[: moment - 1]


def copy_of(there: Path, here: Path) -> None:
    for path in there.glob("runs.db*"):
        if not path.name.endswith("-shm"):  # memory, which a kill ends
            shutil.copy(path, here / path.name)


def is_probe(url: str) -> bool:
    return len(url) == len(SITE) + 16


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_run_that_is_continued_ends_as_an_unbroken_one(job, tmp_path):
    """Killed at any request: nothing is asked twice, and the outputs are the same."""
    whole = OnePool()
    report = run(job, tmp_path, whole)
    expected = outputs(tmp_path)
    for moment in range(1, len(whole.asked) + 1, 3):
        folder, had = killed_at(job, tmp_path, moment)
        pool = OnePool()
        continued = run(job, folder, pool, resume=True)
        assert outputs(folder) == expected, f"killed at request {moment}"
        assert str(continued).partition(" in ")[0] == str(report).partition(" in ")[0]
        again = {url for url in had if not is_probe(url)} & set(pool.asked)
        # What is checked and then fetched is asked for twice by an unbroken run too.
        again = {url for url in again if whole.asked.count(url) == 1}
        assert len(again) <= 1, "the one that was not saved yet"
        asked = {url for url in [*had, *pool.asked] if not is_probe(url)}
        assert asked == {url for url in whole.asked if not is_probe(url)}
        assert problems(folder / "runs.db") == []
        assert contents(folder / "runs.db").counts["answers"] == 0


def test_the_callback_has_each_page_once_in_all(tmp_path):
    """What was saved before the kill had been shown; it is not shown again."""
    job = JOBS["a list"]
    first: list[str] = []
    left = tmp_path / "left"
    left.mkdir()

    def note(page: Page) -> None:
        first.append(page.url)
        if len(first) == 6:
            stop.set()

    stop = threading.Event()
    urls = job[0]
    with_db = {"db": tmp_path / "runs.db", "pool": OnePool(), "concurrency": 1}
    crawl(urls, note, stop=stop, **with_db)
    later: list[str] = []
    report = crawl(urls, lambda page: later.append(page.url), resume=True, **with_db)
    shown = first[:6] + later
    assert sorted(set(shown)) == sorted(urls)
    assert report.total == len(urls)


def test_a_run_that_was_interrupted_can_be_continued(tmp_path):
    """Ctrl-C, --max-time: the outputs hold what came; --resume brings the rest."""
    urls = [f"{SITE}{n}" for n in range(12)]

    def interrupt(page: Page) -> None:
        if page.url.endswith("/5"):
            raise KeyboardInterrupt

    pool = OnePool()
    options = {"db": tmp_path / "runs.db", "concurrency": 1, "pool": pool}
    with pytest.raises(KeyboardInterrupt):
        crawl(urls, interrupt, **options)
    assert contents(tmp_path / "runs.db").runs[0].state == "interrupted"
    asked = list(pool.asked)
    report = crawl(urls, resume=True, **options)
    assert report.total == 12
    assert report.ok
    assert sorted(pool.asked) == sorted(urls), "each once: the sixth was saved too"
    assert len(asked) < 12
    assert contents(tmp_path / "runs.db").runs[0].state == "finished"


def test_stopping_again_right_away_loses_and_doubles_nothing(tmp_path):
    """A continued run that is stopped before it asked for anything."""
    urls = [f"{SITE}{n}" for n in range(12)]
    job = (urls, {})
    folder, _ = killed_at(job, tmp_path, 9)
    stop = threading.Event()
    stop.set()
    report = run(job, folder, OnePool(), resume=True, stop=stop)
    rows = json.loads((folder / "out.json").read_text())["pages"]
    assert len({row["url"] for row in rows}) == len(rows) == report.total
    assert report.by_state[State.OK] == 8
    report = run(job, folder, OnePool(), resume=True)
    assert report.by_state[State.OK] == report.total == 12


def test_a_continued_run_counts_its_time_from_its_beginning(tmp_path):
    job = JOBS["a list"]
    folder, _ = killed_at(job, tmp_path, 5)
    began = contents(folder / "runs.db").runs[0].started_at
    report = run(job, folder, OnePool(), resume=True)
    assert report.started_at == began
    assert len(contents(folder / "runs.db").runs) == 1


def test_workers_read_the_facts_that_are_remembered(tmp_path):
    """The parent parses the first few pages of a new database, and then none."""
    pool = OnePool()
    crawl([f"{SITE}{n}" for n in range(9)], pool=pool, db=tmp_path / "runs.db")
    assert {"title", "links", "text_hash"} <= set(pool.facts)
    pool = OnePool()
    crawl([f"{SITE}{n}" for n in range(9)], pool=pool, db=tmp_path / "runs.db")
    assert "links" not in pool.facts, "nothing changed: nothing is read"


def test_a_finished_run_is_not_begun_again(tmp_path):
    """`--resume` in a loop ends: nothing is asked for, no output is touched."""
    job = JOBS["a list"]
    run(job, tmp_path, OnePool())
    before = (tmp_path / "out.json").read_bytes()
    pool = OnePool()
    with pytest.raises(NothingLeft):
        run(job, tmp_path, pool, resume=True)
    assert pool.asked == []
    assert (tmp_path / "out.json").read_bytes() == before
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out.json", "runs.db"], "and nothing half written is left"


def test_without_a_database_nothing_can_be_continued():
    with pytest.raises(ConfigError, match="resume= needs the db="):
        crawl([SITE], resume=True)


@pytest.mark.slow
def test_other_options_do_not_continue_a_run(tmp_path):
    """Half a run with one depth and half with another would be neither."""
    job = JOBS["a site"]
    folder, _ = killed_at(job, tmp_path, 5)
    with pytest.raises(ConfigError, match="was begun with depth 3 and cannot be"):
        run((job[0], {"depth": 2}), folder, OnePool(), resume=True)
    run(job, folder, OnePool(), resume=True)


def killed_in_hand(folder: Path, url: str) -> None:
    """Leave the lock's file as a process does that was killed with a URL in hand."""
    asked = Request(url=url, key=url)
    with closing(Database(folder / "runs.db")) as database:
        number = database.connection.execute("select max(id) from runs").fetchone()[0]
        database.connection.execute("update runs set state = 'running'")
        database.take_in_hand(number, mark_of(asked))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 11], ids=["before it was saved", "after"])
def test_a_url_that_kills_the_process_is_set_aside_and_named(tmp_path, moment):
    """After three deaths the run ends without it, and says which one it was."""
    job = ([f"{SITE}{n}" for n in range(12)], {})
    folder, _ = killed_at(job, tmp_path, moment)
    stop = threading.Event()
    stop.set()
    for _ in range(STRIKES):
        run(job, folder, OnePool(), resume=True, stop=stop)
        killed_in_hand(folder, f"{SITE}5")
    pool = OnePool()
    report = run(job, folder, pool, resume=True)
    assert report.total == 12
    ((url, _, _, kind, reason),) = report.shortfalls
    assert (url, kind) == (f"{SITE}5", Kind.ANALYSIS_CRASHED)
    assert "killed 3 times while it had this page in hand" in reason
    assert f"{SITE}5" not in pool.asked


def test_a_store_that_breaks_does_not_cost_the_outputs(tmp_path, monkeypatch):
    """A full disk under the database: the pages are written, and the error is told."""
    add = Recorder.add

    def full(self, page, findings=()):
        if page.url.endswith("/5"):
            self._break()
            raise StoreError("the database cannot be used: the disk is full")
        add(self, page, findings)

    monkeypatch.setattr(Recorder, "add", full)
    job = ([f"{SITE}{n}" for n in range(12)], {})
    with pytest.raises(StoreError, match="the disk is full"):
        run(job, tmp_path, OnePool())
    rows = json.loads((tmp_path / "out.json").read_text())["pages"]
    assert [row["url"] for row in rows] == job[0][:6]
    assert rows[5]["state"] == "ok"


def test_what_crashed_workers_is_remembered_as_such(tmp_path):
    page = make_page(SITE + "1", failure=Failure(Kind.ANALYSIS_CRASHED, "twice"))
    back = answer_from(answer_bytes(Request(url=page.url), page), page.content, None)[1]
    assert back.facts is None


@pytest.mark.slow
def test_a_kill_in_each_phase_of_the_command_costs_nothing(tmp_path):
    """SIGKILL at random moments; `python -m tests.campaigns.resume` does it longer."""
    for outcome in campaign(tmp_path, kills=12, pages=40, seed=4, says=False):
        assert outcome.kills.total() > 0
        assert outcome.wrong == []


# The command.


def fetcher(*arguments: object, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fetcher", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        check=False,
        **more,
    )


@pytest.fixture
def remembered(tmp_path):
    path = tmp_path / "runs.db"
    run(JOBS["a list"], tmp_path, OnePool())
    return path


@pytest.mark.slow
def test_the_command_tells_what_a_database_holds(remembered):
    told = fetcher("db", "info", remembered)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith(
        f"{remembered}: schema {layout.SCHEMA_VERSION}, SQLite 3."
    )
    assert "14 pages" in lines[2]
    assert lines[3].startswith("run 1  2")
    assert "finished, 14 pages, 1 fell short" in lines[3]
    told = fetcher("db", "check", remembered)
    assert (told.returncode, told.stdout) == (0, f"{remembered} is whole\n")


@pytest.mark.slow
def test_the_command_makes_a_database_smaller(remembered, tmp_path):
    for _ in range(2):
        run(JOBS["a list"], tmp_path, OnePool())
    told = fetcher("db", "prune", remembered, "--max-age", "0s", "--vacuum")
    assert told.stdout == "2 runs and 0 bodies forgotten\n", told.stderr
    assert len(contents(remembered).runs) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", ["info", "check", "prune"])
def test_the_command_says_in_one_sentence_that_a_file_is_none_of_ours(
    command, tmp_path
):
    path = tmp_path / "list.txt"
    told = fetcher("db", command, path)
    assert told.returncode == 3
    assert told.stderr == f"fetcher: there is no database {path}\n"
    path.write_text("http://site.example/\n" * 20)
    told = fetcher("db", command, path)
    assert told.returncode == 3
    assert told.stderr.count("\n") == 1
    assert "is no database of fetcher's: it is left as it is" in told.stderr


@pytest.mark.slow
def test_the_command_ends_as_the_finished_run_did_when_nothing_is_left(tmp_path):
    lines = tmp_path / "list.txt"
    lines.write_text("no url at all\n")
    first = fetcher(lines, "--db", tmp_path / "runs.db", "--resume")
    assert first.returncode == 1, first.stderr
    again = fetcher(lines, "--db", tmp_path / "runs.db", "--resume")
    assert again.returncode == 1
    assert again.stdout == ""
    assert "was finished: there is nothing left to do" in again.stderr


@pytest.mark.slow
def test_resume_without_a_database_is_a_mistake(tmp_path):
    told = fetcher(SITE, "--resume")
    assert told.returncode == 2
    assert "--resume needs the --db" in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("--version", "-v"), ("-v", "--version")])
def test_the_version_of_sqlite_is_told_on_request(flags):
    """Which SQLite it is decides which of its faults are there."""
    told = fetcher(*flags)
    assert told.returncode == 0
    assert told.stdout.splitlines()[1].startswith("SQLite 3.")


@pytest.mark.slow
def test_sqlite_is_not_loaded_without_a_database(tmp_path):
    program = "import sys, fetcher.cli, fetcher.engine; print('sqlite3' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert told.stdout.strip() == "False"


@pytest.mark.slow
def test_ctrl_c_ends_a_remembered_run_that_can_be_continued(tmp_path):
    with serve(stall_before_head) as server:
        path = tmp_path / "runs.db"
        process = subprocess.Popen(
            [sys.executable, "-m", "fetcher", server.url, "--db", path, "-q"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        while not server.heads:
            assert process.poll() is None
            server.stopping.wait(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert contents(path).runs[0].state == "interrupted"
