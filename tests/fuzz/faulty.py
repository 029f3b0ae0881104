"""Targets with a fault each: a fuzzer that cannot find these finds nothing."""

from __future__ import annotations

import os
import random
import signal
import time

from .harness import Target, Wrong

__all__ = ["faulty"]

FAULTY_CASE = b"7"


def faulty(name: str) -> Target:
    """Return a target that fails on one case in ten, in the way of its name."""
    return Target(
        name=name,
        make=_digit,
        run=_RUNS.get(name, bytes),
        judge=_judge_wrongly if name == "faulty-wrong" else _agree,
        memory_mb=30.0,
    )


def _digit(dice: random.Random) -> bytes:
    return b"%d" % dice.randrange(10)


def _raise(case: bytes) -> None:
    if case == FAULTY_CASE:
        raise KeyError(case)


def _be_slow(case: bytes) -> None:
    until_s = time.process_time() + 1.1
    while case == FAULTY_CASE and time.process_time() < until_s:
        pass


def _die(case: bytes) -> None:
    if case == FAULTY_CASE:
        os.kill(os.getpid(), signal.SIGSEGV)


def _eat(case: bytes) -> int:
    return len(b"x" * (64_000_000 if case == FAULTY_CASE else 1))


def _agree(case: bytes, result: object) -> None:
    pass


def _judge_wrongly(case: bytes, result: object) -> None:
    if result == FAULTY_CASE:
        raise Wrong(f"{result!r} is not what was promised")


_RUNS = {
    "faulty-raises": _raise,
    "faulty-slow": _be_slow,
    "faulty-dies": _die,
    "faulty-eats": _eat,
}
