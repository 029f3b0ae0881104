"""The formats of machines, through the command: files, standard output, exit code."""

from __future__ import annotations

import json

import pytest
from junitparser import JUnitXml
from prometheus_client.parser import text_string_to_metric_families

from tests.sites import GivenSite, Reply, html, in_thread
from tests.test_cli import QUICK, fetcher

pytestmark = pytest.mark.slow

FILES = ["a.junit.xml", "a.sarif", "a.md", "a.prom"]
HOME = '<title>Home</title>\n<p>\n  <a href="/lost">lost</a> <a href="/b">b</a>'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A page that is well, one without the text it should have, one that is gone."""
    folder = tmp_path_factory.mktemp("machines")
    pages = {"/": HOME, "/b": "<title>B</title>"}
    answers = {path: Reply(content=html(body)) for path, body in pages.items()}
    outputs = [part for name in FILES for part in ("-o", folder / name)]
    with in_thread(GivenSite(answers)) as site:
        wanted = ("--depth", "1", "--expect-text", "Home", "--ignore-robots")
        done = fetcher(site.url, *wanted, *QUICK, *outputs, "-f", "github")
    assert done.returncode == 1, done.stderr
    assert sorted(each.name for each in folder.iterdir()) == sorted(FILES)
    return folder, done, site.url


def test_a_file_each_says_what_came_of_the_same_run(run):
    folder, _, url = run
    suites = {suite.name: suite for suite in JUnitXml.fromfile(folder / "a.junit.xml")}
    pages = suites["fetcher"]
    assert (pages.tests, pages.failures, pages.errors) == (3, 2, 0)
    assert suites["links"].failures == 1
    text = (folder / "a.prom").read_text()
    found = {
        sample.labels["instance"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "probe_success"
    }
    assert found == {url: 1, f"{url}b": 0, f"{url}lost": 0}
    comment = (folder / "a.md").read_text()
    assert "<summary>1 expectation not met</summary>" in comment
    assert "<summary>1 broken link target</summary>" in comment


def test_the_place_of_a_link_is_where_it_stands_in_the_source(run):
    """Line 3, column 3 of the page, which an editor or GitHub can show."""
    folder, done, url = run
    (log,) = json.loads((folder / "a.sarif").read_text())["runs"]
    (link,) = [each for each in log["results"] if each["ruleId"] == "broken-link"]
    assert link["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": url},
        "region": {"startLine": 3, "startColumn": 3},
    }
    file = url.replace(":", "%3A")
    assert f"::error file={file},line=3,col=3,title=broken-link::" in done.stdout
    lines = done.stdout.splitlines()
    assert all(line.startswith("::") for line in lines), "and nothing else"
    assert lines[-1].startswith("::notice title=fetcher::3 pages: 2 ok, 1 broken")
