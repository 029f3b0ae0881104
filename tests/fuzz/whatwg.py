r"""Which host a browser asks: by the URL standard's algorithm, and by a table.

`place_of` is written from the standard's state machine and shares no code with fetcher
or with the parser that it uses. It knows http and https and hosts in ASCII; of others
it says that it does not know. `TABLE` holds, for references of many kinds, what must
come out: each row follows from the algorithm of the section that stands above it.

Source:
    WHATWG URL, 3.5 (host parsing), 4.4 (URL parsing), 4.5 (serialising).
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

__all__ = ["REFUSED", "TABLE", "UNKNOWN", "Place", "place_of"]

DEFAULT_PORTS = {"http": 80, "https": 443}
OTHER_SPECIAL = frozenset({"ftp", "file", "ws", "wss"})
FORBIDDEN_IN_DOMAIN = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_C0_AND_SPACE = "".join(map(chr, range(0x21)))


class Place(NamedTuple):
    """Where a request would go; the port is None where it is the scheme's own."""

    scheme: str
    host: str
    port: int | None


REFUSED = Place("refused", "", None)
UNKNOWN = Place("unknown", "", None)


def place_of(text: str, base: Place | None = None) -> Place:
    """Return where a reference leads from a page at `base`, None for no page at all."""
    text = text.strip(_C0_AND_SPACE)
    text = re.sub(r"[\t\n\r]", "", text)
    found = _SCHEME.match(text)
    if found is None:
        return _without_scheme(text, base)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme not in DEFAULT_PORTS:
        return UNKNOWN
    is_relative = base is not None and base.scheme == scheme
    if is_relative and not (rest[:1] == "/" and rest[1:2] == "/"):
        # special relative or authority state -> relative state
        return _relative(rest, base)
    return _authority(scheme, rest.lstrip("/\\"))


def _without_scheme(text: str, base: Place | None) -> Place:
    return REFUSED if base is None else _relative(text, base)


def _relative(text: str, base: Place | None) -> Place:
    """Relative state and relative slash state, of a special base."""
    assert base is not None
    if len(text) > 1 and text[0] in "/\\" and text[1] in "/\\":
        return _authority(base.scheme, text.lstrip("/\\"))
    return base


def _authority(scheme: str, text: str) -> Place:
    """Authority state: the user part ends at the last `@` before the path."""
    authority = re.split(r"[/\\?#]", text, maxsplit=1)[0]
    _, _, host_and_port = authority.rpartition("@")
    host, port = _split_port(host_and_port)
    if not host:
        return REFUSED
    if port and not (port.isascii() and port.isdigit()):
        return REFUSED
    port = port.lstrip("0") or port[-1:]
    if len(port) > 5 or int(port or 0) > 65535:
        return REFUSED
    parsed = _host(host)
    if parsed is None or parsed == "":
        return UNKNOWN if parsed is None else REFUSED
    number = int(port) if port else DEFAULT_PORTS[scheme]
    return Place(scheme, parsed, None if number == DEFAULT_PORTS[scheme] else number)


def _split_port(text: str) -> tuple[str, str]:
    """Host state: a colon inside brackets is no end of a host."""
    inside = False
    for at, char in enumerate(text):
        if char == "[":
            inside = True
        elif char == "]":
            inside = False
        elif char == ":" and not inside:
            return text[:at], text[at + 1 :]
    return text, ""


