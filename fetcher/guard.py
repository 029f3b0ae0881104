"""Whether an address may be contacted: how private it is, and who wants to go there.

    reach_of("10.0.0.1")                  -> Reach.PRIVATE
    Guard().rule_for(Reach.PUBLIC).why_not("10.0.0.1")
                                          -> "10.0.0.1 is private, and a public ..."

Pages come from strangers, and a link costs them nothing: without a rule, a page on
the web could make this machine ask its own router, its own database or its cloud's
metadata service, and read the answer from a published report. The rule is one
sentence: a page leads only to addresses at most as private as its own. What a person
listed is trusted, because a person has reasons to check a private site.

What decides is the very address that a connection goes to, never a name: no name
is looked up here, and the transport asks at the moment it connects. Addresses that
carry another one (IPv4-mapped, 6to4, Teredo, NAT64, ISATAP) are as private as the most
private address in them. Which networks are special is listed here by hand, because
`ipaddress.is_global` calls 224.0.0.1, 64:ff9b::7f00:1 and 168.63.129.16 global.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .errors import ConfigError
from .models import Reach, Settings

__all__ = ["Guard", "Network", "Reach", "Rule", "networks", "reach_of"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ADDRESSES_KEPT = 16_384  # answers that are remembered

# Networks that are not simply part of the internet; the longest that fits decides.
# Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), IANA
# Internet Protocol Version 6 Address Space, and where another one is named.
_SPECIAL = {
    Reach.PUBLIC: (
        "2000::/3",  # global unicast: all that is handed out
        "2001::/32",  # Teredo: decided by the addresses in it
        "2002::/16",  # 6to4: decided by the address in it
        *("64:ff9b::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "::/96"),  # likewise
    ),
    Reach.PRIVATE: (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
        "100.64.0.0/10",  # carriers' NAT, and many a cloud's inside: RFC 6598
        "192.0.0.0/24",  # IETF protocol assignments
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation
        "192.88.99.0/24",  # relays of 6to4, given up: RFC 7526
        "198.18.0.0/15",  # benchmarks: RFC 2544
        "64:ff9b:1::/48",  # NAT64 of a site's own: RFC 8215
        *("100::/64", "100:0:0:1::/64"),  # discard only: RFC 6666; dummy: RFC 9780
        "2001::/23",  # IETF protocol assignments; what is public there is no web site
        *("2001:db8::/32", "3fff::/20"),  # documentation: RFC 3849, RFC 9637
        "5f00::/16",  # segment routing: RFC 9602
        "fc00::/7",  # unique local: RFC 4193
        "fec0::/10",  # site local, given up: RFC 3879
    ),
    Reach.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),  # RFC 3927, RFC 4291
    Reach.LOOPBACK: (
        *("127.0.0.0/8", "::1/128"),
        # Connecting to "any address" connects to this machine. Not forbidden, because
        # development servers print it for people to open.
        *("0.0.0.0/32", "::/128"),
    ),
    Reach.FORBIDDEN: (
        "0.0.0.0/8",  # this network: RFC 791
        *("224.0.0.0/4", "ff00::/8"),  # multicast
        *("240.0.0.0/4", "255.255.255.255/32"),  # reserved: RFC 1112; broadcast
        "::/0",  # what no registry has handed out for unicast
        # Where a cloud tells a machine its secrets, from the clouds' documentation.
        "169.254.169.254/32",  # AWS, Azure, Google Cloud, Oracle, OpenStack, and more
        "fd00:ec2::254/128",  # AWS, EC2 instance metadata over IPv6
        *("169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::23/128"),  # ECS, EKS
        "fd20:ce::254/128",  # Google Cloud over IPv6
        "fe80::a9fe:a9fe/128",  # OpenStack over IPv6
        "168.63.129.16/32",  # Azure, the platform's own services
        "100.100.100.200/32",  # Alibaba Cloud
        "192.0.0.192/32",  # Oracle Cloud, its classic form
        "169.254.0.23/32",  # Tencent Cloud
        *("169.254.42.42/32", "fd00:42::42/128"),  # Scaleway
    ),
}
_BY_LENGTH: list[tuple[Network, Reach]] = sorted(
    (
        (ipaddress.ip_network(text), reach)
        for reach, texts in _SPECIAL.items()
        for text in texts
    ),
    key=lambda pair: -pair[0].prefixlen,
)

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291, 2.5.5.2
_LAST_FOUR_BYTES = (
    _MAPPED,
    ipaddress.IPv6Network("::/96"),  # compatible, given up: RFC 4291, 2.5.5.1
    ipaddress.IPv6Network("::ffff:0:0:0/96"),  # translated: RFC 2765, 2.1
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64: RFC 6052, 2.1
)
_NOT_COMPATIBLE = (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1"))
_NAT64_OF_A_SITE = ipaddress.IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # RFC 3056, 2
_TEREDO = ipaddress.IPv6Network("2001::/32")  # RFC 4380, 4
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # RFC 5214, 6.1

_PUBLIC, _FORBIDDEN = Reach.PUBLIC, Reach.FORBIDDEN  # looked up for each request
_NAMED = {
    Reach.PUBLIC: "public",
    Reach.PRIVATE: "private",
    Reach.LINK_LOCAL: "link-local",
    Reach.LOOPBACK: "this machine",
    Reach.FORBIDDEN: "where no page may lead",
}
_LED_BY = {**_NAMED, Reach.LOOPBACK: "local", Reach.FORBIDDEN: "local"}


def reach_of(ip: str) -> Reach:
    """Return how private an address is: of those that it carries, the most private.

    Args:
        ip: an IPv4 or IPv6 address as text, a zone (`%eth0`) allowed. What is no
            address is FORBIDDEN: nobody can say where it leads.
    """
    return _looked_up(ip)[1]


@lru_cache(maxsize=ADDRESSES_KEPT)
def _looked_up(ip: str) -> tuple[tuple[Address, ...], Reach]:
    """Return an address with all that it carries, itself first, and its reach."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return (), Reach.FORBIDDEN
    forms = (address, *_carried(address))
    return forms, max(map(_by_table, forms))


