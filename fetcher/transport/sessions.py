"""A `requests.Session` per thread and settings, and how it is asked.

requests' sessions are not safe between threads (requests#2766), so each thread has
its own. The environment (proxies, roots) is read when a session is made and not for
every request; ~/.netrc only where the settings say so.

A session that nobody but us configured is asked by a short way, which leaves out what
such a session cannot need; a session of the user's own by `session.request`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.request import getproxies

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import _basic_auth_str
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from requests.utils import check_header_validity, get_environ_proxies, get_netrc_auth

from .. import __version__
from ..errors import ConfigError
from ..guard import Guard
from ..models import Failure, Kind, Settings
from .adapter import BareAdapter, CurlAdapter, ReadyHeaders, take_cookies
from .cookies import keep_to_rules, new_jar, read_cookies
from .exchange import Exchange, Transfer
from .failures import clean

__all__ = ["USER_AGENT", "Client", "client_for"]

USER_AGENT = f"fetcher/{__version__} (+https://github.com/fetcher/fetcher)"
CLIENTS_MAX = 32  # groups of pages with settings of their own
ORIGINS_MAX = 1000
ROOTS_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in requests' order

_NO_HOOKS: Mapping[str, list[object]] = {"response": []}
_own = threading.local()
# Two people's credentials, or none: what is sent to the origin of the URL asked for.
Credentials = tuple[str, str]


def client_for(settings: Settings) -> Client:
    """Return this thread's client for these settings, made when first asked for."""
    if getattr(_own, "settings", None) is settings:
        return _own.client  # type: ignore[no-any-return]
    clients: OrderedDict[Settings, Client] | None = getattr(_own, "clients", None)
    if clients is None:
        clients = _own.clients = OrderedDict()
    client = clients.get(settings)
    if client is None:
        client = clients[settings] = Client(settings)
        if len(clients) > CLIENTS_MAX:
            _, oldest = clients.popitem(last=False)
            oldest.session.close()
    _own.settings, _own.client = settings, client
    return client


def _forget_clients() -> None:
    """Leave the sessions of the parent alone: their connections are its own."""
    global _own
    _left_alone.append(_own)
    _own = threading.local()


_left_alone: list[threading.local] = []
os.register_at_fork(after_in_child=_forget_clients)


