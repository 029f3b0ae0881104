"""The doubles that fetcher offers to users: each behaves as the real thing does."""

import inspect
import multiprocessing.pool
import pickle
import time
from datetime import UTC, datetime

import pytest

from fetcher.models import Failure, Hop, Kind, State
from fetcher.testing import FakeClock, FakePool, make_failed_page, make_page


def square(number):
    return number * number


def divide(dividend, divisor=1):
    return dividend / divisor


def test_a_clock_moves_only_when_told_to():
    clock = FakeClock(10.0)
    assert clock() == clock() == clock.now_s == 10.0
    clock.advance(2.5)
    assert clock() == 12.5
    assert repr(clock) == "<FakeClock at 12.5 s>"


def test_sleeping_takes_no_time_and_is_remembered():
    clock = FakeClock()
    began_s = time.monotonic()
    clock.sleep(3600)
    clock.sleep(0)
    assert time.monotonic() - began_s < 1
    assert clock() == 3600
    assert clock.slept_s == [3600, 0]


def test_a_clock_never_goes_back():
    with pytest.raises(ValueError, match=r"moves forward, got -1 seconds"):
        FakeClock().sleep(-1)


def test_a_task_runs_when_it_is_submitted():
    answers = []
    result = FakePool().apply_async(square, (3,), callback=answers.append)
    assert answers == [9]
    assert result.ready()
    assert result.successful()
    assert result.get(timeout=0) == 9
    assert repr(result) == "<FakeResult 9>"


def test_held_tasks_run_one_by_one_and_oldest_first():
    pool, answers = FakePool(), []
    pool.hold()
    for number in range(4):
        pool.apply_async(square, (number,), callback=answers.append)
    assert answers == []
    assert pool.run_next()
    assert answers == [0]
    assert repr(pool) == "<FakePool running: 4 tasks, 3 waiting>"
    pool.run_all()
    assert answers == [0, 1, 4, 9]
    assert not pool.run_next()


def test_to_get_a_held_result_runs_the_tasks_before_it():
    pool, answers = FakePool(), []
    pool.hold()
    results = [
        pool.apply_async(square, (number,), callback=answers.append)
        for number in range(3)
    ]
    assert repr(results[1]) == "<FakeResult waiting>"
    with pytest.raises(ValueError, match="not ready"):
        results[1].successful()
    assert results[1].get() == 1
    assert answers == [0, 1]
    assert pool.waiting == 1


def test_what_a_task_raises_goes_to_error_callback_and_get():
    errors = []
    result = FakePool().apply_async(
        divide, (1,), {"divisor": 0}, error_callback=errors.append
    )
    assert not result.successful()
    with pytest.raises(ZeroDivisionError):
        result.get()
    assert isinstance(errors[0], ZeroDivisionError)


@pytest.mark.parametrize("which", ["callback", "error_callback"])
def test_a_callback_that_raises_becomes_the_error_of_that_call(which):
    """As in our Pool and CPython 3.16; the pool goes on."""

    def complain(answer):
        raise LookupError("from the callback")

    pool = FakePool()
    divisor = 1 if which == "callback" else 0
    result = pool.apply_async(divide, (1, divisor), **{which: complain})
    with pytest.raises(LookupError, match="from the callback"):
        result.get()
    assert pool.apply(square, (2,)) == 4


def test_a_lost_worker_can_be_played():
    """`fail_next` answers with an error; the task itself never ran."""
    pool, errors, ran = FakePool(), [], []
    pool.hold()
    result = pool.apply_async(ran.append, (1,), error_callback=errors.append)
    lost = OSError("the worker is gone")
    pool.fail_next(lost)
    assert errors == [lost]
    assert ran == []
    with pytest.raises(OSError, match="the worker is gone"):
        result.get()
    with pytest.raises(IndexError):
        pool.fail_next(lost)


