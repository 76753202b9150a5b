"""Decodes bodies: bounded, and only complete ones."""

from __future__ import annotations

import io
import zlib
from collections.abc import Generator, Iterator
from typing import Any

import urllib3

from pywats_green import config
from pywats_green.exceptions import TransportDecodeError
from pywats_green.timers import breathe
from pywats_green.transport.answers import PIECE

_GZIP = 16 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_MEMBER = b"\x1f\x8b"  # the start of each member of a gzip file


def decoded(content: bytes, encoding: str) -> bytes:
    """Decode the content encodings of a body. As in httpx, unknown ones are ignored.

    Args:
        content: The body as received.
        encoding: The Content-Encoding header.

    Raises:
        TransportDecodeError: It is not encoded as declared, is truncated, or expands beyond
            `max_answer_bytes`.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    for name in reversed(names):
        if name in urllib3.HTTPResponse.CONTENT_DECODERS:
            content = _joined(_pieces(content, name))
    return content


def _joined(pieces: Iterator[bytes]) -> bytes:
    limit = config.in_force.max_answer_bytes
    whole = io.BytesIO()  # its `getvalue` does not copy
    try:
        for piece in pieces:
            if whole.tell():
                breathe()
            whole.write(piece)
            if limit is not None and whole.tell() > limit:
                raise TransportDecodeError(
                    f"the response expands to more than {limit} bytes: if it may be as large, "
                    "raise configure(max_answer_bytes=...)"
                )
    except zlib.error as exc:
        raise TransportDecodeError(str(exc)) from exc
    except urllib3.exceptions.DecodeError as exc:
        raise TransportDecodeError(str(exc.__cause__ or exc)) from exc
    return whole.getvalue()


def _pieces(content: bytes, name: str) -> Iterator[bytes]:
    if name in ("gzip", "x-gzip"):
        return _members(content)
    if name == "deflate":
        return _deflated(content)
    return _by_urllib3(content, name)


def _members(content: bytes) -> Iterator[bytes]:
    """Yield what the members of a gzip file expand to; ignore what follows them."""
    rest = yield from _inflated(content, _GZIP)
    while rest.startswith(_MEMBER):
        rest = yield from _inflated(rest, _GZIP)


def _deflated(content: bytes) -> Iterator[bytes]:
    """Yield what a zlib stream expands to, or a raw one, which some servers send instead."""
    try:
        zlib.decompressobj().decompress(content[:2])  # the header
    except zlib.error:
        yield from _inflated(content, _RAW)
    else:
        yield from _inflated(content, zlib.MAX_WBITS)


def _inflated(content: bytes, wbits: int) -> Generator[bytes, None, bytes]:
    """Yield what a stream expands to, in pieces; return what follows it."""
    inflate = zlib.decompressobj(wbits)
    view = memoryview(content)
    for begin in range(0, len(content), PIECE):
        piece = bytes(view[begin : begin + PIECE])
        while piece and not inflate.eof:
            yield inflate.decompress(piece, PIECE)
            piece = inflate.unconsumed_tail
        if inflate.eof:
            return inflate.unused_data + view[begin + PIECE :]
    yield inflate.flush()  # what did not fit into the last piece
    if inflate.eof:
        return inflate.unused_data
    raise TransportDecodeError("the compressed response is truncated")


def _by_urllib3(content: bytes, name: str) -> Iterator[bytes]:
    response = urllib3.HTTPResponse(
        io.BytesIO(content), headers={"content-encoding": name}, preload_content=False
    )
    yield from response.stream(PIECE)
    decoder: Any = response._decoder  # noqa: SLF001
    if name == "br" and not decoder._obj.is_finished():  # noqa: SLF001  # flush does not tell
        raise TransportDecodeError("the compressed response is truncated")
