"""The formats: valid whatever a page holds, and fit for who reads them."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fetcher import export
from fetcher.cli.flags import STDOUT_FORMATS
from fetcher.errors import ConfigError
from fetcher.export.csv import COLUMNS
from fetcher.export.escape import defused, json_safe, printable
from fetcher.export.row import plain, to_row
from fetcher.export.text import TextReport, for_terminal
from fetcher.models import (
    Certificate,
    Facts,
    Failure,
    Finding,
    Headers,
    Heading,
    Hop,
    Image,
    Kind,
    Link,
    Severity,
    State,
    Timings,
)
from fetcher.page import Page
from fetcher.report import Report
from fetcher.testing import make_page

NOW = datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
HTML = Headers([("Content-Type", "text/html; charset=utf-8")])
DOCS = Path(__file__).parent.parent / "docs" / "reference"
HOSTILE = "\x00\x1b[2J\u202e\ud800\u2028</script>é中\x7f\x9b"
CERTIFICATE = Certificate(
    subject="CN=a.example",
    issuer="CN=ca",
    names=("a.example", "b.example"),
    not_before=NOW - timedelta(days=80),
    not_after=NOW + timedelta(days=10),
    verified=True,
)


def facts(**parts):
    defaults = {
        "title": "A title",
        "description": None,
        "canonical": None,
        "language": "en",
        "robots": ("noindex", "nofollow"),
        "headings": (Heading(1, "One"), Heading(2, "Two"), Heading(1, "Three")),
        "links": (
            Link("https://a.example/b", "b", ("nofollow", "ugc"), "a", "href", 3, 5),
            Link("https://a.example/c", "", (), "style", None, 4, 1),
        ),
        "images": (Image("https://a.example/i.png", None, 9, 2),),
        "fragments": frozenset(),
        "meta_refresh": None,
        "base": "https://a.example/",
        "structured_data": (),
        "word_count": 12,
        "text_hash": "abc",
        "encoding": "utf-8",
        "encoding_source": "http",
    }
    return Facts(**{**defaults, **parts})


def page_of(known=None, **parts):
    defaults = {
        "url": "https://a.example/",
        "status": 200,
        "headers": HTML,
        "fetched_at": NOW,
    }
    page = Page(**{**defaults, **parts})
    page.facts = known
    return page


def full_page():
    return page_of(
        facts(),
        content=b"x" * 10,
        wire_bytes=5,
        hops=[Hop("http://a.example/", 301, "127.0.0.1")],
        timings=Timings(0.1, 0.2, None, None, 0.3, 0.4, 0.9),
        ip="127.0.0.1",
        http_version="1.1",
        certificate=CERTIFICATE,
        extract={"price": 3, "when": NOW, "raw": b"\xff", 1: (2, float("nan"))},
    )


def hostile_page():
    known = facts(
        title=HOSTILE,
        links=(Link(HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, HOSTILE, 1, 1),),
        images=(Image(HOSTILE, HOSTILE, 1, 1),),
    )
    headers = Headers([("X-" + HOSTILE, HOSTILE)])
    page = page_of(known, url=HOSTILE, headers=headers, status=500)
    page.extract = HOSTILE
    return page


def failed_page(**parts):
    failure = Failure(Kind.DNS, "Could not resolve host: gone.example")
    return page_of(**{"status": None, "failure": failure, **parts})


def written(name, *pages, report=None):
    stream = BytesIO()
    exporter = export.for_name(name).open(stream)
    for page in pages:
        exporter.add(page)
    exporter.finish(report or report_of(*pages))
    return stream.getvalue()


def report_of(*pages):
    report = Report(started_at=NOW)
    for page in pages:
        report.add(page)
    report.finish(elapsed_s=2.0)
    return report


# Names.


@pytest.mark.parametrize("name", [each.name for each in export.FORMATS])
def test_every_format_is_found_by_name_and_by_ending(name):
    known = export.for_name(name)
    assert known.name == name
    for ending in known.endings:
        assert export.for_path(f"out/report{ending.upper()}") is known


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("sitemap.xml", "sitemap"),
        ("out/junit.xml", "junit"),
        ("pages.JUnit.xml", "junit"),
        ("a.json", "json"),
        ("a.sarif.json", "sarif"),
        ("fetcher.prom", "prometheus"),
    ],
)
def test_the_longest_ending_that_fits_names_the_format(path, name):
    assert export.for_path(path).name == name


def test_the_command_offers_every_format():
    """Its list is its own, so that --help needs not load those that write."""
    assert {each.name for each in export.FORMATS} == set(STDOUT_FORMATS)
    assert len(export.FORMATS) == len(STDOUT_FORMATS)


def test_an_unknown_name_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"'jsnl': did you mean jsonl\?.*text, json"):
        export.for_name("jsnl")
    with pytest.raises(ConfigError, match=r"use text, json, jsonl, .* or prometheus"):
        export.for_name("xyz")


def test_an_unknown_ending_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"ending '\.cvs': did you mean \.csv\?"):
        export.for_path("out.cvs")
    with pytest.raises(ConfigError, match=r"no ending: use \.txt, .* or \.prom"):
        export.for_path("out")


def test_rich_is_imported_only_for_the_text_format():
    program = (
        "import sys; from fetcher import export, output, report;"
        "from io import BytesIO;"
        "[export.for_name(n).open(BytesIO()) for n in ('json', 'jsonl', 'csv')];"
        "assert 'rich' not in sys.modules; assert 'bs4' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# Rows.


def test_a_row_has_every_field_of_a_page_and_its_facts():
    assert json.loads(to_row(full_page())) == {
        "url": "https://a.example/",
        "final_url": "https://a.example/",
        "state": "redirected",
        "status": 200,
        "failure": None,
        "reason": None,
        "attempt": 1,
        "depth": 0,
        "group": None,
        "hops": [{"url": "http://a.example/", "status": 301, "ip": "127.0.0.1"}],
        "timings": {
            "queue_s": 0.1,
            "dns_s": 0.2,
            "connect_s": None,
            "tls_s": None,
            "ttfb_s": 0.3,
            "transfer_s": 0.4,
            "total_s": 0.9,
        },
        "ip": "127.0.0.1",
        "http_version": "1.1",
        "headers": {"content-type": "text/html; charset=utf-8"},
        "content_type": "text/html",
        "encoding": "utf-8",
        "body_bytes": 10,
        "wire_bytes": 5,
        "not_modified": False,
        "fetched_at": "2026-11-22T11:00:00Z",
        "certificate": {
            "subject": "CN=a.example",
            "issuer": "CN=ca",
            "names": ["a.example", "b.example"],
            "not_before": "2026-09-03T11:00:00Z",
            "not_after": "2026-12-02T11:00:00Z",
            "verified": True,
            "reason": None,
        },
        "title": "A title",
        "description": None,
        "canonical": None,
        "language": "en",
        "robots": ["noindex", "nofollow"],
        "h1": ["One", "Three"],
        "word_count": 12,
        "text_hash": "abc",
        "capped": [],
        "links": [
            {
                "url": "https://a.example/b",
                "text": "b",
                "rel": ["nofollow", "ugc"],
                "tag": "a",
                "attribute": "href",
                "line": 3,
                "column": 5,
            },
            {
                "url": "https://a.example/c",
                "text": "",
                "rel": [],
                "tag": "style",
                "attribute": None,
                "line": 4,
                "column": 1,
            },
        ],
        "images": [
            {"url": "https://a.example/i.png", "alt": None, "line": 9, "column": 2}
        ],
        "findings": [],
        "extract": {
            "price": 3,
            "when": "2026-11-22T11:00:00Z",
            "raw": "/w==",
            "1": [2, None],
        },
    }


def test_a_failed_page_has_the_same_row_with_its_absent_parts_null():
    row = json.loads(to_row(failed_page(extract=None)))
    expected = json.loads(to_row(full_page())).keys() - {"extract"}
    assert row.keys() == expected
    assert row["failure"] == {
        "kind": "dns",
        "message": "Could not resolve host: gone.example",
    }
    assert row["reason"] == "dns: Could not resolve host: gone.example"
    for name in ("status", "title", "links", "images", "h1", "certificate"):
        assert row[name] is None


def test_repeated_cookies_stay_apart():
    lines = [("Set-Cookie", "a=1; Expires=Mon, 1 Jan"), ("SET-COOKIE", "b=2")]
    page = page_of(headers=Headers([*lines, ("Vary", "a"), ("Vary", "b")]))
    assert json.loads(to_row(page))["headers"] == {
        "set-cookie": "a=1; Expires=Mon, 1 Jan\nb=2",
        "vary": "a, b",
    }


def test_moments_of_other_zones_are_written_in_utc():
    there = datetime(2026, 11, 22, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    assert plain([there, there.replace(tzinfo=None)]) == [
        "2026-11-22T11:00:00Z",
        "2026-11-22T12:00:00",
    ]


def test_what_is_not_plain_is_an_error():
    with pytest.raises(TypeError, match="not a plain value"):
        plain(object())


def test_more_kinds_of_links_than_are_kept_are_written_all_the_same():
    links = [Link("u", "t", (str(n),), "a", "href", n, 1) for n in range(2_500)]
    row = json.loads(to_row(page_of(facts(links=tuple(links)))))
    assert [link["rel"] for link in row["links"]] == [[str(n)] for n in range(2_500)]


# A small structural check of the few words that the schema uses.

TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "boolean": bool,
    "null": type(None),
}


def check(value, schema, where="$"):
    known = schema.get("type")
    if known is not None:
        types = tuple(
            each
            for name in ([known] if isinstance(known, str) else known)
            for each in (
                TYPES[name] if isinstance(TYPES[name], tuple) else (TYPES[name],)
            )
        )
        assert type(value) in types, where
    if "enum" in schema:
        assert value in schema["enum"], where
    if "minimum" in schema and value is not None:
        assert value >= schema["minimum"], where
    if isinstance(value, dict) and (known == "object" or "properties" in schema):
        check_object(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            check(item, schema["items"], f"{where}[{number}]")


def check_object(value, schema, where):
    assert set(schema.get("required", ())) <= value.keys(), where
    others = schema.get("additionalProperties", {})
    for name, part in value.items():
        of_name = schema.get("properties", {}).get(name, others)
        assert of_name is not False, f"{where}.{name} is not in the schema"
        check(part, of_name, f"{where}.{name}")


@pytest.mark.parametrize("make", [full_page, hostile_page, failed_page])
def test_rows_are_what_the_schema_says(make):
    schema = json.loads((DOCS / "page.schema.json").read_text())
    check(json.loads(to_row(make())), schema)
    check(json.loads(to_row(make(), [hostile_finding()])), schema)


def hostile_finding():
    return Finding(
        rule="expect-text",
        severity=Severity.ERROR,
        url=HOSTILE,
        message=f"expected {HOSTILE}",
        expected=HOSTILE,
        excerpt=HOSTILE,
        line=3,
        column=1,
    )


@pytest.mark.parametrize("name", ["text", "json", "jsonl", "csv", "sitemap"])
def test_what_a_finding_quotes_is_shown_and_not_obeyed(name):
    """It repeats what a page holds, which may be meant for a terminal or a parser."""
    page, finding = page_of(facts()), hostile_finding()
    stream = BytesIO()
    exporter = export.for_name(name).open(stream)
    report = Report(started_at=NOW)
    exporter.add(page, [finding])
    report.add(page, [finding])
    exporter.finish(report)
    text = stream.getvalue().decode()
    assert not [char for char in "\x00\x1b\u202e\x7f\x9b" if char in text]
    if name in ("json", "jsonl"):
        row = json.loads(text)
        row = row["pages"][0] if name == "json" else row
        assert row["findings"][0]["line"] == 3
        assert row["findings"][0]["got"] is None


def test_the_schema_knows_every_state_and_kind():
    properties = json.loads((DOCS / "page.schema.json").read_text())["properties"]
    assert properties["state"]["enum"] == [state.value for state in State]
    kinds = properties["failure"]["properties"]["kind"]["enum"]
    assert kinds == [kind.value for kind in Kind]


def test_the_reference_names_every_field_and_column():
    reference = (DOCS / "output.md").read_text()
    names = {*json.loads(to_row(full_page())), *COLUMNS, *report_of().to_dict()}
    assert [name for name in names if f"`{name}`" not in reference] == []


# Hostile text in JSON.


def test_hostile_text_gives_valid_json_that_shows_what_it_holds():
    row = to_row(hostile_page())
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", row.decode("utf-8"))
    known = json.loads(row)
    assert known["title"] == HOSTILE.replace("\ud800", "\ufffd")
    assert known["links"][0]["text"] == known["title"]
    assert "é中" in row.decode()


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gives_valid_json(text):
    written_text = json_safe(json.dumps(text, ensure_ascii=False))
    expected = re.sub("[\ud800-\udfff]", "\ufffd", text)
    assert json.loads(written_text.decode("utf-8")) == expected
    assert b"\n" not in written_text


# jsonl and json.


def test_jsonl_is_a_line_a_page():
    lines = written("jsonl", full_page(), hostile_page(), failed_page()).splitlines()
    assert [json.loads(line)["state"] for line in lines] == [
        *("redirected", "broken", "failed")
    ]


def test_jsonl_of_no_page_is_empty():
    assert written("jsonl") == b""


def test_a_row_is_there_as_soon_as_it_is_flushed():
    """`fetcher ... -f jsonl | head -1` gets the first row when it is there."""
    stream = BytesIO()
    exporter = export.for_name("jsonl").open(stream)
    exporter.add(full_page())
    exporter.flush()
    assert stream.getvalue().endswith(b"}\n")


class CountingStream(BytesIO):
    writes = 0

    def write(self, content):
        self.writes += 1
        return super().write(content)


@pytest.mark.slow
def test_many_rows_cost_few_writes():
    stream = CountingStream()
    exporter = export.for_name("jsonl").open(stream)
    page = full_page()
    for _ in range(5_000):
        exporter.add(page)
    exporter.finish(Report())
    assert stream.getvalue().count(b"\n") == 5_000
    assert stream.writes < 50


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_holds_pages_and_report(count):
    pages = [full_page()] * count
    known = json.loads(written("json", *pages))
    assert list(known) == ["pages", "report"]
    assert len(known["pages"]) == count
    assert known["report"]["total"] == count


def test_json_of_hostile_pages_is_valid():
    known = json.loads(written("json", hostile_page()).decode("utf-8"))
    assert known["report"]["fell_short"]["pages"][0]["kind"] == "HTTP 500"


# csv.


def rows_of(content):
    return list(csv.DictReader(StringIO(content.decode("utf-8"), newline="")))


def test_csv_tells_how_far_a_page_is_from_what_was_given_and_its_group():
    """The depth had always been 0."""
    (row,) = rows_of(written("csv", make_page(depth=3, group="shop")))
    assert (row["depth"], row["group"]) == ("3", "shop")


def test_csv_has_a_line_a_page_with_stable_columns():
    content = written("csv", full_page(), failed_page())
    first, second = rows_of(content)
    assert tuple(first) == tuple(second) == COLUMNS
    assert first["state"] == "redirected"
    assert (first["depth"], first["group"]) == ("0", "")
    assert first["h1"] == "One | Three"
    assert (first["links"], first["images_without_alt"]) == ("2", "1")
    assert first["certificate_verified"] == "true"
    assert json.loads(first["extract"])["price"] == 3
    assert second["reason"] == "dns: Could not resolve host: gone.example"
    assert second["failure_kind"] == "dns"
    assert second["links"] == ""
    assert content.count(b"\r\n") == 3


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_cell_that_a_spreadsheet_would_calculate_is_defused(start):
    known = facts(title=f'{start}HYPERLINK("http://evil.example")')
    (row,) = rows_of(written("csv", page_of(known)))
    assert row["title"].startswith("'")


def test_numbers_and_plain_texts_are_not_defused():
    assert defused("a=b") == "a=b"
    assert defused("") == ""


def test_csv_of_hostile_text_is_readable_and_harmless():
    (row,) = rows_of(written("csv", hostile_page()))
    assert row["title"].startswith(r"\x00\x1b[2J\u202e\ud800\u2028</script>é中")


def test_quotes_commas_and_lines_survive_csv():
    (row,) = rows_of(written("csv", page_of(facts(title='a "b", c; d'))))
    assert row["title"] == 'a "b", c; d'


# printable.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("日本 e\u0301 \u00a0", "日本 e\u0301 \u00a0"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert printable(text) == shown


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.text(st.characters(exclude_categories=())), st.sampled_from(["ascii", "utf-8"])
)
def test_printable_text_can_be_written_and_holds_no_controls(text, encoding):
    shown = printable(text, encoding)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode(encoding)


# text.


def screen(report, width, **options):
    """Return what a terminal of this width is given, without its colours."""
    file = StringIO()
    options = {"force_terminal": True, "color_system": None, **options}
    TextReport(Console(file=file, width=width, **options)).finish(report)
    return re.sub("\x1b\\[[0-9;]*m", "", file.getvalue())


LONG = "https://docs.example.org/" + "very/long/path/" * 12 + "the-end.html"


def mixed_report():
    pages = [
        page_of(
            url=f"https://docs.example.org/{n}",
            content=b"x" * 1_000 * n,
            timings=Timings(queue_s=0.001, ttfb_s=n / 100, total_s=n / 90),
        )
        for n in range(1, 101)
    ]
    pages += [page_of(url=f"{LONG}?{n}", status=404) for n in range(80)]
    pages += [
        failed_page(url="https://gone.example/"),
        page_of(url="https://shop.example/", status=429),
        page_of(
            url="https://soon.example/",
            certificate=CERTIFICATE,
            headers=Headers([("Content-Type", "image/png")]),
        ),
    ]
    return report_of(*pages)


@pytest.mark.parametrize("width", [40, 80, 140])
def test_no_line_is_wider_than_the_terminal(width):
    lines = screen(mixed_report(), width).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_report_says_what_matters_at_every_width(width):
    text = screen(mixed_report(), width)
    words = " ".join(text.split())
    assert words.startswith(
        "183 pages: 101 ok, 80 broken, 1 blocked, 1 failed in 2.00 s, 91.5 pages/s"
    )
    assert "82 pages fell short" in words
    assert "HTTP 404 Not Found, 80 pages" in words
    assert "dns: the host name does not resolve, 1 page" in words
    assert "Could not resolve host: gone.example" in words
    assert "too many requests" in words
    assert "and 64 more" in words
    assert "p50 p95 p99 max" in words
    assert "soon.example" in words
    assert "10 days" in words


def test_the_middle_of_a_long_url_gives_way_and_its_reason_does_not():
    failure = Failure(Kind.TIMEOUT, "nothing came within 20 s")
    lines = screen(report_of(failed_page(url=LONG, failure=failure)), 80).splitlines()
    start = next(n for n, line in enumerate(lines) if "docs.example.org" in line)
    assert "…" in lines[start + 1]
    assert lines[start + 1].endswith("the-end.html")
    assert lines[start + 2].strip() == "nothing came within 20 s"


def test_the_times_stand_in_columns():
    text = screen(mixed_report(), 80)
    lines = text.splitlines()
    start = lines.index("Times")
    assert lines[start + 1 : start + 5] == [
        "                    p50      p95      p99      max",
        "    queue       1.00 ms  1.00 ms  1.00 ms  1.00 ms",
        "    first byte   500 ms   950 ms   990 ms   1.00 s",
        "    total        556 ms   1.06 s   1.10 s   1.11 s",
    ]


def test_a_clean_run_of_one_page_is_short():
    page = page_of(content=b"x", timings=Timings(ttfb_s=0.2, total_s=0.3))
    assert screen(report_of(page), 80).splitlines() == [
        "1 page: ok in 2.00 s, 1 B",
        "",
        "Times",
        "    first byte  200 ms",
        "    total       300 ms",
    ]


def test_sections_that_would_say_nothing_are_left_out():
    text = screen(report_of(page_of(), page_of()), 80)
    for heading in ("Hosts", "Answers", "Content", "fell short", "Certificates"):
        assert heading not in text


def test_hosts_of_a_page_each_need_no_table():
    pages = [page_of(url=f"https://h{n}.example/") for n in range(30)]
    assert "30, a page each" in screen(report_of(*pages), 80)


def test_an_interrupted_run_says_so():
    report = report_of(page_of())
    report.finish(elapsed_s=1.0, unread=312, interrupted=True)
    assert "Interrupted. 312 URLs were not read." in screen(report, 80)
    report.finish(elapsed_s=1.0, unread=None)
    assert "The input was not read to its end." in screen(report, 80)


def test_remarks_name_duplicates_retries_and_compression():
    report = report_of(page_of(content=b"x" * 9_000, wire_bytes=2_000, attempt=3))
    report.count_duplicate()
    assert "2.00 kB over the wire, 1 duplicate fetched once, 2 retries" in screen(
        report, 80
    )


@pytest.mark.parametrize("options", [{"color_system": "truecolor"}, {}])
def test_hostile_text_does_not_reach_the_terminal(options):
    """Escape sequences, direction marks and rich's markup are shown, not obeyed."""
    url = "https://a.example/\x1b[2J\u202e[bold]x[/bold]"
    failure = Failure(Kind.PROTOCOL, "\x1b]0;pwn\x07[red]y[/red] :smile:")
    headers = Headers([("Content-Type", "a\x1bb/[red]c")])
    report = report_of(
        page_of(url=url, failure=failure, headers=headers, timings=Timings(total_s=1)),
        page_of(url="https://\x9bb.example/"),
    )
    file = StringIO()
    TextReport(Console(file=file, width=140, force_terminal=True, **options)).finish(
        report
    )
    without_styles = re.sub("\x1b\\[[0-9;]*m", "", file.getvalue())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", without_styles)
    assert r"\x1b[2J\u202e[bold]x[/bold]" in without_styles
    assert "[red]y[/red] :smile:" in without_styles