def _host(text: str) -> str | None:
    """Return a host as serialised; "" for none, None where it is not known."""
    if text.startswith("["):
        return _ipv6(text[1:-1]) if text.endswith("]") else ""
    try:
        raw = unquote_to_bytes(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return None
    if not raw.isascii():
        return None
    domain = raw.decode("ascii").lower()
    if any(label.startswith("xn--") for label in domain.split(".")):
        return None
    if not domain or FORBIDDEN_IN_DOMAIN.search(domain):
        return ""
    return _ipv4(domain) if _ends_in_a_number(domain) else domain


def _ends_in_a_number(domain: str) -> bool:
    parts = domain.split(".")
    if parts[-1] == "":
        if len(parts) == 1:
            return False
        parts.pop()
    last = parts[-1]
    return last.isdigit() or _number(last) is not None


def _number(part: str) -> int | None:
    """IPv4 number parser: None for failure."""
    if not part:
        return None
    base = 10
    if part[:2] in ("0x", "0X"):
        part, base = part[2:], 16
    elif len(part) >= 2 and part[0] == "0":
        part, base = part[1:], 8
    if not part:
        return 0
    digits = "0123456789abcdef"[:base]
    if any(char not in digits for char in part.lower()):
        return None
    value = 0
    for char in part.lower():  # int() refuses long ones
        value = min(value * base + digits.index(char), 1 << 40)
    return value


def _ipv4(domain: str) -> str:
    """IPv4 parser: "" for failure."""
    parts = domain.split(".")
    if parts[-1] == "" and len(parts) > 1:
        parts.pop()
    numbers = [_number(part) for part in parts]
    known = [number for number in numbers if number is not None]
    if len(parts) > 4 or len(known) != len(parts):
        return ""
    if any(number > 255 for number in known[:-1]):
        return ""
    if known[-1] >= 256 ** (5 - len(known)):
        return ""
    value = known[-1] + sum(n * 256 ** (3 - at) for at, n in enumerate(known[:-1]))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _ipv6(text: str) -> str:
    """IPv6 parser and serialiser: "" for failure."""
    try:
        if "%" in text or not text.isascii():
            return ""
        packed = ipaddress.IPv6Address(text).packed
    except ValueError:
        return ""
    pieces = [f"{int.from_bytes(packed[at : at + 2]):x}" for at in range(0, 16, 2)]
    runs = re.finditer(r"(?:^|(?<=:))0(?::0)+(?=:|$)", ":".join(pieces))
    longest = max(runs, key=lambda run: len(run[0]), default=None)
    whole = ":".join(pieces)
    if longest is None:
        return f"[{whole}]"
    before, after = whole[: longest.start()], whole[longest.end() :]
    return f"[{before.rstrip(':')}::{after.lstrip(':')}]"


# reference, and the whole URL that it means on the page BASE; None for none at all.
BASE = "http://base.example/dir/page.html?query#fragment"
SITE = "http://base.example"
TABLE: tuple[tuple[str, str | None], ...] = (
    # 4.4, no scheme and relative states
    ("", f"{SITE}/dir/page.html?query"),
    ("x", f"{SITE}/dir/x"),
    ("./x", f"{SITE}/dir/x"),
    ("../x", f"{SITE}/x"),
    ("../../../x", f"{SITE}/x"),
    (".", f"{SITE}/dir/"),
    ("..", f"{SITE}/"),
    ("/", f"{SITE}/"),
    ("/x", f"{SITE}/x"),
    ("?y", f"{SITE}/dir/page.html?y"),
    ("?", f"{SITE}/dir/page.html?"),
    ("#z", f"{SITE}/dir/page.html?query#z"),
    ("#", f"{SITE}/dir/page.html?query#"),
    ("x?y#z", f"{SITE}/dir/x?y#z"),
    ("x;y", f"{SITE}/dir/x;y"),
    ("x:y", "x:y"),
    ("./x:y", f"{SITE}/dir/x:y"),
    ("1:y", f"{SITE}/dir/1:y"),
    ("@x", f"{SITE}/dir/@x"),
    ("x@y", f"{SITE}/dir/x@y"),
    (":", f"{SITE}/dir/:"),
    (":80", f"{SITE}/dir/:80"),
    ("x y", f"{SITE}/dir/x%20y"),
    # 4.4, special relative or authority, and special authority slashes
    ("http:x", f"{SITE}/dir/x"),
    ("http:/x", f"{SITE}/x"),
    ("http:?y", f"{SITE}/dir/page.html?y"),
    ("http:#z", f"{SITE}/dir/page.html?query#z"),
    ("http:", f"{SITE}/dir/page.html?query"),
    ("HTTP:x", f"{SITE}/dir/x"),
    ("http:..", f"{SITE}/"),
    ("http:@h.example", f"{SITE}/dir/@h.example"),
    ("http:h.example:81", f"{SITE}/dir/h.example:81"),
    ("https:x", "https://x/"),
    ("https:/x", "https://x/"),
    ("https:x/y", "https://x/y"),
    ("https:\\x", "https://x/"),
    ("https:@h.example/", "https://h.example/"),
    ("//h.example", "http://h.example/"),
    ("//h.example/x", "http://h.example/x"),
    ("///h.example/x", "http://h.example/x"),
    ("////h.example/x", "http://h.example/x"),
    ("http://h.example", "http://h.example/"),
    ("http:///h.example", "http://h.example/"),
    ("http:////h.example/x", "http://h.example/x"),
    ("https:///h.example/x", "https://h.example/x"),
    ("//", None),
    ("///", None),
    ("http://", None),
    ("http:///", None),
    ("https:", None),
    ("https://", None),
    ("https://?x", None),
    ("https://#x", None),
    ("//?x", None),
    ("//:80/", None),
    ("http://:80", None),
    # 4.4, backslashes are slashes in special URLs, but not in query and fragment
    ("\\x", f"{SITE}/x"),
    ("\\\\h.example\\x", "http://h.example/x"),
    ("/\\h.example/x", "http://h.example/x"),
    ("\\/h.example/x", "http://h.example/x"),
    ("http:\\\\h.example\\x", "http://h.example/x"),
    ("http:/\\h.example/x", "http://h.example/x"),
    ("https:\\\\h.example\\x", "https://h.example/x"),
    ("http://a.example\\@b.example/", "http://a.example/@b.example/"),
    ("http://a.example\\b.example/", "http://a.example/b.example/"),
    ("http://a.example:81\\@b.example/", "http://a.example:81/@b.example/"),
    ("http://u@a.example\\b", "http://u@a.example/b"),
    ("http://a.example?\\x", "http://a.example/?\\x"),
    ("http://a.example#\\x", "http://a.example/#\\x"),
    ("http://a.example/x\\..\\y", "http://a.example/y"),
    ("x\\y", f"{SITE}/dir/x/y"),
    # 4.4, step 1 to 3: what is stripped and removed
    ("  x  ", f"{SITE}/dir/x"),
    ("\x00\x1f x\x1f", f"{SITE}/dir/x"),
    ("x\ny", f"{SITE}/dir/xy"),
    ("x\r\n\ty", f"{SITE}/dir/xy"),
    ("ht\ntp://h.example/", "http://h.example/"),
    ("http:\n//h.example/", "http://h.example/"),
    ("http:/\t/h.example/", "http://h.example/"),
    ("http://h.exa\nmple/", "http://h.example/"),
    ("http://h.example\t/", "http://h.example/"),
    ("/\n/h.example/", "http://h.example/"),
    ("\t//h.example/", "http://h.example/"),
    ("http://h.example:8\n1/", "http://h.example:81/"),
    ("http://us\ter@h.example/", "http://user@h.example/"),
    ("http://h.example/\xa0", "http://h.example/%C2%A0"),
    ("\xa0x", f"{SITE}/dir/%C2%A0x"),
    ("http://h.example/x\x7fy", "http://h.example/x%7Fy"),
    # 4.4, authority state: the last @ ends the user part
    ("http://u@h.example/", "http://u@h.example/"),
    ("http://u:p@h.example/", "http://u:p@h.example/"),
    ("http://u:@h.example/", "http://u@h.example/"),
    ("http://:p@h.example/", "http://:p@h.example/"),
    ("http://@h.example/", "http://h.example/"),
    ("http://:@h.example/", "http://h.example/"),
    ("http://a@b@h.example/", "http://a%40b@h.example/"),
    ("http://a:b@c:d@h.example/", "http://a:b%40c%3Ad@h.example/"),
    ("http://a.example:81@h.example/", "http://a.example:81@h.example/"),
    ("http://a.example%2f@h.example/", "http://a.example%2f@h.example/"),
    ("http://a.example%00@h.example/", "http://a.example%00@h.example/"),
    ("http://a.example;@h.example/", "http://a.example%3B@h.example/"),
    ("http://a.example#@h.example/", "http://a.example/#@h.example/"),
    ("http://a.example?@h.example/", "http://a.example/?@h.example/"),
    ("http://a.example/@h.example/", "http://a.example/@h.example/"),
    ("http://[x]@h.example/", "http://%5Bx%5D@h.example/"),
    ("http://u@/", None),
    ("http://u:p@", None),
    ("http://@", None),
    ("http://@/x", None),
    ("http://u@:80/", None),
    ("//u@h.example/x", "http://u@h.example/x"),
    ("http://u b@h.example/", "http://u%20b@h.example/"),
    # 4.4, port state
    ("http://h.example:80/", "http://h.example/"),
    ("http://h.example:443/", "http://h.example:443/"),
    ("https://h.example:443/", "https://h.example/"),
    ("https://h.example:80/", "https://h.example:80/"),
    ("http://h.example:/", "http://h.example/"),
    ("http://h.example:00080/", "http://h.example/"),
    ("http://h.example:0/", "http://h.example:0/"),
    ("http://h.example:000008080/", "http://h.example:8080/"),
    ("http://h.example:65535/", "http://h.example:65535/"),
    ("http://h.example:65536/", None),
    ("http://h.example:99999999999/", None),
    ("http://h.example:x/", None),
    ("http://h.example:8x/", None),
    ("http://h.example:-1/", None),
    ("http://h.example:+80/", None),
    ("http://h.example: 80/", None),
    ("http://h.example:80:81/", None),
    ("http://h.example:8%30/", None),
    ("http://h.example:\uff18/", None),
    # 3.5, domains: percent-decoded, lower-cased, then judged
    ("http://H.EXAMPLE/", "http://h.example/"),
    ("http://%68.example/", "http://h.example/"),
    ("http://h%2Eexample/", "http://h.example/"),
    ("http://h.example./", "http://h.example./"),
    ("http://h.example../", "http://h.example../"),
    ("http://.example/", "http://.example/"),
    ("http://a..b/", "http://a..b/"),
    ("http://-h-.example/", "http://-h-.example/"),
    ("http://h_x.example/", "http://h_x.example/"),
    ("http://h!$&'()*+,;=.example/", "http://h!$&'()*+,;=.example/"),
    ('http://h~"`{}.example/', 'http://h~"`{}.example/'),
    ("http://h%20x/", None),
    ("http://h x/", None),
    ("http://h%00x/", None),
    ("http://h\x00x/", None),
    ("http://h%2fx/", None),
    ("http://h%3ax/", None),
    ("http://h%40x/", None),
    ("http://h%23x/", None),
    ("http://h%3fx/", None),
    ("http://h%5cx/", None),
    ("http://h%25x/", None),
    ("http://h%x/", None),
    ("http://h%zz/", None),
    ("http://h%7fx/", None),
    ("http://h<x/", None),
    ("http://h>x/", None),
    ("http://h^x/", None),
    ("http://h|x/", None),
    ("http://h]x/", None),
    ("http://h[x]/", None),
    ("http://%5B::1%5D/", None),
    ("http://%/", None),
    # 3.5 and UTS #46: names that are not ASCII
    ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
    ("http://B\u00dcCHER.example/", "http://xn--bcher-kva.example/"),
    ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
    ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
    ("http://XN--BCHER-KVA.example/", "http://xn--bcher-kva.example/"),
    ("http://fa\u00df.example/", "http://xn--fa-hia.example/"),
    ("http://\u65e5\u672c\u8a9e.jp/", "http://xn--wgv71a119e.jp/"),
    ("http://\u2603.net/", "http://xn--n3h.net/"),
    ("http://\uff27\uff4f.com/", "http://go.com/"),
    ("http://h\u3002example/", "http://h.example/"),
    ("http://h\uff0eexample/", "http://h.example/"),
    ("http://h\uff61example/", "http://h.example/"),
    ("http://ex\u00adample.com/", "http://example.com/"),
    ("http://h\u200b.example/", "http://h.example/"),
    ("http://h\u2060.example/", "http://h.example/"),
    ("http://\u2100.example/", None),  # A/C: the slash is forbidden
    ("http://h\u2048.example/", None),  # ?! in one character
    ("http://\uff05\uff14\uff11.example/", None),  # full-width %41
    ("http://h\uff0fx/", None),  # a full-width slash
    ("http://h\uff1a80/", None),  # a full-width colon
    ("http://h\uff20x/", None),  # a full-width @
    ("http://h\uff1fx/", None),
    ("http://h\uff03x/", None),
    ("http://h\uff3cx/", None),
    ("http://\u00ad/", None),  # nothing is left
    ("http://%C2%AD/", None),
    ("http://xn--/", None),
    ("http://xn--a/", None),  # no Punycode
    ("http://xn--a-ecp.ru/", None),  # it decodes to what UTS #46 maps
    ("http://\ufffd.example/", None),
    ("http://%ff.example/", None),
    ("http://\u202eh.example/", None),
    # 3.5, IPv4 parser
    ("http://127.0.0.1/", "http://127.0.0.1/"),
    ("http://127.1/", "http://127.0.0.1/"),
    ("http://127.0.1/", "http://127.0.0.1/"),
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://0x7f000001/", "http://127.0.0.1/"),
    ("http://0X7F.1/", "http://127.0.0.1/"),
    ("http://0177.0.0.01/", "http://127.0.0.1/"),
    ("http://017700000001/", "http://127.0.0.1/"),
    ("http://0x7f.0.0.0x1/", "http://127.0.0.1/"),
    ("http://127.0.0.1./", "http://127.0.0.1/"),
    ("http://%31%32%37.1/", "http://127.0.0.1/"),
    ("http://\uff11\uff12\uff17.1/", "http://127.0.0.1/"),
    ("http://127\u30020\u30020\u30021/", "http://127.0.0.1/"),
    ("http://0/", "http://0.0.0.0/"),
    ("http://0x/", "http://0.0.0.0/"),
    ("http://0x.0x.0/", "http://0.0.0.0/"),
    ("http://4294967295/", "http://255.255.255.255/"),
    ("http://1.2.3/", "http://1.2.0.3/"),
    ("http://1.65535/", "http://1.0.255.255/"),
    ("http://0300.168.0xF0/", "http://192.168.0.240/"),
    ("http://4294967296/", None),
    ("http://256.1.1.1/", None),
    ("http://1.2.3.256/", None),
    ("http://1.2.65536/", None),
    ("http://1.2.3.4.5/", None),
    ("http://1.2.3.08/", None),
    ("http://09/", None),
    ("http://0x100000000/", None),
    ("http://h.09/", None),
    ("http://h.1/", None),
    ("http://h.0x4/", None),
    ("http://1..2/", None),
    ("http://.1/", None),
    ("http://1.2.3.4../", "http://1.2.3.4../"),
    ("http://1.2.3.4x/", "http://1.2.3.4x/"),
    ("http://h.0xg/", "http://h.0xg/"),
    ("http://1.2.3.-4/", "http://1.2.3.-4/"),
    ("http://1e2/", "http://1e2/"),
    # 3.5, IPv6 parser and serialiser
    ("http://[::1]/", "http://[::1]/"),
    ("http://[::1]:81/", "http://[::1]:81/"),
    ("http://u@[::1]/", "http://u@[::1]/"),
    ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
    ("http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/"),
    ("http://[1:0:2:0:3:0:4:0]/", "http://[1:0:2:0:3:0:4:0]/"),
    ("http://[ABCD::EF01]/", "http://[abcd::ef01]/"),
    ("http://[2001:0db8::0001]/", "http://[2001:db8::1]/"),
    ("http://[::127.0.0.1]/", "http://[::7f00:1]/"),
    ("http://[::ffff:10.0.0.1]/", "http://[::ffff:a00:1]/"),
    ("http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::7f00:1]/"),
    ("http://[::]/", "http://[::]/"),
    ("http://[1::]/", "http://[1::]/"),
    ("http://[::1", None),
    ("http://[::1/", None),
    ("http://[::1]x/", None),
    ("http://x[::1]/", None),
    ("http://[]/", None),
    ("http://[:]/", None),
    ("http://[:::]/", None),
    ("http://[1:2:3:4:5:6:7]/", None),
    ("http://[1:2:3:4:5:6:7:8:9]/", None),
    ("http://[12345::]/", None),
    ("http://[::1::]/", None),
    ("http://[::g]/", None),
    ("http://[fe80::1%25eth0]/", None),
    ("http://[fe80::1%eth0]/", None),
    ("http://[::127.0.0.0.1]/", None),
    ("http://[::127.0.0]/", None),
    ("http://[::127.0.0.01]/", None),
    ("http://[::256.0.0.1]/", None),
    ("http://[v1.x]/", None),
    # 4.4, path, query and fragment states
    ("http://h.example/a/./b/../c", "http://h.example/a/c"),
    ("http://h.example/a/%2e/b/%2E%2e/c", "http://h.example/a/c"),
    ("http://h.example/a/.%2e", "http://h.example/"),
    ("http://h.example/a//../b", "http://h.example/a/b"),
    ("http://h.example/...", "http://h.example/..."),
    ("http://h.example/%7Ea%zz%", "http://h.example/%7Ea%zz%"),
    ('http://h.example/"<>`{}', "http://h.example/%22%3C%3E%60%7B%7D"),
    ("http://h.example/|[]", "http://h.example/|[]"),
    ("http://h.example/?'\"<>`{}", "http://h.example/?%27%22%3C%3E`{}"),
    ('http://h.example/#"<>`{}', "http://h.example/#%22%3C%3E%60{}"),
    ("http://h.example/\u00e9?\u00e9#\u00e9", "http://h.example/%C3%A9?%C3%A9#%C3%A9"),
    ("http://h.example?x", "http://h.example/?x"),
    ("http://h.example#x", "http://h.example/#x"),
    ("http://h.example/a?b?c#d#e", "http://h.example/a?b?c#d#e"),
    # 4.4, schemes
    ("HtTpS://h.example/", "https://h.example/"),
    ("mailto:a@h.example", "mailto:a@h.example"),
    ("javascript:alert(1)", "javascript:alert(1)"),
    ("data:text/html,x", "data:text/html,x"),
    ("ws://h.example/", "ws://h.example/"),
    ("http+x://h.example/", "http+x://h.example/"),
    ("1http://h.example/", f"{SITE}/dir/1http://h.example/"),
    ("-http://h.example/", f"{SITE}/dir/-http://h.example/"),
    (" http://h.example/", "http://h.example/"),
    ("\ufeffhttp://h.example/", f"{SITE}/dir/%EF%BB%BFhttp://h.example/"),
)
