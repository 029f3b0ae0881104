"""What changed between two runs: which pages, links and findings, and what of them.

Two runs come as pages in the order of their URLs and are folded side by side, so that
no more is held than what changed, and of that lists of bounded length: a list that was
cut says how many it leaves out. Pure: where runs are remembered is the business of
others, who answer as a `Run`.

What is no news:

- A page that was not asked for (robots.txt, an interrupted run) is unknown: neither
  gone nor back.
- An error page says nothing of title, size or text: they are compared with the last
  page that came as it should, however many runs ago.
- A time, or a size, within what is usual for that very page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import SequenceMatcher
from enum import StrEnum
from statistics import median
from typing import NamedTuple, Protocol

from .models import Certificate, Severity, State
from .text_lines import Filter

__all__ = [
    "Change",
    "ChangeKind",
    "Changes",
    "Filter",
    "FoundRecord",
    "LinkRecord",
    "PageRecord",
    "Run",
    "Sample",
    "compare",
    "counted",
    "unified",
]

LISTED_MAX = 500  # of each kind
TEXT_MAX_CHARS = 500  # of what something was, and is
URL_MAX_CHARS = 2_083
SAMPLES_MIN = 3  # runs before anything is said of speed
SLOWER_BY_S = 0.1  # at least, and twice as slow
SIZE_BY_BYTES = 1_000  # at least, and half as much again or less
SIZE_BY_SHARE = 0.5
# Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993): what is further from
# the median than 3.5 / 0.6745 times the median of all such distances (MAD).
OUTLIER_MADS = 3.5 / 0.6745
DIFFS_MAX = 100  # pages whose text is shown line by line
FILTERED_MAX = 2_000  # pages of which a filter has to tell whether they changed
DIFF_LINES_COMPARED = 500  # on each side, past what both begin and end with alike
DIFF_LINES_SHOWN = 40
DIFF_LINE_MAX_CHARS = 300
CONTEXT_LINES = 1

STATUS_RULE = "expect-status"
BAD_STATES = frozenset({State.BROKEN.value, State.FAILED.value, State.BLOCKED.value})
GOOD_STATES = frozenset({State.OK.value, State.REDIRECTED.value})


class ChangeKind(StrEnum):
    """What a change is, in the order in which it matters."""

    PAGE_BROKEN = "page-broken"
    LINK_BROKEN = "link-broken"
    FINDING_NEW = "finding-new"
    PAGE_FIXED = "page-fixed"
    LINK_FIXED = "link-fixed"
    FINDING_FIXED = "finding-fixed"
    PAGE_NEW = "page-new"
    PAGE_GONE = "page-gone"
    STATUS = "status"
    REDIRECT = "redirect"
    FINAL_URL = "final-url"
    TITLE = "title"
    CANONICAL = "canonical"
    ROBOTS = "robots"
    CERTIFICATE = "certificate"
    RENEWED = "certificate-renewed"
    SLOWER = "slower"
    SPEED_AS_USUAL = "speed-as-usual"
    SIZE = "size"
    SIZE_AS_USUAL = "size-as-usual"
    TEXT = "text"
    PAGE_STILL_BROKEN = "page-still-broken"
    LINK_STILL_BROKEN = "link-still-broken"
    FINDING_STILL = "finding-still-there"

    @property
    def is_news(self) -> bool:
        """Whether it is a change, and not what is still as it was."""
        return self not in STILL


STILL = frozenset(
    {
        ChangeKind.PAGE_STILL_BROKEN,
        ChangeKind.LINK_STILL_BROKEN,
        ChangeKind.FINDING_STILL,
    }
)
WORDS = {
    ChangeKind.PAGE_BROKEN: (
        "page is down that was not",
        "pages are down that were not",
    ),
    ChangeKind.LINK_BROKEN: (
        "link target is broken that was not",
        "link targets are broken that were not",
    ),
    ChangeKind.FINDING_NEW: (
        "expectation is not met that was",
        "expectations are not met that were",
    ),
    ChangeKind.PAGE_FIXED: ("page is back", "pages are back"),
    ChangeKind.LINK_FIXED: (
        "link target is not broken any more",
        "link targets are not broken any more",
    ),
    ChangeKind.FINDING_FIXED: (
        "expectation is met again",
        "expectations are met again",
    ),
    ChangeKind.PAGE_NEW: ("page is new", "pages are new"),
    ChangeKind.PAGE_GONE: ("page is gone", "pages are gone"),
    ChangeKind.STATUS: ("status changed", "statuses changed"),
    ChangeKind.REDIRECT: ("redirect changed", "redirects changed"),
    ChangeKind.FINAL_URL: (
        "chain of redirects ends elsewhere",
        "chains of redirects end elsewhere",
    ),
    ChangeKind.TITLE: ("title changed", "titles changed"),
    ChangeKind.CANONICAL: ("canonical URL changed", "canonical URLs changed"),
    ChangeKind.ROBOTS: (
        "page says something else to robots",
        "pages say something else to robots",
    ),
    ChangeKind.CERTIFICATE: ("certificate changed", "certificates changed"),
    ChangeKind.RENEWED: ("certificate was renewed", "certificates were renewed"),
    ChangeKind.SLOWER: ("page is slower than usual", "pages are slower than usual"),
    ChangeKind.SPEED_AS_USUAL: (
        "page is as quick as usual again",
        "pages are as quick as usual again",
    ),
    ChangeKind.SIZE: (
        "page is of an unusual size",
        "pages are of an unusual size",
    ),
    ChangeKind.SIZE_AS_USUAL: (
        "page has its usual size again",
        "pages have their usual size again",
    ),
    ChangeKind.TEXT: ("text changed", "texts changed"),
    ChangeKind.PAGE_STILL_BROKEN: ("page is still down", "pages are still down"),
    ChangeKind.LINK_STILL_BROKEN: (
        "link target is still broken",
        "link targets are still broken",
    ),
    ChangeKind.FINDING_STILL: (
        "expectation is still not met",
        "expectations are still not met",
    ),
}


class FoundRecord(NamedTuple):
    """One thing that was held against a page; `rule` and `expected` make it that one.

    `expected` is what should have been: what was there instead may vary.
    """

    rule: str
    expected: str
    severity: str
    message: str


class PageRecord(NamedTuple):
    """What one URL came to in one run, in plain values.

    kind:       of a failure: "dns"
    target:     where the first redirect led; None without one
    text_hash:  of the visible words; None for what has no facts: what is not HTML, or
                did not come
    time_s:     from when it could be asked for until its last byte: the connection's
                part is left out, because which page of a host pays for it is chance;
                None also for a 304, which takes less than the page
    """

    url: str
    state: str
    status: int | None = None
    kind: str | None = None
    reason: str | None = None
    final_url: str = ""
    target: str | None = None
    title: str | None = None
    canonical: str | None = None
    robots: str | None = None
    text_hash: str | None = None
    certificate: Certificate | None = None
    body_bytes: int = 0
    time_s: float | None = None
    findings: tuple[FoundRecord, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it came as it should."""
        return self.state in GOOD_STATES

    @property
    def is_bad(self) -> bool:
        """Whether it was asked for and did not; else, if not good, it is unknown."""
        return self.state in BAD_STATES

    @property
    def cause(self) -> str:
        """What it is counted under: "HTTP 404", "dns"."""
        if self.kind is not None:
            return self.kind
        return "no answer" if self.status is None else f"HTTP {self.status}"


