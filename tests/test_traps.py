"""Traps: what has no end is left, with a reason; what is only large is not."""

import itertools
import random
import re
from collections import deque
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fetcher.traps
from fetcher.errors import ConfigError
from fetcher.traps import LeftOut, Traps, _Kept

HOST = "http://h"


def walk(links, *, traps=None, starts=("/",), most=50_000):
    """Follow a site breadth-first; return the pages fetched, and what was left out.

    `links(path)` gives the paths a page links to. A walk that does not end fails.
    """
    traps = Traps() if traps is None else traps
    seen = {f"{HOST}{start}" for start in starts}
    queue = deque((url, 0) for url in seen)
    fetched = []
    while queue:
        url, depth = queue.popleft()
        fetched.append(url.removeprefix(HOST))
        assert len(fetched) <= most, f"no end: {fetched[-3:]}"
        for path in links(fetched[-1]):
            found = f"{HOST}{path}"
            if traps.judge(found, depth + 1) is None and found not in seen:
                seen.add(found)
                queue.append((found, depth + 1))
    return fetched, traps.report()


def months(path, form):
    """Links of a calendar page: the month before, the next, and the front page."""
    digits = "".join(filter(str.isdigit, path))
    year, month = (int(digits[:4]), int(digits[4:])) if digits else (2026, 11)
    return [
        "/",
        *(
            form.format(
                year=(12 * year + month - 1 + step) // 12,
                month=(month - 1 + step) % 12 + 1,
            )
            for step in (-1, 1)
        ),
    ]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("/calendar?month={year}-{month:02}", "too many like /calendar?month=*"),
        ("/cal?year={year}&month={month}", "too many like /cal?month=*&year=*"),
        ("/{year}/{month:02}/", "too many like /*/*/"),
        ("/events/{year}-{month}", "too many like /events/*-*"),
        ("/events/{year}{month:02}.html", "too many like /events/*.html"),
    ],
)
def test_an_endless_calendar_ends(form, reason):
    fetched, (left_out, *others) = walk(lambda path: months(path, form), most=300)
    assert len(fetched) > 100  # eight years each way
    assert left_out.reason == reason
    assert left_out.pattern == HOST + reason.removeprefix("too many like ")
    assert left_out.urls == 2
    assert not others


@pytest.mark.parametrize(
    "form", ["/%Y/%m/%d/", "/day?date=%Y-%m-%d", "/d/%Y%m%d", "/%Y/%B/%d"]
)
def test_a_calendar_of_days_ends(form):
    """A month links to its days, a day to its month and the days beside it."""
    month_form = form.replace("-%d", "").replace("%d", "")

    def links(path):
        day = known.get(path, date(2026, 11, 22))
        first = day.replace(day=1)
        beside = [day - timedelta(1), day + timedelta(1)]
        around = [first - timedelta(1), first + timedelta(32)]
        pages = [(each.strftime(form), each) for each in beside]
        pages += [(each.strftime(month_form), each.replace(day=1)) for each in around]
        if path not in days:
            inside = [first + timedelta(number) for number in range(28)]
            pages += [(each.strftime(form), each) for each in inside]
        days.update(each.strftime(form) for _, each in pages)
        known.update(pages)
        return [name for name, _ in pages]

    known, days = {}, set()
    fetched, left_out = walk(links, most=8_000)
    assert len(fetched) > 500
    assert left_out


def test_a_calendar_of_months_by_name_ends():
    names = [
        "january",
        "feb",
        "mar",
        "apr",
        "may",
        "june",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
    ]

    def links(path):
        year, name = path.strip("/").split("/") if path != "/" else ("2026", "nov")
        number = 12 * int(year) + names.index(name)
        return [
            f"/{each // 12}/{names[each % 12]}/" for each in (number - 1, number + 1)
        ]

    _, (left_out,) = walk(links, most=300)
    assert left_out.pattern == f"{HOST}/*/*/"


def test_an_endless_list_of_pages_ends():
    """A thousand pages are followed that can only be paged through, and no more."""

    def links(path):
        number = int(path.rpartition("=")[2] or 0) if "=" in path else 0
        return [f"/list?page={number + 1}", f"/items/{number}/page-of-an-item"]

    fetched, left_out = walk(links, most=5_000)
    assert 1_000 <= sum("?page" in path for path in fetched) <= 1_001
    reason = "too many like /list?page=*"
    example = f"{HOST}/list?page=1002"
    assert LeftOut(f"{HOST}/list?page=*", reason, 1, example) in left_out


