"""Each mistake in a configuration is one sentence with file, line and key."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fetcher import config
from fetcher.config.reading import MAX_BYTES
from fetcher.errors import ConfigError

# What stands in fetcher.toml, and all that is said of it, without the file's name.
WRONG = {
    "an unknown key": (
        "per_hots = 6",
        "1: per_hots: there is no such key; did you mean 'per_host'?",
    ),
    "a flag's spelling": (
        "\n# dashes\nmax-size = '1MB'",
        "3: max-size: there is no such key; did you mean 'max_size'?",
    ),
    "an unknown key with no neighbour": (
        "colour_of_the_sky = 'blue'",
        "1: colour_of_the_sky: there is no such key",
    ),
    "an unknown key deep inside": (
        "[groups.shop]\nurls = ['a.example']\n[groups.shop.expect]\nstatsu = 200",
        "4: groups.shop.expect.statsu: there is no such key; did you mean 'status'?",
    ),
    "an unknown key of a page": (
        "[[groups.shop.pages]]\nurl = 'a.example'\ntag = 'x'",
        "3: groups.shop.pages[0].tag: there is no such key; did you mean 'tags'?",
    ),
    "an expectation outside of its table": (
        "[groups.shop]\nurls = ['a.example']\nexpect_status = 200",
        "3: groups.shop.expect_status: there is no such key; did you mean"
        " 'expect.status'?",
    ),
    "an unknown table": (
        "timeout = '5s'\n[group.shop]\nurls = ['a.example']",
        "2: group: there is no such key; did you mean 'groups'?",
    ),
    "a key that a group cannot have": (
        "[groups.shop]\nurls = ['a.example']\nworkers = 3",
        "3: groups.shop.workers: there is no such key",
    ),
    "a name in quotes": (
        "[groups.'my shop']\nurls = ['a.example']\ntimeuot = '5s'",
        "3: groups.\"my shop\".timeuot: there is no such key; did you mean 'timeout'?",
    ),
    "a number as text": (
        "per_host = '6'",
        "1: per_host: a whole number is expected, got '6'",
    ),
    "a number that is too small": (
        "per_host = 0",
        "1: per_host: this is at least 1, got 0",
    ),
    "a switch as text": (
        "insecure = 'no'",
        "1: insecure: true or false is expected, got 'no'",
    ),
    "a time without its unit": (
        "timeout = 20",
        "1: timeout: a time is a text with its unit, such as '5s' or '1h30m', got 20",
    ),
    "a time in a text without its unit": (
        "timeout = '20'",
        "1: timeout: a time is a text with its unit, such as '5s' or '1h30m', got '20'",
    ),
    "a time that is none": (
        "delay = 'soon'",
        "1: delay: a duration reads 500ms, 10s, 1h30m or 7d, got 'soon'",
    ),
    "no time at all": (
        "timeout = '0s'",
        "1: timeout: a time here is at least 1ms",
    ),
    "a size that is none": (
        "max_size = 'big'",
        "1: max_size: a size reads 512, 100KB, 10MB or 1GiB, got 'big'",
    ),
    "a choice that is none": (
        "scope = 'site'",
        "1: scope: 'origin', 'host', 'domain', 'prefix' or 'all' is expected,"
        " got 'site'",
    ),
    "statuses that are none": (
        "accept = 'fine'",
        "1: accept: statuses read 200..=204,404, got 'fine'",
    ),
    "a list for a table": (
        "[[groups]]\nname = 'shop'",
        "1: groups: a table is expected, got a list",
    ),
    "a table for a list": (
        "[groups.shop]\nurls = ['a.example']\n[groups.shop.pages]\nurl = 'b.example'",
        "3: groups.shop.pages: a list is expected, got a table",
    ),
    "an item of a list": (
        "exclude = [\n  '/a',\n  '(',\n]",
        "3: exclude[1]: '(' is no regular expression: missing ), unterminated"
        " subpattern at position 0",
    ),
    "a pattern that is Python's and not RE2's": (
        "[expect]\nmatch = ['(?=a)']",
        "2: expect.match[0]: '(?=a)' is no pattern of RE2: invalid perl operator: (?=",
    ),
    "a selector that is none": (
        "[expect]\ncss = {'p[' = 1}",
        '2: expect.css."p[": invalid CSS selector "p[": expected an identifier at'
        " position 2",
    ),
    "a count that is none": (
        "[expect.css]\nh1 = 1\n'p.price' = 'some'",
        "3: expect.css.\"p.price\": a count reads 3, '1..' or '2..5', got 'some'",
    ),
    "a phase that is none": (
        "[expect]\nmax_time = {totl = '1s'}",
        "2: expect.max_time.totl: there is no such phase; there are dns, connect, tls,"
        " ttfb, transfer, total",
    ),
    "a network that is none": (
        "allow_net = ['10.0.0.1/8']",
        "1: allow_net[0]: '10.0.0.1/8' begins inside a network; is 10.0.0.0/8 meant?",
    ),
    "a URL that is none": (
        "[groups.shop]\nurls = [\n 'https://a.example/',\n 'nonsense']",
        "4: groups.shop.urls[1]: a URL begins with http:// or https://: 'nonsense'",
    ),
    "a group without pages": (
        "[groups.shop]\ntimeout = '5s'",
        "1: groups.shop: a group has pages: give it urls, list or pages",
    ),
    "a page without a URL": (
        "[[groups.shop.pages]]\nseverity = 'warn'",
        "1: groups.shop.pages[0].url: this key is missing",
    ),
    "a page in two groups": (
        "[groups.a]\nurls = ['https://a.example']\n"
        "[groups.b]\nurls = ['b.example', 'a.example/']",
        "4: groups.b.urls[1]: this page stands in groups.a already: 'a.example/'",
    ),
    "a page with two tables": (
        "[[groups.a.pages]]\nurl = 'a.example'\n[[groups.a.pages]]\nurl = 'a.example'",
        "4: groups.a.pages[1].url: this page has a table of its own already:"
        " 'a.example'",
    ),
    "opposite things": (
        "ignore_robots = true\nobey_robots = true",
        "2: obey_robots: this and ignore_robots ask for opposite things",
    ),
    "a proxy that hides what rules are about": (
        "proxy = 'http://p.example'\npublic_only = true",
        "1: public_only is about addresses, and the proxy of proxy= would connect"
        " where fetcher cannot see them: leave one of the two out, or set trust_proxy",
    ),
    "a list that is not there": (
        "[groups.shop]\nlist = 'gone.txt'",
        "2: groups.shop.list: there is no file 'gone.txt'",
    ),
    "a variable that is missing": (
        "user_agent = 'me'\nfrom = '${NOBODY}@a.example'",
        "2: from: there is no variable 'NOBODY' in the environment",
    ),
    "a variable without a name": (
        "from = '${}'",
        "1: from: '${' begins a variable's name, as in '${NAME}'; write '$${' for it",
    ),
    "a variable that does not end": (
        "from = '${HOME'",
        "1: from: '${' begins a variable's name, as in '${NAME}'; write '$${' for it",
    ),
    "a user without a password": (
        "[auth]\nuser = 'me'",
        "1: auth.password: this key is missing",
    ),
    "a secret in two parts": (
        "[headers]\nX-Token = {file = 'a', env = 'B'}",
        '2: headers.X-Token: a secret is a text, or {file = "path"}',
    ),
    "a name that no field has": (
        "[headers]\n'X Token' = 'a'",
        "2: headers.\"X Token\": 'X Token' is no name of a header field",
    ),
}


@pytest.fixture
def mistakes(tmp_path, monkeypatch):
    """Return what reads a text as fetcher.toml, and gives what is wrong with it."""
    monkeypatch.chdir(tmp_path)

    def read(text: str, **variables: str) -> list[str]:
        (tmp_path / "fetcher.toml").write_text(text)
        file = config.find()
        assert file is not None
        with pytest.raises(config.Mistakes) as caught:
            config.load(file, variables)
        return str(caught.value).splitlines()

    return read


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence_with_file_line_and_key(mistakes, case):
    text, said = WRONG[case]
    [found] = mistakes(text)
    assert found == f"fetcher.toml:{said}"


def test_there_are_at_least_thirty_wrong_configurations():
    assert len(WRONG) >= 30


def test_several_mistakes_are_all_told_by_line(mistakes):
    """Whoever mends a file does it once."""
    found = mistakes("a = 1\ntimeout = 5\n[expect]\nb = 2\nstatus = 1\n")
    assert [line.split(" ")[0] for line in found] == [
        *("fetcher.toml:1:", "fetcher.toml:2:", "fetcher.toml:4:", "fetcher.toml:5:")
    ]


def test_in_pyproject_lines_are_those_of_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'x'\n\n[tool.fetcher]\ntimeout = '5s'\nper_hots = 6\n"
    )
    file = config.find()
    assert file is not None
    with pytest.raises(config.Mistakes) as caught:
        config.load(file, {})
    assert str(caught.value).startswith("pyproject.toml:6: per_hots: there is no such")


SECRET = "hunter2-and-more"
LEAKS = {
    "a header": '[headers]\nX = "${S}\\n"',
    "a header in the file": f"[headers]\nX = '''{SECRET}\n'''",
    "a password": f"auth = {{user = 'me', password = ['{SECRET}']}}",
    "a user": "auth = {user = '${S}:x', password = 'p'}",
    "a proxy": f"proxy = 'http://me:{SECRET}@ a'",
    "a duration": "timeout = '${S}'",
    "a choice": "scope = '${S}'",
    "a pattern": "exclude = ['(${S}']",
    "a selector": "expect = {css = '${S}['}",
    "a file": "cacert = '${S}'",
    "a URL": "[groups.a]\nurls = ['${S}://']",
    "an item of a table": "[expect.css]\nh1 = '${S}'",
    "an expression": "expect = {json = ['${S}[']}",
}


@pytest.mark.parametrize("case", LEAKS)
def test_a_secret_is_repeated_by_no_mistake(mistakes, case):
    """What a variable holds, or what stands at a secret's key, is told to nobody."""
    for line in mistakes(LEAKS[case], S=SECRET):
        assert "hunter2" not in line
        assert re.match(r"fetcher\.toml:\d+: [\w.\"\[\]]+: .", line)


