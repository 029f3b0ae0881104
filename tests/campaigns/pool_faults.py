"""The whole campaign of injected faults on the pool, and its table.

    python -m tests.campaigns.pool_faults [--runs 3] [--only WORD] [--methods fork ...]
        [--save FILE.jsonl] [--write docs/explanation/pool.md --of FILE.jsonl ...]

Each cell (see `pool_cells`) runs in a process, a session and a temporary directory of
its own, in bounded time. Afterwards no process of that session and no file may be
left. Exits 1 if a cell of ours failed. `--write` puts the table of what was saved into
a page, between its two marks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .pool_cells import CELLS, state_of

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("default", "fork", "forkserver", "spawn", "standard")
LIMIT_S = 400
STANDARD_LIMIT_S = 20
HEAVY = ("a result over 2 GiB", "300 replacements beside busy threads")
BEGIN, END = "<!-- campaign: begin -->", "<!-- campaign: end -->"


def run_cell(name: str, method: str) -> dict[str, object]:
    """Run one cell in a process of its own and return what came of it."""
    limit_s = STANDARD_LIMIT_S if method == "standard" else LIMIT_S
    if name in HEAVY:
        limit_s = LIMIT_S
    directory = Path(tempfile.mkdtemp(prefix="campaign-"))
    temporary = directory / "tmp"
    temporary.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "CELL_DIR": str(directory),
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.campaigns.pool_cells"]
    began_s = time.monotonic()
    # Files and no pipes: workers that outlive the cell would keep those open.
    printed, errors = directory / "stdout", directory / "stderr"
    with (
        printed.open("wb") as told,
        errors.open("wb") as complained,
        subprocess.Popen(
            [*command, name, method],
            stdout=told,
            stderr=complained,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        ) as child,
    ):
        try:
            child.wait(limit_s)
            found = json.loads(printed.read_text().splitlines()[-1])
        except subprocess.TimeoutExpired:
            found = {"outcome": "hangs", "works": False, "left": "", "ok": False}
        except (IndexError, ValueError):
            found = {"outcome": "ended", "works": False, "left": "", "ok": False}
        finally:
            if method == "forkserver" and "parent is killed" in name:
                # multiprocessing's own server, which stays as it is.
                forget_address(temporary)
            if method == "standard":
                kill_session(child.pid)
            elif left := stragglers(child.pid, temporary):
                found["left"], found["ok"] = f"{found['left']} {left}".strip(), False
            kill_session(child.pid)
    found = {"cell": name, "method": method, "seconds": None} | found
    if found["seconds"] is None:
        found["seconds"] = round(time.monotonic() - began_s, 2)
    if not found["ok"] and method != "standard":
        found["stderr"] = errors.read_text(errors="replace")[-3000:]
    shutil.rmtree(directory, ignore_errors=True)
    return found


def session_members(session: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    members.append(int(entry.name))
    return members


def stragglers(session: int, temporary: Path) -> str:
    """Return which processes and files are left some seconds after the end."""
    until_s = time.monotonic() + 5
    while True:
        members, files = session_members(session), list(temporary.iterdir())
        if not members and not files:
            return ""
        if time.monotonic() > until_s:
            break
        time.sleep(0.02)
    names = []
    for pid in members:
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            names.append(f"process {line[:60]}({state_of(pid)})")
    return "; ".join(names + [f"file {file.name}" for file in files])


def forget_address(temporary: Path) -> None:
    """Remove what multiprocessing's server leaves of a program that was killed."""
    for directory in temporary.glob("pymp-*"):
        if [file.name.split("-")[0] for file in directory.iterdir()] == ["listener"]:
            shutil.rmtree(directory)


def kill_session(session: int) -> None:
    for pid in session_members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# -- many --------------------------------------------------------------------------


