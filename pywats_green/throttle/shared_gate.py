"""A gate that others, on other machines, open and close with this one."""

from __future__ import annotations

from typing import Any, Protocol

from pywats_green.throttle.gate import Gate
from pywats_green.throttle.permit import Permit

_RELOOK = 1.0  # seconds


class Passes(Protocol):
    """What all of them share: who gets through while the gate is not open."""

    @property
    def is_needed(self) -> bool:
        """Whether nobody may be admitted without one."""

    @property
    def at_hand(self) -> bool:
        """Whether `take` would return True."""

    def take(self) -> bool:
        """Take a pass. False: there is none at hand."""

    def put_back(self) -> None:
        """Put back a pass that was not used, or whose request taught nothing."""

    def spend(self, *, is_good: bool = False, is_probe: bool = False) -> None:
        """Give up a pass whose request has ended."""

    def ask(self) -> None:
        """Note that somebody would go if there were a pass."""


class SharedGate(Gate):
    """A gate that admits somebody only with a pass as well, while it is not open.

    Args:
        name: What it protects, for people.
        passes: The passes.
        **others: As for `Gate`.
    """

    def __init__(self, name: str, passes: Passes, **others: Any) -> None:
        super().__init__(name, **others)
        self._passes = passes

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line.waiting)

    def reopen_from_afar(self) -> None:
        """Reopen it, because another's probe was answered; to be called in its native thread."""
        if self._closure:
            self._reopen(self._closure, self._clock())
            self._line.attend()
            self.announce()

    def attend(self) -> None:
        """Wake who waits: there may be a pass now."""
        self._line.attend()

    def _look(self) -> float:
        seconds = super()._look()
        if seconds > 0 or not self._passes.is_needed or self._passes.at_hand:
            return seconds
        self._passes.ask()
        return _RELOOK

    def _admit(self) -> Permit | None:
        is_needed = self._passes.is_needed
        permit = super()._admit()
        if permit is not None and is_needed:
            permit.has_pass = self._passes.take()
        return permit

    def _give_back(self, permit: Permit) -> bool:
        counts = super()._give_back(permit)
        if permit.has_pass:
            permit.has_pass = False
            self._passes.spend()
        return counts

    def reopen(self, permit: Permit) -> None:
        """Take a permit back after a good answer; if it was the probe's, the gate reopens."""
        if permit.has_pass and permit.is_out:
            permit.has_pass = False
            is_probe = permit.is_probe and self.is_good(permit)
            self._passes.spend(is_good=True, is_probe=is_probe)
        super().reopen(permit)

    def take_back(self, permit: Permit) -> None:
        """Take a permit back from which nothing was learned; the next probe may go at once."""
        if permit.has_pass and permit.is_out:
            permit.has_pass = False
            self._passes.put_back()
        super().take_back(permit)
