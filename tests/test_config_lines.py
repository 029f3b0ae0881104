"""The line of each key, which `tomllib` does not tell."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fetcher.config.lines import key_lines

TEXT = '''\
a = 1
[b] # not [x]
c = [2,
  3, # ]
  "]", {d = """
"""", e = {f = 1}}]
"q.r".s = 1979-05-27 07:32:00
g.h = \'\'\'
it''s = 1\'\'\'
[[i.j]]
u = "\\"#"
[[i.j.k]]
v = []
[[i.j]]
[i.j.'k l']
w = {}
'''
LINES = {
    ("a",): 1,
    ("b",): 2,
    ("b", "c"): 3,
    ("b", "c", 0): 3,
    ("b", "c", 1): 4,
    ("b", "c", 2): 5,
    ("b", "c", 3): 5,
    ("b", "c", 3, "d"): 5,
    ("b", "c", 3, "e"): 6,
    ("b", "c", 3, "e", "f"): 6,
    ("b", "q.r"): 7,
    ("b", "q.r", "s"): 7,
    ("b", "g"): 8,
    ("b", "g", "h"): 8,
    ("i",): 10,
    ("i", "j"): 10,
    ("i", "j", 0): 10,
    ("i", "j", 0, "u"): 11,
    ("i", "j", 0, "k"): 12,
    ("i", "j", 0, "k", 0): 12,
    ("i", "j", 0, "k", 0, "v"): 13,
    ("i", "j", 1): 14,
    ("i", "j", 1, "k l"): 15,
    ("i", "j", 1, "k l", "w"): 16,
}


def test_every_key_has_the_line_on_which_it_begins():
    """Strings over several lines, comments, lists of tables: none leads astray."""
    tomllib.loads(TEXT)
    assert key_lines(TEXT) == LINES


def test_lines_end_in_crlf_too():
    assert key_lines(TEXT.replace("\n", "\r\n")) == LINES


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "a=1", "[a]", "[[a]]"])
def test_a_text_may_end_anywhere(text):
    tomllib.loads(text)
    assert set(key_lines(text).values()) <= {1}


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
VALUES = st.recursive(
    st.one_of(st.integers(0, 9), st.booleans(), STRINGS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def written(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = (f"{quoted(key)} = {written(each)}" for key, each in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", # ]\n".join(written(each) for each in value) + "\n]"
    return str(value)


def paths_of(value: object, path: tuple[str | int, ...] = ()):
    pairs = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, each in pairs:
        yield (*path, key)
        yield from paths_of(each, (*path, key))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(VALUES, max_size=2))
def test_every_key_that_tomllib_finds_has_a_line(table, items):
    """And none that it does not find, whatever keys and values are."""
    table.pop("list", None)
    text = "\n".join(f"{quoted(key)} = {written(each)}" for key, each in table.items())
    text += "".join(f"\n[[list]]\nv = {written(each)}" for each in items)
    found = tomllib.loads(text)
    lines = key_lines(text)
    assert set(lines) == set(paths_of(found))
    for key in table:
        line = text.split("\n")[lines[(key,)] - 1]
        assert line.startswith(f"{quoted(key)} = ")
    for number, _ in enumerate(items):
        assert text.split("\n")[lines["list", number] - 1] == "[[list]]"
