"""The command, run as a person runs it: as a process, in a pipe or on a terminal."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

import pytest

from fetcher import demo
from tests.servers import answer, message, serve
from tests.sites import GivenSite, Reply, html, in_thread

ROOT = Path(__file__).parent.parent
HTML = b"<title>T</title><h1>H</h1><a href=/next>n</a>"
COMMAND = [sys.executable, "-m", "fetcher"]
QUICK = ("--workers", "2", "--retries", "0")


def fetcher(*arguments: object, timeout_s: float = 30, **more):
    environment = {**os.environ, "COLUMNS": "100", **more.pop("environment", {})}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=more.pop("cwd", ROOT),
        env={**environment, "PYTHONPATH": str(ROOT)},
        check=False,
        **more,
    )


@pytest.fixture(scope="module")
def site():
    with serve(answer(HTML, "200 OK", "Content-Type: text/html")) as server:
        yield server


@pytest.fixture
def listed(site, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# pages\n\n" + "".join(f"{site.url}{n}\n" for n in range(9)))
    return path


@pytest.mark.slow
def test_a_list_becomes_a_report_and_exit_0(listed):
    done = fetcher(listed, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("9 pages: all ok in ")
    assert done.stderr == "", "no progress unless standard error is a terminal"


@pytest.mark.slow
def test_a_page_that_fell_short_is_exit_1_with_its_reason():
    with serve(answer(b"", "404 Not Found")) as server:
        done = fetcher(server.url, *QUICK)
        assert done.returncode == 1
        assert "HTTP 404" in done.stdout
        assert server.url in done.stdout
        assert fetcher(server.url, *QUICK, "--accept", "404").returncode == 0


@pytest.mark.slow
def test_jsonl_on_stdout_is_lines_of_json_and_nothing_else(listed):
    done = fetcher(listed, *QUICK, "-f", "jsonl", "--no-progress")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len({row["url"] for row in rows}) == 9
    assert {row["title"] for row in rows} == {"T"}
    assert done.stderr == ""


@pytest.mark.slow
def test_files_by_their_ending(listed, tmp_path):
    names = ["a.jsonl", "b.json", "c.csv", "d.txt"]
    outputs = [part for name in names for part in ("-o", tmp_path / name)]
    done = fetcher(listed, *QUICK, *outputs, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 9
    whole = json.loads((tmp_path / "b.json").read_text())
    assert whole["report"]["total"] == len(whole["pages"]) == 9
    with (tmp_path / "c.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 9
    assert (tmp_path / "d.txt").read_text().startswith("9 pages: all ok")


@pytest.mark.slow
def test_a_list_on_standard_input(site):
    done = fetcher("-", *QUICK, input=f"{site.url}a\n{site.url}b\n")
    assert done.stdout.startswith("2 pages: all ok")
    done = fetcher(f"{site.url}c", "-", *QUICK, input=f"{site.url}a\n{site.url}b\n")
    assert done.stdout.startswith("3 pages: all ok"), "beside other inputs too"


@pytest.mark.slow
def test_several_inputs(listed, site):
    done = fetcher(listed, f"{site.url}one-more", *QUICK)
    assert done.stdout.startswith("10 pages: all ok")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["missing.txt"], 2, "fetcher: there is no file missing.txt"),
        (["tests"], 2, "fetcher: tests is a directory, not a list of URLs"),
        (["--per-hots", "3", "x"], 2, "No such option '--per-hots'"),
        (["x.example", "--timeout", "soon"], 2, "a duration reads 500ms, 10s"),
        (["x.example", "--max-size", "big"], 2, "a size reads 512"),
        (["x.example", "--accept", "fine"], 2, "statuses read 200..=204,404"),
        (["x.example", "-H", "nonsense"], 2, "a header reads 'Name: value'"),
        (["x.example", "--workers", "0"], 2, "0 is not in the range x>=1"),
        (["x.example", "-o", "a.pdf"], 2, "a.pdf"),
        (["x.example", "-o", "no/where.csv"], 3, "no folder no"),
        (["x.example", "--cacert", "no.pem"], 2, "no.pem"),
        ([], 2, "Usage: fetcher [OPTIONS] INPUT..."),
        (["completion", "tcsh"], 2, "tcsh"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.slow
def test_a_mistake_is_one_clear_sentence(arguments, code, says):
    done = fetcher(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_an_empty_list_is_exit_3_and_a_sentence(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n\n")
    done = fetcher(empty)
    assert done.returncode == 3
    assert f"no URL in {empty}" in done.stderr


@pytest.mark.slow
def test_without_a_network_one_line_says_so_and_names_the_demo(tmp_path):
    """Names that cannot exist stand in for a network that is not there."""
    listed = tmp_path / "list.txt"
    listed.write_text("http://a.invalid/\nhttp://b.invalid/\n")
    began = time.monotonic()
    done = fetcher(listed, "--timeout", "5s")
    assert time.monotonic() - began < 8, "no retries where nobody ever answered"
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert "no network" in line
    assert "fetcher demo" in line


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error(site, tmp_path):
    """`fetcher ... -f jsonl | head -1` prints one row and no traceback."""
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{site.url}{n}\n" for n in range(3000)))
    line = f"{sys.executable} -m fetcher {listed} -f jsonl --workers 2 | head -1"
    done = subprocess.run(
        line,
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert json.loads(done.stdout)["state"] == "ok"
    assert done.stderr == ""


@pytest.mark.slow
def test_the_demo_finds_every_fault_of_its_site():
    """What the demo reports is what its site is known to do."""
    done = fetcher("demo", "-f", "jsonl")
    assert done.returncode == 1
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    base = re.search(r"http://127\.0\.0\.1:\d+", done.stderr)
    assert base is not None
    with demo.serve() as site:
        wanted = [
            f"{expected.state} {expected.kind or expected.status}"
            for expected in site.expected.values()
        ]
    found = [
        f"{row['state']} {row['failure']['kind'] if row['failure'] else row['status']}"
        for row in rows
    ]
    assert sorted(found) == sorted(wanted)


@pytest.mark.slow
def test_the_demo_can_only_be_served():
    run = subprocess.Popen(
        [*COMMAND, "demo", "--serve"], stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert run.stderr is not None
    line = run.stderr.readline()
    url = line.split()[0]
    assert fetcher(url, *QUICK).returncode == 0
    run.send_signal(signal.SIGINT)
    assert run.wait(5) == 0
    assert run.stderr.read() == ""
    run.stderr.close()


@pytest.mark.slow
def test_a_subcommand_wins_over_a_file_of_its_name(site, tmp_path):
    (tmp_path / "demo").write_text(f"{site.url}\n")
    assert fetcher("./demo", *QUICK, cwd=tmp_path).stdout.startswith("1 page")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    done = fetcher("completion", shell)
    assert done.returncode == 0
    assert "_FETCHER_COMPLETE" in done.stdout


@pytest.mark.slow
def test_options_are_completed():
    words = {"COMP_WORDS": "fetcher urls.txt --per", "COMP_CWORD": "2"}
    environment = {**words, "_FETCHER_COMPLETE": "bash_complete"}
    done = fetcher(environment=environment)
    assert done.stdout == "plain,--per-host\n"


@pytest.mark.slow
def test_verbose_tells_each_page(listed):
    done = fetcher(listed, *QUICK, "-v", "-q")
    assert len(done.stderr.splitlines()) == 9
    assert done.stderr.startswith("ok ")


class Terminal:
    """A program on a terminal of its own, and all that it drew."""

    def __init__(self, *arguments: object, columns: int = 80) -> None:
        self.drawn = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ.pop("NO_COLOR", None)
            os.environ.pop("COLUMNS", None)
            os.environ["TERM"] = "xterm-256color"
            os.execv(sys.executable, [*COMMAND, *map(str, arguments)])
        ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def read_until(self, wanted: bytes | None, timeout_s: float = 20) -> bytes:
        """Read until this was drawn, or to the end of the program."""
        end_s = time.monotonic() + timeout_s
        while wanted is None or wanted not in self.drawn:
            assert time.monotonic() < end_s, self.drawn
            if not select.select([self._fd], [], [], 0.1)[0]:
                continue
            try:
                self.drawn += os.read(self._fd, 65536)
            except OSError:  # the other end is closed
                break
        return self.drawn

    def end(self) -> int:
        self.read_until(None)
        _, status = os.waitpid(self.pid, 0)
        with suppress(OSError):
            os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def slow_list(tmp_path):
    def behave(peer):
        while peer.read_head():
            peer.pause(0.05)
            peer.send(message(HTML, "200 OK", "Content-Type: text/html"))

    with serve(behave) as server:
        path = tmp_path / "slow.txt"
        path.write_text("".join(f"{server.url}{n}\n" for n in range(400)))
        yield path


@pytest.mark.slow
def test_on_a_terminal_a_line_tells_the_progress_and_goes_away(listed, slow_list):
    terminal = Terminal(slow_list, "--max-pages", "300", columns=140)
    terminal.read_until(b"/300")
    assert terminal.end() == 0
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", terminal.drawn).decode()
    line = next(line for line in re.split(r"[\r\n]+", text) if "ETA" in line)
    assert re.search(r"\d+/300 +\d+% .*[\d.,]+/s .*B +0:\d\d +ETA 0:\d\d", line)
    assert "300 pages: all ok" in text
    assert terminal.drawn.count(b"\x1b[?25l") == terminal.drawn.count(b"\x1b[?25h")


@pytest.mark.slow
def test_ctrl_c_reports_saves_and_leaves_a_clean_terminal(slow_list, tmp_path):
    output = tmp_path / "pages.jsonl"
    terminal = Terminal(slow_list, "-o", output)
    terminal.read_until(b"/400")
    time.sleep(0.5)
    os.kill(terminal.pid, signal.SIGINT)
    began = time.monotonic()
    assert terminal.end() == 130
    assert time.monotonic() - began < 3
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", terminal.drawn).decode()
    assert "interrupted" in text
    assert "Traceback" not in text
    assert terminal.drawn.count(b"\x1b[?25l") == terminal.drawn.count(b"\x1b[?25h")
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == len({row["url"] for row in rows})
    assert any(row["state"] == "ok" for row in rows)


@pytest.mark.slow
def test_importing_the_command_loads_nothing_heavy():
    """`fetcher --help` is quick: nothing is loaded that it does not need."""
    heavy = [
        "requests",
        "pycurl",
        "bs4",
        "lxml",
        "turbohtml",
        "rich",
        "multiprocessing",
    ]
    program = f"""
