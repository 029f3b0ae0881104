"""Puts variables of the environment into texts: `"Bearer ${TOKEN}"`.

`$$` in front of a brace stands for one dollar sign: `$${` is the text `${`. Only texts
are looked at, and no keys. What a variable holds is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .lines import KeyPath

__all__ = ["Expanded", "expanded"]

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # POSIX.1-2024, 8.1


class Expanded:
    """A table with its variables put in.

    table:     as it was, but for texts that had variables
    variables: where these texts stand, each with what stands there in the file
    missing:   where a variable is missing or no name, each with a sentence
    """

    def __init__(self, table: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.variables: dict[KeyPath, str] = {}
        self.missing: list[tuple[KeyPath, str]] = []
        self.table = self._value(dict(table), ())

    def _value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self._text(value, path) if "${" in value else value
        if isinstance(value, dict):
            return {key: self._value(each, (*path, key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value(each, (*path, n)) for n, each in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        def value_of(found: re.Match[str]) -> str:
            if found[1] is None:
                return "${"
            self.variables[path] = text
            problem = self._problem(found[1], is_closed=bool(found[2]))
            if problem is not None:
                self.missing.append((path, problem))
                return ""
            return self._environ[found[1]]

        return _VARIABLE.sub(value_of, text)

    def _problem(self, name: str, *, is_closed: bool) -> str | None:
        if not is_closed or not _NAME.fullmatch(name):
            return "'${' begins a variable's name, as in '${NAME}'; write '$${' for it"
        if name not in self._environ:
            return f"there is no variable {name!r} in the environment"
        return None


def expanded(table: Mapping[str, Any], environ: Mapping[str, str]) -> Expanded:
    """Return a table with what variables hold in place of `${NAME}`."""
    return Expanded(table, environ)
