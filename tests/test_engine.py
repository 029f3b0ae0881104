"""crawl() on real servers, with real workers, cut short in every way there is."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher import (
    ConfigError,
    ExtractError,
    InputError,
    MachineError,
    OutputError,
    Pool,
    Settings,
    crawl,
)
from fetcher.models import Kind, Purpose, Request, SettingsOptions, State
from fetcher.pool import InitializerFailed
from fetcher.testing import FakePool
from tests.servers import answer, by_path, message, redirect, serve, stall_before_head

ROOT = Path(__file__).parent.parent
HTML = b"<title>T</title><h1>H</h1><a href=/next>n</a>"
LOCAL = {"workers": 2, "per_host": 16, "retries": 0, "default_scheme": "http"}


@pytest.fixture(scope="module")
def site():
    """A server whose every path is a small page."""
    with serve(answer(HTML, "200 OK", "Content-Type: text/html")) as server:
        yield server


def urls_of(server, count: int) -> list[str]:
    return [f"{server.url}{number}" for number in range(count)]


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_every_url_gets_one_page_and_the_callback_runs_here(site):
    """The callback has each Page once, in this process and this thread."""
    seen = []
    report = crawl(
        urls_of(site, 40),
        lambda page: seen.append((page.url, os.getpid(), threading.get_ident())),
        **LOCAL,
    )
    assert report.ok
    assert report.total == 40
    assert sorted(url for url, _, _ in seen) == sorted(urls_of(site, 40))
    here = (os.getpid(), threading.get_ident())
    assert {(pid, thread) for _, pid, thread in seen} == {here}


@pytest.mark.slow
def test_duplicates_are_fetched_once_and_counted(site):
    """The scheme's and host's case, a default port and a fragment make no new URL."""
    url = f"{site.url}same"
    spellings = [url, url.replace("http", "HTTP"), f"{url}#part", f"  {url}\n"]
    report = crawl(spellings, **LOCAL)
    assert (report.total, report.duplicates) == (1, 3)


@pytest.mark.slow
def test_an_iterable_is_read_as_needed_and_never_held_whole(site):
    """An endless input is no problem for a run that somebody stops."""
    read = 0
    stop = threading.Event()

    def endless():
        nonlocal read
        while True:
            read += 1
            yield f"{site.url}{read}"

    def on_page(page):
        if page.url.endswith("/50"):
            stop.set()

    report = crawl(endless(), on_page, stop=stop, **LOCAL)
    assert report.interrupted
    assert report.unread is None, "nobody knows how many there are"
    assert report.total == read
    assert read <= 50 + 1_000 + 2 * 64 + 10
    skipped = report.by_state[State.SKIPPED]
    assert report.total == report.by_state[State.OK] + skipped
    assert skipped


@pytest.mark.slow
def test_a_path_a_url_and_a_mixture(site, tmp_path):
    """All three are inputs; a Path in an iterable stands for its lines."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"# comment\n\n{site.url}a\r\n{site.url}b\n")
    assert crawl(listed, **LOCAL).total == 2
    assert crawl(str(listed), **LOCAL).total == 2
    assert crawl(f"{site.url}c", **LOCAL).total == 1
    host = site.url.removeprefix("http://")
    assert crawl(host, **LOCAL).by_state[State.OK] == 1, "a host without a scheme"
    mixed = [listed, f"{site.url}c", Request(url=f"{site.url}d"), 7]
    pages = []
    assert crawl(mixed, pages.append, **LOCAL).total == 5
    [bad] = [page for page in pages if not page.ok]
    assert bad.failure.kind is Kind.BAD_URL
    assert "item 4" in bad.failure.message


@pytest.mark.slow
def test_bad_lines_cost_themselves_and_name_file_and_line(site, tmp_path):
    """Junk in a list is a `bad_url` Page that says where; the rest is fetched."""
    listed = tmp_path / "list.txt"
    lines = [
        b"\xef\xbb\xbf" + f"{site.url}first".encode(),
        b"ftp://files.example/x",
        b"http://[::1",
        b"\x00\xff\xfe junk",
        b"x" * 5_000_000,
        b"http://b\xc3\xbccher.localhost:1/",
        f"{site.url}last".encode(),
    ]
    listed.write_bytes(b"\r\n".join(lines))
    pages = []
    report = crawl(listed, pages.append, **LOCAL)
    assert report.total == 7
    kinds = Counter(page.failure and page.failure.kind for page in pages)
    assert kinds[None] == 2
    assert kinds[Kind.BAD_URL] == 4
    bad = [page for page in pages if page.failure and page.failure.kind == "bad_url"]
    for page, number in zip(bad, (2, 3, 4, 5), strict=True):
        assert f"line {number}" in page.failure.message
        assert "list.txt" in page.failure.message
        assert len(page.url) < 400


