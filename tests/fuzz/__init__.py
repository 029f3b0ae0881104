"""Fuzzing that stays: what strangers can write, thrown at what reads it.

    python -m tests.fuzz TARGET|all --seconds N [--seed S]

A `Target` (`harness.py`) makes cases, runs the product on one and judges what came of
it; `TARGETS` (`targets.py`) names them all. `docs/explanation/security.md` says what
each of them promises.
"""
