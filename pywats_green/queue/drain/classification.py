"""Classifies what a submission raised: what becomes of the report, and of the drain."""

from __future__ import annotations

import errno
import http.client
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

from pywats_green.exceptions import ForeignAnswerError, UnreadableReportError
from pywats_green.queue.drain.answers import (
    described,
    is_already_there,
    response_of,
    retry_after,
)

_TOKEN_REFUSED = frozenset({401, 403})
_TRANSIENT = frozenset({408, 425, 429})
_TOO_MANY = 429
_CONFLICT = 409
_OK, _CLIENT_FAULT, _SERVER_FAULT = 200, 400, 500

# No connection could be made, so nothing was sent.
_UNREACHABLE_ERRNOS = frozenset(
    {
        *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
        getattr(errno, "EHOSTDOWN", errno.ECONNREFUSED),  # not on every system
    }
)


class Kind(Enum):
    """What becomes of a report that was not accepted."""

    DELIVERED = "delivered"
    """The server has it already."""
    TRANSIENT = "transient"
    """It is retried later; the attempt counts."""
    PERMANENT = "permanent"
    """It is quarantined; sending it again would change nothing."""
    UNREACHABLE = "unreachable"
    """The server was not reached: the report is released, and the drain pauses."""
    REFUSED = "refused"
    """The token was refused: the report is released, and the drain pauses."""
    FOREIGN = "foreign"
    """The answer was no receipt: the report is released, and the drain pauses."""


class Disposition(NamedTuple):
    """What becomes of a report.

    Attributes:
        kind: What.
        reason: Why, in one line; in several for a bug in the callable.
        answered: Whether a server answered at all.
        retry_after: Seconds that the server asked to wait; None: it did not ask.
        for_all: Whether it asked that of every client: nothing is sent meanwhile.
    """

    kind: Kind
    reason: str
    answered: bool = False
    retry_after: float | None = None
    for_all: bool = False


class Classifier:
    """The rules that depend on no library but Python's own.

    If an exception carries an answer as `response`, its status decides; otherwise the exception
    itself does. A subclass that knows the errors of a client library extends `is_unreachable`,
    `is_transient` and `status_of`.

    Args:
        now: Seconds since the epoch, for a Retry-After that is a date.
        secret: Shown as "***" in reasons.
    """

    def __init__(self, now: Callable[[], float] = time.time, secret: str = "") -> None:
        self._now = now
        self._secret = secret

    def classify(self, exc: BaseException) -> Disposition:  # noqa: PLR0911  # one for each rule
        """Return what becomes of the report.

        Args:
            exc: What `load` or `submit` raised.
        """
        if isinstance(exc, ForeignAnswerError):
            return Disposition(Kind.FOREIGN, " ".join(str(exc).split()), answered=True)
        response = response_of(exc)
        if response is not None:
            return self._of_answer(response)
        status = self.status_of(exc)
        if status is not None:
            return _of_status(status, _line(exc))
        if isinstance(exc, UnreadableReportError):
            return Disposition(Kind.PERMANENT, str(exc))
        if self.is_unreachable(exc):
            return Disposition(Kind.UNREACHABLE, _line(exc))
        if self.is_transient(exc):
            return Disposition(Kind.TRANSIENT, _line(exc))
        return Disposition(Kind.PERMANENT, _with_place(exc))

    def is_unreachable(self, exc: BaseException) -> bool:
        """Tell whether an error means that no server could be reached."""
        return any(
            isinstance(error, (ConnectionRefusedError, socket.gaierror))
            or (isinstance(error, OSError) and error.errno in _UNREACHABLE_ERRNOS)
            for error in _chain(exc)
        )

    def is_transient(self, exc: BaseException) -> bool:
        """Tell whether an error for which `is_unreachable` is false may go away by itself."""
        # OSError is the root of the builtin TimeoutError and ConnectionError, too.
        return any(isinstance(error, (OSError, http.client.HTTPException)) for error in _chain(exc))

    def status_of(self, exc: BaseException) -> int | None:  # noqa: ARG002  # for subclasses
        """Return the status that an error without an answer names; None: it names none."""
        return None

    def _of_answer(self, response: Any) -> Disposition:
        status, reason = response.status_code, described(response, self._secret)
        if status == _CONFLICT and is_already_there(response):
            return Disposition(Kind.DELIVERED, reason, answered=True)
        disposition = _of_status(status, reason)
        if disposition.kind is not Kind.TRANSIENT:
            return disposition
        seconds = retry_after(response, self._now())
        return disposition._replace(
            retry_after=seconds, for_all=status == _TOO_MANY or seconds is not None
        )


def _of_status(status: int, reason: str) -> Disposition:
    if status in _TOKEN_REFUSED:
        return Disposition(Kind.REFUSED, reason, answered=True)
    if status in _TRANSIENT or status >= _SERVER_FAULT:
        return Disposition(Kind.TRANSIENT, reason, answered=True, for_all=status == _TOO_MANY)
    if status < _CLIENT_FAULT and status >= _OK:
        # An error after a success, or a redirect that was not followed. A retry might send the
        # report twice, so a person has to look.
        reason = f"the call failed although the server answered {reason}"
    return Disposition(Kind.PERMANENT, reason, answered=True)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes; below a network error also its contexts."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        following = current.__cause__
        if following is None and isinstance(exc, OSError) and not current.__suppress_context__:
            following = current.__context__
        current = following


def _line(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _with_place(exc: BaseException) -> str:
    """Describe an error by its last lines of code; never by the values of variables."""
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(exc.__traceback__)
    ]
    return "\n  at ".join([_line(exc), *reversed(frames[-3:])])
