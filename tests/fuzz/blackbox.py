"""A file in which a process writes what it is about to do, and others can read it.

It is mapped memory, so what was written is there when the writer was killed.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["CASE_MAX_BYTES", "BlackBox", "Noted"]

CASE_MAX_BYTES = 64 * 1024 * 1024
_HEAD = struct.Struct("qqd")  # number of the case, its bytes, when it began


class Noted(NamedTuple):
    """The case that is, or was, under way; `number` is -1 before the first."""

    number: int
    began_s: float
    case: bytes


class BlackBox:
    """The last case that a process began, in a file of its own."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            with path.open("wb") as file:  # sparse: takes what is written
                file.truncate(_HEAD.size + CASE_MAX_BYTES)
                file.write(_HEAD.pack(-1, 0, time.monotonic()))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def note(self, number: int, case: bytes) -> None:
        """Write down a case before it is begun."""
        kept = case[:CASE_MAX_BYTES]
        self._memory[_HEAD.size : _HEAD.size + len(kept)] = kept
        # In one piece: `pack_into` writes zeros first, and a reader saw them.
        head = _HEAD.pack(number, len(kept), time.monotonic())
        self._memory[: _HEAD.size] = head

    def began(self) -> tuple[int, float]:
        """Return the number of the last case and when it began."""
        number, _, began_s = _HEAD.unpack_from(self._memory)
        return number, began_s

    def read(self) -> Noted:
        """Return the last case that was noted."""
        number, size, began_s = _HEAD.unpack_from(self._memory)
        return Noted(number, began_s, self._memory[_HEAD.size : _HEAD.size + size])

    def close(self) -> None:
        """Unmap the file."""
        self._memory.close()
