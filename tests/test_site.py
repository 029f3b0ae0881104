"""Whole sites through crawl(): what is followed, checked, left alone, and reported.

Every site is served on loopback and keeps account of what was asked of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fetcher import ConfigError, Page, Pool, Report, crawl
from fetcher.models import State
from tests.campaigns.site_agree import crawled, differences, served
from tests.servers import message, redirect
from tests.site_walk import Disk, walk
from tests.sites import (
    Asked,
    GivenSite,
    Reply,
    gzipped,
    html,
    in_thread,
    page,
    robots_body,
    robots_chain,
    robots_elsewhere,
    robots_loop,
    robots_never,
    robots_padded,
    robots_site,
    rss_sitemap,
    sitemap_index,
    sitemap_site,
    text_sitemap,
    urlset,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One pool for all: starting one takes as long as a whole small site."""
    with Pool(1, slots=8) as shared:
        yield shared


@pytest.fixture
def run(pool):
    """Crawl a site; return the report, what was asked for, and the pages."""

    def crawled(
        site: GivenSite, path: str = "/", **options: Any
    ) -> tuple[Report, list[tuple[str, str]], dict[str, Page]]:
        pages: dict[str, Page] = {}

        def keep(found: Page) -> None:
            key = found.url.removeprefix(server.url.rstrip("/"))
            assert key not in pages, "a page comes once"
            pages[key] = found

        with in_thread(site) as server:
            url = server.url.rstrip("/") + path
            given = {"depth": 5, "retries": 0, **options}
            report = crawl(url, keep, pool=pool, **given)
        asked = [(one.method, one.target) for one in server.record]
        return report, asked, pages

    return crawled


def site_of(pages: Mapping[str, Any]) -> GivenSite:
    """A site of paths, each with the paths it links to, or its whole answer."""
    return GivenSite(
        {
            path: Reply(content=page(path, given)) if isinstance(given, list) else given
            for path, given in pages.items()
        }
    )


def gets(asked: list[tuple[str, str]]) -> list[str]:
    return sorted(path for method, path in asked if method == "GET")


def without_probe(paths: list[str]) -> list[str]:
    """The paths but for /robots.txt and the one that nobody has."""
    return [path for path in paths if path != "/robots.txt" and len(path) != 17]


def bad_urls(found) -> list[str]:
    return [target.url.split("/", 3)[3] for target in found]


# --- following -----------------------------------------------------------------------


def test_links_are_followed_to_the_depth_and_checked_beyond_it(run):
    site = site_of({"/": ["/a"], "/a": ["/b"], "/b": ["/c"], "/c": []})
    report, asked, pages = run(site, depth=2)
    assert without_probe(gets(asked)) == ["/", "/a", "/b"]
    assert ("HEAD", "/c") in asked
    assert {path: found.depth for path, found in pages.items()} == {
        "/": 0,
        "/a": 1,
        "/b": 2,
    }
    assert report.ok
    assert report.site.by_depth == {0: 1, 1: 1, 2: 1}
    assert report.site.checked == {State.OK: 1}


def test_without_depth_exactly_what_was_given_is_asked_for(run):
    """No robots.txt, no probe, no check: one request for one URL."""
    report, asked, _ = run(site_of({"/": ["/a"], "/a": []}), depth=0)
    assert asked == [("GET", "/")]
    assert report.site is None


def test_links_can_be_checked_and_not_followed(run):
    site = site_of({"/": ["/a", "/gone"], "/a": ["/b"]})
    report, asked, _ = run(site, depth=0, check_links=True)
    assert gets(asked) == ["/", "/gone", "/robots.txt"]  # a 404 to HEAD is asked again
    assert ("HEAD", "/a") in asked
    assert bad_urls(report.site.broken) == ["gone"]


def test_a_url_is_fetched_once_however_it_is_written(run):
    """Fragments aside, default port, dot segments, upper case: one URL, one request."""
    site = site_of({"/": ["/a#x", "/a#y", "./a", "/b/../a", "/A/../a", "?", "/?q"]})
    _, asked, _ = run(site)
    assert Counter(path for _, path in asked if path == "/a")["/a"] <= 2  # HEAD no
    assert Counter(asked)["GET", "/a"] == 1
    assert Counter(asked)["GET", "/"] == 1


