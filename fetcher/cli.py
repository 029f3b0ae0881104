"""The command: parse, call the library, print, exit code.

stdout carries the result and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__, config
from .errors import ConfigError, InputError, NothingLeft, OutputError, StoreError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from .engine import Progress
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
INTERRUPTED = 130
PIPE_CLOSED = 141  # what a shell says of a program that SIGPIPE ended
UNREACHED_KINDS = ("dns", "unreachable")
DEMO_RETRY_DELAY_S = 0.3  # the demo is a demonstration and not an exercise in patience
BAR_WIDTH = 24  # columns
ETA_AFTER_S = 2.0  # before, it would only be a guess

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
STATUSES = Value("statuses", config.status_ranges)
HEADER = Value("header", header_fields)
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
    option(
        "Result",
        "-o",
        "--output",
        multiple=True,
        metavar="FILE",
        help="Write this file too; its ending names the format: .txt, .json, .jsonl,"
        " .csv, .xml (a sitemap); repeatable.",
    ),
    option(
        "Result",
        "-f",
        "--format",
        "stdout_format",
        default="text",
        show_default=True,
        type=click.Choice(("text", "json", "jsonl", "csv", "sitemap")),
        help="What standard output gets.",
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

    return given_url(text) if is_url(text) else Path(text)


def run_job(
    given: Sequence[str | Path | Request], name: str, options: Mapping[str, Any]
) -> int:
    """Run crawl() as the options say; return the exit code."""
    from .engine import crawl
    from .models import Request, State

    # One list names its lines; among several each says which list it is of.
    only = given[0] if len(given) == 1 else None
    if options["resume"] and options["db"] is None:
        raise click.UsageError("--resume needs the --db that remembers the run")
    teller = Teller(options, total_of(given, options))
    interrupted = False
    with open_outputs(options) as outputs, teller:
        try:
            report = crawl(
                given if only is None or isinstance(only, Request) else only,
                teller.on_page,
                output=outputs,
                on_progress=teller.on_progress,
                db=options["db"],
                resume=options["resume"],
                **crawl_options(options),
            )
        except KeyboardInterrupt as interrupt:
            if not hasattr(interrupt, "report"):  # before anything was asked for
                return INTERRUPTED
            report = interrupt.report
            interrupted = True
        except NothingLeft as finished:
            note(str(finished))
            return ALL_WELL if finished.ok else FELL_SHORT
    if interrupted:
        done = report.total - report.by_state[State.SKIPPED]
        note(f"interrupted: {done:,} pages were done and are in the report")
        return INTERRUPTED
    return exit_code(report, name)


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
    from .source import count_entries

    if Path("-") in given or options["depth"] or options["sitemap"]:
        return None
    if not all(isinstance(each, str | Path) for each in given):
        return None  # a sitemap that has still to be fetched
    total = sum(count_entries(x) if isinstance(x, Path) else 1 for x in given)
    max_pages: int | None = options["max_pages"]
    return total if max_pages is None else min(total, max_pages)


class Teller:
    """Tells a person on standard error how far the run is.

    A line that is drawn over and over, on a terminal only; with --verbose also one
    line a page. It is gone before the report is printed.
    """

    def __init__(self, options: Mapping[str, Any], total: int | None) -> None:
        self._total = total
        self._live: Live | None = None
        self.on_page = self._tell_page if options["verbose"] else None
        quiet = options["quiet"] or options["no_progress"]
        mixed = sys.stdout.isatty() and options["stdout_format"] != "text"
        dumb = os.environ.get("TERM") == "dumb"
        drawn = sys.stderr.isatty() and not quiet and not mixed and not dumb
        self.on_progress = self._draw if drawn else None
        self._color = options["color"]
        self._redact: bool = options["redact"]

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

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
            click.echo(text, err=True)


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
        elif not options["quiet"]:
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
    click.echo(f"fetcher: {said(text)}", err=True)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    try:
        code = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="fetcher",
            standalone_mode=False,
        )
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
    except (OutputError, StoreError) as error:
        note(str(error))
        return NOT_DONE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; Python's own flush at exit must not complain.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code if isinstance(code, int) else ALL_WELL
