"""A log record for each call, by the logger `pywats_green.calls`."""

from __future__ import annotations

import logging

from pywats_green.events import RequestEvent

logger = logging.getLogger("pywats_green.calls")

_FIRST_BAD = 400


def log_call(event: RequestEvent) -> None:
    """Log a call that has ended, with its figures as attributes of the record.

    Calls that raised, or were answered with 400 or more, are logged as warnings.
    """
    is_bad = event.error is not None or (event.status or 0) >= _FIRST_BAD
    level = logging.WARNING if is_bad else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(
            level, "%s %s: %s after %.3f s", event.method, event.route, _outcome(event),
            event.elapsed, extra=_figures(event),
        )  # fmt: skip


def _outcome(event: RequestEvent) -> str:
    if event.error is not None:
        return f"{type(event.error).__name__}: {event.error}"
    source = "a batch" if event.is_batched else event.cache if not event.attempts else None
    return f"HTTP {event.status}" + ("" if source is None else f" ({source})")


def _figures(event: RequestEvent) -> dict[str, object]:
    return {
        "correlation_id": event.correlation_id,
        "domain": event.domain,
        "method": event.method,
        "route": event.route,
        "attempt": event.attempts,
        "cache": event.cache,
        "status": event.status,
        "duration": event.elapsed,
        "waited": event.waited,
    }