def test_images_scripts_and_styles_are_checked_and_not_followed(run):
    body = (
        "<img src=/i.png srcset='/j.png 2x'><script src=/s.js></script>"
        "<link rel=stylesheet href=/c.css><p style='background:url(/k.png)'>"
        "<meta property=og:image content=/o.png>"
    )
    site = site_of({"/": Reply(content=html(body))})
    report, asked, pages = run(site)
    assert list(pages) == ["/"]
    wanted = {"i.png", "j.png", "s.js", "c.css", "k.png", "o.png"}
    assert set(bad_urls(report.site.broken)) == wanted
    assert {path for method, path in asked if method == "HEAD"} >= {"/i.png", "/k.png"}


def test_frames_canonical_refresh_and_areas_are_followed(run):
    body = (
        "<link rel=canonical href=/canon><link rel=next href=/n>"
        "<meta http-equiv=refresh content='5;url=/r'><area href=/area>"
        "<iframe src=/frame></iframe>"
    )
    paths = ["/canon", "/n", "/r", "/area", "/frame"]
    site = site_of({"/": Reply(content=html(body)), **{path: [] for path in paths}})
    _, _, pages = run(site)
    assert sorted(pages) == sorted(["/", *paths])


@pytest.mark.parametrize(
    ("options", "followed"),
    [
        ({}, ["/", "/a", "/b/c", "/b/d"]),
        ({"exclude": ["/b/"]}, ["/", "/a"]),
        ({"include": ["/b/"]}, ["/", "/b/c", "/b/d"]),
        ({"include": ["/b/d"], "exclude": ["/b/"]}, ["/", "/a", "/b/d"]),
    ],
)
def test_include_beats_exclude(run, options, followed):
    site = site_of({"/": ["/a", "/b/c", "/b/d"], "/a": [], "/b/c": [], "/b/d": []})
    _, asked, pages = run(site, **options)
    assert sorted(pages) == followed
    excluded = {path for _, path in asked} - set(followed) - {"/robots.txt"}
    if "exclude" in options:
        assert not {"/b/c"} & excluded, "what is excluded is not even checked"


def test_a_start_in_a_directory_can_keep_the_crawl_there(run):
    site = site_of({"/docs/": ["/docs/a", "/blog"], "/docs/a": [], "/blog": []})
    _, asked, pages = run(site, "/docs/", scope="prefix")
    assert sorted(pages) == ["/docs/", "/docs/a"]
    assert ("HEAD", "/blog") in asked


def test_links_out_of_scope_are_checked_or_skipped_and_not_followed(run):
    with in_thread(site_of({"/x": ["/y"]})) as other:
        away = other.url.rstrip("/")
        site = site_of({"/": [f"{away}/x", f"{away}/gone"]})
        report, _, pages = run(site)
        assert list(pages) == ["/"]
        assert [target.url for target in report.site.broken] == [f"{away}/gone"]
        report, _, _ = run(site, external="skip")
        assert report.ok
    assert {one.target for one in other.record} == {"/robots.txt", "/x", "/gone"}


def test_parameters_can_be_taken_out_of_links(run):
    site = site_of({"/": ["/a?utm_source=x&id=1", "/a?id=1&utm_medium=y"]})
    _, asked, _ = run(site, strip_params=["utm_*"])
    assert without_probe(gets(asked)) == ["/", "/a?id=1"]


@pytest.mark.parametrize(
    "front",
    [
        html("<meta name=robots content='noindex, nofollow'><a href=/a>a</a>"),
        html("<a href=/a>a</a>", "200 OK", "X-Robots-Tag: nofollow"),
        html("<a href=/a rel='ugc nofollow'>a</a>"),
    ],
    ids=["meta", "header", "rel"],
)
def test_nofollow_is_obeyed_for_following(run, front):
    """The link is still checked: that it leads somewhere is no endorsement."""
    report, asked, pages = run(site_of({"/": Reply(content=front), "/a": []}))
    assert list(pages) == ["/"]
    assert ("HEAD", "/a") in asked
    assert report.ok


def test_nofollow_for_another_robot_means_nothing(run):
    front = html("<a href=/a>a</a>", "200 OK", "X-Robots-Tag: googlebot: nofollow")
    _, _, pages = run(site_of({"/": Reply(content=front), "/a": []}))
    assert sorted(pages) == ["/", "/a"]


