"""The pool: one contract, two implementations, and what only ours survives."""

from __future__ import annotations

import contextlib
import gc
import itertools
import multiprocessing
import multiprocessing.pool
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from fetcher.pool import (
    DeadlinePassed,
    InitializerFailed,
    MaybeEncodingError,
    Pool,
    PoolTerminated,
    RemoteTraceback,
    TaskExited,
    WorkerLost,
    start,
    warm_up,
)
from fetcher.pool.task import Loss, after_loss
from fetcher.pool.wire import (
    ERROR,
    RESULT,
    TOO_LARGE,
    FrameReader,
    dumps_pieces,
    frame,
)

from . import pool_tasks as tasks

ROOT = Path(__file__).resolve().parents[1]
METHODS = ["default", "fork", "forkserver", "spawn"]
# For what does not depend on how a worker starts; the whole table, under each of them,
# is tests/campaigns/pool_faults.py.
FEW_METHODS = [
    "default",
    *(pytest.param(method, marks=pytest.mark.campaign) for method in METHODS[1:]),
]
GONE_S = 1  # what has no answer by then gets none; ours takes a few milliseconds
WAIT_S = 20  # far more than anything here takes; a hang ends there

pytestmark = [
    # The standard pool's result thread dies of a callback; fork() beside threads.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def make_standard(*args, **kwds):
    return multiprocessing.get_context("forkserver").Pool(*args, **kwds)


def make_ours(method):
    context = None if method == "default" else multiprocessing.get_context(method)
    return lambda *args, **kwds: Pool(*args, context=context, **kwds)


def end(pool):
    """Terminate even a standard pool whose threads have died."""
    workers = list(pool._pool)
    if isinstance(pool, Pool):
        pool.terminate()
        pool.join()
        return
    ending = threading.Thread(target=_terminate_quietly, args=(pool,), daemon=True)
    ending.start()
    ending.join(1)
    for worker in workers:
        worker.kill()


def _terminate_quietly(pool):
    with contextlib.suppress(AssertionError):
        pool.terminate()


@pytest.fixture(params=["standard", "ours"])
def make(request):
    """Both implementations; what they make is ended after the test."""
    maker = make_standard if request.param == "standard" else Pool
    yield from _making(maker)


@pytest.fixture
def pool(make):
    return make(2)


@pytest.fixture(params=FEW_METHODS)
def make_each(request):
    """Ours as it is by default, in the campaign under every start method."""
    yield from _leaving_nothing(make_ours(request.param))


@pytest.fixture(params=METHODS)
def make_all(request):
    """Ours under every start method, always."""
    yield from _leaving_nothing(make_ours(request.param))


@pytest.fixture
def make_one():
    """Ours as it is by default."""
    yield from _leaving_nothing(Pool)


def _leaving_nothing(maker):
    """Hand out the maker; nothing may be left behind after the test."""
    with maker(1) as warm:  # the servers that stay are started here
        warm.apply(tasks.pid)
    warm.join()
    before = leftovers()
    yield from _making(maker)
    assert_nothing_left(before)


def _making(maker):
    made = []

    def make(*args, **kwds):
        made.append(maker(*args, **kwds))
        return made[-1]

    yield make
    for pool in made:
        end(pool)


def leftovers():
    gc.collect()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "processes": len(multiprocessing.active_children()),
        "children": len(children.read_text().split()),
    }


def assert_nothing_left(before):
    deadline = time.monotonic() + 3
    while leftovers() != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert leftovers() == before


def still_works(pool):
    found = pool.map_async(tasks.square, range(20), 1).get(WAIT_S)
    return found == [n * n for n in range(20)]


standard_fails = pytest.mark.xfail(strict=True, reason="what the standard pool fails")


def only_ours(function):
    """Mark a promise that the standard pool does not keep."""
    marks = [
        pytest.param(make_standard, marks=standard_fails, id="standard"),
        pytest.param(Pool, id="ours"),
    ]
    return pytest.mark.slow(pytest.mark.parametrize("maker", marks)(function))


@contextlib.contextmanager
def made(maker, *args, **kwds):
    pool = maker(*args, **kwds)
    try:
        yield pool
    finally:
        end(pool)


