"""The quick reader: when it reads, when it leaves it to the default one, and that both agree."""

from __future__ import annotations

import http.client
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pywats_green import configure
from pywats_green.exceptions import TransportError
from pywats_green.transport import Transport
from pywats_green.transport.answers import receive, receive_again
from pywats_green.transport.faults import exchange_fault

from .servers import Server, read_request, reply
from .test_answers import BODY, BROKEN, CHUNKED, WHOLE, by_green, head

fast = pytest.importorskip("pywats_green.transport.fast", reason="the extra [fast]")

# What llhttp refuses, or what has no end of its own, is read by the default reader.
ODD = {
    "no length, closed", "HTTP/1.0", "chunked with trailer", "chunked and length",
    "repeated length", "100 first", "103 first", "folded", "bare line feeds",
}  # fmt: skip


class Pieces:
    """A socket on which an answer comes in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def recv_into(self, buffer: Any) -> int:
        piece = self.recv(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def outcome(read: Callable[[], Any]) -> Any:
    try:
        answer, response, can_go_on = read()
    except (TransportError, ValueError) as exc:
        return str(exc)
    except (OSError, http.client.HTTPException) as exc:
        return str(exchange_fault(exc))
    return answer, response.info().get_all("Set-Cookie"), can_go_on


def quickly(*pieces: bytes, method: str = "GET") -> Any:
    return outcome(lambda: fast.FastConnection._receive(Pieces(*pieces), method))


def slowly(*pieces: bytes, method: str = "GET") -> Any:
    carefully = outcome(lambda: receive_again(b"", Pieces(*pieces), method))
    by_default = outcome(lambda: receive(Pieces(*pieces), method))
    assert by_default == carefully  # it has a short way, too
    return carefully


@pytest.fixture
def read_slowly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of the requests whose answers the default reader read."""
    methods: list[str] = []

    def note(received: bytes, sock: Any, method: str) -> Any:
        methods.append(method)
        return receive_again(received, sock, method)

    monkeypatch.setattr(fast, "receive_again", note)
    return methods


@pytest.mark.parametrize("name", WHOLE)
def test_plain_answers_are_read_quickly(name: str, read_slowly: list[str]) -> None:
    assert quickly(WHOLE[name]) == slowly(WHOLE[name])
    assert read_slowly == (["GET"] if name in ODD else [])


@pytest.mark.parametrize("name", WHOLE.keys() - ODD)
def test_a_few_pieces_are_read_quickly_wherever_they_are_cut(
    name: str, read_slowly: list[str]
) -> None:
    whole = WHOLE[name]
    for at in range(len("HTTP/1.1 "), len(whole)):
        assert quickly(whole[:at], whole[at:]) == slowly(whole)
        assert slowly(whole[:at], whole[at:]) == slowly(whole)
    assert read_slowly == []


@pytest.mark.parametrize("whole", [WHOLE["length"], WHOLE["chunked"], WHOLE["gzip, chunked"]])
def test_many_pieces_make_the_same_answer(whole: bytes) -> None:
    for size in (1, 2, 7):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert quickly(*pieces) == slowly(whole)


def test_a_big_answer_is_left_to_the_default_reader(read_slowly: list[str]) -> None:
    big = reply(200, bytes(range(256)) * 4_000)
    assert quickly(big) == slowly(big)
    assert read_slowly == ["GET"]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_are_refused_in_the_same_words(name: str) -> None:
    assert isinstance(quickly(BROKEN[name]), str)
    assert quickly(BROKEN[name]) == slowly(BROKEN[name])


@pytest.mark.parametrize(
    "data",
    [
        head("Content-Length: 0", status="RTSP/1.0 200 OK"),
        head("Content-Length: 0", status="ICE/1.0 200 OK"),
        head("Content-Length: 0", "Connection: keep-alive", status="HTTP/2.0 200 OK"),
        head(status="HTTP/1.1 101 Switching Protocols"),
        head(status="HTTP/1.1 100 Continue"),
        head("Content-Length: 0", status="HTTP/1.1 099 Early"),
        head("Transfer-Encoding: gzip, chunked") + CHUNKED,
    ],
)
def test_what_llhttp_takes_and_the_default_reader_does_not_is_refused(data: bytes) -> None:
    assert isinstance(quickly(data), str)
    assert quickly(data) == slowly(data)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("behind", [b"x", b"HTTP/1.1 408 Late\r\n\r\n", reply(200, b"another")])
@pytest.mark.parametrize("closing", [[], [("Connection", "close")]])
def test_after_an_answer_with_more_behind_it_the_connection_is_not_used(
    method: str, behind: bytes, closing: list[tuple[str, str]]
) -> None:
    whole = reply(200, b"" if method == "HEAD" else BODY, closing) + behind
    answer, _, can_go_on = quickly(whole, method=method)
    assert answer == slowly(whole, method=method)[0]
    assert not can_go_on


def test_the_answer_to_head_has_no_body(read_slowly: list[str]) -> None:
    answer, _, can_go_on = quickly(head("Content-Length: 5"), method="HEAD")
    assert (answer.headers["content-length"], answer.content, can_go_on) == ("5", b"", True)
    assert read_slowly == []


MARKS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"0", b"-", b"+", b"\0", b"\x85", b"\xff", b"2",
    b"Connection: close\r\n", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 200 OK\r\n", b"Upgrade: x\r\n",
]  # fmt: skip


def test_damage_is_judged_as_on_the_default_transport() -> None:
    chance = random.Random(5)
    seeds = [*WHOLE.values(), *BROKEN.values()]
    for _ in range(3_000):
        data = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 2))):
            at = chance.randrange(len(data) + 1)
            data = data[:at] + chance.choice([b"", *MARKS]) + data[at + chance.choice((0, 1)) :]
        cut = chance.randrange(len(data) + 1)
        ours, theirs = (read(data[:cut], data[cut:]) for read in (quickly, slowly))
        if isinstance(ours, tuple) and isinstance(theirs, tuple):
            assert ours[:2] == theirs[:2], data  # llhttp lets line ends between answers pass
        else:
            assert ours == theirs, data


def test_it_is_the_reader_of_new_clients_alone(read_slowly: list[str]) -> None:
    with Server(lambda seen: WHOLE["folded"]) as server:
        before = Transport(server.url)
        configure(transport="geventhttpclient")
        after = Transport(server.url)
        configure(transport="urllib3")
        for transport, read in ((before, 0), (after, 1)):
            by_green(transport)
            by_green(transport)
            assert len(read_slowly) == 2 * read
            transport.close()  # and it stays what it is
            by_green(transport)
            assert len(read_slowly) == 3 * read
            transport.close()


def test_the_default_transport_does_not_import_it(run_python: Callable[..., Any]) -> None:
    script = """
import pywats_green, sys
from pywats_green.transport import Transport
Transport("http://127.0.0.1:1")
assert "geventhttpclient" not in sys.modules
"""
    finished = run_python(script)
    assert finished.returncode == 0, finished.stderr


def test_a_connection_whose_answers_alternate_is_kept(
    connect: Callable[..., Transport], read_slowly: list[str]
) -> None:
    answers = [WHOLE["folded"], WHOLE["length"], WHOLE["bare line feeds"], WHOLE["chunked"]] * 3

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while read_request(stream) is not None:
                sock.sendall(answers.pop(0))

    with Server(handle=handle) as server:
        expected = [slowly(answer)[0] for answer in answers]
        transport = connect(server.url)
        found = [transport.request("GET", "/x", None, {}, None, 5.0) for _ in expected]
        assert found == expected
        assert server.opened == 1
