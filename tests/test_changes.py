"""What is told of two runs, from their records alone."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.changes import (
    DIFF_LINES_SHOWN,
    LISTED_MAX,
    Change,
    ChangeKind,
    Changes,
    Filter,
    FoundRecord,
    LinkRecord,
    PageRecord,
    Sample,
    compare,
    counted,
    unified,
)
from fetcher.export import json as json_format
from fetcher.export import markdown, nagios, text, text_changes
from fetcher.models import Certificate
from fetcher.redact import redacted_parts
from fetcher.report import Report
from fetcher.testing import make_page

ROOT = Path(__file__).parent.parent
AT = datetime(2026, 11, 22, 19, tzinfo=UTC)
URL = "https://a.example/"
GOOD = PageRecord(URL, "ok", 200, final_url=URL, title="T", text_hash="1")
DOWN = PageRecord(URL, "broken", 503, final_url=URL, reason="HTTP 503")
FAILED = PageRecord(URL, "failed", None, "dns", "dns: no such name", URL)
SKIPPED = PageRecord(URL, "skipped", None, reason="robots.txt", final_url=URL)
CERTIFICATE = Certificate(
    subject="a",
    issuer="root",
    names=("a",),
    not_before=AT,
    not_after=AT + timedelta(90),
    verified=True,
)
UNMET = FoundRecord("expect-text", "the text 'x'", "error", "expected it, got none")
LINK = LinkRecord(
    "broken-link", "https://a.example/x", "error", "404", (URL,), f"{URL}:3:1"
)


@dataclasses.dataclass
class Remembered:
    """A run in memory, answering as `Run`."""

    records: Sequence[PageRecord] = ()
    name: str = "run 1"
    started_at: datetime | None = AT
    is_whole: bool = True
    scope: object = None
    links: dict | None = None
    cut_rules: frozenset = frozenset()
    good: PageRecord | None = None
    times: Sequence[float] = ()
    sizes: Sequence[int] = ()
    texts: dict | None = None

    def pages(self):
        return iter(sorted(self.records))

    def last_good(self, url):
        return self.good

    def samples(self, url):
        if self.sizes:
            return [Sample(None, size) for size in self.sizes]
        return [Sample(time_s, 0) for time_s in self.times]

    def lines(self, page, keeps):
        return None if self.texts is None else self.texts.get(page.text_hash)


def told(before, after, **how):
    """Return the kinds and URLs of what changed from one page, or run, to another."""
    runs = [
        each if isinstance(each, Remembered) else Remembered(each)
        for each in (before, after)
    ]
    changes = compare(*runs, **how)
    return [(each.kind.value, each.url) for each in changes.listed]


def kinds(before, after):
    return [kind for kind, _ in told([before], [after])]


CASES = {
    "down": (GOOD, DOWN, ["page-broken"]),
    "no answer": (GOOD, FAILED, ["page-broken"]),
    "back": (DOWN, GOOD, ["page-fixed"]),
    "still down": (DOWN, DOWN, ["page-still-broken"]),
    "down in another way": (DOWN, FAILED, ["page-still-broken", "status"]),
    "blocked": (GOOD, GOOD._replace(state="blocked", status=429), ["page-broken"]),
    "not asked for": (GOOD, SKIPPED, []),
    "asked for again": (SKIPPED, GOOD, []),
    "down after it was not asked for": (SKIPPED, DOWN, ["page-broken"]),
    "status": (GOOD, GOOD._replace(status=203), ["status"]),
    "title": (GOOD, GOOD._replace(title="U"), ["title"]),
    "no title": (GOOD, GOOD._replace(title=None), ["title"]),
    "canonical": (GOOD, GOOD._replace(canonical="x"), ["canonical"]),
    "robots": (GOOD, GOOD._replace(robots="noindex"), ["robots"]),
    "moved": (GOOD, GOOD._replace(target="b", final_url="b"), ["redirect"]),
    "end of the chain": (
        GOOD._replace(target="b", final_url="c"),
        GOOD._replace(target="b", final_url="d"),
        ["final-url"],
    ),
    "text": (GOOD, GOOD._replace(text_hash="2"), ["text"]),
    "no html any more": (GOOD, GOOD._replace(text_hash=None, title=None), []),
    "title of an error page": (DOWN._replace(title="A"), DOWN, ["page-still-broken"]),
    "certificate": (
        GOOD._replace(certificate=CERTIFICATE),
        GOOD._replace(certificate=replace(CERTIFICATE, issuer="other")),
        ["certificate"],
    ),
    "certificate renewed": (
        GOOD._replace(certificate=CERTIFICATE),
        GOOD._replace(certificate=replace(CERTIFICATE, not_after=AT + timedelta(180))),
        ["certificate-renewed"],
    ),
    "certificate that ends sooner": (
        GOOD._replace(certificate=CERTIFICATE),
        GOOD._replace(certificate=replace(CERTIFICATE, not_after=AT + timedelta(10))),
        ["certificate"],
    ),
    "finding": (GOOD, GOOD._replace(findings=(UNMET,)), ["finding-new"]),
    "finding met": (GOOD._replace(findings=(UNMET,)), GOOD, ["finding-fixed"]),
    "finding still": (
        GOOD._replace(findings=(UNMET,)),
        GOOD._replace(findings=(UNMET._replace(message="expected it, got 2"),)),
        ["finding-still-there"],
    ),
    "finding not looked at": (
        GOOD._replace(findings=(UNMET,)),
        GOOD._replace(findings=(UNMET._replace(rule="expect-status", expected="s"),)),
        ["finding-new"],
    ),
    "finding of a page that is down": (
        GOOD._replace(findings=(UNMET,)),
        DOWN._replace(findings=(UNMET._replace(rule="expect-status"),)),
        ["page-broken"],
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES)
def test_what_a_page_was_and_is_makes_the_change(before, after, expected):
    """Of each way in which a page can change exactly that is told."""
    assert kinds(before, after) == expected


def test_pages_that_came_and_went_are_new_and_gone():
    """A page of one run alone is new, or gone."""
    other = GOOD._replace(url="https://b.example/")
    assert told([GOOD], [GOOD, other]) == [("page-new", other.url)]
    assert told([GOOD, other], [GOOD]) == [("page-gone", other.url)]


def test_a_new_page_that_is_down_is_trouble():
    """What was not there and does not come is both new and down."""
    changes = compare(Remembered([]), Remembered([DOWN]))
    assert [each.kind.value for each in changes.listed] == ["page-new", "page-broken"]
    assert changes.has_new_trouble


@pytest.mark.parametrize("cut", ["before", "after", "scope"])
def test_a_run_that_was_cut_short_makes_nothing_new_or_gone(cut):
    """What a run did not come to is not gone, and not new in the next one."""
    one, two = GOOD, GOOD._replace(url="https://b.example/")
    before, after = Remembered([one]), Remembered([two])
    if cut == "scope":
        before.scope, after.scope = 1, 2
    else:
        {"before": before, "after": after}[cut].is_whole = False
    changes = compare(before, after)
    assert {each.kind.value for each in changes.listed} == {
        "before": {"page-gone"},
        "after": {"page-new"},
        "scope": set(),
    }[cut]
    assert len(changes.remarks) == 1


def test_an_error_page_is_never_what_a_text_is_compared_with():
    """However long a page was down: its text is compared with the last good one."""
    before = Remembered([DOWN], good=GOOD, texts={"1": ["a"]})
    after = Remembered([GOOD._replace(text_hash="2", title="U")], texts={"2": ["b"]})
    changes = compare(before, after)
    assert [each.kind.value for each in changes.listed] == [
        "page-fixed",
        "title",
        "text",
    ]
    assert changes.of(ChangeKind.TEXT)[0].diff == ("@@ -1 +1 @@", "-a", "+b")
    same = Remembered([GOOD])
    assert [each.kind.value for each in compare(before, same).listed] == ["page-fixed"]


def slow(times, now_s, was_s=None):
    before = Remembered([GOOD._replace(time_s=was_s or times[0])], times=times)
    return [kind for kind, _ in told(before, Remembered([GOOD._replace(time_s=now_s)]))]


def test_a_page_is_slower_only_beyond_what_is_usual_for_it():
    """Twice as slow and 0.1 s more, and an outlier among the times it took before."""
    assert slow([0.2] * 4, 0.5) == ["slower"]
    assert slow([0.2] * 4, 0.39) == []  # not twice
    assert slow([0.01] * 4, 0.1) == []  # not 0.1 s
    assert slow([0.2, 0.2], 5.0) == []  # too few runs
    assert slow([0.2, 0.9, 0.3, 1.2, 0.5], 1.4) == []  # it does that


def test_a_slow_run_is_told_once_and_so_is_the_next_normal_one():
    """Slower, still so (nothing), as usual again, and nothing more."""
    times = [0.2] * 5
    assert slow(times, 2.0) == ["slower"]
    assert slow([2.0, *times], 2.1) == []
    assert slow([2.0, *times], 0.2) == ["speed-as-usual"]
    assert slow([0.2, 2.0, *times], 0.2) == []
    assert slow([2.0] * 6 + times, 2.0) == []  # that is what is usual now


def sized(sizes, now):
    before = Remembered([GOOD._replace(body_bytes=sizes[0])], sizes=sizes)
    return [
        kind for kind, _ in told(before, Remembered([GOOD._replace(body_bytes=now)]))
    ]


def test_a_size_is_told_once_when_it_leaves_what_is_usual_and_when_it_returns():
    """Half as much again, or less, and 1,000 bytes: told with the first earlier run."""
    assert sized([10_000], 16_000) == ["size"]
    assert sized([10_000], 4_000) == ["size"]
    assert sized([10_000], 14_000) == []
    assert sized([100], 900) == []
    assert sized([16_000, 10_000, 10_000], 16_000) == []
    assert sized([16_000, 10_000, 10_000], 10_000) == ["size-as-usual"]


def test_a_certificate_is_told_once_for_its_host():
    """10,000 pages of a host whose certificate was renewed are one change."""
    newer = replace(CERTIFICATE, not_after=AT + timedelta(180))
    urls = [f"https://a.example/{number}" for number in range(3)]
    before = [GOOD._replace(url=url, certificate=CERTIFICATE) for url in urls]
    after = [GOOD._replace(url=url, certificate=newer) for url in urls]
    assert told(before, after) == [("certificate-renewed", "a.example")]


def linked(before, after, **how):
    parts = {"records": [GOOD], **how.pop("both", {})}
    runs = [Remembered(links=each, **parts) for each in (before, after)]
    for name, value in how.items():
        setattr(runs[1], name, value)
    return [kind for kind, _ in told(*runs)]


def test_links_are_broken_fixed_and_still_broken():
    """A target is known again by its URL, wherever links to it stand."""
    bad = {("broken-link", LINK.target): LINK}
    assert linked({}, bad) == ["link-broken"]
    assert linked(bad, {}) == ["link-fixed"]
    assert linked(bad, bad) == ["link-still-broken"]
    assert linked(None, bad) == linked(bad, None) == []
    assert linked(bad, {}, records=[DOWN]) == ["page-broken"]  # no page said so
    assert linked(bad, {}, is_whole=False) == []
    cut = frozenset({"broken-link"})
    assert linked({}, bad, both={"cut_rules": cut}) == []
    assert linked(bad, {}, cut_rules=cut) == []


def test_new_trouble_is_what_is_wrong_and_was_not():
    """Changes alone, warnings and what was wrong before are no new trouble."""

    def trouble(before, after):
        return compare(Remembered([before]), Remembered([after])).has_new_trouble

    warning = UNMET._replace(severity="warn")
    assert trouble(GOOD, DOWN)
    assert trouble(GOOD, GOOD._replace(findings=(UNMET,)))
    assert not trouble(GOOD, GOOD._replace(findings=(warning,)))
    assert not trouble(DOWN, DOWN)
    assert not trouble(GOOD, GOOD._replace(title="U", text_hash="2"))


def test_lists_are_cut_and_counts_are_not():
    """Of a million changes 500 of each kind are held, and all are counted."""
    pages = [GOOD._replace(url=f"{URL}{n:05}") for n in range(LISTED_MAX + 7)]
    changes = compare(Remembered(pages), Remembered([]))
    assert changes.counts == {ChangeKind.PAGE_GONE: LISTED_MAX + 7}
    assert len(changes.listed) == LISTED_MAX
    assert changes.to_dict()["unlisted"] == 7


def test_a_filter_decides_whether_a_text_changed():
    """Where all that differs is left out, nothing changed."""
    before = Remembered([GOOD], texts={"1": ["same"]})
    after = Remembered([GOOD._replace(text_hash="2")], texts={"2": ["same"]})
    assert told(before, after, keeps=lambda _: Filter(ignore=("x",))) == []
    assert told(before, after) == [("text", URL)]


def test_pages_out_of_order_are_refused():
    """A merge of what is not in order would tell nonsense."""
    before = Remembered([])
    before.pages = lambda: iter([GOOD, GOOD])
    with pytest.raises(ValueError, match="does not come after"):
        compare(before, Remembered([]))


# Texts.


def test_a_diff_is_unified_and_numbered_as_diff_does():
    """What both begin and end with alike is not in it; numbers are of the text."""
    was = [f"line {n}" for n in range(1, 1_001)]
    now = [*was[:600], "new", *was[601:]]
    assert unified(was, now) == (
        ("@@ -600,3 +600,3 @@", " line 600", "-line 601", "+new", " line 602"),
        0,
    )
    assert unified([], ["a"]) == (("@@ -0,0 +1 @@", "+a"), 0)
    assert unified(["a"], []) == (("@@ -1 +0,0 @@", "-a"), 0)


def test_a_diff_of_hostile_texts_takes_little_time_and_room():
    """20,000 lines that differ everywhere are compared as far as 500, and said so."""
    began_s = time.process_time()
    was = [f"{n % 7} {n * 7919 % 400}" for n in range(20_000)]
    diff, left_out = unified(was, was[::-1])
    assert len(diff) == DIFF_LINES_SHOWN
    assert left_out > 19_000
    assert time.process_time() - began_s < 5


HOSTILE = "\x1b[2J\u202e<script>`|[x](javascript:1)"


def hostile_changes(kinds=tuple(ChangeKind)):
    changes = Changes(since=f"run {HOSTILE}", since_at=AT)
    for kind in kinds:
        url = f"https://user:secret@a.example/?token=abc&x={HOSTILE}"
        diff = (f"+{HOSTILE}",) if kind is ChangeKind.TEXT else ()
        changes.add(Change(kind, url, HOSTILE, HOSTILE, HOSTILE, diff, 3))
    changes.remarks.append(HOSTILE)
    return changes


def as_text(changes):
    stream = StringIO()
    text_changes.show(changes, stream)
    return stream.getvalue()


def reported(changes):
    report = Report(started_at=AT)
    report.add(make_page())
    report.finish(elapsed_s=1.0)
    report.changes = changes
    return report.redacted()


def written(exporter, report):
    stream = BytesIO()
    exporter(stream).finish(report)
    return stream.getvalue().decode()


WAYS = {
    "json": lambda report: written(json_format.open_exporter, report),
    "text": lambda report: written(text.open_exporter, report),
    "markdown": lambda report: written(markdown.open_exporter, report),
    "nagios": nagios.line_of,
    "diff": lambda report: as_text(report.changes),
    "diff in markdown": lambda report: markdown.of_changes(report.changes).decode(),
}


STILL = [kind for kind in ChangeKind if not kind.is_news]


@pytest.mark.parametrize("kinds", [tuple(ChangeKind), STILL], ids=["all", "no news"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_hostile_texts_and_secrets_do_not_reach_a_terminal(way, kinds):
    """Titles, texts and URLs of strangers are shown, never obeyed; secrets hidden."""
    shown = way(reported(hostile_changes(kinds)))
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "secret" not in shown
    assert "abc" not in shown


def test_the_comment_in_ci_stays_within_its_lines():
    """Changes take of the 60 lines what others leave."""
    changes = Changes(since="run 1", since_at=AT)
    for number in range(400):
        changes.add(Change(ChangeKind.TITLE, f"{URL}{number}", "a", "b"))
    for way in ("markdown", "diff in markdown"):
        shown = WAYS[way](reported(changes))
        assert len(shown.splitlines()) <= markdown.LINES_MAX
        assert "400 changes" in shown
        assert "more" in shown


def test_a_report_says_that_nothing_changed_and_what_is_still_down():
    """The line for who looks every morning."""
    changes = compare(Remembered([DOWN]), Remembered([DOWN]))
    assert not changes.has_news
    assert str(changes) == "nothing changed (1 page is still down)"
    shown = WAYS["text"](reported(changes))
    assert (
        "Nothing changed since run 1, 2026-11-22 19:00 UTC\n  1 page is still" in shown
    )


def test_a_report_tells_news_in_words():
    """What went down stands in full, with why."""
    shown = as_text(compare(Remembered([GOOD]), Remembered([DOWN])))
    assert shown == (
        "What changed since run 1, 2026-11-22 19:00 UTC\n"
        f"  1 page is down that was not\n    {URL}\n      HTTP 503\n"
    )


def test_every_kind_has_words_and_all_can_be_written_as_json():
    """A closed set: none is without a sentence, and each is plain in JSON."""
    changes = hostile_changes()
    for kind in ChangeKind:
        assert counted(kind, 1).startswith("1 ")
        assert counted(kind, 2_000).startswith("2,000 ")
    plain = json.loads(json.dumps(redacted_parts(changes).to_dict()))
    assert [each["kind"] for each in plain["list"]] == list(ChangeKind)


# Properties.

RECORDS = st.builds(
    PageRecord,
    url=st.integers(0, 9).map(lambda number: f"https://a.example/{number}"),
    state=st.sampled_from(["ok", "redirected", "broken", "failed", "skipped"]),
    status=st.sampled_from([200, 404]),
    final_url=st.sampled_from(["a", "b"]),
    target=st.sampled_from([None, "a", "b"]),
    title=st.sampled_from([None, "a", "b"]),
    text_hash=st.sampled_from([None, "1", "2"]),
    body_bytes=st.sampled_from([10, 5_000]),
    findings=st.sampled_from([(), (UNMET,)]),
)
RUNS = st.lists(RECORDS, unique_by=lambda record: record.url).map(Remembered)
MIRRORED = {
    ChangeKind.PAGE_NEW: ChangeKind.PAGE_GONE,
    ChangeKind.PAGE_GONE: ChangeKind.PAGE_NEW,
    ChangeKind.PAGE_BROKEN: ChangeKind.PAGE_FIXED,
    ChangeKind.PAGE_FIXED: ChangeKind.PAGE_BROKEN,
}


@pytest.mark.slow
@given(RUNS)
def test_a_run_is_as_it_is(run):
    """Compared with itself nothing changed, whatever is in it."""
    changes = compare(run, run)
    assert not changes.has_news
    assert not changes.has_new_trouble


@pytest.mark.slow
@given(RUNS, RUNS)
def test_what_came_from_one_run_to_the_other_goes_on_the_way_back(one, other):
    """New and gone, down and back, status, title, redirect: each has its mirror."""
    facts = (ChangeKind.STATUS, ChangeKind.TITLE, ChangeKind.REDIRECT, ChangeKind.TEXT)
    unknown = {
        page.url for page in (*one.records, *other.records) if page.state == "skipped"
    }

    def seen(before, after):
        return {
            (each.kind, each.url, each.before, each.after)
            for each in compare(before, after).listed
            if each.url not in unknown and each.kind in (*facts, *MIRRORED)
        }

    urls = [{page.url for page in run.records} for run in (one, other)]
    back = {each for each in seen(other, one) if each[1] in urls[0] & urls[1]}
    assert back == {
        (MIRRORED.get(kind, kind), url, after, before)
        for kind, url, before, after in seen(one, other)
        if url in urls[0] & urls[1]
    }


def test_every_kind_is_in_the_reference():
    """docs/reference/changes.md says of each kind when it is told."""
    text = (ROOT / "docs/reference/changes.md").read_text()
    assert [kind for kind in ChangeKind if f"`{kind}`" not in text] == []


def test_halves_of_a_run_keep_what_changed():
    """`merge` takes the changes of whichever has some, also where nothing changed."""
    halves = [Report(), Report()]
    halves[0].changes = Changes(since="run 1")
    whole, other = halves
    whole.merge(other)
    assert whole.changes is not None
    other.merge(whole)
    assert other.changes is whole.changes
