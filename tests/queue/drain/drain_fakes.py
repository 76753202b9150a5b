"""A queue in memory that notes every end, answers, and a clock that is turned by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from gevent.event import Event
from waiting import BOUND, turn

from pywats_green.queue.drain.run import Timing
from pywats_green.queue.source import Claim, DrainState, Elsewhere, QueueCounts, Source


class FakeTiming(Timing):
    """Time that passes only while nothing can happen; chance always takes the most."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: self.now, wait=self.pass_time, random=lambda: 1.0)
        object.__setattr__(self, "now", 1000.0)

    now: float

    def pass_time(self, event: Event, seconds: float) -> None:
        for _ in range(10):
            turn()
            if event.is_set():
                return
        object.__setattr__(self, "now", self.now + seconds)


class SocketTiming(FakeTiming):
    """Time that stands still while a processor has something in flight over a real socket."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "processor", None)

    processor: Any

    def serve(self, processor: Any) -> Any:
        """Return the processor, whose time this is from now on."""
        object.__setattr__(self, "processor", processor)
        return processor

    def pass_time(self, event: Event, seconds: float) -> None:
        if self.processor is not None and self.processor.stats()["in_flight"]:
            event.wait(BOUND)
        else:
            super().pass_time(event, seconds)


class FakeSource(Source):
    """A source as the contract says; `ends` lists (item, end, details) in their order."""

    def __init__(self, items: Iterable[Any], timing: Timing | None = None) -> None:
        self.clock = (timing or Timing()).clock
        self.waiting: list[tuple[float, int, str]] = []
        self.reports: dict[str, Any] = {}
        self.attempts: dict[str, int] = {}
        self.claimed: set[str] = set()
        self.quarantined: dict[str, str] = {}
        self.ends: list[tuple[Any, ...]] = []
        self.most_claimed = 0
        self.fails: dict[str, Exception] = {}
        self.failed = Event()
        self.marks: dict[str, int | None] = {}  # the oldest failure first
        self.errors: dict[str, str] = {}
        self.state: DrainState | None = None
        self._number = itertools.count()
        for item in items:
            self.put(item)

    def put(self, report: Any, item_id: str | None = None) -> None:
        number = next(self._number)
        item_id = item_id or str(report)
        self.reports[item_id] = report
        self.attempts.setdefault(item_id, 0)
        self.waiting.append((0.0, number, item_id))

    def claim(self, *, probe: bool = False, alone: bool = True) -> FakeClaim | None:
        if "claim" in self.fails:
            self.failed.set()
            raise self.fails["claim"]
        due = sorted(entry for entry in self.waiting if entry[0] <= self.clock())
        if not due:
            return None
        failed = list(self.marks) if probe else []
        place = {item_id: place for place, item_id in enumerate(failed, start=1)}
        entry = min(due, key=lambda entry: (place.get(entry[2], 0), entry[1]))
        self.waiting.remove(entry)
        self.claimed.add(entry[2])
        self.most_claimed = max(self.most_claimed, len(self.claimed))
        return FakeClaim(self, entry)

    def due_in(self) -> float | None:
        if not self.waiting:
            return None
        return max(0.0, min(entry[0] for entry in self.waiting) - self.clock())

    def refusal(self) -> str | None:
        return None

    def has_untried(self) -> bool:
        return any(due <= self.clock() and item not in self.marks for due, _, item in self.waiting)

    def counts(self) -> QueueCounts:
        return {
            "waiting": len(self.waiting),
            "in_flight": len(self.claimed),
            "quarantined": len(self.quarantined),
        }

    def elsewhere(self) -> Elsewhere:
        return Elsewhere()

    def oldest_age(self) -> float | None:
        return 7.0 if self.waiting else None

    def recall(self) -> DrainState | None:
        return self.state

    def remember(self, state: DrainState | None) -> None:
        self.state = state

    def close(self) -> None:
        raise AssertionError("not the processor's to close")

    def of(self, item: str) -> list[tuple[Any, ...]]:
        return [end[1:] for end in self.ends if end[0] == item]


class FakeClaim(Claim):
    group = None
    killed = 0

    def __init__(self, source: FakeSource, entry: tuple[float, int, str]) -> None:
        self._source = source
        self._entry = entry
        self.item_id = entry[2]
        self.attempts = source.attempts[self.item_id]
        self.failed_at = source.marks.get(self.item_id)
        self.last_error = source.errors.get(self.item_id)

    def load(self) -> Any:
        report = self._source.reports[self.item_id]
        if isinstance(report, Exception):
            raise report
        return report

    def _end(self, *end: Any) -> None:
        assert self.item_id in self._source.claimed, "ended twice"
        if end[0] in self._source.fails:
            raise self._source.fails[end[0]]
        self._source.claimed.discard(self.item_id)
        self._source.ends.append((self.item_id, *end))

    def _wait(self, due: float) -> None:
        self._source.waiting.append((due, *self._entry[1:]))

    def delivered(self) -> None:
        self._end("delivered")

    def retry(self, error: str, delay: float) -> None:
        self._end("retry", error, delay)
        self._source.attempts[self.item_id] += 1
        self._wait(self._source.clock() + delay)

    def postpone(
        self,
        error: str,
        delay: float,
        attempts: int,
        failed_at: int | None,
        *,
        killed: bool = False,
    ) -> None:
        self._end("postpone", error, delay, attempts)
        self._source.marks.pop(self.item_id, None)
        self._source.marks[self.item_id] = failed_at
        self._source.errors[self.item_id] = error
        self._source.attempts[self.item_id] = attempts
        self._wait(self._source.clock() + delay)

    def quarantine(self, reason: str, attempts: int | None = None) -> None:
        self._end("quarantine", reason)
        self._source.attempts[self.item_id] += 1
        self._source.quarantined[self.item_id] = reason

    def release(self) -> None:
        self._end("release")
        self._wait(self._entry[0])


class Refused(ValueError):  # noqa: N818  # reads better
    """As the bridge leaves it: the error's type and text say nothing, its answer does."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__("Report submission failed (200): fine")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = SimpleNamespace(status_code=status, data=body, headers=named)


def script(*steps: Any) -> Callable[[Any], object]:
    """Return a callable that goes through steps, raising those that are errors; then accepts."""
    left = list(steps)

    def submit(report: Any) -> object:
        step = left.pop(0) if left else None
        if isinstance(step, BaseException):
            raise step
        return step

    return submit
