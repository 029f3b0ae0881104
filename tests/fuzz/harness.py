"""What a target of fuzzing is, and how one case is run and judged.

A case is bytes, whatever it stands for, so that each can be saved, read back and cut
smaller. Case n of a seed is always the same bytes.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["Finding", "Outcome", "Target", "Wrong", "attempt", "case_number", "mutated"]

SLOW_S = 1.0  # issue 5: no hang over 1 s
# A machine that is shared makes wall time mean little: what counts is the processor's
# time, and of wall time what was not spent in the queue for a processor.
WAITED_S = 20.0


class Wrong(AssertionError):
    """What the product answered is not what it promises; the message says how."""


class Finding(NamedTuple):
    """What is wrong with a case: a kind to count by, and the whole story."""

    kind: str
    story: str


class Outcome(NamedTuple):
    """What came of one case: processor seconds, and what is wrong, None for nothing."""

    took_s: float
    finding: Finding | None


def _one_second(_: bytes) -> float:
    return SLOW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One reader of strangers' text.

    Attributes:
        name: as the command line has it.
        make: makes a case; draws on nothing but the generator it is given.
        run: gives a case to the product; any exception is a finding.
        judge: raises `Wrong` if what `run` returned is not what is promised; its time
            does not count.
        words: n pieces of which interesting cases consist.
        slow_s: processor seconds from which a case is a finding.
        memory_mb: by how much a case may raise the peak of the process.
    """

    name: str
    make: Callable[[random.Random], bytes]
    run: Callable[[bytes], object]
    judge: Callable[[bytes, object], None]
    words: Sequence[bytes] = ()
    slow_s: Callable[[bytes], float] = field(default=_one_second)
    memory_mb: float = 400.0


def case_number(target: Target, seed: int, number: int) -> bytes:
    """Return case `number` of a seed."""
    return target.make(random.Random(f"{target.name} {seed} {number}"))


def attempt(target: Target, case: bytes) -> Outcome:
    """Return what came of one case."""
    before_mb = _begin_peak_mb()
    clock_s, processor_s = time.monotonic() - _queued_s(), time.process_time()
    finding: Finding | None = None
    result: object = None
    try:
        result = target.run(case)
    except Exception as error:  # whatever it is: this is what is looked for
        finding = _of_exception(error)
    took_s = time.process_time() - processor_s
    waited_s = time.monotonic() - _queued_s() - clock_s
    more_mb = _memory_mb("VmHWM") - before_mb
    if finding is None:
        finding = _too_much(target, case, took_s, waited_s, more_mb)
    if finding is None:
        finding = _judged(target, case, result)
    return Outcome(took_s, finding)


def _judged(target: Target, case: bytes, result: object) -> Finding | None:
    try:
        target.judge(case, result)
    except Wrong as wrong:
        return Finding(f"wrong: {_at(wrong)}", str(wrong))
    except Exception as error:  # a judge that raises is no judge
        return _of_exception(error)
    return None


def _too_much(
    target: Target, case: bytes, took_s: float, waited_s: float, more_mb: float
) -> Finding | None:
    bound_s = target.slow_s(case)
    size = f"{len(case):,} bytes"
    if took_s > bound_s:
        return Finding("slow", f"{took_s:.2f} s for {size}, bound {bound_s:.2f} s")
    if waited_s > WAITED_S + bound_s:
        return Finding("waits", f"{waited_s:.2f} s for {size}, most of it waiting")
    if more_mb > target.memory_mb:
        return Finding("memory", f"{more_mb:.0f} MB more than before, for {size}")
    return None


def _of_exception(error: Exception) -> Finding:
    story = "".join(traceback.format_exception(error, limit=-12))
    return Finding(f"{type(error).__name__}: {_at(error)}", story[-6_000:])


def _at(error: BaseException) -> str:
    """Return where an exception was raised: one place is one finding."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"


def _queued_s() -> float:
    """Return for how long this process could have run, and had no processor.

    Source:
        Linux, Documentation/scheduler/sched-stats.rst: the second field, nanoseconds.
    """
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _begin_peak_mb() -> float:
    """Return the memory in use, and let the peak begin there: proc(5), clear_refs.

    Not getrusage: what it says of a new process is at least what its parent had.
    """
    with suppress(OSError):  # then the peak is that of all cases so far
        Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split(None, 1)[0]) / 1024


# Mutation: what is known to hurt readers, whatever they read.

NASTY = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b"\x0b", b"\x0c", b"\x1b[2J", b"\x7f"),
    *(
        b"\x80",
        b"\x85",
        b"\xa0",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ),
    *("\u2028".encode(), "\u202e".encode(), "\ufeff".encode(), "\ufffd".encode()),
    *("\u0130".encode(), "ß".encode(), "\U0001f600".encode(), "\uff0f".encode()),
    *(b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\x1f\x8b"),
    *(b"-1", b"0", b"1e999", b"4294967296", b"18446744073709551616", b"9" * 400),
    *(
        b"%",
        b"%00",
        b"%zz",
        b"%ff",
        b"%s%n",
        b"../",
        b"\\",
        b"'",
        b'"',
        b"<",
        b">",
        b"&",
    ),
)


def mutated(
    case: bytes, dice: random.Random, words: Sequence[bytes] = (), most: int = 8
) -> bytes:
    """Return a case changed in a few places, often with words of its own kind."""
    changed = bytearray(case)
    for _ in range(dice.randint(1, most)):
        at = dice.randrange(len(changed) + 1)
        until = min(len(changed), at + int(dice.paretovariate(0.7)))
        how = dice.randrange(7)
        if how == 0:
            del changed[at:until]
        elif how == 1:
            changed[at:at] = dice.choice(NASTY)
        elif how == 2 and words:
            changed[at:at] = dice.choice(words)
        elif how == 3 and words:
            changed[at:until] = dice.choice(words)
        elif how == 4:
            changed[at:at] = changed[at:until] * dice.choice((1, 2, 10, 1_000))
        elif how == 5 and at < len(changed):
            changed[at] ^= 1 << dice.randrange(8)
        else:
            source = dice.randrange(len(changed) + 1)
            changed[at:at] = changed[source : source + dice.randrange(200)]
        del changed[MUTATED_MAX_BYTES:]
    return bytes(changed)


MUTATED_MAX_BYTES = 2_000_000


def of_words(dice: random.Random, words: Sequence[bytes], most: int = 40) -> bytes:
    """Return some words in a row, a few of them many times."""
    chosen = []
    for _ in range(dice.randint(0, most)):
        word = dice.choice(words) if dice.random() < 0.9 else dice.choice(NASTY)
        many = dice.randint(2, 400) if dice.random() < 0.02 else 1
        chosen.append(word * many)
    return b"".join(chosen)
