"""Headers and bodies as httpx encodes or rejects them for upstream's clients.

The error messages are those of httpx 0.28 and h11 0.16, which upstream's users see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pywats_green.redaction import Secret, guarded, guarded_url, without_user_info

# h11's rules: RFC 9110, 5.1 and 5.5, but anything except NUL, CR and LF inside a value.
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_VALUE = re.compile(rb"(?:[^\x00\s](?:[^\x00\r\n]*[^\x00\s])?)?")


def checked_headers(
    standing: Mapping[str, str], extra: Mapping[str, str | bytes] | None
) -> dict[str, str]:
    """Merge and validate the headers of a client and a call.

    Args:
        standing: The client's headers.
        extra: The call's headers, which take precedence. None: there are none.

    Returns:
        Headers that can be sent.

    Raises:
        TypeError: A value is neither str nor bytes.
        ValueError: A name or value is illegal. The message never shows the value of
            Authorization, which contains the token.
    """
    given: Mapping[str, str | bytes] = {**standing, **extra} if extra else standing
    headers = guarded({name: _text_of(name, value) for name, value in given.items()})
    for name, value in headers.items():
        _check(name, value)
    return headers


CREDENTIALS = ("base_url", "token")  # the first parameters of `pyWATS` and `HttpClient`


def guarded_arguments(
    args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of one of those with the credentials as a `Secret` each."""
    positional = (*map(guarded_argument, CREDENTIALS, args), *args[len(CREDENTIALS) :])
    return positional, {name: guarded_argument(name, value) for name, value in given.items()}


def guarded_argument(name: str, value: Any) -> Any:
    """Return an argument, as a `Secret` if it is one."""
    if not isinstance(value, str) or name not in CREDENTIALS:
        return value
    return guarded_url(value) if name == "base_url" else Secret(value)


def guard(client: Any) -> None:
    """Make the credentials of one of upstream's clients a `Secret` each."""
    for name in CREDENTIALS:
        setattr(client, name, guarded_argument(name, getattr(client, name)))
    client._headers = guarded(client._headers)


def guarded_headers(headers: Any) -> Any:
    """Return the headers of a call with the credentials as a `Secret` each.

    Whatever `checked_headers` rejects stays as it is.
    """
    if not isinstance(headers, Mapping):
        return headers
    return {name: _guarded_header(name, value) for name, value in headers.items()}


def _guarded_header(name: Any, value: Any) -> Any:
    if not (isinstance(name, str) and isinstance(value, (str, bytes))):
        return value
    return guarded({name: _decoded(value)})[name]


def _decoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _text_of(name: str, value: str | bytes) -> str:
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"Header value must be str or bytes, not {type(value)}")
    text = _decoded(value)
    # RFC 9110, 10.1.3: without user info, which a redirect would hand to another server.
    return without_user_info(text) if name.lower() == "referer" else text


def _check(name: str, value: str) -> None:
    if name.lower() == "authorization":
        if not (value.isascii() and _VALUE.fullmatch(value.encode())):
            raise ValueError(f"the token {_fault_of(value)}: strip it before creating the client")
        return
    if not _NAME.fullmatch(name.encode("ascii")):
        raise ValueError(f"Illegal header name {name.encode()!r}")
    encoded = value.encode("ascii")
    if not _VALUE.fullmatch(encoded):
        raise ValueError(f"Illegal header value {encoded!r}")


def _fault_of(value: str) -> str:
    if "\n" in value or "\r" in value:
        return "contains a line break"
    if not value.isascii():
        return "contains a non-ASCII character"
    if "\x00" in value:
        return "contains a control character"
    return "is empty, or starts or ends with a blank"


class Body(NamedTuple):
    """An encoded body.

    Attributes:
        content: The bytes; a list of them, to be sent in as many chunks; None for no body.
        headers: Headers that describe it, other than its length.
    """

    content: bytes | list[bytes] | None
    headers: Mapping[str, str] = {}


def encode_body(data: Any, *, is_blocking: bool) -> Body:
    """Encode the body of a request.

    Args:
        data: A dict or list is sent as compact JSON, a str as UTF-8, bytes unchanged.
        is_blocking: Whether the call is made by upstream's blocking client, which also accepts
            iterables of bytes and sends them chunked; its asyncio client rejects them.

    Returns:
        The body.

    Raises:
        TypeError: `data` has another type, or contains a value that JSON cannot represent.
        ValueError: `data` contains a number that JSON cannot represent.
        RuntimeError: `data` is an iterable, and the client the asyncio one.
    """
    if data is None or isinstance(data, bytes):
        return Body(data)
    if isinstance(data, (dict, list)):
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Body(text.encode("utf-8"))
    if isinstance(data, str):
        return Body(data.encode("utf-8"))
    if not isinstance(data, Iterable):
        raise TypeError(f"Unexpected type for 'content', {type(data)!r}")
    if not is_blocking:
        raise RuntimeError("Attempted to send an sync request with an AsyncClient instance.")
    pieces = list(data)
    for piece in pieces:
        b"".join((b"%x" % len(piece), piece))  # as httpx does it, to fail with the same error
    return Body(pieces, {"Transfer-Encoding": "chunked"})
