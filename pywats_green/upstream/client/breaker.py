"""The circuit breaker of a client, used as upstream's `_make_request` uses it.

Its lock is taken only if its state can change; nearly every call finds it closed, with no failure
since the last success.
"""

from __future__ import annotations

import time
from typing import Any

from pywats.core.circuit_breaker import CircuitBreaker, CircuitBreakerOpenError, CircuitState
from pywats.core.exceptions import AuthenticationError, NotFoundError, ValidationError
from pywats.core.logging import get_logger

from pywats_green.exceptions import AdmissionTimeoutError
from pywats_green.redaction import without_user_info

logger = get_logger("pywats.core.async_client")  # users filter by upstream's names

_NOT_COUNTED = (ValidationError, AuthenticationError, NotFoundError, AdmissionTimeoutError)


def of(client: Any) -> CircuitBreaker | None:
    """Return the circuit breaker of a client, if it has one that is enabled."""
    breaker: CircuitBreaker | None = getattr(client, "_circuit_breaker", None)
    return breaker if breaker is not None and client._circuit_breaker_enabled else None


def require_closed(breaker: CircuitBreaker, client: Any) -> None:
    """Let a request through, half-opening the breaker when its recovery time is over.

    Raises:
        CircuitBreakerOpenError: It is open, and it is too early to try again.
    """
    if breaker._state is not CircuitState.OPEN:
        return
    if not breaker._should_attempt_reset():
        left = breaker.config.timeout_seconds - (time.time() - (breaker._last_failure_time or 0.0))
        raise CircuitBreakerOpenError(
            f"Circuit breaker for {without_user_info(client.base_url)} is OPEN - failing fast: "
            f"{breaker.config.failure_threshold} calls in a row failed, and the next is let "
            f"through in {max(left, 0.0):.0f} s. To have calls wait for the server instead: "
            "pywats_green.configure(wait_for_server=60)"
        )
    logger.info("Circuit breaker: Attempting recovery for %s", without_user_info(client.base_url))
    breaker._state = CircuitState.HALF_OPEN
    breaker._success_count = 0


def failed(breaker: CircuitBreaker, error: Exception) -> None:
    """Record that a request raised."""
    if not isinstance(error, _NOT_COUNTED):
        breaker._on_failure()
