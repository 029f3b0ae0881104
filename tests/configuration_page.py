"""Writes the tables of docs/reference/configuration.md from the schema.

    python -m tests.configuration_page

What stands around the tables is written by hand and stays. A test holds that the page
is what this makes of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fetcher.config.keys import EXPECTED, FILTERED, KEYS
from fetcher.config.schema import (
    AuthTable,
    ExpectTable,
    FilterTable,
    GroupTable,
    PageTable,
    Root,
    json_schema,
)

PAGE = Path(__file__).parent.parent / "docs/reference/configuration.md"
TABLES = {
    "top": Root,
    "expect": ExpectTable,
    "groups": GroupTable,
    "pages": PageTable,
    "filter": FilterTable,
    "auth": AuthTable,
}
BLOCK = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def page_of(text: str) -> str:
    """Return the page with its tables as the schema has them."""
    return BLOCK.sub(lambda found: found[1] + table(found[2]) + found[3], text)


def table(name: str) -> str:
    """Return the table of the keys of one table of the schema, in Markdown."""
    head = ["key", "value", "what it is for", "default", "flag"]
    rows = [head, ["---"] * len(head), *(row_of(name, key) for key in keys_of(name))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def keys_of(name: str) -> dict[str, Any]:
    """Return the keys of a table, each with its part of the JSON schema."""
    schema = json_schema()
    found = schema if name == "top" else schema["$defs"][TABLES[name].__name__]
    return found["properties"]


def row_of(name: str, key: str) -> list[str]:
    """Return the cells of a key's line."""
    said = keys_of(name)[key]
    default = "" if "default" not in said else f"`{in_toml(said['default'])}`"
    flag = ""
    if name == "top" and key in KEYS:
        flag = KEYS[key].flag
    elif name == "expect":
        flag = EXPECTED[key]
    elif name == "filter":
        flag = FILTERED[key]
    cells = [f"`{key}`", value_of(said), said["description"], default]
    return [*cells, f"`{flag}`" if flag else ""]


def value_of(said: dict[str, Any]) -> str:
    """Return what a value is, in words or by example."""
    if "enum" in said:
        return ", ".join(f"`{in_toml(each)}`" for each in said["enum"])
    if "examples" in said:
        return f"`{in_toml(said['examples'][0])}`"
    if "anyOf" in said:
        kinds = [each.get("type") for each in said["anyOf"]]
        return "text or list" if "array" in kinds else "text or table"
    words = {
        "integer": f"number from {said.get('minimum')}",
        "number": "number from 0",
        "boolean": "`true`, `false`",
        "string": "text",
        "array": "list",
        "object": "table",
    }
    return words.get(said.get("type", "object"), "table")


def in_toml(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = ", ".join(f'"{key}" = {in_toml(v)}' for key, v in value.items())
        return f"{{ {pairs} }}"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text()))
