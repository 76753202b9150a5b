"""What of pywats is replaced by what: one table, checked before it is applied, and undone.

A row names an attribute, the signature that upstream's has, and what makes our replacement from
the original. `install` checks the version and every row before it touches anything.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from pywats_green.exceptions import UnsupportedPywatsError
from pywats_green.upstream.versions import BELOW, DISTRIBUTION, OLDEST, require_supported


class Seam(NamedTuple):
    """One row of the table.

    Attributes:
        module: Dotted name of upstream's module.
        path: Name of the attribute in it; `Class.method` for a method.
        parameters: The parameters that the original takes, by name.
        replacement: Makes what takes its place from the original.
    """

    module: str
    path: str
    parameters: tuple[str, ...]
    replacement: Callable[[Any], Any]

    @property
    def name(self) -> str:
        """The full dotted name."""
        return f"{self.module}.{self.path}"


_REQUEST = ("self", "method", "endpoint", "params", "data", "headers", "retry")
_CLIENT = (
    "base_url", "token", "timeout", "verify_ssl", "rate_limiter", "enable_throttling",
    "retry_config", "enable_cache", "cache_ttl", "cache_max_size", "metrics_collector",
    "circuit_breaker_config", "enable_circuit_breaker",
)  # fmt: skip
_RUN_SYNC = ("coro", "timeout", "correlation_id")


def _green_client(_: Any) -> Any:
    return importlib.import_module("pywats_green.upstream.client").GreenHttpClient


def _run_sync(_: Any) -> Any:
    return _calls().run_sync


def _calls() -> Any:
    # Imported when the table is applied, not with it: these modules import pywats, and the
    # version must have been checked before that.
    return importlib.import_module("pywats_green.upstream.calls")


def _make_request(_: Any) -> Any:
    return importlib.import_module("pywats_green.upstream.client").make_request


def _closing(original: Any) -> Any:
    exchange = importlib.import_module("pywats_green.upstream.exchange")

    def close(self: Any) -> None:
        exchange.close(self)
        original(self)

    return close


SEAMS = (
    # pyWATS builds its client from this name; AsyncWATS does not use it and stays as it is.
    Seam("pywats.pywats", "AsyncHttpClient", _CLIENT, _green_client),
    # Each blocking call goes through this function; the second is a copy of it by value.
    Seam("pywats.pywats", "_run_sync", _RUN_SYNC, _run_sync),
    Seam("pywats.domains.product.sync_box_build", "_run_sync", _RUN_SYNC, _run_sync),
    # The same for upstream's other, documented wrapper.
    Seam("pywats.sync", "_run_sync", ("coro",), _run_sync),
    # Async generators (scim.iter_users) become iterators.
    Seam(
        "pywats.pywats", "SyncServiceWrapper.__getattr__", ("self", "name"),
        lambda original: _calls().attribute_of(original),
    ),
    # Would start a task on an event loop.
    Seam(
        "pywats.domains.process.async_service", "AsyncProcessService._ensure_cache_started",
        ("self",), lambda original: _calls().ensure_cache_started(original),
    ),
    # The plain blocking client, on the same transport.
    Seam("pywats.core.client", "HttpClient._make_request", _REQUEST, _make_request),
    Seam("pywats.core.client", "HttpClient.close", ("self",), _closing),
)  # fmt: skip

# Not replaced themselves, but called or overridden by what replaces: checked all the same.
RELIED_ON = (
    Seam("pywats.core.async_client", "AsyncHttpClient._make_request", _REQUEST, lambda _: None),
    Seam("pywats.core.async_client", "AsyncHttpClient._execute_request", _REQUEST, lambda _: None),
    Seam(
        "pywats.core.parallel", "_classify_exception", ("exc",), lambda _: None,
    ),
    Seam(
        "pywats.core.retry", "should_retry",
        ("config", "method", "attempt", "response", "exception"), lambda _: None,
    ),
)  # fmt: skip

_originals: dict[str, Any] = {}


def is_installed() -> bool:
    """Tell whether the replacements are in place."""
    return bool(_originals)


def install() -> None:
    """Put the replacements in place; once they are, do nothing.

    Raises:
        UnsupportedPywatsError: The version is out of range or a seam is not what the table says;
            nothing was touched.
    """
    if _originals:
        return
    version = require_supported()
    found = {seam.name: _checked(seam, version) for seam in (*SEAMS, *RELIED_ON)}
    replacements = [(seam, seam.replacement(found[seam.name])) for seam in SEAMS]
    for seam, replacement in replacements:
        _originals[seam.name] = found[seam.name]
        _assign(seam, replacement)


def uninstall() -> None:
    """Put upstream's own attributes back. Clients that exist stay green."""
    for seam in SEAMS:
        if seam.name in _originals:
            _assign(seam, _originals.pop(seam.name))


def _checked(seam: Seam, version: str) -> Any:
    """Return the original of a seam, if it is what the table says."""
    try:
        holder, name = _holder(seam)
        original = inspect.getattr_static(holder, name)
        parameters = tuple(inspect.signature(original).parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as exc:
        raise _unsupported(seam, version, f"missing ({exc})") from exc
    if parameters != seam.parameters:
        raise _unsupported(seam, version, f"its parameters are ({', '.join(parameters)})")
    return original


def _unsupported(seam: Seam, version: str, what: str) -> UnsupportedPywatsError:
    return UnsupportedPywatsError(
        f"{DISTRIBUTION} {version}: {seam.name} is not as expected: {what}. "
        f"pywats_green supports >={OLDEST},<{BELOW}; nothing was changed. Install a version in "
        "that range, or set PYWATS_GREEN_DISABLE=1"
    )


def _holder(seam: Seam) -> tuple[Any, str]:
    holder: Any = importlib.import_module(seam.module)
    *classes, name = seam.path.split(".")
    for part in classes:
        holder = getattr(holder, part)
    return holder, name


def _assign(seam: Seam, value: Any) -> None:
    holder, name = _holder(seam)
    setattr(holder, name, value)
