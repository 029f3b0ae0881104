"""crawl(): what a caller asks for becomes a `Run`, which is the only loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from .. import __version__, export
from ..errors import ConfigError
from ..frontier import Frontier
from ..models import (
    CrawlOptions,
    Following,
    Settings,
)
from ..options import at_least, one_of, settings_and_following
from ..output import Outputs
from ..report import Report
from ..source import Given, Source, given_names
from ..task import Extract
from ..warm import start_reading
from .manners import manners_of
from .run import Callback, Progress, Run
from .sites import Sites
from .workers import PoolLike

if TYPE_CHECKING:
    from ..changes import Filter  # and what compares, where something is remembered
    from ..checks import Expected  # imported where something is expected
    from ..comparing import Comparing
    from ..store.recorder import Recorder  # and this only one that is remembered


__all__ = ["crawl"]

RETRY_DELAY_MAX_S = 60.0


def crawl(
    urls: Given,
    callback: Callback | None = None,
    *,
    workers: int | None = None,
    concurrency: int = 64,
    per_host: int = 6,
    delay_s: float = 0.0,
    retries: int = 2,
    retry_delay_s: float = 2.0,
    max_pages: int | None = None,
    max_time_s: float | None = None,
    default_scheme: str = "https",
    expect: Expected | None = None,
    extract: Extract | None = None,
    analyse_in: str = "parent",
    output: str | Path | Iterable[str | Path] | Outputs = (),
    redact: bool = True,
    db: str | Path | None = None,
    resume: bool = False,
    baseline: int | str | Path | None = None,
    text_filter: Filter | None = None,
    conditional: bool = True,
    stop: threading.Event | None = None,
    pool: PoolLike | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    **options: Unpack[CrawlOptions],
) -> Report:
    """Fetch every URL once, hand each Page to `callback`, and return the Report.

    Args:
        urls: one URL; the path of a list (one URL a line, `#` comments); or any
            iterable of URLs, read as needed and never held whole, in which a
            `pathlib.Path` stands for the lines of that list. A list or tuple may
            hold Groups, whose pages have a name, settings and expectations in common.
        callback: called with each Page in this thread, in completion order.
        workers: worker processes, at least 1; None: one more than the CPUs.
        concurrency: requests under way in all, at least 1.
        per_host: requests under way to one host, at least 1.
        delay_s: seconds between two requests to a host; above 0: one at a time.
        retries: further attempts for what may pass, 0 or more.
        retry_delay_s: seconds before the first retry; each later waits 5 times
            as long, 60 s at most. A Retry-After that asks for more is honoured.
        max_pages: pages that are fetched at most; None: all.
        max_time_s: after so many seconds the run ends softly; None: never.
        default_scheme: "https" or "http", for a URL without a scheme.
        expect: what is expected of every page of the caller's, those that were followed
            to included; or URLs with what is expected of each. What is not met is a
            Finding, in the outputs and the Report; an error makes `report.ok` false.
        extract: runs in the worker right after a page was downloaded, returns plain
            values (None, bool, numbers, str, bytes, datetime, list, tuple, dict),
            which travel as `page.extract`.
        analyse_in: "parent": pages are parsed here, as far as workers have not read
            ahead what is looked at; "workers": no page is. One that brings the parser
            down then costs a worker and not the run. `public_only` implies it.
        output: files to write; the ending names the format.
        redact: hide user parts of URLs and the values of known token parameters in
            these files (an Outputs has been told); `callback` and the Report get all
            as it is.
        db: a file that remembers the run, made if there is none. A run that is killed
            loses nothing that came before.
        resume: continue the last run of the same `urls` in `db`, if it was cut short:
            what was saved is not fetched again, and the outputs and the Report are
            those of the whole run. `callback` gets the pages that come now; it had
            the others.
        baseline: what the run is compared with, in `report.changes`: the number of a
            run in `db`, or a `.json` or `.jsonl` that an earlier run wrote, or another
            database (FILE, or FILE:RUN). None: the last finished run of the same `urls`
            in `db`.
        text_filter: which part of each page's text counts when that is compared.
        conditional: with `db`: ask whether a page has changed since it came last, and
            take it from there if not (`page.not_modified`). False: fetch it anyway, as
            is done, too, where credentials or cookies of the caller's are sent.
        stop: set it to end softly: what is under way is finished.
        pool: used instead of an own one, and left open.
        on_progress: called with a Progress ten times a second at most.
        options: the fields of `fetcher.Following`: depth, scope, check_links, ...,
            and of `fetcher.Settings`: timeout_s, headers, auth, ...

    Returns:
        The Report; `report.ok` says whether every page came as it should.

    Raises:
        ConfigError: an option makes no sense.
        InputError: the list cannot be read, or the baseline.
        OutputError: a file cannot be written.
        MachineError: no worker process can be started.
        ExtractError: `extract` raised or returned what cannot travel.
        StoreError: `db` cannot be used.
        NothingLeft: `resume` was asked for, and the last run was finished.
        BaseException: what `callback` raised, or KeyboardInterrupt; the Report so
            far is its attribute `report`, and the files hold the pages so far.
    """
    at_least("workers", workers, 1)
    at_least("concurrency", concurrency, 1)
    at_least("per_host", per_host, 1)
    at_least("delay_s", delay_s, 0)
    at_least("retries", retries, 0)
    at_least("retry_delay_s", retry_delay_s, 0)
    at_least("max_pages", max_pages, 1)
    at_least("max_time_s", max_time_s, 0.001)
    one_of("analyse_in", analyse_in, ("parent", "workers"))
    if pool is None:
        with suppress(OSError):  # told when the workers are started
            start_reading()
    how, following = settings_and_following(options)
    retry_delays_s = [
        min(retry_delay_s * 5**n, max(retry_delay_s, RETRY_DELAY_MAX_S))
        for n in range(retries)
    ]
    if resume and db is None:
        raise ConfigError("resume= needs the db= that remembers the run")
    parses_here = analyse_in == "parent" and not how.public_only
    sites = Sites(following, how)
    source = Source(urls, default_scheme=default_scheme)
    manners = manners_of(source.groups, how, expect, extract, parses_here=parses_here)
    asked = {
        "max_pages": max_pages,
        "default_scheme": default_scheme,
        **_plain(following, how),
    }
    if text_filter is not None and db is None and baseline is None:
        raise ConfigError("text_filter= needs a db= or a baseline= to compare with")
    run = Run(
        source=source,
        open_comparing=None
        if db is None and baseline is None
        else partial(_comparing, baseline, db, text_filter),
        open_recorder=partial(_recorder, urls=urls, options=asked, resume=resume),
        conditional=conditional,
        frontier=Frontier(
            per_host=per_host,
            delay_s=delay_s,
            retry_delays_s=retry_delays_s,
            **sites.frontier_options(),
        ),
        sites=sites,
        manners=manners,
        parses_here=parses_here,
        callback=callback,
        outputs=output
        if isinstance(output, Outputs)
        else _outputs(output, redact=redact),
        concurrency=concurrency,
        max_pages=max_pages,
        max_time_s=max_time_s,
        stop=stop,
        on_progress=on_progress,
    )
    return run.run(pool, workers)


def _comparing(
    baseline: int | str | Path | None,
    db: str | Path | None,
    text_filter: Filter | None,
) -> Comparing:
    """Find what a run is compared with."""
    from ..comparing import Comparing

    return Comparing(baseline, db, text_filter)


def _recorder(
    db: str | Path, urls: Given, options: Mapping[str, object], resume: bool
) -> Recorder:
    """Open the file that remembers the run."""
    from ..store.recorder import Job, Recorder

    job = Job.of(given_names(urls), options, version=__version__)
    return Recorder.open(db, job, resume=resume)


def _plain(following: Following, settings: Settings) -> dict[str, object]:
    """Return what changes what a run comes to, in plain values."""
    limits = ("max_redirects", "max_bytes", "accept", "user_agent", "public_only")
    return {
        **asdict(following),
        **{name: getattr(settings, name) for name in limits},
    }


def _outputs(output: str | Path | Iterable[str | Path], *, redact: bool) -> Outputs:
    """Open the files to write, each in the format that its ending names."""
    paths = [output] if isinstance(output, str | Path) else list(output)
    formats = [export.for_path(path) for path in paths]
    outputs = Outputs(redact=redact)
    try:
        for path, form in zip(paths, formats, strict=True):
            outputs.open(path, form.open)
    except BaseException:
        outputs.abort()
        raise
    return outputs
