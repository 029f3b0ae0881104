"""What a run makes of links: which to follow, which to check, and what came of them.

    start(request)            what was given: its site is in scope
    discover(page, request)   a page's links -> requests for the frontier
    settle(page, request)     what a URL that is linked to came to
    finish()                  -> SiteReport: each bad target with the places it stands

The engine asks, the frontier queues, the graph keeps who links to whom; decisions are
made here. A run that neither follows nor checks links passes through and does nothing.

Robots.txt binds what was found and not what a person gave (`obey_robots` makes it bind
both, `ignore_robots` neither). Where it could not be had for want of a connection,
the site's links fail as robots.txt did: RFC 9309 allows no request then.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from . import robots, sitemaps
from .backlog import Backlog, IdSet, MemoryBacklog, url_id
from .facts import joined_fragments, link_table, visible_text
from .graph import NO_TARGET, LinkGraph, Place
from .guard import Guard
from .link_table import LinkSort, LinkTable
from .models import (
    TEXT,
    Facts,
    Failure,
    Following,
    Kind,
    Link,
    Purpose,
    Reach,
    Request,
    State,
)
from .page import Page
from .rules.links import (
    Answer,
    LinkKind,
    address_problem,
    is_soft_404,
    kind_of,
    moved_for_good,
    split_fragment,
    text_directive_found,
    verdict_of,
)
from .site_report import (
    BadTarget,
    PageLinks,
    RobotsNote,
    SitemapReport,
    SiteReport,
)
from .source import entries_of
from .store import SpillingBacklog
from .traps import Traps
from .urls import BadUrl, Scope, ScopeKind, join, parse, strip_params

__all__ = ["Site"]

ANY_GUARD = Guard()

# What is looked at on every page.
FACTS = ("links", "fragments", "robots", "structured_data", "base")
# https://ogp.me/, "Structured Properties": what is a URL of a picture, sound or film.
OPENGRAPH_MEDIA = tuple(
    f"{kind}{part}"
    for kind in ("image", "audio", "video")
    for part in ("", ":url", ":secure_url")
)
PROBE_FACTS = ("title", "text_hash", "word_count")
PLAIN_LINK = ("a", "href")
TARGETS_KEPT = 20_000  # links of lately: pages of one site repeat theirs
BAD_KEPT = 20_000  # bad targets whose places are looked for
LISTED = 1_000  # of each sort, in the report
WORST_PAGES = 100
PAGES_COUNTED = 100_000  # that have broken links
NOTES = 1_000
QUOTES_KEPT = 100  # of one page
TEXT_KEY = "#:~:"  # makes a key of its own: a page that is asked for its text again
PROBE_CHARACTERS = 16
# Sorts of bad targets, by what they came to.
SORTS = {
    "broken": (State.BROKEN, State.FAILED),
    "blocked": (State.BLOCKED,),
    "moved": (State.REDIRECTED,),
}
# Such a fragment is for the page's script ("#!/inbox", "#/inbox"); no element has it.
SCRIPTS_FRAGMENTS = ("!", "/")


MAX_BYTES = {  # of what is not for the caller
    Purpose.CHECK: 64 * 1024,  # the head tells; what is cut is as well there
    Purpose.ROBOTS: robots.ROBOTS_MAX_BYTES + 1,
    Purpose.SITEMAP: sitemaps.DECODED_MAX_BYTES + 1,
    Purpose.PROBE: 256 * 1024,
}


class _Target:
    """What a link leads to, and what it was asked for as already."""

    __slots__ = ("asked", "id", "in_scope", "request")

    def __init__(self, request: Request, *, in_scope: bool) -> None:
        self.request = request
        self.id = url_id(request.key)
        self.in_scope = in_scope
        self.asked: Purpose | None = None


class _Origin:
    """What is known of an origin: its rules, and how it answers nonsense."""

    __slots__ = ("failure", "front", "probe", "reach", "refused", "rules")

    def __init__(self) -> None:
        self.rules: robots.Rules | None = None
        self.failure: Failure | None = None
        self.reach: Reach | None = None  # of what its robots.txt names
        self.refused = 0
        self.probe: Answer | None = None
        self.front: Answer | None = None

    @property
    def note(self) -> str | None:
        """What is to be said of its robots.txt."""
        return None if self.rules is None else self.rules.note


class _Quote:
    """Text that links quote of a page, and whether it is there; None: not yet known."""

    __slots__ = ("bad", "is_found")

    def __init__(self, bad: BadTarget) -> None:
        self.bad = bad
        self.is_found: bool | None = None


class Site:
    """What a run knows of the sites that it follows.

    Args:
        following: how far to go.
        user_agent: what robots.txt is read for; None for fetcher's own.
        guard: how private an address is.
    """

    def __init__(
        self,
        following: Following,
        *,
        user_agent: str | None = None,
        guard: Guard = ANY_GUARD,
    ) -> None:
        self._how = following
        self._guard = guard
        self._agent = user_agent or "fetcher"
        self._scope = Scope(
            ScopeKind(following.scope),
            include=following.include,
            exclude=following.exclude,
        )
        self._traps = Traps(url_max_chars=following.max_url_chars)
        self._origins: dict[str, _Origin] = {}
        self._targets: dict[str, _Target | None] = {}
        self._decided: dict[LinkSort, int] = {}  # ids of targets that stay as they are
        self._given: IdSet = IdSet()
        self._read: IdSet = IdSet()  # pages whose links were read
        self._opened_graph: LinkGraph | None = None
        self._bad: dict[int, BadTarget] = {}
        self._unplaced: Counter[State] = Counter()  # bad targets past BAD_KEPT
        self._broken_on: Counter[str] = Counter()
        self._directives: dict[int, dict[str, _Quote]] = {}
        self._sitemap_ids: IdSet = IdSet()
        self._index_levels: dict[str, int] = {}  # how many indexes lead to a sitemap
        # What does not belong into a sitemap, and why.
        self._unfit: dict[int, tuple[str, str]] = {}
        self._report = SiteReport()
        self.is_on = following.reads_links
        self.facts: tuple[str, ...] = FACTS if following.reads_links else ()

    def backlog(self) -> Backlog:
        """Return what the frontier is to work on: sites may be larger than memory."""
        return SpillingBacklog() if self._how.depth else MemoryBacklog()

    def facts_of(self, request: Request) -> tuple[str, ...]:
        """Return the facts that are looked at of what is not for the caller."""
        if request.key.endswith(TEXT_KEY):
            return (TEXT,)
        return PROBE_FACTS if request.purpose is Purpose.PROBE else ()

    def max_bytes(self, request: Request) -> int | None:
        """Return how much of a body is read for a purpose; None for the usual."""
        if request.key.endswith(TEXT_KEY):
            return None
        return MAX_BYTES.get(request.purpose)

    def close(self) -> None:
        """Let go of what lies on the disk."""
        if self._opened_graph is not None:
            self._opened_graph.close()

    @property
    def _graph(self) -> LinkGraph:
        if self._opened_graph is None:
            self._opened_graph = LinkGraph()
        return self._opened_graph

    # What robots.txt decides.

    def waits(self, request: Request) -> bool:
        """Whether a request waits for its origin's robots.txt, or for a probe."""
        if request.purpose not in (Purpose.PAGE, Purpose.CHECK):
            return False
        follows = self._how.depth > 0 and request.purpose is Purpose.PAGE
        return follows or self.obeys(request)

    def obeys(self, request: Request) -> bool:
        """Whether robots.txt decides about a request, and not only about its pace."""
        if self._how.ignore_robots:
            return False
        return request.depth > 0 or self._how.obey_robots

    def first(self, request: Request) -> Sequence[Request]:
        """Return what is asked of an origin before the first request bound there."""
        if self._how.ignore_robots:
            return self.probes(request)
        url = f"{request.origin}/robots.txt"
        return [_aside(request, url, Purpose.ROBOTS)]

    def take_rules(self, page: Page, request: Request) -> robots.Rules:
        """Return the rules that an answer for robots.txt amounts to."""
        failure = page.failure
        cut = failure is not None and failure.kind is Kind.TOO_LARGE
        origin = self._origin(request.origin)
        origin.failure = None if cut or page.status is not None else failure
        origin.reach = self._led_by(page, request)
        origin.rules = robots.rules_from(
            page.status,
            page.content,
            self._agent,
            content_type=page.content_type,
            too_large=cut,
            url=page.final_url,
        )
        return origin.rules

    def probes(self, request: Request) -> Sequence[Request]:
        """Return a request for what is not there, where that is wanted and allowed."""
        if self._how.depth == 0 or not self._scope.follows(request.url):
            return ()
        url = f"{request.origin}/{secrets.token_hex(PROBE_CHARACTERS // 2)}"
        rules = self._origin(request.origin).rules
        if rules is not None and not rules.may_fetch(url):
            return ()
        return [_aside(request, url, Purpose.PROBE)]

    def take_probe(self, page: Page, request: Request) -> None:
        """Take note of how an origin answers for what is not there."""
        answer = _answer_of(page)
        if answer is not None and answer.status < 400:
            self._origin(request.origin).probe = answer

    def sitemaps(self, request: Request) -> Sequence[Request]:
        """Return the sitemaps to be read of an origin whose robots.txt came."""
        if not self._how.sitemap or not self._scope.follows(request.url):
            return ()
        origin = self._origin(request.origin)
        rules = origin.rules
        urls = list(rules.sitemaps) if rules is not None else []
        found = []
        for url in urls or [f"{request.origin}/sitemap.xml"]:
            with suppress(BadUrl):
                each = _request(url, depth=1, purpose=Purpose.SITEMAP)
                found.append(replace(each, reach=origin.reach, group=request.group))
        return found

    def is_sitemap(self, page: Page) -> bool:
        """Whether what came for a sitemap is one."""
        if page.ok and sitemaps.looks_like(
            page.content, page.content_type, page.final_url
        ):
            return True
        note = page.reason or "this is no sitemap"
        self._sitemap_report().add_problem(f"{page.url}: {note}")
        return False

    def read_sitemap(self, page: Page, request: Request) -> Iterator[Request | Page]:
        """Yield what a sitemap lists, as it is read: pages and further sitemaps."""
        report = self._sitemap_report()
        report.add_read(page.url)
        reach = self._led_by(page, request)
        for found in entries_of(
            page.content,
            page.final_url,
            depth=request.depth,
            reach=reach,
            group=request.group,
        ):
            if isinstance(found, Page):
                report.add_problem(found.failure.message if found.failure else "")
            elif found.purpose is Purpose.SITEMAP:
                if self._nests_too_deep(request, found):
                    return
                yield found
            else:
                self._list(found, report)
                if request.depth == 0 or self._scope.follows(found.url):
                    yield found

    def take_listed(self, request: Request, name: str) -> None:
        """Take note of what a sitemap lists that was given as a file."""
        report = self._sitemap_report()
        if name not in report.read:
            report.add_read(name)
        if request.purpose is Purpose.PAGE:
            self._list(request, report)

    def _list(self, request: Request, report: SitemapReport) -> None:
        report.entries += 1
        number = url_id(request.key)
        self._sitemap_ids.add(number)
        if request.key == f"{request.origin}/":  # who knows a host finds its front page
            self._given.add(number)

    def _nests_too_deep(self, outer: Request, inner: Request) -> bool:
        level = self._index_levels.get(outer.key, 0) + 1
        self._index_levels[inner.key] = level
        if level <= sitemaps.INDEX_DEPTH_MAX:
            return False
        problem = f"{outer.url}: an index in an index in an index"
        self._sitemap_report().add_problem(problem)
        return True

    def _sitemap_report(self) -> SitemapReport:
        if self._report.sitemap is None:
            self._report.sitemap = SitemapReport()
        return self._report.sitemap

    def refused(self, request: Request) -> Page:
        """Return what a request came to that robots.txt does not allow."""
        origin = self._origin(request.origin)
        origin.refused += 1
        page = Page(
            url=request.url,
            depth=request.depth,
            failure=origin.failure,
            group=request.group,
        )
        if origin.failure is None:
            page.skipped = origin.note or "robots.txt does not allow it"
        elif origin.failure.kind is Kind.FORBIDDEN_ADDRESS:
            self.settle(page, request)
        elif self.is_on:
            self._note_bad(url_id(request.key), page, State.FAILED)
        return page

    def _origin(self, origin: str) -> _Origin:
        return self._origins.setdefault(origin, _Origin())

    # Links.

    def start(self, request: Request) -> None:
        """Let the run follow the site of what was given."""
        if not self.is_on:
            return
        self._scope.add_start(request.url)
        number = url_id(request.key)
        if number not in self._sitemap_ids:
            self._given.add(number)

    def discover(self, page: Page, request: Request) -> list[Request]:
        """Return the requests for what a page links to, as far as the run goes."""
        if not self.is_on:
            return []
        self.settle(page, request)
        if not page.ok or page.facts is None:
            return []
        if request.depth == 0:
            self._scope.add_start(page.final_url)
        elif not self._scope.follows(page.final_url):
            return []  # a redirect led away
        number = url_id(_final_key(page, request))
        if number in self._read:
            return []  # another URL had led there before
        self._read.add(number)
        self._judge_quotes(page, {number, url_id(request.key)})
        if page.asks_robots("noindex"):
            self._note_unfit(number, page, "noindex")
        reach = self._led_by(page, request)
        links = self._read_links(page, request, number)
        return [replace(each, reach=reach, group=request.group) for each in links]

    def _led_by(self, page: Page, request: Request) -> Reach:
        """Return how private the addresses may be that an answer leads to.

        A URL is asked for once, so the first page that leads there decides.
        """
        reach = request.reach
        for hop in page.hops:
            reach = self._guard.led_by(reach, hop.ip, hop.url)
        return self._guard.led_by(reach, page.ip, page.final_url)

    def _read_links(self, page: Page, request: Request, number: int) -> list[Request]:
        assert page.facts is not None  # noqa: S101 -- the caller looked
        links = link_table(page.facts)
        media = [*_opengraph_media(page.facts)]
        if media:
            links = LinkTable.of([*links.links(), *media])
        depth = request.depth + 1
        may_follow = depth <= self._how.depth and not page.asks_robots("nofollow")
        found: list[Request] = []
        targets: list[int] = []
        known, decided = self._targets, self._decided
        for sort in links.sorts:
            target = known.get(sort[0])
            # Most links: followed by nature, known, and asked for already.
            is_asked = target is not None and target.asked is Purpose.PAGE
            if is_asked and sort[1:3] == PLAIN_LINK:
                targets.append(target.id)  # type: ignore[union-attr]
            elif (number_of := decided.get(sort)) is not None:
                targets.append(number_of)
            else:
                targets.append(self._judge(sort, depth, may_follow, found))
        if ":~:" in links.fragments:
            self._note_directives(links, page, found)
        # Of a page that was not read to its end, what `#...` leads to is not known.
        is_cut = "markup" in page.facts.capped
        anchors = None if is_cut else joined_fragments(page.facts)
        self._graph.add_page(page.final_url, number, links, targets, anchors)
        return found

    def _judge(
        self, sort: LinkSort, depth: int, may_follow: bool, found: list[Request]
    ) -> int:
        """Return the id of a link's target, which is asked for if it has to be."""
        document, tag, attribute, rel = sort
        kind = kind_of(Link(document, "", rel, tag, attribute, 0, 0))
        target = None
        if kind is not LinkKind.OTHER:
            target = self._target(document, kind, depth)
        if target is None:
            return self._decide(sort, NO_TARGET)
        may_be_followed = kind is LinkKind.FOLLOW and target.in_scope
        follows = may_follow and may_be_followed and "nofollow" not in rel
        if target.asked is None or follows:
            self._ask(target, follows, depth, found)
        if not may_be_followed:  # the next such link will change nothing
            self._decide(sort, target.id)
        return target.id

    def _decide(self, sort: LinkSort, number: int) -> int:
        """Keep what was decided of a sort of link, and return it."""
        if len(self._decided) >= TARGETS_KEPT:
            self._decided.clear()
        self._decided[sort] = number
        return number

    def _ask(
        self, target: _Target, follows: bool, depth: int, found: list[Request]
    ) -> None:
        """Decide what a target is asked for, and put the request into `found`."""
        url = target.request.url
        if target.id in self._read:  # where a redirect ended
            target.asked = Purpose.PAGE
        elif follows and self._traps.judge(url, depth) is None:
            target.asked = Purpose.PAGE
            found.append(replace(target.request, depth=depth))
        elif target.asked is None and self._is_checked(target, url):
            target.asked = Purpose.CHECK
            found.append(_check_of(target.request, depth))

    def _is_checked(self, target: _Target, url: str) -> bool:
        if not self._how.checks_links or self._scope.excludes(url):
            return False
        if target.in_scope:
            return self._traps.judge(url, self._how.depth) is None
        return self._how.external == "check"

    def only_checked(self, request: Request) -> Request | None:
        """Return a request for a page as one that only checks it; None: drop it."""
        if request.purpose is not Purpose.PAGE:
            return request
        self._report.left_out += 1
        if not self._how.checks_links:
            return None
        return _check_of(request, request.depth)

    def leave_out(self, request: Request) -> None:
        """Take note of a request that the run ended before."""
        if request.purpose is Purpose.PAGE:
            self._report.left_out += 1

    def _target(self, document: str, kind: LinkKind, depth: int) -> _Target | None:
        """Return what a link leads to, kept for the next page that has it."""
        if document in self._targets:
            return self._targets[document]
        if len(self._targets) >= TARGETS_KEPT:
            self._targets.clear()
        found = self._targets[document] = self._new_target(document, kind, depth)
        return found

    def _new_target(self, url: str, kind: LinkKind, depth: int) -> _Target | None:
        if kind is LinkKind.ADDRESS:
            return self._address(url)
        if kind is LinkKind.BAD:
            problem = "this is no URL that can be asked for"
            return self._unusable(url, Failure(Kind.BAD_URL, problem))
        document = url
        if self._how.strip_params:
            document = strip_params(url, self._how.strip_params)
        try:
            request = _request(document, depth=depth)
        except BadUrl as error:
            return self._unusable(url, Failure(Kind.BAD_URL, str(error)))
        return _Target(request, in_scope=self._scope.follows(request.url))

    def _address(self, url: str) -> _Target | None:
        problem = address_problem(url)
        if problem is None:
            return None
        return self._unusable(url, Failure(Kind.BAD_URL, problem))

    def _unusable(self, url: str, failure: Failure) -> _Target:
        """Return a target that is bad without being asked for."""
        target = _Target(Request(url=url, key=url), in_scope=False)
        target.asked = Purpose.PAGE
        self._note_bad(target.id, Page(url=url, failure=failure), State.BROKEN)
        return target

    # Verdicts.

    def settle(self, page: Page, request: Request) -> None:
        """Take note of what a URL came to that may be linked to."""
        if not self.is_on:
            return
        if request.key.endswith(TEXT_KEY):
            key = request.key.removesuffix(TEXT_KEY)
            self._judge_quotes(page, [url_id(key)])
            return
        number = url_id(request.key)
        state = verdict_of(page)
        if request.purpose is Purpose.PAGE:
            self._report.count_page(request.depth)
            if self._is_soft_404(page, request):
                page.is_soft_404 = True
                state = State.BROKEN
        else:
            self._report.count_check(state)
        if page.hops and page.ok:
            self._note_unfit(number, page, f"redirected to {page.final_url}")
            self._graph.alias(number, url_id(_final_key(page, request)))
        if state is State.OK or state is State.SKIPPED:
            return
        if state is not State.REDIRECTED or moved_for_good(page.hops):
            self._note_bad(number, page, state)

    def _note_unfit(self, number: int, page: Page, reason: str) -> None:
        if len(self._unfit) < BAD_KEPT:
            self._unfit[number] = (page.url, reason)

    def _note_bad(self, number: int, page: Page, state: State) -> None:
        if state is not State.REDIRECTED:
            self._note_unfit(number, page, page.reason or state.value)
        if len(self._bad) < BAD_KEPT:
            self._bad.setdefault(number, BadTarget.of(page, state))
        else:
            self._unplaced[state] += 1

    def _is_soft_404(self, page: Page, request: Request) -> bool:
        origin = self._origins.get(request.origin)
        if origin is None or origin.probe is None:
            return False
        answer = _answer_of(page)
        if answer is None:
            return False
        if request.url == f"{request.origin}/":
            origin.front = answer
            return False
        return is_soft_404(answer, origin.probe, front=origin.front)

    # Text directives: #:~:text=

    def _note_directives(
        self, links: LinkTable, page: Page, found: list[Request]
    ) -> None:
        """Take note of text that links quote; it is judged when their targets come."""
        for link in links.links():
            directives = split_fragment(link.url).text_directives
            target = self._targets.get(link.url.partition("#")[0])
            if target is None or kind_of(link) is LinkKind.OTHER:
                continue
            for directive in directives:
                self._note_directive(directive, target, link, page, found)

    def _note_directive(
        self,
        directive: str,
        target: _Target,
        link: Link,
        page: Page,
        found: list[Request],
    ) -> None:
        """Take note of one quotation and the place it stands.

        A page that was read before is asked for once more: its text was not kept.
        """
        wanted = self._directives.setdefault(target.id, {})
        quote = wanted.get(directive)
        if quote is None:
            if len(wanted) >= QUOTES_KEPT or len(self._directives) > BAD_KEPT:
                return
            quote = wanted[directive] = _Quote(
                BadTarget(
                    url=target.request.url,
                    state=State.BROKEN,
                    reason="the page does not have this text",
                    fragment=f":~:text={directive}",
                )
            )
            if target.id in self._read:
                key = f"{target.request.key}{TEXT_KEY}"
                found.append(replace(target.request, key=key, purpose=Purpose.CHECK))
        quote.bad.add_place(
            Place(
                page.final_url,
                link.line,
                link.column,
                link.text,
                quote.bad.fragment,
                link.tag,
                link.attribute,
            )
        )

    def _judge_quotes(self, page: Page, numbers: Iterable[int]) -> None:
        for number in numbers:
            quotes = self._directives.get(number)
            if not quotes:
                continue
            text = "" if page.facts is None else visible_text(page.facts)
            for directive, quote in quotes.items():
                quote.is_found = text_directive_found(directive, text)

    # The end.

    def finish(self) -> SiteReport:
        """Return what came of the links, each bad target with the places it stands."""
        report = self._report
        report.redirects = self._how.redirects
        report.traps = self._traps.report()
        report.robots = [
            RobotsNote(origin, known.note, known.refused)
            for origin, known in self._origins.items()
            if known.note is not None or known.refused
        ][:NOTES]
        if not self.is_on:
            return report
        self._place_bad_targets(report)
        self._place_missing_anchors(report)
        worst = self._broken_on.most_common(WORST_PAGES)
        report.worst_pages = [PageLinks(url, links) for url, links in worst]
        report.pages_with_broken = len(self._broken_on)
        report.take_degrees(self._graph)
        if report.sitemap is not None:
            self._compare_with_sitemap(report.sitemap)
        return report

    def _place_bad_targets(self, report: SiteReport) -> None:
        for number, url, link_count, places in self._graph.places(self._bad):
            bad = self._bad[number]
            bad.places += places
            bad.place_count += link_count
            if bad.state in SORTS["broken"]:
                self._count_on_page(url, link_count)
        linked = [target for target in self._bad.values() if target.place_count]
        for name, states in SORTS.items():
            found = [target for target in linked if target.state in states]
            found.sort(key=lambda target: (-target.place_count, target.url))
            unplaced = sum(self._unplaced[state] for state in states)
            report.unlisted += unplaced
            report.bad_counts[name] = len(found) + unplaced
            setattr(report, name, found[:LISTED])

    def _place_missing_anchors(self, report: SiteReport) -> None:
        missing: dict[tuple[int, str], BadTarget] = {}
        count = 0
        for target, fragment, url in self._graph.missing_anchors():
            if fragment.startswith(SCRIPTS_FRAGMENTS) or target in self._bad:
                continue
            count += 1
            if len(missing) < BAD_KEPT:
                missing[target, fragment] = BadTarget(
                    url=url,
                    state=State.BROKEN,
                    reason="the page has no such place",
                    status=None,
                    fragment=fragment,
                )
        for pair, place in self._graph.places_of_missing(missing):
            missing[pair].add_place(place)
            self._count_on_page(place.url, 1)
        quotes = [
            quote for each in self._directives.values() for quote in each.values()
        ]
        unfound = [quote.bad for quote in quotes if quote.is_found is False]
        found = sorted(
            [*missing.values(), *unfound], key=lambda bad: (bad.url, bad.fragment or "")
        )
        report.bad_counts["fragments"] = count + len(unfound)
        report.fragments = found[:LISTED]

    def _count_on_page(self, url: str, links: int) -> None:
        if url in self._broken_on or len(self._broken_on) < PAGES_COUNTED:
            self._broken_on[url] += links

    def _compare_with_sitemap(self, report: SitemapReport) -> None:
        orphans = IdSet()
        for number in self._graph.unlinked(self._sitemap_ids):
            if number in self._read and number not in self._given:
                orphans.add(number)
        missing = IdSet()
        for number in self._read:
            if number not in self._sitemap_ids:
                missing.add(number)
        report.orphan_count, report.missing_count = len(orphans), len(missing)
        report.orphans = self._urls_of(orphans)
        report.missing = self._urls_of(missing)
        bad = [
            (url, reason)
            for number, (url, reason) in self._unfit.items()
            if number in self._sitemap_ids
        ]
        report.bad_count = len(bad)
        report.bad = bad[:LISTED]

    def _urls_of(self, numbers: IdSet) -> list[str]:
        some = set(islice(numbers, LISTED))
        return sorted(self._graph.urls_of(some).values())