# -- the contract ----------------------------------------------------------------------


def test_apply_returns_what_the_function_returns(pool):
    assert pool.apply(tasks.square, (7,)) == 49
    assert pool.apply(tasks.add, (1,), {"b": 2}) == 3
    assert pool.apply_async(tasks.add, kwds={"a": 5}).get(WAIT_S) == 5


def test_maps_keep_the_order_of_their_arguments(pool):
    squares = [n * n for n in range(50)]
    assert pool.map(tasks.square, range(50)) == squares
    assert pool.map(tasks.square, iter(range(50)), chunksize=7) == squares
    assert pool.starmap(tasks.add, zip(range(9), range(9), strict=True)) == [
        2 * n for n in range(9)
    ]
    assert list(pool.imap(tasks.square, range(50))) == squares
    assert list(pool.imap(tasks.square, range(50), chunksize=7)) == squares
    assert sorted(pool.imap_unordered(tasks.square, range(50))) == squares
    assert pool.map(tasks.square, []) == []
    assert list(pool.imap(tasks.square, [])) == []


def test_imap_gives_results_of_an_endless_iterable(pool):
    results = pool.imap(tasks.square, itertools.count())
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]


def test_imap_next_times_out(pool):
    results = pool.imap(tasks.sleep, [0.5])
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=0.01)
    assert results.next(timeout=WAIT_S) == 0.5
    with pytest.raises(StopIteration):
        next(results)


def test_an_exception_is_raised_with_the_workers_traceback(pool):
    with pytest.raises(KeyError, match="why") as caught:
        pool.apply(tasks.fail, ("why",))
    assert isinstance(caught.value.__cause__, multiprocessing.pool.RemoteTraceback)
    assert "raise KeyError(message)" in str(caught.value.__cause__)


def test_an_iterable_that_raises_is_an_error_of_its_call(pool):
    def elements():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        pool.map(tasks.square, elements())
    results = pool.imap(tasks.square, elements())
    assert next(results) == 1
    with pytest.raises(LookupError, match="no more"):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_get_waits_no_longer_than_its_timeout(pool):
    result = pool.apply_async(tasks.sleep, (0.3,))
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(timeout=0.01)
    result.wait(WAIT_S)
    assert result.ready()
    assert result.successful()


def test_callbacks_run_in_the_parent_before_get_returns(pool):
    seen = []
    call = pool.apply_async(tasks.square, (3,), callback=seen.append)
    assert call.get(WAIT_S) == 9
    failed = pool.apply_async(tasks.fail, ("x",), error_callback=seen.append)
    failed.wait(WAIT_S)
    many = pool.map_async(tasks.square, [1, 2], callback=seen.append)
    many.wait(WAIT_S)
    assert seen[0] == 9
    assert isinstance(seen[1], KeyError)
    assert seen[2] == [1, 4]


def test_what_cannot_be_pickled_is_an_error_of_its_call(pool):
    with pytest.raises(TypeError):
        pool.apply(tasks.square, (threading.Lock(),))
    with pytest.raises(MaybeEncodingError):
        pool.apply(tasks.unpicklable)
    assert still_works(pool)


def test_a_closed_pool_finishes_and_takes_nothing_more(pool):
    results = [pool.apply_async(tasks.square, (n,)) for n in range(20)]
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    pool.close()
    with pytest.raises(ValueError, match="not running"):
        pool.apply(tasks.square, (1,))
    pool.join()
    assert [result.get(0) for result in results] == [n * n for n in range(20)]


def test_a_with_block_terminates(make):
    with make(1) as pool:
        pool.apply(tasks.square, (1,))
    with pytest.raises(ValueError, match="not running"):
        pool.map(tasks.square, [1])
    with pytest.raises(ValueError, match="not running"), pool:
        pass


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"processes": 0}, ValueError),
        ({"maxtasksperchild": 0}, ValueError),
        ({"maxtasksperchild": 1.5}, ValueError),
        ({"initializer": 3}, TypeError),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(make, arguments, error):
    with pytest.raises(error):
        make(**arguments)


