"""What a reader sees: no text of a stranger moves a cursor, hides or calculates."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from fetcher import cli, export
from fetcher.cli import codes
from fetcher.export.escape import printable
from fetcher.export.nagios import line_of, unknown
from fetcher.export.text import TextReport, for_terminal
from fetcher.graph import Place
from fetcher.models import (
    Certificate,
    Failure,
    Finding,
    Headers,
    Hop,
    Kind,
    Severity,
    State,
)
from fetcher.output import Outputs
from fetcher.page import Page
from fetcher.report import Report
from fetcher.site_report import (
    BadTarget,
    PageLinks,
    RobotsNote,
    SitemapReport,
    SiteReport,
)
from fetcher.testing import FETCHED_AT, make_page
from fetcher.traps import LeftOut
from tests.servers import answer, message, serve
from tests.test_cli import COMMAND, QUICK, ROOT, Terminal, fetcher

# By the Unicode database and not by the program's own list: controls, format
# characters, surrogates, line and paragraph separators. The joiners are needed, and
# the others of the second set are seen: signs before Arabic numbers, hieroglyphs.
SEEN_OR_NEEDED = {
    *("\u200c", "\u200d", *map(chr, range(0x600, 0x606)), "\u06dd", "\u070f"),
    *("\u0890", "\u0891", "\u08e2", "\U000110bd", "\U000110cd"),
    *map(chr, range(0x13430, 0x13440)),
}
DANGEROUS = frozenset(
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    and character not in SEEN_OR_NEEDED
)
OUR_STYLES = re.compile(r"\x1b\[[0-9;]*m")
STARTS = ["", "=", "+1", "-", "@", " =", '"=', "\t=", "\r=", "\n=", "\uff1d", "\uff20"]
hostile_texts = st.tuples(
    st.sampled_from(STARTS),
    st.text(st.sampled_from("=+-@\t\r\n\x1b[]()<>&'\"\\/:;#?%aé日👩"), max_size=6),
    st.text(st.sampled_from(sorted(DANGEROUS)), min_size=1, max_size=6),
).map("".join)


def dangers_of(text: str) -> set[str]:
    """Return the characters of a text on a terminal that are not only shown."""
    return DANGEROUS.intersection(OUR_STYLES.sub("", text)) - {"\n"}


def hostile_page(text: str, **parts) -> Page:
    """A page in which every field that a stranger writes is this text."""
    certificate = Certificate(
        subject=text,
        issuer=text,
        names=(text,),
        not_before=FETCHED_AT,
        not_after=FETCHED_AT,
        verified=False,
        reason=text,
    )
    page = Page(
        url=f"https://a.example/{text}",
        final_url=f"https://{text}.example/{text}",
        headers=Headers([("Content-Type", text), (text, text), ("Location", text)]),
        encoding=text,
        hops=[Hop(f"http://{text}", 301, text)],
        ip=text,
        http_version=text,
        certificate=certificate,
        extract={text: [text]},
        fetched_at=FETCHED_AT,
        **parts,
    )
    page.facts = make_page(html=b"<title>x</title>").facts
    for name in ("title", "description", "canonical", "language", "base"):
        object.__setattr__(page.facts, name, text)
    object.__setattr__(page.facts, "robots", (text,))
    return page


def hostile_pages(text: str) -> list[Page]:
    failure = Failure(Kind.PROTOCOL, text)
    return [
        hostile_page(text, status=404),
        hostile_page(text, status=None, failure=failure),
        hostile_page(text, status=200, content=b"x" * 100),
        hostile_page(text, skipped=text),
    ]


def hostile_site(text: str) -> SiteReport:
    place = Place(text, 1, 2, text, text, text, text)
    targets = []
    for state, fragment in ((State.BROKEN, None), (State.BROKEN, text)):
        bad = BadTarget(
            url=text,
            state=state,
            reason=text,
            status=404,
            final_url=text,
            fragment=fragment,
        )
        bad.add_place(place)
        targets.append(bad)
    return SiteReport(
        pages=1,
        broken=targets[:1],
        fragments=targets[1:],
        blocked=targets[:1],
        moved=targets[:1],
        bad_counts=dict.fromkeys(("broken", "fragments", "blocked", "moved"), 1),
        redirects="warn",
        worst_pages=[PageLinks(text, 3)] * 2,
        pages_with_broken=2,
        dead_ends=[text],
        traps=[LeftOut(text, text, 3, text)],
        robots=[RobotsNote(text, text, 1)],
        sitemap=SitemapReport(
            read=[text],
            problems=[text],
            orphans=[text],
            orphan_count=1,
            missing=[text],
            missing_count=1,
            bad=[(text, text)],
            bad_count=1,
        ),
    )


def hostile_report(text: str) -> Report:
    report = Report()
    for page in hostile_pages(text):
        report.add(page)
    report.site = hostile_site(text)
    report.finish(elapsed_s=1.0)
    return report


def screen(report: Report, width: int) -> str:
    file = StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, color_system="truecolor"
    )
    TextReport(console).finish(report)
    return file.getvalue()


slow_machine = settings(
    deadline=None, max_examples=60, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
@slow_machine
@given(hostile_texts, st.sampled_from([30, 80, 200]))
def test_no_character_on_the_screen_is_obeyed(text, width):
    """Whatever stands in any field of any page and of the site's report."""
    drawn = screen(hostile_report(text), width)
    assert dangers_of(drawn) == set()
    assert "\x1b]" not in drawn, "no OSC: neither title nor link (OSC 8)"


