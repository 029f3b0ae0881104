"""From keys of a configuration to the names that command and library use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .keys import KEYS

__all__ = [
    *("SETTINGS", "expectation_fields", "filter_fields", "options_of"),
    "settings_of",
]

# Keys that are fields of Settings, where the names differ; the others are the same.
SETTINGS = {
    "timeout": "timeout_s",
    "max_redirects": "max_redirects",
    "max_size": "max_bytes",
    "accept": "accept",
    "headers": "headers",
    "from": "headers",
    "user_agent": "user_agent",
    "auth": "auth",
    "netrc": "netrc",
    "cookie_file": "cookie_file",
    "proxy": "proxy",
    "cacert": "cacert",
    "cert": "cert",
    "insecure": "insecure",
    "resolve": "resolve",
    "ip_version": "ip_version",
    "public_only": "public_only",
    "allow_net": "allow_net",
    "deny_net": "deny_net",
    "trust_proxy": "trust_proxy",
}
FIELDS = {
    "status": "status",
    "text": "contains",
    "no_text": "lacks",
    "match": "matches",
    "no_match": "lacks_match",
    "header": "header",
    "type": "content_type",
    "language": "language",
    "json": "json",
    "redirect": "redirects_to",
    "final_url": "final_url",
    "max_time": "fail_over_s",
    "warn_time": "warn_over_s",
    "cert_days": "certificate_days",
    "cert_verified": "certificate_verified",
    "severity": "severity",
}


def options_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command's options that keys of the top level set."""
    options = {}
    for name, value in said.items():
        if name not in KEYS:
            continue  # inputs, expect, groups: they are no options
        if name == "headers":
            value = (tuple(value.items()),)
        elif name == "auth":
            value = f"{value.user}:{value.password}"
        elif isinstance(value, list):
            value = tuple(value)
        options[KEYS[name].option] = value
    return options


def settings_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Settings that keys set."""
    settings = {
        field: tuple(said[name]) if isinstance(said[name], list) else said[name]
        for name, field in SETTINGS.items()
        if name in said and field not in ("headers", "auth")
    }
    fields = tuple(said.get("headers", {}).items())
    if "from" in said:
        fields += (("From", said["from"]),)
    if fields:
        settings["headers"] = fields
    if "auth" in said:
        settings["auth"] = (said["auth"].user, said["auth"].password)
    return settings


def expectation_fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Expectation that keys of `[expect]` set.

    An empty list or table takes back what a table further out expects.
    """
    fields = {
        field: tuple(said[name]) if isinstance(said[name], list) else said[name]
        for name, field in FIELDS.items()
        if name in said
    }
    css = {
        **said.get("css", {}),
        **dict.fromkeys(said.get("no_css", ()), (0, 0)),
    }
    if css:
        fields["css"] = css
    if "size" in said:
        fields["min_body_bytes"], fields["max_body_bytes"] = said["size"]
    if not fields.keys() - {"severity"}:
        return {}
    return fields


def filter_fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Filter that keys of `[filter]` set; none: all counts."""
    fields: dict[str, Any] = {}
    if said.get("css"):
        fields["css"] = ", ".join(said["css"])
    if said.get("xpath"):
        fields["xpath"] = " | ".join(said["xpath"])
    if said.get("ignore"):
        fields["ignore"] = tuple(said["ignore"])
    return fields
