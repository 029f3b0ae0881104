"""What a static site holds, told from its files: a second opinion on a crawl.

    python -m tests.site_walk --root DIR --base URL --front PATH --json out.json

Walks from a front page over the files on disk, as nginx serves them, and tells which
pages can be reached, which links lead to nothing and which fragments do not exist on
their pages. It shares no code with fetcher: BeautifulSoup reads the pages, urllib
takes the URLs apart, the file system says what is there.

Followed, inside the origin and to HTML: `href` of a and area; `src` of frame and
iframe; `href` of a link that is canonical, next, prev or an alternate with hreflang;
a meta refresh. Not followed: links with rel=nofollow, and any from a page whose
`<meta name=robots>` says nofollow or none.

Checked, inside the origin: all of those, and
  href        link (but preconnect, dns-prefetch), and SVG's a, image and use
  xlink:href  any element
  src         img script embed audio video source track input
  srcset      img source; imagesrcset of link
  poster      video            data        object
  longdesc    img frame iframe background  body table tr td th
  cite        blockquote q ins del
  content     meta og:image, og:video, og:audio (also :url, :secure_url), twitter:image
  url() and @import in style attributes and `<style>`
Not checked: `action`, `formaction` and `ping` (asking for them does something),
`manifest`, `archive`, `usemap`, and what stands in linked style sheets, comments,
scripts, `<template>`, and the elements that hold only text.

A fragment exists if an `id`, or the `name` of an a, is equal to it as it stands in the
URL or percent-decoded; an empty one and `top` always do (HTML, 7.4.6.4).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.element import Tag

HTML_SUFFIXES = frozenset({".html", ".htm", ".shtml", ".xhtml"})  # nginx: mime.types
LINK_TEXT_MAX_CHARS = 200

# What the site answers.


class Answer(NamedTuple):
    """What the server says to a path: a file with 200, or a place to go with 301."""

    status: int
    file: Path | None = None
    location: str | None = None

    @property
    def is_page(self) -> bool:
        return self.file is not None and self.file.suffix.lower() in HTML_SUFFIXES


class Disk:
    """A folder as nginx serves it with nothing but `root` and `index` configured."""

    def __init__(self, root: Path, base: str, index: str = "index.html") -> None:
        parts = urlsplit(base)
        if parts.path not in ("", "/"):
            raise ValueError(f"base is a URL without a path, got {base!r}")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._root = root.resolve()
        self._index = index
        self._known: dict[str, Answer] = {}

    def answer(self, url: str) -> Answer:
        """Return the answer to a URL of this origin; the query changes nothing."""
        path = urlsplit(url).path
        if path not in self._known:
            self._known[path] = self._look(path)
        found = self._known[path]
        if found.location is None:
            return found
        query = urlsplit(url).query
        place = self.origin + found.location + (f"?{query}" if query else "")
        return found._replace(location=place)

    def end(self, url: str) -> tuple[str, int]:
        """Return where a URL leads after its redirect, and what is answered there."""
        found = self.answer(url)
        if found.location is None:
            return url, found.status
        # To a folder, which leads no further.
        return found.location, self.answer(found.location).status

    def pages(self) -> Iterator[str]:
        """Return the URL of every HTML file under the root."""
        for path in sorted(self._root.rglob("*")):
            if path.suffix.lower() in HTML_SUFFIXES and path.is_file():
                yield resolve(
                    self.origin + "/",
                    quote(f"/{path.relative_to(self._root)}", safe=_NAME_SAFE),
                )[0]

    def _look(self, escaped: str) -> Answer:
        path = re.sub("/+", "/", unquote(escaped, errors="surrogateescape"))
        if "\0" in path or _BAD_ESCAPE.search(escaped) or _climbs_out(path):
            return Answer(400)
        file = self._root / path.lstrip("/")
        try:
            if stat.S_ISDIR(file.stat().st_mode):
                if not path.endswith("/"):
                    return Answer(301, location=quote(path + "/", safe=_NAME_SAFE))
                file /= self._index
                if not file.is_file():
                    return Answer(403)
            elif path.endswith("/"):  # a file is no folder
                return Answer(404)
            with file.open("rb"):
                return Answer(200, file)
        except PermissionError:
            return Answer(403)
        except OSError:
            return Answer(404)


_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def _climbs_out(path: str) -> bool:
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            return True
    return False


# URLs, as the WHATWG standard reads them.

_STRIPPED = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# What each part keeps unescaped, beside letters, digits and "_.-~" (URL, 1.3).
_PATH_SAFE = "!$%&'()*+,/:;=@[\\]^|"
_NAME_SAFE = _PATH_SAFE.replace("%", "")
_QUERY_SAFE = "!$%&()*+,/:;=?@[\\]^`{|}"
_FRAGMENT_SAFE = "!#$%&'()*+,/:;=?@[\\]^{|}"
_PORTS = {"http": 80, "https": 443}


def resolve(base: str, reference: str) -> tuple[str, str | None]:
    """Return the absolute URL without its fragment, and the fragment, None without one.

    A URL that is neither http nor https comes back as it is written.

    Raises:
        ValueError: if it is no URL.
    """
    text = re.sub("[\t\n\r]", "", reference.strip(_STRIPPED))
    before, hash_, after = text.partition("#")
    fragment = quote(after, safe=_FRAGMENT_SAFE) if hash_ else None
    scheme = _SCHEME.match(before)
    if scheme is not None:
        name = scheme[1].lower()
        if name not in _PORTS:
            return text, None
        before = before[scheme.end() :].replace("\\", "/", 2)
        if not before.startswith("//") and urlsplit(base).scheme != name:
            before = "//" + before
    else:
        name = urlsplit(base).scheme
    return _absolute(base, name, before), fragment


def _absolute(base: str, scheme: str, reference: str) -> str:
    """Return what a reference without scheme and fragment means on a page."""
    written, mark, query = reference.partition("?")
    written = re.sub("^//+", "//", written.replace("\\", "/"))
    parts = urlsplit(f"{scheme}:{written}")
    on = urlsplit(base)
    netloc, path = parts.netloc, parts.path
    if not written.startswith("//"):
        netloc = on.netloc
        if not path:
            path, query = on.path, query if mark else on.query
            mark = mark or "?" * bool(query)
        elif not path.startswith("/"):
            path = on.path.rpartition("/")[0] + "/" + path
    host = _host(f"//{netloc}", scheme)
    path = quote(_without_dots(path), safe=_PATH_SAFE)
    return f"{scheme}://{host}{path}{mark}{quote(query, safe=_QUERY_SAFE)}"


def _host(netloc: str, scheme: str) -> str:
    parts = urlsplit(netloc)
    if not parts.hostname:
        raise ValueError(f"no host in {netloc!r}")
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    return unquote(host) + port


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        plain = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
        is_last = at == len(segments) - 1
        if plain == "..":
            kept = kept[:-1]
        if plain not in (".", ".."):
            kept.append(segment)
        elif is_last:
            kept.append("")
    return "/" + "/".join(kept)


# What a page points to.

_LINKS: dict[str, frozenset[str]] = {
    "href": frozenset({"a", "area", "link", "image", "use"}),
    "src": frozenset(
        {"img", "script", "iframe", "frame", "embed"}
        | {"audio", "video", "source", "track", "input"}
    ),
    "srcset": frozenset({"img", "source"}),
    "imagesrcset": frozenset({"link"}),
    "poster": frozenset({"video"}),
    "data": frozenset({"object"}),
    "longdesc": frozenset({"img", "frame", "iframe"}),
    "background": frozenset({"body", "table", "tr", "td", "th"}),
    "cite": frozenset({"blockquote", "q", "ins", "del"}),
}
_ATTRIBUTES_OF = {
    tag: [attribute for attribute, tags in _LINKS.items() if tag in tags]
    for tag in frozenset().union(*_LINKS.values())
}
_PICTURES = re.compile(
    r"(og:(image|video|audio)(:url|:secure_url)?|twitter:image(:src)?)", re.IGNORECASE
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_URL = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)"""
    r"""|@import\s+(?:"([^"]*)"|'([^']*)')""",
    re.IGNORECASE,
)
_REFRESH = re.compile(r"\s*[\d.]*\s*[;,\s]\s*(?:url\s*=\s*)?(.*)", re.I | re.DOTALL)
_SRCSET = re.compile(r"[\s,]*(\S*[^\s,])(?:\s[^,(]*(?:\([^)]*\)[^,(]*)*)?(?:,|$)?")
_TEXT_ONLY = ["textarea", "title", "xmp", "iframe", "noembed", "noframes", "template"]
_FOLLOWED_RELS = frozenset({"canonical", "next", "prev"})
_NOT_FETCHED_RELS = frozenset({"preconnect", "dns-prefetch"})


