"""What the documents say is what the program does."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

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
    *((), ("demo",), ("completion",)),
    *(("db", "info"), ("db", "check"), ("db", "prune")),
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
