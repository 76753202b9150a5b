"""Events for the calls of green clients, for profilers, metrics and tracing.

Without listeners, as usual, a call only checks an empty tuple.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeAlias

from pywats_green.arguments import require_callable

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

logger = logging.getLogger("pywats_green.events")


class RequestEvent:
    """A call of a client; also the context manager in which the call is made.

    Attributes:
        method: HTTP method.
        endpoint: Path, as passed to the client.
        params: Query parameters, as passed to the client, or None.
        server: The server's base URL without user info.
        started: Start of the call, by `time.perf_counter()`.
        elapsed: Duration in seconds, including all waits.
        waited: Seconds of `elapsed` spent waiting to be sent: for the rate limit, or a closed gate.
        attempts: Requests sent by this call itself. 0: answered by the cache, another call or a
            batch, or nothing could be sent.
        cache: "hit", "miss", "coalesced" (answered by another call's request) or "stale". None:
            the cache was not used.
        is_batched: Whether it was answered by a query for several calls.
        status: HTTP status. None: there was no response.
        error: The exception raised by the call, or None.
    """

    __slots__ = (
        "_template", "_token", "attempts", "cache", "elapsed", "endpoint", "error", "is_batched",
        "method", "params", "server", "started", "status", "waited",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        server: str,
        template: Callable[[str], str],
    ) -> None:
        self.method = method
        self.endpoint = endpoint
        self.params = params
        self.server = server
        self.attempts = 0
        self.cache: str | None = None
        self.is_batched = False
        self.status: int | None = None
        self.error: BaseException | None = None
        self.elapsed = 0.0
        self.waited = 0.0
        self._template = template
        self._token: Token[RequestEvent | None] | None = None
        self.started = time.perf_counter()

    def __enter__(self) -> Self:
        self._token = current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.elapsed = time.perf_counter() - self.started
        self.error = error
        if self._token is not None:
            current.reset(self._token)
        for listener in listeners:
            try:
                listener(self)
            except Exception:
                logger.exception("a listener failed; the call goes on")

    @property
    def route(self) -> str:
        """The route template, such as "/api/Product/{part_number}"."""
        return self._template(self.endpoint)

    def __repr__(self) -> str:
        return f"RequestEvent({self.method} {self.endpoint}: {self.status})"


Listener: TypeAlias = Callable[[RequestEvent], object]

listeners: tuple[Listener, ...] = ()

current: ContextVar[RequestEvent | None] = ContextVar("pywats_green.event", default=None)


def subscribe(listener: Listener) -> Callable[[], None]:
    """Call a function with the event of each call, in its greenlet, when the call has ended.

    Args:
        listener: Must be fast and must not block. Its errors are logged and never reach a caller.

    Returns:
        A function that cancels the subscription; calling it again has no effect.

    Raises:
        ArgumentTypeError: `listener` is not callable.
    """
    require_callable("listener", listener, "a RequestEvent")
    global listeners  # noqa: PLW0603  # only written here and in `cancel`

    def call(event: RequestEvent) -> object:
        return listener(event)

    def cancel() -> None:
        global listeners  # noqa: PLW0603
        listeners = tuple(other for other in listeners if other is not call)

    listeners = (*listeners, call)  # not `listener`, which may subscribe twice
    return cancel