def test_colour_is_left_out_where_it_is_not_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    file = StringIO()
    TextReport(Console(file=file, width=80, force_terminal=True)).finish(mixed_report())
    assert not re.search("\x1b\\[[0-9;]*3[0-9]m", file.getvalue())


def test_a_pipe_gets_whole_urls_and_no_escapes():
    stream = TextIOWrapper(BytesIO(), encoding="utf-8")
    for_terminal(stream).finish(mixed_report())
    text = stream.buffer.getvalue().decode()
    assert "\x1b" not in text
    assert f"    {LONG}?0\n" in text


def test_colour_can_be_forced_and_forbidden():
    for color in (True, False):
        stream = TextIOWrapper(BytesIO(), encoding="utf-8")
        for_terminal(stream, color=color).finish(report_of(page_of()))
        assert (b"\x1b[" in stream.buffer.getvalue()) is color


def test_a_terminal_that_knows_only_ascii_gets_ascii():
    stream = TextIOWrapper(BytesIO(), encoding="ascii")
    report = mixed_report()
    report.add(page_of(url="https://例え.example/日本", status=404))
    console = Console(file=stream, width=80, force_terminal=True)
    TextReport(console).finish(report)
    assert rb"\u4f8b\u3048" in stream.buffer.getvalue()
    assert b"..." in stream.buffer.getvalue()


def test_wide_characters_keep_their_columns():
    url = "https://例え.テスト/" + "とても長い" * 30
    lines = screen(report_of(page_of(url=url, status=404)), 40).splitlines()
    from rich.cells import cell_len

    assert max(map(cell_len, lines)) <= 40


def test_the_text_file_is_utf_8_without_escapes():
    content = written("text", page_of(), failed_page()).decode("utf-8")
    assert content.startswith("2 pages: 1 ok, 1 failed")
    assert "\x1b" not in content


def test_every_kind_of_failure_has_words():
    from fetcher.export.text import KINDS_IN_WORDS

    assert set(KINDS_IN_WORDS) == {kind.value for kind in Kind}
