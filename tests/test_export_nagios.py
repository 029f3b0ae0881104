"""The line of a plugin: its status, one `|`, and numbers behind it."""

from __future__ import annotations

import re

import pytest

from fetcher import cli
from fetcher.cli import codes, edge
from fetcher.export.nagios import Status, line_of, status_of, unknown
from fetcher.models import Severity
from fetcher.testing import make_failed_page, make_page
from tests.export_cases import A, bad_site, finding, one_of_each, report_of
from tests.servers import answer, serve
from tests.test_cli import QUICK, fetcher

HTML = b"<title>T</title>"
# 'label'=value[UOM];[warn];[crit];[min];[max], Monitoring Plugins Guidelines.
MEASURED = re.compile(r"[a-z_]+=-?\d+(\.\d+)?(s|B)?;;;0")


def test_all_well_is_ok():
    report = report_of([(make_page(A), ())])
    assert status_of(report) is Status.OK
    assert line_of(report).startswith("FETCHER OK: 1 page: ok in 2.50 s")


def test_a_warning_is_a_warning_and_says_where():
    warned = finding(severity=Severity.WARN, message="expected time of 1 s, got 2 s")
    report = report_of([(make_page(A), (warned,))])
    assert status_of(report) is Status.WARNING
    assert line_of(report).startswith(
        f"FETCHER WARNING: 1 expectation warned of ({A}: expected time of 1 s, got 2 s)"
    )


def test_links_to_what_moved_warn_if_they_were_asked_to():
    site = bad_site("warn")
    site.bad_counts = {"moved": 3}
    assert status_of(report_of([(make_page(A), ())], site)) is Status.WARNING
    site.redirects = "ok"
    assert status_of(report_of([(make_page(A), ())], site)) is Status.OK


def test_whatever_makes_the_command_fail_is_critical():
    for each in (
        report_of([(make_page(A, 404), ())]),
        report_of([(make_page(A), (finding(),))]),
        report_of([(make_page(A), ())], bad_site()),
    ):
        assert not each.ok
        assert status_of(each) is Status.CRITICAL


def test_a_run_that_knows_nothing_is_unknown():
    report = report_of([(make_failed_page(A), ())])
    report.interrupted = True
    assert status_of(report) is Status.UNKNOWN
    assert line_of(report).startswith("FETCHER UNKNOWN: interrupted: 1 page: failed")
    nothing = report_of([])
    assert status_of(nothing) is Status.UNKNOWN
    assert line_of(nothing).startswith("FETCHER UNKNOWN: there was no URL to fetch |")


def test_the_line_says_how_much_of_what_is_wrong():
    text, _, measured = line_of(report_of(one_of_each(), bad_site())).partition(" | ")
    assert text == (
        "FETCHER CRITICAL: 4 of 7 pages fell short (1 HTTP 404, 1 blocked HTTP 429,"
        " 1 no answer, others); 1 expectation not met"
        f" ({A}unmet: expected the text 'Open', got none in 12 characters);"
        f" 1 expectation warned of ({A}warned: expected the text 'Open', got none in 12"
        " characters); 3 broken link targets; 1 missing fragment"
    )
    values = measured.split(" ")
    assert all(MEASURED.fullmatch(each) for each in values), measured
    assert values[:5] == [
        "pages=7;;;0",
        "fell_short=4;;;0",
        "unmet=1;;;0",
        "warnings=1;;;0",
        "bad_links=4;;;0",
    ]
    assert values[5] == "time=2.500s;;;0"


def test_no_bar_and_no_line_end_comes_from_a_stranger():
    """What follows a bar would be taken for measured."""
    url = f"{A}a|b=1\nc"
    for report in (
        report_of([(make_page(url, 404), ())]),
        report_of([(make_page(url), (finding(url, message="x|y=2\r\nOK"),))]),
    ):
        line = line_of(report)
        assert line.count("|") == 1
        assert line.isprintable()
    assert unknown("a|b\n") == r"FETCHER UNKNOWN: a\x7cb\n"


def test_the_line_is_short_whatever_is_wrong():
    url = f"{A}{'x' * 5_000}"
    line = line_of(report_of([(make_page(url), (finding(url),))]))
    assert len(line) < 1_000


# The command.


def only_line(done):
    assert done.stdout.count("\n") == 1, done.stdout
    return done.stdout.rstrip("\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "arguments", "status"),
    [
        ("200 OK", (), Status.OK),
        ("200 OK", ("--warn-time-per-page", "0.000001s"), Status.WARNING),
        ("404 Not Found", (), Status.CRITICAL),
        ("200 OK", ("--expect-text", "Open"), Status.CRITICAL),
    ],
    ids=["ok", "warning", "critical", "unmet"],
)
def test_the_exit_code_is_the_status_of_the_line(head, arguments, status):
    """On the scale of plugins: 0, 1, 2, 3."""
    with serve(answer(HTML, head, "Content-Type: text/html")) as server:
        done = fetcher(server.url, "--nagios", *arguments, *QUICK)
    assert done.returncode == status
    assert only_line(done).startswith(f"FETCHER {status.name}: ")
    assert " | pages=1;;;0 " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bogus", "http://127.0.0.1:1/"), "No such option"),
        (("/nowhere/list.txt",), "there is no file /nowhere/list.txt"),
        (("-o", "/nowhere/a.csv", "http://127.0.0.1:1/"), "no folder /nowhere"),
        (("-f", "json", "http://127.0.0.1:1/"), "leave --format out"),
        ((), "Missing argument"),
        (("/dev/null",), "there was no URL to fetch"),
    ],
    ids=["option", "list", "output", "format", "nothing", "empty"],
)
def test_a_mistake_is_unknown_and_no_service_that_is_down(arguments, said):
    """2 is a mistake elsewhere, and would wake somebody here."""
    done = fetcher("--nagios", *arguments, *QUICK)
    assert done.returncode == Status.UNKNOWN
    assert only_line(done).startswith("FETCHER UNKNOWN: ")
    assert said in done.stdout


def test_a_bug_of_ours_is_unknown_and_its_traceback_is_told(monkeypatch, capsys):
    def fail(arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr(edge, "run", fail)
    assert cli.main(["--nagios"]) == Status.UNKNOWN
    captured = capsys.readouterr()
    assert captured.out == "FETCHER UNKNOWN: RuntimeError: a bug\n"
    assert "Traceback" in captured.err


@pytest.mark.slow
def test_a_secret_is_in_no_line(capsys):
    done = fetcher("http://me:hunter2@127.0.0.1:1/", "--nagios", *QUICK)
    assert "hunter2" not in done.stdout + done.stderr
    assert "REDACTED" in only_line(done)


def test_help_is_help(capsys):
    assert cli.main(["--nagios", "--help"]) == codes.ALL_WELL
    assert "Usage" in capsys.readouterr().out
