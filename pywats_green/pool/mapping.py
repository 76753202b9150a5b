"""One call of a mapping: its items, and the workers that pull them."""

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
"""Seconds after which workers whose items never wait let the rest of the program run."""


class Mapping:
    """Items, and the workers that pull them: at most as many as the pool has slots.

    There are no more workers than items. One that finds nothing left ends, as does one whose slot
    somebody else waits for; one that takes an item while others are left has more started. None
    starts after `stop`.

    Args:
        slots: The pool's.
        func: Called with each item, in a copy of the context of its own.
        captured: The context to copy.
        keep: Called with an item's index and its value or `Raised`.
        stops: Tells which value, or `Raised`, stops the mapping. None: none does.
        is_watched: Whether `news` comes of every item; else of failures and of the end alone.

    Attributes:
        workers: Those that have not ended.
        offered: Items that came in so far.
        taken: Of those, how many were started, or cancelled.
        finished: Of those, how many ran to their end.
        handed: How many values the reader of an `imap` was given.
        has_failed: Whether an item did.
        fatal: What ends the program, or must: a KeyboardInterrupt or SystemExit of an item.
        cancelled: What is kept for an item that never ran.
        is_in_line: Whether it waits for a slot.
        source_error: What the source raised.
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
        """Let the workers pull the items of a sequence, which nobody changes meanwhile."""
        self._take = iter(items).__next__
        self.offered = len(items)
        self._is_over = True
        self._go_on()

    def offer_from(
        self, source: Iterable[Any], has_room: Callable[[], bool], low: int | None = None
    ) -> None:
        """Read a source to its end, in this greenlet, as there is room.

        What the source raises is kept in `source_error`; the items before it still run.

        Args:
            source: It may block, and raise.
            has_room: Asked before each item is read; `make_room` has it asked again.
            low: How few items that wait for a worker have it asked again, too. None: no number.
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
                except Exception as error:  # noqa: BLE001  # raised by who reads the values
                    self.source_error = Raised(error)
                    return
                self._offer(item)
        finally:
            self._is_over = True
            self._go_on()

    def make_room(self) -> None:
        """Have `has_room` asked again."""
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
        """Whether the source is at its end, and no worker is left."""
        return self._is_over and self.taken == self.offered and not self.workers

    def wait(self) -> None:
        """Wait for news; they may have been there before.

        Raises:
            BaseException: `fatal`.
        """
        self._news.wait()
        self._news.clear()
        if self.fatal is not None:
            raise self.fatal

    def stop(self) -> None:
        """Start no further item. Those that run go on; the others are cancelled."""
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
        """Stop, and kill the items that run."""
        self.stop()
        if self.workers:
            gevent.killall(list(self.workers))

    def __enter__(self) -> None:
        """Stop with the block, unless that ends because of the source."""

    def __exit__(self, *_: object) -> None:
        if self.source_error is None:
            self.stop()

    def use_free_slot(self) -> None:
        """Start a worker if an item is left for it, and nobody waits for the slot."""
        if self.taken < self.offered and self._slots.is_free():
            self._grow()

    def _go_on(self) -> None:
        """Start a worker if one is needed; say so when none ever will be."""
        if self.taken < self.offered:
            self._grow()
            return
        if self.is_in_line:
            self.is_in_line = False
            self._slots.step_out(self._start_in_turn)
        if (self.is_stopped or self.is_done) and self in self._slots.mappings:
            self._slots.mappings.remove(self)
        if self.is_done:  # the frames of an error that an item raised lead here
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
        # Items that wait need as many workers as there are slots. Those that do not are all taken
        # by the first worker, and any more start in vain.
        in_vain = self.taken == self.offered
        self._at_once = max(self._at_once - 1, 1) if in_vain else min(self._at_once + 1, self._most)
        try:
            self._pull(worker)
        except BaseException as error:
            # Killed between two items, it is replaced. Else gevent prints the error, and hands what
            # ends the program to the main greenlet.
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
            except BaseException as error:  # noqa: BLE001  # raised again where it is read
                value = Raised.in_worker(error)
            self._settle(index, value)
            item = value = None  # not kept while the next one runs
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
        """Called in the hub, when the slot of the worker is free again."""
        self.workers.discard(worker)
        if worker.is_leaving:
            self._slots.leaving -= 1
        else:  # it was killed before it ran
            self._starting -= 1
        self._go_on()


def _nothing(*_: object) -> None:
    """Stands where the items and the values were."""
