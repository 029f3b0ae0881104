"""How private an address is, and who may lead there: `fetcher.guard`, without network.

The tables are written anew here from the registries, and `ipaddress` is asked for a
second opinion.
"""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import ConfigError
from fetcher.guard import Guard, Reach, networks, reach_of
from fetcher.guard import _carried as carried
from fetcher.models import Settings
from fetcher.options import settings_and_following

PUBLIC, PRIVATE, LINK_LOCAL = Reach.PUBLIC, Reach.PRIVATE, Reach.LINK_LOCAL
LOOPBACK, FORBIDDEN = Reach.LOOPBACK, Reach.FORBIDDEN

REACHES = {
    PUBLIC: [
        *("1.1.1.1", "8.8.8.8", "93.184.216.34", "223.255.255.255"),
        *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
        *("126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0"),
        *("198.17.255.255", "198.20.0.0", "192.31.196.1", "168.63.129.15"),
        *("2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2620:4f:8000::1"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
        "2001:0:808:808:0:ffff:f7f7:f7f7",  # Teredo: 8.8.8.8 is server and client
    ],
    PRIVATE: [
        *("10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("100.64.0.1", "100.127.255.255", "198.18.0.1", "198.19.255.255"),
        *("192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
        *("fc00::1", "fd12:3456::1", "fec0::1", "2001:db8::1", "3fff::1", "5f00::1"),
        *("100::1", "2001:2::1", "64:ff9b:1::808:808"),
        *("::ffff:10.0.0.1", "::ffff:a00:1", "::10.0.0.1", "::ffff:0:10.0.0.1"),
        *("64:ff9b::10.0.0.1", "2002:a00:1::1", "2a00::5efe:10.0.0.1"),
        "2001:0:a00:1:0:ffff:f7f7:f7f7",  # Teredo over a private server
        "2001:0:808:808:0:ffff:f5ff:fffe",  # Teredo of a private client
        "2a00::200:5efe:10.0.0.1",  # ISATAP with the bit for unique addresses
    ],
    LINK_LOCAL: [
        *("169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1"),
        *("::ffff:169.254.1.1", "64:ff9b::a9fe:101", "2002:a9fe:101::"),
    ],
    LOOPBACK: [
        *("127.0.0.1", "127.255.255.255", "::1", "0.0.0.0", "::"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "fe80::5efe:7f00:1"),
        "64:ff9b:1:7f00:0:100::",  # RFC 6052, 2.2: behind 48 bits, around byte eight
        "2001:0:7f00:1:0:ffff:f7f7:f7f7",  # Teredo: its server is this machine
        "2001:0:808:808::80ff:fffe",  # Teredo: its client is
        "::ffff:0.0.0.0",
    ],
    FORBIDDEN: [
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "0.0.0.1"),
        *("ff02::1", "ff0e::1", "4000::1", "::ffff:224.0.0.1", "64:ff9b::e000:1"),
        *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"),
        *("169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),
        *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd20:ce::254"),
        *("fe80::a9fe:a9fe", "169.254.0.23", "169.254.42.42", "fd00:42::42"),
        *("", "localhost", "1.2.3", "01.1.1.1"),  # what is no address
    ],
}


@pytest.mark.parametrize(
    ("ip", "reach"), [(ip, reach) for reach, ips in REACHES.items() for ip in ips]
)
def test_an_address_is_as_private_as_the_most_private_that_it_carries(ip, reach):
    """No spelling of an address, and no tunnel to it, makes it look public."""
    assert reach_of(ip) is reach


IPV4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
WAYS = {
    "mapped": lambda ip: 0xFFFF << 32 | ip,
    "compatible": lambda ip: ip,
    "translated": lambda ip: 0xFFFF << 48 | ip,
    "nat64": lambda ip: 0x64FF9B << 96 | ip,
    "nat64 of a site": lambda ip: 0x64FF9B0001 << 80 | ip,
    "nat64 of a site, 48 bits": lambda ip: (
        0x64FF9B0001 << 80 | (ip >> 16) << 64 | (ip & 0xFFFF) << 40
    ),
    "6to4": lambda ip: 0x2002 << 112 | ip << 80 | 1,
    "teredo server": lambda ip: 0x20010000 << 96 | ip << 64,
    "teredo client": lambda ip: 0x20010000 << 96 | (ip ^ 0xFFFFFFFF),
    "isatap": lambda ip: 0x2A00 << 112 | 0x5EFE << 32 | ip,
}


@pytest.mark.parametrize("way", WAYS)
@given(ip=IPV4)
def test_no_wrapping_makes_an_address_more_public(way, ip):
    """Whatever IPv4 address a page writes in IPv6, it is judged as what it leads to."""
    if way == "nat64 of a site" and not int(ip) & 0xFFFFFF:
        return  # this is the other way of writing another address
    if way == "nat64 of a site, 48 bits" and int(ip) == 0:
        return
    if way == "compatible" and int(ip) < 2:
        return  # these are IPv6's own "any address" and loopback
    wrapped = ipaddress.IPv6Address(WAYS[way](int(ip)))
    assert reach_of(str(wrapped)) >= reach_of(str(ip))


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address) | st.ip_addresses())
def test_what_python_calls_no_public_address_is_none(ip):
    """Python's own table never knows of a private network that ours does not."""
    if reach_of(str(ip)) is PUBLIC and not carried(ip):
        assert ip.is_global
        assert not ip.is_multicast


def why_not(ip: str, limit: Reach | None, guard: Guard | None = None) -> str | None:
    rule = (guard or Guard()).rule_for(limit)
    return None if rule is None else rule.why_not(ip)


ONE_OF = {
    PUBLIC: "1.1.1.1",
    PRIVATE: "10.0.0.1",
    LINK_LOCAL: "169.254.1.1",
    LOOPBACK: "127.0.0.1",
    FORBIDDEN: "169.254.169.254",
}


@pytest.mark.parametrize("limit", Reach)
@pytest.mark.parametrize("reach", Reach)
def test_a_page_leads_to_what_is_at_most_as_private(limit, reach):
    """Pages lead to what is as public as they are; to metadata services never."""
    allowed = reach <= limit and reach is not FORBIDDEN
    assert (why_not(ONE_OF[reach], limit) is None) is allowed


@pytest.mark.parametrize("reach", Reach)
def test_what_a_person_listed_is_trusted(reach):
    assert why_not(ONE_OF[reach], None) is None


@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("limit", [None, *Reach])
def test_public_only_lets_nothing_else_through(reach, limit):
    """A list from a stranger is no reason to trust what it lists."""
    found = why_not(ONE_OF[reach], limit, Guard(public_only=True))
    assert (found is None) is (reach is PUBLIC)


def guard_of(**options: object) -> Guard:
    return Guard.of(Settings(**options))  # type: ignore[arg-type]


def test_what_is_allowed_may_be_asked_whoever_leads_there():
    guard = guard_of(allow_net=("10.1.0.0/16", "169.254.169.254"), public_only=True)
    assert why_not("10.1.2.3", PUBLIC, guard) is None
    assert why_not("10.1.2.3", None, guard) is None
    assert why_not("169.254.169.254", PUBLIC, guard) is None
    assert why_not("10.2.0.1", PUBLIC, guard)


def test_what_is_denied_may_not_be_asked_whoever_says_so():
    """Denied is denied: also where it is listed, allowed, or written otherwise."""
    guard = guard_of(deny_net=("10.1.0.0/16", "1.1.1.1"), allow_net=("10.0.0.0/8",))
    assert why_not("10.2.0.1", PUBLIC, guard) is None
    for ip in ("10.1.0.1", "1.1.1.1", "::ffff:10.1.0.1", "64:ff9b::101:101"):
        assert "deny_net" in (why_not(ip, None, guard) or "")
        assert "deny_net" in (why_not(ip, PUBLIC, guard) or "")


def test_an_allowed_network_lets_its_tunnelled_forms_through_and_no_others():
    guard = guard_of(allow_net=("10.0.0.0/8", "fd00::/8"))
    for ip in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::1"):
        assert why_not(ip, PUBLIC, guard) is None
    for ip in ("::ffff:127.0.0.1", "64:ff9b:1::a00:1", "2001:0:a00:1::80ff:fffe"):
        assert why_not(ip, PUBLIC, guard)


def test_a_test_may_declare_that_a_part_of_loopback_is_public():
    guard = guard_of(public_nets=("127.0.0.2/32",))
    assert guard.reach_of("127.0.0.2") is PUBLIC
    assert guard.reach_of("::ffff:127.0.0.2") is PUBLIC
    assert guard.reach_of("127.0.0.1") is LOOPBACK
    assert why_not("127.0.0.2", PUBLIC, guard) is None


# Where an answer leads on to


@pytest.mark.parametrize(
    ("limit", "ip", "url", "led"),
    [
        (None, "10.0.0.1", "http://a.example/", PRIVATE),
        (None, "1.1.1.1", "http://a.example/", PUBLIC),
        (PUBLIC, "10.0.0.1", "http://a.example/", PUBLIC),
        (LOOPBACK, "10.0.0.1", "http://a.example/", PRIVATE),
        (None, None, "http://a.example/", PUBLIC),
        (None, None, "http://10.0.0.1:80/", PRIVATE),
        (None, None, "http://user:pw@[::1]:8080/a?b@c", LOOPBACK),
        (None, None, "http://x.localhost./", LOOPBACK),
        (PRIVATE, None, "https://localhost/", PRIVATE),
    ],
)
def test_an_answer_leads_no_further_than_the_least_private_on_the_way(
    limit, ip, url, led
):
    """A public page gains nothing by going through a private one."""
    assert Guard().led_by(limit, ip, url) is led


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://127.0.0.1/", True),
        ("http://[::ffff:10.0.0.1]:81/", True),
        ("http://localhost:8080/", True),
        ("http://localhost.example/", False),
        ("http://intranet/", False),
        ("http://1.1.1.1/", False),
    ],
)
def test_behind_a_proxy_what_the_url_says_is_judged(url, refused):
    rule = Guard().rule_for(PUBLIC)
    assert rule is not None
    assert (rule.why_not_unseen(url) is not None) is refused
    trusting = Guard(trusts_proxy=True).rule_for(PUBLIC)
    assert trusting is not None
    assert trusting.why_not_unseen(url) is None
    strict = Guard(trusts_proxy=True, public_only=True).rule_for(None)
    assert strict is not None
    assert (strict.why_not_unseen(url) is not None) is refused


