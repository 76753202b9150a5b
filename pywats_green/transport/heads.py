"""Heads of responses: finding their end, rejecting them early, repairs, and error messages.

Used only for responses that arrive in pieces, follow interim ones, or are rejected by llhttp.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from typing import TypeAlias

from httptools import HttpParserError

from pywats_green.exceptions import TransportError

LONGEST = 262_144  # bytes, including interim responses; upstream's library takes 100 kB
_MOST_LINES = 10_000
LONG = 2 * _MOST_LINES  # bytes; a shorter head is within all bounds

END = b"\r\n\r\n"
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
TOO_LONG = "Receive buffer too long"  # the message of upstream's library

# Start of the final head, after any interim responses, and its end; 0: not received yet.
Head: TypeAlias = tuple[int, int]


def receive_head(receive: Callable[[], bytes], received: bytes) -> tuple[bytes, Head]:
    """Receive until a final head is complete.

    Args:
        receive: Returns what arrives next; nothing at the end of the connection.
        received: What has arrived so far.

    Returns:
        What has arrived, and where the head is in it.

    Raises:
        http.client.RemoteDisconnected: The connection ended in the middle of the head.
        TransportError: The head is too long, or not HTTP.
    """
    head, known = find_head(received), 0
    while not head[1]:
        _check_beginning(received, head[0], known)
        if len(received) > LONGEST:
            raise TransportError(TOO_LONG)
        known = len(received)
        piece = receive()
        if not piece:
            raise http.client.RemoteDisconnected("cut in the middle of the head")
        received += piece
        head = find_head(received, head[0])
    return received, head


def find_head(received: bytes, begin: int = 0) -> Head:
    """Locate the final head, starting at `begin`.

    Raises:
        TransportError: It is not HTTP, or switches to another protocol.
    """
    while True:
        end = received.find(END, begin) + len(END)
        if end < len(END):
            return begin, 0
        if not received.startswith(_START, begin):
            raise no_status_line(received[begin:end])
        if received[begin + _STATUS_AT] != _INTERIM:
            return begin, end
        line = _STATUS_LINE.match(received, begin)
        if line is None:
            raise no_status_line(received[begin:end])
        if line[1] == _SWITCHING:
            raise TransportError("the server switched to a protocol that was not requested")
        if _BARE_LINE_FEED.search(received, begin, end):  # other parsers may see another end
            raise TransportError(_BARE)
        begin = end


def _check_beginning(received: bytes, begin: int, known: int) -> None:
    """Reject what cannot become a head at once, rather than waiting for its end."""
    if received.find(b"\n", begin) < 0:
        is_possible = _START.startswith(received[begin : begin + len(_START)])
    else:
        is_possible = _STATUS_LINE.match(received, begin) is not None
    if not is_possible:
        raise no_status_line(received[begin:])
    if _BARE_LINE_FEED.search(received, max(begin, known)):
        raise TransportError(_BARE)


def no_status_line(received: bytes) -> TransportError:
    """Return the error for a response without a valid status line."""
    line = bytearray(received[:1_000].split(b"\r\n")[0])
    return TransportError(f"illegal status line: {line!r}")


def joined(head: bytes) -> dict[str, str]:
    """Read the headers of a valid head, joining repeated ones."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def check_length(received: bytes, end: int) -> None:
    """Reject a head, ending at `end`, that exceeds the bounds.

    Raises:
        TransportError: It does.
    """
    if end > LONGEST or received.count(b"\n", 0, end) > _MOST_LINES:
        raise TransportError(TOO_LONG)


def mended(received: bytes, end: int) -> bytes:
    """Unfold the header lines before `end`, and merge repeated equal Content-Lengths."""
    heads = received[:end].split(END)[:-1]
    return b"".join([*(_mended_head(head) + END for head in heads), received[end:]])


def _mended_head(head: bytes) -> bytes:
    status_line, separator, rest = head.partition(b"\r\n")
    # A first line that starts with a blank continues nothing; it is left and rejected.
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
    """Return the error for a rejected head, with upstream's library's message if it has one."""
    lines = head[: -len(END)].split(b"\r\n")[1:]
    for line in lines:
        if not _HEADER_LINE.fullmatch(line):
            return TransportError(f"illegal header line: {bytearray(line)!r}")
    lengths = {line.partition(b":")[2].strip() for line in lines if _LENGTH_LINE.match(line)}
    if len(lengths) > 1:
        return TransportError("conflicting Content-Length headers")
    if lengths and not lengths.pop().isdigit():
        return TransportError("bad Content-Length")
    return TransportError(str(exc))
