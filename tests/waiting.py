"""Waiting in tests: for a condition, a turn, or other calls. Reaching the limit is a failure."""

import json
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from platforms import PATIENCE
from transport.servers import Seen, reply

BOUND = PATIENCE  # enough even at a load of 16


def until(condition: Callable[..., object], what: str = "", *, every: float = 0.002) -> None:
    """Let other greenlets run until a condition holds, which may bind a loop's variables."""
    with gevent.Timeout(BOUND, AssertionError(f"waited {BOUND:g} s {what and 'for ' + what}")):
        while not condition():
            gevent.sleep(every)


def turn() -> None:
    """Let all greenlets that are ready run once, those just spawned among them.

    The hub runs them in the order in which they became ready, so this involves no clock.
    """
    gevent.sleep(0)


class Rendezvous:
    """Products for a `transport.servers.Server`; none is answered until `count` are in flight.

    So no call ends before that many are in flight, however slow the machine is.
    """

    def __init__(self, count: int) -> None:
        self.highest = 0
        self._count = count
        self._waiting = 0
        self._met = Event()

    def __call__(self, seen: Seen) -> bytes:
        self._waiting += 1
        self.highest = max(self.highest, self._waiting)
        if self._waiting == self._count:
            self._met.set()
        assert self._met.wait(BOUND), f"{self._waiting} of {self._count} came"
        self._waiting -= 1
        product: dict[str, Any] = {
            "partNumber": seen.target.rpartition("/")[2],
            "name": "n",
            "nonSerial": False,
            "state": 1,
        }
        return reply(200, json.dumps(product).encode(), [("Content-Type", "application/json")])