# What is wrong is named


@pytest.mark.parametrize("option", ["allow_net", "deny_net", "public_nets"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (("10.0.0.0/33",), "'10.0.0.0/33' is no network"),
        (("intranet",), "'intranet' is no network"),
        (("10.0.0.1/8",), r"begins inside a network; is 10\.0\.0\.0/8 meant"),
        ("10.0.0.0/8", "is a list of networks, got '10.0.0.0/8'"),
    ],
)
def test_a_network_that_is_none_is_named(option, value, said):
    with pytest.raises(ConfigError, match=f"{option}.*{said}"):
        settings_and_following({option: value})  # type: ignore[misc]


def test_networks_may_be_given_as_any_list():
    settings, _ = settings_and_following({"allow_net": ["::1", "10.0.0.0/8"]})
    assert settings.allow_net == ("::1", "10.0.0.0/8")
    assert hash(settings)
    assert [str(net) for net in networks("allow_net", settings.allow_net)] == [
        "::1/128",
        "10.0.0.0/8",
    ]


@pytest.mark.parametrize(
    "rule",
    [{"public_only": True}, {"allow_net": ["10.0.0.0/8"]}, {"deny_net": ["::/0"]}],
    ids=lambda rule: next(iter(rule)),
)
def test_rules_about_addresses_and_a_proxy_exclude_each_other(rule):
    """A guard that sees nothing must not be taken for one that guards."""
    (option,) = rule
    with pytest.raises(ConfigError, match=f"{option} is about addresses") as caught:
        settings_and_following({"proxy": "http://me:hush@proxy.example:3128", **rule})
    assert "trust_proxy" in str(caught.value)
    assert "hush" not in str(caught.value)
    settings_and_following({"proxy": "http://p.example", "trust_proxy": True, **rule})
    settings_and_following({"proxy": "http://p.example"})
