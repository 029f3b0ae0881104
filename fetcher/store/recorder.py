"""One run as it is remembered, and as it is continued after a kill.

    recorder = Recorder.open("runs.db", job, resume=False)
    recorder.take_in_hand(request)       # what may take the process down
    recorder.add(page, findings)         # a page that is done: the row that stays
    recorder.keep(request, page, 17)     # an answer: what a kill must not cost
    recorder.flush_if_due()              # when there is nothing else to do
    recorder.finish(...)                 # the answers are let go

What a run made of its answers (which links to follow, what is queued, the graph) is not
written down: it follows from the input and the answers, in the order in which they
came. Whoever continues a run goes through `answers()` once more, and only then
asks the network. So there is nothing that a kill could leave half done.

What was saved last is lost if the machine, and not only the process, goes down: the
log is not synchronised at each transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..backlog import mark_of
from ..conditional import Fields, Known, kept_fields
from ..errors import ConfigError, NothingLeft, StoreError
from ..facts import link_table
from ..models import Certificate, Finding, Kind, Purpose, Request
from ..page import Page
from .database import Database
from .pruning import MAX_AGE, MAX_BYTES, delete_orphans, prune
from .restoring import (
    answer_bytes,
    answer_from,
    certificate_parts,
    request_of,
    travelled_facts,
)

__all__ = ["STRIKES", "Answer", "Job", "Recorder"]

STRIKES = 3  # deaths of a process with a URL in hand, before that is let be
BODIES_KEPT = 5  # of each page
ANSWERS_PER_COMMIT = 50  # a kill costs at most so many, and what was under way
SAVED_WITHIN_S = 0.25  # a commit costs as much as two pages, so not one for each
# On HTML (26 MB of Python's manual): 160 MB/s and 17 % of its size; level 6 makes 51
# and 14.
COMPRESSION_LEVEL = 1
ANSWERS_AT_ONCE = 4  # held, with their bodies, when a run is continued
TOLD_EVERY_S = 1.0  # how long a run has taken
DIGEST_BYTES = 16
LINK_TARGETS_KEPT = 1_000  # of each rule: what a report lists
LINK_PLACES_KEPT = 3  # of each target
URLS_AHEAD = 200  # 0.1 MB; more than are under way
MOST_AHEAD = 2_000  # that did not come
URLS_AT_ONCE = 500  # are looked up; SQLite before 3.32 takes 999 values
KNOWN_URLS = 100_000  # ids that are looked up without the disk; 25 MB
KNOWN_TEXTS = 10_000

FIND_HEAD = """
    select fields, encoding, content from urls
    join heads on heads.url_id = urls.id
    join versions on versions.id = heads.version_id
    join bodies on bodies.id = versions.body_id
    where url = ? and asked = ? and body_bytes <= ?
"""
# What says the same again is not written again.
KEEP_HEAD = """
    insert into heads (url_id, version_id, asked, encoding, fields) values (?,?,?,?,?)
    on conflict (url_id) do update set version_id = excluded.version_id,
        asked = excluded.asked, encoding = excluded.encoding, fields = excluded.fields
    where (version_id, asked, encoding, fields) is not
        (excluded.version_id, excluded.asked, excluded.encoding, excluded.fields)
"""

_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode

FACTS = ("title", "description", "canonical", "language", "robots", "h1", "text_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a run was asked to do, so that another can continue it.

    given:    n lists and URLs, shortened for readers
    digest:   of all of them
    options:  what changes what a run comes to, in plain values
    version:  of fetcher
    """

    given: tuple[str, ...]
    digest: bytes
    options: Mapping[str, object]
    version: str

    @classmethod
    def of(
        cls, given: Sequence[str], options: Mapping[str, object], *, version: str
    ) -> Job:
        """Return the job of these lists and URLs; of many the first few are named."""
        digest = blake2b("\n".join(given).encode("utf-8", "replace"), digest_size=16)
        shown = tuple(given[:3])
        if len(given) > len(shown):
            shown = (*shown, f"and {len(given) - len(shown):,} more")
        return cls(
            given=shown, digest=digest.digest(), options=options, version=version
        )


