"""The part of the report for a person that tells what came of links.

What a person can mend comes first: targets that are not there, each with the places
that link to it, as `page:line:column`, which editors and terminals understand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from .layout import Cell, Layout

if TYPE_CHECKING:
    from ..graph import Place
    from ..site_report import BadTarget, SitemapReport, SiteReport

__all__ = ["SiteScreen", "links_verdict"]

TARGETS_SHOWN = 50  # of each sort
PLACES_SHOWN = 3  # of each target
WORST_SHOWN = 5
OTHERS_SHOWN = 10  # of any other list
TEXT_SHOWN = 60  # characters of a link's text


def links_verdict(site: SiteReport) -> str:
    """Return how many targets are not there, in a few words."""
    parts = []
    counts = site.bad_counts
    if counts.get("broken"):
        parts.append(f"{_count(counts['broken'], 'broken link target')}")
    if counts.get("fragments"):
        parts.append(f"{_count(counts['fragments'], 'missing fragment')}")
    if site.redirects == "error" and counts.get("moved"):
        parts.append(f"{counts['moved']:,} redirected for good")
    return ", ".join(parts)


class SiteScreen(Layout):
    """Lays out what came of the links of a run."""

    def show(self, site: SiteReport) -> None:
        """Print all sections, in the order in which they stand below."""
        counts = site.bad_counts
        self._show_bad("Broken links", site.broken, counts.get("broken", 0))
        self._show_bad("Missing fragments", site.fragments, counts.get("fragments", 0))
        if site.redirects != "ok":
            moved = counts.get("moved", 0)
            self._show_bad("Links to what is redirected for good", site.moved, moved)
        blocked = counts.get("blocked", 0)
        self._show_bad("Links to what refuses robots", site.blocked, blocked)
        self._show_worst(site)
        self._show_counts(site)
        self._show_limits(site)
        if site.sitemap is not None:
            self._show_sitemap(site.sitemap)

    def _show_bad(self, heading: str, bad: Sequence[BadTarget], count: int) -> None:
        if not count:
            return
        self._heading(f"{heading}: {_count(count, 'target')}")
        for target in bad[:TARGETS_SHOWN]:
            url = target.url
            if target.fragment is not None:
                url = f"{url.partition('#')[0]}#{target.fragment}"
            self._print_url(self._safe(url))
            if target.fragment is None:
                reason = target.reason
                if target.final_url is not None and target.status is not None:
                    reason = f"{reason}: {target.final_url}"
                self._folded(Text(self._safe(reason), style="red"), indent=6)
            for place in target.places[:PLACES_SHOWN]:
                self._show_place(place)
            rest = target.place_count - min(len(target.places), PLACES_SHOWN)
            if rest > 0:
                self._print(Text(f"      and {rest:,} more places", style="dim"))
        rest = count - min(len(bad), TARGETS_SHOWN)
        if rest > 0:
            self._print(Text(f"    and {rest:,} more targets", style="dim"))

    def _show_worst(self, site: SiteReport) -> None:
        if site.pages_with_broken < 2:
            return
        self._heading(f"Broken links by page: {_count(site.pages_with_broken, 'page')}")
        rows = [
            (Cell(f"{page.broken:,}", right=True), Cell(self._safe(page.url)))
            for page in site.worst_pages[:WORST_SHOWN]
        ]
        self._columns(rows, gives=1)
        self._more(site.pages_with_broken, len(rows))

    def _show_place(self, place: Place) -> None:
        where = f"{place.url}:{place.line}:{place.column}"
        text = self._safe(where)
        if place.text:
            text += f"  {self._safe(place.text[:TEXT_SHOWN])!r}"
        self._folded(Text(f"on {text}", style="dim"), indent=6)

    def _show_counts(self, site: SiteReport) -> None:
        if not site.pages:
            return
        parts = [f"{_count(site.links, 'link')} to {_count(site.targets, 'target')}"]
        parts += [f"{n:,} checked {state}" for state, n in site.checked.items() if n]
        if site.dead_end_count:
            parts.append(f"{_count(site.dead_end_count, 'page')} without links out")
        if site.redirects == "ok" and site.bad_counts.get("moved"):
            parts.append(f"{site.bad_counts['moved']:,} redirected for good")
        self._inline("Links", parts)
        if len(site.by_depth) > 1:
            depths = [f"{n:,} at {depth}" for depth, n in sorted(site.by_depth.items())]
            self._inline("Pages by depth", depths)

    def _show_limits(self, site: SiteReport) -> None:
        """Print what was not looked at, and why."""
        if site.left_out:
            self._heading(f"Found and not fetched: {_count(site.left_out, 'page')}")
        if site.traps:
            self._heading("Not followed, because it leads on for ever")
            rows = [
                (
                    Cell(f"{trap.urls:,}", right=True),
                    Cell(self._safe(trap.reason)),
                    Cell(self._safe(trap.example), "dim"),
                )
                for trap in site.traps[:OTHERS_SHOWN]
            ]
            self._columns(rows, gives=2)
            self._more(len(site.traps))
        if site.robots:
            self._heading("robots.txt")
            for note in site.robots[:OTHERS_SHOWN]:
                said = note.note or f"{note.refused:,} URLs not allowed"
                self._folded(Text(self._safe(f"{note.origin}: {said}")), indent=4)
            self._more(len(site.robots))

    def _show_sitemap(self, sitemap: SitemapReport) -> None:
        read = _count(len(sitemap.read), "sitemap")
        self._inline("Sitemap", [f"{read} with {sitemap.entries:,} entries"])
        self._show_urls(
            "In a sitemap, not linked", sitemap.orphans, sitemap.orphan_count
        )
        self._show_urls("Linked, in no sitemap", sitemap.missing, sitemap.missing_count)
        bad = [f"{url}: {reason}" for url, reason in sitemap.bad]
        self._show_urls("In a sitemap, not fit for it", bad, sitemap.bad_count)
        problems = sitemap.problems
        self._show_urls("Problems of sitemaps", problems, len(problems))

    def _show_urls(self, heading: str, urls: Iterable[str], count: int) -> None:
        if not count:
            return
        self._heading(f"{heading}: {count:,}")
        shown = list(urls)[:OTHERS_SHOWN]
        for url in shown:
            self._folded(Text(self._safe(url)), indent=4)
        self._more(count, len(shown))

    def _more(self, count: int, shown: int = OTHERS_SHOWN) -> None:
        if count > shown:
            self._print(Text(f"    and {count - shown:,} more", style="dim"))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
