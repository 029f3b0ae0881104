"""What a value of a configuration may be: read as people write it, checked, described.

Each type turns what TOML has (a text, a number, a list, a table) into what the library
takes, and raises ConfigError with a sentence for anything else. The JSON schema of each
says the same to editors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from .. import export, guard
from .. import urls as url_rules
from ..checks import PHASES, Expectation
from ..errors import ConfigError
from ..text_lines import Filter
from . import values
from .lines import KeyPath

__all__ = [
    *(
        "Baseline",
        "Context",
        "Counting",
        "Days",
        "Duration",
        "ExistingFile",
        "ListPlaces",
    ),
    *("ExpectedFields", "FilePath", "GroupName", "JsonValues", "Limits", "Misplaced"),
    *(
        "Networks",
        "OutputPaths",
        "PageUrl",
        "PageUrls",
        "Patterns",
        "PositiveDuration",
        "ProxyUrl",
    ),
    *("PythonPatterns", "ResolveRules", "Secret", "SelectorCounts", "Selectors"),
    *("SentFields", "Size", "Sizes", "Statuses", "Target", "Text", "Texts", "User"),
    *("Whole", "XPaths", "place_of", "shown"),
]

T = TypeVar("T")

SECRET_MAX_BYTES = 64 * 1024
SHOWN_CHARS = 60
NOT_JSON = ("nan", "inf", "-inf")  # numbers of TOML; RFC 8259, 6
_BARE_NUMBER = re.compile(r"\s*[0-9.]+\s*")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1 and 5.6.2
_PERIODS = re.compile(r"(\d+)?(\.\.=?)?(\d+)?")


@dataclass(frozen=True)
class Context:
    """What values are read with: the folder that relative paths start from."""

    folder: Path


def shown(value: object) -> str:
    """Return a value of TOML as a sentence repeats it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN_CHARS else f"{value[:SHOWN_CHARS]}...")
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list) else str(value)


def _wrong(what: str, value: object) -> ConfigError:
    return ConfigError(f"{what}, got {shown(value)}")


class Misplaced(ConfigError):
    """What is wrong with a part of a value, and where in the value that stands."""

    def __init__(self, within: KeyPath, message: str) -> None:
        super().__init__(message)
        self.within = within


def _within(key: str | int, read: Callable[..., T], *arguments: Any) -> T:
    """Return what `read` makes of a part of a value; what is wrong is placed."""
    try:
        return read(*arguments)
    except Misplaced as error:
        raise Misplaced((key, *error.within), str(error)) from None
    except ConfigError as error:
        raise Misplaced((key,), str(error)) from None


# Times, sizes, statuses.


def _duration(value: object) -> float:
    if not isinstance(value, str) or _BARE_NUMBER.fullmatch(value):
        raise _wrong("a time is a text with its unit, such as '5s' or '1h30m'", value)
    return values.duration_s(value)


def _positive(seconds: float) -> float:
    if seconds < 0.001:
        raise ConfigError("a time here is at least 1ms")
    return seconds


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str):
        raise _wrong("a size is a text with its unit, such as '10MB'", value)
    return values.size_bytes(value)


def _some(size: int) -> int:
    if size < 1:
        raise ConfigError("a size here is at least 1 byte")
    return size


def _sizes(value: object) -> tuple[int | None, int | None]:
    if not isinstance(value, str):
        raise _wrong("sizes are a text such as '1KB..2MB'", value)
    return values.size_range(value)


def _statuses(value: object) -> tuple[tuple[int, int], ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _wrong("statuses are a text such as '200..=204,404'", value)
    return values.status_ranges(value)


def _limits(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {"total_s": _positive(_duration(value))}
    limits = {}
    for phase, limit in value.items():
        name = f"{phase}_s"
        if name not in PHASES:
            known = ", ".join(each.removesuffix("_s") for each in PHASES)
            raise Misplaced((phase,), f"there is no such phase; there are {known}")
        limits[name] = _positive(_within(phase, _duration, limit))
    return limits


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$",
    "examples": ["10s", "500ms", "1h30m", "7d"],
}
_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d+(\.\d+)?\s*[A-Za-z]*$"},
        {"type": "integer", "minimum": 0},
    ],
    "examples": ["10MB", "100KB", "1GiB"],
}
_STATUS_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "integer", "minimum": 100, "maximum": 999},
    ],
    "examples": ["200..=204,404", 200],
}
_LIMITS_SCHEMA = {
    "anyOf": [
        _DURATION_SCHEMA,
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                phase.removesuffix("_s"): _DURATION_SCHEMA for phase in PHASES
            },
        },
    ]
}

