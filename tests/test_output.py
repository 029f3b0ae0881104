"""Lists that are read lazily whatever is in them; files that appear whole or not."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import threading
import tracemalloc
from contextlib import suppress

import pytest

from fetcher import export, output
from fetcher.errors import InputError, OutputError
from fetcher.export.text import for_terminal
from fetcher.output import Outputs, read_list
from fetcher.page import Page
from fetcher.report import Report

ROOT = os.geteuid() == 0


def lines_of(tmp_path, content):
    path = tmp_path / "urls.txt"
    path.write_bytes(content)
    return list(read_list(path))


def page(url="https://a.example/"):
    made = Page(url=url, status=200)
    made.facts = None
    return made


# Lists.


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb\n",
        b"a\nb",
        b"a\r\nb\r\n",
        b"a\rb\r",
        b"\xef\xbb\xbfa\nb\n",
        "a\nb\n".encode("utf-16"),
        b"\xfe\xff" + "a\nb\n".encode("utf-16-be"),
        "a\r\nb\r\n".encode("utf-32"),
    ],
    ids=["lf", "no end", "crlf", "cr", "bom", "utf-16", "utf-16-be", "utf-32"],
)
def test_a_list_of_any_making_reads_the_same(tmp_path, content):
    lines = [tuple(line) for line in lines_of(tmp_path, content)]
    assert lines == [(1, "a", None), (2, "b", None)]


def test_blank_lines_and_comments_are_given_and_numbered(tmp_path):
    lines = lines_of(tmp_path, b"# one\n\n  a \n")
    assert [(line.number, line.text) for line in lines] == [
        (1, "# one"),
        (2, ""),
        (3, "  a "),
    ]


def test_an_empty_list_has_no_lines(tmp_path):
    assert lines_of(tmp_path, b"") == []


def test_a_line_of_junk_is_named_and_the_rest_is_read(tmp_path):
    bad, good = lines_of(tmp_path, b"https://\xff\xfe\x00/\nhttps://a.example/\n")
    assert bad.problem == f"line 1 of {tmp_path}/urls.txt is not proper UTF-8"
    assert bad.text == "https://\ufffd\ufffd\x00/"
    assert good == (2, "https://a.example/", None)


def test_junk_in_a_comment_is_no_problem(tmp_path):
    (line,) = lines_of(tmp_path, b"  # caf\xe9\n")
    assert line.problem is None


def test_a_line_of_5_megabytes_is_cut_and_never_held(tmp_path):
    path = tmp_path / "urls.txt"
    path.write_bytes(b"https://a.example/" + b"x" * 5_000_000 + b"\nhttps://b.example/")
    tracemalloc.start()
    first, second = read_list(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first.problem == f"line 1 of {path} is longer than 65,536 characters"
    assert first.text == "https://a.example/" + "x" * 182
    assert second == (2, "https://b.example/", None)
    assert peak_bytes < 1_000_000


def test_a_line_that_does_not_end_is_no_line_of_a_list(tmp_path, monkeypatch):
    """`fetcher /dev/zero` says so; it reads a gigabyte of it, here two lines' worth."""
    monkeypatch.setattr(output, "LINE_ENDLESS_CHARACTERS", 2 * 65_536)
    path = tmp_path / "urls.txt"
    path.write_bytes(b"x" * 65_536 * 4)
    with pytest.raises(InputError, match=f"line 1 of {path} does not end"):
        list(read_list(path))


def test_a_line_of_just_the_limit_is_whole(tmp_path):
    first, second = lines_of(tmp_path, b"x" * 65_536 + b"\ny")
    assert (len(first.text), first.problem) == (65_536, None)
    assert second.number == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.txt", "there is no file {path}"),
        (".", "{path} is a directory, not a list of URLs"),
        ("a\0b", "there is no file {path!r}"),
    ],
    ids=["missing", "directory", "nul"],
)
def test_a_list_that_cannot_be_opened_is_one_sentence_at_once(tmp_path, name, sentence):
    path = f"{tmp_path}/{name}" if name != "." else str(tmp_path)
    with pytest.raises(InputError) as caught:
        read_list(path)
    assert str(caught.value) == sentence.format(path=path)


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_an_unreadable_list_is_one_sentence(tmp_path):
    path = tmp_path / "urls.txt"
    path.touch(mode=0)
    with pytest.raises(InputError, match="permission denied"):
        read_list(path)


