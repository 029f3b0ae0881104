"""Tasks per second and CPU per task of fetcher's Pool beside multiprocessing's.

    python -m tests.benchmarks.pool_speed [--tasks 5000] [--workers 3] [--repeat 3]

Each row is the median of `--repeat` runs, the pools taking turns. "parent" is the CPU
time of this process per task, pickling and callbacks included; "workers" that of all
the workers together.

The functions are those of an importable module, as `get_url` is. One more row shows
what a function of `__main__` costs, which our Pool sends by value with each task.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fetcher.pool import Pool

PAGE = os.urandom(20_000)


def no_op(number: int) -> int:
    return number


def page(number: int) -> bytes:
    return PAGE


class Run(NamedTuple):
    tasks_per_s: float
    parent_ms: float
    workers_ms: float


def one_at_a_time(pool, function: Callable, count: int) -> int:
    return sum(pool.apply(function, (n,)) is not None for n in range(count))


def all_at_once(pool, function: Callable, count: int) -> int:
    done = threading.Semaphore(0)
    seen = []

    def on_result(result: object) -> None:
        seen.append(result is not None)
        if len(seen) == count:
            done.release()

    for n in range(count):
        pool.apply_async(function, (n,), callback=on_result)
    done.acquire()
    return sum(seen)


def window(pool, function: Callable, count: int) -> int:
    """Submit the next when one is done, 128 on their way: as a crawl does."""
    free = threading.Semaphore(128)
    seen = []

    def on_result(result: object) -> None:
        seen.append(result is not None)
        free.release()

    for n in range(count):
        free.acquire()
        pool.apply_async(function, (n,), callback=on_result)
    for _ in range(128):
        free.acquire()
    return sum(seen)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(make: Callable, way: Callable, function: Callable, count: int) -> Run:
    with make() as pool:
        assert pool.map(no_op, range(64), 1) == list(range(64))  # all are up
        pids = [worker.pid for worker in pool._pool]
        workers_s = sum(map(cpu_s, pids))
        parent_s, began_s = own_cpu_s(), time.perf_counter()
        seen = way(pool, function, count)
        took_s = time.perf_counter() - began_s
        parent_s = own_cpu_s() - parent_s
        workers_s = sum(map(cpu_s, pids)) - workers_s
    assert seen == count, f"{seen} answers to {count} tasks"
    return Run(count / took_s, 1000 * parent_s / count, 1000 * workers_s / count)


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a row's name")
    parser.add_argument("--mine", action="store_true", help="leave out the standard")
    options = parser.parse_args()

    pools: dict[str, Callable] = {
        "standard": lambda: multiprocessing.Pool(options.workers),
        "slots=1": lambda: Pool(options.workers),
        "slots=32": lambda: Pool(options.workers, slots=32),
    }
    if options.mine:
        del pools["standard"]
    print(f"{'':40}{'tasks/s':>9}{'of std':>8}{'parent ms':>11}{'workers ms':>12}")
    ways = (one_at_a_time, all_at_once, window)
    rows = [(function, way) for function in ("no_op", "page") for way in ways]
    for function_name, way in [*rows, ("no_op of __main__", all_at_once)]:
        function = globals()[function_name.split()[0]]
        if "__main__" not in function_name:
            function = getattr(
                importlib.import_module("tests.benchmarks.pool_speed"), function_name
            )
        count = options.tasks // (4 if way is one_at_a_time else 1)
        runs: dict[str, list[Run]] = {name: [] for name in pools}
        row = f"{function_name} {way.__name__}"
        if options.only not in row:
            continue
        for _ in range(options.repeat):
            for name, make in pools.items():
                runs[name].append(measure(make, way, function, count))
        first = None
        for name, of_pool in runs.items():
            run = median(of_pool)
            first = first or run
            print(
                f"{row:31}{name:>9}{run.tasks_per_s:9.0f}"
                f"{run.tasks_per_s / first.tasks_per_s:8.2f}"
                f"{run.parent_ms:11.3f}{run.workers_ms:12.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