@pytest.mark.slow
def test_every_dangerous_character_in_every_field_is_only_shown():
    """All of them, by hundreds, so that no list of a report cuts one off."""
    ordered = sorted(DANGEROUS)
    for start in range(0, len(ordered), 100):
        drawn = screen(hostile_report("".join(ordered[start : start + 100])), 120)
        assert dangers_of(drawn) == set()


@pytest.mark.slow
@slow_machine
@given(hostile_texts)
def test_no_character_of_the_text_file_is_obeyed(text):
    stream = BytesIO()
    export.for_name("text").open(stream).finish(hostile_report(text))
    assert dangers_of(stream.getvalue().decode()) == set()


def test_every_dangerous_character_is_shown_as_an_escape():
    """All of Unicode, one by one: the list of the program leaves none out."""
    assert [one for one in DANGEROUS if one in printable(one)] == []
    assert [one for one in DANGEROUS if not printable(one).isascii()] == []


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "data:text/html,<script>"])
def test_a_script_is_never_a_live_link(scheme):
    """The text report makes no links at all; what a terminal finds begins with http."""
    drawn = screen(hostile_report(scheme), 100)
    assert "\x1b]8" not in drawn
    assert scheme[:10] in drawn


# Spreadsheets.


@pytest.mark.slow
@slow_machine
@given(hostile_texts)
def test_no_cell_of_csv_is_calculated(text):
    """In any column; also behind white space or a quote, and in full width."""
    stream = BytesIO()
    exporter = export.for_name("csv").open(stream)
    for page in hostile_pages(text):
        exporter.add(page)
    content = stream.getvalue().decode()
    assert dangers_of(content) <= {"\r"}
    for row in csv.DictReader(StringIO(content, newline="")):
        for column, cell in row.items():
            start = unicodedata.normalize("NFKC", cell).lstrip(" \"'")[:1]
            assert start not in tuple("=+-@") or cell.startswith("'"), column


@pytest.mark.parametrize(
    "cell",
    [
        "=1",
        "+1",
        "-1",
        "@a",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        " =1",
        "\u00a0=1",
        '"=1',
    ],
)
def test_a_formula_is_defused_wherever_it_hides(cell):
    stream = BytesIO()
    exporter = export.for_name("csv").open(stream)
    page = Page(url="https://a.example/", failure=Failure(Kind.DNS, "x"))
    page.extract = cell
    exporter.add(page)
    (row,) = csv.DictReader(StringIO(stream.getvalue().decode()))
    assert row["extract"].startswith("'")


