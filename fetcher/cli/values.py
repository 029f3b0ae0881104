"""What a flag's value is read as; a value that is none is told with its flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from .. import config
from ..errors import ConfigError

if TYPE_CHECKING:
    ParamType = click.ParamType[object]
else:
    ParamType = click.ParamType  # generic only for type checkers before click 8.4

__all__ = [
    "DURATION",
    "EXPECTED_HEADER",
    "HEADER",
    "READABLE",
    "SIZE",
    "SIZES",
    "STATUSES",
]


class Value(ParamType):
    """A value that one of `config`'s functions understands."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Return the parsed value, or fail with the sentence of its ConfigError."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def header_fields(text: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of `Name: value`, or of each line of `@FILE`.

    A file keeps them out of the list of processes and the shell's history.
    """
    if not text.startswith("@"):
        return (header_line(text, "a header"),)
    from ..output import read_list

    path = text.removeprefix("@")
    with read_list(path) as lines:
        return tuple(
            header_line(line.text, f"line {line.number} of {path!r}")
            for line in lines
            if line.text.strip() and not line.text.startswith("#")
        )


def header_line(text: str, what: str) -> tuple[str, str]:
    """Return the name and value of `Name: value`.

    What is neither is not repeated: it may be a credential without its name.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        wrong = "no name before its colon" if colon else "no colon"
        raise ConfigError(f"{what} reads 'Name: value', and this one has {wrong}")
    return name.strip(), value.strip()


DURATION = Value("duration", config.duration_s)


SIZE = Value("size", config.size_bytes)


SIZES = Value("sizes", config.size_range)


STATUSES = Value("statuses", config.status_ranges)


HEADER = Value("header", header_fields)


EXPECTED_HEADER = Value("header", lambda text: header_line(text, "an expected header"))


READABLE = click.Path(exists=True, dir_okay=False, readable=True)