@pytest.mark.parametrize(
    ("links", "most", "reason"),
    [
        (lambda path: [f"{path}x/"], 5, "repeated segments"),
        (lambda path: [f"{path}a/", f"{path}b/"], 60, "repeated segments"),
        (
            lambda path: [f"{path}{name}/" for name in "abcde"],
            3_000,
            "repeated segments",
        ),
        (lambda path: [f"{path}{len(path)}/"], 30, "too deep a path"),
        (lambda path: [f"{path}x{len(path)}/"], 30, "too deep a path"),
        (lambda path: [f"{path}a/b/c/"], 5, "repeated segments"),
        (lambda path: [f"{path}x.html/"], 5, "repeated segments"),
        (lambda path: [f"{path}/"], 5, "repeated segments"),
        (lambda path: [f"{path}1/"], 10, "repeated segments"),
        (
            lambda path: [f"{path}{'&' if '?' in path else '?'}a=1"],
            10,
            "repeated parameters",
        ),
        (
            lambda path: [
                f"/login?from={path.replace('?', '%3F').replace('=', '%253D')}"
            ],
            300,
            "URL longer than 2,083 characters",
        ),
    ],
)
def test_ever_deeper_paths_end(links, most, reason):
    _, left_out = walk(links, most=most)
    assert reason in {each.reason for each in left_out}


@pytest.mark.slow
@pytest.mark.parametrize("names", [8, 12])
def test_segments_in_ever_other_orders_end(names):
    """Relative links in a menu: each page adds one more of its names to the path."""
    words = [f"filter{number}" for number in range(names)]
    fetched, left_out = walk(
        lambda path: [f"{path}{word}/" for word in words if f"/{word}/" not in path]
    )
    assert len(fetched) < 6_000
    assert {each.reason for each in left_out} == {"the same segments in another order"}


def session_shop(form, pages=300):
    """A shop that puts a new session id on every link of every answer."""
    ids = itertools.count(0xA1000000000000000000000000000000)

    def links(path):
        new = f"{next(ids):032x}"
        found = re.search(r"/i(?:tem)?(\d+)", path)
        number = int(found[1]) if found else 0
        return [
            form.format(each % pages, new) for each in (0, number + 1, 2 * number + 2)
        ]

    return links


@pytest.mark.parametrize(
    "form",
    [
        "/item{};jsessionid={}",
        "/item{}?PHPSESSID={}",
        "/i{}?sid={}&x=1",
        "/(S({1}))/i{0}.aspx",
    ],
)
def test_each_page_of_a_shop_with_session_ids_is_fetched_once(form):
    """The pages are all seen, each with one id; not again with each new one."""
    fetched, left_out = walk(session_shop(form), most=302)
    assert len(fetched) == 301
    assert {each.reason for each in left_out} == {"session id"}


def test_session_ids_under_an_unknown_name_end():
    """A long random value that stands on every path is a session, whatever its name."""
    fetched, left_out = walk(session_shop("/item{}?wosid={}", 300), most=4_000)
    assert len({path.partition("?")[0] for path in fetched}) == 301
    assert "session id" in {each.reason for each in left_out}


def test_short_session_ids_under_their_own_name_end():
    """A single page that is handed out under ever new ids is no site."""
    ids = itertools.count()

    def links(path):
        new = f"x{next(ids)}y"
        return [f"/shop?sid=abc{new}", f"/cart?sid=abc{new}"]

    _, left_out = walk(links, most=1_100)
    assert {each.reason for each in left_out} == {"session id"}


def test_numbers_under_the_name_of_a_session_end():
    ids = itertools.count()
    traps = Traps(budget=50)
    fetched, _ = walk(lambda path: [f"/a?sid={next(ids)}" for _ in "123"], traps=traps)
    assert len(fetched) < 600


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [False, True])
def test_filters_in_any_order_end(ordered):
    facets = {
        name: [f"{name}{value}" for value in range(6)]
        for name in ("color", "size", "brand", "price", "rating")
    }

    def links(path):
        chosen = [each for each in path.partition("?")[2].split("&") if each]
        for name, values in facets.items():
            for value in values:
                more = [*chosen, f"{name}={value}"]
                if f"{name}=" not in path:
                    yield f"/shop?{'&'.join(sorted(more) if ordered else more)}"

    fetched, (left_out,) = walk(links, most=2_000)
    assert len(fetched) > 900
    assert left_out.reason == "too many like /shop?*"


