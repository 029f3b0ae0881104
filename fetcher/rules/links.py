"""What links are worth: which are followed, which are checked, and what came of them.

`kind_of` sorts a page's links. `verdict_of` says what came of a target,
`text_directive_found` whether the words that a link quotes are there, `is_soft_404`
whether a page that came with status 200 is an error page all the same, and
`address_problem` what is wrong with a `mailto:` or `tel:`. Pure: nothing is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from ..models import Failure, Hop, Kind, Link, State
from ..urls import BadUrl, parse

__all__ = [
    "Answer",
    "LinkKind",
    "SplitUrl",
    "address_problem",
    "is_soft_404",
    "kind_of",
    "moved_for_good",
    "split_fragment",
    "text_directive_found",
    "verdict_of",
]


class LinkKind(StrEnum):
    """What is done with a link.

    follow:   it leads to another page, which is fetched if it is in scope
    check:    it is needed, or offered, and only has to be there
    address:  a `mailto:` or `tel:`, which has a form
    other:    there is nothing to ask for, or asking would do something
    bad:      it is no URL
    """

    FOLLOW = "follow"
    CHECK = "check"
    ADDRESS = "address"
    OTHER = "other"
    BAD = "bad"


# --- sorting -------------------------------------------------------------------------

FOLLOWED_RELS = frozenset({"canonical", "alternate", "next", "prev"})
# Hosts to get ready for, and places that take messages (a GET tells nothing of them).
# HTML, 4.6.8; Pingback 1.0, 2; W3C Webmention, 3.1.2.
SILENT_RELS = frozenset({"dns-prefetch", "preconnect", "pingback", "webmention"})
# HTML, 4.8 (embedded content) and 15.3 (rendering); SVG 2, 16 (linking) and href.
CHECKED_TAGS = {
    "src": frozenset(
        {"img", "script", "source", "track", "audio", "video", "embed", "input"}
    ),
    "srcset": frozenset({"img", "source"}),
    "imagesrcset": frozenset({"link"}),
    "poster": frozenset({"video"}),
    "data": frozenset({"object"}),
    "background": frozenset(
        {"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"}
    ),
    "cite": frozenset({"blockquote", "q", "ins", "del"}),
    "longdesc": frozenset({"img", "iframe", "frame"}),
    "href": frozenset({"use", "image", "script", "feimage", "textpath", "mpath"}),
}
SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):", re.IGNORECASE)
ADDRESS_SCHEMES = ("mailto:", "tel:")
WEB_SCHEMES = ("http", "https")


def kind_of(link: Link) -> LinkKind:
    """Return what is done with a link: by its element, its attribute, rel and scheme.

    - A form's `action` and a `ping` are `other`: a request to them does something.
    - `<link rel=alternate>` is followed unless it is a style sheet; a Link does
      not tell translations from feeds, and a feed has no links of its own.
    - An attribute that no browser reads there (`<div href>`) is `other`.
    - `nofollow` is not looked at: it is the site's wish, and the caller's decision.
    """
    url = link.url
    if url.startswith(("https://", "http://")):
        if not _has_host(url[: url.find("/", 8)]):
            return LinkKind.BAD
        return _role(link.tag, link.attribute, link.rel)
    if url.startswith(ADDRESS_SCHEMES):
        return LinkKind.ADDRESS
    scheme = SCHEME.match(url)
    if scheme is None or scheme[1].lower() in WEB_SCHEMES:
        return LinkKind.BAD
    return LinkKind.OTHER


@lru_cache(maxsize=4_096)
def _has_host(authority: str) -> bool:
    """Whether `scheme://host` is one: a link that is no URL comes as it was written."""
    try:
        return parse(f"{authority}/").href.startswith(authority)
    except BadUrl:
        return False


@lru_cache(maxsize=4_096)
def _role(tag: str, attribute: str | None, rel: tuple[str, ...]) -> LinkKind:
    if attribute is None or attribute == "style" or attribute.startswith("og:"):
        return LinkKind.CHECK
    if attribute == "xlink:href":
        attribute = "href"
    if attribute == "href":
        if tag in ("a", "area"):
            return LinkKind.FOLLOW
        if tag == "link":
            return _role_of_link_element(frozenset(rel))
    elif (attribute == "src" and tag in ("frame", "iframe")) or (
        attribute == "content" and tag == "meta"  # a refresh: no other is listed
    ):
        return LinkKind.FOLLOW
    is_checked = tag.lower() in CHECKED_TAGS.get(attribute, ())
    return LinkKind.CHECK if is_checked else LinkKind.OTHER


def _role_of_link_element(rels: frozenset[str]) -> LinkKind:
    if rels and rels <= SILENT_RELS:
        return LinkKind.OTHER
    if rels & FOLLOWED_RELS and "stylesheet" not in rels:
        return LinkKind.FOLLOW
    return LinkKind.CHECK


# --- what came of a target -----------------------------------------------------------


class Answered(Protocol):
    """What a verdict is made of: a Page is one."""

    @property
    def state(self) -> State: ...
    @property
    def status(self) -> int | None: ...
    @property
    def hops(self) -> Sequence[Hop]: ...
    @property
    def failure(self) -> Failure | None: ...


# These say that the answer was of no use to us; that there was one, its status says.
USELESS_BUT_THERE = frozenset({Kind.TOO_LARGE, Kind.ANALYSIS_CRASHED})
PERMANENT = frozenset({301, 308})  # RFC 9110, 15.4.2 and 15.4.9


def verdict_of(target: Answered, *, is_soft_404: bool = False) -> State:
    """Return what came of a link's target, out of the set that pages have.

    It is the state of the page, but for two cases: what is there and
    was only too large to be read whole is `ok`, and a soft 404 is `broken`.
    """
    state = target.state
    if (
        target.failure is not None
        and target.failure.kind in USELESS_BUT_THERE
        and target.status is not None
    ):
        state = State.REDIRECTED if target.hops else State.OK
        if target.status >= 400:
            state = State.BROKEN
    if is_soft_404 and state in (State.OK, State.REDIRECTED):
        return State.BROKEN
    return state


def moved_for_good(hops: Iterable[Hop]) -> bool:
    """Whether every redirect of a chain, of one at least, is permanent: 301 or 308.

    Then the link can be changed; after one temporary redirect the old URL is the one
    to keep.
    """
    statuses = {hop.status for hop in hops}
    return bool(statuses) and statuses <= PERMANENT


class Answer(NamedTuple):
    """As much of a page as tells one answer from another.

    `redirected_to` is None for an answer without a redirect.
    """

    status: int
    redirected_to: str | None
    title: str | None
    text_hash: str
    word_count: int


SOFT_404_WORDS = 5  # the path that was asked for, a time, a number of the incident


def is_soft_404(page: Answer, probe: Answer, *, front: Answer | None = None) -> bool:
    """Whether a page is an error page in spite of its status.

    It is if its host answers nonsense the same way: redirects it to the same
    place, or shows the same words; or the same title and nearly as many words, if
    that title is not the one of the whole site.

    A host whose front page has the words of the probe too shows them for everything (an
    application that is drawn by scripts); nothing can be said of its pages.

    Args:
        page: what came of the page.
        probe: what came of a random path on the same host.
        front: what came of the host's front page, where known.
    """
    if page.status >= 400 or probe.status >= 400:
        return False
    if front is not None and front.text_hash == probe.text_hash:
        return page.redirected_to is not None and (
            page.redirected_to == probe.redirected_to
        )
    if probe.redirected_to is not None and page.redirected_to == probe.redirected_to:
        return True
    if page.redirected_to is None and probe.redirected_to is not None:
        return False  # it may be the very place that nonsense is sent to
    if page.text_hash == probe.text_hash:
        return True
    return (
        front is not None
        and bool(page.title)
        and page.title == probe.title != front.title
        and abs(page.word_count - probe.word_count) <= SOFT_404_WORDS
    )


# --- places in a document ------------------------------------------------------------

DIRECTIVE_DELIMITER = ":~:"  # WICG, URL Fragment Text Directives, 3.3


class SplitUrl(NamedTuple):
    """A URL, its fragment (None without a `#`) and the values of its `text=`."""

    document: str
    fragment: str | None
    text_directives: tuple[str, ...]


def split_fragment(url: str) -> SplitUrl:
    """Return a URL taken apart at `#` and at `:~:`, everything as it is encoded.

    Source:
        WICG, URL Fragment Text Directives, 3.3 and 3.4.
    """
    document, mark, rest = url.partition("#")
    if not mark:
        return SplitUrl(document, None, ())
    fragment, _, directives = rest.partition(DIRECTIVE_DELIMITER)
    texts = [
        directive.removeprefix("text=")
        for directive in directives.split("&")
        if directive.startswith("text=")
    ]
    return SplitUrl(document, fragment, tuple(texts))


def text_directive_found(directive: str, text: str) -> bool:
    """Whether the words that `#:~:text=` quotes stand in a text.

    Case and the amount of white space make no difference. Words are matched
    whole where that can be told: in the Latin letters and digits of ASCII.

    Args:
        directive: `[prefix-,]start[,end][,-suffix]`, percent-encoded.
        text: the visible text of the page.

    Source:
        WICG, URL Fragment Text Directives, 3.5 (syntax) and 3.6 (finding).
    """
    quoted = _read_directive(directive)
    if quoted is None:
        return False
    prefix, start, end, suffix = quoted
    folded = _fold(text)
    if end is None:
        return _words_in_a_row(prefix, start, suffix).search(folded) is not None
    # After the first start there is the most left to find an end in.
    found = _words_in_a_row(prefix, start).search(folded)
    if found is None:
        return False
    return _words_in_a_row(end, suffix).search(folded, found.end()) is not None


def _read_directive(directive: str) -> tuple[str, str, str | None, str] | None:
    """Return prefix, start, end and suffix, decoded; None if it is none."""
    terms = directive.split(",")
    prefix = terms.pop(0)[:-1] if terms[0].endswith("-") else ""
    suffix = terms.pop()[1:] if terms and terms[-1].startswith("-") else ""
    if not 1 <= len(terms) <= 2 or not all(terms):
        return None
    start, end = terms[0], terms[1] if len(terms) > 1 else None
    return (
        _fold(unquote(prefix)),
        _fold(unquote(start)),
        None if end is None else _fold(unquote(end)),
        _fold(unquote(suffix)),
    )


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _words_in_a_row(*terms: str) -> re.Pattern[str]:
    """Match terms that follow each other, where no ASCII word goes on at the ends."""
    given = [term for term in terms if term]
    pattern = " ?".join(map(re.escape, given))
    if given and _is_word(given[0][0]):
        pattern = f"(?<![a-z0-9]){pattern}"
    if given and _is_word(given[-1][-1]):
        pattern = f"{pattern}(?![a-z0-9])"
    return re.compile(pattern)


def _is_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


# --- addresses -----------------------------------------------------------------------

LOCAL_PART_MAX_OCTETS = 64  # RFC 5321, 4.5.3.1.1
ADDRESS_MAX_OCTETS = 254  # RFC 5321, 4.5.3.1.3: a path of 256, less its angle brackets
LABEL_MAX_CHARS = 63  # RFC 1035, 2.3.4
# RFC 5322, 3.2.3 (atext), widened by RFC 6532, 3.2 to all that is not ASCII.
DOT_ATOM = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
    r"(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+)*",
    re.IGNORECASE,
)
# RFC 5322, 3.2.4 and 3.4.1, without folding white space and comments (RFC 6068, 2).
QUOTED_STRING = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"')
DOMAIN_LITERAL = re.compile(r"\[[!-Z^-~]+\]")
BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")
ADDRESS_HEADERS = frozenset({"to", "cc", "bcc"})
# RFC 3966, 3: phonedigit and phonedigit-hex without its letters; ITU-T E.164, 6.1.
# The first digit is looked for once: nothing to try again in a number that is none.
GLOBAL_NUMBER = re.compile(r"\+[.()\-]*[0-9][0-9.()\-]*")
LOCAL_NUMBER = re.compile(r"[.()\-]*[0-9*#][0-9*#.()\-]*")
TEL_PARAMETER = re.compile(r"[A-Za-z0-9\-]+(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+)?")
GLOBAL_NUMBER_MAX_DIGITS = 15
SHOWN_CHARS = 300  # an address has at most 254 octets


def address_problem(url: str) -> str | None:
    """Return what is wrong with the form of a `mailto:` or `tel:`; None if nothing is.

    Whether somebody is there is not asked. A number without `+` is let pass
    without the `phone-context` that RFC 3966 wants: every telephone can dial it.

    Source:
        RFC 6068 (mailto), RFC 5322, 3.4.1 with RFC 6532 (address), RFC 3966 (tel).
    """
    scheme, _, rest = url.partition(":")
    if rest.startswith("//"):
        return f"no slashes follow {scheme}:"
    if scheme.lower() == "tel":
        return _tel_problem(rest)
    return _mailto_problem(rest)


def _mailto_problem(rest: str) -> str | None:
    to, mark, headers = rest.partition("#")[0].partition("?")
    if not to and not mark:
        return "it names no address"
    addresses = to.split(",") if to else []
    for header in headers.split("&"):
        name, _, value = header.partition("=")
        if unquote(name).lower() in ADDRESS_HEADERS and value:
            addresses += value.split(",")
    for encoded in addresses:
        problem = _encoded_address_problem(encoded)
        if problem is not None:
            return problem
    return None


def _encoded_address_problem(encoded: str) -> str | None:
    if BAD_PERCENT.search(encoded):
        return f"a percent sign is followed by two hex digits: {_shown(encoded)}"
    try:
        address = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        return f"this is not UTF-8: {_shown(encoded)}"
    # A header may hold several, the comma encoded (RFC 6068, 2).
    if "," in address and '"' not in address:
        parts = [part.strip(" ") for part in address.split(",")]
        problems = [_spec_problem(part) for part in parts]
        return next((each for each in problems if each is not None), None)
    return _spec_problem(address)


def _spec_problem(address: str) -> str | None:
    """Return what is wrong with an addr-spec (RFC 5322, 3.4.1)."""
    if not address:
        return "there is an empty address"
    local, at, domain = address.rpartition("@")
    if not at:
        return f"there is no @ in {_shown(address)}"
    if not local or not domain:
        return f"a part is missing beside the @ of {_shown(address)}"
    if ";" in address and not local.startswith('"'):
        return f"commas stand between addresses, not semicolons: {_shown(address)}"
    if not DOT_ATOM.fullmatch(local) and not QUOTED_STRING.fullmatch(local):
        what = "white space" if SPACE_OR_CONTROL.search(local) else "a bad character"
        return f"{what} or a misplaced dot before the @ of {_shown(address)}"
    if len(local.encode()) > LOCAL_PART_MAX_OCTETS:
        shown = _shown(address)
        return f"more than {LOCAL_PART_MAX_OCTETS} octets before the @ of {shown}"
    if len(address.encode()) > ADDRESS_MAX_OCTETS:
        return (
            f"the address has more than {ADDRESS_MAX_OCTETS} octets: {_shown(address)}"
        )
    if not _is_domain(domain):
        return f"{_shown(domain)} is no domain"
    return None


def _is_domain(domain: str) -> bool:
    if domain.startswith("["):
        return DOMAIN_LITERAL.fullmatch(domain) is not None
    labels = domain.split(".")
    return all(map(_is_label, labels)) and not labels[-1].isdecimal()


def _is_label(label: str) -> bool:
    """Whether it may be a label of a host name, in ASCII or not (RFC 5890, 2.3.2.1)."""
    if not 1 <= len(label) <= LABEL_MAX_CHARS or label[0] == "-" or label[-1] == "-":
        return False
    return all(
        char == "-" or char in "\u200c\u200d" or unicodedata.category(char)[0] in "LMN"
        for char in label
    )


def _tel_problem(rest: str) -> str | None:
    if BAD_PERCENT.search(rest):
        return f"a percent sign is followed by two hex digits: {_shown(rest)}"
    number, *parameters = rest.split(";")
    number = unquote(number)
    if not number:
        return "there is no number"
    if SPACE_OR_CONTROL.search(number):
        return f"white space in the number {_shown(number)}: a dash may stand there"
    if number.startswith("+"):
        if not GLOBAL_NUMBER.fullmatch(number):
            return f"only digits and - . ( ) follow the + of a number: {_shown(number)}"
        digits = sum(char.isdecimal() for char in number)
        if digits > GLOBAL_NUMBER_MAX_DIGITS:
            shown = _shown(number)
            return f"a number has at most {GLOBAL_NUMBER_MAX_DIGITS} digits: {shown}"
    elif not LOCAL_NUMBER.fullmatch(number):
        return f"this is no telephone number: {_shown(number)}"
    for parameter in parameters:
        if not TEL_PARAMETER.fullmatch(parameter):
            return f"this is no parameter of a number: {_shown(parameter)}"
    return None


def _shown(text: str) -> str:
    """Return a text between quotes, cut to what a sentence can hold."""
    return repr(text) if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]!r}..."