# JSON and XML.


@pytest.mark.slow
@slow_machine
@given(hostile_texts)
def test_json_is_valid_and_a_line_is_a_line(text):
    """Also where a text is no text: lone surrogates become U+FFFD."""
    for name in ("json", "jsonl"):
        stream = BytesIO()
        outputs = Outputs()
        outputs.use(export.for_name(name).open(stream))
        pages = hostile_pages(text)
        for page in pages:
            outputs.add(page)
        outputs.finish(hostile_report(text))
        content = stream.getvalue().decode()  # valid UTF-8
        rows = json.loads(content)["pages"] if name == "json" else content.splitlines()
        assert len(rows) == len(pages)
        assert dangers_of(content) <= {"\u00ad"} | invisible_in_json()
        for row in rows:
            read = row if name == "json" else json.loads(row)
            shown = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            assert len(read["title"]) >= 1
            assert read["title"] == shown or "\ufffd" in read["title"]


def invisible_in_json() -> set[str]:
    """Format characters that JSON may hold raw: data for programs, not for a screen."""
    return {one for one in DANGEROUS if unicodedata.category(one) == "Cf"}


@pytest.mark.slow
@slow_machine
@given(hostile_texts)
def test_a_sitemap_is_well_formed_whatever_a_page_is_called(text):
    """Escaped by the library, and of URLs alone; control characters XML has none."""
    stream = BytesIO()
    exporter = export.for_name("sitemap").open(stream)
    for path in (text, f"?{text}"):
        page = make_page(url="https://a.example/", html=b"<title>x</title>")
        page.final_url = f"https://a.example/{path}"
        page.headers = Headers([*page.headers.lines, ("Last-Modified", text)])
        exporter.add(page)
    exporter.finish(Report())
    root = etree.fromstring(stream.getvalue())
    for url in root.iter("{*}loc"):
        assert url.text.startswith("https://a.example/")
        assert url.text.isascii()


# What other machines read.


def hostile_finding(text: str) -> Finding:
    """A finding in which every field is this text, at a place."""
    names = ("rule", "url", "message", "advice", "expected", "got", "excerpt", "target")
    texts = dict.fromkeys((*names, "link_text"), text)
    return Finding(severity=Severity.ERROR, line=1, column=2, **texts)


def written_for_machines(name: str, text: str) -> str:
    """Return what a format writes for hostile pages, findings and links."""
    report = hostile_report(text)
    stream = BytesIO()
    exporter = export.for_name(name).open(stream)
    for page in hostile_pages(text):
        findings = (hostile_finding(text), replace(hostile_finding(text), target=None))
        report.add(page, findings)
        exporter.add(page, findings)
    exporter.finish(report)
    return stream.getvalue().decode()


def read_junit(content: str) -> None:
    cases = list(etree.fromstring(content.encode()).iter("testcase"))
    assert len(cases) == 6, "4 pages and 2 targets"


def read_sarif(content: str) -> None:
    (run,) = json.loads(content)["runs"]
    assert len(run["results"]) == 15, "11 on pages, and 4 links"
    for result in run["results"]:
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"].isascii()
        assert "](" not in result["message"]["text"]


def read_github(content: str) -> None:
    lines = content.splitlines()
    assert len(lines) == 16, "an annotation a problem, and the verdict"
    for line in lines:
        assert re.match(r"::(error|warning|notice) [^:]*title=[^:,]*::", line), line


