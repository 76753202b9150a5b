"""Responses of all kinds, complete and broken; httpx is the reference."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from platforms import WINE

from pywats_green import configure
from pywats_green.exceptions import TransportError
from pywats_green.transport import Transport

from .servers import Seen, Server, read_request, reply, reset

Connect = Callable[..., Transport]
BODY = b'{"name": "\xc3\xa5"}' * 20


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


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines, "", ""]).encode("latin-1")


def deflated(body: bytes, wbits: int = zlib.MAX_WBITS) -> bytes:
    deflate = zlib.compressobj(wbits=wbits)
    return deflate.compress(body) + deflate.flush()


CHUNKED = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n"
GZIPPED = gzip.compress(BODY, mtime=0)

WHOLE = {
    "length": reply(200, BODY),
    "empty": reply(200, b""),
    "no length, closed": head() + BODY,
    "HTTP/1.0": head(status="HTTP/1.0 200 OK") + BODY,
    "HTTP/1.0 with length": reply(200, BODY, version="1.0"),
    "chunked": head("Transfer-Encoding: chunked") + CHUNKED,
    "chunked, shouted": head("TRANSFER-ENCODING: chunked") + CHUNKED,
    "chunked with trailer": head("Transfer-Encoding: chunked") + CHUNKED[:-2] + b"X-Sum: 1\r\n\r\n",
    "204": head(status="HTTP/1.1 204 No Content"),
    "204 with length": head("Content-Length: 5", status="HTTP/1.1 204 No Content"),
    "204, chunked": head("Transfer-Encoding: chunked", status="HTTP/1.1 204 No Content"),
    "304, chunked": head("Transfer-Encoding: chunked", status="HTTP/1.1 304 Not Modified"),
    "304": head("Content-Length: 5", status="HTTP/1.1 304 Not Modified"),
    "gzip": reply(200, GZIPPED, [("Content-Encoding", "gzip")]),
    "gzip, chunked": head("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIPPED), GZIPPED),
    "gzip of nothing": reply(200, b"", [("Content-Encoding", "gzip")]),
    "deflate": reply(200, deflated(BODY), [("Content-Encoding", "deflate")]),
    "deflate, raw": reply(200, deflated(BODY, -zlib.MAX_WBITS), [("Content-Encoding", "deflate")]),
    **{
        f"encoded as {names!r}": reply(200, GZIPPED, [("Content-Encoding", names)])
        for names in (
            *("identity, gzip", "utf-8, gzip", "aws-chunked, gzip", "gzip,", "gzip, identity"),
            *("identity", "utf-8", "compress", "gzip;q=1", ","),
        )
    },
    "twice": reply(200, gzip.compress(deflated(BODY)), [("Content-Encoding", "deflate, gzip")]),
    "identity": reply(200, BODY, [("Content-Encoding", "identity")]),
    "unknown coding": reply(200, BODY, [("Content-Encoding", "rot13")]),
    "100 first": head(status="HTTP/1.1 100 Continue") + reply(200, BODY),
    "103 first": head("Link: </x>", status="HTTP/1.1 103 Early Hints") * 3 + reply(200, BODY),
    "names in capitals": reply(200, b"", [("X-ONE", "1"), ("ETag", '"x"')]),
    "repeated": reply(200, b"", [("X-A", "1"), ("x-a", "2"), ("X-B", ""), ("X-A", "3")]),
    "repeated cookies": reply(200, b"", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")]),
    "repeated length": reply(200, b"ab", [("Content-Length", "2")]),
    "listed length": head("Content-Length: 2, 2") + b"ab",
    "folded": head("X-A: one", "  two", "\tthree", "X-B: 2", "Content-Length: 0"),
    "spaces": head("X-A: \t one \t", "Content-Length:0"),
    "UTF-8": reply(200, b"", [("X-A", "å".encode().decode("latin-1"))]),
    "Latin-1": reply(200, b"", [("X-A", "å")]),
    "both": reply(200, b"", [("X-A", "å"), ("X-B", "å".encode().decode("latin-1"))]),
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab",
    "odd status": head("Content-Length: 0", status="HTTP/1.1 599 Odd"),
    "HTML": reply(502, b"<html>bad gateway</html>", [("Content-Type", "text/html")]),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers_are_read_as_httpx_reads_them(name: str, connect: Connect) -> None:
    with Server(handle=then_close(WHOLE[name])) as server:
        expected = by_httpx(server.url)
        assert isinstance(expected, tuple), expected
        assert by_green(connect(server.url)) == expected


BROKEN = {
    "nothing": b"",
    "cut in the status": b"HTTP/1.1 20",
    "cut in a header": head("Content-Type: text/plain")[:-10],
    "cut after a header": head("Content-Type: text/plain")[:-2],
    "cut in the length": head("Content-Length: 25")[:-5],
    "cut body": reply(200, BODY)[:-10],
    "cut before the body": reply(200, BODY)[: -len(BODY)],
    "cut in a chunk": head("Transfer-Encoding: chunked") + CHUNKED[:6],
    "cut between chunks": head("Transfer-Encoding: chunked") + CHUNKED[:10],
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no colon": head("no colon", "Content-Length: 2") + b"ab",
    "no colon, last": head("Content-Length: 2", "no colon") + b"ab",
    "blank before the colon": head("X-A : space", "Content-Length: 2") + b"ab",
    "bad length": head("Content-Length: 2x") + b"ab",
    "signed length": head("Content-Length: +2") + b"ab",
    "negative length": head("Content-Length: -2") + b"ab",
    "two lengths": head("Content-Length: 2", "Content-Length: 3") + b"abc",
    "unknown transfer coding": head("Transfer-Encoding: gzip") + GZIPPED,
    "no gzip": reply(200, BODY, [("Content-Encoding", "gzip")]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_are_refused_in_httpxs_words(name: str, connect: Connect) -> None:
    with Server(handle=then_close(BROKEN[name])) as server:
        expected = by_httpx(server.url)
        assert isinstance(expected, str), expected
        assert by_green(connect(server.url)) == expected


# Two readers could take these differently, which is how answers are smuggled.
STRICTER = {
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 999") + CHUNKED,
    "bare line feeds": b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nab",
    "one bare line feed": b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nab",
    "control character": head("X-A: \x01", "Content-Length: 2") + b"ab",
    "blank after a chunk size": head("Transfer-Encoding: chunked") + b"2 \r\nab\r\n0\r\n\r\n",
    "HTTP/2.0": head("Content-Length: 2", status="HTTP/2.0 200 OK") + b"ab",
}


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
