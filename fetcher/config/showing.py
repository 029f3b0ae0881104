"""What holds, as TOML that says where each value comes from; secrets as `"***"`.

timeout = "5s"     # fetcher.toml:3
per_host = 2       # --per-host
concurrency = 64   # default
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .beginning import quoted
from .keys import EXPECTED, FILTERED, KEYS
from .mistakes import dotted, is_secret
from .translating import SETTINGS

if TYPE_CHECKING:
    from .lines import KeyPath
    from .reading import File

__all__ = ["Said", "holding"]

HIDDEN = "***"
WIDEST = 60  # columns, up to which sources stand below each other
# Keys of a group that are shown by themselves.
TABLES = frozenset({"expect", "pages", "filter"})


class Said(NamedTuple):
    """A value that a flag, a variable or a default sets, and which of them."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    source: str = ""


def holding(
    file: File | None,
    said: Mapping[str, Said],
    expected: Mapping[str, Said],
    filtered: Mapping[str, Said],
) -> Iterator[str]:
    """Yield the lines of what holds.

    Args:
        file: the configuration, if there is one; it is known to be well.
        said: key -> what a flag or a variable says, or else the default.
        expected: key of `[expect]` -> what a flag says.
        filtered: key of `[filter]` -> what a flag says.
    """
    rows = list(_Showing(file, said, expected, filtered).rows())
    width = max(
        (len(each.text) for each in rows if len(each.text) <= WIDEST), default=0
    )
    for row in rows:
        yield f"{row.text:<{width}}  # {row.source}" if row.source else row.text


class _Showing:
    def __init__(
        self,
        file: File | None,
        said: Mapping[str, Said],
        expected: Mapping[str, Said],
        filtered: Mapping[str, Said],
    ) -> None:
        self._file = file
        self._table: Mapping[str, Any] = {} if file is None else file.table
        self._said = said
        self._expected = expected
        self._filtered = filtered

    def rows(self) -> Iterator[_Row]:
        for key in ("inputs", *KEYS):
            told = self._said.get(key)
            in_file = key in self._table
            if told is not None and not (in_file and told.source == "default"):
                yield _Row(f"{key} = {_hidden((key,), told.value)}", told.source)
            elif in_file:
                yield self._row((key,), self._table[key])
        common = self._keys(("expect",), self._table.get("expect", {}))
        yield from self._expectation(("expect",), common)
        yield from self._filter(("filter",), ("filter",), self._table)
        for name, group in self._table.get("groups", {}).items():
            yield from self._group(("groups", name), group, common)

    def _group(
        self, path: KeyPath, group: Mapping[str, Any], common: Mapping[str, _Row]
    ) -> Iterator[_Row]:
        yield _Row("")
        yield _Row(f"[{dotted(path)}]")
        for key, value in group.items():
            if key not in TABLES and not self._is_said_otherwise(key):
                yield self._row((*path, key), value)
        yield from self._filter((*path, "filter"), (*path, "filter"), group)
        where = (*path, "expect")
        keys = {**common, **self._keys(where, group.get("expect", {}))}
        yield from self._expectation(where, keys)
        for number, page in enumerate(group.get("pages", ())):
            yield from self._page((*path, "pages", number), page, keys)

    def _page(
        self, path: KeyPath, page: Mapping[str, Any], common: Mapping[str, _Row]
    ) -> Iterator[_Row]:
        yield _Row("")
        yield _Row(f"[[{dotted(path[:-1])}]]")
        for key, value in page.items():
            if key not in ("expect", "filter"):
                yield self._row((*path, key), value)
        where = (*path, "expect")
        keys = {**common, **self._keys(where, page.get("expect", {}))}
        yield from self._expectation((*path[:-1], "expect"), keys)
        yield from self._filter((*path[:-1], "filter"), (*path, "filter"), page)

    def _is_said_otherwise(self, key: str) -> bool:
        """Whether a flag or a variable goes before what a group says."""
        told = self._said.get(key)
        is_said = told is not None and told.source != "default"
        return is_said and SETTINGS.get(key, "headers") != "headers"

    def _expectation(self, path: KeyPath, keys: Mapping[str, _Row]) -> Iterator[_Row]:
        rows = {
            **keys,
            **{
                key: _Row(f"{key} = {_hidden((key,), told.value)}", told.source)
                for key, told in self._expected.items()
            },
        }
        if rows:
            yield _Row("")
            yield _Row(f"[{dotted(path)}]")
            yield from (rows[key] for key in EXPECTED if key in rows)

    def _filter(
        self, shown: KeyPath, path: KeyPath, table: Mapping[str, Any]
    ) -> Iterator[_Row]:
        """Yield the filter of a table that has one; flags go before each."""
        if "filter" not in table and not (len(path) == 1 and self._filtered):
            return
        rows = self._keys(path, table.get("filter", {}))
        for key, told in self._filtered.items():
            rows[key] = _Row(f"{key} = {_toml(told.value)}", told.source)
        yield _Row("")
        yield _Row(f"[{dotted(shown)}]")
        yield from (rows[key] for key in FILTERED if key in rows)

    def _keys(self, path: KeyPath, table: Mapping[str, Any]) -> dict[str, _Row]:
        return {key: self._row((*path, key), value) for key, value in table.items()}

    def _row(self, path: KeyPath, value: object) -> _Row:
        assert self._file is not None  # noqa: S101 -- the value is the file's
        source = f"{self._file.name}:{self._file.line_of(path)}"
        return _Row(f"{dotted(path[-1:])} = {_hidden(path, value)}", source)


def _hidden(path: KeyPath, value: object) -> str:
    """Return a value as TOML, with `***` for what is secret in it."""
    if not is_secret(path):
        return _toml(value)
    if isinstance(value, Mapping) and set(value) != {"file"}:
        return _toml(dict.fromkeys(value, HIDDEN))
    return _toml(HIDDEN)


def _toml(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = (f"{dotted((key,))} = {_toml(each)}" for key, each in value.items())
        inside = ", ".join(pairs)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)