Duration = Annotated[float, PlainValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[
    float,
    PlainValidator(lambda value: _positive(_duration(value))),
    WithJsonSchema(_DURATION_SCHEMA),
]
Size = Annotated[
    int,
    PlainValidator(lambda value: _some(_size(value))),
    WithJsonSchema(_SIZE_SCHEMA),
]
Sizes = Annotated[
    tuple[int | None, int | None],
    PlainValidator(_sizes),
    WithJsonSchema({"type": "string", "examples": ["1KB..2MB", "1KB..", "..2MB"]}),
]
Statuses = Annotated[
    tuple[tuple[int, int], ...],
    PlainValidator(_statuses),
    WithJsonSchema(_STATUS_SCHEMA),
]
Limits = Annotated[
    dict[str, float], PlainValidator(_limits), WithJsonSchema(_LIMITS_SCHEMA)
]


# Texts, patterns, URLs.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong("a text is expected", value)
    if not value:
        raise ConfigError("a text is expected, and this one is empty")
    return value


def _texts_that(check: Callable[[str], object]) -> Callable[[object], list[str]]:
    """Return what reads one text or a list of them, each well for `check`."""

    def read(value: object) -> list[str]:
        if isinstance(value, Mapping) or not isinstance(value, str | list):
            raise _wrong("a text or a list of texts is expected", value)
        if isinstance(value, str):
            check(_text(value))
            return [value]
        for number, text in enumerate(value):
            _within(number, lambda text: check(_text(text)), text)
        return list(value)

    return read


def _pattern(text: str) -> None:
    Expectation(matches=(text,))


def _python_pattern(text: str) -> None:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{text!r} is no regular expression: {error}") from None


def _selector(text: str) -> None:
    try:
        Expectation(css={text: (1, None)})
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix("css: ")) from None


def _xpath(text: str) -> None:
    Filter(xpath=text)


def _expression(text: str) -> None:
    Expectation(json={text: True})


def _network(text: str) -> None:
    try:
        guard.networks("", (text,))
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(": ")) from None


def _target(value: object) -> str:
    text = _text(value)
    try:
        Expectation(final_url=text)
    except ConfigError as error:
        raise ConfigError(
            str(error).replace("final_url is a URL", "this is a URL")
        ) from None
    return text


def _page_url(value: object) -> str:
    text = url_rules.from_line(_text(value))
    if text is None:
        raise _wrong("a URL is expected", value)
    try:
        url_rules.parse(text)
    except url_rules.BadUrl as error:
        raise ConfigError(str(error)) from None
    return str(value).strip()


def _page_urls(value: object) -> list[str]:
    if not isinstance(value, list):
        raise _wrong("a list of URLs is expected", value)
    return [_within(number, _page_url, each) for number, each in enumerate(value)]


def _resolve_rule(text: str) -> None:
    host, colon, rest = text.partition(":")
    port, colon, address = rest.partition(":")
    if not (host and colon and port.isdigit() and address):
        raise _wrong("a rule reads 'host:port:address'", text)


def _anything(text: str) -> None:
    """A text of any kind will do."""


def _group_name(value: object) -> str:
    name = _text(value)
    if not name.isprintable():
        raise ConfigError("a group's name is one line")
    return name


_TEXTS_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
    ]
}
_TEXTS = WithJsonSchema(_TEXTS_SCHEMA)
_URL = WithJsonSchema({"type": "string", "examples": ["https://example.com/"]})

