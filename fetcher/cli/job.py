"""One run of crawl() with all that a command adds to it: files, progress, signals."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NothingLeft, OutputError
from ..interrupts import StopSignals
from .asked import compared, crawl_options, total_of
from .codes import ALL_WELL, FELL_SHORT
from .progress import Teller
from .telling import color_of, is_terminal, note
from .verdict import exit_code, interrupted, tell_nagios

if TYPE_CHECKING:
    from ..groups import Group
    from ..models import Request
    from ..output import Outputs
    from ..report import Report

__all__ = ["run_job"]


def run_job(
    given: Sequence[str | Path | Request | Group], name: str, options: Mapping[str, Any]
) -> int:
    """Run crawl() as the options say; return the exit code."""
    if options["nagios"] and options["stdout_format"] != "text":
        raise click.UsageError("--nagios prints one line: leave --format out")
    if options["nagios"] and options["fail_on"] != "any":
        raise click.UsageError(
            "--nagios has exit codes of its own: leave --fail-on out"
        )
    if options["resume"] and options["db"] is None:
        raise click.UsageError("--resume needs the --db that remembers the run")
    with StopSignals() as signals:
        try:
            report = crawl_told(given, options, signals)
        except NothingLeft as finished:
            note(str(finished))
            is_well = finished.ok or options["fail_on"] == "none"
            return ALL_WELL if is_well else FELL_SHORT
        except KeyboardInterrupt as interrupt:
            if signals.first is None:  # none of ours
                raise
            # Without a report it came before anything was asked for, or once too often.
            so_far: Report | None = getattr(interrupt, "report", None)
            if so_far is None or not options["nagios"]:
                return interrupted(so_far, signals.first)
            report = so_far
    if options["nagios"]:
        return tell_nagios(report, redact=options["redact"])
    if signals.first is not None:
        return interrupted(report, signals.first)
    return exit_code(report, name, fail_on=options["fail_on"])


def crawl_told(
    given: Sequence[str | Path | Request | Group],
    options: Mapping[str, Any],
    signals: StopSignals,
) -> Report:
    """Run crawl() with all that a command adds to it: files, progress, a soft stop."""
    from ..engine import crawl

    # One list names its lines; among several each says which list it is of.
    only = given[0] if len(given) == 1 else None
    # The list is read to its end only for somebody who looks on.
    total = total_of(given, options) if is_terminal(sys.stderr) else None
    teller = Teller(options, total, signals)
    with open_outputs(options) as outputs, teller:
        return crawl(
            only if isinstance(only, str | Path) else given,
            teller.on_page,
            output=outputs,
            stop=signals.stop,
            on_progress=teller.on_progress,
            db=options["db"],
            resume=options["resume"],
            **compared(options),
            conditional=options["conditional"],
            **crawl_options(options),
        )


@contextmanager
def open_outputs(options: Mapping[str, Any]) -> Iterator[Outputs]:
    """Open what `-o` and `-f` ask for; what is not finished at the end is dropped."""
    from .. import export
    from ..output import Outputs

    formats = [(path, export.for_path(path)) for path in options["output"]]
    with Outputs(redact=options["redact"]) as outputs:
        for path, form in formats:
            outputs.open(path, form.open)
        if options["stdout_format"] != "text":
            outputs.open("-", export.for_name(options["stdout_format"]).open)
        elif not options["quiet"] and not options["nagios"]:
            if sys.stdout is None:
                raise OutputError("cannot write standard output: it is closed")
            from ..export.text import for_terminal

            outputs.use(for_terminal(sys.stdout, color=color_of(options["color"])))
        yield outputs
