"""The commands: `fetcher INPUT...`, and those that have a name."""

from __future__ import annotations

import threading
from contextlib import suppress

import click

from .. import __version__
from .codes import ALL_WELL
from .configuration import config_options, wanted_of
from .configuring import config, init
from .db import db
from .diff import diff
from .flags import job_options
from .job import run_job
from .shape import FETCH, Fetcher, Job, option

__all__ = ["command"]


DEMO_RETRY_DELAY_S = 0.3  # the demo is a demonstration and not an exercise in patience


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
@click.argument("inputs", metavar="INPUT...", nargs=-1)
@option(
    "Input",
    "--default-scheme",
    type=click.Choice(("https", "http")),
    default="https",
    show_default=True,
    help="For a URL without a scheme.",
)
@config_options
@job_options
def fetch_command(inputs: tuple[str, ...], **options: object) -> int:
    """Fetch web pages with a pool of processes and report what came of each.

    INPUT is the path of a list (one URL a line, # comments), - for a list on standard
    input, a URL, or a sitemap (path or URL). Without one, what fetcher.toml names.

    \b
      fetcher urls.txt
      fetcher https://example.com --depth 5
      fetcher https://example.com -o pages.jsonl -o report.txt
      fetcher demo
    """  # noqa: D301 -- click's sign for lines that are kept as they are
    wanted = wanted_of(inputs, options)
    return run_job(wanted.given, wanted.name, wanted.options)


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
    from .. import demo as demo_site

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


command.add_command(config)
command.add_command(db)
command.add_command(diff)
command.add_command(init)


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
