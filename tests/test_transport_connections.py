"""Connections are reused: however many workers there are, none more than needed."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

import pytest

from fetcher import crawl
from fetcher.pool import Pool
from tests.servers import answer, serve


@pytest.mark.slow
@pytest.mark.parametrize("per_host", [1, 2])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_host_sees_no_more_connections_than_its_limit(workers, per_host):
    """Also where there are more workers than it may have connections."""
    with ExitStack() as running:
        sites = [
            running.enter_context(serve(answer(), address=f"127.0.3.{n}"))
            for n in range(1, 13)
        ]
        urls = [f"{site.url}{n}" for n in range(25) for site in sites]
        report = crawl(
            urls, workers=workers, concurrency=8, per_host=per_host, retries=0
        )
    assert report.ok
    assert report.total == len(urls)
    assert max(site.connections for site in sites) <= per_host


def hold_on(seconds):
    threading.Event().wait(seconds)
    return os.getpid()


def test_a_full_worker_may_take_more_of_what_prefers_it():
    """A burst of one key stays with one worker, up to the extra slots."""
    with Pool(2, slots=1, extra_slots=2) as pool:
        owner = pool.apply_async(hold_on, (0,), prefer="key").get()
        calls = [pool.apply_async(hold_on, (0.3,), prefer="key") for _ in range(4)]
        pids = [call.get() for call in calls]
    assert pids[:3] == [owner] * 3
    assert pids[3] != owner


def test_extra_slots_are_a_number():
    with pytest.raises(ValueError, match="extra_slots"):
        Pool(1, extra_slots=-1)


def test_a_burst_of_tasks_that_wait_has_a_slot_for_each():
    """Not one after the other, where a new slot finds its first task waiting."""
    with Pool(1, slots=24) as pool:
        began_s = time.monotonic()
        for _ in range(3):
            calls = [pool.apply_async(hold_on, (0.5,)) for _ in range(24)]
            for call in calls:
                call.get()
        assert time.monotonic() - began_s < 8  # 1.5 s, or 12 one by one
