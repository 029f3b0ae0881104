"""The values that cross a module or a process; no behaviour beyond reading them.

Everything here is immutable and pickles. What a site does wrong is a `Failure`
in a `Page`, with a `Kind` out of a closed set; what a URL came to is a `State`
out of a closed set. `Page` itself stands in `fetcher.page`, because it owns
lazy views that need a parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    import requests

__all__ = [
    "Certificate",
    "Facts",
    "CrawlOptions",
    "Failure",
    "Finding",
    "Following",
    "Heading",
    "Headers",
    "Hop",
    "Image",
    "Kind",
    "Link",
    "MetaRefresh",
    "Purpose",
    "Reach",
    "Request",
    "Settings",
    "SettingsOptions",
    "Severity",
    "State",
    "StructuredItem",
    "Timings",
]


class State(StrEnum):
    """What a URL came to: every Page is in exactly one of these."""

    OK = "ok"
    REDIRECTED = "redirected"
    BROKEN = "broken"
    BLOCKED = "blocked"
    FAILED = "failed"
    SKIPPED = "skipped"


class Kind(StrEnum):
    """Why there is no answer, or no usable one."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY = "proxy"
    TLS_EXPIRED = "tls_expired"
    TLS_HOSTNAME = "tls_hostname"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_OTHER = "tls_other"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    BAD_ENCODING = "bad_encoding"
    FORBIDDEN_ADDRESS = "forbidden_address"
    BAD_URL = "bad_url"
    WORKER_LOST = "worker_lost"
    ANALYSIS_CRASHED = "analysis_crashed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a URL has no usable answer: a kind to count by, a sentence to read."""

    kind: Kind
    message: str


class Hop(NamedTuple):
    """One redirect that was followed: the URL that answered with it.

    `ip` is the address that answered, None when the transport could not tell.
    """

    url: str
    status: int
    ip: str | None


class Timings(NamedTuple):
    """Where the time went, in seconds; None where a phase did not take place.

    The phases follow each other and do not overlap; over redirects each is summed.

        queue_s     from submission by the engine until a worker began
        dns_s       name resolution (None on a reused connection)
        connect_s   TCP connect (None on a reused connection)
        tls_s       TLS handshake (None without TLS or on a reused connection)
        ttfb_s      from the request being ready to send until the first byte came
        transfer_s  from the first byte to the last
        total_s     the whole exchange, redirects included, `queue_s` excluded
    """

    queue_s: float | None = None
    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None
    ttfb_s: float | None = None
    transfer_s: float | None = None
    total_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The certificate a TLS server showed, also when it was refused.

    `reason` says in the TLS library's words why it was not `verified`, else None.
    `not_before` and `not_after` are aware UTC.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    verified: bool
    reason: str | None = None

    def __str__(self) -> str:
        """Return what it says, for a person."""
        doubt = "" if self.verified else ", not verified"
        until = self.not_after.astimezone(UTC)
        return f"{self.subject} by {self.issuer}, until {until:%Y-%m-%d}{doubt}"


class Headers(Mapping[str, str]):
    """Response header fields: looked up without regard to case, order and repeats kept.

    `headers["Set-Cookie"]` joins repeated fields with ", " (RFC 9110, 5.3);
    `get_all` gives them one by one. `lines` is what came: n (name, value) pairs.
    """

    __slots__ = ("_joined", "lines")

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self.lines: tuple[tuple[str, str], ...] = tuple(lines)
        self._joined: dict[str, str] | None = None

    def _by_name(self) -> dict[str, str]:
        if self._joined is None:
            joined: dict[str, str] = {}
            for name, value in self.lines:
                key = name.lower()
                joined[key] = f"{joined[key]}, {value}" if key in joined else value
            self._joined = joined
        return self._joined

    def __getitem__(self, name: str) -> str:
        return self._by_name()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def get_all(self, name: str) -> list[str]:
        """Return the value of every field of this name, in the order they came."""
        wanted = name.lower()
        return [value for key, value in self.lines if key.lower() == wanted]

    def __repr__(self) -> str:
        return f"Headers({list(self.lines)!r})"

    def __reduce__(self) -> tuple[type[Headers], tuple[tuple[tuple[str, str], ...]]]:
        return Headers, (self.lines,)


