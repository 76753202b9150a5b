"""A killed or timed-out call leaves nothing behind that affects other calls."""

from __future__ import annotations

import itertools
import json
import random
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
import trustme
from gevent.event import Event
from gevent.pool import Pool
from waiting import until

from pywats_green import configure
from pywats_green.testing import WatsServer
from pywats_green.transport import Transport

from .servers import BOUND, Server, full_listener, read_request, reply

Connect = Callable[..., Transport]
DESCRIPTORS = Path("/proc/self/fd")

needs_proc = pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts descriptors in /proc")


def open_descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


@pytest.fixture(scope="module")
def tls_server() -> Iterator[WatsServer]:
    with WatsServer(tls=True) as server:
        yield server


@needs_proc
@pytest.mark.parametrize(("scheme", "wanted"), [("http", 600), ("https", 200)])
def test_calls_killed_at_random_points_disturb_no_other(
    scheme: str, wanted: int, connect: Connect, request: pytest.FixtureRequest
) -> None:
    server: WatsServer = request.getfixturevalue("server" if scheme == "http" else "tls_server")
    server.configure(latency=0.0, jitter=0.004)
    if server.ca_file is not None:
        configure(ca_bundle=server.ca_file)
    transport = connect(server.url)
    headers = {"Authorization": f"Basic {server.token}"}
    chance = random.Random(20)
    outcomes = {"whole": 0, "killed": 0, "timed out": 0}

    def ask(number: int) -> None:
        part_number = f"PN-{number:05}"
        path = f"/api/Product/{part_number}"
        try:
            with gevent.Timeout(chance.uniform(0.001, 0.01) if number % 3 == 0 else None):
                answer = transport.request("GET", path, None, headers, None, 10.0)
        except gevent.Timeout:
            outcomes["timed out"] += 1
            return
        assert answer.status == 200
        assert json.loads(answer.content)["partNumber"] == part_number
        outcomes["whole"] += 1

    def ask_and_kill(number: int) -> None:
        asking = gevent.spawn(ask, number)
        if number % 3 == 1:
            gevent.sleep(chance.uniform(0.001, 0.01))
            asking.kill()
            outcomes["killed"] += isinstance(asking.value, gevent.GreenletExit)
        asking.get()

    ask(2)
    before = open_descriptors() - 1  # the connection just made
    numbers = itertools.cycle(range(5_000))
    while outcomes["killed"] + outcomes["timed out"] < wanted:
        Pool(40).map(ask_and_kill, itertools.islice(numbers, 120))
    assert min(outcomes.values()) > wanted / 6, outcomes
    for number in range(50):  # and the pool still works
        ask(3 * number + 2)
    transport.close()
    until(lambda: open_descriptors() <= before, "all descriptors to be closed")
    until(lambda: server.stats()["connections_open"] == 0, "the server to see it")


CHUNKED = reply(200, b'{"a": 1}', [("Set-Cookie", "sid=1")]).replace(
    b"Content-Length: 8\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"
)
CHUNKED = CHUNKED[:-3] + b"\r\n3\r\n" + CHUNKED[-3:] + b"\r\n0\r\n\r\n"
CLOSING = reply(200, b'{"a": 1}', [("Connection", "close")])


@pytest.mark.parametrize(
    ("how", "whole"), [("kill", CHUNKED), ("timeout", CHUNKED), ("kill", CLOSING)]
)
def test_killed_after_any_byte_of_the_answer(how: str, whole: bytes, connect: Connect) -> None:
    sent = [0]
    enough = Event()

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while (seen := read_request(stream)) is not None:
                if seen.target == "/whole":
                    sock.sendall(whole)
                    if whole is CLOSING:
                        return
                    continue
                sock.sendall(whole[: sent[0]])
                enough.set()
                stream.read(1)  # until the client goes away
                return

    with Server(handle=handle) as server:
        transport = connect(server.url)
        for sent[0] in range(len(whole)):
            enough.clear()
            if how == "kill":
                asking = gevent.spawn(transport.request, "GET", "/cut", None, {}, None, None)
                enough.wait()
                gevent.idle()  # let it read what was sent
                asking.kill()
            else:
                timeout = gevent.Timeout()
                asking = gevent.spawn(transport.request, "GET", "/cut", None, {}, None, None)
                enough.wait()
                gevent.idle()
                asking.kill(timeout, block=False)
                with pytest.raises(gevent.Timeout):
                    asking.get()
            answer = transport.request("GET", "/whole", None, {}, None, 5.0)
            assert answer.content == b'{"a": 1}'
            until(lambda: server.opened - server.closed <= 1, "the cut connection to close")


@needs_proc
def test_killed_while_it_connects(connect: Connect) -> None:
    with full_listener() as port:
        before = open_descriptors()
        transport = connect(f"http://127.0.0.1:{port}")
        asking = [
            gevent.spawn(transport.request, "GET", "/x", None, {}, None, None) for _ in range(20)
        ]
        until(lambda: open_descriptors() >= before + 20, "all of them to connect")
        gevent.killall(asking)
        assert open_descriptors() == before


@needs_proc
def test_killed_during_the_handshake(connect: Connect) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    greeted = Event()

    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        greeted.set()
        sock.recv(10_000)

    with Server(handle=handle) as server:
        before = open_descriptors()
        transport = connect(server.url.replace("http://", "https://"), verify=False)
        asking = gevent.spawn(transport.request, "GET", "/x", None, {}, None, None)
        greeted.wait()
        asking.kill()
        until(lambda: server.closed == 1, "the server to see it")
        until(lambda: open_descriptors() == before, "the descriptors to be closed")


def test_killed_while_requests_itself_reads(connect: Connect, head_read: Event) -> None:
    gone = Event()

    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n")
        if not sock.recv(1):
            gone.set()

    with Server(handle=handle) as server:
        transport = connect(server.url)
        transport.session.hooks["response"].append(lambda r, **_: None)
        asking = gevent.spawn(transport.request, "GET", "/x", None, {}, None, None)
        assert head_read.wait(BOUND)
        asking.kill()
        assert gone.wait(BOUND)
