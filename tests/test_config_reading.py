"""What a configuration comes to: values, groups, variables, files, what goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetcher import config
from fetcher.checks import Expectation
from fetcher.errors import ConfigError
from fetcher.models import Purpose, Request
from fetcher.options import over

TEXT = """\
timeout = "5s"
max_size = "2MB"
headers = { Accept-Language = "de", X-Key = { file = "key" } }
from = "me@site.example"
auth = { user = "me", password = "${PASSWORD}" }
inputs = ["a.example", "urls.txt", "-", "https://b.example/sitemap.xml"]
output = "out/pages.jsonl"
db = "runs.db"
cacert = "key"
strip_param = ["utm_*", "a$${b}"]

[expect]
status = 200
text = ["hello"]
size = "1KB..2MB"

[groups.shop]
urls = ["shop.example", "https://shop.example/cart"]
list = ["urls.txt", "https://shop.example/sitemap.xml"]
tags = ["money", "front"]
interval = "5m"
severity = "warn"
timeout = "1m"
headers = { X-Shop = "1" }
filter = { css = "main" }

[groups.shop.expect]
text = []
css = { h1 = 1, "p.price" = "1.." }
no_css = ".error"

[[groups.shop.pages]]
url = "https://shop.example/cart"
tags = "cart"
severity = "error"
expect = { status = "404,410", max_time = { ttfb = "500ms" }, css = ["form"] }

[groups.others]
urls = ["c.example"]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    (tmp_path / "urls.txt").write_text("https://d.example/\nhttps://e.example/\n")
    (tmp_path / "fetcher.toml").write_text(TEXT)
    return tmp_path


@pytest.fixture
def loaded(folder):
    return config.load(config.read(folder / "fetcher.toml"), {"PASSWORD": "pass"})


def test_keys_become_the_options_of_the_command(loaded, folder):
    """Times in seconds, sizes in bytes, lists as tuples, as flags would give them."""
    assert loaded.options == {
        "timeout": 5.0,
        "max_size": 2_000_000,
        "header": ((("Accept-Language", "de"), ("X-Key", "s3cret")),),
        "from_": "me@site.example",
        "user": "me:pass",
        "output": (str(folder / "out/pages.jsonl"),),
        "db": str(folder / "runs.db"),
        "cacert": str(folder / "key"),
        "strip_params": ("utm_*", "a${b}"),
    }
    assert loaded.lines["timeout"] == 1
    assert loaded.lines["header"] == 3
    assert loaded.lines["strip_params"] == 10


def test_inputs_are_what_they_are_on_the_command_line(loaded, folder):
    """Relative to the folder of the file; a sitemap is known by its URL."""
    sitemap = Request(url="https://b.example/sitemap.xml", purpose=Purpose.SITEMAP)
    assert loaded.inputs == ("a.example", folder / "urls.txt", Path("-"), sitemap)


def test_a_group_has_pages_settings_and_expectations(loaded, folder):
    shop, others = loaded.groups
    assert shop.urls == (
        "https://shop.example",
        folder / "urls.txt",
        Request(url="https://shop.example/sitemap.xml", purpose=Purpose.SITEMAP),
    )
    assert shop.tags == ("money", "front")
    assert shop.interval_s == 300
    assert shop.filter == {"css": "main"}
    assert shop.settings == {"timeout_s": 60.0, "headers": (("X-Shop", "1"),)}
    assert others.settings == {}
    assert others.expected == {
        "status": ((200, 200),),
        "contains": ("hello",),
        "min_body_bytes": 1000,
        "max_body_bytes": 2_000_000,
    }


def test_expectations_go_key_by_key_from_all_over_group_to_page(loaded):
    """A page's status, the group's selectors less those it says itself, all's size."""
    [shop, _] = config.merged(loaded.groups, config.Asked())
    assert shop.expect == Expectation(
        status=((200, 200),),
        contains=(),
        css={"h1": (1, 1), "p.price": (1, None), ".error": (0, 0)},
        min_body_bytes=1000,
        max_body_bytes=2_000_000,
        severity="warn",
    )
    assert shop.expect_by_url == {
        "https://shop.example/cart": Expectation(
            status=((404, 404), (410, 410)),
            contains=(),
            css={"form": (1, None), ".error": (0, 0)},
            fail_over_s={"ttfb_s": 0.5},
            min_body_bytes=1000,
            max_body_bytes=2_000_000,
            severity="error",
        )
    }
    assert shop.urls[-1] == "https://shop.example/cart"
    assert shop.tags == ("money", "front")


def test_flags_go_before_groups_too(loaded):
    """--timeout, -H X-Shop and --expect-status hold for every page there is."""
    asked = config.Asked(
        settings=frozenset({"timeout_s"}),
        headers=frozenset({"x-shop"}),
        expected={"status": ((500, 500),)},
    )
    [shop, others] = config.merged(loaded.groups, asked)
    assert shop.settings == {"headers": ()}
    assert shop.expect is not None
    assert shop.expect.status == ((500, 500),)
    assert shop.expect.css is not None
    [cart] = shop.expect_by_url.values()
    assert cart.status == ((500, 500),)
    assert others.expect is not None
    assert others.expect.contains == ("hello",)


