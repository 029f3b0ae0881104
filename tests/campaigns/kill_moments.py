"""kill -9 at random moments of a run that writes a file of each format: what is left?

    python -m tests.campaigns.kill_moments [--kills 200] [--pages 120] [--seed N]

After each kill, a result is whole, or is as it was before (not there, or the former
one), and 5 s later no process of the run is alive. What a killed run leaves beside its
results has the name that the documents give it, and the next run removes it. Prints
what was there after the kills, and exits 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.servers import Server, answer, serve

ROOT = Path(__file__).parents[2]
NAMES = ("pages.txt", "pages.json", "pages.jsonl", "pages.csv", "pages.xml")
FORMER = b"what an earlier run had written\n"
PART = re.compile(r"\.pages\.\w+\.[0-9a-f]{8}\.part")
WORKERS_END_S = 5.0
FILES_S = 0.01  # in which five files appear, one after the other


@dataclass
class Found:
    """What was there after the kills: counts, and what should not have been."""

    states: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    too_late: int = 0
    slowest_end_s: float = 0.0


def is_whole(name: str, content: bytes, urls: list[str], lines: int) -> bool:
    """Return whether a result holds all that a run of these URLs writes.

    Args:
        name: its name, by whose ending the format is known.
        content: of the file.
        urls: every URL of the list.
        lines: of the text report of a run that was left alone.
    """
    try:
        return _holds_all(Path(name).suffix, content, urls, lines)
    except (ValueError, KeyError, ET.ParseError):
        return False


def _holds_all(ending: str, content: bytes, urls: list[str], lines: int) -> bool:
    if not content.endswith(b"\n"):
        return False
    text = content.decode()
    if ending == ".txt":
        return text.count("\n") == lines
    if ending == ".json":
        whole = json.loads(text)
        found = [page["url"] for page in whole["pages"]]
        return sorted(found) == urls and whole["report"]["total"] == len(urls)
    if ending == ".jsonl":
        return sorted(json.loads(row)["url"] for row in text.splitlines()) == urls
    if ending == ".csv":
        return sorted(row["url"] for row in csv.DictReader(io.StringIO(text))) == urls
    root = ET.fromstring(text)
    return sorted(each.text or "" for each in root.iter() if _is_loc(each)) == urls


def _is_loc(element: ET.Element) -> bool:
    return element.tag.rpartition("}")[2] == "loc"


def processes_of(session: int) -> list[int]:
    """Return the pids of a session that are alive (field 6 of /proc/PID/stat)."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # it has ended
            continue
        state, _, _, its_session = stat.rpartition(")")[2].split()[:4]
        if int(its_session) == session and state != "Z":
            found.append(int(folder.name))
    return found


