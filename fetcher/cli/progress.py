"""How far a run is, for a person who looks on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..interrupts import StopSignals
from .telling import error_console, is_terminal, say

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from ..engine import Progress
    from ..page import Page

__all__ = ["Teller", "clock", "progress_line"]

BAR_WIDTH = 24  # columns
ETA_AFTER_S = 2.0  # before, it would only be a guess


class Teller:
    """Tells a person on standard error how far the run is.

    A line that is drawn over and over, on a terminal only; with --verbose also one
    line a page. It is gone before the report is printed. After a first signal it says
    what is waited for.
    """

    def __init__(
        self, options: Mapping[str, Any], total: int | None, signals: StopSignals
    ) -> None:
        self._total = total
        self._signals = signals
        self._told_stop = False
        self._live: Live | None = None
        self.on_page = self._tell_page if options["verbose"] else None
        quiet = options["quiet"] or options["no_progress"]
        mixed = is_terminal(sys.stdout) and options["stdout_format"] != "text"
        dumb = os.environ.get("TERM") == "dumb"
        self._draws = is_terminal(sys.stderr) and not (quiet or mixed or dumb)
        self._color = options["color"]
        self._redact: bool = options["redact"]

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def on_progress(self, progress: Progress) -> None:
        """Draw how far the run is, and say once that it is ending."""
        if self._draws:
            self._draw(progress)
        first = self._signals.first
        if first is None or self._told_stop or progress.ended:
            return
        self._told_stop = True
        if progress.under_way:
            count = f"{progress.under_way:,}"
            requests = "request" if progress.under_way == 1 else "requests"
            again = "press Ctrl-C again" if first is signal.SIGINT else "signal again"
            self._print(
                f"fetcher: finishing {count} {requests}; {again} to stop at once"
            )

    def _draw(self, progress: Progress) -> None:
        if progress.ended:
            self._end()
            return
        if self._live is None:
            from rich.live import Live

            console = error_console(self._color)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        width = self._live.console.width
        line = progress_line(progress, progress.total or self._total, width)
        self._live.update(line, refresh=True)

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tell_page(self, page: Page) -> None:
        from ..export.escape import printable
        from ..redact import redacted

        took = page.timings.total_s
        text = f"{page.state:10} {page.status or '-':>3}  {took or 0:7.3f}s  {page.url}"
        if page.reason:
            text += f"  ({page.reason})"
        self._print(printable(redacted(text) if self._redact else text))

    def _print(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text))  # no markup, and no :emoji: either
        else:
            say(text)


def clock(seconds: float) -> str:
    """Return a time as a clock shows it: "0:07", "12:34", "1:02:03"."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def progress_line(progress: Progress, total: int | None, width: int) -> Text:
    """Return the progress line, as much of it as a terminal of this width holds."""
    from rich.text import Text

    from ..report import human_rate, human_size

    done, elapsed_s = progress.done, progress.elapsed_s
    rate = done / elapsed_s if elapsed_s > 0.2 else 0.0
    parts = [Text(f"{done:,}/{total:,}" if total else f"{done:,} pages")]
    if total and width >= 60:
        share = min(done / total, 1.0)
        parts.append(Text(f"{share:4.0%}"))
        if width >= 100:
            bar = round(share * BAR_WIDTH)
            parts.append(
                Text("━" * bar, "green") + Text("━" * (BAR_WIDTH - bar), "dim")
            )
    parts.append(Text(f"{human_rate(rate)}/s"))
    if progress.fell_short:
        parts.append(Text(f"{progress.fell_short:,} fell short", "yellow"))
    parts.append(Text(human_size(progress.body_bytes)))
    parts.append(Text(clock(elapsed_s)))
    if total and rate and elapsed_s >= ETA_AFTER_S:
        parts.append(Text(f"ETA {clock(max(total - done, 0) / rate)}"))
    line = Text("  ").join(parts)
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line
