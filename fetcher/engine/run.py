"""The one loop that turns URLs into pages, and pages into a report.

    input --> Frontier --next(now)--> _send --apply_async--> Pool --> get_url, extract
                 ^                                            |        (in a worker)
                 | done(page, now)                            | _arrived (the pool's
                 |                                            v  thread: puts, no more)
              _land  <-------------------------------  arrivals, a queue
                 |
                 +--> Site: links to follow and check --> Frontier
                 +--> callback(page) --> judge --> report, outputs
                      (the caller's thread)

What it promises:

- Every URL read from the input ends in exactly one Page, in the report and in the
  outputs, also when a worker dies, the callback raises or somebody presses Ctrl-C.
- The callback, the iterable and `on_progress` run in the caller's thread.
- At most `concurrency` requests are under way, and at most as many pages or 32 MB
  wait between the workers and the callback: a slow callback slows the downloads.
- An interrupt is taken where it does no harm: while waiting for a page or for input,
  and in the caller's own code; never between a page's report and its row.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from .. import descriptors
from ..conditional import Conditions, Known
from ..errors import StoreError
from ..frontier import Frontier, Refused
from ..hints import Lanes, Looks
from ..interrupts import Interrupts
from ..models import (
    Failure,
    Finding,
    Kind,
    Purpose,
    Request,
)
from ..output import Outputs
from ..page import Page
from ..pool import InitializerFailed, Pool, WorkerLost
from ..report import Report
from ..source import Source
from ..task import Errand, read_answer
from ..warm import PRELOADED
from .manners import Manner
from .sites import Sites
from .workers import PoolLike, default_workers, is_unsaid, no_workers, submitter

if TYPE_CHECKING:
    from ..changes import Filter  # and what compares, where something is remembered
    from ..comparing import Comparing
    from ..site import Site  # which only a run that reads links has to import
    from ..store.recorder import Recorder  # and this only one that is remembered


__all__ = ["Callback", "Progress", "Run"]

log = logging.getLogger(__name__)


WAITING_BYTES = 32_000_000  # between the workers and the callback


READ_AHEAD = 1_000  # URLs that wait in the frontier, so that every host has work


TICK_S = 0.1  # how often a quiet run looks at `stop` and tells its progress


COUNTED_IN_HASTE = 100_000  # URLs that were not read: half a second


TASK_GRACE_S = 30.0  # what a worker may take beyond the time-out before it is replaced


Callback = Callable[[Page], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: counts of pages, bytes of bodies, seconds since its start.

    `total` is None as long as the input has not been read to its end; `ended` is
    true once, before the outputs are finished. `under_way` counts requests.
    """

    done: int
    total: int | None
    fell_short: int
    body_bytes: int
    elapsed_s: float
    ended: bool = False
    under_way: int = 0


