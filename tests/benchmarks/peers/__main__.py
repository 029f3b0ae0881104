"""The race: fetcher and what people would use instead, over the same pages.

    python -m tests.benchmarks.peers --install --peers-venv ~/.cache/peers
    python -m tests.benchmarks.peers --peers-venv DIR [--urls FILE | --files DIR]

Tools run in turn, `--rounds` times, against one local nginx that this program starts.
A run counts if nginx sent it every page whole and its own output names as many pages,
titles and links as are there; else the program says what was missing and exits 1.

Each figure is the median of the rounds. "fetcher is" is the median, over the rounds,
of fetcher's rate divided by the tool's in the same round: what else the machine does
then weighs on both. docs/explanation/performance.md says what is measured, and how.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import served  # noqa: E402  # beside this file, however it was started
from tools import OUT, PACKAGES, TOOLS, Task, Tool  # noqa: E402

REPOSITORY = HERE.parents[2]
PACKAGE = "openjdk-17-doc"  # 10,137 pages of 27 KB; python3.11-doc has 530
PROBE_PAGES = 20
MB = 1e6
MEASURED = (
    *("took_s", "parent_cpu_s", "all_cpu_s"),
    *("sum_bytes", "largest_bytes", "processes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A tool on so many of the first pages."""

    tool: Tool
    pages: list[served.Page]

    @property
    def name(self) -> str:
        sized = f" {len(self.pages):,}" if self.tool.is_slow else ""
        return self.tool.name + sized


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one row; `fault` says why it does not count, "" if it does."""

    row: str
    round: int
    fault: str
    pages: int
    speed: float = 0.0
    took_s: float = 0.0
    parent_cpu_s: float = 0.0
    all_cpu_s: float = 0.0
    nginx_cpu_s: float = 0.0
    sum_bytes: int = 0
    largest_bytes: int = 0
    processes: int = 0
    requests: int = 0
    connections: int = 0
    links: int | None = None

    @property
    def pages_per_s(self) -> float:
        return self.pages / self.took_s

    def ms_a_page(self, cpu_s: float) -> float:
        return 1000 * cpu_s / self.pages


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="peers", description=(__doc__ or "").partition("\n")[0]
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--urls", type=Path, metavar="FILE", help="copy these pages")
    source.add_argument("--files", type=Path, metavar="DIR", help="serve these pages")
    source.add_argument(
        "--package", default=PACKAGE, help="a Debian package's pages [%(default)s]"
    )
    parser.add_argument("--pages", type=int, default=5000, help="[%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="[%(default)s]")
    parser.add_argument(
        "--first",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[300, 1000],
        metavar="N,...",
        help="so many of the pages for those who are slow [300,1000]",
    )
    parser.add_argument("--only", default="", metavar="NAME,...")
    parser.add_argument("--per-host", type=int, default=64, help="for fetcher")
    parser.add_argument(
        "--checkout",
        type=Path,
        default=REPOSITORY,
        metavar="DIR",
        help="race the fetcher in this one, not the one beside this program",
    )
    parser.add_argument("--peers-venv", type=Path, metavar="DIR", default=sys.prefix)
    parser.add_argument(
        "--install", action="store_true", help="make that environment first"
    )
    parser.add_argument("--limit", type=float, default=900, help="of one run, in s")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.peers_venv = options.peers_venv.absolute()
    if options.install and options.peers_venv == Path(sys.prefix):
        parser.error("--install needs --peers-venv DIR, a place to install to")
    names = [tool.name for tool in TOOLS]
    options.only = [name for name in options.only.split(",") if name] or names
    for name in options.only:
        if name not in names:
            parser.error(f"--only expects some of {','.join(names)}; got {name!r}")
    return options


def install(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *PACKAGES], check=True)


def versions(folder: Path) -> dict[str, str]:
    """Return which of the peers an environment has, and which version of each."""
    places = [str(place) for place in folder.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(path=places)
    return {each.name: each.version for each in found if each.name in PACKAGES}


def rows_of(options: argparse.Namespace, pages: list[served.Page]) -> list[Row]:
    rows = []
    for tool in TOOLS:
        if tool.name not in options.only:
            continue
        if tool.program and not (options.peers_venv / "bin" / tool.program).exists():
            print(f"{tool.name} is left out: not in {options.peers_venv} (--install)")
            continue
        sizes = options.first if tool.is_slow else [len(pages)]
        rows += [Row(tool=tool, pages=pages[:size]) for size in sizes]
    return rows


def environment(home: Path, checkout: Path) -> dict[str, str]:
    """Return what every tool gets: no proxy, no token, no configuration of the user."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(checkout),
    }


