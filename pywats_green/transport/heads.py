"""Heads of answers: where they end, what cannot become one, what is mended, what the words are.

All here is for answers that came in pieces, are preceded by interim ones, or that llhttp refused.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import TypeAlias

from httptools import HttpParserError

from pywats_green.exceptions import TransportError

_LIMIT = 262_144  # bytes, interim answers included; upstream's library fails above 80,000
_MOST_LINES = 10_000
LONG = 2 * _MOST_LINES  # bytes; a shorter head keeps all bounds

_END = b"\r\n\r\n"
_START = b"HTTP/1."
_STATUS_AT = len("HTTP/1.1 ")
_INTERIM = ord("1")
_SWITCHING = b"101"

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\r\n]*)?\r\n")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_FOLD = re.compile(rb"\r\n[ \t]+")
_LENGTH_LINE = re.compile(rb"content-length:", re.IGNORECASE)

_BARE = "a line of the head ends without a carriage return"
_TOO_LONG = "Receive buffer too long"  # the words of upstream's library

# Where a head begins, with interim answers before it, and where it ends; 0: not received yet.
Head: TypeAlias = tuple[int, int]


def receive_head(receive: Callable[[], bytes], received: bytes) -> tuple[bytes, Head]:
    """Receive until there is a whole head, with interim answers before it."""
    head, known = find_head(received), 0
    while not head[1]:
        _check_beginning(received, head[0], known)
        if len(received) > _LIMIT:
            raise TransportError(_TOO_LONG)
        known = len(received)
        piece = receive()
        if not piece:
            raise http.client.RemoteDisconnected("cut in the middle of the head")
        received += piece
        head = find_head(received, head[0])
    return received, head


def find_head(received: bytes, begin: int = 0) -> Head:
    """Return where the head of the answer is, from `begin` on.

    Raises:
        TransportError: What stands there is no HTTP, or switches to something else.
    """
    while True:
        end = received.find(_END, begin) + len(_END)
        if end < len(_END):
            return begin, 0
        if not received.startswith(_START, begin):
            raise no_status_line(received[begin:end])
        if received[begin + _STATUS_AT] != _INTERIM:
            return begin, end
        line = _STATUS_LINE.match(received, begin)
        if line is None:
            raise no_status_line(received[begin:end])
        if line[1] == _SWITCHING:
            raise TransportError("the server switched to a protocol that nobody asked for")
        if _BARE_LINE_FEED.search(received, begin, end):  # another end, perhaps
            raise TransportError(_BARE)
        begin = end


def _check_beginning(received: bytes, begin: int, known: int) -> None:
    """Refuse at once what cannot become a head, rather than wait for its end."""
    if received.find(b"\n", begin) < 0:
        is_possible = _START.startswith(received[begin : begin + len(_START)])
    else:
        is_possible = _STATUS_LINE.match(received, begin) is not None
    if not is_possible:
        raise no_status_line(received[begin:])
    if _BARE_LINE_FEED.search(received, max(begin, known)):
        raise TransportError(_BARE)


def no_status_line(received: bytes) -> TransportError:
    """Return the error for what begins with no status line."""
    line = bytearray(received[:1_000].split(b"\r\n")[0])
    return TransportError(f"illegal status line: {line!r}")


def joined(head: bytes) -> dict[str, str]:
    """Read the headers of a head that was found sound, where some of them come twice."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def check_length(received: bytes, end: int) -> None:
    """Refuse a head, ending there, that is beyond the bounds.

    Raises:
        TransportError: It is.
    """
    if end > _LIMIT or received.count(b"\n", 0, end) > _MOST_LINES:
        raise TransportError(_TOO_LONG)


def mended(received: bytes, end: int) -> bytes:
    """Unfold the header lines before `end`, and say a length once that is said twice."""
    heads = received[:end].split(_END)[:-1]
    return b"".join([*(_mended_head(head) + _END for head in heads), received[end:]])


def _mended_head(head: bytes) -> bytes:
    status_line, separator, rest = head.partition(b"\r\n")
    # The first of them continues nothing: where it begins with a blank, it stays and is refused.
    lines = _FOLD.sub(b" ", rest).split(b"\r\n")
    places = [place for place, line in enumerate(lines) if _LENGTH_LINE.match(line)]
    said = b",".join(lines[place].partition(b":")[2] for place in places)
    lengths = {length.strip(b" \t") for length in said.split(b",")}
    if b"," in said and len(lengths) == 1:
        lines[places[0]] = b"Content-Length: " + lengths.pop()
        again = set(places[1:])
        lines = [line for place, line in enumerate(lines) if place not in again]
    return status_line + separator + b"\r\n".join(lines)


def refusal(head: bytes, exc: HttpParserError) -> TransportError:
    """Say what is wrong with a head, in the words of upstream's library where it has any."""
    lines = head[: -len(_END)].split(b"\r\n")[1:]
    for line in lines:
        if not _HEADER_LINE.fullmatch(line):
            return TransportError(f"illegal header line: {bytearray(line)!r}")
    lengths = {line.partition(b":")[2].strip() for line in lines if _LENGTH_LINE.match(line)}
    if len(lengths) > 1:
        return TransportError("conflicting Content-Length headers")
    if lengths and not lengths.pop().isdigit():
        return TransportError("bad Content-Length")
    return TransportError(str(exc))
