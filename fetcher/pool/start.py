"""How a worker process comes to be, with nothing in its hands but its own pipe.

By default workers are forked by a small server process that has never imported the
caller's program: threads and locks of the caller do no harm, no `__main__` guard is
needed, and a program read from stdin will do. A context given by the caller
(`multiprocessing.get_context("fork")`) is used as it is, with its own rules.

Every descriptor that the parent keeps is listed here, and closed in any process that
is forked from it: a sibling that held one would keep a dead worker's pipe open.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle  # read by the forkserver's child only
import re
import select
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver, popen_forkserver, resource_tracker, spawn, util
from multiprocessing.context import BaseContext, set_spawning_popen
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from .wire import dumps, dumps_by_value, names_main
from .worker import work

__all__ = ["Launcher", "close_after_fork", "keep_after_fork", "warm_up"]


class _Closable(Protocol):
    def close(self) -> None: ...


_parent_ends: set[_Closable] = set()
_starting = threading.local()  # .pipe: the end that the process being forked keeps


def close_after_fork(end: _Closable) -> None:
    """From now on, close `end` in every process that is forked from this one."""
    _parent_ends.add(end)


def keep_after_fork(end: _Closable) -> None:
    """Forget about `end` (it has been closed here)."""
    _parent_ends.discard(end)


def _close_parent_ends() -> None:
    """Close what is the parent's. Runs in the child, in its only thread."""
    own = getattr(_starting, "pipe", None)
    for end in _parent_ends:
        if end is not own:
            try:
                end.close()
            except OSError:
                continue
    _parent_ends.clear()


