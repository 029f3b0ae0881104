"""What a machine may do to the command: signals, full disks, closed streams, limits.

Each through the real command in a process of its own: the exit code, one sentence on
standard error and no traceback, and no URL of the list without its row.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.campaigns import kill_moments
from tests.servers import answer, message, serve

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "fetcher"]
QUICK = ("--workers", "2", "--retries", "0")
BODY = "<title>Tür</title><a href=/next>n</a>".encode()
TYPED = "Content-Type: text/html; charset=utf-8"
IS_ROOT = os.geteuid() == 0
NOBODY = 54_321  # a user who has no other process


def environment(**more):
    return {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(ROOT), **more}


def fetcher(*arguments, before="", after="", cwd=ROOT, env=None, timeout_s=60):
    """Run the command in a shell: what is to be done `before`, redirections `after`."""
    line = f'{before}\nexec "$@" {after}'
    return subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        cwd=cwd,
        env=environment(**(env or {})),
        text=True,
        check=False,
    )


def own_mounts(*arguments, mount):
    """Run the command where this was mounted, which nobody else sees."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "-m", "true"], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("no mounts of its own are allowed here")
    return subprocess.run(
        [
            *("unshare", "-m", "bash", "-c", f'{mount} || exit 99\nexec "$@"', "bash"),
            *COMMAND,
            *map(str, arguments),
        ],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        cwd=ROOT,
        env=environment(),
        text=True,
        check=False,
    )


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_each_has_its_row(path, urls):
    assert sorted(row["url"] for row in rows_of(path)) == sorted(urls)


def assert_one_sentence(done, sentence):
    """One line on standard error, which says this, and no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("fetcher: ")]
    assert sentence in line


@pytest.fixture(scope="module")
def site():
    with serve(answer(BODY, "200 OK", TYPED)) as server:
        yield server


@pytest.fixture
def urls(site):
    return [f"{site.url}{number}" for number in range(40)]


@pytest.fixture
def listed(urls, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{url}\n" for url in urls))
    return path


# -- Signals


class HeldSite:
    """A server whose pages under /held wait until the test lets them go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.held = threading.Semaphore(0)

    def __call__(self, peer):
        while head := peer.read_head():
            if " /held" in head:
                self.held.release()
                while not self.let_go.wait(0.02) and peer.pause(0):
                    pass
            peer.send(message(BODY, "200 OK", TYPED))

    def await_held(self, count):
        for _ in range(count):
            assert self.held.acquire(timeout=30), "the requests never came"


@contextmanager
def held_run(tmp_path, *arguments, count=4, **how):
    """A run with `count` requests under way that do not end by themselves."""
    behaviour = HeldSite()
    with serve(behaviour) as server:
        urls = [f"{server.url}held{number}" for number in range(200)]
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"{url}\n" for url in urls))
        command = [*COMMAND, listed, *QUICK, "--timeout", "60s", "--concurrency", count]
        command += ["--per-host", count, "-o", tmp_path / "pages.jsonl", *arguments]
        run = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
            start_new_session=True,
            **how,
        )
        try:
            behaviour.await_held(count)
            yield run, behaviour, urls
        finally:
            behaviour.let_go.set()
            if run.poll() is None:
                run.kill()
            run.communicate()