def _by_table(address: Address) -> Reach:
    for network, reach in _BY_LENGTH:
        if address in network:
            return reach
    return Reach.PUBLIC  # IPv4 that is not special


def _carried(address: Address) -> list[Address]:
    """Return the IPv4 addresses in an IPv6 one: where it may lead in the end."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    packed = address.packed
    if address in _NOT_COMPATIBLE:
        return []
    if any(address in network for network in _LAST_FOUR_BYTES):
        return [_ipv4(packed[12:])]
    if address in _SIX_TO_FOUR:
        return [_ipv4(packed[2:6])]
    if address in _TEREDO:  # its server, and the client with all bits turned
        return [_ipv4(packed[4:8]), _ipv4(bytes(byte ^ 0xFF for byte in packed[12:]))]
    if address in _NAT64_OF_A_SITE:
        return [_ipv4(_in_site_prefix(packed))]
    if packed[8:12] in _ISATAP:
        return [_ipv4(packed[12:])]
    return []


def _ipv4(packed: bytes) -> Address:
    return ipaddress.IPv4Address(packed)


def _in_site_prefix(packed: bytes) -> bytes:
    """Return the IPv4 address in a NAT64 prefix of a site's own, 48 or 96 bits long.

    Behind 48 bits it lies around the eighth byte, and zeros follow (RFC 6052, 2.2).
    """
    if not any(packed[11:]):
        return packed[6:8] + packed[9:11]
    return packed[12:]


def networks(option: str, texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that an option names, in CIDR form or one address each.

    Raises:
        ConfigError: if one is none; the message names option and value.
    """
    if isinstance(texts, str):
        raise ConfigError(f"{option} is a list of networks, got {texts!r}")
    return tuple(_network(option, text) for text in texts)


