"""A run as it is compared with another one: read from the database that remembers it.

    now = RememberedRun(connection, 7)
    before = last_run_before(now)
    compare(before, now)

Pages come by their URLs in SQLite's order of bytes, which for UTF-8 is that of code
points.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter

from ..changes import FoundRecord, LinkRecord, PageRecord, Sample
from ..errors import ConfigError
from ..models import Certificate, State
from ..text_lines import Filter, text_lines
from .recorder import LINK_TARGETS_KEPT

__all__ = [
    "RememberedRun",
    "SortedRecords",
    "expected_in",
    "last_run",
    "last_run_before",
]

USUAL_RUNS = 10  # of which a page's usual time and size are taken
CERTIFICATES_KNOWN = 10_000
# How long a 304 took says nothing of the page.
TTFB_US = "case when not_modified then null else ttfb_us end"
# What does not decide which pages a run comes to, nor which links it looks at.
NOT_OF_SCOPE = frozenset({"max_bytes", "max_redirects", "accept", "user_agent"})

_PAGES = """
    select urls.url, pages.state, status, kind, reason.text, final.url, hops.text,
           title, canonical, robots, text_hash, certificate_id, body_bytes,
           {ttfb_us}, transfer_us
    from pages join urls on urls.id = pages.url_id
    left join urls final on final.id = final_url_id
    left join texts reason on reason.id = reason_id
    left join texts hops on hops.id = hops_id
    left join versions on versions.id = version_id
"""
_SAMPLE = """
    select {ttfb_us}, transfer_us, body_bytes, state from pages
    where run_id = ? and url_id = (select id from urls where url = ?)
"""
_FINDINGS = """
    select url, rule, severity, text from findings
    join urls on urls.id = url_id join texts on texts.id = message_id
    where run_id = ? and target_id is null order by url, findings.id
"""
_LINKS = """
    select rule, target.url, severity, text, page.url, line, column from findings
    join urls page on page.id = url_id join urls target on target.id = target_id
    join texts on texts.id = message_id
    where run_id = ? and target_id is not null order by findings.id
"""
_LAST_GOOD = f"""{_PAGES}
    join runs on runs.id = pages.run_id
    where urls.url = ? and runs.job = ? and runs.id <= ?
    and pages.state in ('ok', 'redirected') and runs.state = 'finished'
    order by runs.id desc limit 1
