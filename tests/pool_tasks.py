"""What the workers run in the tests of the pool; imports nothing heavy.

A file of its own, so that a worker need not import pytest to find a function.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

PARENT = os.getpid()
SLOW_IMPORT_S = 1.0  # what importing tests.pool_slow_import takes


def square(x):
    return x * x


def add(a, b=0):
    return a + b


def pid(_=None):
    return os.getpid()


def slow_pid(seconds):
    time.sleep(seconds)
    return os.getpid()


def thread_name():
    return threading.current_thread() is threading.main_thread()


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def fail(message):
    raise KeyError(message)


def payload(size):
    return b"x" * size


def made_of(kind, length):
    return kind(b"0123456789" * (length // 10) + b"x" * (length % 10))


def is_imported(module):
    return module in sys.modules


def length(thing):
    return len(thing)


def kill_self(how="SIGKILL"):
    die = {
        "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "segfault": lambda: ctypes.string_at(0),
        "os._exit": lambda: os._exit(3),
        "sys.exit": lambda: sys.exit(3),
        "raise": lambda: fail("raised"),
        "SIGSTOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    }
    die[how]()


def write_pid_and_sleep(path, seconds):
    Path(path).write_text(str(os.getpid()))
    time.sleep(seconds)
    return "slept"


def die_first_times(path, times):
    """Die until this has been called `times` times, then return."""
    with Path(path).open("a") as log:
        log.write(f"{os.getpid()}\n")
    if len(Path(path).read_text().splitlines()) <= times:
        kill_self()
    return "alive"


def sleep_first_time(path, seconds):
    with Path(path).open("a") as log:
        log.write(f"{os.getpid()}\n")
    if len(Path(path).read_text().splitlines()) == 1:
        time.sleep(seconds)
    return "awake"


class Trap:
    """Goes off when it is pickled or unpickled, in the process it is set for."""

    def __init__(self, where, how):
        self.where = where  # "pickling" or "unpickling"
        self.how = how

    def __reduce__(self):
        if self.where == "pickling":
            kill_self(self.how)
        return kill_self, (self.how,)


def return_trap(where, how):
    return Trap(where, how)


class BadError(Exception):
    """Cannot be unpickled: its __init__ wants what its args have not."""

    def __init__(self, a, b):
        super().__init__(a)


def raise_bad_error():
    raise BadError(1, 2)


def unpicklable():
    return lambda: 42


def greet(client, word):
    with client:
        client.sendall(word)
    return os.getpid()


def serve_client(client, seconds):
    with client:
        asked = client.recv(100)
        time.sleep(seconds)
        client.sendall(asked.upper())
    return os.getpid()


# -- for the campaign of faults --------------------------------------------------------


def text(length):
    return "\u00e9" * length  # its pickle is made beside it


def fault_later(how, seconds, value=None):
    """Return `value`; the fault happens `seconds` later, wherever the worker then is.

    By a signal handler, so that it happens in the worker's main thread: a raise
    comes out of the very call in which that thread waits or sends.
    """
    signal.signal(signal.SIGALRM, lambda *_: kill_self(how))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return os.getpid() if value is None else value


def send_and_fault(path, how, seconds):
    """Return 50 MB; while they are being sent, the fault happens."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(0.2)
    return fault_later(how, seconds, bytes(50_000_000))


def fault_first_times(path, how, times):
    """Commit the fault, but only in the first `times` calls."""
    with Path(path).open("a") as log:
        log.write(f"{os.getpid()}\n")
    if len(Path(path).read_text().splitlines()) <= times:
        kill_self(how)


def limit_memory(extra_bytes):
    """Let this worker have that much more address space than it has now."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
