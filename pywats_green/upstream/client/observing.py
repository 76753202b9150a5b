"""Emits the events of `pywats_green.events` for upstream's clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pywats.core.client import Response

from pywats_green.events import RequestEvent, current
from pywats_green.redaction import without_user_info
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
    with RequestEvent(method, endpoint, params, _shown(client.base_url), template_of) as event:
        event.cache = cache
        response = call()
        event.status = response.status_code
        return response


def note_cache(outcome: str) -> None:
    """Record the cache outcome on the current call's event, if there is one."""
    event = current.get()
    if event is not None:
        event.cache = outcome


def note_attempt() -> None:
    """Count an attempt on the current call's event, if there is one."""
    event = current.get()
    if event is not None:
        event.attempts += 1


def note_wait(seconds: float) -> None:
    """Add a wait for admission, in seconds, to the event of the running call, if any."""
    event = current.get()
    if event is not None:
        event.waited += seconds
