"""Every key of a configuration: what is well, what is not, and how that is told."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fetcher import config
from fetcher.checks import Expectation
from fetcher.cli.commands import command
from fetcher.cli.shape import FETCH, Option, option_name
from fetcher.config.keys import EXPECTED, FILTERED, FLAGS_ONLY, KEYS, variable_of
from fetcher.config.schema import json_schema
from fetcher.config.showing import holding
from fetcher.config.translating import FIELDS, SETTINGS
from fetcher.models import Settings
from tests import configuration_page

FETCHING = command.commands[FETCH]
WHOLE = "a whole number is expected, got"
SWITCH = "true or false is expected, got"
TIME = "a time is a text with its unit, such as '5s' or '1h30m', got"
TEXTS = "a text or a list of texts is expected, got"
NO_HEADERS = "header fields are a table"

# table -> key -> what is well, what is not, and what is said of that.
EXAMPLES = {
    "top": {
        "timeout": ('"1m30s"', "5", f"{TIME} 5"),
        "max_redirects": ("0", "-1", "this is at least 0, got -1"),
        "max_size": ('"2MB"', '"big"', "a size reads 512, 100KB"),
        "accept": ('"200..=204,404"', '"fine"', "statuses read 200..=204,404"),
        "headers": ('{A-B = "c"}', '{"A B" = "c"}', "'A B' is no name of a header"),
        "user_agent": ('"me/1"', '""', "a text is expected, and this one is empty"),
        "from": ('"me@site.example"', "1", "a text is expected, got 1"),
        "auth": ('{user = "a", password = "b"}', '{user = "a"}', "this key is missing"),
        "netrc": ("true", "1", f"{SWITCH} 1"),
        "cookie_file": ('"there.txt"', '"gone.txt"', "there is no file"),
        "proxy": ('"http://p.example:1"', '"a b"', "a proxy is a URL such as"),
        "cacert": ('"there.txt"', '"gone.pem"', "there is no file"),
        "cert": ('"there.txt"', '"."', "is a directory"),
        "insecure": ("false", '"no"', f"{SWITCH} 'no'"),
        "resolve": ('"a.example:443:192.0.2.1"', '"a.example"', "a rule reads 'host:"),
        "ip_version": ("4", "5", "4 or 6 is expected, got 5"),
        "inputs": ('["urls.txt", "a.example"]', "{}", f"{TEXTS} a table"),
        "default_scheme": ('"http"', '"ftp"', "'https' or 'http' is expected"),
        "max_pages": ("10", "0", "this is at least 1, got 0"),
        "max_time": ('"1h"', '"3600"', f"{TIME} '3600'"),
        "workers": ("2", "2.0", f"{WHOLE} 2.0"),
        "concurrency": ("1", "true", f"{WHOLE} true"),
        "per_host": ("6", '"6"', f"{WHOLE} '6'"),
        "delay": ('"0s"', '"1 second"', "a duration reads 500ms"),
        "retries": ("0", "[]", f"{WHOLE} a list"),
        "retry_delay": ('"500ms"', "2020-01-01", f"{TIME} 2020-01-01"),
        "analyse_in": ('"workers"', '"both"', "'parent' or 'workers' is expected"),
        "depth": ("3", "-3", "this is at least 0, got -3"),
        "check_links": ("true", '"true"', f"{SWITCH} 'true'"),
        "scope": ('"host"', '"site"', "'origin', 'host', 'domain', 'prefix' or 'all'"),
        "include": ('["/a", "b$"]', '"("', "'(' is no regular expression"),
        "exclude": ('"/login"', '["a", 1]', "a text is expected, got 1"),
        "external": ('"skip"', "false", "'check' or 'skip' is expected, got false"),
        "redirects": ('"warn"', '"no"', "'ok', 'warn' or 'error' is expected"),
        "sitemap": ("true", '"a.xml"', f"{SWITCH} 'a.xml'"),
        "strip_param": ('["utm_*"]', "1", f"{TEXTS} 1"),
        "max_url_length": ("100", "0", "this is at least 1"),
        "ignore_robots": ("true", "0", f"{SWITCH} 0"),
        "obey_robots": ("true", "{}", f"{SWITCH} a table"),
        "public_only": ("true", "1.5", f"{SWITCH} 1.5"),
        "allow_net": ('"10.0.0.0/8"', '"10.0.0.1/8"', "begins inside a network"),
        "deny_net": ('["fd00::/8"]', '["lan"]', "'lan' is no network"),
        "trust_proxy": ("false", "[]", f"{SWITCH} a list"),
        "output": ('["a.jsonl", "b.prom"]', '"a.pdf"', "unknown ending '.pdf'"),
        "format": ('"jsonl"', '"xml"', "is expected, got 'xml'"),
        "db": ('"runs.db"', '""', "this one is empty"),
        "baseline": ('"3"', "3", "a text is expected, got 3"),
        "fail_on": ('"new"', '"old"', "'any', 'new' or 'none' is expected"),
        "filter": ('{css = "main"}', '"main"', "a table is expected, got 'main'"),
        "conditional": ("false", '"never"', f"{SWITCH} 'never'"),
        "redact": ("false", '"none"', f"{SWITCH} 'none'"),
        "quiet": ("true", "2", f"{SWITCH} 2"),
        "verbose": ("true", "2", f"{SWITCH} 2"),
        "no_progress": ("true", "[true]", f"{SWITCH} a list"),
        "color": ('"never"', "false", "'auto', 'always' or 'never' is expected"),
        "expect": ("{status = 200}", "200", "a table is expected, got 200"),
        "groups": ('{a = {urls = ["a.example"]}}', "[]", "a table is expected, got a"),
    },
    "expect": {
        "status": ("404", "99", "statuses read 200..=204,404"),
        "text": ('"hello"', '[""]', "this one is empty"),
        "no_text": ('["a", "b"]', "true", f"{TEXTS} true"),
        "match": ('"(?i)a+"', '"(?=a)"', "'(?=a)' is no pattern of RE2"),
        "no_match": ('["a"]', '["a", "("]', "'(' is no pattern of RE2"),
        "header": ('{Server = "/^x/"}', '{Server = "/(/"}', "'(' is no pattern"),
        "type": ('"image/*"', "1", "a text is expected, got 1"),
        "language": ('"en"', '""', "this one is empty"),
        "css": ('{h1 = 1, p = "1..", b = "2..5"}', '{h1 = "many"}', "a count reads 3"),
        "no_css": ('".error"', '"p["', "invalid CSS selector"),
        "json": ('{status = "up", n = [1]}', '{"a[" = 1}', "is no JMESPath"),
        "size": ('"1KB..2MB"', '"2MB..1KB"', "sizes rise"),
        "redirect": ('"https://a.example/"', '"/(/"', "is no pattern of RE2"),
        "final_url": ('"/^https:/"', '"there"', "this is a URL or a /pattern/"),
        "max_time": ('{total = "2s"}', '{all = "2s"}', "there is no such phase"),
        "warn_time": ('"1s"', '"0s"', "a time here is at least 1ms"),
        "cert_days": ("14", "nan", "a number is expected, got nan"),
        "cert_verified": ("true", '"yes"', f"{SWITCH} 'yes'"),
    },
    "groups": {
        "tags": ('["a", "b"]', "1", f"{TEXTS} 1"),
        "severity": ('"warn"', '"fatal"', "'off', 'warn' or 'error' is expected"),
        "expect": ("{}", "[]", "a table is expected, got a list"),
        "filter": ('{css = "main"}', '{css = "p["}', "invalid CSS selector"),
        "urls": ('["https://b.example/"]', '"b.example"', "a list of URLs is expected"),
        "list": ('"there.txt"', '"gone.txt"', "there is no file"),
        "pages": ('[{url = "b.example"}]', "{}", "a list is expected, got a table"),
        "interval": ('"5m"', '"0s"', "a time here is at least 1ms"),
    },
    "pages": {
        "tags": ('"a"', "[1]", "a text is expected, got 1"),
        "severity": ('"off"', "0", "'off', 'warn' or 'error' is expected, got 0"),
        "expect": ("{status = 404}", '"ok"', "a table is expected, got 'ok'"),
        "filter": ('{ignore = "^t"}', '{ignore = "("}', "'(' is no pattern of RE2"),
        "url": ('"c.example/x"', '"c d"', "a URL begins with"),
    },
    "filter": {
        "css": ('["main", "h1"]', "1", f"{TEXTS} 1"),
        "xpath": ('"//main"', '"//a/.."', "is none that is understood"),
        "ignore": ('["\\\\d+ visits"]', '"(?<=a)b"', "is no pattern of RE2"),
    },
    "auth": {
        "user": ('"me"', '"me:you"', "a user's name holds no colon"),
        "password": ('{file = "there.txt"}', '{path = "x"}', "a secret is a text, or"),
    },
}
EXAMPLES["groups"] |= {  # how to ask is said in the same way
    key: EXAMPLES["top"][key]
    for key in configuration_page.keys_of("groups")
    if key not in EXAMPLES["groups"]
}
OTHERS = {"pages": 'url = "a.example"', "auth": 'user = "me"\npassword = "x"'}
HEADS = {
    "top": "",
    "expect": "[expect]\n",
    "groups": "[groups.g]\nurls = ['a.example']\n",
    "pages": "[[groups.g.pages]]\nurl = 'a.example'\n",
    "filter": "[groups.g]\nurls = ['a.example']\n[groups.g.filter]\n",
    "auth": "[auth]\nuser = 'me'\npassword = 'x'\n",
}
CASES = [(table, key) for table, keys in EXAMPLES.items() for key in keys]


@pytest.fixture
def loaded(tmp_path):
    """Return what reads a text as a configuration of its folder."""
    (tmp_path / "there.txt").write_text("secret\n")

    def load(text: str, **variables: str) -> config.Config:
        path = tmp_path / "fetcher.toml"
        path.write_text(text)
        return config.load(config.read(path), variables)

    return load


def with_key(table: str, key: str, value: str) -> str:
    lines = [line for line in HEADS[table].splitlines() if f"{key} = " not in line]
    return "\n".join([*lines, f"{key} = {value}"])


@pytest.mark.parametrize(
    ("table", "key"), CASES, ids=[".".join(case) for case in CASES]
)
def test_each_key_takes_what_is_well_and_refuses_the_rest(loaded, table, key):
    """A good example is taken; a bad one is one sentence with line and key."""
    good, bad, said = EXAMPLES[table][key]
    loaded(with_key(table, key, good))
    text = with_key(table, key, bad)
    with pytest.raises(config.Mistakes) as caught:
        loaded(text)
    [mistake] = caught.value.mistakes
    assert said in mistake.sentence
    assert re.search(rf"(^|[.\]]){key}($|[.\[])", mistake.key), mistake.key
    assert mistake.line == len(text.splitlines())


@pytest.mark.parametrize(
    ("table", "key"), CASES, ids=[".".join(case) for case in CASES]
)
def test_the_json_schema_takes_each_good_example(loaded, table, key):
    """Editors check by it: what fetcher takes must not be underlined."""
    good, _, _ = EXAMPLES[table][key]
    found = tomllib.loads(with_key(table, key, good))
    jsonschema.Draft202012Validator(json_schema()).validate(found)


def test_the_json_schema_is_one_and_knows_no_other_keys():
    """Draft 2020-12, each key with a description, none with null."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    for table in (schema, *schema["$defs"].values()):
        assert table["additionalProperties"] is False
        assert "title" not in table or table is schema
        for key, said in table["properties"].items():
            assert said["description"].endswith("."), key
            assert "title" not in said
            assert {"type": "null"} not in said.get("anyOf", [])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"per_hots": 6}, schema)


