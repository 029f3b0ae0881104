"""Compare `facts.extract` with an independent reading by BeautifulSoup over lxml.

    python facts_agree.py --files DIR --base URL     every .html file under DIR
    python facts_agree.py --urls FILE                every URL of a list, fetched

For each page: the same title, the same set of resolved links, the same visible
words? Prints how many pages agree and, for each kind of difference, how often it
occurs, with an example. The other side shares no code with fetcher: BeautifulSoup
finds the encoding, lxml builds the tree, urllib joins the URLs. Exits 1 if any
page differs. `docs/explanation/facts.md` explains the kinds that real pages show.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.parse
import urllib.request
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.element import Tag

from fetcher import facts

URL_ATTRIBUTES = {
    ("href", "a area link"),
    ("src", "img script iframe frame embed source track audio video input"),
    ("action", "form"),
    ("formaction", "button input"),
    ("cite", "blockquote q ins del"),
    ("data", "object"),
    ("poster", "video"),
    ("longdesc", "img"),
    ("background", "body table td th"),
}
SRCSETS = {("srcset", "img source"), ("imagesrcset", "link")}
CSS_URL = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)|@import\s+["']([^"']+)"""
)
INVISIBLE = ["script", "style", "template", "noscript"]
INVISIBLE += ["iframe", "noframes", "noembed"]


class Reading(NamedTuple):
    """One page as one of the two sides reads it."""

    title: str | None
    links: set[str]
    words: list[str]


class Difference(NamedTuple):
    """What differs on a page: a kind to count by, and an example."""

    kind: str
    example: str


def by_fetcher(content: bytes, url: str) -> Reading:
    found = facts.extract(content, url)
    document = facts._parse(content).document
    words = facts._visible_text(facts._Outline(document, url, 0).body).split()
    return Reading(found.title, {same_form(link.url) for link in found.links}, words)


def by_beautifulsoup(content: bytes, url: str) -> Reading:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        soup = BeautifulSoup(content, "lxml")
    titles = [title for title in soup.find_all("title") if not title.find_parent("svg")]
    title = " ".join(titles[0].get_text().split()) if titles else None
    base = url
    first_base = soup.find("base", href=True)
    if isinstance(first_base, Tag):
        base = urllib.parse.urljoin(url, str(first_base["href"]).strip())
    links = {same_form(resolve(base, reference)) for reference in references(soup)}
    for element in soup.find_all(INVISIBLE):
        element.decompose()
    body = soup.body
    words = [] if body is None else " ".join(body.strings).split()
    return Reading(title, links, words)


def references(soup: BeautifulSoup) -> Iterator[str]:
    for attribute, tags in URL_ATTRIBUTES:
        for element in soup.find_all(tags.split(), attrs={attribute: True}):
            reference = str(element[attribute]).strip()
            if reference or attribute == "href":
                yield reference
    for attribute, tags in SRCSETS:
        for element in soup.find_all(tags.split(), attrs={attribute: True}):
            for candidate in re.split(r",\s+", str(element[attribute])):
                if candidate.strip(" ,"):
                    yield candidate.split()[0].strip(",")
    for element in soup.find_all(attrs={"ping": True}):
        yield from str(element["ping"]).split()
    for element in soup.find_all(attrs={"style": True}):
        yield from css_urls(str(element["style"]))
    for element in soup.find_all("style"):
        yield from css_urls(element.get_text())
    for element in soup.find_all("meta", attrs={"http-equiv": True}):
        if str(element["http-equiv"]).lower() == "refresh":
            _, _, target = str(element.get("content", "")).partition(";")
            if target.strip():
                yield re.sub(r"(?i)^\s*url\s*=\s*", "", target).strip(" '\"")


def css_urls(css: str) -> Iterator[str]:
    for found in CSS_URL.findall(css):
        if reference := next(filter(None, found), ""):
            yield reference


def resolve(base: str, reference: str) -> str:
    reference = reference.replace("\n", "").replace("\t", "")
    if not reference:  # urljoin keeps the base's fragment here
        return urllib.parse.urldefrag(base).url
    try:
        return urllib.parse.urljoin(base, reference)
    except ValueError:
        return reference


def same_form(url: str) -> str:
    """Bring a URL of either side to one spelling, as far as both may choose it."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return url
    if parts.scheme not in ("http", "https", "ftp"):
        return urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]|^`\"<>{}\\")
    quoted = [
        urllib.parse.quote(part, safe="%/:=&?~+!$,;'@()*[]|^`{}\\")
        for part in parts[2:]
    ]
    return urllib.parse.urlunsplit(
        (parts.scheme, parts.netloc.lower(), quoted[0] or "/", *quoted[1:])
    )


def differences(content: bytes, url: str) -> Iterator[Difference]:
    ours = by_fetcher(content, url)
    theirs = by_beautifulsoup(content, url)
    if ours.title != theirs.title:
        yield Difference("title", f"{ours.title!r} / {theirs.title!r}")
    for link in sorted(ours.links - theirs.links):
        yield Difference(f"link only in facts: {origin_of(content, link)}", link)
    for link in sorted(theirs.links - ours.links):
        yield Difference(f"link only in soup: {origin_of(content, link)}", link)
    if ours.words != theirs.words:
        pairs = zip(ours.words, theirs.words, strict=False)
        at = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            at = min(len(ours.words), len(theirs.words))
        same = "".join(ours.words) == "".join(theirs.words)
        kind = "words split differently" if same else "words"
        start = max(at - 3, 0)
        yield Difference(
            kind, f"{ours.words[start : at + 6]} / {theirs.words[start : at + 6]}"
        )


def origin_of(content: bytes, link: str) -> str:
    """Name the element in whose start tag the end of the link stands."""
    tail = re.escape(link.rpartition("/")[2].encode())
    found = re.search(rb"<([a-zA-Z0-9]+)\b[^>]*?" + tail, content) if tail else None
    return f"<{found[1].decode()}>" if found else "(not written so)"


def pages_of(arguments: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    if arguments.files:
        paths = sorted(arguments.files.rglob("*.html"))
        for path in paths[: arguments.most]:
            name = urllib.parse.quote(str(path.relative_to(arguments.files)))
            yield f"{arguments.base.rstrip('/')}/{name}", path.read_bytes()
    if arguments.urls:
        for url in arguments.urls.read_text().split()[: arguments.most]:
            with urllib.request.urlopen(url, timeout=30) as answer:
                yield url, answer.read()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path)
    parser.add_argument("--base", default="http://pages.example/")
    parser.add_argument("--urls", type=Path)
    parser.add_argument("--most", type=int, help="compare only the first N pages")
    pages = differing = links = words = 0
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for url, content in pages_of(parser.parse_args()):
        pages += 1
        ours = facts.extract(content, url)
        links += len(ours.links)
        words += ours.word_count
        found = list(differences(content, url))
        differing += bool(found)
        for difference in found:
            kinds[difference.kind] += 1
            examples.setdefault(difference.kind, f"{difference.example}   on {url}")
    print(f"{pages} pages, {links} links, {words} words, {differing} pages differ")
    for kind, count in kinds.most_common():
        print(f"{count:6}  {kind}\n        {examples[kind]}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
