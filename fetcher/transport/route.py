"""Whether this machine has any way out; asked when nothing could be reached."""

from __future__ import annotations

import socket
from contextlib import suppress

__all__ = ["has_route"]

# Addresses for documentation, which nobody has: RFC 5737 and RFC 3849.
PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def has_route() -> bool:
    """Whether the kernel knows a way to the internet; nothing is sent.

    Connecting a datagram socket only looks the route up.
    """
    for family, address in PROBES:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return True
    return False
