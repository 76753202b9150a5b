"""The table of replacements in pywats: checked, applied and undone as a whole.

A row names an attribute, the expected signature of upstream's original, and the function that
makes the replacement from it. `install` checks the version and every row before it changes
anything.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, NamedTuple

from pywats_green.exceptions import ImportOrderError, UnsupportedPywatsError
from pywats_green.patching import asking, is_patched, timeouts
from pywats_green.upstream.hooks.versions import BELOW, DISTRIBUTION, OLDEST, require_supported


class Seam(NamedTuple):
    """One row of the table.

    Attributes:
        module: Dotted name of upstream's module.
        path: Name of the attribute in it; `Class.method` for a method.
        parameters: Names of the original's parameters.
        replacement: `package.module.function` below `upstream`, called with the original to make
            the replacement. Imported only when the table is applied, because these modules import
            pywats, whose version must be checked first. None: not replaced, but relied on.
    """

    module: str
    path: str
    parameters: tuple[str, ...]
    replacement: str | None

    @property
    def name(self) -> str:
        """The full dotted name."""
        return f"{self.module}.{self.path}"


_CLIENT = (
    "base_url", "token", "timeout", "verify_ssl", "rate_limiter", "enable_throttling",
    "retry_config", "enable_cache", "cache_ttl", "cache_max_size", "metrics_collector",
)  # fmt: skip
_API = (
    "self", "base_url", "token", "station", "timeout", "verify_ssl", "error_mode", "retry_config",
    "retry_enabled", "enable_cache", "cache_ttl", "cache_max_size", "instance_id", "settings",
    "sync_config",
)  # fmt: skip
_BREAKER = ("circuit_breaker_config", "enable_circuit_breaker")
_REQUEST = ("self", "method", "endpoint", "params", "data", "headers", "retry")
_READ = ("self", "endpoint", "params", "kwargs")
_WRITE = ("self", "endpoint", "data", "params", "kwargs")
_RUN_SYNC = ("coro", "timeout", "correlation_id")
_LIMITER = ("self", "max_requests", "window_seconds", "enabled")
_RETRY = ("config", "method", "attempt", "response", "exception")

_SYNC = "pywats.pywats"
_ASYNC_CLIENT = "pywats.core.async_client"
_CLIENT_MODULE = "pywats.core.client"
_BOX_BUILD = "pywats.domains.product.sync_box_build"
_PROCESS = "pywats.domains.process.async_service"
_PRODUCT = "pywats.domains.product.async_service"

SEAMS = (
    # pyWATS builds its client from this name; AsyncWATS does not use it and stays unchanged.
    Seam(_SYNC, "AsyncHttpClient", _CLIENT + _BREAKER, "client.green.green_client"),
    # Every blocking call goes through this function; the second name is a copy of the first.
    Seam(_SYNC, "_run_sync", _RUN_SYNC, "hooks.calls.runner"),
    Seam(_BOX_BUILD, "_run_sync", _RUN_SYNC, "hooks.calls.runner"),
    # The same for upstream's other documented wrapper.
    Seam("pywats.sync", "_run_sync", ("coro",), "hooks.calls.runner"),
    # Turns coroutine methods into blocking ones.
    Seam(_SYNC, "SyncServiceWrapper.__getattr__", ("self", "name"), "hooks.calls.attribute_of"),
    Seam(
        _SYNC, "SyncProductServiceWrapper.__getattr__", ("self", "name"),
        "hooks.calls.product_attribute_of",
    ),
    # Hold the token, and show the base URL, in which a password may stand.
    Seam(_SYNC, "pyWATS.__init__", _API, "hooks.calls.guarded_credentials"),
    Seam(_SYNC, "pyWATS.__repr__", ("self",), "hooks.calls.shown_safely"),
    # Would start a task on an event loop.
    Seam(
        _PROCESS, "AsyncProcessService._ensure_cache_started", ("self",),
        "hooks.calls.cache_starter",
    ),
    # The next read would be answered from the client's cache.
    Seam(_PROCESS, "AsyncProcessService.clear_cache", ("self",), "hooks.calls.process_clearer"),
    # Loops of single writes; replaced for `configure(bulk_writes=True)`.
    Seam(
        _PRODUCT, "AsyncProductService.bulk_save_revisions", ("self", "revisions"),
        "features.bulk.revision_saver",
    ),
    Seam(_PRODUCT, "AsyncBoxBuildTemplate.save", ("self",), "features.bulk.box_build_saver"),
    # The plain blocking client, on the same transport and cache.
    Seam(_CLIENT_MODULE, "HttpClient.__init__", ("self", *_CLIENT), "client.blocking.initialise"),
    Seam(_CLIENT_MODULE, "HttpClient._make_request", _REQUEST, "client.blocking.make_request"),
    Seam(_CLIENT_MODULE, "HttpClient.get", _READ, "client.blocking.get"),
    Seam(_CLIENT_MODULE, "HttpClient.post", _WRITE, "client.blocking.post"),
    Seam(_CLIENT_MODULE, "HttpClient.put", _WRITE, "client.blocking.put"),
    Seam(_CLIENT_MODULE, "HttpClient.patch", _WRITE, "client.blocking.patch"),
    Seam(_CLIENT_MODULE, "HttpClient.delete", _READ, "client.blocking.delete"),
    Seam(_CLIENT_MODULE, "HttpClient.clear_cache", ("self",), "client.blocking.clear_cache"),
    Seam(
        _CLIENT_MODULE, "HttpClient.invalidate_cache", ("self", "endpoint_pattern"),
        "client.blocking.invalidate_cache",
    ),
    Seam(_CLIENT_MODULE, "HttpClient.close", ("self",), "client.blocking.close"),
)  # fmt: skip

# Not replaced, but called or overridden by the replacements.
RELIED_ON = (
    Seam(_ASYNC_CLIENT, "AsyncHttpClient._make_request", _REQUEST, None),
    Seam(_ASYNC_CLIENT, "AsyncHttpClient._execute_request", _REQUEST, None),
    Seam(_ASYNC_CLIENT, "AsyncHttpClient.get", _READ, None),
    *(
        Seam(_ASYNC_CLIENT, f"AsyncHttpClient.{name}", _WRITE, None)
        for name in ("post", "put", "patch")
    ),
    Seam(_ASYNC_CLIENT, "AsyncHttpClient.delete", _READ, None),
    Seam(_ASYNC_CLIENT, "AsyncHttpClient._emit_trace", ("self", "trace"), None),
    Seam(_SYNC, "SyncServiceWrapper.__init__", ("self", "async_service", "config"), None),
    Seam("pywats.core.parallel", "_classify_exception", ("exc",), None),
    Seam(_ASYNC_CLIENT, "AsyncHttpClient._bounded_json", ("value", "max_chars"), None),
    *(
        Seam("pywats.core.circuit_breaker", f"CircuitBreaker.{name}", ("self",), None)
        for name in ("_on_success", "_on_failure", "_should_attempt_reset")
    ),
    Seam("pywats.core.retry", "RetryConfig.record_retry", ("self", "delay"), None),
    Seam("pywats.core.retry", "should_retry", _RETRY, None),
    Seam("pywats.core.throttle", "RateLimiter.acquire", ("self", "timeout"), None),
    Seam("pywats.core.throttle", "RateLimiter.__init__", _LIMITER, None),
)


class _Installed(NamedTuple):
    original: Any
    ours: Any


_installed: dict[str, _Installed] = {}


def is_installed() -> bool:
    """Return whether the replacements are in place."""
    return bool(_installed)


def install() -> None:
    """Put the replacements in place. Does nothing if they already are.

    Raises:
        ImportOrderError: gevent has not patched this process; nothing was changed.
        UnsupportedPywatsError: The version is out of range, or a seam is not as the table says;
            nothing was changed.
    """
    if _installed:
        return
    if not is_patched():
        raise ImportOrderError(
            "the standard library is not patched (is PYWATS_GREEN_DISABLE set?): import "
            "pywats_green, without that variable, as the first line of the program"
        )
    version = require_supported()
    found = {seam.name: _checked(seam, version) for seam in (*SEAMS, *RELIED_ON)}
    replacements = [(seam, _replacement(seam, found[seam.name])) for seam in SEAMS]
    for seam, replacement in replacements:
        _installed[seam.name] = _Installed(found[seam.name], replacement)
        _assign(seam, replacement)
    timeouts.watch()
    asking.watch()


def uninstall() -> None:
    """Restore upstream's attributes, for clients created from now on.

    Existing clients must not be used any more; green ones raise an error. Replacements that
    somebody else has since put over these are kept. gevent's patch stays, too, and in a patched
    process upstream's own `pyWATS` fails once several greenlets use it. So this is meant for tests
    and for getting the package out of the way, not for working without it. From then on, a `Pool`
    runs each item in its own greenlet, because gevent's timers are no longer watched.
    """
    timeouts.unwatch()
    asking.unwatch()
    for seam in SEAMS:
        installed = _installed.pop(seam.name, None)
        if installed is not None and _current(seam) is installed.ours:
            _assign(seam, installed.original)


def states() -> dict[str, str]:
    """Return the current state of each seam.

    Returns:
        By dotted name: "replaced"; "foreign", if somebody else has replaced the replacement;
        "expected", if it is upstream's original as the table says; or what is wrong with it.
    """
    found: dict[str, str] = {}
    for seam in (*SEAMS, *RELIED_ON):
        installed = _installed.get(seam.name)
        if installed is None:
            found[seam.name] = _fault(seam) or "expected"
        else:
            found[seam.name] = "replaced" if _current(seam) is installed.ours else "foreign"
    return found


def _replacement(seam: Seam, original: Any) -> Any:
    module, _, function = str(seam.replacement).rpartition(".")
    return getattr(importlib.import_module(f"pywats_green.upstream.{module}"), function)(original)


def _checked(seam: Seam, version: str) -> Any:
    """Return the original of a seam, if it is as the table says."""
    fault = _fault(seam)
    if fault is not None:
        raise UnsupportedPywatsError(
            f"{DISTRIBUTION} {version}: {seam.name} is not as expected: {fault}. "
            f"pywats_green supports >={OLDEST},<{BELOW}; nothing was changed. Install a version "
            "in that range, or set PYWATS_GREEN_DISABLE=1"
        )
    return _current(seam)


def _fault(seam: Seam) -> str | None:
    """Return what is wrong with a seam. None: nothing."""
    try:
        holder, name = _holder(seam)
        original = vars(holder)[name]  # not inherited: that could not be restored
        parameters = tuple(inspect.signature(original).parameters)
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as exc:
        return f"missing: {exc}"
    return (
        None if parameters == seam.parameters else f"its parameters are ({', '.join(parameters)})"
    )


def _holder(seam: Seam) -> tuple[Any, str]:
    holder: Any = importlib.import_module(seam.module)
    *classes, name = seam.path.split(".")
    for part in classes:
        holder = getattr(holder, part)
    return holder, name


def _current(seam: Seam) -> Any:
    holder, name = _holder(seam)
    return vars(holder).get(name)


def _assign(seam: Seam, value: Any) -> None:
    holder, name = _holder(seam)
    setattr(holder, name, value)
