"""How long to wait before the next attempt, and before the next probe of a server."""

from __future__ import annotations

from collections.abc import Callable

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError
from pywats_green.pauses import LONGEST_PAUSE, doubled, growing_pause


class Backoff:
    """Exponential backoff with full jitter.

    Args:
        backoff: Base and cap in seconds: the upper bound before the second attempt, doubled for
            each further one, and the upper bound before any attempt; 0 < base <= cap.
        random: Returns a number in [0, 1).

    Raises:
        ArgumentTypeError: `backoff` is not a pair of numbers.
        InvalidArgumentError: The pair is out of range.
    """

    def __init__(self, backoff: tuple[float, float], random: Callable[[], float]) -> None:
        try:
            base, cap = map(float, backoff)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"backoff must be (base, cap), not {backoff!r}") from None
        if not 0 < base <= cap:
            raise InvalidArgumentError(
                f"backoff must be (base, cap) in seconds with 0 < base <= cap, not {backoff!r}"
            )
        self._base = base
        self._cap = cap
        self._random = random

    def delay(self, attempts: int) -> float:
        """Return the seconds before the next attempt, uniform between 0 and the upper bound.

        Args:
            attempts: How many attempts were counted before the one that just failed.
        """
        return self._random() * min(self._cap, doubled(self._base, attempts))

    def probe_delay(self, failures: int, longest: float = LONGEST_PAUSE) -> float:
        """Return the seconds before the next probe, uniform over the upper half of the range.

        Args:
            failures: How many probes have failed in a row.
            longest: Upper bound in seconds, if the backoff's own cap is higher.
        """
        return growing_pause(failures, min(self._cap, longest), self._random, first=self._base)
