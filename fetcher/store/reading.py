"""What `fetcher db` tells of a database, read while a run may be writing it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from .database import open_for_reading
from .pruning import used_bytes

__all__ = ["Contents", "Run", "contents", "problems"]

RUNS_SHOWN = 10
PROBLEMS_SHOWN = 20
COUNTED = (
    "runs",
    "pages",
    "urls",
    "versions",
    "links",
    "bodies",
    "findings",
    "answers",
)
_DANGLING = (
    ("pages without a run", "pages where run_id not in (select id from runs)"),
    ("pages without a URL", "pages where url_id not in (select id from urls)"),
    ("links without a URL", "links where target_id not in (select id from urls)"),
    (
        "versions whose body is gone",
        "versions where body_id not null and body_id not in (select id from bodies)",
    ),
    (
        "header fields without a version",
        "heads where version_id not in (select id from versions)",
    ),
    (
        "answers whose body is gone",
        "answers where body_id not null and body_id not in (select id from bodies)",
    ),
)


class Run(NamedTuple):
    """One run, as its row says: see docs/reference/db.md."""

    number: int
    state: str
    started_at: datetime
    elapsed_s: float
    pages: int | None
    fell_short: int | None
    given: tuple[str, ...]


class Contents(NamedTuple):
    """How large a database is, what it holds, and its last runs, newest first."""

    schema: int
    file_bytes: int
    used_bytes: int
    counts: dict[str, int]
    runs: list[Run]


def contents(path: str | Path) -> Contents:
    """Return what a database holds.

    Raises:
        StoreError: it cannot be read, or is none of ours.
    """
    with open_for_reading(path) as connection:
        (schema,) = connection.execute("pragma user_version").fetchone()
        connection.execute("begin")  # one moment of it
        if not schema:
            return Contents(0, _size(Path(path)), 0, {}, [])
        return Contents(
            schema=schema,
            file_bytes=_size(Path(path)),
            used_bytes=used_bytes(connection),
            counts={name: _count(connection, name) for name in COUNTED},
            runs=_runs(connection),
        )


def problems(path: str | Path) -> list[str]:
    """Return what is wrong with a database, a sentence each; nothing is mended.

    Raises:
        StoreError: it cannot be read, or is none of ours.
    """
    with open_for_reading(path) as connection:
        said = connection.execute(f"pragma integrity_check({PROBLEMS_SHOWN})")
        found = [line for (line,) in said if line != "ok"]
        if found:
            return found
        (schema,) = connection.execute("pragma user_version").fetchone()
        if not schema:
            return []
        return [
            f"{count:,} {what}"
            for what, where in _DANGLING
            if (count := _count(connection, where))
        ]


def _size(path: Path) -> int:
    """Return the size of a file and of its log, which holds what came last."""
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def _runs(connection: sqlite3.Connection) -> list[Run]:
    rows = connection.execute(
        "select id, state, started_at, elapsed_s, pages, fell_short, given from runs"
        " order by id desc limit ?",
        (RUNS_SHOWN,),
    )
    return [
        Run(
            *(number, state, datetime.fromtimestamp(started, UTC), elapsed_s),
            *(pages, fell_short, tuple(json.loads(given))),
        )
        for number, state, started, elapsed_s, pages, fell_short, given in rows
    ]


def _count(connection: sqlite3.Connection, table: str) -> int:
    (found,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
    return int(found)
