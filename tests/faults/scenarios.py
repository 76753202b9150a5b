"""What a server does with one request, as data. What upstream makes of it is in recorded.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Literal, NamedTuple

from parity.scripted import WHOLE_ANSWERS
from transport.servers import reply

from faults.answers import BODY, BROKEN, CHUNKED, GZIPPED, STRICTER, WHOLE, deflated, gzipped, head

TARGET = "/x"


class Scenario(NamedTuple):
    """An exchange.

    Attributes:
        answer: What the server sends.
        surplus: What it sends behind the answer, together with its last byte: a client that has
            asked for something else by then could not tell it from that answer.
        ending: What becomes of the connection then.
        verb: The method that is called.
        is_early: Whether the server answers before it reads the body, and never reads it.
    """

    answer: bytes
    surplus: bytes = b""
    ending: Literal["keep", "close", "reset"] = "close"
    verb: Literal["get", "post"] = "get"
    is_early: bool = False


def chunked(body: bytes) -> bytes:
    return head("Transfer-Encoding: chunked") + body


def with_lines(*lines: str) -> bytes:
    return head(*lines, "Content-Length: 2") + b"ab"


def with_status(line: str) -> bytes:
    return head("Content-Length: 2", status=line) + b"ab"


HEADER_LINES = {
    "1,000 lines": with_lines(*(f"X-{number}: {number}" for number in range(1_000))),
    "2,000 short lines": with_lines(*["A:"] * 2_000),
    "a line of 60 kB": with_lines(f"X-A: {'a' * 60_000}"),
    "a line of 200 kB": with_lines(f"X-A: {'a' * 200_000}"),
    "a head of 300 kB": with_lines(*(f"X-A: {'a' * 990}" for _ in range(300))),
    "11,000 lines": with_lines(*["X-A: 1"] * 11_000),
    "all characters of a name": with_lines("!#$%&'*+-.^_`|~09azAZ: 1"),
    "blanks and tabs in a value": with_lines("X-A: a \t b"),
    "nothing but blanks": with_lines("X-A: \t \t"),
    "a colon in a value": with_lines("X-A: b: c", "X-B::"),
    "Latin-1 in a value": with_lines("X-A: \xe5\xa0\xff"),
    "a folded line, long": with_lines("X-A: a", *[" b"] * 100),
    "a folded line, blank": with_lines("X-A: a", "  ", " b"),
    "a folded first line": head(" X-A: 1", "Content-Length: 2") + b"ab",
    "a folded first line, tab": head("\tX-A: 1", "Content-Length: 2") + b"ab",
    "From without a colon": with_lines("From me"),
    "From a mailbox": with_lines("From me@example.com Sat Jan  3 01:05:34 1996"),
    "no name": with_lines(": v"),
    "no name, no value": with_lines(":"),
    "NUL in a value": with_lines("X-A: a\0b"),
    "NUL in a name": with_lines("X\0A: b"),
    "a blank in a name": with_lines("X A: b"),
    "a tab before the colon": with_lines("X-A\t: b"),
    "brackets in a name": with_lines("(X-A): b"),
    "Latin-1 in a name": with_lines("X-\xe5: b"),
    "a bare carriage return": with_lines("X-A: a\rX-B: b"),
    "DEL in a value": with_lines("X-A: a\x7f"),
    "a carriage return too many": b"HTTP/1.1 200 OK\r\nX-A: 1\r\r\nContent-Length: 2\r\n\r\nab",
}

LENGTHS = {
    f"length {length!r}": head(f"Content-Length: {length}") + b"ab"
    for length in (
        *("2", "02", "0000000000000002", "2, 2, 2", "2,2", "2 ", "\t2"),
        *("", "-2", "+2", "2.0", "0x2", "1_0", "2 2", "2, 3", "2,", ",2", "2;", "\xb2", "9" * 19),
        *("9" * 20, "9" * 40),
    )
} | {
    "lengths that differ by zeros": head("Content-Length: 2", "Content-Length: 02") + b"ab",
    "an empty length and a length": head("Content-Length:", "Content-Length: 2") + b"ab",
    **{
        f"transfer coding {coding!r}": head(f"Transfer-Encoding: {coding}") + CHUNKED
        for coding in (
            *("chunked", " CHUNKED ", "identity", "chunked, chunked", "gzip, chunked", "xchunked"),
            *("chunked;q=1", "", "chunked,", ",chunked", "chunked, identity", '"chunked"'),
        )
    },
    "two transfer codings": head(*["Transfer-Encoding: chunked"] * 2) + CHUNKED,
    "chunked, HTTP/1.0": head("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK") + CHUNKED,
}

CHUNKS = {
    **{
        f"chunk size {size!r}": chunked(f"{size}\r\nhello world\r\n0\r\n\r\n".encode("latin-1"))
        for size in (
            *("b", "B", "000b", "0" * 19 + "b", "b;x", "b;x=y", 'b;x="y z"', "b;x;y=1"),
            *("+b", "-b", " b", "\tb", "0xb", "0Xb", "b.", "bh", "g", "", ";x", "b h", "b,"),
            *("0" * 20 + "b", "f" * 17, "\xb2", "b\t", "b ; x", "b;\0"),
        )
    },
    **{
        f"chunk end {end!r}": chunked(b"b\r\nhello world" + end + b"0\r\n\r\n")
        for end in (b"", b"\n", b"\r", b"!\r\n", b" \r\n", b"\r\n\r\n", b"\r\r\n", b"XX")
    },
    **{
        f"trailer {trailer!r}": chunked(b"b\r\nhello world\r\n0\r\n" + trailer + b"\r\n")
        for trailer in (
            *(b"", b"X-A: 1\r\n", b"X-A: 1\r\nX-B:\r\n", b"Content-Length: 2\r\n"),
            *(b"garbage\r\n", b": v\r\n", b"X A: 1\r\n", b" folded\r\n", b"X-A: \0\r\n", b"!\r\n"),
        )
    },
    "no chunk but the last": chunked(b"0\r\n\r\n"),
    "a last chunk of five zeros": chunked(b"b\r\nhello world\r\n00000\r\n\r\n"),
    "no empty line at the end": chunked(b"b\r\nhello world\r\n0\r\n"),
    "no last chunk": chunked(b"b\r\nhello world\r\n"),
    "a chunk a byte": chunked(b"1\r\na\r\n" * 500 + b"0\r\n\r\n"),
}

STATUS_LINES = {
    f"status line {line!r}": with_status(line)
    for line in (
        *(
            "HTTP/1.1 200",
            "HTTP/1.1 200 ",
            "HTTP/1.1 200 \xc5\xe5",
            "HTTP/1.1 999 ?",
            "HTTP/1.0 200",
        ),
        *("HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 099 x", "HTTP/1.1 000 x", "HTTP/1.1 abc OK"),
        *("HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1\t200 OK", " HTTP/1.1 200 OK"),
        *("HTTP/1.1", "HTTP/1.1 ", "HTTP 200 OK", "http/1.1 200 OK", "HTTP/11 200 OK", ""),
        *("HTTP/0.9 200 OK", "HTTP/2 200 OK", "HTTP/1.1.1 200 OK", "HTTP/-1.1 200 OK"),
        *("ICY 200 OK", "GET / HTTP/1.1", "HTTP/1.1 -200 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 2 0 OK"),
        *("HTTP/1.1 200 O\0K", "HTTP/1.1 200 O\rK", "HTTP/1.2 200 OK"),
    )
} | {
    "an empty line first": b"\r\n" + reply(200, BODY),
    "a body without a head": BODY,
    "100, then nothing": head(status="HTTP/1.1 100 Continue"),
    "100, then cut": head(status="HTTP/1.1 100 Continue") + b"HTTP/1.1 200 OK\r\nX-A",
    "twenty interim answers": head("X-A: 1", status="HTTP/1.1 102 Processing") * 20 + reply(),
    "a folded interim answer": head("X-A: 1", " 2", status="HTTP/1.1 103 Hints") + reply(),
    "a broken interim answer": head("no colon", status="HTTP/1.1 103 Hints") + reply(),
    "101": head("Upgrade: x", "Connection: upgrade", status="HTTP/1.1 101 Switching") + reply(),
}


def _gzipped(body: bytes, _: int) -> bytes:
    return gzipped(body)


ENCODINGS = {
    f"encoded: {name}": reply(200, body, [("Content-Encoding", coding)])
    for name, coding, body in (
        ("gzip without its checksum", "gzip", GZIPPED[:-8]),
        ("gzip cut in its checksum", "gzip", GZIPPED[:-3]),
        ("gzip cut in the middle", "gzip", GZIPPED[:30]),
        ("gzip of one byte", "gzip", GZIPPED[:1]),
        ("gzip with a wrong checksum", "gzip", GZIPPED[:-8] + bytes(8)),
        ("gzip in two members", "gzip", GZIPPED + gzipped(b"[1]")),
        ("gzip, the second member cut", "gzip", GZIPPED + GZIPPED[:-8]),
        ("gzip and more", "gzip", GZIPPED + b"more"),
        ("gzip and zeros", "gzip", GZIPPED + bytes(8)),
        ("deflate without its checksum", "deflate", deflated(BODY)[:-4]),
        ("deflate cut", "deflate", deflated(BODY)[:20]),
        ("deflate and more", "deflate", deflated(BODY) + b"more"),
        ("raw deflate cut", "deflate", deflated(BODY, -15)[:-3]),
        ("gzip that is deflate", "gzip", deflated(BODY)),
        ("six times", ", ".join(["gzip"] * 6), reduce(_gzipped, range(6), BODY)),
        ("shouted", "GZIP", GZIPPED),
    )
}
ENCODINGS["encoded: truncated in chunks"] = (
    head("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIPPED) - 9, GZIPPED[:-9])
)  # fmt: skip

WITHOUT_A_LENGTH = ("no length, closed", "HTTP/1.0")  # the body ends with the connection


def _named(answers: dict[str, bytes], *closing: str) -> Iterator[tuple[str, Scenario]]:
    for name, answer in answers.items():
        yield name, Scenario(answer, ending="close" if name in closing else "keep")


def _ended(*groups: dict[str, bytes]) -> Iterator[tuple[str, Scenario]]:
    for answers in groups:
        for name, answer in answers.items():
            yield name, Scenario(answer)


def _scripted() -> Iterable[tuple[str, Scenario]]:
    answers = {path: data for path, data in WHOLE_ANSWERS.items() if "/redirect/" not in path}
    return _ended(answers)


SOUND = reply(200, BODY, [("Content-Type", "application/json")])
EARLY = reply(413, b'{"Message":"too big"}', [("Connection", "close")])
BEHAVIOUR = {
    "surplus bytes": Scenario(SOUND, b"x", "keep"),
    "surplus: an answer": Scenario(SOUND, reply(200, b'"foreign"'), "keep"),
    "surplus: a late 408": Scenario(SOUND, reply(408, b"", [("Connection", "close")])),
    "surplus behind 204": Scenario(WHOLE["204"], BODY, "keep"),
    "surplus behind 304": Scenario(WHOLE["304"], b"abcde", "keep"),
    "surplus behind chunks": Scenario(chunked(CHUNKED), b"0\r\n\r\n", "keep"),
    "reset at once": Scenario(b"", ending="reset"),
    "reset in the head": Scenario(SOUND[:30], ending="reset"),
    "reset in the body": Scenario(SOUND[:-5], ending="reset"),
    "post": Scenario(SOUND, ending="keep", verb="post"),
    "post, closed": Scenario(b"", verb="post"),
    "post, cut": Scenario(SOUND[:-5], verb="post"),
    "post, reset": Scenario(b"", ending="reset", verb="post"),
    "early 413": Scenario(EARLY, verb="post", is_early=True),
    "early 413, cut": Scenario(EARLY[:-3], verb="post", is_early=True),
    "early nothing": Scenario(b"", verb="post", is_early=True),
}

SCENARIOS: dict[str, Scenario] = dict(
    [
        *_named(WHOLE, *WITHOUT_A_LENGTH),
        *_ended(BROKEN, STRICTER, HEADER_LINES, LENGTHS, CHUNKS, STATUS_LINES, ENCODINGS),
        *_scripted(),
        *BEHAVIOUR.items(),
    ]
)
