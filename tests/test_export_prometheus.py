"""The textfile: read by Prometheus' own parsers, by the names of blackbox_exporter."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fetcher.export import prometheus
from fetcher.models import Headers, Hop, Timings
from fetcher.testing import FETCHED_AT, make_failed_page, make_page
from tests.export_cases import (
    A,
    bad_site,
    certificate,
    finding,
    one_of_each,
    written,
)

EVIL = 'a"b\\c\n{x="1"} 2\r\x00\u202e\ud800é日'


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return each value by name, instance and the other labels' values."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            instance = labels.pop("instance", "")
            key = (sample.name, instance, *(labels[name] for name in sorted(labels)))
            assert key not in found, "a series that is there twice spoils the file"
            found[key] = sample.value
    return found


def full_page():
    return make_page(
        A,
        html=b"x" * 500,
        headers=Headers([("Content-Length", "120")]).lines,
        timings=Timings(0.5, 0.001, 0.002, 0.003, 0.004, 0.005, 0.015),
        hops=[Hop("http://a.example/", 301, "192.0.2.1")],
        http_version="2",
        certificate=certificate(),
    )


def test_a_page_is_what_a_probe_is_to_blackbox_exporter():
    found = samples(written("prometheus", [(full_page(), ())]))
    ends = (FETCHED_AT + timedelta(days=60)).timestamp()
    assert found == {
        ("probe_success", A): 1,
        ("probe_duration_seconds", A): 0.015,
        ("probe_http_duration_seconds", A, "resolve"): 0.001,
        ("probe_http_duration_seconds", A, "connect"): 0.002,
        ("probe_http_duration_seconds", A, "tls"): 0.003,
        ("probe_http_duration_seconds", A, "processing"): 0.004,
        ("probe_http_duration_seconds", A, "transfer"): 0.005,
        ("probe_http_status_code", A): 200,
        ("probe_http_redirects", A): 1,
        ("probe_http_version", A): 2,
        ("probe_http_content_length", A): 120,
        ("probe_http_uncompressed_body_length", A): 500,
        ("probe_ssl_earliest_cert_expiry", A): ends,
        ("probe_ssl_last_chain_expiry_timestamp_seconds", A): ends,
        (
            *("probe_ssl_last_chain_info", A),
            *("CN=ca", "CN=a.example", "a.example,b.example"),
        ): 1,
        ("fetcher_last_run_timestamp_seconds", ""): FETCHED_AT.timestamp() + 2.5,
        ("fetcher_pages_unlisted", ""): 0,
    }


def test_what_did_not_come_has_the_zeros_that_alerts_look_for():
    found = samples(written("prometheus", [(make_failed_page(A), ())]))
    assert found["probe_success", A] == 0
    assert found["probe_http_status_code", A] == 0
    assert found["probe_http_duration_seconds", A, "tls"] == 0
    assert not any("ssl" in name for name, *_ in found)


def test_success_is_what_the_exit_code_is_made_of():
    """An error makes it 0, a warning does not; a bad status makes it 0."""
    found = samples(written("prometheus", one_of_each(), bad_site()))
    assert {key[1]: n for key, n in found.items() if key[0] == "probe_success"} == {
        A: 1,
        f"{A}warned": 1,
        f"{A}unmet": 0,
        f"{A}gone": 0,
        f"{A}slow": 0,
        f"{A}busy": 0,
        f"{A}secret": 0,
    }


def test_a_certificate_that_was_not_verified_has_no_chain_that_ends():
    page = make_failed_page(A, certificate=certificate(verified=False))
    names = {name for name, *_ in samples(written("prometheus", [(page, ())]))}
    assert "probe_ssl_earliest_cert_expiry" in names
    assert "probe_ssl_last_chain_expiry_timestamp_seconds" not in names


@pytest.mark.parametrize(
    ("field", "value"),
    [("120", 120), ("", -1), ("-5", -1), ("1" * 30, -1), ("\u0661", -1), ("1, 1", -1)],
)
def test_a_content_length_that_is_no_number_is_none(field, value):
    page = make_page(A, headers=[("Content-Length", field)])
    found = samples(written("prometheus", [(page, ())]))
    assert found["probe_http_content_length", A] == value


def test_labels_are_escaped_by_the_library():
    page = make_page(f"{A}{EVIL}", certificate=certificate(subject=EVIL, issuer=EVIL))
    page.http_version = EVIL
    found = samples(written("prometheus", [(page, ())]))
    (key,) = [key for key in found if key[0] == "probe_ssl_last_chain_info"]
    assert key[1] == f'{A}a"b\\c\\n{{x="1"}} 2\\r\\x00\\u202e\\ud800é日'


def test_two_pages_that_read_alike_are_one_series():
    """As two whose secrets are hidden: a series twice would make Prometheus refuse."""
    page = make_page(f"{A}?token=REDACTED")
    found = samples(written("prometheus", [(page, ()), (page, ())]))
    assert found["fetcher_pages_unlisted", ""] == 1


def test_what_is_too_much_is_counted(monkeypatch):
    monkeypatch.setattr(prometheus, "PAGES_MAX", 3)
    pages = [(make_page(f"{A}{n}"), (finding(),)) for n in range(10)]
    found = samples(written("prometheus", pages))
    assert [key[1] for key in found if key[0] == "probe_success"] == [
        f"{A}{n}" for n in range(3)
    ]
    assert found["fetcher_pages_unlisted", ""] == 7


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool")
def test_promtool_finds_nothing_wrong():
    page = make_page(f"{A}{EVIL}", certificate=certificate(subject=EVIL))
    text = written("prometheus", [(full_page(), ()), (page, ()), *one_of_each()[1:]])
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text.encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
