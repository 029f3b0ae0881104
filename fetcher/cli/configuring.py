"""`fetcher config` and `fetcher init`: check a configuration, show it, begin one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import config as configuration
from ..config.keys import EXPECTED, FILTERED, KEYS
from ..errors import ConfigError, OutputError
from .codes import ALL_WELL, USAGE
from .configuration import FILE, LOADED, found_file, headers_over
from .shape import FETCH, option_name
from .telling import said
from .values import DURATION

if TYPE_CHECKING:
    from ..config import Config
    from ..config.showing import Said

__all__ = ["config", "init"]

NONE_HERE = (
    "there is no fetcher.toml here, and no [tool.fetcher] in pyproject.toml:"
    " begin one with fetcher init"
)


@click.group()
def config() -> None:
    """Check a configuration, show what holds, print its schema."""


@config.command("check")
@click.argument("path", metavar="[FILE]", required=False)
def config_check(path: str | None) -> int:
    """Tell whether a configuration makes sense, or all that is wrong with it.

    Without FILE, that of the working directory. What it names is looked at, too:
    variables, files with secrets, lists. Nothing is fetched.
    """
    try:
        click.echo(said(well(path)))
    except configuration.Mistakes as mistakes:
        for mistake in mistakes.mistakes:
            click.echo(said(str(mistake)))
        return USAGE
    except ConfigError as error:
        click.echo(said(str(error)))
        return USAGE
    return ALL_WELL


def well(path: str | None) -> str:
    """Return the line that says how much a configuration holds.

    Raises:
        ConfigError: there is none, or something is wrong with it.
    """
    file = found_file(path or os.environ.get("FETCHER_CONFIG"))
    if file is None:
        raise ConfigError(NONE_HERE)
    loaded = configuration.load(file, os.environ)
    count = configuration.count_pages(loaded)
    parts = [counted(len(loaded.groups), "group"), counted(count.pages, "page")]
    if count.sitemaps:
        parts.append(f"and what {counted(count.sitemaps, 'sitemap')} will list")
    return f"{file.name}: {', '.join(parts)}: well"


def counted(number: int, what: str) -> str:
    """Return "1 page", "2 pages"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@config.command("schema")
def config_schema() -> int:
    """Print the JSON schema of fetcher.toml, which editors complete and check by."""
    from ..config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return ALL_WELL


@config.command("show", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", metavar="[INPUT...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def config_show(ctx: click.Context, arguments: Sequence[str]) -> int:
    """Print what holds, and where each value comes from: file, variable, flag, default.

    Takes the flags that fetcher itself takes. Secrets are shown as "***".
    """
    from ..config.showing import holding

    root = ctx.find_root()
    assert isinstance(root.command, click.Group)  # noqa: S101 -- ours
    fetching = root.command.commands[FETCH]
    with fetching.make_context(FETCH, list(arguments), parent=root) as job:
        loaded = job.meta.get(FILE)
        expected = flags_in(job, EXPECTED)
        filtered = flags_in(job, FILTERED)
        for line in holding(loaded, said_in(job), expected, filtered):
            click.echo(said(line))
    return ALL_WELL


def said_in(job: click.Context) -> dict[str, Said]:
    """Return what flags, variables and defaults say, by key."""
    from ..config.showing import Said

    params = {each.name: each for each in job.command.params}
    found = {}
    for key in KEYS.values():
        told = said_by(job, params[key.option], key.flag)
        if told is not None:
            found[key.name] = told
    loaded: Config | None = job.meta.get(LOADED)
    if "headers" in found and loaded is not None and "header" in loaded.options:
        told = found["headers"]
        merged = headers_over((tuple(told.value.items()),), loaded.options["header"])
        line = f"{loaded.name}:{loaded.lines['header']}"
        found["headers"] = Said(dict(merged[0]), f"{told.source}, over {line}")
    if job.params["inputs"]:
        found["inputs"] = Said(list(job.params["inputs"]), "INPUT")
    return found


def flags_in(job: click.Context, flags: Mapping[str, str]) -> dict[str, Said]:
    """Return what flags say instead of a table of the file, by key of that table."""
    params = {each.name: each for each in job.command.params}
    found = {}
    for key, flag in flags.items():
        param = params.get(option_name((flag,)))
        told = None if param is None else said_by(job, param, flag)
        if told is not None and told.source != "default":
            found[key] = told
    return found


def said_by(job: click.Context, param: click.Parameter, flag: str) -> Said | None:
    """Return the value of a flag and where it comes from; None: a file, or nothing."""
    from ..config.showing import Said

    source = job.get_parameter_source(str(param.name))
    value = job.params[str(param.name)]
    if source is click.core.ParameterSource.DEFAULT_MAP or value in (None, ()):
        return None
    if source is click.core.ParameterSource.DEFAULT:
        given = param.default if isinstance(param.default, str) else value
        return Said(given, "default")
    if source is click.core.ParameterSource.ENVIRONMENT:
        return Said(as_written(param, value), str(param.envvar or flag))
    if param.name == "ip_version":
        flag = f"-{value}"  # two flags, one option
    if value is False and param.secondary_opts:
        flag = param.secondary_opts[0]  # --no-redact
    return Said(as_written(param, value), flag)


def as_written(param: click.Parameter, value: Any) -> object:
    """Return a flag's value as a file would say it."""
    if param.name == "header":
        return dict(field for fields in value for field in fields)
    if param.name == "expect_header":
        return dict(value)
    if param.type is DURATION:
        return f"{value:g}s"
    if param.name in ("accept", "expect_status"):
        pairs = (f"{a}" if a == b else f"{a}..={b}" for a, b in value)
        return ",".join(pairs)
    if param.name == "expect_size":
        least, most = ("" if each is None else each for each in value)
        return f"{least}..{most}"
    return value


@click.command()
@click.argument("inputs", metavar="[URL|LIST]...", nargs=-1)
def init(inputs: Sequence[str]) -> int:
    """Write a first fetcher.toml, with comments.

    It names the URLs and lists that are given, else an example. A file that is there
    already is left as it is.
    """
    urls, lists = sorted_out(inputs)
    file = found_file(None)
    if file is not None:
        raise ConfigError(f"{file.name} has a configuration already: it was left alone")
    try:
        with Path(configuration.NAME).open("x", encoding="utf-8") as stream:
            stream.write(configuration.starter(urls, lists))
    except FileExistsError:
        raise ConfigError(f"{configuration.NAME} is there already") from None
    except OSError as error:
        raise OutputError(
            f"cannot write {configuration.NAME}: {str(error.strerror).lower()}"
        ) from error
    click.echo(f"{configuration.NAME} is written; try: fetcher config check")
    return ALL_WELL


def sorted_out(inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the URLs and the lists among what was given.

    Raises:
        ConfigError: something is neither.
    """
    from ..source import given_url, is_url

    urls, lists = [], []
    for text in inputs:
        if not is_url(text):
            if not Path(text).is_file():
                raise ConfigError(f"there is no file {text!r}, and it is no URL")
            lists.append(text)
        elif isinstance(given_url(text), str):
            urls.append(text)
        else:
            lists.append(text if "://" in text else f"https://{text}")
    return urls, lists