class LinkRecord(NamedTuple):
    """A target that links should not lead to; `rule` and `target` make it that one.

    `pages` are the first URLs on which it stands, `place` is the very first place.
    """

    rule: str
    target: str
    severity: str
    message: str
    pages: tuple[str, ...]
    place: str


class Sample(NamedTuple):
    """How long a page took in one earlier run, in seconds, and its decoded size."""

    time_s: float | None
    body_bytes: int


Links = Mapping[tuple[str, str], LinkRecord]


class Run(Protocol):
    """What `compare` asks of a run, wherever that is remembered.

    name:       for a person: "run 3"
    started_at: aware UTC, None where unknown
    is_whole:   every page that it should have come to is in it
    scope:      what decides which pages it comes to; None: unknown
    links:      bad targets by rule and target; None: links were not looked at
    cut_rules:  rules of which not all targets are in `links`
    """

    @property
    def name(self) -> str: ...  # noqa: D102 -- see above
    @property
    def started_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def is_whole(self) -> bool: ...  # noqa: D102
    @property
    def scope(self) -> object: ...  # noqa: D102
    @property
    def links(self) -> Links | None: ...  # noqa: D102
    @property
    def cut_rules(self) -> frozenset[str]: ...  # noqa: D102

    def pages(self) -> Iterator[PageRecord]:
        """Give each URL once, in the order of code points."""

    def last_good(self, url: str) -> PageRecord | None:
        """Return a URL's page as it last came as it should, up to this run."""

    def samples(self, url: str) -> Sequence[Sample]:
        """Return good pages of a URL in this run and those before, newest first."""

    def lines(self, page: PageRecord, keeps: Filter) -> list[str] | None:
        """Return the text of a page, None where it is not at hand."""


