"""The Site of a run, which only some runs need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..guard import Guard
from ..models import (
    Following,
    Settings,
)

if TYPE_CHECKING:
    from ..site import Site  # which only a run that reads links has to import


__all__ = ["Sites"]


class Sites:
    """Holds the Site of a run, made when it is first needed.

    A run over a list needs none, and what it stands on takes a tenth of a second to
    import.
    """

    def __init__(self, following: Following, settings: Settings) -> None:
        self.following = following
        self._settings = settings
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """What the run knows of sites."""
        if self._site is None:
            from ..site import Site

            self._site = Site(
                self.following,
                user_agent=self._settings.user_agent,
                guard=Guard.of(self._settings),
            )
        return self._site

    @property
    def was_needed(self) -> bool:
        """Whether there is something to tell of links or sitemaps."""
        return self._site is not None

    def frontier_options(self) -> dict[str, Any]:
        """Return how the frontier is to go about sites, nothing for a list."""
        if not self.following.needs_site:
            return {}
        site = self.site
        return {
            "backlog": site.backlog(),
            "waits": site.waits,
            "obeys": site.obeys,
            "first": site.first,
        }

    def close(self) -> None:
        """Let go of what lies on the disk."""
        if self._site is not None:
            self._site.close()
