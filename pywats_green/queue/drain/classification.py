"""Judges what a submission raised: what becomes of the report, and of the drain."""

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
_AWAY_ERRNOS = frozenset(
    {
        *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
        getattr(errno, "EHOSTDOWN", errno.ECONNREFUSED),  # not on every system
    }
)


class Kind(Enum):
    """What becomes of a report that was not simply accepted."""

    DELIVERED = "delivered"
    """The server has it already."""
    TRANSIENT = "transient"
    """It is sent again later; the attempt counts."""
    PERMANENT = "permanent"
    """It is set aside; sending it again would change nothing."""
    AWAY = "away"
    """Nobody was reached: it is given back, and the drain pauses."""
    REFUSED = "refused"
    """The token was refused: it is given back, and the drain pauses."""
    FOREIGN = "foreign"
    """Somebody else answered, or nothing was said: it is given back, and the drain pauses."""


class Disposition(NamedTuple):
    """What becomes of a report.

    Attributes:
        kind: What.
        reason: Why, in one line; several for a bug in the callable.
        answered: Whether a server answered at all.
        retry_after: Seconds for which the server asked to be left alone; None: it did not ask.
        holds: Whether it asked so of all, not of this report: nothing is sent meanwhile.
    """

    kind: Kind
    reason: str
    answered: bool = False
    retry_after: float | None = None
    holds: bool = False


class Classifier:
    """The rules that need to know no library but Python's own.

    Where an exception carries an answer as `response`, its status decides; else the exception
    itself does. A subclass that knows the errors of a client library extends `is_away`,
    `is_transient` and `status_of`.

    Args:
        now: Seconds since 1970, for a Retry-After that is a date.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def classify(self, exc: BaseException) -> Disposition:  # noqa: PLR0911  # one for each rule
        """Judge what a submission raised.

        Args:
            exc: What `load` or `submit` raised.

        Returns:
            The disposition.
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
        if self.is_away(exc):
            return Disposition(Kind.AWAY, _line(exc))
        if self.is_transient(exc):
            return Disposition(Kind.TRANSIENT, _line(exc))
        return Disposition(Kind.PERMANENT, _with_place(exc))

    def is_away(self, exc: BaseException) -> bool:
        """Tell whether an error says that no server could be reached."""
        return any(
            isinstance(error, (ConnectionRefusedError, socket.gaierror))
            or (isinstance(error, OSError) and error.errno in _AWAY_ERRNOS)
            for error in _chain(exc)
        )

    def is_transient(self, exc: BaseException) -> bool:
        """Tell whether an error, of which `is_away` is false, may go away by itself."""
        # OSError is the root of the builtin TimeoutError and ConnectionError, too.
        return any(isinstance(error, (OSError, http.client.HTTPException)) for error in _chain(exc))

    def status_of(self, exc: BaseException) -> int | None:  # noqa: ARG002  # for subclasses
        """Return the status that an error without an answer tells of; None: it tells of none."""
        return None

    def _of_answer(self, response: Any) -> Disposition:
        status, reason = response.status_code, described(response)
        if status == _CONFLICT and is_already_there(response):
            return Disposition(Kind.DELIVERED, reason, answered=True)
        disposition = _of_status(status, reason)
        if disposition.kind is not Kind.TRANSIENT:
            return disposition
        seconds = retry_after(response, self._now())
        return disposition._replace(
            retry_after=seconds, holds=status == _TOO_MANY or seconds is not None
        )


def _of_status(status: int, reason: str) -> Disposition:
    if status in _TOKEN_REFUSED:
        return Disposition(Kind.REFUSED, reason, answered=True)
    if status in _TRANSIENT or status >= _SERVER_FAULT:
        return Disposition(Kind.TRANSIENT, reason, answered=True, holds=status == _TOO_MANY)
    if status < _CLIENT_FAULT and status >= _OK:
        # An error after a success, or a redirection that nobody followed. Sending it again could
        # not be told from sending it twice; a person has to look.
        reason = f"the call failed although the server answered {reason}"
    return Disposition(Kind.PERMANENT, reason, answered=True)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Give an error and what it was raised from; below a network error, what it was raised in."""
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
    """Name an error and the last lines of code it came through; never the values of variables."""
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(exc.__traceback__)
    ]
    return "\n  at ".join([_line(exc), *reversed(frames[-3:])])
