"""Kills the command at random moments, continues it, and compares with an unbroken run.

    python -m tests.campaigns.resume [--kills 50] [--pages 500] [--seed N]

Two jobs in turn: a list, and a small site followed to depth 5 with its robots.txt, its
sitemap, broken links, missing fragments and quotations. Each is begun with
`--db FILE --resume`, killed with SIGKILL, begun again the same way, and so on until it
ends; then comes a fresh database, until all kills are spent. After each kill the
database must be whole, and what it has saved must not be asked for again; at the end
the outputs must be those of an unbroken run, times aside. Prints a line a job and
exits 1 if anything differs.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fetcher.store.reading import problems
from fetcher.store.restoring import request_of
from tests.servers import message
from tests.sites import Asked, Reply, Server, in_process, not_found, page

CONCURRENCY = 16
ANSWER_AFTER_S = 0.02
LEVELS = 4  # of the tree, each page with so many children as its level has
CHILDREN = (5, 4, 3, 2)
RUN_LIMIT_S = 120
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
    """What came of one job: its kills, and every way in which it went wrong."""

    kills: int = 0
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
        process = self._start(self._whole)
        self._code = process.wait(RUN_LIMIT_S)
        self.took_s = time.monotonic() - began_s
        self._expected = outputs_of(self._whole)
        self._distinct = self._asked()

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-m", "fetcher", *self._arguments),
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

    def round(self, moments: random.Random, kills: int, outcome: Outcome) -> None:
        """Begin anew; kill and continue at most `kills` times; compare at the end."""
        outcome.rounds += 1
        folder = self._folder / f"round{outcome.rounds}"
        folder.mkdir()
        before = self._asked()
        saved: set[tuple[str, str]] = set()
        spent = 0
        while True:
            at_start = self._asked()
            process = self._start(folder)
            killed = False
            if spent < kills:
                try:
                    process.wait(moments.uniform(0.1, 1.1) * self.took_s)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    killed = True
            code = process.wait(RUN_LIMIT_S)
            time.sleep(0.2)  # workers that are left notice
            new = self._asked() - at_start
            again = sorted(each for each in saved if new[each])
            if again:
                outcome.wrong.append(f"{self.name}: asked again for {again[:5]}")
            if not killed:
                break
            spent += 1
            outcome.kills += 1
            database = folder / "runs.db"
            if database.exists() and database.stat().st_size:
                outcome.wrong += [f"{self.name}: {each}" for each in problems(database)]
                saved = saved_in(database, saved | set(new))
            lost = sum(n for each, n in new.items() if each not in saved)
            outcome.worst = max(outcome.worst, lost)
        if code != self._code:
            outcome.wrong.append(f"{self.name}: exit {code}, not {self._code}")
        self._compare(folder, self._asked() - before, spent, outcome)

    def _compare(
        self,
        folder: Path,
        asked: Counter[tuple[str, str]],
        kills: int,
        outcome: Outcome,
    ) -> None:
        found = outputs_of(folder)
        for name, expected in self._expected.items():
            if found.get(name) != expected:
                outcome.wrong.append(f"{self.name}: {name} differs in {folder}")
        missing = set(self._distinct) - set(asked)
        if missing:
            outcome.wrong.append(f"{self.name}: never asked for {sorted(missing)[:5]}")
        repeated = asked.total() - self._distinct.total()
        outcome.repeated += repeated
        # So many are under way, as many have arrived, and 50 are in a transaction.
        if repeated > kills * (2 * CONCURRENCY + 50):
            outcome.wrong.append(f"{self.name}: {repeated} requests twice")


def saved_in(database: Path, everything: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the requests whose answers a database holds, robots.txt aside.

    When the run was finished, and killed after that, it is `everything`.
    """
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
            found.add((asked.method, f"/{after_host.partition('#')[0]}"))
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
    """Spend so many kills on both jobs; return what came of each."""
    moments = random.Random(seed)
    outcomes = []
    for name in ("list", "site"):
        with in_process(World(pages)) as server:
            here = folder / name
            here.mkdir(parents=True)
            job = Job(name, arguments_of(name, server, here, pages), server, here)
            outcome = Outcome()
            while outcome.kills < kills // 2:
                job.round(moments, min(kills // 2 - outcome.kills, 6), outcome)
        outcomes.append(outcome)
        if says:
            print(
                f"{name}: {outcome.kills} kills in {outcome.rounds} rounds of"
                f" {job.took_s:.1f} s; {outcome.repeated} requests twice, at most"
                f" {outcome.worst} by one kill; {len(outcome.wrong)} things wrong",
                flush=True,
            )
            for sentence in outcome.wrong[:10]:
                print(" ", sentence)
    return outcomes


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
    parser.add_argument("--pages", type=int, default=500, help="in the list")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.randrange(1_000_000) if asked.seed is None else asked.seed
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = campaign(
            Path(folder), kills=asked.kills, pages=asked.pages, seed=seed
        )
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
