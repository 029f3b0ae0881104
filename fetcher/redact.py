"""What may be shown of a URL or a sentence: the secrets hidden, the rest whole.

What is written down is read by more people than what is fetched: reports are mailed,
rows stored, logs collected. So user parts of URLs and the values of parameters that
are known to be secrets become `REDACTED`, wherever they stand: in a URL, in a URL that
is a value in another, in a sentence that repeats one, in a Location field. So do the
values of header fields that hold credentials; of a cookie its name and its attributes
stay.

Hidden is what has a name that says so. A secret in a path (`/reset/8c1f...`, the URL of
a webhook) has none and stays.

What holds no secret costs a look for `=` and `@`, and is given back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar
from urllib.parse import unquote

from .models import Certificate, Headers, Image, Link, State, Timings
from .urls import MAYBE_SESSION_NAMES, SESSION_NAMES

__all__ = [
    "REDACTED",
    "redacted",
    "redacted_headers",
    "redacted_links",
    "redacted_parts",
]

REDACTED = "REDACTED"

# Parameters that are secret whatever their value, lower-case, `-` for `_` and `-`.
SECRET_NAMES = {*SESSION_NAMES} | {
    # OWASP, "Logging Cheat Sheet", data to exclude; "Testing for Sensitive Information
    # Sent via Unencrypted Channels".
    *("password", "passwd", "passphrase", "pass", "pwd", "secret", "otp", "jwt"),
    *("token", "auth-token", "authtoken", "session-token", "csrf-token"),
    *("authenticity-token", "reset-password-token", "invitation-token"),
    *("confirmation-token", "unlock-token", "private-token", "job-token"),
    *("api-key", "apikey", "api-token", "api-secret", "app-key", "app-secret"),
    *("subscription-key", "access-key", "secret-key", "private-key"),
    *("authorization", "credential", "credentials"),
    # OAuth 2: RFC 6749 (client_secret, refresh_token), 6750, 2.3 (access_token), 7521
    # (assertion), OpenID Connect Core (id_token); OAuth 1: RFC 5849, 3.1.
    *("access-token", "accesstoken", "refresh-token", "id-token", "id-token-hint"),
    *("client-secret", "client-assertion", "assertion"),
    *("oauth-token", "oauth-token-secret", "oauth-verifier", "oauth-signature"),
    "samlresponse",  # SAML 2.0 Bindings, 3.5
    # AWS, "Authenticating Requests: Using Query Parameters"; CloudFront's and S3's
    # older signed URLs.
    *("x-amz-signature", "x-amz-credential", "x-amz-security-token"),
    *("signature", "awsaccesskeyid", "key-pair-id"),
    # Google Cloud Storage, "Signed URLs".
    *("x-goog-signature", "x-goog-credential", "googleaccessid"),
    # Azure Storage, "Create a service SAS"; Azure Functions' `code` is below.
    *("sig", "x-functions-key"),
    # Alibaba OSS and Tencent COS, signed URLs; Akamai, "Token Auth".
    *("x-oss-signature", "x-oss-credential", "x-oss-security-token", "ossaccesskeyid"),
    *("security-token", "q-signature", "x-cos-security-token", "hdnea", "hdnts"),
}
# Those that are secret where the value is long and random (Google's API keys, OAuth's
# and Azure Functions' code, CAS's ticket, CloudFront's policy), and else a country, a
# page, a sort order.
MAYBE_SECRET_NAMES = MAYBE_SESSION_NAMES | {
    *("key", "code", "auth", "ticket", "sign", "policy")
}
RANDOM_MIN_CHARS = 16

# Fields whose whole value is a credential, and endings of names that say so.
CREDENTIAL_FIELD = (
    r"(?:proxy-)?authorization|cookie2?|(?:.*[-_])?(?:token|secret|password|api-?key"
    r"|session(?:-?id)?)"
)
_COOKIE_VALUE = r"^([^=;]*=|)[^;]*"  # without a name all is value


def _spelled(names: Iterable[str]) -> str:
    """Return a pattern for names: a hyphen also as `_`, the longest name first."""
    ordered = sorted(names, key=lambda name: (-len(name), name))
    return "|".join("[-_]".join(re.split("[-_]", name)) for name in ordered)


ALL_NAMES = frozenset(
    name.replace("_", "-") for name in SECRET_NAMES | MAYBE_SECRET_NAMES
)
# What might be the name of a parameter: ten times as fast as looking for all of them.
_NAME = re.compile(r"[?&;#\[]([^?&;#\[\]=/]+)\]?=")

# A URL may be a value in another, percent-encoded once or several times.
_START = r"[?&;#\[]|%(?:25)*(?:3f|26|3b|23|5b)"
_EQUALS = r"(?:\]|%(?:25)*5d)?(?:=|%(?:25)*3d)"  # user[password]=
_VALUE = r"(?:(?!%(?:25)*(?:26|23))[^&#\s\"'<>])"  # one character of it
_PARAMETER = (
    rf"((?:{_START})(?:(?:{_spelled(SECRET_NAMES)}){_EQUALS}"
    rf"|(?:{_spelled(MAYBE_SECRET_NAMES)}){_EQUALS}"
    rf"(?={_VALUE}*\d)(?={_VALUE}*[a-z])(?={_VALUE}{{{RANDOM_MIN_CHARS}}})))"
    rf"(?!{REDACTED}(?:\W|\Z)){_VALUE}+"
)
# In a path a parameter ends with its segment (`;jsessionid=8C1F/a`).
_IN_PATH = rf"(;(?:{_spelled(SESSION_NAMES)})=)[^;/?#&\s\"'<>]+"
# The user part, and what was meant for one but is none: a password with a `/` or a `#`
# in it makes the URL a bad one, which a sentence then repeats.
_USER = (
    r"([a-z][a-z0-9+.\-]*:[/\\]+)(?:[^\s/\\?#]*"
    r"|[^\s/\\?#@\[\]:]*:(?!\d*(?:[/\\?#\s'\"]|\Z))\S*)(?=@)"
)


def _hide(pattern: str, text: str) -> str:
    """Return text with what follows the pattern's first group hidden.

    `re` compiles a pattern when it is first needed and keeps it: that takes longer
    than starting the command may.
    """
    return re.sub(pattern, rf"\g<1>{REDACTED}", text, flags=re.IGNORECASE)


def redacted(text: str) -> str:
    """Return a URL, or a text that may hold some, with its secrets hidden."""
    if "@" in text:
        text = _hide(_USER, text)
    if "=" in text or "%" in text:
        plain = text
        while "%" in plain and plain != (plain := unquote(plain)):
            pass
        names = _NAME.findall(plain.lower().replace("_", "-"))
        if not ALL_NAMES.isdisjoint(names):
            text = _hide(_PARAMETER, _hide(_IN_PATH, text))
    return text


def redacted_headers(headers: Headers) -> Headers:
    """Return header fields with the values hidden that are credentials."""
    lines = tuple([(name, _redacted_field(name, text)) for name, text in headers.lines])
    return headers if lines == headers.lines else Headers(lines)


@lru_cache(maxsize=1024)  # the fields of one site are alike, but for a few
def _redacted_field(name: str, text: str) -> str:
    if name.lower() in ("set-cookie", "set-cookie2"):
        return _hide(_COOKIE_VALUE, text)
    if re.fullmatch(CREDENTIAL_FIELD, name, re.IGNORECASE):
        return REDACTED
    return redacted(text)


def redacted_parts(value: Any) -> Any:
    """Return a value with the secrets hidden in every text in it, however deep.

    Lists, tuples, dictionaries and dataclasses are looked into; anything else that is
    no text is given back as it is. A value without secrets need not be a copy.
    """
    kind = type(value)
    if kind is str:
        return redacted(value)
    if not value or kind in _WITHOUT_TEXT:
        return value
    if isinstance(value, tuple):
        parts = [redacted_parts(each) for each in value]
        return kind(parts) if kind is tuple else kind._make(parts)
    if kind is list:
        return [redacted_parts(each) for each in value]
    if kind is dict:
        return {redacted_parts(k): redacted_parts(each) for k, each in value.items()}
    if is_dataclass(kind):
        named = {each.name: getattr(value, each.name) for each in fields(value)}
        return replace(value, **redacted_parts(named))
    return value


_WITHOUT_TEXT = frozenset({bool, int, float, bytes, datetime, State})
_WITHOUT_TEXT |= {Timings, Certificate}  # no text of theirs is a URL


_Linked = TypeVar("_Linked", Link, Image)
_url_of, _text_of = itemgetter(0), itemgetter(1)  # of Link, and of Image
CLEAN_KEPT = 10_000
_clean: set[str] = set()  # URLs without a secret: pages of one site repeat theirs


def redacted_links(links: tuple[_Linked, ...]) -> tuple[_Linked, ...]:
    """Return links, or images, with their secrets hidden; mostly the same tuple."""
    if _urls_are_clean(list(map(_url_of, links))):
        texts = "\n".join(filter(None, map(_text_of, links)))
        if redacted(texts) == texts:
            return links
    return tuple([redacted_parts(link) for link in links])


def _urls_are_clean(urls: list[str]) -> bool:
    """Whether no URL holds a secret; those that might are looked at once."""
    joined = "\n".join(urls)
    suspects = [url for url in urls if "=" in url] if "=" in joined else []
    if "@" in joined or "%" in joined:  # quicker than to look for "%3"
        suspects = [url for url in urls if "=" in url or "@" in url or "%" in url]
    if _clean.issuperset(suspects):
        return True
    if len(_clean) >= CLEAN_KEPT:
        _clean.clear()
    found = [url for url in suspects if url not in _clean and redacted(url) != url]
    if not found:
        _clean.update(suspects)
    return not found
