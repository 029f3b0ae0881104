"""The command: parse, call the library, print, exit code.

stdout carries the result and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from . import __version__, config
from .errors import (
    ConfigError,
    InputError,
    MachineError,
    NothingLeft,
    OutputError,
    StoreError,
)
from .interrupts import StopSignals

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from .checks import Expectation
    from .engine import Progress
    from .export.nagios import Status
    from .models import Request
    from .output import Outputs
    from .page import Page
    from .report import Report

    ParamType = click.ParamType[object]
else:
    ParamType = click.ParamType  # generic only for type checkers before click 8.4

__all__ = ["main"]

# Exit codes: docs/reference/exit-codes.md
ALL_WELL = 0
FELL_SHORT = 1
USAGE = 2
NOT_DONE = 3
INTERRUPTED = 130  # and 143: 128 and the number of the signal
PIPE_CLOSED = 141  # what a shell says of a program that SIGPIPE ended
UNREACHED_KINDS = ("dns", "unreachable")
DEMO_RETRY_DELAY_S = 0.3  # the demo is a demonstration and not an exercise in patience
# What a machine that is short of something answers with; else it is a bug of ours.
SHORTAGES = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),
    }
)
BAR_WIDTH = 24  # columns
ETA_AFTER_S = 2.0  # before, it would only be a guess

# Of `export.FORMATS`, which is loaded when something is written.
STDOUT_FORMATS = (
    *("text", "json", "jsonl", "csv", "sitemap"),
    *("junit", "sarif", "github", "markdown", "prometheus"),
)

FETCH = "fetch"  # the command that stands behind `fetcher INPUT...`

Command = TypeVar("Command", bound=Callable[..., object])


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
    from .output import read_list

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
    """Return click's decorator for an option under a heading."""
    return click.option(*names, cls=Option, section=section, **rest)


LINK_OPTIONS = (
    option(
        "Links",
        "-d",
        "--depth",
        type=click.IntRange(0),
        metavar="N",
        default=0,
        show_default=True,
        help="Follow links so far from what was given, and check all others.",
    ),
    option(
        "Links",
        "--check-links/--no-check-links",
        default=None,
        help="Ask whether what pages point to is there.  [default: with --depth]",
    ),
    option(
        "Links",
        "--scope",
        type=click.Choice(("origin", "host", "domain", "prefix", "all")),
        default="origin",
        show_default=True,
        help="What is followed: links within the same origin, host, registrable domain,"
        " directory, or anywhere.",
    ),
    option(
        "Links",
        "--include",
        multiple=True,
        metavar="REGEX",
        help="Follow only URLs that match, or these although excluded; repeatable.",
    ),
    option(
        "Links",
        "--exclude",
        multiple=True,
        metavar="REGEX",
        help="Neither follow nor check URLs that match; repeatable.",
    ),
    option(
        "Links",
        "--external",
        type=click.Choice(("check", "skip")),
        default="check",
        show_default=True,
        help="Links that lead out of scope.",
    ),
    option(
        "Links",
        "--redirects",
        type=click.Choice(("ok", "warn", "error")),
        default="ok",
        show_default=True,
        help="Links to what is redirected for good.",
    ),
    option(
        "Links",
        "--sitemap",
        is_flag=True,
        help="Fetch what the sitemaps list too, and compare them with the links.",
    ),
    option(
        "Links",
        "--strip-param",
        "strip_params",
        multiple=True,
        metavar="GLOB",
        help="Take these query parameters out of links (utm_*); repeatable.",
    ),
    option(
        "Links",
        "--max-url-length",
        type=click.IntRange(1),
        metavar="N",
        default=2083,
        show_default=True,
        help="Do not follow longer links.",
    ),
    option(
        "Links",
        "--ignore-robots",
        is_flag=True,
        help="Do not ask for robots.txt: for a site of your own.",
    ),
    option(
        "Links",
        "--obey-robots",
        is_flag=True,
        help="Let robots.txt decide about what was given too, not only what was found.",
    ),
)

