"""The targets of `python -m tests.fuzz`, a little of each; and the program itself."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fetcher.urls import BadUrl, join, parse
from tests.fuzz.__main__ import ROOT, main
from tests.fuzz.harness import attempt, case_number
from tests.fuzz.pages import HOSTILE, MANUAL, is_real, real_pages
from tests.fuzz.sitemaps import watch
from tests.fuzz.targets import MODULES, find
from tests.fuzz.whatwg import BASE, REFUSED, TABLE, UNKNOWN, place_of

CASES_OF_EACH = 25


def cases(name: str) -> st.SearchStrategy[bytes]:
    """Return words of a target in any order, with any bytes between them."""
    words = st.sampled_from(find(name).words) | st.binary(max_size=4)
    return st.lists(words, max_size=12).map(b"".join)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_nothing_that_strangers_write_is_more_than_an_answer(name):
    """No exception, no second of work and no broken promise, for words in any order."""
    target = find(name)

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=CASES_OF_EACH,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(name))
    def holds(case):
        finding = attempt(target, case).finding
        assert finding is None, finding

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_first_cases_of_each_target_have_no_finding(name):
    """What the program would say after a second or so."""
    target = find(name)
    for number in range(CASES_OF_EACH):
        finding = attempt(target, case_number(target, 0, number)).finding
        assert finding is None, (number, finding)


def test_a_case_is_the_same_whenever_it_is_made():
    """A number and a seed are enough to see a finding again."""
    for name in MODULES:
        target = find(name)
        assert case_number(target, 7, 3) == case_number(target, 7, 3)
        made = {case_number(target, 7, number) for number in range(8)}
        assert len(made) > 4, f"{name} makes the same again and again"


# The table.


@pytest.mark.parametrize(("reference", "url"), TABLE)
def test_a_reference_leads_where_a_browser_would_go(reference, url):
    """By the URL standard's algorithm, to one host; or nowhere, then it is refused."""
    joined = join(BASE, reference)
    if url is not None:
        assert joined == url
        return
    assert joined == reference, "what cannot be resolved comes as it was written"
    with pytest.raises(BadUrl):
        parse(joined)


def test_the_second_reading_of_the_standard_agrees_with_the_table():
    """What judges the fuzzed URLs is itself judged by the table, row by row."""
    page = place_of(BASE)
    judged = 0
    for reference, url in TABLE:
        found = place_of(reference, page)
        if found == UNKNOWN:
            continue
        wanted = REFUSED if url is None else place_of(url)
        assert found == wanted, (reference, url)
        judged += 1
    assert judged > 200
    assert len(TABLE) > 250


# The program.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("faulty-raises", "KeyError: faulty.py"),
        ("faulty-wrong", "wrong: faulty.py"),
        ("faulty-slow", "slow"),
        ("faulty-eats", "memory"),
        ("faulty-dies", "crash"),
    ],
)
def test_a_fault_is_found_saved_and_seen_again(name, kind, tmp_path, capsys):
    """A fuzzer that cannot fail is none: each fault is told, with its case."""
    assert main([name, "--seconds", "8", "--save", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"{kind}" in said
    [case] = [path for path in tmp_path.iterdir() if not path.suffix]
    assert case.read_bytes() == b"7"
    assert kind in case.with_suffix(".txt").read_text()
    if name != "faulty-dies":
        assert main([name, "--replay", str(case)]) == 1


@pytest.mark.slow
def test_a_target_without_findings_exits_0(tmp_path, capsys):
    """Nothing is saved, and the line has cases, cases a second and the slowest."""
    assert main(["urls", "--seconds", "5", "--save", str(tmp_path / "none")]) == 0
    said = capsys.readouterr().out
    assert "cases" in said
    assert "slowest" in said
    assert "0 findings" in said
    assert not (tmp_path / "none").exists()


def test_a_name_that_is_no_target_is_refused():
    """A mistyped target is told, and not taken for one without findings."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "pagse", "--seconds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "pagse" in ran.stderr


# What the targets look at.


def test_the_canaries_notice_who_touches_them():
    """Opening the file and connecting to the port are told, and nothing else is."""
    canary = watch()
    canary.touched()
    assert canary.touched() == ""
    canary.path.read_bytes()
    assert "the file was opened" in canary.touched()
    with socket.create_connection(("127.0.0.1", canary.port), timeout=5):
        assert "the port was connected to" in canary.touched()


def test_a_page_of_the_manual_is_known_as_it_is():
    """Unchanged pages are compared with BeautifulSoup; changed ones cannot be."""
    if not MANUAL.is_dir():
        pytest.skip(f"python3.11-doc is not installed: there is no {MANUAL}")
    assert len(real_pages()) > 300
    content = real_pages()[0].read_bytes()
    assert is_real(content)
    assert not is_real(content + b" ")


def test_hostile_pages_have_the_size_that_was_asked_for():
    """A maker that made nothing would find nothing."""
    for name, made in HOSTILE.items():
        assert 10_000 < len(made(20_000)) < 45_000, name