def campaign(names: list[str], methods: list[str], jobs: int) -> list[dict]:
    """Run these cells under these methods; print each as it ends."""
    pairs = [(name, method) for name in names for method in methods]
    light = [pair for pair in pairs if pair[0] not in HEAVY]
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(_told, light))
    heavy = [pair for pair in pairs if pair[0] in HEAVY]
    with ThreadPoolExecutor(min(jobs, 2)) as pool:  # memory for two
        return found + list(pool.map(_told, heavy))


def _told(pair: tuple[str, str]) -> dict:
    found = run_cell(*pair)
    verdict = "ok  " if found["ok"] else "std " if pair[1] == "standard" else "FAIL"
    print(
        f"{verdict} {found['seconds']:7.2f} s {pair[1]:10} {pair[0]}: {said(found)}",
        flush=True,
    )
    if "stderr" in found:
        print(f"     {found['left']}\n{found['stderr']}", flush=True)
    return found


def said(found: dict) -> str:
    """Return what came of a cell, for people."""
    outcome = str(found["outcome"])
    if found["works"] or outcome in ("hangs", "ended"):
        return outcome
    return f"{outcome}; the pool does not work any more"


# -- the table ---------------------------------------------------------------------


def table(runs: list[dict]) -> str:
    """Return the runs, one a line, then the cells of the last whole one."""
    lines = ["| run | cells | failed | seconds |", "|---|---:|---:|---:|"]
    for number, run in enumerate(runs, 1):
        ours = [f for f in run["found"] if f["method"] != "standard"]
        failed = sum(not f["ok"] for f in ours)
        lines.append(
            f"| {number}: Python {run['python']} | {len(ours)} | {failed} "
            f"| {run['seconds']:.0f} |"
        )
    python = runs[0]["python"]
    lines += [
        "",
        f"The cells as they last came out on Python {python}, with the seconds that",
        "each took under our default, fork, forkserver and spawn:",
        "",
        "| cell | here | default | fork | forkserver | spawn | `multiprocessing.Pool` "
        "| seconds |",
        "|---|---|---:|---:|---:|---:|---|---:|",
    ]
    by_cell: dict[str, dict[str, dict]] = {}
    for run in runs:
        for found in run["found"] if run["python"] == python else ():
            by_cell.setdefault(found["cell"], {})[found["method"]] = found
    for name in CELLS:
        of = by_cell.get(name, {})
        ours = [of[m] for m in METHODS[:-1] if m in of]
        outcomes = "; ".join(dict.fromkeys(map(said, ours)))
        times = [f"{of[m]['seconds']:.1f}" if m in of else "" for m in METHODS[:-1]]
        standard = of.get("standard")
        other = [said(standard), f"{standard['seconds']:.1f}"] if standard else ["", ""]
        lines.append(f"| {' | '.join([name, outcomes, *times, *other])} |")
    return "\n".join(lines)


def _is_standard(found: dict) -> bool:
    return found["method"] == "standard"


def write(page: Path, text: str) -> None:
    """Replace what stands between the two marks of a page."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", default="", help="part of a cell's name")
    parser.add_argument("--light", action="store_true", help="without the longest")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--save", type=Path, help="append each run to this file")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    parser.add_argument("--of", type=Path, nargs="+", help="the table of saved runs")
    options = parser.parse_args()
    if options.of:
        runs = [json.loads(line) for f in options.of for line in f.open()]
    else:
        names = [name for name in CELLS if options.only in name]
        if options.light:
            names = [name for name in names if name not in HEAVY]
        runs = []
        for _ in range(options.runs):
            began_s = time.monotonic()
            found = campaign(names, list(options.methods), options.jobs)
            seconds = round(time.monotonic() - began_s, 1)
            python = platform.python_version()
            runs.append({"python": python, "seconds": seconds, "found": found})
            if options.save:
                with options.save.open("a") as saved:
                    saved.write(json.dumps(runs[-1]) + "\n")
    if options.write:
        write(options.write, table(runs))
    failed = [
        f for r in runs for f in r["found"] if not f["ok"] and not _is_standard(f)
    ]
    print(f"{len(runs)} runs, {len(failed)} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
