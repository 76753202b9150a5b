"""Reads answers: llhttp says what is one, and refuses what two readers could take differently.

Its word is final, with two exceptions that upstream's HTTP library takes: a folded header line,
and a length that is said twice. They are mended in the head, before a byte of the body was handed
out, and the head is judged once more. What llhttp leaves to its caller is done here: bounds,
answers that end with the connection or have no body by their request, and what follows them.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import TypeAlias

import gevent
from httptools import HttpParserCallbackError, HttpParserError, HttpResponseParser

from pywats_green.exceptions import TransportError
from pywats_green.transport.answers import MOMENT, PIECE, Answer, as_utf8

_HEAD_LIMIT = 262_144  # bytes, interim answers included; upstream's library fails above 80,000
_MOST_LINES = 10_000
_LONG = 2 * _MOST_LINES  # bytes; a shorter head keeps all bounds
_IDLE_LIMIT = 262_144  # bytes in a row that bring nothing of a body: chunk extensions, trailers

_END = b"\r\n\r\n"
_TAIL = 8  # bytes, in which the end of a chunked body shows
_FIRST_FINAL = 200  # status; what is below is an interim answer
_SWITCHING = 101

# llhttp also takes empty lines before it, other protocols and versions, and statuses below 100.
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_START = b"HTTP/1."
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_FIELD = re.compile(r"\r\n([^:\r]+):[ \t]*([^\r]*)")
_FOLD = re.compile(rb"\r\n[ \t]+")
_LENGTH_LINE = re.compile(rb"content-length:", re.IGNORECASE)

_BARE = "a line of the head ends without a carriage return"
_TOO_LONG = "Receive buffer too long"  # the words of upstream's library
_CUT_BODY = "peer closed connection without sending complete message body ({})"


# Where a head begins, with interim answers before it; where it ends, 0: not received yet; the
# status that its first line says. A plain tuple, as every answer has one.
_Head: TypeAlias = tuple[int, int, int]


class Reader:
    """Reads the answers of one connection, one after another.

    While an answer is waited for, nothing is held for it but the state of the parser. After an
    error the reader must not be used any more.
    """

    _has_head: bool
    _is_whole: bool
    _is_followed: bool  # by bytes that belong to no answer
    _keeps: bool
    _count: int  # of its pieces

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # llhttp calls it with no code of ours between
        self._renew()

    def _renew(self) -> None:
        self._parser = HttpResponseParser(self)

    def close(self) -> None:
        """Let go of the parser, which holds the reader in turn."""
        del self._parser

    def on_headers_complete(self) -> None:
        """Note what is known now and not later; called by llhttp."""
        if self._is_whole:
            self._is_followed = True
        elif self._parser.get_status_code() >= _FIRST_FINAL:
            self._has_head = True
            self._keeps = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Note the end of the answer; called by llhttp."""
        if self._has_head and not self._is_whole:
            self._is_whole = True
            self._count = len(self._pieces)

    def read(self, receive: Callable[[], bytes], method: str) -> tuple[Answer, bool]:
        """Read an answer to its end.

        Args:
            receive: Returns what comes next, nothing at the end of the stream.
            method: Of the request.

        Returns:
            The answer, its content encodings not undone; whether another answer can come after
            it on the same connection.

        Raises:
            TransportError: It is no answer, or damaged, or its body was cut.
            http.client.RemoteDisconnected: Its head was cut.
            OSError: The connection broke off or the time is over.
        """
        received = receive()
        head = _find_head(received)
        if not head[1]:
            received, head = _receive_head(receive, received)
        if head[1] > _LONG:
            _check_length(received, head[1])
        if method == "HEAD":
            return self._read_head(received, head)
        received, (begin, end, status) = self._begin(received, head)
        fields = _fields_of(received[begin:end])
        last, total = received, len(received)
        if not self._is_whole:
            last, total = self._go_on(receive, received, end, fields)
        pieces = self._pieces
        if self._is_whole and len(pieces) > self._count:
            del pieces[self._count :]  # they belong to what came behind
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        can_go_on = self._keeps and not self._is_followed
        if can_go_on and total != end + len(content):
            can_go_on = "transfer-encoding" in fields and _is_end(last)
        return Answer(status, fields, content, received[begin:end]), can_go_on

    def _read_head(self, received: bytes, head: _Head) -> tuple[Answer, bool]:
        """Read the answer to HEAD, which has no body, whatever it says."""
        surplus = received[head[1] :]
        received, (begin, _, status) = self._begin(received[: head[1]], head)
        self._renew()  # this one waits for a body
        head_alone = received[begin:]
        return Answer(status, _fields_of(head_alone), b"", head_alone), self._keeps and not surplus

    def _begin(self, received: bytes, head: _Head) -> tuple[bytes, _Head]:
        """Have a head judged, with what has come behind it; return both, mended if need be."""
        self._has_head = self._is_whole = self._is_followed = self._keeps = False
        try:
            self._feed(received)
        except HttpParserError as exc:
            if self._has_head:
                raise TransportError(str(exc)) from exc
            mended = _mended(received, head[1])
            if mended == received:
                raise _refusal(received[head[0] : head[1]], exc) from exc
            self._renew()
            return self._begin(mended, _find_head(mended))  # where nothing is left to mend
        return received, head

    def _go_on(
        self, receive: Callable[[], bytes], last: bytes, end: int, fields: dict[str, str]
    ) -> tuple[bytes, int]:
        """Read the rest of a body; return the last of it, and how much was received in all."""
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
                raise TransportError("too much between the pieces of a body, or behind it")
            together += len(piece)
            if together > PIECE:
                together = 0
                gevent.sleep(MOMENT)  # a quick sender would never let the others run
        return last, total

    def _check_end(self, count: int, fields: dict[str, str]) -> None:
        """Refuse the end of the stream where it is not the end of the body."""
        if "transfer-encoding" in fields:
            raise TransportError(_CUT_BODY.format("incomplete chunked read"))
        if "content-length" in fields:
            lengths = f"received {count} bytes, expected {fields['content-length']}"
            raise TransportError(_CUT_BODY.format(lengths))

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserCallbackError as exc:
            raise exc.__context__ or exc from None  # a KeyboardInterrupt, say
        except HttpParserError:
            if not self._is_whole:
                raise
            self._is_followed = True


