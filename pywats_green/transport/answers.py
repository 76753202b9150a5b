"""A response, with headers and body decoded as in httpx."""

from __future__ import annotations

import io
from typing import NamedTuple

import urllib3

from pywats_green import config
from pywats_green.exceptions import TransportDecodeError
from pywats_green.timers import breathe

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


def decoded(content: bytes, encoding: str) -> bytes:
    """Decode the content encodings of a body. As in httpx, unknown ones are ignored.

    Raises:
        TransportDecodeError: It is not encoded as declared, or expands beyond `max_answer_bytes`.
    """
    names = (name.strip().lower() for name in encoding.split(","))
    known = ", ".join(name for name in names if name in urllib3.HTTPResponse.CONTENT_DECODERS)
    if not known:
        return content
    limit = config.in_force.max_answer_bytes
    response = urllib3.HTTPResponse(
        io.BytesIO(content), headers={"content-encoding": known}, preload_content=False
    )
    whole = io.BytesIO()  # its `getvalue` does not copy
    try:
        for piece in response.stream(PIECE):
            if whole.tell():
                breathe()
            whole.write(piece)
            if limit is not None and whole.tell() > limit:
                raise TransportDecodeError(
                    f"the response expands to more than {limit} bytes: if it may be as large, "
                    "raise configure(max_answer_bytes=...)"
                )
    except urllib3.exceptions.DecodeError as exc:
        raise TransportDecodeError(str(exc.__cause__ or exc)) from exc
    return whole.getvalue()
