"""All that a run holds against pages and links, as Findings, for programs that read it.

What a page came to and what its links lead to is told in sentences in a report for a
person; a program wants each with a rule, a weight, a place and what to do. The rules
of `fetcher.checks` are joined here by those of what was not fetched and of links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ..checks import Rule
from ..models import Finding, Severity, State

if TYPE_CHECKING:
    from ..page import Page
    from ..site_report import BadTarget, SiteReport

__all__ = [
    "ADVICE",
    "COUNTED_AS",
    "LinkRule",
    "PageRule",
    "Unlisted",
    "address_of",
    "bad_targets",
    "of_links",
    "of_page",
    "of_target",
    "unlisted_links",
]


class PageRule(StrEnum):
    """What is held against a page that fell short."""

    NOT_FETCHED = "not-fetched"
    BROKEN = "broken-page"
    BLOCKED = "blocked-page"
    SKIPPED = "skipped-page"


class LinkRule(StrEnum):
    """What is held against a link."""

    BROKEN = "broken-link"
    FRAGMENT = "missing-fragment"
    MOVED = "moved-link"
    BLOCKED = "blocked-link"


PAGE_RULES = {
    State.FAILED: (PageRule.NOT_FETCHED, Severity.ERROR),
    State.BROKEN: (PageRule.BROKEN, Severity.ERROR),
    State.BLOCKED: (PageRule.BLOCKED, Severity.WARN),
    State.SKIPPED: (PageRule.SKIPPED, Severity.WARN),
}

COUNTED_AS = {  # in SiteReport.bad_counts
    LinkRule.BROKEN: "broken",
    LinkRule.FRAGMENT: "fragments",
    LinkRule.MOVED: "moved",
    LinkRule.BLOCKED: "blocked",
}

# What to do about it, by rule: help texts in whole sentences, of ours alone.
ADVICE: dict[str, str] = {
    PageRule.NOT_FETCHED: "See that the server runs, that its name resolves and that"
    " its certificate is good; raise --timeout for a server that is slow.",
    PageRule.BROKEN: "Put the page back, redirect its URL to where it went, or take the"
    " URL off the list; --accept names further statuses that are well.",
    PageRule.BLOCKED: "The site refuses robots. Ask its owner, or lower the pace with"
    " --delay and --per-host.",
    PageRule.SKIPPED: "The page was not asked for: robots.txt forbids it, its address"
    " is not allowed, or the run ended before.",
    LinkRule.BROKEN: "Correct the link or take it out, or put back what it leads to.",
    LinkRule.FRAGMENT: "Give an element of the target page this id, or correct what"
    " stands behind the # of the link.",
    LinkRule.MOVED: "Let the link lead to where the redirect ends.",
    LinkRule.BLOCKED: "The target refuses robots, so nothing is known of it: look at it"
    " with a browser.",
    Rule.STATUS: "See why the server answers with another status, or change what is"
    " expected.",
    Rule.TEXT: "See whether the page lost its content, or change the text that is"
    " expected.",
    Rule.NO_TEXT: "Take the text out of the page: often it is an error message in a"
    " page that came with status 200.",
    Rule.MATCH: "See whether the page lost its content, or change the pattern.",
    Rule.NO_MATCH: "Take what matches out of the page, or change the pattern.",
    Rule.HEADER: "Correct the header field where the server or a proxy sets it.",
    Rule.JSON: "See why the answer holds another value, or change what is expected.",
    Rule.CSS: "See whether a template changed: a selector found more or fewer elements"
    " than expected.",
    Rule.REDIRECT: "Correct the first redirect of the URL, or change where it is"
    " expected to lead.",
    Rule.FINAL_URL: "Correct the chain of redirects, or change where it is expected to"
    " end.",
    Rule.TIME: "See which phase took the time, and whether it is slow again; else raise"
    " the limit.",
    Rule.CERTIFICATE_DAYS: "Renew the certificate, and see why it was not renewed by"
    " itself.",
    Rule.VERIFIED: "Install a certificate for this name together with its intermediate"
    " certificates.",
    Rule.SIZE: "See whether the body was cut short or grew, or change the limits.",
    Rule.LANGUAGE: "Correct the lang attribute or the Content-Language field.",
    Rule.TYPE: "Correct the Content-Type field.",
}


class Unlisted(NamedTuple):
    """What a report counts and does not list: targets, and places of listed ones."""

    targets: int
    places: int


def of_page(page: Page, findings: Sequence[Finding] = ()) -> list[Finding]:
    """Return what is held against a page: that it fell short, and what was found on it.

    Of a page that is broken only because its status is not the expected one, the
    expectation tells alone.
    """
    held = PAGE_RULES.get(page.state)
    is_told = any(each.rule == Rule.STATUS for each in findings)
    if held is None or (is_told and page.state is State.BROKEN):
        return list(findings)
    rule, severity = held
    short = Finding(
        rule=rule.value,
        severity=severity,
        url=page.url,
        message=page.reason or page.state.value,
        advice=ADVICE[rule],
    )
    return [short, *findings]


def bad_targets(
    site: SiteReport,
) -> Iterator[tuple[LinkRule, Severity, Sequence[BadTarget]]]:
    """Yield the sorts of bad targets that a run asked about, the worst first."""
    yield LinkRule.BROKEN, Severity.ERROR, site.broken
    yield LinkRule.FRAGMENT, Severity.ERROR, site.fragments
    if site.redirects != "ok":
        is_error = site.redirects == "error"
        severity = Severity.ERROR if is_error else Severity.WARN
        yield LinkRule.MOVED, severity, site.moved
    yield LinkRule.BLOCKED, Severity.WARN, site.blocked


def of_links(site: SiteReport) -> Iterator[Finding]:
    """Yield a Finding for each listed place of each listed bad target."""
    for rule, severity, targets in bad_targets(site):
        for target in targets:
            yield from of_target(rule, severity, target)


def of_target(
    rule: LinkRule, severity: Severity, target: BadTarget
) -> Iterator[Finding]:
    """Yield a Finding for each listed place of a bad target."""
    url, message = address_of(target), _sentence(rule, target)
    for place in target.places:
        yield Finding(
            rule=rule.value,
            severity=severity,
            url=place.url,
            message=message,
            advice=ADVICE[rule],
            target=url,
            line=place.line,
            column=place.column,
            link_text=place.text,
        )


def unlisted_links(site: SiteReport, *, only: Severity | None = None) -> Unlisted:
    """Return how much is left out, because the report lists no more.

    Args:
        site: the report on the links.
        only: count the sorts of this weight; None counts all.
    """
    targets = places = 0
    for rule, severity, listed in bad_targets(site):
        if only in (None, severity):
            count = site.bad_counts.get(COUNTED_AS[rule], len(listed))
            targets += max(count - len(listed), 0)
            places += sum(_places_left(listed))
    return Unlisted(targets, places)


def address_of(target: BadTarget) -> str:
    """Return the URL of a bad target, with the fragment if that is what is missing."""
    if target.fragment is None:
        return target.url
    return f"{target.url.partition('#')[0]}#{target.fragment}"


def _places_left(targets: Iterable[BadTarget]) -> Iterator[int]:
    for target in targets:
        yield max(target.place_count - len(target.places), 0)


def _sentence(rule: LinkRule, target: BadTarget) -> str:
    url = address_of(target)
    if rule is LinkRule.FRAGMENT:
        return f"the link leads to {url}, where the page is and this place on it is not"
    if rule is LinkRule.MOVED:
        return f"the link leads to {url}, which has moved to {target.final_url}"
    if rule is LinkRule.BLOCKED:
        return f"the link leads to {url}, which refuses robots: {target.reason}"
    return f"the link leads to {url}, which is not there: {target.reason}"
