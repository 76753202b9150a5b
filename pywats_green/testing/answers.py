"""What the server tells about itself."""

from __future__ import annotations

from typing import NamedTuple, TypedDict


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
