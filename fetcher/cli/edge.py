"""Where the command begins and ends: errors become sentences and exit codes."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import click

from ..errors import ConfigError, InputError, MachineError, OutputError, StoreError
from .codes import ALL_WELL, INTERRUPTED, NOT_DONE, PIPE_CLOSED, USAGE
from .commands import command
from .telling import note, tell_usage

__all__ = ["main"]

# What a machine that is short of something answers with; else it is a bug of ours.
SHORTAGES = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return run_as_plugin(given) if "--nagios" in given else run(given)


def run_as_plugin(arguments: list[str]) -> int:
    """Run the command as Nagios wants it: one line on stdout, whatever happens.

    Whoever runs plugins looks at nothing else, and takes exit code 2, which is a
    mistake in the usage elsewhere, for a service that is down.
    """
    from ..export.nagios import Status, unknown

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
