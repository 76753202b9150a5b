"""A read that meets a kept connection which died unseen is sent once more; nothing else is."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pywats import pyWATS
from pywats.core.exceptions import PyWATSError
from pywats.core.throttle import RateLimiter
from transport.servers import Seen, Server, read_request, reply, reset
from typed import private

from pywats_green.events import subscribe

PRODUCT = b'{"partNumber": "P", "name": "n", "nonSerial": false, "state": 1}'
JSON = [("Content-Type", "application/json")]


class Dying:
    """Answers the first request on each connection, and ends the connection after the second."""

    def __init__(self, dies: int, how: Callable[[socket.socket], None]) -> None:
        self.seen: list[Seen] = []
        self._dies = dies
        self._how = how

    def __call__(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rb") as stream:
            while (seen := read_request(stream)) is not None:
                self.seen.append(seen)
                if len(self.seen) > 1 and self._dies:
                    self._dies -= 1
                    self._how(sock)
                    return
                sock.sendall(reply(200, PRODUCT, JSON))


def silently(_: socket.socket) -> None:
    pass


def half_a_head(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-")


@pytest.fixture
def client_of() -> Iterator[Callable[[Dying], pyWATS]]:
    made: list[Any] = []

    def client_of(handle: Dying) -> pyWATS:
        server = Server(handle=handle).__enter__()
        made.append(server)
        api = pyWATS(base_url=server.url, token="x", enable_cache=False)
        made.append(api)
        return api

    yield client_of
    for each in reversed(made):
        each.__exit__(None, None, None)


@pytest.mark.parametrize("how", [silently, reset])
def test_a_read_is_sent_once_more(
    client_of: Callable[[Dying], pyWATS], how: Callable[[socket.socket], None]
) -> None:
    handle = Dying(1, how)
    api = client_of(handle)
    for _ in range(2):
        assert api.product.get_product("P") is not None
    assert len(handle.seen) == 3


def test_it_takes_a_slot_of_its_own_and_is_an_attempt_of_its_own(
    client_of: Callable[[Dying], pyWATS],
) -> None:
    api = client_of(Dying(1, silently))
    limiter = RateLimiter(max_requests=100, window_seconds=60, enabled=True)
    private(api)._http_client._rate_limiter = limiter
    attempts: list[int] = []
    cancel = subscribe(lambda event: attempts.append(event.attempts))
    try:
        for _ in range(2):
            api.product.get_product("P")
    finally:
        cancel()
    assert attempts == [1, 2]
    assert limiter.stats["total_requests"] == 3


def test_only_once(client_of: Callable[[Dying], pyWATS]) -> None:
    handle = Dying(2, silently)
    api = client_of(handle)
    api.product.get_product("P")
    with pytest.raises(PyWATSError, match="Server disconnected without sending a response"):
        api.product.get_product("P")
    assert len(handle.seen) == 3


def test_not_after_a_byte_of_an_answer(client_of: Callable[[Dying], pyWATS]) -> None:
    handle = Dying(1, half_a_head)
    api = client_of(handle)
    api.product.get_product("P")
    with pytest.raises(PyWATSError):
        api.product.get_product("P")
    assert len(handle.seen) == 2


def test_not_on_a_new_connection(client_of: Callable[[Dying], pyWATS]) -> None:
    handle = Dying(1, silently)
    handle.seen.append(Seen("", "", {}, b""))
    api = client_of(handle)
    with pytest.raises(PyWATSError, match="Server disconnected"):
        api.product.get_product("P")
    assert len(handle.seen) == 2


def test_nothing_that_may_write(client_of: Callable[[Dying], pyWATS]) -> None:
    handle = Dying(1, silently)
    api = client_of(handle)
    api.product.get_product("P")
    with pytest.raises(PyWATSError, match="Server disconnected"):
        api.product.create_product("P", "n")
    assert [seen.method for seen in handle.seen] == ["GET", "PUT"]
