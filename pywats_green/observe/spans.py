"""OpenTelemetry spans of the calls. Needs the extra `otel`; `configure(tracing=True)` uses it.

Names are those of OpenTelemetry's semantic conventions for HTTP clients, where there are any.
"""

from __future__ import annotations

import re
from contextvars import Token
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from opentelemetry import context, propagate, trace
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
    Context,
)
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from pywats_green._version import __version__
from pywats_green.events import RequestEvent, encodable

_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"

# What instrumentations redact, and what a URL should not hold, but sometimes does.
_SECRET = re.compile(
    r"([?&](?:sig|[^=&#]*(?:token|password|secret|signature|api_?key|accesskey)[^=&#]*)=)[^&#]*",
    re.IGNORECASE,
)

_FIRST_BAD = 400
_PORTS = {"http": 80, "https": 443}


class _Open(NamedTuple):
    span: Span
    token: Token[Context]


class Spans:
    """Makes a span of each call, current while the call runs, and sends its `traceparent`."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("pywats_green", __version__, schema_url=_SCHEMA)
        self._open: dict[int, _Open] = {}  # by the id of the event, which lives as long

    def start(self, event: RequestEvent) -> None:
        """Start the span of a call, unless the user suppresses instrumentation."""
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        sends = event.cache != "hit"
        span = self._tracer.start_span(
            f"{event.method} {event.route}",
            kind=SpanKind.CLIENT if sends else SpanKind.INTERNAL,
            attributes=_known_at_start(event),
        )
        # Instrumentation of requests, urllib3 or httpx, which some calls pass through, would add a
        # second span and a second traceparent.
        current = context.set_value(
            _SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, trace.set_span_in_context(span)
        )
        self._open[id(event)] = _Open(span, context.attach(current))
        if sends:
            carrier: dict[str, str] = {}
            propagate.inject(carrier, current)
            event.headers = carrier

    def end(self, event: RequestEvent) -> None:
        """End the span of a call."""
        found = self._open.pop(id(event), None)
        if found is None:
            return
        context.detach(found.token)  # first, because an exporter may block and so be killed
        try:
            if found.span.is_recording():
                found.span.set_attributes(_known_at_end(event))
                _set_status(found.span, event)
        finally:
            found.span.end()


def _known_at_start(event: RequestEvent) -> dict[str, AttributeValue]:
    address, port = _address_of(event.server)
    found: dict[str, AttributeValue] = {
        "http.request.method": event.method,
        "url.full": _url_of(event),
        "url.template": event.route,
        "server.address": address,
        "pywats.domain": event.domain,
    }
    if port is not None:
        found["server.port"] = port
    if event.correlation_id is not None:
        found["pywats.correlation_id"] = event.correlation_id
    return found


def _known_at_end(event: RequestEvent) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        "pywats_green.attempts": event.attempts,
        "pywats_green.batched": event.is_batched,
        "pywats_green.admission.wait": event.waited,
    }
    if event.cache is not None:
        found["pywats_green.cache"] = event.cache
    if event.attempts > 1:
        found["http.request.resend_count"] = event.attempts - 1
    if event.status is not None:
        found["http.response.status_code"] = event.status
    return found


def _set_status(span: Span, event: RequestEvent) -> None:
    error = event.error
    if error is not None:
        kind = type(error)
        span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, encodable(str(error)))
    elif event.status is not None and event.status >= _FIRST_BAD:
        span.set_attribute("error.type", str(event.status))
        span.set_status(StatusCode.ERROR)


@lru_cache(maxsize=64)
def _address_of(server: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(server)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # no URL, so that nothing will be sent
        return "", None


def _url_of(event: RequestEvent) -> str:
    params = {name: value for name, value in (event.params or {}).items() if value is not None}
    url = f"{event.server}/{event.endpoint.lstrip('/')}"
    if params:
        url = f"{url}?{urlencode(params, doseq=True, errors='backslashreplace')}"
    return encodable(_SECRET.sub(r"\1REDACTED", url) if "?" in url else url)
