"""The tables of a database of runs, and how an older file becomes one of today.

A migration is a tuple of statements. It runs in one transaction with the record of
it, so that a process that is killed leaves the file as it was or as it will be.
Migrations that were published stay as they are; what changes comes in a further one.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "migrate"]

APPLICATION_ID = 0x66657472  # "fetr": how such a file is told from others

Migration = tuple[str, ...]

_FIRST: Migration = (
    """
    create table migrations (
        version integer primary key,
        applied_at text not null
    )""",
    # One row a run. A run is continued by who asks for the same `job`.
    """
    create table runs (
        id integer primary key,
        job blob not null,               -- digest of what was given
        given text not null,             -- JSON: lists and URLs, shortened
        options text not null,           -- JSON: what changes what a run comes to
        version text not null,           -- of fetcher
        state text not null,             -- running, interrupted, finished, abandoned
        started_at real not null,        -- seconds since 1970, UTC
        elapsed_s real not null default 0,
        ended_at real,
        pages integer,
        fell_short integer,
        ok integer                       -- 1 if all was well
    )""",
    "create index runs_of_job on runs (job, id)",
    "create table urls (id integer primary key, url text not null unique)",
    # Sentences, addresses, chains of redirects: what repeats from row to row.
    "create table texts (id integer primary key, text text not null unique)",
    """
    create table certificates (
        id integer primary key,
        digest blob not null unique,
        subject text not null,
        issuer text not null,
        names text not null,             -- JSON
        not_before text not null,        -- ISO 8601, UTC
        not_after text not null,
        verified integer not null,
        reason text
    )""",
    # One row for each page of a run: the raw check, about 50 bytes.
    """
    create table pages (
        run_id integer not null,
        url_id integer not null,
        started_ms integer not null,     -- since the run began; may be negative
        state text not null,
        status integer,
        kind text,                       -- of failure
        reason_id integer,               -- texts
        final_url_id integer,            -- urls; null where it is the same
        hops_id integer,                 -- texts: JSON of [url, status, ip]
        version_id integer,              -- versions
        certificate_id integer,
        ip_id integer,                   -- texts
        body_bytes integer,
        dns_us integer,
        connect_us integer,
        tls_us integer,
        ttfb_us integer,
        transfer_us integer,
        total_us integer,
        attempt integer,                 -- null: the first
        depth integer,                   -- null: given
        primary key (run_id, url_id)
    ) without rowid""",
    # What a page said of itself, as long as it said just that.
    """
    create table versions (
        id integer primary key,
        url_id integer not null,
        digest blob not null,            -- of its bytes and how they are read
        facts_digest blob not null,      -- of what stands in this row, and its links
        body_id integer,                 -- bodies; null where it was let go
        title text,
        description text,
        canonical text,
        language text,
        robots text,                     -- words, comma between them
        h1 text,                         -- JSON
        word_count integer not null,
        text_hash text not null,
        etag text,
        last_modified text
    )""",
    "create unique index versions_of_url on versions (url_id, digest)",
    "create index versions_with_body on versions (body_id) where body_id is not null",
    """
    create table links (
        version_id integer not null,
        target_id integer not null,      -- urls, without a fragment
        primary key (version_id, target_id)
    ) without rowid""",
    """
    create table bodies (
        id integer primary key,
        digest blob not null unique,
        body_bytes integer not null,
        content blob not null            -- zlib
    )""",
    """
    create table findings (
        id integer primary key,
        run_id integer not null,
        url_id integer not null,
        rule text not null,
        severity text not null,
        message_id integer not null,     -- texts
        target_id integer,               -- urls
        line integer,
        column integer,
        link_text text
    )""",
    "create index findings_of_run on findings (run_id, url_id)",
    # What a run that was cut short is continued from; empty when none was.
    """
    create table answers (
        id integer primary key,          -- the order in which they came
        run_id integer not null,
        mark integer not null,           -- backlog.mark_of the request
        purpose text not null,
        answer blob not null,            -- plain values, pickled: restoring
        body_id integer,
        facts blob,                      -- as a worker read them, where no one else may
        entries_read integer not null    -- of the input, before it
    )""",
    # In hand when a process was killed: how often.
    """
    create table strikes (
        run_id integer not null,
        mark integer not null,
        times integer not null,
        primary key (run_id, mark)
    ) without rowid""",
)

_SECOND: Migration = (
    # The last answer of a URL, where a conditional request can be made of it. By URL
    # and not by version: what a page came to last is then found without a search
    # through all runs, and a row of `pages` needs no further index.
    """
    create table heads (
        url_id integer primary key,      -- urls
        version_id integer not null,     -- versions: what that answer said
        asked blob not null,             -- digest of what the request chose by
        encoding text,                   -- charset of its Content-Type
        fields text not null             -- JSON of [name, value]
    )""",
)

MIGRATIONS: tuple[Migration, ...] = (_FIRST, _SECOND)
SCHEMA_VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database up to this version of fetcher, step by step.

    Args:
        connection: in autocommit, to a file that is ours and not newer than this.
    """
    (version,) = connection.execute("pragma user_version").fetchone()
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("begin immediate")
        try:
            for statement in migration:
                connection.execute(statement)
            connection.execute(
                "insert into migrations values (?, ?)",
                (number, datetime.now(UTC).isoformat(timespec="seconds")),
            )
            connection.execute(f"pragma user_version = {number}")
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
