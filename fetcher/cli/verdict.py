"""What a run comes to for a shell: its exit code, and a sentence where it needs one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from .codes import ALL_WELL, FELL_SHORT, NOT_DONE
from .telling import note

if TYPE_CHECKING:
    from ..export.nagios import Status
    from ..report import Report

__all__ = ["exit_code", "interrupted", "tell_nagios"]

UNREACHED_KINDS = ("dns", "unreachable")


def exit_code(report: Report, name: str) -> int:
    """Return what the run comes to for a shell, and say why where it is no answer."""
    if not report.total:
        note(f"no URL in {name}")
        return NOT_DONE
    if found_no_network(report):
        note(
            "no page could be reached: no name resolves and no address answers, so this"
            " looks like no network. To see fetcher at work without one: fetcher demo"
        )
        return NOT_DONE
    return ALL_WELL if report.ok else FELL_SHORT


def found_no_network(report: Report) -> bool:
    """Whether every page failed for want of a network, and not for want of a host."""
    unreached = sum(report.by_reason.get(kind, 0) for kind in UNREACHED_KINDS)
    if unreached < report.total:
        return False
    if len(report.by_host) > 1:
        return True
    from ..transport.route import has_route

    return not has_route()


def interrupted(report: Report | None, by: signal.Signals) -> int:
    """Say what is left of a run that a signal ended; return its exit code."""
    from ..models import State

    if report is None:
        note("interrupted: nothing was written")
    else:
        done = report.total - report.by_state[State.SKIPPED]
        note(f"interrupted: {done:,} pages were done and are in the report")
    return 128 + by


def tell_nagios(report: Report, *, redact: bool) -> Status:
    """Print a plugin's line for a run; return its status, which is the exit code."""
    from ..export.nagios import line_of, status_of

    click.echo(line_of(report.redacted() if redact else report))
    return status_of(report)
