"""A sitemap of the pages that should be found: for the site itself, or a search engine.

A page is in it once, by the URL that answered, if it came well (2xx), is HTML, does
not ask to be left out of indexes, and is its own canonical page. Entries are written
as pages finish.

Source:
    https://www.sitemaps.org/protocol.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, BinaryIO
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

from ..redact import REDACTED
from ..urls import BadUrl, parse, split_credentials
from .row import iso

if TYPE_CHECKING:
    from ..models import Finding
    from ..page import Page
    from ..report import Report

__all__ = ["Sitemap", "open_exporter"]

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# sitemaps.org: at most 50,000 URLs and 50 MB (52,428,800 bytes) a file, and less than
# 2,048 characters a URL.
URLS_MAX = 50_000
FILE_MAX_BYTES = 52_428_800
URL_MAX_CHARS = 2_047
ENTRY_MAX_BYTES = 5 * URL_MAX_CHARS + 200  # each character an "&amp;"

FIRST_WEB_PAGE = datetime(1990, 12, 20, tzinfo=UTC)  # clocks that are not set say 1970
NO_ATTRIBUTES: AttributesImpl[str] = AttributesImpl({})


class Sitemap:
    """Writes an entry for each page that belongs into a sitemap.

    `left_out` is how many more belong there, but found no place in one file; they
    are counted page by page, also if two of them answered with the same URL. `secret`
    is how many have a URL in which something is hidden, which nobody can then find.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.left_out = 0
        self.secret = 0
        self._stream = stream
        self._bytes = 0
        # Hashes, because 50,000 URLs weigh ten times as much.
        self._written: set[int] = set()
        self._origins: set[str] = set()  # two at most
        self._xml = XMLGenerator(self, encoding="utf-8")
        self._xml.startDocument()
        self._xml.startElement("urlset", AttributesImpl({"xmlns": NAMESPACE}))
        self._xml.characters("\n")

    def write(self, content: bytes) -> int:
        """Count and pass on what the XML writer makes."""
        self._bytes += len(content)
        return self._stream.write(content)

    def add(self, page: Page, findings: Sequence[Finding] = ()) -> None:
        """Write the entry of a page, if it is to have one."""
        url = _address(page)
        if url is None or hash(url) in self._written:
            return
        if f"={REDACTED}" in url:
            self.secret += 1
            return
        is_full = self._bytes > FILE_MAX_BYTES - 2 * ENTRY_MAX_BYTES
        if is_full or len(self._written) >= URLS_MAX or len(url) > URL_MAX_CHARS:
            self.left_out += 1
            return
        self._written.add(hash(url))
        if len(self._origins) < 2:
            self._origins.add(parse(url).origin)
        self._entry(url, _last_modified(page))

    def _entry(self, url: str, last_modified: datetime | None) -> None:
        self._xml.startElement("url", NO_ATTRIBUTES)
        self._element("loc", url)
        if last_modified is not None:
            self._element("lastmod", iso(last_modified))
        self._xml.endElement("url")
        self._xml.characters("\n")

    def _element(self, name: str, text: str) -> None:
        self._xml.startElement(name, NO_ATTRIBUTES)
        self._xml.characters(text)
        self._xml.endElement(name)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def finish(self, report: Report) -> None:
        """Write the end, and as comments what a reader should know."""
        self._xml.endElement("urlset")
        self._xml.characters("\n")
        for note in self._notes():
            self.write(f"<!-- {note} -->\n".encode())
        self._xml.endDocument()
        self._stream.flush()

    def _notes(self) -> list[str]:
        """Return sentences that hold nothing of a stranger's."""
        notes = []
        if self.left_out:
            notes.append(
                f"{self.left_out:,} more pages are left out: a sitemap holds at most"
                f" {URLS_MAX:,} URLs, each of less than 2,048 characters, and 50 MB"
            )
        if self.secret:
            notes.append(
                f"{self.secret:,} more pages are left out: their URLs hold a secret"
            )
        if len(self._origins) > 1:
            notes.append(
                "the pages are of several sites: sitemaps.org asks for a sitemap each"
            )
        return notes


def _address(page: Page) -> str | None:
    """Return the URL by which a page belongs into a sitemap, None if it does not."""
    if not page.ok or page.status is None or not 200 <= page.status < 300:
        return None
    facts = page.facts
    if facts is None or page.asks_robots("noindex"):
        return None
    url = _normal(page.final_url)
    canonical = None if facts.canonical is None else _normal(facts.canonical)
    return url if canonical in (None, url) else None


def _normal(url: str) -> str | None:
    """Return a URL without fragment and credentials; None for what is none."""
    try:
        return split_credentials(parse(url).href)[0]
    except BadUrl:
        return None


def _last_modified(page: Page) -> datetime | None:
    """Return when the page says it was changed, if that can be.

    Not a moment after the request began: a page that is always new says nothing, and
    RFC 9110, 8.8.2.1 forbids the future.
    """
    field = page.headers.get("Last-Modified")
    if field is None:
        return None
    try:
        moment = parsedate_to_datetime(field)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if FIRST_WEB_PAGE <= moment <= page.fetched_at else None


def open_exporter(stream: BinaryIO) -> Sitemap:
    """Return a Sitemap that writes to this stream."""
    return Sitemap(stream)
