"""Emits the events of `pywats_green.events` for upstream's clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pywats.core.client import Response
from pywats.pywats import correlation_id_var  # type: ignore[attr-defined]  # not in its .pyi

from pywats_green.events import RequestEvent, current
from pywats_green.redaction import without_user_info
from pywats_green.upstream.tables.domains import rule_of
from pywats_green.upstream.tables.routes import template_of

_shown = lru_cache(maxsize=256)(without_user_info)


def observed(
    client: Any,
    method: str,
    endpoint: str,
    params: Mapping[str, Any] | None,
    call: Callable[[], Response],
    cache: str | None = None,
) -> Response:
    """Make a call and record it as an event.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As passed by the caller.
        params: As passed by the caller.
        call: Returns the response.
        cache: The cache outcome, if known in advance, as in `RequestEvent.cache`.

    Raises:
        BaseException: Whatever the call raises.
    """
    event = RequestEvent(method, endpoint, params, _shown(client.base_url), template_of, _domain_of)
    event.correlation_id = correlation_id_var.get()
    event.cache = cache
    with event:
        response = call()
        event.status = response.status_code
        return response


def note_cache(outcome: str) -> None:
    """Record the cache outcome on the current call's event, if there is one."""
    event = current.get()
    if event is not None:
        event.cache = outcome


def note_attempt(headers: dict[str, str] | None) -> dict[str, str] | None:
    """Count an attempt on the current call's event, if there is one.

    Returns:
        The headers of the attempt: the caller's, and what listeners add to them (`traceparent`).
    """
    event = current.get()
    if event is None:
        return headers
    event.attempts += 1
    given = {} if headers is None else headers
    if not event.headers or not isinstance(given, Mapping):  # which is refused later
        return headers
    theirs = {name.lower() for name in given if isinstance(name, str)}
    return {**{k: v for k, v in event.headers.items() if k.lower() not in theirs}, **given}


def note_wait(seconds: float) -> None:
    """Add a wait for admission, in seconds, to the event of the running call, if any."""
    event = current.get()
    if event is not None:
        event.waited += seconds


def figures(endpoint: str, attempt: int, seconds: float) -> dict[str, object]:
    """Return what a log record of the running call has as attributes, as in the log of calls."""
    return {
        "correlation_id": correlation_id_var.get(),
        "domain": _domain_of(endpoint),
        "route": template_of(endpoint),
        "attempt": attempt,
        "duration": seconds,
    }


def _domain_of(endpoint: str) -> str:
    return rule_of(endpoint).family
