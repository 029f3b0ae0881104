"""Imports point one way and every effect has one owner; the map is `ROWS`.

`ROWS` says which module stands where and `OWNERS` who may touch what. `complaints`
reads one module's source and answers with sentences; nothing is imported for that.
"""

import ast
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import fetcher

PACKAGE = Path(fetcher.__file__).parent

# A row's modules import only from rows above it, or inside their own package.
ROWS = (
    {"errors", "models", "pool"},
    {"descriptors", "guard", "link_table", "memory", "patterns", "urls", "warm"},
    {"facts", "graph", "redact", "robots", "sitemaps", "traps"},
    {"backlog", "page", "text_lines"},
    {"changes", "conditional", "shown", "site_report"},
    {"checks", "frontier", "report", "rules", "store", "transport"},
    {"export", "groups", "output"},
    {"earlier", "hints", "interrupts", "options", "source", "task"},
    {"comparing", "config", "site"},
    {"cluster", "engine", "notify"},
    {"demo", "schedule", "testing"},
    {"__init__", "__main__", "cli"},  # the faces: they may name each other
)
FACES = ROWS[-1]
ROW_OF = {module: number for number, row in enumerate(ROWS) for module in row}

PURE = {
    *("errors", "models", "urls", "guard", "facts", "robots", "sitemaps", "traps"),
    *("backlog", "checks", "frontier", "redact", "report", "rules", "shown"),
    *("conditional", "groups", "hints", "link_table", "options", "site_report"),
    *("changes", "patterns", "text_lines"),
}
IMPURE = set(ROW_OF) - PURE

