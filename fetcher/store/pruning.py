"""What is forgotten, so that a database stays within bounds of age and size.

Forgotten are first the runs older than the age, then, as long as there is too much,
old bodies, then whole runs, the oldest first. What stays whatever the bounds are: the
last finished run of each job, and of what it leads to the newest body of each page. A
run that can be continued is never too much, but it gets too old as others do.

Room that becomes free is used again by later runs; the file itself gets smaller only by
`compact`, which no run does.
"""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from typing import NamedTuple

from .database import Database

__all__ = ["MAX_AGE", "MAX_BYTES", "Pruned", "compact", "prune", "used_bytes"]

MAX_AGE = timedelta(days=365)
MAX_BYTES = 1_000_000_000
BODIES_AT_ONCE = 500

# All but the last run of each job that was finished.
_TOO_OLD = """
    select id from runs
    where started_at < ? and (state <> 'finished' or id <> (
        select max(later.id) from runs later
        where later.job = runs.job and later.state = 'finished'))
"""
_TOO_MUCH = """
    select id from runs
    where state = 'abandoned' or (state = 'finished' and id <> (
        select max(later.id) from runs later
        where later.job = runs.job and later.state = 'finished'))
    order by id limit 1
"""
_OLD_BODIES = """
    select versions.id from versions
    where body_id is not null and id <> (
        select max(newer.id) from versions newer
        where newer.url_id = versions.url_id and newer.body_id is not null)
    order by id limit ?
"""
_ORPHANS = (
    "delete from versions where id not in"
    " (select version_id from pages where version_id is not null)",
    "delete from heads where version_id not in (select id from versions)",
    "delete from links where version_id not in (select id from versions)",
    "delete from bodies where id not in"
    " (select body_id from versions where body_id is not null"
    " union select body_id from answers where body_id is not null)",
    "delete from certificates where id not in"
    " (select certificate_id from pages where certificate_id is not null)",
    "delete from urls where id not in (select url_id from pages"
    " union select final_url_id from pages where final_url_id is not null"
    " union select target_id from links union select url_id from versions"
    " union select url_id from findings"
    " union select target_id from findings where target_id is not null)",
    "delete from texts where id not in"
    " (select reason_id from pages where reason_id is not null"
    " union select hops_id from pages where hops_id is not null"
    " union select ip_id from pages where ip_id is not null"
    " union select message_id from findings)",
)


class Pruned(NamedTuple):
    """What was forgotten: runs and bodies."""

    runs: int
    bodies: int


def prune(database: Database, *, max_age: timedelta, max_bytes: int) -> Pruned:
    """Forget what is too old or too much; return how much that was."""
    with database.transaction() as connection:
        before = _count(connection, "bodies")
        oldest = time.time() - max_age.total_seconds()
        runs = connection.execute(_TOO_OLD, (oldest,)).fetchall()
        for (number,) in runs:
            _forget_run(connection, number)
        forgotten = len(runs)
        if forgotten:
            delete_orphans(connection)
        while used_bytes(connection) > max_bytes and _forget_bodies(connection):
            delete_orphans(connection)
        while used_bytes(connection) > max_bytes:
            run = connection.execute(_TOO_MUCH).fetchone()
            if run is None:
                break
            _forget_run(connection, run[0])
            delete_orphans(connection)
            forgotten += 1
        return Pruned(forgotten, before - _count(connection, "bodies"))


def compact(database: Database) -> None:
    """Give room that is free back to the disk; needs as much as the file has."""
    with database.translated():
        database.connection.execute("vacuum")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how much of a file is in use; the rest is free for what comes."""
    page_bytes, pages, free = (
        connection.execute(f"pragma {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    used: int = (pages - free) * page_bytes
    return used


def delete_orphans(connection: sqlite3.Connection) -> None:
    """Delete what nothing points to any more."""
    for statement in _ORPHANS:
        connection.execute(statement)


def _forget_run(connection: sqlite3.Connection, number: int) -> None:
    for table in ("pages", "findings", "answers", "strikes"):
        connection.execute(f"delete from {table} where run_id = ?", (number,))  # noqa: S608
    connection.execute("delete from runs where id = ?", (number,))


def _forget_bodies(connection: sqlite3.Connection) -> bool:
    """Let go of some old bodies; False where there are none."""
    old = connection.execute(_OLD_BODIES, (BODIES_AT_ONCE,)).fetchall()
    connection.executemany("update versions set body_id = null where id = ?", old)
    return bool(old)


def _count(connection: sqlite3.Connection, table: str) -> int:
    (found,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608
    return int(found)
