r"""The line on which each key of a TOML text stands: `tomllib` does not tell.

    key_lines('a = 1\n[b]\nc = [2]\n')  # {("a",): 1, ("b",): 2, ("b", "c"): 3, ...}

The text is known to be TOML: it was read by `tomllib` before. So this reader looks for
where things begin and end, and leaves all that a value may be to that one.

Source: TOML 1.0.0, https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re

__all__ = ["KeyPath", "key_lines"]

KeyPath = tuple[str | int, ...]  # the key of a table, or the index in a list, each

_BLANKS = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED_KEY = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'[^']*'")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'  # up to two quotes may stand before the end
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")  # a number, a date, true: ends where these stand


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of each key, header and item of a list.

    Args:
        text: TOML that `tomllib` has read.
    """
    return _Reader(text.replace("\r\n", "\n")).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0  # the line of the place that was asked last
        self._lines: dict[KeyPath, int] = {}
        self._sizes: dict[KeyPath, int] = {}  # of lists of tables, so far

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)
        return self._lines

    def _header(self) -> KeyPath:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        line = self._line_here()
        self._at += brackets
        table = self._place(self._keys(), line, is_list=brackets == 2)
        self._at += brackets
        return table

    def _place(self, keys: list[str], line: int, *, is_list: bool) -> KeyPath:
        """Return where a header leads: into the last table of each list on the way."""
        path: KeyPath = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            self._lines.setdefault(path, line)
            if is_list and number == len(keys):
                self._sizes[path] = self._sizes.get(path, 0) + 1
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
                self._lines.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line_here()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(_BLANKS)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANKS)
            keys.append(self._key())
            self._skip(_BLANKS)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _key(self) -> str:
        bare = _BARE_KEY.match(self._text, self._at)
        if bare is not None:
            self._at = bare.end()
            return bare[0]
        import tomllib

        quoted = self._skip(_QUOTED_KEY)
        [key] = tomllib.loads(f"{quoted} = 0")
        return key

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._table(path)
        else:
            self._skip(_STRING if opening in "\"'" else _PLAIN)

    def _list(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while not self._is_over("]"):
            item = (*path, number)
            self._lines[item] = self._line_here()
            self._value(item)
            number += 1

    def _table(self, path: KeyPath) -> None:
        self._at += 1
        while not self._is_over("}"):
            self._pair(path)

    def _is_over(self, closing: str) -> bool:
        """Step over what stands between two values; whether that was the end."""
        self._skip(_GAP)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_GAP)
        if self._text[self._at] != closing:
            return False
        self._at += 1
        return True

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no TOML at character {self._at:,}")
        self._at = found.end()
        return found[0]

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