def test_each_key_has_examples():
    tables = configuration_page.TABLES
    assert set(EXAMPLES) == set(tables)
    for name in tables:
        assert set(EXAMPLES[name]) == set(configuration_page.keys_of(name))


def test_each_key_has_a_line_in_the_reference():
    """The page's tables are what `python -m tests.configuration_page` writes."""
    page = configuration_page.PAGE.read_text()
    assert page == configuration_page.page_of(page)
    assert set(re.findall(r"<!-- keys: (\w+) -->", page)) == set(EXAMPLES)
    for name in EXAMPLES:
        block = page.partition(f"<!-- keys: {name} -->")[2].partition("<!-- end")[0]
        for key in EXAMPLES[name]:
            assert f"| `{key}` | " in block


# Keys and flags.


def long_flags() -> dict[str, str]:
    """Return each option's longest flag, by the option's name."""
    return {
        param.name: max(param.opts, key=len)
        for param in FETCHING.params
        if param.name and param.param_type_name == "option"
    }


def test_no_flag_is_forgotten():
    """Each flag has a key, or a reason why no file can hold it."""
    options = {key.option for key in KEYS.values()}
    tabled = (*EXPECTED.values(), *FILTERED.values())
    expected = {option_name((flag,)) for flag in tabled if flag}
    for option, flag in long_flags().items():
        assert (option in options) + (option in expected) + (flag in FLAGS_ONLY) == 1
    assert options | expected <= set(long_flags())
    assert set(FLAGS_ONLY) <= {*long_flags().values(), "--help"}
    assert all(FLAGS_ONLY.values())