class Answer(NamedTuple):
    """What came for a request in an earlier process, and how far the input was read."""

    request: Request
    page: Page
    entries_read: int


class Recorder:
    """Remembers one run in a database, for the process and thread that opened it.

    Attributes:
        run_id: its number, from 1.
        started_at: when it began, the first time.
        elapsed_s: how long earlier processes were at it.
        is_continued: whether there is something to go through first.
    """

    def __init__(self, database: Database, job: Job, *, resume: bool) -> None:
        self._database = database
        self._began_s = time.monotonic()
        self._told_s = 0.0
        self._rows: list[tuple[object, ...]] = []
        self._answers: list[tuple[object, ...]] = []
        self._heads: dict[int, tuple[object, ...] | None] = {}  # by URL, the last
        self._in_transaction = False
        self._is_broken = False
        self._due_s = float("inf")  # when what is not saved yet has to be
        self._guard = _Guard(self, database)
        self._url_ids: dict[str, int] = {}
        self._text_ids: dict[str, int] = {}
        self._ahead: dict[str, list[tuple[Any, ...]]] = {}  # by URL
        self._ahead_to = 0  # the last id that was read ahead
        self._certificate_ids: dict[Certificate, int] = {}
        self._body: tuple[int, bytes, int] | None = None  # of the page added last
        self._dropped: set[int] = set()  # bodies that may belong to nobody now
        (self._knows_any,) = self._execute(
            "select exists (select 1 from heads)"
        ).fetchone()  # of earlier runs: a run asks for each URL once
        self._answered: set[int] = set()
        self._probed: set[str] = set()
        self._set_aside: set[int] = set()
        found = self._unfinished(job) if resume else None
        self.is_continued = found is not None
        self._count_strike()
        if found is None:
            self.run_id, self.started_at, self.elapsed_s = self._begin(job)
        else:
            self.run_id, self.started_at, self.elapsed_s = found
            self._read_what_is_known()

    @classmethod
    def open(cls, path: str | Path, job: Job, *, resume: bool = False) -> Recorder:
        """Return the recorder of a new run, or of the last one, if that was cut short.

        Args:
            path: the database; it is made if there is none.
            job: what the run is asked to do.
            resume: continue the last run of this job.

        Raises:
            NothingLeft: that run had been finished.
            ConfigError: that run was asked to do it otherwise.
            StoreError: the file cannot be used.
        """
        database = Database(path)
        try:
            with database.translated():
                return cls(database, job, resume=resume)
        except BaseException:
            database.close()
            raise

    # Continuing.

    def answers(self) -> Iterator[Answer]:
        """Give what came in earlier processes, in the order in which it came."""
        last = 0
        while found := self._answers_after(last):
            for last, answer, facts, read, content in found:  # noqa: B007
                body = b"" if content is None else zlib.decompress(content)
                yield Answer(*answer_from(answer, body, facts), read)

    def _answers_after(
        self, number: int
    ) -> list[tuple[int, bytes, bytes | None, int, bytes | None]]:

        with self._database.translated():
            return self._execute(
                "select answers.id, answer, facts, entries_read, content"
                " from answers left join bodies on bodies.id = body_id"
                " where run_id = ? and answers.id > ? order by answers.id limit ?",
                (self.run_id, number, ANSWERS_AT_ONCE),
            ).fetchall()

    def take_answered(self, request: Request) -> bool:
        """Whether a request was answered in an earlier process; true once."""
        if not self._answered:
            return False
        mark = mark_of(request)
        found = mark in self._answered
        self._answered.discard(mark)
        return found

    def is_probed(self, origin: str) -> bool:
        """Whether an origin was asked for what is not there."""
        return origin in self._probed

    def is_set_aside(self, request: Request) -> bool:
        """Whether a URL has taken the process down so often that it is let be."""
        return bool(self._set_aside) and mark_of(request) in self._set_aside

    def take_in_hand(self, request: Request) -> None:
        """Note what the process is busy with, before that can take it down."""
        if not self._is_broken:
            self._database.take_in_hand(self.run_id, mark_of(request))

    def put_down(self) -> None:
        """Note that it did not."""
        if not self._is_broken:
            self._database.put_down()

    # What is known of a URL: see `fetcher.conditional`.

    def known(self, url: str, asked: bytes, max_bytes: int) -> Known | None:
        """Return what a URL gave last, where it may be asked conditionally.

        Args:
            url: as it was given, or found.
            asked: what chooses among the forms that it may have.
            max_bytes: what a body may have.
        """
        if self._is_broken or not self._knows_any:
            return None
        with self._guarded():
            row = self._execute(FIND_HEAD, (_storable(url), asked, max_bytes))
            found = row.fetchone()
        return None if found is None else Known(*found)

    # Recording.

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Remember what a URL came to; a second row for it takes the first one's place.

        What was cancelled has come to nothing and is left out.
        """
        self._body = None
        failure = page.failure
        if self._is_broken or (failure is not None and failure.kind is Kind.CANCELLED):
            return
        with self._writing():
            url_id, version_id = self._url_and_version(page)
            self._rows.append(self._row(page, url_id, version_id))
            self._heads[url_id] = _head(page, url_id, version_id)
            if findings or self.is_continued:
                self._put_findings(url_id, findings)

    def keep(self, request: Request, page: Page, entries_read: int) -> None:
        """Keep an answer until the run is finished.

        Args:
            request: what was asked for.
            page: the answer, after `add` if it is a page of the caller's.
            entries_read: of the input, before it came.
        """
        if self._is_broken:
            return
        with self._writing():
            self._answers.append(
                (
                    *(self.run_id, mark_of(request), request.purpose.value),
                    *(answer_bytes(request, page), self._kept_body(request, page)),
                    *(travelled_facts(page), entries_read),
                )
            )
        self._body = None
        is_due = time.monotonic() >= self._due_s
        if is_due or len(self._answers) >= ANSWERS_PER_COMMIT:
            self.flush()

    def flush_if_due(self) -> float:
        """Save what has waited for a while; return when to ask again, in seconds."""
        wait_s = self._due_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        self.flush()
        return float("inf")

    def flush(self) -> None:
        """Save what was added and kept: no kill takes it away any more."""
        if not self._in_transaction or self._is_broken:
            return
        elapsed_s = self._elapsed_s()
        with self._guarded():
            self._write_rows()
            if elapsed_s - self._told_s > TOLD_EVERY_S:
                self._told_s = elapsed_s
                self._execute(
                    "update runs set elapsed_s = ? where id = ?",
                    (elapsed_s, self.run_id),
                )
            self._execute("commit")
        self._in_transaction = False
        self._due_s = float("inf")

    def add_links(self, findings: Iterable[Finding]) -> None:
        """Remember which links lead where they should not, as far as they are listed.

        At most 1,000 targets of each rule, with three places each.
        """
        if self._is_broken:
            return
        places: dict[str, dict[str, int]] = {}
        with self._writing():
            self._execute(
                "delete from findings where run_id = ? and target_id is not null",
                (self.run_id,),
            )
            for found in findings:
                target = found.target or ""
                counts = places.setdefault(found.rule, {})
                count = counts.get(target, 0)
                if count < LINK_PLACES_KEPT and (
                    count or len(counts) < LINK_TARGETS_KEPT
                ):
                    counts[target] = count + 1
                    self._put_finding(self._url_id(found.url), found)
        self.flush()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, all that was added written; SQLite's errors are ours."""
        self.flush()
        with self._database.translated():
            yield self._database.connection

    def _write_rows(self) -> None:
        """Write what has gathered: many rows at once cost half of one by one."""
        write = self._database.connection.executemany
        write(
            "insert or replace into pages values"
            " (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            self._rows,
        )
        write(
            "insert into answers (run_id, mark, purpose, answer, body_id, facts,"
            " entries_read) values (?,?,?,?,?,?,?)",
            self._answers,
        )
        heads = self._heads
        write(
            "delete from heads where url_id = ?",
            [(url_id,) for url_id, head in heads.items() if head is None],
        )
        write(KEEP_HEAD, [head for head in heads.values() if head is not None])
        self._rows.clear()
        self._answers.clear()
        self._heads.clear()

    def finish(
        self, *, pages: int, fell_short: int, ok: bool, interrupted: bool
    ) -> None:
        """Note how the run ended; one that was cut short can still be continued."""
        if self._is_broken:
            return
        self.flush()
        with self._database.transaction():
            self._execute(
                "update runs set state = ?, elapsed_s = ?, ended_at = ?, pages = ?,"
                " fell_short = ?, ok = ? where id = ?",
                (
                    "interrupted" if interrupted else "finished",
                    *(self._elapsed_s(), time.time(), pages, fell_short, ok),
                    self.run_id,
                ),
            )
            if not interrupted:
                self._let_go(self.run_id)
                if self.is_continued:  # a kill forgot which bodies were let go
                    delete_orphans(self._database.connection)
        if not interrupted:
            prune(self._database, max_age=MAX_AGE, max_bytes=MAX_BYTES)

    def close(self) -> None:
        """Let go of the database; what was not saved is saved."""
        try:
            self.flush()
            self.put_down()
        finally:
            self._database.close()

    def __repr__(self) -> str:
        begun = "continued" if self.is_continued else "begun"
        return f"<Recorder of run {self.run_id} in {self._database.name}, {begun}>"

    # Runs.

    def _begin(self, job: Job) -> tuple[int, datetime, float]:
        now = datetime.now(UTC)
        with self._database.transaction():
            earlier = self._execute(
                "select id from runs where job = ? and state in"
                " ('running', 'interrupted')",
                (job.digest,),
            ).fetchall()
            for (number,) in earlier:
                self._execute(
                    "update runs set state = 'abandoned' where id = ?", (number,)
                )
                self._let_go(number)
            made = self._execute(
                "insert into runs (job, given, options, version, state, started_at)"
                " values (?,?,?,?,'running',?)",
                (
                    job.digest,
                    json.dumps(job.given),
                    json.dumps(job.options),
                    job.version,
                    now.timestamp(),
                ),
            )
        assert made.lastrowid is not None  # noqa: S101 -- an insert has one
        return made.lastrowid, now, 0.0

    def _unfinished(self, job: Job) -> tuple[int, datetime, float] | None:
        """Return the last run of a job where it was cut short, None without any."""
        row = self._execute(
            "select id, state, options, started_at, elapsed_s, ok from runs"
            " where job = ? order by id desc limit 1",
            (job.digest,),
        ).fetchone()
        if row is None:
            return None
        number, state, options, started, elapsed_s, ok = row
        started_at = datetime.fromtimestamp(started, UTC)
        named = (
            f"the run of {started_at:%Y-%m-%d %H:%M:%S} UTC in {self._database.name}"
        )
        if state == "finished":
            raise NothingLeft(
                f"{named} was finished: there is nothing left to do", ok=bool(ok)
            )
        if state == "abandoned":
            return None
        _must_agree(named, json.loads(options), json.loads(json.dumps(job.options)))
        self._execute("update runs set state = 'running' where id = ?", (number,))
        return number, started_at, elapsed_s

    def _count_strike(self) -> None:
        """Hold it against a URL that it was in hand when a process was killed."""
        in_hand = self._database.left_in_hand
        if in_hand is None:
            return
        with self._database.transaction():
            self._execute(
                "insert into strikes select id, ?, 1 from runs"
                " where id = ? and state = 'running'"
                " on conflict (run_id, mark) do update set times = times + 1",
                (in_hand.mark, in_hand.run_id),
            )
        self._database.put_down()

    def _read_what_is_known(self) -> None:
        for mark, purpose, answer in self._execute(
            "select mark, purpose, case purpose when ? then answer end from answers"
            " where run_id = ?",
            (Purpose.PROBE.value, self.run_id),
        ):
            if answer is not None:
                self._probed.add(request_of(answer).origin)
            elif purpose != Purpose.ROBOTS:
                self._answered.add(mark)
        self._set_aside = {
            mark
            for (mark,) in self._execute(
                "select mark from strikes where run_id = ? and times >= ?",
                (self.run_id, STRIKES),
            )
        }

    def _let_go(self, run_id: int) -> None:
        """Forget what a run would have been continued from."""
        self._dropped.update(
            number
            for (number,) in self._execute(
                "select distinct body_id from answers"
                " where run_id = ? and body_id is not null",
                (run_id,),
            )
        )
        self._execute("delete from answers where run_id = ?", (run_id,))
        self._execute("delete from strikes where run_id = ?", (run_id,))
        self._database.connection.executemany(
            "delete from bodies where id = ?"
            " and not exists (select 1 from versions where body_id = bodies.id)"
            " and not exists (select 1 from answers where body_id = bodies.id)",
            [(number,) for number in self._dropped],
        )
        self._dropped.clear()

    # Rows.

    def _row(
        self, page: Page, url_id: int, version_id: int | None
    ) -> tuple[object, ...]:
        failure, timings = page.failure, page.timings
        reason = page.skipped if failure is None else failure.message
        moved = page.final_url != page.url
        began_ms = (page.fetched_at - self.started_at).total_seconds() * 1e3
        return (
            *(self.run_id, url_id, round(began_ms), page.state.value, page.status),
            None if failure is None else failure.kind.value,
            None if reason is None else self._text_id(reason),
            self._url_id(page.final_url) if moved else None,
            self._text_id(json.dumps(page.hops)) if page.hops else None,
            version_id,
            self._certificate_id(page.certificate),
            None if page.ip is None else self._text_id(page.ip),
            page.body_bytes,
            *[None if s is None else round(s * 1e6) for s in timings[1:]],
            None if page.attempt == 1 else page.attempt,
            page.depth or None,
            1 if page.not_modified else None,
        )

    def _put_findings(self, url_id: int, findings: Sequence[Finding]) -> None:
        self._execute(
            "delete from findings where run_id = ? and url_id = ?",
            (self.run_id, url_id),
        )
        for found in findings:
            self._put_finding(url_id, found)

    def _put_finding(self, url_id: int, found: Finding) -> None:
        self._execute(
            "insert into findings (run_id, url_id, rule, severity, message_id,"
            " target_id, line, column, link_text) values (?,?,?,?,?,?,?,?,?)",
            (
                *(self.run_id, url_id, found.rule, found.severity.value),
                self._text_id(found.message),
                None if found.target is None else self._url_id(found.target),
                *(found.line or None, found.column or None),
                _storable(found.link_text) or None,
            ),
        )

    # What a page said of itself.

    def _url_and_version(self, page: Page) -> tuple[int, int | None]:
        """Return the ids of a page's URL and of what it says of itself.

        There is no version of what is not HTML, and none of an error page.
        """
        if not page.ok or not page.content or not page.is_html:
            return self._url_id(page.url), None
        body_digest, digest = _digests(page)
        known = self._known_version(page.url, digest)
        tags = _validators(page)
        if known is None or known[1] is None:
            url_id = self._new_url_id(page.url) if known is None else known[0]
            if page.facts is None:  # not before: what is known need not be parsed
                return url_id, None
            return url_id, self._new_version(page, url_id, body_digest, digest, tags)
        url_id, number, body_id, *known_tags = known
        if body_id is None:  # it says again what it had said before
            body_id = self._body_id(page, body_digest)
            self._execute(
                "update versions set body_id = ? where id = ?", (body_id, number)
            )
        if (*known_tags,) != tags:
            self._execute(
                "update versions set etag = ?, last_modified = ? where id = ?",
                (*tags, number),
            )
        self._body = body_id, body_digest, page.body_bytes
        return url_id, number

    def _known_version(self, url: str, digest: bytes) -> tuple[Any, ...] | None:
        """Return the ids of a URL and of what it says; None where it is not known.

        The second id is None where the page says something new.
        """
        for found in self._ahead.pop(url, ()):
            if found[1] == digest:
                return found[2:]
        # Both at once: a look into the database costs as much as all else of a page.
        row: tuple[Any, ...] | None = self._execute(
            "select urls.id, versions.id, body_id, etag, last_modified from urls"
            " left join versions on versions.url_id = urls.id and digest = ?"
            " where url = ?",
            (digest, _storable(url)),
        ).fetchone()
        if row is not None and row[0] > self._ahead_to:
            self._read_ahead(row[0])
        return row

    def _read_ahead(self, url_id: int) -> None:
        """Read what the URLs after this one said: they are likely to come next.

        Ids were given in the order in which the pages came, and lists stay the same.
        No row is read ahead twice in a run.
        """
        first = max(url_id, self._ahead_to) + 1
        self._ahead_to = url_id + URLS_AHEAD
        if len(self._ahead) > MOST_AHEAD:
            self._ahead.clear()
        for row in self._execute(
            "select url, digest, urls.id, versions.id, body_id, etag, last_modified"
            " from urls join versions on versions.url_id = urls.id"
            " where urls.id between ? and ?",
            (first, self._ahead_to),
        ):
            self._ahead.setdefault(row[0], []).append(row)

    def _new_version(
        self,
        page: Page,
        url_id: int,
        body_digest: bytes,
        digest: bytes,
        tags: tuple[str | None, str | None],
    ) -> int:
        facts = _facts_row(page)
        targets = _targets(page)
        facts_digest = _digest(repr(facts).encode("utf-8", "replace"), *targets)
        last = self._execute(
            "select id, facts_digest, text_hash, body_id from versions"
            " where url_id = ? order by id desc limit 1",
            (url_id,),
        ).fetchone()
        body_id = self._body_id(page, body_digest)
        if last is not None and last[2] == facts[-1] and last[3] is not None:
            # The same words: one body of them is enough, the newest.
            self._let_body_go(last[0], last[3])
        if last is not None and last[1] == facts_digest:
            self._execute(
                "update versions set digest = ?, body_id = ?, etag = ?,"
                " last_modified = ? where id = ?",
                (digest, body_id, *tags, last[0]),
            )
            known: int = last[0]
            return known
        made = self._execute(
            "insert into versions (url_id, digest, facts_digest, body_id, title,"
            " description, canonical, language, robots, h1, word_count, text_hash,"
            " etag, last_modified) values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (url_id, digest, facts_digest, body_id, *facts, *tags),
        )
        assert made.lastrowid is not None  # noqa: S101 -- an insert has one
        self._put_links(made.lastrowid, targets)
        if last is not None:
            self._keep_last_bodies(url_id)
        return made.lastrowid

    def _put_links(self, version_id: int, targets: Sequence[str]) -> None:
        self._database.connection.executemany(
            "insert or ignore into links values (?, ?)",
            sorted((version_id, number) for number in self._url_ids_of(targets)),
        )

    def _keep_last_bodies(self, url_id: int) -> None:
        older = self._execute(
            "select id, body_id from versions where url_id = ? and body_id is not null"
            " order by id desc limit -1 offset ?",
            (url_id, BODIES_KEPT),
        ).fetchall()
        for version_id, body_id in older:
            self._let_body_go(version_id, body_id)

    def _let_body_go(self, version_id: int, body_id: int) -> None:
        self._execute("update versions set body_id = null where id = ?", (version_id,))
        self._dropped.add(body_id)

    def _body_id(self, page: Page, digest: bytes) -> int:
        """Return the number of a body, which is written if it is new."""
        if self._body is not None and self._body[1:] == (digest, page.body_bytes):
            return self._body[0]
        row = self._execute(
            "select id from bodies where digest = ?", (digest,)
        ).fetchone()
        number: int
        if row is not None:
            (number,) = row
        else:
            content = zlib.compress(page.content, COMPRESSION_LEVEL)
            made = self._execute(
                "insert into bodies (digest, body_bytes, content) values (?,?,?)",
                (digest, len(page.content), content),
            )
            assert made.lastrowid is not None  # noqa: S101 -- an insert has one
            number = made.lastrowid
        self._body = number, digest, page.body_bytes
        return number

    def _kept_body(self, request: Request, page: Page) -> int | None:
        """Return the body from which an answer can be read again, as far as it is."""
        if not page.content:
            return None
        if self._body is not None:
            return self._body[0]
        is_read = page.is_html or request.purpose in (Purpose.ROBOTS, Purpose.SITEMAP)
        if not is_read and page.mitigation is None:
            return None
        return self._body_id(page, _digest(page.content))

    # Ids.

    def _url_id(self, url: str) -> int:
        return self._id_of("urls", "url", url, self._url_ids, KNOWN_URLS)

    def _url_ids_of(self, urls: Sequence[str]) -> list[int]:
        """Return the ids of many URLs; those that are not known cost a look together.

        A page has a hundred links, and a look by itself takes as long as all else.
        """
        known = self._url_ids
        new = [url for url in urls if url not in known]
        if len(known) + len(new) > KNOWN_URLS:
            known.clear()
            new = list(urls)
        for start in range(0, len(new), URLS_AT_ONCE):
            some = {url: _storable(url) for url in new[start : start + URLS_AT_ONCE]}
            ids = self._looked_up(list(dict.fromkeys(some.values())))
            known.update((url, ids[stored]) for url, stored in some.items())
        return [known[url] for url in urls]

    def _looked_up(self, stored: list[str]) -> dict[str, int]:
        """Return the ids of URLs by the forms in which they are stored, new or not."""
        places = ",".join("?" * len(stored))
        found: dict[str, int] = dict(
            self._execute(
                f"select url, id from urls where url in ({places})",  # noqa: S608 - "?"
                stored,
            ).fetchall()
        )
        missing = [url for url in stored if url not in found]
        if missing:
            # Nobody else writes: the next ids are free.
            (last,) = self._execute("select ifnull(max(id), 0) from urls").fetchone()
            rows = list(enumerate(missing, last + 1))
            self._database.connection.executemany(
                "insert into urls (id, url) values (?, ?)", rows
            )
            found.update((url, number) for number, url in rows)
        return found

    def _new_url_id(self, url: str) -> int:
        """Return the id of a URL that was looked for and is not there."""
        made = self._execute("insert into urls (url) values (?)", (_storable(url),))
        assert made.lastrowid is not None  # noqa: S101 -- an insert has one
        _note(self._url_ids, url, made.lastrowid, KNOWN_URLS)
        return made.lastrowid

    def _text_id(self, text: str) -> int:
        return self._id_of("texts", "text", text, self._text_ids, KNOWN_TEXTS)

    def _id_of(
        self, table: str, column: str, text: str, known: dict[str, int], most: int
    ) -> int:
        found = known.get(text)
        if found is not None:
            return found
        stored = _storable(text)
        row = self._execute(
            f"select id from {table} where {column} = ?",  # noqa: S608 - ours
            (stored,),
        ).fetchone()
        if row is not None:
            (found,) = row
        else:
            found = self._execute(
                f"insert into {table} ({column}) values (?)",  # noqa: S608 - ours
                (stored,),
            ).lastrowid
        assert found is not None  # noqa: S101 -- an insert has one
        _note(known, text, found, most)
        return found

    def _certificate_id(self, certificate: Certificate | None) -> int | None:
        if certificate is None:
            return None
        found = self._certificate_ids.get(certificate)
        if found is not None:
            return found
        parts = {
            name: _storable(part) if isinstance(part, str) else part
            for name, part in certificate_parts(certificate).items()
        }
        names = json.dumps(parts["names"])
        digest = _digest(json.dumps(parts).encode())
        row = self._execute(
            "select id from certificates where digest = ?", (digest,)
        ).fetchone()
        if row is not None:
            (found,) = row
        else:
            found = self._execute(
                "insert into certificates (digest, subject, issuer, names, not_before,"
                " not_after, verified, reason) values (?,?,?,?,?,?,?,?)",
                (digest, *{**parts, "names": names}.values()),
            ).lastrowid
        assert found is not None  # noqa: S101 -- an insert has one
        if len(self._certificate_ids) >= KNOWN_TEXTS:
            self._certificate_ids.clear()
        self._certificate_ids[certificate] = found
        return found

    # SQLite.

    def _execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._database.connection.execute(sql, values)

    def _writing(self) -> _Guard:
        """Begin a transaction, unless one is open, and note if it breaks."""
        if not self._in_transaction:
            with self._guarded():
                self._execute("begin immediate")
            self._in_transaction = True
            self._due_s = time.monotonic() + SAVED_WITHIN_S
        return self._guard

    def _guarded(self) -> _Guard:
        return self._guard

    def _break(self) -> None:
        """Do nothing more: what was saved stays, and the rest of the run goes on."""
        self._is_broken = True
        self._in_transaction = False
        self._due_s = float("inf")

    def _elapsed_s(self) -> float:
        return self.elapsed_s + time.monotonic() - self._began_s


