"""How long to wait before the next attempt, and before the next probe of a server."""

from __future__ import annotations

from collections.abc import Callable

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError

# A server that is back is found within this time, however long it was unreachable.
LONGEST_PROBE_DELAY = 30.0
_HIGHEST_EXPONENT = 62  # beyond this, floats overflow


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
        return self._random() * min(self._cap, self._doubled(attempts))

    def probe_delay(self, failures: int, longest: float = LONGEST_PROBE_DELAY) -> float:
        """Return the seconds before the next probe, uniform over the upper half of the range.

        Args:
            failures: How many probes have failed in a row.
            longest: Upper bound in seconds, if the backoff's own cap is higher.
        """
        most = min(self._cap, longest, self._doubled(failures))
        return most * (0.5 + 0.5 * self._random())

    def _doubled(self, times: int) -> float:
        return float(self._base * 2 ** min(max(times, 0), _HIGHEST_EXPONENT))