def test_keys_are_called_like_their_flags():
    """Whoever knows the flag knows the key, but for three that are tables or pairs."""
    otherwise = {"headers", "auth", "ip_version"}
    for key in KEYS.values():
        assert (
            key.flag.lstrip("-").replace("-", "_") == key.name or key.name in otherwise
        )
        if key.name != "ip_version":
            assert long_flags()[key.option] == key.flag


def described() -> dict[str, dict]:
    """Return the JSON schema of each key that has a flag."""
    return {
        name: said
        for name, said in configuration_page.keys_of("top").items()
        if name in KEYS
    }


def test_a_key_says_its_flags_default():
    """What the schema tells is what holds when the key is not said."""
    ctx = FETCHING.make_context(FETCH, ["a.example", "--no-config"])
    params = {param.name: param for param in FETCHING.params}
    for name, said in described().items():
        given = params[KEYS[name].option].default
        default = given if isinstance(given, str) else ctx.params[KEYS[name].option]
        assert said.get("default") == (default if default != () else None), name


def test_a_key_takes_its_flags_choices():
    params = {param.name: param for param in FETCHING.params}
    for name, said in described().items():
        choices = getattr(params[KEYS[name].option].type, "choices", None)
        wanted = [4, 6] if name == "ip_version" else choices and list(choices)
        assert said.get("enum") == wanted, name


