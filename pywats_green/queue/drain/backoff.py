"""How long to wait before the next attempt, and before the next probe of a server that is away."""

from __future__ import annotations

from collections.abc import Callable

from pywats_green.exceptions import InvalidArgumentError

# A server that is back is found within this time, however long it was away.
LONGEST_PROBE_DELAY = 30.0
_HIGHEST_EXPONENT = 62  # more would only risk an overflow


class Backoff:
    """Exponential backoff with full jitter.

    Args:
        base: The most seconds before the second attempt, more than 0; doubled for each further.
        cap: The most seconds before any attempt, at least `base`.
        random: Returns a number from 0 up to 1.

    Raises:
        InvalidArgumentError: `base` or `cap` is out of range.
    """

    def __init__(self, base: float, cap: float, random: Callable[[], float]) -> None:
        if not 0 < base <= cap:
            raise InvalidArgumentError(
                f"backoff must be (base, cap) in seconds with 0 < base <= cap, not {(base, cap)!r}"
            )
        self._base = base
        self._cap = cap
        self._random = random

    def delay(self, attempts: int) -> float:
        """Return the seconds before the next attempt, evenly spread from 0 to the most.

        Args:
            attempts: How many attempts were counted before the one that just failed.
        """
        return self._random() * min(self._cap, self._doubled(attempts))

    def probe_delay(self, failures: int, longest: float = LONGEST_PROBE_DELAY) -> float:
        """Return the seconds before the next probe: at least half of the most, so none is wasted.

        Args:
            failures: How many probes have failed since the server was away.
            longest: The most seconds, where the backoff's own cap is higher.
        """
        most = min(self._cap, longest, self._doubled(failures))
        return most * (0.5 + 0.5 * self._random())

    def _doubled(self, times: int) -> float:
        return float(self._base * 2 ** min(max(times, 0), _HIGHEST_EXPONENT))
