"""How much of upstream's rate limits is used."""

from __future__ import annotations

from typing import TypedDict

from pywats_green.upstream.client.admission import windows


class LimitState(TypedDict):
    """How much of a rate limit is used.

    Attributes:
        used: Requests that count now: in flight, or ended less than a window ago.
        limit: How many may.
        seconds: Length of the window.
    """

    used: int
    limit: int
    seconds: float


def limit_statistics() -> list[LimitState]:
    """Return the state of each limiter that green calls have used and that is switched on."""
    return [
        {
            "used": window.used(),
            "limit": window.limiter.max_requests,
            "seconds": window.limiter.window_seconds,
        }
        for window in list(windows)
        if window.limiter.enabled
    ]
