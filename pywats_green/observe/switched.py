"""What settings switch on: the spans and the log of calls."""

from __future__ import annotations

from collections.abc import Callable

from pywats_green.config import Settings
from pywats_green.events import subscribe
from pywats_green.exceptions import SettingsError

_listening: dict[str, Callable[[], None]] = {}
"""What is on, with the function that turns it off."""


def follow(settings: Settings) -> None:
    """Turn listeners on and off as the settings say.

    Raises:
        SettingsError: opentelemetry-api is missing; nothing was changed.
    """
    if settings.tracing and "tracing" not in _listening:
        # A call is logged inside its span, so that its record can show the id of the trace.
        _turn_off("log_calls")
        _listening["tracing"] = _trace()
    elif not settings.tracing:
        _turn_off("tracing")
    if settings.log_calls and "log_calls" not in _listening:
        from pywats_green.observe.call_log import log_call  # noqa: PLC0415  # rarely needed

        _listening["log_calls"] = subscribe(log_call)
    elif not settings.log_calls:
        _turn_off("log_calls")


def _trace() -> Callable[[], None]:
    try:
        from pywats_green.observe.spans import Spans  # noqa: PLC0415  # an optional dependency
    except ImportError as exc:
        raise SettingsError(
            'tracing needs opentelemetry-api: pip install "pywats-green[otel]"'
        ) from exc
    spans = Spans()
    return subscribe(spans.end, on_start=spans.start)


def _turn_off(name: str) -> None:
    cancel = _listening.pop(name, None)
    if cancel is not None:
        cancel()