class Change(NamedTuple):
    """One thing that is not as it was, or (`kind.is_news` false) still as bad.

    url:     the page, the link's target, or the host of a certificate
    before:  what it was; None where there was nothing
    after:   what it is
    note:    where a link stands; which rule found something
    diff:    hunks of a unified diff of the text
    diff_left_out: lines of it that are left out
    """

    kind: ChangeKind
    url: str
    before: str | None = None
    after: str | None = None
    note: str = ""
    diff: tuple[str, ...] = ()
    diff_left_out: int = 0


@dataclass(slots=True, kw_only=True)
class Changes:
    """What changed since a run.

    since:     the name of that run
    since_at:  when it began, aware UTC; None where unknown
    counts:    of each kind that there is any of, listed or not
    listed:    at most 500 of each kind, in the order of their URLs
    remarks:   sentences on what could not be compared
    has_new_trouble: whether something is wrong that was not: a page, a link, or an
               expectation whose finding is an error
    """

    since: str
    since_at: datetime | None = None
    counts: dict[ChangeKind, int] = field(default_factory=dict)
    listed: list[Change] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    has_new_trouble: bool = False

    @property
    def has_news(self) -> bool:
        """Whether anything changed; what is still as bad as it was has not."""
        return any(kind.is_news for kind in self.counts)

    def of(self, kind: ChangeKind) -> list[Change]:
        """Return those of one kind, as far as they are listed."""
        return [each for each in self.listed if each.kind is kind]

    def add(self, change: Change) -> None:
        """Count a change, and list it if there is room."""
        count = self.counts.get(change.kind, 0)
        self.counts[change.kind] = count + 1
        if count < LISTED_MAX:
            self.listed.append(_bounded(change))

    def sums(self, *, news: bool = True) -> list[tuple[ChangeKind, int]]:
        """Return kinds and counts, what matters most first: the news, or the rest."""
        return [
            (kind, self.counts[kind])
            for kind in ChangeKind
            if kind in self.counts and kind.is_news is news
        ]

    def __str__(self) -> str:
        """Return in one line what changed, and what is still as bad as it was."""
        news = [counted(kind, count) for kind, count in self.sums()]
        still = [counted(kind, count) for kind, count in self.sums(news=False)]
        said = ", ".join(news) or "nothing changed"
        return f"{said} ({', '.join(still)})" if still else said

    def to_dict(self) -> dict[str, object]:
        """Return everything in plain values that JSON knows."""
        at = self.since_at
        return {
            "since": self.since,
            "since_at": at and at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "changed": self.has_news,
            "new_trouble": self.has_new_trouble,
            "counts": {
                kind.value: self.counts[kind]
                for kind in ChangeKind
                if kind in self.counts
            },
            "unlisted": sum(self.counts.values()) - len(self.listed),
            "remarks": list(self.remarks),
            "list": [_change_to_dict(change) for change in self.listed],
        }


