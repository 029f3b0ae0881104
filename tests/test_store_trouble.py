"""Trouble with the file of --db, as who runs the command meets it.

Whatever it is: one sentence, exit code 3, and nothing is lost that was there.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from fetcher.store.database import Database
from fetcher.store.reading import contents, problems
from tests.servers import by_path, message, serve

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = 200
NOISE_BYTES = 60_000  # of a page; compressed, 200 of them need more than 4 MB


def fetcher(*arguments, within=()):
    """Run the command, behind another one if that is given."""
    command = (sys.executable, "-m", "fetcher")
    return subprocess.run(
        [*within, *command, *map(str, arguments)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=100,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        check=False,
    )


def told_once(told) -> str:
    """Return the sentence that a run ended with, the only one."""
    assert told.returncode == 3, told.stderr
    assert told.stderr.startswith("fetcher: "), told.stderr
    assert told.stderr.count("\n") == 1, told.stderr
    return told.stderr


def mounted(script: str, *values: object) -> list[str]:
    """Return what runs a command where a script has mounted something of its own."""
    unshare = ["unshare", "-rm"]
    if shutil.which("unshare") is None or _fails(
        [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"]
    ):
        pytest.skip("this machine or this user may not mount anything")
    return [*unshare, "sh", "-c", script, "sh", *map(str, values)]


def _fails(command) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def sha(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def listed(tmp_path):
    """A list of one page that nobody serves: trouble is to come before it is asked."""
    path = tmp_path / "list.txt"
    path.write_text("http://127.0.0.1:1/\n")
    return path


@pytest.fixture
def remembered(tmp_path, listed):
    """A database in a folder of its own, with one finished run."""
    path = tmp_path / "kept" / "runs.db"
    path.parent.mkdir()
    told = fetcher(listed, "--db", path, "--quiet", "--retries", "0")
    assert told.returncode == 1, told.stderr
    return path


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 3000] = b"\xff" * 3000
    path.write_bytes(content)


def foreign(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table theirs (x)")


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma user_version = 99")


TROUBLE = {
    "corrupt": (overwritten, "malformed"),
    "foreign": (foreign, "is no database of fetcher's: it is left as it is"),
    "a list": (
        lambda path: path.write_text("http://site.example/\n" * 20),
        "is no database of fetcher's: it is left as it is",
    ),
    "newer": (newer, "was written by a newer fetcher (schema 99"),
}


@pytest.mark.parametrize(("make", "said"), TROUBLE.values(), ids=TROUBLE)
def test_a_file_that_cannot_be_used_costs_a_sentence_and_is_left(
    remembered, listed, make, said
):
    make(remembered)
    before = sha(remembered)
    assert said in told_once(fetcher(listed, "--db", remembered))
    assert sha(remembered) == before
    assert [each.name for each in remembered.parent.iterdir()] == ["runs.db"]


def test_a_second_run_is_told_who_is_writing(remembered, listed):
    """From cron, the next run may begin before the last one has ended."""
    with closing(Database(remembered)):
        before = sha(remembered)
        sentence = told_once(fetcher(listed, "--db", remembered))
        assert f"is being written by process {os.getpid()}: one run" in sentence
        assert sha(remembered) == before
    assert problems(remembered) == []


@pytest.mark.parametrize("is_there", [True, False], ids=["a database", "none yet"])
def test_a_folder_that_cannot_be_written_is_a_sentence(remembered, listed, is_there):
    folder = remembered.parent
    if not is_there:
        remembered.unlink()
    script = (
        'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99\n'
        'shift; exec "$@"'
    )
    within = mounted(script, folder)
    told = fetcher(listed, "--db", remembered, within=within)
    sentence = told_once(told)
    assert "cannot be used: read-only file system" in sentence
    assert str(remembered) in sentence
    assert len([*folder.iterdir()]) == is_there
    if is_there:
        assert problems(remembered) == []
        assert len(contents(remembered).runs) == 1


def noise_of(number: int) -> bytes:
    noise = random.Random(number).randbytes(NOISE_BYTES // 2).hex()
    return message(f"<!doctype html><title>{number}</title><p>{noise}</p>".encode())


def states_in(path) -> Counter[str]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return Counter(row["state"] for row in rows)


def test_a_full_disk_ends_the_run_and_costs_nothing_that_was_saved(
    remembered, tmp_path
):
    """4 MB of room: what was there and what was saved stays; with room it goes on."""
    small = tmp_path / "small"
    small.mkdir()
    script = (
        'mount -t tmpfs -o size=4m none "$1" && cp -p "$2"/* "$1" || exit 99\n'
        'small=$1 kept=$2; shift 2; "$@"; code=$?; cp -p "$small"/* "$kept"; exit $code'
    )
    within = mounted(script, small, remembered.parent)
    pages = {f"/{number}": noise_of(number) for number in range(PAGES)}
    with serve(by_path(pages)) as server:
        listed = tmp_path / "many.txt"
        listed.write_text("".join(f"{server.url}{number}\n" for number in range(PAGES)))
        shown = tmp_path / "pages.jsonl"
        asked = (listed, "--resume", "--quiet", "--per-host", "6", "-o", shown)
        told = fetcher(*asked, "--db", small / "runs.db", within=within)
        assert "cannot be used: the disk is full" in told_once(told)
        states = states_in(shown)
        assert states.total() == PAGES, "each has its row, also those not asked for"
        assert problems(remembered) == []
        cut_short, before = contents(remembered).runs
        assert (before.state, before.pages) == ("finished", 1)
        assert cut_short.state == "running"
        saved = contents(remembered).counts["answers"]
        assert 10 < saved <= states["ok"] < PAGES
        asked_before = len(server.heads)
        told = fetcher(*asked, "--db", remembered)
        assert told.returncode == 0, told.stderr
        assert len(server.heads) - asked_before == PAGES - saved
        assert states_in(shown) == {"ok": PAGES}
