"""Measures a job twice: a sample of it one by one, all of it in a green Pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pywats_green.progress import ProgressCallback
from pywats_green.upstream.features.pool import Pool

CALL_TIMEOUT = 60.0  # seconds per call, in case the server hangs


class Job(NamedTuple):
    """Calls of one kind.

    Attributes:
        name: Description of the job.
        call: Makes one call; None and exceptions are errors.
        items: The arguments of the calls.
    """

    name: str
    call: Callable[[Any], Any]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement of a job.

    Attributes:
        calls: Number of calls made.
        seconds: Time from the first call to the last answer.
        errors: Messages of the failed calls.
    """

    calls: int
    seconds: float
    errors: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both measurements of a job."""

    name: str
    one_by_one: Run
    green: Run

    @property
    def speed_up(self) -> float:
        """The ratio of the rates, green to one by one."""
        return self.green.rate / self.one_by_one.rate if self.one_by_one.rate else 0.0

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors of both measurements."""
        return self.one_by_one.errors + self.green.errors


def one_by_one(job: Job, progress: ProgressCallback) -> Run:
    """Make the calls of a job in a plain loop.

    Args:
        job: The job.
        progress: Called with (completed, total) after each call.

    Returns:
        The measurement.
    """
    errors = []
    started = time.perf_counter()
    for done, item in enumerate(job.items, start=1):
        try:
            if job.call(item) is None:
                errors.append(f"nothing was found for {item}")
        except Exception as exc:  # noqa: BLE001  # counted and reported
            errors.append(str(exc))
        progress(done, len(job.items))
    return Run(len(job.items), time.perf_counter() - started, tuple(errors))


def green(job: Job, concurrency: int, progress: ProgressCallback) -> Run:
    """Make the calls of a job in a pool of greenlets.

    Args:
        job: The job.
        concurrency: Size of the pool.
        progress: Called with (completed, total) after each call.

    Returns:
        The measurement.
    """
    started = time.perf_counter()
    with Pool(concurrency) as pool:
        results = pool.map_results(job.call, job.items, timeout=CALL_TIMEOUT, progress=progress)
    seconds = time.perf_counter() - started
    return Run(
        len(results), seconds, tuple(result.message for result in results if result.is_failure)
    )
