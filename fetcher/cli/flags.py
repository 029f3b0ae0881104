"""Every flag of a command that fetches, under its heading."""

from __future__ import annotations

import click

from .shape import Command, option
from .values import DURATION, EXPECTED_HEADER, HEADER, READABLE, SIZE, SIZES, STATUSES

__all__ = [
    "EXPECT_OPTIONS",
    "job_options",
    "LINK_OPTIONS",
    "PACE_OPTIONS",
    "REQUEST_OPTIONS",
    "STDOUT_FORMATS",
]

# Of `export.FORMATS`, which is loaded when something is written.
STDOUT_FORMATS = (
    *("text", "json", "jsonl", "csv", "sitemap"),
    *("junit", "sarif", "github", "markdown", "prometheus"),
)


LINK_OPTIONS = (
    option(
        "Links",
        "-d",
        "--depth",
        type=click.IntRange(0),
        metavar="N",
        default=0,
        show_default=True,
        help="Follow links so far from what was given, and check all others.",
    ),
    option(
        "Links",
        "--check-links/--no-check-links",
        default=None,
        help="Ask whether what pages point to is there.  [default: with --depth]",
    ),
    option(
        "Links",
        "--scope",
        type=click.Choice(("origin", "host", "domain", "prefix", "all")),
        default="origin",
        show_default=True,
        help="What is followed: links within the same origin, host, registrable domain,"
        " directory, or anywhere.",
    ),
    option(
        "Links",
        "--include",
        multiple=True,
        metavar="REGEX",
        help="Follow only URLs that match, or these although excluded; repeatable.",
    ),
    option(
        "Links",
        "--exclude",
        multiple=True,
        metavar="REGEX",
        help="Neither follow nor check URLs that match; repeatable.",
    ),
    option(
        "Links",
        "--external",
        type=click.Choice(("check", "skip")),
        default="check",
        show_default=True,
        help="Links that lead out of scope.",
    ),
    option(
        "Links",
        "--redirects",
        type=click.Choice(("ok", "warn", "error")),
        default="ok",
        show_default=True,
        help="Links to what is redirected for good.",
    ),
    option(
        "Links",
        "--sitemap",
        is_flag=True,
        help="Fetch what the sitemaps list too, and compare them with the links.",
    ),
    option(
        "Links",
        "--strip-param",
        "strip_params",
        multiple=True,
        metavar="GLOB",
        help="Take these query parameters out of links (utm_*); repeatable.",
    ),
    option(
        "Links",
        "--max-url-length",
        type=click.IntRange(1),
        metavar="N",
        default=2083,
        show_default=True,
        help="Do not follow longer links.",
    ),
    option(
        "Links",
        "--ignore-robots",
        is_flag=True,
        help="Do not ask for robots.txt: for a site of your own.",
    ),
    option(
        "Links",
        "--obey-robots",
        is_flag=True,
        help="Let robots.txt decide about what was given too, not only what was found.",
    ),
)


PACE_OPTIONS = (
    option(
        "Pace",
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Worker processes.  [default: CPUs + 1]",
    ),
    option(
        "Pace",
        "--concurrency",
        type=click.IntRange(1),
        metavar="N",
        default=64,
        show_default=True,
        help="Requests under way in all.",
    ),
    option(
        "Pace",
        "--per-host",
        type=click.IntRange(1),
        metavar="N",
        default=6,
        show_default=True,
        help="Requests under way to one host.",
    ),
    option(
        "Pace",
        "--delay",
        type=DURATION,
        metavar="TIME",
        default="0s",
        help="Pause between two requests to a host; one at a time then.",
    ),
    option(
        "Pace",
        "--retries",
        type=click.IntRange(0),
        metavar="N",
        default=2,
        show_default=True,
        help="Further attempts for what may pass: no connection, a time-out, 429, 5xx.",
    ),
    option(
        "Pace",
        "--retry-delay",
        type=DURATION,
        metavar="TIME",
        default="2s",
        show_default=True,
        help="Wait before the first; each later waits 5 times as"
        " long, or as long as Retry-After asks.",
    ),
)


