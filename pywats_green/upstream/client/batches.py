"""Connects `batching()` to a client: every GET that is not a cache hit comes through here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pywats.core.client import Response

from pywats_green import events
from pywats_green.batching import Batcher, Key, Learned, QueryRefusedError, Scope
from pywats_green.redaction import without_user_info
from pywats_green.upstream.client import breaker
from pywats_green.upstream.client.observing import observed
from pywats_green.upstream.client.outcome import passes_breaker
from pywats_green.upstream.tables.batch_forms import BatchForm, look_up_of

Request = Callable[..., Response]

_REFUSED = 400
_TIMEOUT_FRACTION = 0.5  # of the client's timeout; leaves time for single calls if a query hangs

_ATTRIBUTE = "_green_batches"

# Headers that describe the body of the query itself.
_OF_THE_BODY = ("content-length", "content-encoding", "transfer-encoding", "etag", "content-md5")


def get(
    client: Any,
    scope: Scope,
    endpoint: str,
    params: dict[str, Any] | None,
    single: Callable[[], Response],
    request: Request,
) -> Response:
    """GET something inside `batching()`, as part of a query if there is one for it.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        scope: The block.
        endpoint: As passed by the caller.
        params: As passed by the caller.
        single: Makes the single GET. May block.
        request: Makes any request of a client, in any greenlet. May block.

    Returns:
        What `single` would return.

    Raises:
        BaseException: Whatever `single` raises.
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
    """Return what a client has learned about a form's route."""
    known: dict[BatchForm, Learned] = client.__dict__.setdefault(_ATTRIBUTE, {})
    learned = known.get(form)
    if learned is None:
        name = f"{form.template} at {without_user_info(client.base_url)}"
        learned = known[form] = Learned(name, form.limit)
    return learned


def _breaker_matters(client: Any) -> bool:
    """Return whether a call must not be batched: the breaker is not closed, or is bypassed."""
    guard = breaker.of(client)
    return (guard is not None and not guard.is_closed) or passes_breaker.get()


class _Found(NamedTuple):
    """The result of a query for one key."""

    data: Any
    headers: Mapping[str, str]


class _Source:
    """Implements `Source` for one client and one form."""

    def __init__(self, client: Any, form: BatchForm, request: Request) -> None:
        self.room = form.room(client.base_url)
        self.size = form.size
        self._client = client
        self._form = form
        self._request = request

    def query(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """Query several keys; see `Source` in pywats_green.batching."""
        response = self._ask(keys)
        if response.status_code == _REFUSED:
            raise QueryRefusedError(response.error_message)
        if not response.is_success:
            raise ValueError(f"HTTP {response.status_code}")
        answers = self._form.found(keys, response.data)
        headers = {k: v for k, v in response.headers.items() if k.lower() not in _OF_THE_BODY}
        return {key: _Found(data, headers) for key, data in answers.items()}

    def _ask(self, keys: Sequence[Key]) -> Response:
        """Send a query with its own event; it belongs to none of the waiting calls."""
        endpoint, params = self._form.query(keys)
        send = partial(self._send, endpoint, params)
        return observed(self._client, "GET", endpoint, params, send) if events.listeners else send()

    def _send(self, endpoint: str, params: dict[str, Any]) -> Response:
        # The user did not ask for this query, so its failure must not open the breaker.
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
            guard._on_success()  # as each of the calls it replaces would have
        return response

    def fullness(self, found: _Found) -> int:
        """Return the number of non-empty members."""
        row = found.data[0] if isinstance(found.data, list) else found.data
        return sum(value not in (None, "", [], {}) for value in row.values())

    def compare(self, single: Response, found: _Found) -> bool | None:
        """Compare as JSON, where 1 is not true and the order of members is irrelevant."""
        if not self.exists(single):
            return None
        if _canonical(single.data) != _canonical(found.data):
            return False
        telling = self._form.telling
        return True if telling is None or single.data.get(telling) else None

    def exists(self, single: Response) -> bool:
        """Return whether the single call found something."""
        return single.is_success and bool(single.data)

    def answer(self, found: _Found) -> Response:
        """Return a response that belongs to the caller alone; called in the caller's greenlet."""
        event = events.current.get()
        if event is not None:
            event.is_batched = True
        text = json.dumps(found.data, separators=(",", ":"), ensure_ascii=False)
        raw = text.encode(errors="backslashreplace")  # a lone surrogate becomes a JSON escape
        return Response(status_code=200, data=json.loads(raw), headers=dict(found.headers), raw=raw)


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True)
