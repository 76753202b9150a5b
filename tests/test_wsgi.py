"""The WSGI server below the status page and the hub's door, against clients that mean no good."""

import logging
import socket

import gevent
import pytest
from platforms import PATIENCE

from pywats_green import wsgi
from pywats_green.wsgi import TEXT, Reply, Server


@pytest.fixture
def serve():
    """Serve an application that is called with the path, and reads no body."""
    servers = []

    def start(called):
        def application(environ, start_response):
            called(environ["PATH_INFO"])
            return Reply("200 OK", TEXT, b"ok\n").send(environ, start_response)

        logger = logging.getLogger("test_wsgi")
        servers.append(Server("127.0.0.1", 0, application, logger=logger, clients=4))
        return connected(servers[-1])

    yield start
    for server in servers:
        server.close()


def connected(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def test_requests_in_a_row_let_others_have_their_turn(serve):
    turns, seen = [0], []

    def others() -> None:
        while True:
            turns[0] += 1
            gevent.sleep(0)

    other = gevent.spawn(others)
    with serve(lambda path: seen.append((path, turns[0]))) as client:
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % at for at in range(5)))
        client.shutdown(socket.SHUT_WR)
        while client.recv(10_000):
            pass
    other.kill()
    assert [path for path, _ in seen] == [f"/{at}" for at in range(5)]
    assert len({turn for _, turn in seen}) == 5


def test_a_body_without_an_end_does_not_keep_its_place(serve, monkeypatch):
    monkeypatch.setattr(wsgi, "_PATIENCE", 0.2)
    with serve(lambda _: None) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        with (
            gevent.Timeout(PATIENCE, AssertionError("it is still read")),
            pytest.raises((BrokenPipeError, ConnectionResetError)),
        ):
            while True:
                client.sendall(b"x")
                gevent.sleep(0.01)


def test_what_is_left_of_a_body_is_no_request(serve, monkeypatch):
    monkeypatch.setattr(wsgi, "_PATIENCE", 0.2)
    seen: list[str] = []
    with serve(seen.append) as client:
        client.sendall(b"POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert client.recv(10_000).startswith(b"HTTP/1.1 200 OK")
        assert client.recv(10_000) == b""
    assert seen == ["/first"]


def test_a_body_that_nobody_reads_is_passed_over(serve):
    seen: list[str] = []
    with serve(seen.append) as client:
        client.sendall(
            b"POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
            b"POST /second HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\nx\r\n0\r\n\r\n"
            b"GET /third HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        while client.recv(10_000):
            pass
    assert seen == ["/first", "/second", "/third"]
