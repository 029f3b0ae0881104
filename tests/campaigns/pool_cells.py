"""The injected faults, each a function; run one in a process of its own.

    python -m tests.campaigns.pool_cells CELL default|fork|forkserver|spawn|standard

A cell makes a pool, commits its fault and returns what the caller saw, in a few words
("WorkerLost"). Then it is asked whether the pool still works, the pool is ended, and
what is left is counted. One line of JSON says it all. `standard` is the standard
library's Pool with its own start method, under the same fault; it may hang, so
whoever starts this must bound its time (see `pool_faults`).
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import multiprocessing
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from fetcher.pool import InitializerFailed, Pool, WorkerLost
from tests import pool_tasks as tasks

FAULTS = ("raise", "sys.exit", "os._exit", "SIGKILL", "segfault")
STOPS = ("SIGSTOP, deadline", "SIGSTOP, terminate")
PLACES = (
    "initializer",
    "idle",
    "unpickling the task",
    "running",
    "pickling the result",
    "sending 50 MB",
)
ANSWER_S = 60  # ours takes far less; it counts as a hang
STANDARD_S = 2  # what the standard pool has not answered by then it never will
DEADLINE_S = 0.5

Cell = Callable[["Scene"], str]
CELLS: dict[str, tuple[Cell, frozenset[str]]] = {}  # and what ours should come to


class Scene:
    """What a cell works with: a maker of pools, and how to ask them."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.ours = method != "standard"
        self.pools: list = []

    def make(self, *args, **kwds):
        if self.ours:
            context = None
            if self.method != "default":
                context = multiprocessing.get_context(self.method)
            pool = Pool(*args, context=context, **kwds)
        else:
            kwds.pop("slots", None)
            pool = multiprocessing.Pool(*args, **kwds)
        self.pools.append(pool)
        return pool

    @property
    def patience_s(self) -> float:
        return ANSWER_S if self.ours else STANDARD_S

    def options(self, **kwds):
        """Return these arguments of apply_async where they are understood."""
        return kwds if self.ours else {}

    def answer(self, *calls) -> str:
        """Return what came of these calls in a word each, the same word once."""
        words = {}
        until_s = time.monotonic() + self.patience_s
        for call in calls:
            try:
                call.get(max(until_s - time.monotonic(), 0))
                words["result"] = None
            except multiprocessing.TimeoutError:
                words["no answer"] = None
            except BaseException as error:
                words[type(error).__name__] = None
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return ", ".join(sorted(words))

    def terminate(self, pool, *open_calls) -> str:
        """Terminate; return how long that took, in a word, and what calls came to."""
        ending = threading.Thread(target=pool.terminate, daemon=True)
        ending.start()
        ending.join(4)
        if ending.is_alive():
            return "terminate() hangs"
        return self.answer(*open_calls)

    def works(self) -> bool:
        """Does the last pool, or a new one if it was ended, do what it should?"""
        pool = self.pools[-1] if self.pools else None
        if pool is None or pool._state != "RUN":
            pool = self.make(2)
        try:
            found = pool.map_async(tasks.square, range(20), 1).get(self.patience_s)
        except multiprocessing.TimeoutError:
            return False
        return found == [n * n for n in range(20)]

    def end(self) -> None:
        for pool in self.pools:
            pool.terminate()
            pool.join()
        self.pools.clear()


def cell(name: str, *expected: str):
    """Name a cell, and say what ours should come to."""

    def enter(function: Cell) -> Cell:
        CELLS[name] = (function, frozenset(expected))
        return function

    return enter


def state_of(pid: int) -> str:
    """Return the letter of a process's state; X when it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "X"
    return status.rpartition(")")[2].split()[0]


def await_state(pid: int, letters: str = "TZX", wait_s: float = 5) -> None:
    until_s = time.monotonic() + wait_s
    while state_of(pid) not in letters and time.monotonic() < until_s:
        time.sleep(0.01)


def pid_in(path: Path, wait_s: float = 10) -> int:
    until_s = time.monotonic() + wait_s
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text())
        time.sleep(0.01)
    raise TimeoutError(path)


def here(name: str) -> Path:
    """Return a file in the temporary directory that is this cell's own."""
    return Path(os.environ["CELL_DIR"]) / name


# -- the table: a fault in each place ----------------------------------------------


