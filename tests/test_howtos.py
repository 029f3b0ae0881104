"""What docs/how-to tells people to copy is tried, as far as it can be on one machine.

Files are cut out of the pages as they stand there. What can be run is run, on the
demo's site; what is for a service that is not here is held against that service's
schema, where a package ships it: `pip install '.[howto]'`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from fetcher import demo

ROOT = Path(__file__).parent.parent
HOW_TO = ROOT / "docs/how-to"
ACTION = ROOT / ".github/actions/fetcher/action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"(?:#|--) (\S+)")
SECONDS_MAX = 60

# Each file of the pages, and the test that tries it.
TRIED = {
    "cron.md": {
        "~/fetcher/check.sh": "test_cron_mails_what_fell_short_and_nothing_else",
        "crontab": "test_cron_takes_the_crontab",
    },
    "systemd.md": {
        "/etc/systemd/system/fetcher.service": "test_systemd_takes_the_units",
        "/etc/systemd/system/fetcher.timer": "test_systemd_takes_the_units",
        "/etc/systemd/system/fetcher-failed@.service": "test_systemd_takes_the_units",
    },
    "kubernetes.md": {
        "Dockerfile": "test_the_image_and_the_manifest_are_of_one_piece",
        "fetcher.yaml": "test_kubernetes_takes_the_manifest",
    },
    "github-actions.md": {
        ".github/workflows/pages.yml": "test_github_takes_the_workflow_and_the_action",
    },
    "gitlab-ci.md": {".gitlab-ci.yml": "test_gitlab_takes_the_pipeline"},
    "pre-commit.md": {
        ".pre-commit-config.yaml": "test_pre_commit_takes_hooks_and_config"
    },
    "healthchecks.md": {
        "check-and-ping.sh": "test_healthchecks_hears_of_start_and_end",
        "ping.env": "test_healthchecks_hears_of_start_and_end",
    },
    "database.md": {
        "questions.sql": "test_the_questions_have_answers",
        "pages.sql": "test_duckdb_reads_the_pages",
    },
}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and text of each block of a page."""
    return BLOCK.findall((HOW_TO / page).read_text())


def name_of(text: str) -> str | None:
    """Return what a file is called: a comment of one word, its first line or second."""
    lines = text.splitlines()[:2]
    found = [NAME.fullmatch(line) for line in lines if not line.startswith("#!")][:1]
    return found[0][1] if found and found[0] else None


def file_of(page: str, name: str) -> str:
    (text,) = (text for _, text in blocks(page) if name_of(text) == name)
    return text


def only_block(page: str, language: str) -> str:
    (text,) = (text for found, text in blocks(page) if found == language)
    return text


def tool(name: str) -> str:
    """Return where a program is, beside this Python or anywhere; else skip the test."""
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} on this machine")
    return found


def run(
    *command: object, cwd: Path, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with what little environment cron gives, and what is named."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"HOME": str(cwd), "PATH": "/usr/bin:/bin:/usr/sbin", **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


@pytest.fixture(scope="module")
def site() -> Iterator[demo.Site]:
    with demo.serve() as open_site:
        yield open_site


def install(folder: Path) -> None:
    """Have `fetcher` in a folder, as a virtual environment has it in its bin."""
    folder.mkdir(parents=True)
    program = folder / "fetcher"
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} "
        f'exec {shlex.quote(sys.executable)} -m fetcher --retry-delay 10ms "$@"\n'
    )
    program.chmod(0o755)


@pytest.fixture
def place(tmp_path, site) -> Path:
    """A folder with .venv/bin/fetcher and urls.txt, one page, which is well."""
    install(tmp_path / ".venv/bin")
    (tmp_path / "urls.txt").write_text(f"{site.base_url}/\n")
    return tmp_path


def spoil(place: Path, site: demo.Site) -> None:
    """Add a page that is gone."""
    with (place / "urls.txt").open("a") as urls:
        urls.write(f"{site.base_url}/comet-1997\n")


