"""Counts what calls wait for."""

from __future__ import annotations


class Tally:
    """The waits of a process.

    Attributes:
        waiting: How many calls stand in a line now.
        waits: How often a call had to stand in one.
        seconds: How long they stood there, those that were killed too; a wait counts at its end.
        refused: How many answers had the status 429.
        closings: How often a gate closed.
        probes: How many calls went through a closed gate, to probe the server.
        reopenings: How often a gate opened again.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.waits = 0
        self.seconds = 0.0
        self.refused = 0
        self.closings = 0
        self.probes = 0
        self.reopenings = 0

    def began(self) -> None:
        """Count a wait."""
        self.waiting += 1
        self.waits += 1

    def ended(self, seconds: float) -> None:
        """Count its end, be it the turn or a kill."""
        self.waiting -= 1
        self.seconds += seconds
