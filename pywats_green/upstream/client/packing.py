"""Answers as they are kept: bytes, of which each reader gets an answer of its own."""

from __future__ import annotations

import marshal
from contextlib import suppress
from typing import Any

from pywats.core.client import Response

from pywats_green.upstream.client.bodies import parse

_set = object.__setattr__  # the model's own would check, and cost more than all the rest

_FIELDS = frozenset({"status_code", "data", "headers", "raw"})


class Packed:
    """An answer as it is kept: nothing in it can be changed by who reads it.

    Whoever loaded it has the parsed data, and may change them. The first reader who comes later
    parses the bytes again, and leaves the data in marshal's form, which takes half the time to
    read. Most answers are never read again, so nothing is done before.

    Attributes:
        status: HTTP status.
        cache_size: Its size in bytes for the bound of the cache. The marshalled data, which may
            come later, count as much as the body.
    """

    __slots__ = ("_headers", "_marshalled", "_raw", "cache_size", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self._headers = response.headers.copy()
        self._raw = response.raw
        self._marshalled: bytes | None = None
        self.cache_size = 2 * len(self._raw) + sum(map(len, self._headers.values()))

    def unpack(self) -> Response:
        """Make an answer that belongs to its reader alone."""
        # The fields were checked when the answer came; checking them again would cost more than
        # all else here. This is what pydantic's `model_construct` does, without its loops.
        response = Response.__new__(Response)
        fields = {
            "status_code": self.status,
            "data": marshal.loads(self._marshalled) if self._marshalled else self._parsed(),  # noqa: S302  # our own dump, from this process
            "headers": self._headers.copy(),
            "raw": self._raw,
        }
        _set(response, "__dict__", fields)
        _set(response, "__pydantic_fields_set__", set(_FIELDS))
        _set(response, "__pydantic_extra__", None)
        _set(response, "__pydantic_private__", None)
        return response

    def _parsed(self) -> Any:
        data = parse(self._raw, self._headers.get("content-type"))
        with suppress(ValueError):  # nested deeper than marshal can: each reader parses it
            self._marshalled = marshal.dumps(data)
        return data