def _request(url: str, *, depth: int, purpose: Purpose = Purpose.PAGE) -> Request:
    """Return a request for a URL that was found.

    Raises:
        BadUrl: if it is none that can be asked for.
    """
    found = parse(url)
    return Request(
        url=found.href,
        key=found.href,
        host=found.host,
        origin=found.origin,
        depth=depth,
        purpose=purpose,
    )


def _aside(request: Request, url: str, purpose: Purpose) -> Request:
    """Return a request to the origin of another one, which waits for it."""
    return replace(request, url=url, key=url, purpose=purpose, attempt=1, method="GET")


def _check_of(request: Request, depth: int) -> Request:
    return replace(request, depth=depth, purpose=Purpose.CHECK, method="HEAD")


def _opengraph_media(facts: Facts) -> Iterator[Link]:
    """Yield what `<meta property="og:image">` and its like point to.

    Where they stand in the source is not known.
    """
    for item in facts.structured_data:
        if item.format != "opengraph" or not isinstance(item.values, dict):
            continue
        for name in OPENGRAPH_MEDIA:
            value = item.values.get(name)
            if isinstance(value, str) and value.strip():
                url = join(facts.base, value.strip())
                yield Link(url, "", (), "meta", f"og:{name}", 0, 0)


def _answer_of(page: Page) -> Answer | None:
    """Return what tells a page from others; None for what is not HTML."""
    facts = page.facts
    if facts is None or page.status is None:
        return None
    return Answer(
        status=page.status,
        redirected_to=page.final_url if page.hops else None,
        title=facts.title,
        text_hash=facts.text_hash,
        word_count=facts.word_count,
    )


def _final_key(page: Page, request: Request) -> str:
    """Return the key of the URL that answered."""
    if not page.hops:
        return request.key
    return page.final_url.partition("#")[0]