@pytest.mark.slow
def test_redirects_and_failures_are_pages():
    answers = {
        "/": message(HTML, "200 OK", "Content-Type: text/html"),
        "/old": redirect("/"),
        "/gone": message(b"", "410 Gone"),
    }
    with serve(by_path(answers)) as server:
        pages = {}
        urls = [server.url, f"{server.url}old", f"{server.url}gone"]
        report = crawl(urls, lambda page: pages.update({page.url: page}), **LOCAL)
    states = [pages[url].state for url in urls]
    assert states == ["ok", "redirected", "broken"]
    assert not report.ok
    assert pages[urls[1]].final_url == server.url


@pytest.mark.slow
def test_a_url_that_recovers_is_asked_again_after_its_retry_after():
    """503 with Retry-After, then well: one Page, ok, with attempt 2."""
    answers = iter(
        [
            message(b"", "503 Service Unavailable", "Retry-After: 0"),
            message(HTML, "200 OK", "Content-Type: text/html"),
        ]
    )

    def behave(peer):
        while peer.read_head():
            peer.send(next(answers))

    pages = []
    with serve(behave) as server:
        crawl(server.url, pages.append, retries=2, retry_delay_s=0.05)
    assert [(page.state, page.attempt) for page in pages] == [("ok", 2)]


@pytest.mark.slow
def test_a_host_has_no_more_under_way_than_its_limit():
    busy, most, lock = 0, 0, threading.Lock()

    def behave(peer):
        nonlocal busy, most
        while peer.read_head():
            with lock:
                busy += 1
                most = max(most, busy)
            peer.pause(0.02)
            with lock:
                busy -= 1
            peer.send(message(HTML))

    with serve(behave) as server:
        report = crawl(urls_of(server, 30), workers=2, per_host=3)
    assert report.ok
    assert most == 3


def title_and_time(page):
    return {"title": page.title, "at": datetime(2020, 1, 1, tzinfo=UTC), "n": [1, 2.5]}


def a_set(page):
    return {1, 2}


def raising(page):
    raise LookupError("nothing here")


@pytest.mark.slow
def test_extract_runs_in_the_worker_and_travels(site):
    pages = []
    crawl(urls_of(site, 3), pages.append, extract=title_and_time, **LOCAL)
    for page in pages:
        assert page.extract == title_and_time(page)


@pytest.mark.slow
def test_what_the_callback_looks_at_is_soon_read_by_the_workers(site):
    """Nobody says which facts: those that half of the pages are asked for."""
    seen: list[tuple[str, ...] | None] = []

    def look(page):
        assert page.title == "T"
        if page.url.endswith("7"):
            assert page.facts.headings[0].text == "H"
        seen.append(page.facts_read)

    crawl(urls_of(site, 300), look, **LOCAL)
    assert seen[0] == ("title",)
    assert seen[-100:].count(()) >= 85
    assert ("headings",) in seen[-100:]  # one in ten: read here when looked at


@pytest.mark.slow
def test_a_lambda_may_extract(site):
    pages = []
    crawl(site.url, pages.append, extract=lambda page: os.getpid(), **LOCAL)
    assert pages[0].extract == pages[0].worker_pid != os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extract", "says"), [(a_set, "returned set"), (raising, "nothing here")]
)
def test_an_extract_that_cannot_travel_is_an_error_that_names_it(site, extract, says):
    with pytest.raises(ExtractError, match=f"{extract.__name__}.*{says}") as caught:
        crawl(site.url, extract=extract, **LOCAL)
    assert caught.value.report.total == 1


