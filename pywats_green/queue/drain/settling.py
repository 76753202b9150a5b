"""Ends a claim according to what became of its submission."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

import gevent

from pywats_green.exceptions import EventLoopRequiredError, NativeThreadError
from pywats_green.queue.drain.backoff import LONGEST_PROBE_DELAY, Backoff
from pywats_green.queue.drain.classification import Classifier, Disposition, Kind
from pywats_green.queue.drain.gate import Gate, Permit
from pywats_green.queue.drain.statistics import DrainCounts
from pywats_green.queue.source import Claim

logger = logging.getLogger("pywats_green.queue")

Settled: TypeAlias = Literal["submitted", "retried", "quarantined", "released"]
"""What became of a report."""


class Cancelled(Exception):  # noqa: N818  # not an error: it says what became of a call
    """The call was cancelled before it ended."""


# Why nothing is sent after a disposition, and the upper bound in seconds between two probes. Behind
# a foreign answer the report may have been stored: every probe may send a report twice.
_PAUSES = {
    Kind.UNREACHABLE: ("the server is unreachable ({})", LONGEST_PROBE_DELAY),
    Kind.REFUSED: ("the server refused the token ({})", LONGEST_PROBE_DELAY),
    Kind.FOREIGN: (
        (
            "the answer was no receipt of WATS ({}): check the address and the proxy; where it "
            "does mean accepted, overrule with accept=, drain --accept any-2xx, or "
            "PYWATS_GREEN_ACCEPT=any-2xx"
        ),
        300.0,
    ),
}


def ends_the_run(error: BaseException) -> bool:
    """Tell whether an error has nothing to do with the report: Ctrl-C, an exit, a misused client.

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
        counts: Counts the ends.
    """

    def __init__(
        self,
        classifier: Classifier,
        backoff: Backoff,
        max_attempts: int | None,
        gate: Gate,
        counts: DrainCounts,
    ) -> None:
        self._classifier = classifier
        self._backoff = backoff
        self._max_attempts = max_attempts
        self._gate = gate
        self._counts = counts

    def settle(self, claim: Claim, permit: Permit, error: BaseException | None) -> Settled:
        """End a claim.

        Args:
            claim: The claim.
            permit: The permit it was taken with.
            error: What the submission raised; `Cancelled` if it was cancelled; None: accepted.

        Returns:
            What became of the report.
        """
        if error is None:
            return self._deliver(claim, permit)
        if isinstance(error, gevent.Timeout):
            error = TimeoutError(f"the callable's own time limit: {error}")
        if isinstance(error, Cancelled) or ends_the_run(error):
            self._gate.take_back(permit)
            return self._release(claim)
        disposition = self._classifier.classify(error)
        if disposition.kind is Kind.DELIVERED:
            return self._deliver(claim, permit)
        if disposition.kind in _PAUSES:
            reason, longest = _PAUSES[disposition.kind]
            self._gate.close(reason.format(disposition.reason), permit, longest)
            return self._release(claim)
        self._note(disposition, permit)
        if disposition.kind is Kind.PERMANENT:
            return self._set_aside(claim, disposition.reason)
        return self._put_back(claim, disposition)

    def _note(self, disposition: Disposition, permit: Permit) -> None:
        """Tell the gate what a failure reveals about the server."""
        if disposition.answered:
            self._gate.reopen(permit)
        elif disposition.kind is Kind.PERMANENT:
            self._gate.take_back(permit)  # it was never sent
        else:
            self._gate.fail(permit)

    def _deliver(self, claim: Claim, permit: Permit) -> Settled:
        self._gate.reopen(permit)
        self._counts.count_submitted()
        self._end(claim, claim.delivered, "delivered; it may be sent once more")
        return "submitted"

    def _put_back(self, claim: Claim, disposition: Disposition) -> Settled:
        attempts = claim.attempts + 1
        if self._max_attempts is not None and attempts >= self._max_attempts:
            if disposition.for_all:
                self._gate.cool_down(disposition.retry_after or self._backoff.delay(claim.attempts))
            times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
            return self._set_aside(claim, f"given up after {times}; the last: {disposition.reason}")
        delay = max(self._backoff.delay(claim.attempts), disposition.retry_after or 0.0)
        if disposition.for_all:
            self._gate.cool_down(disposition.retry_after or delay)
        self._counts.retried += 1
        self._end(
            claim, lambda: claim.retry(disposition.reason, delay), "put back for a later attempt"
        )
        return "retried"

    def _set_aside(self, claim: Claim, reason: str) -> Settled:
        self._counts.quarantined += 1
        logger.warning("report %s is quarantined: %s", claim.item_id, reason)
        self._end(claim, lambda: claim.quarantine(reason), "quarantined")
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
