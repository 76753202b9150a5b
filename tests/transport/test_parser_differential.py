"""The reader compared with h11, which upstream uses: they agree, or the difference is listed.

Streams are made of sound and broken parts, cut anywhere. Where both take an answer it is the same
one. Where one of them refuses, the reason is listed below.
"""

from __future__ import annotations

import http.client
import itertools
import random
import re
from collections.abc import Iterator
from typing import NamedTuple

import h11
import httpx
import pytest
from faults.answers import BROKEN, STRICTER, WHOLE, head

from pywats_green.exceptions import TransportError
from pywats_green.transport.reader import Reader

# What h11 takes and we refuse: how our words begin, and why. The reverse does not occur.
STRICTER_THAN_H11 = {
    "a line of the head ends without a carriage return": "bare line feeds",
    "Missing expected CR after": "bare line feeds",
    "Missing expected LF after": "bare carriage returns",
    "Expected LF after": "bare carriage returns",
    "illegal status line: ": "bare line feeds; control characters; HTTP beyond 1.x",
    "illegal header line: ": "bare line feeds; control characters, which h11 takes in cookies",
    "Invalid HTTP version": "there is no HTTP/1.2",
    "Transfer-Encoding can't be present with Content-Length": "where does the answer end?",
    "Content-Length can't be present with Transfer-Encoding": "where does the answer end?",
    "Invalid character in chunk size": "blanks behind it",
    "Invalid character in chunk extensions": "no tokens",
    "Invalid header value char": "control characters in trailers and interim answers",
    "Invalid header field char": "the same in a name",
    "Unexpected whitespace after header value": "folded trailers; only heads are mended",
    "Data after `Connection: close`": "an interim answer that says close, or is of HTTP/1.0",
}


# Refused in whatever words: h11 takes a bare line feed for the end of a line, and may see the head
# end there.
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Read(NamedTuple):
    """The result of reading a response."""

    status: int
    headers: dict[str, str]
    body: bytes


