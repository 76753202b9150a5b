"""One query on its way, and those who wait for it."""

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
"""Stands for an answer where there is none: the single call has to be made."""


class Waiter:
    """One who waits for an answer.

    Args:
        context: Of who waits.

    Attributes:
        batch: The query that it waits for; None: not sent yet, or nothing for this one.
        answer: What the query found, or `MISSING`.
        proof: Set where its single call shall prove the route; takes the outcome of that call.
    """

    __slots__ = ("_called", "answer", "batch", "context", "proof")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.batch: Batch | None = None
        self.answer: Any = MISSING
        self.proof: AsyncResult[Any] | None = None
        self._called = Event()

    def wait(self) -> None:
        """Wait to be called."""
        self._called.wait()

    def call(self) -> None:
        """Wake who waits: with an answer, or to make the single call."""
        self._called.set()


class Batch:
    """One query on its way.

    It runs in a greenlet of its own, so that none who waits for it can take it along when it is
    killed; when all have gone, the query goes too.

    Args:
        source: Who asks.
        learned: What is known of the route; a batch of a route without proof brings it.
        waiters: Those who wait, by key.
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
        """Send the query, in the context of the first who waits for it."""
        if not self._learned.is_proven:
            self._learned.is_being_proven = True
            self._greenlet.rawlink(lambda _: self._learned.end_proof())
        first = next(iter(self._waiters.values()))[0]
        carry(self._greenlet, first.context)
        self._greenlet.start()

    def leave(self, key: Key, waiter: Waiter) -> None:
        """One who waited was killed."""
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
        """One whom the query did not answer has made its single call.

        Args:
            waiter: Whose.
            single: The outcome; None where it raised.
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
        except Exception as exc:  # noqa: BLE001  # whoever waits gets the error of the single call
            logger.debug("A query failed, its keys are asked for singly: %s", exc)
        return {}

    def _prove(self, found: Mapping[Key, Any]) -> bool:
        """Have one of those who wait make its single call, and compare."""
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