PACE_OPTIONS = (
    option(
        "Pace",
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Worker processes.  [default: CPUs + 1]",
    ),
    option(
        "Pace",
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        default=64,
        show_default=True,
        help="Requests under way in all.",
    ),
    option(
        "Pace",
        "--per-host",
        type=click.IntRange(1),
        metavar="N",
        default=6,
        show_default=True,
        help="Requests under way to one host.",
    ),
    option(
        "Pace",
        "--delay",
        type=DURATION,
        metavar="TIME",
        default="0s",
        help="Pause between two requests to a host; one at a time then.",
    ),
    option(
        "Pace",
        "--retries",
        type=click.IntRange(0),
        metavar="N",
        default=2,
        show_default=True,
        help="Further attempts for what may pass: no connection, a time-out, 429, 5xx.",
    ),
    option(
        "Pace",
        "--retry-delay",
        type=DURATION,
        metavar="TIME",
        default="2s",
        show_default=True,
        help="Wait before the first; each later waits 5 times as"
        " long, or as long as Retry-After asks.",
    ),
)

EXPECT_OPTIONS = (
    option(
        "Expectations",
        "--expect-status",
        type=STATUSES,
        metavar="STATUSES",
        help="Each page answers with one of these, which is then well: 200..=204,404.",
    ),
    option(
        "Expectations",
        "--expect-text",
        multiple=True,
        metavar="TEXT",
        help="The source of each page holds this text; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-text",
        multiple=True,
        metavar="TEXT",
        help="It does not hold this text; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-match",
        multiple=True,
        metavar="REGEX",
        help="It matches this pattern (RE2) somewhere; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-match",
        multiple=True,
        metavar="REGEX",
        help="It matches this pattern nowhere; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-header",
        type=EXPECTED_HEADER,
        multiple=True,
        metavar="'NAME: VALUE'",
        help="The answer has this field; a value /between slashes/ is a pattern;"
        " repeatable.",
    ),
    option(
        "Expectations",
        "--expect-type",
        metavar="TYPE",
        help="Its media type, or a range of them: text/html, image/*.",
    ),
    option(
        "Expectations",
        "--expect-language",
        metavar="LANGUAGE",
        help="The language it declares; en is met by en-GB too.",
    ),
    option(
        "Expectations",
        "--expect-css",
        multiple=True,
        metavar="SELECTOR",
        help="It has an element that this CSS selector finds; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-css",
        multiple=True,
        metavar="SELECTOR",
        help="It has none that this CSS selector finds; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-json",
        multiple=True,
        metavar="JMESPATH",
        help="It is JSON of which this is true: \"status == 'up'\"; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-size",
        type=SIZES,
        metavar="SIZES",
        help="The size of its body, decoded: 1KB..2MB, 1KB.., ..2MB.",
    ),
    option(
        "Expectations",
        "--expect-redirect",
        metavar="URL",
        help="It redirects to here; /between slashes/: to what matches.",
    ),
    option(
        "Expectations",
        "--expect-final-url",
        metavar="URL",
        help="The answer comes from here, after redirects; /^https:/ is a pattern.",
    ),
    option(
        "Expectations",
        "--max-time-per-page",
        type=DURATION,
        metavar="TIME",
        help="More, redirects included, is an error.",
    ),
    option(
        "Expectations",
        "--warn-time-per-page",
        type=DURATION,
        metavar="TIME",
        help="More is a warning, which leaves the exit code as it is.",
    ),
    option(
        "Expectations",
        "--cert-days",
        type=click.FloatRange(0),
        metavar="N",
        help="Its certificate is good for so many days more.",
    ),
)

