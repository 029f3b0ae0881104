"""What a URL is: lines of a list to URLs, and URLs taken apart, joined and compared.

Everything follows the WHATWG URL standard (by can_ada), the way browsers read
URLs. What comes out of `parse` is serialised once, and that text is what is
requested, so no second parser can see another host in it. Spellings in which
parsers disagree about the host are refused, not repaired. No I/O, no state.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

import can_ada

__all__ = [
    "BadUrl",
    "Resolver",
    "Url",
    "from_line",
    "join",
    "looks_like_host",
    "parse",
    "split_credentials",
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


class BadUrl(ValueError):
    """A text is no URL that can be fetched; the message says why in one sentence."""


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
    text = url.strip()
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
    and a second look-up costs a twentieth of a join. A plain `#fragment`, every
    third reference of a manual, is added to the base without a join.
    """

    __slots__ = ("_base", "_page")

    def __init__(self, base: str) -> None:
        super().__init__()
        try:
            self._base: can_ada.URL | None = can_ada.parse(base)
            self._page = self._base.href.partition("#")[0]
        except (ValueError, TypeError):
            self._base = None
            self._page = ""

    @property
    def has_base(self) -> bool:
        """Whether the base is an absolute URL; without one, only absolute ones join."""
        return self._base is not None

    def __missing__(self, reference: str) -> str:
        try:
            if self._page and _PLAIN_FRAGMENT.fullmatch(reference):
                resolved = self._page + reference
            elif self._base is None:
                resolved = can_ada.parse(reference).href
            else:
                resolved = (self._base + reference).href
        except (ValueError, TypeError):
            resolved = reference
        self[reference] = resolved
        return resolved


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
