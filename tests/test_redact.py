"""What is written hides what has the name of a secret, and leaves the rest alone."""

from __future__ import annotations

import csv
import json
from io import BytesIO, StringIO
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import crawl, export
from fetcher.graph import Place
from fetcher.models import (
    Failure,
    Finding,
    Headers,
    Hop,
    Kind,
    Severity,
    State,
    Timings,
)
from fetcher.output import Outputs
from fetcher.page import Page
from fetcher.redact import MAYBE_SECRET_NAMES, SECRET_NAMES, redacted
from fetcher.report import Report
from fetcher.shown import ShownPage
from fetcher.site_report import BadTarget, SiteReport
from fetcher.testing import make_page
from tests.servers import answer, by_path, message, redirect, serve
from tests.test_cli import QUICK, fetcher

KEY = "hunter2"
RANDOM = "AIzaSyA1b2C3d4E5f6G7h8"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://me:hunter2@a.example/b", "https://REDACTED@a.example/b"),
        ("https://hunter2@a.example/", "https://REDACTED@a.example/"),
        ("http://me:hun@ter2@a.example/", "http://REDACTED@a.example/"),
        ("http://me:hun/ter2@a.example/", "http://REDACTED@a.example/"),
        ("http://me:hun#ter2@a.example/", "http://REDACTED@a.example/"),
        (r"http:\\me:hunter2@a.example/", r"http:\\REDACTED@a.example/"),
        ("http:/me:hunter2@a.example/", "http:/REDACTED@a.example/"),
        ("https://a.example/?token=hunter2", "https://a.example/?token=REDACTED"),
        ("https://a.example/?a=1&API_key=hunter2#x", "…?a=1&API_key=REDACTED#x"),
        ("https://a.example/#access_token=hunter2&x=1", "…#access_token=REDACTED&x=1"),
        ("https://a.example/?token=hun;ter2&b=1", "…?token=REDACTED&b=1"),
        ("https://a.example/?user[password]=hunter2", "…?user[password]=REDACTED"),
        ("https://a.example/?u%5Bpassword%5D=hunter2", "…?u%5Bpassword%5D=REDACTED"),
        ("https://a.example/b;jsessionid=hunter2/c?d", "…b;jsessionid=REDACTED/c?d"),
        ("https://a.example/b;JSESSIONID=hunter2", "…b;JSESSIONID=REDACTED"),
        ("https://a.example/?PHPSESSID=hunter2", "…?PHPSESSID=REDACTED"),
        (
            "https://a.example/?X-Amz-Signature=hunter2&X-Amz-Date=2026",
            "…?X-Amz-Signature=REDACTED&X-Amz-Date=2026",
        ),
        ("https://a.example/?sv=1&sig=hunter2%3D", "…?sv=1&sig=REDACTED"),
        (f"https://a.example/?key={RANDOM}", "…?key=REDACTED"),
        (
            "https://a.example/?next=https%3A%2F%2Fb.example%2F%3Ftoken%3Dhunter2%26c&d=1",
            "…?next=https%3A%2F%2Fb.example%2F%3Ftoken%3DREDACTED%26c&d=1",
        ),
        (
            "it redirects to 'https://a.example/?token=hunter2' and ends",
            "it redirects to 'https://a.example/?token=REDACTED' and ends",
        ),
        (
            "proxy http://me:hunter2@p.example:1 failed",
            "…http://REDACTED@p.example:1 f…",
        ),
    ],
)
def test_a_secret_with_a_name_is_hidden(text, safe):
    """A user part, or the value of a known token parameter, in URLs and sentences."""
    shown_text = redacted(text)
    assert KEY not in shown_text
    assert RANDOM not in shown_text
    for part in safe.split("…"):
        assert part in shown_text
    assert "…" in safe or shown_text == safe


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/?code=DE&key=price&auth=1&s=shoes&session=3",
        "https://a.example/@me/posts?q=a@b",
        "https://a.example:8080/@me",
        "https://a.example:8080/x?mail=me@b.example",
        "https://[::1]:80/@x",
        "mailto:me@a.example?subject=Re:%20token",
        "write to me@a.example or see https://a.example/",
        "https://a.example/?tokens=3&pageToken=abc&page_token=def&signature_count=2",
        "https://a.example/token=3/secret",
        "E = mc2; a=b & token is a word",
        "data:text/plain,a@b",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    """A report whose URLs are changed without need is of no use."""
    assert redacted(text) == text


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.sampled_from(sorted(SECRET_NAMES)),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.integers(0, 2),
)
def test_the_value_of_a_secret_parameter_is_never_in_the_text(name, value, times):
    """Any name of the list, any value, encoded as often as a redirect may encode it."""
    secret = quote(f"S3cr3t{value}", safe="")
    url = f"https://a.example/?x=1&{name}={secret}&y=2"
    for _ in range(times):
        url = f"https://a.example/?next={quote(url, safe='')}"
    assert "S3cr3t" not in redacted(url)
    assert redacted(redacted(url)) == redacted(url)


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_redacted(text):
    """Nothing that a stranger writes makes it raise, and twice is as once."""
    once = redacted(text)
    assert redacted(once) == once