class Link(NamedTuple):
    """One thing that a page points to.

    A tuple and not a dataclass: a page has 110 to 170 of them and they are built
    three times as fast this way.

    `url` is absolute (or as written, where it cannot be resolved); `attribute` is
    None for the text of a `<style>`; `rel` is lower-case tokens; `line` and
    `column` count from 1 and tell where the start tag stands in the source (both are
    0 for an element that no tag began).
    """

    url: str
    text: str
    rel: tuple[str, ...]
    tag: str
    attribute: str | None
    line: int
    column: int


class Heading(NamedTuple):
    """One `<h1>` to `<h6>`: its level, 1 to 6, and its text, white space folded."""

    level: int
    text: str


class Image(NamedTuple):
    """One `<img>`. `alt` is None when the attribute is missing, "" when it is empty."""

    url: str
    alt: str | None
    line: int
    column: int


class MetaRefresh(NamedTuple):
    """A `<meta http-equiv=refresh>`: where it leads after how many seconds."""

    delay_s: float
    url: str


class StructuredItem(NamedTuple):
    """One piece of structured data: its format, its types, its plain values.

    `format` is "json-ld", "microdata", "rdfa" or "opengraph". `values` is None for a
    JSON-LD block that is not JSON (or nests deeper than 400).
    """

    format: str
    types: tuple[str, ...]
    values: object