def check_schema(schema: str, path: Path, *more: str) -> None:
    tool("check-jsonschema")
    done = run(
        *(sys.executable, "-m", "check_jsonschema"),
        *("--builtin-schema", f"vendor.{schema}", *more, path),
        cwd=path.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# The pages.


def test_every_file_of_the_pages_is_tried():
    """A file that people copy and that no test tries does not stay in a page."""
    for page, tried in TRIED.items():
        named = {name for _, text in blocks(page) if (name := name_of(text))}
        assert named == set(tried), page
        assert all(callable(globals()[test]) for test in tried.values())


def test_every_page_is_listed_and_tried():
    pages = {path.name for path in HOW_TO.glob("*.md")} - {"README.md"}
    listed = set(re.findall(r"^- \[[^]]+\]\(([a-z-]+\.md)\)", readme(), re.MULTILINE))
    assert pages == listed == set(TRIED)


def readme() -> str:
    return (HOW_TO / "README.md").read_text()


@pytest.mark.parametrize("page", sorted(TRIED))
def test_every_shell_command_of_a_page_can_be_read_by_a_shell(page, tmp_path):
    for language, text in blocks(page):
        if language == "sh":
            done = run("sh", "-n", cwd=tmp_path, stdin=text)
            assert done.returncode == 0, f"{text}\n{done.stderr}"


@pytest.mark.parametrize("page", [*sorted(TRIED), "README.md"])
def test_every_option_of_fetcher_that_a_page_names_is_there(page):
    """Options are fetcher's where a command or a sentence says fetcher's name."""
    known = (ROOT / "docs/reference/cli.md").read_text()
    text = (HOW_TO / page).read_text()
    for line in re.findall(r"(?:^|/|`)fetcher (?:[^&\s]+ )*?--.*", text, re.MULTILINE):
        for option in re.findall(r"(?<=[\s`])--[a-z][a-z-]+", line):
            assert option in known, line


# cron


@pytest.mark.slow
def test_cron_mails_what_fell_short_and_nothing_else(place, site):
    """Nothing is printed while all is well; the report when it is not."""
    tool("flock")
    (place / "check.sh").write_text(file_of("cron.md", "~/fetcher/check.sh"))
    well = run("sh", place / "check.sh", cwd=place)
    assert (well.returncode, well.stdout, well.stderr) == (0, "", "")
    spoil(place, site)
    bad = run("sh", place / "check.sh", cwd=place)
    assert bad.returncode == 1
    assert "1 of 2 pages fell short" in bad.stdout
    (place / "urls.txt").unlink()
    worse = run("sh", place / "check.sh", cwd=place)
    assert worse.returncode == 2
    assert worse.stdout == "fetcher ended with 2\n"
    assert "there is no file urls.txt" in worse.stderr


@pytest.mark.slow
def test_cron_mails_only_what_is_new_if_told_so(place, site):
    """With `--fail-on new`, as the page says: a page that stays gone is told once."""
    tool("flock")
    script = file_of("cron.md", "~/fetcher/check.sh")
    assert "`--fail-on new`" in (HOW_TO / "cron.md").read_text()
    told = script.replace(" --db runs.db", " --db runs.db --fail-on new")
    (place / "check.sh").write_text(told)
    assert run("sh", place / "check.sh", cwd=place).returncode == 0
    spoil(place, site)
    first, second = (run("sh", place / "check.sh", cwd=place) for _ in range(2))
    assert first.returncode == 1
    assert "comet-1997" in first.stdout
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


@pytest.mark.slow
def test_cron_leaves_out_a_run_while_another_is_under_way(place):
    flock = tool("flock")
    (place / "check.sh").write_text(file_of("cron.md", "~/fetcher/check.sh"))
    held = run(flock, "check.lock", "sh", place / "check.sh", cwd=place)
    assert (held.returncode, held.stdout, held.stderr) == (0, "", "")
    assert not (place / "report.txt").exists()


def test_cron_takes_the_crontab(tmp_path):
    """Debian's crontab checks its syntax; it takes no minute 61."""
    crontab = tool("crontab")
    if "-n" not in run(crontab, "-h", cwd=tmp_path).stderr:
        pytest.skip("this crontab cannot check a file without installing it")
    good = tmp_path / "good"
    good.write_text(file_of("cron.md", "crontab"))
    done = run(crontab, "-n", good, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bad = tmp_path / "bad"
    bad.write_text(good.read_text().replace("\n17 ", "\n61 "))
    assert run(crontab, "-n", bad, cwd=tmp_path).returncode != 0


def test_the_line_of_the_crontab_has_five_fields_and_no_percent_sign():
    (line,) = re.findall(r"^\d.*", file_of("cron.md", "crontab"), re.MULTILINE)
    minute, hour, day, month, weekday, command = line.split(maxsplit=5)
    assert 0 < int(minute) <= 59, "and not 0, when everybody asks"
    assert (hour, day, month, weekday) == ("*", "*", "*", "*")
    assert command == "$HOME/fetcher/check.sh"
    assert "%" not in line


# systemd


def units(folder: Path) -> list[Path]:
    """Write the units, with a fetcher that is there, and return where they are."""
    install(folder / "bin")
    found = []
    for path in TRIED["systemd.md"]:
        text = file_of("systemd.md", path)
        unit = folder / Path(path).name
        unit.write_text(text.replace("/opt/fetcher/bin", str(folder / "bin")))
        found.append(unit)
    return found


@pytest.mark.slow
def test_systemd_takes_the_units(tmp_path):
    """`systemd-analyze verify` is silent, and is not so of a misspelling."""
    analyze = tool("systemd-analyze")
    paths = units(tmp_path)
    done = run(analyze, "verify", "--man=no", *paths, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    service = tmp_path / "fetcher.service"
    service.write_text(service.read_text().replace("PrivateTmp=", "PrivateTemp="))
    bad = run(analyze, "verify", "--man=no", service, cwd=tmp_path)
    assert "PrivateTemp" in bad.stderr


@pytest.mark.slow
def test_systemd_finds_the_service_little_exposed(tmp_path):
    """`systemd-analyze security` gives it at most 2 of 10: 10 is a bare service."""
    analyze = tool("systemd-analyze")
    units(tmp_path)
    options = ["security", "--offline=true", "--threshold=20"]
    done = run(analyze, *options, tmp_path / "fetcher.service", cwd=tmp_path)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze knows no --offline")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ends_of_the_service_come_in_their_order():
    """fetcher ends by itself before systemd asks, and is asked before it is killed."""
    service = file_of("systemd.md", "/etc/systemd/system/fetcher.service")
    assert "--max-time 50m" in service
    assert "TimeoutStartSec=1h" in service
    assert int(re.search(r"TimeoutStopSec=(\d+)s", service)[1]) > 2 * 20  # --timeout
    assert "KillMode=mixed" in service


PR_SET_MDWE = 65  # Linux 6.3: no memory that is written and executed


def refuse_written_code() -> None:
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0):
        os._exit(77)


@pytest.mark.slow
def test_fetcher_works_where_no_memory_is_both_written_and_executed(place):
    """MemoryDenyWriteExecute=yes: libcurl, lxml and RE2 make no code at run time."""
    done = subprocess.run(
        [
            *(place / ".venv/bin/fetcher", "urls.txt", "-q", "--db", "runs.db"),
            *("--expect-match", "Tallow( Hill)+", "--expect-css", "h1"),
        ],
        cwd=place,
        env={"PATH": "/usr/bin:/bin"},
        timeout=SECONDS_MAX,
        check=False,
        preexec_fn=refuse_written_code,  # one system call, no locks
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0


# Kubernetes


def manifest() -> dict[str, dict]:
    found = yaml.safe_load_all(file_of("kubernetes.md", "fetcher.yaml"))
    return {each["kind"]: each for each in found}


def test_kubernetes_takes_the_manifest():
    """Kubernetes' own schema, of batch/v1 and the others, with no key too many."""
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("there is no package kubernetes-validate: pip install '.[howto]'")
    import kubernetes_validate  # 100 MB of schemas: where they are used

    version = kubernetes_validate.latest_version()
    for each in manifest().values():
        kubernetes_validate.validate(each, version, strict=True)
    bad = manifest()["CronJob"]
    bad["spec"]["concurencyPolicy"] = bad["spec"].pop("concurrencyPolicy")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bad, version, strict=True)


def test_the_image_and_the_manifest_are_of_one_piece():
    """The user, the command and the volumes that one names are those of the other."""
    lines = [
        line.split(maxsplit=1)
        for line in file_of("kubernetes.md", "Dockerfile").splitlines()
        if not line.startswith("#")
    ]
    known = ["FROM", "COPY", "RUN", "USER", "WORKDIR", "ENTRYPOINT"]
    assert [word for word, _ in lines] == known
    image = dict(lines)
    job = manifest()["CronJob"]["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    user = pod["securityContext"]
    assert image["USER"] == f"{user['runAsUser']}:{user['runAsGroup']}"
    assert json.loads(image["ENTRYPOINT"]) == ["/opt/fetcher/bin/fetcher"]
    (container,) = pod["containers"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert set(mounts) == {each["name"] for each in pod["volumes"]}
    assert set(mounts.values()) == {"/etc/fetcher", "/data", "/tmp"}
    assert job["activeDeadlineSeconds"] > 50 * 60  # --max-time
    assert pod["terminationGracePeriodSeconds"] > 2 * 20  # --timeout


@pytest.mark.slow
def test_the_arguments_of_the_container_make_a_run(place):
    """As they stand, but for the folders: the list is read and both files are there."""
    job = manifest()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    moved = [
        arg.replace("/etc/fetcher", str(place)).replace("/data", str(place))
        for arg in job["containers"][0]["args"]
    ]
    done = run(place / ".venv/bin/fetcher", *moved, cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "runs.db").exists()
    assert json.loads((place / "pages.jsonl").read_text())["state"] == "ok"


# GitHub


def test_github_takes_the_workflow_and_the_action(tmp_path):
    """Held against the schemas of schemastore, which check-jsonschema ships."""
    workflow = tmp_path / "pages.yml"
    workflow.write_text(file_of("github-actions.md", ".github/workflows/pages.yml"))
    check_schema("github-workflows", workflow)
    check_schema("github-actions", ACTION)


def test_the_workflow_gives_what_the_action_takes():
    workflow = yaml.safe_load(
        file_of("github-actions.md", ".github/workflows/pages.yml")
    )
    action = yaml.safe_load(ACTION.read_text())
    (used,) = (
        s
        for s in workflow["jobs"]["pages"]["steps"]
        if "with" in s and "fetcher" in s["uses"]
    )
    folder = used["uses"].split("@")[0].split("/", 2)[2]
    assert ROOT / folder / "action.yml" == ACTION
    assert set(used["with"]) <= set(action["inputs"])
    rows = re.findall(
        r"^\| `([a-z-]+)` \|", (HOW_TO / "github-actions.md").read_text(), re.M
    )
    assert rows == list(action["inputs"])


def test_no_script_of_the_action_is_made_of_what_is_given_to_it():
    """Inputs come through the environment: in a script they would be run."""
    for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


class Runner:
    """What a step of GitHub Actions finds around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = folder / "summary"
        self.output = folder / "output"
        install(folder / "fetcher-venv/bin")

    def step(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run a step as `shell: bash` is run."""
        steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
        (step,) = (each for each in steps if each["name"] == name)
        assert set(step["env"]) == set(inputs)
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        return run(
            *(tool("bash"), "--noprofile", "--norc", "-eo", "pipefail", script),
            cwd=self.folder,
            RUNNER_TEMP=str(self.folder),
            GITHUB_STEP_SUMMARY=str(self.summary),
            GITHUB_OUTPUT=str(self.output),
            **inputs,
        )

    def check(self, urls: str, args: str = "", database: str = "true"):
        return self.step(
            "Check the pages",
            FETCHER_ACTION_URLS=urls,
            FETCHER_ACTION_ARGS=args,
            FETCHER_ACTION_DATABASE=database,
        )


@pytest.mark.slow
def test_the_action_annotates_and_sums_up(tmp_path, site):
    """What fell short is in the log, in the summary, and in the results."""
    runner = Runner(tmp_path)
    done = runner.check(
        f"\n{site.base_url}/\n  {site.base_url}/comet-1997\n", "--expect-text=$(id)\n"
    )
    assert done.returncode == 0, done.stderr
    assert "::error file=" in done.stdout
    assert "expected the text '$(id)'" in done.stdout, "given as it is, and not run"
    assert "comet-1997" in runner.summary.read_text()
    output = dict(line.split("=", 1) for line in runner.output.read_text().splitlines())
    assert output["exit-code"] == "1"
    said = yaml.safe_load(ACTION.read_text())["outputs"]["results"]["description"]
    written = {path.name for path in Path(output["results"]).iterdir()}
    assert written == set(re.findall(r"[\w.]+\.(?:md|txt|jsonl|xml|sarif)", said))
    assert (tmp_path / "fetcher-db/runs.db").exists()


@pytest.mark.slow
def test_the_action_says_what_kept_it_from_its_work(tmp_path):
    runner = Runner(tmp_path)
    done = runner.check("--nothing.txt", database="false")
    assert done.returncode == 0, "the last step ends the action"
    assert "there is no file" in done.stderr, "taken for a path and not for an option"
    assert "exit-code=2" in runner.output.read_text()
    assert not (tmp_path / "fetcher-db/runs.db").exists()


@pytest.mark.parametrize(
    ("code", "fail", "ends"),
    [(0, "true", 0), (1, "true", 1), (1, "false", 0), (2, "false", 2), (3, "true", 3)],
)
def test_the_action_ends_as_fetcher_did(tmp_path, code, fail, ends):
    done = Runner(tmp_path).step(
        "End as fetcher did", FETCHER_ACTION_CODE=str(code), FETCHER_ACTION_FAIL=fail
    )
    assert done.returncode == ends


# GitLab


def test_gitlab_takes_the_pipeline(tmp_path):
    pipeline = tmp_path / ".gitlab-ci.yml"
    pipeline.write_text(file_of("gitlab-ci.md", ".gitlab-ci.yml"))
    check_schema("gitlab-ci", pipeline, "--data-transform", "gitlab-ci")


@pytest.mark.slow
def test_the_script_of_the_pipeline_writes_what_its_artifacts_are(place, site):
    """One shell runs the lines and ends at the first that fails, as a runner does."""
    spoil(place, site)
    job = yaml.safe_load(file_of("gitlab-ci.md", ".gitlab-ci.yml"))["check-pages"]
    done = run("sh", "-e", cwd=place, stdin="\n".join(job["script"]))
    assert done.returncode == 1, done.stderr
    report = place / job["artifacts"]["reports"]["junit"]
    assert "comet-1997" in report.read_text()
    assert report.is_relative_to(place / job["artifacts"]["paths"][0])
    assert (place / job["cache"]["paths"][0] / "runs.db").exists()


# pre-commit


@pytest.mark.slow
def test_pre_commit_takes_hooks_and_config(tmp_path):
    pre_commit = tool("pre-commit")
    config = tmp_path / "config.yaml"
    config.write_text(file_of("pre-commit.md", ".pre-commit-config.yaml"))
    for command, path in (("validate-manifest", HOOKS), ("validate-config", config)):
        done = run(pre_commit, command, path, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    hooks = {each["id"] for each in yaml.safe_load(HOOKS.read_text())}
    (repo,) = yaml.safe_load(config.read_text())["repos"]
    assert {each["id"] for each in repo["hooks"]} <= hooks


@pytest.mark.slow
def test_the_hook_refuses_a_list_with_a_page_that_is_gone(place, site):
    """In a real repository; with the fetcher of this test, as there is no network.

    pre-commit would install it from the repository that it was told of: here
    `language: system` takes the one in PATH.
    """
    pre_commit = tool("pre-commit")
    (hook,) = yaml.safe_load(HOOKS.read_text())
    hook["language"] = "system"
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (place / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (place / "other.txt").write_text("not a list\n")
    (place / ".gitignore").write_text(".venv/\n")

    def ran() -> subprocess.CompletedProcess[str]:
        paths = f"{place / '.venv/bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"
        run("git", "add", "-A", cwd=place)
        words = ("run", "fetcher", "--hook-stage", "pre-push", "--all-files")
        return run(pre_commit, *words, cwd=place, PATH=paths)

    run("git", "init", "-q", cwd=place)
    well = ran()
    assert well.returncode == 0, well.stdout + well.stderr
    assert "Passed" in well.stdout
    spoil(place, site)
    bad = ran()
    assert bad.returncode == 1
    assert "comet-1997" in bad.stdout


# Healthchecks


class Pings(BaseHTTPRequestHandler):
    """Answers each ping with 200, as the service does, and keeps path and body."""

    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self._keep("")

    def do_POST(self) -> None:
        self._keep(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _keep(self, body: str) -> None:
        self.seen.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


@pytest.fixture
def pings() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Where pings go, and those that came."""
    seen: list[tuple[str, str]] = []
    handler = type("Handler", (Pings,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/ping", seen
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "code"), [(False, 0), (True, 1)], ids=["well", "bad"])
def test_healthchecks_hears_of_start_and_end(place, site, pings, bad, code):
    """First /start, then the exit code with the summary; the script ends so too."""
    tool("curl")
    address, seen = pings
    if bad:
        spoil(place, site)
    env = file_of("healthchecks.md", "ping.env")
    (place / "ping.env").write_text(re.sub("https://.*", address, env))
    script = place / "check-and-ping.sh"
    script.write_text(file_of("healthchecks.md", "check-and-ping.sh"))
    done = run("sh", script, cwd=place)
    assert (done.returncode, done.stderr) == (code, "")
    (start, _), (end, summary) = seen
    assert (start, end) == ("/ping/start", f"/ping/{code}")
    assert summary.startswith("### fetcher: ")
    assert ("comet-1997" in summary) is bad


@pytest.mark.slow
def test_a_ping_that_fails_leaves_the_exit_code_alone(place):
    tool("curl")
    (place / "ping.env").write_text("PING_URL=file:///nowhere\n")
    script = place / "check-and-ping.sh"
    script.write_text(file_of("healthchecks.md", "check-and-ping.sh"))
    done = run("sh", script, cwd=place)
    assert done.returncode == 0
    assert "curl: " in done.stderr


# The database


@pytest.fixture(scope="module")
def runs(tmp_path_factory, site) -> Path:
    """A folder with runs.db and pages.jsonl of two runs of the demo's list."""
    folder = tmp_path_factory.mktemp("runs")
    install(folder / "bin")
    urls = "\n".join(f"{site.base_url}/{name}" for name in ("", "stars/", "comet-1997"))
    (folder / "urls.txt").write_text(urls)
    for number in (1, 2):
        words = ("urls.txt", "--db", "runs.db", "-q", "-o", f"pages{number}.jsonl")
        assert run(folder / "bin/fetcher", *words, cwd=folder).returncode == 1
    return folder


def statements(sql: str) -> list[str]:
    return [each for each in sql.split(";") if each.strip()]


@pytest.mark.slow
def test_the_questions_have_answers(runs):
    """Read-only, as the page says; no certificate is there to end, on loopback."""
    asked = statements(file_of("database.md", "questions.sql"))
    connection = sqlite3.connect(f"file:{runs / 'runs.db'}?mode=ro", uri=True)
    short, shares, certificates, linked = (
        connection.execute(each).fetchall() for each in asked
    )
    first = connection.execute("select datetime(started_at, 'unixepoch') from runs")
    since = first.fetchone()[0]
    connection.close()
    ((url, state, status, reason, started),) = short
    assert url.endswith("/comet-1997")
    assert (state, status, reason, started) == ("broken", 410, None, since)
    assert [(n, percent) for _, n, percent, _ in shares] == [(2, 0), (2, 100), (2, 100)]
    assert certificates == []
    assert linked[0][1] == 2


@pytest.mark.slow
def test_sqlite3_answers_the_questions(runs):
    shell = tool("sqlite3")
    asked = file_of("database.md", "questions.sql")
    done = run(shell, "-box", "file:runs.db?mode=ro", cwd=runs, stdin=asked)
    if "unknown option" in done.stderr:
        pytest.skip("this sqlite3 knows no -box")
    assert (done.returncode, done.stderr) == (0, "")
    assert "comet-1997" in done.stdout


@pytest.mark.slow
def test_datasette_answers_the_questions(runs, tmp_path):
    """The copy is made as the page says; --get answers without a server."""
    shell, datasette = tool("sqlite3"), tool("datasette")
    shutil.copytree(runs, tmp_path / "runs")
    folder = tmp_path / "runs"
    (lines,) = (text for _, text in blocks("database.md") if "vacuum into" in text)
    *copy, serve = lines.splitlines()
    done = run(
        "sh",
        "-e",
        cwd=folder,
        stdin="\n".join(copy),
        PATH=f"{Path(shell).parent}:/usr/bin:/bin",
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "copy.db").stat().st_mode & 0o077 == 0
    (folder / "questions.json").write_text(only_block("database.md", "json"))
    for question in ("/copy/fell_short.json?run=2", "/copy/times.json?url=x"):
        words = shlex.split(serve)[1:]
        done = run(datasette, *words, "--get", question, cwd=folder)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["ok"], answer
        assert bool(answer["rows"]) is ("fell_short" in question)


@pytest.mark.slow
def test_duckdb_reads_the_pages(runs):
    """Without an extension: what reads JSON is built in."""
    if importlib.util.find_spec("duckdb") is None:
        pytest.skip("there is no package duckdb: pip install '.[howto]'")
    program = (
        "import duckdb, sys\n"
        "for each in sys.argv[1:]: print(duckdb.sql(each).fetchall())"
    )
    asked = statements(file_of("database.md", "pages.sql"))
    done = run(sys.executable, "-c", program, *asked, cwd=runs)
    assert done.returncode == 0, done.stderr
    states, links = done.stdout.splitlines()
    assert "('ok', 4, " in states
    assert "('broken', 2, " in states
    assert links.count("http://") == 2 * 20
