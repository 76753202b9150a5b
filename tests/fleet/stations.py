"""Starts and drives `station.py` processes."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gevent
from waiting import BOUND, until

from pywats_green.testing import WatsServer

_SHIFTED = """
import runpy, sys, time
now = time.time
time.time = lambda: now() + {}
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_PROGRAM = Path(__file__).parent / "station.py"


class Station:
    """A process of a fleet.

    Args:
        clock_shift: Seconds by which the clock of its machine is wrong.
        within: Command that runs it somewhere else.
    """

    def __init__(self, clock_shift: float | None = None, within: Sequence[str] = ()) -> None:
        shifted = [] if clock_shift is None else ["-c", _SHIFTED.format(clock_shift)]
        self.process = subprocess.Popen(
            [*within, sys.executable, *shifted, str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, do: str, **more: Any) -> "Station":
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        return self

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        with gevent.Timeout(BOUND, AssertionError(f"no answer within {BOUND:g} s")):
            line = self.process.stdout.readline()
        assert line, "the station ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def join(
    fleet: Iterable[Station],
    server: WatsServer,
    url: str,
    limit: tuple[int, float],
    settings: dict[str, Any] | None = None,
    url_of_wats: str | None = None,
    **more: Any,
) -> None:
    """Let processes join a fleet, each with a client of its own."""
    order = {
        "url": url_of_wats or server.url, "token": server.token, "fleet": url, "limit": limit[0],
        "window": limit[1], **more,
        "settings": {"wait_for_server": 0.0, "fleet_invalidation": False, **(settings or {})},
    }  # fmt: skip
    for station in fleet:
        station.tell("join", **order)
    for station in fleet:
        station.answer()


def statistics(fleet: Iterable[Station]) -> list[dict[str, Any]]:
    """Return what each process knows of limits and gates."""
    for station in fleet:
        station.tell("stats")
    return [station.answer() for station in fleet]


def states(fleet: Iterable[Station]) -> list[dict[str, Any]]:
    """Return what each knows of the limits that it shares."""
    return [state for answer in statistics(fleet) for state in answer["fleet"]]


def seated(fleet: list[Station]) -> list[Station]:
    """Wait until each knows its share of the limit, with all others counted."""
    until(
        lambda: all(
            state["share"] is not None and state["peers"] == len(fleet) for state in states(fleet)
        ),
        "shares",
    )
    return fleet


def run_all(fleet: Iterable[Station], **order: Any) -> list[dict[str, Any]]:
    """Let all make calls at once, and return what they say."""
    for station in fleet:
        station.tell("run", **order)
    return [station.answer() for station in fleet]
