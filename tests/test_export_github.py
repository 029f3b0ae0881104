"""Annotations: one workflow command a line, and none that a stranger wrote."""

from __future__ import annotations

import re

import pytest

from fetcher.export import github
from fetcher.testing import make_page
from tests.export_cases import A, bad_site, finding, one_of_each, written

COMMAND = re.compile(r"::(\w+) ([^:]*)::(.*)")


def unescaped(text: str) -> str:
    """As the runner does: actions/runner, ActionCommand.cs."""
    for code, character in (("0D", "\r"), ("0A", "\n"), ("3A", ":"), ("2C", ",")):
        text = text.replace(f"%{code}", character)
    return text.replace("%25", "%")


def read(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Return level, properties and message of each line, read as the runner does."""
    found = []
    for line in text.splitlines():
        level, named, message = COMMAND.fullmatch(line).groups()
        pairs = (pair.partition("=") for pair in named.split(","))
        properties = {name: unescaped(value) for name, _, value in pairs}
        found.append((level, properties, unescaped(message)))
    return found


def test_each_problem_is_an_annotation_with_its_level():
    found = [
        (level, properties["title"], properties.get("file"))
        for level, properties, _ in read(written("github", one_of_each()))
    ]
    assert found == [
        ("warning", "expect-time", f"{A}warned"),
        ("error", "expect-text", f"{A}unmet"),
        ("error", "broken-page", f"{A}gone"),
        ("error", "not-fetched", f"{A}slow"),
        ("warning", "blocked-page", f"{A}busy"),
        ("warning", "skipped-page", f"{A}secret"),
        ("notice", "fetcher", None),
    ]


def test_a_bad_link_has_its_line_and_column():
    level, properties, message = read(written("github", [], bad_site()))[0]
    assert level == "error"
    wanted = {"file": A, "line": "10", "col": "5", "title": "broken-link"}
    assert properties == wanted
    assert message == f"the link leads to {A}lost, which is not there: HTTP 404"


@pytest.mark.parametrize(
    "text",
    [
        "100%25 %0A::error::x",
        "a\n::stop-commands::x",
        "a\r\n::add-mask::x",
        "##[command]x",
        "file=b,line=2::c: d, e",
    ],
)
def test_what_a_stranger_writes_is_text_and_no_command(text):
    """It comes back as it was, but for line ends, which are shown as escapes."""
    shown = text.replace("\r", r"\r").replace("\n", r"\n")
    url = f"{A}{text}"
    content = written("github", [(make_page(url), (finding(url, message=text),))])
    (level, properties, message), last = read(content)
    assert (level, message, last[0]) == ("error", shown, "notice")
    assert properties == {"file": f"{A}{shown}", "title": "expect-text"}


def test_what_is_too_much_is_counted_in_the_last_line(monkeypatch):
    monkeypatch.setattr(github, "ANNOTATIONS_MAX", 2)
    found = read(written("github", one_of_each(), bad_site()))
    levels = [level for level, _, _ in found]
    assert levels.count("error") == levels.count("warning") == 2
    assert found[-1][2].endswith("; 10 more problems have no annotation")


def test_a_good_run_is_its_verdict_alone():
    ((level, _, message),) = read(written("github", one_of_each()[:1]))
    assert level == "notice"
    assert message.startswith("1 page: ok in ")
