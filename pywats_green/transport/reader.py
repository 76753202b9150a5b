"""Reads responses with llhttp, which rejects whatever two parsers could read differently.

Its errors are final, except for two that upstream's HTTP library accepts: folded header lines and
a repeated Content-Length. These are fixed in the head before any of the body is handed out, and
the head is parsed again. What llhttp leaves to its caller is done here: bounds, responses that end
with the connection or have no body because of their request, and surplus bytes.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable

from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from pywats_green.exceptions import TransportError
from pywats_green.timers import breathe
from pywats_green.transport.answers import PIECE, Answer, as_utf8
from pywats_green.transport.heads import (
    END,
    LONG,
    Head,
    check_length,
    find_head,
    joined,
    mended,
    no_status_line,
    receive_head,
    refusal,
)

_MOST_NAMES = 1_000
_LONGEST_NAME = 100  # bytes
_IDLE_LIMIT = 262_144  # consecutive bytes outside the body: chunk extensions, trailers

_USUAL_START = re.compile(rb"HTTP/1\.[01] [2-9]")  # of a final answer
_TAIL = 8  # bytes; enough to recognise the end of a chunked body
_FIRST_FINAL = 200  # lower statuses are interim responses

_USUAL_REASONS = frozenset(reason.encode() for reason in http.client.responses.values())
_REASON = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")  # llhttp accepts anything

_CUT_BODY = "peer closed connection without sending complete message body ({})"


class _Names(dict[bytes, str]):
    """Maps header names to lower case; a server uses only a few, and short ones."""

    def __missing__(self, name: bytes) -> str:
        text = name.decode("latin-1").lower()
        if len(name) > _LONGEST_NAME:
            return text
        if len(self) >= _MOST_NAMES:
            self.clear()  # a server that made names up must not keep out those of the others
        self[name] = text
        return text


_names = _Names()


class Reader:
    """Reads the responses on one connection, one after another.

    While waiting for a response, it holds nothing but the parser's state. After an error, it must
    not be used again.
    """

    _status: int  # 0: not known yet
    _found: dict[bytes, bytes]
    _is_whole: bool
    _is_followed: bool  # by surplus bytes
    _keeps: bool
    _count: int  # pieces of the body
    is_silent = False  # whether the connection ended before a byte of the response came

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._big: io.BytesIO | None = None  # earlier pieces of a big body
        self._headers: dict[bytes, bytes] = {}
        # llhttp calls these directly, with no Python function in between. Of a repeated header only
        # the last is kept; `_fields` notices.
        self._reasons: list[bytes] = []
        self.on_body = self._pieces.append
        self.on_status = self._reasons.append
        self.on_header = self._headers.__setitem__
        self._renew()

    def _renew(self) -> None:
        self._parser = HttpResponseParser(self)

    def close(self) -> None:
        """Drop the parser, which refers back to the reader."""
        del self._parser

    def on_headers_complete(self) -> None:
        """Record what is not available later; called by llhttp."""
        status = self._parser.get_status_code()
        if self._is_whole:
            self._is_followed = True
        elif status >= _FIRST_FINAL:
            self._status = status
            self._keeps = self._parser.should_keep_alive()
            self._found = self._headers.copy()
        self._headers.clear()

    def on_message_complete(self) -> None:
        """Record the end of the response; called by llhttp."""
        if self._status and not self._is_whole:
            self._is_whole = True
            self._count = len(self._pieces)

    def read(self, receive: Callable[[], bytes], method: str) -> tuple[Answer, bool]:
        """Read a complete response.

        Args:
            receive: Returns the next bytes received; b"" at the end of the stream.
            method: Method of the request.

        Returns:
            The response, its content not decoded, and whether the connection can be reused.

        Raises:
            TransportError: It is malformed, or its body is truncated.
            http.client.RemoteDisconnected: Its head is truncated.
            OSError: The connection failed or timed out.
        """
        try:
            received = receive()
        except ConnectionError:
            self.is_silent = True
            raise
        head = 0, received.find(END) + len(END) if _USUAL_START.match(received) else 0
        if head[1] < len(END):
            self.is_silent = not received
            received, head = receive_head(receive, received)
        if head[1] > LONG:
            check_length(received, head[1])
        if method == "HEAD":
            return self._read_head(received, head)
        received, (begin, end) = self._begin(received, head)
        head_alone = received[begin:end]
        fields = self._fields(head_alone)
        last, total = received, len(received)
        if not self._is_whole:
            last, total = self._go_on(receive, received, end, fields)
        content = self._content()
        can_go_on = self._keeps and not self._is_followed
        if can_go_on and total != end + len(content):
            can_go_on = "transfer-encoding" in fields and _is_end(last)
        return Answer(self._status, fields, content, head_alone), can_go_on

    def _content(self) -> bytes:
        pieces, big = self._pieces, self._big
        if self._is_whole and len(pieces) > self._count:
            del pieces[self._count :]  # surplus bytes
        if big is not None:
            self._big = None
            big.writelines(pieces)
            content = big.getvalue()  # does not copy
        else:
            content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return content

    def _read_head(self, received: bytes, head: Head) -> tuple[Answer, bool]:
        """Read the response to HEAD, which has no body, whatever its headers say."""
        surplus = received[head[1] :]
        received, (begin, _) = self._begin(received[: head[1]], head)
        self._renew()  # the parser expects a body
        head_alone = received[begin:]
        answer = Answer(self._status, self._fields(head_alone), b"", head_alone)
        return answer, self._keeps and not surplus

    def _begin(self, received: bytes, head: Head) -> tuple[bytes, Head]:
        """Parse a head and what was received with it; return both, the head repaired if needed."""
        self._is_whole = self._is_followed = False
        self._status = 0
        self._headers.clear()  # of trailers
        self._reasons.clear()
        try:
            self._feed(received)
        except HttpParserError as exc:
            if self._status:
                raise TransportError(str(exc)) from exc
            sound = mended(received, head[1])
            if sound == received:
                raise refusal(received[head[0] : head[1]], exc) from exc
            self._renew()
            return self._begin(sound, find_head(sound))  # nothing left to repair there
        if not self._status:  # below 100
            raise no_status_line(received[head[0] :])
        return received, head

    def _fields(self, head: bytes) -> dict[str, str]:
        """Return the headers as in `Answer`."""
        for reason in self._reasons:
            if reason not in _USUAL_REASONS and _REASON.fullmatch(reason) is None:
                raise no_status_line(head)
        fields: dict[str, str] = {}
        for name, value in self._found.items():
            fields[_names[name]] = value.rstrip(b" \t").decode("latin-1")
        if len(fields) != head.count(b"\r\n") - 2:
            fields = joined(head)
        if "transfer-encoding" in fields:
            # In lower case, as in upstream's library.
            coding = fields["transfer-encoding"] = fields["transfer-encoding"].lower()
            if coding != "chunked":
                raise TransportError("Only Transfer-Encoding: chunked is supported")
        return fields if head.isascii() else as_utf8(fields)

    def _go_on(
        self, receive: Callable[[], bytes], last: bytes, end: int, fields: dict[str, str]
    ) -> tuple[bytes, int]:
        """Read the rest of a body; return its last bytes, and how many were received in total."""
        pieces, total = self._pieces, len(last)
        together = idle = 0
        while not self._is_whole:
            piece = receive()
            if not piece:
                self._check_end(total - end, fields)
                break
            total += len(piece)
            last = piece if len(piece) >= _TAIL else last[-_TAIL:] + piece
            count = len(pieces)
            try:
                self._feed(piece)
            except HttpParserError as exc:
                raise TransportError(str(exc)) from exc
            idle = idle + len(piece) if len(pieces) == count else 0
            if idle > _IDLE_LIMIT:
                raise TransportError("too many bytes between the chunks of a body, or after it")
            together += len(piece)
            if together > PIECE and not self._is_whole:
                together = 0
                self._big = self._big or io.BytesIO()
                self._big.writelines(pieces)
                pieces.clear()
                breathe()  # a fast sender would starve other greenlets
        return last, total

    def _check_end(self, count: int, fields: dict[str, str]) -> None:
        """Raise unless the end of the stream is the end of the body."""
        if "transfer-encoding" in fields:
            raise TransportError(_CUT_BODY.format("incomplete chunked read"))
        if "content-length" in fields:
            lengths = f"received {count} bytes, expected {fields['content-length']}"
            raise TransportError(_CUT_BODY.format(lengths))

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as exc:
            raise exc.__context__ or exc from None  # such as a KeyboardInterrupt
        except HttpParserError:
            if not self._is_whole:
                raise
            self._is_followed = True


def _is_end(received: bytes) -> bool:
    """Return whether a chunked body, or its trailers, ends exactly here."""
    if received.endswith(b"0\r\n\r\n"):
        return True
    return received.endswith(END) and received[-6:-4] != b"\r\n"