class Client:
    """One session and what is known of its surroundings; for one thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.guard = Guard.of(settings)
        self._is_plain = settings.session is None
        self.session = _plain_session() if self._is_plain else _users_session(settings)
        self._verify = _roots(settings, self.session)
        self._cert = settings.cert or self.session.cert
        if settings.cert is not None:
            _must_be_readable("cert", settings.cert)
        if settings.cookie_file is not None:
            self.session.cookies.update(read_cookies(settings.cookie_file))
        self._reads_environment = self.session.trust_env
        self._refuse_proxies()
        self.session.trust_env = False
        self._proxies: dict[str, dict[str, str]] = {}
        self._netrc: dict[str, Credentials | None] = {}
        self._own_headers = _header_fields(settings)
        self._bare_headers = _ready_headers(settings, _for_everybody(self._own_headers))
        self._full_headers = _ready_headers(settings, self._own_headers)
        resolve, ip_version = settings.resolve, settings.ip_version
        self._adapter = BareAdapter(resolve=resolve, ip_version=ip_version)
        ours = CurlAdapter(resolve=resolve, ip_version=ip_version)
        _put_underneath(self.session, ours)

    def ask(
        self,
        url: str,
        origin: str,
        exchange: Exchange,
        *,
        method: str = "GET",
        credentials: Credentials | None,
        is_trusted: bool,
        condition: Sequence[tuple[str, str]] = (),
    ) -> requests.Response | Transfer:
        """Return the answer to one request, redirects not followed, body not read.

        Args:
            url: absolute, without credentials.
            origin: of that URL.
            exchange: what it may spend.
            method: GET or HEAD.
            credentials: that this URL has itself; they go before the settings'.
            is_trusted: whether the origin may see the settings' credentials, client
                certificate and header fields.
            condition: header fields that are sent besides.
        """
        auth = credentials
        if is_trusted:
            auth = credentials or self.settings.auth or self._netrc_for(url, origin)
        cert = self._cert if is_trusted else None
        proxies = self._proxies_for(url, origin)
        if self._is_plain:
            prepared = self._prepare(url, auth, is_trusted)
            prepared.method = method
            _add(prepared, condition)
            return self._ask_plainly(prepared, exchange, proxies, cert)
        timeout: Exchange | float = exchange
        if not isinstance(self.session.get_adapter(url), CurlAdapter):
            refused = self._refused_unseen(url, exchange)
            if refused is not None:
                return refused
            timeout = max(exchange.left_s(), 0.001)
        how: dict[str, Any] = {
            "stream": True,
            "timeout": timeout,
            "verify": self._verify,
            "cert": cert,
            "proxies": proxies,
            "allow_redirects": False,
        }
        if not is_trusted:
            prepared = self._prepare_untrusted(url, auth)
            prepared.method = method
            _add(prepared, condition)
            return self.session.send(prepared, **how)
        headers = {**self._own_headers, **dict(condition)}
        return self.session.request(method, url, headers=headers, auth=auth, **how)

    def _ask_plainly(
        self,
        prepared: requests.PreparedRequest,
        exchange: Exchange,
        proxies: dict[str, str],
        cert: str | tuple[str, str] | None,
    ) -> requests.Response | Transfer:
        """Return the answer as `Session.send` would, which here has no hooks to call.

        It is a Response only if something took the place of the adapter's `send`.
        """
        answer: requests.Response | Transfer = self._adapter.send(
            prepared,
            stream=True,
            timeout=exchange,  # type: ignore[arg-type]  # a urllib3 Timeout is well
            verify=self._verify,
            cert=cert,
            proxies=proxies,
        )
        jar = self.session.cookies
        if isinstance(answer, requests.Response):
            extract_cookies_to_jar(jar, prepared, answer.raw)  # type: ignore[no-untyped-call]
        elif answer.headers is not None:
            take_cookies(jar, prepared, answer.headers)
        return answer

    def _prepare(
        self, url: str, auth: Credentials | None, is_trusted: bool
    ) -> requests.PreparedRequest:
        """Return a request as `Session.prepare_request` would, in a tenth of the time.

        The URL is in WHATWG form already and the fields were checked once.
        """
        jar = self.session.cookies
        prepared = requests.PreparedRequest()
        prepared.method = "GET"
        prepared.url = url
        prepared.hooks = _NO_HOOKS
        vars(prepared)["_cookies"] = jar
        ready = self._full_headers if is_trusted else self._bare_headers
        prepared.headers = ready
        if auth is None and next(iter(jar), None) is None:
            return prepared
        prepared.headers = ready.copy()
        if "cookie" not in ready:
            cookie = get_cookie_header(jar, prepared)  # type: ignore[no-untyped-call]
            if cookie is not None:
                prepared.headers["Cookie"] = cookie
        if auth is not None and "authorization" not in ready:
            prepared.headers["Authorization"] = _basic_auth_str(*auth)
        return prepared

    def _prepare_untrusted(
        self, url: str, auth: Credentials | None
    ) -> requests.PreparedRequest:
        """Return a request of a user's session that tells nothing of the user.

        Neither the session's header fields nor its authentication; of its cookies
        those that a server set, which belong to a domain.
        """
        prepared = self._prepare(url, None, is_trusted=False)
        jar = new_jar()
        for cookie in self.session.cookies:
            if cookie.domain:
                jar.set_cookie(cookie)
        prepared.headers = self._bare_headers.copy()
        cookies = get_cookie_header(jar, prepared)  # type: ignore[no-untyped-call]
        if cookies is not None:
            prepared.headers["Cookie"] = cookies
        if auth is not None:
            prepared.headers["Authorization"] = _basic_auth_str(*auth)
        return prepared

    def _refuse_proxies(self) -> None:
        """Let no proxy hide addresses that a person made rules about.

        Also where `no_proxy` might leave nothing for it: which hosts that is about is
        known only when they are asked for.

        Raises:
            ConfigError: if there is one; the message says where it is named.
        """
        if self.settings.proxy is not None:
            self.guard.must_see_past("proxy=")
        if self.session.proxies:
            self.guard.must_see_past("the session")
        if self._reads_environment:
            for scheme in ("http", "https", "all"):
                if scheme in getproxies():
                    self.guard.must_see_past(f"${scheme}_proxy")

    def _refused_unseen(self, url: str, exchange: Exchange) -> Transfer | None:
        """Return the refusal of what an adapter that is not ours would ask, if any.

        Raises:
            ConfigError: if a person made rules about addresses: it hides them.
        """
        self.guard.must_see("an adapter of the session's own")
        why_not = exchange.rule and exchange.rule.why_not_unseen(url)
        if not why_not:
            return None
        text = clean(f"{url} may not be asked: {why_not}")
        return Transfer(failure=Failure(Kind.FORBIDDEN_ADDRESS, text))

    def _proxies_for(self, url: str, origin: str) -> dict[str, str]:
        found = self._proxies.get(origin)
        if found is None:
            if len(self._proxies) >= ORIGINS_MAX:
                self._proxies.clear()
            found = self._proxies[origin] = self._find_proxies(url)
        return found

    def _find_proxies(self, url: str) -> dict[str, str]:
        """Return the proxies for a URL: of the settings, the session, the environment.

        `no_proxy` of the environment holds for all of them, as it does for curl.
        """
        given = self.settings.proxy
        if not self._reads_environment:
            return {"all": given} if given is not None else dict(self.session.proxies)
        if given is None:
            return {**get_environ_proxies(url), **self.session.proxies}
        no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        if no_proxy and requests.utils.should_bypass_proxies(url, no_proxy):
            return {}
        return {"all": given}

    def _netrc_for(self, url: str, origin: str) -> Credentials | None:
        if not self.settings.netrc:
            return None
        if origin not in self._netrc:
            if len(self._netrc) >= ORIGINS_MAX:
                self._netrc.clear()
            self._netrc[origin] = get_netrc_auth(url)
        return self._netrc[origin]


def _add(prepared: requests.PreparedRequest, fields: Sequence[tuple[str, str]]) -> None:
    """Send these fields as well with this one request."""
    if fields:  # those that it has are of many
        prepared.headers = prepared.headers.copy()
        prepared.headers.update(fields)


def _plain_session() -> requests.Session:
    session = requests.Session()
    session.cookies = new_jar()
    return session


def _users_session(settings: Settings) -> requests.Session:
    assert settings.session is not None  # noqa: S101  # what the caller just asked
    session = settings.session()
    if not isinstance(session, requests.Session):
        got = type(session).__name__
        raise ConfigError(f"session must return a requests.Session, got {got}")
    # `send` follows a redirect with it, even where told not to (`Response.next`), and
    # raises for a Location that makes no sense.
    session.get_redirect_target = _no_redirect  # type: ignore[assignment,method-assign]
    keep_to_rules(session.cookies)
    if session.headers.get("User-Agent") == requests.utils.default_user_agent():
        session.headers["User-Agent"] = USER_AGENT
    return session


def _no_redirect(_: requests.Response) -> None:
    return None


def _put_underneath(session: requests.Session, ours: CurlAdapter) -> None:
    """Mount our adapter wherever requests' own default adapter is mounted."""
    for prefix, adapter in list(session.adapters.items()):
        if _is_requests_default(adapter):
            session.adapters[prefix] = ours


