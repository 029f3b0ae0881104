"""A Page as it may be written down: its secrets hidden, all else as it is.

The callback has the Page itself; this is what `Outputs` hands to the formats.
"""

from __future__ import annotations

from .models import Facts
from .page import Page
from .redact import redacted, redacted_headers, redacted_links, redacted_parts

__all__ = ["ShownPage"]

# What a Page keeps once it was asked for; here it is asked for anew, or of the Page.
KEPT = ("facts", "mitigation", "soup", "text")


class ShownPage(Page):
    """A page in whose URLs, header fields and sentences the secrets are hidden.

    Its facts are hidden in as they are asked for, so that none is read for this alone.
    """

    def __init__(self, page: Page) -> None:
        parts = vars(self)
        parts.update(vars(page))
        for name in KEPT:
            parts.pop(name, None)
        self._page = page
        self.url = redacted(page.url)
        self.final_url = redacted(page.final_url)
        self.headers = redacted_headers(page.headers)
        self.hops = redacted_parts(page.hops)
        self.failure = redacted_parts(page.failure)
        self.skipped = redacted_parts(page.skipped)
        self.extract = redacted_parts(page.extract)

    @property
    def facts(self) -> Facts | None:
        """The facts of the page, with the secrets hidden; None where it has none."""
        facts = self._page.facts
        return None if facts is None else _ShownFacts(facts)


class _ShownFacts(Facts):
    """Facts that are read from others, one by one, with the secrets hidden."""

    __slots__ = ("_facts",)
    _facts: Facts

    def __init__(self, facts: Facts) -> None:
        object.__setattr__(self, "_facts", facts)

    def __getattr__(self, name: str) -> object:  # every field: none is set here
        value = getattr(self._facts, name)
        if type(value) is str:
            return redacted(value)
        if name in ("links", "images"):
            return redacted_links(value)
        return redacted_parts(value)

    @property
    def link_count(self) -> int:
        """How many links there are."""
        return self._facts.link_count
