"""Joins `batching()` to a client: the place where a GET that was no cache hit passes by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pywats.core.circuit_breaker import CircuitBreaker
from pywats.core.client import Response

from pywats_green import events
from pywats_green.batching import Gatherer, Key, Learned, QueryRefusedError, Scope, current_scope
from pywats_green.transport import without_user_info
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.outcome import passes_breaker, time_share
from pywats_green.upstream.tables.batch_forms import BatchForm, look_up_of

Fetch = Callable[[str, "dict[str, Any] | None"], Response]

_REFUSED = 400
_TIME_SHARE = 0.5  # of the client's time limit; the rest is for single calls, where it hangs

_ATTRIBUTE = "_green_batches"

# What a header of the query says of its own body.
_OF_THE_BODY = ("content-length", "content-encoding", "transfer-encoding", "etag", "content-md5")


def is_active() -> bool:
    """Tell whether the calls of this context may travel together."""
    return current_scope() is not None


def get(
    client: Any,
    endpoint: str,
    params: dict[str, Any] | None,
    options: Mapping[str, Any] | None,
    fetch: Fetch,
) -> Response:
    """GET something: together with others, inside `batching()` and where there is a query for it.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        endpoint: As the caller gave it.
        params: As the caller gave them.
        options: Whatever else the caller gave, such as headers; a call with any goes singly.
        fetch: Makes a GET of this client, whatever the greenlet. May block.

    Returns:
        What `fetch(endpoint, params)` gives.

    Raises:
        BaseException: What `fetch(endpoint, params)` raises.
    """
    scope = current_scope()
    if scope is None or options:
        return fetch(endpoint, params)
    asked = look_up_of(endpoint, params)
    if asked is None or _breaker_matters(client):
        return fetch(endpoint, params)
    form, key = asked

    def gatherer(scope: Scope) -> Gatherer:
        source = _Source(client, form, fetch)
        return Gatherer(source, learned_of(client, form), scope.window, scope.max_batch)

    name = (id(client), form)  # the gatherer holds the client
    gathering = scope.gatherer(name, gatherer)
    try:
        found: Response = gathering.get(key, lambda: fetch(endpoint, params))
    finally:
        scope.release(name, gathering)
    return found


def learned_of(client: Any, form: BatchForm) -> Learned:
    """Return what a client has learned of the route of a form."""
    known: dict[BatchForm, Learned] = client.__dict__.setdefault(_ATTRIBUTE, {})
    learned = known.get(form)
    if learned is None:
        name = f"{form.template} at {without_user_info(client.base_url)}"
        learned = known[form] = Learned(name, form.limit)
    return learned


def _breaker_of(client: Any) -> CircuitBreaker | None:
    """Return the circuit breaker of a client, if it has one that counts."""
    breaker: CircuitBreaker | None = getattr(client, "_circuit_breaker", None)
    return breaker if breaker is not None and client._circuit_breaker_enabled else None


def _breaker_matters(client: Any) -> bool:
    """Tell whether a call must go by way of the breaker: it is open, or this call passes it by."""
    breaker = _breaker_of(client)
    return (breaker is not None and not breaker.is_closed) or passes_breaker.get()


class _Found(NamedTuple):
    """What a query found for a key."""

    data: Any
    headers: Mapping[str, str]


class _Source:
    """The look-ups of one form that one client makes."""

    def __init__(self, client: Any, form: BatchForm, fetch: Fetch) -> None:
        self.room = form.room(client.base_url)
        self.size = form.size
        self._client = client
        self._form = form
        self._fetch = fetch

    def query(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """Ask for several keys at once; `Source` in pywats_green.batching says what it promises."""
        response = self._ask(keys)
        if response.status_code == _REFUSED:
            raise QueryRefusedError(response.error_message)
        if not response.is_success:
            raise ValueError(f"HTTP {response.status_code}")
        answers = self._form.found(keys, response.data)
        headers = {k: v for k, v in response.headers.items() if k.lower() not in _OF_THE_BODY}
        return {key: _Found(data, headers) for key, data in answers.items()}

    def _ask(self, keys: Sequence[Key]) -> Response:
        # A query is ours, not the user's: that it fails must not close the client for his calls.
        past, share = passes_breaker.set(True), time_share.set(_TIME_SHARE)
        try:
            response = self._observed(*self._form.query(keys))
        finally:
            passes_breaker.reset(past)
            time_share.reset(share)
        breaker = _breaker_of(self._client)
        if breaker is not None:
            breaker._on_success()  # as each of the calls that it stands for would have told it
        return response

    def _observed(self, endpoint: str, params: dict[str, Any]) -> Response:
        """Send a query, with an event of its own: none of those who wait for it has sent it."""
        if not events.listeners:
            return self._fetch(endpoint, params)
        with observed(self._client, "GET", endpoint, params) as event:
            response = self._fetch(endpoint, params)
            event.status = response.status_code
            return response

    def fullness(self, found: _Found) -> int:
        """Count the members that hold anything."""
        row = found.data[0] if isinstance(found.data, list) else found.data
        return sum(value not in (None, "", [], {}) for value in row.values())

    def compare(self, single: Response, found: _Found) -> bool | None:
        """Compare as JSON, in which 1 is not true, and order of members is nothing."""
        if not self.exists(single):
            return None
        if _canonical(single.data) != _canonical(found.data):
            return False
        telling = self._form.telling
        return True if telling is None or single.data.get(telling) else None

    def exists(self, single: Response) -> bool:
        """Tell whether the single call found something."""
        return single.is_success and bool(single.data)

    def answer(self, found: _Found) -> Response:
        """Make an answer that belongs to its reader alone, in the greenlet of the reader."""
        event = events.current.get()
        if event is not None:
            event.is_batched = True
        text = json.dumps(found.data, separators=(",", ":"), ensure_ascii=False)
        raw = text.encode(errors="backslashreplace")  # half a character, as JSON writes it
        return Response(status_code=200, data=json.loads(raw), headers=dict(found.headers), raw=raw)


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True)
