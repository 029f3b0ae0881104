"""Groups: pages that are asked for and judged alike, over real servers."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest

from fetcher import ConfigError, Expectation, Filter, Group, Settings, crawl
from fetcher.backlog import MemoryBacklog
from fetcher.engine.manners import manners_of
from fetcher.groups import GROUP_SETTINGS
from fetcher.models import Request
from fetcher.options import settings_of
from fetcher.page import Page
from fetcher.source import Source
from fetcher.store import UrlBacklog
from tests.servers import by_path, message, serve

FRONT = message(b'<!doctype html><title>f</title>Basket <a href="/linked">on</a>')
LINKED = message(b"<!doctype html><title>linked</title>")
BASKET = Expectation(contains=("Basket",))


@pytest.fixture
def server():
    with serve(by_path({"/": FRONT, "/a": FRONT, "/linked": LINKED})) as served:
        yield served


def group(*urls: str | Path | Request, name: str = "shop", **parts) -> Group:
    return Group(name=name, urls=urls, **parts)


def fields_by_path(server, name: str) -> dict[str, str | None]:
    return dict(zip(server.paths, server.fields(name), strict=True))


def test_a_group_sends_its_own_header_fields_and_keeps_the_runs(server):
    """What a group sets takes the place of the run's; all else holds as it is."""
    crawl(
        [
            server.url,
            group(f"{server.url}a", settings={"headers": {"X-Key": "shop"}}),
        ],
        headers={"X-Key": "all", "X-Run": "1"},
    )
    assert fields_by_path(server, "x-key") == {"/": "all", "/a": "shop"}
    assert fields_by_path(server, "x-run") == {"/": "1", "/a": "1"}


def test_what_a_group_sends_stays_in_it(server):
    """Its credentials go to what was listed in it, and to nothing else."""
    crawl([server.url, group(f"{server.url}a", settings={"auth": ("me", "secret")})])
    sent = fields_by_path(server, "authorization")
    assert sent["/"] is None
    assert str(sent["/a"]).startswith("Basic ")


def test_each_group_is_judged_by_its_own_expectation(server):
    """One page may be expected otherwise; without any, the run's expectation holds."""
    other = Expectation(contains=("linked",))
    url = server.url
    report = crawl(
        [
            group(
                url,
                f"{url}linked",
                expect=BASKET,
                expect_by_url={f"{url}linked": other},
            ),
            group(f"{url}a", name="blog"),
        ],
        expect=Expectation(contains=("Sold out",)),
    )
    assert [finding.url for finding in report.findings] == [f"{url}a"]
    assert dict(report.by_group.top()).keys() == {"shop", "blog"}


def test_what_is_found_on_a_page_belongs_to_its_group(server, tmp_path):
    output = tmp_path / "pages.jsonl"
    crawl([group(server.url)], depth=1, ignore_robots=True, output=output)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert {row["url"]: row["group"] for row in rows} == {
        server.url: "shop",
        f"{server.url}linked": "shop",
    }


def test_without_groups_a_page_has_none(server, tmp_path):
    output = tmp_path / "pages.json"
    pages: list[Page] = []
    crawl(server.url, pages.append, output=output)
    assert pages[0].group == ""
    saved = json.loads(output.read_text())
    assert saved["pages"][0]["group"] is None
    assert saved["report"]["groups"]["kept"] == {}


def test_a_group_holds_lists_too_and_a_bad_line_belongs_to_it(server, tmp_path):
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{server.url}\nhttp://[::1\n")
    pages: list[Page] = []
    crawl([group(listed)], pages.append)
    assert [(page.group, page.ok) for page in pages] in (
        [("shop", False), ("shop", True)],
        [("shop", True), ("shop", False)],
    )


def test_a_url_of_two_groups_belongs_to_the_first(server):
    pages: list[Page] = []
    report = crawl([group(server.url), group(server.url, name="b")], pages.append)
    assert [page.group for page in pages] == ["shop"]
    assert report.duplicates == 1