def test_our_own_arguments_are_checked_too():
    with pytest.raises(ValueError, match="slots"):
        Pool(1, slots=0)
    with pytest.raises(TypeError, match="loads"):
        Pool(1, loads=3)


def test_a_pool_is_not_pickled_and_shows_its_state(make):
    pool = make(1)
    with pytest.raises(NotImplementedError):
        pickle.dumps(pool)
    assert "state=RUN pool_size=1>" in repr(pool)
    pool.terminate()
    assert "state=TERMINATE" in repr(pool)


@pytest.mark.slow
def test_a_forgotten_pool_warns_and_leaves_nothing():
    with Pool(1):
        before = leftovers()
    pool = Pool(1)
    with pytest.warns(  # noqa: PT031  # both make the one thing happen
        ResourceWarning, match="unclosed running multiprocessing pool"
    ):
        del pool
        gc.collect()
    before["threads"].remove("pool-foreman")
    before["descriptors"] -= 6  # selector, wake-up, pipe, the process's two
    before["processes"] -= 1
    assert_nothing_left(before)


@pytest.mark.slow
def test_maxtasksperchild_replaces_workers(make):
    pool = make(2, maxtasksperchild=3)
    pids = pool.map(tasks.pid, range(30), chunksize=1)
    assert len(set(pids)) >= 10
    assert max(pids.count(pid) for pid in set(pids)) == 3


@pytest.mark.slow
def test_an_initializer_runs_in_every_worker(make):
    pool = make(2, initializer=os.putenv, initargs=("GREETING", "hello"))
    assert still_works(pool)


# -- what the standard pool fails ------------------------------------------------------


@pytest.mark.parametrize("how", ["SIGKILL", "segfault", "os._exit", "sys.exit"])
@only_ours
def test_a_task_that_ends_its_worker_is_answered(maker, how):
    """`get()` of a task whose worker died raises; it does not wait for ever."""
    with made(maker, 2) as pool:
        lost = pool.apply_async(tasks.kill_self, (how,))
        with pytest.raises((WorkerLost, TaskExited)) as caught:
            lost.get(timeout=GONE_S)
        assert isinstance(caught.value, TaskExited) == (how == "sys.exit")
        assert still_works(pool)


@pytest.mark.parametrize("how", ["raise", "sys.exit"])
@only_ours
def test_a_callback_that_raises_is_the_error_of_its_call(maker, how):
    """The thread that runs callbacks lives on, and the next callback is called."""
    with made(maker, 1) as pool:
        call = pool.apply_async(
            tasks.square, (2,), callback=lambda _: tasks.kill_self(how)
        )
        with pytest.raises((KeyError, SystemExit)):
            call.get(timeout=GONE_S)
        assert pool.apply_async(tasks.square, (3,)).get(timeout=5) == 9


@pytest.mark.parametrize("how", ["raise", "sys.exit"])
@only_ours
def test_a_result_that_cannot_be_unpickled_fails_its_call_only(maker, how):
    with made(maker, 1) as pool:
        call = pool.apply_async(tasks.return_trap, ("unpickling", how))
        with pytest.raises((KeyError, TaskExited)):
            call.get(timeout=GONE_S)
        assert pool.apply_async(tasks.square, (3,)).get(timeout=5) == 9


@only_ours
def test_an_exception_that_cannot_be_unpickled_still_shows_its_traceback(maker):
    with made(maker, 1) as pool:
        with pytest.raises(TypeError) as caught:
            pool.apply_async(tasks.raise_bad_error).get(timeout=GONE_S)
        assert isinstance(caught.value.__cause__, RemoteTraceback)
        assert "raise BadError(1, 2)" in str(caught.value.__cause__)


@pytest.mark.parametrize("how", ["raise", "sys.exit", "os._exit", "SIGKILL"])
@only_ours
def test_a_task_that_cannot_be_unpickled_fails_alone(maker, how):
    with made(maker, 1) as pool:
        call = pool.apply_async(tasks.square, (tasks.Trap("unpickling", how),))
        with pytest.raises((KeyError, TaskExited, WorkerLost)):
            call.get(timeout=GONE_S)
        assert pool.apply_async(tasks.square, (3,)).get(timeout=5) == 9