def in_place(scene: Scene, place: str, fault: str) -> str:
    """Commit a fault in a place and return what the call came to."""
    how, _, judged_by = fault.partition(", ")
    options = scene.options(deadline_s=DEADLINE_S) if judged_by == "deadline" else {}
    if place == "initializer":
        file = here("starts")
        pool = scene.make(2, tasks.fault_first_times, (file, how, 2))
        calls = [pool.apply_async(tasks.square, (3,), **options)]
        if judged_by == "terminate":
            await_state(pid_of_first_line(file), "T")
    elif place == "idle":
        pool = scene.make(2)
        pid = pool.apply(tasks.fault_later, (how, 0.2))
        await_state(pid)
        if options:
            options["resend"] = True
        calls = [pool.apply_async(tasks.square, (n,), **options) for n in range(20)]
    elif place == "sending 50 MB":
        pool = scene.make(2)
        calls = [while_sending(pool, how, options)]
    else:
        pool = scene.make(2)
        pool.apply(tasks.square, (3,))
        function, args = {
            "unpickling the task": (tasks.square, (tasks.Trap("unpickling", how),)),
            "running": (tasks.kill_self, (how,)),
            "pickling the result": (tasks.return_trap, ("pickling", how)),
        }[place]
        calls = [pool.apply_async(function, args, **options)]
        if judged_by == "terminate":
            time.sleep(0.3)
    if judged_by == "terminate":
        return scene.terminate(pool, *calls)
    return scene.answer(*calls)


def pid_of_first_line(file: Path) -> int:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError, IndexError):
            return int(file.read_text().splitlines()[0])
        time.sleep(0.01)
    raise TimeoutError(file)


def while_sending(pool, how: str, options: dict):
    """Have a worker fault while it sends, and the parent not read meanwhile."""
    pool.map(tasks.square, range(4), 1)
    gate = threading.Event()
    file = here("sender")
    big = pool.apply_async(tasks.send_and_fault, (file, how, 0.7), **options)
    pool.apply_async(tasks.square, (2,), callback=lambda _: gate.wait(10))
    await_state(pid_in(file))
    gate.set()
    return big


def enter_place(place: str, fault: str) -> None:
    expected = {"WorkerLost"}
    if fault == STOPS[0]:
        expected = {"DeadlinePassed"}
    elif fault == STOPS[1]:
        expected = {"PoolTerminated"}
    elif place in ("unpickling the task", "running") and fault in FAULTS[:2]:
        expected = {"KeyError"} if fault == "raise" else {"TaskExited"}
    elif place == "pickling the result" and fault in FAULTS[:2]:
        expected = {"MaybeEncodingError"}
    if place in ("initializer", "idle") and fault != STOPS[1]:
        expected = {"result"}
    if place == "idle" and fault == STOPS[1]:
        expected = {"PoolTerminated", "PoolTerminated, result"}
    cell(f"{place}: {fault}", *expected)(
        lambda scene: in_place(scene, place, fault),
    )


for _place in PLACES:
    for _fault in (*FAULTS, *STOPS):
        enter_place(_place, _fault)


@cell("unpickling in the parent: raise", "KeyError")
def parent_unpickling(scene: Scene) -> str:
    pool = scene.make(2)
    return scene.answer(pool.apply_async(tasks.return_trap, ("unpickling", "raise")))


@cell("unpickling in the parent: SystemExit", "TaskExited")
def parent_unpickling_exits(scene: Scene) -> str:
    pool = scene.make(2)
    return scene.answer(pool.apply_async(tasks.return_trap, ("unpickling", "sys.exit")))


@cell("callback: raise", "KeyError")
def callback_raises(scene: Scene) -> str:
    pool = scene.make(2)
    raises = pool.apply_async(
        tasks.square, (2,), callback=lambda _: tasks.kill_self("raise")
    )
    return scene.answer(raises)


@cell("callback: SystemExit", "SystemExit")
def callback_exits(scene: Scene) -> str:
    pool = scene.make(2)
    exits = pool.apply_async(
        tasks.square, (2,), callback=lambda _: tasks.kill_self("sys.exit")
    )
    return scene.answer(exits)


# -- storms ------------------------------------------------------------------------


