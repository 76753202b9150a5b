"""An answer, and what httpx makes of its headers and its body."""

from __future__ import annotations

import io
from typing import NamedTuple

import gevent
import urllib3

from pywats_green.exceptions import TransportDecodeError

PIECE = 1_048_576  # bytes to read or to decode before the other greenlets get their turn
# Seconds. Not 0: gevent runs fifty such turns before it looks at sockets and timers again.
MOMENT = 1e-6


class Answer(NamedTuple):
    """What the server answered.

    Attributes:
        status: HTTP status code.
        headers: By lower-case name; values of a repeated header are joined by ", ".
        content: The body, content encodings undone.
        head: As it came; empty where requests has read it.
    """

    status: int
    headers: dict[str, str]
    content: bytes
    head: bytes = b""


def as_utf8(fields: dict[str, str]) -> dict[str, str]:
    """Take the values for UTF-8 if all of them are that, as httpx does, else leave them Latin-1."""
    try:
        return {name: value.encode("latin-1").decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        return fields


def decoded(content: bytes, encoding: str) -> bytes:
    """Undo the content encodings of a body.

    Raises:
        TransportDecodeError: It is not encoded as it says.
    """
    response = urllib3.HTTPResponse(
        io.BytesIO(content), headers={"content-encoding": encoding}, preload_content=False
    )
    whole = io.BytesIO()  # which gives what it holds without another copy
    try:
        for piece in response.stream(PIECE):
            if whole.tell():
                gevent.sleep(MOMENT)
            whole.write(piece)
    except urllib3.exceptions.DecodeError as exc:
        raise TransportDecodeError(str(exc.__cause__ or exc)) from exc
    return whole.getvalue()