TEXT = "visible text"  # what can be read ahead besides the fields of Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a page says of itself, read once from its HTML by `facts.extract`.

    Absent texts are None; white space in texts is folded to single spaces.
    `robots` holds the lower-case directives of `<meta name=robots>`; `fragments`
    the ids and names that `#...` can point to; `base` the URL that relative links
    were resolved against; `text_hash` is a hex digest of the visible words.
    `encoding` is a WHATWG name and `encoding_source` how it was learnt: "bom",
    "http", "meta", "detected" or "default". `capped` names, in order, what a page had
    more of than is listed: "links", "images", ...; "markup" where only its first part
    was read.
    """

    title: str | None
    description: str | None
    canonical: str | None
    language: str | None
    robots: tuple[str, ...]
    headings: tuple[Heading, ...]
    links: tuple[Link, ...]
    images: tuple[Image, ...]
    fragments: frozenset[str]
    meta_refresh: MetaRefresh | None
    base: str
    structured_data: tuple[StructuredItem, ...]
    word_count: int
    text_hash: str
    encoding: str
    encoding_source: str
    capped: tuple[str, ...] = ()

    @property
    def link_count(self) -> int:
        """How many links there are; quicker to have than the links themselves."""
        return len(self.links)

    @property
    def h1(self) -> tuple[str, ...]:
        """The texts of the `<h1>` headings."""
        return tuple(text for level, text in self.headings if level == 1)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """How to ask: what is the same for every request of a run.

    timeout_s:      seconds for one attempt, its redirects and name look-ups included
    max_redirects:  redirects that are followed
    max_bytes:      decoded bytes of a body that are read
    headers:        n (name, value) pairs sent besides our own to the origins that were
                    given; to no other, but for From
    auth:           (user, password) for the origins that were given
    netrc:          look their credentials up in ~/.netrc
    cookie_file:    cookies in Netscape form, sent where they belong (RFC 6265)
    proxy:          a proxy URL; None leaves it to the environment (`http_proxy`, ...)
    cacert, cert:   PEM files: roots to trust, client certificate with its key
    insecure:       take any certificate (it is still reported as not verified)
    resolve:        n "host:port:address" in curl's form
    ip_version:     4, 6, or None for both
    accept:         n (low, high) ranges of statuses that are well; None: below 400
    session:        a function that makes the `requests.Session` of each thread
    public_only:    ask public addresses alone, also for what was listed
    allow_net:      n networks ("10.0.0.0/8") that may be asked, whoever leads there
    deny_net:       n networks that may not be asked; it goes before `allow_net`
    trust_proxy:    let proxies decide where requests go: they alone see addresses
    public_nets:    n networks that count as public: for tests with servers on loopback
    """

    timeout_s: float = 20.0
    max_redirects: int = 10
    max_bytes: int = 10_000_000
    user_agent: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None
    netrc: bool = False
    cookie_file: str | None = None
    proxy: str | None = None
    cacert: str | None = None
    cert: str | None = None
    insecure: bool = False
    resolve: tuple[str, ...] = ()
    ip_version: int | None = None
    accept: tuple[tuple[int, int], ...] | None = None
    session: Callable[[], requests.Session] | None = None
    public_only: bool = False
    allow_net: tuple[str, ...] = ()
    deny_net: tuple[str, ...] = ()
    trust_proxy: bool = False
    public_nets: tuple[str, ...] = ()

    @property
    def has_secrets(self) -> bool:
        """Whether something here is meant for the origins that were given alone."""
        return bool(
            self.headers or self.auth or self.netrc or self.cert or self.session
        )

    def __repr__(self) -> str:
        """Return what differs from the defaults; of a secret only that it is there."""
        shown = [
            f"{each.name}={HIDDEN if each.name in SECRET_SETTINGS else repr(value)}"
            for each in fields(self)
            if (value := getattr(self, each.name)) != each.default
        ]
        return f"Settings({', '.join(shown)})"


# What no traceback and no log may show of Settings, and what they show instead.
HIDDEN = "<hidden>"
SECRET_SETTINGS = frozenset({"auth", "headers", "proxy"})


class SettingsOptions(TypedDict, total=False):
    """The fields of `Settings` as keyword arguments of `crawl()`, none required."""

    timeout_s: float
    max_redirects: int
    max_bytes: int
    user_agent: str | None
    headers: tuple[tuple[str, str], ...] | Mapping[str, str]
    auth: tuple[str, str] | None
    netrc: bool
    cookie_file: str | None
    proxy: str | None
    cacert: str | None
    cert: str | None
    insecure: bool
    resolve: tuple[str, ...]
    ip_version: int | None
    accept: tuple[tuple[int, int], ...] | None
    session: Callable[[], requests.Session] | None
    public_only: bool
    allow_net: Sequence[str]
    deny_net: Sequence[str]
    trust_proxy: bool
    public_nets: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How far a run goes beyond what was given; the defaults go nowhere.

    depth:         links followed from what was given, 0 or more
    check_links:   ask for what pages point to and is not followed; None: if depth > 0
    scope:         "origin", "host", "domain", "prefix" or "all": what is followed
    include:       n regular expressions; see `fetcher.urls.Scope`
    exclude:       n regular expressions: neither followed nor checked
    external:      "check" or "skip" links that lead out of scope
    redirects:     "ok", "warn" or "error": what a link to a redirect is
    ignore_robots: do not ask for robots.txt (for a site of one's own)
    obey_robots:   robots.txt binds what was given too, not only what was found
    sitemap:       read the sitemaps that robots.txt names, or /sitemap.xml
    strip_params:  n patterns ("utm_*") of query parameters that are taken out of links
    max_url_chars: longer links are not followed
    """

    depth: int = 0
    check_links: bool | None = None
    scope: str = "origin"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    external: str = "check"
    redirects: str = "ok"
    ignore_robots: bool = False
    obey_robots: bool = False
    sitemap: bool = False
    strip_params: tuple[str, ...] = ()
    max_url_chars: int = 2_083

    @property
    def reads_links(self) -> bool:
        """Whether links matter: they are followed, or checked."""
        return self.depth > 0 or self.checks_links

    @property
    def needs_site(self) -> bool:
        """Whether more is asked for than what was given."""
        return self.reads_links or self.obey_robots or self.sitemap

    @property
    def checks_links(self) -> bool:
        """Whether what pages point to is asked for."""
        return self.depth > 0 if self.check_links is None else self.check_links


