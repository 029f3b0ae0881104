"""Scope: which links a crawl follows, registrable domains, parameters taken out."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.errors import ConfigError
from fetcher.urls import (
    KEPT_AUTHORITIES,
    BadUrl,
    Scope,
    ScopeKind,
    parse,
    registrable_domain,
    strip_params,
    strip_session_ids,
)

START = "https://docs.example.com/guide/intro.html"
# What each kind follows from START, in the order of ScopeKind.
FOLLOWED = [
    ("https://docs.example.com/guide/", "yes yes yes yes yes"),
    ("https://docs.example.com/guide/a/b?c#d", "yes yes yes yes yes"),
    ("https://docs.example.com/guide", "yes yes yes no yes"),
    ("https://docs.example.com/guidebook", "yes yes yes no yes"),
    ("https://docs.example.com/?/guide/", "yes yes yes no yes"),
    ("https://docs.example.com/#/guide/", "yes yes yes no yes"),
    ("https://ann:secret@docs.example.com/guide/", "yes yes yes yes yes"),
    ("http://docs.example.com/guide/", "no yes yes no yes"),
    ("https://docs.example.com:8443/guide/", "no yes yes no yes"),
    ("https://www.example.com/guide/", "no no yes no yes"),
    ("https://example.com/", "no no yes no yes"),
    ("https://docs.example.com./guide/", "no no no no yes"),
    ("https://docs.example.com.evil.example/guide/", "no no no no yes"),
    ("https://docs.example.com@evil.example/guide/", "no no no no yes"),
    ("https://example.org/guide/", "no no no no yes"),
    ("https://h/", "no no no no yes"),
    ("ftp://docs.example.com/guide/", "no no no no no"),
    ("mailto:ann@docs.example.com", "no no no no no"),
    ("data:text/html,https://docs.example.com/guide/", "no no no no no"),
    ("javascript://docs.example.com/guide/", "no no no no no"),
    ("blob:https://docs.example.com/guide/", "no no no no no"),
    ("", "no no no no no"),
    ("not a url", "no no no no no"),
    ("//", "no no no no no"),
]


@pytest.mark.parametrize(("url", "answers"), FOLLOWED, ids=[url for url, _ in FOLLOWED])
def test_each_kind_of_scope_follows_what_its_name_says(url, answers):
    for kind, answer in zip(ScopeKind, answers.split(), strict=True):
        scope = Scope(kind, [START])
        for _ in range(2):  # the second answer is remembered
            assert scope.follows(url) is (answer == "yes"), kind
            assert (scope.why_not(url) is None) is (answer == "yes"), kind


@pytest.mark.parametrize(
    ("start", "inside", "outside"),
    [
        ("http://127.0.0.1:8802/", "http://127.0.0.1:8802/x", "http://127.0.0.1:8801/"),
        ("http://[::1]:8000/a", "http://[::1]:8000/", "http://[::2]:8000/"),
        ("HTTPS://EXAMPLE.com:443", "https://example.com/", "https://example.com:80/"),
        (
            "https://münchen.example/",
            "https://xn--mnchen-3ya.example/x",
            "https://m.example/",
        ),
        ("http://h", "http://h/", "http://hh/"),
        ("http://h./", "http://h./x", "http://h/x"),
        ("http://ann@h/", "http://h/x", "http://ann@i/x"),
    ],
)
def test_the_origin_of_a_start_is_compared_as_whatwg_writes_it(start, inside, outside):
    scope = Scope(ScopeKind.ORIGIN, [start])
    assert scope.follows(inside)
    assert not scope.follows(outside)


@pytest.mark.parametrize(
    ("start", "inside", "outside"),
    [
        ("http://h/a/b", "http://h/a/c/d", "http://h/b"),
        ("http://h/a/b/", "http://h/a/b/c", "http://h/a/"),
        ("http://h/a/?x=/y/", "http://h/a/z", "http://h/y/"),
        ("http://h", "http://h/x", "http://i/x"),
        ("http://h/a%20b/c", "http://h/a%20b/", "http://h/a/"),
        ("http://h/a/../b/c", "http://h/b/", "http://h/a/"),
    ],
)
def test_prefix_means_the_directory_of_the_start(start, inside, outside):
    scope = Scope(ScopeKind.PREFIX, [start])
    assert scope.follows(inside)
    assert not scope.follows(outside)


def test_starts_may_be_many_and_grow():
    """A list of sites is one crawl, and a start may redirect to another host."""
    starts = [f"https://h{number}.example/" for number in range(1_000)]
    scope = Scope(ScopeKind.ORIGIN, starts)
    assert all(scope.follows(f"{start}x") for start in starts)
    assert not scope.follows("https://www.h1.example/")
    scope.add_start("https://www.h1.example/")
    assert scope.follows("https://www.h1.example/")
    assert repr(scope) == "<Scope origin 1001 starts>"


def test_directories_of_one_site_add_up():
    scope = Scope(
        ScopeKind.PREFIX, ["http://h/b/x/y", "http://h/a/", "http://h/a/c/", "http://i"]
    )
    assert scope.follows("http://h/b/x/")
    assert scope.follows("http://h/a/c/d")
    assert not scope.follows("http://h/b/")
    assert scope.follows("http://i/b/")
    assert scope.why_not("http://h/b/") == "outside the directory of the start"
    assert scope.why_not("http://j/b/") == "another origin"


def test_a_scope_without_a_start_follows_nothing_but_all():
    assert not Scope(ScopeKind.DOMAIN).follows("http://h/")
    assert Scope(ScopeKind.ALL).follows("http://h/")


def test_a_start_that_is_no_web_page_is_refused():
    with pytest.raises(BadUrl):
        Scope(ScopeKind.ORIGIN, ["ftp://h/"])


def test_a_scope_remembers_a_bounded_number_of_hosts():
    scope = Scope(ScopeKind.ORIGIN, ["http://h/"])
    for number in range(KEPT_AUTHORITIES + 10):
        assert not scope.follows(f"http://x{number}/")
    assert len(scope._paths) <= KEPT_AUTHORITIES


SELECTED = [
    # include, exclude, URL, why it is not followed
    ([], [], "/docs/a", None),
    (["/docs/"], [], "/docs/a", None),
    (["/docs/"], [], "/blog/a", "not among what is included"),
    (["/docs/", "/blog/"], [], "/blog/a", None),
    ([], ["/old/"], "/docs/old/a", "excluded by '/old/'"),
    ([], ["/old/"], "/docs/a", None),
    (["/old/2026/"], ["/old/"], "/old/2026/a", None),
    (["/old/2026/"], ["/old/"], "/old/2025/a", "excluded by '/old/'"),
    (["/old/2026/"], ["/old/"], "/docs/a", None),
    (["a$"], [], "/a#b", None),
    ([], ["#b"], "/a#b", None),
    (["(?i)DOCS"], [], "/docs/", None),
    ([r"\?page=\d+$"], [], "/x?page=7", None),
]


@pytest.mark.parametrize(("include", "exclude", "path", "why"), SELECTED)
def test_includes_and_excludes_choose_inside_the_scope(include, exclude, path, why):
    """Include beats exclude; alone it means: only these."""
    scope = Scope(ScopeKind.HOST, ["http://h/"], include=include, exclude=exclude)
    assert scope.why_not(f"http://h{path}") == why
    assert scope.follows(f"http://h{path}") is (why is None)
    assert scope.excludes(f"http://h{path}") is ("excluded" in (why or ""))


def test_an_include_does_not_lead_out_of_the_site():
    """`--include /docs/` would else crawl the documentation of the whole web."""
    scope = Scope(ScopeKind.ORIGIN, ["http://h/"], include=["/docs/"])
    assert not scope.follows("http://other/docs/")
    two = Scope(ScopeKind.ALL, ["http://h/"], include=["^http://h/", "^http://i/docs/"])
    assert two.follows("http://i/docs/x")
    assert not two.follows("http://i/x")
    assert not two.follows("http://j/")


def test_what_is_excluded_is_told_from_what_is_only_elsewhere():
    """A link out of scope may be checked; `/logout` must not be asked for at all."""
    scope = Scope(ScopeKind.ORIGIN, ["http://h/"], exclude=["/logout"])
    assert scope.excludes("http://h/logout?now")
    assert scope.excludes("http://elsewhere/logout")
    assert not scope.excludes("http://elsewhere/")
    assert not scope.follows("http://elsewhere/")


@pytest.mark.parametrize("flag", ["include", "exclude"])
def test_a_bad_pattern_is_named_with_its_flag(flag):
    with pytest.raises(
        ConfigError, match=rf"{flag}: '\(a' is not a regular expression"
    ):
        Scope(ScopeKind.ALL, **{flag: ["a", "(a"]})


hosts = st.from_regex(r"[a-c]{1,2}(\.(com|example))?\.?", fullmatch=True)
urls = st.builds(
    "{}://{}{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "u@", "u:p@"]),
    hosts,
    st.sampled_from(["", ":80", ":443", ":8000"]),
    st.text("ab/?#@:", max_size=6),
)


@given(urls, urls)
def test_the_quick_comparison_agrees_with_the_parser(start, other):
    """No spelling of a URL is in scope by its look and elsewhere by its meaning."""
    one, two = parse(start), parse(other)
    follows = {kind: Scope(kind, [start]).follows(two.href) for kind in ScopeKind}
    assert follows[ScopeKind.ORIGIN] is (one.origin == two.origin)
    assert follows[ScopeKind.HOST] is (one.host == two.host)
    domains = registrable_domain(one.host), registrable_domain(two.host)
    assert follows[ScopeKind.DOMAIN] is (domains[0] == domains[1])
    assert follows[ScopeKind.PREFIX] <= follows[ScopeKind.ORIGIN]
    assert follows[ScopeKind.ALL]


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("me.github.io", "me.github.io"),
        ("pages.me.github.io", "me.github.io"),
        ("github.io", "github.io"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("build.localhost", "build.localhost"),
        ("a.b.corp", "b.corp"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("www.xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("a.b.xn--p1ai", "b.xn--p1ai"),
        ("a.example.com.", "example.com."),
        ("a.b.corp.", "b.corp."),
        # The list's own test cases: a wildcard rule, and exceptions to one.
        ("a.b.c.kobe.jp", "b.c.kobe.jp"),
        ("www.city.kobe.jp", "city.kobe.jp"),
        ("www.ck", "www.ck"),
        ("a.www.ck", "www.ck"),
    ],
)
def test_the_registrable_domain_is_what_the_public_suffix_list_says(host, domain):
    assert registrable_domain(host) == domain


@pytest.mark.slow
def test_the_public_suffix_list_is_read_without_network_or_cache(tmp_path):
    """A crawl tells nobody that it started, and leaves no file behind."""
    program = (
        "import sys\n"
        "def watch(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto'):\n"
        "        raise SystemExit(event)\n"
        "from fetcher.urls import registrable_domain\n"
        "assert 'tldextract' not in sys.modules\n"
        "sys.addaudithook(watch)\n"
        "print(registrable_domain('a.example.co.uk'))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == "example.co.uk\n", ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("href", "patterns", "stripped"),
    [
        ("http://h/?a=1&utm_source=x&b=2", ["utm_*"], "http://h/?a=1&b=2"),
        ("http://h/?utm_source=x&utm_medium=y", ["utm_*"], "http://h/"),
        ("http://h/?utm_source=x#top", ["utm_*"], "http://h/#top"),
        ("http://h/?%75tm_source=x&c", ["utm_*"], "http://h/?c"),
        (
            "http://h/?b=%7e+%20&a=&&fbclid=1",
            ["utm_*", "fbclid"],
            "http://h/?b=%7e+%20&a=&",
        ),
        ("http://h/?UTM_source=x", ["utm_*"], "http://h/?UTM_source=x"),
        ("http://h/?a=utm_source", ["utm_*"], "http://h/?a=utm_source"),
        ("http://h/?", ["utm_*"], "http://h/?"),
        ("http://h/?a=1", ["*"], "http://h/"),
        ("http://h/#?utm_source=x", ["utm_*"], "http://h/#?utm_source=x"),
        ("http://h/?a=1", [], "http://h/?a=1"),
        ("http://h/utm_x=1", ["utm_*"], "http://h/utm_x=1"),
        ("http://h/?a.b=1&axb=2", ["a.b"], "http://h/?axb=2"),
    ],
)
def test_parameters_are_taken_out_by_name(href, patterns, stripped):
    assert strip_params(href, patterns) == stripped


@given(st.lists(st.from_regex(r"(x|y|utm_a)(=[a%+]{0,2})?|", fullmatch=True)))
def test_what_stays_of_a_query_keeps_its_order_and_spelling(parameters):
    href = f"http://h/?{'&'.join(parameters)}"
    wanted = [each for each in parameters if not each.startswith("utm_a")]
    stripped = strip_params(href, ["utm_*"])
    if wanted == parameters:
        assert stripped == href
    else:
        assert stripped.partition("?")[2] == "&".join(wanted)
    assert strip_params(stripped, ["utm_*"]) == stripped


RANDOM = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("href", "stripped"),
    [
        (f"http://h/a;jsessionid={RANDOM}", "http://h/a"),
        (f"http://h/a;JSESSIONID={RANDOM}!17?b=1#c", "http://h/a?b=1#c"),
        ("http://h/a;v=1;jsessionid=X;w=2/b", "http://h/a;v=1;w=2/b"),
        ("http://h/a;sid=1/b", "http://h/a/b"),
        (f"http://h/?PHPSESSID={RANDOM}&b=1", "http://h/?b=1"),
        ("http://h/?a=1&osCsid=short", "http://h/?a=1"),
        ("http://h/?ASPSESSIONIDQACDBRTS=AAAA&x", "http://h/?x"),
        ("http://h/?CFID=1&CFTOKEN=2", "http://h/"),
        (f"http://h/?sid={RANDOM}", "http://h/"),
        (f"http://h/forum?s={RANDOM}&t=5", "http://h/forum?t=5"),
        ("http://h/(S(lit3py55t21z5v55vlm25s55))/a.aspx", "http://h/a.aspx"),
        # What only looks alike stays.
        ("http://h/?sid=17", "http://h/?sid=17"),
        ("http://h/?s=some+words", "http://h/?s=some+words"),
        ("http://h/?session=keynote", "http://h/?session=keynote"),
        (f"http://h/?id={RANDOM}", f"http://h/?id={RANDOM}"),
        (f"http://h/{RANDOM}", f"http://h/{RANDOM}"),
        ("http://h/(S(short))/a", "http://h/(S(short))/a"),
        ("http://h/wiki/Pipe_(S)", "http://h/wiki/Pipe_(S)"),
        ("http://h/?phpsessidx=1", "http://h/?phpsessidx=1"),
        ("http://h/a;v=1?b", "http://h/a;v=1?b"),
    ],
)
def test_session_ids_are_taken_out_and_nothing_else(href, stripped):
    assert strip_session_ids(href) == stripped
    assert strip_session_ids(stripped) == stripped


@pytest.mark.parametrize(
    "href",
    [
        "http://0177.1;jsessionid=1/",
        "https://a.example;sid=1.b.example/x",
        "https://(s(abcdefghij0123456789x))/x",
        "http://u:p;sid=1@a.example/",
    ],
)
def test_a_host_that_looks_like_a_session_stays(href):
    """`;` and `(` may stand in a host: without them it would be another's."""
    assert strip_session_ids(href) == href
