"""Runs a program again where there is no network but loopback, and our name server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["INSIDE", "is_inside", "may_unshare", "run_inside"]

INSIDE = "FETCHER_HOSTILE_INSIDE"
RESOLVERS = {
    # A resolver that asked again would make a silent server an answer: EAI_AGAIN.
    "resolv.conf": "nameserver 127.0.0.53\noptions timeout:30 attempts:1\n",
    "nsswitch.conf": "hosts: files dns\n",
}


def is_inside() -> bool:
    return os.environ.get(INSIDE) == "1"


def may_unshare() -> bool:
    """Whether the kernel and this user's rights let us have a namespace."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    test = "mount --bind /etc/hosts /etc/hosts && ip link set lo up"
    command = ["unshare", "-rmn", "sh", "-c", test]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_inside(module: str, arguments: Sequence[str]) -> int:
    """Return the exit code of a module run where our name server is the only one."""
    with tempfile.TemporaryDirectory() as directory:
        mounts = []
        for name, content in RESOLVERS.items():
            Path(directory, name).write_text(content)
            mounts.append(f"mount --bind {directory}/{name} /etc/{name}")
        script = " && ".join([*mounts, "ip link set lo up", 'exec "$@"'])
        again = [sys.executable, "-m", module, *arguments]
        ran = subprocess.run(
            ["unshare", "-rmn", "sh", "-c", script, "sh", *again],
            env={**os.environ, INSIDE: "1"},
            check=False,
        )
        return ran.returncode
