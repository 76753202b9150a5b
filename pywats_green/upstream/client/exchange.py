"""One call of a client: admission, attempts, translation of errors.

The steps and messages are those of `_execute_request` in pywats' core/async_client.py and
`_make_request` in its core/client.py, apart from the transport below, the sleep between attempts,
a working Retry-After, and the reads that are sent once more.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import gevent
from gevent import monkey
from pywats.core.client import HttpClient, Response
from pywats.core.exceptions import ConnectionError as WatsConnectionError
from pywats.core.exceptions import PyWATSError
from pywats.core.exceptions import TimeoutError as WatsTimeoutError
from pywats.core.logging import get_logger
from pywats.core.retry import RetryConfig, should_retry

from pywats_green import config, events
from pywats_green.bridge import DeadlineExceeded
from pywats_green.causes import noted
from pywats_green.exceptions import (
    NativeThreadError,
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.redaction import guarded, without_user_info
from pywats_green.timers import SHORTEST
from pywats_green.transport import Answer, Transport
from pywats_green.upstream.client import breaker, mocks
from pywats_green.upstream.client.admission import admit, settle
from pywats_green.upstream.client.answers import parse, response_of
from pywats_green.upstream.client.encoding import checked_headers, encode_body
from pywats_green.upstream.client.gates import is_away, pause_asked
from pywats_green.upstream.client.observing import figures, note_attempt
from pywats_green.upstream.tables.domains import get_may_write

logger = get_logger("pywats.core.async_client")  # users filter by upstream's names

_native_thread_id = monkey.get_original("threading", "get_ident")

_ATTRIBUTE = "_green_exchange"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def exchange_of(client: Any) -> Exchange:
    """Return the exchange of one of upstream's clients, created on its first call.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.

    Raises:
        NativeThreadError: The client belongs to another native thread.
    """
    exchange: Exchange | None = client.__dict__.get(_ATTRIBUTE)
    if exchange is None:
        exchange = client.__dict__[_ATTRIBUTE] = Exchange(client)
    elif exchange.thread_id != _native_thread_id():
        raise NativeThreadError(
            "this client was first used in another native thread, whose greenlets own its "
            "connections: create one client for each native thread, or hand the work to the "
            "thread of the client"
        )
    return exchange


def close(client: Any) -> None:
    """Close the connections of a client. Its next call opens new ones."""
    mocks.forget(client)
    exchange: Exchange | None = client.__dict__.get(_ATTRIBUTE)
    if exchange is not None:
        exchange.transport.close()


class Exchange:
    """What a client needs to make its calls, besides upstream's own attributes.

    Changes of the client's `timeout` and `retry_config` take effect at once; the base URL and the
    circuit breaker are fixed by its first call.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
    """

    def __init__(self, client: Any) -> None:
        self.thread_id = _native_thread_id()
        self._is_blocking = isinstance(client, HttpClient)
        self._wiring = mocks.BLOCKING if self._is_blocking else mocks.ASYNC
        self.transport = Transport(client.base_url, verify=client.verify_ssl)
        self.breaker = breaker.of(client)
        self._standing: dict[str, str] = {}
        self._checked: dict[str, str] = {}

    def run(
        self,
        client: Any,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None,
        data: Any,
        headers: dict[str, str] | None,
        retry: bool | None,
        deadline: float | None,
        timeout_fraction: float,
    ) -> Response:
        """Make a call, with the attempts that the client's retry configuration allows.

        A read whose kept connection ended before a byte of the answer came is sent once more.

        The arguments are those of upstream's `_make_request`, plus `deadline` and
        `timeout_fraction` as for `request` in `pywats_green.upstream.client.core`; the fraction
        applies to each attempt.

        Returns:
            The response, whatever its status.

        Raises:
            pywats.core.exceptions.ConnectionError: No connection could be made.
            pywats.core.exceptions.TimeoutError: The server took too long.
            PyWATSError: Anything else went wrong.
        """
        retries = client._retry_config
        may_retry = retry if retry is not None else retries.enabled
        if not endpoint.startswith("/"):
            endpoint = f"/{endpoint}"
        started = time.time()
        attempt = 0
        away_since = None
        met_a_stale_one = False
        while True:
            answer = error = None
            admission = admit(client, away_since)
            if admission.waited and deadline is not None:
                deadline += admission.waited  # as the timer itself does when it falls due
            try:
                if events.listeners:
                    headers = note_attempt(headers)
                answer = self._attempt(
                    client, method, endpoint, params, data, headers, attempt, deadline,
                    timeout_fraction,
                )  # fmt: skip
            except PyWATSError as exc:
                is_stale = getattr(exc.__cause__, "is_stale", False)
                if is_stale and not met_a_stale_one and _is_read(method, endpoint):
                    met_a_stale_one = True  # and the server has not failed
                    continue
                error = exc
            finally:
                ended = settle(client, admission, answer, error)
            if error is not None and _waits(method, endpoint, error):
                away_since = away_since or time.monotonic()
                continue
            tried = attempt if ended.counts else max(attempt - 1, 0)
            delay = _retry_delay(retries, method, tried, answer, error) if may_retry else None
            if delay is None:
                break
            cause = type(error).__name__ if answer is None else f"HTTP {answer.status_code}"
            logger.info(
                "Retry %d/%d for %s %s after %.2fs (%s)",
                *(attempt + 1, retries.max_attempts, method, endpoint, delay, cause),
                extra=figures(endpoint, attempt + 1, time.time() - started),
            )
            if not ended.is_held:  # else admission makes the next attempt wait, like all others
                gevent.sleep(max(delay, SHORTEST) if delay > 0 else 0.0)
            attempt += ended.counts
        if answer is None:
            raise error  # type: ignore[misc]  # one of the two is set
        if client._metrics_collector:
            _count_metrics(client, method, endpoint, answer, started)
        return answer

    def _attempt(
        self,
        client: Any,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None,
        data: Any,
        headers: dict[str, str] | None,
        attempt: int,
        deadline: float | None,
        timeout_fraction: float,
    ) -> Response:
        """Send the request once, translating failures into upstream's errors."""
        query = {k: v for k, v in params.items() if v is not None} if params else None
        started = time.perf_counter()
        try:
            sent = self._headers(client, headers)
            content = None
            if data is not None:
                content, extra = encode_body(data, is_blocking=self._is_blocking)
                if extra:
                    sent = {**extra, **sent}
            limit = client.timeout and client.timeout * timeout_fraction
            transport: Any = self.transport
            wiring = self._wiring
            # Inline, because nearly no call ever meets a mock.
            if (
                client._client is not None
                or wiring.read(mocks.STACK) != wiring.harmless
                or (mocks.httpcore is None and "httpcore" in sys.modules)
            ):
                transport = mocks.transport_of(client, transport)
            answer = transport.request(method, endpoint, query, sent, content, limit, deadline)
            if client._trace_stack:
                self._trace(client, method, endpoint, query, data, answer, started, attempt)
            data = parse(answer.content, answer.headers.get("content-type"))
            return response_of(answer.status, answer.headers, answer.content, data)
        except TransportConnectError as exc:
            raise WatsConnectionError(
                f"Failed to connect to {without_user_info(client.base_url)}: {self._words(exc)}",
                operation=f"{method} {endpoint}",
                details={"url": without_user_info(client.base_url)},
            ) from exc
        except TransportTimeoutError as exc:
            late = WatsTimeoutError(
                f"Request timed out after {client.timeout}s: {self._words(exc)}",
                operation=f"{method} {endpoint}",
                details={"timeout": client.timeout, "endpoint": endpoint},
            )
            raise noted(late, _named(client, method, endpoint)) from exc
        except DeadlineExceeded as expired:
            expired.during = _named(client, method, endpoint)
            raise
        except TransportError as exc:
            raise PyWATSError(f"HTTP request failed: {self._words(exc)}") from exc
        except Exception as exc:
            raise PyWATSError(f"HTTP request failed: {exc}") from exc

    def _headers(self, client: Any, extra: dict[str, str] | None) -> dict[str, str]:
        """Merge and validate the headers of a call; the client's own are validated once."""
        if extra:
            return checked_headers(guarded(client._headers), extra)
        if client._headers != self._standing:
            standing = guarded(client._headers)  # a user may have set the token
            self._checked = checked_headers(standing, None)
            self._standing = standing
        return self._checked

    def _words(self, exc: TransportError) -> str:
        """Return the message that upstream's client would show; asyncio hides the system's."""
        if self._is_blocking or not exc.system:
            return str(exc)
        return "All connection attempts failed" if isinstance(exc, TransportConnectError) else ""

    def _trace(
        self,
        client: Any,
        method: str,
        endpoint: str,
        query: dict[str, Any] | None,
        data: Any,
        answer: Answer,
        started: float,
        attempt: int,
    ) -> None:
        """Emit a trace, in upstream's format, to the client's open captures."""
        is_json = isinstance(data, (dict, list))
        trace = {
            "method": method,
            "url": f"{without_user_info(client.base_url)}{endpoint}",
            "params": client._bounded_json(query),
            "json": client._bounded_json(data if is_json else None),
            "status_code": answer.status,
            "duration_ms": (time.perf_counter() - started) * 1000.0,
            "response_bytes": len(answer.content),
            "attempt": attempt + 1,
        }
        if self._is_blocking:
            trace["content"] = client._bounded_json(None if is_json else data)
        client._emit_trace(trace)


