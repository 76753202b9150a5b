"""QueueProcessor: drains a queue of reports concurrently, without losing any."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from pywats_green.arguments import (
    require_callable,
    require_count,
    require_seconds,
    require_seconds_or_zero,
)
from pywats_green.exceptions import QueueBusyError
from pywats_green.progress import Progress, reporter
from pywats_green.queue.drain.backoff import Backoff
from pywats_green.queue.drain.holdback import Holdback
from pywats_green.queue.drain.ledger import Ledger
from pywats_green.queue.drain.run import Limits, Run, Timing
from pywats_green.queue.drain.sending import OnResult, Sender
from pywats_green.queue.drain.settling import Settler
from pywats_green.queue.drain.statistics import (
    DrainCounts,
    DrainSummary,
    ProcessorStats,
    register,
)
from pywats_green.queue.signals import stopping_on_signals
from pywats_green.queue.source import Source, remaining_in
from pywats_green.throttle import Gate, Tally
from pywats_green.upstream.features.queues.classification import WatsClassifier
from pywats_green.upstream.features.queues.sources import source_of
from pywats_green.upstream.features.queues.submission import (
    Accept,
    origin_cause_of,
    submission,
    token_of,
)

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.queue import MemoryQueue

logger = logging.getLogger("pywats_green.queue")


class QueueProcessor:
    """Sends the reports of a queue in greenlets, each at least once and always under the same id.

    If a submission raises, the server's answer (the exception's `response`) decides what happens
    to the report; without an answer, the exception does:

    - 409 whose body says that the server has this report: delivered.
    - 400, another 409, 413, 415, 422, an unreadable report, an error in the callable itself:
      quarantined with the reason. In an upstream queue the item is marked failed.
    - anything else, including a 2xx without a receipt (see `submit`): every report would meet it.
      The report is put back, and the submissions gate closes: one report at a time probes the
      server, at growing intervals of up to 30 s (300 s after a 2xx without a receipt, because the
      server may store the report all the same), or after Retry-After (300 s at most). The first
      that gets through opens the gate, for a few at first.

    Such a failure only counts as an attempt once another report has got through after it; a report
    that has used up `max_attempts` is quarantined. A kill or a crash of the process counts at once,
    and so does SystemExit; from then on the report goes last, and alone. Submissions bypass the
    client's circuit breaker and never trip it.

    Args:
        source: An existing folder, a `FolderQueue` (which creates its own), or one of upstream's
            queues (`MemoryQueue`, `PersistentQueue`).
        submit: A `pyWATS`, or a callable of one report: the parsed dict, or the object that was
            put into a memory queue. Reports sent by a `pyWATS`, or by a bound `submit*` method of
            its report service, count as delivered only with a receipt: a 2xx whose JSON is a
            non-empty string, an object, or a list of objects, with a non-empty `ID`, `id` or
            `uuid` (for WSXF also XML of that content). With any other callable, returning in time
            means accepted.
        concurrency: How many reports may be in flight, 1 or more.
        max_attempts: Counted attempts after which a report is quarantined, 1 or more. None: no
            limit.
        backoff: Upper bound in seconds before the second attempt, doubled for each further one,
            and upper bound before any attempt.
        timeout: Seconds for one submission, waits for admission (the rate limit, a closed origin
            gate) excluded. None: no limit but the client's own.
        give_up_after: Seconds for which nothing could be sent, whatever the reason, after which a
            drain ends. 0: it ends at once, but if the last one ended with a closed gate, it begins
            with a probe. None: it waits forever.
        accept: Called with the pywats `Response` of each 2xx; returns whether it is a receipt. If
            it raises, it is not. None: the rule above, or every 2xx if PYWATS_GREEN_ACCEPT is
            `any-2xx`.
        on_result: Called after each submission, with no lock held, with the item's id;
            "submitted", "retried", "quarantined" or "released" (put back, nothing counted); and
            the error or None. If it raises, that is logged once and changes nothing.
        timing: Clock, jitter and waiting. None: the real ones; tests pass their own.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        InvalidArgumentError: An argument is out of range, or `accept` was given for a callable
            whose answers are not seen.
        SettingsError: PYWATS_GREEN_ACCEPT has an unknown value.
        QueueFolderError: There is no such folder, or it cannot be used as a queue.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Source | MemoryQueue,
        submit: pyWATS | Callable[[Any], object],
        *,
        concurrency: int = 20,
        max_attempts: int | None = 5,
        backoff: tuple[float, float] = (1.0, 300.0),
        timeout: float | None = 60.0,
        give_up_after: float | None = 60.0,
        accept: Accept | None = None,
        on_result: OnResult | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._concurrency = require_count("concurrency", concurrency)
        if max_attempts is not None:
            require_count("max_attempts", max_attempts)
        if timeout is not None:
            require_seconds("timeout", timeout)
        if give_up_after is not None:
            require_seconds_or_zero("give_up_after", give_up_after)
        if on_result is not None:
            require_callable("on_result", on_result, "(item id, how it was settled, error)")
        self._timing = timing or Timing()
        spacing = Backoff(backoff, self._timing.random)
        self._give_up_after = give_up_after
        self._source, self._owns_source = source_of(source)
        self._tally = Tally()
        self._gate = Gate(
            f"submissions gate of {getattr(self._source, 'path', 'the queue')}",
            pause=spacing.probe_delay,
            tally=self._tally,
            tell=logger.info,
            lapse=float("inf"),
            clock=self._timing.clock,
        )
        self._ledger = Ledger(self._source)
        self._holdback = Holdback(max_attempts, self._timing.clock)
        self._counts = DrainCounts(self._timing.clock)
        settler = Settler(
            WatsClassifier(secret=token_of(submit)), spacing, max_attempts,
            self._gate, self._ledger, self._holdback, self._counts,
        )  # fmt: skip
        self._sender = Sender(submission(submit, accept), timeout, settler, on_result)
        self._origin_cause = origin_cause_of(submit)
        self._run: Run | None = None
        register(self)

    @property
    def source(self) -> Source:
        """The queue that is drained."""
        return self._source

    def drain(
        self,
        *,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> DrainSummary:
        """Send what is there, including what becomes due later, until nothing is left.

        It ends early after `timeout`, once nothing could be sent for `give_up_after`, and on
        `stop`. If its greenlet is killed or times out, it puts back what is in flight and lets the
        exception pass.

        Args:
            progress: True for a bar on stderr, a callable of (completed, total), a tqdm
                bar, or a rich `Progress`.
            timeout: Seconds for the whole drain; what is still in flight then is killed and put
                back. None: no limit.

        Returns:
            What was done, and what is left.

        Raises:
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is not above 0.
            QueueBusyError: This processor is already running.
            OSError: The queue cannot be read; what was in flight has been seen to its end.
            Exception: Whatever `progress` raises; nothing is left in flight.
        """
        if timeout is not None:
            require_seconds("timeout", timeout)
        started, before = self._timing.clock(), self._counts.marks()
        report, shown = reporter(progress), (-1, -1)
        run = self._begin(Limits(True, timeout, self._give_up_after))
        with self._seen_to_its_end(run):
            while not run.ended.is_set():
                run.changed.wait()
                run.changed.clear()
                if report is not None and (state := self._progress(before)) != shown:
                    shown = state
                    report(*state)
        return self._summary(started, before)

    def run(self, handle_signals: bool = False, *, stop_timeout: float | None = 30.0) -> None:
        """Send what is there and what arrives, until `stop`.

        New items are found within a second, even where file events are not delivered. An
        unreachable server and an unreadable folder are waited for.

        Args:
            handle_signals: Whether SIGTERM and SIGINT call `stop(stop_timeout)`; a second signal
                stops at once. The previous handlers are restored at the end.
            stop_timeout: Seconds that a signal gives what is in flight. 0: none. None: no limit.

        Raises:
            ArgumentTypeError: `stop_timeout` is not a number.
            InvalidArgumentError: `stop_timeout` is negative, or `handle_signals` is used outside
                the main thread.
            QueueBusyError: This processor is already running.
        """
        if stop_timeout is not None:
            require_seconds_or_zero("stop_timeout", stop_timeout)
        run = self._begin(Limits(until_empty=False))
        signals = (
            stopping_on_signals(lambda hurry: run.stop(0.0 if hurry else stop_timeout))
            if handle_signals
            else nullcontext()
        )
        with self._seen_to_its_end(run), signals:
            run.ended.wait()

    def stop(self, timeout: float | None = 30.0) -> None:
        """End `run` or `drain`: take no more reports, and wait for those in flight.

        Returns when everything has ended, or at once if called from inside `submit` or
        `on_result`.

        Args:
            timeout: Seconds for what is in flight; after that it is killed and put back unchanged.
                0: it is killed at once. None: no limit.

        Raises:
            ArgumentTypeError: `timeout` is not a number.
            InvalidArgumentError: `timeout` is negative.
        """
        if timeout is not None:
            require_seconds_or_zero("timeout", timeout)
        run = self._run
        if run is None:
            return
        run.stop(timeout)
        if not run.is_inside():
            run.ended.wait()

    def pause(self) -> None:
        """Take no more reports until `resume`. Those in flight go on."""
        self._gate.pause()

    def resume(self) -> None:
        """End a pause; if the drain is waiting for the server, probe it now."""
        self._gate.resume()
        if self._run is not None:
            self._run.nudge()

    @property
    def paused_reason(self) -> str | None:
        """Why nothing is being sent; None: sending is not paused."""
        return self._gate.reason or self._origin_cause() or self._source.refusal()

    def stats(self) -> ProcessorStats:
        """Return the current statistics.

        Raises:
            OSError: The queue cannot be read.
        """
        counts = self._counts
        return {
            "depth": self._source.counts()["waiting"],
            "oldest_age": self._source.oldest_age(),
            "in_flight": self._run.in_flight if self._run is not None else 0,
            "rate": counts.rate(),
            "paused": self.paused_reason,
            "submitted": counts.submitted,
            "retried": counts.retried,
            "quarantined": counts.quarantined,
            "released": counts.released,
            "closings": self._tally.closings,
            "probes": self._tally.probes,
            "reopenings": self._tally.reopenings,
        }

    def _begin(self, limits: Limits) -> Run:
        if self._run is not None:
            raise QueueBusyError("this processor is already running: stop() it first")
        self._gate.renew()
        self._holdback.clear()
        cause = self._ledger.open()
        if cause is not None:  # a probe will show whether it still holds
            self._gate.close(cause, seconds=0.0)
        run = Run(
            self._source, self._sender, self._gate, self._ledger, self._holdback,
            self._concurrency, limits, self._timing, self._origin_cause,
        )  # fmt: skip
        self._run = run
        run.start()
        return run

    @contextmanager
    def _seen_to_its_end(self, run: Run) -> Iterator[None]:
        """See a run to its end; on an exception, kill what is in flight first."""
        try:
            yield
        finally:
            try:
                if not run.ended.is_set():
                    run.stop(0.0)
                    run.ended.wait()
                self._forget_if_empty()
                if self._owns_source:
                    self._source.close()
            finally:
                if self._run is run:
                    self._run = None
        if run.error is not None:
            raise run.error

    def _forget_if_empty(self) -> None:
        """If no report is left, forget what the ledger and the gate have learned."""
        with suppress(OSError):
            if not remaining_in(self._source):
                self._gate.renew()
                self._ledger.forget()

    def _progress(self, before: tuple[int, int, int]) -> tuple[int, int]:
        left = self._source.counts()
        completed = self._counts.submitted - before[0] + self._counts.quarantined - before[2]
        return completed, completed + left["waiting"] + left["in_flight"]

    def _summary(self, started: float, before: tuple[int, int, int]) -> DrainSummary:
        submitted, retried, quarantined = (
            now - then for now, then in zip(self._counts.marks(), before, strict=True)
        )
        remaining = remaining_in(self._source)
        elapsed = self._timing.clock() - started
        return DrainSummary(
            submitted=submitted,
            retried=retried,
            quarantined=quarantined,
            remaining=remaining,
            paused_reason=self.paused_reason if remaining else self._gate.reason,
            elapsed=elapsed,
            rate=submitted / elapsed if elapsed > 0 else 0.0,
        )