Text = Annotated[
    str, PlainValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})
]
GroupName = Annotated[
    str, PlainValidator(_group_name), WithJsonSchema({"type": "string"})
]
Texts = Annotated[list[str], PlainValidator(_texts_that(_anything)), _TEXTS]
Patterns = Annotated[list[str], PlainValidator(_texts_that(_pattern)), _TEXTS]
PythonPatterns = Annotated[
    list[str], PlainValidator(_texts_that(_python_pattern)), _TEXTS
]
Selectors = Annotated[list[str], PlainValidator(_texts_that(_selector)), _TEXTS]
XPaths = Annotated[list[str], PlainValidator(_texts_that(_xpath)), _TEXTS]
Networks = Annotated[list[str], PlainValidator(_texts_that(_network)), _TEXTS]
ResolveRules = Annotated[list[str], PlainValidator(_texts_that(_resolve_rule)), _TEXTS]
Target = Annotated[str, PlainValidator(_target), WithJsonSchema({"type": "string"})]
PageUrl = Annotated[str, PlainValidator(_page_url), _URL]
PageUrls = Annotated[
    list[str],
    PlainValidator(_page_urls),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


# Expectations with a value each.


def _selectors(value: object) -> dict[str, tuple[int, int | None]]:
    if isinstance(value, str | list):
        return dict.fromkeys(_texts_that(_selector)(value), (1, None))
    if not isinstance(value, Mapping):
        raise _wrong("selectors are a list, or a table with a count for each", value)
    for selector in value:
        _within(selector, _selector, selector)
    return {each: _within(each, _count, count) for each, count in value.items()}


def _count(value: object) -> tuple[int, int | None]:
    found = None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value, value
    if isinstance(value, str):
        found = _PERIODS.fullmatch(value.strip())
    if found is None or not (found[1] or found[3]):
        raise _wrong("a count reads 3, '1..' or '2..5'", value)
    low = int(found[1] or 0)
    high = int(found[3]) if found[3] else None if found[2] else low
    if high is not None and high < low:
        raise _wrong("a count rises", value)
    return low, high


def _expressions(value: object) -> dict[str, object]:
    if isinstance(value, str | list):
        return dict.fromkeys(_texts_that(_expression)(value), True)
    if not isinstance(value, Mapping):
        raise _wrong("expressions are a list, or a table with a value for each", value)
    for expression, wanted in value.items():
        _within(expression, _expression_with, expression, wanted)
    return dict(value)


def _expression_with(expression: str, wanted: object) -> None:
    _json_value(wanted)
    Expectation(json={expression: wanted})  # looks at a /pattern/, too


def _json_value(value: object) -> None:
    if isinstance(value, Mapping):
        for each in value.values():
            _json_value(each)
    elif isinstance(value, list):
        for each in value:
            _json_value(each)
    elif not isinstance(value, str | int | float) or str(value) in NOT_JSON:
        raise _wrong("a value of JSON is expected", value)


def _expected_fields(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong("header fields are a table", value)
    for name, wanted in value.items():
        _within(name, _expected_field, name, wanted)
    return dict(value)


def _expected_field(name: str, wanted: object) -> None:
    _field_name(name)
    Expectation(header={name: _text(wanted)})


def _field_name(name: str) -> None:
    if not _FIELD_NAME.fullmatch(name):
        raise ConfigError(f"{shown(name)} is no name of a header field")


_PAIRS_SCHEMA = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}

SelectorCounts = Annotated[
    dict[str, tuple[int, int | None]],
    PlainValidator(_selectors),
    WithJsonSchema(
        {
            "anyOf": [
                *_TEXTS_SCHEMA["anyOf"],
                {"type": "object", "additionalProperties": _COUNT_SCHEMA},
            ],
            "examples": [{"p.price": "1..", ".error": 0}],
        }
    ),
]
JsonValues = Annotated[
    dict[str, object],
    PlainValidator(_expressions),
    WithJsonSchema(
        {
            "anyOf": [*_TEXTS_SCHEMA["anyOf"], {"type": "object"}],
            "examples": [{"status": "up"}],
        }
    ),
]
ExpectedFields = Annotated[
    dict[str, str], PlainValidator(_expected_fields), WithJsonSchema(_PAIRS_SCHEMA)
]


# Files and secrets.


def place_of(path: str, folder: Path) -> str:
    """Return a path that is relative to a folder as one that can be opened."""
    if path == "-":
        return path
    with suppress(RuntimeError):  # there is no such user's home
        path = str(Path(path).expanduser())
    return str(folder / path)


def _folder(info: ValidationInfo) -> Path:
    return info.context.folder if isinstance(info.context, Context) else Path()


def _path(value: object, info: ValidationInfo) -> str:
    return place_of(_text(value), _folder(info))


def _paths(value: object, info: ValidationInfo) -> list[str]:
    folder = _folder(info)
    return [place_of(each, folder) for each in _texts_that(_anything)(value)]


def _baseline(value: object, info: ValidationInfo) -> str:
    text = _text(value)
    return text if text.isdecimal() else place_of(text, _folder(info))


def _output_paths(value: object, info: ValidationInfo) -> list[str]:
    _texts_that(export.for_path)(value)
    return _paths(value, info)


def _list_places(value: object, info: ValidationInfo) -> list[str]:
    def read(text: str) -> str:
        if "://" in text:
            return _page_url(text)
        return _existing(place_of(text, _folder(info)))

    texts = _texts_that(_anything)(value)
    if isinstance(value, str):
        return [read(value)]
    return [_within(number, read, text) for number, text in enumerate(texts)]


def _existing(path: str) -> str:
    try:
        found = Path(path)
        if found.is_dir():
            raise ConfigError(f"{path!r} is a directory")
        if path != "-" and not found.exists():
            raise ConfigError(f"there is no file {path!r}")
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path!r} cannot be read") from None
    return path


