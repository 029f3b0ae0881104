"""A configuration at work: `fetcher` in a folder that has one, run as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.sites import GivenSite, Reply, html, in_thread

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture
def site():
    pages = {
        "/": "<title>Front</title><p>open</p>",
        "/cart": "<title>Cart</title><p>empty</p>",
        "/up": "<title>Up</title>",
    }
    answers = {path: Reply(content=html(body)) for path, body in pages.items()}
    with in_thread(GivenSite(answers)) as server:
        yield server


@pytest.fixture
def run(tmp_path):
    """Return what runs fetcher in a folder of its own."""

    def fetcher(*arguments: object, **variables: str):
        return subprocess.run(
            [sys.executable, "-m", "fetcher", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("FETCHER_")},
                "PYTHONPATH": str(ROOT),
                "COLUMNS": "100",
                **variables,
            },
            check=False,
        )

    return fetcher


@pytest.fixture
def configured(tmp_path, site):
    """Write a fetcher.toml with two groups for the site; return its path."""
    path = tmp_path / "fetcher.toml"
    path.write_text(f"""\
workers = 2
retries = 0
format = "jsonl"
user_agent = "file/1"
headers = {{ X-All = "all", X-Both = "top" }}

[expect]
status = 200

[groups.shop]
urls = ["{site.url}"]
tags = "money"
user_agent = "shop/1"
headers = {{ X-Both = "${{TOKEN}}" }}
[groups.shop.expect]
text = ["open"]

[[groups.shop.pages]]
url = "{site.url}cart"
expect = {{ text = "full" }}
tags = "cart"

[groups.health]
urls = ["{site.url}up"]
""")
    return path


def rows_of(done):
    assert "Traceback" not in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["url"].rpartition("/")[2]: row for row in rows}


def heads_of(site):
    return {asked.target: asked.head for asked in site.record}


def test_without_input_all_groups_are_fetched_as_they_say(run, configured, site):
    """Each with its own expectations, header fields and name."""
    done = run(TOKEN="s3cret")
    rows = rows_of(done)
    assert done.returncode == 1
    assert {name: row["group"] for name, row in rows.items()} == {
        "": "shop",
        "cart": "shop",
        "up": "health",
    }
    assert [finding["rule"] for finding in rows["cart"]["findings"]] == ["expect-text"]
    assert rows[""]["findings"] == rows["up"]["findings"] == []
    heads = heads_of(site)
    assert "User-Agent: shop/1" in heads["/cart"]
    assert "X-Both: s3cret" in heads["/cart"]
    assert "X-All: all" in heads["/cart"]
    assert "User-Agent: file/1" in heads["/up"]
    assert "X-Both: top" in heads["/up"]


def test_groups_and_tags_pick(run, configured, site):
    for arguments, names in {
        ("--group", "health"): {"up"},
        ("--tag", "money"): {"", "cart"},
        ("--tag", "cart"): {"cart"},
        ("--group", "health", "--group", "shop"): {"", "cart", "up"},
    }.items():
        assert set(rows_of(run(*arguments, TOKEN="x"))) == names


def test_input_takes_the_place_of_groups_and_the_rest_holds(run, configured, site):
    """The file's format, agent and expectations: another page, in the same way."""
    done = run(f"{site.url}gone", TOKEN="x")
    assert done.returncode == 1
    [row] = rows_of(done).values()
    assert row["group"] is None
    assert [finding["rule"] for finding in row["findings"]] == ["expect-status"]
    assert "User-Agent: file/1" in heads_of(site)["/gone"]


