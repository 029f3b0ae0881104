"""How many bytes of bodies one process may be reading at a time.

Each body has a small free allowance, so that ordinary pages never come here. Past
it a body takes what it needs from one shared budget, and waits when that is spent.
Whoever has waited or read longest may always go on: so somebody always finishes, and
memory stays under the budget plus one body.
"""

from __future__ import annotations

import time
from threading import Condition

__all__ = ["BodyBudget"]


class BodyBudget:
    """A number of bytes shared by the bodies that are being read."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._changed = Condition()
        # By the body's reader, in the order in which they first asked.
        self._taken: dict[object, int] = {}

    def take(self, reader: object, wanted_bytes: int, deadline_s: float) -> bool:
        """Return True when the bytes are granted, False when the deadline passed.

        Args:
            reader: who reads; the same object for all of one body.
            wanted_bytes: how many more.
            deadline_s: on the monotonic clock.
        """
        with self._changed:
            self._taken.setdefault(reader, 0)
            while not self._may_take(reader, wanted_bytes):
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            self._taken[reader] += wanted_bytes
            self.used_bytes += wanted_bytes
        return True

    def release(self, reader: object) -> None:
        """Give back all that this reader took."""
        with self._changed:
            self.used_bytes -= self._taken.pop(reader, 0)
            self._changed.notify_all()

    def _may_take(self, reader: object, wanted_bytes: int) -> bool:
        if self.used_bytes + wanted_bytes <= self.limit_bytes:
            return True
        return next(iter(self._taken)) is reader

    def __repr__(self) -> str:
        readers = len(self._taken)
        return f"<BodyBudget {self.used_bytes}/{self.limit_bytes}, {readers} readers>"
