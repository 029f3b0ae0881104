"""What came of the links of a run: bad targets with every place they stand, in bounds.

A SiteReport is part of a Report (`report.site`). Its lists are cut at a length, and
say how much they leave out; its counts are of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .graph import LinkGraph, Place
from .models import Hop, State

if TYPE_CHECKING:
    from .page import Page
    from .traps import LeftOut

__all__ = [
    "BadTarget",
    "Degree",
    "PageLinks",
    "RobotsNote",
    "SiteReport",
    "SitemapReport",
]

URL_MAX_CHARACTERS = 2_083
PLACES_KEPT = 20  # of each bad target
REASON_MAX_CHARACTERS = 500
NOTES_KEPT = 1_000  # on sitemaps


@dataclass(slots=True)
class BadTarget:
    """A URL that is linked to and is not there as it should be.

    `state` is what it came to; `reason` one sentence; `fragment` is set where the page
    is there and the place on it is not. `places` are the first of `place_count`.
    """

    url: str
    state: State
    reason: str
    status: int | None = None
    final_url: str | None = None
    fragment: str | None = None
    hops: tuple[Hop, ...] = ()
    places: list[Place] = field(default_factory=list)
    place_count: int = 0

    @classmethod
    def of(cls, page: Page, state: State) -> BadTarget:
        """Return the target that a Page is the answer for."""
        reason = page.reason or "redirected for good"
        return cls(
            url=page.url[:URL_MAX_CHARACTERS],
            state=state,
            reason=reason[:REASON_MAX_CHARACTERS],
            status=page.status,
            final_url=page.final_url[:URL_MAX_CHARACTERS] if page.hops else None,
            hops=page.hops,
        )

    def add_place(self, place: Place) -> None:
        """Take note of a place where a link to it stands."""
        self.place_count += 1
        if len(self.places) < PLACES_KEPT:
            self.places.append(place)

    def to_dict(self) -> dict[str, object]:
        """Return everything in plain values that JSON knows."""
        return {
            "url": self.url,
            "fragment": self.fragment,
            "state": self.state.value,
            "status": self.status,
            "reason": self.reason,
            "final_url": self.final_url,
            "hops": [hop._asdict() for hop in self.hops],
            "place_count": self.place_count,
            "places": [place._asdict() for place in self.places],
        }


class Degree(NamedTuple):
    """A URL and how many pages link to it."""

    url: str
    pages: int


class PageLinks(NamedTuple):
    """A page and how many links on it lead nowhere, missing fragments included."""

    url: str
    broken: int


class RobotsNote(NamedTuple):
    """What an origin's robots.txt meant for the run."""

    origin: str
    note: str | None
    refused: int


@dataclass(slots=True)
class SitemapReport:
    """How sitemaps and links agree. Each list is cut; its count is of all.

    orphans:  in a sitemap, and nothing links to it
    missing:  linked and fetched as HTML, and in no sitemap
    bad:      in a sitemap, and broken, redirected, or not to be indexed
    """

    read: list[str] = field(default_factory=list)
    entries: int = 0
    problems: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    orphan_count: int = 0
    missing: list[str] = field(default_factory=list)
    missing_count: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    bad_count: int = 0

    def add_read(self, url: str) -> None:
        """Take note of a sitemap that was read."""
        if len(self.read) < NOTES_KEPT:
            self.read.append(url)

    def add_problem(self, problem: str) -> None:
        """Take note of what is wrong with a sitemap, in one sentence."""
        if len(self.problems) < NOTES_KEPT:
            self.problems.append(problem)

    def to_dict(self) -> dict[str, object]:
        """Return everything in plain values that JSON knows."""
        return {
            "read": self.read,
            "entries": self.entries,
            "problems": self.problems,
            "orphans": {"count": self.orphan_count, "pages": self.orphans},
            "missing": {"count": self.missing_count, "pages": self.missing},
            "bad": {
                "count": self.bad_count,
                "pages": [{"url": url, "reason": reason} for url, reason in self.bad],
            },
        }