def storm(scene: Scene, pool, calls, pause_s: float) -> str:
    """Kill a random worker again and again until every call is answered."""
    chosen = random.Random(3)
    until_s = time.monotonic() + (60 if scene.ours else 8)
    while not all(call.ready() for call in calls) and time.monotonic() < until_s:
        with contextlib.suppress(ProcessLookupError, IndexError, TypeError):
            os.kill(chosen.choice(pool._pool).pid, signal.SIGKILL)
        time.sleep(pause_s)
    unanswered = sum(not call.ready() for call in calls)
    if unanswered:
        return "no answer"
    refused = False
    for call in calls:
        if call.successful() or isinstance(call._value, WorkerLost):
            continue
        # Workers that are killed faster than they start.
        if not isinstance(call._value, InitializerFailed):
            return repr(call._value)
        refused = True
    return f"all answered{', some by InitializerFailed' * refused}"


STORMY = ("all answered", "all answered, some by InitializerFailed")


@cell("kill storm, 300 tasks, 1 slot", *STORMY)
def kill_storm(scene: Scene) -> str:
    pool = scene.make(3)
    options = scene.options(resend=True)
    calls = [pool.apply_async(tasks.sleep, (0.02,), **options) for _ in range(300)]
    return storm(scene, pool, calls, 0.03)


@cell("kill storm, 300 tasks, 4 slots", *STORMY)
def kill_storm_with_slots(scene: Scene) -> str:
    pool = scene.make(3, slots=4)
    options = scene.options(resend=True)
    calls = [pool.apply_async(tasks.sleep, (0.02,), **options) for _ in range(300)]
    return storm(scene, pool, calls, 0.03)


@cell("kill storm, nothing may be sent again", *STORMY)
def kill_storm_without_resend(scene: Scene) -> str:
    pool = scene.make(3, slots=2)
    calls = [pool.apply_async(tasks.sleep, (0.02,)) for _ in range(300)]
    return storm(scene, pool, calls, 0.03)


@cell("maxtasksperchild, a backlog and kills", *STORMY)
def replaced_and_killed(scene: Scene) -> str:
    pool = scene.make(3, maxtasksperchild=5)
    options = scene.options(resend=True)
    calls = [pool.apply_async(tasks.sleep, (0.01,), **options) for _ in range(200)]
    return storm(scene, pool, calls, 0.15)


# -- an initializer that never succeeds --------------------------------------------


def always(scene: Scene, how: str) -> str:
    pool = scene.make(2, tasks.kill_self, (how,))
    calls = [pool.apply_async(tasks.square, (n,)) for n in range(5)]
    outcome = scene.answer(*calls)
    if scene.ours:
        scene.terminate(pool)  # it can never work; the next one shall
    return outcome


@cell("initializer always: SIGSTOP, deadline", "InitializerFailed")
def initializer_always_stops(scene: Scene) -> str:
    pool = scene.make(2, tasks.kill_self, ("SIGSTOP",))
    options = scene.options(deadline_s=DEADLINE_S)
    calls = [pool.apply_async(tasks.square, (n,), **options) for n in range(5)]
    outcome = scene.answer(*calls)
    if scene.ours:
        scene.terminate(pool)
    return outcome


for _fault in FAULTS:
    cell(f"initializer always: {_fault}", "InitializerFailed")(
        lambda scene, how=_fault: always(scene, how)
    )


# -- terminate ---------------------------------------------------------------------


@cell("terminate() in a callback", "PoolTerminated")
def terminate_in_callback(scene: Scene) -> str:
    pool = scene.make(2)
    asked = threading.Event()

    def end(_) -> None:
        asked.set()
        pool.terminate()

    late = [pool.apply_async(tasks.sleep, (60,))]
    pool.apply_async(tasks.square, (1,), callback=end)
    with contextlib.suppress(ValueError):  # it was quicker
        late += [pool.apply_async(tasks.sleep, (60,)) for _ in range(4)]
    asked.wait(5)
    return scene.answer(*late)


@cell("terminate() with 2,000 tasks queued", "PoolTerminated")
def terminate_with_backlog(scene: Scene) -> str:
    pool = scene.make(2)
    calls = [pool.apply_async(tasks.sleep, (60,)) for _ in range(2000)]
    return scene.terminate(pool, *calls)


@cell("terminate() with a stopped worker", "PoolTerminated")
def terminate_with_stopped_worker(scene: Scene) -> str:
    pool = scene.make(2)
    pool.map(tasks.square, range(4), 1)
    calls = [pool.apply_async(tasks.sleep, (60,)) for _ in range(4)]
    os.kill(pool._pool[0].pid, signal.SIGSTOP)
    return scene.terminate(pool, *calls)


