"""What a worker does for one URL: fetch it, and run the caller's `extract` on it.

Workers import this module and not the engine: a worker needs no report, no frontier
and no exporters. What is the same for all URLs of a run travels as one bytes object
that each worker reads once, so that any pool will do, without an initializer.

A worker handles what strangers wrote, so what it sends is read as data: `read_answer`
knows the few things that may be in it, and calls nothing else.
"""

from __future__ import annotations

import builtins
import errno
import io
import pickle
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, cast

from .conditional import Known, condition, restore
from .errors import ConfigError, ExtractError, FetcherError
from .models import Reach, Request, Settings
from .page import Page, _from_wire
from .pool.errors import MaybeEncodingError, TaskExited
from .redact import redacted

__all__ = ["Errand", "Extract", "fetch", "job_bytes", "read_answer"]

Extract = Callable[[Page], object]

OUT_OF_MEMORY = 27  # CURLE_OUT_OF_MEMORY, from curl.h

# A parsed page weighs ten times its bytes, beside the bodies that this process's other
# slots are reading: larger ones are left to the parent, unless that parses none at all.
READ_AHEAD_MAX_BYTES = 4 * 1024 * 1024
_reading = threading.Lock()  # one parsed page at a time, however many slots there are


class Errand(NamedTuple):
    """What a worker is asked for: one URL, and what is so for it alone.

    url:          what to ask for
    attempt:      which attempt this is, from 1
    submitted_s:  when it was handed to the pool, monotonic
    facts:        names of the facts that the parent will look at, to be read here
    method:       GET or HEAD
    max_bytes:    instead of the settings' own, for this one
    reach:        how private its address may be, as a number of `Reach`; None: the
                  person listed it
    with_secrets: whether this origin may see the settings' credentials
    known:        what it gave last, so that it may say that it gives so still
    """

    url: str
    attempt: int
    submitted_s: float
    facts: tuple[str, ...] = ()
    method: str = "GET"
    max_bytes: int | None = None
    reach: int | None = None
    with_secrets: bool = True
    known: Known | None = None


def fetch(errand: Errand, job: bytes) -> object:
    """Fetch one URL and run `extract` on it (in a worker).

    Args:
        errand: what to ask for.
        job: what `job_bytes` gave.

    Returns:
        the Page.

    Raises:
        MemoryError: the process has not the memory, threads or files that it takes.
        ExtractError: what `extract` did; its text names the Page's URL.
        ConfigError: what a session of the caller's own raised, in words.
    """
    # Monotonic time is one clock for all processes of a machine.
    queue_s = max(time.monotonic() - errand.submitted_s, 0.0)
    try:
        return _fetched(errand, job, queue_s)
    except Exception as error:
        told = _as_told(error)
        if told is error:
            raise
        raise told from error


def _fetched(errand: Errand, job: bytes, queue_s: float) -> Page:
    settings, extract, parses_all = _job(job)
    request = Request(
        url=errand.url,
        attempt=errand.attempt,
        method=errand.method,
        reach=None if errand.reach is None else Reach(errand.reach),
    )
    known = errand.known
    page = _imported("transport").get_url(
        request,
        settings,
        max_bytes=errand.max_bytes,
        with_secrets=errand.with_secrets,
        condition=() if known is None else condition(known.headers),
    )
    if known is not None:
        restore(page, known, settings)
    page.timings = page.timings._replace(queue_s=queue_s)
    if extract is not None and page.failure is None:
        page.extract = _extracted(extract, page)
    page.is_parsed_elsewhere = parses_all
    _read_ahead(page, errand.facts, parses_all=parses_all)
    return cast("Page", page)


def _read_ahead(page: Page, facts: tuple[str, ...], *, parses_all: bool) -> None:
    """Read the facts that the parent will look at, while that does something else."""
    if facts and (parses_all or page.body_bytes <= READ_AHEAD_MAX_BYTES):
        _imported("facts")
        with _reading:
            page.read_ahead(facts)
            page.release()


@lru_cache(maxsize=2)
def _imported(module: str) -> Any:
    """Return a module of fetcher's that is imported late, with what it stands on.

    Raises:
        MemoryError: what importing raises where memory ends, which may be anything:
            the compiler says "field 'target' is required for AnnAssign", or
            "expected ':'".
    """
    try:
        return import_module(f".{module}", __package__)
    except ImportError:  # it says itself what is missing
        raise
    except Exception as error:
        raise MemoryError(f"{type(error).__name__}: {error}") from error


