"""JUnit XML: what a CI server takes for failed, wrong and left out."""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest
from junitparser import JUnitXml
from lxml import etree

from fetcher.export.junit import OTHERS, SUITES_KEPT, JUnit
from fetcher.report import Report
from fetcher.testing import make_page
from tests.export_cases import (
    A,
    bad_site,
    bad_target,
    finding,
    one_of_each,
    report_of,
    written,
)


def read(text: str) -> dict[str, JUnitXml]:
    return {suite.name: suite for suite in JUnitXml.fromstring(text.encode())}


def results(suite) -> dict[str, str]:
    """What each case came to, as the parser has it."""
    return {
        case.name: type(case.result[0]).__name__ if case.result else "Passed"
        for case in suite
    }


def test_an_unmet_expectation_is_a_failure_and_what_did_not_come_an_error():
    """As a test that fails differs from one that could not run."""
    (suite,) = read(written("junit", one_of_each())).values()
    assert results(suite) == {
        A: "Passed",
        f"{A}warned": "Passed",
        f"{A}unmet": "Failure",
        f"{A}gone": "Failure",
        f"{A}slow": "Error",
        f"{A}busy": "Error",
        f"{A}secret": "Skipped",
    }
    counts = (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert counts == (7, 2, 2, 1)


def test_a_failure_says_what_was_expected_and_where():
    (suite,) = read(written("junit", one_of_each())).values()
    (failure,) = next(case for case in suite if case.name == f"{A}unmet").result
    assert failure.type == "expect-text"
    assert failure.message.startswith("expected the text 'Open', got none")
    assert f"{A}unmet:3:7: expect-text: " in failure.text
    warned = next(case for case in suite if case.name == f"{A}warned")
    assert warned.system_out.startswith("warning: expected")


def test_groups_are_suites_in_the_order_in_which_they_come():
    pages = [
        make_page(f"{A}{name}/{n}", group=name)
        for n in range(3)
        for name in ("shop", "blog")
    ]
    stream = BytesIO()
    exporter = JUnit(stream)
    for page in pages:
        exporter.add(page, [finding(page.url)] if "blog" in page.url else ())
    exporter.finish(report_of([(page, ()) for page in pages]))
    suites = read(stream.getvalue().decode())
    assert list(suites) == ["shop", "blog"]
    assert [suite.failures for suite in suites.values()] == [0, 3]
    whole = JUnitXml.fromstring(stream.getvalue())
    assert (whole.tests, whole.failures) == (6, 3)


def test_more_groups_than_files_may_be_open_share_the_last_suite():
    stream = BytesIO()
    exporter = JUnit(stream)
    for number in range(SUITES_KEPT + 5):
        exporter.add(make_page(f"{A}{number}", group=f"group {number}"))
    exporter.finish(Report())
    suites = read(stream.getvalue().decode())
    assert len(suites) == SUITES_KEPT + 1
    assert suites[OTHERS].tests == 5


def test_bad_links_are_a_suite_of_failures_with_their_places():
    """Those that the report lists, and one case for all others."""
    suites = read(written("junit", one_of_each(), bad_site()))
    assert results(suites["links"]) == {
        f"{A}lost": "Failure",
        f"{A}gone": "Failure",
        f"{A}page#below": "Failure",
        "targets that are not listed": "Failure",
    }
    gone = next(case for case in suites["links"] if case.name == f"{A}gone")
    text = gone.result[0].text
    assert text.splitlines() == [
        f"{A}:10:5: broken-link: HTTP 404",
        f"{A}:11:5: broken-link: HTTP 404",
        "broken-link: HTTP 404; in all 5 places",
    ]


def test_good_links_are_one_case_that_passed():
    site = bad_site()
    site.broken, site.fragments, site.bad_counts = [], [], {"moved": 1, "blocked": 1}
    suites = read(written("junit", one_of_each(), site))
    assert results(suites["links"]) == {"every link leads somewhere": "Passed"}


def test_redirects_fail_where_they_were_made_errors():
    site = bad_site("error")
    site.moved.append(bad_target("older", final_url=f"{A}newer"))
    names = results(read(written("junit", [], site))["links"])
    assert names[f"{A}old"] == "Failure"


def test_a_run_without_a_page_is_a_suite_without_a_test():
    (suite,) = read(written("junit", [])).values()
    assert (suite.tests, suite.failures) == (0, 0)


@pytest.mark.slow
def test_cases_wait_on_disk_and_not_in_memory():
    """20,000 failures are 12 MB of XML, of which a quarter of a megabyte is held."""
    stream = _Sink()
    exporter = JUnit(stream)
    page = make_page(A, 404)
    tracemalloc.start()
    for _ in range(20_000):
        exporter.add(page, [finding(message="x" * 200)] * 2)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    exporter.finish(Report())
    assert stream.size > 10_000_000
    assert held < peak < 3_000_000


class _Sink:
    """Counts what is written."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, content) -> int:
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        pass


def test_the_attributes_are_those_that_the_schemas_know():
    """Of Surefire's and Jenkins' schemas; a reader that is strict refuses others."""
    root = etree.fromstring(written("junit", one_of_each(), bad_site()).encode())
    known = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "time", "timestamp", "tests", "failures", "errors"},
        "testcase": {"name", "classname", "time"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
        "skipped": {"message"},
        "system-out": set(),
    }
    known["testsuite"].add("skipped")
    for element in root.iter():
        assert set(element.attrib) <= known[element.tag], element.tag
