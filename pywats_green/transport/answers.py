"""A response, with headers and body decoded as in httpx."""

from __future__ import annotations

from typing import NamedTuple

PIECE = 1_048_576  # bytes to read or decode before letting other greenlets run


class Answer(NamedTuple):
    """A response as read by the transport.

    Attributes:
        status: HTTP status code.
        headers: By lower-case name; the values of a repeated header are joined by ", ".
        content: The decoded body.
        head: The head as received; empty if requests read it.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    head: bytes = b""


def as_utf8(fields: dict[str, str]) -> dict[str, str]:
    """As httpx does, decode the values as UTF-8 if all of them are, else leave them Latin-1."""
    try:
        return {name: value.encode("latin-1").decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        return fields
