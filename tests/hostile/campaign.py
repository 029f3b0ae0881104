"""Everything strangers may do at once, beside good pages, through `crawl()`.

Each behaviour has a loopback address of its own; the good pages are on five more.
Nothing is retried. `tests.hostile` says what must come of it, and runs it.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from fetcher.models import Kind, State
from fetcher.source import SHOWN_URL
from tests import servers
from tests.hostile.answers import CASES, Case
from tests.hostile.lists import LISTS, ListCase
from tests.hostile.names import NAMES, SPELLINGS, serve_names
from tests.hostile.pages import CAPPED, PAGES
from tests.hostile.run import Outcome, Row, run
from tests.hostile.sites import DEPTH, SITES, SiteCase
from tests.servers import answer, serve

SLACK_S = 1.5  # a page may begin to be fetched late, and its clock be read late
GOOD_HOSTS = 5
GOOD_BODY = b"<title>good</title>" + b"<p>words and more words</p>" * 700  # 19 KB
PAGE_BYTES = 90_000
WHOLE_BYTES = 9_900_000  # --max-size is 10 MB
# Those that the parent has to read; `tests.hostile.page_cost` measures all so large.
WHOLE_PAGES = frozenset(
    {"a million links", "a million attributes", "one text", "formatting that unfolds"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the row of one URL must say; `capped` must be among what is cut short."""

    name: str
    url: str
    state: State = State.OK
    kinds: frozenset[Kind | None] = frozenset({None})
    waits: bool = False
    capped: frozenset[str] = frozenset()
    asked: str = ""  # where the row repeats only the start of it


# Servers, in processes of their own: forked while this one has no threads.


def address(row: int, number: int) -> str:
    """Return the address of one behaviour: 250 in each network of a row."""
    return f"127.0.{row + number // 250}.{number % 250 + 1}"


def page_cases() -> Iterator[Case]:
    for name, page in PAGES.items():
        content = page(WHOLE_BYTES if name in WHOLE_PAGES else PAGE_BYTES)
        behaviour = answer(content, "200 OK", "Content-Type: text/html")
        yield Case(name=f"page: {name}", behaviour=behaviour, state=State.OK)


def all_cases() -> list[Case]:
    return [*CASES, *page_cases()]


def run_servers(pipe: Connection, directory: str) -> None:
    """Serve every case until the pipe is closed; first send where they are."""
    cases = all_cases()
    addresses = [address(20, n) for n in range(len(cases))]
    certificates = servers.make_certificates(Path(directory), addresses)
    with ExitStack() as running:
        expected = []
        for case, where in zip(cases, addresses, strict=True):
            has_tls = case.tls not in (None, "none")
            tls = getattr(certificates, str(case.tls)) if has_tls else None
            server = running.enter_context(
                serve(case.behaviour, tls=tls, address=where)
            )
            url = server.url
            if case.tls is not None:
                url = url.replace("http:", "https:")
            expected.append(_expected(case, url))
        proxy = running.enter_context(
            serve(servers.refusing_proxy, address="127.0.2.254")
        )
        deaf = running.enter_context(FullQueue("127.0.2.252"))
        pipe.send((expected, proxy.url, deaf, certificates.root))
        with suppress(EOFError):
            pipe.recv()


def _expected(case: Case, url: str) -> Expected:
    name = case.name.removeprefix("page: ")
    capped = CAPPED.get(name, set()) if name in WHOLE_PAGES else set()
    return Expected(
        name=case.name,
        url=url,
        state=case.state,
        kinds=frozenset({case.kind, *case.or_kinds}),
        waits=case.waits,
        capped=frozenset(capped),
    )


class FullQueue:
    """A port whose queue of connections is full: a SYN gets no answer."""

    def __init__(self, where: str) -> None:
        self._listener = socket.create_server((where, 0), backlog=0)
        self._clients: list[socket.socket] = []

    def __enter__(self) -> str:
        where = self._listener.getsockname()
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(where)
            self._clients.append(client)
        return f"http://{where[0]}:{where[1]}/"

    def __exit__(self, *_: object) -> None:
        for one in (*self._clients, self._listener):
            one.close()


