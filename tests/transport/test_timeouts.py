"""Each phase of a call has a timeout."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from pywats_green.exceptions import TransportConnectError, TransportTimeoutError
from pywats_green.transport import Transport, connections
from pywats_green.transport.resolver import Resolver

from .servers import BOUND, Server, full_listener, read_request, reply

Connect = Callable[..., Transport]
SHORT = 0.05


def silent(sock: socket.socket) -> None:
    """Take a request and never answer."""
    sock.recv(10_000)
    Event().wait()


def deaf(sock: socket.socket) -> None:
    """Never read."""
    Event().wait()


def call(transport: Transport, timeout: float | None, body: bytes | None = None) -> bytes:
    method = "GET" if body is None else "POST"
    return transport.request(method, "/x", None, {}, body, timeout).content


def times_out(transport: Transport, timeout: float, body: bytes | None = None) -> None:
    with gevent.Timeout(BOUND), pytest.raises(TransportTimeoutError) as caught:
        call(transport, timeout, body)
    assert "timed out" in str(caught.value)
    assert caught.value.system
    assert not isinstance(caught.value, TransportConnectError)


def test_connecting(connect: Connect) -> None:
    with full_listener() as port:
        times_out(connect(f"http://127.0.0.1:{port}"), SHORT)


def test_resolving_counts_as_connecting(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Event()
    monkeypatch.setattr(connections, "resolver", Resolver(lambda *_: answered.wait()))
    times_out(connect("http://never.example"), SHORT)
    answered.set()


def test_the_tls_handshake_counts_as_connecting(connect: Connect) -> None:
    with Server(handle=silent) as server:
        times_out(connect(server.url.replace("http", "https")), SHORT)


def test_waiting_for_the_answer(connect: Connect) -> None:
    with Server(handle=silent) as server:
        times_out(connect(server.url), SHORT)


def test_waiting_for_the_rest_of_the_answer(connect: Connect) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        sock.sendall(reply(200, b"half")[:-2])
        Event().wait()

    with Server(handle=handle) as server:
        times_out(connect(server.url), SHORT)


def test_writing_to_a_server_that_never_reads(connect: Connect) -> None:
    with Server(handle=deaf) as server:
        times_out(connect(server.url), 0.2, b"x" * 50_000_000)


def test_zero_is_a_limit_too(connect: Connect) -> None:
    with Server(handle=deaf) as server:
        times_out(connect(server.url), 0)


def test_none_is_no_limit(connect: Connect) -> None:
    asked, may_answer = Event(), Event()

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while read_request(stream) is not None:
                asked.set()
                may_answer.wait()
                sock.sendall(reply(200, b"late"))

    with Server(handle=handle) as server, Server(handle=silent) as other:
        transport = connect(server.url)
        may_answer.set()
        call(transport, SHORT)  # its limit must not stay on the connection
        may_answer.clear()
        asked.clear()
        asking = gevent.spawn(call, transport, None)
        asked.wait()
        times_out(connect(other.url), 3 * SHORT)  # longer than the limit that must not be there
        may_answer.set()
        assert asking.get() == b"late"
        assert server.opened == 1


def test_a_call_after_one_that_timed_out_gets_its_own_answer(connect: Connect) -> None:
    has_timed_out = Event()

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (seen := read_request(stream)) is not None:
                if seen.target == "/x":
                    has_timed_out.wait()
                sock.sendall(reply(200, seen.target.encode()))

    with Server(handle=handle) as server:
        transport = connect(server.url)
        times_out(transport, SHORT)
        has_timed_out.set()
        answer = transport.request("GET", "/y", None, {}, None, 5.0)
        assert answer.content == b"/y"
        assert server.opened == 2


def test_a_deadline_that_is_over_ends_nothing_any_more(connect: Connect) -> None:
    """Its timer has fired; requests in a `finally` then have the timeout of a phase."""
    with Server(handle=deaf) as server:
        transport = connect(server.url)
        with gevent.Timeout(5), pytest.raises(TransportTimeoutError):
            transport.request("GET", "/x", None, {}, None, SHORT, time.monotonic() - 1.0)