@pytest.mark.parametrize("name", sorted(MAYBE_SECRET_NAMES))
def test_an_ambiguous_name_is_hidden_with_a_long_random_value_only(name):
    """`code=DE` is a country, `code=` and 22 letters and digits a login."""
    assert redacted(f"https://a.example/?{name}=DE") == f"https://a.example/?{name}=DE"
    assert RANDOM not in redacted(f"https://a.example/?{name}={RANDOM}")


@pytest.mark.slow
def test_a_hostile_text_costs_no_time():
    """Text made to make patterns backtrack is read in linear time."""
    import time

    for piece in ("?token", "%3f" * 3, "a:/", "?token=a1%2", ":a@", "a:b:", "[", ";="):
        text = f"http://{piece * 40_000}"
        began_s = time.process_time()
        redacted(text + "@=")
        assert time.process_time() - began_s < 3, piece


# In every format.

SECRET_URL = f"https://me:{KEY}@a.example/b?token={KEY}&page=2"
BODY = (
    f"<title>see {SECRET_URL}</title><meta name=description content='{SECRET_URL}'>"
    f"<link rel=canonical href='{SECRET_URL}'><h1>{SECRET_URL}</h1>"
    f"<a href='/c?api_key={KEY}'>{SECRET_URL}</a><a href='https://b.example/plain?x=1'>p</a>"
    f"<img src='/i.png?sig={KEY}' alt='{SECRET_URL}'>"
)
FIELDS = [
    ("Content-Type", "text/html"),
    ("Set-Cookie", f"sid={KEY}; Path=/; HttpOnly"),
    ("Set-Cookie", f"theme={KEY}"),
    ("Set-Cookie", f"{KEY}; Path=/"),
    ("Location", SECRET_URL),
    ("Authorization", f"Bearer {KEY}"),
    ("X-Auth-Token", KEY),
    ("X-API-Key", KEY),
    ("X-Amz-Security-Token", KEY),
    ("Server", "plain"),
]


def secret_pages() -> list[Page]:
    """A page with a secret in every field that may have one, and a failed one."""
    page = make_page(url=SECRET_URL, html=BODY)
    page.headers = Headers(FIELDS)
    page.hops = (Hop(SECRET_URL, 302, None),)
    page.extract = {"where": [SECRET_URL], SECRET_URL: (SECRET_URL, 3)}
    page.timings = Timings(total_s=1.0)
    failure = Failure(Kind.BAD_URL, f"this is not a valid URL: '{SECRET_URL}'")
    return [
        page,
        Page(url=SECRET_URL, failure=failure),
        Page(url=SECRET_URL, status=404),
    ]


def secret_site() -> SiteReport:
    place = Place(SECRET_URL, 1, 2, SECRET_URL, None, "a", "href")
    bad = BadTarget(
        url=SECRET_URL, state=State.BROKEN, reason=f"at {SECRET_URL}", status=404
    )
    bad.add_place(place)
    return SiteReport(broken=[bad], bad_counts={"broken": 1}, dead_ends=[SECRET_URL])


def written(name: str, *, redact: bool = True) -> str:
    pages, report = secret_pages(), Report()
    found = Finding(
        rule="expect-final-url",
        severity=Severity.ERROR,
        url=SECRET_URL,
        message=f"expected {SECRET_URL}",
        expected=SECRET_URL,
        got=SECRET_URL,
        excerpt=SECRET_URL,
        target=SECRET_URL,
        link_text=SECRET_URL,
    )
    for page in pages:
        report.add(page, (found,))
    report.site = secret_site()
    report.finish(elapsed_s=1.0)
    stream = BytesIO()
    outputs = Outputs(redact=redact)
    outputs.use(export.for_name(name).open(stream))
    for page in pages:
        outputs.add(page, (found,))
    outputs.finish(report)
    assert report.shortfalls[0].url == SECRET_URL, "the caller's own stays"
    return stream.getvalue().decode()


