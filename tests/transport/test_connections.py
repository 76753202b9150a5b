"""The connection pool: its size follows the calls, and dead connections are not reused."""

from __future__ import annotations

import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool
from waiting import until

from pywats_green import configure
from pywats_green.exceptions import TransportError
from pywats_green.testing import WatsServer
from pywats_green.transport import Answer, Transport

from .servers import Seen, Server, read_request, reply, reset

Connect = Callable[..., Transport]
PRODUCT = "/api/Product/PN-00001"


def get(transport: Transport, server: WatsServer, path: str = PRODUCT) -> Answer:
    headers = {"Authorization": f"Basic {server.token}"}
    return transport.request("GET", path, None, headers, None, 10.0)


def call(transport: Transport, method: str = "GET", body: bytes | None = None) -> Answer:
    return transport.request(method, "/x", None, {}, body, 5.0)


def test_200_calls_in_flight_open_200_connections_once(connect: Connect) -> None:
    waiting = [0]
    all_in = Event()

    def answer(seen: Seen) -> bytes:
        del seen
        waiting[0] += 1
        if waiting[0] == 200:
            all_in.set()
        all_in.wait()
        return reply()

    with Server(answer) as server:
        transport = connect(server.url)
        pool = Pool(200)
        statuses = pool.map(lambda _: call(transport).status, range(200))
        assert server.opened == 200
        statuses += pool.map(lambda _: call(transport).status, range(2_000))
        assert statuses == [200] * 2_200
        assert server.opened == 200


def test_the_connection_used_last_is_used_first(connect: Connect) -> None:
    ports: list[int] = []
    both_in = Event()

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while read_request(stream) is not None:
                ports.append(sock.getpeername()[1])
                if len(ports) == 2:
                    both_in.set()
                both_in.wait()
                sock.sendall(reply())

    with Server(handle=handle) as server:
        transport = connect(server.url)
        first, second = (gevent.spawn(call, transport) for _ in range(2))
        gevent.joinall([first, second], raise_error=True)
        call(transport)
        used_last = ports[-1]
        for _ in range(3):
            call(transport)
        assert ports[-3:] == [used_last] * 3
        assert server.opened == 2


