"""The methods by which a test drives a running server, and their results."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict, Union

from pywats_green.testing.app.faults import MODES


class ServerStats(TypedDict):
    """What `WatsServer.stats` returns.

    Attributes:
        requests: Requests by route template, such as "GET /api/Product/{partNumber}"; "unknown"
            for paths and methods without a route, "rejected" for query strings that IIS would
            reject.
        statuses: Responses by status, as a string.
        total: All requests.
        in_flight: Requests in flight now.
        highest_concurrency: Most requests in flight at once.
        connections_opened: Connections opened since the start or the last `reset`.
        connections_open: Connections open now.
        faults: How often a planted fault has struck.
    """

    requests: dict[str, int]
    statuses: dict[str, int]
    total: int
    in_flight: int
    highest_concurrency: int
    connections_opened: int
    connections_open: int
    faults: int


class RecordedRequest(NamedTuple):
    """A request as it was on the wire.

    Attributes:
        method: The method.
        target: The request target, undecoded.
        headers: Names and values, in their original order and case.
        body: The body, with chunks joined.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


RateLimit = Union[int, tuple[int, float]]  # noqa: UP007  # at run time
"""Requests a minute, or requests and their window in seconds."""

MINUTE = 60.0  # seconds


def tokens_of(seed: int) -> tuple[str, str]:
    """Return the two tokens that a server with this seed accepts."""
    first, second = (base64.b64encode(f"{who}:{seed}".encode()) for who in ("green", "second"))
    return first.decode(), second.decode()


def checked_options(
    latency: float = 0.0,
    jitter: float = 0.0,
    rate_limit: RateLimit | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Check times and limits; other settings are checked by the server.

    Returns:
        All of them.

    Raises:
        ValueError: A time is negative, or the rate limit is not as described.
    """
    if latency < 0 or jitter < 0:
        raise ValueError("latency and jitter must be seconds, 0 or more")
    if rate_limit is not None:
        if isinstance(rate_limit, (int, float)):
            rate_limit = rate_limit, MINUTE
        most, window = rate_limit if len(rate_limit) == 2 else (0, 0)  # noqa: PLR2004  # a pair
        if most < 1 or window <= 0:
            raise ValueError(
                "rate_limit must be requests a minute, 1 or more, such as 500, or a pair of "
                f"requests and their window in seconds, such as (500, 60.0), not {rate_limit!r}"
            )
    return {"latency": latency, "jitter": jitter, "rate_limit": rate_limit, **others}


def check_fault(mode: str, times: int | None) -> None:
    """Check the mode and the number of times of a fault.

    Raises:
        ValueError: The mode is unknown, or `times` is less than 1.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(sorted(MODES))}, not {mode!r}")
    if times is not None and times < 1:
        raise ValueError("times must be 1 or more, or None for no limit")


