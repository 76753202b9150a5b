"""Runs the blocking pywats client concurrently in gevent greenlets.

Import this module before `pywats`; the rest of the program stays unchanged. The import patches the
standard library with gevent and gives `pyWATS` a cooperative client. With
`PYWATS_GREEN_DISABLE=1` in the environment, it does neither.

PYTEST_DONT_REWRITE: else pytest warns where this was imported before it, as `run -m pytest` does.
"""

# ruff: noqa: E402
# The order of these lines is the purpose of this file: nothing that copies a socket or a lock may
# be imported above the call of `patch`.

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

_disabled = os.environ.get("PYWATS_GREEN_DISABLE", "") not in ("", "0")

if not _disabled:
    from pywats_green.light_httpx import import_httpx
    from pywats_green.patching import patch

    patch()
    import_httpx()

from pywats_green import config
from pywats_green._version import __version__
from pywats_green.batching import batching
from pywats_green.cache import CacheManager, cache_control, cached
from pywats_green.config import Settings, configure, follow, settings
from pywats_green.exceptions import (
    AdmissionTimeoutError,
    ArgumentTypeError,
    CacheKeyError,
    CacheRecursionError,
    ConverterImportError,
    EventLoopRequiredError,
    ForeignAnswerError,
    ImportOrderError,
    ImportOrderWarning,
    InvalidArgumentError,
    NativeThreadError,
    PywatsGreenError,
    QueueBusyError,
    QueueFolderError,
    QueueFullError,
    QueueItemError,
    QueueOrderError,
    ReportTooLargeError,
    SettingsError,
    UnpatchableProcessError,
    UnreadableReportError,
    UnsupportedPywatsError,
)
from pywats_green.observe import switched
from pywats_green.upstream.features.inspection import Stats, cache_of, session_of, stats, warm
from pywats_green.upstream.features.pool import Pool, get_many
from pywats_green.upstream.hooks.seams import install, is_installed, uninstall

if TYPE_CHECKING:
    from pywats_green.events import RequestEvent
    from pywats_green.observe.server import StatusServer
    from pywats_green.profiler import QueryProfile
    from pywats_green.queue.convert.pool import ConverterPool
    from pywats_green.queue.convert.results import ConversionResult, ConversionSummary
    from pywats_green.queue.drain.statistics import DrainSummary
    from pywats_green.queue.folder.inspection import QueueItem
    from pywats_green.queue.folder.queue import FolderQueue
    from pywats_green.upstream.features.failures import FailureTable, failure_table
    from pywats_green.upstream.features.fetching import (
        fetch_assets,
        fetch_products,
        fetch_report_headers,
        fetch_units,
    )
    from pywats_green.upstream.features.profiling import profile_queries
    from pywats_green.upstream.features.queues.processor import QueueProcessor
    from pywats_green.upstream.features.status import metrics_collector, serve_status

# Imported lazily, so that programs that do not use them start faster.
_LATER = {
    "ConversionResult": "pywats_green.queue.convert.results",
    "ConversionSummary": "pywats_green.queue.convert.results",
    "ConverterPool": "pywats_green.queue.convert.pool",
    "DrainSummary": "pywats_green.queue.drain.statistics",
    "FailureTable": "pywats_green.upstream.features.failures",
    "FolderQueue": "pywats_green.queue.folder.queue",
    "QueryProfile": "pywats_green.profiler",
    "QueueItem": "pywats_green.queue.folder.inspection",
    "QueueProcessor": "pywats_green.upstream.features.queues.processor",
    "RequestEvent": "pywats_green.events",
    "StatusServer": "pywats_green.observe.server",
    "failure_table": "pywats_green.upstream.features.failures",
    "fetch_assets": "pywats_green.upstream.features.fetching",
    "fetch_products": "pywats_green.upstream.features.fetching",
    "fetch_report_headers": "pywats_green.upstream.features.fetching",
    "fetch_units": "pywats_green.upstream.features.fetching",
    "metrics_collector": "pywats_green.upstream.features.status",
    "profile_queries": "pywats_green.upstream.features.profiling",
    "serve_status": "pywats_green.upstream.features.status",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def _is_own_command() -> bool:
    """Return whether the program is `pywats-green`, or Python with `-m pywats_green`."""
    started = sys.argv[0] if sys.argv else ""
    if started == "-m":  # so it is while Python looks for the module
        return any(word.endswith(__name__) for word in sys.orig_argv)
    return Path(started).stem == "pywats-green"


if not _disabled:
    # Fail now, not on the first call, if a variable is invalid or pywats is not supported.
    for _step in (settings, install):
        try:
            _step()
        except PywatsGreenError as exc:
            if not _is_own_command():
                raise
            config.refuse(exc)  # the command says so in one line
    follow(switched.follow)


def is_active() -> bool:
    """Return whether pywats runs green in this process."""
    return is_installed()


__all__ = [
    "AdmissionTimeoutError",
    "ArgumentTypeError",
    "CacheKeyError",
    "CacheManager",
    "CacheRecursionError",
    "ConversionResult",
    "ConversionSummary",
    "ConverterImportError",
    "ConverterPool",
    "DrainSummary",
    "EventLoopRequiredError",
    "FailureTable",
    "FolderQueue",
    "ForeignAnswerError",
    "ImportOrderError",
    "ImportOrderWarning",
    "InvalidArgumentError",
    "NativeThreadError",
    "Pool",
    "PywatsGreenError",
    "QueryProfile",
    "QueueBusyError",
    "QueueFolderError",
    "QueueFullError",
    "QueueItem",
    "QueueItemError",
    "QueueOrderError",
    "QueueProcessor",
    "ReportTooLargeError",
    "RequestEvent",
    "Settings",
    "SettingsError",
    "Stats",
    "StatusServer",
    "UnpatchableProcessError",
    "UnreadableReportError",
    "UnsupportedPywatsError",
    "__version__",
    "batching",
    "cache_control",
    "cache_of",
    "cached",
    "configure",
    "failure_table",
    "fetch_assets",
    "fetch_products",
    "fetch_report_headers",
    "fetch_units",
    "get_many",
    "install",
    "is_active",
    "metrics_collector",
    "profile_queries",
    "serve_status",
    "session_of",
    "settings",
    "stats",
    "uninstall",
    "warm",
]
