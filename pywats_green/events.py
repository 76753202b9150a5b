"""One event for each call of a green client, for whoever listens: profilers, metrics, traces.

Nobody listens as a rule, and then a call pays for one look at an empty tuple.
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
    """One call of a client, from its begin to its end; a context manager around the call.

    Attributes:
        method: HTTP method.
        endpoint: Path, as the caller gave it to the client.
        params: Query parameters, as the caller gave them, or None.
        server: The server's base URL without user info.
        started: By `time.perf_counter()`, in seconds.
        elapsed: Seconds from begin to end, all waits included.
        attempts: Requests that this call sent by itself. 0: a cache, another call or a batch
            answered, or nothing could be sent.
        cache: "hit", "miss", "coalesced" (another call's request answered) or "stale"; None:
            the cache was not asked.
        is_batched: Whether a query answered that was sent for several calls.
        status: HTTP status of the answer; None: there is none.
        error: What the call raised, or None.
    """

    __slots__ = (
        "_template", "_token", "attempts", "cache", "elapsed", "endpoint", "error", "is_batched",
        "method", "params", "server", "started", "status",
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
    """Have a function called with each event, in the greenlet of its call, when it has ended.

    Args:
        listener: Must be quick and must not block. What it raises is logged, and reaches no
            caller.

    Returns:
        A function that ends the subscription; called again, it does nothing.

    Raises:
        ArgumentTypeError: `listener` cannot be called.
    """
    require_callable("listener", listener, "a RequestEvent")
    global listeners  # noqa: PLW0603  # with `cancel` the one place that writes it

    def call(event: RequestEvent) -> object:
        return listener(event)

    def cancel() -> None:
        global listeners  # noqa: PLW0603
        listeners = tuple(other for other in listeners if other is not call)

    listeners = (*listeners, call)  # `call`, because one function may subscribe twice
    return cancel
