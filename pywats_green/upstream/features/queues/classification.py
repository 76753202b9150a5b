"""Classifies pywats' errors for a queue."""

from __future__ import annotations

import re
import sys

from pywats_green.causes import causes
from pywats_green.queue.drain.classification import Classifier, Kind

# Upstream's messages for a refused report, and for a broken connection.
_REFUSED = re.compile(r"Report submission failed \((\d{3})\)")
_BROKE_OFF = "HTTP request failed"

# Of what cannot stand in a header: it would meet every report.
_OF_A_HEADER = ("the token ", "Illegal header")
_NESTED_ANSWER = "while decoding"


class WatsClassifier(Classifier):
    """Classifies pywats' errors as well as Python's."""

    def kind_of(self, exc: BaseException) -> Kind | None:
        """Return what an error without an answer means; None: it is a bug."""
        kind = super().kind_of(exc)
        if kind in (Kind.UNADMITTED, Kind.UNPREPARED):
            return kind  # whatever upstream made of it
        if "pywats" in sys.modules:  # otherwise nobody can have raised one of its errors
            from pywats.core.circuit_breaker import CircuitBreakerOpenError  # noqa: PLC0415
            from pywats.core.exceptions import (  # noqa: PLC0415
                ConnectionError as WatsConnectionError,
            )
            from pywats.core.exceptions import PyWATSError  # noqa: PLC0415
            from pywats.core.exceptions import TimeoutError as WatsTimeoutError  # noqa: PLC0415

            # This ConnectionError is only raised if no connection was made.
            unreachable = (CircuitBreakerOpenError, WatsConnectionError)
            if any(isinstance(error, unreachable) for error in causes(exc)):
                return Kind.UNREACHABLE
            if any(isinstance(error, WatsTimeoutError) for error in causes(exc)):
                return Kind.SILENT
            if type(exc) is PyWATSError and exc.message.startswith(_BROKE_OFF):
                return self._of_cause(exc.__cause__ or exc.__context__)
        return kind

    def _of_cause(self, below: BaseException | None) -> Kind | None:
        """Return what a broken exchange means; None: the report cannot be written as JSON."""
        text = str(below)
        if isinstance(below, RecursionError):
            return Kind.FOREIGN if _NESTED_ANSWER in text else None
        if isinstance(below, (TypeError, ValueError)):
            return Kind.UNPREPARED if text.startswith(_OF_A_HEADER) else None
        kinds = {kind.__name__ for kind in type(below).__mro__}  # of upstream's own transport
        if "InvalidURL" in kinds or "UnsupportedProtocol" in kinds:
            return Kind.UNPREPARED
        if "DecodingError" in kinds:
            return Kind.FOREIGN
        return (super().kind_of(below) if below is not None else None) or Kind.SILENT

    def status_of(self, exc: BaseException) -> int | None:
        """Return the status in an error of upstream's own client, used when green is disabled."""
        told = getattr(exc, "status_code", None)
        if isinstance(told, int):
            return told
        found = _REFUSED.match(str(exc)) if type(exc) is ValueError else None
        return int(found[1]) if found else None
