"""Makes the events of `pywats_green.events` for upstream's clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pywats.core.client import Response

from pywats_green.events import RequestEvent, current
from pywats_green.transport import without_user_info
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
    """Make a call in an event of its own.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As the caller gave it.
        params: As the caller gave them.
        call: Returns the answer.
        cache: What is known before of the cache's part in it, as in `RequestEvent.cache`.

    Raises:
        BaseException: What the call raises.
    """
    with RequestEvent(method, endpoint, params, _shown(client.base_url), template_of) as event:
        event.cache = cache
        response = call()
        event.status = response.status_code
        return response


def note_cache(outcome: str) -> None:
    """Note on the event of the running call, if there is one, what the cache did for it."""
    event = current.get()
    if event is not None:
        event.cache = outcome


def note_attempt() -> None:
    """Note on the event of the running call, if there is one, that it sends a request."""
    event = current.get()
    if event is not None:
        event.attempts += 1
