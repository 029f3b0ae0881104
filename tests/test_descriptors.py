"""How many requests fit into the files that a process may open."""

from __future__ import annotations

import resource

import pytest

from fetcher import descriptors


@pytest.fixture
def limit(monkeypatch):
    """Sets what the process seems to be allowed: soft and hard."""
    limits = [1024, 1024]

    def change(soft, hard=None):
        limits[:] = [soft, soft if hard is None else hard]

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: change(*new))
    change.limits = limits
    return change


@pytest.mark.parametrize("soft", [64, 256, 1024, 4096, 65_536])
def test_all_that_may_be_open_at_a_time_stays_under_the_limit(limit, soft):
    """Requests under way, with their name look-ups, and connections that wait."""
    limit(soft)
    slots = descriptors.slots_max() * (
        descriptors.PER_CONNECTION + descriptors.PER_LOOK_UP
    )
    idle = descriptors.idle_max() * descriptors.PER_CONNECTION
    assert soft * 0.5 <= slots + idle + descriptors.KEPT_FREE <= soft


def test_the_usual_1024_are_enough_for_the_usual_64_requests(limit):
    limit(1024)
    assert descriptors.slots_max() >= 64


@pytest.mark.parametrize("soft", [0, 10, 24, 30])
def test_one_request_at_a_time_is_always_tried(limit, soft):
    limit(soft)
    assert (descriptors.slots_max(), descriptors.idle_max()) == (1, 1)


def test_no_limit_is_no_limit(limit):
    limit(resource.RLIM_INFINITY)
    assert descriptors.slots_max() > 1000


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 4096, 4096),
        (1024, 1_048_576, descriptors.WANTED),
        (1024, resource.RLIM_INFINITY, descriptors.WANTED),
        (1024, 1024, 1024),
        (100_000, 200_000, 100_000),
    ],
)
def test_the_soft_limit_is_raised_to_what_is_of_use(limit, soft, hard, raised):
    limit(soft, hard)
    descriptors.raise_limit()
    assert limit.limits == [raised, hard]
