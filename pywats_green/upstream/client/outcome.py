"""Context variables for what does not fit into upstream's arguments and errors."""

from __future__ import annotations

from contextvars import ContextVar

from pywats.core.client import Response

# The response to the last request of this call, if it was not a success. Some of upstream's errors
# lose its status (a refused report raises a ValueError), so it is attached to the error as
# `response`.
refusal: ContextVar[Response | None] = ContextVar("pywats_green.refusal", default=None)

# Whether calls in this context bypass the circuit breaker: a queue's attempts must not open it for
# everybody else.
passes_breaker: ContextVar[bool] = ContextVar("pywats_green.passes_breaker", default=False)

# The last response to a queue's submission. Set for those only, because a greenlet's context would
# keep other responses alive for nothing.
submission_answer: ContextVar[Response | None] = ContextVar(
    "pywats_green.submission_answer", default=None
)
