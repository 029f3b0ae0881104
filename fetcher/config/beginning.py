"""The first `fetcher.toml`, as `fetcher init` writes it: one group, and comments."""

from __future__ import annotations

import json
from collections.abc import Iterable

__all__ = ["starter"]

_EXAMPLE = "https://example.com/"

_TEXT = """\
# What fetcher does here. `fetcher` alone fetches the groups below, `fetcher config
# check` looks whether all of this makes sense, `fetcher config show` tells what holds.
# Every key: docs/reference/configuration.md, or `fetcher config schema` for an editor.

timeout = "20s"             # for one attempt; a time has its unit: 500ms, 10s, 1h30m
per_host = 6                # requests under way to one host
# delay = "1s"              # between two requests to a host
# retries = 2               # for what may pass: no connection, a time-out, 429, 5xx
# db = "fetcher.db"         # remember runs
# output = ["pages.jsonl"]  # also .json, .csv, .junit.xml, .sarif, .md, .prom
# from = "you@example.com"  # tells sites whom to write to

# What is expected of every page. Groups and pages say more, or otherwise.
[expect]
status = 200
# cert_days = 14
# max_time = "5s"

{group}# tags = ["shop"]           # fetcher --tag shop
# severity = "warn"         # what is not met is told, and the exit code stays 0
# headers = {{ Accept-Language = "en" }}
# auth = {{ user = "me", password = "${{PASSWORD}}" }}  # or {{ file = "password.txt" }}

# [groups.pages.expect]
# text = ["Opening hours"]

# A page with expectations of its own:
# [[groups.pages.pages]]
# url = "https://example.com/health"
# expect = {{ json = {{ status = "up" }}, max_time = "1s" }}
"""


def starter(urls: Iterable[str] = (), lists: Iterable[str] = ()) -> str:
    """Return the text of a first `fetcher.toml`.

    Args:
        urls: n URLs of pages; an example without any.
        lists: n paths of lists, relative to where the file will be, and sitemaps.
    """
    urls, lists = list(urls), list(lists)
    lines = ["[groups.pages]"]
    if urls or not lists:
        lines += ["urls = [", *(f"  {quoted(url)}," for url in urls or [_EXAMPLE]), "]"]
    if lists:
        lines.append(f"list = [{', '.join(map(quoted, lists))}]")
    return _TEXT.format(group="".join(f"{line}\n" for line in lines))


def quoted(text: str) -> str:
    """Return a text as TOML writes it: JSON's form is one of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
