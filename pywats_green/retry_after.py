"""Reads the Retry-After header of an answer (RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime


def seconds_asked(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds for which an answer asks to be left alone.

    Args:
        value: Its Retry-After header: seconds or an HTTP date; None: there is none.
        date: Its Date header; None: there is none.
        now: Seconds since 1970, where the answer bears no date of its own.

    Returns:
        Seconds, 0 or more; None: it does not ask, or not legibly.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until = _seconds_since_1970(value)
        if until is None:
            return None
        # The server's own clock, where it shows it: ours may be wrong.
        sent = _seconds_since_1970(date or "")
        seconds = until - (now if sent is None else sent)
    return None if math.isnan(seconds) else max(seconds, 0.0)


def _seconds_since_1970(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
