"""A mapping: items, and the workers that pull them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event

from pywats_green.config import settings
from pywats_green.patching import timeouts
from pywats_green.pool.raised import Raised
from pywats_green.pool.slots import Slots
from pywats_green.pool.worker import Worker

_HAND_OVER = 0.005
"""Seconds after which workers whose items never block yield to the rest of the program."""


class Mapping:
    """Items, and the workers that pull them: at most one per slot of the pool.

    There are never more workers than items. A worker ends when no items are left or its slot is
    wanted by somebody else; one that takes an item while others are left starts more workers. None
    starts after `stop`.

    Args:
        slots: Slots of the pool.
        func: Called with each item, in its own copy of the context.
        captured: The context to copy.
        keep: Called with an item's index, and its value or `Raised`.
        stops: Returns whether a value or `Raised` stops the mapping. None: none does.
        is_watched: Whether `wait` returns after every item; otherwise only after failures and at
            the end.

    Attributes:
        workers: Workers that have not ended.
        offered: Number of items received so far.
        taken: Of those, how many were started or cancelled.
        finished: Of those, how many have ended.
        handed: How many values the consumer of an `imap` has received.
        has_failed: Whether an item has failed.
        fatal: A KeyboardInterrupt or SystemExit raised by an item, or an internal error.
        cancelled: The result of an item that never ran.
        is_in_line: Whether it waits for a slot.
        source_error: The error raised by the source.
    """

    __slots__ = (
        "_at_once", "_buffer", "_captured", "_func", "_hand_over_at", "_is_over", "_keep", "_most",
        "_news", "_reuse", "_room", "_slots", "_starting", "_stops", "_take", "_wake_at",
        "cancelled", "fatal", "finished", "handed", "has_failed", "is_in_line", "is_stopped",
        "is_watched", "offered", "source_error", "taken", "workers",
    )  # fmt: skip

    def __init__(
        self,
        slots: Slots,
        func: Callable[[Any], Any],
        captured: Context,
        keep: Callable[[int, Any], object],
        *,
        stops: Callable[[Any], bool] | None = None,
        is_watched: bool = False,
    ) -> None:
        self._slots = slots
        self._func = func
        self._captured = captured
        self._keep = keep
        self._stops = stops
        self._most = slots.size
        self._reuse = settings().pool_reuse and timeouts.are_watched()
        self._buffer: deque[Any] = deque()
        self._take: Callable[[], Any] = self._buffer.popleft
        self._news = Event()
        self._room = Event()
        self._wake_at = -1
        self._starting = 0
        self._at_once = slots.size
        self._hand_over_at = monotonic() + _HAND_OVER
        self._is_over = False
        self.is_watched = is_watched
        self.is_stopped = False
        self.is_in_line = False
        self.has_failed = False
        self.fatal: BaseException | None = None
        self.source_error: Raised | None = None
        self.cancelled = Raised(gevent.GreenletExit())
        self.workers: set[Worker] = set()
        self.offered = self.taken = self.finished = self.handed = 0
        slots.mappings.append(self)

    def offer_all(self, items: Sequence[Any]) -> None:
        """Let the workers pull the items of a sequence, which must not change meanwhile."""
        self._take = iter(items).__next__
        self.offered = len(items)
        self._is_over = True
        self._go_on()

    def offer_from(
        self, source: Iterable[Any], has_room: Callable[[], bool], low: int | None = None
    ) -> None:
        """Consume a source in this greenlet, as far ahead as `has_room` allows.

        An error of the source is stored as `source_error`; the items before it still run.

        Args:
            source: The items; may block and raise.
            has_room: Called before each item is read, and again after `make_room`.
            low: Also call it again when this few items are left for the workers. None: do not.
        """
        items = iter(source)
        try:
            while True:
                while not has_room():
                    if low is not None:
                        self._wake_at = self.offered - low
                    self._room.clear()
                    self._room.wait()
                try:
                    item = next(items)
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001  # raised to the consumer
                    self.source_error = Raised(error)
                    return
                self._offer(item)
        finally:
            self._is_over = True
            self._go_on()

    def offer(self, item: Any) -> None:
        """Let the workers pull one more item; must not be called when `is_done`."""
        self._is_over = True  # it may be the last
        self._offer(item)

    def make_room(self) -> None:
        """Make the feeder call `has_room` again."""
        self._room.set()

    def _offer(self, item: Any) -> None:
        self.offered += 1
        if self.is_stopped:
            self._keep(self.taken, self.cancelled)
            self.taken += 1
            self._news.set()
        else:
            self._buffer.append(item)
            self._grow()

    @property
    def is_done(self) -> bool:
        """Whether the source is exhausted and no worker is left."""
        return self._is_over and self.taken == self.offered and not self.workers

    def wait(self) -> None:
        """Wait for a change of state; returns at once if there was one since the last call.

        Raises:
            BaseException: `fatal`.
        """
        self._news.wait()
        self._news.clear()
        if self.fatal is not None:
            raise self.fatal

    def stop(self) -> None:
        """Start no more items. Running ones continue; the others are cancelled."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self._buffer.clear()
        for index in range(self.taken, self.offered):
            self._keep(index, self.cancelled)
        self.taken = self.offered
        self._room.set()
        self._go_on()

    def kill(self) -> None:
        """Stop, and kill the running items."""
        self.stop()
        if self.workers:
            gevent.killall(list(self.workers))

    def __enter__(self) -> None:
        """Stop when the block is left, except after an error of the source."""

    def __exit__(self, *_: object) -> None:
        if self.source_error is None:
            self.stop()

    def use_free_slot(self) -> None:
        """Start a worker if an item is left and a slot is free."""
        if self.taken < self.offered and self._slots.is_free():
            self._grow()

    def _go_on(self) -> None:
        """Start workers if needed; otherwise leave the line, and clean up at the end."""
        if self.taken < self.offered:
            self._grow()
            return
        if self.is_in_line:
            self.is_in_line = False
            self._slots.step_out(self._start_in_turn)
        if (self.is_stopped or self.is_done) and self in self._slots.mappings:
            self._slots.mappings.remove(self)
        if self.is_done:  # the traceback of an item's error keeps this object alive
            self._take, self._keep = _nothing, _nothing
        self._news.set()

    def _grow(self) -> None:
        wanted = min(self.offered - self.taken, self._at_once)
        while self._starting < wanted and len(self.workers) < self._most:
            if not self._slots.is_free():
                if not self.is_in_line and len(self.workers) < self._slots.share():
                    self.is_in_line = True
                    self._slots.line_up(self._start_in_turn)
                return
            self._start()

    def _start_in_turn(self, _: object) -> None:
        self.is_in_line = False
        self._start()
        self._grow()

    def _start(self) -> None:
        worker = Worker(self._work)
        self._slots.pool.add(worker, blocking=False)
        worker.rawlink(self._ended)
        self.workers.add(worker)
        self._starting += 1
        worker.start()

    def _work(self, worker: Worker) -> None:
        self._starting -= 1
        # Items that block need a worker per slot. If they do not, the first worker takes them all,
        # and any more start in vain.
        in_vain = self.taken == self.offered
        self._at_once = max(self._at_once - 1, 1) if in_vain else min(self._at_once + 1, self._most)
        try:
            self._pull(worker)
        except BaseException as error:
            # A worker killed between two items is replaced. Otherwise, gevent prints the error, and
            # raises KeyboardInterrupt and SystemExit in the main greenlet.
            if not (worker.is_killed or isinstance(error, gevent.GreenletExit)):
                self.fatal = error
                self.stop()
            raise
        finally:
            worker.is_leaving = True
            self._slots.leaving += 1

    def _pull(self, worker: Worker) -> None:
        func, copy, waiting = self._func, self._captured.copy, self._slots.waiting
        while self.taken < self.offered:
            index = self.taken
            self.taken += 1
            item = self._take()
            if self.taken == self._wake_at:
                self._room.set()
            if not self._starting and self.taken < self.offered:
                self._grow()
            try:
                value = copy().run(func, item)
            except (KeyboardInterrupt, SystemExit) as error:
                self._settle(index, Raised(error))
                raise
            except BaseException as error:  # noqa: BLE001  # raised to the consumer
                value = Raised.in_worker(error)
            self._settle(index, value)
            item = value = None  # do not keep them alive while the next item runs
            if worker.armed:
                worker.disarm()
            if worker.is_killed or not self._reuse or (waiting() and self._slots.is_wanted(self)):
                return
            if monotonic() >= self._hand_over_at:
                gevent.sleep(0)
                self._hand_over_at = monotonic() + _HAND_OVER

    def _settle(self, index: int, value: Any) -> None:
        self._keep(index, value)
        self.finished += 1
        if type(value) is Raised:
            self.has_failed = self.is_watched = True
        if self._stops is not None and self._stops(value):
            self.stop()
        if self.is_watched:
            self._news.set()

    def _ended(self, worker: Worker) -> None:
        """Clean up after a worker; called in the hub, once its slot is free again."""
        self.workers.discard(worker)
        if worker.is_leaving:
            self._slots.leaving -= 1
        else:  # it was killed before it ran
            self._starting -= 1
        self._go_on()


def _nothing(*_: object) -> None:
    """Replaces the references to items and values at the end."""
