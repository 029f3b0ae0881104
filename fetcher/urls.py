"""What a URL is: lines of a list to URLs, and URLs taken apart, joined and compared.

Everything follows the WHATWG URL standard (by can_ada), the way browsers read
URLs. What comes out of `parse` is serialised once, and that text is what is
requested, so no second parser can see another host in it. Spellings in which
parsers disagree about the host are refused, not repaired. `Scope` says which
links a crawl follows. No I/O, nothing kept between calls but what `Scope` is told and
joins of lately, which change no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, unquote_plus

import can_ada

from .errors import ConfigError

if TYPE_CHECKING:
    from tldextract import TLDExtract

__all__ = [
    "BadUrl",
    "Resolver",
    "Scope",
    "ScopeKind",
    "Url",
    "from_line",
    "is_address",
    "is_public_suffix",
    "join",
    "looks_like_host",
    "parse",
    "registrable_domain",
    "split_credentials",
    "strip_params",
    "strip_session_ids",
    "spelling",
]

# RFC 9110, 4.1: everybody should support at least 8000 octets; common servers stop
# at about 8 KiB for the whole request line (nginx, large_client_header_buffers).
URL_MAX_CHARS = 8_000
SHOWN_CHARS = 80

# What needs no second look: http or https, "//", at most one user part, a host
# without white space or backslash, no control characters in the rest.
_PLAIN = re.compile(
    r"https?://(?:[^/?#\\@\x00-\x20\x7f]*@)?[^/?#\\@\x00-\x20\x7f]+"
    r"(?:[/?#][^\x00-\x1f\x7f]*)?",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AROUND = " \t\n\r\x0b\x0c"  # other white space is part of the URL, and to browsers bad
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_AUTHORITY = re.compile(r"//([^/?#]*)")
# A fragment in which WHATWG percent-encodes nothing.
_PLAIN_FRAGMENT = re.compile(r"#[!#-;=?-_a-~]*")
_COMMENT = re.compile(r"\s#")
_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>\w(?:[\w.\-]*\w)?\.?))"
    r"(?::(?P<port>\d{1,5}))?(?=[/?#]|\Z)"
)
# Schemes that digits may follow, as a port follows a host.
_NOT_HOSTS = frozenset(
    {"about", "callto", "data", "fax", "file", "ftp", "http", "https", "javascript"}
    | {"mailto", "sip", "sips", "sms", "tel", "urn", "view-source"}
)

# Names that mean a session and nothing else, lower-case: Jakarta Servlet 6.0, 7.1.3
# (jsessionid); PHP, session.name (PHPSESSID); ColdFusion, client variables (CFID,
# CFTOKEN); osCommerce and its heirs (osCsid, XTCsid, MODsid, zenid); Magento (___SID).
SESSION_NAMES = frozenset(
    {"jsessionid", "phpsessid", "cfid", "cftoken", "oscsid", "xtcsid", "modsid"}
    | {"zenid", "___sid"}
)
# ASP names its cookie ASPSESSIONID and eight letters.
_ASP_SESSION = re.compile(r"aspsessionid[a-z]{8}")
# Names that mean a session if the value is a long random one (`sid=` of phpBB, `s=` of
# vBulletin), and else a story, a station, a search.
MAYBE_SESSION_NAMES = frozenset(
    {"sid", "s", "sessid", "session", "sessionid", "session_id", "session-id", "ssid"}
)
_RANDOM_VALUE = re.compile(r"(?=\w*\d)(?=\w*[a-z])[0-9a-z]{20,}", re.IGNORECASE)
_SESSION_IN_PATH = re.compile(
    # ASP.NET, cookieless session state: /(S(24 characters))/page.aspx
    r"/\((?:[A-Z]\([0-9A-Za-z_-]{20,}\))+\)(?=/)|;(?:jsessionid|phpsessid|sessionid|sid)="
    r"[^;/?#]*",
    re.IGNORECASE,
)
KEPT_AUTHORITIES = 10_000  # bounds the memory of a Scope
SURE_STARTS = 4  # how many are compared before a look-up is quicker


class BadUrl(ValueError):
    """A text is no URL that can be fetched; the message says why in one sentence."""


def spelling(url: str) -> str:
    """Return the one spelling of a URL, without its fragment; what is none stays."""
    try:
        return parse(url).href
    except BadUrl:
        return url


class Url(NamedTuple):
    """One http or https URL, taken apart.

    href:      the whole URL as WHATWG serialises it, without its fragment
    origin:    scheme, host and port as one key; the scheme's own port is left out
    scheme:    "http" or "https"
    host:      host name in ASCII (Punycode) or address, without port; IPv6 in brackets
    fragment:  what follows `#`, as serialised; "" for an empty one and for none
    """

    href: str
    origin: str
    scheme: str
    host: str
    fragment: str


def parse(url: str) -> Url:
    r"""Return the parts of a URL that can be fetched.

    Refused are: other schemes than http and https, no scheme, no host, control
    characters, more than 8,000 characters, what WHATWG cannot parse, and the
    spellings that mean different hosts to different parsers: a backslash or a
    second `@` before the path (`http://a\@b/`), and other than two slashes
    after the scheme (`http:a`, `http:///a`).

    Raises:
        BadUrl: if it is refused.
    """
    text = url.strip(_AROUND)
    if len(text) > URL_MAX_CHARS or _PLAIN.fullmatch(text) is None:
        raise BadUrl(_why_refused(text))
    try:
        parsed = can_ada.parse(text)
    except (ValueError, TypeError):  # TypeError: a lone surrogate
        raise BadUrl(f"this is not a valid URL: {_shown(text)}") from None
    fragment = parsed.hash[1:]
    parsed.hash = ""
    href = parsed.href
    if len(href) > URL_MAX_CHARS:
        raise BadUrl(_too_long(len(href), text))
    return Url(href, parsed.origin, parsed.protocol[:-1], parsed.hostname, fragment)


def split_credentials(href: str) -> tuple[str, tuple[str, str] | None]:
    """Return a parsed URL without its user part, and user and password, decoded.

    The second is None where there are none.
    """
    if "@" not in href:
        return href, None
    parsed = can_ada.parse(href)
    if not parsed.username and not parsed.password:
        return href, None
    found = unquote(parsed.username), unquote(parsed.password)
    parsed.username = parsed.password = ""
    return parsed.href, found


def join(base: str, reference: str) -> str:
    """Return the absolute URL that a reference on the page `base` means.

    Any scheme may come out (`mailto:`, `javascript:`), fragments are kept, and a
    reference that cannot be resolved comes back as it was written.
    """
    return Resolver(base)[reference]


class Resolver(dict[str, str]):
    """References of one page to absolute URLs: `Resolver(base)[reference]`.

    A dictionary that fills itself, because a page repeats half of its references
    and a second look-up costs a twentieth of a join. Two more joins are saved: a plain
    `#fragment` is added to what stands before it, and what pages of one directory
    have in common (`../index.html`) is kept for the next of them.
    """

    __slots__ = ("_base", "_near", "_page")

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base: can_ada.URL | None = None
        self._page = ""
        self._near: dict[str, str] | None = None
        try:
            self._base = can_ada.parse(base)
        except (ValueError, TypeError):
            return
        self._page = self._base.href.partition("#")[0]
        if self._page.startswith(_WEB):
            self._near = _joins.near(self._page.partition("?")[0].rpartition("/")[0])

    @property
    def has_base(self) -> bool:
        """Whether the base is an absolute URL; without one, only absolute ones join."""
        return self._base is not None

    def __missing__(self, reference: str) -> str:
        document, mark, _ = reference.partition("#")
        if not mark or not _PLAIN_FRAGMENT.fullmatch(reference, len(document)):
            resolved = self._joined(reference)
        elif not document and self._page:
            resolved = self._page + reference
        elif document and document[-1] > " " and self[document].startswith(_WEB):
            resolved = self[document] + reference[len(document) :]
        else:
            resolved = self._joined(reference)
        self[reference] = resolved
        return resolved

    def _joined(self, reference: str) -> str:
        near = self._near
        if near is None or not _SAME_FROM_NEAR.fullmatch(reference):
            return self._join(reference)
        found = near.get(reference)
        if found is None:
            found = self._join(reference)
            _joins.keep(near, reference, found)
        return found

    def _join(self, reference: str) -> str:
        try:
            if self._base is None:
                return can_ada.parse(reference).href
            return (self._base + reference).href
        except (ValueError, TypeError):
            return reference


_WEB = ("http://", "https://")
# References that mean the same to all pages of a directory: neither of the page's own
# name ("?x", "#x", "", "http:?x") nor with white space before that.
_SAME_FROM_NEAR = re.compile(r"[A-Za-z0-9._~/-][^:#]{0,500}|https?://[^#]{0,500}")
JOINS_KEPT = 20_000  # in all; 6 MB


class _Joins:
    """Joins of lately, by the directory of their base; forgotten when they are many."""

    def __init__(self) -> None:
        self._by_directory: dict[str, dict[str, str]] = {}
        self._left = JOINS_KEPT

    def near(self, directory: str) -> dict[str, str]:
        """Return what references from this directory lead to, as far as is known."""
        if self._left <= 0:
            self._by_directory = {}
            self._left = JOINS_KEPT
        found = self._by_directory.get(directory)
        if found is None:
            self._left -= 1
            found = self._by_directory[directory] = {}
        return found

    def keep(self, near: dict[str, str], reference: str, url: str) -> None:
        """Keep one, if there is room."""
        if self._left > 0:
            self._left -= 1
            near[reference] = url


_joins = _Joins()


def from_line(line: str, default_scheme: str = "https") -> str | None:
    """Return the URL that one line of a list holds, None where it holds none.

    White space around it and a byte-order mark are dropped. A line that is blank
    or begins with `#` holds none. Behind a URL, white space and `#` begin a comment;
    a `#` without white space before it is the URL's fragment. A line without
    a scheme that looks like a host gets `default_scheme`; anything else
    is given back for `parse` to refuse by its name.
    """
    text = line.strip().removeprefix("\ufeff").strip()
    if not text or text.startswith("#"):
        return None
    comment = _COMMENT.search(text)
    if comment is not None:
        text = text[: comment.start()].rstrip()
    if text.startswith("//"):
        return f"{default_scheme}:{text}"
    if looks_like_host(text):
        return f"{default_scheme}://{text}"
    return text


def looks_like_host(text: str) -> bool:
    """Whether a text without a scheme begins with a host that can be meant.

    A host is a name with a dot, `localhost`, any name with a port, an IPv4 address
    or an IPv6 address in brackets; then the text ends, or `/`, `?` or `#` follows.
    """
    found = _HOST_AND_PORT.match(text)
    if found is None:
        return False
    port = found["port"]
    if port is not None and int(port) > 65535:
        return False
    if found["ipv6"] is not None:
        return ":" in found["ipv6"]
    name = found["name"].lower()
    if port is not None and name in _NOT_HOSTS:
        return False
    labels = name.removesuffix(".").split(".")
    if not all(labels):
        return False
    if labels[-1].isdecimal():
        return len(labels) == 4 and all(label.isdecimal() for label in labels)
    return len(labels) > 1 or port is not None or name == "localhost"


class ScopeKind(StrEnum):
    """How far a crawl follows links (`--scope`).

    origin:  scheme, host and port of a start
    host:    its host, whatever scheme and port
    domain:  its registrable domain and all below it
    prefix:  its origin, in its directory and below
    all:     every http and https URL
    """

    ORIGIN = "origin"
    HOST = "host"
    DOMAIN = "domain"
    PREFIX = "prefix"
    ALL = "all"


class Scope:
    """What a crawl follows: pages of the sites that were given, less what is excluded.

    The kind is a wall: no `include` opens it, because `--include /docs/` would
    otherwise lead to the documentation of every site on the web. Inside it, with
    `include` alone only what matches one is followed; with `exclude` alone all but
    what matches one; with both all but what matches an exclude and no include
    (lychee's rule: includes are then the exceptions).
    To follow two sites and no others: `all`, and an include for each.

    Patterns are searched for in the URL as text, without its fragment. They are the
    caller's own: one that backtracks for ever does so here.
    """

    def __init__(
        self,
        kind: ScopeKind,
        starts: Iterable[str] = (),
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self._include = _compiled("include", include)
        self._exclude = _compiled("exclude", exclude)
        self._starts: set[str] = set()  # origins, hosts or domains, as the kind is
        self._directories: dict[str, set[str]] = {}  # by origin, for `prefix`
        self._paths = _Paths(self._paths_at)
        self._all_selected = not include and not exclude
        self._surely: tuple[str, ...] = ()  # how most URLs in scope begin
        for start in starts:
            self.add_start(start)

    def add_start(self, url: str) -> None:
        """Let the crawl follow what belongs to this URL as well.

        To be called for each URL that is given, and for where it redirects to.

        Raises:
            BadUrl: if it is no http or https URL.
        """
        href, origin, _, host, _ = parse(url)
        directory = "/"
        if self.kind is ScopeKind.PREFIX:
            path = href[href.index("/", 8) :].partition("?")[0]
            directory = path[: path.rindex("/") + 1]
            self._directories.setdefault(origin, set()).add(directory)
        self._starts.add(self._belongs_to(origin, host))
        self._paths.clear()
        if len(self._surely) < SURE_STARTS:
            self._surely += (origin + directory,)

    def follows(self, url: str) -> bool:
        """Whether a link to this URL, in WHATWG form, is followed."""
        if not url.startswith(self._surely):
            end = url.find("/", 8)  # where the path begins: a host has a character
            if not url.startswith(self._paths[url[:end]], end):
                return False
        return self._all_selected or self._not_selected(url) is None

    def why_not(self, url: str) -> str | None:
        """Return why a link to this URL is not followed; None if it is."""
        end = url.find("/", 8)
        paths = self._paths[url[:end]]
        if url.startswith(paths, end):
            return self._not_selected(url)
        if not url.startswith(("http://", "https://")):
            return "neither http nor https"
        if paths:
            return "outside the directory of the start"
        kind = ScopeKind.ORIGIN if self.kind is ScopeKind.PREFIX else self.kind
        return f"another {kind}"

    def excludes(self, url: str) -> bool:
        """Whether an exclude, and no include, matches: it is to be left alone.

        What is only out of scope may be checked; what a person has excluded
        (`/logout`) may not.
        """
        text = url.partition("#")[0]
        return _first(self._exclude, text) is not None and not _first(
            self._include, text
        )

    def __repr__(self) -> str:
        return f"<Scope {self.kind} {len(self._starts)} starts>"

    def _not_selected(self, url: str) -> str | None:
        text = url.partition("#")[0]
        if _first(self._include, text) is not None:
            return None
        found = _first(self._exclude, text)
        if found is not None:
            return f"excluded by {found.pattern!r}"
        if self._include and not self._exclude:
            return "not among what is included"
        return None

    def _belongs_to(self, origin: str, host: str) -> str:
        if self.kind is ScopeKind.HOST:
            return host
        if self.kind is ScopeKind.DOMAIN:
            return registrable_domain(host)
        return origin

    def _paths_at(self, authority: str) -> tuple[str, ...]:
        """Return what a path must begin with at `scheme://host` for it to be in scope.

        Empty where no path is. The authority may hold a user part.
        """
        try:
            _, origin, _, host, _ = parse(f"{authority}/")
        except BadUrl:  # another scheme
            return ()
        if self.kind is ScopeKind.ALL:
            return ("/",)
        if self._belongs_to(origin, host) not in self._starts:
            return ()
        if self.kind is not ScopeKind.PREFIX:
            return ("/",)
        shortest: list[str] = []
        for directory in sorted(self._directories[origin]):
            if not shortest or not directory.startswith(shortest[-1]):
                shortest.append(directory)
        return tuple(shortest)


class _Paths(dict[str, tuple[str, ...]]):
    """The paths in scope, by authority; it fills itself, and forgets when it is large.

    A page's links go to few authorities: one look-up answers for nearly all of them.
    """

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[str], tuple[str, ...]]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, authority: str) -> tuple[str, ...]:
        if len(self) >= KEPT_AUTHORITIES:
            self.clear()
        found = self[authority] = self._ask(authority)
        return found


def _compiled(flag: str, patterns: Sequence[str]) -> list[re.Pattern[str]]:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ConfigError(
                f"{flag}: {pattern!r} is not a regular expression: {error}"
            ) from error
    return compiled


def _first(patterns: Iterable[re.Pattern[str]], text: str) -> re.Pattern[str] | None:
    return next((pattern for pattern in patterns if pattern.search(text)), None)


@lru_cache(maxsize=4_096)
def registrable_domain(host: str) -> str:
    """Return what somebody registered of a host name: `b.co.uk` of `a.b.co.uk`.

    By the public suffix list that comes with tldextract, its private part included:
    `me.github.io` is a site of its own. An address, a name of one label and a public
    suffix are their own domain; a suffix that is not on the list is one label long.
    A dot at the end stays: `b.example.` and `b.example` are two hosts.

    Args:
        host: as in `Url.host`.

    Source:
        https://publicsuffix.org/list/; WHATWG URL, 3.2 (registrable domain).
    """
    name = host.removesuffix(".")
    if is_address(host):
        return host
    found = _public_suffixes().extract_str(name)
    if not found.suffix:
        return ".".join(name.split(".")[-2:]) + host[len(name) :]
    domain = found.top_domain_under_public_suffix or name
    return domain + host[len(name) :]


def is_address(host: str) -> bool:
    """Whether a host, as in `Url.host`, is an IP address and not a name."""
    last = host.removesuffix(".").rpartition(".")[2]
    return host.startswith("[") or last.isdecimal()


@lru_cache(maxsize=4_096)
def is_public_suffix(host: str) -> bool:
    """Whether anybody may register a name below this one: `co.uk`, `github.io`.

    By the list that comes with tldextract, its private part included. A name of one
    label is one, as the list's last rule says.
    """
    name = host.removesuffix(".").lower()
    if "." not in name:
        return True
    return not is_address(name) and _public_suffixes().extract_str(name).suffix == name


@lru_cache(maxsize=1)
def _public_suffixes() -> TLDExtract:
    """Return the reader of the list that came with the package: no network, no cache.

    Imported here, because it takes 0.3 s and only one kind of scope needs it.
    """
    from tldextract import TLDExtract

    return TLDExtract(
        cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True
    )


def strip_params(href: str, patterns: Sequence[str]) -> str:
    """Return a URL without the query parameters whose names match a pattern.

    `utm_*` is a pattern: `*`, `?` and `[...]` as a shell has them, case counts. Names
    are compared as they are meant (`%75tm_source` is `utm_source`). What stays
    keeps its order and spelling; a query that is left empty goes with its `?`.
    """
    if not patterns or "?" not in href:
        return href
    return _without_params(href, _name_matcher(tuple(patterns)))


@lru_cache(maxsize=64)
def _name_matcher(patterns: tuple[str, ...]) -> Callable[[str, str], bool]:
    matches = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    return lambda name, value: matches(name) is not None


def strip_session_ids(href: str) -> str:
    """Return a URL without what only tells one visitor from another.

    That is `;jsessionid=...` and `/(S(...))` in the path, and query parameters by name
    (`SESSION_NAMES`), the ambiguous names only with a long random value.
    A site that hands out a new one with each answer has no end otherwise.
    """
    if ";" not in href and "?" not in href and "/(" not in href:
        return href
    path, mark, query = href.partition("?")
    begins = path.find("/", 8)  # a host may hold what looks like a session
    if begins >= 0:
        path = path[:begins] + _SESSION_IN_PATH.sub("", path[begins:])
    return _without_params(path + mark + query, _is_session)


def _is_session(name: str, value: str) -> bool:
    name = name.lower()
    if name in SESSION_NAMES or _ASP_SESSION.fullmatch(name):
        return True
    return name in MAYBE_SESSION_NAMES and _RANDOM_VALUE.fullmatch(value) is not None


def _without_params(href: str, unwanted: Callable[[str, str], bool]) -> str:
    """Return a URL without the parameters of which `unwanted(name, value)` is true."""
    whole, hash_mark, fragment = href.partition("#")
    path, mark, query = whole.partition("?")
    if not mark:
        return href
    written = query.split("&")
    kept = []
    for parameter in written:
        name, _, value = parameter.partition("=")
        if not parameter or not unwanted(unquote_plus(name), value):
            kept.append(parameter)
    if len(kept) == len(written):
        return href
    left = "&".join(kept)
    return (f"{path}?{left}" if left else path) + hash_mark + fragment


def _why_refused(text: str) -> str:
    """Say in one sentence why `parse` refuses what does not look plain."""
    if not text:
        return "an empty text is no URL"
    if len(text) > URL_MAX_CHARS:
        return _too_long(len(text), text)
    if _CONTROL.search(text):
        return f"a URL holds no control characters: {_shown(text)}"
    scheme = _SCHEME.match(text)
    if scheme is None:
        return f"a URL begins with http:// or https://: {_shown(text)}"
    if scheme[1].lower() not in ("http", "https"):
        return (
            f"only http and https can be fetched, not {_shown(scheme[1])}: "
            f"{_shown(text)}"
        )
    authority = _AUTHORITY.match(text, scheme.end())
    if authority is None:
        return f"two slashes follow the scheme of a URL: {_shown(text)}"
    if "\\" in authority[1] or authority[1].count("@") > 1:
        return f"programs disagree about the host of this URL: {_shown(text)}"
    if authority[1].rpartition("@")[2] == "":
        return f"there is no host in this URL: {_shown(text)}"
    return f"this is not a valid URL: {_shown(text)}"


def _too_long(chars: int, text: str) -> str:
    return f"a URL has at most {URL_MAX_CHARS} characters, not {chars}: {_shown(text)}"


def _shown(text: str) -> str:
    if len(text) <= SHOWN_CHARS:
        return ascii(text) if not text.isprintable() else repr(text)
    return f"{text[:SHOWN_CHARS]!r}..."
