"""When a signal is taken, and what the first and the second of them do."""

from __future__ import annotations

import signal
import threading

import pytest

from fetcher import interrupts
from fetcher.interrupts import Interrupts, StopSignals


@pytest.fixture
def clock(monkeypatch):
    """The seconds at which the next signals come, moved by the test."""

    class Clock:
        now_s = 100.0

        def monotonic(self):
            return self.now_s

    moved = Clock()
    monkeypatch.setattr(interrupts, "time", moved)
    return moved


def press(clock, signum=signal.SIGINT, after_s=1.0):
    clock.now_s += after_s
    signal.raise_signal(signum)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_a_soft_end_and_the_second_for_one_at_once(
    clock, signum
):
    """Ctrl-C once lets requests finish; once more ends the run where it is safe."""
    guard = Interrupts()
    reached = []

    def run():
        with guard.deferred():
            press(clock, signum)
            reached.append(signals.stop.is_set())
            press(clock, signum)
            reached.append("a page's row is written")
            with guard.allowed():
                reached.append("never")

    with StopSignals() as signals:
        with pytest.raises(KeyboardInterrupt):
            run()
        assert signals.first is signum
    assert reached == [True, "a page's row is written"]


def test_a_signal_that_comes_twice_at_once_counts_once(clock):
    """`timeout 60 fetcher ...` signals the process, and then the group it is in."""
    guard = Interrupts()
    with StopSignals() as signals, guard.deferred():
        press(clock, signal.SIGTERM)
        press(clock, signal.SIGTERM, after_s=0.001)
        with guard.allowed():
            pass
        assert signals.first is signal.SIGTERM


def test_before_the_run_the_first_signal_ends_the_command(clock):
    """Nothing is under way: Ctrl-C while a list is opened ends it at once."""
    with StopSignals() as signals, pytest.raises(KeyboardInterrupt):
        press(clock)
    assert signals.first is signal.SIGINT


def test_while_files_are_finished_a_second_signal_does_nothing_and_a_third_ends_it(
    clock,
):
    guard = Interrupts()
    with StopSignals() as signals:
        with guard.deferred():
            press(clock)
        press(clock)
        with pytest.raises(KeyboardInterrupt):
            press(clock)
    assert signals.stop.is_set()


def test_a_soft_stop_leaves_a_wait_for_input(clock):
    """`fetcher -` at a terminal: Ctrl-C does not wait for a line that never comes."""
    guard = Interrupts()
    with StopSignals(), guard.deferred():
        with guard.reading():
            press(clock)
            pytest.fail("the wait for input went on")
        with guard.allowed():  # and is no interrupt
            pass


def test_once_the_run_is_over_a_second_signal_ends_only_the_count_of_what_is_left(
    clock,
):
    """A list of millions of lines is not counted to its end for one who is in haste."""
    guard = Interrupts()
    with StopSignals():
        with guard.deferred():
            press(clock)
        with guard.reading():
            press(clock)
            pytest.fail("it was counted on")
        with guard.allowed():
            pass


def test_an_ignored_signal_stays_ignored():
    """A script's background job (`fetcher ... &`) does not end by its Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signals
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_put_back():
    before = [signal.getsignal(each) for each in interrupts.STOPPING]
    with StopSignals():
        pass
    assert [signal.getsignal(each) for each in interrupts.STOPPING] == before


def test_in_another_thread_no_handler_is_touched():
    """Only Python's main thread may have handlers; elsewhere nothing is changed."""
    failures = []

    def use():
        try:
            with StopSignals() as signals, Interrupts().deferred():
                assert signals.first is None
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert failures == []


def test_a_script_keeps_pythons_interrupt():
    """crawl() in a script: KeyboardInterrupt, held back to where no page is lost."""
    guard = Interrupts()
    reached = []

    def run():
        with guard.deferred():
            signal.raise_signal(signal.SIGINT)
            reached.append("the row is written")
            with guard.allowed():
                reached.append("never")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ["the row is written"]
