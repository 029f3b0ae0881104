"""The command: parse, call the library, print, exit code.

stdout carries the result and nothing else; progress and notes go to stderr.
"""

from __future__ import annotations

from .edge import main

__all__ = ["main"]