def counted(kind: ChangeKind, count: int) -> str:
    """Return how many there are of a kind, in words: "2 pages are back"."""
    one, many = WORDS[kind]
    return f"{count:,} {one if count == 1 else many}"


def compare(
    before: Run, after: Run, keeps: Callable[[str], Filter] = lambda _: Filter()
) -> Changes:
    """Return what is otherwise in one run than it was in an earlier one.

    Args:
        before: the earlier run.
        after: the later one.
        keeps: which part of a URL's text counts.

    Raises:
        ValueError: pages do not come in the order of their URLs.
    """
    return _Comparison(before, after, keeps).changes()


class _Comparison:
    """Folds two runs into Changes."""

    def __init__(self, before: Run, after: Run, keeps: Callable[[str], Filter]) -> None:
        self._before = before
        self._after = after
        self._keeps = keeps
        self._changes = Changes(since=before.name, since_at=before.started_at)
        scopes = (before.scope, after.scope)
        self._is_same_scope = None in scopes or scopes[0] == scopes[1]
        self._hosts: set[str] = set()  # whose certificates were told
        self._diffs = 0
        self._unfiltered = 0
        links = before.links or {}
        self._watched = {url for link in links.values() for url in link.pages}
        self._read: set[str] = set()  # of these, pages that came as they should

    def changes(self) -> Changes:
        for old, new in _side_by_side(self._before.pages(), self._after.pages()):
            if new is None:
                self._miss(old)
            elif old is None:
                self._meet(new)
            else:
                self._page(old, new)
            if new is not None and new.is_good and new.url in self._watched:
                self._read.add(new.url)
        self._compare_links()
        self._changes.remarks += self._remarks()
        return self._changes

    def _add(
        self,
        kind: ChangeKind,
        url: str,
        before: str | None = None,
        after: str | None = None,
        note: str = "",
    ) -> None:
        self._changes.add(Change(kind, url, before, after, note))

    # Pages.

    def _miss(self, old: PageRecord | None) -> None:
        if old is not None and self._after.is_whole and self._is_same_scope:
            self._add(ChangeKind.PAGE_GONE, old.url, old.cause)

    def _meet(self, new: PageRecord) -> None:
        if not (new.is_good or new.is_bad):
            return
        if self._before.is_whole and self._is_same_scope:
            self._add(ChangeKind.PAGE_NEW, new.url, None, new.cause)
        if new.is_bad:
            self._break(new.url, None, new)
        else:
            self._compare_findings(None, new)

    def _page(self, old: PageRecord, new: PageRecord) -> None:
        if new.is_bad:
            if not old.is_bad:
                self._break(new.url, old.cause, new)
            else:
                self._add(
                    *(ChangeKind.PAGE_STILL_BROKEN, new.url, old.cause, new.cause),
                    new.reason or "",
                )
                if old.cause != new.cause:
                    self._add(ChangeKind.STATUS, new.url, old.cause, new.cause)
            return
        if not new.is_good:
            return
        if old.is_bad:
            self._add(ChangeKind.PAGE_FIXED, new.url, old.cause, new.cause)
        good = old if old.is_good else self._before.last_good(new.url)
        if good is not None:
            self._compare_answers(good, new)
            self._compare_facts(good, new)
            self._compare_certificates(good, new)
            self._compare_with_usual(good, new)
        self._compare_findings(old, new)

    def _break(self, url: str, before: str | None, new: PageRecord) -> None:
        self._add(ChangeKind.PAGE_BROKEN, url, before, new.cause, new.reason or "")
        self._changes.has_new_trouble = True

    def _compare_answers(self, old: PageRecord, new: PageRecord) -> None:
        if old.status != new.status:
            self._add(ChangeKind.STATUS, new.url, old.cause, new.cause)
        if old.target != new.target:
            self._add(ChangeKind.REDIRECT, new.url, old.target, new.target)
        elif old.final_url != new.final_url:
            self._add(ChangeKind.FINAL_URL, new.url, old.final_url, new.final_url)

    def _compare_facts(self, old: PageRecord, new: PageRecord) -> None:
        if old.text_hash is None or new.text_hash is None:
            return
        for kind, was, now in (
            (ChangeKind.TITLE, old.title, new.title),
            (ChangeKind.CANONICAL, old.canonical, new.canonical),
            (ChangeKind.ROBOTS, old.robots, new.robots),
        ):
            if was != now:
                self._add(kind, new.url, was, now)
        if old.text_hash != new.text_hash:
            self._compare_texts(old, new)

    def _compare_texts(self, old: PageRecord, new: PageRecord) -> None:
        keeps = self._keeps(new.url)
        change = Change(ChangeKind.TEXT, new.url)
        if self._diffs >= (DIFFS_MAX if keeps.is_all else FILTERED_MAX):
            if keeps.is_all:
                self._changes.add(change)
            else:
                self._unfiltered += 1
            return
        self._diffs += 1
        was = self._before.lines(old, keeps)
        now = None if was is None else self._after.lines(new, keeps)
        if was is None or now is None:
            note = "what it said before is not at hand"
            self._changes.add(change._replace(note=note))
        elif was != now:
            diff, left_out = unified(was, now)
            self._changes.add(change._replace(diff=diff, diff_left_out=left_out))
        elif keeps.is_all:  # it changed beyond the lines that are looked at
            self._changes.add(change)

    def _compare_certificates(self, old: PageRecord, new: PageRecord) -> None:
        was, now = old.certificate, new.certificate
        if was is None or now is None or was == now:
            return
        host = _host(new.url)
        if host in self._hosts:
            return
        self._hosts.add(host)
        renewed = _whose(was) == _whose(now) and now.not_after > was.not_after
        kind = ChangeKind.RENEWED if renewed else ChangeKind.CERTIFICATE
        self._add(kind, host, str(was), str(now))

    # What is usual.

    def _compare_with_usual(self, old: PageRecord, new: PageRecord) -> None:
        times = max(old.time_s or 0.0, new.time_s or 0.0)
        grown = abs(old.body_bytes - new.body_bytes)
        if times <= SLOWER_BY_S and grown <= SIZE_BY_BYTES:
            return  # nothing can be said, whatever came earlier
        samples = self._before.samples(new.url)
        self._compare_times(new, [s.time_s for s in samples if s.time_s is not None])
        self._compare_sizes(new, [sample.body_bytes for sample in samples])

    def _compare_times(self, new: PageRecord, samples: list[float]) -> None:
        if new.time_s is None or not samples:
            return
        limit = _slowest_usual(samples)
        limit_before = _slowest_usual(samples[1:])
        was_slow = limit_before is not None and samples[0] > limit_before
        is_slow = limit is not None and new.time_s > limit
        if is_slow and not was_slow:
            self._add(
                *(ChangeKind.SLOWER, new.url),
                *(_seconds(median(samples)), _seconds(new.time_s)),
            )
        elif was_slow and limit_before is not None and new.time_s <= limit_before:
            self._add(
                *(ChangeKind.SPEED_AS_USUAL, new.url),
                *(_seconds(samples[0]), _seconds(new.time_s)),
            )

    def _compare_sizes(self, new: PageRecord, samples: list[int]) -> None:
        if not samples:
            return
        is_odd = _is_odd_size(new.body_bytes, samples)
        was_odd = len(samples) > 1 and _is_odd_size(samples[0], samples[1:])
        sizes = _bytes(samples[0]), _bytes(new.body_bytes)
        if is_odd and _is_odd_size(new.body_bytes, samples[:1]):
            self._add(ChangeKind.SIZE, new.url, *sizes)
        elif was_odd and not _is_odd_size(new.body_bytes, samples[1:]):
            self._add(ChangeKind.SIZE_AS_USUAL, new.url, *sizes)

    # Findings and links.

    def _compare_findings(self, old: PageRecord | None, new: PageRecord) -> None:
        was = {} if old is None or not old.is_good else _by_identity(old)
        now = _by_identity(new)
        for key, found in now.items():
            is_old = key in was
            kind = ChangeKind.FINDING_STILL if is_old else ChangeKind.FINDING_NEW
            self._add(
                *(kind, new.url, was[key].message if is_old else None),
                *(found.message, found.rule),
            )
            if not is_old and found.severity == Severity.ERROR:
                self._changes.has_new_trouble = True
        if any(rule == STATUS_RULE for rule, _ in now):
            return  # nothing else was judged
        for key, found in was.items():
            if key not in now:
                self._add(
                    *(ChangeKind.FINDING_FIXED, new.url, found.message, None),
                    found.rule,
                )

    def _compare_links(self) -> None:
        was, now = self._before.links, self._after.links
        if was is None or now is None:
            return
        for key, link in now.items():
            if key in was:
                self._link(ChangeKind.LINK_STILL_BROKEN, link)
            elif link.rule not in self._before.cut_rules:
                self._link(ChangeKind.LINK_BROKEN, link)
                if link.severity == Severity.ERROR:
                    self._changes.has_new_trouble = True
        if not self._after.is_whole or not self._is_same_scope:
            return
        for key, link in was.items():
            is_told = link.rule not in self._after.cut_rules
            if key not in now and is_told and not self._read.isdisjoint(link.pages):
                self._link(ChangeKind.LINK_FIXED, link)

    def _link(self, kind: ChangeKind, link: LinkRecord) -> None:
        is_fixed = kind is ChangeKind.LINK_FIXED
        before, after = (link.message, None) if is_fixed else (None, link.message)
        self._add(kind, link.target, before, after, link.place)

    def _is_cut(self) -> bool:
        """Whether there were more bad targets, of some rule, than are known."""
        cut = self._before.cut_rules | self._after.cut_rules
        known = (*(self._before.links or ()), *(self._after.links or ()))
        return any(rule in cut for rule, _ in known)

    def _remarks(self) -> Iterator[str]:
        if not self._is_same_scope:
            yield "the runs had different options: what is new or gone is not told"
        elif not self._after.is_whole:
            yield "the run did not come to its end: what is gone is not told"
        elif not self._before.is_whole:
            yield "the earlier run did not come to its end: what is new is not told"
        if (self._before.links is None) != (self._after.links is None):
            yield "only one of the runs looked at links: they are not compared"
        elif self._is_cut():
            yield "there were more bad link targets than are remembered"
        if self._unfiltered:
            yield (
                f"{self._unfiltered:,} more texts changed: whether in a part that"
                " counts was not looked at"
            )