REQUEST_OPTIONS = (
    option(
        "Pace",
        "--analyse-in",
        type=click.Choice(("parent", "workers")),
        default="parent",
        show_default=True,
        help="Where pages are parsed; a page that crashes the parser costs only a"
        " worker there.",
    ),
    option(
        "Input",
        "--max-pages",
        type=click.IntRange(1),
        metavar="N",
        help="Fetch at most so many pages.",
    ),
    option(
        "Input",
        "--max-time",
        type=DURATION,
        metavar="TIME",
        help="End after so long, and report what was done by then.",
    ),
    option(
        "Requests",
        "-t",
        "--timeout",
        type=DURATION,
        metavar="TIME",
        default="20s",
        show_default=True,
        help="For one attempt, its redirects included.",
    ),
    option(
        "Requests",
        "--max-redirects",
        type=click.IntRange(0),
        metavar="N",
        default=10,
        show_default=True,
        help="Redirects followed for one URL.",
    ),
    option(
        "Requests",
        "--max-size",
        type=SIZE,
        metavar="SIZE",
        default="10MB",
        show_default=True,
        help="Read at most so much of a body, decoded.",
    ),
    option(
        "Requests",
        "--accept",
        type=STATUSES,
        metavar="STATUSES",
        help="Statuses that are well, such as 200..=204,404.  [default: below 400]",
    ),
    option(
        "Requests",
        "-H",
        "--header",
        type=HEADER,
        multiple=True,
        metavar="'NAME: VALUE'|@FILE",
        help="Send this header field, or those in a file, to the origins given;"
        " repeatable.",
    ),
    option(
        "Requests",
        "-u",
        "--user-agent",
        metavar="TEXT",
        help="Say this and not fetcher's own name.",
    ),
    option(
        "Requests",
        "--from",
        "from_",
        metavar="ADDRESS",
        help="Tell sites whom to write to (the From field).",
    ),
    option(
        "Requests",
        "--user",
        metavar="NAME[:PASSWORD]",
        envvar="FETCHER_USER",
        show_envvar=True,
        help="Log in at the origins given; asks for a password that is not given.",
    ),
    option("Requests", "--netrc", is_flag=True, help="Look logins up in ~/.netrc."),
    option(
        "Requests",
        "--cookie-file",
        type=READABLE,
        metavar="FILE",
        help="Send the cookies of this file (Netscape form).",
    ),
    option(
        "Requests",
        "--proxy",
        metavar="URL",
        help="Go through this proxy.  [default: http_proxy, https_proxy, no_proxy]",
    ),
    option(
        "Requests",
        "--cacert",
        type=READABLE,
        metavar="FILE",
        help="Trust the roots in this PEM file.",
    ),
    option(
        "Requests",
        "--cert",
        type=READABLE,
        metavar="FILE",
        help="Show this client certificate (PEM, with its key).",
    ),
    option(
        "Requests",
        "-k",
        "--insecure",
        is_flag=True,
        help="Take any certificate; the report says so.",
    ),
    option(
        "Requests",
        "--resolve",
        multiple=True,
        metavar="HOST:PORT:ADDRESS",
        help="Use this address for a host; repeatable.",
    ),
    option(
        "Requests",
        "-4",
        "ip_version",
        flag_value=4,
        type=int,
        default=None,
        help="IPv4 only.",
    ),
    option("Requests", "-6", "ip_version", flag_value=6, type=int, help="IPv6 only."),
    option(
        "Requests",
        "--public-only",
        is_flag=True,
        help="Ask public addresses alone, also for what the list says: for lists from"
        " strangers.",
    ),
    option(
        "Requests",
        "--allow-net",
        multiple=True,
        metavar="CIDR",
        help="Let pages lead to this network, however private; repeatable.",
    ),
    option(
        "Requests",
        "--deny-net",
        multiple=True,
        metavar="CIDR",
        help="Never ask an address of this network; repeatable.",
    ),
    option(
        "Requests",
        "--trust-proxy",
        is_flag=True,
        help="Let a proxy decide where requests go: fetcher sees no addresses then.",
    ),
    *EXPECT_OPTIONS,
    option(
        "Result",
        "-o",
        "--output",
        multiple=True,
        metavar="FILE",
        help="Write this file too; its ending names the format: .txt, .json, .jsonl,"
        " .csv, .xml (a sitemap), .junit.xml, .sarif, .md, .prom; repeatable.",
    ),
    option(
        "Result",
        "-f",
        "--format",
        "stdout_format",
        default="text",
        show_default=True,
        type=click.Choice(STDOUT_FORMATS),
        help="What standard output gets.",
    ),
    option(
        "Result",
        "--nagios",
        is_flag=True,
        help="Print one line, with exit code 0 to 3, as plugins of Nagios do.",
    ),
    option(
        "Result",
        "--db",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Remember the run in this database; it is made if there is none.",
    ),
    option(
        "Result",
        "--resume",
        is_flag=True,
        help="Continue the last run of this input in --db, if it was cut short.",
    ),
    option(
        "Result",
        "--redact/--no-redact",
        default=True,
        show_default=True,
        help="Hide passwords and known token parameters of URLs in all that is"
        " written.",
    ),
    option(
        "Result",
        "-q",
        "--quiet",
        is_flag=True,
        help="Print no report and no progress; the exit code tells.",
    ),
    option(
        "Result",
        "-v",
        "--verbose",
        is_flag=True,
        help="Tell each page on standard error as it is done.",
    ),
    option(
        "Result",
        "--no-progress",
        is_flag=True,
        help="No progress line (there is none unless standard error is a terminal).",
    ),
    option(
        "Result",
        "--color",
        type=click.Choice(("auto", "always", "never")),
        default="auto",
        show_default=True,
        help="Colours in text; NO_COLOR is respected.",
    ),
)


