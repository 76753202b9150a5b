"""Dates and times as WATS writes them."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


def parse_datetime(text: str) -> datetime | None:
    """Read an ISO date or time as UTC (no zone means UTC); None where it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(((fraction or "") + "000000")[:6]),
            tzinfo=timezone.utc,
        )
        if zone and zone != "Z":
            moment = datetime.fromisoformat(moment.isoformat()[:-6] + zone)
    except (ValueError, OverflowError):
        return None
    return moment
