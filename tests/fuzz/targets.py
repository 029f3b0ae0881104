"""All targets by name. To add one, write its module and name it here.

A module is imported when its target is asked for: each needs other libraries.
"""

from __future__ import annotations

from importlib import import_module

from .harness import Target

__all__ = ["NAMES", "find"]

# name -> module; the target is its TARGET.
MODULES = {
    "lists": "lists",
    "pages": "pages",
    "robots": "robots",
    "sitemaps": "sitemaps",
    "heads": "heads",
    "cookies": "cookies",
    "retry": "retry",
    "urls": "urls",
    "links": "links",
    # A reader of what workers send (`wire`) takes its place here.
}
# Each has one fault on purpose, for the tests of this very program.
FAULTY = ("faulty-raises", "faulty-wrong", "faulty-slow", "faulty-dies", "faulty-eats")
NAMES = (*MODULES, *FAULTY)


def find(name: str) -> Target:
    """Return the target of this name."""
    if name in FAULTY:
        from .faulty import faulty

        return faulty(name)
    found = import_module(f"{__package__}.{MODULES[name]}").TARGET
    assert isinstance(found, Target)
    return found
