"""Durations, sizes and statuses, as people write them."""

import pytest

from fetcher.config import duration_s, size_bytes, size_range, status_ranges
from fetcher.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("1h30m", 5400),
        ("7d", 604800),
        ("1.5s", 1.5),
        ("1m500ms", 60.5),
        ("20", 20),
        (" 0.5 ", 0.5),
        ("0s", 0),
    ],
)
def test_a_duration(text, seconds):
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "abc", "-1s", "10 s", "1y", "s", "1s!", "nan"])
def test_what_is_no_duration_is_said(text):
    with pytest.raises(ConfigError, match="a duration reads") as caught:
        duration_s(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("100KB", 100_000),
        ("10MB", 10_000_000),
        ("10mb", 10_000_000),
        ("1.5 MiB", 1_572_864),
        ("2G", 2_000_000_000),
        ("7B", 7),
    ],
)
def test_a_size(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 parsec", "1e3"])
def test_what_is_no_size_is_said(text):
    with pytest.raises(ConfigError, match="a size reads"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("200", ((200, 200),)),
        ("200..=204,404", ((200, 204), (404, 404))),
        ("200..204", ((200, 203),)),
        ("200-204", ((200, 204),)),
        ("..=299", ((100, 299),)),
        ("400..", ((400, 999),)),
        (" 200 , 301 ", ((200, 200), (301, 301))),
    ],
)
def test_statuses(text, ranges):
    """Ranges read as lychee's --accept reads them."""
    assert status_ranges(text) == ranges


@pytest.mark.parametrize(
    "text", ["", "ok", "20", "2000", "..", "204..200", "200,,", "99"]
)
def test_what_are_no_statuses_is_said(text):
    with pytest.raises(ConfigError, match="statuses"):
        status_ranges(text)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1KB..2MB", (1_000, 2_000_000)),
        ("1KB..=1KB", (1_000, 1_000)),
        ("512..", (512, None)),
        (" .. 1GiB", (None, 1024**3)),
    ],
)
def test_a_range_of_sizes(text, sizes):
    assert size_range(text) == sizes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1KB", "sizes read 1KB..2MB, 1KB.. or ..2MB, got '1KB'"),
        ("..", "sizes read"),
        ("2KB..1KB", "sizes rise, got '2KB..1KB'"),
        ("1XB..", "a size reads"),
    ],
)
def test_what_is_no_range_of_sizes_is_said(text, says):
    with pytest.raises(ConfigError, match=says):
        size_range(text)