def _waits(method: str, endpoint: str, error: PyWATSError) -> bool:
    """Return whether a request waits for its server, which is away, and is sent again."""
    if not (config.in_force.wait_for_server and is_away(error)):
        return False
    return _is_read(method, endpoint) or getattr(error.__cause__, "is_unsent", False)


def _is_read(method: str, endpoint: str) -> bool:
    return method in _READS and not get_may_write(endpoint)


def _retry_delay(
    retries: RetryConfig,
    method: str,
    attempt: int,
    answer: Response | None,
    error: PyWATSError | None,
) -> float | None:
    """Ask upstream's retry logic. Returns the seconds to wait, or None to give up."""
    # Upstream looks up "Retry-After" in headers with lower-case names, so it never finds it.
    again, delay = should_retry(retries, method, attempt, answer, error)
    if not again:
        return None
    asked = None if answer is None else pause_asked(answer)
    if asked is not None:
        delay = asked
    retries.record_retry(delay)
    return delay


def _named(client: Any, method: str, endpoint: str) -> str:
    return f"{method} {endpoint} at {without_user_info(client.base_url)}"


def _count_metrics(
    client: Any, method: str, endpoint: str, answer: Response, started: float
) -> None:
    collector = client._metrics_collector
    labels = {"method": method, "endpoint": endpoint}
    collector.http_requests_total.labels(**labels, status=str(answer.status_code)).inc()
    collector.http_request_duration_seconds.labels(**labels).observe(time.time() - started)