import sys
from fetcher.cli import main
main(["--help"])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stderr == "[]\n"


SITE = {
    "/": "<title>Front</title><a href=/a>a</a> <a href=/gone>where it was</a>",
    "/a": "<p id=x><a href='/#nowhere'>up</a>",
}


@pytest.fixture
def small_site():
    answers = {path: Reply(content=html(body)) for path, body in SITE.items()}
    with in_thread(GivenSite(answers)) as server:
        yield server


@pytest.mark.slow
def test_a_broken_link_is_told_with_its_place_and_is_exit_1(small_site):
    ran = fetcher(small_site.url, "--depth", "5", *QUICK)
    assert ran.returncode == 1
    assert "Broken links: 1 target" in ran.stdout
    assert f"on {small_site.url}:1:38  'where it was'" in ran.stdout
    assert "Missing fragments: 1 target" in ran.stdout
    assert f"{small_site.url}#nowhere" in ran.stdout
    assert ran.stdout.rstrip().endswith("1 broken link target, 1 missing fragment")


@pytest.mark.slow
def test_a_sitemap_is_written_and_can_be_the_input(small_site, tmp_path):
    path = tmp_path / "sitemap.xml"
    fetcher(small_site.url, "--depth", "5", "-q", "-o", path, *QUICK)
    assert path.read_text().count("<loc>") == 2
    ran = fetcher(path, "-f", "jsonl", *QUICK)
    assert ran.returncode == 0
    urls = {json.loads(line)["url"] for line in ran.stdout.splitlines()}
    assert urls == {small_site.url, f"{small_site.url}a"}


@pytest.mark.slow
def test_from_tells_sites_whom_to_write_to(small_site):
    fetcher(small_site.url, "-q", "--from", "me@site.example", *QUICK)
    assert "From: me@site.example" in small_site.record[0].head
