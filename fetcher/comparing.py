"""What a run is compared with when it is over: the last one, or the one that is named.

What was named is looked at before anything is fetched: a run that nobody remembers, or
a file that is none of ours, is known then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from .changes import Changes, Run, compare
from .earlier import earlier_run
from .errors import ConfigError, InputError
from .export.findings import LinkRule, bad_targets, of_target
from .store.comparing import RememberedRun, last_run_before
from .text_lines import Filter

if TYPE_CHECKING:
    from .models import Finding
    from .site_report import SiteReport
    from .store.recorder import Recorder

__all__ = ["Baseline", "Comparing", "broken_links"]

Baseline = int | str | Path | None


class Comparing:
    """How one run is compared, and with what.

    Args:
        baseline: the number of a run in `db`, or a file of an earlier run; None: the
            last finished run of the same input.
        db: what remembers the run; None: a file that is gone when `close` is called.
        text_filter: which part of each page's text counts.

    Raises:
        ConfigError: there is no such run, or it cannot be meant.
        InputError: the file cannot be read, or is none of ours.
        StoreError: a database cannot be read.
    """

    def __init__(
        self,
        baseline: Baseline,
        db: str | Path | None,
        text_filter: Filter | None = None,
    ) -> None:
        if text_filter is not None and not isinstance(text_filter, Filter):
            raise ConfigError(f"text_filter is a Filter, got {text_filter!r}")
        self._filter = text_filter or Filter()
        self._number: int | None = None
        self._named: Run | None = None
        self._stack = ExitStack()
        try:
            self._find(baseline, db)
            if db is None:
                db = Path(self._stack.enter_context(TemporaryDirectory())) / "run.db"
        except OSError as error:
            self.close()
            raise InputError(f"no place for a temporary file: {error}") from error
        except BaseException:
            self.close()
            raise
        self.db = db

    def changes(
        self,
        recorder: Recorder,
        *,
        is_whole: bool,
        filters: Mapping[str, Filter] = MappingProxyType({}),
    ) -> Changes | None:
        """Return what changed, None where there is nothing to compare with.

        Args:
            recorder: of the run, to which all pages were added.
            is_whole: whether it came to all of them.
            filters: URL -> which part of that page's text counts instead.
        """
        with recorder.reading() as connection:
            now = RememberedRun(connection, recorder.run_id, is_whole=is_whole)
            before = self._named
            if self._number is not None:
                before = RememberedRun(connection, self._number)
            elif before is None:
                before = last_run_before(now)
            if before is None:
                return None
            return compare(before, now, lambda url: filters.get(url, self._filter))

    def close(self) -> None:
        """Let go of what was opened."""
        self._stack.close()

    def _find(self, baseline: Baseline, db: str | Path | None) -> None:
        if baseline is None:
            return
        if isinstance(baseline, int):
            if db is None:
                raise ConfigError(
                    f"baseline={baseline!r} is the number of a run and needs the db="
                    " that remembers it"
                )
            with earlier_run(f"{db}:{baseline}"):
                self._number = baseline
            return
        self._named = self._stack.enter_context(earlier_run(baseline))


def broken_links(site: SiteReport) -> Iterator[Finding]:
    """Yield what is held against links, in the order in which it is listed.

    What refuses robots is not held against them.
    """
    for rule, severity, targets in bad_targets(site):
        if rule is not LinkRule.BLOCKED:
            for target in targets:
                yield from of_target(rule, severity, target)