def _secret(value: object, info: ValidationInfo) -> str:
    """Return a text, or what stands in the file that `{file = "..."}` names."""
    if not isinstance(value, Mapping):
        return _text(value)
    if set(value) != {"file"} or not isinstance(value["file"], str):
        raise ConfigError('a secret is a text, or {file = "path"}')
    path = _existing(place_of(value["file"], _folder(info)))
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(SECRET_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path!r} cannot be read: {error.strerror}") from None
    return _secret_in(content, path)


def _secret_in(content: bytes, path: str) -> str:
    """Return the one line that a file holds, without its line end."""
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{path!r} is not UTF-8") from None
    if not text or "\n" in text or len(content) > SECRET_MAX_BYTES:
        raise ConfigError(f"{path!r} holds no single line of text")
    return text


def _sent_fields(value: object, info: ValidationInfo) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong('header fields are a table, such as {Accept-Language = "de"}', "")
    return {
        name: _within(name, _sent_field, name, text, info)
        for name, text in value.items()
    }


def _sent_field(name: str, text: object, info: ValidationInfo) -> str:
    _field_name(name)
    return _line(_secret(text, info), "the value of a header field")


def _line(text: str, what: str) -> str:
    if "\n" in text or "\r" in text or "\0" in text:
        raise ConfigError(f"{what} is a single line")  # and not repeated
    return text


def _user(value: object, info: ValidationInfo) -> str:
    name = _line(_secret(value, info), "a user's name")
    if ":" in name:
        raise ConfigError("a user's name holds no colon")  # RFC 7617, 2
    return name


def _proxy(value: object, info: ValidationInfo) -> str:
    text = _secret(value, info)
    host = text.partition("://")[2] or text
    if not host or any(each.isspace() for each in text):
        raise ConfigError("a proxy is a URL such as 'http://proxy.example:3128'")
    return text


_SECRET_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["file"],
            "properties": {"file": {"type": "string"}},
        },
    ]
}
_SECRET = WithJsonSchema(_SECRET_SCHEMA)
_PATH = WithJsonSchema({"type": "string", "minLength": 1})

Baseline = Annotated[str, PlainValidator(_baseline), _PATH]
FilePath = Annotated[str, PlainValidator(_path), _PATH]
ExistingFile = Annotated[str, PlainValidator(_path), AfterValidator(_existing), _PATH]
FilePaths = Annotated[list[str], PlainValidator(_paths), _TEXTS]
OutputPaths = Annotated[list[str], PlainValidator(_output_paths), _TEXTS]
ListPlaces = Annotated[list[str], PlainValidator(_list_places), _TEXTS]
SentFields = Annotated[
    dict[str, str],
    PlainValidator(_sent_fields),
    WithJsonSchema({"type": "object", "additionalProperties": _SECRET_SCHEMA}),
]
User = Annotated[str, PlainValidator(_user), _SECRET]
Secret = Annotated[str, PlainValidator(_secret), _SECRET]
ProxyUrl = Annotated[str, PlainValidator(_proxy), _SECRET]

# Numbers.

Whole = Annotated[int, Field(ge=0)]
Counting = Annotated[int, Field(ge=1)]
Days = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]
