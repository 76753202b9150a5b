"""What a member tells of itself: for the `fleet` command, and for others on its machine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pywats_green.fleet.keys import key_of
from pywats_green.fleet.limit import Limiter
from pywats_green.fleet.link import Link


class Label:
    """Makes a member's labels, each with the rate since the last one.

    Args:
        about: What never changes: a mapping that JSON takes.
        limiter: The limit.
    """

    def __init__(self, about: Mapping[str, Any], limiter: Limiter) -> None:
        self._about = about
        self._limiter = limiter
        self._taken = 0
        self._made_at = -math.inf

    def text(self, now: float, taken: int, waiting: int) -> str:
        """Return a label.

        Args:
            now: Seconds, on any clock.
            taken: How many slots it has taken in all.
            waiting: How many calls wait for one.
        """
        seconds = now - self._made_at
        rate = (taken - self._taken) / seconds if 0 < seconds < math.inf else 0.0
        self._taken, self._made_at = taken, now
        told = {
            "rate": round(rate, 2),
            "waiting": waiting,
            "limit": self._limiter.max_requests,
            "seconds": self._limiter.window_seconds,
        }
        return json.dumps({**self._about, **told})


def labels(link: Link, place: str) -> dict[str, dict[str, Any]]:
    """Return the labels at a limit, by the members' names.

    Raises:
        LinkError: It did not work.
    """
    pairs = iter(link.ask("HGETALL", f"{key_of(place)}:about"))
    return {
        name.removeprefix(b"l:").decode(): json.loads(text)
        for name, text in zip(pairs, pairs, strict=True)
        if name.startswith(b"l:")
    }