def by_h11(pieces: list[bytes], method: str) -> tuple[Read | str, bool]:
    """Read like httpcore; also return whether it would reuse the connection."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    left = [*pieces, b""]
    response, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if not left[0] and connection.their_state is h11.SEND_RESPONSE:
                    return "cut in the head", False
                connection.receive_data(left.pop(0))
            elif isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    return "101", False
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
    except (h11.RemoteProtocolError, IndexError) as exc:
        return str(exc), False
    assert response is not None
    headers = dict(httpx.Headers(list(response.headers)))
    # h11 uses no connection of HTTP/1.0 again; we do where the server says keep-alive.
    is_open = connection.their_state is h11.DONE or response.http_version == b"1.0"
    is_over = is_open and not connection.trailing_data[0]
    return Read(response.status_code, headers, body), is_over


def by_reader(pieces: list[bytes], method: str) -> tuple[Read | str, bool]:
    left = [piece for piece in pieces if piece]
    try:
        answer, can_go_on = Reader().read(lambda: left.pop(0) if left else b"", method)
    except (TransportError, http.client.HTTPException) as exc:
        return str(exc) or type(exc).__name__, False
    return Read(answer.status, answer.headers, answer.content), can_go_on


def compare(stream: bytes, method: str, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    ours, we_go_on = by_reader(pieces, method)
    theirs, they_go_on = by_h11([stream], method)
    if isinstance(ours, Read) and isinstance(theirs, Read):
        assert ours.status == theirs.status, stream
        assert ours.body == theirs.body, stream
        assert as_compared(ours.headers) == as_compared(theirs.headers), stream
        if len(pieces) == 1:
            assert they_go_on or not we_go_on, stream
    elif isinstance(ours, Read):
        pytest.fail(f"h11 refuses what we take: {stream!r}: {theirs}: {ours}")
    elif isinstance(theirs, Read):
        is_known = ours.startswith(tuple(STRICTER_THAN_H11))
        assert is_known or _BARE_LINE_FEED.search(stream), (stream, ours)


def as_compared(headers: dict[str, str]) -> dict[str, str]:
    """Normalise what h11 changes: it lower-cases the transfer coding."""
    return {k: v.lower() if k == "transfer-encoding" else v for k, v in headers.items()}


HEADS = [
    head(status=f"HTTP/1.1 {status}")[:-2]
    for status in ("200 OK", "204 No Content", "304 Not Modified", "404", "500 Å")
] + [b"HTTP/1.0 200 OK\r\n"]
INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
LINES = [
    b"Content-Length: 2\r\n", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n",
    b"content-length:2, 2\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: Chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: a, close\r\n",
    b"X-A: one\r\n two\r\n", b"X-A: \t1 \t\r\n", b"X-A:\r\n", b"Set-Cookie: a=1\r\n",
    b"X-A: \xc3\xa5\r\n", b"X-A: \xe5\r\n", b"X-A: \x85\r\n", b"X-A : 1\r\n", b"X\xff: 1\r\n",
    b" x\r\n", b"Upgrade: x\r\n", b"Trailer: x\r\n", b"no colon\r\n", b":\r\n",
]  # fmt: skip
CHUNKS = b"1\r\na\r\n1;x=y\r\nb\r\n0\r\n"
BODIES = [
    b"", b"ab", b"a", b"\r\n", CHUNKS + b"\r\n", CHUNKS + b"X-T: 1\r\n\r\n",
    CHUNKS + b"X-T: 1\r\n 2\r\n\r\n", b"02\r\nab\r\n000\r\n\r\n", CHUNKS, b"2 \r\nab\r\n0\r\n\r\n",
]  # fmt: skip
BEHIND = [b"", b"", b"", b"\r\n", b"x", b"HTTP/1.1 408 Late\r\n\r\n", b"HTTP/1.1 2", b"0\r\n\r\n"]
MARKS = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"0", b"-", b"+", b"\0", b"\x01", b"\x7f", b"\x85",
    b"\xa0", b"\xff", b"2", b",", b";", b"Content-Length: 2\r\n", b"HTTP/1.1 200 OK\r\n",
    b"\r\n ", b"a", b"A",
]  # fmt: skip
METHODS = ("GET", "GET", "GET", "POST", "HEAD")


def streams(seed: int) -> Iterator[tuple[bytes, str, random.Random]]:
    """Yield streams of valid and broken parts, endlessly."""
    chance = random.Random(seed)
    seeds = [*WHOLE.values(), *BROKEN.values(), *STRICTER.values()]
    while True:
        if chance.random() < 0.3:
            stream = chance.choice(seeds)
        else:
            lines = b"".join(chance.choices(LINES, k=chance.randrange(4)))
            parts = [chance.choice(HEADS), lines, b"\r\n", chance.choice(BODIES)]
            parts.insert(0, b"".join(chance.choices(INTERIM, k=chance.choice((0, 0, 0, 1, 2)))))
            stream = b"".join([*parts, chance.choice(BEHIND)])
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            at = chance.randrange(len(stream) + 1)
            stream = stream[:at] + chance.choice([b"", *MARKS]) + stream[at + chance.randrange(2) :]
        yield stream, chance.choice(METHODS), chance


def run(seed: int, count: int, *, everywhere: int) -> None:
    made = streams(seed)
    for number in range(count):
        stream, method, chance = next(made)
        compare(stream, method, [])
        compare(stream, method, [chance.randrange(len(stream) + 1) for _ in range(2)])
        if number % everywhere == 0:
            compare(stream, method, list(range(1, len(stream))))
            for at in range(len(stream) + 1):
                compare(stream, method, [at])
                compare(stream[:at], method, [])


def test_agrees_with_h11() -> None:
    run(1, 4_000, everywhere=100)


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", [2, 3])
def test_agrees_with_h11_for_long(seed: int) -> None:
    run(seed, 30_000, everywhere=50)
