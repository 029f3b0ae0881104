"""Pages that try to cost more than they weigh, in any size: `PAGES[name](bytes)`.

All are answered with 200 and are well; what must come of them is that analysing them
costs bounded time and memory. `CAPPED` says what must be told as cut short, in 10 MB.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["CAPPED", "PAGES"]

Page = Callable[[int], bytes]


def repeated(unit: bytes, before: bytes = b"", after: bytes = b"") -> Page:
    """Return a page of one thing over and over."""
    return lambda size: before + unit * ((size - len(before)) // len(unit)) + after


def numbered(unit: bytes, before: bytes = b"", after: bytes = b"") -> Page:
    """Return a page of things that all differ: `unit` has a %d."""

    def page(size: int) -> bytes:
        count = size // (len(unit) + len(str(size // len(unit))) - 1)
        return before + b"".join([unit % n for n in range(count)]) + after

    return page


def unfolding(size: int) -> bytes:
    """Elements left open, to be opened again in each paragraph: 510 for four bytes."""
    opened = b"".join([b"<b id=%d>" % n for n in range(400)])
    return repeated(b"<p>x", b"<p>" + opened)(size)


def base_of_1_mb(size: int) -> bytes:
    long = b"<base href='/" + b"a" * min(size // 2, 1_000_000) + b"/'>"
    return numbered(b"<a href=%d>", long)(size // 2)


def deep_json(size: int) -> bytes:
    return (
        b"<script type=application/ld+json>"
        + b'{"a":' * (size // 6)
        + b"1"
        + b"}" * (size // 6)
        + b"</script>"
    )


def words(size: int) -> bytes:
    return numbered(b"w%d ", b"<p>")(size)


JSON_LD = b"<script type=application/ld+json>"

PAGES: dict[str, Page] = {
    # Depth and number of elements.
    "100,000 nested elements": lambda _: b"<div>" * 100_000,
    "nested bold": repeated(b"<b>"),
    "formatting that unfolds": unfolding,
    "bold in paragraphs": repeated(b"<b><p>"),
    "tables in tables": repeated(b"<table>"),
    "links in a table": repeated(b"<a>", b"<table>"),
    "links in links": repeated(b"<a href=x>"),
    "links over blocks": repeated(b"<a href=1><div>"),
    "end tags of nothing": repeated(b"</p>"),
    "wrong end tags": repeated(b"</i>", b"<b>" * 500),
    "drawings in drawings": repeated(b"<svg>"),
    "templates in templates": repeated(b"<template>"),
    "options": repeated(b"<option>", b"<select>"),
    "lists in lists": repeated(b"<ul><li>"),
    "only less-than signs": repeated(b"<"),
    "tags that never end": repeated(b"<a"),
    "frames": repeated(b"<frameset><frame src=x>"),
    # Attributes.
    "a million attributes": numbered(b" a%d=1", b"<p", b">"),
    "one attribute over and over": repeated(b" a", b"<p", b">"),
    "an attribute without an end": repeated(b"x", b'<a href="'),
    "a million ids": numbered(b"<p id=%d>"),
    # Text.
    "one text": repeated(b"x", b"<p>"),
    "words": words,
    "NULs": repeated(b"\0", b"<p>"),
    "entities": repeated(b"&NotEqualTilde;", b"<p>"),
    "character references": repeated(b"&#1114111;", b"<p>"),
    "UTF-16 without pairs": repeated(b"\x00\xd8", b"\xff\xfe"),
    "UTF-7": repeated(b"+ADw-script+AD4-", b"<meta charset=utf-7>"),
    "wrong charset": repeated(b"\xe9\xff\x81", b"<meta charset=shift_jis><p>"),
    "escape sequences of ISO-2022-JP": repeated(
        b"\x1b$B\x1b(B", b"<meta charset=iso-2022-jp><p>"
    ),
    "one comment": repeated(b"-", b"<!--"),
    "comments": repeated(b"<!-->"),
    "a title of all": repeated(b"t", b"<title>", b"</title>"),
    "titles": repeated(b"<title>t</title>"),
    "headings": repeated(b"<h1>h</h1>"),
    "headings in headings": repeated(b"<div><h1>y ", b""),
    # Links and what is like them.
    "a million links": repeated(b"<a href=/x>x</a>"),
    "links that all differ": numbered(b"<a href=/%d>"),
    "100,000 images": repeated(b"<img src=x>"),
    "srcset": repeated(b"a 1x, ", b"<img srcset='", b"'>"),
    "srcset of commas": repeated(b",", b"<img srcset='", b"'>"),
    "srcset of brackets": repeated(b"(", b"<img srcset='a ", b"'>"),
    "imports": repeated(b"@import url(a);", b"<style>", b"</style>"),
    "imports without an end": repeated(b'@import "', b"<style>"),
    "open url(": repeated(b"url(", b"<style>", b"</style>"),
    "open comments in CSS": repeated(b"/*", b"<style>"),
    "backslashes in CSS": repeated(b"\\", b"<p style='", b"'>"),
    "url() in a style attribute": repeated(b"url(a)", b"<p style='", b"'>"),
    "pings": repeated(b"/a ", b"<a href=x ping='", b"'>"),
    "dot segments": repeated(b"/../a", b"<a href='", b"'>"),
    "a base of 1 MB": base_of_1_mb,
    "bases": repeated(b"<base href=/a/>"),
    "a base of javascript": repeated(b"<a href=x>", b"<base href=javascript:1>"),
    "refreshes": repeated(b"<meta http-equiv=refresh content='0;url=/'>"),
    "robots directives": repeated(b"a,", b"<meta name=robots content='", b"'>"),
    "robots elements": repeated(b"<meta name=robots content=a>"),
    # Structured data.
    "deep JSON-LD": deep_json,
    "JSON-LD of open brackets": repeated(b"[", JSON_LD, b"</script>"),
    "JSON-LD of many objects": repeated(b"{},", JSON_LD + b"[", b"{}]</script>"),
    "JSON-LD blocks": repeated(JSON_LD + b"{}</script>"),
    "a number of JSON-LD": repeated(b"9", JSON_LD, b"</script>"),
    "OpenGraph": repeated(b"<meta property=og:image content=x>"),
    "nested microdata": repeated(b"<p itemscope itemprop=x>"),
    "microdata": repeated(b"<p itemscope></p>"),
    "microdata in circles": repeated(b"<p itemscope id=a itemref=a>"),
    "RDFa": repeated(b"<p typeof=x property=y></p>"),
}

# What is told as cut short, where 10 MB of it come.
CAPPED: dict[str, set[str]] = {
    "formatting that unfolds": {"markup"},
    "a million links": {"links", "markup"},
    "100,000 images": {"images", "links", "markup"},
    "headings": {"headings", "markup"},
    "srcset": {"links"},
    "imports": {"links"},
    "url() in a style attribute": {"links"},
    "pings": {"links"},
    "a base of 1 MB": {"links"},
    "robots directives": {"robots"},
    "JSON-LD of many objects": {"structured_data"},
    "JSON-LD blocks": {"structured_data"},
    "RDFa": {"structured_data", "markup"},
}
