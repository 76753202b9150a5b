"""A raw-socket load generator: GETs over keep-alive connections, no pipelining.

Run by hand, in a separate process, against a running server:

    python tests/testing/load.py URL TOKEN [SECONDS [CONNECTIONS]]

It prints the requests a second. Its own cost a request is about 12 us, so it needs a core of its
own.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from urllib.parse import urlsplit


def measure(url: str, token: str, seconds: float = 2.0, connections: int = 20) -> float:
    """Load `GET /api/Product/{pn}` and return the responses per second."""
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 80)
    head = (
        f"Host: {host}:{port}\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
        f"Connection: keep-alive\r\nUser-Agent: load\r\nAuthorization: Basic {token}\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    payloads = [
        f"GET /api/Product/PN-{number:05d} HTTP/1.1\r\n{head}".encode() for number in range(500)
    ]
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = socket.create_connection((host, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(payloads[0])
    count = 0
    started = time.perf_counter()
    until = started + seconds
    while time.perf_counter() < until:
        for key, _events in selector.select(1):
            connection = key.fileobj  # type: ignore[assignment]
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"unexpected answer: {answer[:200]!r}")
            count += 1
            connection.sendall(payloads[count % 500])
    elapsed = time.perf_counter() - started
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return count / elapsed


if __name__ == "__main__":
    rate = measure(
        sys.argv[1],
        sys.argv[2],
        float(sys.argv[3]) if len(sys.argv) > 3 else 2.0,
        int(sys.argv[4]) if len(sys.argv) > 4 else 20,
    )
    sys.stdout.write(f"{rate:.0f} requests/s\n")
