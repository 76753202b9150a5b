"""Makes upstream's use of randomness and time the same in every run."""

from __future__ import annotations

import sys
import uuid
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

NOW = datetime(2024, 7, 1, 12, 0, 0, 250000, tzinfo=timezone(timedelta(hours=2)))

_MODULES_WITH_A_CLOCK = (
    "pywats.domains.analytics.async_service",
    "pywats.domains.report.async_service",
    "pywats.domains.report.filter_builders",
    "pywats.domains.report.report_models.report",
    "pywats.domains.software.installer",
    "pywats.domains.software.manifest",
)

_row = 0
_drawn = 0


def freeze_uuids() -> None:
    """Replace `uuid.uuid4`. Call it before importing pywats, which keeps a reference."""
    uuid.uuid4 = _next_uuid


def start_row(number: int) -> None:
    """Start a new sequence of ids, so that a row does not depend on those before it."""
    global _row, _drawn
    _row, _drawn = number, 0


def open_gates() -> None:
    """Forget which servers asked for time, so that a row does not wait for those before it."""
    gates: Any = sys.modules.get("pywats_green.upstream.client.gates")
    if gates is not None:
        gates.forget_all()


def _next_uuid() -> uuid.UUID:
    global _drawn  # noqa: PLW0603  # as above
    _drawn += 1
    return uuid.UUID(f"{_row:04x}{_drawn:04x}-0000-4000-9000-000000000000")


def freeze_clocks() -> None:
    """Stop the clock of pywats' modules that put the time into requests."""
    for name in _MODULES_WITH_A_CLOCK:
        module: Any = sys.modules.get(name)
        if module is not None:
            module.datetime = _Stopped


class _Kind(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


class _Stopped(datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz) if tz else NOW.astimezone().replace(tzinfo=None)
