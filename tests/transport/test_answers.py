"""Responses of all kinds, complete and broken; httpx is the reference."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from faults.answers import BODY, BROKEN, CHUNKED, STRICTER, WHOLE, head
from platforms import WINE

from pywats_green import configure
from pywats_green.exceptions import TransportError
from pywats_green.transport import Transport

from .servers import Seen, Server, read_request, reply, reset

Connect = Callable[..., Transport]


def by_httpx(url: str) -> Any:
    with httpx.Client(base_url=url, timeout=5.0) as client:
        try:
            response = client.get("/x")
        except httpx.HTTPError as exc:
            return str(exc)
        return response.status_code, dict(response.headers), response.content


def by_green(transport: Transport) -> Any:
    try:
        answer = transport.request("GET", "/x", None, {}, None, 5.0)
    except TransportError as exc:
        return str(exc)
    return answer.status, answer.headers, answer.content


def then_close(data: bytes) -> Callable[[socket.socket], None]:
    def handle(sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            read_request(stream)
            sock.sendall(data)

    return handle


@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers_are_read_as_httpx_reads_them(name: str, connect: Connect) -> None:
    with Server(handle=then_close(WHOLE[name])) as server:
        expected = by_httpx(server.url)
        assert isinstance(expected, tuple), expected
        assert by_green(connect(server.url)) == expected


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_are_refused_in_httpxs_words(name: str, connect: Connect) -> None:
    with Server(handle=then_close(BROKEN[name])) as server:
        expected = by_httpx(server.url)
        assert isinstance(expected, str), expected
        assert by_green(connect(server.url)) == expected


@pytest.mark.parametrize("name", STRICTER)
def test_what_is_ambiguous_is_refused_though_httpx_takes_it(name: str, connect: Connect) -> None:
    with Server(handle=then_close(STRICTER[name])) as server:
        assert isinstance(by_httpx(server.url), tuple)
        assert isinstance(by_green(connect(server.url)), str)


@pytest.mark.parametrize(
    "data",
    [
        head("Transfer-Encoding: chunked") + CHUNKED[:1],
        head("Transfer-Encoding: chunked") + b"xyz\r\nab\r\n",
        head("Transfer-Encoding: chunked") + b"-5\r\nab\r\n0\r\n\r\n",
        head(status="HTTP/1.1 101 Switching Protocols"),
        head("Content-Length: 2", status="HTTP/1.1 2000 Long") + b"ab",
    ],
)
def test_what_httpx_refuses_in_other_words_is_refused_too(data: bytes, connect: Connect) -> None:
    with Server(handle=then_close(data)) as server:
        assert isinstance(by_httpx(server.url), str)
        assert isinstance(by_green(connect(server.url)), str)


@pytest.mark.skipif(WINE, reason="WINE closes where it should reset")
def test_a_reset_has_the_text_of_the_system(connect: Connect) -> None:
    def handle(sock: socket.socket) -> None:
        sock.recv(10_000)
        reset(sock)

    with Server(handle=handle) as server:
        expected = by_httpx(server.url)
        with pytest.raises(TransportError) as caught:
            connect(server.url).request("GET", "/x", None, {}, None, 5.0)
    assert str(caught.value) == expected
    assert caught.value.system


@pytest.mark.parametrize("name", sorted(WHOLE.keys() - {"no length, closed", "HTTP/1.0"}))
def test_what_follows_on_the_same_connection_is_not_mixed_up(name: str, connect: Connect) -> None:
    def answer(seen: Seen) -> bytes:
        return WHOLE[name] if seen.target == "/x" else reply(200, seen.target.encode())

    with Server(answer) as server:
        transport = connect(server.url)
        for number in range(3):
            by_green(transport)
            following = transport.request("GET", f"/{number}", None, {}, None, 5.0)
            assert following.content == f"/{number}".encode()
        if "HTTP/1.0" not in name:
            assert server.opened == 1


@pytest.mark.parametrize("body", [None, b"", b"{}", "ü".encode()])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_bodies_are_framed_as_httpx_frames_them(
    method: str, body: bytes | None, connect: Connect
) -> None:
    with Server() as server:
        connect(server.url).request(method, "/x", None, {}, body, 5.0)
        with httpx.Client() as client:
            client.request(method, f"{server.url}/x", content=body)
    ours, theirs = server.seen
    assert ours.body == theirs.body
    for name in ("content-length", "transfer-encoding"):
        assert ours.headers.get(name) == theirs.headers.get(name)


@pytest.mark.parametrize("pieces", [[], [b"hello", b"", b" world"]])
def test_a_body_in_pieces_is_sent_in_chunks(pieces: list[bytes], connect: Connect) -> None:
    with Server(handle=echo_chunks) as server:
        answer = connect(server.url).request("POST", "/x", None, {}, pieces, 5.0)
        with httpx.Client() as client:
            response = client.post(f"{server.url}/x", content=pieces)
        assert answer.content == response.content
        assert answer.headers["x-coding"] == response.headers["x-coding"] == "chunked"


def echo_chunks(sock: socket.socket) -> None:
    with sock.makefile("rb") as stream:
        seen = read_request(stream)
        assert seen is not None
        lines = list(iter(stream.readline, b"0\r\n"))
        assert stream.readline() == b"\r\n"
        coding = ("X-Coding", seen.headers["transfer-encoding"])
        sock.sendall(reply(200, b"".join(lines), [coding]))


def test_a_caller_who_wants_chunks_gets_them_to_the_end(connect: Connect) -> None:
    headers = {"transfer-encoding": "chunked"}
    with Server(handle=echo_chunks) as server:
        for body, expected in ((b"hello", b"5\r\nhello\r\n"), (None, b"")):
            answer = connect(server.url).request("POST", "/x", None, headers, body, 5.0)
            assert answer.content == expected


def test_a_length_of_the_callers_must_be_right(connect: Connect) -> None:
    with Server() as server:
        transport = connect(server.url)
        transport.request("POST", "/x", None, {"Content-Length": "2"}, b"{}", 5.0)
        transport.request("POST", "/x", None, {"Content-Length": "2"}, [b"{", b"}"], 5.0)
        for wrong in ("1", "3"):
            with pytest.raises(TransportError, match="Content-Length"):
                transport.request("POST", "/x", None, {"content-length": wrong}, b"{}", 5.0)
    assert [seen.body for seen in server.seen] == [b"{}", b"{}"]


def test_only_encodings_that_can_be_undone_are_asked_for(connect: Connect) -> None:
    with Server() as server:
        connect(server.url).request("GET", "/x", None, {}, None, 5.0)
    offered = server.seen[0].headers["accept-encoding"].split(", ")
    assert {"gzip", "deflate"} <= set(offered) <= {"gzip", "deflate", "br", "zstd"}


def test_a_long_header_block_is_read(connect: Connect) -> None:
    long = [(f"X-{number}", "x" * 1_000) for number in range(80)]
    with Server(lambda seen: reply(200, BODY, long)) as server:
        assert by_green(connect(server.url)) == by_httpx(server.url)


def test_a_response_may_not_expand_without_bound(connect: Connect) -> None:
    small = gzip.compress(b"x" * 3_000_000)
    configure(max_answer_bytes=2_000_000)
    with Server(lambda seen: reply(200, small, [("Content-Encoding", "gzip")])) as server:
        transport = connect(server.url)
        assert "2000000 bytes: if it may be" in by_green(transport)
        for enough in (3_000_000, None):
            configure(max_answer_bytes=enough)
            assert by_green(transport)[2] == b"x" * 3_000_000
