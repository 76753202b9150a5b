"""Reads answers: what the standard library leaves unsaid about broken ones, httpx says here.

`http.client` takes the end of the stream for the end of the headers and reads on where framing
is damaged, so that half an answer looks whole. Upstream's HTTP library refuses all of that.
"""

from __future__ import annotations

import http.client
import io
import re
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any, NamedTuple, TypeAlias

import gevent
import urllib3

from pywats_green.exceptions import TransportError

_BUFFER = 65_536  # bytes; most answers come with one system call
_PIECE = 1_048_576  # bytes to read or to decode before the other greenlets get their turn
# Seconds. Not 0: gevent runs fifty such turns before it looks at sockets and timers again.
_MOMENT = 1e-6

_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")
_EARLY = range(102, 200)  # interim answers; http.client skips 100 itself


Body: TypeAlias = "bytes | list[bytes] | None"  # a list is sent in chunks


class Answer(NamedTuple):
    """What the server answered.

    Attributes:
        status: HTTP status code.
        headers: By lower-case name; values of a repeated header are joined by ", ".
        content: The body, content encodings undone.
    """

    status: int
    headers: dict[str, str]
    content: bytes


class _Stream(io.BufferedReader):
    """The stream of an answer, in which a line without an end is the end of the connection."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:  # that one is too long: not our matter
            raise http.client.RemoteDisconnected("cut in the middle of a line")
        return line


class Response(http.client.HTTPResponse):
    """An answer of the standard library that was not cut, with interim answers skipped."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = _Stream(self.fp.detach(), _BUFFER)

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _EARLY:
                return version, status, reason
            while self.fp.readline().strip():
                pass


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """Read the rest of an answer.

    Args:
        response: One whose headers were read. The caller closes it.

    Returns:
        The whole answer.

    Raises:
        TransportError: The answer is damaged or was cut.
        OSError: The connection broke off or the time is over.
    """
    headers = _headers(response)
    _check_framing(response, headers)
    content = _read_body(response)
    if content and "content-encoding" in headers:
        content = _decode(content, headers["content-encoding"])
    return Answer(response.status, headers, content)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    message = response.headers
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in message.defects):
        line, *_ = str(message.get_payload()).splitlines() or [""]  # what was not taken for one
        raise TransportError(f"illegal header line: {bytearray(line.encode('latin-1'))!r}")
    headers: dict[str, str] = {}
    for name, text in message.items():
        key = name.lower()
        value = _FOLD.sub(" ", text).strip() if "\n" in text else text.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    if not all(map(str.isascii, headers.values())):
        headers = _as_utf8(headers)
    return headers


def _as_utf8(headers: dict[str, str]) -> dict[str, str]:
    """Take the values for UTF-8 if all of them are that, as httpx does, else leave them Latin-1."""
    try:
        return {name: value.encode("latin-1").decode() for name, value in headers.items()}
    except UnicodeDecodeError:
        return headers


def _check_framing(response: http.client.HTTPResponse, headers: dict[str, str]) -> None:
    """Refuse an answer of which nobody can say where it ends."""
    if response.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
        raise TransportError("the server switched to a protocol that nobody asked for")
    if response.chunked:
        return
    if "transfer-encoding" in headers:
        raise TransportError("Only Transfer-Encoding: chunked is supported")
    length = headers.get("content-length")
    if length is not None and not length.isdigit():
        lengths = {part.strip() for part in length.split(",")}
        if len(lengths) > 1:
            raise TransportError("conflicting Content-Length headers")
        headers["content-length"] = length = lengths.pop()  # the same, said twice
        if not length.isdigit():
            raise TransportError("bad Content-Length")


def _read_body(response: http.client.HTTPResponse) -> bytes:
    pieces: list[bytes] = []
    try:
        while piece := response.read(_PIECE):
            pieces.append(piece)
            if len(pieces) > 1:
                gevent.sleep(_MOMENT)  # a quick sender would never let the others run
    except (http.client.IncompleteRead, http.client.RemoteDisconnected) as exc:
        raise TransportError(_CUT.format("incomplete chunked read")) from exc
    content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if missing := response.length:
        expected = len(content) + missing
        raise TransportError(_CUT.format(f"received {len(content)} bytes, expected {expected}"))
    return content


_CUT = "peer closed connection without sending complete message body ({})"


def _decode(content: bytes, encoding: str) -> bytes:
    response = urllib3.HTTPResponse(
        io.BytesIO(content), headers={"content-encoding": encoding}, preload_content=False
    )
    pieces: list[bytes] = []
    try:
        for piece in response.stream(_PIECE):
            pieces.append(piece)
            if len(pieces) > 1:
                gevent.sleep(_MOMENT)
    except urllib3.exceptions.DecodeError as exc:
        raise TransportError(str(exc.__cause__ or exc)) from exc
    return b"".join(pieces)