UNREADABLE = {
    "no TOML": (b"a = \n", "fetcher.toml:1:5: this is no TOML: invalid value"),
    "an end too soon": (
        b"a = [\n1,\n",
        "fetcher.toml:3:1: this is no TOML: invalid value",
    ),
    "a key twice": (
        b"a = 1\na = 2\n",
        "fetcher.toml:2:6: this is no TOML: cannot overwrite a value",
    ),
    "no UTF-8": (b"a = 1\nb = '\xff'\n", "fetcher.toml:2: this is not UTF-8"),
    "too large": (
        b"#" * (MAX_BYTES + 1),
        "fetcher.toml: a configuration has at most 5,000,000 bytes",
    ),
    "lists in lists": (
        b"a = " + b"[" * 100_000,
        "fetcher.toml: its lists or tables nest too deep",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_is_no_configuration_is_told_in_a_sentence(
    tmp_path, monkeypatch, case
):
    content, said = UNREADABLE[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fetcher.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.find()
    assert str(caught.value) == said


def test_what_cannot_be_opened_is_told_in_a_sentence(tmp_path, monkeypatch):
    """A directory, nothing, a file of nobody's, a pyproject.toml without our table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nname = 'fetcher'\n")
    for name, said in {
        ".": ". is a directory, not a configuration",
        "gone.toml": "there is no file gone.toml",
        "a\0b": "cannot be read",
        "pyproject.toml": "pyproject.toml: there is no table [tool.fetcher] in it",
    }.items():
        with pytest.raises(ConfigError, match=re.escape(said)):
            config.read(Path(name))
    assert config.find() is None
    if os.geteuid() != 0:  # root may read all
        (tmp_path / "fetcher.toml").touch(mode=0)
        with pytest.raises(ConfigError, match="cannot be read: permission denied"):
            config.find()


@pytest.mark.parametrize("deep", [50, 90, 150, 300, 2000])
def test_nesting_that_is_still_toml_is_told_as_any_other_mistake(mistakes, deep):
    """However deep: a sentence, and no traceback."""
    text = f"inputs = {'[' * deep}{']' * deep}\n"
    try:
        [found] = mistakes(text)
    except ConfigError as error:
        found = str(error)
    assert found in (
        "fetcher.toml:1: inputs[0]: a text is expected, got a list",
        "fetcher.toml: its lists or tables nest too deep",
    )
