"""Helpers for tests of look-ups: keys, comparable outcomes, counts of requests."""

import gc
from collections.abc import Callable, Iterable
from typing import Any

import gevent

from pywats_green import Pool
from pywats_green.testing import WatsServer

QUERY = "GET /api/Product/Query"
SINGLE = "GET /api/Product/{partNumber}"

ENDLESS = 60.0
"""Seconds of a window of batching that no test sees the end of."""


def outcome(function: Callable[[], Any]) -> Any:
    """Return the outcome of a call in comparable form."""
    try:
        value = function()
    except Exception as exc:  # noqa: BLE001  # errors are outcomes
        return type(exc).__name__, str(exc)
    return value.model_dump() if hasattr(value, "model_dump") else value


def outcomes(function: Callable[[Any], Any], keys: Iterable[Any], size: int = 100) -> list[Any]:
    return Pool(size).map(lambda key: outcome(lambda: function(key)), keys)


def greenlets() -> int:
    """Return how many greenlets have not ended."""
    gc.collect()
    return sum(isinstance(item, gevent.Greenlet) and not item.dead for item in gc.get_objects())


def part_numbers(count: int, start: int = 0) -> list[str]:
    return [f"PN-{number:05d}" for number in range(start, start + count)]


def planted(part_number: str, name: str = "planted") -> dict[str, Any]:
    """Return a product as stored by the server."""
    return {
        "partNumber": part_number,
        "name": name,
        "description": "d",
        "nonSerial": False,
        "state": 1,
        "productId": "0000000a-0000-4000-8000-0000ffffffff",
        "xmlData": "",
        "revisions": [{"revision": "A", "partNumber": part_number, "state": 1}],
        "tags": [],
    }


class Counts:
    """Counts requests by route since the last call."""

    def __init__(self, server: WatsServer) -> None:
        self._server = server
        self._before: dict[str, int] = {}
        self.new()

    def new(self) -> dict[str, int]:
        now = dict(self._server.stats()["requests"])
        fresh = {route: count - self._before.get(route, 0) for route, count in now.items()}
        self._before = now
        return {route: count for route, count in fresh.items() if count}