@pytest.mark.slow
def test_a_callback_that_raises_stops_the_run_with_its_own_traceback(site, tmp_path):
    """The user's error comes through; what was fetched so far is in the files."""
    output = tmp_path / "pages.jsonl"
    seen = 0

    def on_page(page):
        nonlocal seen
        seen += 1
        if seen == 20:
            raise ZeroDivisionError("mine")

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        crawl(urls_of(site, 200), on_page, output=output, **LOCAL)
    assert time.monotonic() - began < 5
    report = caught.value.report
    assert report.interrupted
    assert "on_page" in [entry.name for entry in caught.traceback]
    rows = read_jsonl(output)
    assert sum(row["state"] == "ok" for row in rows) >= 20
    assert len(rows) == len({row["url"] for row in rows}) == report.total
    assert report.total + report.unread == 200


@pytest.mark.slow
def test_stop_ends_softly(site):
    """What is under way is finished; what waits is reported as cancelled."""
    stop = threading.Event()
    pages = []

    def on_page(page):
        pages.append(page)
        stop.set()

    report = crawl(urls_of(site, 500), on_page, stop=stop, **LOCAL)
    assert report.interrupted
    assert len(pages) == report.total
    assert report.total + report.unread == 500
    kinds = {page.failure.kind for page in pages if page.failure}
    assert kinds == {Kind.CANCELLED}


@pytest.mark.slow
def test_a_sitemap_that_was_given_has_its_page_when_the_run_is_stopped(site):
    """What a person gave ends in a Page, also if it was to be read as a sitemap."""
    sitemaps = [
        Request(url=f"{site.url}{number}.xml", purpose=Purpose.SITEMAP)
        for number in range(50)
    ]
    stop = threading.Event()
    pages = []

    def on_page(page):
        pages.append(page)
        stop.set()

    options = {**LOCAL, "per_host": 1}
    report = crawl(sitemaps, on_page, stop=stop, **options)
    assert report.total + report.unread == 50
    kinds = {page.failure.kind for page in pages if page.failure}
    assert kinds == {Kind.CANCELLED}


@pytest.mark.slow
def test_a_callback_that_raises_while_a_run_is_stopped_loses_no_page(site):
    """Every URL that was read has its page, whatever happens on the way out."""
    stop = threading.Event()
    seen = 0

    def on_page(page):
        nonlocal seen
        seen += 1
        stop.set()
        if page.failure is not None:
            raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        crawl(urls_of(site, 500), on_page, stop=stop, **LOCAL)
    report = caught.value.report
    assert seen < 500
    assert report.total + report.unread == 500