def _is_shortage(error: Exception) -> bool:
    """Whether the machine, and neither the caller nor a bug, is at the bottom of it.

    Each of these was seen under `ulimit -v`.
    """
    text = str(error)
    if isinstance(error, ImportError):
        return "map segment" in text or "allocate" in text
    if isinstance(error, RuntimeError):
        return "start new thread" in text
    if isinstance(error, OSError):
        return error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
    if type(error).__module__ == "pycurl":
        return error.args[:1] == (OUT_OF_MEMORY,) or "initializing" in text
    return isinstance(error, MemoryError | SystemError)


def _as_told(error: Exception) -> Exception:
    """Return an error in a form that `read_answer` knows: ours, or Python's own."""
    if _is_shortage(error):
        return MemoryError(f"{type(error).__name__}: {error}")
    if isinstance(error, FetcherError) or type(error).__module__ == "builtins":
        return error
    return ConfigError(f"session= gave what raised {error!r}")


def _extracted(extract: Extract, page: Page) -> object:
    name = f"{extract.__module__}.{getattr(extract, '__qualname__', extract)}"
    try:
        found = extract(page)
    except Exception as error:
        raise ExtractError(
            f"extract={name} raised on {redacted(page.url)}: {error!r}"
        ) from error
    strange = _strange_part(found)
    if strange is not None:
        raise ExtractError(
            f"extract={name} returned {type(strange).__qualname__} for"
            f" {redacted(page.url)}; it returns None, bool, numbers, str, bytes,"
            " datetime, list, tuple or dict"
        )
    return found


def _strange_part(value: object) -> object | None:
    """Return the first part of a value that is not plain, None if all of it is."""
    if value is None or type(value) in (bool, int, float, str, bytes, datetime):
        return None
    if type(value) is dict:
        return _strange_part([*value.keys(), *value.values()])
    if type(value) in (list, tuple):
        assert isinstance(value, list | tuple)  # noqa: S101 -- for the types
        return next((s for v in value if (s := _strange_part(v)) is not None), None)
    return value


@lru_cache(maxsize=128)  # three for each group that has settings of its own
def _job(job: bytes) -> tuple[Settings, Extract | None, bool]:
    """Read what is the same for every URL of a run, once per worker."""
    found: tuple[Settings, Extract | None, bool] = pickle.loads(job)  # noqa: S301 -- ours
    return found


def job_bytes(
    settings: Settings, extract: Extract | None, *, parses_all: bool = False
) -> bytes:
    """Return what is the same for every URL of a run, in the form that travels.

    Args:
        settings: how to ask.
        extract: what is run on each page.
        parses_all: the parent is to parse no page, however large.

    Raises:
        ConfigError: when `extract` or `session` cannot be sent to a worker.
    """
    job = settings, extract, parses_all
    if extract is None and settings.session is None:
        return pickle.dumps(job)
    import cloudpickle

    try:
        dumped: bytes = cloudpickle.dumps(job)
    except Exception as error:
        raise ConfigError(
            f"extract= or session= cannot be sent to a worker: {error}"
        ) from error
    return dumped


def read_answer(payload: memoryview | bytes) -> object:
    """Return what a worker sent: a Page of plain values, or an error.

    Raises:
        UnpicklingError: if anything else is named in it; nothing of that is run.
    """
    return _Answer(io.BytesIO(payload)).load()


class _Answer(pickle.Unpickler):
    """Reads pickles that name only `_PARTS`, and exceptions of Python's own."""

    def find_class(self, module: str, name: str) -> object:
        found = _PARTS.get(f"{module}.{name}")
        if found is None and module == "builtins":
            found = getattr(builtins, name, None)
            if not (isinstance(found, type) and issubclass(found, Exception)):
                found = None
        if found is None:
            raise pickle.UnpicklingError(
                f"a worker's answer names {module}.{name}, which is none of its parts"
            )
        return found


def _zone_by(owner: object, name: object) -> Callable[[str, bool], tzinfo]:
    """Stand in for `getattr(ZoneInfo, "_unpickle")`, as a time zone is pickled."""
    if owner is not _ZONE_INFO or name != "_unpickle":
        raise pickle.UnpicklingError(
            f"a worker's answer asks for {name!r} of something"
        )
    return _zone


def _zone(key: str, _from_cache: bool) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


_ZONE_INFO = object()
_PARTS: dict[str, object] = {
    "fetcher.page._from_wire": _from_wire,
    "fetcher.errors.ConfigError": ConfigError,
    "fetcher.errors.ExtractError": ExtractError,
    "fetcher.pool.errors.TaskExited": TaskExited,
    "multiprocessing.pool.MaybeEncodingError": MaybeEncodingError,
    "datetime.datetime": datetime,
    "datetime.timedelta": timedelta,
    "datetime.timezone": timezone,
    "zoneinfo.ZoneInfo": _ZONE_INFO,
    "builtins.getattr": _zone_by,
}