@cell("terminate() with 50 MB unread by a stopped worker", "PoolTerminated")
def terminate_with_unread_task(scene: Scene) -> str:
    pool = scene.make(1)
    os.kill(pool.apply(tasks.pid), signal.SIGSTOP)
    calls = [pool.apply_async(tasks.length, (bytes(50_000_000),)) for _ in range(2)]
    time.sleep(0.3)
    return scene.terminate(pool, *calls)


@cell("terminate() with 50 MB unread by the parent", "PoolTerminated")
def terminate_with_unread_result(scene: Scene) -> str:
    pool = scene.make(2)
    pool.map(tasks.square, range(4), 1)
    gate = threading.Event()
    big = pool.apply_async(tasks.payload, (50_000_000,))
    pool.apply_async(tasks.square, (2,), callback=lambda _: gate.wait(10))
    time.sleep(0.5)
    threading.Timer(1, gate.set).start()
    return scene.terminate(pool, big)


# -- memory ------------------------------------------------------------------------


@cell("a result over 2 GiB", "2 GiB and 5 bytes")
def two_gib(scene: Scene) -> str:
    pool = scene.make(1)
    size = 2**31 + 5
    result = pool.apply_async(tasks.payload, (size,))
    found = len(result.get(110))
    return "2 GiB and 5 bytes" if found == size else f"{found} bytes"


@cell("RLIMIT_AS: a result that does not fit", "MemoryError")
def result_beyond_limit(scene: Scene) -> str:
    pool = scene.make(2, tasks.limit_memory, (200_000_000,))
    return scene.answer(pool.apply_async(tasks.payload, (1_000_000_000,)))


@cell("RLIMIT_AS: a result that cannot be pickled", "MaybeEncodingError")
def pickle_beyond_limit(scene: Scene) -> str:
    pool = scene.make(2, tasks.limit_memory, (200_000_000,))
    return scene.answer(pool.apply_async(tasks.text, (120_000_000,)))


@cell("RLIMIT_AS: an argument that does not fit", "MemoryError")
def task_beyond_limit(scene: Scene) -> str:
    pool = scene.make(2, tasks.limit_memory, (200_000_000,))
    return scene.answer(pool.apply_async(tasks.length, (bytes(400_000_000),)))


@cell("RLIMIT_AS: no memory for another slot's thread", "result")
def threads_beyond_limit(scene: Scene) -> str:
    pool = scene.make(2, tasks.limit_memory, (60_000_000,), slots=32)
    calls = [pool.apply_async(tasks.sleep, (0.05,)) for _ in range(128)]
    return scene.answer(*calls)


# -- threads -----------------------------------------------------------------------


@cell("a Pool made in a thread that ends", "result")
def made_in_thread(scene: Scene) -> str:
    maker = threading.Thread(target=scene.make, args=(2,))
    maker.start()
    maker.join()
    time.sleep(0.3)
    pool = scene.pools[-1]
    return scene.answer(*[pool.apply_async(tasks.square, (n,)) for n in range(50)])


