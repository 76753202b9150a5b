"""The embedded server's routes without a process or a socket, behind httpx."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import httpx

from pywats_green.testing.app import control
from pywats_green.testing.app.application import Application, Delivery
from pywats_green.testing.app.messages import Request, encode_json
from pywats_green.testing.driver import Driver, RateLimit, checked_options, tokens_of

OK = 200
_FOR_EVER = 1e6  # seconds


class MockWats(Driver):
    """What `mock_wats` yields: driven like a `WatsServer`.

    Attributes:
        url: The base URL for which it answers.
        token: The token that it accepts.
        second_token: Another token that it accepts.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.url = url.rstrip("/")
        self.token, self.second_token = tokens_of(options["seed"])
        self._base = httpx.URL(self.url)
        self._app = Application({**options, "tokens": [self.token, self.second_token]})
        self._lock = threading.Lock()  # AsyncWATS may run in another thread

    def __repr__(self) -> str:
        """Return the URL, never the token."""
        return f"MockWats({self.url})"

    def answers(self, request: httpx.Request) -> bool:
        """Return whether a request is for this server."""
        url, base = request.url, self._base
        return (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a blocking client.

        Raises:
            httpx.TransportError: A planted fault says so.
        """
        request.read()
        delivery = self._accept(request)
        try:
            time.sleep(_pause(request, delivery))
        except BaseException:  # killed
            self._app.statistics.finish(None)
            raise
        return self._deliver(request, delivery)

    async def send_async(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an asyncio client, or of a green one.

        Raises:
            httpx.TransportError: A planted fault says so.
        """
        await request.aread()
        delivery = self._accept(request)
        pause = _pause(request, delivery)
        try:
            if pause and _has_loop():
                await asyncio.sleep(pause)
            else:
                time.sleep(pause)  # noqa: ASYNC251  # a green client's: it waits cooperatively
        except BaseException:  # killed or cancelled
            self._app.statistics.finish(None)
            raise
        return self._deliver(request, delivery)

    def _accept(self, request: httpx.Request) -> Delivery:
        target = request.url.raw_path.decode("ascii")
        headers = [(k.decode("ascii"), v.decode("latin-1")) for k, v in request.headers.raw]
        lowered = {name.lower(): value for name, value in headers}
        asked = Request(
            request.method,
            target.removeprefix(self._base.raw_path.decode("ascii").rstrip("/")),
            headers,
            lowered,
            keep_alive=True,
            body=request.content,
        )
        with self._lock:
            return self._app.answer(asked)

    def _deliver(self, request: httpx.Request, delivery: Delivery) -> httpx.Response:
        mode, reply = delivery.mode, delivery.reply
        is_answered = mode not in ("reset", "close", "hang")
        self._app.statistics.finish(reply.status if is_answered else None)
        if mode == "hang":
            raise httpx.ReadTimeout("", request=request)
        if mode == "reset":
            raise httpx.ReadError("", request=request)
        if mode in ("close", "cut"):
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response."
                if mode == "close"
                else "peer closed connection without sending complete message body",
                request=request,
            )
        headers = [("Content-Type", reply.content_type)] if reply.body else []
        return httpx.Response(
            reply.status, headers=[*headers, *reply.headers], content=reply.body, request=request
        )

    def _control(self, command: str, **arguments: Any) -> Any:
        asked = Request(
            "POST", control.PREFIX + command, [], {}, keep_alive=True, body=encode_json(arguments)
        )
        with self._lock:
            reply = control.answer(self._app, asked)
        body = json.loads(reply.body)
        if reply.status != OK:
            raise ValueError(body.get("Message"))
        return body


def _pause(request: httpx.Request, delivery: Delivery) -> float:
    """Return the seconds to wait: what the server takes, or, if it hangs, what the client gives."""
    if delivery.mode != "hang":
        return delivery.delay
    patience = request.extensions.get("timeout", {}).get("read")
    return _FOR_EVER if patience is None else float(patience)


def _has_loop() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


@contextmanager
def mock_wats(
    url: str = "http://wats.mock",
    *,
    latency: float = 0.0,
    jitter: float = 0.0,
    rate_limit: RateLimit | None = None,
    seed: int = 0,
    lightweight_query: bool = False,
    record: bool = False,
) -> Iterator[MockWats]:
    """Let the embedded server's routes answer in this process, without a socket.

    Inside the block, every client of `url` meets them: `pyWATS`, green or not, `AsyncWATS`,
    `HttpClient`, and httpx itself; requests to other servers go out. It is a mock of httpx, so it
    says nothing about sockets, pools or speed: for that, use `WatsServer`.

    Args:
        url: The base URL for which it answers, such as the one in the code under test.
        latency: As for `WatsServer`, like all that follow.
        jitter: Maximum seconds added at random to each latency.
        rate_limit: As for `WatsServer`. None: no limit.
        seed: Seed of the content and of all random choices.
        lightweight_query: Whether products in query results lack some fields.
        record: Whether to keep every request for `requests`.

    Yields:
        The server, with the methods of `WatsServer` that drive one. Planted faults raise what a
        client would see; "reset", "close" and "cut" need no connection for that, and "hang" takes
        the client's timeout.

    Raises:
        ValueError: A time is negative, or the rate limit is not as described.
    """
    options = checked_options(
        latency, jitter, rate_limit,
        seed=seed, lightweight_query=lightweight_query, record=record,
    )  # fmt: skip
    wats = MockWats(url, options)
    blocking: Any = httpx.HTTPTransport.handle_request
    cooperative: Any = httpx.AsyncHTTPTransport.handle_async_request

    @wraps(blocking)
    def handle_request(self: httpx.HTTPTransport, request: httpx.Request) -> Any:
        return wats.send(request) if wats.answers(request) else blocking(self, request)

    @wraps(cooperative)
    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> Any:
        if wats.answers(request):
            return await wats.send_async(request)
        return await cooperative(self, request)

    httpx.HTTPTransport.handle_request = handle_request  # type: ignore[method-assign]
    httpx.AsyncHTTPTransport.handle_async_request = handle_async_request  # type: ignore[method-assign]
    try:
        yield wats
    finally:
        httpx.HTTPTransport.handle_request = blocking  # type: ignore[method-assign]
        httpx.AsyncHTTPTransport.handle_async_request = cooperative  # type: ignore[method-assign]
