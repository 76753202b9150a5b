"""One run of a processor, from start to the end of the last report in flight."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass

import gevent
from gevent.event import Event

from pywats_green.pauses import LONGEST_PAUSE
from pywats_green.queue.drain.holdback import Holdback
from pywats_green.queue.drain.ledger import Ledger
from pywats_green.queue.drain.sending import Sender, Sending
from pywats_green.queue.drain.settling import Taken
from pywats_green.queue.gate import Gate, Permit
from pywats_green.queue.source import Source
from pywats_green.timers import SHORTEST

logger = logging.getLogger("pywats_green.queue")

POLL = 0.5
"""Seconds between two looks for new items, if there is nothing else to wait for."""
_SHORTEST_WAIT = 0.02  # for a source that says "now" and hands nothing out
_LAST_CHANCE = 5.0  # for what is still in flight when a drain gives up
_OUTAGE_WAIT = 1.0  # before a source that cannot be read is asked again


def _wait(event: Event, seconds: float) -> None:
    event.wait(max(seconds, SHORTEST))


@dataclass(frozen=True)
class Timing:
    """Clock, jitter and waiting, which tests replace.

    Attributes:
        clock: Seconds, monotonic.
        wait: Waits for an event for at most that many seconds.
        random: Returns a number in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    wait: Callable[[Event, float], None] = _wait
    random: Callable[[], float] = random.random


@dataclass(frozen=True)
class Limits:
    """When a run ends.

    Attributes:
        until_empty: Whether it ends when nothing is left to send.
        timeout: Seconds after which it ends and puts back what is in flight. None: never.
        give_up_after: Seconds in which nothing could be sent, after which it ends. None: never.
    """

    until_empty: bool
    timeout: float | None = None
    give_up_after: float | None = None


