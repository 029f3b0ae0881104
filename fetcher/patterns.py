"""A person's pattern, ready to search in a stranger's text; the only owner of RE2.

RE2 never tries a text twice: no pattern takes longer than the text is long.

Source:
    https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .errors import ConfigError

__all__ = ["compiled"]

PATTERN_MAX_BYTES = 8 * 1024 * 1024  # of memory; RE2's own default


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Return a pattern that takes time in proportion to the text, whatever that is.

    Raises:
        ConfigError: it is none. RE2 knows no look-around and no back-references.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # on standard error
    options.max_mem = PATTERN_MAX_BYTES
    options.never_capture = True  # groups cost fifty times the search
    try:
        return re2.compile(pattern, options)
    except (re2.error, TypeError, ValueError) as error:
        said = error.args[0] if error.args else error
        why = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise ConfigError(f"{pattern!r} is no pattern of RE2: {why}") from error
