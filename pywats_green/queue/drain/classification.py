"""Classifies what a submission raised: what becomes of the report, and of the drain."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

from pywats_green.causes import causes
from pywats_green.exceptions import (
    AdmissionTimeoutError,
    ForeignAnswerError,
    TransportDecodeError,
    TransportError,
    TransportSetupError,
    UnreadableReportError,
)
from pywats_green.queue.drain.answers import (
    described,
    is_already_there,
    response_of,
    retry_after,
)
from pywats_green.redaction import redacted

# These concern the report. Any other refusal is first blamed on the server: if it is the report's
# after all, that shows as soon as another one gets through, whereas a report that is wrongly blamed
# is quarantined, and with it the whole backlog, which meets the same.
_OF_THE_REPORT = frozenset({400, 409, 413, 415, 422})
_TOKEN_REFUSED = frozenset({401, 403})
_OVERLOADED = frozenset({408, 425})
_TOO_MANY = 429
_BAD_REQUEST, _CONFLICT = 400, 409
_OK, _REDIRECTED, _SERVER_FAULT = 200, 300, 500

# What nginx and Apache answer, with 400, to whoever speaks http to an https port.
_WRONG_SCHEME = re.compile(r"plain HTTP .*(HTTPS|SSL-enabled)", re.IGNORECASE | re.DOTALL)

# No connection could be made, so nothing was sent.
_UNREACHABLE_ERRNOS = frozenset(
    {
        *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
        getattr(errno, "EHOSTDOWN", errno.ECONNREFUSED),  # not on every system
    }
)
_EXHAUSTED_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

# About this machine's files or its firewall; no server causes them.
_LOCAL_ERRORS = (
    *(FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError),
    TransportSetupError,
)


class Kind(Enum):
    """What becomes of a report that was not accepted.

    From UNREACHABLE on, the server is blamed first: the report is put back, and the submissions
    gate closes.
    """

    DELIVERED = "delivered"
    """The server has it already."""
    PERMANENT = "permanent"
    """It is quarantined; sending it again would change nothing."""
    UNADMITTED = "unadmitted"
    """It was not admitted in time, so it was not sent."""
    UNREADABLE = "unreadable"
    """It could not be read for now: it is retried later, and the attempt counts."""
    UNREACHABLE = "unreachable"
    """The server was not reached."""
    UNPREPARED = "unprepared"
    """This machine could not send: certificate files, the base URL, a lack of resources."""
    REFUSED = "refused"
    """The token was refused."""
    FOREIGN = "foreign"
    """The answer was not a receipt; the server may have the report all the same."""
    FAILED = "failed"
    """The server failed."""
    MISDIRECTED = "misdirected"
    """Whoever answered takes no reports at this address."""
    SILENT = "silent"
    """There was no answer; the server may have the report all the same."""
    HELD_OFF = "held off"
    """The server asked for a pause."""


_NOT_THE_SERVERS = frozenset({Kind.DELIVERED, Kind.PERMANENT, Kind.UNADMITTED, Kind.UNREADABLE})

# Any other report would meet the same, whatever it contains.
_NOT_FOR_THE_REPORT = frozenset({Kind.UNREACHABLE, Kind.HELD_OFF})


class Disposition(NamedTuple):
    """What becomes of a report.

    Attributes:
        kind: The kind.
        reason: Why, in one line, or in several for a bug in the callable.
        answered: Whether a server answered at all.
        retry_after: Seconds that the server asked to wait. None: it did not ask.
    """

    kind: Kind
    reason: str
    answered: bool = False
    retry_after: float | None = None

    @property
    def blames_the_server(self) -> bool:
        """Whether the server is blamed first."""
        return self.kind not in _NOT_THE_SERVERS

    @property
    def may_be_the_report(self) -> bool:
        """Whether the report is to blame if another one gets through."""
        return self.kind not in _NOT_FOR_THE_REPORT


class Classifier:
    """The rules that depend on no library but Python's own.

    If an exception carries an answer as `response`, its status decides; otherwise the exception
    itself does. A subclass that knows the errors of a client library extends `kind_of` and
    `status_of`.

    Args:
        now: Seconds since the epoch, for a Retry-After that is a date.
        secret: Shown as "***" in reasons.
    """

    def __init__(self, now: Callable[[], float] = time.time, secret: str = "") -> None:
        self._now = now
        self._secret = secret

    def classify(self, exc: BaseException, *, was_read: bool = True) -> Disposition:
        """Return what becomes of the report.

        Args:
            exc: What `load` or `submit` raised.
            was_read: Whether `load` returned.
        """
        found = self._classified(exc, was_read)
        return found._replace(reason=redacted(found.reason, self._secret))

    def _classified(self, exc: BaseException, was_read: bool) -> Disposition:
        if isinstance(exc, ForeignAnswerError):
            return Disposition(Kind.FOREIGN, " ".join(str(exc).split()), answered=True)
        response = response_of(exc)
        if response is not None:
            return self._of_answer(response)
        status = self.status_of(exc)
        if status is not None:
            return Disposition(_kind_of_status(status), _line(exc), answered=True)
        if isinstance(exc, UnreadableReportError):
            return Disposition(Kind.PERMANENT, str(exc))
        kind = self.kind_of(exc)
        if kind is None:
            return Disposition(Kind.PERMANENT, _with_place(exc))
        if not was_read and not any(map(_is_exhausted, _chain(exc))):
            kind = Kind.UNREADABLE
        # Not the report's fault, so nobody needs what pywats adds to `message`: operation, details.
        text = getattr(exc, "message", None) or exc
        return Disposition(kind, _line(exc, text), answered=kind is Kind.FOREIGN)

    def kind_of(self, exc: BaseException) -> Kind | None:
        """Return what an error without an answer means. None: it is a bug."""
        for error in _chain(exc):
            if isinstance(error, AdmissionTimeoutError):
                return Kind.UNADMITTED
            if isinstance(error, _LOCAL_ERRORS) or _is_exhausted(error):
                return Kind.UNPREPARED
            if isinstance(error, TransportDecodeError):
                return Kind.FOREIGN
            number = error.errno if isinstance(error, OSError) else None
            if number in _UNREACHABLE_ERRNOS or isinstance(
                error, (ConnectionRefusedError, socket.gaierror)
            ):
                return Kind.UNREACHABLE
        # OSError is the root of the builtin TimeoutError and ConnectionError, too.
        silent = (OSError, http.client.HTTPException, TransportError)
        return Kind.SILENT if any(isinstance(error, silent) for error in _chain(exc)) else None

    def status_of(self, exc: BaseException) -> int | None:  # noqa: ARG002  # for subclasses
        """Return the status that an error without an answer names. None: it names none."""
        return None

    def _of_answer(self, response: Any) -> Disposition:
        status, reason = response.status_code, described(response, self._secret)
        if status == _CONFLICT and is_already_there(response):
            return Disposition(Kind.DELIVERED, reason, answered=True)
        kind = _kind_of_status(status)
        if status == _BAD_REQUEST and _WRONG_SCHEME.search(reason):
            kind = Kind.MISDIRECTED
        elif _OK <= status < _REDIRECTED:
            reason = f"the call failed although the server answered {reason}"
        disposition = Disposition(kind, reason, answered=True)
        if not disposition.blames_the_server:
            return disposition
        return disposition._replace(retry_after=retry_after(response, self._now()))


def _kind_of_status(status: int) -> Kind:
    if status == _TOO_MANY:
        return Kind.HELD_OFF
    if status in _TOKEN_REFUSED:
        return Kind.REFUSED
    if status in _OVERLOADED or status >= _SERVER_FAULT:
        return Kind.FAILED
    # After a success, sending it again might store it twice: a person has to look.
    if status in _OF_THE_REPORT or _OK <= status < _REDIRECTED:
        return Kind.PERMANENT
    return Kind.MISDIRECTED


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes; below a network error also its contexts."""
    return causes(exc, contexts=isinstance(exc, OSError))


def _is_exhausted(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, OSError) and error.errno in _EXHAUSTED_ERRNOS


def _line(exc: BaseException, told: object = None) -> str:
    text = " ".join(str(told or exc).split())
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _with_place(exc: BaseException) -> str:
    """Describe an error by its last lines of code; never by the values of variables."""
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(exc.__traceback__)
    ]
    return "\n  at ".join([_line(exc), *reversed(frames[-3:])])
