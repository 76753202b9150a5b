"""What is carried beside a call, where upstream's arguments and errors have no place for it."""

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

# The last answer to a queue's own submission, which alone sets it: an answer that nobody will ask
# for must not be kept alive by the context of its greenlet.
submission_answer: ContextVar[Response | None] = ContextVar(
    "pywats_green.submission_answer", default=None
)
