"""What is wrong with a configuration, one sentence each, with file, line and key.

    fetcher.toml:12: groups.shop.expect.statsu: there is no such key; did you mean
    'status'?

What a secret holds is never repeated, nor what a variable held: only what stands in
the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from ..errors import ConfigError, did_you_mean
from .lines import KeyPath

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .reading import File

__all__ = ["Mistake", "Mistakes", "dotted", "is_secret", "of_pydantic"]

SECRETS = frozenset({"headers", "auth", "proxy"})
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where, at which key, and what."""

    file: str
    line: int
    key: str
    sentence: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"{self.file}:{self.line}:{key} {self.sentence}"


class Mistakes(ConfigError):
    """A configuration cannot be used; `mistakes` are all that is wrong, by line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda each: each.line))
        super().__init__("\n".join(map(str, self.mistakes)))


def mistake_in(file: File, path: KeyPath, sentence: str) -> Mistake:
    """Return the mistake at a key of a file."""
    return Mistake(file.name, file.line_of(path), dotted(path), sentence)


def dotted(path: KeyPath) -> str:
    """Return a path as TOML writes it, `groups.shop.pages[2].url`; lists from 0."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def is_secret(path: KeyPath) -> bool:
    """Whether what stands at a key is shown to nobody."""
    names = path[2:] if path[:1] == ("groups",) else path
    return bool(names) and names[0] in SECRETS


def of_pydantic(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Yield a place and a sentence for each thing that pydantic holds against it."""
    for each in error.errors(include_url=False):
        path: KeyPath = each["loc"]
        raised = each.get("ctx", {}).get("error")
        path += tuple(getattr(raised, "within", ()))
        if path[-1:] == ("[key]",):
            path = path[:-1]
        yield path, _sentence(path, each, raised)


def _sentence(path: KeyPath, found: Any, raised: object) -> str:
    from .types import shown

    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden":
        return _no_such_key(path)
    if kind == "missing":
        return "this key is missing"
    if isinstance(raised, ConfigError):
        return str(raised)
    wanted = WANTED.get(kind, found["msg"].lower()).format_map(context)
    if kind == "literal_error":
        wanted = f"{context['expected']} is expected"
    return f"{wanted}, got {shown(found['input'])}"


WANTED = {
    "bool_type": "true or false is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "finite_number": "a number is expected",
    "greater_than_equal": "this is at least {ge}",
    "list_type": "a list is expected",
    "dict_type": "a table is expected",
    "model_type": "a table is expected",
}


def _no_such_key(path: KeyPath) -> str:
    """Return that a key is not known, and the nearest one that is."""
    name = str(path[-1]).replace("-", "_").lower()
    near = _expectation_near(name, path[:-1])
    if near is None:
        return f"there is no such key{did_you_mean(name, _known_at(path[:-1]))}"
    return f"there is no such key; did you mean {near!r}?"


def _expectation_near(name: str, table: KeyPath) -> str | None:
    """Return the key of `expect` that was meant, where one stands outside of it."""
    known = _known_at((*table, "expect")) if "expect" in _known_at(table) else []
    meant = name.removeprefix("expect_")
    return f"expect.{meant}" if meant in known else None


def _known_at(path: KeyPath) -> list[str]:
    """Return the keys that the table at a place may have."""
    from .schema import Root, Table

    table: type[Table] | None = Root
    for part in path:
        if table is None:
            return []
        for name, field in table.model_fields.items():
            if (field.alias or name) == part:
                table = _table_in(field.annotation)
                break
    fields = {} if table is None else table.model_fields
    return [field.alias or name for name, field in fields.items()]


def _table_in(annotation: Any) -> Any:
    """Return the table that a field's type has in it, through lists and names."""
    from .schema import Table

    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    found = (_table_in(each) for each in get_args(annotation))
    return next((each for each in found if each is not None), None)
