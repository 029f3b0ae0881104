"""Kills the command in each phase, continues it, and compares with an unbroken run.

    python -m tests.campaigns.resume [--kills 50] [--pages 200] [--seed N]

Two jobs side by side: a list, and a small site followed to depth 5 with its
robots.txt, its sitemap, broken links, missing fragments and quotations. Each is begun
with `--db FILE --resume`, killed with SIGKILL, begun again the same way, and so on
until it ends; then comes a fresh database, or one of an earlier schema, until all kills
are spent: a sixth of them while pages are fetched, a sixth while they are saved, while
the database is made or migrated, while its log is written back, while rows are written
to outputs, and while these appear (`aimed.py` says how). After each kill the database
must be whole and have the tables of one schema, and what it has saved must not be asked
for again; at the end the outputs must be those of an unbroken run, times aside. Prints
a line a job and exits 1 if anything differs, or if a phase did not get its kills.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from fetcher.store.database import open_for_reading
from fetcher.store.layout import APPLICATION_ID, MIGRATIONS
from fetcher.store.reading import problems
from fetcher.store.restoring import request_of
from tests.campaigns.aimed import PHASES, counts_of, is_in_checkpoint
from tests.servers import message
from tests.sites import Asked, Reply, Server, in_process, not_found, page

CONCURRENCY = 16
ANSWER_AFTER_S = 0.02
LEVELS = 4  # of the tree, each page with so many children as its level has
CHILDREN = (5, 4, 3, 2)
RUN_LIMIT_S = 120
UNCOUNTED = 20
EARLIER_PAGES = 300  # of the run in a database of an earlier schema
ROUNDS_A_KILL = 4  # at most; a moment that is not met costs a round
# What part of an unbroken run's moments one process may get to: it does a part of the
# job, and a machine that is busy is looked at more often.
PARTS = {"fetch": (4,), "save": (4,), "checkpoint": (4,)}
OTHER_PARTS = (1, 2, 4)
# What no two runs have in common; of rows, of headers, of reports.
TIMES = frozenset({"timings", "fetched_at", "date", "worker_pid"}) | frozenset(
    {"started_at", "elapsed_s", "pages_per_s", "slowest"}
)


class World:
    """A list of pages of all sorts, and a site.

    What comes of it does not hang on the order in which pages come: a link leads to a
    child or to what is known already, so that each page has one depth; no list in a
    report is cut; and no two pages have the same size.
    """

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self._asked: Counter[tuple[str, str]] = Counter()

    def answer(self, asked: Asked) -> Reply:
        self._asked[asked.method, asked.target] += 1
        self._host = asked.head.lower().partition("\r\nhost: ")[2].partition("\r\n")[0]
        path = asked.target.partition("?")[0]
        content = self._site(path) if path.startswith("/s/") else self._listed(path)
        return Reply(content=content, wait_s=ANSWER_AFTER_S)

    def record(self) -> Counter[tuple[str, str]]:
        return Counter(self._asked)

    def _listed(self, path: str) -> bytes:
        if path == "/robots.txt":
            text = b"User-agent: *\nDisallow: /s/private\n"
            return message(text, "200 OK", "Content-Type: text/plain")
        if path == "/sitemap.xml":
            return message(self._sitemap(), "200 OK", "Content-Type: application/xml")
        if path.startswith("/moved/"):
            return page(path, ["/l/1"])
        number = path.removeprefix("/l/")
        if not number.isdigit():
            return not_found()
        sort = int(number) % 25
        if sort == 3:
            return not_found()
        if sort == 7:
            return message(b"", "302 Found", f"Location: /moved/{number}")
        if sort == 11:
            return message(b"\x89PNG" * 50, "200 OK", "Content-Type: image/png")
        if sort == 17:
            return message(b"<title>Just a moment...</title>", "403 Forbidden", HTML)
        padding = "x" * (100 + 10 * int(number))
        more = f'<h1>Page {number}</h1><img src="/i/{number}.png"><!--{padding}-->'
        return page(f"Page {number}", ["/l/1", f"#{number}", "mailto:x@y.zz"], more)

    def _sitemap(self) -> bytes:
        paths = ["/s/", "/s/orphan", "/s/gone"]
        rows = "".join(
            f"<url><loc>http://{self._host}{each}</loc></url>" for each in paths
        )
        start = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        return f"{start}{rows}</urlset>".encode()

    def _site(self, path: str) -> bytes:
        if path == "/s/orphan":
            return page("Orphan", ["/s/"])
        if path == "/s/quoted":
            return page("Quoted", ["/s/"], "<p>exactly these words</p>")
        if path == "/s/moved":
            return message(b"", "301 Moved Permanently", "Location: /s/quoted")
        if path == "/s/private":
            return page("Private", [])
        names = [name for name in path.removeprefix("/s/").split("/") if name]
        if not all(name.isdigit() for name in names):
            return not_found()
        steps = [*map(int, names)]
        if len(steps) > LEVELS or any(
            step >= CHILDREN[level] for level, step in enumerate(steps)
        ):
            return not_found()
        links = [*_children(path, len(steps)), *_kin(path, steps)]
        padding = "x" * (zlib.crc32(path.encode()) % 50_000)
        return page(f"At {path}", links, f'<h2 id="here">{path}</h2><!--{padding}-->')


HTML = "Content-Type: text/html; charset=utf-8"


def _children(path: str, level: int) -> list[str]:
    if level == LEVELS:
        return ["/i/shared.png"] if path.endswith("/0/0/0/") else []
    return [f"{path}{number}/" for number in range(CHILDREN[level])]


def _kin(path: str, steps: list[int]) -> Iterator[str]:
    """Yield links to what is known already when this page is."""
    yield f"{path}#here"
    yield from (f"{path}../#here", "/s/")
    if len(steps) == 1:
        yield from (f"/missing{path}", "/s/#nowhere")
    if not steps:
        yield from ("/s/quoted", "/s/moved", "/s/private")
        yield from ("/s/quoted#:~:text=these%20words", "/s/quoted#:~:text=other%20ones")


@dataclass
class Outcome:
    """What came of one job: its kills by phase, and all that went wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    repeated: int = 0  # requests that a kill cost
    worst: int = 0  # of one kill
    wrong: list[str] = field(default_factory=list)