class Reference(NamedTuple):
    """One reference as it is written, and the element it is written on."""

    written: str
    attribute: str
    element: Tag
    followed: bool


class Place(NamedTuple):
    """Where a link stands: line and column of its start tag, both from 1."""

    page: str
    target: str
    tag: str
    attribute: str
    line: int
    column: int
    text: str


class Page:
    """One HTML file, read."""

    def __init__(self, content: bytes, url: str, parser: str = "html.parser") -> None:
        self.url = url
        soup = _parse(content, parser)
        self.in_templates = sum(
            len(template.find_all(["a", "img", "link", "script"]))
            for template in soup.find_all("template")
        )
        for element in soup.find_all(_TEXT_ONLY):
            element.clear()
        self._elements = [each for each in soup.descendants if isinstance(each, Tag)]

    @cached_property
    def base(self) -> str:
        for element in self._elements:
            if element.name == "base" and "href" in element.attrs:
                try:
                    found, _ = resolve(self.url, str(element["href"]))
                except ValueError:
                    return self.url
                return found if _is_web(found) else self.url
        return self.url

    @cached_property
    def fragments(self) -> frozenset[str]:
        found = {str(each.attrs.get("id", "")) for each in self._elements}
        for element in self._elements:
            if element.name == "a":
                found.add(str(element.attrs.get("name", "")))
        return frozenset(found - {""})

    @property
    def is_nofollow(self) -> bool:
        for meta in self._elements:
            if meta.name == "meta" and str(meta.get("name")).lower() == "robots":
                said = re.split(r"[\s,]+", str(meta.get("content", "")).lower())
                if "nofollow" in said or "none" in said:
                    return True
        return False

    def references(self) -> Iterator[Reference]:
        """Return what is written in each attribute that holds a URL."""
        for element in self._elements:
            attributes = element.attrs
            if not attributes and element.name != "style":
                continue
            yield from _of_element(element)
            if "xlink:href" in attributes:
                yield _one(element, "xlink:href")
            if "style" in attributes:
                yield from _css(element, str(attributes["style"]), "style")

    def targets(self) -> Iterator[tuple[str | None, str | None, Reference]]:
        """Return each reference with its URL and fragment; None where it is no URL."""
        for reference in self.references():
            try:
                url, fragment = resolve(self.base, reference.written)
            except ValueError:
                yield None, None, reference
            else:
                yield url, fragment, reference

    def place(self, target: str, reference: Reference) -> Place:
        element = reference.element
        text = element.get_text() if element.name == "a" else ""
        if not text.strip():
            pictures = [element, *element.find_all("img", alt=True)]
            text = " ".join(str(each.get("alt", "")) for each in pictures)
        return Place(
            page=self.url,
            target=target,
            tag=element.name,
            attribute=reference.attribute,
            line=element.sourceline or 0,
            column=0 if element.sourcepos is None else element.sourcepos + 1,
            text=" ".join(text.split())[:LINK_TEXT_MAX_CHARS],
        )


