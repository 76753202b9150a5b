"""The QueueProcessor that knows pywats: its client, its errors, its queues, its circuit breaker."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pywats_green.queue.drain import processor
from pywats_green.queue.drain.arguments import checked_submit
from pywats_green.queue.drain.sending import OnResult
from pywats_green.queue.drain.source import Source
from pywats_green.upstream.features.queues.dispositions import WatsClassifier
from pywats_green.upstream.features.queues.receipts import Accept, requiring_receipt
from pywats_green.upstream.features.queues.sources import UpstreamSource, is_upstream_queue

if TYPE_CHECKING:
    from pywats import pyWATS
    from pywats.queue import MemoryQueue


class QueueProcessor(processor.QueueProcessor):
    """Sends the reports of a queue, in greenlets, each at least once and under one id.

    What becomes of a report whose submission raised is decided by the server's answer, which the
    exception carries as `response`; where there is none, by the exception:

    - 408, 425, 429, 5xx, a connection that broke, a time limit: sent again after a pause with full
      jitter, or the one that Retry-After asks for (300 s at most). After a 429, and wherever
      Retry-After was given, nothing else is sent meanwhile.
    - 409 with a body that says the server has this report: delivered.
    - 401 and 403: given back, nothing counted; the drain pauses, and tries one report at times.
    - no connection could be made, or a circuit breaker is open: as 401. The submissions
      themselves pass the breaker of their client by and never open it.
    - success, but no receipt (below): as 401, with pauses of up to 300 s, because the server may
      have stored it all the same.
    - every other answer, a report that cannot be read, an error of the callable itself: to
      quarantine, with the reason; and so what has used up `max_attempts`. In an upstream queue
      the item is marked failed.

    Args:
        source: A folder, a `FolderQueue`, or a queue of upstream's: `MemoryQueue`,
            `PersistentQueue`.
        submit: A `pyWATS`, or called with one report: the parsed dict, or the object that was put
            into a memory queue. What a `pyWATS`, or a bound `submit*` method of its report service,
            sends is delivered by a receipt alone: a 2xx whose JSON is a non-empty string, an
            object, or a list of objects, with a non-empty `ID`, `id` or `uuid` (for WSXF also XML
            of that content). Of any other callable each return means accepted; what is killed,
            or returns after its time, is not.
        concurrency: How many reports may be in flight, 1 or more.
        max_attempts: Failed attempts after which a report is quarantined, 1 or more. None: no
            limit.
        backoff: The most seconds before the second attempt, doubled for each further, and the
            most before any.
        timeout: Seconds for one submission; over it counts as a failed attempt. None: no limit
            but that of the client.
        give_up_after: Seconds for which a drain bears a server that is away, refuses the token or
            gives no receipts. 0: it ends at once. None: it waits for ever.
        accept: Called with the pywats `Response` of each 2xx; returns whether it is a receipt. An
            exception in it counts as none. None: the rule above; every 2xx where
            PYWATS_GREEN_ACCEPT is `any-2xx`.
        on_result: Called after each submission, holding no lock, with the item's id; "submitted",
            "retried", "quarantined" or "released" (given back, nothing counted); and the error or
            None. An exception in it is logged once and changes nothing.

    Raises:
        InvalidArgumentError: An argument is out of range, or of no use: `accept` for a callable
            whose answers are not seen.
        SettingsError: PYWATS_GREEN_ACCEPT does not fit.
        QueueFolderError: The folder cannot be a queue.
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
    ) -> None:
        is_upstreams = is_upstream_queue(source)
        super().__init__(
            UpstreamSource(source) if is_upstreams else source,  # type: ignore[arg-type]
            submission(submit, accept),
            concurrency=concurrency,
            max_attempts=max_attempts,
            backoff=backoff,
            timeout=timeout,
            give_up_after=give_up_after,
            on_result=on_result,
            classifier=WatsClassifier(),
        )
        self._is_own_source = self._is_own_source or is_upstreams


def submission(submit: Any, accept: Accept | None = None) -> Callable[[Any], object]:
    """Return what sends one report, past the circuit breaker, and asks for a receipt.

    Args:
        submit: As `QueueProcessor` takes it.
        accept: As `QueueProcessor` takes it.

    Raises:
        InvalidArgumentError: One of them is of no use.
        SettingsError: PYWATS_GREEN_ACCEPT does not fit.
    """
    return requiring_receipt(_past_the_breaker(_submitter(submit)), submit, accept)


def _submitter(submit: Any) -> Callable[[Any], object]:
    """Return what sends one report.

    Raises:
        InvalidArgumentError: It is nothing that can be called, or not from blocking code.
    """
    if callable(submit):
        return checked_submit(submit)
    service = getattr(submit, "report", None)
    checked_submit(getattr(service, "submit_report", submit))
    return lambda report: submit.report.submit_report(report)  # noqa: PLW0108  # opened when needed


def _past_the_breaker(submit: Callable[[Any], object]) -> Callable[[Any], object]:
    """Let a submission pass the circuit breaker by; it runs in a context of its own."""

    def submit_past(report: Any) -> object:
        if "pywats" in sys.modules:  # else there is no breaker to pass
            from pywats_green.upstream.client.outcome import (  # noqa: PLC0415
                passes_breaker,
                submission_answer,
            )

            passes_breaker.set(True)
            submission_answer.set(None)
        return submit(report)

    return submit_past