class Driver(ABC):
    """The methods of `WatsServer` that talk to its process. They are neither counted nor delayed.

    Raises:
        ValueError: The server rejects the arguments.
        RuntimeError: From any of them: the server is not running.
    """

    def stats(self) -> ServerStats:
        """Return the counters since the start or the last `reset`.

        Raises:
            RuntimeError: The server is not running.
        """
        counters: ServerStats = self._control("stats")
        return counters

    def reports(self) -> dict[str, int]:
        """Return how often each submitted report was accepted, by lower-case id.

        Raises:
            RuntimeError: The server is not running.
        """
        accepted: dict[str, int] = self._control("reports")
        return accepted

    def fail(
        self,
        route: str,
        status: int | None = None,
        times: int | None = 1,
        retry_after: float | None = None,
        *,
        mode: str = "status",
        delay: float = 0.0,
        location: str | None = None,
    ) -> None:
        """Plant a fault. Several faults on one route strike in the order they were planted.

        Args:
            route: A template such as "GET /api/Product/{partNumber}", matched exactly; a prefix
                such as "GET /api/Product", "/api/Product" or, if it is also a template,
                "GET /api/Asset*"; or "*" for every request.
            status: Status for the modes "status" (None: 503) and "redirect" (None: 302).
            times: How often it strikes. None: no limit.
            retry_after: Seconds for a Retry-After header. None: no such header.
            mode: "status": answers with that status. "reset": sends RST. "close": closes without
                an answer. "hang": never answers. "html": answers 200 with a page. "redirect":
                redirects to `location`. These do not process the request. The others do:
                "cut": sends half the body, then closes. "close_after": answers, and closes without
                notice a moment later. "delay": answers late.
            delay: Seconds added to the server's latency.
            location: Target of "redirect": a path or a URL.

        Raises:
            ValueError: The mode is unknown, `times` is less than 1, or no request can fit the
                route; the text names those that are near it.
            RuntimeError: The server is not running.
        """
        check_fault(mode, times)
        if status is None:
            status = 302 if mode == "redirect" else 503
        self._control(
            "fail",
            route=route,
            status=status,
            times=times,
            retry_after=retry_after,
            mode=mode,
            delay=delay,
            location=location,
        )

    def clear_faults(self) -> None:
        """Forget all planted faults.

        Raises:
            RuntimeError: The server is not running.
        """
        self._control("clear_faults")

    def requests(self) -> list[RecordedRequest]:
        """Return the requests so far, in order. The server needs `record=True`.

        Raises:
            RuntimeError: The server is not running.
        """
        return [
            RecordedRequest(
                item["method"],
                item["target"],
                [(name, value) for name, value in item["headers"]],
                base64.b64decode(item["body"]),
            )
            for item in self._control("requests")
        ]

    def clear_requests(self) -> None:
        """Forget the recorded requests.

        Raises:
            RuntimeError: The server is not running.
        """
        self._control("clear_requests")

    def reset(self) -> None:
        """Restore the seeded state and the initial options; clear counters and faults.

        Raises:
            RuntimeError: The server is not running.
        """
        self._control("reset")

    def configure(self, **settings: Any) -> None:
        """Change settings of the running server.

        Args:
            **settings: `latency`, `jitter`, `rate_limit` as in the constructor; `lightweight`, as
                `lightweight_query` there; `default_top`, rows of a query without $top (initially
                1,000); `max_top`, maximum rows of any query (None: no limit); `ignore_filter`,
                whether to ignore $filter.

        Raises:
            ValueError: A time is negative, the rate limit is not as described, or a name is
                unknown.
            RuntimeError: The server is not running.
        """
        checked = checked_options(**settings)
        self._control("configure", **{name: checked[name] for name in settings})

    def seed_products(self, count: int) -> None:
        """Replace all products with `count` seeded ones, from "PN-00000"."""
        self._control("seed", kind="products", count=count)

    def seed_assets(self, count: int) -> None:
        """Replace all assets with `count` seeded ones, from "AS-00000"."""
        self._control("seed", kind="assets", count=count)

    def seed_units(self, count: int) -> None:
        """Replace all units with `count` seeded ones, from "SN-00000"."""
        self._control("seed", kind="units", count=count)

    def put_state(self, kind: str, objects: Iterable[Mapping[str, Any]]) -> None:
        """Add objects unchanged, replacing those with the same key, compared case-sensitively.

        Args:
            kind: A table of the server: "products", "assets", "units", "reports", "headers",
                "tickets", "packages", "users", "definitions", or another of `app.state.State`.
            objects: JSON objects as the server sends them, with the key of their table.

        Raises:
            ValueError: The kind is unknown, or a key is missing.
            RuntimeError: The server is not running.
        """
        self._control("put_state", kind=kind, objects=[dict(item) for item in objects])

    def get_state(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a table. For `kind`, see `put_state`."""
        objects: list[dict[str, Any]] = self._control("get_state", kind=kind)
        return objects

    def drop_connections(self, *, reset: bool = False) -> int:
        """Close all idle connections.

        Args:
            reset: Whether to close with RST instead of FIN.

        Returns:
            The number of connections closed.
        """
        dropped: int = self._control("drop_connections", reset=reset)
        return dropped

    @abstractmethod
    def _control(self, command: str, **arguments: Any) -> Any:
        """Send a command and return its decoded response."""
