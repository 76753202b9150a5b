"""Reads the Retry-After header of an answer (RFC 9110, 10.2.3)."""

from __future__ import annotations

import re
from datetime import timezone
from email.utils import parsedate_to_datetime

LONGEST = 300.0
"""Seconds, at most, for which any server is left alone.

WATS counts requests by the minute, so whoever asks for more is mistaken (a wrong clock, a proxy in
between) or hostile. Where it is neither, what comes too early is a call or two each time.
"""

# What float() reads beyond this ("nan", "inf", "1_000") would stop every timer, or nobody meant.
_SECONDS = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*")


def seconds_asked(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds for which an answer asks to be left alone.

    Args:
        value: Its Retry-After header: seconds or an HTTP date; None: there is none.
        date: Its Date header; None: there is none.
        now: Seconds since 1970, for an answer without a date of its own.

    Returns:
        Seconds, from 0 to `LONGEST`; None: it does not ask, or not legibly.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        until = _seconds_since_1970(value)
        if until is None:
            return None
        # The server's own clock, where it shows it: ours may be wrong.
        sent = _seconds_since_1970(date or "")
        seconds = until - (now if sent is None else sent)
    return min(max(seconds, 0.0), LONGEST)


def _seconds_since_1970(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:  # "-0000", or the old form of asctime: UTC, and never our own zone
        when = when.replace(tzinfo=timezone.utc)
    return when.timestamp()
