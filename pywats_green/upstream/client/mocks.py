"""Mocks of httpx in users' tests, which must serve the green client as they serve upstream's.

The green client does not use httpx. A test that replaces a part of it (respx, pytest-httpx, vcrpy,
`httpx.MockTransport`, a patched transport class) would let the request go to the real server. So
each attempt compares the parts that such tools replace with what they were, and looks whether the
client has an httpx client of its own; if something is different, the attempt goes through httpx. If
the mock lets it pass, the green transport sends it after all, below httpx's transport.

Instrumentation that calls through is no mock: it is passed by, and the client stays as fast.
"""

from __future__ import annotations

import functools
import json
import sys
from contextvars import ContextVar
from operator import attrgetter
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import httpx
from pywats.core import async_client as async_module
from pywats.core import client as blocking_module
from pywats.core.client import HttpClient

from pywats_green.bridge import drive
from pywats_green.causes import everything_behind
from pywats_green.exceptions import (
    TransportConnectError,
    TransportError,
    TransportTimeoutError,
)
from pywats_green.transport import Answer, Transport

# Whose wrappers call through. Not everything with a `__wrapped__` does: vcrpy's cassettes have it.
_INSTRUMENTATION = frozenset(
    {"ddtrace", "elasticapm", "logfire", "newrelic", "opentelemetry", "sentry_sdk"}
)

_ATTRIBUTE = "_green_httpx_client"

# Where the real parts are defined.
_REAL = frozenset({"httpcore", "httpx", "pywats"})

_POOLS = ("ConnectionPool", "AsyncConnectionPool", "HTTPConnection", "AsyncHTTPConnection")


class _Unused:
    """Stands in for the classes of httpcore until somebody imports it: httpx does so late."""

    handle_request = handle_async_request = None


# What mocks replace. The classes are the real ones, whatever their names are bound to meanwhile.
STACK = SimpleNamespace(
    httpx=httpx,
    asyncio=async_module,
    blocking=blocking_module,
    AsyncHttpClient=async_module.AsyncHttpClient,
    HttpClient=HttpClient,
    Client=httpx.Client,
    AsyncClient=httpx.AsyncClient,
    HTTPTransport=httpx.HTTPTransport,
    AsyncHTTPTransport=httpx.AsyncHTTPTransport,
    **dict.fromkeys(_POOLS, _Unused),
)


class Wiring:
    """The parts on the way of one kind of client.

    Attributes:
        read: Returns the parts, from `STACK`, as they are now.
        harmless: The parts when they were last judged to be no mocks: the real ones, or
            instrumented.
    """

    __slots__ = ("harmless", "read")

    def __init__(self, *names: str) -> None:
        self.read: Any = attrgetter(*names)
        self.harmless: tuple[Any, ...] = ()


ASYNC = Wiring(
    "asyncio.httpx", "httpx.AsyncClient", "AsyncHttpClient._get_client",
    "AsyncClient.request", "AsyncClient.send", "AsyncClient._send_single_request",
    "AsyncClient._transport_for_url", "AsyncHTTPTransport.handle_async_request",
    "AsyncConnectionPool.handle_async_request", "AsyncHTTPConnection.handle_async_request",
)  # fmt: skip
BLOCKING = Wiring(
    "blocking.httpx", "httpx.Client", "HttpClient.client",
    "Client.request", "Client.send", "Client._send_single_request", "Client._transport_for_url",
    "HTTPTransport.handle_request", "ConnectionPool.handle_request",
    "HTTPConnection.handle_request",
)  # fmt: skip

httpcore: Any = None
"""The module whose classes are in the stack. None: it was not imported by anybody yet."""


class _Call(NamedTuple):
    """An attempt under way through httpx: what the green transport needs if it must send it."""

    green: Transport
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"_Call({self.arguments[0]})"  # the token is in the headers


_call: ContextVar[_Call] = ContextVar("pywats_green_call_through_httpx")


class _PassedOnError(Exception):
    """A mock of httpcore's pool let a request pass. Nothing was sent yet."""


class ThroughHttpx:
    """Sends requests like a `Transport`, through httpx, for a mock to answer.

    Args:
        client: The httpx client; its coroutines may block, and are driven in this greenlet.
        green: The transport that sends what the mock lets pass.
    """

    def __init__(self, client: Any, green: Transport) -> None:
        self._client = client
        self._green = green

    def request(
        self,
        method: str,
        endpoint: str,
        params: dict[str, Any] | None,
        headers: dict[str, str],
        body: Any,
        timeout: float | None,
        deadline: float | None = None,
    ) -> Answer:
        """Send a request. Arguments, result and errors are those of `Transport.request`."""
        arguments = (method, endpoint, params, headers, body, timeout, deadline)
        optional = {"params": params, "content": iter(body) if isinstance(body, list) else body}
        given = {name: value for name, value in optional.items() if value is not None}
        token = _call.set(_Call(self._green, arguments))
        try:
            response = self._client.request(method=method, url=endpoint, headers=headers, **given)
            if hasattr(response, "__await__"):
                response = drive(response)
            return _answer(response)
        except httpx.ConnectError as exc:
            raise TransportConnectError(str(exc)) from exc
        except httpx.TimeoutException as exc:
            raise TransportTimeoutError(str(exc)) from exc
        except httpx.HTTPError as exc:
            raise TransportError(str(exc)) from exc
        except Exception as exc:
            if not any(isinstance(each, _PassedOnError) for each in everything_behind(exc)):
                raise
        finally:
            _call.reset(token)
        return self._green.request(*arguments)


