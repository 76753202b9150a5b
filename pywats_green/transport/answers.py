"""Reads answers: what the standard library leaves unsaid about broken ones, httpx says here.

`http.client` takes the end of the stream for the end of the headers and reads on where framing
is damaged, so that half an answer looks whole. Upstream's HTTP library refuses all of that.
"""

from __future__ import annotations

import http.client
import io
import re
from email.errors import MissingHeaderBodySeparatorDefect
from email.parser import HeaderParser
from typing import Any, NamedTuple

import gevent
import urllib3

from pywats_green.exceptions import TransportError
from pywats_green.transport.streams import Again, Piece, Stream

_BUFFER = 65_536  # bytes; most answers come with one system call
_PIECE = 1_048_576  # bytes to read or to decode before the other greenlets get their turn
# Seconds. Not 0: gevent runs fifty such turns before it looks at sockets and timers again.
_MOMENT = 1e-6

_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")
# Without the search for a body that headers of an email go on with.
_parser = HeaderParser(http.client.HTTPMessage)

_WITHOUT_BODY = frozenset({204, 304})
_EARLY = frozenset(range(100, 200)) - {101}  # interim answers; 101 is the last of its connection


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


class Response(http.client.HTTPResponse):
    """An answer of the standard library that was not cut, with interim answers skipped.

    Args:
        stream: In the place of the socket.
        method: Of the request.

    Attributes:
        fields: The headers, as `Answer` has them.
    """

    fields: dict[str, str]
    _method: str | None  # the standard library's

    def __init__(self, stream: Stream | Piece, method: str | None = None) -> None:
        super().__init__(stream, method=method)  # type: ignore[arg-type]  # it calls makefile alone
        self.stream = stream

    def begin(self) -> None:
        """Read the head, in the steps of the standard library, and find where the body ends.

        The standard library parses the headers as a whole email and looks each one up in a list,
        which every call would pay for.

        Raises:
            TransportError: Nobody can say where the answer ends, or a header is none.
            http.client.HTTPException: It is no answer; RemoteDisconnected when it was cut.
            OSError: The connection broke off or the time is over.
        """
        try:
            version, status, reason = self._read_status()
            lines = http.client._read_headers(self.fp)  # type: ignore[attr-defined]  # noqa: SLF001
        except http.client.HTTPException:
            if not self.stream.has_ended:
                raise
        if self.stream.has_ended:  # where `http.client` sees the end of the head, or a short line
            raise http.client.RemoteDisconnected("cut in the middle of the head")
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.code = self.status = status
        self.reason, self.version = reason.strip(), 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = _parser.parsestr(b"".join(lines).decode("latin-1"))
        self.fields = _fields(self.headers)
        self._find_end()

    def _find_end(self) -> None:
        """Set what `read` goes by; RFC 9112, 6.3."""
        status, fields = self.status, self.fields
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise TransportError("the server switched to a protocol that nobody asked for")
        coding = fields.get("transfer-encoding")
        self.chunked = coding is not None and coding.lower() == "chunked"
        self.chunk_left = self.length = None
        if not self.chunked:
            if coding is not None:
                raise TransportError("Only Transfer-Encoding: chunked is supported")
            self.length = _length(fields)
        if self._method == "HEAD" or status in _WITHOUT_BODY:
            self.chunked, self.length = False, 0
        connection = fields.get("connection", "").lower()
        if self.version == 11:  # noqa: PLR2004  # HTTP/1.1, as the standard library writes it
            self.will_close = "close" in connection
        else:
            self.will_close = "keep-alive" not in connection
        if self.length is None and not self.chunked:
            self.will_close = True

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _EARLY:
                return version, status, reason
            while self.fp.readline().strip():
                pass


