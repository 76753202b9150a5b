"""Batch calls whose answers are pywats' own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import gevent

from pywats_green import pool
from pywats_green.bridge import DeadlineExceeded
from pywats_green.exceptions import AdmissionTimeoutError, InvalidArgumentError
from pywats_green.pool import Raised
from pywats_green.progress import ProgressCallback

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.core.client import HttpClient, Response
    from pywats.shared.result import Failure, Success

T = TypeVar("T")
X = TypeVar("X")


class Pool(pool.Pool):
    """A pool of greenlets for blocking calls to pywats.

    `map`, `imap`, `imap_unordered`, `apply` and `spawn` are gevent's. Besides, every item runs in
    a copy of its own of the caller's context, captured at the call; the `imap`s read their source
    lazily; an error that reaches the caller prints no traceback of its own (that of a spawned
    greenlet, which may have no reader, is printed as gevent does).

    A mapping runs in at most `size` greenlets that take one item after another, so greenlet-locals
    last from item to item, as thread-locals in an executor; `configure(pool_reuse=False)` gives
    each item a greenlet of its own.

    As a context manager it joins at the end, and kills what still runs on an exception.

    Args:
        size: How many greenlets may run at once, 1 or more.

    Raises:
        ArgumentTypeError: `size` is no whole number.
        InvalidArgumentError: `size` is less than 1.
    """

    def map_results(
        self,
        func: Callable[[X], T],
        iterable: Iterable[X],
        *,
        timeout: float | None = None,
        fail_fast: bool = False,
        progress: bool | ProgressCallback | None = None,
    ) -> list[Success[T] | Failure]:
        """Call `func` for each item and say what became of each.

        The error codes and details are those of pywats' `parallel_execute`: a None is a failure
        NOT_FOUND, an exception is classified by its type; `AdmissionTimeoutError` is a TIMEOUT.

        Args:
            func: Called with one item.
            iterable: The items; read to its end before the first call.
            timeout: Seconds for each item from its start: a connection, attempts, back-off and a
                batch count; waiting to be sent does not (for a slot of this pool, for the rate
                limit, for a server that asked to be left alone). An item over it fails with
                TIMEOUT. None: no limit.
            fail_fast: Whether the first failure cancels what has not finished; that fails with
                CANCELLED.
            progress: True for a bar on stderr, or called with (completed, total).

        Returns:
            One `Success` or `Failure` an item, in order.

        Raises:
            ArgumentTypeError: `timeout` is no number.
            InvalidArgumentError: `timeout` is not positive.
            Exception: What the iterable or `progress` raises; nothing is left running.
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
        # Here and not above, so that importing the package when disabled does not import pywats.
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

    details: dict[str, Any] = {"key": str(item), "index": index}
    if value is None:
        code, message = "NOT_FOUND", f"Operation returned None for key: {item}"
    elif isinstance(value.error, gevent.Timeout):
        details["exception_type"] = "TimeoutError"
        code, message = "TIMEOUT", f"Operation timed out after {value.error.seconds}s"
        if isinstance(value.error, DeadlineExceeded):
            message += value.error.deadline.beside
    elif value.is_cancelled:
        code, message = "CANCELLED", "Operation was cancelled"
    else:
        details["exception_type"] = type(value.error).__name__
        code, message = _classify_exception(value.error), str(value.error)  # type: ignore[arg-type]
        if isinstance(value.error, AdmissionTimeoutError):  # upstream goes by names
            code = "TIMEOUT"
    return Failure(error_code=code, message=message, details=details)


def get_many(
    client: pyWATS | HttpClient, paths: Iterable[str], *, concurrency: int = 50
) -> list[Response | BaseException]:
    """GET many paths of a server at once.

    Args:
        client: A `pyWATS`, or a `HttpClient` of pywats.
        paths: Such as "/api/Product/PN-1".
        concurrency: How many at once, 1 or more.

    Returns:
        In the order of the paths, a `Response` for any HTTP answer, also a 404; where the
        client's `get` raised, the exception stands in its place.

    Raises:
        ArgumentTypeError: `concurrency` is no whole number.
        InvalidArgumentError: `concurrency` is less than 1, or `paths` is a single text.
    """
    get = _getter(client)
    values = Pool(concurrency).settle(get, require_items("paths", paths))
    return [value.error if isinstance(value, Raised) else value for value in values]


def require_items(name: str, items: Iterable[str]) -> list[str]:
    """Return the items as a list.

    Raises:
        InvalidArgumentError: They are one text, whose letters would be taken for items.
    """
    if isinstance(items, (str, bytes)):
        raise InvalidArgumentError(f"{name} must be a list of texts, not the text {items!r}")
    return list(items)


def _getter(client: Any) -> Callable[[str], Response]:
    http_client = getattr(client, "_http_client", None)
    if http_client is None:
        return client.get  # type: ignore[no-any-return]
    # Green or, when disabled, upstream's own.
    from pywats.pywats import _run_sync  # type: ignore[attr-defined]  # noqa: PLC0415

    timeout = client._sync_config.timeout
    return lambda path: _run_sync(http_client.get(path), timeout=timeout)
