"""Checks of what a test asks of the server, before a process is started for it."""

from __future__ import annotations

from typing import Any

from pywats_green.testing.app.faults import MODES


def check_options(
    latency: float = 0.0,
    jitter: float = 0.0,
    rate_limit: tuple[int, float] | None = None,
    **_: Any,
) -> None:
    """Check times and limits; other settings are left to the server.

    Raises:
        ValueError: A time is negative, or the rate limit is no pair of positive numbers.
    """
    if latency < 0 or jitter < 0:
        raise ValueError("latency and jitter are seconds, 0 or more")
    if rate_limit is None:
        return
    most, window = rate_limit
    if most < 1 or window <= 0:
        raise ValueError("rate_limit is a pair: requests (1 or more), window in seconds")


def check_fault(mode: str, times: int | None) -> None:
    """Check how a fault is to strike, and how often.

    Raises:
        ValueError: The mode is unknown, or `times` is less than 1.
    """
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(sorted(MODES))}, not {mode!r}")
    if times is not None and times < 1:
        raise ValueError("times is 1 or more, or None for ever")
