"""What a backlog answers, in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher.backlog import IdSet, MemoryBacklog, url_id
from fetcher.models import Purpose, Request

NUMBERS = st.integers(-(2**63), 2**63 - 1)


def test_an_id_is_the_same_in_every_process():
    """Python's own hash differs from run to run; the ids of a saved graph must not."""
    url = "https://café.example/\udc80"
    program = f"from fetcher.backlog import url_id; print(url_id({url!a}))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
    )
    assert int(elsewhere.stdout) == url_id(url)


def test_an_id_is_blake2b_of_eight_bytes():
    """Known answer, made with b2sum -l 64 and read as a little-endian signed number."""
    assert url_id("http://a.example/") == -4_328_180_325_584_828_614


@settings(max_examples=30)
@given(st.text())
def test_an_id_fits_sqlite(key):
    assert -(2**63) <= url_id(key) < 2**63


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(NUMBERS | st.integers(-3, 3)))
def test_an_id_set_is_a_sorted_set(numbers):
    found = IdSet()
    for number in numbers:
        found.add(number)
    assert list(found) == sorted(set(numbers))
    assert len(found) == len(set(numbers))
    assert all(number in found for number in numbers)


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 1, 2**63 - 1])
def test_an_id_set_holds_numbers_at_its_edges(number):
    found = IdSet()
    assert number not in found
    found.add(number)
    assert number in found


def test_an_empty_key_is_no_excuse():
    backlog = MemoryBacklog()
    assert backlog.add_unseen([Request(url="a"), Request(url="b")]) == [
        Request(url="a")
    ], "the key says what is the same, and both have the empty one"


def test_what_waits_shares_what_it_has_in_common():
    """A parsed URL brings its own copies of host, origin and key: 200 bytes."""
    backlog = MemoryBacklog()
    for number in range(2):
        url = f"http://a.example/{number}"
        backlog.add_unseen(
            [
                Request(
                    url=url,
                    key="".join(url),
                    host="".join(["a.", "example"]),
                    origin="".join(["http://", "a.example"]),
                )
            ]
        )
    first, second = backlog.take("a.example", 2)
    assert first.host is second.host
    assert first.origin is second.origin
    assert first.key is first.url


def test_a_backlog_says_what_it_holds():
    backlog = MemoryBacklog()
    backlog.add_unseen([Request(url="a", key="a", host="h", purpose=Purpose.CHECK)])
    assert repr(backlog) == "<MemoryBacklog 1 waiting of 1 hosts, 1 known>"
    backlog.take("h", 1)
    assert repr(backlog) == "<MemoryBacklog 0 waiting of 0 hosts, 1 known>"
    backlog.close()
    assert repr(backlog) == "<MemoryBacklog 0 waiting of 0 hosts, 0 known>"
