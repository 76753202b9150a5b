"""Classifies pywats' errors for a queue."""

from __future__ import annotations

import re
import sys

from pywats_green.queue.drain.classification import Classifier

# Upstream's messages for a refused report, and for a broken connection.
_REFUSED = re.compile(r"Report submission failed \((\d{3})\)")
_BROKE_OFF = "HTTP request failed"


class WatsClassifier(Classifier):
    """Classifies pywats' errors as well as Python's."""

    def is_unreachable(self, exc: BaseException) -> bool:
        """Return whether the server could not be reached, or a breaker is open."""
        if "pywats" in sys.modules:  # otherwise it cannot be one of its errors
            from pywats.core.circuit_breaker import CircuitBreakerOpenError  # noqa: PLC0415
            from pywats.core.exceptions import ConnectionError  # noqa: A004, PLC0415

            # pywats raises ConnectionError only if no connection was made.
            if _is_or_comes_of(exc, (CircuitBreakerOpenError, ConnectionError)):
                return True
        return super().is_unreachable(exc)

    def is_transient(self, exc: BaseException) -> bool:
        """Return whether an error may go away by itself."""
        if "pywats" in sys.modules:
            from pywats.core.exceptions import PyWATSError, TimeoutError  # noqa: A004, PLC0415

            if _is_or_comes_of(exc, (TimeoutError,)):
                return True
            if type(exc) is PyWATSError and exc.message.startswith(_BROKE_OFF):
                # Upstream raises the same for a body that is not JSON.
                below = exc.__cause__ or exc.__context__
                return not isinstance(below, (TypeError, ValueError))
        return super().is_transient(exc)

    def status_of(self, exc: BaseException) -> int | None:
        """Return the status in an error of upstream's own client, used when green is disabled."""
        told = getattr(exc, "status_code", None)
        if isinstance(told, int):
            return told
        found = _REFUSED.match(str(exc)) if type(exc) is ValueError else None
        return int(found[1]) if found else None


def _is_or_comes_of(exc: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        if isinstance(exc, kinds):
            return True
        seen.add(id(exc))
        exc = exc.__cause__
    return False
