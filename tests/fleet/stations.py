"""Starts and drives `station.py` processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    """A process of a fleet."""

    def __init__(self, server: WatsServer, fleet: str, limit: tuple[int, float], **more: Any):
        command = [sys.executable]
        shift = more.pop("clock_shift", None)
        if shift is not None:  # of this machine's clock, in seconds
            command += ["-c", _SHIFTED.format(shift)]
        order = {
            "url": server.url, "token": server.token, "fleet": fleet,
            "limit": limit[0], "window": limit[1], **more,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [*command, str(_PROGRAM), json.dumps(order)],
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


@contextmanager
def stations(
    count: int, server: WatsServer, fleet: str, limit: tuple[int, float], **more: Any
) -> Iterator[list[Station]]:
    """Processes that have joined a fleet."""
    started = [Station(server, fleet, limit, **more) for _ in range(count)]
    try:
        for station in started:
            station.answer()
        yield started
    finally:
        for station in started:
            station.kill()


def states(fleet: list[Station]) -> list[dict[str, Any]]:
    """Return what each knows of the limit that it shares."""
    for station in fleet:
        station.tell("stats")
    return [state for station in fleet for state in station.answer()["fleet"]]


def seated(fleet: list[Station]) -> list[Station]:
    """Wait until each knows its share of the limit, with all others counted."""
    until(
        lambda: all(
            state["share"] is not None and state["peers"] == len(fleet) for state in states(fleet)
        ),
        "shares",
    )
    return fleet


def run_all(fleet: list[Station], **order: Any) -> list[dict[str, Any]]:
    """Let all make calls at once, and return what they say."""
    for station in fleet:
        station.tell("run", **order)
    return [station.answer() for station in fleet]