class FailingPool(FakePool):
    """A pool in which every task fails alike."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def apply_async(
        self, func, args=(), kwds=None, callback=None, error_callback=None
    ) -> None:
        error_callback(self._error)


def test_a_worker_without_memory_costs_the_page_and_not_the_run():
    """RLIMIT_AS: the page is a `worker_lost` that says so; the next is fetched."""
    pool = FailingPool(MemoryError("MemoryError: "))
    urls = ["http://a.invalid/1", "http://a.invalid/2"]
    pages = []
    report = crawl(urls, pages.append, pool=pool, retries=0)
    assert report.total == 2
    assert pages[0].failure.kind is Kind.WORKER_LOST
    assert "gave out" in pages[0].failure.message


def test_a_pool_without_workers_is_one_sentence():
    """No process can be started: MachineError, with the Report so far."""
    error = InitializerFailed("no worker could be started: ...")
    error.__cause__ = OSError(11, "Resource temporarily unavailable")
    pool = FailingPool(error)
    sentence = "no worker process could be started: resource temporarily unavailable"
    with pytest.raises(MachineError, match=sentence) as caught:
        crawl(["http://a.invalid/"], pool=pool, retries=0)
    assert caught.value.report.total == 1


@pytest.mark.slow
def test_bad_lines_without_end_can_be_stopped():
    """Input that is nothing but bad lines leaves time to look at `stop`."""
    stop = threading.Event()

    def endless():
        for number in itertools.count():
            if number == 500:
                stop.set()
            assert number < 5_000, "nobody looked at stop"
            yield "http://[::1"

    report = crawl(endless(), stop=stop, **LOCAL)
    assert report.interrupted
    assert 500 <= report.total < 5_000


@pytest.mark.slow
def test_progress_tells_what_is_under_way(site):
    """A command can say for how many requests it waits."""
    told = []
    crawl(urls_of(site, 200), on_progress=told.append, concurrency=4, **LOCAL)
    assert max(progress.under_way for progress in told) <= 4
    assert told[-1].under_way == 0


@pytest.mark.slow
def test_an_interrupt_keeps_what_came(tmp_path):
    """Ctrl-C: KeyboardInterrupt with the partial report, files whole, in time."""
    program = textwrap.dedent(
        """
        import json, sys
        from fetcher import crawl
        def on_page(page):
            print(page.url, flush=True)
        try:
            crawl([sys.argv[1] + str(n) for n in range(5000)], on_page, workers=2,
                  concurrency=8, per_host=8, output=sys.argv[2])
        except KeyboardInterrupt as interrupt:
            print(json.dumps(interrupt.report.to_dict()))
        """
    )
    output = tmp_path / "pages.jsonl"

    def behave(peer):
        while peer.read_head():
            peer.pause(0.02)
            peer.send(message(HTML, "200 OK", "Content-Type: text/html"))

    with serve(behave) as server:
        run = subprocess.Popen(
            [sys.executable, "-c", program, server.url, output],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert run.stdout is not None
        for _ in range(20):
            run.stdout.readline()
        run.send_signal(signal.SIGINT)
        began = time.monotonic()
        rest = run.stdout.read()
        assert run.wait(10) == 0
        assert time.monotonic() - began < 3
        run.stdout.close()
    report = json.loads(rest.splitlines()[-1])
    rows = read_jsonl(output)
    assert len(rows) == len({row["url"] for row in rows}) == report["total"]
    states = Counter(row["state"] for row in rows)
    assert states["ok"] >= 20
    assert set(states) <= {"ok", "skipped"}


@pytest.mark.slow
def test_killed_workers_cost_nothing(site):
    """Every worker is killed in the middle; every URL is ok, once."""
    killed: set[int] = set()
    seen: Counter[str] = Counter()

    def behave(peer):
        while peer.read_head():
            peer.pause(0.01)
            peer.send(message(HTML, "200 OK", "Content-Type: text/html"))

    def on_page(page):
        seen[page.url] += 1
        # Not all at once: a page in hand at three deaths is held guilty of them.
        is_time = len(killed) < 3 and sum(seen.values()) > 9 + 70 * len(killed)
        if is_time and page.worker_pid not in killed:
            killed.add(page.worker_pid)
            os.kill(page.worker_pid, signal.SIGKILL)

    with serve(behave) as server:
        urls = urls_of(server, 300)
        report = crawl(urls, on_page, workers=2, per_host=32, concurrency=32)
    assert len(killed) == 3
    assert report.ok
    assert seen == Counter(urls)


@pytest.mark.campaign
def test_2000_slow_pages_while_every_worker_is_killed_once():
    """Killed at random moments, busy or idle: each URL once and ok, nothing left."""
    seen: Counter[str] = Counter()
    killed: list[int] = []

    def behave(peer):
        while peer.read_head():
            peer.pause(0.05)
            peer.send(message(HTML, "200 OK", "Content-Type: text/html"))

    def kill_each_once(pool):
        chance = random.Random(7)
        for process in list(pool._pool):
            time.sleep(chance.uniform(0.1, 0.6))
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)

    before = len([*Path("/proc/self/fd").iterdir()])
    with serve(behave) as server:
        urls = urls_of(server, 2000)
        with Pool(3, slots=22) as pool:
            killer = threading.Thread(target=kill_each_once, args=(pool,))
            killer.start()
            report = crawl(
                urls, lambda page: seen.update([page.url]), pool=pool, per_host=64
            )
            killer.join()
            pool.close()
            pool.join()
    assert len(killed) == 3
    assert report.ok, report
    assert seen == Counter(urls)
    # The fork server and the resource tracker live on, with a pipe to each.
    assert len([*Path("/proc/self/fd").iterdir()]) <= before + 4
    assert not [pid for pid in killed if Path(f"/proc/{pid}").exists()]


@pytest.mark.campaign
def test_memory_is_flat_under_a_callback_of_20_ms():
    """2,000 pages of 100 KB: what waits for the callback is bounded."""
    program = textwrap.dedent(
        """
        import resource, sys, time
        from fetcher import crawl
        seen = []
        def on_page(page):
            time.sleep(0.02)
            seen.append(page.timings.total_s)
            if len(seen) in (200, 2000):
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        crawl([sys.argv[1] + str(n) for n in range(2000)], on_page, per_host=64)
        print(sorted(seen)[1000])
        """
    )
    body = HTML + b"<p>" + b"word " * 20_000
    with serve(answer(body, "200 OK", "Content-Type: text/html")) as server:
        run = subprocess.run(
            [sys.executable, "-c", program, server.url],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
    early_kb, late_kb, median_s = map(float, run.stdout.split())
    assert late_kb < early_kb * 1.1
    assert median_s < 0.05


@pytest.mark.slow
def test_a_slow_callback_makes_no_page_slow():
    """Times are the workers': a callback of 20 ms shows in none of them."""
    pages = []

    def on_page(page):
        time.sleep(0.02)
        pages.append(page)

    with serve(answer(HTML, "200 OK", "Content-Type: text/html")) as server:
        crawl(urls_of(server, 60), on_page, **LOCAL)
    totals = sorted(page.timings.total_s for page in pages)
    assert totals[len(totals) // 2] < 0.02


@pytest.mark.slow
def test_the_standard_pool_will_do(site):
    """`pool=` takes what has apply_async, and leaves it open."""
    with multiprocessing.get_context("forkserver").Pool(2) as pool:
        report = crawl(urls_of(site, 20), pool=pool, **LOCAL)
        assert report.ok
        assert pool.apply(abs, (-1,)) == 1
        pool.close()
        pool.join()


def test_the_hints_of_our_pool_are_given(site):
    """resend, deadline_s and prefer go to a pool that knows them."""
    pool = FakePool()
    crawl(site.url, pool=pool, timeout_s=5, retries=0)
    [task] = pool.tasks
    assert task.resend
    assert task.deadline_s == 35
    assert task.prefer == (site.url.rstrip("/"), 0)


@pytest.mark.slow
def test_a_timeout_is_a_page():
    with serve(stall_before_head) as server:
        pages = []
        crawl(server.url, pages.append, timeout_s=0.3, retries=0)
    assert pages[0].failure.kind is Kind.TIMEOUT


def session_with_header():
    import requests

    session = requests.Session()
    session.headers["X-Mine"] = "yes"
    return session


@pytest.mark.slow
def test_a_session_of_ones_own_is_used(site):
    crawl(f"{site.url}session", session=session_with_header, **LOCAL)
    assert "yes" in site.fields("x-mine")


@pytest.mark.slow
def test_max_pages_and_progress(site):
    told = []
    report = crawl(urls_of(site, 9), max_pages=4, on_progress=told.append, **LOCAL)
    assert report.total == 4
    assert not report.interrupted
    assert (told[-1].done, told[-1].total, told[-1].ended) == (4, 4, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"workers": 0}, "workers is at least 1, got 0"),
        ({"per_host": -1}, "per_host"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout": 3}, "no option 'timeout'; did you mean 'timeout_s'"),
        ({"ip_version": 5}, "ip_version is 4, 6 or None, got 5"),
        ({"default_scheme": "ftp"}, "default_scheme"),
        ({"output": "x.pdf"}, "x.pdf"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_that_makes_no_sense_is_refused_before_anything(options, says):
    with pytest.raises(ConfigError, match=says):
        crawl(["http://127.0.0.1:1/"], **options)


def test_a_missing_list_is_told_at_once(tmp_path):
    with pytest.raises(InputError, match=r"missing\.txt"):
        crawl("missing.txt")
    with pytest.raises(InputError, match="nowhere"):
        crawl(["http://127.0.0.1:1/", tmp_path / "nowhere"])


def test_a_place_that_cannot_be_written_is_told_before_anything(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        crawl("http://127.0.0.1:1/", output=tmp_path / "no" / "x.csv")


def test_no_url_is_an_empty_report():
    assert crawl([]).total == 0


def test_the_options_are_the_settings():
    """Every field of Settings is an option of crawl(), and no other."""
    assert set(SettingsOptions.__annotations__) == set(Settings.__slots__)