def job_options(command: Command) -> Command:
    """Add the options that every command which fetches has."""
    for add in reversed((*PACE_OPTIONS, *LINK_OPTIONS, *REQUEST_OPTIONS)):
        command = add(command)
    return command


@click.group(
    cls=Fetcher,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    epilog="Exit codes: 0 all well; 1 a page fell short; 2 usage; 3 the work could not"
    " be done; 130 interrupted.",
)
@click.version_option(__version__, message="fetcher %(version)s")
def command() -> None:
    """Fetch web pages with a pool of processes and report what came of each."""


@command.command(FETCH, cls=Job, hidden=True)
@click.version_option(__version__, message="fetcher %(version)s")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@option(
    "Input",
    "--default-scheme",
    type=click.Choice(("https", "http")),
    default="https",
    show_default=True,
    help="For a URL without a scheme.",
)
@job_options
def fetch_command(inputs: tuple[str, ...], **options: object) -> int:
    """Fetch web pages with a pool of processes and report what came of each.

    INPUT is the path of a list (one URL a line, # comments), - for a list on standard
    input, a URL, or a sitemap (path or URL).

    \b
      fetcher urls.txt
      fetcher https://example.com --depth 5
      fetcher https://example.com -o pages.jsonl -o report.txt
      fetcher demo
    """  # noqa: D301 -- click's sign for lines that are kept as they are
    return run_job([given_of(text) for text in inputs], inputs[0], options)


@command.command(cls=Job)
@job_options
@option("Demo", "--serve", is_flag=True, help="Only serve the site, until Ctrl-C.")
@option(
    "Demo",
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Where to serve it.  [default: any free port]",
)
def demo(*, serve: bool, port: int, **options: object) -> int:
    """Fetch a little site with known faults: needs no network."""
    from . import demo as demo_site

    with demo_site.serve(port=port) as site:
        if serve:
            click.echo(f"{site.base_url} until Ctrl-C", err=True)
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
            return ALL_WELL
        if not options["quiet"]:
            count = len(site.urls)
            click.echo(f"The demo site is {site.base_url} ({count} URLs)", err=True)
        source = click.get_current_context().get_parameter_source("retry_delay")
        if source is click.core.ParameterSource.DEFAULT:
            options["retry_delay"] = DEMO_RETRY_DELAY_S
        return run_job(list(site.urls), "the demo", options)


DATABASE = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False))


@command.group()
def db() -> None:
    """Look at a database of runs, check it, make it smaller."""


@db.command("info")
@DATABASE
def db_info(path: str) -> int:
    """Tell how large a database is, what it holds, and its last runs."""
    from .report import human_duration, human_size
    from .store.reading import contents

    found = contents(path)
    click.echo(f"{said(path)}: schema {found.schema}, SQLite {sqlite_version()}")
    file_size, used = human_size(found.file_bytes), human_size(found.used_bytes)
    click.echo(f"{file_size}, of which {used} in use")
    click.echo(", ".join(f"{count:,} {name}" for name, count in found.counts.items()))
    for run in found.runs:
        done = "" if run.pages is None else f", {run.pages:,} pages"
        short = f", {run.fell_short:,} fell short" if run.fell_short else ""
        took = f" in {human_duration(run.elapsed_s)}" if run.elapsed_s else ""
        given = said(", ".join(run.given))
        click.echo(
            f"run {run.number}  {run.started_at:%Y-%m-%d %H:%M:%S} UTC  {run.state}"
            f"{done}{short}{took}  {given}"
        )
    return ALL_WELL


@db.command("check")
@DATABASE
def db_check(path: str) -> int:
    """Check that a database is whole; nothing is changed in it."""
    from .store.reading import problems

    found = problems(path)
    for problem in found:
        click.echo(said(problem))
    if not found:
        click.echo(f"{said(path)} is whole")
    return NOT_DONE if found else ALL_WELL


