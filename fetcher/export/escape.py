"""What hostile text may not bring to a reader: controls, disguises, broken UTF-8.

Titles, header values, URLs, server messages and file names come from strangers. On
a terminal their control characters move the cursor or set the clipboard, their
direction marks show a name that is not the name (CVE-2021-42574), and a lone
surrogate cannot be written at all. Each is made visible, none is silently dropped.
"""

from __future__ import annotations

import re

__all__ = ["defused", "json_safe", "printable", "xml_text"]

# C0, DEL, C1; soft hyphen; marks and overrides of direction (UAX 9); line and
# paragraph separator; invisible operators, byte-order mark, interlinear marks;
# lone surrogates; marks of shorthand and of music; tags and the variation selectors
# beyond the first 16, which spell text that nobody sees. The two joiners (U+200C,
# U+200D) stay: Persian and pictures of families need them, and they move nothing.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Of these, what json.dumps leaves as it is when it keeps non-ASCII text.
UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

# What makes a spreadsheet calculate, in full width too, and what it skips before that.
# Source: OWASP, "CSV Injection".
FORMULA_STARTS = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
)


SKIPPED = " \u00a0\u3000\"'\u200b\ufeff"


def printable(text: str, encoding: str = "utf-8") -> str:
    r"""Return text that a terminal only shows, what it would obey written as an escape.

    Args:
        text: anything; `"\x1b[2J"` comes back as `r"\x1b[2J"`.
        encoding: of the terminal; what it does not know is escaped as well.
    """
    if not text.isprintable() or not text.isascii():
        text = UNPRINTABLE.sub(_as_python_escape, text)
    if text.isascii() or encoding.lower() in ("utf-8", "utf8"):
        return text
    return text.encode(encoding, "backslashreplace").decode(encoding)


def json_safe(line: str) -> bytes:
    r"""Return JSON text as UTF-8 that is valid and shows what it holds.

    Direction marks and controls become `\uXXXX`, which a reader of the JSON turns
    back into what they were. A lone surrogate stands for no character and is refused
    by many readers: it becomes U+FFFD.
    """
    if line.isascii():
        safe = line.replace("\x7f", "\\u007f") if "\x7f" in line else line
    elif line.isprintable():  # twice as fast as looking for what is not
        safe = line
    else:
        safe = UNSAFE_IN_JSON.sub(_as_json_escape, line)
    return safe.encode()


def defused(cell: str) -> str:
    """Return text that a spreadsheet takes as text: a formula gets a leading quote.

    Also behind white space and quotes, which some programs take away when they read.
    """
    if cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return f"'{cell}" if cell.lstrip(SKIPPED).startswith(FORMULA_STARTS) else cell


def xml_text(text: str) -> str:
    r"""Return text that XML 1.0 can hold, not yet escaped: what it cannot is as `\x1b`.

    Of what `printable` leaves, XML refuses U+FFFE and U+FFFF (XML 1.0, 2.2).
    """
    shown = printable(text)
    return shown.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")


def _as_python_escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _as_json_escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return f"\\u{ord(character):04x}"
