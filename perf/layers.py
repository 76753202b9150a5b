"""Plays that stop at one layer of a call, to measure the cost of each layer.

Each makes the same look-up a given number of times through the same Pool: a round trip of the raw
bytes over gevent sockets, the transport's exchange, `HttpClient.get`, `product.get_product`.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lookups import uncached
from play import KEYS, Play, Setting
from pywats.core.client import HttpClient

PATH = f"/api/Product/{KEYS[0]}"
CHUNK = 65536


def pooled(setting: Setting, call: Callable[[object], Any]) -> Play:
    import pywats_green

    pool = pywats_green.Pool(setting.concurrency)
    return Play(lambda count: pool.map(call, itertools.repeat(None, count)))


def plain_client(setting: Setting) -> HttpClient:
    return HttpClient(setting.url, setting.token, enable_cache=False)


def bytes_of_a_request(setting: Setting) -> bytes:
    """Return the bytes that green sends, as seen by a server that answers once."""
    from gevent.server import StreamServer

    seen: list[bytes] = []

    def answer(connection: socket.socket, _: object) -> None:
        seen.append(connection.recv(CHUNK))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    server = StreamServer(("127.0.0.1", 0), answer)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}"
    plain_client(setting._replace(url=url)).get(PATH)
    server.stop()
    return seen[0]


def length_of_answer(head: bytes) -> int:
    """Return the length of a response, from its head."""
    end = head.index(b"\r\n\r\n") + 4
    fields = head[:end].lower().split(b"\r\n")
    lengths = [int(field[15:]) for field in fields if field.startswith(b"content-length:")]
    return end + lengths[0]


def bare_socket(setting: Setting) -> Play:
    """The raw bytes of request and response, over keep-alive connections."""
    server = urlsplit(setting.url)
    address = (server.hostname or "", server.port or 80)
    request = bytes_of_a_request(setting)
    idle: list[socket.socket] = []

    def round_trip(_: object) -> bytes:
        connection = idle.pop() if idle else socket.create_connection(address)
        connection.sendall(request)
        answer = connection.recv(CHUNK)
        length = length_of_answer(answer)
        while len(answer) < length:
            answer += connection.recv(CHUNK)
        idle.append(connection)
        return answer

    return pooled(setting, round_trip)


def transport(setting: Setting) -> Play:
    """`Transport.request`: headers, target, connection, response; no JSON."""
    from pywats_green.upstream.client.exchange import exchange_of

    http = plain_client(setting)
    exchange, headers = exchange_of(http).transport, dict(http._headers)  # noqa: SLF001
    return pooled(
        setting, lambda _: exchange.request("GET", PATH, None, dict(headers), None, http.timeout)
    )


def http_client(setting: Setting) -> Play:
    """`HttpClient.get`: limiter, retries, errors, JSON."""
    http = plain_client(setting)
    return pooled(setting, lambda _: http.get(PATH))


def service(setting: Setting) -> Play:
    """`product.get_product`: pywats' service, repository and model on top."""
    api = uncached(setting)
    return pooled(setting, lambda _: api.product.get_product(KEYS[0]))


LAYERS = {
    "bare gevent socket": bare_socket,
    "transport": transport,
    "HttpClient.get": http_client,
    "product.get_product": service,
}
PLAYS: dict[str, Callable[[Setting], Play]] = {f"layer {k}": play for k, play in LAYERS.items()}
