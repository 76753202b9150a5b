"""The optional quick way to read answers: geventhttpclient's parser, which is llhttp, in C.

It reads what is plain and came in a few pieces, which is nearly every answer. Whatever it refuses
or leaves open (a cut or damaged answer, an interim one before it, a big body, lines that end in a
mere line feed) is read again from its first byte as on the default transport. So there is one set
of rules, and of words, for what is an answer and what is none.
"""

from __future__ import annotations

from typing import Any, ClassVar

from geventhttpclient._parser import HTTPParseError, HTTPResponseParser
from geventhttpclient.header import Headers

from pywats_green.transport.answers import Answer, as_utf8, decoded, receive_again
from pywats_green.transport.connections import GreenConnection, GreenTLSConnection
from pywats_green.transport.pools import GreenAdapter, GreenPool, GreenTLSPool

_BUFFER = 65_536  # bytes; most answers come with one system call
_PIECES = 8  # an answer in more than that is big, or its server slow
_STARTS = (b"HTTP/1.1 ", b"HTTP/1.0 ")  # llhttp takes other versions and protocols too
_FIRST_FINAL = 200  # status; what is below is no answer yet


class _Parser(HTTPResponseParser):  # type: ignore[misc]  # of no known type
    """Takes one answer apart; llhttp calls the methods whose names begin with `_on_`.

    The header lines go into lists with no code of ours between, so the whole head must be fed in
    one piece: llhttp would call once for each half of a line.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._begun = 0
        self._lines = 0
        self.has_head = False
        self.is_complete = False
        self.names: list[str] = []
        self.values: list[str] = []
        self.pieces: list[bytearray] = []
        self._on_header_field = self.names.append
        self._on_header_value = self.values.append
        self._on_body = self.pieces.append

    def _on_message_begin(self) -> None:
        self._begun += 1

    def _on_status(self, reason: str) -> None:
        pass

    def _on_headers_complete(self) -> bool:
        self.has_head = True
        self._lines = len(self.names)
        return self._method == "HEAD"  # has no body, whatever its head says

    def _on_message_complete(self) -> None:
        self.is_complete = True

    def answer(self) -> Answer | None:
        """Return the answer; None if it is not plain."""
        names, values = self.names, list(map(str.strip, self.values))
        status = self.get_code()
        is_one = self._begun == 1 and self._lines == len(names) == len(values)
        if not is_one or status < _FIRST_FINAL:
            return None  # an interim answer, or trailers, or more behind this one
        headers = dict(zip(map(str.lower, names), values, strict=True))
        if len(headers) < self._lines:
            headers = _joined(names, values)
        if headers.get("transfer-encoding", "chunked") != "chunked":
            return None
        if not all(map(str.isascii, values)):
            headers = as_utf8(headers)
        content = b"".join(self.pieces)
        if content and "content-encoding" in headers:
            content = decoded(content, headers["content-encoding"])
        return Answer(status, headers, content)

    def info(self) -> Headers:
        """Return the headers as they came, as `http.cookiejar` asks for them."""
        return Headers(zip(self.names, self.values, strict=True))


def _joined(names: list[str], values: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in zip(map(str.lower, names), values, strict=True):
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class FastConnection(GreenConnection):
    """Reads plain answers with the quick parser, all others as the default transport does."""

    @staticmethod
    def _receive(sock: Any, method: str) -> tuple[Answer, Any, bool]:
        received, parser = _parse(sock, method)
        answer = None if parser is None else parser.answer()
        if parser is None or answer is None:
            return receive_again(received, sock, method)
        return answer, parser, parser.should_keep_alive()


class FastTLSConnection(FastConnection, GreenTLSConnection):
    """The same over TLS."""


class FastPool(GreenPool):
    """A pool of these connections."""

    ConnectionCls = FastConnection


class FastTLSPool(GreenTLSPool):
    """The same over TLS."""

    ConnectionCls = FastTLSConnection


class FastAdapter(GreenAdapter):
    """The adapter with these pools in it, for direct connections and through proxies."""

    pool_classes: ClassVar[dict[str, type[GreenPool]]] = {"http": FastPool, "https": FastTLSPool}


def _parse(sock: Any, method: str) -> tuple[bytes, _Parser | None]:
    """Receive an answer; return all bytes of it, and the parser if it has seen all of them."""
    received, parser = b"", None
    for _ in range(_PIECES):
        piece = sock.recv(_BUFFER)
        received = received + piece if received else piece
        if not piece or not received.startswith(_STARTS):
            break
        if parser is None or not parser.has_head:
            parser, piece = _Parser(method), received
        try:
            parser.feed(piece)
        except HTTPParseError:
            break
        if parser.is_complete:
            return received, parser
    return received, None