class CrawlOptions(SettingsOptions, total=False):
    """The fields of `Settings` and `Following` as keyword arguments of `crawl()`."""

    depth: int
    check_links: bool | None
    scope: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    external: str
    redirects: str
    ignore_robots: bool
    obey_robots: bool
    sitemap: bool
    strip_params: tuple[str, ...]
    max_url_chars: int


class Purpose(StrEnum):
    """What a URL is asked for.

    page:    to be analysed: it was given, or followed
    check:   to know whether it is there: something links to it
    robots:  an origin's robots.txt
    sitemap: a list of URLs
    probe:   a path that nobody has, to see how a host answers for what is not there
    """

    PAGE = "page"
    CHECK = "check"
    ROBOTS = "robots"
    SITEMAP = "sitemap"
    PROBE = "probe"


class Reach(IntEnum):
    """How private an address is: who can reach it, from everybody to nobody.

    public:     everybody on the internet
    private:    those in a network of one's own, or of a carrier
    link_local: those on the same wire
    loopback:   this machine
    forbidden:  a cloud's metadata service, or what is no host's address (multicast)
    """

    PUBLIC = 1
    PRIVATE = 2
    LINK_LOCAL = 3
    LOOPBACK = 4
    FORBIDDEN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One URL to be asked for, as the person wrote it.

    `attempt` counts from 1. What follows from the URL is filled in when it is read:
    `key` is the form by which duplicates are known (normalised, no fragment), `host`
    whose limits it falls under, `origin` which kept connections can serve it.
    `depth` is the number of links followed to find it; `method` is GET or HEAD.
    `reach` is how private the address may be that it goes to: at most as private as
    that of the page which led there; None for what a person listed. `group` is the
    name of the Group it was given in, or that of the page which led there.
    """

    url: str
    attempt: int = 1
    key: str = ""
    host: str = ""
    origin: str = ""
    depth: int = 0
    purpose: Purpose = Purpose.PAGE
    method: str = "GET"
    reach: Reach | None = None
    group: str = ""

    def plainly(self) -> tuple[object, ...]:
        """Return all that a Request is made of in plain values; None: as the URL."""
        return (
            self.url,
            None if self.key == self.url else self.key,
            self.host,
            self.origin,
            self.depth,
            self.purpose.value,
            self.method,
            self.attempt,
            None if self.reach is None else self.reach.value,
            self.group,
        )

    @classmethod
    def from_plain(cls, parts: Sequence[Any]) -> Request:
        """Return the Request that `plainly` was asked of."""
        url, key, host, origin, depth, purpose, method, attempt, reach, *later = parts
        return cls(
            url=url,
            key=url if key is None else key,
            host=host,
            origin=origin,
            depth=depth,
            purpose=Purpose(purpose),
            method=method,
            attempt=attempt,
            reach=None if reach is None else Reach(reach),
            group=later[0] if later else "",  # an older fetcher had none
        )


class Severity(StrEnum):
    """How much a finding weighs: what people set a rule to."""

    OFF = "off"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule holds against a page.

    rule:       which rule, by its id: "broken-link"
    severity:   "warn" or "error"; a rule that is off finds nothing
    url:        the page it stands on
    message:    what is wrong, in one sentence
    advice:     what to do about it; the same for all findings of a rule
    expected:   what should have been, in words; "" where the rule has no such thing
    got:        what there was instead
    excerpt:    what stands there, in one line, cut, with its secrets hidden
    target:     what the page points to, as resolved; None if it is not about a link
    line:       where it stands in the source, from 1; 0 where that is not known
    column:     from 1; 0 where that is not known
    link_text:  what a reader clicks on
    """

    rule: str
    severity: Severity
    url: str
    message: str
    advice: str = ""
    expected: str = ""
    got: str = ""
    excerpt: str = ""
    target: str | None = None
    line: int = 0
    column: int = 0
    link_text: str = ""
