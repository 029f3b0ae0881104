"""What `--version` prints."""

from __future__ import annotations

import click

from .. import __version__

__all__ = ["sqlite_version", "tell_versions"]


def tell_versions(*, verbose: bool) -> None:
    """Print fetcher's version, and that of what it stands on."""
    click.echo(f"fetcher {__version__}")
    if verbose:
        click.echo(f"SQLite {sqlite_version()}")


def sqlite_version() -> str:
    """Return the version of the library that `--db` uses."""
    from ..store.database import sqlite_version as version

    return version()