def read_markdown(content: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(content)
    inside = {each.type for token in tokens for each in token.children or ()}
    assert inside == {"text", "code_inline"}
    assert len(content.splitlines()) <= 60


def read_prometheus(content: str) -> None:
    families = list(text_string_to_metric_families(content))
    probes = next(each for each in families if each.name == "probe_success")
    assert len(probes.samples) == 1, "the pages have one URL"
    assert len(families) == 12, "no certificate was verified"


READERS = {
    "junit": read_junit,
    "sarif": read_sarif,
    "github": read_github,
    "markdown": read_markdown,
    "prometheus": read_prometheus,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@slow_machine
@given(hostile_texts)
def test_a_machine_reads_what_is_meant_whatever_a_page_holds(name, text):
    """Each by a reader that is not ours, and nothing in it moves a cursor."""
    content = written_for_machines(name, text)
    assert dangers_of(content) == set()
    READERS[name](content)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_every_dangerous_character_is_harmless_to_a_machine(name):
    """All of Unicode that is more than shown, and what XML has no place for."""
    ordered = [*sorted(DANGEROUS), "\ufffe", "\uffff"]
    for start in range(0, len(ordered), 100):
        content = written_for_machines(name, "".join(ordered[start : start + 100]))
        assert dangers_of(content) == set()
        READERS[name](content)


@pytest.mark.slow
@slow_machine
@given(hostile_texts)
def test_a_plugin_prints_one_line_whatever_a_page_holds(text):
    """With one bar, which no stranger has set."""
    report = hostile_report(text)
    report.add(hostile_pages(text)[2], (hostile_finding(text),))
    for line in (line_of(report), unknown(text)):
        assert dangers_of(line) == set()
        assert "\n" not in line
    assert line_of(report).count("|") == 1


# The command, on terminals.

EVIL = "\x1b]0;pwned\x07\x1b[2J\u202egpj\x9b31m"


@pytest.mark.parametrize(
    "arguments",
    [
        (f"--{EVIL}",),
        (f"/nowhere/{EVIL}.txt",),
        ("-o", f"/nowhere/{EVIL}.csv", "http://127.0.0.1:1/"),
        ("-o", f"{EVIL}", "http://127.0.0.1:1/"),
        ("--cacert", f"/{EVIL}", "http://127.0.0.1:1/"),
        ("-f", EVIL, "http://127.0.0.1:1/"),
        ("--include", f"({EVIL}", "http://127.0.0.1:1/"),
        ("-t", EVIL, "http://127.0.0.1:1/"),
        ("-H", f"@/nowhere/{EVIL}", "http://127.0.0.1:1/"),
        ("completion", EVIL),
        ("completion", "bash", EVIL),
    ],
    ids=[
        *("option", "list", "output", "ending", "path", "choice", "regex", "time"),
        *("header-file", "argument", "extra"),
    ],
)
def test_a_mistake_repeats_its_argument_without_its_controls(arguments, capsys):
    """A shell's `*` brings in names of files, which a stranger may have chosen."""
    assert cli.main(arguments) in (codes.USAGE, codes.NOT_DONE)
    captured = capsys.readouterr()
    assert "\\x1b]0;pwned" in captured.err
    assert dangers_of(captured.out + captured.err) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("http://me:hunter2@[/", "-v", "-q"), codes.FELL_SHORT),
        (("http://me:hunter2@a b/", "-v"), codes.FELL_SHORT),
        (("-H", "hunter2", "http://127.0.0.1:1/"), codes.USAGE),
        (("-H", "Authorization Bearer hunter2", "http://127.0.0.1:1/"), codes.USAGE),
        (("--max-pages", "http://me:hunter2@a/", "http://127.0.0.1:1/"), codes.USAGE),
    ],
    ids=["url", "url-space", "header", "header-two", "value"],
)
def test_a_mistake_repeats_no_secret(arguments, code, capfd):
    """Neither an error sentence nor a line of --verbose holds a password."""
    assert cli.main([*arguments, *(QUICK if code == codes.FELL_SHORT else ())]) == code
    captured = capfd.readouterr()
    assert "hunter2" not in captured.out + captured.err
    assert captured.err


