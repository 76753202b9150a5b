"""The path of a request, for both of pywats' clients: cache, batch, breaker, exchange.

Each step is a plain function that calls the next. The green client's coroutines await only
`MAY_BLOCK` and then call these functions, passing on what the await returned: the deadline of the
call.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from pywats.core.circuit_breaker import CircuitState
from pywats.core.client import Response

from pywats_green import config, events
from pywats_green.batching import innermost_scope
from pywats_green.upstream.client import batches, breaker
from pywats_green.upstream.client.cache import ATTRIBUTE, ClientCache, Read
from pywats_green.upstream.client.encoding import guarded_headers
from pywats_green.upstream.client.epochs import wrote
from pywats_green.upstream.client.exchange import exchange_of
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.outcome import passes_breaker, refusal, submission_answer
from pywats_green.upstream.tables.domains import get_may_write, touched_by

CLOSED = CircuitState.CLOSED
_OPTIONS = frozenset({"data", "headers", "retry"})


def look_up(
    client: Any, endpoint: str, params: dict[str, Any] | None, options: dict[str, Any]
) -> Response | Read | None:
    """Look a GET up in the cache of its client. Never blocks.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        endpoint: As passed by the caller.
        params: As passed by the caller.
        options: The caller's other arguments; `cache` is removed.

    Returns:
        The cached response; a `Read` to load it with; None if the cache is not used.
    """
    if options and not options.pop("cache", True):
        return None
    caching: ClientCache | None = client.__dict__.get(ATTRIBUTE)
    if caching is None or not client._cache_enabled:
        return None
    read = caching.read_of(client._headers, endpoint, params, options.get("headers"))
    if read is None:
        return None
    response = caching.hit(read)
    if response is None:
        return read
    refusal.set(None)  # an earlier request's must not end up on this call's error
    if events.listeners:
        return observed(client, "GET", endpoint, params, lambda: response, "hit")
    return response


def read(
    client: Any,
    endpoint: str,
    params: dict[str, Any] | None,
    options: dict[str, Any],
    found: Read | None,
    deadline: float | None,
) -> Response:
    """Make a GET that the cache could not answer, alone or in a batch. May block.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        endpoint: As passed by the caller.
        params: As passed by the caller.
        options: The caller's `data`, `headers` and `retry`, if passed.
        found: What `look_up` returned.
        deadline: When a timer will end this call, on the `time.monotonic()` clock. None: never.

    Raises:
        BaseException: As `request`.
    """
    if options:
        _guard(options)
        _check(client, "GET", endpoint, options)
    if events.listeners:
        load = partial(_load, client, endpoint, params, options, found, deadline)
        return observed(client, "GET", endpoint, params, load)
    return _load(client, endpoint, params, options, found, deadline)


def _load(
    client: Any,
    endpoint: str,
    params: dict[str, Any] | None,
    options: dict[str, Any],
    found: Read | None,
    deadline: float | None,
) -> Response:
    if found is None:
        return _ask(client, endpoint, params, options, deadline)
    ask = partial(_ask, client, endpoint, params, options)
    renew = partial(_renew, client, endpoint, params, options)
    response = found.cache.load(found, ask, renew, deadline, client.timeout)
    refusal.set(None if response.is_success else response)  # another call may have loaded it
    return response


def _renew(
    client: Any, endpoint: str, params: dict[str, Any] | None, options: dict[str, Any]
) -> Response:
    """Revalidate in the background, in the context of a call that has ended."""
    events.current.set(None)
    ask = partial(_ask, client, endpoint, params, options, None)
    return observed(client, "GET", endpoint, params, ask, "miss") if events.listeners else ask()


def _ask(
    client: Any,
    endpoint: str,
    params: dict[str, Any] | None,
    options: dict[str, Any],
    deadline: float | None,
) -> Response:
    """Ask the server: as part of a batch inside `batching()`, else with a separate request."""
    scope = innermost_scope()
    if scope is None or options:
        return request(client, "GET", endpoint, params, deadline=deadline, **options)
    single = partial(request, client, "GET", endpoint, params, deadline=deadline)
    response = batches.get(client, scope, endpoint, params, single, request)
    refusal.set(None if response.is_success else response)  # a query may have answered
    return response


def write(
    client: Any,
    method: str,
    endpoint: str,
    params: dict[str, Any] | None,
    options: dict[str, Any],
    deadline: float | None,
) -> Response:
    """Make a request that may write. May block.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As passed by the caller.
        params: As passed by the caller.
        options: The caller's `data`, `headers` and `retry`, if passed.
        deadline: As for `read`.

    Raises:
        BaseException: As `request`.
    """
    if options:
        _guard(options)
        _check(client, method, endpoint, options)
    if events.listeners:
        send = partial(request, client, method, endpoint, params, deadline=deadline, **options)
        return observed(client, method, endpoint, params, send)
    return request(client, method, endpoint, params, deadline=deadline, **options)


def request(
    client: Any,
    method: str,
    endpoint: str,
    params: dict[str, Any] | None = None,
    data: Any = None,
    headers: dict[str, str] | None = None,
    retry: bool | None = None,
    *,
    deadline: float | None,
    timeout_fraction: float = 1.0,
    through_breaker: bool = True,
) -> Response:
    """Make a request and invalidate what it changes; a few GETs write, too. May block.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As passed by the caller.
        params: Query parameters.
        data: The body.
        headers: Additional headers; they override the client's own.
        retry: Whether to retry. None: as the client is configured.
        deadline: As for `read`.
        timeout_fraction: The fraction of the client's timeout that this request may take.
        through_breaker: Whether to go through the circuit breaker.

    Returns:
        The response, whatever its status.

    Raises:
        CircuitBreakerOpenError: The breaker is open.
        PyWATSError: As `Exchange.run`.
        BaseException: The caller was killed or timed out.
    """
    exchange = exchange_of(client)  # rejects a foreign thread before the breaker counts it
    refusal.set(None)  # an earlier request's must not end up on this one's error
    is_submission = passes_breaker.get()
    guard = exchange.breaker if through_breaker and not is_submission else None
    if guard is not None and config.in_force.wait_for_server:
        guard = None  # the gate of the server stands in for it
    if guard is not None and guard._state is not CLOSED:
        breaker.require_closed(guard, client)
    outcome: Response | BaseException
    try:
        outcome = response = exchange.run(
            client, method, endpoint, params, data, headers, retry, deadline, timeout_fraction
        )
    except BaseException as exc:  # killed or timed out: it may have reached the server
        outcome = exc
        if guard is not None and isinstance(exc, Exception):
            breaker.failed(guard, exc)
        raise
    finally:
        if method != "GET" or get_may_write(endpoint):
            touched = touched_by(method, endpoint)
            if touched:
                wrote(client, touched, outcome)
    if guard is not None and (guard._failure_count or guard._state is not CLOSED):
        guard._on_success()
    if is_submission:
        submission_answer.set(response)
    if not 200 <= response.status_code < 300:  # noqa: PLR2004  # "2xx"
        refusal.set(response)
    return response


def keep(found: Read | None, response: Response) -> Response:
    """Cache the response to a GET that a user's `_make_request` made."""
    if found is not None:
        found.cache.keep(found, response)
    return response


def invalidate(client: Any, method: str, endpoint: str, response: Response) -> Response:
    """Invalidate what a request changed that a user's `_make_request` made."""
    wrote(client, touched_by(method, endpoint), response)
    return response


def _guard(options: dict[str, Any]) -> None:
    """Guard credentials among the headers, for the frames of the callers, which share the dict."""
    if options.get("headers"):
        options["headers"] = guarded_headers(options["headers"])


def _check(client: Any, method: str, endpoint: str, options: dict[str, Any]) -> None:
    """Let upstream reject unknown options with its own error."""
    if not options.keys() <= _OPTIONS:
        type(client)._make_request(client, method, endpoint, **options)