def test_single_values_have_a_variable():
    """FETCHER_TIMEOUT=5s; lists and tables have none, and names are those of keys."""
    for name, key in KEYS.items():
        said = configuration_page.keys_of("top")[name]
        kinds = {each.get("type") for each in said.get("anyOf", [said])}
        is_single = kinds.isdisjoint({"array", "object"}) and "$ref" not in said
        if name == "proxy":
            is_single = True  # its table is the file with the secret
        assert key.has_variable == (is_single and name not in ("ip_version",)), name
        wanted = f"FETCHER_{name.upper()}" if key.has_variable else None
        assert variable_of(key.option) == wanted
        param = next(each for each in FETCHING.params if each.name == key.option)
        assert isinstance(param, Option)
        assert param.envvar == ("FETCHER_USER" if name == "auth" else wanted)


def test_keys_lead_to_fields_that_exist():
    assert set(SETTINGS.values()) <= set(Settings.__dataclass_fields__)
    assert set(FIELDS.values()) <= set(Expectation.__dataclass_fields__)
    reached = {*FIELDS.values(), "css", "min_body_bytes", "max_body_bytes"}
    assert reached == set(Expectation.__dataclass_fields__)
    asked = set(configuration_page.keys_of("groups")) & set(
        configuration_page.keys_of("top")
    )
    assert asked - {"expect", "filter"} <= set(SETTINGS)
    assert isinstance(configuration_page.PAGE, Path)


# Whatever stands there.

ANYTHING = st.recursive(
    st.one_of(
        *(st.booleans(), st.integers(), st.floats(), st.dates()),
        st.sampled_from(["5s", "1MB", "200", "/(/", "/a/", "a.example", "-", ".", "*"]),
        *(st.sampled_from(["${A}", "${", "p[", "a\0b", "https://a.example/x"]),),
        st.text(max_size=5),
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["file", "user", "password", "url", "total", "h1", "", "a b"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)


def table_of(name: str, **tables: st.SearchStrategy) -> st.SearchStrategy:
    """Return tables with keys that are known, and values that need not be well."""
    keys = dict.fromkeys(configuration_page.keys_of(name), ANYTHING) | tables
    good = {
        key: st.just(tomllib.loads(f"x = {EXAMPLES[name][key][0]}")["x"])
        for key in EXAMPLES[name]
    }
    return st.lists(st.sampled_from(sorted(keys)), max_size=3, unique=True).flatmap(
        lambda names: st.fixed_dictionaries(
            {each: keys[each] | good.get(each, st.nothing()) for each in names}
        )
    )


EXPECTS = table_of("expect")
PAGES = table_of("pages", expect=EXPECTS)
GROUPS = table_of("groups", expect=EXPECTS, pages=st.lists(PAGES, max_size=2))


@pytest.mark.slow
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    table_of(
        "top",
        expect=EXPECTS,
        groups=st.dictionaries(st.sampled_from("ab"), GROUPS, max_size=2),
    )
)
def test_whatever_stands_there_is_taken_or_told_in_a_sentence(tmp_path, table):
    """No value brings a traceback, and what is taken can be fetched and shown."""
    (tmp_path / "there.txt").write_text("secret\n")
    file = config.File("fetcher.toml", tmp_path, "", table)
    with suppress(config.Mistakes):
        found = config.load(file, {"A": "held"})
        for group in config.merged(found.groups, config.Asked()):
            assert group.urls
        assert "held" not in " ".join(holding(file, {}, {}, {}))
