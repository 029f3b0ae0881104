"""Every behaviour of the table alone: state, kind, time and memory."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from fetcher.models import Kind, Settings
from fetcher.transport import get_url
from fetcher.transport.curl import CUT_BODY_KEPT_BYTES, HEAD_MAX_BYTES, HEAD_MAX_LINES
from tests import servers
from tests.hostile.answers import CASES
from tests.servers import serve

DEADLINE_S = 0.6
MARGIN_S = 0.4
CAP_BYTES = 1_000_000
MEMORY_KB = 20_000  # the cap, its copies, and what Python keeps for itself


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return servers.make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def peak_kb() -> int:
    """Return the highest amount of memory since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise LookupError("VmHWM")


def forget_peak() -> None:
    with suppress(OSError):  # a container may forbid it: the peak is then too low
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_whatever_a_server_does_the_account_of_it_is_right(case, certificates):
    """Its state and kind, in time, and at no more memory than a body may take."""
    settings = Settings(
        # Not so short that a busy machine would call a quick answer late.
        timeout_s=DEADLINE_S if case.waits else 5.0,
        max_bytes=CAP_BYTES,
        cacert=certificates.root,
    )
    tls = getattr(certificates, case.tls) if case.tls not in (None, "none") else None
    with serve(case.behaviour, tls=tls) as server:
        url = server.url.replace("http:", "https:") if case.tls else server.url
        forget_peak()
        before_kb = peak_kb()
        began_s = time.monotonic()
        page = get_url(url, settings)
        took_s = time.monotonic() - began_s
        memory_kb = peak_kb() - before_kb
    kind = page.failure.kind if page.failure else None
    assert page.state is case.state, page.reason
    assert kind in {case.kind, *case.or_kinds}, page.reason
    assert took_s < (DEADLINE_S + MARGIN_S if case.waits else 2.0)
    assert (took_s > DEADLINE_S - 0.1) or not case.waits
    assert page.timings.total_s == pytest.approx(took_s, abs=0.05)
    assert memory_kb < MEMORY_KB
    assert len(page.content) <= CAP_BYTES
    assert (page.reason or "").isprintable()
    if case.status is not None:
        assert page.status == case.status
    if case.content is not None:
        assert page.content == case.content
    assert isinstance(page.text, str)  # whatever the charset
    _ = page.facts


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["X: y"] * (HEAD_MAX_LINES - 3), None),  # status line, length, blank line
        (["X: y"] * (HEAD_MAX_LINES - 2), Kind.PROTOCOL),
        ([f"X: {'y' * (HEAD_MAX_BYTES // 4)}"] * 3, None),
        ([f"X: {'y' * (HEAD_MAX_BYTES // 4)}"] * 4, Kind.PROTOCOL),
    ],
    ids=["lines", "too many lines", "bytes", "too many bytes"],
)
def test_a_head_has_bounds(fields, kind):
    """One that is too large is a failure that says so; one that just fits is none."""
    with serve(servers.answer(b"ok", "200 OK", *fields)) as server:
        page = get_url(server.url)
        again = get_url(server.url)  # and nothing of it is left to the next
    for each in (page, again):
        assert (each.failure and each.failure.kind) == kind
        assert kind is None or "the head is larger than" in (each.reason or "")


def test_what_is_kept_of_too_large_a_body_is_its_start():
    """The first megabyte, so that one can see what it was."""
    with serve(servers.answer(b"ab" * 2_000_000)) as server:
        page = get_url(server.url, Settings(max_bytes=3_000_000))
    assert page.failure is not None
    assert page.failure.kind is Kind.TOO_LARGE
    assert page.content == b"ab" * (CUT_BODY_KEPT_BYTES // 2)