EXPECT_OPTIONS = (
    option(
        "Expectations",
        "--expect-status",
        type=STATUSES,
        metavar="STATUSES",
        help="Each page answers with one of these, which is then well: 200..=204,404.",
    ),
    option(
        "Expectations",
        "--expect-text",
        multiple=True,
        metavar="TEXT",
        help="The source of each page holds this text; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-text",
        multiple=True,
        metavar="TEXT",
        help="It does not hold this text; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-match",
        multiple=True,
        metavar="REGEX",
        help="It matches this pattern (RE2) somewhere; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-match",
        multiple=True,
        metavar="REGEX",
        help="It matches this pattern nowhere; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-header",
        type=EXPECTED_HEADER,
        multiple=True,
        metavar="'NAME: VALUE'",
        help="The answer has this field; a value /between slashes/ is a pattern;"
        " repeatable.",
    ),
    option(
        "Expectations",
        "--expect-type",
        metavar="TYPE",
        help="Its media type, or a range of them: text/html, image/*.",
    ),
    option(
        "Expectations",
        "--expect-language",
        metavar="LANGUAGE",
        help="The language it declares; en is met by en-GB too.",
    ),
    option(
        "Expectations",
        "--expect-css",
        multiple=True,
        metavar="SELECTOR",
        help="It has an element that this CSS selector finds; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-no-css",
        multiple=True,
        metavar="SELECTOR",
        help="It has none that this CSS selector finds; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-json",
        multiple=True,
        metavar="JMESPATH",
        help="It is JSON of which this is true: \"status == 'up'\"; repeatable.",
    ),
    option(
        "Expectations",
        "--expect-size",
        type=SIZES,
        metavar="SIZES",
        help="The size of its body, decoded: 1KB..2MB, 1KB.., ..2MB.",
    ),
    option(
        "Expectations",
        "--expect-redirect",
        metavar="URL",
        help="It redirects to here; /between slashes/: to what matches.",
    ),
    option(
        "Expectations",
        "--expect-final-url",
        metavar="URL",
        help="The answer comes from here, after redirects; /^https:/ is a pattern.",
    ),
    option(
        "Expectations",
        "--max-time-per-page",
        type=DURATION,
        metavar="TIME",
        help="More, redirects included, is an error.",
    ),
    option(
        "Expectations",
        "--warn-time-per-page",
        type=DURATION,
        metavar="TIME",
        help="More is a warning, which leaves the exit code as it is.",
    ),
    option(
        "Expectations",
        "--cert-days",
        type=click.FloatRange(0),
        metavar="N",
        help="Its certificate is good for so many days more.",
    ),
)