class Run:
    """One crawl: what is under way, what has arrived, what came of it."""

    def __init__(
        self,
        *,
        source: Source,
        open_comparing: Callable[[], Comparing] | None,
        open_recorder: Callable[[str | Path], Recorder],
        frontier: Frontier,
        sites: Sites,
        conditional: bool,
        manners: Mapping[str, Manner],
        parses_here: bool,
        callback: Callback | None,
        outputs: Outputs,
        concurrency: int,
        max_pages: int | None,
        max_time_s: float | None,
        stop: threading.Event | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self._source = source
        self._frontier = frontier
        self._sites = sites
        self._reads_links = sites.following.reads_links
        self._manners = manners
        self._crashes: dict[int, WorkerLost] = {}  # of what is fetched once more
        all_settings = [manner.settings for manner in manners.values()]
        has_secrets = any(each.has_secrets for each in all_settings)
        # Groups and the origins that were listed in them; None where it is all one.
        self._secrets_for: set[tuple[str, str]] | None = set() if has_secrets else None
        self._callback = callback
        self._outputs = outputs
        self._concurrency = concurrency
        self._pages_left = max_pages
        longest_s = max(each.timeout_s for each in all_settings)
        self._task_deadline_s = longest_s + TASK_GRACE_S
        self._stop = stop
        self._on_progress = on_progress
        self._open_recorder = open_recorder
        self._open_comparing = open_comparing
        self._comparing: Comparing | None = None
        self._filters: dict[str, Filter] = {}  # of pages whose group has its own
        self._recorder: Recorder | None = None
        self._conditional = conditional
        self._conditions: Conditions | None = None
        self._entries_read = 0
        self._report = Report(
            started_at=datetime.now(UTC),
            insecure=any(each.insecure for each in all_settings),
        )
        self._interrupts = Interrupts()
        self._flights: dict[int, Request] = {}
        self._lanes = Lanes()
        links = self._site.facts if self._reads_links else ()
        if self._reads_links:
            source.on_listed = self._site.take_listed
        self._looks = Looks(links) if parses_here else Looks.all()
        self._arrivals: SimpleQueue[tuple[Request, object]] = SimpleQueue()
        # Each has one writer: bytes put in by the pool's thread, taken out by ours.
        self._bytes_in = 0
        self._bytes_out = 0
        self._room = threading.Event()
        self._ended = False
        self._stopping = False
        self._unsent: Iterator[Request] = iter(())  # what an end has to conclude
        self._entries: deque[Iterator[Request | Page]] = deque()  # of sitemaps
        self._pages_found = 0
        self._told_s = 0.0
        self._began_s = time.monotonic()
        self._ends_s = (
            float("inf") if max_time_s is None else max_time_s + self._began_s
        )

    def run(self, pool: PoolLike | None, workers: int | None) -> Report:
        """Run to the end, on the pool that was given or on one of our own."""
        if self._open_comparing is not None:
            self._remember(self._open_comparing)
        own: Pool | None = None
        try:
            with self._interrupts.deferred():
                if pool is None:
                    pool = own = self._open_pool(workers)
                if pool is not None:
                    self._submit = submitter(pool, self._task_deadline_s)
                    self._loop()
        except BaseException as error:
            self._ended = True
            self._room.set()
            if own is not None:
                own.terminate()
            self._save_what_came()
            report = self._close(interrupted=True, in_haste=True)
            with suppress(AttributeError):  # an exception of the caller's with slots
                error.report = report  # type: ignore[attr-defined]
            raise
        else:
            return self._close(interrupted=self._stopping)
        finally:
            if own is not None:
                own.terminate()
                own.join()
            self._frontier.close()
            self._sites.close()
            try:
                if self._recorder is not None:
                    self._recorder.close()
            finally:
                if self._comparing is not None:
                    self._comparing.close()

    def _remember(self, open_comparing: Callable[[], Comparing]) -> None:
        """Open the file that remembers the run, before anything else is done."""
        try:
            self._comparing = open_comparing()
            self._recorder = recorder = self._open_recorder(self._comparing.db)
        except BaseException:
            self._outputs.abort()
            self._frontier.close()
            self._sites.close()
            if self._comparing is not None:
                self._comparing.close()
            raise
        settings = {name: each.settings for name, each in self._manners.items()}
        self._conditions = Conditions(recorder, settings, asks=self._conditional)
        self._report.started_at = recorder.started_at
        self._began_s -= recorder.elapsed_s  # what earlier processes took

    @property
    def _site(self) -> Site:
        return self._sites.site

    def _open_pool(self, workers: int | None) -> Pool | None:
        """Return a pool for this input, None where there is nothing to be done."""
        processes = workers or default_workers()
        waiting = 0
        with self._interrupts.reading():
            waiting = self._source.peek(processes)
        if not waiting:
            self._stopping = self._is_to_stop()
            return None
        # A short list does not pay for workers that it never uses.
        if not self._reads_links and not self._source.has_sitemap_ahead:
            processes = min(processes, waiting)
        import_module("fetcher.facts")  # while the fork server reads its modules
        most = self._limit_concurrency(processes)
        slots = min(-(-self._concurrency // processes), most)
        try:
            return Pool(
                processes,
                slots=slots,
                extra_slots=min(self._concurrency, most) - slots,
                loads=read_answer,
                preload=PRELOADED,
            )
        except (OSError, EOFError, RuntimeError, MemoryError) as error:
            raise no_workers(error) from error

    def _limit_concurrency(self, processes: int) -> int:
        """Ask for no more at a time than files may be open; return a worker's share."""
        most = descriptors.slots_max()
        if self._concurrency > most * processes:
            self._concurrency = most * processes
            log.warning(
                "%d requests at a time and no more: too few files may be open",
                self._concurrency,
            )
        return most

    def _loop(self) -> None:
        if self._recorder is not None and self._recorder.is_continued:
            self._go_through(self._recorder)
        while (wait_s := self._send_due()) is not None:
            self._tell()
            for request, outcome in self._wait(wait_s):
                self._land(request, outcome)

    def _go_through(self, recorder: Recorder) -> None:
        """Take in what came in earlier processes, as it came there."""
        for request, page, entries_read in recorder.answers():
            with self._interrupts.allowed():
                self._tell()
            while self._entries_read < entries_read and self._take_one():
                pass
            self._frontier.know(page, request)
            if recorder.is_set_aside(request):
                page = _set_aside_page(request)
                recorder.add(page)
            recorder.take_in_hand(request)
            if request.purpose is Purpose.PAGE:
                self._follow(page, request)
                self._write(page, self._judged(page))
            elif self._has_row(page, request):
                self._pages_found += 1
                self._write(page, self._judged(page))
            else:
                self._take_note(page, request)
            recorder.put_down()

    def _send_due(self) -> float | None:
        """Send what may be sent now; return how long nothing else is to be sent.

        None means that everything asked for has been concluded.
        """
        self._heed_stop()
        while not self._is_full():
            found = self._frontier.next(time.monotonic())
            if isinstance(found, Request):
                if self._recorder is None or not self._need_not_ask(found):
                    self._send(found)
            elif isinstance(found, Refused):
                self._refuse(found.request)
            elif not self._read_one():
                return found
            else:  # input without end may be nothing but bad lines
                self._heed_stop()
        return float("inf")

    def _heed_stop(self) -> None:
        if not self._stopping and self._is_to_stop():
            self._end_softly()

    def _is_to_stop(self) -> bool:
        if self._stop is not None and self._stop.is_set():
            return True
        return time.monotonic() >= self._ends_s

    def _is_full(self) -> bool:
        return (
            len(self._flights) - self._arrivals.qsize() >= self._concurrency
            or self._arrivals.qsize() >= self._concurrency
            or self._bytes_in - self._bytes_out > WAITING_BYTES // 2
        )

    def _read_one(self) -> bool:
        """Take one entry of the input; False when there is none to take now."""
        if self._stopping or self._frontier.queued >= READ_AHEAD:
            return False
        if self._pages_left == 0:
            return False
        return self._take_one()

    def _take_one(self) -> bool:
        """Take the next entry of the input; False when there is no more."""
        entry = self._take_entry()
        if entry is None:
            return False
        self._entries_read += 1
        if isinstance(entry, Page):
            self._pages_found += 1
            self._conclude(entry)
        elif entry.purpose is Purpose.SITEMAP:
            self._frontier.add(entry)
        else:
            if self._reads_links:
                self._site.start(entry)
            self._add_page(entry)
        return True

    def _add_page(self, request: Request) -> None:
        if not self._frontier.add(request):
            self._report.count_duplicate()
            return
        self._pages_found += 1
        if self._pages_left is not None:
            self._pages_left -= 1

    def _take_entry(self) -> Request | Page | None:
        while self._entries:
            entry = next(self._entries[0], None)
            if entry is not None:
                return entry
            self._entries.popleft()
        if not self._source.may_block:
            entry = self._source.take()
        else:
            entry = None
            with self._interrupts.reading():
                entry = self._source.take()
        if self._secrets_for is not None and isinstance(entry, Request):
            # Listed by the person, not by a page.
            self._secrets_for.add((entry.group, entry.origin))
        return entry

    def _need_not_ask(self, request: Request) -> bool:
        """Whether a request was answered in an earlier process, or is to be let be."""
        recorder = self._recorder
        if recorder is None:
            return False
        if recorder.take_answered(request):
            self._frontier.withdraw(request)
            return True
        if recorder.is_set_aside(request):
            self._frontier.withdraw(request)
            self._settle(_set_aside_page(request), request)
            return True
        return False

    def _send(self, request: Request) -> None:
        self._flights[id(request)] = request
        facts = self._facts_of(request)
        self._ask(request, self._lanes.take(request), self._job_of(request), facts)

    def _job_of(self, request: Request) -> bytes:
        """Return what a worker is to do with it: `extract` is for pages alone."""
        jobs = self._manners[request.group].jobs
        return jobs.pages if request.purpose is Purpose.PAGE else jobs.others

    def _ask(
        self,
        request: Request,
        lane: tuple[str, int],
        job: bytes,
        facts: tuple[str, ...],
    ) -> None:
        max_bytes = None
        if request.purpose is not Purpose.PAGE:
            max_bytes = self._site.max_bytes(request)
        reach = None if request.reach is None else request.reach.value
        listed = self._secrets_for
        with_secrets = listed is None or (request.group, request.origin) in listed
        errand = Errand(
            url=request.url,
            attempt=request.attempt,
            submitted_s=time.monotonic(),
            facts=facts,
            method=request.method,
            max_bytes=max_bytes,
            reach=reach,
            with_secrets=with_secrets,
            known=self._known_of(request, with_secrets=with_secrets),
        )
        arrived = partial(self._arrived, request)
        self._submit((errand, job), lane, arrived, partial(self._lost, request))

    def _known_of(self, request: Request, *, with_secrets: bool) -> Known | None:
        """Return what a page gave in an earlier run, to be asked whether it does so."""
        if self._conditions is None:
            return None
        return self._conditions.begin(request, with_secrets=with_secrets)

    def _facts_of(self, request: Request) -> tuple[str, ...]:
        """Return the facts that the worker is to read of a page."""
        if request.purpose is Purpose.PAGE:
            expectation = self._manners[request.group].expectation_of(request.url)
            if expectation is None:
                return self._looks.wanted
            # From the first page on, and all: who judges may be not allowed to parse.
            return tuple(dict.fromkeys((*self._looks.wanted, *expectation.facts)))
        return self._site.facts_of(request)

    def _arrived(self, request: Request, outcome: object) -> None:
        """Note an answer (the pool's thread, which therefore must do no more).

        It waits here while too much lies before the callback: the pool then reads
        no further results, and the workers stop when their pipes are full.
        """
        self._bytes_in += _weight(outcome)
        self._arrivals.put((request, outcome))
        while self._bytes_in - self._bytes_out > WAITING_BYTES and not self._ended:
            self._room.wait(TICK_S)
            self._room.clear()

    def _lost(self, request: Request, error: BaseException) -> None:
        self._arrivals.put((request, error))

    def _ask_plainly(self, request: Request, error: WorkerLost) -> bool:
        """Ask for a page once more, without analysing it; False where that was done.

        It has ended two workers, and from here is not to be seen what did: fetching
        the page, reading its facts, or `extract`.
        """
        jobs = self._manners[request.group].jobs
        extracts = self._job_of(request) != jobs.others
        is_analysed = extracts or self._facts_of(request)
        if id(request) in self._crashes or not is_analysed:
            return False
        self._crashes[id(request)] = error
        self._ask(request, self._lanes.of(request), jobs.unread, ())
        return True

    def _wait(self, wait_s: float) -> Iterator[tuple[Request, object]]:
        """Yield what has arrived; wait for the first of it, not for ever."""
        unlimited = self._ends_s == float("inf")
        quiet = self._stop is None and self._on_progress is None and unlimited
        limit_s = min(wait_s, 60.0 if quiet else TICK_S)
        try:
            arrival = self._arrivals.get_nowait()
        except Empty:
            self._outputs.flush()
            if self._recorder is not None:
                limit_s = min(limit_s, self._recorder.flush_if_due())
            try:
                with self._interrupts.allowed():
                    arrival = self._arrivals.get(timeout=max(limit_s, 0.0))
            except Empty:
                return
        yield arrival
        # A handful and not all: free slots are filled before the next are analysed.
        for _ in range(4):
            try:
                yield self._arrivals.get_nowait()
            except Empty:
                return

    def _land(self, request: Request, outcome: object) -> None:
        """Take one answer out of the air; conclude it, or leave it to be retried."""
        self._bytes_out += _weight(outcome)
        self._room.set()
        if isinstance(outcome, WorkerLost) and self._ask_plainly(request, outcome):
            return
        if not self._is_of_use(outcome, request):
            assert isinstance(outcome, Page)  # noqa: S101 -- for the types
            self._ask_over(request, outcome)
            return
        page = self._page_of(request, outcome)
        if page is None:
            assert isinstance(outcome, BaseException)  # noqa: S101 -- for the types
            if isinstance(outcome, InitializerFailed):
                raise no_workers(outcome) from outcome
            raise outcome
        page.depth = request.depth
        page.group = request.group
        final = self._frontier.done(page, request, time.monotonic())
        del self._flights[id(request)]
        self._lanes.give_back(request)
        if final:
            self._settle(page, request)

    def _is_of_use(self, outcome: object, request: Request) -> bool:
        """Whether an answer tells of the page, and not only of how it was asked for."""
        if self._conditions is None:
            return True
        if isinstance(outcome, Page):
            return self._conditions.end(request, outcome)
        self._conditions.forget(request)
        return True

    def _ask_over(self, request: Request, page: Page) -> None:
        self._frontier.repeat(page, request, time.monotonic())
        del self._flights[id(request)]
        self._lanes.give_back(request)

    def _settle(self, page: Page, request: Request) -> None:
        """Take in what came of a request; from then on no kill costs it."""
        recorder = self._recorder
        if recorder is not None:
            recorder.take_in_hand(request)
        try:
            if request.purpose is Purpose.PAGE:
                self._follow(page, request)
                self._conclude(page)
            else:
                self._take_note(page, request)
        finally:
            if recorder is not None:
                recorder.keep(request, page, self._entries_read)
                recorder.put_down()

    def _page_of(self, request: Request, outcome: object) -> Page | None:
        """Return the Page that an answer stands for; None: the caller made an error."""
        crash = self._crashes.pop(id(request), None)
        if isinstance(outcome, Page):
            if crash is not None and outcome.failure is None:
                text = f"two workers were lost while they analysed it: {crash}"
                outcome.failure = Failure(Kind.ANALYSIS_CRASHED, text)
            if request.purpose is Purpose.PAGE:
                self._accept_expected(outcome, request)
            return outcome
        if isinstance(outcome, WorkerLost):
            failure = Failure(Kind.WORKER_LOST, str(outcome))
            return Page(url=request.url, attempt=request.attempt, failure=failure)
        if isinstance(outcome, MemoryError) or is_unsaid(outcome):
            failure = Failure(Kind.WORKER_LOST, f"the worker gave out: {outcome!r}")
            return Page(url=request.url, attempt=request.attempt, failure=failure)
        return None

    def _accept_expected(self, page: Page, request: Request) -> None:
        """Take a status as well that this very page is expected to have."""
        expectation = self._manners[request.group].expectation_of(page.url)
        if expectation is not None and expectation.expects_status(page.status):
            page.accepted = True

    def _follow(self, page: Page, request: Request) -> None:
        """Queue what a page links to, as far as the run goes."""
        if not self._reads_links:
            return
        found = self._site.discover(page, request)
        if self._stopping:
            for each in found:
                self._site.leave_out(each)
            return
        if self._pages_left is None:
            new = self._frontier.add_all(found)
            self._pages_found += sum(each.purpose is Purpose.PAGE for each in new)
            return
        for each in found:
            is_page = each.purpose is Purpose.PAGE and self._pages_left > 0
            wanted = each if is_page else self._site.only_checked(each)
            if wanted is not None and self._frontier.add(wanted) and is_page:
                self._pages_found += 1
                self._pages_left -= 1

    def _take_note(self, page: Page, request: Request) -> None:
        """Take an answer that is for the run itself and not for the caller."""
        site, frontier = self._site, self._frontier
        if request.purpose is Purpose.CHECK:
            site.settle(page, request)
        elif request.purpose is Purpose.ROBOTS:
            frontier.obey(request, site.take_rules(page, request), time.monotonic())
            if not self._stopping:
                for probe in self._probes(request):
                    frontier.ask_first(probe)
                frontier.add_all(site.sitemaps(request))
        elif request.purpose is Purpose.PROBE:
            site.take_probe(page, request)
        elif self._has_row(page, request):  # given as a sitemap, and none
            self._pages_found += 1
            self._conclude(page)
        elif request.depth == 0 or site.is_sitemap(page):
            self._entries.append(site.read_sitemap(page, request))

    def _probes(self, request: Request) -> Sequence[Request]:
        """Return what to ask of an origin for what is not there."""
        if self._recorder is not None and self._recorder.is_probed(request.origin):
            return ()
        return self._site.probes(request)

    def _refuse(self, request: Request) -> None:
        """End a request that robots.txt does not allow, or that may not ask for it."""
        page = self._site.refused(request)
        failure = page.failure
        is_forbidden = failure is not None and failure.kind is Kind.FORBIDDEN_ADDRESS
        has_row = request.depth == 0 or is_forbidden  # as when it had been sent itself
        if has_row and request.purpose is Purpose.PAGE:
            self._conclude(page)
        elif request.purpose is Purpose.PAGE:
            self._pages_found -= 1

    def _conclude(self, page: Page) -> None:
        """Show a final Page to the caller, and save it whatever they do."""
        try:
            if self._callback is not None:
                with self._interrupts.allowed():
                    self._callback(page)
        finally:
            self._save(page)

    def _save(self, page: Page) -> None:
        findings = self._judged(page)
        try:
            if self._recorder is not None:
                self._recorder.add(page, findings)
        finally:  # a full disk does not cost the outputs a page
            self._write(page, findings)

    def _judged(self, page: Page) -> tuple[Finding, ...]:
        """Return what is held against a page by what is expected of it."""
        expectation = self._manners[page.group].expectation_of(page.url)
        if expectation is None:
            return ()
        from ..checks import judge

        return judge(page, expectation, datetime.now(UTC))

    def _write(self, page: Page, findings: tuple[Finding, ...]) -> None:
        self._note_filter(page)
        self._report.add(page, findings)
        self._outputs.add(page, findings)
        self._looks.note(page)
        page.release()

    def _note_filter(self, page: Page) -> None:
        """Keep which part of a page's text counts when it is compared in the end."""
        filter_of = self._manners[page.group].filter_of
        if self._comparing is None or filter_of is None or not page.ok:
            return
        keeps = filter_of(page.url)
        if keeps is not None:
            self._filters[page.url] = keeps

    def _end_softly(self) -> None:
        self._stopping = True
        self._unsent = self._frontier.drain()
        for request in self._unsent:
            if self._is_owed(request):
                self._conclude(
                    _cancelled_page(request, "the run was stopped before it")
                )

    def _is_owed(self, request: Request) -> bool:
        """Whether a request that is not made any more must end in a Page all the same.

        That is what was given. What was only found is counted.
        """
        if self._recorder is not None and self._recorder.take_answered(request):
            return False
        if request.depth == 0 and request.purpose in (Purpose.PAGE, Purpose.SITEMAP):
            return True
        self._site.leave_out(request)
        return False

    def _save_what_came(self) -> None:
        """Give every URL that was read its Page, when the run was cut short."""
        while not self._arrivals.empty():
            request, outcome = self._arrivals.get_nowait()
            if not self._is_of_use(outcome, request):
                continue  # it stays under way, to be cancelled
            page = self._page_of(request, outcome)
            if page is not None and self._flights.pop(id(request), None) is not None:
                page.depth = request.depth
                page.group = request.group
                if self._reads_links:
                    self._site.settle(page, request)
                if self._has_row(page, request):
                    self._save(page)
                if self._recorder is not None:
                    self._recorder.keep(request, page, self._entries_read)
        under_way = list(self._flights.values())
        self._flights.clear()
        for request in chain(under_way, self._unsent, self._frontier.drain()):
            if self._is_owed(request):
                self._save(_cancelled_page(request, "the run was cut short"))

    def _has_row(self, page: Page, request: Request) -> bool:
        """Whether an answer is for the caller: no CHECK, robots.txt, ..."""
        if request.purpose is Purpose.SITEMAP:
            return request.depth == 0 and not self._site.is_sitemap(page)
        return request.purpose is Purpose.PAGE

    def _close(self, *, interrupted: bool, in_haste: bool = False) -> Report:
        self._tell(ended=True)
        unread: int | None = 0
        if interrupted:
            unread = self._count_unread(COUNTED_IN_HASTE if in_haste else None)
        if self._sites.was_needed:
            try:
                self._report.site = self._site.finish()
            except StoreError:  # as before it, perhaps: the pages are still worth it
                if not interrupted:
                    raise
        self._report.finish(
            elapsed_s=time.monotonic() - self._began_s,
            interrupted=interrupted,
            unread=unread,
        )
        failed = None if in_haste else self._compare(is_whole=not interrupted)
        self._outputs.finish(self._report)
        if failed is not None:
            raise failed
        if self._recorder is not None:  # not before: a kill would leave no outputs
            self._recorder.finish(
                pages=self._report.total,
                fell_short=self._report.fell_short,
                ok=self._report.ok,
                interrupted=interrupted,
            )
        return self._report

    def _compare(self, *, is_whole: bool) -> StoreError | None:
        """Note in the report what changed; return what kept that from being told."""
        recorder, comparing = self._recorder, self._comparing
        if recorder is None or comparing is None:
            return None
        from ..comparing import broken_links

        is_whole = is_whole and self._pages_left != 0
        try:
            if self._report.site is not None:
                recorder.add_links(broken_links(self._report.site))
            self._report.changes = comparing.changes(
                recorder, is_whole=is_whole, filters=self._filters
            )
        except StoreError as error:  # the outputs are still worth it
            return error
        return None

    def _count_unread(self, at_most: int | None) -> int | None:
        """Return how many URLs were not read; None if that takes somebody too long."""
        with self._interrupts.reading():
            return self._source.count_unread(at_most)
        return None

    def _tell(self, *, ended: bool = False) -> None:
        now_s = time.monotonic()
        if self._on_progress is None or (now_s - self._told_s < TICK_S and not ended):
            return
        self._told_s = now_s
        report = self._report
        all_read = self._source.exhausted or self._pages_left == 0
        all_read = all_read and not self._entries
        self._on_progress(
            Progress(
                done=report.total,
                total=self._pages_found if all_read else None,
                fell_short=report.fell_short,
                body_bytes=report.body_bytes,
                elapsed_s=now_s - self._began_s,
                ended=ended,
                under_way=max(len(self._flights) - self._arrivals.qsize(), 0),
            )
        )


def _weight(outcome: object) -> int:
    return len(outcome.content) if isinstance(outcome, Page) else 0


def _cancelled_page(request: Request, message: str) -> Page:
    failure = Failure(Kind.CANCELLED, message)
    return Page(
        url=request.url,
        attempt=request.attempt,
        failure=failure,
        group=request.group,
    )


def _set_aside_page(request: Request) -> Page:
    from ..store.recorder import STRIKES

    text = f"the process was killed {STRIKES} times while it had this page in hand"
    failure = Failure(Kind.ANALYSIS_CRASHED, text)
    return Page(
        url=request.url, depth=request.depth, failure=failure, group=request.group
    )
