"""crawl(): from what is asked for to a Report, by one loop over a pool.

crawling:  the arguments of crawl(), read and checked
run:       the loop; its drawing stands there
manners:   how each group is asked for, and what is expected of it
workers:   the pool, and what its failures mean
sites:     what a run knows of sites, made when it is needed
"""

from __future__ import annotations

from .crawling import crawl
from .run import Progress
from .workers import PoolLike

__all__ = ["PoolLike", "Progress", "crawl"]