def test_flags_go_before_variables_and_these_before_the_file(run, configured, site):
    """And before what a group says for itself."""
    variables = {"TOKEN": "x", "FETCHER_USER_AGENT": "variable/1"}
    run("--group", "shop", **variables)
    assert "User-Agent: variable/1" in heads_of(site)["/"]
    done = run(
        "-u", "flag/1", "-H", "x-both: flag", "--expect-text", "</p>", **variables
    )
    assert done.returncode == 1, "/up has no paragraph"
    rows = rows_of(done)
    assert [name for name, row in rows.items() if row["findings"]] == ["up"]
    asked = [each.head for each in site.record[-3:]]
    assert all("User-Agent: flag/1" in head for head in asked)
    assert all("x-both: flag" in head for head in asked)
    assert not any("X-Both" in head for head in asked)
    assert all("X-All: all" in head for head in asked)


def test_no_config_reads_none_and_config_names_another(run, configured, site):
    configured.rename(configured.with_name("other.toml"))
    (configured.parent / "fetcher.toml").write_text("nonsense\n")
    done = run("--no-config", f"{site.url}up", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("-c", "other.toml", "--group", "health")
    assert set(rows_of(done)) == set(), "the variable is missing"
    assert done.stderr == (
        "fetcher: other.toml:14: groups.shop.headers.X-Both: there is no variable"
        " 'TOKEN' in the environment\n"
    )
    for found in (
        run("-c", "other.toml", "--group", "health", TOKEN="x"),
        run("--group", "health", TOKEN="x", FETCHER_CONFIG="other.toml"),
    ):
        assert set(rows_of(found)) == {"up"}


def test_pyproject_holds_a_configuration_too(run, tmp_path, site):
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.fetcher]\ninputs = "{site.url}up"\nformat = "jsonl"\nworkers = 2\n'
    )
    assert set(rows_of(run())) == {"up"}


def test_paths_start_at_the_folder_of_the_file(run, tmp_path, site):
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "urls.txt").write_text(f"{site.url}up\n")
    (folder / "fetcher.toml").write_text(
        'inputs = "urls.txt"\noutput = "out.jsonl"\ndb = "runs.db"\nquiet = true\n'
    )
    done = run("-c", "there/fetcher.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((folder / "out.jsonl").read_text())["url"] == f"{site.url}up"
    assert (folder / "runs.db").exists()


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        (None, ["--group", "a"], "--group and --tag pick from a configuration: there"),
        (None, ["--depth", "1"], "Missing argument 'INPUT...'"),
        ("", [], "fetcher.toml names no page: give an INPUT"),
        ("inputs = 'a.example'", ["--group", "a"], "there is no group 'a'"),
        ("inputs = 'a.example'", ["--tag", "a", "x.example"], "leave INPUT out"),
        ("timeout = 5", [], "fetcher: fetcher.toml:1: timeout: a time is a text"),
        ("a = 1\nb = 2", ["x.example"], "fetcher: fetcher.toml:2: b: there is no such"),
        ("a =", ["x.example"], "fetcher: fetcher.toml:1:4: this is no TOML"),
        ("", ["-c", "no.toml", "a.example"], "fetcher: there is no file no.toml"),
        ("", ["-c", ".", "a.example"], "fetcher: . is a directory"),
    ],
)
def test_a_mistake_is_exit_2_before_anything_is_fetched(
    run, tmp_path, text, arguments, said
):
    if text is not None:
        (tmp_path / "fetcher.toml").write_text(text)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_variable_is_told_by_its_name(run):
    done = run("a.example", FETCHER_TIMEOUT="soon")
    assert done.returncode == 2
    assert "Invalid value for FETCHER_TIMEOUT: a duration reads" in done.stderr