@db.command("prune")
@DATABASE
@click.option(
    "--max-age",
    type=DURATION,
    metavar="TIME",
    default="365d",
    show_default=True,
    help="Forget runs that are older; of each input the last stays.",
)
@click.option(
    "--max-size",
    type=SIZE,
    metavar="SIZE",
    default="1GB",
    show_default=True,
    help="Then forget old bodies and runs until no more is in use.",
)
@click.option(
    "--vacuum",
    is_flag=True,
    help="Give free room back to the disk; needs as much again while it works.",
)
def db_prune(path: str, max_age: float, max_size: int, vacuum: bool) -> int:
    """Forget old runs and bodies; each finished run does so by itself."""
    from datetime import timedelta

    from .store.database import Database
    from .store.pruning import compact, prune

    if not Path(path).exists():
        raise StoreError(f"there is no database {path}")
    database = Database(path)
    try:
        done = prune(database, max_age=timedelta(seconds=max_age), max_bytes=max_size)
        if vacuum:
            compact(database)
    finally:
        database.close()
    click.echo(f"{done.runs:,} runs and {done.bodies:,} bodies forgotten")
    return ALL_WELL


def tell_versions(*, verbose: bool) -> None:
    """Print fetcher's version, and that of what it stands on."""
    click.echo(f"fetcher {__version__}")
    if verbose:
        click.echo(f"SQLite {sqlite_version()}")


def sqlite_version() -> str:
    """Return the version of the library that `--db` uses."""
    from .store.database import sqlite_version as version

    return version()


@command.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print a script that completes fetcher's commands and options.

    For bash: eval "$(fetcher completion bash)" in ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 -- the argument's choices are click's shells
    click.echo(kind(command, {}, "fetcher", "_FETCHER_COMPLETE").source())
    return ALL_WELL


def given_of(text: str) -> str | Path | Request:
    """Return an INPUT as crawl() wants it: a URL as text, a list as a Path."""
    from .source import given_url, is_url

    if not is_url(text):
        return Path(text)
    # Without a locale, what is not ASCII was read as bytes that mean nothing.
    with suppress(UnicodeError):
        text = os.fsencode(text).decode()
    return given_url(text)


def run_job(
    given: Sequence[str | Path | Request], name: str, options: Mapping[str, Any]
) -> int:
    """Run crawl() as the options say; return the exit code."""
    if options["nagios"] and options["stdout_format"] != "text":
        raise click.UsageError("--nagios prints one line: leave --format out")
    if options["resume"] and options["db"] is None:
        raise click.UsageError("--resume needs the --db that remembers the run")
    with StopSignals() as signals:
        try:
            report = crawl_told(given, options, signals)
        except NothingLeft as finished:
            note(str(finished))
            return ALL_WELL if finished.ok else FELL_SHORT
        except KeyboardInterrupt as interrupt:
            if signals.first is None:  # none of ours
                raise
            # Without a report it came before anything was asked for, or once too often.
            so_far: Report | None = getattr(interrupt, "report", None)
            if so_far is None or not options["nagios"]:
                return interrupted(so_far, signals.first)
            report = so_far
    if options["nagios"]:
        return tell_nagios(report, redact=options["redact"])
    if signals.first is not None:
        return interrupted(report, signals.first)
    return exit_code(report, name)


def crawl_told(
    given: Sequence[str | Path | Request],
    options: Mapping[str, Any],
    signals: StopSignals,
) -> Report:
    """Run crawl() with all that a command adds to it: files, progress, a soft stop."""
    from .engine import crawl
    from .models import Request

    # One list names its lines; among several each says which list it is of.
    only = given[0] if len(given) == 1 else None
    # The list is read to its end only for somebody who looks on.
    total = total_of(given, options) if is_terminal(sys.stderr) else None
    teller = Teller(options, total, signals)
    with open_outputs(options) as outputs, teller:
        return crawl(
            given if only is None or isinstance(only, Request) else only,
            teller.on_page,
            output=outputs,
            stop=signals.stop,
            on_progress=teller.on_progress,
            db=options["db"],
            resume=options["resume"],
            **crawl_options(options),
        )


def interrupted(report: Report | None, by: signal.Signals) -> int:
    """Say what is left of a run that a signal ended; return its exit code."""
    from .models import State

    if report is None:
        note("interrupted: nothing was written")
    else:
        done = report.total - report.by_state[State.SKIPPED]
        note(f"interrupted: {done:,} pages were done and are in the report")
    return 128 + by


def tell_nagios(report: Report, *, redact: bool) -> Status:
    """Print a plugin's line for a run; return its status, which is the exit code."""
    from .export.nagios import line_of, status_of

    click.echo(line_of(report.redacted() if redact else report))
    return status_of(report)


