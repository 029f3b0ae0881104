"""What a worker does for one URL: fetch it, and run the caller's `extract` on it.

Workers import this module and not the engine: a worker needs no report, no frontier
and no exporters. What is the same for all URLs of a run travels as one bytes object
that each worker reads once, so that any pool will do, without an initializer.
"""

from __future__ import annotations

import errno
import pickle
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from .errors import ConfigError, ExtractError
from .models import Request, Settings
from .page import Page

__all__ = ["Extract", "fetch", "job_bytes"]

Extract = Callable[[Page], object]

OUT_OF_MEMORY = 27  # CURLE_OUT_OF_MEMORY, from curl.h

# A parsed page weighs ten times its bytes, and keeps this process's other threads from
# running while it is parsed: larger ones are left to the parent.
READ_AHEAD_MAX_BYTES = 1024 * 1024
_reading = threading.Lock()  # one parsed page at a time, however many slots there are


def fetch(
    url: str,
    attempt: int,
    job: bytes,
    submitted_s: float,
    facts: tuple[str, ...] = (),
    method: str = "GET",
    max_bytes: int | None = None,
) -> object:
    """Fetch one URL and run `extract` on it (in a worker).

    Args:
        url: what to ask for.
        attempt: which attempt this is, from 1.
        job: what `job_bytes` gave.
        submitted_s: when it was handed to the pool, monotonic.
        facts: names of the facts that the parent will look at, to be read here.
        method: GET or HEAD.
        max_bytes: instead of the settings' own, for this one.

    Returns:
        the Page.

    Raises:
        MemoryError: the process has not the memory, threads or files that it takes.
        ExtractError: what `extract` did; its text names the Page's URL.
    """
    try:
        return _fetched(url, attempt, job, submitted_s, facts, method, max_bytes)
    except Exception as error:
        if not _is_shortage(error):
            raise
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


def _fetched(
    url: str,
    attempt: int,
    job: bytes,
    submitted_s: float,
    facts: tuple[str, ...],
    method: str,
    max_bytes: int | None,
) -> Page:
    from .transport import get_url  # and with it requests and libcurl

    # Monotonic time is one clock for all processes of a machine.
    queue_s = max(time.monotonic() - submitted_s, 0.0)
    settings, extract = _job(job)
    request = Request(url=url, attempt=attempt, method=method)
    page = get_url(request, settings, max_bytes=max_bytes)
    page.timings = page.timings._replace(queue_s=queue_s)
    if extract is not None and page.failure is None:
        page.extract = _extracted(extract, page)
    if facts and page.body_bytes <= READ_AHEAD_MAX_BYTES:
        with _reading:
            page.read_ahead(facts)
            page.release()
    return page


def _extracted(extract: Extract, page: Page) -> object:
    name = f"{extract.__module__}.{getattr(extract, '__qualname__', extract)}"
    try:
        found = extract(page)
    except Exception as error:
        raise ExtractError(f"extract={name} raised on {page.url}: {error!r}") from error
    strange = _strange_part(found)
    if strange is not None:
        raise ExtractError(
            f"extract={name} returned {type(strange).__qualname__} for {page.url}; it"
            " returns None, bool, numbers, str, bytes, datetime, list, tuple or dict"
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


@lru_cache(maxsize=8)
def _job(job: bytes) -> tuple[Settings, Extract | None]:
    """Read what is the same for every URL of a run, once per worker."""
    found: tuple[Settings, Extract | None] = pickle.loads(job)  # noqa: S301 -- ours
    return found


def job_bytes(settings: Settings, extract: Extract | None) -> bytes:
    """Return what is the same for every URL of a run, in the form that travels.

    Raises:
        ConfigError: when `extract` or `session` cannot be sent to a worker.
    """
    if extract is None and settings.session is None:
        return pickle.dumps((settings, extract))
    import cloudpickle

    try:
        dumped: bytes = cloudpickle.dumps((settings, extract))
    except Exception as error:
        raise ConfigError(
            f"extract= or session= cannot be sent to a worker: {error}"
        ) from error
    return dumped