def test_filters_in_one_value_end():
    words = [f"f{number}" for number in range(20)]

    def links(path):
        chosen = path.partition("=")[2].split(",") if "=" in path else []
        for word in words:
            if word not in chosen:
                yield f"/shop?filter={','.join([*chosen, word])}"

    _, (left_out,) = walk(links, most=2_000)
    assert left_out.reason == "too many like /shop?*"


def test_random_values_in_a_query_end():
    ids = itertools.count(1)

    def links(path):
        return [f"/a?state={next(ids):020x}{n}" for n in range(5)]

    traps = Traps(budget=20)
    _, (left_out,) = walk(links, traps=traps, most=1_100)
    assert left_out.pattern == f"{HOST}/a?state=*"


# What must not be cut, however large. ---------------------------------------------


def judge_all(paths_and_depths):
    traps = Traps()
    for path, depth in paths_and_depths:
        assert traps.judge(f"{HOST}{path}", depth) is None, (path, depth)
    assert traps.report() == []


def test_a_documentation_set_is_not_cut():
    """10,000 pages in a tree of packages, each package with the same few files."""
    files = ("package-summary", "package-tree", "package-use", "index", "all")
    judge_all(
        (f"/java.{m}/java/p{p}/{directory}/{name}.html", 2 + p % 9)
        for m in range(40)
        for p in range(17)
        for directory in ("class-use", "doc-files", "p")
        for name in files
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        "/questions/{0}/title-of-{0}",
        "/questions/{0}",
        "/p/{0}.html",
        "/viewtopic.php?t={0}",
        "/watch?v=dQ{0}c",
        "/watch?v=dQ{0}c&list=pl{1}x4",
        "/viewtopic.php?f={1}&t={0}",
        "/index.php?title=Page_{0}&action={2}",
        "/list?sort={2}&dir={3}&page={0}",
        "/{0}/{1}/",
        "/users/{0}/posts/{1}/comments",
        "/d/{0:032x}",
        "/d?doc={0:016x}",
        "/en/{1}/2026/{0}",
    ],
)
def test_a_wide_site_is_not_cut(form):
    """What is numbered is not endless: a forum's topics lie side by side."""
    actions, ways = ("edit", "history", "raw"), ("up", "down")
    judge_all(
        (form.format(n, n % 40, actions[n % 3], ways[n % 2]), 2 + n % 25)
        for n in range(11_000)
    )


