"""The one schema of a configuration: every key, what it may be, and what it is for.

From it come the checks, `fetcher config schema` for editors, and the tables of
docs/reference/configuration.md. A key that is not said is None here; what holds then
is the flag's default, which the JSON schema repeats.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from .types import (
    Baseline,
    Counting,
    Days,
    Duration,
    ExistingFile,
    ExpectedFields,
    FilePath,
    GroupName,
    JsonValues,
    Limits,
    ListPlaces,
    Networks,
    OutputPaths,
    PageUrl,
    PageUrls,
    Patterns,
    PositiveDuration,
    ProxyUrl,
    PythonPatterns,
    ResolveRules,
    Secret,
    SelectorCounts,
    Selectors,
    SentFields,
    Size,
    Sizes,
    Statuses,
    Target,
    Text,
    Texts,
    User,
    Whole,
    XPaths,
)

__all__ = [
    "AuthTable",
    "ExpectTable",
    "FilterTable",
    "GroupTable",
    "PageTable",
    "Root",
    "Table",
    "json_schema",
]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _key(description: str, default: object = None, alias: str | None = None) -> Any:
    """Return a field that need not be said; `default` is what holds then."""
    extra: dict[str, Any] = {} if default is None else {"default": default}
    return Field(None, description=description, alias=alias, json_schema_extra=extra)


class Table(BaseModel):
    """A table in which every key is known and nothing is taken for something else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def given(self) -> dict[str, Any]:
        """Return what is said, by the names of the keys in the file."""
        fields = type(self).model_fields
        return {
            fields[name].alias or name: getattr(self, name)
            for name in fields
            if name in self.model_fields_set
        }


class AuthTable(Table):
    """A name and a password, sent to the origins that are given and to no other."""

    user: User = Field(description='The name, or `{file = "path"}`.')
    password: Secret = Field(
        description='The password: `"${VARIABLE}"` or `{file = "path"}`.'
    )


class ExpectTable(Table):
    """What a page should be. What is not met is a finding."""

    status: Statuses | None = _key(
        "It answers with one of these statuses, which is then well."
    )
    text: Texts | None = _key("Its source holds each of these texts.")
    no_text: Texts | None = _key("Its source holds none of these texts.")
    match: Patterns | None = _key("Each of these patterns (RE2) matches somewhere.")
    no_match: Patterns | None = _key("None of these patterns (RE2) matches.")
    header: ExpectedFields | None = _key(
        "The answer has these fields; a value `/between slashes/` is a pattern."
    )
    type: Text | None = _key("Its media type, or a range of them, such as `image/*`.")
    language: Text | None = _key("The language it declares; `en` is met by `en-GB`.")
    css: SelectorCounts | None = _key(
        "What these CSS selectors find: a list of those that find something, or a"
        " table with a count for each."
    )
    no_css: Selectors | None = _key("These CSS selectors find nothing.")
    json_: JsonValues | None = _key(
        "What these JMESPath expressions are: a list of those that are true, or a"
        " table with a value for each.",
        alias="json",
    )
    size: Sizes | None = _key("The size of its body, decoded.")
    redirect: Target | None = _key(
        "Where it redirects to; `/between slashes/` a pattern."
    )
    final_url: Target | None = _key(
        "Where the answer comes from, after redirects; `/between slashes/` a pattern."
    )
    max_time: Limits | None = _key(
        "More time is an error: in all, or a table of `total`, `dns`, `connect`, `tls`,"
        " `ttfb`, `transfer`."
    )
    warn_time: Limits | None = _key("More time is a warning, said in the same way.")
    cert_days: Days | None = _key("Its certificate is good for so many days more.")
    cert_verified: bool | None = _key("Whether its certificate is verified.")


class FilterTable(Table):
    """What of a page is looked at when its text is compared with an earlier one."""

    css: Selectors | None = _key("Only what these CSS selectors find.")
    xpath: XPaths | None = _key("Only what these XPath expressions find.")
    ignore: Patterns | None = _key("Without the lines that these patterns (RE2) match.")


class _Judged(Table):
    """What a page, or a group of them, may have besides its URLs."""

    tags: Texts | None = _key("Words by which `--tag` picks pages.")
    severity: Literal["off", "warn", "error"] | None = _key(
        "What an expectation that is not met weighs.", "error"
    )
    expect: ExpectTable | None = _key(
        "What is expected; key by key over what is above."
    )
    filter: FilterTable | None = _key(
        "What is compared with earlier runs, instead of what is said above."
    )


class PageTable(_Judged):
    """One page with a table of its own."""

    url: PageUrl = Field(description="Its URL.")


class _Asking(Table):
    """How to ask: for all pages, or for those of a group."""

    timeout: PositiveDuration | None = _key(
        "For one attempt, its redirects included.", "20s"
    )
    max_redirects: Whole | None = _key("Redirects followed for one URL.", 10)
    max_size: Size | None = _key("Read at most so much of a body, decoded.", "10MB")
    accept: Statuses | None = _key("Statuses that are well; else those below 400.")
    headers: SentFields | None = _key(
        'Header fields to send to the origins given, each a text or `{file = "path"}`.'
    )
    user_agent: Text | None = _key("What to say instead of fetcher's own name.")
    from_: Text | None = _key("Whom sites can write to (the From field).", alias="from")
    auth: AuthTable | None = _key("How to log in at the origins given.")
    netrc: bool | None = _key("Look logins up in `~/.netrc`.", False)
    cookie_file: ExistingFile | None = _key("Send these cookies (Netscape form).")
    cacert: ExistingFile | None = _key("Trust the roots in this PEM file.")
    cert: ExistingFile | None = _key(
        "Show this client certificate (PEM, with its key)."
    )
    insecure: bool | None = _key("Take any certificate; the report says so.", False)
    ip_version: Literal[4, 6] | None = _key("Only IPv4, or only IPv6.")


