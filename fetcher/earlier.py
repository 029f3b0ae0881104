"""The run that another is compared with, from wherever it is remembered.

    with earlier_run("runs.db:3") as before:     # the third run in a database
        ...
    with earlier_run("last.jsonl") as before:    # an output of an earlier run

A file is known by what it holds, not by its name. Rows of `.json` and `.jsonl` may
come from strangers: a line is bounded, what is no row of ours is told with its number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from .changes import (
    FoundRecord,
    LinkRecord,
    PageRecord,
    Run,
    Sample,
)
from .errors import ConfigError, InputError
from .models import Certificate, Kind, State
from .store.comparing import RememberedRun, SortedRecords, expected_in, last_run
from .store.database import open_for_reading
from .text_lines import Filter

__all__ = ["FileRun", "earlier_run"]

ROW_MAX_BYTES = 64 * 1024 * 1024  # 50,000 links of 1 kB
REPORT_MAX_BYTES = 256 * 1024 * 1024
SQLITE_MAGIC = b"SQLite format 3\0"
JSON_START = b'{"pages":['
RULES = {"broken": "broken-link", "fragments": "missing-fragment"}


@contextmanager
def earlier_run(named: str | Path) -> Iterator[Run]:
    """Give the run that FILE or FILE:RUN names; of a database without RUN the last.

    Raises:
        ConfigError: there is no such run.
        InputError: the file cannot be read, or is none of ours.
        StoreError: a database cannot be read.
    """
    path, number = _split(str(named))
    if _start(path).startswith(SQLITE_MAGIC):
        with open_for_reading(path) as connection:
            wanted = last_run(connection) if number is None else number
            if wanted is None:
                raise ConfigError(f"no run in {path} was finished")
            name = f"run {wanted} in {path}"
            yield RememberedRun(connection, wanted, name=name)
        return
    if number is not None:
        raise ConfigError(f"{path} is no database: it holds one run, not run {number}")
    records = SortedRecords()
    try:
        yield FileRun(path, records)
    finally:
        records.close()


class FileRun:
    """A run as its `.json` or `.jsonl` tells it; answers as `fetcher.changes.Run`.

    Texts are not in it, so that of a text no more is known than that it changed.
    """

    def __init__(self, path: str, records: SortedRecords) -> None:
        self.name = path
        self.started_at: datetime | None = None
        self.is_whole = True
        self.scope: object = None
        self.links: dict[tuple[str, str], LinkRecord] | None = None
        self.cut_rules: frozenset[str] = frozenset()
        self._records = records
        try:
            with Path(path).open("rb") as stream:
                self._read(stream)
        except OSError as error:
            raise _unreadable(path, error) from error

    def pages(self) -> Iterator[PageRecord]:
        """Give each URL once, in the order of code points."""
        return iter(self._records)

    def last_good(self, url: str) -> PageRecord | None:
        """Return None: this is the only run that is known."""
        return None

    def samples(self, url: str) -> list[Sample]:
        """Return the one sample that there is."""
        page = self._records.get(url)
        if page is None or not page.is_good:
            return []
        return [Sample(page.time_s, page.body_bytes)]

    def lines(self, page: PageRecord, keeps: Filter) -> None:
        """Return None: texts are not in it."""
        return

    def _read(self, stream: BinaryIO) -> None:
        is_json = False
        for number, line in enumerate(_lines(stream, self.name), 1):
            if number == 1 and line.strip() == JSON_START:
                is_json = True
                continue
            if is_json and line.startswith(b"]"):
                self._take_report(stream, number + 1)
                return
            self._take(number, line)
        if is_json:
            raise InputError(f"{self.name} ends before its report: it was cut short")

    def _take(self, number: int, line: bytes) -> None:
        text = line.strip().removesuffix(b",")
        if not text:
            return
        where = f"line {number:,} of {self.name}"
        page = _page(_Row(_parsed(text, where), where))
        self._records.add(page)
        if page.kind == Kind.CANCELLED:
            self.is_whole = False

    def _take_report(self, stream: BinaryIO, number: int) -> None:
        where = f"the report in {self.name}"
        text = stream.read(REPORT_MAX_BYTES + 1)
        if len(text) > REPORT_MAX_BYTES:
            raise InputError(f"{where} is larger than {REPORT_MAX_BYTES:,} bytes")
        if not text.startswith(b'"report":') or not text.rstrip().endswith(b"}"):
            raise InputError(f"line {number:,} of {self.name} is not fetcher's")
        row = _Row(_parsed(text.rstrip()[9:-1], where), where)
        started = row.text("started_at")
        self.started_at = None if started is None else row.moment("started_at")
        self.is_whole = row.value("interrupted") is False
        site = row.value("site")
        if site is not None:
            self._take_links(_Row(site, f"{where}, site"))

    def _take_links(self, site: _Row) -> None:
        self.links = {}
        cut = {"moved-link"}  # whether those were held against it is not in it
        for name, rule in RULES.items():
            part = _Row(site.value(name), f"{site.where}.{name}")
            targets = part.rows("targets")
            for target in targets:
                link = _link(rule, target)
                self.links[rule, link.target] = link
            if part.number("count") > len(targets):
                cut.add(rule)
        self.cut_rules = frozenset(cut)


class _Row:
    """An object of JSON whose values are asked for by name and type."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, Mapping):
            raise InputError(f"{where} is not fetcher's: no object stands there")
        self._values = values
        self.where = where

    def value(self, name: str) -> Any:
        return self._values.get(name)

    def _of(self, name: str, kinds: tuple[type, ...], words: str) -> Any:
        value = self._values.get(name)
        is_truth = isinstance(value, bool) and bool not in kinds
        if value is not None and (is_truth or not isinstance(value, kinds)):
            shown = f"{value!r:.80}"
            raise InputError(f"{self.where}: {name} is {words}, got {shown}")
        return value

    def text(self, name: str) -> str | None:
        found: str | None = self._of(name, (str,), "a text")
        return found

    def needed(self, name: str) -> str:
        found = self.text(name)
        if not found:
            raise InputError(f"{self.where} is not fetcher's: it has no {name}")
        return found

    def number(self, name: str) -> int:
        return int(self._of(name, (int,), "a whole number") or 0)

    def seconds(self, name: str) -> float | None:
        found = self._of(name, (int, float), "a number of seconds")
        return None if found is None else float(found)

    def moment(self, name: str) -> datetime:
        text = self.needed(name)
        found: datetime | None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise InputError(f"{self.where}: {name} is no moment: {text[:80]!r}")
        return found

    def rows(self, name: str) -> list[_Row]:
        found = self._of(name, (list,), "a list") or []
        return [_Row(each, f"{self.where}, {name}") for each in found]

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._of(name, (list,), "a list of texts") or []
        if not all(isinstance(each, str) for each in found):
            raise InputError(f"{self.where}: {name} is a list of texts")
        return tuple(found)

    def inner(self, name: str) -> _Row | None:
        found = self._values.get(name)
        return None if found is None else _Row(found, f"{self.where}, {name}")