@only_ours
def test_calls_open_at_terminate_are_answered(maker):
    with made(maker, 1) as pool:
        open_calls = [pool.apply_async(tasks.sleep, (60,)) for _ in range(50)]
        results = pool.imap(tasks.sleep, [60, 60])
        pool.terminate()
        for call in open_calls:
            with pytest.raises(PoolTerminated):
                call.get(timeout=GONE_S)
        with pytest.raises(PoolTerminated):
            results.next(timeout=GONE_S)


# -- the fault table, compact, under every start method --------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "segfault", "os._exit"])
def test_the_death_of_a_worker_costs_only_its_own_task(make_all, how):
    pool = make_all(2)
    neighbour = pool.apply_async(tasks.sleep, (0.2,))
    lost = pool.apply_async(tasks.kill_self, (how,))
    with pytest.raises(WorkerLost, match="while it held this task") as caught:
        lost.get(WAIT_S)
    assert caught.value.pid not in (None, os.getpid())
    expected = {"SIGKILL": "SIGKILL", "segfault": "SIGSEGV", "os._exit": "exit code 3"}
    assert expected[how] in str(caught.value)
    assert neighbour.get(WAIT_S) == 0.2
    assert still_works(pool)


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGTERM"])
def test_idle_workers_may_be_killed(make_each, sent):
    pool = make_each(3)
    assert still_works(pool)
    for worker in pool._pool:
        os.kill(worker.pid, getattr(signal, sent))
    # Given out before their end is seen, a task may be lost with them: it is the
    # caller's to say whether it may be sent again.
    calls = [pool.apply_async(tasks.square, (n,), resend=True) for n in range(20)]
    assert [call.get(WAIT_S) for call in calls] == [n * n for n in range(20)]
    assert still_works(pool)
    assert len(pool._pool) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raise", "sys.exit", "os._exit", "SIGKILL"])
@pytest.mark.parametrize("where", ["pickling", "unpickling"])
def test_pickling_may_go_wrong_on_either_side(make_each, where, how):
    pool = make_each(1)
    if where == "pickling":  # the result, in the worker
        call = pool.apply_async(tasks.return_trap, (where, how))
    else:  # the task, in the worker
        call = pool.apply_async(tasks.square, (tasks.Trap(where, how),))
    with pytest.raises((KeyError, TaskExited, MaybeEncodingError, WorkerLost)):
        call.get(WAIT_S)
    assert still_works(pool)


@pytest.mark.slow
def test_a_stopped_worker_is_replaced_at_the_deadline(make_each):
    pool = make_each(2)
    began_s = time.monotonic()
    call = pool.apply_async(tasks.kill_self, ("SIGSTOP",), deadline_s=0.3)
    with pytest.raises(DeadlinePassed, match=r"within 0\.3 s"):
        call.get(WAIT_S)
    assert 0.3 <= time.monotonic() - began_s < 3
    assert still_works(pool)


@pytest.mark.slow
def test_terminate_does_not_wait_for_a_stopped_worker(make_each):
    pool = make_each(2)
    assert still_works(pool)
    pool.apply_async(tasks.kill_self, ("SIGSTOP",))
    os.kill(pool._pool[0].pid, signal.SIGSTOP)
    began_s = time.monotonic()
    pool.terminate()
    pool.join()
    assert time.monotonic() - began_s < 3


@pytest.mark.slow
def test_a_worker_may_die_while_it_sends_50_mb(make_each):
    pool = make_each(2)
    assert still_works(pool)
    go_on = threading.Event()
    blocked = threading.Event()

    def block(_):
        blocked.set()
        go_on.wait(WAIT_S)

    pool.apply_async(tasks.square, (1,), callback=block)
    assert blocked.wait(WAIT_S)
    first = pool.apply_async(tasks.payload, (50_000_000,))
    again = pool.apply_async(tasks.payload, (50_000_000,), resend=True)
    go_on.set()  # they are dealt out now
    while not first.ready():
        if any(worker.reader._rest is not None for worker in pool._foreman.workers):
            break
    for worker in pool._pool:
        os.kill(worker.pid, signal.SIGKILL)
    with contextlib.suppress(WorkerLost):  # or it was quicker
        assert len(first.get(WAIT_S)) == 50_000_000
    assert len(again.get(WAIT_S)) == 50_000_000
    assert still_works(pool)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raise", "sys.exit", "os._exit", "SIGKILL"])
