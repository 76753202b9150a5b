"""What the client knows of a call and upstream's errors do not say: carried beside the call."""

from __future__ import annotations

from contextvars import ContextVar

from pywats.core.client import Response

# The answer to the last request of this call, if it was no success. Upstream loses its status in
# some errors (a report that is refused raises a ValueError), so it is put on the error itself, as
# `response`.
refusal: ContextVar[Response | None] = ContextVar("pywats_green.refusal", default=None)

# Whether calls of this context pass the circuit breaker by, neither asking nor feeding it: a
# queue's own attempts must not close the client for everybody else.
passes_breaker: ContextVar[bool] = ContextVar("pywats_green.passes_breaker", default=False)
