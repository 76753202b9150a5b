"""Writes requests as they go to the socket; the headers of a client come again and again."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from pywats_green.exceptions import TransportError

Body: TypeAlias = "bytes | list[bytes] | None"  # a list is sent in chunks

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # say a length of 0 where they have none

# RFC 9110, 5.6.2 and 5.5, as the standard library checks them; a target is written by us.
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[^:\s][^:\r\n]*", re.ASCII)
_VALUE = re.compile(r"[^\x00\r\n]*")


class Message(NamedTuple):
    """A request as bytes.

    Attributes:
        method: HTTP method.
        head: Request line, headers and the empty line.
        body: What follows, in chunks where the head says so; empty: nothing.
    """

    method: str
    head: bytes
    body: bytes

    def __repr__(self) -> str:
        return f"Message({self.method})"  # the token is in the head


class Writer:
    """Writes the requests of one client, and keeps the last header lines it has written."""

    def __init__(self) -> None:
        self._root = ""
        self._headers: dict[str, str] = {}
        self._lines = ""
        self._framing: dict[str, str] = {}

    def write(
        self, method: str, root: str, target: str, headers: dict[str, str], body: Body
    ) -> Message:
        """Write a request.

        Args:
            method: HTTP method.
            root: Scheme and authority of the origin.
            target: As it shall stand in the request line, escaped.
            headers: To send, besides Host and what says where the body ends; if they say that
                themselves, it must fit.
            body: The body; a list is sent in chunks.

        Raises:
            TransportError: Something of it cannot stand in a request.
        """
        if root != self._root or (headers is not self._headers and headers != self._headers):
            self._keep(root, headers)
        if not (_METHOD.fullmatch(method) and _TARGET.fullmatch(target)):
            raise TransportError("the method or the path holds what HTTP does not allow in one")
        framing, content = "", b""
        if self._framing or isinstance(body, list):
            framing, content = self._framed(body)
        elif body is not None:
            framing, content = f"Content-Length: {len(body)}\r\n", body
        elif method in _WITH_BODY:
            framing = "Content-Length: 0\r\n"
        head = f"{method} {target} HTTP/1.1\r\n{self._lines}{framing}\r\n"
        return Message(method, head.encode("latin-1"), content)

    def _keep(self, root: str, headers: dict[str, str]) -> None:
        lines = []
        given = {name.lower(): value for name, value in headers.items()}
        if "host" not in given:
            lines.append(f"Host: {root.partition('://')[2]}\r\n")
        for name, value in headers.items():
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value) and _is_latin(value)):
                # The value may be the token: it is not shown.
                raise TransportError("a header holds characters that HTTP does not allow in one")
            lines.append(f"{name}: {value}\r\n")
        names = given.keys() & {"content-length", "transfer-encoding"}
        self._lines, self._framing = "".join(lines), {name: given[name] for name in names}
        self._root, self._headers = root, headers

    def _framed(self, body: Body) -> tuple[str, bytes]:
        """Chunk a body, or refuse a length that would mix up requests."""
        pieces = body if isinstance(body, list) else [body or b""]
        if "transfer-encoding" in self._framing or not self._framing:
            chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
            line = "" if self._framing else "Transfer-Encoding: chunked\r\n"
            return line, b"".join([*chunks, b"0\r\n\r\n"])
        content = b"".join(pieces)
        if self._framing["content-length"] != str(len(content)):
            raise TransportError("the Content-Length header does not fit the body: leave it out")
        return "", content


def _is_latin(value: str) -> bool:
    return value.isascii() or max(value) <= "\xff"
