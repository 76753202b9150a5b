"""Serialises requests: targets, byte for byte as httpx does, and messages.

A client repeats its headers, so their lines are cached.
"""

from __future__ import annotations

import re
import socket
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

import httpx

from pywats_green.exceptions import TransportConnectError, TransportError, TransportSetupError
from pywats_green.redaction import Secret, without_user_info

# Paths that httpx sends unchanged: unreserved characters, no empty or dot segments.
_PLAIN_PATH = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+")
_LONG = 8_192  # characters; httpx rejects very long URLs, so long ones are left to it

LAST_PORT = 65_535


class Origin:
    """The origin that a client's requests go to.

    Args:
        base_url: Scheme, host, and optionally user info, port and path prefix.

    Attributes:
        root: Scheme and authority, without user info.
        headers: Headers implied by the URL: as in httpx, user info replaces the token.

    Raises:
        TransportSetupError: As `root_of`.
        httpx.InvalidURL: It is not a valid URL.
    """

    def __init__(self, base_url: str) -> None:
        self._url, authorization = _split(base_url)
        self._prefix = self._url.raw_path.decode("ascii").removesuffix("/")
        self.root = root_of(self._url)
        self.headers: dict[str, str] = {}
        if authorization is not None:
            self.headers["Authorization"] = authorization

    def target(self, endpoint: str, params: Mapping[str, Any] | None) -> str:
        """Return path and query for an endpoint.

        Args:
            endpoint: Unescaped path, starting with a slash; may contain a query.
            params: Query parameters. None: keep the endpoint's query. Anything else, even an empty
                mapping, replaces it.

        Returns:
            The request target in origin form.

        Raises:
            httpx.InvalidURL: The endpoint is not a valid URL.
        """
        if _PLAIN_PATH.fullmatch(endpoint) and "?" not in self._prefix:
            target = self._prefix + endpoint
            if params:
                target = f"{target}?{urlencode(list(_pairs(params)))}"
            if len(target) < _LONG:
                return target
        return self._target_by_httpx(endpoint, params)

    def _target_by_httpx(self, endpoint: str, params: Mapping[str, Any] | None) -> str:
        relative = httpx.URL(endpoint).raw_path.lstrip(b"/")
        url = self._url.copy_with(raw_path=self._prefix.encode("ascii") + b"/" + relative)
        if params is not None:
            url = httpx.URL(url, params=dict(params))
        return url.raw_path.decode("ascii")


def _split(base_url: str) -> tuple[httpx.URL, Secret | None]:
    """Return a base URL without user info, and the header that the user info makes."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError) as exc:
        # The message may show a part of a password that is not escaped.
        fault = "Invalid base URL" if "@" in base_url else str(exc)
    else:
        if not (url.username or url.password):
            return url, None
        bare = url.copy_with(username=None, password=None)
        pair = f"{url.username}:{url.password}".encode()
        return bare, Secret(f"Basic {b64encode(pair).decode('ascii')}")
    raise httpx.InvalidURL(fault)  # without httpx's frames, which show the URL


def root_of(url: httpx.URL) -> str:
    """Return scheme and authority of a URL, without user info.

    Raises:
        TransportSetupError: Its scheme is neither http nor https.
        TransportConnectError: It has no host, or an invalid port.
    """
    if not url.scheme:
        # The first sentence is httpx's.
        raise TransportSetupError(
            "Request URL is missing an 'http://' or 'https://' protocol. "
            "Write the base URL as https://your-wats-server"
        )
    if url.scheme not in ("http", "https"):
        raise TransportSetupError(f"Request URL has an unsupported protocol '{url.scheme}://'.")
    if not url.host:  # which resolves to nothing
        raise TransportConnectError(f"[Errno {socket.EAI_NONAME}] Name or service not known")
    if url.port is not None and url.port > LAST_PORT:
        raise TransportConnectError(f"port must be 0-{LAST_PORT}, not {url.port}")
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def sent_token(base_url: str, token: str) -> Secret:
    """Return the Basic credentials that a client sends: its base URL's, or the token."""
    try:
        _, authorization = _split(base_url)
    except httpx.InvalidURL:
        authorization = None
    return Secret((authorization or token).removeprefix("Basic "))


