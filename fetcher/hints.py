"""What a run tells pool and workers beyond the URL: which connection, which facts.

Neither changes what comes of a page, only what it costs.
"""

from __future__ import annotations

from dataclasses import fields

from .models import TEXT, Facts, Request
from .page import Page

__all__ = ["Lanes", "Looks"]

PAGES_TO_LEARN_FROM = 4


class Lanes:
    """Numbers the requests that are under way to one origin, the lowest free first.

    (origin, number) is what a request prefers: the pool gives each such lane to one
    worker. So a lane needs one connection, and an origin no more of them than it ever
    had requests at a time, however many workers there are.
    """

    def __init__(self) -> None:
        self._busy: dict[str, set[int]] = {}
        self._taken: dict[int, int] = {}

    def take(self, request: Request) -> tuple[str, int]:
        """Return the lane in which to send a request."""
        busy = self._busy.setdefault(request.origin, set())
        lane = 0
        while lane in busy:
            lane += 1
        busy.add(lane)
        self._taken[id(request)] = lane
        return request.origin, lane

    def of(self, request: Request) -> tuple[str, int]:
        """Return the lane that a request was given."""
        return request.origin, self._taken[id(request)]

    def give_back(self, request: Request) -> None:
        """Free the lane of a request that was answered."""
        busy = self._busy[request.origin]
        busy.discard(self._taken.pop(id(request)))
        if not busy:
            del self._busy[request.origin]


class Looks:
    """Learns which facts this process looks at, so that workers read them.

    What the callback, the report or an output looked at on half of the pages so far is
    read where the page was downloaded, from the next request on: parsing is most of
    what a page costs, and there are more workers than parents. All else is still
    there, read when it is asked for.
    """

    def __init__(self, wanted: tuple[str, ...], *, learns: bool = True) -> None:
        self.wanted = wanted
        self._learns = learns
        self._pages = 0
        self._times: dict[str, int] = {}

    @classmethod
    def all(cls) -> Looks:
        """Return one that has workers read whatever can be looked at."""
        return cls((*(field.name for field in fields(Facts)), TEXT), learns=False)

    def note(self, page: Page) -> None:
        """Take note of what was looked at on a page that is done."""
        read_here = page.facts_read
        if read_here is None or not self._learns:
            return
        self._pages += 1
        for name in read_here:
            self._times[name] = times = self._times.get(name, 0) + 1
            known = name in self.wanted or self._pages < PAGES_TO_LEARN_FROM
            if not known and times * 2 >= self._pages:
                self.wanted = (*self.wanted, name)
