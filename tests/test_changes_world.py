"""A world that changes, run by run: each time exactly what changed is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fetcher import changes as changes_module
from fetcher import crawl
from fetcher.changes import ChangeKind
from fetcher.checks import Expectation
from tests.servers import _certificate, _context, message, serve

PAGES = ("/home", "/about", "/news", "/shop", "/contact", "/search")
HTML = "<html>{head}<body><h1>Heading</h1><p>{text}</p>{links}</body>"


@dataclass
class Shown:
    """What the world answers for one path."""

    title: str | None = "Title"
    text: str = "Text"
    links: str = ""
    status: str = "200 OK"
    location: str | None = None
    delay_s: float = 0.0

    def message(self) -> bytes:
        if self.location is not None:
            return message(b"", "301 Moved Permanently", f"Location: {self.location}")
        head = "" if self.title is None else f"<title>{self.title}</title>"
        body = HTML.format(head=head, text=self.text, links=self.links)
        return message(body.encode(), self.status, "Content-Type: text/html")


@dataclass
class World:
    """Pages by path; a script changes them between two runs."""

    directory: Path
    shown: dict[str, Shown] = field(default_factory=dict)
    listed: list[str] = field(default_factory=lambda: list(PAGES))
    server: object = None

    def __post_init__(self) -> None:
        self.root = _certificate("root", is_root=True)
        (self.directory / "root.pem").write_bytes(_pem(self.root[1]))
        self.shown = {path: Shown(title=f"At {path}") for path in PAGES}
        self.shown["/home"].links = '<a href="/leaflet">leaflet</a>'
        self.shown["/leaflet"] = Shown()

    def certificate(self, ends_in_days: int):
        key, certificate = _certificate(
            "world",
            issuer=self.root,
            ends_in_days=ends_in_days,
            addresses=["127.0.0.1"],
        )
        name = f"{ends_in_days}.pem"
        return _context(self.directory / name, key, certificate)

    def behave(self, peer) -> None:
        while (head := peer.read_head()) is not None:
            path = head.split(" ", 2)[1]
            shown = self.shown.get(path, Shown(status="404 Not Found"))
            peer.pause(shown.delay_s)
            peer.send(shown.message())


def _pem(certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def change(path: str, **parts: object) -> Callable[[World], None]:
    def act(world: World) -> None:
        for name, value in parts.items():
            setattr(world.shown.setdefault(path, Shown()), name, value)

    return act


def show_certificate(ends_in_days: int) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.server._tls = world.certificate(ends_in_days)

    return act


def move_shop(world: World) -> None:
    world.shown["/store"] = world.shown["/shop"]
    world.shown["/shop"] = Shown(location="/store")


def add_page(world: World) -> None:
    world.shown["/jobs"] = Shown(title="Jobs")
    world.listed.append("/jobs")


def nothing(world: World) -> None:
    pass


def both(*acts: Callable[[World], None]) -> Callable[[World], None]:
    def act(world: World) -> None:
        for each in acts:
            each(world)

    return act


DOWN, BACK, STILL = (
    ChangeKind.PAGE_BROKEN,
    ChangeKind.PAGE_FIXED,
    ChangeKind.PAGE_STILL_BROKEN,
)
error_page = change("/news", status="500 Oh", title="Oops", text="We are sorry")
good_again = change("/news", status="200 OK", title="At /news", text="Text 3")

# What happens before a run, and what exactly that run tells: written by hand.
SCRIPT = [
    ("unchanged", nothing, set()),
    ("down", change("/about", status="503 No"), {(DOWN, "/about")}),
    ("still down", change("/about", text="No, no"), {(STILL, "/about")}),
    ("back", change("/about", status="200 OK", text="Text"), {(BACK, "/about")}),
    ("moved", move_shop, {(ChangeKind.REDIRECT, "/shop")}),
    ("text changed", change("/news", text="Text 2"), {(ChangeKind.TEXT, "/news")}),
    ("title gone", change("/contact", title=None), {(ChangeKind.TITLE, "/contact")}),
    ("slower", change("/search", delay_s=4.0), {(ChangeKind.SLOWER, "/search")}),
    (
        "as quick as ever, and a certificate nearly over",
        both(change("/search", delay_s=0.0), show_certificate(10)),
        {
            (ChangeKind.SPEED_AS_USUAL, "/search"),
            (ChangeKind.CERTIFICATE, ""),
            *((ChangeKind.FINDING_NEW, path) for path in PAGES),
        },
    ),
    (
        "certificate renewed",
        show_certificate(90),
        {
            (ChangeKind.RENEWED, ""),
            *((ChangeKind.FINDING_FIXED, path) for path in PAGES),
        },
    ),
    ("error page in between", error_page, {(DOWN, "/news")}),
    (
        "behind the error page",
        good_again,
        {(BACK, "/news"), (ChangeKind.TEXT, "/news")},
    ),
    (
        "link broken",
        change("/leaflet", status="404 Not Found"),
        {(ChangeKind.LINK_BROKEN, "/leaflet")},
    ),
    ("still broken", nothing, {(ChangeKind.LINK_STILL_BROKEN, "/leaflet")}),
    (
        "link mended",
        change("/leaflet", status="200 OK"),
        {(ChangeKind.LINK_FIXED, "/leaflet")},
    ),
    ("new page", add_page, {(ChangeKind.PAGE_NEW, "/jobs")}),
    (
        "page gone",
        lambda world: world.listed.remove("/jobs"),
        {(ChangeKind.PAGE_GONE, "/jobs")},
    ),
    ("unchanged again", nothing, set()),
]
NEWS_DIFFS = {
    "text changed": ("@@ -1,2 +1,2 @@", " Heading", "-Text", "+Text 2"),
    "behind the error page": ("@@ -1,2 +1,2 @@", " Heading", "-Text 2", "+Text 3"),
}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    with serve(made.behave, tls=made.certificate(60)) as server:
        made.server = server
        yield made


@pytest.mark.slow
def test_of_a_world_that_changes_each_run_tells_exactly_what_changed(
    world, tmp_path, monkeypatch
):
    """Down, back, moved, other text, slower, certificates, links, new pages."""
    # A machine under load takes a second for a page now and then, and not three.
    monkeypatch.setattr(changes_module, "SLOWER_BY_S", 2.0)
    urls = tmp_path / "urls.txt"

    def look():
        base = world.server.url[:-1]
        urls.write_text("".join(f"{base}{path}\n" for path in world.listed))
        return crawl(
            urls,
            db=tmp_path / "runs.db",
            expect=Expectation(certificate_days=14),
            check_links=True,
            ignore_robots=True,
            retries=0,
            workers=1,
            cacert=str(tmp_path / "root.pem"),
        )

    assert look().changes is None
    for name, act, expected in SCRIPT:
        act(world)
        report = look()
        changes = report.changes
        told = {(each.kind, _path(each.url)) for each in changes.listed}
        assert (name, told) == (name, expected), report.findings
        assert sum(changes.counts.values()) == len(changes.listed) == len(expected)
        assert changes.has_news == any(kind.is_news for kind, _ in expected)
        assert changes.remarks == []
        if name in NEWS_DIFFS:
            (text,) = changes.of(ChangeKind.TEXT)
            assert text.diff == NEWS_DIFFS[name]


def _path(url: str) -> str:
    """Return the path of a URL; of a host nothing."""
    return url.partition("://")[2].partition("/")[1] and "/" + url.rpartition("/")[2]
