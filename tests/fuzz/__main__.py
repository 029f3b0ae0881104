"""Fuzz one target, or all of them, for a while.

    python -m tests.fuzz TARGET|all --seconds N [--seed S] [--jobs J] [--save DIR]
    python -m tests.fuzz TARGET --replay FILE      run one saved case again

Each target runs in a process of its own, so that its crash or hang is a finding
like any other. Prints for each: cases, cases a second, the slowest case, findings. The
case of a finding is saved as a file; exit 1 if there was any finding. A case is one if
it raises, answers what it should not, takes more than 1 s of processor time (for whole
pages, lists and sitemaps: and so much per megabyte), or kills the process.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .blackbox import BlackBox
from .harness import Finding, attempt
from .targets import NAMES, find

HUNG_S = 120.0  # far beyond what a busy machine makes of a case
CRASHES_MAX = 10
ROOT = Path(__file__).parents[2]


@dataclass
class Account:
    """What came of one target."""

    name: str
    cases: int = 0
    took_s: float = 0.0
    slowest_s: float = 0.0
    slowest_number: int = 0
    crashes: int = 0
    found: list[tuple[int, bytes, Finding]] = field(default_factory=list)

    def take(self, line: dict[str, object]) -> None:
        """Add what a child said."""
        if "finding" in line:
            finding = Finding(*line["finding"])  # type: ignore[misc]
            case = base64.b64decode(str(line["case"]))
            self.found.append((int(str(line["number"])), case, finding))
            return
        self.cases += int(str(line["cases"]))
        slowest_s = float(str(line["slowest_s"]))
        if slowest_s > self.slowest_s:
            self.slowest_s = slowest_s
            self.slowest_number = int(str(line["slowest_number"]))

    def __str__(self) -> str:
        rate = self.cases / self.took_s if self.took_s else 0.0
        return (
            f"{self.name:10} {self.cases:9,} cases  {rate:9,.0f}/s  slowest"
            f" {self.slowest_s:.3f} s (case {self.slowest_number})"
            f"  {len(self.found)} findings"
        )


def fuzz(name: str, seconds: float, seed: int, directory: Path) -> Account:
    """Return what came of one target, its process begun anew after each crash."""
    account = Account(name)
    began_s = time.monotonic()
    first = 0
    while (left_s := seconds - (time.monotonic() - began_s)) > 0:
        path = directory / f"{name}.last"
        path.unlink(missing_ok=True)
        box = BlackBox(path)
        ending, told = _child(name, seed, first, left_s, box, path)
        for line in told:
            account.take(line)
        noted = box.read()
        box.close()
        if ending is None:
            break
        account.cases += noted.number + 1 - first
        account.found.append((noted.number, noted.case, ending))
        account.crashes += 1
        if account.crashes >= CRASHES_MAX or noted.number < first:
            break
        first = noted.number + 1
    account.took_s = time.monotonic() - began_s
    return account


def _child(
    name: str, seed: int, first: int, seconds: float, box: BlackBox, path: Path
) -> tuple[Finding | None, list[dict[str, object]]]:
    """Run a child to its end; return how it died, if it did, and what it said."""
    arguments = [name, str(seed), str(first), str(seconds), str(path)]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.child", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.extend(child.stdout or ()))
        reader.start()
        hung = _watch(child, box)
        reader.join()
        if child.stdout is not None:
            child.stdout.close()
        errors.seek(0)
        stderr = errors.read().decode(errors="replace")[-4_000:]
    told = [json.loads(line) for line in said if line.endswith(b"\n")]
    if hung is not None:
        return Finding(
            "hang", f"no end after {hung:.0f} s of wall time\n{stderr}"
        ), told
    if child.returncode:
        how = f"the process ended with {child.returncode}"
        return Finding("crash", f"{how}\n{stderr}"), told
    return None, told


def _watch(child: subprocess.Popen[bytes], box: BlackBox) -> float | None:
    """Wait for a child; kill it, and return how long it hung, if a case has no end."""
    while True:
        try:
            child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            before = box.began()
            waited_s = time.monotonic() - before[1]
            if waited_s <= HUNG_S or box.began() != before:
                continue
            child.kill()
            child.wait()
            return waited_s
        return None


def save(account: Account, directory: Path, seed: int) -> Iterator[str]:
    """Write the cases of all findings; return one sentence for each."""
    for number, case, finding in account.found:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{account.name}-{hashlib.sha256(case).hexdigest()[:12]}"
        path.write_bytes(case)
        path.with_suffix(".txt").write_text(
            f"{account.name}, seed {seed}, case {number}: {finding.kind}\n\n"
            f"{finding.story}\n",
            errors="backslashreplace",
        )
        yield f"  {finding.kind}: case {number}, saved as {path}"


def replay(name: str, path: Path) -> int:
    """Run one saved case in this process; return the exit code."""
    outcome = attempt(find(name), path.read_bytes())
    print(f"{outcome.took_s:.3f} s")
    if outcome.finding is None:
        print("nothing is wrong")
        return 0
    print(f"{outcome.finding.kind}\n{outcome.finding.story}")
    return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="targets at the same time")
    parser.add_argument("--save", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--replay", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    if given.replay is not None:
        return replay(given.target, given.replay)
    names = [name for name in NAMES if not name.startswith("faulty-")]
    names = names if given.target == "all" else [given.target]
    found = 0
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as directory,
        ThreadPoolExecutor(given.jobs) as pool,
    ):
        begun = [
            pool.submit(fuzz, name, given.seconds, given.seed, Path(directory))
            for name in names
        ]
        for each in begun:
            account = each.result()
            print(account, flush=True)
            for sentence in save(account, given.save, given.seed):
                print(sentence, flush=True)
            if not account.cases:
                print(f"  {account.name}: no case was run", flush=True)
            found += len(account.found) + (not account.cases)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
