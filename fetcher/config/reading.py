"""Finds and reads the file: `fetcher.toml`, or `[tool.fetcher]` of `pyproject.toml`.

They are looked for in the working directory alone, as lychee does with its own, and
not in those above it, as ruff and pytest do. Those look at files; this one asks other
people's servers, with headers and passwords out of the file. What stands in `/tmp` or
another's folder above must not decide about that (git had to learn it: CVE-2022-24765).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .lines import KeyPath, key_lines

__all__ = ["MAX_BYTES", "NAME", "File", "find", "group_names", "read"]

NAME = "fetcher.toml"
PROJECT = "pyproject.toml"
SECTION: KeyPath = ("tool", "fetcher")
MAX_BYTES = 5_000_000  # room for some 20,000 pages, each with expectations of its own


@dataclass(frozen=True)
class File:
    """A configuration as it stands in a file.

    name:   the path, as it is shown
    folder: what relative paths in it are relative to
    text:   the whole file
    table:  what `tomllib` made of it: of `pyproject.toml` only `[tool.fetcher]`
    prefix: where in the file that table stands
    """

    name: str
    folder: Path
    text: str
    table: Mapping[str, Any]
    prefix: KeyPath = ()

    @cached_property
    def lines(self) -> dict[KeyPath, int]:
        """Where each key of the file stands, by its path in the file."""
        return key_lines(self.text)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of a key of ours, or of the nearest one around it."""
        whole = (*self.prefix, *path)
        while whole and whole not in self.lines:
            whole = whole[:-1]
        return self.lines.get(whole, 1)


def find(folder: Path | None = None) -> File | None:
    """Return the configuration of a folder (the working directory), if it has one.

    `fetcher.toml` goes before `pyproject.toml`.

    Raises:
        ConfigError: it is there and cannot be read.
    """
    folder = Path() if folder is None else folder
    if (folder / NAME).exists():
        return read(folder / NAME)
    project = folder / PROJECT
    if not project.is_file() or b"fetcher" not in _bytes_of(project):
        return None
    file = _read(project)
    return file if file.prefix else None


def read(path: Path) -> File:
    """Return what stands in a file.

    Raises:
        ConfigError: it cannot be read, is no TOML, or a `pyproject.toml` without
            `[tool.fetcher]`; the message names file and line.
    """
    file = _read(path)
    if path.name == PROJECT and not file.prefix:
        raise ConfigError(f"{path}: there is no table [tool.fetcher] in it")
    return file


def group_names(folder: Path | None = None) -> list[str]:
    """Return the names of a configuration's groups, for a shell to complete."""
    try:
        file = find(folder)
    except ConfigError:
        return []
    groups = {} if file is None else file.table.get("groups")
    return list(groups) if isinstance(groups, dict) else []


def _read(path: Path) -> File:
    text = _text_of(path)
    table = _toml_of(text, str(path))
    if path.name != PROJECT:
        return File(str(path), path.parent, text, table)
    tool = table.get("tool")
    ours = tool.get("fetcher") if isinstance(tool, dict) else None
    if ours is None:
        return File(str(path), path.parent, text, {})
    if not isinstance(ours, dict):
        raise ConfigError(f"{path}: tool.fetcher is a table, got {ours!r}")
    return File(str(path), path.parent, text, ours, SECTION)


def _text_of(path: Path) -> str:
    content = _bytes_of(path)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: a configuration has at most {MAX_BYTES:,} bytes")
    try:
        return content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: this is not UTF-8") from None


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a directory, not a configuration") from None
    except (OSError, ValueError) as error:  # the latter: a name with a NUL
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path} cannot be read: {why}") from error


def _toml_of(text: str, name: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(text, name, str(error))) from None
    except RecursionError:
        raise ConfigError(f"{name}: its lists or tables nest too deep") from None


def _syntax(text: str, name: str, said: str) -> str:
    """Return tomllib's sentence with the place in front."""
    what, _, place = said.rpartition(" (at ")
    if not what:
        return f"{name}: this is no TOML: {said}"
    place = place.rstrip(")")
    if place == "end of document":
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    else:
        line, column = (int(word.split()[1]) for word in place.split(", "))
    return f"{name}:{line}:{column}: this is no TOML: {what[:1].lower()}{what[1:]}"