class GroupTable(_Asking, _Judged):
    """Pages that belong together."""

    urls: PageUrls | None = _key("URLs of its pages.")
    list_: ListPlaces | None = _key(
        "Lists of URLs, or sitemaps; a sitemap also by its URL.", alias="list"
    )
    pages: list[PageTable] | None = _key("Pages with a table of their own.")
    interval: PositiveDuration | None = _key(
        "How often to look at it; for what runs all the time."
    )


class Root(_Asking):
    """The whole of `fetcher.toml`, or of `[tool.fetcher]`."""

    inputs: Texts | None = _key(
        "What `fetcher` fetches when no INPUT is given: URLs, lists, sitemaps."
    )
    default_scheme: Literal["https", "http"] | None = _key(
        "For a URL without a scheme.", "https"
    )
    max_pages: Counting | None = _key("Fetch at most so many pages.")
    max_time: PositiveDuration | None = _key(
        "End a run after so long, and report what was done by then."
    )
    workers: Counting | None = _key("Worker processes; else as many as CPUs, and one.")
    concurrency: Counting | None = _key("Requests under way in all.", 64)
    per_host: Counting | None = _key("Requests under way to one host.", 6)
    delay: Duration | None = _key("Pause between two requests to a host.", "0s")
    retries: Whole | None = _key("Further attempts for what may pass.", 2)
    retry_delay: Duration | None = _key(
        "Wait before the first of them; each later waits 5 times as long.", "2s"
    )
    analyse_in: Literal["parent", "workers"] | None = _key(
        "Where pages are parsed.", "parent"
    )
    depth: Whole | None = _key("Follow links so far from what was given.", 0)
    check_links: bool | None = _key(
        "Ask whether what pages point to is there; else if `depth` is above 0."
    )
    scope: Literal["origin", "host", "domain", "prefix", "all"] | None = _key(
        "What is followed: links within these bounds.", "origin"
    )
    include: PythonPatterns | None = _key(
        "Follow only URLs that match, or these although excluded."
    )
    exclude: PythonPatterns | None = _key(
        "Neither follow nor check URLs that match one of these."
    )
    external: Literal["check", "skip"] | None = _key(
        "Links that lead out of scope.", "check"
    )
    redirects: Literal["ok", "warn", "error"] | None = _key(
        "Links to what is redirected for good.", "ok"
    )
    sitemap: bool | None = _key("Fetch what the sitemaps list, too.", False)
    strip_param: Texts | None = _key(
        "Query parameters that are taken out of links, such as `utm_*`."
    )
    max_url_length: Counting | None = _key("Do not follow longer links.", 2083)
    ignore_robots: bool | None = _key("Do not ask for robots.txt.", False)
    obey_robots: bool | None = _key(
        "Let robots.txt decide about what was given, too.", False
    )
    proxy: ProxyUrl | None = _key(
        "Go through this proxy; else `http_proxy`, `https_proxy`, `no_proxy` tell."
    )
    resolve: ResolveRules | None = _key(
        "Addresses to use for hosts, `host:port:address` each."
    )
    public_only: bool | None = _key("Ask public addresses alone.", False)
    allow_net: Networks | None = _key("Networks that may be asked, however private.")
    deny_net: Networks | None = _key("Networks that are never asked.")
    trust_proxy: bool | None = _key("Let a proxy decide where requests go.", False)
    output: OutputPaths | None = _key("Files to write; their endings name the format.")
    format: (
        Literal[
            "text", "json", "jsonl", "csv", "sitemap",
            "junit", "sarif", "github", "markdown", "prometheus",
        ]
        | None
    ) = _key("What standard output gets.", "text")  # fmt: skip
    db: FilePath | None = _key("Remember runs in this database.")
    baseline: Baseline | None = _key(
        "Compare with this: a run of `db` by its number, or a file; else the last"
        " finished run of the same input."
    )
    fail_on: Literal["any", "new", "none"] | None = _key(
        "Exit code 1 for anything that is wrong, for what was not wrong before, or"
        " never.",
        "any",
    )
    conditional: bool | None = _key(
        "With `db`: ask whether a page changed since, and take it from there if not.",
        True,
    )
    redact: bool | None = _key("Hide secrets of URLs in all that is written.", True)
    quiet: bool | None = _key("Print no report and no progress.", False)
    verbose: bool | None = _key("Tell each page on standard error.", False)
    no_progress: bool | None = _key("Draw no line of progress.", False)
    color: Literal["auto", "always", "never"] | None = _key("Colours in text.", "auto")
    expect: ExpectTable | None = _key("What is expected of every page.")
    filter: FilterTable | None = _key(
        "What of a page's text is compared with earlier runs."
    )
    groups: dict[GroupName, GroupTable] | None = _key(
        "Pages by group, each with a name."
    )


class _Tidy(GenerateJsonSchema):
    """Leaves out what TOML has not: null, and titles that repeat the key."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of `fetcher.toml`, draft 2020-12."""
    found = Root.model_json_schema(schema_generator=_Tidy)
    tables = found["$defs"]
    for key, said in tables["GroupTable"]["properties"].items():
        if key in found["properties"]:
            said.pop("default", None)  # it is what the top says
    tables["PageTable"]["properties"]["severity"].pop("default")
    for table in (found, *tables.values()):
        table.pop("title", None)
    return {
        "$schema": DIALECT,
        "title": "fetcher.toml",
        **found,
    }
