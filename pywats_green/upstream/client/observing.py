"""Makes the events of `pywats_green.events` for upstream's clients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pywats_green.events import RequestEvent, current
from pywats_green.transport import without_user_info
from pywats_green.upstream.tables.routes import template_of

_shown = lru_cache(maxsize=256)(without_user_info)


def observed(
    client: Any, method: str, endpoint: str, params: Mapping[str, Any] | None
) -> RequestEvent:
    """Return the event of a call, a context manager to make the call in.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As the caller gave it.
        params: As the caller gave them.
    """
    return RequestEvent(method, endpoint, params, _shown(client.base_url), template_of)


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


def note_wait(seconds: float) -> None:
    """Note on the event of the running call, if there is one, for how long it was not sent."""
    event = current.get()
    if event is not None:
        event.waited += seconds