def machine_speed() -> float:
    """Return how many million additions a second Python does now.

    A shared machine changes by the minute; rounds with other speeds do not compare.
    """
    began_s, total = time.perf_counter(), 0
    for number in range(1_000_000):
        total += number
    return 1 / (time.perf_counter() - began_s)


def cpu_s(pid: int) -> float:
    """Return the CPU time of nginx: its one worker's, a child of `pid`."""
    workers = psutil.Process(pid).children()
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def run(task: Task, row: Row, round_number: int, limit_s: float) -> Run:
    command = row.tool.command(task)
    result_file = task.folder / "result.json"
    measure = [sys.executable, HERE / "measure.py", result_file, str(limit_s)]
    env = environment(task.folder, task.checkout)
    task.nginx.lines()
    nginx_s, speed = cpu_s(task.nginx.worker), machine_speed()
    with (
        (task.folder / "urls.txt").open() as given,
        (task.folder / OUT).open("w") as out,
        (task.folder / "err.txt").open("w") as err,
    ):
        measuring = subprocess.Popen(
            [*measure, *command],
            stdin=given,
            stdout=out,
            stderr=err,
            cwd=task.folder,
            env=env,
        )
        try:
            measuring.wait()
        except KeyboardInterrupt:
            measuring.terminate()
            measuring.wait()
            raise
    nginx_s = cpu_s(task.nginx.worker) - nginx_s
    result = json.loads(result_file.read_text())
    seen = task.nginx.seen(task.pages)
    fault, found = "", None
    try:
        found = row.tool.found(task)
        fault = found.shortfall(task.pages)
    except (ValueError, KeyError, OSError) as error:
        fault = f"its output could not be read: {error!r}"
    if seen.whole != len(task.pages):
        fault = f"saw {seen.whole:,} of {len(task.pages):,} pages"
    if result["exit"] < 0:
        fault = f"was ended by signal {-result['exit']}"
    if result["killed"]:
        fault = f"had to be killed: {', '.join(result['killed'])}"
    return Run(
        row=row.name,
        round=round_number,
        fault=fault,
        pages=len(task.pages),
        speed=speed,
        nginx_cpu_s=nginx_s,
        requests=seen.requests,
        connections=seen.connections,
        links=found and (found.links or found.a_hrefs),
        **{name: result[name] for name in MEASURED},
    )


def race(
    rows: list[Row], options: argparse.Namespace, nginx: served.Nginx, work: Path
) -> Iterator[Run]:
    """Run every row once on a few pages, not counted, then each round in turn."""
    for round_number in range(options.rounds + 1):
        for row in rows:
            pages = row.pages if round_number else row.pages[:PROBE_PAGES]
            folder = Path(tempfile.mkdtemp(prefix=row.tool.name + "-", dir=work))
            folder.chmod(0o777)  # linkchecker, started by root, becomes nobody
            task = Task(
                pages=pages,
                nginx=nginx,
                folder=folder,
                checkout=options.checkout.absolute(),
                per_host=options.per_host,
                venv=options.peers_venv,
            )
            done = run(task, row, round_number, options.limit)
            if done.fault:
                print(f"{row.name}, round {round_number}: {done.fault}")
                print(last_lines(folder / "err.txt"), file=sys.stderr)
            if round_number or done.fault:
                yield done
            if round_number and not done.fault:
                rate = f"{done.pages_per_s:8.0f} pages/s"
                speed = f"machine: {done.speed:.1f} million additions/s"
                print(f"{round_number}  {row.name:18}{rate}  {speed}")
            sys.stdout.flush()
            shutil.rmtree(folder)  # rows of all pages' links are large