def transport_of(client: Any, green: Transport) -> Transport | ThroughHttpx:
    """Return what sends the requests of a client that may have met a mock.

    Args:
        client: An `AsyncHttpClient` or a `HttpClient` of pywats.
        green: Its transport.

    Returns:
        The transport, unless a mock has to answer.
    """
    global httpcore  # noqa: PLW0603  # found once, not for every request
    if httpcore is None and "httpcore" in sys.modules:
        httpcore = sys.modules["httpcore"]
        for name in _POOLS:
            setattr(STACK, name, getattr(httpcore, name))
    given = client._client
    if given is not None and not _is_plain(given):
        return ThroughHttpx(given, green)
    wiring = BLOCKING if isinstance(client, HttpClient) else ASYNC
    wired = wiring.read(STACK)
    if wired != wiring.harmless:
        if not all(map(_calls_through, wired)):
            return ThroughHttpx(given or _httpx_client_of(client, wired), green)
        wiring.harmless = wired
    return green


def forget(client: Any) -> None:
    """Drop the httpx client made for a mock; it never has connections of its own."""
    client.__dict__.pop(_ATTRIBUTE, None)


def _httpx_client_of(client: Any, wired: tuple[Any, ...]) -> Any:
    """Return a client as upstream makes it, whose transports end in the green one."""
    made_by, made = client.__dict__.get(_ATTRIBUTE, (None, None))
    if made_by != wired:
        is_blocking = isinstance(client, HttpClient)
        made = client.client if is_blocking else drive(client._get_client())
        client._client = None  # not the user's
        for transport in _transports(made):
            if type(transport) in (STACK.HTTPTransport, STACK.AsyncHTTPTransport):
                _end_in_green(transport._pool)
        client.__dict__[_ATTRIBUTE] = wired, made
    return made


def _end_in_green(pool: Any) -> None:
    """Let the green transport send what a pool is asked to send, unless the pool is mocked."""

    def handle_request(request: Any) -> Any:
        patched = type(pool).handle_request
        return _send(request) if _is_real(patched) else patched(pool, request)

    async def handle_async_request(request: Any) -> Any:
        patched = type(pool).handle_async_request
        return _send(request) if _is_real(patched) else await patched(pool, request)

    def create_connection(_: object) -> Any:
        raise _PassedOnError

    pool.create_connection = create_connection  # a mocked pool comes here if it lets it pass
    if hasattr(pool, "handle_request"):
        pool.handle_request = handle_request
    else:
        pool.handle_async_request = handle_async_request


_OF_HTTPX = frozenset(
    {"accept", "accept-encoding", "connection", "host", "content-length", "transfer-encoding",
     "user-agent"}
)  # fmt: skip
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def _send(request: Any) -> Any:
    """Send an attempt with the green transport, and with the headers that a wrapper added."""
    green, (method, endpoint, params, headers, *rest) = _call.get()
    known = {name.lower() for name in headers} | _OF_HTTPX
    pairs = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers]
    added = {name: value for name, value in pairs if name.lower() not in known}
    answer = green.request(method, endpoint, params, {**headers, **added}, *rest)
    received = {k: v for k, v in answer.headers.items() if k not in _OF_THE_WIRE}
    return sys.modules["httpcore"].Response(  # httpx has imported it by now
        answer.status,
        headers=[(k.encode("ascii"), v.encode("utf-8")) for k, v in received.items()],
        content=answer.content,
    )


def _answer(response: Any) -> Answer:
    content = response.content
    if not isinstance(content, bytes):  # a Mock of which only `json` was prepared
        content = json.dumps(response.json()).encode()
    headers = {name.lower(): value for name, value in dict(response.headers).items()}
    return Answer(response.status_code, headers, content)


def _transports(client: Any) -> list[Any]:
    return [each for each in (client._transport, *client._mounts.values()) if each is not None]


def _is_plain(client: Any) -> bool:
    """Return whether a httpx client that the user set would only send to the network."""
    if type(client) not in (STACK.Client, STACK.AsyncClient):
        return False
    for owner in (client, *_transports(client)):
        for name in ("request", "send", "handle_request", "handle_async_request"):
            if not _calls_through(vars(owner).get(name)):
                return False
    real = (STACK.HTTPTransport, STACK.AsyncHTTPTransport)
    return all(type(transport) in real for transport in _transports(client))


def _calls_through(part: Any) -> bool:
    """Return whether a part is the real one, below nothing but instrumentation; None is."""
    while part is not None and not _is_real(part):
        if _module(part).partition(".")[0] not in _INSTRUMENTATION:
            return False
        part = part.__base__ if isinstance(part, type) else _wrapped(part)
    return True


def _is_real(part: Any) -> bool:
    return _module(part).partition(".")[0] in _REAL


def _wrapped(wrapper: Any) -> Any:
    """Return what an instrumentation's wrapper calls; None if that is not to be seen."""
    wrapped = getattr(wrapper, "__wrapped__", None)
    if wrapped is not None:
        return wrapped
    cells = getattr(wrapper, "__closure__", None) or ()
    return next((each.cell_contents for each in cells if callable(each.cell_contents)), None)


def _module(part: Any) -> str:
    """Return where a part was defined; `functools.wraps` copies another name over it."""
    if isinstance(part, ModuleType):
        return part.__name__
    part = getattr(part, "_self_wrapper", part)  # wrapt's
    while isinstance(part, functools.partial):
        part = part.func
    part = getattr(part, "fget", getattr(part, "__func__", part))
    scope = getattr(part, "__globals__", None)
    return str(part.__module__ if scope is None else scope["__name__"])