"""


class RememberedRun:
    """One run in a database; answers as `fetcher.changes.Run`.

    Args:
        connection: to a database of runs; it stays open.
        number: of the run.
        name: what it is called.
        is_whole: whether it came to all its pages; None: as its row says.

    Raises:
        ConfigError: there is no such run.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        number: int,
        *,
        name: str = "",
        is_whole: bool | None = None,
    ) -> None:
        self._connection = connection
        self.number = number
        self.name = name or f"run {number}"
        row = connection.execute(
            "select job, options, state, started_at, pages from runs where id = ?",
            (number,),
        ).fetchone()
        if row is None:
            raise ConfigError(f"there is no {self.name}")
        self.job, options, state, started, pages = row
        self.started_at: datetime | None = datetime.fromtimestamp(started, UTC)
        self._options: dict[str, object] = json.loads(options)
        as_said = state == "finished" and not _is_cut(self._options, pages)
        self.is_whole = as_said if is_whole is None else is_whole
        self._certificates: dict[int, Certificate] = {}
        (schema,) = connection.execute("pragma user_version").fetchone()
        self._ttfb_us = (
            TTFB_US if schema >= 3 else "ttfb_us"
        )  # an older file, read only

    @property
    def scope(self) -> object:
        """What decides which pages it comes to, in a form that can be compared."""
        kept = {k: v for k, v in self._options.items() if k not in NOT_OF_SCOPE}
        return json.dumps([self.job.hex(), kept], sort_keys=True)

    @cached_property
    def links(self) -> dict[tuple[str, str], LinkRecord] | None:
        """Bad targets, by rule and target; None where links were not looked at."""
        options = self._options
        reads_links = options.get("depth") or options.get("check_links")
        if not reads_links:
            return None
        found: dict[tuple[str, str], LinkRecord] = {}
        rows = self._connection.execute(_LINKS, (self.number,))
        for rule, target, severity, message, page, line, column in rows:
            known = found.get((rule, target))
            if known is None:
                place = f"{page}:{line or 0}:{column or 0}"
                record = LinkRecord(rule, target, severity, message, (page,), place)
            else:
                record = known._replace(pages=(*known.pages, page))
            found[rule, target] = record
        return found

    @cached_property
    def cut_rules(self) -> frozenset[str]:
        """Rules of which there may be more targets than are remembered."""
        counts: dict[str, int] = {}
        for rule, _ in self.links or ():
            counts[rule] = counts.get(rule, 0) + 1
        return frozenset(r for r, n in counts.items() if n >= LINK_TARGETS_KEPT)

    def pages(self) -> Iterator[PageRecord]:
        """Give each URL once, in the order of code points."""
        findings = self._findings()
        url, found = next(findings, (None, ()))
        rows = self._connection.execute(
            f"{_PAGES} where run_id = ? order by urls.url".format(
                ttfb_us=self._ttfb_us
            ),
            (self.number,),
        )
        for row in rows:
            page = self._record(row)
            if page.url == url:
                page = page._replace(findings=found)
                url, found = next(findings, (None, ()))
            yield page

    def last_good(self, url: str) -> PageRecord | None:
        """Return a URL's page as it last came as it should, up to this run."""
        row = self._connection.execute(
            _LAST_GOOD.format(ttfb_us=self._ttfb_us), (url, self.job, self.number)
        ).fetchone()
        return None if row is None else self._record(row)

    def samples(self, url: str) -> list[Sample]:
        """Return good pages of a URL in this run and those before, newest first."""
        found = []
        for number in self._usual_runs:
            row = self._connection.execute(
                _SAMPLE.format(ttfb_us=self._ttfb_us),
                (number, url),
            ).fetchone()
            if row is not None and row[3] in (State.OK, State.REDIRECTED):
                found.append(Sample(_time_s(row[0], row[1]), row[2] or 0))
        return found

    def lines(self, page: PageRecord, keeps: Filter) -> list[str] | None:
        """Return the text of a page, None where its body was let go."""
        row = self._connection.execute(
            "select content from versions join bodies on bodies.id = body_id"
            " where url_id = (select id from urls where url = ?) and text_hash = ?"
            " order by versions.id desc limit 1",
            (page.url, page.text_hash),
        ).fetchone()
        return None if row is None else text_lines(zlib.decompress(row[0]), keeps)

    @cached_property
    def _usual_runs(self) -> list[int]:
        rows = self._connection.execute(
            "select id from runs where job = ? and id <= ?"
            " and (state = 'finished' or id = ?) order by id desc limit ?",
            (self.job, self.number, self.number, USUAL_RUNS + 1),
        )
        return [number for (number,) in rows]

    def _findings(self) -> Iterator[tuple[str, tuple[FoundRecord, ...]]]:
        rows = self._connection.execute(_FINDINGS, (self.number,))
        for url, group in groupby(rows, key=itemgetter(0)):
            yield (
                url,
                tuple(
                    FoundRecord(rule, expected_in(message), severity, message)
                    for _, rule, severity, message in group
                ),
            )

    def _record(self, row: tuple[object, ...]) -> PageRecord:
        url, state, status, kind, reason, final, hops, *facts = row
        title, canonical, robots, text_hash, certificate, size, ttfb, transfer = facts
        final_url = str(final or url)
        return PageRecord(
            str(url),
            str(state),
            status,  # type: ignore[arg-type]  # columns of SQLite, written by us
            kind,  # type: ignore[arg-type]
            f"{kind}: {reason}" if kind and reason else _reason(reason, status),
            final_url,
            None if hops is None else _first_target(str(hops), final_url),
            title,  # type: ignore[arg-type]
            canonical,  # type: ignore[arg-type]
            robots,  # type: ignore[arg-type]
            text_hash,  # type: ignore[arg-type]
            None if certificate is None else self._certificate(int(str(certificate))),
            size or 0,  # type: ignore[arg-type]
            _time_s(ttfb, transfer),
        )

    def _certificate(self, number: int) -> Certificate | None:
        known = self._certificates.get(number)
        if known is not None:
            return known
        row = self._connection.execute(
            "select subject, issuer, names, not_before, not_after, verified"
            " from certificates where id = ?",
            (number,),
        ).fetchone()
        if row is None:
            return None
        subject, issuer, names, not_before, not_after, verified = row
        found = Certificate(
            subject=subject,
            issuer=issuer,
            names=tuple(json.loads(names)),
            not_before=datetime.fromisoformat(not_before),
            not_after=datetime.fromisoformat(not_after),
            verified=bool(verified),
        )
        if len(self._certificates) >= CERTIFICATES_KNOWN:
            self._certificates.clear()
        self._certificates[number] = found
        return found


