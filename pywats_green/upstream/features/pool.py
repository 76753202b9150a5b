"""Batch calls whose answers are pywats' own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import gevent

from pywats_green import pool
from pywats_green.exceptions import InvalidArgumentError
from pywats_green.progress import ProgressCallback, reporter

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.core.client import HttpClient, Response
    from pywats.shared.result import Failure, Success

    from pywats_green.pool import Outcome


class Pool(pool.Pool):
    """A pool of greenlets for blocking calls to pywats.

    `map`, `imap`, `imap_unordered`, `apply` and `spawn` are gevent's, and besides: contextvars of
    the caller, captured at the call, are copied into every greenlet; the `imap`s read their
    source lazily; an error that reaches the caller prints no traceback of its own (that of a
    spawned greenlet, which may have no reader, is printed as gevent does).

    As a context manager it joins at the end, and kills what still runs on an exception.

    Args:
        size: How many greenlets may run at once, 1 or more.

    Raises:
        InvalidArgumentError: `size` is not a whole number of at least 1.
    """

    def map_results(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        *,
        timeout: float | None = None,
        fail_fast: bool = False,
        progress: bool | ProgressCallback | None = None,
    ) -> list[Success[Any] | Failure]:
        """Call `func` for each item and say what became of each.

        The error codes and details are those of pywats' `parallel_execute`: a None is a failure
        NOT_FOUND, an exception is classified by its type.

        Args:
            func: Called with one item.
            iterable: The items; read to its end before the first call.
            timeout: Seconds for each item from its start: waits for the limiter, a connection, a
                retry or a batch count, waiting for a free slot does not. An item over it fails
                with TIMEOUT. None: no limit.
            fail_fast: Whether the first failure cancels what has not finished; that fails with
                CANCELLED.
            progress: True for a bar on stderr, or called with (completed, total).

        Returns:
            One `Success` or `Failure` an item, in order.

        Raises:
            InvalidArgumentError: `timeout` is not positive.
            Exception: What the iterable or `progress` raises; nothing is left running.
        """
        if timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0):
            raise InvalidArgumentError(f"timeout must be more than 0 seconds, not {timeout!r}")
        items = list(iterable)
        outcomes = self.settle(
            func,
            items,
            timeout=timeout,
            fail_fast=fail_fast,
            is_failure=lambda outcome: outcome.error is not None or outcome.value is None,
            on_settled=reporter(progress),
        )
        return [
            _result(index, item, outcome)
            for index, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
        ]


def _result(index: int, item: Any, outcome: Outcome) -> Any:
    # Here and not above, so that importing the package when disabled does not import pywats.
    from pywats.core.parallel import _classify_exception  # noqa: PLC0415
    from pywats.shared.result import Failure, Success  # noqa: PLC0415

    error = outcome.error
    details = {"key": str(item), "index": index}
    if error is None:
        if outcome.value is not None:
            return Success(value=outcome.value)
        code, message = "NOT_FOUND", f"Operation returned None for key: {item}"
    elif isinstance(error, gevent.Timeout):
        details["exception_type"] = "TimeoutError"
        code, message = "TIMEOUT", f"Operation timed out after {error.seconds}s"
    elif isinstance(error, gevent.GreenletExit):
        code, message = "CANCELLED", "Operation was cancelled"
    else:
        details["exception_type"] = type(error).__name__
        code, message = _classify_exception(error), str(error)  # type: ignore[arg-type]
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
        InvalidArgumentError: `concurrency` is not a whole number of at least 1, or `paths` is a
            single text.
    """
    get = _getter(client)
    outcomes = Pool(concurrency).settle(get, require_items("paths", paths))
    return [outcome.value if outcome.error is None else outcome.error for outcome in outcomes]


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
