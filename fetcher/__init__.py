"""A concurrent web page fetcher and analyzer.

    from fetcher import crawl

    report = crawl(["https://www.python.org/"], callback=lambda page: print(page.title))

Names are loaded when first used, so that importing fetcher costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "AsyncResult": "pool",
    "Certificate": "models",
    "ConfigError": "errors",
    "Expectation": "checks",
    "ExtractError": "errors",
    "Facts": "models",
    "Failure": "models",
    "FetcherError": "errors",
    "Finding": "models",
    "Following": "models",
    "Group": "groups",
    "Hop": "models",
    "InputError": "errors",
    "Kind": "models",
    "Link": "models",
    "MachineError": "errors",
    "NothingLeft": "errors",
    "OutputError": "errors",
    "Page": "page",
    "Pool": "pool",
    "Reach": "models",
    "Report": "report",
    "Request": "models",
    "Settings": "models",
    "Severity": "models",
    "SiteReport": "site_report",
    "State": "models",
    "StoreError": "errors",
    "Timings": "models",
    "WorkerLost": "pool",
    "crawl": "engine",
    "get_url": "transport",
    "judge": "checks",
}

if TYPE_CHECKING:
    from .checks import Expectation as Expectation
    from .checks import judge as judge
    from .engine import crawl as crawl
    from .errors import ConfigError as ConfigError
    from .errors import ExtractError as ExtractError
    from .errors import FetcherError as FetcherError
    from .errors import InputError as InputError
    from .errors import MachineError as MachineError
    from .errors import NothingLeft as NothingLeft
    from .errors import OutputError as OutputError
    from .errors import StoreError as StoreError
    from .groups import Group as Group
    from .models import Certificate as Certificate
    from .models import Facts as Facts
    from .models import Failure as Failure
    from .models import Finding as Finding
    from .models import Following as Following
    from .models import Hop as Hop
    from .models import Kind as Kind
    from .models import Link as Link
    from .models import Reach as Reach
    from .models import Request as Request
    from .models import Settings as Settings
    from .models import Severity as Severity
    from .models import State as State
    from .models import Timings as Timings
    from .page import Page as Page
    from .pool import AsyncResult as AsyncResult
    from .pool import Pool as Pool
    from .pool import WorkerLost as WorkerLost
    from .report import Report as Report
    from .site_report import SiteReport as SiteReport
    from .transport import get_url as get_url

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