def run_good_servers(pipe: Connection) -> None:
    """Serve what must come whole from a process that the others cannot slow down."""
    good = answer(GOOD_BODY, "200 OK", "Content-Type: text/html")
    with ExitStack() as running:

        def url(behaviour: servers.Behaviour, where: str) -> str:
            return running.enter_context(serve(behaviour, address=where)).url

        pipe.send(
            (
                [url(good, f"127.0.3.{n}") for n in range(1, GOOD_HOSTS + 1)],
                [url(good, address(4, n)) for n in range(len(LISTS))],
                [url(case.behaviour, address(5, n)) for n, case in enumerate(SITES)],
            )
        )
        with suppress(EOFError):
            pipe.recv()


class Servers:
    """Both processes, and what they serve; ends them when left."""

    def __enter__(self) -> Servers:
        fork = multiprocessing.get_context("fork")
        self._directory = tempfile.TemporaryDirectory()
        self._processes = []
        pipes: list[Connection] = []
        for target, arguments in (
            (run_servers, (self._directory.name,)),
            (run_good_servers, ()),
        ):
            ours, theirs = fork.Pipe()
            process = fork.Process(
                target=target, args=(theirs, *arguments), daemon=True
            )
            process.start()
            self._processes.append(process)
            pipes.append(ours)
        self._pipes = pipes
        self.cases, self.refusing_proxy, self.full_port, self.root = pipes[0].recv()
        self.good, self.of_lists, self.of_sites = pipes[1].recv()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()
        self._directory.cleanup()


# What must come of it.