def _side_by_side(
    before: Iterable[PageRecord], after: Iterable[PageRecord]
) -> Iterator[tuple[PageRecord | None, PageRecord | None]]:
    """Join two runs on their URLs; None where one of them lacks the URL."""
    olds, news = iter(_ascending(before)), iter(_ascending(after))
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.url < new.url):
            yield old, None
            old = next(olds, None)
        elif old is None or new.url < old.url:
            yield None, new
            new = next(news, None)
        else:
            yield old, new
            old, new = next(olds, None), next(news, None)


def _ascending(pages: Iterable[PageRecord]) -> Iterator[PageRecord]:
    last = None
    for page in pages:
        if last is not None and page.url <= last:
            raise ValueError(f"{page.url!r} does not come after {last!r}")
        last = page.url
        yield page


def _by_identity(page: PageRecord) -> dict[tuple[str, str], FoundRecord]:
    return {(found.rule, found.expected): found for found in page.findings}


def _slowest_usual(samples: Sequence[float]) -> float | None:
    """Return up to where a time is usual; None where too little is known."""
    if len(samples) < SAMPLES_MIN:
        return None
    middle = median(samples)
    spread = OUTLIER_MADS * median(abs(each - middle) for each in samples)
    return middle + max(SLOWER_BY_S, middle, spread)