os.register_at_fork(after_in_child=_close_parent_ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Starts workers that are all alike."""

    context: BaseContext | None
    slots: int
    initializer: Callable[..., object] | None
    initargs: Iterable[object]
    preload: tuple[str, ...]

    def launch(self) -> tuple[BaseProcess, socket.socket]:
        """Start a worker; return its process and our end of its pipe."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            close_after_fork(end)
            end.settimeout(None)
        try:
            process = self._process(theirs)
            process.name = process.name.replace("Process", "PoolWorker")
            process.daemon = True
            _starting.pipe = theirs
            with _without_interrupts():
                process.start()
        except BaseException:
            keep_after_fork(ours)
            ours.close()
            raise
        finally:
            _starting.pipe = None
            keep_after_fork(theirs)
            theirs.close()
        ours.setblocking(False)
        return process, ours

    def _process(self, pipe: socket.socket) -> BaseProcess:
        args = (pipe, self.slots, self.initializer, self.initargs)
        if self.context is None:
            return _ServedProcess(target=work, args=args, server=_server(self.preload))
        made: BaseProcess = self.context.Process(target=work, args=args)  # type: ignore[attr-defined]  # every real context has it
        return made


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block SIGINT; a process that starts now inherits that, and lifts it."""
    # First, because it unblocks SIGINT when it starts its process.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# One server for each set of modules; they end with this process, as multiprocessing's
# own does. That one is left alone: it may be the caller's.
_servers: dict[tuple[str, ...], forkserver.ForkServer] = {}
_servers_lock = threading.Lock()


def _server(preload: tuple[str, ...]) -> forkserver.ForkServer:
    with _servers_lock:
        if preload not in _servers:
            server = forkserver.ForkServer()
            server.set_forkserver_preload([__name__, *preload])
            _servers[preload] = server
        return _servers[preload]


def warm_up(preload: Iterable[str] = ()) -> None:
    """Start the server that workers come from, and do not wait for it.

    A `Pool(preload=...)` of the same modules, made later, finds it ready, or waits
    for the rest only. Modules that cannot be imported are left out, as Pool does.

    Args:
        preload: the modules that the pool will be given as its `preload`.
    """
    with _without_interrupts():
        _server(tuple(preload)).ensure_running()


def _remove_address_at_end() -> None:
    """In the server: remove the file of its address when it ends.

    The program that started it does so when it ends in good order; when it is killed,
    nobody but the server is left to.
    """
    if "multiprocessing.forkserver" not in " ".join(sys.orig_argv):
        return
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one of this very listing is gone
            if not stat.S_ISSOCK(os.fstat(int(link.name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(link.name))) as own:
                listens = own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                address = own.getsockname()
            if listens and own.family == socket.AF_UNIX and address:
                atexit.register(_remove_address, os.getpid(), Path(address))


def _remove_address(server: int, address: Path) -> None:
    if os.getpid() != server or not address.parent.name.startswith("pymp-"):
        return
    # A server that fails ends before its program, which then complains if it does not
    # find what it is going to remove.
    if _program_has_ended():
        with contextlib.suppress(OSError):
            address.unlink(missing_ok=True)
            address.parent.rmdir()  # if nothing else is in it


def _complain_less() -> None:
    """In the server: leave it to the program to say that the machine gave out.

    It learns so from the server's end, and says it in one sentence instead of in the
    traceback of a process that nobody knows of.
    """
    if "multiprocessing.forkserver" in " ".join(sys.orig_argv):
        sys.excepthook = _complain_of_bugs


def _complain_of_bugs(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    if not isinstance(error, OSError | EOFError | MemoryError):
        sys.__excepthook__(kind, error, traceback)


_remove_address_at_end()
_complain_less()


def _program_has_ended() -> bool:
    """In the server: whether the pipe is closed that tells it of its program's life.

    Source: Lib/multiprocessing/forkserver.py, whose command line names it second.
    """
    told = re.search(r"main\((\d+), (\d+)", " ".join(sys.orig_argv))
    if told is None:
        return True
    poll = select.poll()
    poll.register(int(told[2]), 0)  # 0: for POLLHUP only
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _forget_servers() -> None:
    """In a forked child the parent's servers are not ours to wait for."""
    _servers.clear()


os.register_at_fork(after_in_child=_forget_servers)


class _ServedProcess(BaseProcess):
    """A process from our server, that has not imported the caller's `__main__`."""

    _start_method = "forkserver"

    def __init__(self, *, server: forkserver.ForkServer, **given: Any) -> None:
        super().__init__(**given)
        self.server = server

    @staticmethod
    def _Popen(process: _ServedProcess) -> _ServedPopen:  # multiprocessing's
        return _ServedPopen(process)


class _ServedPopen(popen_forkserver.Popen):
    def __init__(self, process: _ServedProcess) -> None:
        self._polling = threading.Lock()
        super().__init__(process)

    def _launch(self, process: _ServedProcess) -> None:
        """Start the process: multiprocessing's own, but for `__main__` and the server.

        Source: Lib/multiprocessing/popen_forkserver.py, the same from 3.11 to 3.14.
        """
        server: forkserver.ForkServer = process.__dict__.pop("server")
        preparation = spawn.get_preparation_data(process.name)
        preparation.pop("init_main_from_name", None)
        preparation.pop("init_main_from_path", None)
        set_spawning_popen(self)
        try:
            told = dumps(preparation) + _dumps_process(process)
        finally:
            set_spawning_popen(None)
        self.sentinel, to_child = server.connect_to_new_process(self._fds)  # type: ignore[attr-defined]  # not in its stubs
        held = os.dup(to_child)  # the child's sign that we live
        self.finalizer = util.Finalize(
            self,
            util.close_fds,  # type: ignore[attr-defined]  # not in its stubs
            (held, self.sentinel),
        )
        with open(to_child, "wb", closefd=True) as pipe:  # noqa: PTH123  # a descriptor
            pipe.write(told)
        self.pid = forkserver.read_signed(self.sentinel)

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """Return the exit code, or None while the process runs.

        The code can be read once; two threads asking at once would make one of them
        believe that the server had been killed.
        """
        with self._polling:
            code: int | None = super().poll(flag)
            return code


def _dumps_process(process: BaseProcess) -> bytes:
    try:
        pickled = dumps(process)
    except (AttributeError, TypeError, pickle.PicklingError):
        return dumps_by_value(process)  # an initializer that is a lambda
    return dumps_by_value(process) if names_main(pickled) else pickled