@pytest.mark.parametrize("name", [each.name for each in export.FORMATS])
def test_no_format_writes_a_secret(name):
    """Wherever it stands: URL, hop, header, title, link, sentence, extract, report."""
    assert KEY not in written(name)
    if name != "sitemap":
        assert "REDACTED" in written(name)
        assert KEY in written(name, redact=False)


def test_a_row_keeps_everything_but_the_secret():
    """What is no secret is as in a row without redaction."""
    safe, whole = (
        json.loads(written("jsonl", redact=r).split("\n")[0]) for r in (1, 0)
    )
    assert safe.keys() == whole.keys()
    assert safe["url"] == "https://REDACTED@a.example/b?token=REDACTED&page=2"
    assert safe["headers"]["set-cookie"] == (
        "sid=REDACTED; Path=/; HttpOnly\ntheme=REDACTED\nREDACTED; Path=/"
    )
    assert safe["headers"]["server"] == "plain"
    links = [
        [link for link in row["links"] if "plain" in link["url"]]
        for row in (safe, whole)
    ]
    assert links[0] == links[1] != []
    assert safe["text_hash"] == whole["text_hash"]
    assert safe["timings"] == whole["timings"]
    (csv_row, *_) = csv.DictReader(StringIO(written("csv")))
    assert csv_row["url"] == safe["url"]


def test_a_sitemap_leaves_out_what_nobody_could_find():
    """A URL with REDACTED in it is no URL of the site."""
    stream = BytesIO()
    outputs = Outputs()
    outputs.use(export.for_name("sitemap").open(stream))
    for path in ("?token=hunter2", "plain"):
        outputs.add(make_page(url=f"https://a.example/{path}", html="<title>t</title>"))
    outputs.finish(Report())
    text = stream.getvalue().decode()
    assert text.count("<loc>") == 1
    assert "1 more pages are left out: their URLs hold a secret" in text
    from lxml import etree

    etree.fromstring(stream.getvalue())


def test_a_page_without_secrets_is_shown_as_it_is():
    """The same row, byte for byte, and the very same links."""
    from fetcher.export.row import to_row

    links = "".join(f"<a href='/{n}?v={n}'>{n}</a>" for n in range(200))
    page = make_page(url="https://a.example/?x=1", html=f"<h1>t</h1>{links}")
    assert to_row(ShownPage(page)) == to_row(page)
    assert ShownPage(page).facts.links is page.facts.links
    assert ShownPage(page).facts.link_count == 200
    assert ShownPage(page).headers is page.headers
    assert repr(ShownPage(page)) == repr(page)


def test_no_attribute_of_a_page_that_is_written_shows_a_secret():
    """Whatever is added to a Page, or to Facts: hidden, or named here."""
    page = ShownPage(secret_pages()[0])
    not_written = {"content", "text", "soup", "_page"}
    names = {name for name in dir(page) if not name.startswith("__")} - not_written
    assert [name for name in sorted(names) if KEY in repr(getattr(page, name))] == []
    known = {name for name in dir(page.facts) if not name.startswith("_")}
    assert {"links", "structured_data", "canonical"} <= known
    assert [each for each in known if KEY in repr(getattr(page.facts, each))] == []


def test_facts_are_not_read_for_being_hidden():
    """A format that looks at no fact costs no parsing."""
    page = make_page(html=b"<title>t</title>")
    ShownPage(page)
    assert page.facts_read is None
    assert ShownPage(page).facts.title == "t"
    assert page.facts_read == ("title",)


@pytest.mark.slow
def test_the_callback_gets_what_the_files_do_not(tmp_path):
    """crawl(redact=True): the real Page for code, the safe one for files."""
    target = f"/b?token={KEY}"
    answers = {"/": redirect(target), target: message(b"<title>t</title>")}
    pages, path = [], tmp_path / "pages.jsonl"
    with serve(by_path(answers)) as server:
        how = {"workers": 1, "retries": 0, "output": path}
        report = crawl(f"{server.url}", pages.append, **how)
        safe = path.read_text()
        crawl(f"{server.url}", redact=False, **how)
    assert pages[0].final_url.endswith(target)
    assert report.ok
    assert KEY not in safe
    assert "token=REDACTED" in safe
    assert KEY in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--redact", "--no-redact"])
def test_the_command_hides_secrets_unless_it_is_told_not_to(flag):
    """Rows on standard output, and the lines of --verbose."""
    with serve(answer()) as server:
        url = f"{server.url}?token={KEY}"
        done = fetcher(url, "-v", "-f", "jsonl", flag, *QUICK)
    assert done.returncode == 0
    for text in (done.stdout, done.stderr):
        assert (KEY in text) == (flag == "--no-redact")
        assert ("token=REDACTED" in text) == (flag == "--redact")