def _is_requests_default(adapter: BaseAdapter) -> bool:
    return type(adapter) is HTTPAdapter and not adapter.max_retries.total


def _roots(settings: Settings, session: requests.Session) -> bool | str:
    """Return requests' `verify`: the settings say, else the session or environment."""
    if settings.insecure:
        return False
    if settings.cacert is not None:
        _must_be_readable("cacert", settings.cacert)
        return settings.cacert
    if session.verify is not True or not session.trust_env:
        return True if session.verify is None else session.verify
    for variable in ROOTS_VARIABLES:
        if path := os.environ.get(variable):
            _must_be_readable(variable, path)
            return path
    return True


def _must_be_readable(name: str, path: str) -> None:
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{name}: {path!r} cannot be read")


def _header_fields(settings: Settings) -> dict[str, str]:
    """Return the caller's own fields; repeated ones joined (RFC 9110, 5.3)."""
    fields: dict[str, str] = {}
    for name, value in settings.headers:
        try:
            check_header_validity((name, value))
        except requests.exceptions.InvalidHeader:  # whose words hold the value
            raise ConfigError(f"headers: {name!r} is no header field") from None
        known = next((one for one in fields if one.lower() == name.lower()), None)
        if known is None:
            fields[name] = value
        else:
            fields[known] += ("; " if known.lower() == "cookie" else ", ") + value
    if settings.user_agent is not None:
        fields["User-Agent"] = settings.user_agent
    return fields


def _for_everybody(fields: Mapping[str, str]) -> dict[str, str]:
    """Return what is no secret: From tells every site whom to write to."""
    return {name: value for name, value in fields.items() if name.lower() == "from"}


def _ready_headers(settings: Settings, own: Mapping[str, str]) -> ReadyHeaders:
    fields = requests.structures.CaseInsensitiveDict(
        {"User-Agent": settings.user_agent or USER_AGENT, "Accept": "*/*"}
    )
    fields.update(own)
    return ReadyHeaders(fields)