@lru_cache(maxsize=256)
def server_of(base_url: str) -> str:
    """Return a normalised base URL that identifies a server.

    Different names of the same host, such as an alias or its address, are different servers.
    """
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, UnicodeError):
        return without_user_info(base_url)
    host = url.host.lower().removesuffix(".")
    port = f":{url.port}" if url.port is not None else ""  # None for the scheme's default
    return f"{url.scheme}://{host}{port}{url.path.rstrip('/')}"


def sorted_query(params: Mapping[str, Any]) -> str:
    """Encode parameters as they are sent, but in sorted order.

    Args:
        params: Query parameters; those that are None are omitted.
    """
    given = {name: value for name, value in params.items() if value is not None}
    return urlencode(sorted(_pairs(given)))


def _pairs(params: Mapping[str, Any]) -> Any:
    for name, value in params.items():
        if isinstance(value, (list, tuple)):
            for item in value:
                yield str(name), _text(item)
        else:
            yield str(name), _text(value)


def _text(value: object) -> str:
    """Encode a query value as httpx does: "true" and "false" for booleans, "" for None."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "" if value is None else str(value)


Body: TypeAlias = "bytes | list[bytes] | None"  # a list is sent in chunks

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # send a length of 0 if there is no body

# RFC 9110, 5.6.2 and 5.5, as checked by the standard library; targets are made here.
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[^:\s][^:\r\n]*", re.ASCII)
_VALUE = re.compile(r"[^\x00\r\n]*")


class Message(NamedTuple):
    """A request as bytes.

    Attributes:
        method: HTTP method.
        head: Request line, headers and the empty line.
        body: The body, chunked if the head says so; may be empty.
    """

    method: str
    head: bytes
    body: bytes

    def __repr__(self) -> str:
        return f"Message({self.method})"  # the token is in the head


class Writer:
    """Serialises the requests of one client, caching the last header lines."""

    def __init__(self) -> None:
        self._root = ""
        self._headers: dict[str, str] = {}
        self._lines = ""
        self._framing: dict[str, str] = {}

    def write(
        self, method: str, root: str, target: str, headers: dict[str, str], body: Body
    ) -> Message:
        """Serialise a request.

        Args:
            method: HTTP method.
            root: Scheme and authority of the origin.
            target: The escaped request target.
            headers: Headers to send. Host and the framing headers are added unless given; given
                framing headers must match the body.
            body: The body; a list is sent in chunks.

        Raises:
            TransportError: Method, target or headers are illegal in HTTP.
        """
        if root != self._root or (headers is not self._headers and headers != self._headers):
            self._keep(root, headers)
        if not (_METHOD.fullmatch(method) and _TARGET.fullmatch(target)):
            raise TransportError("the method or the path contains characters illegal in HTTP")
        framing, content = "", b""
        if self._framing or isinstance(body, list):
            framing, content = self._framed(body)
        elif body is not None:
            framing, content = f"Content-Length: {len(body)}\r\n", body
        elif method in _WITH_BODY:
            framing = "Content-Length: 0\r\n"
        head = f"{method} {target} HTTP/1.1\r\n{self._lines}{framing}\r\n"
        return Message(method, head.encode("latin-1"), content)

    def _keep(self, root: str, headers: dict[str, str]) -> None:
        given = {name.lower(): value for name, value in headers.items()}
        for name, value in headers.items():
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value) and _is_latin(value)):
                # Not shown, because the value may be the token.
                raise TransportSetupError("a header contains characters illegal in HTTP")
        lines = [] if "host" in given else [f"Host: {root.partition('://')[2]}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        names = given.keys() & {"content-length", "transfer-encoding"}
        self._lines, self._framing = "".join(lines), {name: given[name] for name in names}
        self._root, self._headers = root, headers

    def _framed(self, body: Body) -> tuple[str, bytes]:
        """Chunk a body, or reject a length that would desynchronise the connection."""
        pieces = body if isinstance(body, list) else [body or b""]
        if "transfer-encoding" in self._framing or not self._framing:
            chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
            line = "" if self._framing else "Transfer-Encoding: chunked\r\n"
            return line, b"".join([*chunks, b"0\r\n\r\n"])
        content = b"".join(pieces)
        if self._framing["content-length"] != str(len(content)):
            raise TransportError("the Content-Length header does not match the body: omit it")
        return "", content


def _is_latin(value: str) -> bool:
    return value.isascii() or max(value) <= "\xff"
