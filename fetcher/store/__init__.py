"""What fetcher keeps in SQLite; the only owner of sqlite3.

backlog    the URLs of a crawl that is larger than memory, in a temporary file
database   opens the file of `--db`: one writer, any number of readers
layout     its tables, and how an older file becomes one of today
recorder   one run as it is remembered, and as it is continued after a kill
restoring  a Page as it is written down, and read back
pruning    what is forgotten, so that the file stays within bounds
reading    what `fetcher db` tells of a file

`docs/explanation/store.md` says why it is so, `docs/reference/db.md` what stands where.
"""

from __future__ import annotations

from .backlog import SPILL_LIMIT, SpillingBacklog, UrlBacklog

__all__ = ["SPILL_LIMIT", "SpillingBacklog", "UrlBacklog"]
