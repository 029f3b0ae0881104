"""A small web site with known faults, served from this machine, to try fetcher on.

Tallow Hill Observatory & Bakery has pages in six languages and as many encodings,
and one of each thing that goes wrong on the web: pages that moved, pages that are
gone, doors that stick, certificates that nobody should trust. It needs no network,
and it knows what a good fetcher ought to say of every page:

    from fetcher import crawl, demo

    with demo.serve() as site:
        report = crawl(site.urls)
        print(site.expected[site.urls[0]].state)
"""

from __future__ import annotations

from .exhibits import Expected
from .server import Site, serve

__all__ = ["Expected", "Site", "serve"]