def test_header_fields_of_the_same_name_take_each_others_place():
    assert over((("A", "1"),), (("a", "2"), ("B", "3"))) == (("B", "3"), ("A", "1"))


def test_groups_are_picked_by_name_and_tag(loaded):
    def names(*arguments):
        return [
            (group.name, len(group.urls), len(group.pages))
            for group in config.picked(loaded, *arguments)
        ]

    assert names() == [("shop", 3, 1), ("others", 1, 0)]
    assert names(["others"]) == [("others", 1, 0)]
    assert names([], ["money"]) == [("shop", 3, 1)]
    assert names([], ["cart"]) == [("shop", 0, 1)], "a page has its group's tags, too"
    assert names(["others"], ["cart"]) == []
    with pytest.raises(ConfigError, match=r"no group 'shpo' in .*mean 'shop'"):
        names(["shpo"])
    with pytest.raises(ConfigError, match="has the tag 'mony'; did you mean 'money'"):
        names([], ["mony"])


def test_pages_are_counted_once_each(loaded):
    """Nine lines that name six pages: a.example, b's sitemap not yet, shop and cart."""
    count = config.count_pages(loaded)
    assert count.pages == len({"a", "d", "e", "shop", "shop/cart", "c"})
    assert count.sitemaps == 2


def test_a_variable_is_put_in_once_and_a_secret_file_without_its_line_end(folder):
    path = folder / "fetcher.toml"
    path.write_text('user_agent = "${A}-${B}"\nheaders = {X = {file = "key"}}\n')
    found = config.load(config.read(path), {"A": "${B}", "B": "b"})
    assert found.options["user_agent"] == "${B}-b"
    assert found.options["header"] == ((("X", "s3cret"),),)


@pytest.mark.parametrize("content", ["", "two\nlines\n", "x" * 70_000])
def test_a_file_with_a_secret_holds_one_line(folder, content):
    path = folder / "fetcher.toml"
    path.write_text('headers = {X = {file = "key"}}\n')
    (folder / "key").write_text(content)
    with pytest.raises(config.Mistakes, match="holds no single line of text"):
        config.load(config.read(path), {})


def test_a_folder_has_one_configuration(folder, monkeypatch):
    """fetcher.toml before pyproject.toml, and none of a folder above."""
    (folder / "pyproject.toml").write_text("[tool.fetcher]\ntimeout = '1s'\n")
    found = config.find(folder)
    assert found is not None
    assert found.name.endswith("fetcher.toml")
    (folder / "fetcher.toml").unlink()
    found = config.find(folder)
    assert found is not None
    assert found.table == {"timeout": "1s"}
    (folder / "below").mkdir()
    assert config.find(folder / "below") is None
    monkeypatch.chdir(folder)
    assert str(config.find().folder) == "."


def test_a_configuration_is_one_value(loaded):
    """Nothing of it can be changed by name, so whoever holds it knows what it says."""
    for value in (loaded, loaded.groups[0], loaded.groups[0].pages[0]):
        with pytest.raises(AttributeError):
            value.expected = {}


@pytest.mark.parametrize(
    ("urls", "lists"),
    [
        ([], []),
        (['https://a.example/?q="\\'], []),
        ([], ["urls.txt", "b c.xml"]),
        (["a.example"], ["urls.txt"]),
    ],
    ids=["an example", "a URL", "lists", "both"],
)
def test_what_init_writes_is_well(folder, urls, lists):
    """And so it is when all that it holds as comments is taken out of them."""
    (folder / "b c.xml").write_text("<urlset/>")
    path = folder / "fetcher.toml"
    text = config.starter(urls, lists)
    path.write_text(text)
    found = config.load(config.read(path), {})
    [group] = found.groups
    assert len(group.urls) == max(len(urls) + len(lists), 1)
    lines = [
        line.removeprefix("# ") if " = " in line or line[2:3] == "[" else line
        for line in text.splitlines()
    ]
    assert sum(map(str.__ne__, lines, text.splitlines())) > 10
    path.write_text("\n".join(lines))
    assert len(config.load(config.read(path), {"PASSWORD": "x"}).groups) == 1


def test_the_example_of_the_reference_is_well(tmp_path):
    """The first block of docs/reference/configuration.md, as it stands there."""
    page = Path(__file__).parent.parent / "docs/reference/configuration.md"
    example = page.read_text().partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/shop").write_text("pass\n")
    (tmp_path / "products.txt").write_text("https://shop.example/lamp\n")
    (tmp_path / "fetcher.toml").write_text(example)
    file = config.read(tmp_path / "fetcher.toml")
    found = config.load(file, {"SHOP_TOKEN": "token"})
    assert config.count_pages(found).pages == 4
    assert found.groups[0].settings["auth"] == ("monitor", "pass")
