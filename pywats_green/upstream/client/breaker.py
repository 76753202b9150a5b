"""The circuit breaker of a client, asked and told as upstream's `_make_request` does it.

Its lock is only taken where its state can change: nearly every call finds it closed, without a
failure since the last success.
"""

from __future__ import annotations

from typing import Any

from pywats.core.circuit_breaker import CircuitBreaker, CircuitBreakerOpenError, CircuitState
from pywats.core.exceptions import AuthenticationError, NotFoundError, ValidationError
from pywats.core.logging import get_logger

logger = get_logger("pywats.core.async_client")  # users filter by upstream's names

_NOT_COUNTED = (ValidationError, AuthenticationError, NotFoundError)


def of(client: Any) -> CircuitBreaker | None:
    """Return the circuit breaker of a client, if it has one that counts."""
    breaker: CircuitBreaker | None = getattr(client, "_circuit_breaker", None)
    return breaker if breaker is not None and client._circuit_breaker_enabled else None


def require_closed(breaker: CircuitBreaker, client: Any) -> None:
    """Let a request through, or not.

    Raises:
        CircuitBreakerOpenError: It is open, and it is too early to try again.
    """
    if breaker._state is not CircuitState.OPEN:
        return
    if not breaker._should_attempt_reset():
        raise CircuitBreakerOpenError(
            f"Circuit breaker for {client.base_url} is OPEN - failing fast"
        )
    logger.info("Circuit breaker: Attempting recovery for %s", client.base_url)
    breaker._state = CircuitState.HALF_OPEN
    breaker._success_count = 0


def failed(breaker: CircuitBreaker, error: Exception) -> None:
    """Tell that a request raised."""
    if not isinstance(error, _NOT_COUNTED):
        breaker._on_failure()
