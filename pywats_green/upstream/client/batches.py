"""Joins `batching()` to a client: the place where a GET that was no cache hit passes by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pywats.core.client import Response

from pywats_green import events
from pywats_green.batching import Batcher, Key, Learned, QueryRefusedError, Scope
from pywats_green.transport import without_user_info
from pywats_green.upstream.client import breaker
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.outcome import passes_breaker
from pywats_green.upstream.tables.batch_forms import BatchForm, look_up_of

Request = Callable[..., Response]

_REFUSED = 400
_TIMEOUT_FRACTION = 0.5  # of the client's time limit; the rest is for single calls, where it hangs

_ATTRIBUTE = "_green_batches"

# What a header of the query says of its own body.
_OF_THE_BODY = ("content-length", "content-encoding", "transfer-encoding", "etag", "content-md5")


def get(
    client: Any,
    scope: Scope,
    endpoint: str,
    params: dict[str, Any] | None,
    single: Callable[[], Response],
    request: Request,
) -> Response:
    """GET something inside `batching()`: together with others, where there is a query for it.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        scope: The block.
        endpoint: As the caller gave it.
        params: As the caller gave them.
        single: Makes the GET by itself. May block.
        request: Makes any request of a client, whatever the greenlet. May block.

    Returns:
        What `single` gives.

    Raises:
        BaseException: What `single` raises.
    """
    asked = look_up_of(endpoint, params) if scope.counts_here else None
    if asked is None or _breaker_matters(client):
        return single()
    form, key = asked

    def new_batcher(scope: Scope) -> Batcher:
        source = _Source(client, form, request)
        return Batcher(source, learned_of(client, form), scope.window, scope.max_batch)

    name = (id(client), form)  # the batcher holds the client
    batcher = scope.batcher(name, new_batcher)
    try:
        found: Response = batcher.get(key, single)
    finally:
        scope.release(name, batcher)
    return found


def learned_of(client: Any, form: BatchForm) -> Learned:
    """Return what a client has learned of the route of a form."""
    known: dict[BatchForm, Learned] = client.__dict__.setdefault(_ATTRIBUTE, {})
    learned = known.get(form)
    if learned is None:
        name = f"{form.template} at {without_user_info(client.base_url)}"
        learned = known[form] = Learned(name, form.limit)
    return learned


def _breaker_matters(client: Any) -> bool:
    """Tell whether a call must go by way of the breaker: it is open, or this call passes it by."""
    guard = breaker.of(client)
    return (guard is not None and not guard.is_closed) or passes_breaker.get()


class _Found(NamedTuple):
    """What a query found for a key."""

    data: Any
    headers: Mapping[str, str]


class _Source:
    """The look-ups of one form that one client makes."""

    def __init__(self, client: Any, form: BatchForm, request: Request) -> None:
        self.room = form.room(client.base_url)
        self.size = form.size
        self._client = client
        self._form = form
        self._request = request

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
        """Send a query, with an event of its own: none of those who wait for it has sent it."""
        endpoint, params = self._form.query(keys)
        send = partial(self._send, endpoint, params)
        return observed(self._client, "GET", endpoint, params, send) if events.listeners else send()

    def _send(self, endpoint: str, params: dict[str, Any]) -> Response:
        # A query is ours, not the user's: that it fails must not close the client for his calls.
        response = self._request(
            self._client,
            "GET",
            endpoint,
            params,
            deadline=None,
            timeout_fraction=_TIMEOUT_FRACTION,
            through_breaker=False,
        )
        guard = breaker.of(self._client)
        if guard is not None:
            guard._on_success()  # as each of the calls that it stands for would have told it
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
