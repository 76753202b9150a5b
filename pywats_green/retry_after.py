"""Parses the Retry-After header (RFC 9110, 10.2.3)."""

from __future__ import annotations

import re
from datetime import timezone
from email.utils import parsedate_to_datetime

LONGEST = 300.0
"""Seconds, at most, for which any server is left alone.

WATS counts requests by the minute, so whoever asks for more is mistaken (a wrong clock, a proxy in
between) or hostile. Where it is neither, what comes too early is a call or two each time.
"""

# float() also accepts "nan", "inf" and "1_000", which would stop every timer or are not meant.
_SECONDS = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*")


def seconds_asked(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds to wait before a retry.

    Args:
        value: The Retry-After header: seconds or an HTTP date. None: there is none.
        date: The Date header. None: there is none.
        now: Seconds since the epoch, for a response without Date.

    Returns:
        Seconds, from 0 to `LONGEST`. None: the header is missing or invalid.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        until = _seconds_since_1970(value)
        if until is None:
            return None
        # Use the server's clock if it is known, because the local one may be wrong.
        sent = _seconds_since_1970(date or "")
        seconds = until - (now if sent is None else sent)
    return min(max(seconds, 0.0), LONGEST)


def _seconds_since_1970(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:  # "-0000", or the asctime form: UTC, not the local time zone
        when = when.replace(tzinfo=timezone.utc)
    return when.timestamp()