def exit_code(report: Report, name: str) -> int:
    """Return what the run comes to for a shell, and say why where it is no answer."""
    if not report.total:
        note(f"no URL in {name}")
        return NOT_DONE
    if found_no_network(report):
        note(
            "no page could be reached: no name resolves and no address answers, so this"
            " looks like no network. To see fetcher at work without one: fetcher demo"
        )
        return NOT_DONE
    return ALL_WELL if report.ok else FELL_SHORT


def found_no_network(report: Report) -> bool:
    """Whether every page failed for want of a network, and not for want of a host."""
    unreached = sum(report.by_reason.get(kind, 0) for kind in UNREACHED_KINDS)
    if unreached < report.total:
        return False
    if len(report.by_host) > 1:
        return True
    from .transport.route import has_route

    return not has_route()


def crawl_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of crawl() that a command's options stand for."""
    return {
        "workers": options["workers"],
        "concurrency": options["concurrency"],
        "per_host": options["per_host"],
        "delay_s": options["delay"],
        "retries": options["retries"],
        "retry_delay_s": options["retry_delay"],
        "analyse_in": options["analyse_in"],
        "expect": expectation(options),
        "max_pages": options["max_pages"],
        "max_time_s": options["max_time"],
        "depth": options["depth"],
        "check_links": options["check_links"],
        "scope": options["scope"],
        "include": options["include"],
        "exclude": options["exclude"],
        "external": options["external"],
        "redirects": options["redirects"],
        "sitemap": options["sitemap"],
        "strip_params": options["strip_params"],
        "max_url_chars": options["max_url_length"],
        "ignore_robots": options["ignore_robots"],
        "obey_robots": options["obey_robots"],
        "default_scheme": options.get("default_scheme", "https"),
        "timeout_s": options["timeout"],
        "max_redirects": options["max_redirects"],
        "max_bytes": options["max_size"],
        "accept": options["accept"],
        "headers": sent_headers(options),
        "user_agent": options["user_agent"],
        "auth": login(options["user"]),
        "netrc": options["netrc"],
        "cookie_file": options["cookie_file"],
        "proxy": options["proxy"],
        "cacert": options["cacert"],
        "cert": options["cert"],
        "insecure": options["insecure"],
        "resolve": options["resolve"],
        "ip_version": options["ip_version"],
        "public_only": options["public_only"],
        "allow_net": options["allow_net"],
        "deny_net": options["deny_net"],
        "trust_proxy": options["trust_proxy"],
    }


def expectation(options: Mapping[str, Any]) -> Expectation | None:
    """Return what the options expect of every page, None where that is nothing."""
    css = dict.fromkeys(options["expect_css"], (1, None))
    css.update(dict.fromkeys(options["expect_no_css"], (0, 0)))
    least, most = options["expect_size"] or (None, None)
    expected: dict[str, Any] = {
        "status": options["expect_status"],
        "contains": options["expect_text"] or None,
        "lacks": options["expect_no_text"] or None,
        "matches": options["expect_match"] or None,
        "lacks_match": options["expect_no_match"] or None,
        "header": options["expect_header"] or None,
        "content_type": options["expect_type"],
        "language": options["expect_language"],
        "css": css or None,
        "json": dict.fromkeys(options["expect_json"], True) or None,
        "min_body_bytes": least,
        "max_body_bytes": most,
        "redirects_to": options["expect_redirect"],
        "final_url": options["expect_final_url"],
        "fail_over_s": total_time(options["max_time_per_page"]),
        "warn_over_s": total_time(options["warn_time_per_page"]),
        "certificate_days": options["cert_days"],
    }
    if all(value is None for value in expected.values()):
        return None
    from .checks import Expectation

    return Expectation(**expected)


def total_time(limit_s: float | None) -> dict[str, float] | None:
    """Return a limit of the whole time of a page, None without one."""
    return None if limit_s is None else {"total_s": limit_s}


