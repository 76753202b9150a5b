"""Processes requests between the protocol and the handlers."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from pywats_green.testing.app import domains
from pywats_green.testing.app.faults import UNPROCESSED, Fault, FaultPlan
from pywats_green.testing.app.messages import (
    HTML_TYPE,
    HttpError,
    Reply,
    Request,
    encode_json,
    message_reply,
)
from pywats_green.testing.app.odata.query import MAX_QUERY_STRING, QuerySettings
from pywats_green.testing.app.router import Route, Router
from pywats_green.testing.app.state import State
from pywats_green.testing.app.statistics import Statistics
from pywats_green.testing.app.table import Row

UNKNOWN = "unknown"
REJECTED = "rejected"

IIS_404_15 = (
    b"<!DOCTYPE html><html><head><title>IIS 10.0 Detailed Error - 404.15 - Not Found</title>"
    b"</head><body><h2>HTTP Error 404.15 - Not Found</h2><p>The request filtering module is "
    b"configured to deny a request where the query string is too long.</p></body></html>"
)


@dataclass
class Delivery:
    """How the protocol answers a request: with `reply`, after `delay` seconds, as `mode` says."""

    reply: Reply
    delay: float = 0.0
    mode: str = "send"


@dataclass
class Settings:
    """How the server behaves; times are in seconds.

    Attributes:
        tokens: The accepted tokens.
        latency: Delay of each answer.
        jitter: Maximum random addition to the latency.
        rate_limit: Requests per window, and the window. None: no limit.
    """

    tokens: tuple[str, ...]
    latency: float = 0.0
    jitter: float = 0.0
    rate_limit: tuple[int, float] | None = None


class Connection(Protocol):
    """The application's interface to a connection."""

    def drop(self, *, reset: bool) -> bool:
        """Close the connection if it is idle; return whether it was."""


class RateLimit:
    """Counts requests in a sliding window."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def clear(self) -> None:
        """Free all slots."""
        self._times.clear()

    def wait(self, limit: tuple[int, float]) -> float:
        """Take a slot and return 0, or return the seconds until one is free."""
        most, window = limit
        now = time.monotonic()
        while self._times and self._times[0] <= now - window:
            self._times.popleft()
        if len(self._times) < most:
            self._times.append(now)
            return 0.0
        return self._times[0] + window - now if self._times else window


class Application:
    """Routes, state, faults and counters of one server."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.seed = int(options["seed"])
        self.router = Router(domains.TABLES)
        self.statistics = Statistics()
        self.faults = FaultPlan(self.router.templates)
        self.rate = RateLimit()
        self.recording = bool(options.get("record"))
        self.recorded: list[Request] = []
        self.connections: set[Connection] = set()
        self.queries = QuerySettings()
        self.state = State(self.seed, self.queries)
        self.settings = Settings(tuple(options["tokens"]))
        self.restore()

    def restore(self) -> None:
        """Restore the options that the server was started with, and its initial state."""
        options = self.options
        self.settings = Settings(tuple(options["tokens"]))
        self.queries = QuerySettings(lightweight=bool(options.get("lightweight_query")))
        self.configure({name: options.get(name) for name in ("latency", "jitter", "rate_limit")})
        self.random = random.Random(f"{self.seed}:jitter")  # noqa: S311 (chance in a test)
        self.state.settings = self.queries
        self.state.reset()
        self.statistics.clear()
        self.faults.clear()
        self.rate.clear()
        self.recorded.clear()

    def configure(self, values: dict[str, Any]) -> None:
        """Change settings while running.

        Raises:
            ValueError: A name is unknown.
        """
        for name, value in values.items():
            if name == "rate_limit":
                limit = None if value is None else (int(value[0]), float(value[1]))
                self.settings.rate_limit = limit
                self.rate.clear()
            elif name in ("latency", "jitter"):
                setattr(self.settings, name, float(value or 0.0))
            elif name in ("default_top", "max_top", "ignore_filter", "lightweight"):
                setattr(self.queries, name, value)
            else:
                raise ValueError(f"unknown setting: {name}")

    def drop_connections(self, *, reset: bool) -> int:
        """Close all idle connections, with RST if `reset`; return how many there were."""
        return sum(connection.drop(reset=reset) for connection in tuple(self.connections))

    def answer(self, request: Request) -> Delivery:
        """Count a request and decide its outcome; the caller calls `statistics.finish`."""
        if self.recording:
            self.recorded.append(request)
        route: Route | None = None
        known = False
        if len(request.query_string) > MAX_QUERY_STRING:
            self.statistics.begin(REJECTED)
            return Delivery(Reply(IIS_404_15, 404, HTML_TYPE), self._latency())
        route, request.params, known = self.router.match(request.method, request.path)
        template = None if route is None else route.template
        self.statistics.begin(template or UNKNOWN)
        fault = self.faults.strike(request.method, request.path, template)
        if fault is None:
            return Delivery(self._reply(request, route, known), self._latency())
        return self._faulty(fault, request, route, known)

    def _faulty(self, fault: Fault, request: Request, route: Route | None, known: bool) -> Delivery:
        delay = self._latency() + fault.delay
        if fault.mode in UNPROCESSED:
            return Delivery(Reply(), delay, fault.mode)
        reply = fault.reply()
        if reply is None:
            reply = self._reply(request, route, known)
        mode = fault.mode if fault.mode in ("cut", "close_after") else "send"
        return Delivery(reply, delay, mode)

    def _latency(self) -> float:
        settings = self.settings
        if not settings.jitter:
            return settings.latency
        return settings.latency + settings.jitter * self.random.random()

    def _reply(self, request: Request, route: Route | None, known: bool) -> Reply:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        if route is None:
            return _no_route(request, known)
        try:
            return _encoded(route.handler(self.state, request))
        except HttpError as exc:
            return message_reply(exc.status, exc.message)

    def _refusal(self, request: Request) -> Reply | None:
        scheme, _, token = request.lowered.get("authorization", "").partition(" ")
        if scheme != "Basic" or token not in self.settings.tokens:
            text = "Authorization has been denied for this request."
            return message_reply(401, text, (("WWW-Authenticate", 'Basic realm="WATS"'),))
        limit = self.settings.rate_limit
        if limit is None:
            return None
        wait = self.rate.wait(limit)
        if not wait:
            return None
        text = f"API calls quota exceeded! maximum admitted {limit[0]} per {limit[1]:g}s."
        return message_reply(429, text, (("Retry-After", str(max(1, math.ceil(wait)))),))


def _encoded(result: Any) -> Reply:
    """Return the reply for the result of a handler."""
    if isinstance(result, Reply):
        return result
    if result is None:
        return Reply(status=204)
    if isinstance(result, Row):
        result = result.encode()
    return Reply(result if isinstance(result, bytes) else encode_json(result))


def _no_route(request: Request, known: bool) -> Reply:
    if known:
        text = f"The requested resource does not support http method '{request.method}'."
        return message_reply(405, text)
    text = f"No HTTP resource was found that matches the request URI '{request.path}'."
    return message_reply(404, text)
