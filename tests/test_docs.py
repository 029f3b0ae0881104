"""What the documents say is what the program does."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import io
import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import fetcher
from fetcher import demo
from fetcher.models import Kind, State, Timings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()


def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fetcher", *command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        env={"COLUMNS": "80", "TERMINAL_WIDTH": "80", "PATH": ""},
    )
    return done.stdout.strip()


COMMANDS = [
    *((), ("demo",), ("diff",), ("completion",)),
    *(("db", "info"), ("db", "check"), ("db", "prune")),
    *(("config", "check"), ("config", "schema"), ("config", "show"), ("init",)),
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_reference_of_the_command_is_its_help(command):
    """docs/reference/cli.md holds what --help prints, word for word."""
    assert (
        f"```text\n{help_of(*command)}\n```" in (DOCS / "reference/cli.md").read_text()
    )


def test_every_state_kind_and_time_is_explained():
    text = (DOCS / "reference/pages.md").read_text()
    for name in (*State, *Kind, *Timings._fields):
        assert f"| `{name}` |" in text


def test_every_exit_code_is_explained():
    for text in (README, (DOCS / "reference/exit-codes.md").read_text()):
        codes = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
        assert codes[:5] == ["0", "1", "2", "3", "130"]


def test_links_between_documents_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_readme_has_exactly_two_commands_to_set_up():
    lines = re.findall(r"^python3 -m venv .*", README, re.MULTILINE)
    assert len(lines) == 2
    assert lines[0].endswith("fetcher demo")
    assert lines[1].endswith("python -m pytest")


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["crawl", "pool"])
def test_the_programs_of_the_readme_run(number):
    """Run as they stand, but for the hosts: the demo's site instead of public ones."""
    programs = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(programs) == 2
    with demo.serve() as site:
        program = re.sub(r'"https://[^"]*"', f'"{site.base_url}/"', programs[number])
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(program, f"README, program {number}", "exec"), {})
    assert "Tallow Hill" in printed.getvalue()


def test_the_program_in_the_manner_of_the_tutorial_has_seven_lines():
    program = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in program.splitlines() if line.strip()]) == 7


@pytest.mark.parametrize("package", ["requests", "urllib3", "lxml"])
def test_a_version_that_mends_a_hole_names_the_advisory(package):
    """Who would lower a minimum reads why it stands there."""
    project = (ROOT / "pyproject.toml").read_text()
    comments, line = re.findall(
        rf"((?: +#.*\n)*)( +\"{package}>=.*)", project, re.MULTILINE
    )[0]
    assert re.search(r"CVE-\d{4}-\d{4,}|GHSA(-[a-z0-9]{4}){3}", comments + line)


def test_the_oldest_versions_that_are_tested_are_those_of_the_project():
    """CI installs each lower bound of pyproject.toml exactly."""
    ran = subprocess.run(
        [sys.executable, ROOT / ".ci/minimums.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ran.stdout.splitlines() == [
        each.replace(">=", "==")
        for each in wanted["dependencies"] + wanted["optional-dependencies"]["test"]
    ]


# Limits.

LIMITS = (DOCS / "reference/limits.md").read_text()
ROWS_OF_LIMITS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in LIMITS.splitlines()
    if line.startswith("| ") and not line.startswith("| limit ")
]


def value_in_the_code(place: str) -> object:
    """Return what "module.NAME", "module.Class.field" or "module.call.argument" is."""
    parts = place.split(".")
    found: object = fetcher
    for number, part in enumerate(parts):
        if inspect.isfunction(found):
            return inspect.signature(found).parameters[part].default
        if dataclasses.is_dataclass(found):
            return next(f.default for f in dataclasses.fields(found) if f.name == part)
        if not hasattr(found, part):
            found = importlib.import_module(f"fetcher.{'.'.join(parts[: number + 1])}")
        else:
            found = getattr(found, part)
    return found


def test_there_are_as_many_limits_as_there_are_rows():
    assert len(ROWS_OF_LIMITS) > 35
    assert {len(row) for row in ROWS_OF_LIMITS} == {6}


@pytest.mark.parametrize("row", ROWS_OF_LIMITS, ids=lambda row: row[0])
def test_every_limit_is_what_the_table_says(row):
    """Its default is the code's, its flag and kind exist, and a test holds it."""
    _, default, flag, place, said, test = row
    if place:
        assert float(default.replace(",", "")) == value_in_the_code(place.strip("`"))
    if flag:
        assert f" {flag.strip('`')} " in (DOCS / "reference/cli.md").read_text()
    known = {*Kind, "capped", "links", "markup", "structured_data", "values", "others"}
    assert set(re.findall(r"`([^`]+)`", said)) <= {*known, "unlisted"}
    path, name = test.strip("`").split("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text()