def test_a_run_that_is_cut_short_is_continued_in_its_groups(server, tmp_path):
    """The group of each page is the same after `--resume`."""
    urls = [f"{server.url}{n}" for n in range(5)]
    groups = [group(*urls[:3]), group(*urls[3:], name="blog")]
    database = tmp_path / "runs.db"

    def stop_early(page: Page) -> None:
        if page.url == urls[1]:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        crawl(groups, stop_early, db=database, concurrency=1)
    output = tmp_path / "pages.jsonl"
    crawl(groups, db=database, resume=True, output=output)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    by_group = {row["url"]: row["group"] for row in rows}
    assert by_group == dict(zip(urls, ["shop"] * 3 + ["blog"] * 2, strict=True))


def test_the_screen_shows_what_came_of_each_group(server):
    from fetcher.export.text import for_terminal
    from fetcher.output import Outputs

    screen = StringIO()
    outputs = Outputs()
    outputs.use(for_terminal(screen, color=False))
    url = server.url
    crawl([group(url, f"{url}gone"), group(f"{url}a", name="blog")], output=outputs)
    lines = [line.split() for line in screen.getvalue().splitlines()]
    assert ["Groups"] in lines
    assert any(line[:2] == ["shop", "2"] and "fell" in line for line in lines)
    assert any(line[:2] == ["blog", "1"] and "fell" not in line for line in lines)


def test_a_backlog_on_disk_remembers_the_group(tmp_path):
    request = Request(
        url="http://a.example/", key="http://a.example/", host="a.example", group="shop"
    )
    for backlog in (MemoryBacklog(), UrlBacklog()):
        backlog.add_unseen([request])
        assert backlog.take("a.example", 1) == [request]
        backlog.close()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": ""}, "a group has a name of one line, got ''"),
        ({"name": "a\nb"}, r"a group has a name of one line, got 'a\\nb'"),
        ({"urls": "http://a.example/"}, "urls is a list of URLs and paths"),
        ({"settings": {"timeout": 3}}, "'timeout'; did you mean 'timeout_s'"),
        ({"settings": {"public_only": True}}, "settings has no 'public_only'"),
    ],
)
def test_what_can_be_no_group_is_refused(parts, said):
    with pytest.raises(ConfigError, match=said):
        Group(**{"name": "shop", "urls": [], **parts})


def test_a_setting_that_makes_no_sense_names_its_group():
    wrong = group(settings={"timeout_s": 0})
    with pytest.raises(ConfigError, match=r"group 'shop': timeout_s is at least"):
        settings_of(wrong, Settings())


def test_what_is_no_url_among_filters_does_no_harm():
    """It is a bad URL among the pages too, and told there."""
    odd = group("http://[::1", text_filter_by_url={"http://[::1": Filter(css="p")})
    manners = manners_of([odd], Settings(), None, None, parses_here=True)
    assert manners["shop"].filter_of("http://a.example/") is None


def test_two_groups_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two groups of the name 'shop'"):
        manners_of([group(), group()], Settings(), None, None, parses_here=True)


def test_groups_come_in_a_list():
    """An iterable may never end, and what its groups ask for is needed at the start."""
    source = Source(iter([group("http://a.example/")]))
    with pytest.raises(ConfigError, match="groups come in a list or a tuple"):
        source.take()


def test_every_group_setting_is_one_of_settings():
    assert set(Settings.__dataclass_fields__) >= GROUP_SETTINGS


@pytest.mark.slow
def test_each_group_says_what_of_its_text_counts(tmp_path):
    """A date in the foot is no change where only `main` is compared."""
    turn = [0]

    def behave(peer) -> None:
        while (head := peer.read_head()) is not None:
            path = head.split(" ", 2)[1]
            html = f"<!doctype html><title>t</title><main>{path}</main>{turn[0]}"
            peer.send(message(html.encode()))

    main = Filter(css="main")
    with serve(behave) as server:
        url = server.url
        groups = [
            group(f"{url}a", f"{url}b", text_filter=main),
            group(
                f"{url}c", f"{url}d", name="blog", text_filter_by_url={f"{url}c": main}
            ),
        ]
        crawl(groups, db=tmp_path / "runs.db")
        turn[0] += 1
        report = crawl(groups, db=tmp_path / "runs.db")
    changed = [each.url for each in report.changes.listed if each.kind == "text"]
    assert changed == [f"{url}d"]