def _network(option: str, text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(
            f"{option}: {text!r} is no network; one reads '10.0.0.0/8' or 'fd00::/8'"
        ) from None
    raise ConfigError(f"{option}: {text!r} begins inside a network; is {meant} meant?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Where the requests of a run may go.

    In this order:

    1. What `deny` names is refused, by any of the addresses that one carries.
    2. What `allow` names may be asked, whoever leads there.
    3. With `public_only` all that is not public is refused.
    4. What a person listed may be asked.
    5. A page leads only to what is at most as private as itself, and never to what is
       FORBIDDEN.

    `public` names networks that count as public, for tests whose servers are all on
    this machine. `trusts_proxy` leaves 5 to the proxies, which alone see addresses.
    """

    public_only: bool = False
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    public: tuple[Network, ...] = ()
    trusts_proxy: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Guard:
        """Return the guard that settings ask for.

        Raises:
            ConfigError: for a network that is none.
        """
        return cls(
            public_only=settings.public_only,
            allow=networks("allow_net", settings.allow_net),
            deny=networks("deny_net", settings.deny_net),
            public=networks("public_nets", settings.public_nets),
            trusts_proxy=settings.trust_proxy,
        )

    def must_see(self, whom: str) -> None:
        """Do nothing if the guard can do without addresses that somebody keeps from us.

        Args:
            whom: who connects in our place: "the proxy of $http_proxy".

        Raises:
            ConfigError: if a person asked for a rule about addresses (1 to 3).
        """
        rules = {
            "public_only": self.public_only,
            "deny_net": self.deny,
            "allow_net": self.allow,
        }
        for option, is_set in rules.items():
            if is_set:
                raise ConfigError(
                    f"{option} is about addresses, and {whom} would connect where"
                    " fetcher cannot see them: leave one of the two out"
                )

    def must_see_past(self, proxy: str) -> None:
        """Do nothing if a proxy may be used: as `must_see`, or because it is trusted.

        Args:
            proxy: where it is named; not its URL, which may hold a password.

        Raises:
            ConfigError: if it may not.
        """
        if self.trusts_proxy:
            return
        try:
            self.must_see(f"the proxy of {proxy}")
        except ConfigError as error:
            raise ConfigError(f"{error}, or set trust_proxy") from None

    def reach_of(self, ip: str) -> Reach:
        """Return how private an address is in this run."""
        forms, reach = _looked_up(ip)
        if not self.public or not forms:
            return reach
        return max(
            Reach.PUBLIC if _is_in(form, self.public) else _by_table(form)
            for form in forms
        )

    def led_by(self, limit: Reach | None, ip: str | None, url: str) -> Reach:
        """Return how private an address may be to which an answer leads on.

        That is the least private of all on the way there. Were it only the last one,
        a page on the web could send us through a private host that redirects to what
        it is told (an open redirect) and so borrow that host's privacy.

        Args:
            limit: what was allowed to the request; None if a person listed it.
            ip: the address that answered; None if a proxy, or an adapter that is not
                ours, kept it from us. Then a name counts as public.
            url: what was asked for, in WHATWG form.
        """
        ip = ip or _ip_in(url)
        found = Reach.PUBLIC if ip is None else self.reach_of(ip)
        return found if limit is None else min(found, limit)

    def rule_for(self, limit: Reach | None) -> Rule | None:
        """Return the rule of one request; None if it may go anywhere.

        Args:
            limit: how private its address may be; None if a person listed it.
        """
        if limit is None and not self.public_only and not self.deny:
            return None
        return Rule(self, limit)


class Rule(NamedTuple):
    """A guard and what one request is allowed: `limit` is None if it was listed."""

    guard: Guard
    limit: Reach | None

    def why_not(self, ip: str) -> str | None:
        """Return why this address may not be asked, as a sentence; None if it may."""
        return _why_not(self.guard, self.limit, ip)

    def why_not_unseen(self, url: str) -> str | None:
        """Return why a URL may not be asked whose address somebody else finds.

        Only addresses that are written in the URL can be judged, and localhost.
        """
        ip = _ip_in(url)
        if ip is None:
            return None
        return _why_not(self.guard, None if self.guard.trusts_proxy else self.limit, ip)


def _why_not(guard: Guard, limit: Reach | None, ip: str) -> str | None:
    forms, reach = _looked_up(ip)
    if not forms:
        return f"{ip!r} is no address"
    if guard.public:
        reach = guard.reach_of(ip)
    if guard.deny:
        denied = (net for net in guard.deny for form in forms if form in net)
        if (network := next(denied, None)) is not None:
            return f"{ip} lies in {network}, which deny_net refuses"
    if reach is _PUBLIC or (guard.allow and _is_allowed(forms, guard.allow)):
        return None
    if guard.public_only:
        return f"{ip} is {_NAMED[reach]}, and public_only allows public addresses alone"
    if limit is None or (reach <= limit and reach is not _FORBIDDEN):
        return None
    return f"{ip} is {_NAMED[reach]}, and a {_LED_BY[limit]} page led there"


def _is_allowed(forms: Sequence[Address], allow: Sequence[Network]) -> bool:
    """Whether networks name an address, or all in it that is not public."""
    if _is_in(forms[0], allow):
        return True
    return all(_by_table(form) is Reach.PUBLIC or _is_in(form, allow) for form in forms)


def _is_in(address: Address, nets: Sequence[Network]) -> bool:
    return any(address in network for network in nets)


def _ip_in(url: str) -> str | None:
    """Return the address that a URL in WHATWG form says; None for a name.

    The standard has turned all spellings of an address into the usual one.
    """
    authority = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    host = authority.partition(":")[0]
    if host.rpartition(".")[2].isdecimal():
        return host
    is_here = f".{host.rstrip('.')}".endswith(".localhost")  # RFC 6761, 6.3
    return "127.0.0.1" if is_here else None