def last_run_before(run: RememberedRun) -> RememberedRun | None:
    """Return the last finished run of the same job before one; None without any."""
    row = run._connection.execute(
        "select max(id) from runs where job = ? and id < ? and state = 'finished'",
        (run.job, run.number),
    ).fetchone()
    return None if row[0] is None else RememberedRun(run._connection, row[0])


def last_run(connection: sqlite3.Connection) -> int | None:
    """Return the number of the last finished run of all; None without any."""
    (number,) = connection.execute(
        "select max(id) from runs where state = 'finished'"
    ).fetchone()
    return None if number is None else int(number)


def expected_in(message: str) -> str:
    """Return what a finding's sentence says was expected, without what came."""
    return message.partition(", got ")[0].removeprefix("expected ")


class SortedRecords:
    """Pages of a run that came in any order, put in order on the disk.

    In a temporary file without a name. Of a URL that comes twice the last stays.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("pragma journal_mode = off")
        self._connection.execute(
            "create table pages (url text primary key, record blob) without rowid"
        )
        self._connection.execute("begin")

    def add(self, page: PageRecord) -> None:
        """Take a page."""
        # Plain values, read by this process alone.
        plain = pickle.dumps(tuple(page))
        url = page.url.encode("utf-8", "backslashreplace").decode()
        self._connection.execute(
            "insert or replace into pages values (?,?)", (url, plain)
        )

    def get(self, url: str) -> PageRecord | None:
        """Return the page of a URL."""
        row = self._connection.execute(
            "select record from pages where url = ?", (url,)
        ).fetchone()
        return None if row is None else PageRecord(*pickle.loads(row[0]))  # noqa: S301

    def __iter__(self) -> Iterator[PageRecord]:
        rows = self._connection.execute("select url, record from pages order by url")
        for url, plain in rows:
            yield PageRecord(*pickle.loads(plain))._replace(url=url)  # noqa: S301

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _is_cut(options: Mapping[str, object], pages: int | None) -> bool:
    most = options.get("max_pages")
    return isinstance(most, int) and pages is not None and pages >= most


def _time_s(ttfb_us: object, transfer_us: object) -> float | None:
    if ttfb_us is None:
        return None
    return (int(str(ttfb_us)) + int(str(transfer_us or 0))) / 1e6


def _reason(reason: object, status: object) -> str | None:
    if reason is not None:
        return str(reason)
    return None if status is None else f"HTTP {status}"


def _first_target(hops: str, final_url: str) -> str:
    """Return where the first redirect led: the second hop, or the end."""
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(hops)[1][0])
    return final_url
