"""Run one command and say what all of its processes took together.

    python measure.py RESULT.json LIMIT_S COMMAND [ARGUMENT ...]

Standard streams are the command's. RESULT.json gets wall time, CPU time and memory.

A fork server's workers are not children of the process that asked for them, and
nobody waits for a process whose parent is gone: so this one is a subreaper (prctl(2),
PR_SET_CHILD_SUBREAPER). Every descendant that no parent waited for becomes its child,
and is reaped here. What wait4(2) says of each counts the children it waited for
itself, so the sum holds every process exactly once, also those between two samples.

The first process alone ("parent") is read from /proc when it has ended and is not yet
reaped, in ticks of 10 ms. Memory is sampled: the largest sum of resident memory, in
which pages that processes share count in each. The largest process is the kernel's own
record (`ru_maxrss`); what this program takes (20 MB) is the least that it can say.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_EVERY_S = 0.05
SAMPLES_PER_LISTING = 5  # listing processes costs more than reading their memory
LINGER_S = 10  # what may run on after the first process ended


class Watcher(threading.Thread):
    """Samples the memory of all descendants, and ends them at the limit."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(daemon=True)
        self.limit_s = limit_s
        self.ends_s = time.monotonic() + limit_s
        self.peak_bytes = 0
        self.peak_processes = 0
        self.killed: list[str] = []

    def run(self) -> None:
        me = psutil.Process()
        while True:
            processes = me.children(recursive=True)
            if time.monotonic() > self.ends_s:
                self.kill(processes)
            for _ in range(SAMPLES_PER_LISTING):
                self.sample(processes)
                time.sleep(SAMPLE_EVERY_S)

    def sample(self, processes: list[psutil.Process]) -> None:
        sizes = []
        for process in processes:
            try:
                sizes.append(process.memory_info().rss)
            except psutil.Error:  # it has ended
                continue
        if sum(sizes) > self.peak_bytes:
            self.peak_bytes, self.peak_processes = sum(sizes), len(sizes)

    def kill(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            try:
                self.killed.append(process.name())
                process.kill()
            except psutil.Error:
                continue


def own_cpu_s(pid: int) -> float:
    """Return the CPU time of a process, without that of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def run(command: list[str], limit_s: float) -> dict[str, object]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    watcher = Watcher(limit_s)
    # Whoever ends the race, or this one, ends the command too.
    signal.signal(signal.SIGTERM, lambda *_: setattr(watcher, "ends_s", 0.0))
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    watcher.start()
    began_s = time.perf_counter()
    # Ctrl-C is for the command; this one stays to reap whatever it leaves.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    first = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGINT])
    result: dict[str, object] = {}
    all_cpu_s, largest_bytes = 0.0, 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # nobody is left
            break
        assert ended is not None  # it is, with WNOHANG only
        if ended.si_pid == first:
            result["took_s"] = time.perf_counter() - began_s
            result["parent_cpu_s"] = own_cpu_s(first)
            watcher.ends_s = min(watcher.ends_s, time.monotonic() + LINGER_S)
        _, status, used = os.wait4(ended.si_pid, 0)
        if ended.si_pid == first:
            result["exit"] = os.waitstatus_to_exitcode(status)
        all_cpu_s += used.ru_utime + used.ru_stime
        largest_bytes = max(largest_bytes, used.ru_maxrss * 1024)
    return result | {
        "all_cpu_s": all_cpu_s,
        "sum_bytes": max(watcher.peak_bytes, largest_bytes),
        "largest_bytes": largest_bytes,
        "processes": watcher.peak_processes,
        "killed": watcher.killed,
    }


def main() -> None:
    result_file, limit_s, *command = sys.argv[1:]
    result = run(command, float(limit_s))
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
