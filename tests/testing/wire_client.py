"""A client that sends exactly the given bytes, and reads one response at a time."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pywats_green.testing import WatsServer

if TYPE_CHECKING:
    from typing_extensions import Self


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class WireClient:
    """A connection to a server; returns header names in lower case."""

    def __init__(self, server: WatsServer, timeout: float = 20.0) -> None:
        parts = urlsplit(server.url)
        self.token = server.token
        self.socket = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout)
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def request(
        self, method: str, target: str, body: bytes | Any = b"", headers: str = ""
    ) -> bytes:
        """Return the bytes of a request; a body other than bytes is sent as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {self.token}\r\n"
        return f"{head}{length}{headers}\r\n".encode() + body

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def call(self, method: str, target: str, body: bytes | Any = b"", headers: str = "") -> Answer:
        self.send(self.request(method, target, body, headers))
        return self.receive()

    def receive(self) -> Answer:
        head = self._until(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {}
        for item in rest:
            if item:
                name, _, value = item.partition(":")
                headers[name.lower()] = value.strip()
        status = int(line.split(" ")[1])
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            self._read()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body)

    def at_end(self) -> bool:
        """Wait for the server, and return whether it closes the connection without sending more."""
        return not self.buffer and self.socket.recv(1) == b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._read()
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def _read(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(f"the server closed after {len(self.buffer)} bytes")
        self.buffer += data
