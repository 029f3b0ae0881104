"""The form of the command: `fetcher INPUT...`, subcommands, headings for flags."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..config.keys import variable_of
from ..errors import ConfigError
from .codes import ALL_WELL
from .versions import tell_versions

__all__ = ["Command", "FETCH", "Fetcher", "Job", "JobContext", "Option", "option"]

FETCH = "fetch"  # the command that stands behind `fetcher INPUT...`


Command = TypeVar("Command", bound=Callable[..., object])


class Fetcher(click.Group):
    """A group in which `fetcher INPUT...` needs no command's name.

    A subcommand's name wins over a file's (`./demo` for a list of that name).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the main command before what is no command's."""
        own = {*self.commands, "-h", "--help", "--version"}
        if "--version" in args and set(args) <= {"--version", "-v", "--verbose"}:
            tell_versions(verbose=len(args) > 1)
            ctx.exit(ALL_WELL)
        if args and args[0] not in own:
            args = [FETCH, *args]
        if not args and not ctx.resilient_parsing and has_configuration():
            args = [FETCH]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the main command's help, and the other commands below it."""
        main_command = self.commands[FETCH]
        with JobContext(main_command, info_name=FETCH, parent=ctx) as main_ctx:
            formatter.write_usage(ctx.command_path, "[OPTIONS] INPUT...")
            main_command.format_help_text(main_ctx, formatter)
            self.format_commands(ctx, formatter)
            main_command.format_options(main_ctx, formatter)
        self.format_epilog(ctx, formatter)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete commands, and what the main command takes."""
        main_command = self.commands[FETCH]
        main_ctx = click.Context(main_command, parent=ctx, info_name=FETCH)
        return [
            *super().shell_complete(ctx, incomplete),
            *main_command.shell_complete(main_ctx, incomplete),
        ]


def has_configuration() -> bool:
    """Whether `fetcher` alone means something here: there is a configuration."""
    from .. import config

    try:
        return bool(os.environ.get("FETCHER_CONFIG")) or config.find() is not None
    except ConfigError:
        return True  # and what is wrong with it is told


class Option(click.Option):
    """An option that stands under a heading of the help text."""

    def __init__(self, *args: Any, section: str, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.section = section

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """Leave out the range: a value outside it is told with the range."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Name the variable, where the value came from one."""
        source = ctx and self.name and ctx.get_parameter_source(self.name)
        if source is click.core.ParameterSource.ENVIRONMENT:
            return str(self.envvar)
        return super().get_error_hint(ctx)


class JobContext(click.Context):
    """A context that does not name the command that stands behind `fetcher`."""

    @property
    def command_path(self) -> str:
        """What a person types to come here."""
        return super().command_path.removesuffix(f" {FETCH}")


class Job(click.Command):
    """A command whose options are shown under headings."""

    context_class = JobContext

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write one list of options a heading, in the order they were declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                heading = getattr(param, "section", "Help")
                sections.setdefault(heading, []).append(record)
        for heading in sorted(sections, key=lambda heading: heading == "Help"):
            records = sections[heading]
            with formatter.section(heading):
                formatter.write_dl(records)


def option(section: str, *names: str, **rest: Any) -> Callable[[Command], Command]:
    """Return click's decorator for an option under a heading.

    What a configuration can hold can be said by a variable of the environment, too.
    """
    rest.setdefault("envvar", variable_of(option_name(names)))
    return click.option(*names, cls=Option, section=section, **rest)


def option_name(names: tuple[str, ...]) -> str:
    """Return the name under which click passes an option on: `--per-host/--no-...`."""
    plain = [name for name in names if not name.startswith("-")]
    longest = max(names, key=len).partition("/")[0]
    return plain[0] if plain else longest.lstrip("-").replace("-", "_")
