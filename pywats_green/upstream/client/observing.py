"""Emits the events of `pywats_green.events` for upstream's clients."""

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
    """Return the event of a call: a context manager to make the call in.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        method: HTTP method.
        endpoint: As passed by the caller.
        params: As passed by the caller.
    """
    return RequestEvent(method, endpoint, params, _shown(client.base_url), template_of)


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