def _page(row: _Row) -> PageRecord:
    url, state = row.needed("url"), row.needed("state")
    if state not in tuple(State):
        raise InputError(f"{row.where}: state is none of a page's, got {state[:80]!r}")
    failure, timings = row.inner("failure"), row.inner("timings")
    hops, final_url = row.rows("hops"), row.text("final_url") or url
    target = hops[1].needed("url") if len(hops) > 1 else final_url
    text_hash = row.text("text_hash")
    is_unmodified = row.value("not_modified") is True
    is_known = text_hash is not None and state in (State.OK, State.REDIRECTED)
    return PageRecord(
        url=url,
        state=state,
        status=row.number("status") or None,
        kind=None if failure is None else failure.needed("kind"),
        reason=row.text("reason"),
        final_url=final_url,
        target=target if hops else None,
        title=row.text("title") if is_known else None,
        canonical=row.text("canonical") if is_known else None,
        robots=",".join(row.texts("robots")) or None if is_known else None,
        text_hash=text_hash if is_known else None,
        certificate=_certificate(row.inner("certificate")),
        body_bytes=row.number("body_bytes"),
        time_s=None if timings is None or is_unmodified else _time_s(timings),
        findings=tuple(_found(each) for each in row.rows("findings")),
    )


def _time_s(timings: _Row) -> float | None:
    first_s = timings.seconds("ttfb_s")
    return None if first_s is None else first_s + (timings.seconds("transfer_s") or 0.0)


def _certificate(row: _Row | None) -> Certificate | None:
    if row is None:
        return None
    return Certificate(
        subject=row.text("subject") or "",
        issuer=row.text("issuer") or "",
        names=row.texts("names"),
        not_before=row.moment("not_before"),
        not_after=row.moment("not_after"),
        verified=row.value("verified") is True,
    )


def _found(row: _Row) -> FoundRecord:
    message = row.text("message") or ""
    return FoundRecord(
        rule=row.needed("rule"),
        expected=expected_in(message),
        severity=row.needed("severity"),
        message=message,
    )


def _link(rule: str, row: _Row) -> LinkRecord:
    url, fragment = row.needed("url"), row.text("fragment")
    if fragment is not None:
        url = f"{url.partition('#')[0]}#{fragment}"
    places = row.rows("places")
    pages = tuple(place.needed("url") for place in places)
    place = ""
    if places:
        first = places[0]
        place = f"{pages[0]}:{first.number('line')}:{first.number('column')}"
    reason = row.text("reason") or ""
    return LinkRecord(rule, url, "error", reason, pages, place)


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    number = 1
    while line := stream.readline(ROW_MAX_BYTES + 1):
        if len(line) > ROW_MAX_BYTES:
            raise InputError(
                f"line {number:,} of {name} is longer than {ROW_MAX_BYTES:,} bytes"
            )
        yield line
        number += 1


def _parsed(text: bytes, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not fetcher's: no JSON stands there") from error


def _split(named: str) -> tuple[str, int | None]:
    """Take FILE:RUN apart; a file of the whole name is meant, where there is one."""
    path, colon, number = named.rpartition(":")
    if colon and path and number.isdecimal() and not Path(named).exists():
        return path, int(number)
    return named, None


def _start(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(SQLITE_MAGIC))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no file {path}")
    words = str(getattr(error, "strerror", None) or error)
    return InputError(f"cannot read {path}: {words[:1].lower()}{words[1:]}")