def test_idle_connections_expire(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        call(transport)
        call(transport)
        assert server.opened == 1
        configure(keepalive_expiry=0.0)  # a change reaches live clients, idle connections too
        call(transport)
        assert server.opened == 2
        until(lambda: server.closed == 2, "both connections to be closed")
        call(transport)
        assert server.opened == 3


def test_idle_connections_expire_though_no_call_comes(connect: Connect) -> None:
    configure(keepalive_expiry=0.05)
    with Server() as server:
        transport = connect(server.url)
        gevent.joinall([gevent.spawn(call, transport) for _ in range(10)], raise_error=True)
        until(lambda: server.closed == server.opened, "all connections to be closed")
        assert [pool.idle for pool in transport._pools.values() if pool is not None] == [0]
        assert call(transport).status == 200  # and again
        until(lambda: server.closed == server.opened, "the new one to be closed")


def test_a_transport_that_is_dropped_is_not_kept_by_its_timer(clean_environment: None) -> None:
    configure(keepalive_expiry=3_600.0)
    with Server() as server:
        transport = Transport(server.url)
        call(transport)
        dropped = weakref.ref(transport)
        del transport
        gc.collect()
        assert dropped() is None
        until(lambda: server.closed == 1, "its connection to be closed")


def test_close_closes_the_idle_and_the_transport_goes_on(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        call(transport)
        transport.close()
        until(lambda: server.closed == 1, "the idle connection to be closed")
        assert call(transport).status == 200
        assert server.opened == 2
        transport.close()
        transport.close()


def test_a_call_in_flight_survives_close_and_then_closes(connect: Connect) -> None:
    asked, may_answer = Event(), Event()

    def answer(seen: Seen) -> bytes:
        if seen.target == "/slow":
            asked.set()
            may_answer.wait()
        return reply(200, seen.target.encode())

    with Server(answer) as server:
        transport = connect(server.url)
        slow = gevent.spawn(transport.request, "GET", "/slow", None, {}, None, 5.0)
        asked.wait()
        transport.close()
        assert call(transport).content == b"/x"
        may_answer.set()
        assert slow.get().content == b"/slow"
        until(lambda: server.closed == 1, "the connection of the slow call to be closed")
        assert call(transport).status == 200
        assert server.opened == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_closed_while_idle_is_found_before_it_is_used(
    method: str, connect: Connect, server: WatsServer
) -> None:
    server.fail("*", times=1, mode="close_after")
    transport = connect(server.url)
    headers = {"Authorization": f"Basic {server.token}", "Content-Type": "application/json"}
    get(transport, server)
    until(lambda: server.stats()["connections_open"] == 0, "the server to close")
    body = None if method == "GET" else b"[]"
    path = PRODUCT if method == "GET" else "/api/App/YieldData"
    server.clear_requests()
    transport.request(method, path, None, headers, body, 5.0)
    assert [seen.method for seen in server.requests()] == [method]
    assert server.stats()["connections_opened"] == 2


def test_a_connection_reset_while_idle_is_found_too(connect: Connect, server: WatsServer) -> None:
    transport = connect(server.url)
    get(transport, server)
    assert server.drop_connections(reset=True) == 1
    until(lambda: server.stats()["connections_open"] == 0, "the server to close")
    assert get(transport, server).status == 200


def test_a_connection_on_which_something_came_unasked_is_not_used(connect: Connect) -> None:
    answer_read, unasked_sent = Event(), Event()

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            seen = read_request(stream)
            assert seen is not None
            sock.sendall(reply(200, seen.target.encode()))
            if seen.target == "/x":
                answer_read.wait()  # so that it is not in one packet with the answer
                sock.sendall(reply(408, b"too late"))
                unasked_sent.set()
                stream.read(1)

    with Server(handle=handle) as server:
        transport = connect(server.url)
        call(transport)
        answer_read.set()
        unasked_sent.wait()
        answer = transport.request("GET", "/y", None, {}, None, 5.0)
        assert (answer.status, answer.content) == (200, b"/y")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_request_that_was_written_is_never_sent_again(
    method: str, end: str, connect: Connect
) -> None:
    seen: list[Seen] = []

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                seen.append(request)
                if request.target != "/first":
                    if end == "reset":
                        reset(sock)
                    return
                sock.sendall(reply())

    with Server(handle=handle) as server:
        transport = connect(server.url)
        transport.request("GET", "/first", None, {}, None, 5.0)
        with pytest.raises(TransportError):
            call(transport, method, None if method == "GET" else b"{}")
        assert [request.target for request in seen] == ["/first", "/x"]
        assert server.opened == 1  # over the connection that was kept
        assert transport.request("GET", "/first", None, {}, None, 5.0).status == 200


@pytest.mark.skipif(sys.platform == "win32", reason="a reset there takes back what came before")
def test_an_answer_that_came_before_the_body_was_sent_is_read(connect: Connect) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(1_000)
        sock.sendall(reply(413, b"too big", [("Connection", "close")]))
        # Closing with most of the body unread resets the connection, behind the answer.

    with Server(handle=handle) as server:
        transport = connect(server.url)
        answer = call(transport, "POST", b"x" * 20_000_000)
        assert (answer.status, answer.content) == (413, b"too big")


def test_an_unused_transport_can_be_closed_and_shown() -> None:
    transport = Transport("http://user:word@[broken")
    assert "word" not in repr(transport)
    transport.close()


FORK = """
import pywats_green
import os, sys
from pywats_green.transport import Transport
transport = Transport(sys.argv[1])
ask = lambda path: transport.request("GET", path, None, {}, None, 5.0).content
assert ask("/parent") == b"/parent"
child = os.fork()
if child == 0:
    os._exit(0 if all(ask(f"/child{i}") == b"/child%d" % i for i in range(20)) else 1)
assert os.waitpid(child, 0)[1] == 0
assert all(ask(f"/parent{i}") == b"/parent%d" % i for i in range(20))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_uses_connections_of_its_own(run_python: Callable[..., Any]) -> None:
    peers: dict[str, set[int]] = {"parent": set(), "child": set()}

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (seen := read_request(stream)) is not None:
                who = "child" if "child" in seen.target else "parent"
                peers[who].add(sock.getpeername()[1])
                sock.sendall(reply(200, seen.target.encode()))

    with Server(handle=handle) as server:
        # A process with gevent's threads may be forked; Python 3.12 warns of it all the same.
        finished = run_python(FORK, server.url, warnings="default")
    assert finished.returncode == 0, finished.stderr
    assert len(peers["parent"]) == 1, "the parent's connection was disturbed"
    assert len(peers["child"]) == 1
    assert not peers["parent"] & peers["child"]


def test_the_platform_has_a_look_that_does_not_wait() -> None:
    from pywats_green.transport.wire import look_at

    ours, theirs = socket.socketpair()
    with ours, theirs:
        has_come = look_at(ours)
        assert not has_come()
        theirs.send(b"x")
        assert has_come()


def test_connections_that_close_without_an_answer_print_nothing(
    connect: Callable[..., Transport], capfd: pytest.CaptureFixture[str]
) -> None:
    """Python 3.13 prints what a response that is closed twice raises in its `__del__`."""
    with Server(lambda seen: None) as server:
        for by_requests in (False, True):
            transport = connect(server.url)
            transport.session.params = {"a": "b"} if by_requests else {}
            for _ in range(20):
                with pytest.raises(TransportError):
                    transport.request("POST", "/x", None, {}, b"{}", 5.0)
            del transport
        gc.collect()
    assert capfd.readouterr() == ("", "")