class _Guard:
    """Turns what SQLite raises into a StoreError, after which nothing is written.

    A class and not a generator: it is entered twice for each page.
    """

    __slots__ = ("_database", "_recorder")

    def __init__(self, recorder: Recorder, database: Database) -> None:
        self._recorder = recorder
        self._database = database

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if isinstance(error, sqlite3.Error | StoreError):
            self._recorder._break()
            with self._database.translated():
                raise error


def _note(known: dict[str, int], text: str, number: int, most: int) -> None:
    """Note an id, in a bounded number of them."""
    if len(known) >= most:
        known.clear()
    known[text] = number


def _must_agree(
    named: str, then: Mapping[str, object], now: Mapping[str, object]
) -> None:
    """Raise a ConfigError if a run would be continued in another way than it began."""
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            raise ConfigError(
                f"{named} was begun with {name} {then.get(name)!r} and cannot be"
                f" continued with {now.get(name)!r}"
            )


def _digests(page: Page) -> tuple[bytes, bytes]:
    """Return the digest of a body, and that of the body and how it is read."""
    body = _digest(page.content)
    read = f"{page.encoding} {page.final_url}".encode("utf-8", "replace")
    return body, _digest(body + read)


def _digest(content: bytes, *texts: str) -> bytes:
    digest = blake2b(content, digest_size=DIGEST_BYTES)
    for text in texts:
        digest.update(b"\0" + text.encode("utf-8", "replace"))
    return digest.digest()