def test_no_more_than_max_pages_and_the_rest_is_checked(run):
    links = [f"/{n}" for n in range(8)]
    report, asked, pages = run(site_of({"/": links}), max_pages=3)
    assert len(pages) == 3
    assert report.site.left_out == 6
    assert len({path for _, path in asked} & set(links)) == 8


def test_a_time_limit_ends_the_run_and_the_report_says_so(run):
    slow = {
        f"/{n}": Reply(content=page("x", [f"/{n + 1}"]), wait_s=0.2) for n in range(50)
    }
    report, _, pages = run(GivenSite(slow), "/0", depth=99, max_time_s=1.0)
    assert 1 <= len(pages) < 20
    assert report.interrupted
    assert report.site.pages == len(pages)


# --- verdicts ------------------------------------------------------------------------


def test_a_broken_link_comes_with_every_place_it_stands(run):
    body = "<p>\n  see <a href=/gone>the  manual</a>"
    site = site_of(
        {
            "/": ["/a", "/gone"],
            "/a": Reply(content=html(body)),
        }
    )
    report, _, pages = run(site)
    assert not report.ok
    (broken,) = report.site.broken
    assert report.site.pages_with_broken == 2
    assert {page.broken for page in report.site.worst_pages} == {1}
    assert (broken.status, broken.state, broken.place_count) == (404, State.BROKEN, 2)
    place = next(place for place in broken.places if place.url.endswith("/a"))
    assert (place.line, place.column, place.text) == (2, 7, "the manual")
    assert pages["/gone"].state is State.BROKEN


def test_fragments_must_be_on_the_page(run):
    body = "<p id=here><a name=old></a><p id='käse'><p id='a b'>"
    links = [
        *("/t#here", "/t#old", "/t#k%C3%A4se", "/t#käse", "/t#a%20b", "/t#top", "/t#"),
        *("/t#gone", "#nowhere", "/t#!/app"),
    ]
    site = site_of({"/": links, "/t": Reply(content=html(body))})
    report, _, _ = run(site)
    found = [(bad_urls([bad])[0], bad.fragment) for bad in report.site.fragments]
    assert found == [("", "nowhere"), ("t", "gone")]
    assert not report.ok


def test_a_fragment_is_asked_of_where_a_redirect_ends(run):
    site = site_of(
        {
            "/": ["/old#there", "/old#gone"],
            "/old": Reply(content=redirect("/new")),
            "/new": Reply(content=html("<p id=there>")),
        }
    )
    report, _asked, _ = run(site)
    assert [bad.fragment for bad in report.site.fragments] == ["gone"]


def test_where_a_redirect_ended_is_not_fetched_again(run):
    site = site_of(
        {
            "/": ["/old"],
            "/old": Reply(content=redirect("/new")),
            "/new": ["/new", "/later"],
            "/later": ["/new"],
        }
    )
    _, asked, pages = run(site)
    assert Counter(asked)["GET", "/new"] == 1
    assert sorted(pages) == ["/", "/later", "/old"]


def test_quoted_text_must_be_on_the_page(run):
    """`#:~:text=` is checked against what a reader sees, whichever page came first."""
    links = ["/t#:~:text=brown,dog", "/t#:~:text=purple", "/#:~:text=to%20%2Fb"]
    site = site_of(
        {
            "/": links,
            "/t": Reply(content=html("<p>The <b>brown</b> fox<p>and the lazy dog")),
        }
    )
    report, asked, _ = run(site)
    found = [bad.fragment for bad in report.site.fragments]
    assert found == [":~:text=to%20%2Fb", ":~:text=purple"]
    assert Counter(asked)["GET", "/t"] == 1


def test_what_is_redirected_for_good_is_told_and_is_an_error_if_asked_for(run):
    site = site_of(
        {
            "/": ["/moved", "/for-now"],
            "/moved": Reply(content=redirect("/new", "301 Moved Permanently")),
            "/for-now": Reply(content=redirect("/new")),
            "/new": [],
        }
    )
    report, _, _ = run(site)
    assert report.ok
    (moved,) = report.site.moved
    assert bad_urls([moved]) == ["moved"]
    assert moved.final_url.endswith("/new")
    assert [hop.status for hop in moved.hops] == [301]
    assert not run(site, redirects="error")[0].ok


