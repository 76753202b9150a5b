"""Concurrent calls whose results are pywats' own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import gevent

from pywats_green import pool
from pywats_green.arguments import require_items
from pywats_green.bridge import DeadlineExceeded
from pywats_green.exceptions import AdmissionTimeoutError, ArgumentTypeError
from pywats_green.pool import Raised
from pywats_green.progress import Progress

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.core.client import HttpClient, Response
    from pywats.shared.result import Failure, Success

T = TypeVar("T")
X = TypeVar("X")


class Pool(pool.Pool):
    """A pool of greenlets for blocking calls to pywats.

    `map`, `imap`, `imap_unordered`, `apply` and `spawn` work like gevent's. In addition, each item
    runs in its own copy of the caller's context, captured at the call; the `imap`s consume their
    iterable lazily; and errors that reach the caller do not also print a traceback. Those of
    spawned greenlets are printed, as in gevent.

    A mapping runs in at most `size` greenlets that take one item after another, so greenlet-locals
    persist from item to item, like thread-locals in an executor. `configure(pool_reuse=False)`
    gives each item its own greenlet.

    As a context manager, it joins on exit; on an exception, it kills what is still running.

    Args:
        size: Maximum number of greenlets running at once, 1 or more.

    Raises:
        ArgumentTypeError: `size` is not an integer.
        InvalidArgumentError: `size` is less than 1.
    """

    def map_results(
        self,
        func: Callable[[X], T],
        iterable: Iterable[X],
        *,
        timeout: float | None = None,
        fail_fast: bool = False,
        progress: Progress = None,
    ) -> list[Success[T] | Failure]:
        """Call `func` for each item and return a `Success` or `Failure` for each.

        Error codes and details are those of pywats' `parallel_execute`: None is a NOT_FOUND
        failure, an exception is classified by its type; `AdmissionTimeoutError` is a TIMEOUT.

        Args:
            func: Called with one item.
            iterable: The items; consumed completely before the first call.
            timeout: Seconds for each item, from its start. Waiting for a connection, a retry or a
                batch counts; waiting for admission (a slot of the Pool or of the rate limit, a
                closed gate) does not. An item that takes longer fails with TIMEOUT. None: no
                limit.
            fail_fast: Whether the first failure cancels everything unfinished, which then fails
                with CANCELLED.
            progress: True for a bar on stderr, a callable of (completed, total), a tqdm
                bar, or a rich `Progress`.

        Returns:
            A `Success` or `Failure` for each item, in order.

        Raises:
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is not positive.
            Exception: Whatever the iterable or `progress` raises; nothing is left running.
        """
        items = list(iterable)
        values = self.settle(
            func,
            items,
            timeout=timeout,
            fail_fast=fail_fast,
            is_failure=lambda value: value is None or isinstance(value, Raised),
            progress=progress,
        )
        # Imported here, so that importing the disabled package does not import pywats.
        from pywats.shared.result import Success  # noqa: PLC0415

        return [
            _failure(index, items[index], value)
            if value is None or isinstance(value, Raised)
            else Success(value=value)
            for index, value in enumerate(values)
        ]


def _failure(index: int, item: object, value: Raised | None) -> Failure:
    from pywats.core.parallel import _classify_exception  # noqa: PLC0415
    from pywats.shared.result import Failure  # noqa: PLC0415

    details: dict[str, Any] = {"key": _text_of(item), "index": index}
    if value is None:
        code, message = "NOT_FOUND", f"Operation returned None for key: {details['key']}"
    elif isinstance(value.error, gevent.Timeout):
        details["exception_type"] = "TimeoutError"
        code, message = "TIMEOUT", f"Operation timed out after {value.error.seconds}s"
        if isinstance(value.error, DeadlineExceeded):
            message += value.error.deadline.beside
    elif value.is_cancelled:
        code, message = "CANCELLED", "Operation was cancelled"
    else:
        details["exception_type"] = type(value.error).__name__
        code, message = _classify_exception(value.error), _text_of(value.error)  # type: ignore[arg-type]
        if isinstance(value.error, AdmissionTimeoutError):  # upstream goes by names
            code = "TIMEOUT"
    return Failure(error_code=code, message=message, details=details)


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # its own; the results of the others must not be lost
        return object.__repr__(value)


def get_many(
    client: pyWATS | HttpClient, paths: Iterable[str], *, concurrency: int = 50
) -> list[Response | BaseException]:
    """GET many paths of a server concurrently.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.
        paths: Paths such as "/api/Product/PN-1".
        concurrency: Maximum requests in flight, 1 or more.

    Returns:
        In the order of the paths: the `Response`, whatever its status, or the exception that the
        client's `get` raised.

    Raises:
        ArgumentTypeError: `client` is neither of the two, `paths` is not an iterable or is a single
            string, or `concurrency` is not an integer.
        InvalidArgumentError: `concurrency` is less than 1.
    """
    get = _getter(client)
    values = Pool(concurrency).settle(get, require_items("paths", paths))
    return [value.error if isinstance(value, Raised) else value for value in values]


def require_client(api: Any) -> None:
    """Reject anything but a `pyWATS`.

    Raises:
        ArgumentTypeError: It is not one.
    """
    from pywats import pyWATS  # noqa: PLC0415

    if not isinstance(api, pyWATS):
        raise ArgumentTypeError(f"api must be a pyWATS, not {type(api).__name__}")


def _getter(client: Any) -> Callable[[str], Response]:
    from pywats import pyWATS  # noqa: PLC0415
    from pywats.core.client import HttpClient  # noqa: PLC0415

    if isinstance(client, HttpClient):
        return client.get
    if not isinstance(client, pyWATS):
        raise ArgumentTypeError(
            f"client must be a pyWATS or an HttpClient of pywats, not {type(client).__name__}"
        )
    # Upstream's own if the package is disabled.
    from pywats.pywats import _run_sync  # type: ignore[attr-defined]  # noqa: PLC0415

    http_client: Any = client._http_client  # type: ignore[attr-defined]
    timeout = client._sync_config.timeout  # type: ignore[attr-defined]
    return lambda path: _run_sync(http_client.get(path), timeout=timeout)