class Job:
    """One command line, run unbroken and broken."""

    def __init__(
        self, name: str, arguments: list[str], server: Server[Any], folder: Path
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._server = server
        self._folder = folder
        began_s = time.monotonic()
        self._whole = self._folder / "whole"
        self._whole.mkdir()
        self._code = self._start(self._whole, {}).wait(RUN_LIMIT_S)
        self.took_s = time.monotonic() - began_s
        self.moments = counts_of((self._whole / "told").read_text())
        self._expected = outputs_of(self._whole)
        self._distinct = self._asked()

    def _start(self, folder: Path, aims: Mapping[str, int]) -> subprocess.Popen[bytes]:
        aimed = ",".join(f"{phase}={times}" for phase, times in aims.items())
        command = [
            *(sys.executable, "-m", "tests.campaigns.aimed", str(folder / "told")),
            *(aimed, *self._arguments),
            *("--db", str(folder / "runs.db"), "--resume", "--quiet"),
            *("-o", str(folder / "out.json"), "-o", str(folder / "out.jsonl")),
            *("-o", str(folder / "out.xml"), "--workers", "2", "--retries", "0"),
            *("--concurrency", str(CONCURRENCY), "--per-host", str(CONCURRENCY)),
        ]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _asked(self) -> Counter[tuple[str, str]]:
        """Return what the server was asked for so far, probes under one name."""
        asked: Counter[tuple[str, str]] = Counter()
        for (method, target), times in self._server.record.items():
            is_probe = target.count("/") == 1 and len(target) == 17
            asked[method, "(probe)" if is_probe else target] += times
        return asked

    def round(
        self, moments: random.Random, left: Counter[str], outcome: Outcome
    ) -> None:
        """Begin anew; kill once in each phase that has kills left; compare at the end.

        Every second round begins with a database that an older fetcher had made, each
        schema in turn.
        """
        outcome.rounds += 1
        folder = self._folder / f"round{outcome.rounds}"
        folder.mkdir()
        database = folder / "runs.db"
        schema = outcome.rounds // 2 % len(MIGRATIONS) if outcome.rounds % 2 else None
        if schema is not None:
            make_older(database, schema)
        before = self._asked()
        saved: set[tuple[str, str]] = set()
        for aims in self._plan(moments, left):
            at_start = self._asked()
            process = self._start(folder, aims)
            code = process.wait(RUN_LIMIT_S)
            time.sleep(0.2)  # workers that are left notice
            new = self._asked() - at_start
            again = sorted(each for each in saved if new[each])
            if again:
                outcome.wrong.append(f"{self.name}: asked again for {again[:5]}")
            if code != -signal.SIGKILL:
                break
            phase = phase_of_kill(folder)
            outcome.kills[phase] += 1
            left[phase] -= 1
            outcome.wrong += [f"{self.name}: {each}" for each in faults_of(database)]
            saved = saved_in(database, saved | set(new))
            lost = sum(n for each, n in new.items() if each not in saved)
            outcome.worst = max(outcome.worst, lost)
            # So many are under way, as many have arrived, and 50 are in a transaction;
            # robots.txt, a probe and where a redirect led are asked for as well.
            if lost > 2 * CONCURRENCY + 50 + UNCOUNTED:
                outcome.wrong.append(f"{self.name}: one kill cost {lost} requests")
        if code != self._code:
            outcome.wrong.append(f"{self.name}: exit {code}, not {self._code}")
        if schema and earlier_rows(database) != EARLIER_PAGES:
            outcome.wrong.append(f"{self.name}: schema {schema}, rows were lost")
        self._compare(folder, self._asked() - before, outcome)

    def _plan(
        self, moments: random.Random, left: Counter[str]
    ) -> Iterator[dict[str, int]]:
        """Yield what each process of a round is to be killed at; nothing for the last.

        A migration is over soon: who misses it is killed later.
        """
        between = [
            phase for phase in ("fetch", "save", "checkpoint") if left[phase] > 0
        ]
        moments.shuffle(between)
        wanted = [["migrate", *between[:1]]] if left["migrate"] > 0 else []
        wanted += [[phase] for phase in between]
        wanted += [[phase] for phase in ("outputs", "appear") if left[phase] > 0]
        for phases in wanted:
            yield {phase: self._moment(moments, phase) for phase in phases}
        yield {}

    def _moment(self, moments: random.Random, phase: str) -> int:
        part = moments.choice(PARTS.get(phase, OTHER_PARTS))
        return moments.randint(1, self.moments.get(phase, 0) // part + 1)

    def _compare(
        self, folder: Path, asked: Counter[tuple[str, str]], outcome: Outcome
    ) -> None:
        found = outputs_of(folder)
        for name, expected in self._expected.items():
            if found.get(name) != expected:
                outcome.wrong.append(f"{self.name}: {name} differs in {folder}")
        missing = set(self._distinct) - set(asked)
        if missing:
            outcome.wrong.append(f"{self.name}: never asked for {sorted(missing)[:5]}")
        outcome.repeated += asked.total() - self._distinct.total()


def phase_of_kill(folder: Path) -> str:
    """Return what a process was at when it killed itself.

    That the log was being written back is read once more from what it left.
    """
    phase = (folder / "told").read_text().removeprefix("killed=")
    index = folder / "runs.db-shm"
    if phase == "checkpoint" and not is_in_checkpoint(index.read_bytes()):
        return "save"  # it was over before the signal came
    return phase


def make_older(database: Path, schema: int) -> None:
    """Make the database that a fetcher of an earlier schema left, with a run in it."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute("pragma journal_mode = wal")
        for number, migration in enumerate(MIGRATIONS[:schema], 1):
            for statement in migration:
                connection.execute(statement)
            connection.execute(
                "insert into migrations values (?, ?)", (number, "2026-01-01T00:00:00")
            )
            connection.execute(f"pragma user_version = {number}")
        if schema:
            _fill(connection)
        connection.commit()


def _fill(connection: sqlite3.Connection) -> None:
    connection.execute(
        "insert into runs (job, given, options, version, state, started_at, ok)"
        " values (x'00', '[]', '{}', '0', 'finished', ?, 1)",
        (time.time(),),
    )
    for number in range(1, EARLIER_PAGES + 1):
        connection.execute("insert into urls values (?, ?)", (number, f"u:{number}"))
        connection.execute(
            "insert into versions (id, url_id, digest, facts_digest, word_count,"
            " text_hash) values (?, ?, ?, x'00', 1, '')",
            (number, number, number.to_bytes(16)),
        )
        connection.execute(
            "insert into pages (run_id, url_id, started_ms, state, version_id)"
            " values (1, ?, 0, 'ok', ?)",
            (number, number),
        )


def earlier_rows(database: Path) -> int:
    """Return how many pages are there of the run that an older fetcher left."""
    with open_for_reading(database) as connection:
        (found,) = connection.execute(
            "select count(*) from pages join urls on urls.id = url_id"
            " join versions on versions.id = version_id where run_id = 1"
        ).fetchone()
    return int(found)


def faults_of(database: Path) -> list[str]:
    """Return what a kill has broken: tables of no schema, or anything inside them."""
    if not is_readable(database):
        return []
    with open_for_reading(database) as connection:
        (version,) = connection.execute("pragma user_version").fetchone()
        tables = tables_in(connection)
    if tables != tables_of(version):
        return [f"schema {version} has other tables"]
    return problems(database)


def tables_in(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "select name, sql from sqlite_master where sql is not null order by name"
    ).fetchall()


def is_readable(database: Path) -> bool:
    """Return whether there is a database that can be read without writing to it.

    Not before it has a log: what its first change left half done only who may write
    takes back, and that is the next process.
    """
    half_done = database.with_name(f"{database.name}-journal")
    return database.exists() and database.stat().st_size > 0 and not half_done.exists()


@cache
def tables_of(schema: int) -> list[tuple[str, str]]:
    """Return the tables that a schema has."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in chain.from_iterable(MIGRATIONS[:schema]):
            connection.execute(statement)
        return tables_in(connection)


def saved_in(database: Path, everything: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the requests whose answers a database holds, robots.txt aside.

    When the run was finished, and killed after that, it is `everything`.
    """
    if not is_readable(database):
        return set()
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        states = connection.execute("select state from runs").fetchall()
        if states == [("finished",)]:
            return everything
        rows = connection.execute(
            "select answer from answers where purpose in ('page', 'check', 'sitemap')"
        ).fetchall()
    except sqlite3.OperationalError:  # no table yet
        return set()
    finally:
        connection.close()
    found = set()
    for (answer,) in rows:
        asked = request_of(answer)
        if ":~:" not in asked.key:
            after_host = asked.url.partition("://")[2].partition("/")[2]
            path = f"/{after_host.partition('#')[0]}"
            found |= {(asked.method, path), (asked.method, f"/moved{path[2:]}")}
    # A redirect's target may be asked for by itself as well.
    return found - {("GET", "/s/quoted")}


def outputs_of(folder: Path) -> dict[str, object]:
    """Return what was written, without times and in one order."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("out.*")):
        text = path.read_text()
        if path.suffix == ".json":
            found[path.name] = timeless(json.loads(text))
        elif path.suffix == ".jsonl":
            found[path.name] = timeless(
                [json.loads(line) for line in text.splitlines()]
            )
        else:
            found[path.name] = sorted(text.splitlines())
    return found


def timeless(value: Any) -> Any:
    """Return JSON without times, its lists in one order."""
    if isinstance(value, dict):
        return {
            name: timeless(kept) for name, kept in value.items() if name not in TIMES
        }
    if isinstance(value, list):
        return sorted((timeless(each) for each in value), key=json.dumps)
    return value


def campaign(
    folder: Path, *, kills: int, pages: int, seed: int, says: bool = True
) -> list[Outcome]:
    """Spend so many kills on both jobs, as many in each phase; return what came."""

    def spend(name: str) -> Outcome:
        # Of list and site together each phase gets its sixth.
        return _spend(
            folder / name, kills // 2 // len(PHASES), pages, f"{seed} {name}", says
        )

    with ThreadPoolExecutor() as both:  # a process waits half of its time
        return list(both.map(spend, ("list", "site")))


def _spend(folder: Path, kills: int, pages: int, seed: str, says: bool) -> Outcome:
    """Spend so many kills a phase on the job that the folder is named after."""
    name = folder.name
    moments = random.Random(seed)
    outcome = Outcome()
    left = Counter(dict.fromkeys(PHASES, kills))
    with in_process(World(pages)) as server:
        folder.mkdir(parents=True)
        job = Job(name, arguments_of(name, server, folder, pages), server, folder)
        while max(left.values()) > 0 and outcome.rounds < ROUNDS_A_KILL * kills:
            job.round(moments, left, outcome)
    outcome.missed = dict(+left)
    if says:
        _tell(name, job, outcome)
    return outcome


def _tell(name: str, job: Job, outcome: Outcome) -> None:
    phases = ", ".join(f"{n} in {phase}" for phase, n in sorted(outcome.kills.items()))
    print(
        f"{name}: {outcome.kills.total()} kills ({phases}) in {outcome.rounds} rounds"
        f" of {job.took_s:.1f} s; {outcome.repeated} requests twice, at most"
        f" {outcome.worst} by one kill; {len(outcome.wrong)} things wrong",
        flush=True,
    )
    if outcome.missed:
        print("  kills that were not met:", outcome.missed)
    for sentence in outcome.wrong[:10]:
        print(" ", sentence)


def arguments_of(name: str, server: Server[Any], folder: Path, pages: int) -> list[str]:
    if name == "site":
        return [f"{server.url}s/", "--depth", "5", "--sitemap"]
    path = folder / "list.txt"
    lines = [f"{server.url}l/{number}" for number in range(pages)]
    lines[pages // 2 : pages // 2] = ["no url at all", lines[0], "# a comment"]
    path.write_text("\n".join(lines))
    return [str(path)]


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pages", type=int, default=200, help="in the list")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.randrange(1_000_000) if asked.seed is None else asked.seed
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = campaign(
            Path(folder), kills=asked.kills, pages=asked.pages, seed=seed
        )
    return 1 if any(outcome.wrong or outcome.missed for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
