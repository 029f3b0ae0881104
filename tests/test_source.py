"""What is to be fetched, entry by entry."""

import os
from pathlib import Path

import pytest

from fetcher.errors import ConfigError, InputError
from fetcher.models import Kind, Request
from fetcher.page import Page
from fetcher.source import Source, count_entries, is_read_once, is_url


def everything(source: Source) -> list[Request | Page]:
    return list(iter(source.take, None))


def test_a_request_knows_its_host_its_origin_and_its_key():
    [found] = everything(Source("HTTP://Example.COM:80/a b#part"))
    assert found == Request(
        url="HTTP://Example.COM:80/a b#part",
        key="http://example.com/a%20b",
        host="example.com",
        origin="http://example.com",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://a.example/", True),
        ("ftp://a.example/", True),
        ("a.example", True),
        ("a.example/urls.txt", True),
        ("localhost:8000", True),
        ("missing.txt", False),
        ("sitemap.xml", False),
        ("no-such-list", False),
        ("./a.example", False),
    ],
)
def test_a_url_is_told_from_a_list(text, says, tmp_path, monkeypatch):
    """A mistyped list is told as missing instead of being looked up as a host."""
    monkeypatch.chdir(tmp_path)
    assert is_url(text) is says


def test_an_existing_file_is_a_list_whatever_it_looks_like(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.example").write_text("b.example\n")
    [found] = everything(Source("a.example"))
    assert found.url == "https://b.example"


def test_a_list_has_comments_blank_lines_and_bad_lines(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# c\n\na.example  # home\nftp://b/\nhttp://[::1\n")
    good, *bad = everything(Source(path, default_scheme="http"))
    assert good.url == "http://a.example"
    assert [page.failure.kind for page in bad] == [Kind.BAD_URL] * 2
    assert f"{path}, line 4: " in bad[0].failure.message
    assert f"{path}, line 5: " in bad[1].failure.message
    assert count_entries(path) == 3


def test_what_was_peeked_at_is_taken_later_and_in_order():
    source = Source([f"http://a/{n}" for n in range(5)])
    assert source.peek(3) == 3
    assert [found.url[-1] for found in everything(source)] == list("01234")
    assert source.exhausted


def test_what_is_left_can_be_counted_where_it_ends(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"http://a/{n}\n" for n in range(9)))
    for given in (path, [path], [f"http://a/{n}" for n in range(9)]):
        source = Source(given)
        source.peek(2)
        source.take()
        assert source.count_unread() == 8
    assert Source(iter([])).count_unread() is None


def test_what_is_only_counted_is_not_understood(tmp_path):
    """A bad line counts as one URL, a comment as none."""
    listed = tmp_path / "list.txt"
    listed.write_text("# no\n\na.example\nhttp://[::1\n" + "x" * 70_000 + "\n")
    assert Source(listed).count_unread() == count_entries(listed) == 3
    assert Source(listed).count_unread(at_most=3) == 3
    assert Source(listed).count_unread(at_most=2) is None


def test_an_iterable_is_not_read_ahead():
    read = []

    def urls():
        for number in range(10):
            read.append(number)
            yield f"http://a/{number}"

    source = Source(urls())
    source.take()
    assert read == [0]


@pytest.mark.parametrize("given", [7, None, object()])
def test_what_is_no_input_is_refused(given):
    with pytest.raises(ConfigError, match="a URL, a path or an iterable"):
        Source(given)


def test_a_list_that_is_not_there_is_told_before_anything_is_read(tmp_path):
    for given in ("missing.txt", tmp_path / "missing", ["http://a/", tmp_path / "x"]):
        with pytest.raises(InputError, match="there is no file"):
            Source(given)


@pytest.mark.parametrize("end", ["http://a.example/", ""])
def test_a_line_that_is_too_long_is_told_even_if_it_begins_with_blanks(tmp_path, end):
    """No line is passed over in silence but blank ones and comments."""
    path = tmp_path / "urls.txt"
    path.write_text(f"{' ' * 70_000}{end}\nhttp://b.example/\n")
    source = Source(path)
    first, second = source.take(), source.take()
    assert isinstance(first, Page)
    assert first.failure is not None
    assert first.failure.kind is Kind.BAD_URL
    assert "longer than 65,536 characters" in first.failure.message
    assert isinstance(second, Request)
    assert source.take() is None
    assert count_entries(path) == 2


def test_a_list_that_is_no_file_may_block_and_is_read_once(tmp_path):
    """`fetcher <(command)` and `fetcher fifo`: nobody may count their lines first."""
    fifo, listed = tmp_path / "fifo", tmp_path / "list.txt"
    os.mkfifo(fifo)
    listed.write_text("a.example\n")
    assert is_read_once(fifo)
    assert is_read_once(Path("-"))
    assert is_read_once(Path("/dev/null"))
    assert not is_read_once(listed)
    assert not is_read_once(tmp_path / "missing.txt")
    for given, may_block in (
        ([listed], False),
        ("/dev/null", True),
        ([listed, Path("/dev/null")], True),
    ):
        source = Source(given)
        assert source.may_block is may_block
        everything(source)  # which closes the lists
