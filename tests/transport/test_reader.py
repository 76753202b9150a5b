"""The reader: its error messages, the end of responses, and memory."""

from __future__ import annotations

import gc
import http.client
import socket
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from faults.answers import BODY, BROKEN, CHUNKED, STRICTER, WHOLE, head

from pywats_green.exceptions import TransportError
from pywats_green.transport import Answer, Transport
from pywats_green.transport.reader import Reader

from .servers import Server, read_request, reply


class Wire:
    """The source of a response; fails if the reader asks for more than the response needs."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self._pieces = iter([piece for piece in pieces if piece])
        self._ends = ends

    def __call__(self) -> bytes:
        piece = next(self._pieces, b"")
        assert piece or self._ends, "would wait for ever"
        return piece


def read(*pieces: bytes, method: str = "GET", ends: bool = True) -> tuple[Answer, bool]:
    return Reader().read(Wire(*pieces, ends=ends), method)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_pieces_make_the_same_answer(name: str, size: int) -> None:
    whole = WHOLE[name]
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert read(*pieces)[0] == read(whole)[0]


def test_long_names_of_headers_are_not_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(50):
            name = f"X-{number}-{'a' * 100_000}"
            answer, _ = read(reply(200, b"{}", [(name, "1")]))
            assert answer.headers[name.lower()] == "1"
        del answer
        gc.collect()  # the readers
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", WHOLE.keys() - {"no length, closed", "HTTP/1.0"})
def test_an_answer_that_says_its_end_is_not_waited_for_any_longer(name: str) -> None:
    whole = WHOLE[name]
    for at in range(len(whole)):
        _, can_go_on = read(whole[:at], whole[at:], ends=False)
        assert can_go_on or "HTTP/1.0" in name or at > len(whole) - 6


SMALL = [WHOLE[name] for name in ("length", "chunked", "204", "100 first", "chunked with trailer")]


@pytest.mark.parametrize(
    "behind", [b"x", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", reply(), b"HTTP/1.1 4"]
)
@pytest.mark.parametrize(
    "whole", [*SMALL, reply(200, b"\r\n"), reply(200, b""), reply(500, b"a\n")]
)
def test_what_comes_behind_an_answer_closes_the_connection(whole: bytes, behind: bytes) -> None:
    alone, can_go_on = read(whole, ends=False)
    assert can_go_on
    assert read(whole + behind, ends=False) == (alone, False)
    for at in range(1, len(whole)):
        assert read(whole[:at], whole[at:] + behind, ends=False) == (alone, False)


@pytest.mark.parametrize("behind", [b"", b"x", b"\r\n", reply(200, b"another")])
@pytest.mark.parametrize(
    "line", ["Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked"]
)
def test_an_answer_to_head_has_no_body(line: str, behind: bytes) -> None:
    reader = Reader()
    for _ in range(2):  # the second time with the same reader
        answer, can_go_on = reader.read(Wire(head(line) + behind, ends=False), "HEAD")
        assert (answer.content, can_go_on) == (b"", not behind)


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"no gzip"}))  # the reader does not decode
def test_broken_answers_are_refused_wherever_they_are_cut(name: str) -> None:
    broken = BROKEN[name]
    for at in range(len(broken) + 1):
        with pytest.raises((TransportError, http.client.HTTPException)):
            read(broken[:at], broken[at:])


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH_9.6\r\n", b"x", b"\r\n", b"HTTP/2", *STRICTER.values()]
)
def test_what_cannot_become_an_answer_is_not_waited_for(data: bytes) -> None:
    with pytest.raises(TransportError):
        read(data, ends=False)


def test_a_reader_reads_answer_after_answer() -> None:
    reader = Reader()
    answers = [WHOLE["folded"], WHOLE["length"], WHOLE["repeated length"], WHOLE["chunked"]]
    for whole in answers * 3:
        assert reader.read(Wire(whole, ends=False), "GET") == (read(whole)[0], True)


def test_a_fold_in_a_body_stays() -> None:
    body = b"a\r\n b\r\n\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"
    assert read(reply(200, body, [("X-A", "1\r\n 2")]))[0].content == body


def test_trailers_are_no_headers() -> None:
    answer, _ = read(head("Transfer-Encoding: chunked") + CHUNKED[:-2] + b"X-Sum: 1\r\n\r\n")
    assert answer.headers == {"transfer-encoding": "chunked"}


def endless(start: bytes, again: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield again


FLOODS = {
    "a header": endless(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 60_000),
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: 1\r\n" * 5_000),
    "interim answers": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "a reason": endless(b"HTTP/1.1 200 ", b"x" * 60_000),
    "a chunk extension": endless(head("Transfer-Encoding: chunked") + b"1;a=", b"x" * 60_000),
    "a trailer": endless(head("Transfer-Encoding: chunked") + b"0\r\nX-A: ", b"x" * 60_000),
    "trailers": endless(head("Transfer-Encoding: chunked") + b"0\r\n", b"X-A: 1\r\n" * 5_000),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_what_has_no_end_is_refused(flood: Iterable[bytes]) -> None:
    pieces = iter(flood)
    tracemalloc.start()
    try:
        with pytest.raises(TransportError):
            Reader().read(lambda: next(pieces) or next(pieces), "GET")
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [100_000, 262_000])
def test_a_big_head_is_read(size: int) -> None:
    many = [f"X-{number}: {'x' * 60}" for number in range(size // 70)]
    answer, can_go_on = read(head(*many, "Content-Length: 2") + b"ab", ends=False)
    assert (len(answer.headers), answer.content, can_go_on) == (len(many) + 1, b"ab", True)


@pytest.mark.parametrize("lines", [["X-A: " + "x" * 262_200], ["X:1"] * 10_001])
def test_a_bigger_head_is_refused(lines: list[str]) -> None:
    whole = head(*lines, "Content-Length: 0")
    for pieces in ([whole], [whole[:100], whole[100:]], [whole[:200_000], whole[200_000:]]):
        with pytest.raises(TransportError, match="Receive buffer too long"):
            read(*pieces)


def test_a_kill_from_below_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Reader) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Reader, "on_headers_complete", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(reply())


def test_a_connection_whose_answers_are_mended_is_kept(connect: Callable[..., Transport]) -> None:
    answers = [WHOLE["folded"], WHOLE["length"], WHOLE["repeated length"], WHOLE["chunked"]] * 3

    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while read_request(stream) is not None:
                sock.sendall(answers.pop(0))

    with Server(handle=handle) as server:
        expected: list[Any] = [read(answer)[0] for answer in answers]
        transport = connect(server.url)
        found = [transport.request("GET", "/x", None, {}, None, 5.0) for _ in expected]
        assert found == expected
        assert server.opened == 1


def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    assert read(head() + BODY[:10], BODY[10:]) == (read(head() + BODY)[0], False)