class Run:
    """Takes items one by one as slots become free, and sees each to its end.

    It lives in its own greenlets, which no kill of the caller reaches: they end by themselves, with
    every claim ended.

    Args:
        source: Where the items come from.
        sender: Sends them.
        gate: Decides when one may be taken.
        ledger: Gives its standing when one is taken.
        holdback: Decides whether a drain keeps others back for one under suspicion.
        concurrency: How many may be in flight.
        limits: When it ends.
        timing: Clock and waiting.
        origin_cause: Returns why no requests at all are sent to the server. None: they are.
    """

    def __init__(
        self,
        source: Source,
        sender: Sender,
        gate: Gate,
        ledger: Ledger,
        holdback: Holdback,
        concurrency: int,
        limits: Limits,
        timing: Timing,
        origin_cause: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._source = source
        self._sender = sender
        self._gate = gate
        self._ledger = ledger
        self._holdback = holdback
        self._concurrency = concurrency
        self._limits = limits
        self._timing = timing
        self._origin_cause = origin_cause
        self._held_since: float | None = None
        self._refused_since: float | None = None
        self._context = copy_context()
        self._sendings: set[Sending] = set()
        self._started = timing.clock()
        self._intake_ends = False
        self._kill_at: float | None = None
        self._outage = False
        self._is_told = False
        self._is_alone = False  # what is in flight must not have company
        # If an earlier run left the gate closed, this one probes once, however soon it gives up.
        self._is_untried = gate.is_closed
        self._wake = Event()
        self.changed = Event()
        """Set whenever an item has been settled, and at the end of the run."""
        self.ended = Event()
        self.error: BaseException | None = None
        """What ended the run; None: nothing went wrong."""

    def start(self) -> None:
        """Start taking items."""
        gevent.spawn(self._body)

    @property
    def in_flight(self) -> int:
        """How many items are on their way."""
        return len(self._sendings)

    def stop(self, timeout: float | None) -> None:
        """Take no more items, and kill what is in flight after `timeout` seconds; does not wait.

        Args:
            timeout: Seconds. None: nothing is killed.
        """
        self._intake_ends = True
        kill_at = self._timing.clock() + timeout if timeout is not None else float("inf")
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)
        self._wake.set()

    def nudge(self) -> None:
        """Make it look again: something may have changed."""
        self._wake.set()

    def is_inside(self) -> bool:
        """Return whether the caller is one of this run's own callables."""
        return any(sending.is_current() for sending in self._sendings)

    def _body(self) -> None:
        try:
            self._loop()
        except BaseException as exc:  # noqa: BLE001  # raised again in the caller
            # An error of the source does no harm to what is in flight; Ctrl-C means now.
            self._fail(exc, _LAST_CHANCE if isinstance(exc, Exception) else 0.0)
        finally:
            while self._sendings:
                self._kill_if_due()
                self._wake.clear()  # after the kill, which sets it: else there is no wait
                self._pause(POLL)
            self.ended.set()
            self.changed.set()

    def _loop(self) -> None:
        while True:
            self._wake.clear()
            self._check_limits()
            if self._intake_ends:
                return
            seconds = self._take_one()
            if seconds is None:
                return
            if seconds > 0:
                self._pause(seconds)

    def _take_one(self) -> float | None:
        """Take an item if one may be taken.

        Returns:
            Seconds until the next try; None: nothing is left to send.
        """
        if len(self._sendings) >= self._concurrency or self._is_alone:
            return POLL
        try:
            if (seconds := self._kept_back_for()) > 0:
                return min(seconds, POLL)
            permit = self._admit()
            if permit is not None:
                return self._claim_with(permit)
            if self._is_empty(self._source.due_in()):
                return None
        except OSError as exc:
            self._tolerate(exc)
            return _OUTAGE_WAIT
        opens_in = self._gate.opens_in()
        return POLL if opens_in is None else min(opens_in, POLL)

    def _admit(self) -> Permit | None:
        permit = self._gate.admit()
        if permit is None and self._gate.is_closed and self._sender.settler.wants_another:
            if not self._source.has_untried():
                return None
            # Only one report keeps failing: a new one need not wait for its next probe.
            self._gate.probe_now()
            permit = self._gate.admit()
        return permit

    def _kept_back_for(self) -> float:
        if not self._limits.until_empty or self._gate.is_closed:
            return 0.0
        return self._holdback.kept_back_for(lambda: self._source.counts()["waiting"])

    def _claim_with(self, permit: Permit) -> float | None:
        claim = due_in = None
        try:
            claim = self._source.claim(probe=permit.is_probe, alone=not self._sendings)
            if claim is None:
                due_in = self._source.due_in()
        finally:
            if claim is None:
                self._gate.take_back(permit)
        self._outage = False
        if claim is None:
            self._is_untried &= due_in is not None and due_in <= LONGEST_PAUSE
            if due_in is None:
                return None if self._is_empty(due_in) else POLL
            if due_in <= 0 and self._sendings:  # one that is to be sent alone
                return POLL
            return min(max(due_in, _SHORTEST_WAIT), POLL)
        self._holdback.taken(claim.item_id)
        taken = Taken(claim, permit, self._ledger.standing())
        sending = Sending(taken, self._sender, self._context)
        self._sendings.add(sending)
        self._is_alone = claim.killed > 0
        gevent.spawn(self._see_off, sending)
        if self._intake_ends:  # while the source was looking
            sending.cancel()
        return 0.0

    def _see_off(self, sending: Sending) -> None:
        """Run a sending in a greenlet of its own."""
        try:
            fatal = sending.run()
            if fatal is not None:
                self._fail(fatal, 0.0)
        except BaseException as exc:  # noqa: BLE001  # raised again in the caller
            self._fail(exc, 0.0)
        finally:
            self._sendings.discard(sending)
            self._is_alone = False
            self._is_untried = False
            self.changed.set()
            self._wake.set()

    def _is_empty(self, due_in: float | None) -> bool:
        if not self._limits.until_empty or due_in is not None or self._sendings:
            return False
        elsewhere = self._source.elsewhere()
        if elsewhere.waits is not None and not self._is_told:
            self._is_told = True
            logger.warning("waiting for what others hold: %s", elsewhere.told)
        return elsewhere.waits is None

    def _check_limits(self) -> None:
        """Stop when the time is up, or when the gate has been closed for too long."""
        limits = self._limits
        if self._left() <= 0:
            self.stop(0.0)
        closed_for, longest = self._closed_for(), limits.give_up_after
        if closed_for is not None and longest is not None and closed_for >= longest:
            self.stop(_LAST_CHANCE)

    def _closed_for(self) -> float | None:
        """Return the seconds for which nothing could be sent. None: something can be."""
        now = self._timing.clock()
        if self._origin_cause() is None:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = now
        if self._held_since is not None:  # what is in flight is waiting, like all requests
            return max(now - self._held_since, self._gate.closed_for())
        if self._gate.is_closed and not self._is_untried:
            return self._gate.closed_for()
        if self._sendings or self._source.refusal() is None:
            self._refused_since = None
            return None
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since

    def _left(self) -> float:
        timeout = self._limits.timeout
        if timeout is None:
            return float("inf")
        return self._started + timeout - self._timing.clock()

    def _kill_if_due(self) -> None:
        if self._left() <= 0:
            self.stop(0.0)
        if self._kill_at is not None and self._timing.clock() >= self._kill_at:
            for sending in list(self._sendings):
                sending.cancel()

    def _pause(self, seconds: float) -> None:
        """Wait for a change, for at most some seconds and no longer than until a limit."""
        until = [seconds, self._left()]
        if self._kill_at is not None:
            until.append(self._kill_at - self._timing.clock())
        if (
            self._limits.give_up_after is not None
            and (closed_for := self._closed_for()) is not None
        ):
            until.append(self._limits.give_up_after - closed_for)
        # A limit that has passed has been acted on; only its effect is left to wait for.
        self._timing.wait(self._wake, min(moment for moment in until if moment > 0))

    def _tolerate(self, exc: OSError) -> None:
        """Keep watching a source that cannot be read; a drain ends with the error."""
        if self._limits.until_empty:
            raise exc
        if not self._outage:
            self._outage = True
            logger.warning("the queue cannot be read, trying again: %s", exc)

    def _fail(self, exc: BaseException, timeout: float) -> None:
        if self.error is None:
            self.error = exc
        self.stop(timeout)
