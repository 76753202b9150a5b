"""What a gate hands out."""

from __future__ import annotations


class Permit:
    """Permission to send one request; to be given back once, by what became of it.

    Attributes:
        epoch: How often the gate had closed and reopened when it was handed out.
        is_probe: Whether the request probes if the server is back.
        is_out: Whether it was not given back yet.
    """

    __slots__ = ("epoch", "is_out", "is_probe")

    def __init__(self, epoch: int, *, is_probe: bool) -> None:
        self.epoch = epoch
        self.is_probe = is_probe
        self.is_out = True
