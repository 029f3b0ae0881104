"""What a configuration means for `fetcher [INPUT...]`: its flags, and what it fetches.

The values of a file become the defaults of the flags (click's `default_map`), so flags
and variables go before it, and a flag's value is read the same wherever it came from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import config
from .asked import expected_fields, filter_fields, given_of
from .shape import Command, option
from .telling import said, say

if TYPE_CHECKING:
    from ..config import Config, File
    from ..groups import Group
    from ..models import Request

__all__ = [
    "FILE",
    "LOADED",
    "Mistaken",
    "Wanted",
    "config_options",
    "found_file",
    "headers_over",
    "wanted_of",
]

LOADED, FILE = "fetcher.config", "fetcher.file"  # in a context's `meta`
SAID = frozenset(
    {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}
)


class Mistaken(click.UsageError):
    """All that is wrong with a configuration, one line each."""

    def __init__(self, mistakes: config.Mistakes) -> None:
        self.sentences = [str(each) for each in mistakes.mistakes]
        super().__init__("\n".join(self.sentences))

    def show(self, file: Any = None) -> None:
        """Tell each on standard error."""
        for sentence in self.sentences:
            say(f"fetcher: {said(sentence)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run is to fetch.

    given:   as crawl() wants it
    name:    of all that, for a sentence
    options: the command's
    """

    given: Sequence[str | Path | Request | Group]
    name: str
    options: Mapping[str, Any]


def read_configuration(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> None:
    """Make what the file says the flags' defaults; remember it for later."""
    if ctx.resilient_parsing or ctx.params.get("no_config"):
        return
    file = found_file(value)
    if file is not None:
        loaded = loaded_from(file)
        ctx.default_map = dict(loaded.options)
        ctx.meta[LOADED] = loaded
        ctx.meta[FILE] = file


def found_file(path: str | None) -> File | None:
    """Return the configuration that is named, else that of the working directory."""
    return config.read(Path(path)) if path else config.find()


def loaded_from(file: File) -> Config:
    """Return what a file says, or fail with all that is wrong with it."""
    try:
        return config.load(file, os.environ)
    except config.Mistakes as mistakes:
        raise Mistaken(mistakes) from None


def complete_group(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str]:
    """Return the groups whose names begin so."""
    return [name for name in config.group_names() if name.startswith(incomplete)]


CONFIG_OPTIONS = (
    option(
        "Input",
        "-c",
        "--config",
        type=click.Path(),
        metavar="FILE",
        envvar="FETCHER_CONFIG",
        is_eager=True,
        expose_value=False,
        callback=read_configuration,
        help="Read this configuration.  [default: fetcher.toml, or [tool.fetcher] of"
        " pyproject.toml, where fetcher runs]",
    ),
    option(
        "Input",
        "--no-config",
        is_flag=True,
        is_eager=True,
        help="Read no configuration.",
    ),
    option(
        "Input",
        "--group",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_group,
        help="Fetch this group of the configuration alone; repeatable.",
    ),
    option(
        "Input",
        "--tag",
        multiple=True,
        metavar="TAG",
        help="Fetch what has this tag in the configuration alone; repeatable.",
    ),
)


def config_options(command: Command) -> Command:
    """Add the options that are about the configuration."""
    for add in reversed(CONFIG_OPTIONS):
        command = add(command)
    return command


def wanted_of(inputs: Sequence[str], options: dict[str, Any]) -> Wanted:
    """Return what is to be fetched: what was given, else what the file names.

    Raises:
        click.UsageError: there is neither, or both an INPUT and a choice of groups.
    """
    ctx = click.get_current_context()
    loaded: Config | None = ctx.meta.get(LOADED)
    names, tags = options.pop("group"), options.pop("tag")
    options.pop("no_config")
    if (names or tags) and (inputs or loaded is None):
        wrong = "leave INPUT out" if inputs else "there is none here"
        raise click.UsageError(f"--group and --tag pick from a configuration: {wrong}")
    if loaded is not None:
        options = configured(options, loaded, ctx)
    if inputs:
        urls = [given_of(text) for text in inputs]
        return Wanted(given=urls, name=inputs[0], options=options)
    if loaded is None:
        argument = next(each for each in ctx.command.params if each.name == "inputs")
        raise click.MissingParameter(ctx=ctx, param=argument)
    given = given_by(loaded, names, tags, options)
    if not given:
        raise click.UsageError(
            f"{loaded.name} names no page: give an INPUT, or inputs or groups there"
        )
    return Wanted(given=given, name=loaded.name, options=options)


def configured(
    options: Mapping[str, Any], loaded: Config, ctx: click.Context
) -> dict[str, Any]:
    """Return the options, with what a file says that no single flag does."""
    found = {**options, "expected": loaded.expected, "filter": loaded.filter}
    if options["nagios"]:  # asked for by a flag: what a file says against it yields
        plain = {"stdout_format": "text", "fail_on": "any"}
        found |= {k: v for k, v in plain.items() if k not in said_options(ctx)}
    if "header" in said_options(ctx):
        found["header"] = headers_over(options["header"], loaded.options.get("header"))
    return found


def headers_over(given: Any, others: Any) -> Any:
    """Return header fields of flags, and those of a file that they do not replace."""
    from ..options import over

    flat = tuple(field for fields in given for field in fields)
    rest = tuple(field for fields in others or () for field in fields)
    return (over(flat, rest),)


def said_options(ctx: click.Context) -> set[str]:
    """Return the names of the options that flags or variables set."""
    return {
        each.name
        for each in ctx.command.params
        if each.name and ctx.get_parameter_source(each.name) in SAID
    }


def given_by(
    loaded: Config, names: Sequence[str], tags: Sequence[str], options: dict[str, Any]
) -> list[str | Path | Request | Group]:
    """Return the inputs and groups of a file that are asked for."""
    chosen = config.picked(loaded, names, tags)
    inputs = () if names or tags else loaded.inputs
    return [*inputs, *config.merged(chosen, asked_by(options))]


def asked_by(options: Mapping[str, Any]) -> config.Asked:
    """Return what flags and variables say, which holds for each group, too."""
    from ..config.keys import KEYS
    from ..config.translating import SETTINGS

    ctx = click.get_current_context()
    said_here = said_options(ctx)
    settings = {
        SETTINGS[key.name]
        for key in KEYS.values()
        if key.name in SETTINGS and key.option in said_here
    }
    given = ctx.params["header"] if "header" in said_here else ()
    headers = {name.lower() for fields in given for name, _ in fields}
    if "from_" in said_here:
        headers.add("from")
    return config.Asked(
        settings=frozenset(settings - {"headers"}),
        headers=frozenset(headers),
        expected=expected_fields(options),
        filter=filter_fields(options),
    )