@pytest.mark.slow
def test_numbered_pages_without_end_in_sight_are_not_cut():
    """Each page links to the next twenty, so that the last is 5,000 links away."""
    judge_all((f"/p/{n}.html", 1 + n // 20) for n in range(100_000))


@pytest.mark.parametrize(
    "path",
    [
        "/java.base/java/lang/java/lang/x.html",
        "/a/a/b/b/",
        "/2011/11/11/",
        "/tiles/1/1/1.png",
        "/web/20200101/http://x.example/",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/",
        "/?a=1&a=2&a=3&a=4&a=5",
        "/",
        "",
        "/(S(short))/",
    ],
)
def test_a_strange_url_alone_is_no_trap(path):
    assert Traps().judge(HOST + path, 3) is None


def test_a_list_that_is_paged_through_is_followed_to_its_end():
    judge_all((f"/blog/page/{n}", n) for n in range(900))
    judge_all((f"/blog?page={n}", n) for n in range(900))


def test_dates_side_by_side_are_an_archive():
    """Twenty years of days that an index lists: 7,300 pages, three links deep."""
    start = date(2004, 1, 1)
    days = [start + timedelta(number) for number in range(7_300)]
    judge_all((day.strftime("/%Y/%m/%d/"), 3) for day in days)
    judge_all((day.strftime("/archive?date=%Y-%m-%d"), 3) for day in days)


def test_numbers_that_look_like_dates_are_numbers():
    judge_all(
        (f"/p/{n}.html", 1 + (n - 200_000) // 20) for n in range(200_000, 204_000)
    )


def test_segments_of_pairs_may_stand_in_both_orders():
    money = ["usd", "eur", "gbp", "jpy", "chf", "sek", "nok"]
    judge_all(
        (f"/convert/{a}/{b}/{n}", 3)
        for a, b in itertools.permutations(money, 2)
        for n in range(20)
    )


# How it answers and what it keeps. -------------------------------------------------


def test_a_url_gets_the_same_answer_again_and_is_counted_once():
    """Every page of a site links to the same menu, from ever deeper."""
    traps = Traps()
    assert traps.judge(f"{HOST}/list?page=1", 1) is None
    assert traps.judge(f"{HOST}/list?page=1#top", 5_000) is None
    for _ in range(3):
        assert traps.judge(f"{HOST}/x/x/x/", 1) == "repeated segments"
    assert traps.report() == [
        LeftOut(f"{HOST}/x/...", "repeated segments", 1, f"{HOST}/x/x/x/")
    ]
    assert repr(traps) == "<Traps budget 1000, 1 URLs left out>"


def test_an_answer_is_remembered_over_two_generations(monkeypatch):
    monkeypatch.setattr("fetcher.traps.KEPT_VERDICTS", 20)
    traps = Traps(budget=10)
    url = f"{HOST}/list?page=1"
    for n in range(100):
        traps.judge(f"{HOST}/p{n}", 1)
        assert traps.judge(url, 1 + n) is None
    assert traps.judge(f"{HOST}/list?page=2", 100) is not None


def test_menus_on_each_page_do_not_hide_a_chain():
    """The other links of a calendar do not make it look wide."""

    def links(path):
        number = int(path.rpartition("=")[2]) if "=" in path else 0
        return [f"/x?n={number + 1}", *(f"/x?n={each}" for each in range(60))]

    walk(links, most=1_200)


def test_the_longest_url_is_a_matter_of_choice():
    long = f"{HOST}/{'x' * 3_000}"
    assert Traps().judge(long, 1) == "URL longer than 2,083 characters"
    assert Traps(url_max_chars=8_000).judge(long, 1) is None


def test_a_budget_that_is_too_small_is_refused():
    with pytest.raises(ConfigError, match="at least 10, not 9"):
        Traps(budget=9)


def test_sites_are_judged_apart():
    traps = Traps()
    for n in range(2_000):
        assert traps.judge(f"http://h{n}/cal/2026-{n % 12 + 1}", n) is None


def test_the_report_and_the_memory_are_bounded(monkeypatch):
    names = [name for name in vars(fetcher.traps) if name.startswith("KEPT_")]
    for name in [*names, "REPORTED"]:
        monkeypatch.setattr(f"fetcher.traps.{name}", 20)
    traps = Traps()
    for n in range(30):
        traps.judge(f"http://h{n}/x/x/x/", 1)
    report = traps.report()
    assert len(report) == 21
    assert report[-1] == LeftOut("", "others", 10, "http://h20/x/x/x/")
    for n in range(200):
        traps.judge(f"http://h/p{n}/a/b{n}/c", 1)
        traps.judge(f"http://h/p{n}?c={n:020x}&d={n}", 1)
        traps.judge(f"http://h/p?c={n}&d={n}", 1)
        for words in itertools.islice(itertools.permutations("abcd"), 8):
            path = "/".join(f"{word}{n}" for word in words)
            traps.judge(f"http://h/{path}", 1)
    assert all(len(each.words) <= 24 for each in traps._wandering._young.values())
    assert len(traps._verdicts) <= 20
    assert len(traps._older_verdicts) <= 20
    tables = [each for each in vars(traps).values() if isinstance(each, _Kept)]
    assert len(tables) == 5
    assert all(0 < len(table) <= 20 for table in tables)
    for places in (each._places for each in traps._sessions._young.values()):
        assert len(places) <= 20


@given(
    st.lists(
        st.sampled_from(["a", "b", "1", "2026", "", "x;y", "(S(a))"]), max_size=25
    ),
    st.text("ab=&,;%1", max_size=12),
    st.integers(0, 10_000),
)
def test_any_url_is_judged_and_judged_alike(segments, query, depth):
    """Same links in the same order, same answers: nothing else plays a part."""
    url = f"{HOST}/{'/'.join(segments)}?{query}"
    one, other = Traps(), Traps()
    assert one.judge(url, depth) == other.judge(url, depth) == one.judge(url, 0)


def test_a_random_graph_of_few_pages_is_seen_whole():
    """No page of a plain site is lost, however its links run."""
    rng = random.Random(4)
    names = [f"/part{n % 7}/chapter{n % 31}/page-{n}.html" for n in range(3_000)]
    links = {name: rng.sample(names, 8) for name in ["/", *names]}
    reached, queue = {"/"}, ["/"]
    while queue:
        for each in links[queue.pop()]:
            if each not in reached:
                reached.add(each)
                queue.append(each)
    fetched, left_out = walk(links.__getitem__)
    assert set(fetched) == reached
    assert left_out == []