@cell("300 replacements beside busy threads", "all answered")
def replaced_beside_threads(scene: Scene) -> str:
    """Workers start while other threads hold the locks of logging, DNS and TLS."""
    stop = threading.Event()
    log = logging.getLogger("campaign")
    log.addHandler(logging.StreamHandler(Path(os.devnull).open("w")))  # noqa: SIM115

    def repeat(act: Callable[[], object]) -> None:
        while not stop.is_set():
            act()
            time.sleep(0.001)

    acts = (
        lambda: log.warning("busy"),
        lambda: socket.getaddrinfo("localhost", 80),
        ssl.create_default_context,
    )
    threads = [threading.Thread(target=repeat, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        pool = scene.make(4, maxtasksperchild=1)
        calls = [pool.apply_async(tasks.pid) for _ in range(300)]
        until_s = time.monotonic() + (5 * ANSWER_S if scene.ours else 60)
        for call in calls:
            call.wait(max(until_s - time.monotonic(), 0))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for handler in log.handlers:
            handler.stream.close()
        log.handlers.clear()
    unanswered = sum(not call.ready() for call in calls)
    if unanswered:
        return f"no answer to {unanswered}"
    pids = {call.get() for call in calls}
    return "all answered" if len(pids) >= 290 else f"{len(pids)} workers"


# -- the parent --------------------------------------------------------------------

PARENT = """
import multiprocessing, os, signal, sys, time
from fetcher.pool import Pool
from tests import pool_tasks as tasks

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background
if __name__ == "__main__":
    method, busy = sys.argv[1], sys.argv[2] == "busy"
    if method == "standard":
        pool = multiprocessing.Pool(2)
    elif method == "default":
        pool = Pool(2, slots=2)
    else:
        pool = Pool(2, context=multiprocessing.get_context(method), slots=2)
    with pool:
        pool.map(tasks.square, range(20), 1)
        calls = [pool.apply_async(tasks.sleep, (60,)) for _ in range(8 * busy)]
        time.sleep(0.3)
        print(*[worker.pid for worker in pool._pool], flush=True)
        time.sleep(60) if not busy else calls[0].get()
"""


@contextlib.contextmanager
def program(scene: Scene, busy: str):
    """Start a program with a pool, in a group of its own as a terminal would."""
    file = here("program.py")
    file.write_text(PARENT)
    command = [sys.executable, "-W", "ignore", str(file), scene.method, busy]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as running:
        try:
            yield running, [int(word) for word in running.stdout.readline().split()]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def ends(group: int, pids: list[int]) -> str:
    """Wait for the workers, then for whatever else the program had started."""
    until_s = time.monotonic() + 5
    while any(state_of(pid) not in "ZX" for pid in pids):
        if time.monotonic() > until_s:
            return "workers stay"
        time.sleep(0.01)
    while group_members(group):
        if time.monotonic() > until_s:
            return "another process stays"
        time.sleep(0.01)
    return "workers end"


def group_members(group: int) -> list[int]:
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] != "Z":
                    members.append(int(entry.name))
    return members


def parent_killed(scene: Scene, busy: str) -> str:
    with program(scene, busy) as (running, pids):
        running.kill()
        running.wait()
        outcome = ends(running.pid, pids)
    return outcome if pids else "no workers"


def interrupted(scene: Scene, busy: str, times: int) -> str:
    with program(scene, busy) as (running, pids):
        for _ in range(times):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGINT)
            time.sleep(0.05)
        try:
            _, told = running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            return "the program hangs"
        outcome = ends(running.pid, pids)
    if running.returncode != -signal.SIGINT:
        return f"exit code {running.returncode}"
    quiet = told.count(b"Traceback (most recent call last)") <= times
    return outcome if quiet else "a traceback from each worker"


for _busy in ("idle", "busy"):
    cell(f"the parent is killed, workers {_busy}", "workers end")(
        lambda scene, busy=_busy: parent_killed(scene, busy)
    )
    cell(f"Ctrl-C once, workers {_busy}", "workers end")(
        lambda scene, busy=_busy: interrupted(scene, busy, 1)
    )
    cell(f"Ctrl-C twice, workers {_busy}", "workers end")(
        lambda scene, busy=_busy: interrupted(scene, busy, 2)
    )


# -- running one -------------------------------------------------------------------


def leftovers() -> dict[str, object]:
    """Count what must be the same before and after."""
    gc.collect()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "children": len(children),
    }


def what_is_left(before: dict[str, object]) -> str:
    until_s = time.monotonic() + 5
    while (now := leftovers()) != before and time.monotonic() < until_s:
        time.sleep(0.02)
    return "" if now == before else f"{before} became {now}"


def warm_up(scene: Scene) -> None:
    """Start what stays until the program ends: the servers of the start methods."""
    pool = scene.make(1)
    pool.apply(tasks.pid)
    if scene.ours:
        scene.end()
    else:
        pool.terminate()
        scene.pools.clear()


def run(name: str, method: str) -> dict[str, object]:
    """Run one cell and return what came of it."""
    act, expected = CELLS[name]
    scene = Scene(method)
    warm_up(scene)
    before = leftovers()
    began_s = time.monotonic()
    outcome = act(scene)
    took_s = time.monotonic() - began_s
    works = scene.works()
    left = ""
    if scene.ours:
        scene.end()
        left = what_is_left(before)
    return {
        "cell": name,
        "method": method,
        "outcome": outcome,
        "works": works,
        "left": left,
        "seconds": round(took_s, 2),
        "ok": outcome in expected and works and not left,
    }


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads: meant
    found = run(sys.argv[1], sys.argv[2])
    print(json.dumps(found), flush=True)
    if found["method"] == "standard":
        os._exit(0)  # it may be beyond ending in good order


if __name__ == "__main__":
    main()