def test_where_head_is_refused_get_is_asked(run):
    class NoHead(GivenSite):
        def answer(self, asked: Asked):
            if asked.method == "HEAD" and asked.target == "/a.png":
                self._asked.append(asked)
                return message(b"", "405 Method Not Allowed")
            return super().answer(asked)

    pages = {
        "/": Reply(content=html("<img src=/a.png>")),
        "/a.png": ("200 OK", ("Content-Type: image/png",), b"x" * 200_000),
    }
    report, asked, _ = run(NoHead(pages))
    assert report.ok
    assert [method for method, path in asked if path == "/a.png"] == ["HEAD", "GET"]


def test_blocked_is_not_broken(run):
    site = site_of(
        {"/": Reply(content=html("<img src=/i>")), "/i": ("999 No", (), b"")}
    )
    report, _, _ = run(site)
    assert report.ok
    assert bad_urls(report.site.blocked) == ["i"]


def test_an_error_page_with_status_200_is_found_out(run):
    """One random path tells how a host answers for what is not there."""

    class Soft(GivenSite):
        def answer(self, asked: Asked):
            found = super().answer(asked)
            if asked.target == "/robots.txt" or asked.target in self._answers:
                return found
            return html("<title>Oops</title><p>We have lost this page, sorry.")

    report, _, pages = run(
        Soft(
            {
                "/": Reply(content=page("/", ["/a", "/gone"])),
                "/a": Reply(content=page("a", [])),
            }
        )
    )
    assert pages["/gone"].state is State.BROKEN
    assert "as for any path that is not there" in pages["/gone"].reason
    assert pages["/a"].ok
    assert bad_urls(report.site.broken) == ["gone"]


def test_addresses_are_checked_for_their_form(run):
    links = ["mailto:a@b.example", "mailto:nobody", "tel:+1-555", "tel:call me"]
    report, _, _ = run(site_of({"/": links}))
    assert [bad.url for bad in report.site.broken] == ["mailto:nobody", "tel:call me"]


def test_what_is_no_url_is_broken_without_being_asked_for(run):
    report, _, _ = run(site_of({"/": ["http://[::1", "http://a b/"]}))
    assert len(report.site.broken) == 2


# --- robots.txt ----------------------------------------------------------------------

FORBID = robots_body(b"User-agent: *\nDisallow: /b\nDisallow: /$\n")


def test_robots_txt_binds_what_was_found_and_not_what_was_given(run):
    report, asked, pages = run(robots_site(FORBID))
    assert sorted(pages) == ["/", "/a", "/d"]
    assert not any(path.startswith("/b") for _, path in asked)
    (note,) = report.site.robots
    assert note.refused == 1
    assert sum(report.site.by_depth.values()) == 3, "what was refused was not fetched"
    assert report.ok


def test_robots_txt_can_bind_what_was_given_too(run):
    _report, asked, pages = run(robots_site(FORBID), obey_robots=True)
    assert without_probe(gets(asked)) == []
    assert pages["/"].state is State.SKIPPED
    assert "robots.txt" in pages["/"].reason


def test_robots_txt_can_be_ignored(run):
    _, asked, pages = run(robots_site(FORBID), ignore_robots=True)
    assert "/robots.txt" not in gets(asked)
    assert "/b/c" in pages


@pytest.mark.parametrize(
    ("robots", "followed"),
    [
        (robots_body(b"no", "404 Not Found"), True),
        (robots_body(b"no", "503 Service Unavailable"), False),
        (robots_body(b"<html>all welcome", fields=("Content-Type: text/html",)), True),
        (robots_padded(b"User-agent: *\nDisallow: /", b"Allow: /"), False),
        (robots_padded(b"User-agent: *", b"Disallow: /"), True),  # past 500 KiB
        (robots_loop(), True),
        (robots_chain(5, robots_body(b"User-agent: *\nDisallow: /a")), None),
        (robots_never(), False),
    ],
    ids=["404", "503", "html", "5mb", "5mb-cut", "loop", "chain", "slow"],
)
def test_whatever_comes_for_robots_txt(run, robots, followed):
    """RFC 9309, 2.3.1: 4xx and loops allow, 5xx and no answer forbid."""
    report, _, pages = run(robots_site(robots), timeout_s=1.5)
    if followed is None:
        assert sorted(pages) == ["/", "/b/c", "/d"]
    elif followed:
        assert sorted(pages) == ["/", "/a", "/b/c", "/d"]
    else:
        assert sorted(pages) == ["/"]
        assert report.site.robots[0].refused >= 3


