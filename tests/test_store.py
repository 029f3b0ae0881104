"""A backlog on disk answers as one in memory does, whatever the order of questions."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fetcher.backlog import MemoryBacklog
from fetcher.errors import FetcherError, StoreError
from fetcher.models import Purpose, Reach, Request
from fetcher.store import SpillingBacklog, UrlBacklog
from fetcher.store import backlog as store

HOSTS = ("a.example", "b.example", "ü\udc80")


def request(number: int = 0, host: str = "a.example", **fields: object) -> Request:
    url = f"http://{host}/{number}"
    asked = {"url": url, "key": url, "host": host, "origin": f"http://{host}"}
    return Request(**{**asked, **fields})


KINDS = {
    "in memory": MemoryBacklog,
    "on disk": lambda: UrlBacklog(ids_in_memory=0),
    "on disk, ids in memory": UrlBacklog,
    "spilling": SpillingBacklog,
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def backlog(request):
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def small(monkeypatch):
    """Bounds that a test reaches with a handful of requests."""
    monkeypatch.setattr(store, "ASKED_AT_ONCE", 2)
    monkeypatch.setattr(store, "MOVED_AT_ONCE", 2)
    monkeypatch.setattr(store, "CHANGES_PER_COMMIT", 2)
    monkeypatch.setattr(store, "REQUESTS_IN_A_ROW", 3)


def test_a_url_is_new_once(backlog):
    assert backlog.add_unseen([request(1), request(2), request(1)]) == [
        request(1),
        request(2),
    ]
    assert backlog.add_unseen([request(2), request(3)]) == [request(3)]
    assert backlog.take("a.example", 2) == [request(1), request(2)]
    assert backlog.add_unseen([request(1)]) == [], "nor when it was taken"
    assert (backlog.waiting, backlog.known) == (1, 3)


def test_each_host_has_its_own_queue_first_in_first_out(backlog):
    mixed = [request(number, host) for number in range(3) for host in HOSTS]
    backlog.add_unseen(mixed)
    for host in HOSTS:
        assert backlog.take(host, 2) == [request(0, host), request(1, host)]
        assert backlog.take(host, 2) == [request(2, host)]
        assert backlog.take(host, 2) == []
    assert backlog.take("nobody.example", 1) == []
    assert backlog.waiting == 0


@pytest.mark.parametrize("n", [0, -1])
def test_taking_nothing_takes_nothing(backlog, n):
    backlog.add_unseen([request()])
    assert backlog.take("a.example", n) == []
    assert backlog.waiting == 1


def test_what_was_checked_is_new_as_a_page_but_not_the_other_way(backlog):
    """An image that some page links to as a page is fetched as one."""
    page, check = request(), request(purpose=Purpose.CHECK, method="HEAD")
    assert backlog.add_unseen([check, check]) == [check]
    assert backlog.add_unseen([page, check]) == [page]
    other_page, other_check = request(1), request(1, purpose=Purpose.CHECK)
    assert backlog.add_unseen([other_page, other_check]) == [other_page]


@pytest.mark.parametrize("purpose", [Purpose.ROBOTS, Purpose.SITEMAP, Purpose.PROBE])
def test_another_purpose_has_its_own_keys(backlog, purpose):
    """That robots.txt was read as rules does not hide a link to it."""
    for one in (request(purpose=purpose), request(), request(1)):
        assert backlog.add_unseen([one]) == [one]
    other = request(1, purpose=purpose)
    assert backlog.add_unseen([other, other]) == [other]


def test_what_is_put_back_comes_first_and_in_its_order(backlog):
    backlog.add_unseen([request(number) for number in range(4)])
    backlog.put_back(backlog.take("a.example", 2))
    backlog.put_back([request(8), request(9)])
    backlog.put_back([])
    assert backlog.waiting == 6
    numbers = [one.url[-1] for one in backlog.take("a.example", 9)]
    assert "".join(numbers) == "890123"


def test_what_is_drained_stays_seen(backlog):
    waiting = [request(number, host) for number in range(3) for host in HOSTS]
    backlog.add_unseen(waiting)
    drained = list(backlog.drain())
    for host in HOSTS:
        assert [one for one in drained if one.host == host] == [
            one for one in waiting if one.host == host
        ]
    assert Counter(drained) == Counter(waiting)
    assert (backlog.waiting, backlog.known) == (0, 9)
    assert backlog.add_unseen(waiting) == []
    assert list(backlog.drain()) == []


def test_a_request_comes_back_as_it_went_in(backlog):
    odd = request(
        url="HTTP://A.example/\udc80\x00\n☃#top",
        depth=3,
        purpose=Purpose.CHECK,
        method="HEAD",
        attempt=2,
        reach=Reach.PRIVATE,
    )
    backlog.add_unseen([odd])
    (back,) = backlog.take("a.example", 1)
    assert back == odd
    assert back.purpose is Purpose.CHECK
    assert back.reach is Reach.PRIVATE


class SameAnswers(RuleBasedStateMachine):
    """All kinds of backlog are asked the same and must answer the same."""

    requests = st.builds(
        request,
        st.integers(0, 15),
        st.sampled_from(HOSTS),
        purpose=st.sampled_from([Purpose.PAGE, Purpose.CHECK, Purpose.ROBOTS]),
        depth=st.integers(0, 3),
    )

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(store, "REQUESTS_IN_A_ROW", 3)
        self.spilling = SpillingBacklog(limit=10)
        self.backlogs = [
            MemoryBacklog(),
            UrlBacklog(ids_in_memory=0),
            UrlBacklog(ids_in_memory=12),
            self.spilling,
        ]
        self.taken: list[Request] = []

    def ask(self, question):
        answers = [question(backlog) for backlog in self.backlogs]
        assert all(answer == answers[0] for answer in answers)
        return answers[0]

    @rule(requests=st.lists(requests, max_size=8))
    def add(self, requests):
        self.ask(lambda backlog: backlog.add_unseen(requests))

    @rule(host=st.sampled_from(HOSTS), n=st.integers(0, 5))
    def take(self, host, n):
        self.taken += self.ask(lambda backlog: backlog.take(host, n))

    @precondition(lambda self: self.taken)
    @rule(n=st.integers(1, 5))
    def put_back(self, n):
        back, self.taken = self.taken[-n:], self.taken[:-n]
        self.ask(lambda backlog: backlog.put_back(back))

    @rule()
    def drain(self):
        # Hosts come in any order, the requests of one host in theirs.
        by_host = lambda backlog: sorted(backlog.drain(), key=lambda one: one.host)  # noqa: E731
        self.ask(by_host)

    @invariant()
    def counts_agree(self):
        self.ask(lambda backlog: (backlog.waiting, backlog.known))
        assert self.spilling.spilled == (self.spilling.known > 10)

    def teardown(self):
        for backlog in self.backlogs:
            backlog.close()
        self.patch.undo()


SameAnswers.TestCase.settings = settings(max_examples=60, deadline=None)
test_all_backlogs_give_the_same_answers = pytest.mark.slow(SameAnswers.TestCase)


@pytest.mark.usefixtures("small")
def test_a_backlog_moves_to_disk_when_it_has_grown_and_nobody_notices():
    backlog = SpillingBacklog(limit=5)
    assert not backlog.spilled
    first = [request(number, host) for number in range(2) for host in HOSTS[:2]]
    backlog.add_unseen(first)
    taken = backlog.take("a.example", 1)
    more = [request(number) for number in range(2, 7)]
    assert backlog.add_unseen(more) == more
    assert backlog.spilled
    assert backlog.known == 9
    assert backlog.add_unseen([*first, *more]) == []
    backlog.put_back(taken)
    numbers = [one.url[-1] for one in backlog.take("a.example", 9)]
    assert "".join(numbers) == "0123456"
    assert list(backlog.drain()) == [request(0, "b.example"), request(1, "b.example")]
    backlog.close()


@pytest.mark.usefixtures("small")
def test_a_backlog_with_a_path_goes_on_where_it_was_closed(tmp_path):
    path = tmp_path / "backlog.db"
    first = UrlBacklog(path)
    first.add_unseen([request(number) for number in range(5)])
    first.put_back(first.take("a.example", 2))
    first.close()
    second = UrlBacklog(path)
    assert (second.waiting, second.known) == (5, 5)
    second.put_back([*second.take("a.example", 1), request(0, "b.example")])
    second.close()
    second = UrlBacklog(path)
    assert (second.waiting, second.known) == (6, 5)
    assert second.take("b.example", 2) == [request(0, "b.example")]
    assert second.add_unseen([request(4), request(5)]) == [request(5)]
    second.put_back([request(9)])
    numbers = [one.url[-1] for one in second.take("a.example", 9)]
    assert "".join(numbers) == "9012345"
    second.close()


def test_nothing_is_left_of_a_backlog_without_a_path(tmp_path, monkeypatch):
    """Not even while it is used: the file has no name."""
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    monkeypatch.setattr(store, "CACHE_KIB", 64)
    backlog = UrlBacklog()
    backlog.add_unseen([request(number) for number in range(3_000)])
    assert list(tmp_path.iterdir()) == []
    backlog.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence():
    backlog = UrlBacklog()
    backlog._connection.execute("pragma max_page_count = 20")
    with pytest.raises(StoreError) as caught:
        backlog.add_unseen([request(number) for number in range(3_000)])
    assert str(caught.value) == (
        "the list of URLs cannot be kept in a temporary file"
        " (SQLITE_TMPDIR names another folder): database or disk is full"
    )
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert isinstance(caught.value, FetcherError)
    backlog.close()


def test_a_folder_is_no_backlog(tmp_path):
    with pytest.raises(StoreError, match=r"cannot be kept in .*: unable to open"):
        UrlBacklog(tmp_path)


def test_a_text_file_is_no_backlog(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("notes " * 1000)
    with pytest.raises(StoreError, match="file is not a database"):
        UrlBacklog(path)
    assert path.read_text() == "notes " * 1000


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("create table mine (x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not a backlog of this version of fetcher"):
        UrlBacklog(path)
    assert path.read_bytes() == before


def test_a_backlog_on_disk_says_what_it_holds(tmp_path):
    backlog = UrlBacklog()
    backlog.add_unseen([request()])
    assert repr(backlog) == "<UrlBacklog in a temporary file: 1 waiting, 1 known>"
    backlog.close()
    named = UrlBacklog(tmp_path / "b.db")
    assert repr(named) == f"<UrlBacklog in {tmp_path / 'b.db'}: 0 waiting, 0 known>"
    named.close()
    assert repr(SpillingBacklog(5)) == (
        "<SpillingBacklog over 5: <MemoryBacklog 0 waiting of 0 hosts, 0 known>>"
    )