# A dotted name, or the start of one, and the modules that may use it.
OWNERS = {
    "bs4": {"page"},
    "can_ada": {"facts", "urls"},
    "click": {"cli"},
    "ctypes": {"memory"},
    "click_default_group": {"cli"},
    "dask": {"cluster"},
    "distributed": {"cluster"},
    "jmespath": {"checks"},
    "lxml": {"sitemaps"},
    "multiprocessing": {"pool"},
    "os.fork": {"pool"},
    "os.forkpty": {"pool"},
    "print": {"__main__", "cli"},
    "pycurl": {"transport"},
    "re2": {"patterns"},
    "requests": {"transport"},
    "resource.setrlimit": {"descriptors", "memory"},
    "rich": {"cli", "export"},
    "sqlite3": {"store"},
    "prometheus_client": {"export"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "protego": {"robots"},
    "sys.argv": {"__main__", "cli"},
    "tomllib": {"config"},
    "tldextract": {"urls"},
    "turbohtml": {"facts", "text_lines"},
    "urllib3": {"transport"},
    # What would make a pure module answer differently tomorrow, or elsewhere.
    "datetime.date.today": IMPURE,
    "datetime.datetime.now": IMPURE,
    "datetime.datetime.today": IMPURE,
    "datetime.datetime.utcnow": IMPURE,
    "http.client": IMPURE,
    "open": IMPURE,
    "os.environ": IMPURE,
    "os.getenv": IMPURE,
    "random": IMPURE,
    "socket": IMPURE,
    "ssl": IMPURE,
    "subprocess": IMPURE,
    "time.monotonic": IMPURE,
    "time.monotonic_ns": IMPURE,
    "time.perf_counter": IMPURE,
    "time.sleep": IMPURE,
    "time.time": IMPURE,
    "time.time_ns": IMPURE,
    "urllib.request": IMPURE,
}
# Named in an annotation only: the types that a user hands in.
TYPES_ONLY = {("models", "requests")}
BUILTINS = {"open", "print"}


class Use(NamedTuple):
    """One dotted name that a module imports or uses, and where."""

    name: str
    line: int
    imported: bool
    for_types: bool


def complaints(path: str, source: str) -> list[str]:
    """Return a sentence for each rule that this module breaks.

    `path` is relative to the package: "engine.py", "export/csv.py".
    """
    module = path.removesuffix(".py").partition("/")[0]
    where = f"fetcher/{path}"
    if module not in ROW_OF:
        return [
            f"{where}:1: {module} has no row: give it a row in ROWS, and in the table"
            " of docs/explanation/architecture.md"
        ]
    uses = _uses(path, ast.parse(source))
    found = [_wrong_direction(module, use) or _not_its_own(module, use) for use in uses]
    sentences = [
        (use.line, sentence)
        for use, sentence in zip(uses, found, strict=True)
        if sentence is not None
    ]
    return [f"{where}:{line}: {said}" for line, said in sorted(set(sentences))]


def _wrong_direction(module: str, use: Use) -> str | None:
    if not use.imported or use.name.partition(".")[0] != "fetcher":
        return None
    target = [*use.name.split("."), "__init__"][1]
    if target == "__version__":
        return None  # a constant, known before any module is
    if target not in ROW_OF:
        # `from fetcher import Page`: a public name, which `__init__` finds.
        is_module = importlib.util.find_spec(f"fetcher.{target}") is not None
        if is_module:
            return f"imports {target}, which has no row: give it one in ROWS"
        target = "__init__"
    own, other = ROW_OF[module], ROW_OF[target]
    if target == module or other < own or (module in FACES and target in FACES):
        return None
    return (
        f"{module} (row {own}) imports {target} (row {other}): a module imports only"
        " from rows above its own"
    )


def _not_its_own(module: str, use: Use) -> str | None:
    for effect, owners in OWNERS.items():
        if use.name != effect and not use.name.startswith(f"{effect}."):
            continue
        if module in owners or (use.for_types and (module, effect) in TYPES_ONLY):
            continue
        if owners is IMPURE:
            return f"{module} is pure and uses {effect}: pass the value in"
        return (
            f"{module} uses {effect}: it belongs to"
            f" {' and '.join(sorted(owners))} alone"
        )
    return None


def _uses(path: str, tree: ast.Module) -> list[Use]:
    package = ["fetcher", *path.split("/")[:-1]]
    known: dict[str, str] = {}  # what a name in this file stands for
    uses: list[Use] = []
    type_lines = _lines_for_types(tree)

    def use(name: str, node: ast.AST, *, imported: bool = False) -> None:
        uses.append(Use(name, node.lineno, imported, node.lineno in type_lines))

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                use(alias.name, node, imported=True)
                first = alias.name.partition(".")[0]
                known[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(package, node.level, node.module)
            for alias in node.names:
                use(f"{origin}.{alias.name}", node, imported=True)
                known[alias.asname or alias.name] = f"{origin}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = _dotted(node, known)
            if name is not None:
                use(name, node)
        elif isinstance(node, ast.Call):
            name = _imported_by_call(node, known, package)
            if name is not None:
                use(name, node, imported=True)
    return uses


def _origin(package: list[str], level: int, module: str | None) -> str:
    """Return the absolute name of what `from ...module import` imports from."""
    above = package[: len(package) - level + 1] if level else []
    return ".".join([*above, *([module] if module else [])])


def _dotted(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, known)
        return None if owner is None else f"{owner}.{node.attr}"
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id if node.id in BUILTINS else None)
    return None


def _imported_by_call(
    node: ast.Call, known: dict[str, str], package: list[str]
) -> str | None:
    """Return what `import_module("x")` or `__import__("x")` imports, if it is said."""
    is_import = (
        isinstance(node.func, ast.Name) and node.func.id == "__import__"
    ) or _dotted(node.func, known) == "importlib.import_module"
    first = node.args[0] if node.args else None
    if not (is_import and isinstance(first, ast.Constant)):
        return None
    name = str(first.value)
    level = len(name) - len(name.lstrip("."))
    return _origin(package, level, name[level:] or None)


def _lines_for_types(tree: ast.Module) -> set[int]:
    """Return the lines under `if TYPE_CHECKING:` and those with annotations."""
    spans: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            spans += node.body
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            spans.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            spans.append(node.returns)
    return {line for span in spans for line in range(span.lineno, span.end_lineno + 1)}


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_a_module_imports_from_above_and_touches_only_its_own(path):
    found = complaints(path, (PACKAGE / path).read_text("utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_no_module_has_two_rows_and_every_owner_has_one():
    assert sum(map(len, ROWS)) == len(ROW_OF)
    assert set().union(*OWNERS.values()) <= set(ROW_OF)
    assert set(ROW_OF) >= PURE


BAD = [
    ("models.py", "from .page import Page", "models (row 0) imports page (row 3)"),
    ("models.py", "import fetcher.page", "models (row 0) imports page (row 3)"),
    ("models.py", "from . import errors", "models (row 0) imports errors (row 0)"),
    ("pool/worker.py", "from ..models import Kind", "pool (row 0) imports models"),
    ("page.py", "def f():\n    from .engine import crawl", "page (row 3) imports"),
    (
        "urls.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .page import P",
        "urls (row 1) imports page (row 3)",
    ),
    ("engine.py", "from . import cli", "engine (row 9) imports cli (row 11)"),
    ("engine.py", "from fetcher import Page", "engine (row 9) imports __init__"),
    ("engine.py", "import fetcher", "engine (row 9) imports __init__ (row 11)"),
    ("report.py", "from .frontier import F", "report (row 5) imports frontier (row 5)"),
    (
        "export/csv.py",
        "from importlib import import_module\nimport_module('fetcher.cli')",
        "export (row 6) imports cli (row 11)",
    ),
    ("export/csv.py", "from ..output import x", "export (row 6) imports output"),
    ("helpers.py", "x = 1", "helpers has no row: give it a row"),
    ("helpers/text.py", "x = 1", "helpers has no row: give it a row"),
    ("facts.py", "import bs4", "facts uses bs4: it belongs to page alone"),
    (
        "page.py",
        "from turbohtml import parse",
        "turbohtml: it belongs to facts and text_lines alone",
    ),
    ("transport.py", "import can_ada as ada", "can_ada: it belongs to facts and urls"),
    ("engine.py", "import requests", "requests: it belongs to transport alone"),
    ("models.py", "import requests", "models uses requests"),
    (
        "engine.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pycurl",
        "pycurl: it belongs to transport alone",
    ),
    ("report.py", "import sqlite3", "sqlite3: it belongs to store alone"),
    ("engine.py", "from multiprocessing import Pool", "multiprocessing: it belongs to"),
    ("engine.py", "import os\nos.fork()", "os.fork: it belongs to pool alone"),
    ("engine.py", "from os import fork as f", "os.fork: it belongs to pool alone"),
    (
        "engine.py",
        "def f():\n    print(1)",
        "print: it belongs to __main__ and cli alone",
    ),
    (
        "engine.py",
        "import sys as s\ns.argv[1:]",
        "sys.argv: it belongs to __main__ and",
    ),
    ("engine.py", "import click", "click: it belongs to cli alone"),
    ("report.py", "from rich.table import Table", "rich: it belongs to cli and export"),
    ("page.py", "import lxml.html", "lxml: it belongs to sitemaps alone"),
    ("page.py", "__import__('lxml')", "lxml: it belongs to sitemaps alone"),
    ("frontier.py", "import time\ntime.sleep(1)", "is pure and uses time.sleep"),
    ("frontier.py", "import time as t\nx = t.monotonic", "uses time.monotonic"),
    ("frontier.py", "from time import monotonic", "uses time.monotonic"),
    (
        "report.py",
        "from datetime import UTC, datetime\nx = datetime.now(UTC)",
        "report is pure and uses datetime.datetime.now",
    ),
    ("rules/links.py", "import datetime as d\nd.date.today()", "datetime.date.today"),
    ("robots.py", "open('x')", "robots is pure and uses open: pass the value in"),
    ("guard.py", "import socket", "guard is pure and uses socket"),
]


@pytest.mark.parametrize(
    ("path", "source", "said"), BAD, ids=[f"{path}: {said}" for path, _, said in BAD]
)
def test_a_broken_rule_is_named_with_its_file_and_line(path, source, said):
    """The test above can fail, and what it says then helps."""
    found = complaints(path, source)
    assert any(said in sentence for sentence in found), found
    line = 1 if "no row" in said else len(source.splitlines())
    assert any(sentence.startswith(f"fetcher/{path}:{line}: ") for sentence in found)


GOOD = [
    ("page.py", "def f():\n    from .facts import extract"),
    ("pool/worker.py", "from .result import AsyncResult\nimport multiprocessing"),
    ("pool/worker.py", "from fetcher.pool.result import AsyncResult"),
    ("transport.py", "from . import __version__\nimport requests, pycurl"),
    ("cli.py", "from . import crawl\nfrom .engine import crawl\nimport sys\nsys.argv"),
    ("__main__.py", "from .cli import main\nmain()"),
    (
        "models.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import requests\n"
        "x: requests.Session",
    ),
    ("page.py", "from datetime import UTC, datetime\ndatetime.now(UTC)"),
    ("frontier.py", "def f(time, datetime):\n    time.sleep(1)\n    datetime.now()"),
    ("report.py", "from datetime import datetime\nx = datetime(2026, 1, 1)"),
    ("export/text.py", "from . import csv\nfrom .csv import x\nimport rich"),
    ("engine.py", "class A:\n    def print(self): ...\nA().print()"),
    ("testing.py", "from .engine import crawl\nfrom .page import Page"),
]


@pytest.mark.parametrize(("path", "source"), GOOD, ids=[path for path, _ in GOOD])
def test_what_keeps_the_rules_is_let_through(path, source):
    assert complaints(path, source) == []


HEAVY = (
    *("requests", "urllib3", "pycurl", "bs4", "lxml", "turbohtml", "re2", "jmespath"),
    *("pydantic", "tomllib"),
)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("fetcher", (*HEAVY, "can_ada", "rich", "click", "multiprocessing")),
        ("fetcher.cli", (*HEAVY, "rich")),
        ("fetcher.config", (*HEAVY, "rich", "click")),
        ("fetcher.models", (*HEAVY, "rich", "click")),
        ("fetcher.page", (*HEAVY, "rich", "click")),
        ("fetcher.demo", (*HEAVY, "rich", "click")),
        ("fetcher.testing", (*HEAVY, "rich", "click")),
    ],
)
def test_what_costs_time_is_loaded_when_it_is_used(module, unwanted):
    """`fetcher --help` answers at once, because nothing heavy is imported for it."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no {module} yet")
    program = (
        f"import sys, {module}; print(*sorted(set({unwanted!r}) & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []


@pytest.mark.parametrize("name", fetcher.__all__)
def test_every_public_name_can_be_had(name):
    home = fetcher._HOMES.get(name)
    if home is not None and importlib.util.find_spec(f"fetcher.{home}") is None:
        pytest.skip(f"there is no fetcher.{home} yet")
    found = getattr(fetcher, name)
    assert name in dir(fetcher)
    if home is not None:
        assert found is getattr(importlib.import_module(f"fetcher.{home}"), name)


def test_type_checkers_see_the_names_that_can_be_had():
    """`__init__` says each name twice, for Python and for mypy; both say the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert seen == fetcher._HOMES
    assert set(fetcher.__all__) == {*seen, "__version__"}


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fetch_all'"):
        _ = fetcher.fetch_all