@pytest.mark.parametrize(
    ("signum", "code", "again"),
    [
        (signal.SIGINT, 130, "press Ctrl-C again to stop at once"),
        (signal.SIGTERM, 143, "signal again to stop at once"),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_once_finishes_what_is_under_way_and_reports(
    tmp_path, signum, code, again
):
    """Ctrl-C once: the 4 requests under way are waited for, the rest is let be."""
    with held_run(tmp_path) as (run, behaviour, urls):
        run.send_signal(signum)
        said = run.stderr.readline()
        assert said == f"fetcher: finishing 4 requests; {again}\n"
        behaviour.let_go.set()
        report, rest = run.communicate(timeout=30)
        assert run.returncode == code
    assert rest == "fetcher: interrupted: 4 pages were done and are in the report\n"
    assert "Interrupted." in report
    rows = rows_of(tmp_path / "pages.jsonl")
    assert sum(row["state"] == "ok" for row in rows) == 4
    assert {row["url"] for row in rows} <= set(urls)
    unread = re.search(r"(\d+) URLs were not read", report)
    assert len(rows) + (int(unread[1]) if unread else 0) == len(urls)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_twice_stops_at_once_with_whole_files(tmp_path, signum):
    """Ctrl-C twice: nobody waits for the server, and each URL read has its row."""
    with held_run(tmp_path) as (run, _, urls):
        run.send_signal(signum)
        assert "finishing 4 requests" in run.stderr.readline()
        time.sleep(0.1)  # a second press, and no echo of the first
        began_s = time.monotonic()
        run.send_signal(signum)
        report, rest = run.communicate(timeout=30)
        assert time.monotonic() - began_s < 10, "1 s and more where nothing else runs"
        assert run.returncode == 128 + signum
        end_s = time.monotonic() + kill_moments.WORKERS_END_S
        while kill_moments.processes_of(run.pid):
            assert time.monotonic() < end_s, "workers are alive"
            time.sleep(0.05)
    assert rest == "fetcher: interrupted: 0 pages were done and are in the report\n"
    assert "Interrupted." in report
    rows = rows_of(tmp_path / "pages.jsonl")
    assert {row["failure"]["kind"] for row in rows} == {"cancelled"}
    assert {row["url"] for row in rows} <= set(urls)


def test_signals_without_end_leave_no_traceback(tmp_path):
    """Somebody who leans on Ctrl-C gets the prompt back, and no half-written file."""
    with held_run(tmp_path) as (run, _, _):
        end_s = time.monotonic() + 30
        while run.poll() is None and time.monotonic() < end_s:
            run.send_signal(signal.SIGINT)
            time.sleep(0.06)
        _, said = run.communicate(timeout=30)
        assert run.returncode == 130
    assert "Traceback" not in said, said
    if (tmp_path / "pages.jsonl").exists():
        assert (tmp_path / "pages.jsonl").read_text().endswith("\n")
    assert list(tmp_path.glob(".*.part")) == []


def test_ctrl_c_on_a_terminal_goes_to_the_workers_too_and_they_go_on(tmp_path):
    """The terminal signals all processes of the command; requests still end well."""
    behaviour = HeldSite()
    with serve(behaviour) as server:
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"{server.url}held{n}\n" for n in range(50)))
        output = tmp_path / "pages.jsonl"
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            words = [*COMMAND, listed, *QUICK, "-o", output, "--concurrency", "4"]
            os.execve(sys.executable, list(map(str, words)), environment())
        drawn = b""
        try:
            behaviour.await_held(4)
            os.write(terminal, b"\x03")
            drawn = read_terminal(terminal, b"finishing 4 requests")
            behaviour.let_go.set()
            drawn += read_terminal(terminal, None)
        finally:
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"press Ctrl-C again to stop at once" in drawn
    assert b"Traceback" not in drawn
    assert sum(row["state"] == "ok" for row in rows_of(output)) == 4


def read_terminal(terminal, wanted):
    """Read until this was drawn, or to the end of the program."""
    drawn = b""
    end_s = time.monotonic() + 30
    while wanted is None or wanted not in drawn:
        assert time.monotonic() < end_s, drawn
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                drawn += os.read(terminal, 65536)
            except OSError:  # its other end is closed
                break
    return drawn


def test_sigterm_to_every_process_of_the_command_loses_no_page(tmp_path):
    """systemd and timeout(1) signal the whole group: the workers die of it, no page."""
    with held_run(tmp_path) as (run, behaviour, urls):
        os.killpg(run.pid, signal.SIGTERM)
        behaviour.let_go.set()
        report, said = run.communicate(timeout=60)
        assert run.returncode == 143
    assert "Traceback" not in said, said
    rows = rows_of(tmp_path / "pages.jsonl")
    unread = re.search(r"(\d+) URLs were not read", report)
    assert len(rows) + (int(unread[1]) if unread else 0) == len(urls)
    assert len({row["url"] for row in rows}) == len(rows)
    assert sum(row["state"] == "ok" for row in rows) == 4


def await_reading(pid):
    """Wait until a process sleeps in the read of a pipe."""
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        with suppress(OSError):
            if "pipe_read" in Path(f"/proc/{pid}/wchan").read_text():
                return
        time.sleep(0.02)
    pytest.skip("this kernel does not tell what a process waits for")