class BrokenDisk(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, buffer):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_list_that_fails_while_it_is_read_is_one_sentence():
    lines = read_list("-", stdin=io.BufferedReader(BrokenDisk()))
    with pytest.raises(InputError, match="cannot read standard input: input/output"):
        next(lines)


def test_standard_input_is_read_and_stays_open(monkeypatch):
    stdin = io.BytesIO(b"a\nb\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
    assert [line.text for line in read_list("-")] == ["a", "b"]
    assert not stdin.closed


def test_a_closed_standard_input_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="it is closed"):
        read_list("-")


def test_a_line_is_there_before_the_next_is_written():
    """`tail -f | fetcher -` starts with the first line."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", 0) as feed:
        lines = read_list("-", stdin=stdin)
        feed.write(b"https://a.example/\n")
        assert next(lines).text == "https://a.example/"
        feed.write(b"https://b.example/\n")
        assert next(lines).text == "https://b.example/"


def test_a_list_left_early_is_closed(tmp_path):
    path = tmp_path / "urls.txt"
    path.write_text("a\nb\n")
    with read_list(path) as lines:
        assert next(lines).text == "a"
    with read_list(path):
        pass


# Files.


def write(path, name="jsonl", pages=1):
    with Outputs() as outputs:
        outputs.open(path, export.for_name(name).open)
        for _ in range(pages):
            outputs.add(page())
        outputs.finish(Report())


def test_a_file_appears_when_it_is_finished_and_not_before(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with Outputs() as outputs:
        outputs.open(path, export.for_path(path).open)
        outputs.add(page())
        outputs.flush()
        assert path.read_text() == "old"
        outputs.finish(Report())
    assert path.read_text().count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["out.jsonl"]


def test_an_aborted_run_leaves_what_was_there(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), Outputs() as outputs:  # noqa: PT012
        outputs.open(path, export.for_name("csv").open)
        outputs.add(page())
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]


def test_a_new_file_has_the_mode_that_the_umask_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "out.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "out.jsonl"
    path.touch()
    path.chmod(0o604)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "real" / "file.jsonl")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "real" / "file.jsonl").read_text().startswith("{")


def test_a_name_of_the_greatest_length_can_be_written(tmp_path):
    path = tmp_path / ("é" * 124 + ".jsonl")
    write(path)
    assert path.exists()


def test_what_a_killed_run_left_behind_is_removed_by_the_next(tmp_path):
    """Only files of that very name, and none that somebody still writes."""
    path = tmp_path / "out.jsonl"
    left = tmp_path / ".out.jsonl.0123abcd.part"
    others = [".out.jsonl.part", ".out.json.0123abcd.part", "out.jsonl.0123abcd.part"]
    for name in (left.name, *others):
        (tmp_path / name).write_text("{")
    with Outputs() as living:
        living.open(path, export.for_path(path).open)
        write(path)
        living.add(page())
        living.finish(Report())
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == sorted([*others, path.name])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/out.json", "no folder {tmp_path}/missing"),
        (".", "it is a directory"),
        ("a\0b", "null"),
    ],
    ids=["no folder", "directory", "nul"],
)
def test_what_cannot_be_written_is_known_at_once(tmp_path, name, sentence):
    outputs = Outputs()
    with pytest.raises(OutputError, match=sentence.format(tmp_path=tmp_path)):
        outputs.open(f"{tmp_path}/{name}", export.for_name("json").open)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path):
    path = tmp_path / "out.json"
    path.touch(mode=0o444)
    with pytest.raises(OutputError, match="permission denied"):
        write(path)


@pytest.mark.parametrize("again", ["a.json", "./a.json", "link.json"])
def test_one_file_for_two_results_is_an_error(tmp_path, again):
    (tmp_path / "link.json").symlink_to("a.json")
    with Outputs() as outputs:
        outputs.open(f"{tmp_path}/a.json", export.for_name("json").open)
        with pytest.raises(OutputError, match="given twice"):
            outputs.open(f"{tmp_path}/{again}", export.for_name("json").open)


def test_several_results_are_written_together(tmp_path):
    names = ["a.json", "b.jsonl", "c.csv", "d.txt"]
    with Outputs() as outputs:
        for name in names:
            outputs.open(tmp_path / name, export.for_path(name).open)
        outputs.add(page())
        outputs.finish(Report())
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    assert all(each.stat().st_size for each in tmp_path.iterdir())


def test_an_exporter_with_its_own_stream_can_be_used(tmp_path):
    seen = []

    class Spy:
        def add(self, page, findings):
            seen.append(page.url)

        def flush(self):
            seen.append("flush")

        def finish(self, report):
            seen.append("finish")

    with Outputs() as outputs:
        outputs.use(Spy())
        outputs.add(page("u"))
        outputs.flush()
        outputs.finish(Report())
    assert seen == ["u", "flush", "finish"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_full_disk_costs_one_result_and_not_the_others(tmp_path):
    other = tmp_path / "b.jsonl"
    with Outputs() as outputs:
        outputs.open("/dev/full", export.for_name("jsonl").open)
        outputs.open(other, export.for_name("jsonl").open)
        outputs.add(page())
        with pytest.raises(OutputError, match="cannot write /dev/full: no space left"):
            outputs.flush()
        outputs.add(page())
        outputs.finish(Report())
    assert other.read_text().count("\n") == 2


def test_a_full_disk_at_the_end_is_told_and_others_are_finished(tmp_path):
    with Outputs() as outputs:
        outputs.open("/dev/full", export.for_name("json").open)
        outputs.open(tmp_path / "b.json", export.for_name("json").open)
        outputs.add(page())
        with pytest.raises(OutputError, match="no space left"):
            outputs.finish(Report())
    assert (tmp_path / "b.json").exists()


def test_standard_output_is_written_and_stays_open(capfdbinary):
    write("-")
    write("/dev/stdout")
    write("/dev/fd/1")
    assert capfdbinary.readouterr().out.count(b"\n") == 3


def test_what_stands_in_for_standard_output_is_written_too(monkeypatch):
    stand_in = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", stand_in)
    write("-")
    assert stand_in.buffer.getvalue().endswith(b"}\n")


def test_a_closed_standard_output_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="cannot write standard output: it is closed"):
        write("-")


def test_appending_to_what_stdout_leads_to_keeps_what_was_there(tmp_path):
    """`fetcher -o /dev/stdout >> log` appends."""
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as log:
        write(f"/dev/fd/{log.fileno()}")
    assert path.read_text().startswith("before\n{")


def test_a_device_is_written_in_place():
    before = os.stat("/dev/null")  # noqa: PTH116
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116
    assert os.stat("/dev/null").st_ino == before.st_ino  # noqa: PTH116


def test_a_pipe_with_a_name_is_written_in_place(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write(path)
    reader.join(5)
    assert read[0].endswith(b"}\n")
    assert path.is_fifo()


def test_a_reader_of_the_report_who_has_enough_costs_no_file(tmp_path):
    """`fetcher urls.txt -o pages.json | head -1` still writes its file."""
    reading, writing = os.pipe()
    os.close(reading)
    stdout = os.fdopen(writing, "w", encoding="utf-8")
    with Outputs() as outputs:
        outputs.use(for_terminal(stdout))
        outputs.open(tmp_path / "pages.json", export.for_name("json").open)
        with pytest.raises(BrokenPipeError):
            outputs.finish(Report())
    assert (tmp_path / "pages.json").exists()
    with suppress(BrokenPipeError):
        stdout.close()


def test_a_reader_who_has_enough_is_a_broken_pipe():
    """`fetcher -f jsonl | head -1`: BrokenPipeError, for the command to end quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with Outputs() as outputs:
        outputs.open(f"/dev/fd/{writing}", export.for_name("jsonl").open)
        outputs.add(page())
        with pytest.raises(BrokenPipeError):
            outputs.flush()
        outputs.finish(Report())
    os.close(writing)
