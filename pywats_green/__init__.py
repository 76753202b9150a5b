"""Runs the blocking pywats client concurrently in gevent greenlets.

Import this module before `pywats`; every other line of the program stays as it is. The import
patches the standard library with gevent and puts a cooperative client into `pyWATS`. With
`PYWATS_GREEN_DISABLE=1` in the environment it does neither.
"""

# ruff: noqa: E402
# The order of these lines is the purpose of this file: nothing that copies a socket or a lock may
# be imported above the call of `patch`.

import importlib
import os
from typing import TYPE_CHECKING, Any

_disabled = os.environ.get("PYWATS_GREEN_DISABLE", "") not in ("", "0")

if not _disabled:
    from pywats_green.patching import patch

    patch()

from pywats_green._version import __version__
from pywats_green.batching import batching
from pywats_green.cache import CacheManager, cache_control, cached
from pywats_green.config import Settings, configure, settings
from pywats_green.exceptions import (
    ArgumentTypeError,
    CacheKeyError,
    CacheRecursionError,
    ConverterImportError,
    EventLoopRequiredError,
    ImportOrderError,
    ImportOrderWarning,
    InvalidArgumentError,
    NativeThreadError,
    PywatsGreenError,
    QueueBusyError,
    QueueFolderError,
    QueueItemError,
    SettingsError,
    UnreadableReportError,
    UnsupportedPywatsError,
)
from pywats_green.upstream.inspection import cache_of, session_of, stats, warm
from pywats_green.upstream.pool import Pool, get_many
from pywats_green.upstream.seams import install, is_installed, uninstall

if TYPE_CHECKING:
    from pywats_green.profiler import QueryProfile
    from pywats_green.queue.converter import ConverterPool
    from pywats_green.queue.folder import FolderQueue
    from pywats_green.queue.summary import DrainSummary
    from pywats_green.upstream.fetching import (
        fetch_assets,
        fetch_products,
        fetch_report_headers,
        fetch_units,
    )
    from pywats_green.upstream.profiling import profile_queries
    from pywats_green.upstream.queues import QueueProcessor

# Imported when they are first asked for: a program that does not use them need not wait for them.
_LATER = {
    "ConverterPool": "pywats_green.queue.converter",
    "DrainSummary": "pywats_green.queue.summary",
    "FolderQueue": "pywats_green.queue.folder",
    "QueryProfile": "pywats_green.profiler",
    "QueueProcessor": "pywats_green.upstream.queues",
    "fetch_assets": "pywats_green.upstream.fetching",
    "fetch_products": "pywats_green.upstream.fetching",
    "fetch_report_headers": "pywats_green.upstream.fetching",
    "fetch_units": "pywats_green.upstream.fetching",
    "profile_queries": "pywats_green.upstream.profiling",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


if not _disabled:
    settings()  # a variable that does not fit is said now, not at the first call
    install()


def is_active() -> bool:
    """Tell whether pywats runs green in this process."""
    return is_installed()


__all__ = [
    "ArgumentTypeError",
    "CacheKeyError",
    "CacheManager",
    "CacheRecursionError",
    "ConverterImportError",
    "ConverterPool",
    "DrainSummary",
    "EventLoopRequiredError",
    "FolderQueue",
    "ImportOrderError",
    "ImportOrderWarning",
    "InvalidArgumentError",
    "NativeThreadError",
    "Pool",
    "PywatsGreenError",
    "QueryProfile",
    "QueueBusyError",
    "QueueFolderError",
    "QueueItemError",
    "QueueProcessor",
    "Settings",
    "SettingsError",
    "UnreadableReportError",
    "UnsupportedPywatsError",
    "__version__",
    "batching",
    "cache_control",
    "cache_of",
    "cached",
    "configure",
    "fetch_assets",
    "fetch_products",
    "fetch_report_headers",
    "fetch_units",
    "get_many",
    "install",
    "is_active",
    "profile_queries",
    "session_of",
    "settings",
    "stats",
    "uninstall",
    "warm",
]
