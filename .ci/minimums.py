"""Prints each dependency at exactly its lower bound, as constraints for pip.

    python .ci/minimums.py > minimums.txt && pip install '.[test]' -c minimums.txt

Ends with 1 and a sentence if one has no lower bound.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[0-9][0-9a-z.]*)")


def minimums(project: str) -> Iterator[str]:
    """Yield "name==version" of what a pyproject.toml asks for to run and to test.

    Raises:
        ValueError: a dependency is not "name>=version".
    """
    known = tomllib.loads(project)["project"]
    for wanted in known["dependencies"] + known["optional-dependencies"]["test"]:
        found = BOUND.fullmatch(wanted)
        if found is None:
            raise ValueError(f"{wanted!r} has no lower bound alone")
        yield f"{found['name']}=={found['version']}"


def main() -> int:
    """Print them, one a line."""
    project = Path(__file__).parent.parent / "pyproject.toml"
    try:
        lines = list(minimums(project.read_text()))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
