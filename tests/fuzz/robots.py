"""robots.txt: any bytes, and simple files against a direct reading of RFC 9309.

The first byte of a case says how it is judged: `S` for a simple file, whose answers
must be those of `direct_reading`, which shares no code with fetcher.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from fetcher import robots
from fetcher.urls import BadUrl, parse

from .harness import Target, Wrong, mutated, of_words

AGENT = "fetcher"
SITE = "http://h.example"
WORDS = (
    *(b"User-agent: *\n", b"User-agent: fetcher\n", b"user-agent:fetcher/2.0\r\n"),
    *(b"User-agent: other\n", b"Disallow: /\n", b"Allow: /a\n", b"Disallow:\n"),
    *(b"Disallow: /*a$\n", b"Allow: /a*b*c$\n", b"Disallow: *\n", b"Disallow: $\n"),
    *(b"Crawl-delay: 5\n", b"Crawl-delay: 1e9\n", b"Crawl-delay: 99999999999999\n"),
    *(b"Sitemap: http://h.example/s.xml\n", b"Sitemap: //x\n", b"Sitemap: [\n"),
    *(b"Disallow /x\n", b"useragent: *\n", b"User agent *\n", b"# x\n", b":\n", b"\n"),
    *(
        b"\r",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"%2F",
        b"%zz",
        b"*",
        b"$",
        b"/",
        b"?",
        b":",
    ),
    *(
        "Disallow: /ä\n".encode(),
        b"Disallow: /\xe4\n",
        b"Allow: /%C3%A4\n",
        b"<html>\n",
    ),
    *(b"*a" * 40, b"/" * 100, b"a" * 300, b"\x0c", b"\x85", "\u2028".encode(), b"\0"),
)
PATH_PIECES = (
    *("/", "/", "a", "b", "ab", "a/b", "*", "*a", "**", "$", "$$", "?", "?a=", "=b"),
    *("%61", "%2F", "%2f", "%41", "ä", "%C3%A4", "%c3%a4", ".", "-", "_", "~", "%7E"),
)
# Protego takes a rule's `$` for the end and for a dollar, whichever matches, which is
# its kindness to files that mean the latter: no URL to compare by has one.
URL_PIECES = tuple(each for each in PATH_PIECES if not set(each) & set("*$"))
MANY = 400_000  # bytes of one file of a single kind, below the 500 KiB that are read


class Answers(NamedTuple):
    """What the product says of one file: for each URL whether it may be fetched."""

    rules: robots.Rules
    may: list[tuple[str, bool]]


def make(dice: random.Random) -> bytes:
    """Return a simple file, words in a row, a changed file, or a large one."""
    kind = dice.random()
    if kind < 0.5:
        return b"S" + _simple(dice).encode()
    if kind < 0.75:
        return b"A" + of_words(dice, WORDS, most=60)
    if kind < 0.97:
        return b"A" + mutated(_simple(dice).encode(), dice, WORDS)
    return b"A" + _large(dice)


def _simple(dice: random.Random) -> str:
    lines = []
    for _ in range(dice.randint(1, 4)):
        for _ in range(dice.randint(1, 2)):
            agent = dice.choice(
                ("*", "fetcher", "Fetcher", "other", "fetch", "fetchers")
            )
            lines.append(f"User-agent: {agent}")
        for _ in range(dice.randint(0, 4)):
            rule = dice.choice(("Allow", "Disallow"))
            lines.append(f"{rule}: {_path(dice, PATH_PIECES)}")
    return "\n".join(lines) + "\n"


def _path(dice: random.Random, pieces: tuple[str, ...]) -> str:
    return "/" + "".join(dice.choice(pieces) for _ in range(dice.randint(0, 5)))


def _large(dice: random.Random) -> bytes:
    """Return a file that is as large as is read, all of one kind."""
    unit = dice.choice(
        (
            b"Disallow: /" + b"*a" * dice.choice((2, 10, 100, 3_000)) + b"$\n",
            b"Disallow: /" + b"a" * dice.choice((1, 100, 8_000)) + b"*%d$\n",
            b"User-agent: a\nDisallow: /%d\n",
            b"User-agent: fetcher\nAllow: /%d\n",
            b"Allow: /%d*b\n",
            b"Crawl-delay: %d\n",
            b"Sitemap: /%d\n",
            b"User-agent: " + b"a" * dice.choice((1, 10_000)) + b"\n",
            b"Disallow: " + b"%%%d" * 300 + b"\n",
            b"\n",
            b"\r",
            b"#",
            b" ",
            b":",
            dice.choice(WORDS).replace(b"%", b"%%"),
        )
    )
    many = dice.choice((MANY, MANY, 3_000_000)) // len(unit) + 1
    many = min(many, 200_000)
    filled = b"".join(_numbered(unit, number) for number in range(many))
    return dice.choice((b"User-agent: *\n", b"User-agent: fetcher\n", b"")) + filled


def _numbered(unit: bytes, number: int) -> bytes:
    return unit.replace(b"%d", b"%d" % number).replace(b"%%", b"%")


def urls_of(content: bytes) -> list[str]:
    """Return URLs to ask about: always the same for the same file."""
    dice = random.Random(content)
    found = [f"{SITE}/", f"{SITE}/robots.txt", f"{SITE}/{'a' * 4_000}b"]
    found += [SITE + _path(dice, URL_PIECES) for _ in range(8)]
    for rule in re.findall(rb"(?:llow: )(\S{1,200})", content[:20_000])[:8]:
        near = rule.decode("utf-8", "replace").replace("*", "xay").replace("$", "")
        found.append(f"{SITE}/{near.lstrip('/')}")
    return found


def run(case: bytes) -> Answers:
    """Read a file and ask it what a crawl asks."""
    content = case[1:]
    rules = robots.rules_from(200, content, AGENT, url=f"{SITE}/robots.txt")
    may = []
    for url in urls_of(content):
        try:
            href = parse(url).href
        except BadUrl:
            continue
        may.append((href, rules.may_fetch(href)))
    if len(rules.lines) < 50:
        for href, _ in may[:4]:
            rules.rule_for(href)
    rules.may_fetch("http://[::1/")  # half of an address
    repr(rules)
    return Answers(rules, may)


def judge(case: bytes, result: object) -> None:
    """Bounds on what is kept; of simple files the very answers of RFC 9309."""
    assert isinstance(result, Answers)
    rules = result.rules
    if len(rules.lines) > robots.RULES_MAX + 1 or len(rules.sitemaps) > 1_000:
        raise Wrong(f"more is kept than the bounds say: {rules!r}")
    delay_s = rules.crawl_delay_s
    if delay_s is not None and not 0 <= delay_s <= robots.CRAWL_DELAY_MAX_S:
        raise Wrong(f"a Crawl-delay of {delay_s!r}")
    if case[:1] != b"S":
        return
    text = case[1:].decode("utf-8", "replace")
    for url, may in result.may:
        wanted = direct_reading(text, url.removeprefix(SITE))
        if url.endswith("/robots.txt") and url.count("/") == 3:
            continue  # RFC 9309, 2.2.2: it is allowed, and nobody asks
        if wanted is not None and may is not wanted:
            raise Wrong(f"may_fetch({url!r}) is {may}, RFC 9309 has {wanted}:\n{text}")


# RFC 9309, read directly.


def direct_reading(text: str, path: str) -> bool | None:
    """Return whether `fetcher` may fetch a path, by section 2.2 and nothing else.

    None where that hangs on how the octets of a rule are counted (before or after
    decoding, `**` as one or two), which the RFC leaves open.
    """
    matching = [
        (allow, pattern)
        for allow, pattern in _rules_for(text, AGENT)
        if _matches(_octets(pattern), _octets(path))
    ]
    if not matching:
        return True
    answers = {
        max((count(pattern), allow) for allow, pattern in matching)[1]
        for count in _COUNTS
    }
    return answers.pop() if len(answers) == 1 else None


_COUNTS: tuple[Callable[[str], int], ...] = (
    len,
    lambda pattern: len(pattern.encode()),
    lambda pattern: len(_octets(pattern)),
    # Protego's: `?` is three octets, and so are others that a URL may hold as they are.
    lambda pattern: len(quote(_octets(pattern), safe="/%*=")),
    lambda pattern: len(re.sub(rb"\*+", b"*", _octets(pattern))),
    lambda pattern: len(re.sub(rb"\*+$", b"", _octets(pattern))),
    lambda pattern: len(re.sub(rb"\*+(?!$)", b"*", _octets(pattern)).rstrip(b"*")),
)


def _rules_for(text: str, agent: str) -> list[tuple[bool, str]]:
    """2.2.1: the groups that name the robot, as one; if none does, those for `*`."""
    groups: dict[str, list[tuple[bool, str]]] = {}
    names: list[str] = []
    in_names = False
    for line in text.splitlines():
        field, _, value = line.partition(": ")
        if field == "User-agent":
            names = [*names, value.lower()] if in_names else [value.lower()]
            in_names = True
            groups.setdefault(value.lower(), [])
            continue
        in_names = False
        for name in dict.fromkeys(names):
            groups[name].append((field == "Allow", value))
    return groups.get(agent, groups.get("*", []))


def _octets(path: str) -> bytes:
    """2.2.2: percent-encoded octets of unreserved characters are decoded; others kept.

    What is not ASCII is percent-encoded; hexadecimal digits have no case.
    """
    found = re.sub(
        r"%[0-9A-Fa-f]{2}",
        lambda match: _unreserved(match[0]),
        path,
    )
    return quote(found, safe="%/*$?=&.-_~+:@!'(),;[]|\\\"<>{}^`# ").encode()


def _unreserved(escape: str) -> str:
    octet = unquote_to_bytes(escape)
    is_plain = octet.isalnum() or octet in b"-._~"
    return octet.decode() if is_plain and octet.isascii() else escape.upper()


def _matches(pattern: bytes, path: bytes) -> bool:
    """2.2.3: `*` is any number of characters, `$` at the end is the end."""
    is_anchored = pattern.endswith(b"$")
    parts = (pattern[:-1] if is_anchored else pattern).split(b"*")
    if not path.startswith(parts[0]):
        return False
    at = len(parts[0])
    if len(parts) == 1:
        return not is_anchored or at == len(path)
    for part in parts[1:-1]:
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    if is_anchored:
        return path.endswith(parts[-1]) and len(path) - len(parts[-1]) >= at
    return path.find(parts[-1], at) >= 0


TARGET = Target(name="robots", make=make, run=run, judge=judge, words=WORDS)