def last_lines(file: Path) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-5:])


HEADINGS = (
    f"{'':18}{'pages/s':>9}{'lowest-highest':>17}{'fetcher is':>11}"
    f"{'parent':>9}{'others':>9}{'all':>9}{'MB sum':>8}{'largest':>8}"
    f"{'conns':>7}{'links':>11}"
)


def table(rows: list[Row], runs: list[Run]) -> list[str]:
    first = {run.round: run for run in runs if run.row == "fetcher" and not run.fault}
    lines = [f"{'':55}{'CPU, ms a page':>27}", HEADINGS]
    for row in rows:
        good = [run for run in runs if run.row == row.name and not run.fault]
        if not good:
            lines.append(f"{row.name:18} no run that counts")
            continue
        rates = [run.pages_per_s for run in good]
        parent = statistics.median(run.ms_a_page(run.parent_cpu_s) for run in good)
        together = statistics.median(run.ms_a_page(run.all_cpu_s) for run in good)
        ratios = [
            first[run.round].pages_per_s / run.pages_per_s
            for run in good
            if run.round in first
        ]
        is_faster = f"{statistics.median(ratios):.2f} x" if ratios else ""
        links = good[0].links
        lines.append(
            f"{row.name:18}{statistics.median(rates):9.0f}"
            f"{f'{min(rates):.0f}-{max(rates):.0f}':>17}{is_faster:>11}"
            f"{parent:9.3f}{together - parent:9.3f}{together:9.3f}"
            f"{statistics.median(run.sum_bytes for run in good) / MB:8.0f}"
            f"{statistics.median(run.largest_bytes for run in good) / MB:8.0f}"
            f"{statistics.median(run.connections for run in good):7.0f}"
            f"{f'{links:,}' if links else '':>11}"
        )
    return lines


def write_json(file: Path, options: argparse.Namespace, runs: list[Run]) -> None:
    said = {
        "python": platform.python_version(),
        "peers": versions(options.peers_venv),
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "per_host": options.per_host,
        "runs": [asdict(run) for run in runs],
    }
    file.write_text(json.dumps(said, indent=1) + "\n")


def pages_of(options: argparse.Namespace, work: Path) -> tuple[Path, list[served.Page]]:
    """Return the folder that nginx is to serve, and the pages in it."""
    if options.urls:
        root = work / "pages"
        return root, served.copy_of(options.urls, root, options.pages)
    if options.files:
        root = options.files.resolve()
        files = list(root.rglob("*.html"))
    else:
        root, files = served.files_of_package(options.package, work)
    return root, served.some_of(files, root, options.pages)


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    if options.install:
        install(options.peers_venv)
    with tempfile.TemporaryDirectory(prefix="peers-") as work_name:
        work = Path(work_name)
        work.chmod(0o755)
        root, pages = pages_of(options, work)
        rows = rows_of(options, pages)
        size = sum(page.size for page in pages)
        a_hrefs = sum(page.a_hrefs for page in pages)
        print(f"{len(pages):,} pages, {size / MB:.1f} MB, {a_hrefs:,} <a href>")
        for name, version in versions(options.peers_venv).items():
            print(name, version)
        runs: list[Run] = []
        interrupted = False
        with served.nginx(root, work) as nginx:
            try:
                runs.extend(race(rows, options, nginx, work))
            except KeyboardInterrupt:
                interrupted = True
    print("", *table(rows, runs), sep="\n")
    if options.json:
        write_json(options.json, options, runs)
    if interrupted:
        return 130
    return 1 if any(run.fault for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