@dataclass(slots=True)
class SiteReport:
    """What came of the links of a run.

    Attributes:
        links: links on all pages whose links were read.
        targets: different URLs that they lead to.
        pages: pages whose links were read.
        by_depth: pages by the number of links followed to find them.
        checked: targets that were only checked, by state.
        broken: targets that are broken or failed, most linked first.
        fragments: targets that are there, without the place that is asked for.
        blocked: targets that refuse robots: not broken, not known to be well.
        moved: targets that are redirected for good.
        worst_pages: the pages with most links that lead nowhere; of
            `pages_with_broken` (counted to 100,000).
        bad_counts: how many there are of each of the four, listed or not.
        redirects: "ok", "warn" or "error": whether `moved` makes the run fall short.
        most_linked, dead_ends: the pages with most links to them, with none out.
        dead_end_count: how many have none out.
        in_degrees, out_degrees: pages by how many pages link to them, and they link
            to: {0: with none, 1: with one, 2: with 2 or 3, 4: with 4 to 7, ...}.
        left_out: pages that were found and not fetched: a limit, or the end of the run.
        traps: what was not followed because it leads on for ever.
        robots: origins whose robots.txt refused something or could not be had.
        sitemap: None where no sitemap was read.
    """

    links: int = 0
    targets: int = 0
    pages: int = 0
    by_depth: dict[int, int] = field(default_factory=dict)
    checked: dict[State, int] = field(default_factory=dict)
    broken: list[BadTarget] = field(default_factory=list)
    fragments: list[BadTarget] = field(default_factory=list)
    blocked: list[BadTarget] = field(default_factory=list)
    moved: list[BadTarget] = field(default_factory=list)
    worst_pages: list[PageLinks] = field(default_factory=list)
    pages_with_broken: int = 0
    bad_counts: dict[str, int] = field(default_factory=dict)
    redirects: str = "ok"
    most_linked: list[Degree] = field(default_factory=list)
    dead_ends: list[str] = field(default_factory=list)
    dead_end_count: int = 0
    in_degrees: dict[int, int] = field(default_factory=dict)
    out_degrees: dict[int, int] = field(default_factory=dict)
    left_out: int = 0
    unlisted: int = 0
    traps: Sequence[LeftOut] = ()
    robots: list[RobotsNote] = field(default_factory=list)
    sitemap: SitemapReport | None = None

    def count_page(self, depth: int) -> None:
        """Count a page that was fetched."""
        self.by_depth[depth] = self.by_depth.get(depth, 0) + 1

    def count_check(self, state: State) -> None:
        """Count a target that was only checked."""
        self.checked[state] = self.checked.get(state, 0) + 1

    def take_degrees(self, graph: LinkGraph) -> None:
        """Fill in how pages link to each other."""
        found = graph.degrees()
        urls = graph.urls_of({number for number, _ in found.most_linked})
        self.pages, self.links, self.targets = found.pages, found.links, found.targets
        self.most_linked = [
            Degree(urls[number], pages)
            for number, pages in found.most_linked
            if number in urls
        ]
        self.dead_ends = list(found.without_links)
        self.dead_end_count = found.without_links_count
        self.in_degrees = dict(found.inward)
        self.out_degrees = dict(found.outward)

    def merge(self, other: SiteReport) -> None:
        """Take what another run found; lists are cut at the length of the longer."""
        for name in ("links", "targets", "pages", "dead_end_count", "left_out"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("by_depth", "checked", "bad_counts", "in_degrees", "out_degrees"):
            mine, theirs = getattr(self, name), getattr(other, name)
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        for name in ("broken", "fragments", "blocked", "moved", "dead_ends"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, [*mine, *theirs][: max(len(mine), len(theirs))])
        both = [*self.most_linked, *other.most_linked]
        both.sort(key=lambda degree: -degree.pages)
        self.most_linked = both[: max(len(self.most_linked), len(other.most_linked))]
        self.worst_pages = sorted(
            [*self.worst_pages, *other.worst_pages], key=lambda page: -page.broken
        )[: max(len(self.worst_pages), len(other.worst_pages))]
        self.pages_with_broken += other.pages_with_broken
        self.traps = [*self.traps, *other.traps]
        self.robots = [*self.robots, *other.robots]
        self.sitemap = self.sitemap or other.sitemap

    @property
    def ok(self) -> bool:
        """Whether every link leads where it should."""
        bad = self.bad_counts.get("broken", 0) + self.bad_counts.get("fragments", 0)
        if self.redirects == "error":
            bad += self.bad_counts.get("moved", 0)
        return bad == 0

    def to_dict(self) -> dict[str, object]:
        """Return everything in plain values that JSON knows."""
        return {
            "ok": self.ok,
            "links": self.links,
            "targets": self.targets,
            "pages": self.pages,
            "by_depth": {str(depth): n for depth, n in sorted(self.by_depth.items())},
            "checked": {state.value: n for state, n in self.checked.items()},
            "broken": _cut(self.broken, self.bad_counts, "broken"),
            "fragments": _cut(self.fragments, self.bad_counts, "fragments"),
            "blocked": _cut(self.blocked, self.bad_counts, "blocked"),
            "moved": _cut(self.moved, self.bad_counts, "moved"),
            "broken_by_page": {
                "count": self.pages_with_broken,
                "pages": [page._asdict() for page in self.worst_pages],
            },
            "most_linked": [degree._asdict() for degree in self.most_linked],
            "dead_ends": {"count": self.dead_end_count, "pages": self.dead_ends},
            "in_degrees": {str(least): n for least, n in self.in_degrees.items()},
            "out_degrees": {str(least): n for least, n in self.out_degrees.items()},
            "left_out": self.left_out,
            "traps": [trap._asdict() for trap in self.traps],
            "robots": [note._asdict() for note in self.robots],
            "sitemap": self.sitemap and self.sitemap.to_dict(),
        }


def _cut(
    listed: Sequence[BadTarget], counts: Mapping[str, int], name: str
) -> dict[str, object]:
    return {
        "count": counts.get(name, len(listed)),
        "targets": [target.to_dict() for target in listed],
    }
