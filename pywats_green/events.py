"""Events for the calls of green clients, for profilers, metrics, logs and traces.

Without listeners, as usual, a call only checks an empty tuple.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pywats_green.arguments import require_callable

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

logger = logging.getLogger("pywats_green.events")


def encodable(text: str) -> str:
    """Return a text with lone surrogates escaped; metrics and traces are sent as UTF-8."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


class RequestEvent:
    """A call of a client; also the context manager in which the call is made.

    Attributes:
        method: HTTP method.
        endpoint: Path, as passed to the client.
        params: Query parameters, as passed to the client, or None.
        correlation_id: What pywats' log records of this call show. None: it has none.
        server: The server's base URL without user info.
        started: Start of the call, by `time.perf_counter()`.
        elapsed: Duration in seconds, including all waits.
        waited: Seconds of `elapsed` spent waiting for admission: the rate limit or a closed gate.
        attempts: Requests sent by this call itself. 0: answered by the cache, another call or a
            batch, or nothing could be sent.
        headers: Headers that a listener to the start adds to its requests; those of the caller
            take precedence. None: there are none.
        cache: "hit", "miss", "coalesced" (answered by another call's request) or "stale". None:
            the cache was not used.
        is_batched: Whether it was answered by a query for several calls.
        status: HTTP status. None: there was no response.
        error: The exception raised by the call, or None.
    """

    __slots__ = (
        "_domain", "_heard_by", "_template", "_token", "attempts", "cache", "correlation_id",
        "elapsed", "endpoint", "error", "headers", "is_batched", "method", "params", "server",
        "started", "status", "waited",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, Any] | None,
        server: str,
        template: Callable[[str], str],
        domain: Callable[[str], str],
    ) -> None:
        self.method = method
        self.endpoint = endpoint
        self.params = params
        self.server = server
        self.correlation_id: str | None = None
        self.attempts = 0
        self.headers: Mapping[str, str] | None = None
        self.cache: str | None = None
        self.is_batched = False
        self.status: int | None = None
        self.error: BaseException | None = None
        self.elapsed = 0.0
        self.waited = 0.0
        self._template = template
        self._domain = domain
        self._heard_by: tuple[_Subscription, ...] = ()
        self._token: Token[RequestEvent | None] | None = None
        self.started = time.perf_counter()

    def __enter__(self) -> Self:
        # Whoever hears of the start hears of the end: a tracer must end its span.
        told = listeners
        self._heard_by = told
        for position, (_, on_start) in enumerate(told):
            if on_start is not None:
                try:
                    _tell(on_start, self)
                except BaseException as exc:  # killed, so that there is no call
                    self._heard_by = told[: position + 1]
                    self.__exit__(type(exc), exc, exc.__traceback__)
                    raise
        self._token = current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.elapsed = time.perf_counter() - self.started
        self.error = error
        if self._token is not None:
            current.reset(self._token)
        killed: BaseException | None = None
        for on_end, _ in reversed(self._heard_by):  # nested, like context managers
            try:
                _tell(on_end, self)
            except BaseException as exc:  # noqa: BLE001  # raised once the others have heard, too
                killed = exc
        if killed is not None:
            raise killed

    @property
    def route(self) -> str:
        """The route template, such as "/api/Product/{part_number}"; always valid Unicode."""
        return encodable(self._template(self.endpoint))

    @property
    def domain(self) -> str:
        """The domain of pywats it belongs to, such as "product"; "other" if it is unknown."""
        return self._domain(self.endpoint)

    def __repr__(self) -> str:
        return f"RequestEvent({self.method} {self.endpoint}: {self.status})"


Listener: TypeAlias = Callable[[RequestEvent], object]


class _Subscription(NamedTuple):
    on_end: Listener
    on_start: Listener | None


def _tell(listener: Listener, event: RequestEvent) -> None:
    try:
        listener(event)
    except Exception:
        logger.exception("a listener failed; the call goes on")


listeners: tuple[_Subscription, ...] = ()

current: ContextVar[RequestEvent | None] = ContextVar("pywats_green.event", default=None)


def subscribe(listener: Listener, *, on_start: Listener | None = None) -> Callable[[], None]:
    """Call a function with the event of each call, in its greenlet, when the call has ended.

    It is called for the calls that start from now on. Several are called in the order in which they
    subscribed when a call starts, and in reverse when it ends.

    Args:
        listener: Must be fast and must not block. Its errors are logged and never reach a caller.
        on_start: The same, called when the call starts. It may set `headers` of the event. None:
            nothing is called.

    Returns:
        A function that cancels the subscription, for the calls that start from then on; calling it
        again has no effect.

    Raises:
        ArgumentTypeError: `listener` or `on_start` is not callable.
    """
    require_callable("listener", listener, "a RequestEvent")
    if on_start is not None:
        require_callable("on_start", on_start, "a RequestEvent")
    global listeners  # noqa: PLW0603  # only written here and in `cancel`
    subscription = _Subscription(listener, on_start)

    def cancel() -> None:
        global listeners  # noqa: PLW0603
        # `is`, because the same functions may be subscribed twice
        listeners = tuple(other for other in listeners if other is not subscription)

    listeners = (*listeners, subscription)
    return cancel
