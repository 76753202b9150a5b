"""Lets urllib3 and requests read responses with this package's reader."""

from __future__ import annotations

import http.client
import io
from functools import partial
from typing import Any

from pywats_green.transport.heads import LONGEST, TOO_LONG
from pywats_green.transport.reader import Reader

_INTERIM = frozenset(range(100, 200)) - {101}  # after 101 the protocol changes

RECEIVED = 65_536  # maximum bytes per system call; most responses need only one


class _Lines(io.BufferedReader):
    """Reads lines, no more of them than the longest head has in bytes."""

    _left = LONGEST

    def readline(self, limit: int | None = None) -> bytes:
        longest = self._left + 1
        line = super().readline(longest if limit is None else min(limit, longest))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException(TOO_LONG)
        return line


class Response(http.client.HTTPResponse):
    """A standard library response that is read completely by `begin`.

    A proxy's response to CONNECT has no body, and is read line by line by the standard library.

    Args:
        sock: The connected socket.
        method: Method of the request.
    """

    _method: str | None  # the standard library's

    def __init__(self, sock: Any, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp: io.BufferedReader = _Lines(self.fp.detach())
        self._sock = sock

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of a proxy's response, skipping interim responses."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _INTERIM:
                return version, status, reason
            while self.fp.readline().strip():
                pass

    def begin(self) -> None:
        """Read the response.

        Raises:
            TransportError: It is malformed.
            http.client.HTTPException: It is truncated.
            OSError: The connection failed or timed out.
        """
        reader = Reader()
        try:
            answer, can_go_on = reader.read(partial(self._sock.recv, RECEIVED), self._method or "")
        finally:
            reader.close()
        status_line = answer.head.partition(b"\r\n")[0].decode("latin-1")
        version, _, self.reason = f"{status_line} ".split(" ", 2)
        self.code = self.status = answer.status
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = message_of(answer.head)
        self.will_close, self.chunked, self.length = not can_go_on, False, len(answer.content)
        self.fp.close()
        self.fp = io.BufferedReader(io.BytesIO(answer.content))


def message_of(head: bytes) -> http.client.HTTPMessage:
    """Make the message from which the standard library reads headers and cookies.

    Args:
        head: The valid head of a response.
    """
    message = http.client.HTTPMessage()
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        message[name] = value.strip(" \t")
    return message