def _is_odd_size(size: int, samples: Sequence[int]) -> bool:
    """Whether a size is beyond what is usual, in either direction."""
    middle = median(samples)
    spread = OUTLIER_MADS * median(abs(each - middle) for each in samples)
    return abs(size - middle) > max(SIZE_BY_BYTES, SIZE_BY_SHARE * middle, spread)


def _seconds(time_s: float) -> str:
    return f"{time_s:.3f} s"


def _bytes(size: float) -> str:
    return f"{size:,} bytes"


def _whose(certificate: Certificate) -> tuple[object, ...]:
    """Return what a certificate says but for its time."""
    names = certificate.names
    return certificate.subject, certificate.issuer, names, certificate.verified


def _host(url: str) -> str:
    """Return the host and port of a URL, without a user."""
    authority = url.partition("://")[2].partition("/")[0]
    authority = authority.partition("?")[0].partition("#")[0]
    return authority.rpartition("@")[2].lower()


# Texts.


def unified(was: Sequence[str], now: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Return the hunks of a unified diff, and how many of their lines are left out.

    What both begin and end with alike is set aside; of what remains 500 lines on each
    side are compared, because that takes time that grows with their product.
    """
    start = _alike(was, now)
    end = _alike(was[start:][::-1], now[start:][::-1])
    low = max(start - CONTEXT_LINES, 0)
    old = was[low : min(len(was) - end + CONTEXT_LINES, len(was))]
    new = now[low : min(len(now) - end + CONTEXT_LINES, len(now))]
    beyond = [max(len(each) - DIFF_LINES_COMPARED, 0) for each in (old, new)]
    lines = list(_hunks(old[:DIFF_LINES_COMPARED], new[:DIFF_LINES_COMPARED], low))
    left_out = max(len(lines) - DIFF_LINES_SHOWN, 0) + sum(beyond)
    shown = [line[:DIFF_LINE_MAX_CHARS] for line in lines[:DIFF_LINES_SHOWN]]
    return tuple(shown), left_out


def _hunks(was: Sequence[str], now: Sequence[str], offset: int) -> Iterator[str]:
    matcher = SequenceMatcher(None, was, now)
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        yield f"@@ -{_range(i1, i2, offset)} +{_range(j1, j2, offset)} @@"
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (f" {line}" for line in was[a:b])
                continue
            yield from (f"-{line}" for line in was[a:b])
            yield from (f"+{line}" for line in now[c:d])


def _range(start: int, end: int, offset: int) -> str:
    """Return lines as a unified diff names them: POSIX, diff, "-u"."""
    count = end - start
    first = start + offset + (1 if count else 0)
    return f"{first}" if count == 1 else f"{first},{count}"


def _alike(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many lines two texts begin with alike."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _bounded(change: Change) -> Change:
    return change._replace(
        url=change.url[:URL_MAX_CHARS],
        before=change.before and change.before[:TEXT_MAX_CHARS],
        after=change.after and change.after[:TEXT_MAX_CHARS],
        note=change.note[:TEXT_MAX_CHARS],
    )


def _change_to_dict(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind.value,
        "url": change.url,
        "before": change.before,
        "after": change.after,
        "note": change.note or None,
        "diff": list(change.diff) or None,
        "diff_left_out": change.diff_left_out,
    }
