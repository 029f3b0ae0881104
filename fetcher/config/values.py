"""What people write for a value, turned into the value: durations, sizes, statuses.

Every function takes the text and raises ConfigError with one sentence that repeats
it; which flag or key it stood in is added by whoever knows.
"""

from __future__ import annotations

import re

from ..errors import ConfigError

__all__ = ["duration_s", "size_bytes", "size_range", "status_ranges"]

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
UNITS_BYTES = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1000,
    "kib": 1024,
    "m": 1000**2,
    "mb": 1000**2,
    "mib": 1024**2,
    "g": 1000**3,
    "gb": 1000**3,
    "gib": 1024**3,
}

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_STATUSES = re.compile(r"(\d{3})?(?:(\.\.=?|-)(\d{3})?)?")


def duration_s(text: str) -> float:
    """Return the seconds that `500ms`, `10s`, `1h30m` or `7d` stand for.

    A bare number is seconds.

    Raises:
        ConfigError: for anything else.
    """
    given = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return float(given)
    if not _PARTS.fullmatch(given):
        raise ConfigError(f"a duration reads 500ms, 10s, 1h30m or 7d, got {text!r}")
    return sum(float(number) * UNITS_S[unit] for number, unit in _PART.findall(given))


def size_bytes(text: str) -> int:
    """Return the bytes that `512`, `100KB`, `10MB` or `1GiB` stand for.

    KB, MB, GB (also K, M, G) are powers of 1,000; KiB, MiB, GiB of 1,024.

    Raises:
        ConfigError: for anything else.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = UNITS_BYTES.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ConfigError(f"a size reads 512, 100KB, 10MB or 1GiB, got {text!r}")
    return int(float(found[1]) * unit)


def size_range(text: str) -> tuple[int | None, int | None]:
    """Return the least and the greatest size that `1KB..2MB` stands for, in bytes.

    Either end may be left out and is None then; both are included.

    Raises:
        ConfigError: for anything else, and where the first is greater.
    """
    low, dots, high = text.partition("..")
    if not dots or not (low.strip() or high.strip()):
        raise ConfigError(f"sizes read 1KB..2MB, 1KB.. or ..2MB, got {text!r}")
    least = size_bytes(low) if low.strip() else None
    most = size_bytes(high.removeprefix("=")) if high.strip() else None
    if least is not None and most is not None and least > most:
        raise ConfigError(f"sizes rise, got {text!r}")
    return least, most


def status_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges of statuses, both ends included, that a list names.

    `200..=204,404` in lychee's form: `a..=b` includes b, `a..b` does not, either
    end may be left out; `a-b` is the same as `a..=b`.

    Raises:
        ConfigError: for anything else, and for a status outside 100 to 999.
    """
    ranges = []
    for part in text.split(","):
        found = _STATUSES.fullmatch(part.strip())
        if found is None or not (found[1] or found[3]):
            raise ConfigError(f"statuses read 200..=204,404, got {part!r}")
        low = int(found[1] or 100)
        high = int(found[3] or 999) if found[2] else low
        if found[2] == ".." and found[3]:
            high -= 1
        if not 100 <= low <= high <= 999:
            raise ConfigError(f"statuses rise from 100 to 999, got {part!r}")
        ranges.append((low, high))
    return tuple(ranges)
