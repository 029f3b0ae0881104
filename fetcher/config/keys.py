"""Which key of a configuration stands for which flag and which variable.

The one list of them: `fetcher.cli` takes names of variables from here, `merging` the
options that keys become, and a test holds that no flag was forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EXPECTED", "FILTERED", "FLAGS_ONLY", "KEYS", "Key", "variable_of"]


class Key(NamedTuple):
    """A key of the file's top level.

    name:         as it stands in the file
    option:       the option's name in the command
    flag:         the long flag
    has_variable: whether `FETCHER_<NAME>` sets it: it is a single value, and no flag
                  needs a second one to be undone
    """

    name: str
    option: str
    flag: str
    has_variable: bool


def _same(*names: str, has_variable: bool = True) -> tuple[Key, ...]:
    return tuple(
        Key(name, name, f"--{name.replace('_', '-')}", has_variable) for name in names
    )


_ALL = (
    *_same("default_scheme", "max_pages", "max_time"),
    *_same("workers", "concurrency", "per_host", "delay", "retries", "retry_delay"),
    *_same("analyse_in"),
    *_same("depth", "check_links", "scope", "external", "redirects", "sitemap"),
    *_same("include", "exclude", has_variable=False),
    Key("strip_param", "strip_params", "--strip-param", has_variable=False),
    *_same("max_url_length", "ignore_robots", "obey_robots"),
    *_same("timeout", "max_redirects", "max_size", "accept", "user_agent"),
    Key("headers", "header", "--header", has_variable=False),
    Key("from", "from_", "--from", has_variable=True),
    Key("auth", "user", "--user", has_variable=False),  # its variable: FETCHER_USER
    *_same("netrc", "cookie_file", "cacert", "cert", "insecure"),
    Key("ip_version", "ip_version", "-4", has_variable=False),  # two flags, one option
    *_same("proxy"),
    *_same("resolve", has_variable=False),
    *_same("public_only", "trust_proxy"),
    *_same("allow_net", "deny_net", has_variable=False),
    *_same("output", has_variable=False),
    Key("format", "stdout_format", "--format", has_variable=True),
    *_same("db", "baseline", "fail_on", "conditional"),
    *_same("redact", "quiet", "verbose", "no_progress", "color"),
)
KEYS = {key.name: key for key in _ALL}

# Keys of `[expect]`, and the flags that say the same.
EXPECTED = {
    "status": "--expect-status",
    "text": "--expect-text",
    "no_text": "--expect-no-text",
    "match": "--expect-match",
    "no_match": "--expect-no-match",
    "header": "--expect-header",
    "type": "--expect-type",
    "language": "--expect-language",
    "css": "--expect-css",
    "no_css": "--expect-no-css",
    "json": "--expect-json",
    "size": "--expect-size",
    "redirect": "--expect-redirect",
    "final_url": "--expect-final-url",
    "max_time": "--max-time-per-page",
    "warn_time": "--warn-time-per-page",
    "cert_days": "--cert-days",
    "cert_verified": "",
}

# Keys of `[filter]`, and the flags that say the same.
FILTERED = {"css": "--diff-css", "xpath": "--diff-xpath", "ignore": "--diff-ignore"}

# Flags that no file can hold, and why.
FLAGS_ONLY = {
    "--config": "it names the file",
    "--no-config": "it is about the file",
    "--group": "it picks from what the file has, for one run",
    "--tag": "it picks from what the file has, for one run",
    "--resume": "it is about one run that was cut short",
    "--nagios": "it must be known before a file is read, or a plugin says nothing of"
    " what is wrong with it",
    "--version": "it fetches nothing",
    "--help": "it fetches nothing",
}


_VARIABLES = {
    key.option: f"FETCHER_{key.name.upper()}" for key in _ALL if key.has_variable
}


def variable_of(option: str) -> str | None:
    """Return the variable of the environment that sets an option, None without."""
    return _VARIABLES.get(option)
