"""Lays lines, lists and columns out for one console: see `text`.

On a terminal a long URL gives way in its middle. Anywhere else lines are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from .escape import printable

__all__ = ["Cell", "Layout"]

NARROW = 60  # columns below which less is shown in a line


class Cell(NamedTuple):
    """A piece of a line: its text, its style, and whether it stands to the right."""

    text: str
    style: str = ""
    right: bool = False


class Layout:
    """How lines are laid out on one console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._encoding = console.encoding
        self._width = max(console.width, 20) if console.is_terminal else None
        self._narrow = self._width is not None and self._width < NARROW
        self._unicode = self._encoding.lower().startswith("utf")
        self._ellipsis = "…" if self._unicode else "..."

    def _safe(self, text: str) -> str:
        return printable(text, self._encoding)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=self._width is None)

    def _heading(self, words: str) -> None:
        self._print(Text())
        self._print(Text(words, style="bold"))

    def _inline(self, heading: str, words: Iterable[str]) -> None:
        self._heading(heading)
        self._folded(Text(", ".join(words)), indent=4)

    def _folded(self, text: Text, *, indent: int) -> None:
        if not text:
            return
        lines: Iterable[Text] = [text]
        if self._width is not None:
            lines = text.wrap(self._console, max(self._width - indent, 10))
        for line in lines:
            line.rstrip()
            self._print(Text(" " * indent) + line)

    def _columns(
        self, rows: Sequence[Sequence[Cell]], *, gives: int, indent: int | None = None
    ) -> None:
        """Print rows in aligned columns, of which one gives way if there is no room."""
        if not rows:
            return
        widths = [
            max(cell_len(cell.text) for cell in column)
            for column in zip(*rows, strict=True)
        ]
        gap = 1 if self._narrow else 2
        if indent is None:
            indent = 2 if self._narrow else 4
        if self._width is not None:
            taken = indent + sum(widths) + gap * (len([w for w in widths if w]) - 1)
            widths[gives] = max(widths[gives] - max(taken - self._width, 0), 8)
        for row in rows:
            line = self._row(row, widths, gap)
            self._print(Text(" " * indent, no_wrap=self._width is not None) + line)

    def _row(self, row: Sequence[Cell], widths: Sequence[int], gap: int) -> Text:
        pieces = []
        for cell, width in zip(row, widths, strict=True):
            if width:
                words = self._shortened(cell.text, width)
                padding = Text(" " * (width - cell_len(words)))
                styled = Text(words, style=cell.style)
                pieces.append(padding + styled if cell.right else styled + padding)
        line = Text(" " * gap).join(pieces)
        line.rstrip()
        return line

    def _shortened(self, text: str, width: int) -> str:
        """Return text that fits, its middle left out: both ends of a URL tell."""
        if cell_len(text) <= width:
            return text
        room = width - len(self._ellipsis)
        tail = text[len(text) - room // 2 :]
        while cell_len(tail) > room // 2:
            tail = tail[1:]
        head = set_cell_size(text, room - cell_len(tail)).rstrip()
        return f"{head}{self._ellipsis}{tail}"

    def _print_url(self, url: str) -> None:
        """Print a URL on two lines at most: here it is what a person needs whole."""
        room = max((self._width or 0) - 4, 16)
        if self._width is None or cell_len(url) <= room:
            self._print(Text(f"    {url}", no_wrap=True))
            return
        head = chop_cells(url, room)[0]
        tail = self._shortened(url[len(head) :], room)
        self._print(Text(f"    {head}", no_wrap=True))
        self._print(Text(f"    {tail}", no_wrap=True))