def _validators(page: Page) -> tuple[str | None, str | None]:
    """Return what a conditional request needs (RFC 9110, 13.1)."""
    etag, date = page.headers.get("etag"), page.headers.get("last-modified")
    return (
        None if etag is None else _storable(etag),
        None if date is None else _storable(date),
    )


def _head(page: Page, url_id: int, version_id: int | None) -> tuple[object, ...] | None:
    """Return the row of what a conditional request is made of; None: make none."""
    fields: Fields = () if version_id is None else kept_fields(page)
    if not fields:
        return None
    encoding = None if page.encoding is None else _storable(page.encoding)
    return url_id, version_id, page.asked_as, encoding, _encode(fields)


def _facts_row(page: Page) -> tuple[object, ...]:
    facts = page.facts
    assert facts is not None  # noqa: S101 -- the caller looked
    texts = (facts.title, facts.description, facts.canonical, facts.language)
    return (
        *(None if text is None else _storable(text) for text in texts),
        _storable(",".join(facts.robots)) or None,
        json.dumps(facts.h1) if facts.h1 else None,
        facts.word_count,
        facts.text_hash,
    )


def _targets(page: Page) -> list[str]:
    """Return the different URLs that a page points to, without their fragments."""
    facts = page.facts
    assert facts is not None  # noqa: S101 -- the caller looked
    return sorted({sort[0] for sort in link_table(facts).sorts})


def _storable(text: str) -> str:
    """Return text as SQLite holds it: without lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
