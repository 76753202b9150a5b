"""The connection to the shared server, and what is killed or stopped in the middle."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import gevent.socket
import pytest
from gevent.event import Event
from gevent.queue import Queue
from gevent.server import StreamServer
from gevent.socket import create_connection
from waiting import BOUND, until

from fleet.engine import Engine
from pywats_green.fleet.keys import CHANNEL
from pywats_green.fleet.link import Link, LinkError
from pywats_green.fleet.listener import Listener


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port whose listener accepts nobody, and has no room for more."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        waiting = []
        port = listening.getsockname()[1]
        try:
            while True:
                waiting.append(create_connection(("127.0.0.1", port), timeout=0.2))
        except TimeoutError:
            yield port
        finally:
            for each in waiting:
                each.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses at once what it has no room for")
@pytest.mark.parametrize("ending", ["killed", "timed out"])
def test_a_half_open_socket_is_closed(
    deaf: int, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets: list[socket.socket] = []
    connecting = Event()
    connect = gevent.socket.socket.connect

    def connect_seen(self: socket.socket, address: Any) -> None:
        sockets.append(self)
        connecting.set()
        connect(self, address)

    monkeypatch.setattr(gevent.socket.socket, "connect", connect_seen)
    link = Link(f"redis://127.0.0.1:{deaf}")
    if ending == "killed":
        asking = gevent.spawn(link.ask, "PING")
        connecting.wait()
        asking.kill()
    else:
        with pytest.raises(LinkError, match="no answer within 1 s"):
            link.ask("PING")
    assert link.connection is None
    (half_open,) = sockets
    until(lambda: half_open.fileno() == -1, "it to be closed")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t@127.0.0.1:1?socket_timeout=x", "redis://:s3cr3t@127.0.0.1:1?s3cr3t=x",
        f"redis://:s3cr3t@{'a' * 64}", "redis://:s3cr3t@127.0.0.1:1?protocol=9",
        "rediss://:s3cr3t@127.0.0.1:1?ssl_cert_reqs=x",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_a_link_error(url: str) -> None:
    with pytest.raises(LinkError) as refused:
        Link(url).ask("PING")
    assert "s3cr3t" not in str(refused.value)


def test_listening_ends_while_the_server_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    accepted, gone = Event(), Event()

    def handle(client: socket.socket, _: object) -> None:
        assert b"SUBSCRIBE" in client.recv(65536)
        accepted.set()
        assert client.recv(1) == b""
        gone.set()

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    try:
        url = f"redis://127.0.0.1:{server.server_port}"
        listener = Listener(url, hear=lambda message: None, missed=lambda: None)
        accepted.wait()
        accepted.clear()
        listener.restart()
        gone.wait()
        gone.clear()
        accepted.wait()
        listener.close()
        gone.wait()
    finally:
        server.stop()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("foreign", ["garbage", "[]", "{}", '"text"', "\udcff"])
def test_a_message_of_another_program_ends_no_listening(warm: Engine, foreign: str) -> None:
    heard, listening = Queue[str](), Event()
    listener = Listener(warm.url, hear=lambda m: heard.put(m["from"]), missed=listening.set)
    link = Link(warm.url)
    try:
        assert listening.wait(BOUND)
        for text in (foreign.encode("utf-8", "surrogateescape"), b'{"from": "ff"}'):
            link.ask("PUBLISH", CHANNEL, text)
        assert heard.get(timeout=BOUND) == "ff"
    finally:
        listener.close()
        link.close()
