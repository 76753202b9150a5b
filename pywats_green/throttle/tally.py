"""Counts what calls wait for."""

from __future__ import annotations


class Tally:
    """The waits of a process.

    Attributes:
        waiting: How many calls are waiting in a line now.
        waits: How often a call has had to wait in one.
        seconds: How long they waited together, killed calls included; added when a wait ends.
        refused: How many responses had the status 429.
        closings: How often a gate has closed.
        probes: How many calls were admitted through a closed gate, to probe the server.
        reopenings: How often a gate has reopened.
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
        """Count a wait that begins."""
        self.waiting += 1
        self.waits += 1

    def ended(self, seconds: float) -> None:
        """Count a wait that ends, be it by a turn, a refusal or a kill."""
        self.waiting -= 1
        self.seconds += seconds