def _receive_head(receive: Callable[[], bytes], received: bytes) -> tuple[bytes, _Head]:
    """Receive until there is a whole head, with interim answers before it."""
    head, known = _find_head(received), 0
    while not head[1]:
        _check_beginning(received, head[0], known)
        if len(received) > _HEAD_LIMIT:
            raise TransportError(_TOO_LONG)
        known = len(received)
        piece = receive()
        if not piece:
            raise http.client.RemoteDisconnected("cut in the middle of the head")
        received += piece
        head = _find_head(received, head[0])
    return received, head


def _find_head(received: bytes, begin: int = 0) -> _Head:
    while True:
        end = received.find(_END, begin) + len(_END)
        if end < len(_END):
            return begin, 0, 0
        line = _STATUS_LINE.match(received, begin)
        if line is None:
            raise _no_status_line(received[begin:end])
        status = int(line[1])
        if status >= _FIRST_FINAL:
            return begin, end, status
        if status == _SWITCHING:
            raise TransportError("the server switched to a protocol that nobody asked for")
        if _BARE_LINE_FEED.search(received, begin, end):  # another end, perhaps
            raise TransportError(_BARE)
        begin = end


def _check_beginning(received: bytes, begin: int, known: int) -> None:
    """Refuse at once what cannot become a head, rather than wait for its end."""
    if received.find(b"\n", begin) < 0:
        is_possible = _START.startswith(received[begin : begin + len(_START)])
    else:
        is_possible = _STATUS_LINE.match(received, begin) is not None
    if not is_possible:
        raise _no_status_line(received[begin:])
    if _BARE_LINE_FEED.search(received, max(begin, known)):
        raise TransportError(_BARE)


def _no_status_line(received: bytes) -> TransportError:
    line = bytearray(received[:1_000].split(b"\r\n")[0])
    return TransportError(f"illegal status line: {line!r}")


def _fields_of(head: bytes) -> dict[str, str]:
    """Return the headers, as in `Answer`, of a head that was found sound."""
    text = head.decode("latin-1")
    found = _FIELD.findall(text)
    fields: dict[str, str] = {name.lower(): value for name, value in found}
    if len(fields) < len(found) or " \r" in text or "\t\r" in text:
        fields = {}
        for name, value in found:
            key, value = name.lower(), value.rstrip(" \t")  # noqa: PLW2901
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
    if fields.get("transfer-encoding", "chunked").lower() != "chunked":
        raise TransportError("Only Transfer-Encoding: chunked is supported")
    return fields if text.isascii() else as_utf8(fields)


def _check_length(received: bytes, end: int) -> None:
    if end > _HEAD_LIMIT or received.count(b"\n", 0, end) > _MOST_LINES:
        raise TransportError(_TOO_LONG)


def _mended(received: bytes, end: int) -> bytes:
    """Unfold the header lines before `end`, and say a length once that is said twice."""
    heads = received[:end].split(_END)[:-1]
    return b"".join([*(_mended_head(head) + _END for head in heads), received[end:]])


def _mended_head(head: bytes) -> bytes:
    status_line, separator, rest = head.partition(b"\r\n")
    # The first of them continues nothing: where it begins with a blank, it stays and is refused.
    lines = _FOLD.sub(b" ", rest).split(b"\r\n")
    places = [place for place, line in enumerate(lines) if _LENGTH_LINE.match(line)]
    said = b",".join(lines[place].partition(b":")[2] for place in places)
    lengths = {length.strip(b" \t") for length in said.split(b",")}
    if b"," in said and len(lengths) == 1:
        lines[places[0]] = b"Content-Length: " + lengths.pop()
        again = set(places[1:])
        lines = [line for place, line in enumerate(lines) if place not in again]
    return status_line + separator + b"\r\n".join(lines)


def _refusal(head: bytes, exc: HttpParserError) -> TransportError:
    """Say what is wrong with a head, in the words of upstream's library where it has any."""
    lines = head[: -len(_END)].split(b"\r\n")[1:]
    for line in lines:
        if not _HEADER_LINE.fullmatch(line):
            return TransportError(f"illegal header line: {bytearray(line)!r}")
    lengths = {line.partition(b":")[2].strip() for line in lines if _LENGTH_LINE.match(line)}
    if len(lengths) > 1:
        return TransportError("conflicting Content-Length headers")
    if lengths and not lengths.pop().isdigit():
        return TransportError("bad Content-Length")
    return TransportError(str(exc))


def _is_end(received: bytes) -> bool:
    """Tell whether a chunked body, or its trailers, ends here, and not some bytes before."""
    if received.endswith(b"0\r\n\r\n"):
        return True
    return received.endswith(_END) and received[-6:-4] != b"\r\n"
