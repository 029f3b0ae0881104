"""Whom a cookie may be set for and sent to: RFC 6265 with the public suffix list.

http.cookiejar's own rules are older than both. By them `Domain=co.uk` is a domain like
any other, `Domain=0.0.1` belongs to 127.0.0.1, a cookie without a Domain goes to every
host below its own, and an answer that ends a cookie may end any site's.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Sequence
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urlsplit

from requests.cookies import RequestsCookieJar

from .. import urls
from ..errors import ConfigError

__all__ = ["SiteJar", "keep_to_rules", "new_jar", "read_cookies"]


class SiteRules(DefaultCookiePolicy):
    """Lets a cookie go where a browser would send it, and nowhere else."""

    def set_ok_domain(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        """Whether the host that answered may set a cookie for this domain.

        One that names itself, and is a public suffix or an address, has set it for
        itself alone (RFC 6265, 5.3, step 5).
        """
        if not cookie.domain_specified:
            return True
        host, domain = _host_of(request), cookie.domain.removeprefix(".").lower()
        if not _covers(domain, host):
            return False
        if host == domain and (urls.is_address(host) or urls.is_public_suffix(host)):
            cookie.domain, cookie.domain_specified = host, False
            return True
        return not urls.is_public_suffix(domain)

    def return_ok_domain(self, cookie: Cookie, request: urllib.request.Request) -> bool:
        """Whether a cookie is sent to this host (RFC 6265, 5.4, step 1)."""
        host = _host_of(request)
        if cookie.domain_specified:
            return _covers(cookie.domain, host)
        # The last two: http.cookiejar's name for a host without a dot, when it sets the
        # domain; and what somebody put into a session of their own for any host.
        return cookie.domain in (host, f"{host}.local", "")


class SiteJar(RequestsCookieJar):
    """requests' jar, in which no answer can end the cookie of another site."""

    _answering: str | None = None

    def make_cookies(
        self, response: object, request: urllib.request.Request
    ) -> Sequence[Cookie]:
        """Return the cookies that an answer sets; those that it ends are gone."""
        self._answering = _host_of(request)
        try:
            return super().make_cookies(response, request)  # type: ignore[arg-type]
        finally:
            self._answering = None

    def clear(
        self,
        domain: str | None = None,
        path: str | None = None,
        name: str | None = None,
    ) -> None:
        """Remove cookies; while an answer is read, only what belongs to its host."""
        answering = self._answering
        if answering is None or domain is None or _covers(domain, answering):
            super().clear(domain, path, name)


def new_jar() -> SiteJar:
    """Return an empty jar that keeps to the rules above."""
    return SiteJar(policy=SiteRules())


def keep_to_rules(jar: CookieJar) -> None:
    """Let the jar of a user's session take cookies by the rules above.

    Not if it has others of its own. Its cookies without a domain stay cookies for every
    host. Which cookies are sent is requests' doing, which copies the jar and not its
    policy: those without a Domain go below their host too.
    """
    theirs = vars(jar).get("_policy")
    usual = DefaultCookiePolicy()
    if type(theirs) is DefaultCookiePolicy and vars(theirs) == vars(usual):
        jar.set_policy(SiteRules())


def _covers(domain: str, host: str) -> bool:
    """Whether a cookie's domain is a host or one above it (RFC 6265, 5.1.3)."""
    name = domain.removeprefix(".").lower()
    if name in (host, f"{host}.local"):  # the second as in `return_ok_domain`
        return True
    return host.endswith(f".{name}") and not urls.is_address(host)


_PORT = re.compile(r":\d*$")


def _host_of(request: urllib.request.Request) -> str:
    """Return the host that was asked, as in `urls.Url.host`."""
    authority = urlsplit(request.get_full_url()).netloc
    return _PORT.sub("", authority.rpartition("@")[2]).lower()


def read_cookies(path: str) -> CookieJar:
    """Return the cookies of a file in Netscape form, as browsers and curl write it.

    Raises:
        ConfigError: if it cannot be read. What the file holds is not repeated.

    Source:
        curl, "The cookie file format" (docs/HTTP-COOKIES.md): seven fields between
        tabs; 0 for "until the end of the session"; "#HttpOnly_" begins no comment.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cookie_file: {path!r} cannot be read: {error}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"cookie_file: {path!r} is not UTF-8") from None
    jar = CookieJar()
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("#HttpOnly_")
        if not text.strip() or text.startswith("#"):
            continue
        cookie = _cookie_of(text.split("\t"))
        if cookie is None:
            raise ConfigError(
                f"cookie_file: line {number} of {path!r} is not in Netscape form:"
                " seven fields between tabs"
            )
        jar.set_cookie(cookie)
    return jar


def _cookie_of(parts: list[str]) -> Cookie | None:
    """Return the cookie of a line's fields, None if they are none; value last."""
    if len(parts) == 6:  # an empty value, whose tab an editor took away
        parts = [*parts, ""]
    if len(parts) != 7 or not parts[0] or not (parts[4] or "0").isdecimal():
        return None
    host, below, cookie_path, secure, expires, name, value = parts
    for_site = below.upper() == "TRUE"
    until_s = int(expires or 0) or None
    name_only = host.removeprefix(".").lower()
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=f".{name_only}" if for_site else name_only,
        domain_specified=for_site,
        domain_initial_dot=for_site,
        path=cookie_path,
        path_specified=False,
        secure=secure.upper() == "TRUE",
        expires=until_s,
        discard=until_s is None,
        comment=None,
        comment_url=None,
        rest={},
    )
