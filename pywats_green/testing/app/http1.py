"""HTTP/1.1 as bytes: request heads, chunked bodies, encoded replies."""

from __future__ import annotations

import gzip
import time
from email.utils import formatdate
from http import HTTPStatus

from pywats_green.testing.app.messages import HttpError, Reply, Request

MAX_HEAD = 65_536
MAX_BODY = 256 * 1024 * 1024
GZIP_ABOVE = 8_192
BODILESS = frozenset({204, 304})

_HEADER_MEMO: dict[bytes, tuple[list[tuple[str, str]], dict[str, str]]] = {}
_MEMO_LIMIT = 512


class WireError(HttpError):
    """The input is not valid HTTP/1.1; answered with `status`, then the connection is closed."""


def parse_head(head: bytes) -> Request:
    """Parse a request line and headers, without the final empty line.

    Raises:
        WireError: The head is malformed.
    """
    line, _, block = head.partition(b"\r\n")
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        raise WireError(400, "Bad request line.") from None
    if not version.startswith(b"HTTP/1."):
        raise WireError(400, "Bad request line.")
    # Clients repeat their headers, so parse each block only once.
    parsed = _HEADER_MEMO.get(block)
    if parsed is None:
        parsed = _parse_headers(block)
        if len(_HEADER_MEMO) >= _MEMO_LIMIT:
            _HEADER_MEMO.clear()
        _HEADER_MEMO[block] = parsed
    headers, lowered = parsed
    connection = lowered.get("connection", "").lower()
    keep_alive = "close" not in connection
    if version == b"HTTP/1.0":
        keep_alive = "keep-alive" in connection
    return Request(method.decode("latin-1"), target.decode("latin-1"), headers, lowered, keep_alive)


def _parse_headers(block: bytes) -> tuple[list[tuple[str, str]], dict[str, str]]:
    headers: list[tuple[str, str]] = []
    lowered: dict[str, str] = {}
    if block:
        for line in block.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise WireError(400, "Bad header line.")
            value = value.strip()
            headers.append((name, value))
            lowered[name.lower()] = value
    return headers, lowered


def body_length(request: Request) -> int | None:
    """Return the length of the body in bytes. None: it is chunked.

    Raises:
        WireError: The length is malformed, contradictory or above the limit.
    """
    lowered = request.lowered
    length = lowered.get("content-length")
    coding = lowered.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise WireError(400, "Bad transfer encoding.")
        return None
    if length is None:
        return 0
    if not length.isascii() or not length.isdigit():
        raise WireError(400, "Bad content length.")
    if int(length) > MAX_BODY:
        raise WireError(413, "The body is too large.")
    return int(length)


class ChunkedBody:
    """Reads a chunked body from the front of a growing buffer."""

    __slots__ = ("_left", "_trailers", "body")

    def __init__(self) -> None:
        self.body = bytearray()
        self._left = 0
        self._trailers = False

    def feed(self, buffer: bytearray) -> bool:
        """Consume what is complete in `buffer`; return whether the body has ended.

        Raises:
            WireError: The coding is malformed, or the body is above the limit.
        """
        while True:
            if self._left:
                if len(buffer) < self._left:
                    return False
                if buffer[self._left - 2 : self._left] != b"\r\n":
                    raise WireError(400, "Bad chunk.")
                self.body += memoryview(buffer)[: self._left - 2]
                del buffer[: self._left]
                self._left = 0
            end = buffer.find(b"\r\n")
            if end < 0:
                if len(buffer) > MAX_HEAD:
                    raise WireError(400, "Bad chunk.")
                return False
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            if self._trailers:
                if not line:
                    return True
                continue
            self._start_chunk(line)

    def _start_chunk(self, line: bytes) -> None:
        try:
            size = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise WireError(400, "Bad chunk.") from None
        if size < 0 or len(self.body) + size > MAX_BODY:
            raise WireError(413, "The body is too large.")
        if size:
            self._left = size + 2
        else:
            self._trailers = True


def accepts_gzip(request: Request) -> bool:
    """Return whether the client accepts gzip."""
    return "gzip" in request.lowered.get("accept-encoding", "").lower()


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


_STATUS_LINES: dict[int, bytes] = {}
_date: tuple[int, bytes] = (0, b"")


def _date_line() -> bytes:
    global _date  # noqa: PLW0603 (one formatted date a second, shared by all replies)
    now = int(time.time())
    if _date[0] != now:
        _date = (now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode())
    return _date[1]


def encode(reply: Reply, *, keep_alive: bool, gzipped: bool, bodiless: bool = False) -> bytes:
    """Encode a reply, compressing large bodies if the client accepts it.

    Args:
        reply: The reply.
        keep_alive: Whether the connection stays open; otherwise sends `Connection: close`.
        gzipped: Whether the client accepts gzip.
        bodiless: Whether to omit the body, but not its length, as for HEAD.
    """
    status = reply.status
    line = _STATUS_LINES.get(status)
    if line is None:
        line = _STATUS_LINES[status] = _status_line(status)
    body = reply.body
    extra = ""
    if gzipped and len(body) > GZIP_ABOVE:
        body = gzip.compress(body, 1, mtime=0)
        extra = "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
    for name, value in reply.headers:
        extra += f"{name}: {value}\r\n"
    if not keep_alive:
        extra += "Connection: close\r\n"
    if status in BODILESS:
        length = ""
        body = b""
    else:
        length = f"Content-Length: {len(body)}\r\n"
        if body:
            length += f"Content-Type: {reply.content_type}\r\n"
    head = f"{length}Server: Microsoft-IIS/10.0\r\n{extra}\r\n".encode("latin-1")
    if bodiless:
        body = b""
    return b"".join((line, _date_line(), head, body))
