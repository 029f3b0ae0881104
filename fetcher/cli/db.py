"""`fetcher db`: look at a database of runs, check it, make it smaller."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import StoreError
from .codes import ALL_WELL, NOT_DONE
from .telling import said
from .values import DURATION, SIZE
from .versions import sqlite_version

__all__ = ["db"]

DATABASE = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))


@click.group()
def db() -> None:
    """Look at a database of runs, check it, make it smaller."""


@db.command("info")
@DATABASE
def db_info(path: str) -> int:
    """Tell how large a database is, what it holds, and its last runs."""
    from ..report import human_duration, human_size
    from ..store.reading import contents

    found = contents(path)
    click.echo(f"{said(path)}: schema {found.schema}, SQLite {sqlite_version()}")
    file_size, used = human_size(found.file_bytes), human_size(found.used_bytes)
    click.echo(f"{file_size}, of which {used} in use")
    click.echo(", ".join(f"{count:,} {name}" for name, count in found.counts.items()))
    for run in found.runs:
        done = "" if run.pages is None else f", {run.pages:,} pages"
        short = f", {run.fell_short:,} fell short" if run.fell_short else ""
        took = f" in {human_duration(run.elapsed_s)}" if run.elapsed_s else ""
        given = said(", ".join(run.given))
        click.echo(
            f"run {run.number}  {run.started_at:%Y-%m-%d %H:%M:%S} UTC  {run.state}"
            f"{done}{short}{took}  {given}"
        )
    return ALL_WELL


@db.command("check")
@DATABASE
def db_check(path: str) -> int:
    """Check that a database is whole; nothing is changed in it."""
    from ..store.reading import problems

    found = problems(path)
    for problem in found:
        click.echo(said(problem))
    if not found:
        click.echo(f"{said(path)} is whole")
    return NOT_DONE if found else ALL_WELL


@db.command("prune")
@DATABASE
@click.option(
    "--max-age",
    type=DURATION,
    metavar="TIME",
    default="365d",
    show_default=True,
    help="Forget runs that are older; of each input the last stays.",
)
@click.option(
    "--max-size",
    type=SIZE,
    metavar="SIZE",
    default="1GB",
    show_default=True,
    help="Then forget old bodies and runs until no more is in use.",
)
@click.option(
    "--vacuum",
    is_flag=True,
    help="Give free room back to the disk; needs as much again while it works.",
)
def db_prune(path: str, max_age: float, max_size: int, vacuum: bool) -> int:
    """Forget old runs and bodies; each finished run does so by itself."""
    from datetime import timedelta

    from ..store.database import Database
    from ..store.pruning import compact, prune

    if not Path(path).exists():
        raise StoreError(f"there is no database {path}")
    database = Database(path)
    try:
        done = prune(database, max_age=timedelta(seconds=max_age), max_bytes=max_size)
        if vacuum:
            compact(database)
    finally:
        database.close()
    click.echo(f"{done.runs:,} runs and {done.bodies:,} bodies forgotten")
    return ALL_WELL
