"""Whether all is well, as `/healthz` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def complaints(stats: Mapping[str, Any], oldest: float | None) -> list[str]:
    """Return what is wrong; nothing: all is well.

    Args:
        stats: As returned by `pywats_green.stats()`.
        oldest: Seconds for which a report may wait. None: without limit.
    """
    found = []
    if any(state["cause"] is not None for state in stats["throttle"]["gates"].values()):
        found.append("the gate of a server is closed")
    queue = stats["queue"]
    if queue["unreadable"]:
        found.append("a queue cannot be read")
    if queue["paused"]:
        found.append("a queue is paused")
    age = queue["oldest_age"]
    if oldest is not None and age is not None and age > oldest:
        found.append(f"a report has been waiting for {age:.0f} s, more than {oldest:g} s")
    return found