def _parse(content: bytes, parser: str) -> BeautifulSoup:
    options: dict[str, Any] = {"multi_valued_attributes": None}
    if parser == "html.parser":
        options["on_duplicate_attribute"] = "ignore"  # HTML keeps the first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        return BeautifulSoup(decode(content), parser, **options)


def decode(content: bytes) -> str:
    """Return the text: by byte-order mark, `<meta>`, UTF-8, windows-1252."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    said = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?([\w\-]+)", content[:4096], re.I)
    encodings = [said[1].decode()] if said else []
    for encoding in [*encodings, "utf-8"]:
        if encoding.lower() in ("iso-8859-1", "latin1", "us-ascii", "ascii"):
            break  # Encoding, 4.2: these labels mean windows-1252
        try:
            return content.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("windows-1252", "replace")


def _of_element(element: Tag) -> Iterator[Reference]:
    name = element.name
    for attribute in _ATTRIBUTES_OF.get(name, ()):
        if attribute not in element.attrs:
            continue
        if attribute.endswith("srcset"):
            for found in _SRCSET.findall(str(element[attribute])):
                yield Reference(found, attribute, element, followed=False)
        elif name == "link":
            yield from _link(element)
        else:
            yield _one(element, attribute, followed=_is_followed(element))
    if name == "style":
        yield from _css(element, element.string or "", "(text)")
    elif name == "meta":
        yield from _meta(element)


def _one(element: Tag, attribute: str, *, followed: bool = False) -> Reference:
    return Reference(str(element[attribute]), attribute, element, followed)


def _is_followed(element: Tag) -> bool:
    if element.name in ("frame", "iframe"):
        return True
    return element.name in ("a", "area") and "nofollow" not in _rel(element)


def _rel(element: Tag) -> frozenset[str]:
    return frozenset(str(element.get("rel", "")).lower().split())


def _link(element: Tag) -> Iterator[Reference]:
    rel = _rel(element)
    if rel & _NOT_FETCHED_RELS or not str(element["href"]):
        return
    is_translation = "alternate" in rel and element.has_attr("hreflang")
    yield _one(element, "href", followed=bool(rel & _FOLLOWED_RELS) or is_translation)


def _meta(element: Tag) -> Iterator[Reference]:
    content = str(element.get("content", ""))
    name = str(element.get("property") or element.get("name") or "")
    if _PICTURES.fullmatch(name) and content.strip():
        yield _one(element, "content")
    if str(element.get("http-equiv", "")).lower() != "refresh":
        return
    found = _REFRESH.fullmatch(content)
    if found is not None and found[1].strip():
        url = re.sub(r"""^(["'])(.*?)(\1.*)?$""", r"\2", found[1].strip())
        yield Reference(url, "content", element, followed=True)


def _css(element: Tag, css: str, attribute: str) -> Iterator[Reference]:
    for found in _CSS_URL.findall(_CSS_COMMENT.sub("", css)):
        if url := next(filter(None, found), ""):
            yield Reference(url, attribute, element, followed=False)


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def has_fragment(fragments: frozenset[str], fragment: str) -> bool:
    """Return whether a page with these ids and names has the fragment of a URL.

    Source:
        HTML, 7.4.6.4, "select the indicated part"; "URL Fragment Text Directives",
        3.3: what follows `:~:` is no part of the fragment.
    """
    fragment = fragment.partition(":~:")[0]
    if fragment == "" or fragment in fragments:
        return True
    decoded = unquote_to_bytes(fragment).decode("utf-8", "replace")
    return decoded in fragments or decoded.lower() == "top"


# The walk.


@dataclass(slots=True)
class Reading:
    """What one page says, small enough to be sent between processes.

    followed:  URLs inside the origin that the walk goes on with, in order
    asked:     each different (URL, fragment or None) inside the origin
    places:    every broken link (not fragment), that is no URL too
    """

    url: str
    followed: list[str]
    asked: set[tuple[str, str | None]]
    places: list[Place]
    fragments: frozenset[str]
    counts: Counter[str]


@dataclass(slots=True)
class Walk:
    """What was found from a front page.

    depths:            n pages with the number of links to each from the front page
    redirects:         URL to URL
    broken_links:      (page, target), each pair once, with the status in `statuses`
    broken_fragments:  (page, target#fragment), each pair once
    places:            every place where one of those stands
    unreached:         HTML files that no followed link leads to
    """

    depths: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    broken_links: set[tuple[str, str]] = field(default_factory=set)
    broken_fragments: set[tuple[str, str]] = field(default_factory=set)
    places: list[Place] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        return {
            "pages": sorted(self.depths),
            "depths": self.depths,
            "redirects": sorted(self.redirects.items()),
            "statuses": self.statuses,
            "broken_links": sorted(self.broken_links),
            "broken_fragments": sorted(self.broken_fragments),
            "places": [place._asdict() for place in sorted(self.places)],
            "unreached": self.unreached,
            "counts": dict(sorted(self.counts.items())),
        }


def read(disk: Disk, parser: str, url: str) -> Reading:
    """Return what the page at a URL says."""
    page = _page(disk, parser, url)
    counts: Counter[str] = Counter({"in templates": page.in_templates})
    followed: dict[str, None] = {}
    asked: set[tuple[str, str | None]] = set()
    places: list[Place] = []
    may_follow = not page.is_nofollow
    counts["pages with nofollow"] += not may_follow
    for target, fragment, reference in page.targets():
        counts["links"] += 1
        if target is None:
            places.append(page.place(reference.written, reference))
        elif not _is_web(target):
            counts["other schemes"] += 1
        elif not _is_inside(disk, target):
            counts["external"] += 1
        else:
            asked.add((target, fragment))
            if disk.end(target)[1] != 200:
                places.append(page.place(target, reference))
            if reference.followed and may_follow:
                followed[target] = None
    return Reading(url, list(followed), asked, places, page.fragments, counts)


def find_places(disk: Disk, parser: str, wanted: tuple[str, set[str]]) -> list[Place]:
    """Return every place on a page that points to one of some broken fragments."""
    url, broken = wanted
    page = _page(disk, parser, url)
    found = []
    for target, fragment, reference in page.targets():
        spelled = f"{target}#{fragment}"
        if fragment is not None and spelled in broken:
            found.append(page.place(spelled, reference))
    return found


def _page(disk: Disk, parser: str, url: str) -> Page:
    file = disk.answer(url).file
    if file is None:
        raise ValueError(f"not a file: {url!r}")
    return Page(file.read_bytes(), url, parser)


def _is_inside(disk: Disk, url: str) -> bool:
    return url.startswith(disk.origin + "/")


class _Walker:
    def __init__(self, disk: Disk) -> None:
        self.walk = Walk()
        self._disk = disk
        self._fragments: dict[str, frozenset[str]] = {}
        self._linked_from: dict[tuple[str, str | None], list[str]] = {}

    def level(self, urls: Iterable[str], depth: int) -> list[str]:
        """Return the pages among these that are new, redirects followed."""
        fresh = []
        for url in urls:
            page = self._final(url)
            if page is not None and page not in self.walk.depths:
                self.walk.depths[page] = depth
                fresh.append(page)
        return fresh

    def add(self, reading: Reading) -> None:
        self.walk.counts += reading.counts
        self._fragments[reading.url] = reading.fragments
        for asked in reading.asked:
            self._linked_from.setdefault(asked, []).append(reading.url)
        self.walk.places += reading.places
        for place in reading.places:
            self.walk.broken_links.add((reading.url, place.target))
            self.walk.statuses[place.target] = 0

    def judge(self) -> None:
        """Decide over everything that was asked for."""
        counts = self.walk.counts
        counts["unique targets"] = len({target for target, _ in self._linked_from})
        for (target, fragment), pages in self._linked_from.items():
            final, status = self._end(target)
            if status != 200:
                self.walk.statuses[target] = status
            elif fragment is None:
                continue
            elif final not in self._fragments:
                is_page = self._disk.answer(final).is_page
                counts["fragments of what is no page"] += not is_page
                counts["fragments of pages not reached"] += is_page
            elif not has_fragment(self._fragments[final], fragment):
                spelled = f"{target}#{fragment}"
                self.walk.broken_fragments |= {(page, spelled) for page in pages}
            counts["unique fragments"] += fragment is not None
            counts["text fragments"] += ":~:" in (fragment or "")

    def broken_fragments_by_page(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for page, target in self.walk.broken_fragments:
            found.setdefault(page, set()).add(target)
        return found

    def _final(self, url: str) -> str | None:
        final, _ = self._end(url)
        return final if self._disk.answer(final).is_page else None

    def _end(self, url: str) -> tuple[str, int]:
        final, status = self._disk.end(url)
        if final != url:
            self.walk.redirects[url] = final
        return final, status


Map = Callable[[Callable, Sequence], Iterable]  # type: ignore[type-arg]


@contextmanager
def _mapper(processes: int) -> Iterator[Map]:
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield partial(pool.imap, chunksize=16)


def walk(
    disk: Disk, front: str, *, parser: str = "html.parser", processes: int = 1
) -> Walk:
    """Return what can be reached from a front page, and what is broken on the way.

    Args:
        disk: the site.
        front: the path of the first page, as in a URL.
        parser: "html.parser", which knows lines and columns, or "lxml".
        processes: in how many the pages are read.
    """
    walker = _Walker(disk)
    with _mapper(processes) as each:
        depth = 0
        level = walker.level([resolve(disk.origin + "/", front)[0]], depth)
        while level:
            depth += 1
            next_urls: dict[str, None] = {}
            for reading in each(partial(read, disk, parser), level):
                walker.add(reading)
                next_urls.update(dict.fromkeys(reading.followed))
            level = walker.level(next_urls, depth)
        walker.judge()
        wanted = sorted(walker.broken_fragments_by_page().items())
        for places in each(partial(find_places, disk, parser), wanted):
            walker.walk.places += places
    served = (disk.answer(url).file for url in walker.walk.depths)
    reached = {str(file) for file in served}
    walker.walk.unreached = [
        url for url in disk.pages() if str(disk.answer(url).file) not in reached
    ]
    return walker.walk


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--base", required=True, help="the URL of the root")
    parser.add_argument("--front", default="/", help="the path of the first page")
    parser.add_argument("--index", default="index.html")
    parser.add_argument("--json", type=Path, help="write what was found here")
    parser.add_argument("--parser", default="html.parser", help="or lxml")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    disk = Disk(given.root, given.base, given.index)
    found = walk(disk, given.front, parser=given.parser, processes=given.processes)
    if given.json:
        given.json.write_text(json.dumps(found.as_json(), indent=1) + "\n", "utf-8")
    print(f"pages reached     {len(found.depths):9,}")
    print(f"not reached       {len(found.unreached):9,}")
    print(f"redirects         {len(found.redirects):9,}")
    print(f"broken links      {len(found.broken_links):9,}")
    print(f"broken fragments  {len(found.broken_fragments):9,}")
    for name, number in sorted(found.counts.items()):
        print(f"{name:32}{number:9,}")
    return 1 if found.broken_links or found.broken_fragments else 0


if __name__ == "__main__":
    sys.exit(main())