def sent_headers(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the header fields that `--header` and `--from` ask for."""
    given: tuple[tuple[tuple[str, str], ...], ...] = options["header"]
    headers = tuple(field for fields in given for field in fields)
    if options["from_"] is not None:
        headers += (("From", options["from_"]),)
    return headers


def login(user: str | None) -> tuple[str, str] | None:
    """Return name and password of `--user`; ask for a password that is not given."""
    if user is None:
        return None
    name, colon, password = user.partition(":")
    if not colon:
        if not has_terminal():
            raise ConfigError(
                f"--user {name!r} has no password, and there is no terminal to ask on:"
                " write NAME:PASSWORD into FETCHER_USER, or use --netrc"
            )
        password = click.prompt(f"Password of {said(name)}", hide_input=True, err=True)
    return name, password


def has_terminal() -> bool:
    """Whether somebody can be asked. Standard input may be a list all the same."""
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return True
    return sys.stdin is not None and sys.stdin.isatty()


def total_of(
    given: Sequence[str | Path | Request], options: Mapping[str, Any]
) -> int | None:
    """Return how many URLs the lists have, for the progress line; None if unknown."""
    from .source import count_entries, is_read_once

    if options["depth"] or options["sitemap"]:
        return None
    for each in given:
        if isinstance(each, Path) and is_read_once(each):
            return None
        if not isinstance(each, str | Path):
            return None  # a sitemap that has still to be fetched
    total = sum(count_entries(x) if isinstance(x, Path) else 1 for x in given)
    max_pages: int | None = options["max_pages"]
    return total if max_pages is None else min(total, max_pages)


class Teller:
    """Tells a person on standard error how far the run is.

    A line that is drawn over and over, on a terminal only; with --verbose also one
    line a page. It is gone before the report is printed. After a first signal it says
    what is waited for.
    """

    def __init__(
        self, options: Mapping[str, Any], total: int | None, signals: StopSignals
    ) -> None:
        self._total = total
        self._signals = signals
        self._told_stop = False
        self._live: Live | None = None
        self.on_page = self._tell_page if options["verbose"] else None
        quiet = options["quiet"] or options["no_progress"]
        mixed = is_terminal(sys.stdout) and options["stdout_format"] != "text"
        dumb = os.environ.get("TERM") == "dumb"
        self._draws = is_terminal(sys.stderr) and not (quiet or mixed or dumb)
        self._color = options["color"]
        self._redact: bool = options["redact"]

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def on_progress(self, progress: Progress) -> None:
        """Draw how far the run is, and say once that it is ending."""
        if self._draws:
            self._draw(progress)
        first = self._signals.first
        if first is None or self._told_stop or progress.ended:
            return
        self._told_stop = True
        if progress.under_way:
            count = f"{progress.under_way:,}"
            requests = "request" if progress.under_way == 1 else "requests"
            again = "press Ctrl-C again" if first is signal.SIGINT else "signal again"
            self._print(
                f"fetcher: finishing {count} {requests}; {again} to stop at once"
            )

    def _draw(self, progress: Progress) -> None:
        if progress.ended:
            self._end()
            return
        if self._live is None:
            from rich.live import Live

            console = error_console(self._color)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        width = self._live.console.width
        line = progress_line(progress, progress.total or self._total, width)
        self._live.update(line, refresh=True)

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tell_page(self, page: Page) -> None:
        from .export.escape import printable
        from .redact import redacted

        took = page.timings.total_s
        text = f"{page.state:10} {page.status or '-':>3}  {took or 0:7.3f}s  {page.url}"
        if page.reason:
            text += f"  ({page.reason})"
        self._print(printable(redacted(text) if self._redact else text))

    def _print(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text))  # no markup, and no :emoji: either
        else:
            say(text)


def clock(seconds: float) -> str:
    """Return a time as a clock shows it: "0:07", "12:34", "1:02:03"."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def progress_line(progress: Progress, total: int | None, width: int) -> Text:
    """Return the progress line, as much of it as a terminal of this width holds."""
    from rich.text import Text

    from .report import human_rate, human_size

    done, elapsed_s = progress.done, progress.elapsed_s
    rate = done / elapsed_s if elapsed_s > 0.2 else 0.0
    parts = [Text(f"{done:,}/{total:,}" if total else f"{done:,} pages")]
    if total and width >= 60:
        share = min(done / total, 1.0)
        parts.append(Text(f"{share:4.0%}"))
        if width >= 100:
            bar = round(share * BAR_WIDTH)
            parts.append(
                Text("━" * bar, "green") + Text("━" * (BAR_WIDTH - bar), "dim")
            )
    parts.append(Text(f"{human_rate(rate)}/s"))
    if progress.fell_short:
        parts.append(Text(f"{progress.fell_short:,} fell short", "yellow"))
    parts.append(Text(human_size(progress.body_bytes)))
    parts.append(Text(clock(elapsed_s)))
    if total and rate and elapsed_s >= ETA_AFTER_S:
        parts.append(Text(f"ETA {clock(max(total - done, 0) / rate)}"))
    line = Text("  ").join(parts)
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


@contextmanager
def open_outputs(options: Mapping[str, Any]) -> Iterator[Outputs]:
    """Open what `-o` and `-f` ask for; what is not finished at the end is dropped."""
    from . import export
    from .output import Outputs

    formats = [(path, export.for_path(path)) for path in options["output"]]
    with Outputs(redact=options["redact"]) as outputs:
        for path, form in formats:
            outputs.open(path, form.open)
        if options["stdout_format"] != "text":
            outputs.open("-", export.for_name(options["stdout_format"]).open)
        elif not options["quiet"] and not options["nagios"]:
            if sys.stdout is None:
                raise OutputError("cannot write standard output: it is closed")
            from .export.text import for_terminal

            outputs.use(for_terminal(sys.stdout, color=color_of(options["color"])))
        yield outputs


def color_of(choice: str) -> bool | None:
    """Return whether to colour: always, never, or None to let the terminal decide."""
    return {"always": True, "never": False}.get(choice)


def error_console(choice: str) -> Console:
    """Return rich's console for standard error."""
    from rich.console import Console

    color = color_of(choice)
    return Console(stderr=True, no_color=color is False or None, highlight=False)


def note(text: str) -> None:
    """Tell something on standard error, in one line and without secrets."""
    say(f"fetcher: {said(text)}")


def said(text: str) -> str:
    """Return a sentence as it may be shown, whatever it repeats."""
    from .export.escape import printable
    from .redact import redacted

    return printable(redacted(text))


def tell_usage(error: click.ClickException) -> None:
    """Tell a mistake as click does; what it repeats of the arguments is shown safely.

    A shell's `*` brings in names of files, which are a stranger's text.
    """
    sentence = said(error.format_message())
    error.format_message = lambda: sentence  # type: ignore[method-assign]
    error.show()


def say(text: str) -> None:
    """Write a line to standard error; if nobody can read it, that ends no run."""
    with suppress(OSError):
        click.echo(text, err=True)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream, which may be closed, is a terminal."""
    return stream is not None and stream.isatty()


def check_folder() -> None:
    """Raise MachineError when the working directory has been removed.

    Worker processes start in it, and every relative path would fail in its own words.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise MachineError(
            "the working directory is not there any more: change to another"
        ) from error


def drop_stdout() -> None:
    """Let go of what cannot be written, or Python's own flush at exit complains."""
    with suppress(OSError, AttributeError):  # the latter: it was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return run_as_plugin(given) if "--nagios" in given else run(given)


def run_as_plugin(arguments: list[str]) -> int:
    """Run the command as Nagios wants it: one line on stdout, whatever happens.

    Whoever runs plugins looks at nothing else, and takes exit code 2, which is a
    mistake in the usage elsewhere, for a service that is down.
    """
    from .export.nagios import Status, unknown

    told = StringIO()
    try:
        with redirect_stderr(told):
            code = run(arguments)
    except Exception:  # the edge of the process; the traceback is told
        code = NOT_DONE
        told.write(traceback.format_exc())
    with suppress(OSError):
        click.echo(told.getvalue(), err=True, nl=False)
    if isinstance(code, Status) or code == ALL_WELL:
        return code
    *_, last = ["it did not run", *filter(None, told.getvalue().splitlines())]
    with suppress(OSError):
        click.echo(unknown(last.removeprefix("fetcher: ").removeprefix("Error: ")))
    return Status.UNKNOWN


def run(arguments: list[str]) -> int:
    """Run the command; return its exit code, with what went wrong told."""
    try:
        check_folder()
        code = command.main(
            args=arguments,
            prog_name="fetcher",
            standalone_mode=False,
        )
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        tell_usage(error)
        return USAGE
    except (ConfigError, InputError) as error:
        note(str(error))
        return USAGE
    except (OutputError, StoreError, MachineError) as error:
        note(str(error))
        return NOT_DONE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the latter is what click makes of it
        drop_stdout()  # its reader has seen enough
        return PIPE_CLOSED
    except MemoryError:
        note("cannot go on: there is no memory left")
        return NOT_DONE
    except OSError as error:
        if error.errno not in SHORTAGES:
            raise
        note(f"cannot go on: {str(error.strerror).lower()}")
        drop_stdout()
        return NOT_DONE
    return code if isinstance(code, int) else ALL_WELL