def receive(sock: Any, method: str) -> tuple[Answer, Response, bool]:
    """Receive an answer.

    Nearly every answer has come when the first piece, or a few, are there, and is read out of
    them. While it is waited for, nothing is held for it: not a buffer for each call in flight. Any
    other is read again, from its first byte, as it comes.

    Args:
        sock: Connected; its time limit counts for each wait.
        method: Of the request.

    Returns:
        The answer; the response with its headers as they came; whether another answer can come
        after it.

    Raises:
        TransportError: The answer is damaged or was cut.
        http.client.HTTPException: It is no answer.
        OSError: The connection broke off or the time is over.
    """
    piece = Piece(sock.recv(_BUFFER))
    if piece.has_head:
        response = Response(piece, method)
        try:
            response.begin()
            if response.chunked or _fill(piece, sock, response.length):
                return _read(response), response, _can_go_on(response)
        except (TransportError, http.client.HTTPException, ValueError):
            pass  # said again below, of all that comes
    return receive_again(piece.getvalue(), sock, method)


def receive_again(received: bytes, sock: Any, method: str) -> tuple[Answer, Response, bool]:
    """As `receive`, with care, for an answer of which some bytes were received already."""
    response = Response(Stream(Again(received, sock)), method)
    response.begin()
    return _read(response), response, _can_go_on(response)


def _fill(piece: Piece, sock: Any, length: int | None) -> bool:
    """Receive what is missing of a body; False: it is long, or cut, or ends with the connection."""
    if length is None:
        return False
    while piece.left < length:
        more = sock.recv(_BUFFER) if length <= _BUFFER else b""
        if not more:
            return False
        piece.append(more)
    return True


def _can_go_on(response: Response) -> bool:
    return not (response.will_close or response.stream.holds_more())


def _read(response: Response) -> Answer:
    fields = response.fields
    content = _read_body(response)
    if content and "content-encoding" in fields:
        content = decoded(content, fields["content-encoding"])
    return Answer(response.status, fields, content)


def _fields(message: http.client.HTTPMessage) -> dict[str, str]:
    if message.defects:
        _refuse_damage(message)
    fields: dict[str, str] = {}
    for name, text in message.raw_items():
        key = name.lower()
        value = _FOLD.sub(" ", text).strip() if "\n" in text else text.strip()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    if not all(map(str.isascii, fields.values())):
        fields = as_utf8(fields)
    return fields


def _refuse_damage(message: http.client.HTTPMessage) -> None:
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in message.defects):
        line, *_ = str(message.get_payload()).splitlines() or [""]  # what was not taken for one
        raise TransportError(f"illegal header line: {bytearray(line.encode('latin-1'))!r}")


def as_utf8(fields: dict[str, str]) -> dict[str, str]:
    """Take the values for UTF-8 if all of them are that, as httpx does, else leave them Latin-1."""
    try:
        return {name: value.encode("latin-1").decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        return fields


def _length(fields: dict[str, str]) -> int | None:
    """Return the length of the body in bytes, as the headers say; None: they say nothing."""
    length = fields.get("content-length")
    if length is None:
        return None
    if not length.isdigit():
        lengths = {part.strip() for part in length.split(",")}
        if len(lengths) > 1:
            raise TransportError("conflicting Content-Length headers")
        fields["content-length"] = length = lengths.pop()  # the same, said twice
        if not length.isdigit():
            raise TransportError("bad Content-Length")
    return int(length)


def _read_body(response: Response) -> bytes:
    pieces: list[bytes] = []
    try:
        while piece := response.read(_PIECE):
            pieces.append(piece)
            if response.isclosed():
                break
            if len(pieces) > 1:
                gevent.sleep(_MOMENT)  # a quick sender would never let the others run
    except http.client.IncompleteRead as exc:
        raise TransportError(_CUT.format("incomplete chunked read")) from exc
    except ValueError as exc:  # what `read` makes of a negative size
        raise TransportError(f"illegal chunk header: {exc}") from exc
    if response.chunked and response.stream.has_ended:  # `http.client` takes it for the last line
        raise TransportError(_CUT.format("incomplete chunked read"))
    content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if missing := response.length:
        expected = len(content) + missing
        raise TransportError(_CUT.format(f"received {len(content)} bytes, expected {expected}"))
    return content


_CUT = "peer closed connection without sending complete message body ({})"


def decoded(content: bytes, encoding: str) -> bytes:
    """Undo the content encodings of a body.

    Raises:
        TransportError: It is not encoded as it says.
    """
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