def test_an_initializer_that_keeps_failing_fails_the_tasks(make_each, how, capfd):
    pool = make_each(2, tasks.kill_self, (how,))
    calls = [pool.apply_async(tasks.square, (n,)) for n in range(5)]
    for call in calls:
        with pytest.raises(InitializerFailed) as caught:
            call.get(WAIT_S)
    cause = {"raise": KeyError, "sys.exit": TaskExited}.get(how, WorkerLost)
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.slow
def test_a_stuck_initializer_does_not_hold_up_a_task_with_a_deadline(
    make_one, monkeypatch
):
    """`get()` raises; it used to wait for as long as the initializer did."""
    monkeypatch.setattr("fetcher.pool.foreman._START_GRACE_S", 0.3)
    pool = make_one(2, tasks.kill_self, ("SIGSTOP",))
    call = pool.apply_async(tasks.square, (2,), deadline_s=0.2)
    with pytest.raises(InitializerFailed, match="was not ready after"):
        call.get(WAIT_S)


@pytest.mark.slow
def test_an_initializer_may_take_its_time_if_nobody_set_a_deadline(
    make_one, monkeypatch
):
    monkeypatch.setattr("fetcher.pool.foreman._START_GRACE_S", 0.1)
    pool = make_one(1, time.sleep, (0.8,))
    assert pool.apply_async(tasks.square, (2,)).get(WAIT_S) == 4


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2000, 70_000, 5_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, list])
def test_results_of_every_size_and_shape_arrive_whole(make_one, kind, length):
    """Large bytes travel as they are, other things in many pieces."""
    pool = make_one(1, slots=2)
    made = pool.apply(tasks.made_of, (kind, length))
    assert type(made) is kind
    assert made == tasks.made_of(kind, length)


@pytest.mark.slow
def test_big_things_travel_both_ways(make_each):
    pool = make_each(2, slots=4)
    big = os.urandom(5_000_000)
    assert pool.map(tasks.length, [big] * 8, 1) == [5_000_000] * 8
    assert [len(p) for p in pool.map(tasks.payload, [5_000_000] * 8, 1)] == [
        5_000_000
    ] * 8


# -- loss, deadlines, preference -------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"resend": False, "losses": 1}, Loss.FAIL),
        ({"losses": 1}, Loss.RESEND),
        ({"losses": 2}, Loss.FAIL),
        ({"losses": 2, "neighbours": 3}, Loss.RESEND_ALONE),
        ({"losses": 3}, Loss.FAIL),
        ({"losses": 1, "expired": True}, Loss.RESEND),
        ({"losses": 2, "expired": True, "neighbours": 3}, Loss.FAIL),
        ({"losses": 2, "blamed_other": True, "neighbours": 3}, Loss.RESEND),
        ({"resend": False, "losses": 0, "blamed_other": True}, Loss.FAIL),
    ],
    ids=str,
)
def test_a_lost_task_is_judged(case, expected):
    given = {"resend": True, "expired": False, "neighbours": 0, "blamed_other": False}
    assert after_loss(**{**given, **case}) is expected


