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
_FIRST = 4_096  # bytes; zlib copies what follows a stream, and there may be thousands of small ones
_EFFORT = 65_536  # bytes; what a piece costs, however little it expands to


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
    known = [name for name in names if name in urllib3.HTTPResponse.CONTENT_DECODERS]
    for position, name in enumerate(reversed(known)):
        if position:
            breathe()  # there may be thousands
        content = _joined(_pieces(content, name))
    return content


def _joined(pieces: Iterator[bytes]) -> bytes:
    limit = config.in_force.max_answer_bytes
    whole = io.BytesIO()  # its `getvalue` does not copy
    effort = 0
    try:
        for piece in pieces:
            if effort > PIECE:
                effort = 0
                breathe()
            effort += len(piece) + _EFFORT
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
    end = yield from _inflated(content, _GZIP)
    while content.startswith(_MEMBER, end):
        end = yield from _inflated(content, _GZIP, end)


def _deflated(content: bytes) -> Iterator[bytes]:
    """Yield what a zlib stream expands to, or a raw one, which some servers send instead."""
    try:
        zlib.decompressobj().decompress(content[:2])  # the header
    except zlib.error:
        yield from _inflated(content, _RAW)
    else:
        yield from _inflated(content, zlib.MAX_WBITS)


def _inflated(content: bytes, wbits: int, begin: int = 0) -> Generator[bytes, None, int]:
    """Yield what a stream that starts at `begin` expands to, in pieces; return where it ends."""
    inflate = zlib.decompressobj(wbits)
    view, size = memoryview(content), _FIRST
    while begin < len(content):
        piece = bytes(view[begin : begin + size])
        begin += len(piece)
        size = min(2 * size, PIECE)
        while piece and not inflate.eof:
            yield inflate.decompress(piece, PIECE)
            piece = inflate.unconsumed_tail
        if inflate.eof:
            return begin - len(inflate.unused_data)
    yield inflate.flush()  # what did not fit into the last piece
    if inflate.eof:
        return begin - len(inflate.unused_data)
    raise TransportDecodeError("the compressed response is truncated")


def _by_urllib3(content: bytes, name: str) -> Iterator[bytes]:
    response = urllib3.HTTPResponse(
        io.BytesIO(content), headers={"content-encoding": name}, preload_content=False
    )
    yield from response.stream(PIECE)
    decoder: Any = response._decoder  # noqa: SLF001
    if name == "br" and not decoder._obj.is_finished():  # noqa: SLF001  # flush does not tell
        raise TransportDecodeError("the compressed response is truncated")
