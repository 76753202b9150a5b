"""One connection: reads requests, answers them in order, and misbehaves if told to."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import cast

from pywats_green.testing.app import control, http1
from pywats_green.testing.app.application import Application, Delivery
from pywats_green.testing.app.messages import Reply, Request, message_reply

LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
# Seconds. asyncio's timers fire up to a millisecond late; this makes the latency right on average.
_HALF_A_TICK = 0.0005
CLOSE_AFTER = 0.02
"""Seconds after which the mode "close_after" closes the connection."""


class HttpProtocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and pipelining; requests are handled one at a time."""

    def __init__(self, app: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._request: Request | None = None
        self._chunked: http1.ChunkedBody | None = None
        self._length = 0
        self._busy = False
        self._counted = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; a control connection is uncounted at its first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._counted = True
        self._app.statistics.open += 1
        self._app.statistics.opened += 1
        self._app.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Abandon what was in flight."""
        self._transport = None
        self._app.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._counted:
            self._app.statistics.open -= 1
        if self._busy:
            self._busy = False
            self._app.statistics.finish(None)
        self._buffer.clear()

    def data_received(self, data: bytes) -> None:
        """Buffer data, and answer complete requests."""
        self._buffer += data
        if self._busy or self._closing:
            return
        try:
            while not self._busy and not self._closing:
                request = self._next_request()
                if request is None:
                    return
                self._handle(request)
        except http1.WireError as exc:
            self._send(
                http1.encode(
                    message_reply(exc.status, exc.message), keep_alive=False, gzipped=False
                )
            )
            self._close()

    def drop(self, *, reset: bool) -> bool:
        """Close the connection if it is idle; return whether it was."""
        if self._busy or self._request is not None or self._buffer or not self._counted:
            return False
        self._reset() if reset else self._close()
        return True

    def _next_request(self) -> Request | None:
        request = self._request
        buffer = self._buffer
        if request is None:
            while buffer.startswith(b"\r\n"):
                del buffer[:2]
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(buffer) > http1.MAX_HEAD:
                    raise http1.WireError(431, "The request head is too large.")
                return None
            request = http1.parse_head(bytes(buffer[:end]))
            del buffer[: end + 4]
            length = http1.body_length(request)
            if length == 0:
                return request
            self._request = request
            self._chunked = http1.ChunkedBody() if length is None else None
            self._length = length or 0
            if request.lowered.get("expect", "").lower() == "100-continue":
                self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked is not None:
            if not self._chunked.feed(buffer):
                return None
            request.body = bytes(self._chunked.body)
        else:
            if len(buffer) < self._length:
                return None
            request.body = bytes(memoryview(buffer)[: self._length])
            del buffer[: self._length]
        self._request = self._chunked = None
        return request

    def _handle(self, request: Request) -> None:
        app = self._app
        if control.is_control(request):
            self._uncount()
            self._deliver(request, control.answer(app, request))
            return
        delivery = app.answer(request)
        self._busy = True
        if delivery.delay > 0:
            delay = max(delivery.delay - _HALF_A_TICK, 0.0)
            self._timer = self._loop.call_later(delay, self._resume, request, delivery)
        else:
            self._finish(request, delivery)

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self._app.statistics.open -= 1
            self._app.statistics.opened -= 1

    def _resume(self, request: Request, delivery: Delivery) -> None:
        self._timer = None
        self._finish(request, delivery)
        if not self._busy:
            self.data_received(b"")

    def _finish(self, request: Request, delivery: Delivery) -> None:
        mode = delivery.mode
        if mode == "hang":
            return
        self._busy = False
        unanswered = mode in ("reset", "close")
        self._app.statistics.finish(None if unanswered else delivery.reply.status)
        if mode == "reset":
            self._reset()
        elif mode == "close":
            self._close()
        elif mode == "cut":
            whole = self._encode(request, delivery.reply, gzipped=False)
            self._send(whole[: max(1, len(whole) - max(1, len(delivery.reply.body) // 2))])
            self._close()
        else:
            self._deliver(request, delivery.reply)
            if mode == "close_after" and not self._closing:
                self._closing = True
                self._timer = self._loop.call_later(CLOSE_AFTER, self._close)

    def _deliver(self, request: Request, reply: Reply) -> None:
        self._send(self._encode(request, reply, gzipped=http1.accepts_gzip(request)))
        if not request.keep_alive:
            self._close()

    def _encode(self, request: Request, reply: Reply, *, gzipped: bool) -> bytes:
        return http1.encode(
            reply,
            keep_alive=request.keep_alive,
            gzipped=gzipped,
            bodiless=request.method == "HEAD",
        )

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        self._closing = True
        if self._transport is None:
            return
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None:
            # With a linger time of zero, the kernel sends RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self._transport.abort()
