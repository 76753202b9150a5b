"""Collects look-ups of one kind during a time window, and sends them as queries."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any, NamedTuple

import gevent

from pywats_green.admission_time import affecting
from pywats_green.batching.batch import MISSING, Batch, Waiter
from pywats_green.batching.learned import FEWEST, Learned
from pywats_green.batching.source import Key, Source
from pywats_green.batching.splitting import first_part


class _WaitingKey(NamedTuple):
    """A key waiting to be sent."""

    size: int
    waiters: list[Waiter]


class Batcher:
    """Collects the look-ups of one kind that one client makes in one `batching()` block.

    Args:
        source: Makes the queries.
        learned: What the client knows about the route; shared by all its batchers for it.
        window: Seconds to collect look-ups, from the first one; a full query is sent at once. 0:
            only those that are ready to run now.
        most: Maximum keys per query. None: what has been learned.
    """

    def __init__(self, source: Source, learned: Learned, window: float, most: int | None) -> None:
        self._source = source
        self._learned = learned
        self._window = window
        self._most = most
        self._is_closed = False
        self._waiting: dict[Key, _WaitingKey] = {}
        self._timer: gevent.Greenlet[..., None] | None = None

    def get(self, key: Key, single: Callable[[], Any]) -> Any:
        """Look up a key, batched with others if possible.

        Args:
            key: The key.
            single: Makes the single call, in this greenlet.

        Returns:
            What the single call would return.

        Raises:
            BaseException: Whatever the single call raises.
        """
        size = self._source.size(key)
        if self._is_closed or self._allowed() < FEWEST or size > self._source.room:
            return single()
        waiter = Waiter(copy_context())
        self._join(key, size, waiter)
        try:
            with self._learned.admission.followed():
                waiter.wait()
        except BaseException:
            self._leave(key, waiter)
            raise
        if waiter.answer is not MISSING:
            return self._source.answer(waiter.answer)
        outcome = None
        try:
            if waiter.proof is None:
                outcome = single()
            else:
                with affecting(self._learned.admission):  # all others wait for it
                    outcome = single()
        finally:
            if waiter.batch is not None:
                waiter.batch.came_back(waiter, outcome)
        return outcome

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent, so that a new batcher could replace it."""
        return not self._waiting

    def close(self) -> None:
        """Send what is waiting, and stop collecting."""
        self._is_closed = True
        self._window_over()

    def _allowed(self) -> int:
        return self._learned.allows(self._most)

    def _join(self, key: Key, size: int, waiter: Waiter) -> None:
        entry = self._waiting.get(key)
        if entry is None:
            entry = self._waiting[key] = _WaitingKey(size, [])
        entry.waiters.append(waiter)
        if self._timer is None:
            self._timer = (
                gevent.spawn_later(self._window, self._window_over)
                if self._window
                else gevent.spawn(self._window_over)
            )
        self._send(everything=False)

    def _leave(self, key: Key, waiter: Waiter) -> None:
        if waiter.batch is not None:
            waiter.batch.leave(key, waiter)
            return
        entry = self._waiting.get(key)
        if entry is not None and waiter in entry.waiters:
            entry.waiters.remove(waiter)
            if not entry.waiters:
                del self._waiting[key]
                self._stop_idle_timer()

    def _window_over(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not gevent.getcurrent() and timer is not None:
            timer.kill(block=False)
        self._send(everything=True)

    def _proof_over(self) -> None:
        self._send(everything=self._timer is None)

    def _send(self, *, everything: bool) -> None:
        """Send full queries, or everything."""
        while self._waiting:
            allowed = self._allowed()
            if allowed < FEWEST:
                self._let_go(list(self._waiting))
            elif self._learned.is_being_proven:
                self._learned.after_proof(self._proof_over)
                return
            else:
                sizes = ((key, entry.size) for key, entry in self._waiting.items())
                keys, is_full = first_part(sizes, allowed, self._source.room)
                if not (is_full or everything):
                    return
                self._dispatch(keys)
        self._stop_idle_timer()

    def _dispatch(self, keys: list[Key]) -> None:
        if sum(len(self._waiting[key].waiters) for key in keys) < FEWEST:
            self._let_go(keys)
            return
        waiters = {key: self._waiting.pop(key).waiters for key in keys}
        Batch(self._source, self._learned, waiters).start()

    def _let_go(self, keys: list[Key]) -> None:
        """Release look-ups to make their single calls."""
        for key in keys:
            for waiter in self._waiting.pop(key).waiters:
                waiter.call()

    def _stop_idle_timer(self) -> None:
        if not self._waiting and self._timer is not None:
            self._timer.kill(block=False)
            self._timer = None
