"""From flags to the keyword arguments of crawl(): what a person asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from .diff import text_filter
from .telling import said

if TYPE_CHECKING:
    from ..checks import Expectation
    from ..groups import Group
    from ..models import Request

__all__ = [
    *("compared", "crawl_options", "expected_fields", "filter_fields", "given_of"),
    *("sent_headers", "total_of"),
]


def given_of(text: str) -> str | Path | Request:
    """Return an INPUT as crawl() wants it: a URL as text, a list as a Path."""
    from ..source import given_url, is_url

    if not is_url(text):
        return Path(text)
    # Without a locale, what is not ASCII was read as bytes that mean nothing.
    with suppress(UnicodeError):
        text = os.fsencode(text).decode()
    return given_url(text)


def total_of(
    given: Sequence[str | Path | Request | Group], options: Mapping[str, Any]
) -> int | None:
    """Return how many URLs the lists have, for the progress line; None if unknown."""
    from ..source import count_entries, is_read_once

    if options["depth"] or options["sitemap"]:
        return None
    items = [item for each in given for item in getattr(each, "urls", [each])]
    for each in items:
        if isinstance(each, Path) and is_read_once(each):
            return None
        if not isinstance(each, str | Path):
            return None  # a sitemap that has still to be fetched
    total = sum(count_entries(x) if isinstance(x, Path) else 1 for x in items)
    max_pages: int | None = options["max_pages"]
    return total if max_pages is None else min(total, max_pages)


def crawl_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of crawl() that a command's options stand for."""
    return {
        "workers": options["workers"],
        "concurrency": options["concurrency"],
        "per_host": options["per_host"],
        "delay_s": options["delay"],
        "retries": options["retries"],
        "retry_delay_s": options["retry_delay"],
        "analyse_in": options["analyse_in"],
        "expect": expectation(options),
        "max_pages": options["max_pages"],
        "max_time_s": options["max_time"],
        "depth": options["depth"],
        "check_links": options["check_links"],
        "scope": options["scope"],
        "include": options["include"],
        "exclude": options["exclude"],
        "external": options["external"],
        "redirects": options["redirects"],
        "sitemap": options["sitemap"],
        "strip_params": options["strip_params"],
        "max_url_chars": options["max_url_length"],
        "ignore_robots": options["ignore_robots"],
        "obey_robots": options["obey_robots"],
        "default_scheme": options.get("default_scheme", "https"),
        "timeout_s": options["timeout"],
        "max_redirects": options["max_redirects"],
        "max_bytes": options["max_size"],
        "accept": options["accept"],
        "headers": sent_headers(options),
        "user_agent": options["user_agent"],
        "auth": login(options["user"]),
        "netrc": options["netrc"],
        "cookie_file": options["cookie_file"],
        "proxy": options["proxy"],
        "cacert": options["cacert"],
        "cert": options["cert"],
        "insecure": options["insecure"],
        "resolve": options["resolve"],
        "ip_version": options["ip_version"],
        "public_only": options["public_only"],
        "allow_net": options["allow_net"],
        "deny_net": options["deny_net"],
        "trust_proxy": options["trust_proxy"],
    }


def compared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return with what crawl() is to compare the run, and how."""
    fields = {**options.get("filter", {}), **filter_fields(options)}
    # A file may say what counts for when there is something to compare with.
    is_compared = options["db"] is not None or options["baseline"] is not None
    keeps = text_filter(fields if is_compared else filter_fields(options))
    baseline: str | None = options["baseline"]
    if baseline is not None and baseline.isdecimal() and not Path(baseline).exists():
        return {"baseline": int(baseline), "text_filter": keeps}
    return {"baseline": baseline, "text_filter": keeps}


def filter_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Filter that the flags set."""
    flags = {"css": "diff_css", "xpath": "diff_xpath", "ignore": "diff_ignore"}
    return {name: options[flag] for name, flag in flags.items() if options[flag]}


def expectation(options: Mapping[str, Any]) -> Expectation | None:
    """Return what is expected of every page, None where that is nothing.

    What the flags say goes before what a configuration says (`expected`).
    """
    expected = {**options.get("expected", {}), **expected_fields(options)}
    if not expected:
        return None
    from ..checks import Expectation

    return Expectation(**expected)


def expected_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Expectation that the flags set."""
    css = dict.fromkeys(options["expect_css"], (1, None))
    css.update(dict.fromkeys(options["expect_no_css"], (0, 0)))
    least, most = options["expect_size"] or (None, None)
    expected: dict[str, Any] = {
        "status": options["expect_status"],
        "contains": options["expect_text"] or None,
        "lacks": options["expect_no_text"] or None,
        "matches": options["expect_match"] or None,
        "lacks_match": options["expect_no_match"] or None,
        "header": options["expect_header"] or None,
        "content_type": options["expect_type"],
        "language": options["expect_language"],
        "css": css or None,
        "json": dict.fromkeys(options["expect_json"], True) or None,
        "min_body_bytes": least,
        "max_body_bytes": most,
        "redirects_to": options["expect_redirect"],
        "final_url": options["expect_final_url"],
        "fail_over_s": total_time(options["max_time_per_page"]),
        "warn_over_s": total_time(options["warn_time_per_page"]),
        "certificate_days": options["cert_days"],
    }
    return {name: value for name, value in expected.items() if value is not None}


def total_time(limit_s: float | None) -> dict[str, float] | None:
    """Return a limit of the whole time of a page, None without one."""
    return None if limit_s is None else {"total_s": limit_s}


def sent_headers(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the header fields that `--header` and `--from` ask for."""
    given: tuple[tuple[tuple[str, str], ...], ...] = options["header"]
    headers = tuple(field for fields in given for field in fields)
    if options["from_"] is not None:
        headers += (("From", options["from_"]),)
    return headers


def login(user: str | None) -> tuple[str, str] | None:
    """Return name and password of `--user`; ask for a password that is not given."""
    if user is None:
        return None
    name, colon, password = user.partition(":")
    if not colon:
        if not has_terminal():
            raise ConfigError(
                f"--user {name!r} has no password, and there is no terminal to ask on:"
                " write NAME:PASSWORD into FETCHER_USER, or use --netrc"
            )
        password = click.prompt(f"Password of {said(name)}", hide_input=True, err=True)
    return name, password


def has_terminal() -> bool:
    """Whether somebody can be asked. Standard input may be a list all the same."""
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return sys.stdin is not None and sys.stdin.isatty()