def test_links_to_a_host_that_is_down_fail_and_are_not_skipped(run):
    """Where robots.txt cannot be had, nothing is asked for: RFC 9309, 2.3.1.4."""
    with in_thread(site_of({})) as gone:
        away = f"{gone.url}page"
    report, _, _ = run(site_of({"/": [away]}))
    (broken,) = report.site.broken
    assert (broken.url, broken.state) == (away, State.FAILED)
    assert broken.reason.startswith("refused: ")


def test_robots_txt_on_another_host_is_followed_there(run):
    rules = robots_site(robots_body(b"User-agent: *\nDisallow: /a"))
    with in_thread(rules) as other:
        _report, _, pages = run(robots_site(robots_elsewhere(f"{other.url}robots.txt")))
    assert sorted(pages) == ["/", "/b/c", "/d"]


# --- sitemaps ------------------------------------------------------------------------


def test_a_sitemap_can_be_given(run):
    maps = {
        "/sitemap.xml": sitemap_index(["/one.xml", "/two.xml.gz"]),
        "/one.xml": urlset(["/a", "/b"]),
        "/two.xml.gz": gzipped(urlset(["/c"])),
    }
    site = sitemap_site(maps, {"/a": [], "/b": [], "/c": []})
    report, _asked, pages = run(site, "/sitemap.xml", depth=0)
    assert sorted(pages) == ["/a", "/b", "/c"]
    assert report.total == 3, "a sitemap is no page"


def test_indexes_in_indexes_end(run):
    maps = {f"/{n}.xml": sitemap_index([f"/{n + 1}.xml"]) for n in range(30)}
    report, asked, _ = run(sitemap_site(maps, {}), "/0.xml", depth=0)
    assert gets(asked) == ["/0.xml", "/1.xml", "/2.xml"]
    assert any("an index in an index" in one for one in report.site.sitemap.problems)


@pytest.mark.parametrize("form", [text_sitemap, rss_sitemap], ids=["text", "rss"])
def test_sitemaps_of_other_forms(run, form):
    path = "/sitemap.txt" if form is text_sitemap else "/feed.xml"
    site = sitemap_site({path: form(["/a", "/b"])}, {"/a": [], "/b": []})
    _, _, pages = run(site, path, depth=0)
    assert sorted(pages) == ["/a", "/b"]


def test_a_sitemap_that_is_none_is_a_page_like_others(run):
    site = sitemap_site({}, {"/sitemap.xml": []})
    _report, _, pages = run(site, "/sitemap.xml", depth=0)
    assert list(pages) == ["/sitemap.xml"]
    _report, _, pages = run(sitemap_site({}, {}), "/sitemap.xml", depth=0)
    assert pages["/sitemap.xml"].status == 404


def test_sitemap_and_links_are_compared(run):
    maps = {
        "/map.xml": urlset(["/", "/linked", "/orphan", "/gone", "/moved", "/hidden"])
    }
    pages = {"/": ["/linked", "/unlisted", "/hidden"], "/linked": [], "/orphan": []}
    site = sitemap_site(
        maps,
        {**pages, "/unlisted": []},
        robots=lambda o: f"Sitemap: {o}/map.xml".encode(),
    )
    site._answers["/moved"] = Reply(content=redirect("/linked"))
    site._answers["/hidden"] = Reply(content=html("<meta name=robots content=noindex>"))
    report, _, found = run(site, sitemap=True)
    sitemap = report.site.sitemap
    assert sitemap.entries == 6
    assert bad_urls_of(sitemap.orphans) == ["orphan"]
    assert bad_urls_of(sitemap.missing) == ["unlisted"]
    assert sorted(bad_urls_of(url for url, _ in sitemap.bad)) == [
        "gone",
        "hidden",
        "moved",
    ]
    assert "/orphan" in found


def test_the_well_known_sitemap_is_read(run):
    site = sitemap_site({"/sitemap.xml": urlset(["/orphan"])}, {"/": [], "/orphan": []})
    _report, _, pages = run(site, sitemap=True)
    assert sorted(pages) == ["/", "/orphan"]


