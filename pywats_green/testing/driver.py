"""What a test asks of a server that runs, and what it is told."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypedDict

from pywats_green.testing.app.faults import MODES


class ServerStats(TypedDict):
    """What `WatsServer.stats` returns.

    Attributes:
        requests: Requests by route template, such as "GET /api/Product/{partNumber}". Paths and
            methods that no route has stand under "unknown", query strings that IIS would refuse
            under "rejected".
        statuses: Answers by status, the status as text.
        total: All requests.
        in_flight: Requests that wait for their answer now.
        highest_concurrency: The most requests in flight at once.
        connections_opened: Connections since the start or the last `reset`.
        connections_open: Connections that are open now.
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
        headers: Names and values in the order and the case in which they came.
        body: The body, its chunks joined.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


def check_options(
    latency: float = 0.0,
    jitter: float = 0.0,
    rate_limit: tuple[int, float] | None = None,
    **_: Any,
) -> None:
    """Check times and limits; other settings are left to the server.

    Raises:
        ValueError: A time is negative, or the rate limit is no pair of positive numbers.
    """
    if latency < 0 or jitter < 0:
        raise ValueError("latency and jitter are seconds, 0 or more")
    if rate_limit is None:
        return
    most, window = rate_limit
    if most < 1 or window <= 0:
        raise ValueError("rate_limit is a pair: requests (1 or more), window in seconds")


def check_fault(mode: str, times: int | None) -> None:
    """Check how a fault is to strike, and how often.

    Raises:
        ValueError: The mode is unknown, or `times` is less than 1.
    """
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(sorted(MODES))}, not {mode!r}")
    if times is not None and times < 1:
        raise ValueError("times is 1 or more, or None for ever")


class Driver(ABC):
    """The methods of `WatsServer` that talk to its process; they are neither counted nor delayed.

    Raises:
        ValueError: The server refuses the arguments.
        RuntimeError: By any of them: the server is not running.
    """

    def stats(self) -> ServerStats:
        """The counters; control calls such as this one are not counted.

        Returns:
            The counters since the start or the last `reset`.

        Raises:
            RuntimeError: The server is not running.
        """
        counters: ServerStats = self._control("stats")
        return counters

    def reports(self) -> dict[str, int]:
        """The reports that were submitted: id in lower case -> times accepted.

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
        """Plant a fault; several on one route strike in the order in which they were planted.

        Args:
            route: A template such as "GET /api/Product/{partNumber}", which is matched exactly; a
                prefix such as "GET /api/Product", "/api/Product" or, where a template has the
                same name, "GET /api/Asset*"; or "*" for every request.
            status: The status of the modes "status" (None: 503) and "redirect" (None: 302).
            times: How often it strikes; None for ever.
            retry_after: Seconds for a Retry-After header; None for no such header.
            mode: "status": that status, the request unprocessed. "reset": RST. "close": closed
                without an answer. "hang": never answered. "html": 200 with a page. "redirect": to
                `location`. These leave the state alone; the rest process the request first:
                "cut": half a body, then closed. "close_after": answered, then closed a moment
                later, unannounced. "delay": answered late.
            delay: Seconds of latency on top of the server's.
            location: Where "redirect" leads: a path or a URL.

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
        """The requests so far, if the server was made with `record=True`, in their order.

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
        """Back to the seeded state and the options of the start; counters and faults cleared.

        Raises:
            RuntimeError: The server is not running.
        """
        self._control("reset")

    def configure(self, **settings: Any) -> None:
        """Change settings of the running server.

        Args:
            **settings: `latency`, `jitter`, `rate_limit` as in the constructor; `lightweight`
                (as `lightweight_query`); `default_top`: rows of a query without $top (1,000 at
                the start); `max_top`: the most rows of any query, None for no cap;
                `ignore_filter`: True serves queries as if they had no $filter.

        Raises:
            ValueError: A time is negative, the rate limit is no pair of positive numbers, or a name
                is unknown.
            RuntimeError: The server is not running.
        """
        check_options(**settings)
        self._control("configure", **settings)

    def seed_products(self, count: int) -> None:
        """Replace all products by `count` seeded ones, "PN-00000" first."""
        self._control("seed", kind="products", count=count)

    def seed_assets(self, count: int) -> None:
        """Replace all assets by `count` seeded ones, "AS-00000" first."""
        self._control("seed", kind="assets", count=count)

    def seed_units(self, count: int) -> None:
        """Replace all units by `count` seeded ones, "SN-00000" first."""
        self._control("seed", kind="units", count=count)

    def put_state(self, kind: str, objects: Iterable[Mapping[str, Any]]) -> None:
        """Add objects as they are; the same exact key replaces, a key in another case does not.

        Args:
            kind: A table of the server: "products", "assets", "units", "reports", "headers",
                "tickets", "packages", "users", "definitions", and others of `app.state.State`.
            objects: JSON objects as the server sends them, with the key of their table.

        Raises:
            ValueError: The kind is unknown, or a key is missing.
            RuntimeError: The server is not running.
        """
        self._control("put_state", kind=kind, objects=[dict(item) for item in objects])

    def get_state(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a table; `kind` as for `put_state`."""
        objects: list[dict[str, Any]] = self._control("get_state", kind=kind)
        return objects

    def drop_connections(self, *, reset: bool = False) -> int:
        """Close all idle connections.

        Args:
            reset: True closes with RST, False with FIN.

        Returns:
            How many were closed.
        """
        dropped: int = self._control("drop_connections", reset=reset)
        return dropped

    @abstractmethod
    def _control(self, command: str, **arguments: Any) -> Any:
        """Send a command and return its decoded answer."""