def test_every_way_to_submit_gives_what_the_real_pool_gives():
    with FakePool(3) as pool:
        assert pool.map(square, range(4), 2) == [0, 1, 4, 9]
        assert pool.starmap(divide, [(4, 2), (9, 3)]) == [2, 3]
        assert list(pool.imap(square, iter([2, 3]))) == [4, 9]
        assert list(pool.imap_unordered(square, [2, 3], 8)) == [4, 9]
        assert pool.map_async(square, [5]).get() == [25]
        assert pool.starmap_async(divide, [(1, 0)]).successful() is False
    assert pool.state == "terminated"


def test_a_closed_pool_takes_no_tasks_and_join_runs_what_waits():
    pool, answers = FakePool(), []
    pool.hold()
    pool.apply_async(square, (3,), callback=answers.append)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    pool.close()
    with pytest.raises(ValueError, match="not running"):
        pool.apply_async(square, (4,))
    pool.join()
    assert answers == [9]


def test_a_terminated_pool_drops_what_waits():
    pool = FakePool()
    pool.hold()
    result = pool.apply_async(square, (3,))
    pool.terminate()
    pool.close()
    pool.join()
    assert pool.state == "terminated"
    assert not result.ready()
    with pytest.raises(RuntimeError, match="terminated before this task ran"):
        result.get()


def test_hints_are_written_down_and_change_nothing():
    pool = FakePool(slots=4)
    pool.apply_async(square, (3,), prefer="http://a", resend=True, deadline_s=2.0)
    (task,) = pool.tasks
    assert task.args == (3,)
    assert (task.prefer, task.resend, task.deadline_s) == ("http://a", True, 2.0)


def test_the_initializer_runs_once():
    seen = []
    FakePool(4, seen.append, ("ready",))
    assert seen == ["ready"]


def test_a_pool_without_processes_is_a_mistake():
    with pytest.raises(ValueError, match="at least 1"):
        FakePool(0)


METHODS = [
    "__init__", "apply", "apply_async", "map", "map_async", "starmap",
    "starmap_async", "imap", "imap_unordered", "close", "terminate", "join",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_arguments_are_named_as_in_multiprocessing(method):
    """What was written for `multiprocessing.Pool` can be handed a FakePool."""
    real = inspect.signature(getattr(multiprocessing.pool.Pool, method)).parameters
    fake = inspect.signature(getattr(FakePool, method)).parameters
    positional = [name for name, part in fake.items() if part.kind != part.KEYWORD_ONLY]
    assert positional == list(real)


def test_a_page_is_the_same_every_time():
    first, second = make_page(), make_page()
    assert pickle.dumps(first) == pickle.dumps(second)
    assert first.fetched_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_plain_page_is_ok_and_html():
    page = make_page("http://a.example/x")
    assert page.state is State.OK
    assert page.is_html
    assert page.encoding == "utf-8"
    assert page.content == b"<title>A page</title>"
    assert page.wire_bytes == page.body_bytes == 21
    assert page.final_url == page.url == "http://a.example/x"


def test_any_part_of_a_page_can_be_given():
    page = make_page(
        html=b"\xff",
        headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        hops=[Hop("http://site.example/old", 301, None)],
        wire_bytes=9,
        attempt=2,
        extract=[1],
    )
    assert page.state is State.REDIRECTED
    assert page.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert page.encoding is None
    assert (page.wire_bytes, page.attempt, page.extract) == (9, 2, [1])


def test_headers_can_be_a_mapping():
    page = make_page(status=403, headers={"CF-Mitigated": "challenge"})
    assert page.state is State.BLOCKED


def test_a_failed_page_has_its_kind_and_no_answer():
    page = make_failed_page("http://a.example/", Kind.DNS, "no such name")
    assert page.state is State.FAILED
    assert page.failure == Failure(Kind.DNS, "no such name")
    assert page.status is None
    assert page.facts is None
    assert make_failed_page(kind=Kind.CANCELLED).state is State.SKIPPED
