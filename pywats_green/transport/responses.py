"""The answers that urllib3 and requests read, where a session is sent by them: the same reader."""

from __future__ import annotations

import http.client
import io
from functools import partial
from typing import Any

from pywats_green.transport.reader import Reader

_INTERIM = frozenset(range(100, 200)) - {101}  # 101 is the last of its connection

RECEIVED = 65_536  # bytes at most with one system call; most answers come with one


class Response(http.client.HTTPResponse):
    """An answer as the standard library shows it, read to its end when it begins.

    What a proxy answers to CONNECT has no body and is read by the standard library, line by line.

    Args:
        sock: Connected.
        method: Of the request.
    """

    _method: str | None  # the standard library's

    def __init__(self, sock: Any, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self._sock = sock

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of a proxy's answer, with interim answers skipped."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status not in _INTERIM:
                return version, status, reason
            while self.fp.readline().strip():
                pass

    def begin(self) -> None:
        """Read the answer.

        Raises:
            TransportError: It is damaged.
            http.client.HTTPException: It was cut.
            OSError: The connection broke off or the time is over.
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
    """Make what the standard library reads headers, and cookies, from.

    Args:
        head: Of an answer, found sound.
    """
    message = http.client.HTTPMessage()
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        message[name] = value.strip(" \t")
    return message
