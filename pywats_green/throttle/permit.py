"""What a gate hands out to those it admits."""

from __future__ import annotations


class Permit:
    """Permission to send one request; to be given back once, with its outcome.

    Attributes:
        epoch: The gate's epoch when it was handed out. Closing and reopening begin a new one.
        is_probe: Whether the request probes the server through a closed gate.
        is_out: Whether it has yet to be given back.
        has_pass: Whether a pass of a `SharedGate` comes with it.
    """

    __slots__ = ("epoch", "has_pass", "is_out", "is_probe")

    def __init__(self, epoch: int, *, is_probe: bool) -> None:
        self.epoch = epoch
        self.is_probe = is_probe
        self.is_out = True
        self.has_pass = False