def expectations(found: Servers, pages: int, *, asks: bool) -> Iterator[Expected]:
    """Yield the hostile and the good mixed, so that no kind has the pool alone.

    Args:
        found: the servers.
        pages: how many good ones.
        asks: whether the name server is ours.
    """
    hostile = [*found.cases, *_without_servers(found, asks=asks)]
    # Those that wait come first: the run is to be as long as one of them, not two.
    hostile.sort(key=lambda one: not one.waits)
    every = max(pages // len(hostile), 1)
    for n in range(max(pages, len(hostile) * every)):
        if n < pages:
            url = f"{found.good[n % len(found.good)]}{n}"
            yield Expected(name="good", url=url)
        at, rest = divmod(n, every)
        if rest == 0 and at < len(hostile):
            yield hostile[at]


def _without_servers(found: Servers, *, asks: bool) -> Iterator[Expected]:
    closed = socket.create_server(("127.0.2.253", 0))
    refused = f"http://127.0.2.253:{closed.getsockname()[1]}/"
    closed.close()
    for name, url, kind in (
        ("a port nobody listens on", refused, Kind.REFUSED),
        ("a proxy that is not there", "http://a.example/", Kind.PROXY),
        ("a proxy that refuses", "https://b.example/", Kind.PROXY),
    ):
        yield Expected(name=name, url=url, state=State.FAILED, kinds=frozenset({kind}))
    yield Expected(
        name="a full queue of connections",
        url=found.full_port,
        state=State.FAILED,
        kinds=frozenset({Kind.CONNECT_TIMEOUT}),
        waits=True,
    )
    port = found.good[0].rpartition(":")[2]
    for how, spelling in SPELLINGS.items():
        url = f"http://{spelling}:{port}{how.replace(' ', '-')}"
        yield Expected(name=f"name: {how}", url=url)
    for case in NAMES:
        if asks or not case.asks:
            yield Expected(
                name=f"name: {case.name}",
                url=shown(case.url) if case.kind is Kind.BAD_URL else case.url,
                state=case.state,
                kinds=frozenset({case.kind}),
                waits=case.waits,
                asked=case.url,
            )


def shown(url: str) -> str:
    """Return what the row of a URL that is none repeats of it."""
    return url if len(url) <= SHOWN_URL else f"{url[:SHOWN_URL]}..."


# Runs.


def write_lists(directory: Path, urls: Sequence[str]) -> list[Path]:
    """Write each list around its good URL; return the files."""
    paths = []
    for case, url in zip(LISTS, urls, strict=True):
        path = directory / case.name
        path.write_bytes(case.content(url.encode()))
        paths.append(path)
    return paths


def run_everything(
    found: Servers,
    expected: Sequence[Expected],
    *,
    timeout_s: float,
    slots: int,
    workers: int | None,
) -> Outcome:
    """Return what came of servers, pages, names, redirects and lists, all at once."""
    os.environ.update(
        http_proxy="http://127.0.2.253:9",
        https_proxy=found.refusing_proxy,
        no_proxy="127.0.0.0/8,.invalid",
    )
    with tempfile.TemporaryDirectory() as directory:
        lists = write_lists(Path(directory), found.of_lists)
        return run(
            [*(one.asked or one.url for one in expected), *lists],
            concurrency=slots,
            workers=workers,
            timeout_s=timeout_s,
            cacert=found.root,
        )


def run_sites(found: Servers, *, timeout_s: float, slots: int) -> Outcome:
    """Return what came of whole sites, all of them at once."""
    return run(
        found.of_sites,
        concurrency=slots,
        timeout_s=timeout_s,
        depth=DEPTH,
        sitemap=True,
        external="skip",
    )


# What is wrong with it.


def how_busy() -> float:
    """Return what share of this machine others want: 1 where none of it is wanted.

    A limit on the time of a whole run holds for a machine that has time for it.
    """
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wrong_with(one: Expected, row: Row | None, timeout_s: float) -> str:
    """Return what is wrong with a row, "" if it is as it should be."""
    if row is None:
        return "no row"
    if row.state is not one.state or row.kind not in one.kinds:
        return f"{row.state} {row.kind}: {row.reason}"
    if not one.capped <= row.capped:
        return f"capped only {sorted(row.capped)}"
    took_s = row.total_s
    if took_s is None:
        return "" if Kind.BAD_URL in one.kinds else "no time"
    if took_s > timeout_s + SLACK_S:
        return f"took {took_s:.2f} s"
    if one.waits and took_s < timeout_s - 0.1:
        return f"gave up after {took_s:.2f} s"
    # At once, on a machine that is busy with all the others.
    if not one.waits and took_s > timeout_s / 2:
        return f"took {took_s:.2f} s and should end at once"
    return ""


def wrong_with_list(case: ListCase, url: str, outcome: Outcome) -> str:
    row = outcome.rows.get(url)
    if row is None or row.state is not State.OK:
        return f"its good URL is {row and row.state}"
    bad = outcome.bad_lines[case.name]
    return "" if bad == case.bad else f"{bad} bad lines, not {case.bad}"


def wrong_with_site(case: SiteCase, url: str, outcome: Outcome) -> str:
    row = outcome.rows.get(url)
    if row is None or (row.state, row.kind) != (case.state, case.kind):
        return f"its front page is {row and row.state} {row and row.reason}"
    pages = outcome.pages_of[url.split("/")[2]]
    return "" if pages <= case.pages_max else f"{pages} pages, not {case.pages_max}"


def problems_of_all(
    found: Servers,
    expected: Sequence[Expected],
    outcome: Outcome,
    timeout_s: float,
    busyness: float,
    most_mb: int,
) -> Iterator[tuple[str, str]]:
    """Yield the name of each behaviour, and what is wrong with what came of it."""
    for one in expected:
        yield one.name, wrong_with(one, outcome.rows.get(one.url), timeout_s)
    for case, url in zip(LISTS, found.of_lists, strict=True):
        yield f"list: {case.name}", wrong_with_list(case, url, outcome)
    duplicates = sum(case.duplicates for case in LISTS)
    counted = outcome.duplicates
    problem = "" if counted == duplicates else f"{counted}, not {duplicates}"
    yield "duplicates in all lists", problem
    yield from problems_of_run(outcome, 1.5 * timeout_s * busyness, most_mb)


def problems_of_sites(
    found: Servers, outcome: Outcome, timeout_s: float, busyness: float, most_mb: int
) -> Iterator[tuple[str, str]]:
    for case, url in zip(SITES, found.of_sites, strict=True):
        yield f"site: {case.name}", wrong_with_site(case, url, outcome)
    # One after another: robots.txt, a sitemap, a page, each up to its deadline.
    yield from problems_of_run(outcome, 1.5 * 3 * timeout_s * busyness, most_mb)


def problems_of_run(
    outcome: Outcome, limit_s: float, most_mb: int
) -> Iterator[tuple[str, str]]:
    twice = ", ".join(url for url, times in outcome.again.items() if times)
    yield "one row for each URL", f"more for {twice:.200}" if twice else ""
    had_mb = max(outcome.memory_kb.values()) / 1000
    problem = "" if 0 < had_mb < most_mb else f"{had_mb:.0f} MB"
    yield f"a process has at most {most_mb} MB", problem
    took_s = outcome.took_s
    problem = "" if took_s <= limit_s else f"{took_s:.1f} s of {limit_s:.1f} s"
    yield "time in all", problem


def start_names() -> None:
    """Serve names where the name server is ours: after the servers were forked."""
    serve_names()
