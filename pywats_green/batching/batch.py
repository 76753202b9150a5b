"""A query in flight, and its waiters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Context
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from pywats_green.admission_time import affecting
from pywats_green.batching.learned import Learned
from pywats_green.batching.source import Key, QueryRefusedError, Source
from pywats_green.context import carry

logger = logging.getLogger("pywats_green.batching")

MISSING: Any = object()
"""Marks a missing answer: the single call must be made."""


class Waiter:
    """A caller waiting for an answer.

    Args:
        context: Context of the caller.

    Attributes:
        batch: The query it is part of. None: not sent yet, or released to its single call.
        answer: What the query found, or `MISSING`.
        proof: Receives the outcome of the single call, if that is to prove the route.
    """

    __slots__ = ("_called", "answer", "batch", "context", "proof")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.batch: Batch | None = None
        self.answer: Any = MISSING
        self.proof: AsyncResult[Any] | None = None
        self._called = Event()

    def wait(self) -> None:
        """Wait until woken."""
        self._called.wait()

    def call(self) -> None:
        """Wake the caller, with an answer or to make its single call."""
        self._called.set()


class Batch:
    """A query in flight.

    It runs in its own greenlet, so killing a waiter does not kill the query, unless it was the
    last one.

    Args:
        source: Sends the query.
        learned: What is known about the route. If it is not proven yet, this batch proves it.
        waiters: The waiters by key.
    """

    def __init__(
        self, source: Source, learned: Learned, waiters: Mapping[Key, list[Waiter]]
    ) -> None:
        self._source = source
        self._learned = learned
        self._waiters = dict(waiters)
        self._greenlet = gevent.Greenlet(self._run)
        self._is_refused = False
        self._answered = 0
        self._missed = 0
        self._open = 0
        for waiting in self._waiters.values():
            for waiter in waiting:
                waiter.batch = self

    def start(self) -> None:
        """Send the query, in the context of its first waiter."""
        if not self._learned.is_proven:
            self._learned.is_being_proven = True
            self._greenlet.rawlink(lambda _: self._learned.end_proof())
        first = next(iter(self._waiters.values()))[0]
        carry(self._greenlet, first.context)
        self._greenlet.start()

    def leave(self, key: Key, waiter: Waiter) -> None:
        """Remove a waiter that was killed."""
        if waiter.proof is not None:
            waiter.proof.set(None)
        waiting = self._waiters.get(key)
        if waiting is None or waiter not in waiting:
            return
        waiting.remove(waiter)
        if not waiting:
            del self._waiters[key]
        if not self._waiters:
            self._greenlet.kill(block=False)

    def came_back(self, waiter: Waiter, single: Any) -> None:
        """Record the single call of a waiter that the query did not answer.

        Args:
            waiter: The waiter.
            single: Outcome of the call. None: it raised.
        """
        if waiter.proof is not None:
            waiter.proof.set(single)
            return
        self._open -= 1
        self._missed += single is not None and self._source.exists(single)
        self._judge()

    def _run(self) -> None:
        trusted: dict[Key, Any] = {}
        try:
            with affecting(self._learned.admission):
                found = self._ask()
            if found and (self._learned.is_proven or self._prove(found)):
                trusted = found
        finally:
            self._hand_out(trusted)

    def _ask(self) -> dict[Key, Any]:
        try:
            return self._source.query(list(self._waiters))
        except QueryRefusedError:
            self._is_refused = True
            self._learned.refused(len(self._waiters))
        except Exception as exc:  # noqa: BLE001  # the waiters make their single calls
            logger.debug("A query failed; its keys are looked up singly: %s", exc)
        return {}

    def _prove(self, found: Mapping[Key, Any]) -> bool:
        """Let one waiter make its single call, and compare the results."""
        candidates = [key for key in found if key in self._waiters]
        if not candidates:
            return False
        key = max(candidates, key=lambda key: self._source.fullness(found[key]))
        waiter = self._waiters[key].pop(0)
        proof = waiter.proof = AsyncResult()
        waiter.call()
        single = proof.get()
        is_same = None if single is None else self._source.compare(single, found[key])
        if is_same:
            self._learned.is_proven = True
            self._answered += 1
        elif is_same is None:
            self._missed += single is not None and self._source.exists(single)
        else:
            self._learned.refute()
        return bool(is_same)

    def _hand_out(self, found: Mapping[Key, Any]) -> None:
        waiters, self._waiters = self._waiters, {}
        for key, waiting in waiters.items():
            answer = found.get(key, MISSING)
            for waiter in waiting:
                waiter.answer = answer
                waiter.call()
                if answer is MISSING:
                    self._open += 1
                else:
                    self._answered += 1
        self._judge()

    def _judge(self) -> None:
        if not self._open and not self._is_refused:
            self._learned.judge(self._answered, self._missed)