@pytest.mark.slow
def test_a_task_is_sent_again_once_if_that_is_allowed(make_one, tmp_path):
    pool = make_one(2)
    once, twice = tmp_path / "once", tmp_path / "twice"
    call = pool.apply_async(tasks.die_first_times, (once, 1), resend=True)
    assert call.get(WAIT_S) == "alive"
    call = pool.apply_async(tasks.die_first_times, (twice, 2), resend=True)
    with pytest.raises(WorkerLost, match="2 workers in a row"):
        call.get(WAIT_S)
    assert len(twice.read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_killer_is_found_among_innocent_neighbours(make_one):
    """Tasks that share a worker with one that kills it all succeed in the end."""
    pool = make_one(2, slots=8)
    good = [pool.apply_async(tasks.sleep, (0.05,), resend=True) for _ in range(30)]
    bad = pool.apply_async(tasks.kill_self, resend=True)
    good += [pool.apply_async(tasks.sleep, (0.05,), resend=True) for _ in range(30)]
    with pytest.raises(WorkerLost):
        bad.get(WAIT_S)
    assert [call.get(WAIT_S) for call in good] == [0.05] * 60


@pytest.mark.slow
def test_the_neighbours_of_a_late_task_are_told_so_or_sent_again(make_one):
    pool = make_one(1, slots=3)
    late = pool.apply_async(tasks.sleep, (60,), deadline_s=0.3)
    again = pool.apply_async(tasks.sleep, (0.5,), resend=True)
    lost = pool.apply_async(tasks.sleep, (60,))
    with pytest.raises(DeadlinePassed):
        late.get(WAIT_S)
    with pytest.raises(WorkerLost, match="another task in it") as caught:
        lost.get(WAIT_S)
    assert not isinstance(caught.value, DeadlinePassed)
    assert again.get(WAIT_S) == 0.5


@pytest.mark.slow
def test_time_in_callbacks_is_not_charged_to_deadlines(make_one):
    pool = make_one(2)
    assert still_works(pool)
    pool.apply_async(tasks.square, (1,), callback=lambda _: time.sleep(0.8))
    call = pool.apply_async(tasks.sleep, (0.3,), deadline_s=0.6)
    assert call.get(WAIT_S) == 0.3


@pytest.mark.slow
def test_a_late_task_may_be_sent_again(make_one, tmp_path):
    pool = make_one(1)
    call = pool.apply_async(
        tasks.sleep_first_time, (tmp_path / "log", 60), resend=True, deadline_s=0.3
    )
    assert call.get(WAIT_S) == "awake"


@pytest.mark.slow
def test_the_preferred_worker_gets_the_task(make_one):
    pool = make_one(3)
    while len(set(pool.map(tasks.slow_pid, [0.1] * 6, 1))) < 3:
        pass  # until all three have started
    by_key = {}
    for turn in range(30):
        key = turn % 3
        by_key.setdefault(key, set()).add(
            pool.apply_async(tasks.pid, prefer=key).get(WAIT_S)
        )
    assert [len(pids) for pids in by_key.values()] == [1, 1, 1]
    assert len(set.union(*by_key.values())) == 3


@pytest.mark.slow
def test_slots_run_tasks_side_by_side(make_each):
    pool = make_each(2, slots=10)
    assert still_works(pool)
    began_s = time.monotonic()
    pids = pool.map(tasks.slow_pid, [0.2] * 20, 1)
    assert time.monotonic() - began_s < 1.5
    assert {pids.count(pid) for pid in pids} == {10}


def test_with_one_slot_tasks_run_in_the_main_thread(make_one):
    """So that signal handlers and alarms can be set in a task."""
    assert make_one(1).apply(tasks.thread_name)


@pytest.mark.slow
def test_maxtasksperchild_holds_with_slots(make_one):
    pool = make_one(2, slots=4, maxtasksperchild=10)
    pids = pool.map(tasks.pid, range(60), 1)
    assert max(pids.count(pid) for pid in set(pids)) <= 10
    assert len(set(pids)) >= 6


@pytest.mark.slow
def test_tasks_may_be_submitted_from_many_threads(make_one):
    pool = make_one(2, slots=4)
    found = []

    def submit(base):
        calls = [pool.apply_async(tasks.square, (base + n,)) for n in range(100)]
        found.extend(call.get(WAIT_S) for call in calls)

    threads = [threading.Thread(target=submit, args=(100 * n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [n * n for n in range(500)]


@pytest.mark.slow
def test_a_kill_storm_loses_no_answer(make_one):
    pool = make_one(3, slots=4)
    calls = [pool.apply_async(tasks.sleep, (0.02,), resend=True) for _ in range(300)]
    while not all(call.ready() for call in calls):
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(pool._pool[0].pid, signal.SIGKILL)
        time.sleep(0.05)
    outcomes = [call._value for call in calls]
    assert all(o == 0.02 or isinstance(o, WorkerLost) for o in outcomes)
    assert still_works(pool)


# -- the end ---------------------------------------------------------------------------


@pytest.mark.slow
def test_terminate_works_while_a_callback_blocks(make_one):
    pool = make_one(2)
    go_on = threading.Event()
    inside = threading.Event()
    pool.apply_async(
        tasks.square, (1,), callback=lambda _: (inside.set(), go_on.wait(WAIT_S))
    )
    assert inside.wait(WAIT_S)
    call = pool.apply_async(tasks.sleep, (60,))
    threading.Timer(0.2, go_on.set).start()
    began_s = time.monotonic()
    pool.terminate()
    pool.join()
    assert time.monotonic() - began_s < 3
    with pytest.raises(PoolTerminated):
        call.get(0)


def test_terminate_may_be_called_in_a_callback(make_one):
    pool = make_one(1)
    pool.apply_async(tasks.square, (1,), callback=lambda _: pool.terminate())
    last = pool.apply_async(tasks.sleep, (60,))
    with pytest.raises(PoolTerminated):
        last.get(WAIT_S)
    pool.join()


@pytest.mark.slow
def test_terminate_does_not_wait_for_what_is_unsent_or_unread(make_one):
    pool = make_one(2)
    for _ in range(2000):
        pool.apply_async(tasks.sleep, (60,))
    pool.apply_async(tasks.length, (bytes(50_000_000),))
    began_s = time.monotonic()
    pool.terminate()
    pool.join()
    assert time.monotonic() - began_s < 3


@pytest.mark.slow
def test_warm_up_starts_the_server_and_does_not_wait():
    """A pool of the same modules, made later, uses the server that is there."""
    preload = ("tests.pool_slow_import",)
    began_s = time.monotonic()
    warm_up(preload)
    assert time.monotonic() - began_s < tasks.SLOW_IMPORT_S
    server = start._server(preload)
    pid = server._forkserver_pid
    warm_up(preload)
    with Pool(1, preload=preload) as pool:
        assert pool.apply(tasks.is_imported, preload)
    assert server._forkserver_pid == pid
    pool.join()


def run_program(tmp_path, program, *, stdin=False, **kwds):
    file = tmp_path / "program.py"
    program = textwrap.dedent(program)
    file.write_text(program)
    return subprocess.run(
        [sys.executable, "-" if stdin else str(file)],
        input=program if stdin else None,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        **kwds,
    )


PROGRAM = """
    import socket
    from fetcher.pool import Pool

    listener = socket.create_server(("127.0.0.1", {port}))  # twice would fail

    class Box:
        def __init__(self, value):
            self.value = value

    def double(box):
        return Box(2 * box.value)

    pool = Pool(2)
    boxes = pool.map(double, [Box(n) for n in range(4)])
    print([type(box) is Box for box in boxes], [box.value for box in boxes])
    print(pool.apply(lambda: 7))
    pool.close()
    pool.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
def test_a_program_needs_no_main_guard(tmp_path, stdin):
    """It is not imported again: it binds a port, defines things, and runs once."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    done = run_program(tmp_path, PROGRAM.format(port=port), stdin=stdin)
    assert done.stdout == "[True, True, True, True] [0, 2, 4, 6]\n7\n", done.stderr
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_workers_die_with_their_parent(tmp_path, method):
    """Also when all their slots are busy, and nobody could tell them."""
    program = f"""
        import multiprocessing, os, signal, sys, time
        from fetcher.pool import Pool
        if __name__ == "__main__":
            context = {method!r}
            if context == "default":
                context = None
            else:
                context = multiprocessing.get_context(context)
            pool = Pool(2, context=context, slots=2)
            calls = [pool.apply_async(time.sleep, (60,)) for _ in range(8)]
            time.sleep(0.3)
            print(*[worker.pid for worker in pool._pool], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = run_program(tmp_path, program)
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    until_s = time.monotonic() + 5
    while any(is_running(pid) for pid in pids) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_pool_outlives_the_thread_that_made_it(make_one):
    pools = []
    maker = threading.Thread(target=lambda: pools.append(make_one(2)))
    maker.start()
    maker.join()
    assert still_works(pools[0])


def test_workers_ignore_interrupts(make_one):
    pool = make_one(1)
    assert still_works(pool)
    call = pool.apply_async(tasks.sleep, (0.1,))
    os.kill(pool._pool[0].pid, signal.SIGINT)
    assert call.get(WAIT_S) == 0.1


def sockets_of(pid: object) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(link.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.mark.slow
def test_workers_hold_no_pipe_of_a_sibling(make_all):
    """A sibling's end kept open would hide a worker's death, or the parent's."""
    others = sockets_of("self")  # of this program: a forked worker has those too
    pool = make_all(3)
    assert still_works(pool)
    parents_ends = sockets_of("self") - others
    for worker in pool._pool:
        own = sockets_of(worker.pid) - others
        assert len(own) == 1
        assert not own & parents_ends


# -- messages --------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 5, 17, 1000])
def test_messages_are_read_however_they_are_cut(step):
    payloads = [b"", b"a", b"b" * 40, b"c" * 3000]
    stream = b"".join(frame(RESULT, n, p) for n, p in enumerate(payloads))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = FrameReader(ours, bytearray(64))
        found = []
        for at in range(0, len(stream), step):
            theirs.sendall(stream[at : at + step])
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    found += [(k, n, bytes(p)) for k, n, p in reader.read()]
        theirs.close()
        ours.setblocking(True)
        with pytest.raises(EOFError):
            reader.read()
    assert found == [(RESULT, n, p) for n, p in enumerate(payloads)]


def test_a_message_too_large_for_memory_is_thrown_away(monkeypatch):
    def no_memory(length):
        raise MemoryError

    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = FrameReader(ours, bytearray(64))
        monkeypatch.setattr("fetcher.pool.wire.bytearray", no_memory, raising=False)
        theirs.sendall(frame(RESULT, 1, b"x" * 500) + frame(ERROR, 2, b"y"))
        ours.setblocking(False)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += [(kind, n) for kind, n, _ in reader.read()]
    assert found == [(TOO_LARGE, 1), (ERROR, 2)]


def test_a_huge_message_is_read_into_memory_that_is_not_cleared_first():
    ours, theirs = socket.socketpair()
    payload = os.urandom(5_000_000)
    sender = threading.Thread(
        target=theirs.sendall, args=(frame(RESULT, 1, payload) + frame(ERROR, 2, b"y"),)
    )
    with ours, theirs:
        sender.start()
        reader = FrameReader(ours, bytearray(64))
        found = []
        while len(found) < 2:
            found += [(kind, n, bytes(p)) for kind, n, p in reader.read()]
        sender.join()
    assert found == [(RESULT, 1, payload), (ERROR, 2, b"y")]


def test_bytes_are_not_copied_before_they_are_sent():
    """And a bytearray is, because its owner may change it meanwhile."""
    big = bytes(1_000_000)
    assert any(piece is big for piece in dumps_pieces(["a", big, 3]))
    mutable = bytearray(1_000_000)
    assert {type(piece) for piece in dumps_pieces(mutable)} == {bytes}


def test_what_is_no_message_is_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ValueError, match="not a message"):
            FrameReader(ours, bytearray(64)).read()


def test_results_are_read_by_the_loads_that_was_given(make_one):
    def refuse(pickled):
        value = pickle.loads(pickled)
        if not isinstance(value, int):
            raise TypeError("only whole numbers")
        return value

    pool = make_one(1, loads=refuse)
    assert pool.apply(tasks.square, (3,)) == 9
    with pytest.raises(TypeError, match="only whole numbers"):
        pool.apply(tasks.payload, (3,))


@pytest.mark.slow
def test_sockets_may_be_arguments():
    """Not counted for leaks: multiprocessing keeps a thread to hand them over."""
    with Pool(2) as pool:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            call = pool.apply_async(tasks.greet, (theirs, b"hello"))
            ours.settimeout(WAIT_S)
            assert ours.recv(100) == b"hello"
            assert call.get(WAIT_S) != os.getpid()
    pool.join()