def test_a_local_sitemap_is_a_list(tmp_path, pool):
    site = sitemap_site({}, {"/a": []})
    with in_thread(site) as server:
        path = tmp_path / "map.xml"
        path.write_text(f"<urlset><url><loc>{server.url}a</loc></url></urlset>")
        report = crawl(path, pool=pool, retries=0)
    assert report.by_state[State.OK] == 1
    assert report.by_reason == {"bad_url": 1}  # the namespace is missing, and is named


@pytest.mark.parametrize("links_matter", [True, False])
def test_a_local_sitemap_is_compared_with_links_too(tmp_path, pool, links_matter):
    """Where links are read; else the list is all that was asked for."""
    site = site_of({"/": ["/linked", "/unlisted"], "/linked": [], "/unlisted": []})
    site._answers["/orphan"] = Reply(content=page("/orphan", []))
    with in_thread(site) as server:
        origin = server.url.rstrip("/")
        path = tmp_path / "map.xml"
        _, _, content_of = urlset(["/", "/linked", "/orphan"])
        path.write_bytes(content_of(origin))
        depth = 3 if links_matter else 0
        report = crawl(path, pool=pool, retries=0, depth=depth, ignore_robots=True)
    assert report.total == (4 if links_matter else 3)
    if not links_matter:
        assert report.site is None
        return
    sitemap = report.site.sitemap
    assert (sitemap.entries, sitemap.read) == (3, [str(path)])
    assert bad_urls_of(sitemap.orphans) == ["orphan"]
    assert bad_urls_of(sitemap.missing) == ["unlisted"]


def bad_urls_of(urls) -> list[str]:
    return [url.split("/", 3)[3] for url in urls]


# --- options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"depth": -1}, "depth is at least 0, got -1"),
        (
            {"scope": "site"},
            "scope is one of 'origin', 'host', 'domain', 'prefix', 'all'",
        ),
        ({"external": "maybe"}, "external is one of 'check', 'skip'"),
        ({"include": "/a"}, "include is a list of texts, got '/a'"),
        ({"exclude": ["("]}, "exclude: '(' is not a regular expression"),
        ({"ignore_robots": True, "obey_robots": True}, "opposite things"),
        ({"max_time_s": 0}, "max_time_s is at least"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything(options, says):
    with pytest.raises(ConfigError) as refused:
        crawl(["http://127.0.0.1:1/"], **options)
    assert says in str(refused.value)


def test_what_a_form_sends_to_is_no_link_also_where_that_page_is_known(run):
    """The count of links does not hang on which page came first."""
    form = html("<form action=/a></form><a href=/a>a</a><a href=/>front</a>")
    site = GivenSite({"/": Reply(content=form), "/a": Reply(content=form)})
    report, _, _ = run(site)
    assert report.site.pages == 2
    assert report.site.links == 4


def test_bad_targets_past_what_is_kept_are_counted_all_the_same(run, monkeypatch):
    """The list is cut; the count of broken targets is of all."""
    monkeypatch.setattr("fetcher.site.BAD_KEPT", 2)
    report, _, _ = run(site_of({"/": [f"/gone{number}" for number in range(5)]}))
    assert report.site.bad_counts["broken"] == 5
    assert len(report.site.broken) == 2
    assert report.site.unlisted == 3


# --- a second opinion ----------------------------------------------------------------

FILES = {
    "index.html": "<a href=a.html>a</a> <a href=dir/>d</a> <img src=gone.png>",
    "a.html": "<p id=x><a href='dir/b.html#y'>y</a><a href='dir/b.html#no'>no</a>",
    "dir/index.html": "<link rel=next href=b.html><a href='../a.html#x'>x</a>",
    "dir/b.html": "<a name=y></a><a href=c.html>c</a><a href='../gone.html'>g</a>",
    "alone.html": "<p>nothing links here",
}


def test_an_independent_walk_over_the_files_finds_the_same(tmp_path):
    for name, body in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<!doctype html><title>{name}</title>{body}")
    with served(tmp_path, None) as base:
        report, pages = crawled(f"{base}/index.html")
    walked = walk(Disk(tmp_path, base), "/index.html", parser="lxml", processes=1)
    assert list(differences(report, pages, walked)) == []
    assert len(pages) == 4
    assert report.site.bad_counts["broken"] == 3
    assert report.site.bad_counts["fragments"] == 1