REQUEST_OPTIONS = (
    option(
        "Pace",
        "--analyse-in",
        type=click.Choice(("parent", "workers")),
        default="parent",
        show_default=True,
        help="Where pages are parsed; a page that crashes the parser costs only a"
        " worker there.",
    ),
    option(
        "Input",
        "--max-pages",
        type=click.IntRange(1),
        metavar="N",
        help="Fetch at most so many pages.",
    ),
    option(
        "Input",
        "--max-time",
        type=DURATION,
        metavar="TIME",
        help="End after so long, and report what was done by then.",
    ),
    option(
        "Requests",
        "-t",
        "--timeout",
        type=DURATION,
        metavar="TIME",
        default="20s",
        show_default=True,
        help="For one attempt, its redirects included.",
    ),
    option(
        "Requests",
        "--max-redirects",
        type=click.IntRange(0),
        metavar="N",
        default=10,
        show_default=True,
        help="Redirects followed for one URL.",
    ),
    option(
        "Requests",
        "--max-size",
        type=SIZE,
        metavar="SIZE",
        default="10MB",
        show_default=True,
        help="Read at most so much of a body, decoded.",
    ),
    option(
        "Requests",
        "--accept",
        type=STATUSES,
        metavar="STATUSES",
        help="Statuses that are well, such as 200..=204,404.  [default: below 400]",
    ),
    option(
        "Requests",
        "-H",
        "--header",
        type=HEADER,
        multiple=True,
        metavar="'NAME: VALUE'|@FILE",
        help="Send this header field, or those in a file, to the origins given;"
        " repeatable.",
    ),
    option(
        "Requests",
        "-u",
        "--user-agent",
        metavar="TEXT",
        help="Say this and not fetcher's own name.",
    ),
    option(
        "Requests",
        "--from",
        "from_",
        metavar="ADDRESS",
        help="Tell sites whom to write to (the From field).",
    ),
    option(
        "Requests",
        "--user",
        metavar="NAME[:PASSWORD]",
        envvar="FETCHER_USER",
        show_envvar=True,
        help="Log in at the origins given; asks for a password that is not given.",
    ),
    option("Requests", "--netrc", is_flag=True, help="Look logins up in ~/.netrc."),
    option(
        "Requests",
        "--cookie-file",
        type=READABLE,
        metavar="FILE",
        help="Send the cookies of this file (Netscape form).",
    ),
    option(
        "Requests",
        "--proxy",
        metavar="URL",
        help="Go through this proxy.  [default: http_proxy, https_proxy, no_proxy]",
    ),
    option(
        "Requests",
        "--cacert",
        type=READABLE,
        metavar="FILE",
        help="Trust the roots in this PEM file.",
    ),
    option(
        "Requests",
        "--cert",
        type=READABLE,
        metavar="FILE",
        help="Show this client certificate (PEM, with its key).",
    ),
    option(
        "Requests",
        "-k",
        "--insecure",
        is_flag=True,
        help="Take any certificate; the report says so.",
    ),
    option(
        "Requests",
        "--resolve",
        multiple=True,
        metavar="HOST:PORT:ADDRESS",
        help="Use this address for a host; repeatable.",
    ),
    option(
        "Requests",
        "-4",
        "ip_version",
        flag_value=4,
        type=int,
        default=None,
        help="IPv4 only.",
    ),
    option("Requests", "-6", "ip_version", flag_value=6, type=int, help="IPv6 only."),
    option(
        "Requests",
        "--public-only",
        is_flag=True,
        help="Ask public addresses alone, also for what the list says: for lists from"
        " strangers.",
    ),
    option(
        "Requests",
        "--allow-net",
        multiple=True,
        metavar="CIDR",
        help="Let pages lead to this network, however private; repeatable.",
    ),
    option(
        "Requests",
        "--deny-net",
        multiple=True,
        metavar="CIDR",
        help="Never ask an address of this network; repeatable.",
    ),
    option(
        "Requests",
        "--trust-proxy",
        is_flag=True,
        help="Let a proxy decide where requests go: fetcher sees no addresses then.",
    ),
    *EXPECT_OPTIONS,
    option(
        "Result",
        "-o",
        "--output",
        multiple=True,
        metavar="FILE",
        help="Write this file too; its ending names the format: .txt, .json, .jsonl,"
        " .csv, .xml (a sitemap), .junit.xml, .sarif, .md, .prom; repeatable.",
    ),
    option(
        "Result",
        "-f",
        "--format",
        "stdout_format",
        default="text",
        show_default=True,
        type=click.Choice(STDOUT_FORMATS),
        help="What standard output gets.",
    ),
    option(
        "Result",
        "--nagios",
        is_flag=True,
        help="Print one line, with exit code 0 to 3, as plugins of Nagios do.",
    ),
    option(
        "Result",
        "--db",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Remember the run in this database; it is made if there is none.",
    ),
    option(
        "Result",
        "--resume",
        is_flag=True,
        help="Continue the last run of this input in --db, if it was cut short.",
    ),
    option(
        "Result",
        "--conditional/--no-conditional",
        default=True,
        show_default=True,
        help="With --db: ask whether a page changed since, and take it from there"
        " if not.",
    ),
    option(
        "Result",
        "--redact/--no-redact",
        default=True,
        show_default=True,
        help="Hide passwords and known token parameters of URLs in all that is"
        " written.",
    ),
    option(
        "Result",
        "-q",
        "--quiet",
        is_flag=True,
        help="Print no report and no progress; the exit code tells.",
    ),
    option(
        "Result",
        "-v",
        "--verbose",
        is_flag=True,
        help="Tell each page on standard error as it is done.",
    ),
    option(
        "Result",
        "--no-progress",
        is_flag=True,
        help="No progress line (there is none unless standard error is a terminal).",
    ),
    option(
        "Result",
        "--color",
        type=click.Choice(("auto", "always", "never")),
        default="auto",
        show_default=True,
        help="Colours in text; NO_COLOR is respected.",
    ),
)


def job_options(command: Command) -> Command:
    """Add the options that every command which fetches has."""
    for add in reversed((*PACE_OPTIONS, *LINK_OPTIONS, *REQUEST_OPTIONS)):
        command = add(command)
    return command