class Bench:
    """A folder, a list and the command that is going to be killed."""

    def __init__(self, folder: Path, server: Server, pages: int) -> None:
        urls = [f"{server.url}{number}" for number in range(pages)]
        self.server = server
        self.urls = sorted(urls)
        self.results = folder / "results"
        self.temporary = folder / "tmp"
        self.listed = folder / "list.txt"
        self.lines = 0
        self.start_s = self.finish_s = 0.0
        self.results.mkdir()
        self.temporary.mkdir()
        self.listed.write_text("".join(f"{url}\n" for url in urls))

    def start(self) -> subprocess.Popen[bytes]:
        self.server.heads.clear()
        outputs = [part for name in NAMES for part in ("-o", str(self.results / name))]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "fetcher", str(self.listed), "-q"),
                *("--workers", "2", "--retries", "0", *outputs),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(self.temporary),
            },
        )

    def leave_alone(self) -> None:
        """Let a run come to its end; learn how long it starts and finishes."""
        began_s = time.monotonic()
        run = self.start()
        self.await_request(1, run)
        self.start_s = time.monotonic() - began_s
        self.await_request(len(self.urls), run)
        began_s = time.monotonic()
        code = run.wait(60)
        self.finish_s = time.monotonic() - began_s
        if code:
            raise RuntimeError(f"a run that nobody killed ended with {code}")
        self.lines = (self.results / NAMES[0]).read_bytes().count(b"\n")

    def await_request(self, number: int, run: subprocess.Popen[bytes]) -> None:
        """Wait until the server was asked so often since the run began."""
        while len(self.server.heads) < number and run.poll() is None:
            time.sleep(0.001)

    def prepare(self, *, former: bool) -> None:
        for name in NAMES:
            (self.results / name).unlink(missing_ok=True)
            if former:
                (self.results / name).write_bytes(FORMER)

    def kill(self, chance: random.Random, found: Found) -> None:
        """Start a run, kill it, and note what is there then.

        By what is seen of it, and not by the clock alone: one kill in five comes
        while the run starts, two while it fetches, one between its last request and
        its end, one when the first of its files has appeared. One that had ended by
        itself is told apart.
        """
        before = self.inodes()
        run = self.start()
        phase = chance.random()
        if phase < 0.2:
            time.sleep(chance.uniform(0, self.start_s))
        elif phase < 0.6:
            self.await_request(chance.randint(1, len(self.urls)), run)
        elif phase < 0.8:
            self.await_request(len(self.urls), run)
            time.sleep(chance.uniform(0, self.finish_s))
        else:
            while self.inodes() == before and run.poll() is None:
                time.sleep(0)
            time.sleep(chance.uniform(0, FILES_S))
        run.send_signal(signal.SIGKILL)
        killed = run.wait() == -signal.SIGKILL
        self.await_end(run.pid, found)
        states = [self.state_of(name, found) for name in NAMES]
        parts = sum(1 for path in self.results.iterdir() if PART.fullmatch(path.name))
        if killed:
            found.states[_moment(states, parts)] += 1
        else:
            found.too_late += 1

    def inodes(self) -> list[int]:
        """Return which file each result is; 0 for one that is not there."""
        paths = [self.results / name for name in NAMES]
        return [path.stat().st_ino if path.exists() else 0 for path in paths]

    def await_end(self, session: int, found: Found) -> None:
        began_s = time.monotonic()
        while left := processes_of(session):
            if time.monotonic() - began_s > WORKERS_END_S:
                found.broken.append(f"alive after {WORKERS_END_S:g} s: {left}")
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.01)
        found.slowest_end_s = max(found.slowest_end_s, time.monotonic() - began_s)

    def state_of(self, name: str, found: Found) -> str:
        path = self.results / name
        if not path.exists():
            return "former"
        content = path.read_bytes()
        if content == FORMER:
            return "former"
        if not is_whole(name, content, self.urls, self.lines):
            found.broken.append(f"{name} is half-written: {len(content)} bytes")
        return "new"

    def look_at_the_rest(self, found: Found) -> None:
        """Check what killed runs have left, before and after one that is left alone."""
        for path in self.results.iterdir():
            if path.name not in NAMES and not PART.fullmatch(path.name):
                found.broken.append(f"{path.name} was left beside the results")
        self.leave_alone()
        names = sorted(path.name for path in self.results.iterdir())
        if names != sorted(NAMES):
            found.broken.append(f"the next run did not remove {names}")
        if left := [path.name for path in self.temporary.iterdir()]:
            found.broken.append(f"left in TMPDIR: {left}")


def _moment(states: list[str], parts: int) -> str:
    if states.count("new") == len(states):
        return "all results were there"
    if "new" in states:
        return "some results were there"
    return "results were being written" if parts else "nothing was written yet"


def run(kills: int, pages: int, seed: int) -> Found:
    """Kill so many runs; return what was found."""
    chance = random.Random(seed)
    found = Found()
    body = b"<title>T</title><p>" + b"word " * 2000
    page = answer(body, "200 OK", "Content-Type: text/html")
    with tempfile.TemporaryDirectory() as folder, serve(page) as server:
        bench = Bench(Path(folder), server, pages)
        bench.leave_alone()
        while (number := found.states.total()) < kills:
            bench.prepare(former=number % 2 == 0)
            bench.kill(chance, found)
        bench.look_at_the_rest(found)
    return found


def main() -> int:
    """Run the campaign and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    found = run(options.kills, options.pages, options.seed)
    print(
        f"{options.kills} kills of a run of {options.pages} pages, {len(NAMES)} files"
    )
    for moment, count in found.states.most_common():
        print(f"  {count:4} when {moment}")
    print(f"  and {found.too_late} runs had ended by themselves before their kill")
    print(f"the last process ended {found.slowest_end_s:.2f} s after its program")
    for complaint in found.broken:
        print(f"BROKEN: {complaint}")
    print(f"{len(found.broken)} broken promises (--seed {options.seed})")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