@pytest.mark.slow
def test_a_header_file_is_sent_and_not_shown(tmp_path):
    """`-H @FILE` keeps a token out of the list of processes."""
    path = tmp_path / "headers"
    path.write_text("# mine\nX-Key: hunter2\n\nX-Other: b: c\n")
    with serve(answer()) as server:
        done = fetcher(server.url, "-H", f"@{path}", *QUICK)
    assert server.fields("x-key") == ["hunter2"]
    assert server.fields("x-other") == ["b: c"]
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_password_that_nobody_can_be_asked_for_is_a_sentence():
    """Without a terminal --user NAME neither waits nor takes the list's first line."""
    done = fetcher(
        "-", "--user", "bob", input="https://a.example/\n", start_new_session=True
    )
    assert done.returncode == codes.USAGE
    assert "FETCHER_USER" in done.stderr
    assert done.stderr.count("\n") == 1


HOSTILE_TITLE = b"\x1b]0;pwned\x07\x1b[2J\xe2\x80\xaegpj"


def behave(peer):
    """Answer with a reason, a field and a redirect that hold escape sequences."""
    while (head := peer.read_head()) is not None:
        fields = (f"Content-Type: text/{EVIL[:-4]}".encode().decode("latin-1"),)
        if head.startswith("GET /r "):
            fields += (f"Location: http://{EVIL[:9]}".encode().decode("latin-1"),)
            peer.send(message(HOSTILE_TITLE, "302 \x1b[2Jx", *fields))
        else:
            peer.send(message(HOSTILE_TITLE, "404 \x1b[2Jx", *fields))


@pytest.mark.slow
def test_a_terminal_is_told_nothing_by_a_server(tmp_path):
    """On a real pty: progress, --verbose and the report, of hostile answers."""
    with serve(behave) as server:
        path = tmp_path / "list.txt"
        path.write_text(
            f"{server.url}r\n{server.url}x\nhttp://\u202egpj\x9b31m/ \x1b[2J\n"
        )
        terminal = Terminal(path, "-v", *QUICK, columns=100)
        assert terminal.end() == 1
    drawn = terminal.drawn.decode()
    assert "\x1b]" not in drawn
    assert "\x1b[2J" not in drawn
    assert not set("\u202e\x9b\x07") & set(drawn)
    assert r"\x1b" in drawn


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
def test_a_screen_keeps_its_title_and_its_text(tmp_path):
    """In a real terminal emulator: the pane's title and its first line stay."""
    socket, title = f"fetcher-{tmp_path.name}", "mine"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    with serve(behave) as server:
        path = tmp_path / "list.txt"
        path.write_text(f"{server.url}r\n{server.url}x\n")
        script = tmp_path / "run.sh"
        script.write_text(
            f"printf '\\033]2;{title}\\007'; echo first line; cd {ROOT};"
            f" {' '.join(COMMAND)} {path} {' '.join(QUICK)} -v; echo ended; sleep 60\n"
        )
        start = [*tmux, "new-session", "-d", "-x", "100", "-y", "60"]
        subprocess.run([*start, f"sh {script}"], check=True, timeout=20)
        try:
            text = read_pane(tmux, "ended")
            show = [*tmux, "display-message", "-p", "#{pane_title}"]
            shown = subprocess.run(show, capture_output=True, text=True, timeout=20)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False, timeout=20)
    assert shown.stdout.strip() == title
    assert text.startswith("first line")
    assert "2 pages" in text


def read_pane(tmux: list[str], wanted: str) -> str:
    """Return what a pane shows once it shows this."""
    for _ in range(600):
        capture = [*tmux, "capture-pane", "-p"]
        text = subprocess.run(
            capture, capture_output=True, text=True, timeout=20
        ).stdout
        if wanted in text:
            return text
        time.sleep(0.05)
    raise AssertionError(text)


def test_a_stream_of_another_encoding_gets_what_it_can_hold():
    """A terminal in Latin-1 gets no byte that it would obey as C1."""
    stream = TextIOWrapper(BytesIO(), encoding="latin-1")
    for_terminal(stream, color=False).finish(hostile_report("\x9b31m\u202e日"))
    assert not re.search(b"[\x80-\x9f]", stream.buffer.getvalue())
