"""Answers as they are kept: bytes, of which each reader gets an answer of its own."""

from __future__ import annotations

import marshal

from pywats.core.client import Response


class Packed:
    """An answer as it is kept: nothing in it can be changed by who reads it.

    The parsed data are kept in marshal's form beside the bytes: reading that is several times
    quicker than parsing again.
    """

    __slots__ = ("cache_size", "data", "headers", "raw", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self.headers = dict(response.headers)
        self.raw = response.raw
        self.data = marshal.dumps(response.data)
        self.cache_size = len(self.raw) + len(self.data) + sum(map(len, self.headers.values()))

    @classmethod
    def of(cls, response: Response) -> Packed | Unpackable:
        """Pack an answer."""
        try:
            return cls(response)
        except ValueError:  # nested deeper than marshal can: handed out, not kept
            return Unpackable(response)

    def unpack(self) -> Response:
        """Make an answer that belongs to its reader alone."""
        # The fields were checked when the answer came; checking them again would cost more than
        # all else here. This is what pydantic's `model_construct` does, without its loops.
        response = Response.__new__(Response)
        fields = {
            "status_code": self.status,
            "data": marshal.loads(self.data),  # noqa: S302  # our own dump, from this process
            "headers": self.headers.copy(),
            "raw": self.raw,
        }
        object.__setattr__(response, "__dict__", fields)
        object.__setattr__(response, "__pydantic_fields_set__", set(fields))
        object.__setattr__(response, "__pydantic_extra__", None)
        object.__setattr__(response, "__pydantic_private__", None)
        return response


class Unpackable:
    """An answer that cannot be kept; who waits for its load gets the answer itself."""

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self._response = response

    def unpack(self) -> Response:
        """Return the answer."""
        return self._response
