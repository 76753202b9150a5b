"""Drains a queue: many reports at once, none lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from pywats_green.exceptions import InvalidArgumentError, QueueBusyError
from pywats_green.progress import ProgressCallback, reporter
from pywats_green.queue.drain.arguments import (
    check_arguments,
    checked_pair,
    checked_submit,
    source_of,
)
from pywats_green.queue.drain.backoff import Backoff
from pywats_green.queue.drain.classification import Classifier
from pywats_green.queue.drain.gate import Gate
from pywats_green.queue.drain.run import Limits, Run, Timing
from pywats_green.queue.drain.sending import OnResult, Sender
from pywats_green.queue.drain.settling import Settler
from pywats_green.queue.drain.source import Source
from pywats_green.queue.drain.statistics import DrainCounts, DrainSummary, register
from pywats_green.queue.signals import stopping_on_signals


class QueueProcessor:
    """Sends the reports of a queue, in greenlets, each at least once and under one id.

    What becomes of a report whose submission raised is decided by the answer that the exception
    carries as `response`; where there is none, by the exception:

    - 408, 425, 429, 5xx, a connection that broke, a time limit: sent again after a pause with full
      jitter, or the one that Retry-After asks for (300 s at most). After a 429, and wherever
      Retry-After was given, nothing else is sent meanwhile.
    - 409 with a body that says the server has this report: delivered.
    - 401 and 403: given back, nothing counted; the drain pauses, and tries one report at times.
    - no connection could be made, or a circuit breaker is open: as 401.
    - `ForeignAnswerError`, a success that is not the server's own: as 401, with pauses of up to
      300 s, because the report may have been stored all the same.
    - every other answer, a report that cannot be read, an error of the callable itself: to
      quarantine, with the reason; and so what has used up `max_attempts`.

    Args:
        source: A folder, or any `Source`.
        submit: Called with one report; any return means accepted. A greenlet that is killed, or
            whose time is over, meanwhile gives its report back.
        concurrency: How many reports may be in flight, 1 or more.
        max_attempts: Failed attempts after which a report is quarantined, 1 or more. None: no
            limit.
        backoff: The most seconds before the second attempt, doubled for each further, and the
            most before any.
        timeout: Seconds for one submission; over it counts as a failed attempt. None: no limit.
        give_up_after: Seconds for which a drain bears a server that is away, refuses the token or
            gives foreign answers. 0: it ends at once. None: it waits for ever.
        on_result: Called after each submission, holding no lock, with the item's id; "submitted",
            "retried", "quarantined" or "released" (given back, nothing counted); and the error or
            None. An exception in it is logged once and changes nothing.
        classifier: The rules for errors without an answer.
        timing: Clock, chance and waiting.

    Raises:
        InvalidArgumentError: An argument is out of range, or of no use.
        QueueFolderError: The folder cannot be a queue.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Source,
        submit: Callable[[Any], object],
        *,
        concurrency: int = 20,
        max_attempts: int | None = 5,
        backoff: tuple[float, float] = (1.0, 300.0),
        timeout: float | None = 60.0,
        give_up_after: float | None = 60.0,
        on_result: OnResult | None = None,
        classifier: Classifier | None = None,
        timing: Timing | None = None,
    ) -> None:
        check_arguments(concurrency, max_attempts, timeout, give_up_after, on_result)
        self._timing = timing or Timing()
        spacing = Backoff(*checked_pair(backoff), self._timing.random)
        self._concurrency = concurrency
        self._give_up_after = give_up_after
        self._gate = Gate(spacing, self._timing.clock)
        self._counts = DrainCounts(self._timing.clock)
        settler = Settler(
            classifier or Classifier(), spacing, max_attempts, self._gate, self._counts
        )
        self._sender = Sender(checked_submit(submit), timeout, settler, on_result)
        self._source, self._is_own_source = source_of(source)
        self._run: Run | None = None
        register(self)

    @property
    def source(self) -> Source:
        """The queue that is drained."""
        return self._source

    def drain(
        self,
        *,
        progress: bool | ProgressCallback | None = None,
        deadline: float | None = None,
    ) -> DrainSummary:
        """Send what is there, also what is due only later, and return when nothing is left.

        It ends earlier when the deadline has passed, when nobody answered (or the token was
        refused, or somebody else answered) for `give_up_after` seconds, or by `stop`. Killed or
        timed out, it gives back what is in flight and raises what hit it.

        Args:
            progress: True for a bar on stderr, or called with (completed, total).
            deadline: Seconds after which it ends; what is in flight then is killed and given
                back. 0: at once. None: no limit.

        Returns:
            What was done, and what is left.

        Raises:
            InvalidArgumentError: `deadline` is negative.
            QueueBusyError: This processor runs already.
            OSError: The queue cannot be read; what was in flight has come to its end.
            Exception: What `progress` raises; nothing is left in flight.
        """
        if deadline is not None and not deadline >= 0:
            raise InvalidArgumentError(f"deadline must be 0 seconds or more, not {deadline!r}")
        started, before = self._timing.clock(), self._counts.marks()
        report, shown = reporter(progress), (-1, -1)
        run = self._begin(Limits(True, deadline, self._give_up_after))
        with self._seen_to_its_end(run):
            while not run.ended.is_set():
                run.changed.wait()
                run.changed.clear()
                if report is not None and (state := self._progress(before)) != shown:
                    shown = state
                    report(*state)
        return self._summary(started, before)

    def run(self, handle_signals: bool = False, *, grace: float = 30.0) -> None:
        """Send what is there and what comes, until `stop`.

        A new item is found within a second, also where file events do not arrive. A server that
        is away, and a folder that cannot be read, are waited for.

        Args:
            handle_signals: Whether SIGTERM and SIGINT stop it, as `stop(grace)`; a second one at
                once. The old handlers are put back at the end.
            grace: Seconds that a signal leaves to what is in flight.

        Raises:
            InvalidArgumentError: `handle_signals` outside the main thread.
            QueueBusyError: This processor runs already.
        """
        run = self._begin(Limits(until_empty=False))
        signals = (
            stopping_on_signals(lambda hurry: run.stop(0.0 if hurry else grace))
            if handle_signals
            else nullcontext()
        )
        with self._seen_to_its_end(run), signals:
            run.ended.wait()

    def stop(self, timeout: float = 30.0) -> None:
        """End `run` or `drain`: take nothing more, and wait for what is in flight.

        It returns when all has ended; called by `submit` or `on_result` themselves, at once.

        Args:
            timeout: Seconds for what is in flight; then it is killed and given back as it was.
                0: at once.
        """
        run = self._run
        if run is None:
            return
        run.stop(timeout)
        if not run.is_inside():
            run.ended.wait()

    def pause(self) -> None:
        """Take nothing more, until `resume`. What is in flight goes on."""
        self._gate.pause()

    def resume(self) -> None:
        """End a pause by hand; where the server was away, try it again now."""
        self._gate.resume()
        if self._run is not None:
            self._run.nudge()

    @property
    def paused_reason(self) -> str | None:
        """Why nothing is being sent; None: that is not so."""
        return self._gate.reason

    def stats(self) -> dict[str, Any]:
        """Return what goes on.

        Returns:
            "depth" (waiting reports) and "oldest_age" (seconds; None: none waits), "in_flight",
            "rate" (submitted a second, over ten seconds), "paused" (the reason, or None), and
            since the processor was made "submitted", "retried", "quarantined" and "released".

        Raises:
            OSError: The queue cannot be read.
        """
        counts = self._counts
        return {
            "depth": self._source.counts()["waiting"],
            "oldest_age": self._source.oldest_age(),
            "in_flight": self._run.in_flight if self._run is not None else 0,
            "rate": counts.rate(),
            "paused": self._gate.reason,
            "submitted": counts.submitted,
            "retried": counts.retried,
            "quarantined": counts.quarantined,
            "released": counts.released,
        }

    def _begin(self, limits: Limits) -> Run:
        if self._run is not None:
            raise QueueBusyError("this processor runs already: stop() it first")
        self._gate.renew()
        run = Run(self._source, self._sender, self._gate, self._concurrency, limits, self._timing)
        self._run = run
        run.start()
        return run

    @contextmanager
    def _seen_to_its_end(self, run: Run) -> Iterator[None]:
        """Wait for the end of a run; on the way of an exception, kill what is in flight first."""
        try:
            yield
        finally:
            try:
                if not run.ended.is_set():
                    run.stop(0.0)
                    run.ended.wait()
                if self._is_own_source:
                    self._source.close()
            finally:
                if self._run is run:
                    self._run = None
        if run.error is not None:
            raise run.error

    def _progress(self, before: tuple[int, int, int]) -> tuple[int, int]:
        counts = self._source.counts()
        completed = self._counts.submitted - before[0] + self._counts.quarantined - before[2]
        return completed, completed + counts["waiting"] + counts["in_flight"]

    def _summary(self, started: float, before: tuple[int, int, int]) -> DrainSummary:
        submitted, retried, quarantined = (
            now - then for now, then in zip(self._counts.marks(), before, strict=True)
        )
        counts = self._source.counts()
        elapsed = self._timing.clock() - started
        return DrainSummary(
            submitted=submitted,
            retried=retried,
            quarantined=quarantined,
            remaining=counts["waiting"] + counts["in_flight"],
            paused_reason=self._gate.reason,
            elapsed=elapsed,
            rate=submitted / elapsed if elapsed > 0 else 0.0,
        )
