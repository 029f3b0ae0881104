"""The part of the report for a person that tells what changed since an earlier run.

News first, what is still as bad as it was in one line: who reads this every morning
looks for what is otherwise.
"""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from ..changes import Change, ChangeKind, Changes, counted
from .layout import Layout

__all__ = ["ChangesScreen", "console_for", "heading_of", "show"]

SHOWN = 20  # of each kind
TEXT_SHOWN = 120  # characters of what something was, and is
DIFFS_SHOWN = 5
DIFF_LINES_SHOWN = 12

STYLES = {
    ChangeKind.PAGE_BROKEN: "red",
    ChangeKind.LINK_BROKEN: "red",
    ChangeKind.FINDING_NEW: "red",
    ChangeKind.PAGE_FIXED: "green",
    ChangeKind.LINK_FIXED: "green",
    ChangeKind.FINDING_FIXED: "green",
    ChangeKind.SLOWER: "yellow",
}
DIFF_STYLES = {"+": "green", "-": "red"}


def heading_of(changes: Changes) -> str:
    """Return since when: "What changed since run 3, 2026-11-22 19:00 UTC"."""
    at = changes.since_at
    when = "" if at is None else f", {at:%Y-%m-%d %H:%M} UTC"
    what = "What changed" if changes.has_news else "Nothing changed"
    return f"{what} since {changes.since}{when}"


class ChangesScreen(Layout):
    """Lays out what changed since an earlier run."""

    def show(self, changes: Changes) -> None:
        """Print the news by kind, then what is still as bad, then what is not known."""
        self._heading(self._safe(heading_of(changes)))
        for kind, count in changes.sums():
            words = Text(f"{counted(kind, count)}", style=STYLES.get(kind, ""))
            self._folded(words, indent=2)
            self._show_listed(changes.of(kind), count)
        still = [counted(kind, count) for kind, count in changes.sums(news=False)]
        if still:
            self._folded(Text(", ".join(still), style="dim"), indent=2)
        for remark in changes.remarks:
            self._folded(Text(self._safe(remark), style="dim"), indent=2)

    def _show_listed(self, listed: list[Change], count: int) -> None:
        shown = listed[:SHOWN]
        for number, change in enumerate(shown):
            self._print_url(self._safe(change.url))
            for line in _details(change):
                self._folded(Text(self._safe(line), style="dim"), indent=6)
            if number < DIFFS_SHOWN:
                self._show_diff(change)
        if count > len(shown):
            self._print(Text(f"    and {count - len(shown):,} more", style="dim"))

    def _show_diff(self, change: Change) -> None:
        shown = change.diff[:DIFF_LINES_SHOWN]
        for line in shown:
            self._folded(
                Text(self._safe(line), style=DIFF_STYLES.get(line[:1], "dim")), indent=6
            )
        left_out = len(change.diff) - len(shown) + change.diff_left_out
        if left_out:
            self._print(Text(f"      and {left_out:,} more lines", style="dim"))


def _details(change: Change) -> list[str]:
    """Return what there is to say of a change beyond its kind and its URL."""
    kind, before, after = change.kind, change.before, change.after
    if kind in (ChangeKind.FINDING_NEW, ChangeKind.FINDING_FIXED):
        return [_cut(f"{change.note}: {after or before}")]
    if kind in (ChangeKind.LINK_BROKEN, ChangeKind.LINK_FIXED):
        return [f"on {change.note}"] if change.note else []
    if kind is ChangeKind.PAGE_BROKEN:
        return [_cut(change.note or after or "")]
    if kind in (ChangeKind.PAGE_NEW, ChangeKind.PAGE_GONE):
        return []
    if kind is ChangeKind.TEXT:
        return [change.note] if change.note else []
    return [f"{_shown(before)} -> {_shown(after)}"]


def _shown(value: str | None) -> str:
    return "none" if value is None else _cut(value)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else f"{text[: TEXT_SHOWN - 3]}..."


def console_for(stream: TextIO, *, color: bool | None = None) -> Console:
    """Return a console; None lets the terminal, NO_COLOR and FORCE_COLOR decide."""
    if color is None:
        return Console(file=stream)
    return Console(
        file=stream,
        color_system="auto" if color else None,
        force_terminal=True if color else None,
    )


def show(changes: Changes, stream: TextIO, *, color: bool | None = None) -> None:
    """Print what changed to what may be a terminal."""
    console = console_for(stream, color=color)
    with console.capture() as captured:
        ChangesScreen(console).show(changes)
    stream.write(captured.get().lstrip("\n"))
    stream.flush()
