"""Ends a claim according to what became of its submission."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import gevent

from pywats_green.exceptions import EventLoopRequiredError, NativeThreadError, UnfinishedReportError
from pywats_green.pauses import LONGEST_PAUSE
from pywats_green.queue.drain.backoff import Backoff
from pywats_green.queue.drain.classification import Classifier, Disposition, Kind
from pywats_green.queue.drain.holdback import Holdback
from pywats_green.queue.drain.ledger import Ledger, Standing
from pywats_green.queue.drain.statistics import DrainCounts
from pywats_green.queue.gate import Gate, Permit
from pywats_green.queue.source import Claim
from pywats_green.retry_after import LONGEST

logger = logging.getLogger("pywats_green.queue")

Settled: TypeAlias = Literal["submitted", "retried", "quarantined", "released"]
"""What became of a report."""


class Cancelled(Exception):  # noqa: N818  # not an error: it says what became of a call
    """The call was cancelled before it ended."""


# Why the submissions gate is closed. docs/guides/queue.md tells operators what to do.
_CAUSES = {
    Kind.UNREACHABLE: "the server is unreachable ({})",
    Kind.UNPREPARED: "nothing can be sent from here ({})",
    Kind.REFUSED: "the server refused the token ({})",
    Kind.FOREIGN: (
        "the answer was no receipt of WATS ({}): check the address and the proxy. Only if this is "
        "how your server says that it has stored a report, overrule with accept=, "
        "drain --accept any-2xx, or PYWATS_GREEN_ACCEPT=any-2xx"
    ),
    Kind.FAILED: "the server failed ({})",
    Kind.MISDIRECTED: "no reports are taken at this address ({})",
    Kind.SILENT: "the server did not answer ({})",
    Kind.HELD_OFF: "the server asked to be left alone ({})",
}

# Seconds until a file is read again that may still be being written.
_UNFINISHED_PAUSE = 5.0

# It may well be the report, so another one probes at once to find out.
_ASKS_AT_ONCE = frozenset({Kind.FAILED, Kind.MISDIRECTED, Kind.SILENT, Kind.UNPREPARED})


class Taken(NamedTuple):
    """A claim, and what it was taken with.

    Attributes:
        claim: The claim.
        permit: The gate's permit.
        standing: The ledger's standing.
    """

    claim: Claim
    permit: Permit
    standing: Standing


def ends_the_run(error: BaseException) -> bool:
    """Return whether an error has nothing to do with the report: Ctrl-C, an exit, a misused client.

    It would hit every report alike, so none may be quarantined for it.
    """
    if isinstance(error, gevent.Timeout):
        return False  # the callable's own limit; ours became a TimeoutError
    return not isinstance(error, Exception) or isinstance(
        error, (EventLoopRequiredError, NativeThreadError)
    )


class Settler:
    """Ends claims; runs where no kill can reach it.

    Args:
        classifier: Classifies what submissions raise.
        backoff: Spaces the attempts.
        max_attempts: Attempts after which a report is quarantined. None: no limit.
        gate: Opened and closed by what is learned about the server.
        ledger: Decides which failures count.
        holdback: Learns which reports are under suspicion.
        counts: Counts the ends.
    """

    def __init__(
        self,
        classifier: Classifier,
        backoff: Backoff,
        max_attempts: int | None,
        gate: Gate,
        ledger: Ledger,
        holdback: Holdback,
        counts: DrainCounts,
    ) -> None:
        self._classifier = classifier
        self._backoff = backoff
        self._max_attempts = max_attempts
        self._gate = gate
        self._ledger = ledger
        self._holdback = holdback
        self._counts = counts
        self._is_asked_to_wait = False

    @property
    def wants_another(self) -> bool:
        """Whether a report that has not failed may probe at once."""
        return self._ledger.is_undecided and not self._is_asked_to_wait

    def has_used_up(self, claim: Claim) -> str | None:
        """Return why a report is not sent again. None: it is sent.

        Its attempts are used up if its last failure has since turned out to be its own, or has
        ended its process.
        """
        if not claim.killed and not self._ledger.is_confirmed(claim):
            return None
        attempts = self._ledger.attempts_of(claim)
        return self._given_up(attempts, claim.last_error) if self._is_last(attempts) else None

    def set_aside(self, taken: Taken, reason: str) -> Settled:
        """Quarantine a report without sending it."""
        self._gate.take_back(taken.permit)
        attempts = self._ledger.attempts_of(taken.claim)
        return self._set_aside(taken.claim, reason, attempts)

    def settle(
        self, taken: Taken, error: BaseException | None, *, was_read: bool = True
    ) -> Settled:
        """End a claim.

        Args:
            taken: The claim, and what it was taken with.
            error: What the submission raised; `Cancelled` if it was cancelled; None: accepted.
            was_read: Whether the report could be read.

        Returns:
            What became of the report.
        """
        claim, permit, _ = taken
        if error is None:
            return self._deliver(taken)
        if isinstance(error, gevent.Timeout):
            error = TimeoutError(f"the callable's own time limit: {error}")
        if isinstance(error, (Cancelled, UnfinishedReportError)) or ends_the_run(error):
            self._gate.take_back(permit)
            return self._give_back(claim, error)
        disposition = self._classifier.classify(error, was_read=was_read)
        if disposition.kind is Kind.DELIVERED:
            return self._deliver(taken)
        if disposition.blames_the_server:
            return self._put_off(taken, disposition)
        return self._end_own(claim, permit, disposition)

    def _end_own(self, claim: Claim, permit: Permit, disposition: Disposition) -> Settled:
        """End a claim whose failure is not the server's."""
        if disposition.answered:
            self._gate.reopen(permit)
            self._ledger.keep(self._gate.cause)
        else:
            self._gate.take_back(permit)  # it was never sent
        if disposition.kind is Kind.UNADMITTED:
            return self._release(claim)
        if disposition.kind is Kind.PERMANENT:
            return self._set_aside(claim, disposition.reason)
        return self._put_back(claim, disposition)

    def _deliver(self, taken: Taken) -> Settled:
        self._gate.reopen(taken.permit)
        self._ledger.note_receipt(taken.standing)
        self._ledger.keep(self._gate.cause)
        self._holdback.clear(taken.claim.item_id)
        self._counts.count_submitted()
        self._end(taken.claim, taken.claim.delivered, "delivered; it may be sent once more")
        return "submitted"

    def _put_off(self, taken: Taken, disposition: Disposition) -> Settled:
        """Close the gate; the next reports will show whose fault it was."""
        claim, permit, standing = taken
        attempts, had_counted = self._ledger.attempts_of(claim), self._ledger.is_confirmed(claim)
        failed_at = None
        if disposition.may_be_the_report:
            failed_at = self._ledger.note_failure(claim, standing, is_probe=permit.is_probe)
        elif disposition.kind is Kind.UNREACHABLE:
            self._ledger.pardon()
        is_suspect = failed_at is not None and not self._ledger.is_pardoned(failed_at)
        delay = 0.0
        if is_suspect and not self._is_last(attempts + 1):
            delay = self._backoff.delay(attempts)
        if is_suspect:
            self._holdback.suspect(claim.item_id, attempts, delay)
        else:
            self._holdback.clear(None if permit.is_probe else claim.item_id)
        self._close_gate(disposition, permit)
        self._ledger.keep(self._gate.cause)  # before the report is marked with it
        self._end(
            claim,
            lambda: claim.postpone(disposition.reason, delay, attempts, failed_at),
            "put back for a later attempt",
        )
        if had_counted:
            self._counts.retried += 1
            return "retried"
        self._counts.released += 1
        return "released"

    def _close_gate(self, disposition: Disposition, permit: Permit) -> None:
        kind = disposition.kind
        seconds = disposition.retry_after or None  # if it asks for 0 s, pauses grow
        self._is_asked_to_wait = seconds is not None or kind is Kind.HELD_OFF
        if seconds is None and kind in _ASKS_AT_ONCE and not self._gate.is_closed:
            seconds = 0.0
        self._gate.close(
            _CAUSES[kind].format(disposition.reason),
            permit,
            seconds=seconds,
            # Each probe may send a report that the server already has.
            longest=LONGEST if kind is Kind.FOREIGN else LONGEST_PAUSE,
            is_limit=kind is Kind.HELD_OFF,
        )

    def _put_back(self, claim: Claim, disposition: Disposition) -> Settled:
        """Count the attempt to send a report that could not be read."""
        attempts = claim.attempts + 1
        if self._is_last(attempts):
            return self._set_aside(claim, self._given_up(attempts, disposition.reason))
        delay = self._backoff.delay(claim.attempts)
        self._counts.retried += 1
        self._end(
            claim, lambda: claim.retry(disposition.reason, delay), "put back for a later attempt"
        )
        return "retried"

    def _give_back(self, claim: Claim, error: BaseException) -> Settled:
        """End a claim whose report was not sent, or took the run with it."""
        if not isinstance(error, (Exception, KeyboardInterrupt)):
            return self._note_kill(claim, error)
        if not isinstance(error, UnfinishedReportError):
            return self._release(claim)
        self._counts.released += 1
        self._end(
            claim,
            lambda: claim.postpone(str(error), _UNFINISHED_PAUSE, claim.attempts, claim.failed_at),
            "put back until it is written",
        )
        return "released"

    def _note_kill(self, claim: Claim, error: BaseException) -> Settled:
        """Count an attempt that ends the process, unless somebody catches it."""
        attempts = self._ledger.attempts_of(claim) + 1
        reason = f"its sending ended the run: {type(error).__name__}: {error}"
        if self._is_last(attempts):
            return self._set_aside(claim, self._given_up(attempts, reason))
        self._counts.retried += 1
        self._end(
            claim,
            lambda: claim.postpone(reason, 0.0, attempts, None, killed=True),
            "put back for a later attempt",
        )
        return "retried"

    def _is_last(self, attempts: int) -> bool:
        return self._max_attempts is not None and attempts >= self._max_attempts

    def _given_up(self, attempts: int, last: str | None) -> str:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return f"given up after {times}; the last: {last}"

    def _set_aside(self, claim: Claim, reason: str, attempts: int | None = None) -> Settled:
        self._holdback.clear(claim.item_id)
        self._counts.quarantined += 1
        logger.warning("report %s goes to quarantine: %s", claim.item_id, reason)
        self._end(claim, lambda: claim.quarantine(reason, attempts), "quarantined")
        return "quarantined"

    def _release(self, claim: Claim) -> Settled:
        self._counts.released += 1
        self._end(claim, claim.release, "given back")
        return "released"

    def _end(self, claim: Claim, end: Callable[[], None], state: str) -> None:
        """Call an end. If even that fails, the claim stays ours until the source is closed."""
        try:
            end()
        except Exception:
            logger.exception("report %s could not be recorded as %s", claim.item_id, state)
            # The disk is failing; going on at full speed would make it worse.
            self._gate.cool_down(self._backoff.probe_delay(0))