@pytest.mark.parametrize("lines", [0, 1, 10])
def test_ctrl_c_ends_a_wait_for_standard_input(site, lines):
    """`fetcher -` waits for a line that nobody types: Ctrl-C is heard all the same."""
    run = subprocess.Popen(
        [*COMMAND, "-", *QUICK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    try:
        run.stdin.write(
            b"".join(b"%s%d\n" % (site.url.encode(), n) for n in range(lines))
        )
        run.stdin.flush()
        await_reading(run.pid)
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 130
    finally:
        run.kill()
        _, said = run.communicate()
    assert b"Traceback" not in said
    assert b"interrupted" in said


# -- Standard streams


@pytest.mark.parametrize(
    ("arguments", "streams", "code", "sentence"),
    [
        ([], ">&-", 3, "cannot write standard output: it is closed"),
        (["-f", "jsonl"], ">&-", 3, "cannot write standard output: it is closed"),
        (["-q"], ">&-", 0, None),
        ([], "2>&-", 0, None),
        (["-v"], "2>&-", 0, None),
        (["-v"], "2>/dev/full", 0, None),
        (["-q"], "<&- >&- 2>&-", 0, None),
        ([], ">/dev/full", 3, "cannot write standard output: no space left on device"),
        (["-f", "csv"], ">/dev/full", 3, "no space left on device"),
        (["--help"], ">/dev/full", 3, "no space left on device"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_stream_that_takes_nothing(
    listed, urls, tmp_path, arguments, streams, code, sentence
):
    """What cannot be written is said if anybody can hear it; no page is lost."""
    output = tmp_path / "pages.jsonl"
    done = fetcher(listed, *QUICK, "-o", output, *arguments, after=streams)
    assert done.returncode == code, done.stderr
    if sentence is None:
        assert done.stderr == ""
        assert_each_has_its_row(output, urls)
    else:
        assert_one_sentence(done, sentence)
    if output.exists():  # it was known before anything was fetched, or all was
        assert_each_has_its_row(output, urls)


def test_a_closed_standard_error_is_not_the_file_that_is_opened_next(listed, tmp_path):
    """Descriptor 2 is free under `2>&-`: what is said must not land in a result."""
    output = tmp_path / "pages.jsonl"
    done = fetcher(listed, *QUICK, "-v", "-q", "-o", output, after="2>&- >&- <&-")
    assert done.returncode == 0
    assert len(rows_of(output)) == 40


def test_a_reader_that_leaves_ends_the_run_quietly_with_141(site, tmp_path):
    """`fetcher ... -f jsonl | head -1` prints a row, no traceback, and exits 141."""
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{site.url}{number}\n" for number in range(3000)))
    line = f"{' '.join(COMMAND)} {listed} -f jsonl --workers 2 | head -1"
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")
    assert json.loads(done.stdout)["state"] == "ok"


def test_a_list_on_a_closed_standard_input_is_one_sentence():
    done = fetcher("-", after="<&-")
    assert done.returncode == 2
    assert_one_sentence(done, "cannot read standard input: it is closed")


# -- Lists that are no files


@pytest.mark.parametrize("how", ["<(cat {})", "/dev/stdin < <(cat {})"])
def test_a_list_from_a_pipe_is_fetched(listed, urls, tmp_path, how):
    """`fetcher <(command)`: the pipe can be read once, so nobody counts it first."""
    output = tmp_path / "pages.jsonl"
    line = f"{' '.join(COMMAND)} -q -o {output} {how.format(listed)}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 0
    assert_each_has_its_row(output, urls)


def test_a_named_pipe_is_a_list(listed, urls, tmp_path):
    fifo, output = tmp_path / "fifo", tmp_path / "pages.jsonl"
    done = fetcher(
        *(fifo, *QUICK, "-q", "-o", output),
        before=f"mkfifo {fifo}; cat {listed} >{fifo} &",
    )
    assert done.returncode == 0
    assert_each_has_its_row(output, urls)


def test_a_device_without_lines_is_no_list():
    """`fetcher /dev/zero` ends with a sentence, and takes no memory meanwhile."""
    done = fetcher("/dev/zero", before="ulimit -v 2000000", timeout_s=100)
    assert done.returncode == 2
    assert_one_sentence(done, "line 1 of /dev/zero does not end")


def test_input_without_end_can_be_stopped(tmp_path):
    """Ctrl-C is heard also while a list is nothing but bad lines."""
    output = tmp_path / "pages.jsonl"
    run = subprocess.Popen(
        [*COMMAND, "/dev/urandom", "-q", "-o", str(output)],
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
    )
    try:
        end_s = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.glob(".*.part")):
            assert time.monotonic() < end_s, "no line was read"
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130
    finally:
        run.kill()
        run.communicate()
    assert {row["failure"]["kind"] for row in rows_of(output)} == {"bad_url"}


MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_line_of_a_gigabyte_costs_no_memory(site, tmp_path):
    """It is one bad line, read in pieces; the line after it is fetched."""
    listed, output = tmp_path / "long.txt", tmp_path / "pages.jsonl"
    with listed.open("wb") as stream:
        stream.truncate(1_000_000_000)  # takes no room on the disk
        stream.seek(0, os.SEEK_END)
        stream.write(f"\n{site.url}\n".encode())
    # Started by a small process: what this one has counts until the command's exec.
    measured = subprocess.run(
        [
            *(sys.executable, "-c", MEASURE, *COMMAND),
            *map(str, (listed, "-q", "-o", output, *QUICK)),
        ],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=100,
        check=True,
    )
    code, peak_kb = map(int, measured.stdout.split())
    assert code == 1
    assert peak_kb < 200_000, "of the greatest of its processes"
    assert [row["state"] for row in rows_of(output)] == ["failed", "ok"]


def test_a_directory_for_a_list_is_one_sentence(tmp_path):
    done = fetcher(tmp_path)
    assert done.returncode == 2
    assert_one_sentence(done, "is a directory, not a list of URLs")


# -- Disks


def test_a_full_disk_costs_one_result_and_no_page(site, tmp_path):
    """The file that has no room is named, and each URL has its row in the other."""
    small, output = tmp_path / "small", tmp_path / "pages.jsonl"
    small.mkdir()
    urls = [f"{site.url}{number}" for number in range(400)]
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{url}\n" for url in urls))
    done = own_mounts(
        *(listed, *QUICK, "-q", "-o", small / "full.jsonl", "-o", output),
        mount=f"mount -t tmpfs -o size=64k none {small}",
    )
    assert done.returncode == 3, done.stderr
    assert_one_sentence(done, f"cannot write {small}/full.jsonl: no space left")
    assert len({row["url"] for row in rows_of(output)}) == len(rows_of(output))
    assert {row["url"] for row in rows_of(output)} <= set(urls)


def test_a_read_only_folder_is_known_before_anything_is_fetched(site, listed, tmp_path):
    folder = tmp_path / "ro"
    folder.mkdir()
    asked = len(site.heads)
    done = own_mounts(
        *(listed, *QUICK, "-o", folder / "pages.csv"),
        mount=f"mount -t tmpfs -o ro none {folder}",
    )
    assert done.returncode == 3
    assert_one_sentence(done, "pages.csv: read-only file system")
    assert len(site.heads) == asked


def test_a_limit_on_the_size_of_files_is_one_sentence(site, tmp_path):
    listed, output = tmp_path / "list.txt", tmp_path / "pages.jsonl"
    listed.write_text("".join(f"{site.url}{number}\n" for number in range(400)))
    done = fetcher(listed, *QUICK, "-q", "-o", output, before="ulimit -f 20")
    assert done.returncode == 3
    assert_one_sentence(done, f"cannot write {output}: file too large")
    assert [path.name for path in tmp_path.iterdir()] == ["list.txt"]


@pytest.mark.parametrize("arguments", [(), ("--depth", "2")], ids=["list", "site"])
@pytest.mark.parametrize("folder", ["/nowhere", "/proc"])
def test_a_missing_tmpdir_is_not_needed(site, folder, arguments):
    done = fetcher(site.url, *QUICK, *arguments, env={"TMPDIR": folder})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_machine_without_any_folder_for_temporary_files_is_one_sentence(listed):
    done = fetcher(listed, *QUICK, "-q", before="ulimit -f 0")
    assert done.returncode == 3
    assert_one_sentence(done, "no usable temporary directory")


def test_a_tmpdir_with_a_long_name_is_one_sentence(listed, tmp_path):
    """The address of a socket has 108 bytes; the sentence names TMPDIR."""
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    done = fetcher(listed, *QUICK, "-q", env={"TMPDIR": str(folder)})
    assert done.returncode == 3
    assert_one_sentence(done, "the path of TMPDIR is too long")


# -- Limits


def test_a_limit_of_64_open_files_costs_time_and_no_page(tmp_path):
    """150 hosts, of which each wants a connection: all are fetched, fewer at a time."""

    def behave(peer):
        while peer.read_head():
            peer.send(message(BODY, "200 OK", TYPED))

    output = tmp_path / "pages.jsonl"
    with serve(behave, address="0.0.0.0") as server:
        urls = [
            f"http://127.0.77.{n}:{server.port}/{m}"
            for m in (1, 2)
            for n in range(1, 151)
        ]
        listed = tmp_path / "list.txt"
        listed.write_text("".join(f"{url}\n" for url in urls))
        done = fetcher(
            *(listed, "--retries", "0", "-q", "-o", output), before="ulimit -n 64"
        )
    assert done.returncode == 0, done.stderr
    assert "requests at a time and no more: too few files may be open" in done.stderr
    assert_each_has_its_row(output, urls)
    assert {row["state"] for row in rows_of(output)} == {"ok"}


def test_a_soft_limit_that_may_be_raised_is_raised(listed):
    done = fetcher(listed, *QUICK, before="ulimit -S -n 64")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("files", [20, 12])
def test_too_few_open_files_for_a_worker_are_one_sentence(listed, files):
    done = fetcher(listed, *QUICK, before=f"ulimit -n {files}")
    assert done.returncode in (0, 3), done.stderr
    if done.returncode:
        assert_one_sentence(done, "no worker process could be started")


@pytest.mark.parametrize("kilobytes", [80_000, 100_000, 130_000])
def test_memory_that_does_not_suffice_for_workers_loses_no_page(
    listed, urls, tmp_path, kilobytes
):
    """RLIMIT_AS: pages fail, or no worker starts; each URL has its row either way.

    A worker that has no memory left may end with the interpreter's own last words.
    """
    output = tmp_path / "pages.jsonl"
    done = fetcher(
        *(listed, *QUICK, "-q", "-o", output), before=f"ulimit -v {kilobytes}"
    )
    assert done.returncode in (0, 1, 3), done.stderr
    assert "engine/run.py" not in done.stderr, "the command itself failed"
    assert_each_has_its_row(output, urls)
    kinds = {row["failure"]["kind"] for row in rows_of(output) if row["failure"]}
    assert kinds <= {"worker_lost", "cancelled", "protocol"}
    if done.returncode == 3:
        assert "fetcher: no worker process could be started" in done.stderr


@pytest.mark.skipif(not IS_ROOT, reason="only root may become a user without processes")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
@pytest.mark.parametrize("processes", [1, 3, 6])
def test_too_few_processes_are_one_sentence(listed, processes):
    caps = "+dac_read_search,+dac_override"
    become = f"--reuid={NOBODY} --regid={NOBODY} --clear-groups"
    line = f"setpriv {become} --inh-caps {caps} --ambient-caps {caps}"
    limit = f"prlimit --nproc={processes}"
    done = fetcher(listed, *QUICK, "-q", before=f'set -- {line} {limit} "$@"')
    assert done.returncode == 3, done.stderr
    assert_one_sentence(done, "no worker process could be started")


def test_a_missing_dev_shm_is_not_needed(listed):
    if not Path("/dev/shm").is_mount():
        pytest.skip("there is no /dev/shm to take away")
    done = own_mounts(listed, *QUICK, mount="umount /dev/shm")
    assert (done.returncode, done.stderr) == (0, "")


# -- Surroundings


LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "unknown": {"LC_ALL": "xx_BAD", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "none": {"LC_ALL": "", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.mark.parametrize("locale", LOCALES)
def test_without_a_locale_no_page_is_lost(site, tmp_path, locale):
    """URLs and titles that are not ASCII are read, fetched and written as UTF-8."""
    listed, output = tmp_path / "liste-ä.txt", tmp_path / "seiten-ü.jsonl"
    listed.write_text(f"{site.url}caf\u00e9\n")
    done = fetcher(
        listed, f"{site.url}na\u00efve", *QUICK, "-o", output, env=LOCALES[locale]
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("bash:")]
    assert (done.returncode, said) == (0, [])
    assert done.stdout.startswith("2 pages: all ok")
    assert {row["title"] for row in rows_of(output)} == {"Tür"}
    assert {row["final_url"] for row in rows_of(output)} == {
        f"{site.url}caf%C3%A9",
        f"{site.url}na%C3%AFve",
    }


@pytest.mark.parametrize("home", [None, "/nowhere", "/proc"])
def test_a_home_that_is_not_there_is_not_needed(listed, home):
    before = "unset HOME" if home is None else f"export HOME={home}"
    done = fetcher(listed, *QUICK, "--netrc", before=before)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_working_directory_that_was_removed_is_one_sentence(listed, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = fetcher(listed, *QUICK, before="rmdir ../gone", cwd=gone)
    assert done.returncode == 3
    assert_one_sentence(done, "the working directory is not there any more")


JUMPING_CLOCK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The wall clock is a year off, now to one side and now to the other. */
static long jump(void) {
    static __thread unsigned calls;
    return (calls++ & 1 ? 1 : -1) * 31536000L;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, clock, now);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += jump();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec real;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec + jump();
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *where) {
    struct timeval now;
    gettimeofday(&now, NULL);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture(scope="module")
def jumping_clock(tmp_path_factory):
    """A library that makes the wall clock of every process of the command jump."""
    if shutil.which("cc") is None:
        pytest.skip("there is no compiler to make a clock that jumps")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "jump.c").write_text(JUMPING_CLOCK)
    library = folder / "jump.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, folder / "jump.c"], check=True
    )
    return library


def test_a_clock_that_jumps_changes_no_duration_and_no_delay(
    listed, urls, tmp_path, jumping_clock
):
    """The wall clock goes back and forth by years while a run waits and measures."""
    output = tmp_path / "pages.json"
    began_s = time.monotonic()
    done = fetcher(
        *(listed, *QUICK, "-q", "--delay", "20ms", "-o", output),
        env={"LD_PRELOAD": str(jumping_clock)},
    )
    took_s = time.monotonic() - began_s
    assert (done.returncode, done.stderr) == (0, "")
    whole = json.loads(output.read_text())
    assert sorted(page["url"] for page in whole["pages"]) == sorted(urls)
    years = {page["fetched_at"][:4] for page in whole["pages"]}
    assert len(years) > 1 or years != {time.strftime("%Y")}, "the clock did jump"
    assert 0.02 * (len(urls) - 1) <= whole["report"]["elapsed_s"] <= took_s
    for page in whole["pages"]:
        times = [value for value in page["timings"].values() if value is not None]
        assert all(0 <= value <= took_s for value in times), page["timings"]


# -- kill -9


def test_kill_9_leaves_whole_results_or_former_ones_and_no_process():
    """A few of the kills of `python -m tests.campaigns.kill_moments --kills 200`."""
    found = kill_moments.run(kills=6, pages=40, seed=5)
    assert found.broken == []
    assert found.states.total() == 6


def test_a_half_written_result_would_be_noticed(site, listed, urls, tmp_path):
    """What the campaign calls whole is not a file without its last byte or line."""
    outputs = [tmp_path / name for name in kill_moments.NAMES]
    given = [part for path in outputs for part in ("-o", path)]
    assert fetcher(listed, *QUICK, "-q", *given).returncode == 0
    lines = outputs[0].read_bytes().count(b"\n")
    for path in outputs:
        content = path.read_bytes()
        assert kill_moments.is_whole(path.name, content, sorted(urls), lines)
        last_line = content[:-1].rfind(b"\n") + 1
        for cut in (0, 1, len(content) // 2, last_line, len(content) - 1):
            assert not kill_moments.is_whole(
                path.name, content[:cut], sorted(urls), lines
            )


def test_what_a_living_run_is_writing_is_not_removed_by_another(tmp_path, listed):
    """Two runs with the same `-o` at a time: both end well, and the last one wins."""
    with held_run(tmp_path) as (run, behaviour, urls):
        own = tmp_path / "pages.jsonl"
        assert (
            fetcher(
                listed.with_name("list.txt"),
                "--max-pages",
                "1",
                *QUICK,
                "-q",
                "--timeout",
                "1s",
                "-o",
                own,
            ).returncode
            == 1
        )
        run.send_signal(signal.SIGINT)
        behaviour.let_go.set()
        run.communicate(timeout=30)
        assert run.returncode == 130
    assert sum(row["state"] == "ok" for row in rows_of(own)) == 4
    assert len(urls) == 200