def test_check_says_how_much_there_is(run, configured):
    done = run("config", "check", TOKEN="x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "fetcher.toml: 2 groups, 3 pages: well\n"
    done = run("config", "check", configured, TOKEN="x")
    assert done.stdout == f"{configured}: 2 groups, 3 pages: well\n"


def test_check_tells_every_mistake_and_is_exit_2(run, tmp_path):
    (tmp_path / "fetcher.toml").write_text("a = 1\n\nper_hots = 2\n")
    done = run("config", "check")
    assert done.returncode == 2
    assert done.stdout == (
        "fetcher.toml:1: a: there is no such key\n"
        "fetcher.toml:3: per_hots: there is no such key; did you mean 'per_host'?\n"
    )
    (tmp_path / "fetcher.toml").unlink()
    done = run("config", "check")
    assert done.returncode == 2
    assert done.stdout.startswith("there is no fetcher.toml here")


def test_show_tells_what_holds_and_where_it_comes_from(run, configured, site):
    """As TOML that says the same again, with no secret in it."""
    arguments = ["--per-host", "3", "-H", "X-Mine: me", "--expect-text", "open", "-6"]
    arguments.append("--no-redact")
    done = run(*["config", "show", *arguments], TOKEN="s3cret", FETCHER_DELAY="1m")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        "workers = 2 # fetcher.toml:1",
        "per_host = 3 # --per-host",
        'delay = "60s" # FETCHER_DELAY',
        'timeout = "20s" # default',
        "ip_version = 6 # -6",
        "redact = false # --no-redact",
        'headers = { X-All = "***", X-Both = "***", X-Mine = "***" } # --header, over'
        " fetcher.toml:5",
        'user_agent = "shop/1" # fetcher.toml:13',
        'text = ["open"] # --expect-text',
        "status = 200 # fetcher.toml:8",
        "[[groups.shop.pages]]",
        f'url = "{site.url}cart" # fetcher.toml:19',
    ):
        assert line in lines, line
    assert "s3cret" not in done.stdout
    shown = tomllib.loads(done.stdout)
    assert shown["groups"]["shop"]["pages"][0]["expect"]["text"] == ["open"]
    done = run("config", "show", "-u", "me/1", "b.example", TOKEN="s3cret")
    shown = tomllib.loads(done.stdout)
    assert shown["inputs"] == ["b.example"]
    assert "user_agent" not in shown["groups"]["shop"], "the flag holds there, too"


def test_a_plugin_prints_its_line_whatever_format_the_file_names(run, configured):
    """--nagios is a flag: what a file says to the contrary yields to it."""
    with configured.open("r+") as stream:
        text = stream.read()
        stream.seek(0)
        stream.write(f'fail_on = "new"\n{text}')
    done = run("--nagios", "--group", "health", TOKEN="x")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FETCHER OK")
    assert len(done.stdout.splitlines()) == 1


def test_schema_is_json(run):
    done = run("config", "schema")
    assert json.loads(done.stdout)["title"] == "fetcher.toml"


def test_init_writes_what_can_be_run_and_never_over_another(run, tmp_path, site):
    (tmp_path / "urls.txt").write_text(f"{site.url}up\n")
    done = run("init", site.url, "urls.txt")
    assert done.returncode == 0
    text = (tmp_path / "fetcher.toml").read_text()
    assert run("config", "check").stdout == "fetcher.toml: 1 group, 2 pages: well\n"
    assert run("--retries", "0").returncode == 0
    done = run("init")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has a configuration already" in done.stderr
    assert (tmp_path / "fetcher.toml").read_text() == text
    (tmp_path / "fetcher.toml").unlink()
    done = run("init", "gone.txt")
    assert "there is no file 'gone.txt'" in done.stderr
    assert not (tmp_path / "fetcher.toml").exists()


def test_names_of_groups_are_completed(run, configured):
    words = {"COMP_WORDS": "fetcher --group s", "COMP_CWORD": "2"}
    done = run(**words, _FETCHER_COMPLETE="bash_complete")
    assert done.stdout == "plain,shop\n"


PROGRAM = """
import sys
from fetcher.cli import main
main(sys.argv[1:])
print(*sorted({"pydantic", "tomllib"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--help"], ""),
        (["nothing.txt"], ""),
        (["config", "schema"], "pydantic"),
    ],
    ids=["help", "a list", "schema"],
)
def test_who_has_no_configuration_does_not_pay_for_one(tmp_path, arguments, loaded):
    """Neither pydantic nor a reader of TOML is imported where there is no file."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        check=True,
    )
    assert done.stderr.splitlines()[-1] == loaded
