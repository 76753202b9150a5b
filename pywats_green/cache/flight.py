"""Single-flight: of many readers of one missing key, one loads and the others wait for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from threading import Event  # gevent's, in a patched process
from types import TracebackType
from typing import Any, NamedTuple


class StaleRules(NamedTuple):
    """When a value may be served beyond its life.

    Attributes:
        if_error: Seconds beyond its life in which a value stands in when its load fails.
        while_revalidate: Seconds beyond its life in which a value is served at once while one
            load in the background renews it.
        is_failure: Tells whether what a load gave means that the server is away.
        errors: The exceptions that mean it.
    """

    if_error: float = 0.0
    while_revalidate: float = 0.0
    is_failure: Callable[[Any], bool] = lambda _: False
    errors: tuple[type[Exception], ...] = (Exception,)

    @property
    def window(self) -> float:
        """How long a value is kept beyond its life."""
        return max(self.if_error, self.while_revalidate)


class Ticket:
    """A follower's place in the queue of a flight."""

    __slots__ = ("_called", "_leads")

    def __init__(self) -> None:
        self._called = Event()
        self._leads = False

    def call(self, *, leads: bool) -> None:
        """Wake the follower: to lead from now on, or because the flight has landed."""
        self._leads = leads
        self._called.set()

    def leads(self) -> bool:
        """Wait to be called; tell whether it leads now."""
        self._called.wait()
        return self._leads

    @property
    def is_called_to_lead(self) -> bool:
        """Whether the follower was called to lead, be it awake yet or not."""
        return self._leads


class Flight:
    """One load under way. Its methods are called under the lock of the cache, but for `wait`s.

    Attributes:
        overtaken: The key was written or invalidated since the load began: not to be stored.
        landed: Value or error are there.
        value: What was loaded.
        error: What the load raised.
    """

    __slots__ = ("error", "landed", "overtaken", "traceback", "value", "waiting")

    def __init__(self) -> None:
        self.overtaken = False
        self.landed = False
        self.value: Any = None
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None
        self.waiting: deque[Ticket] = deque()

    def join(self) -> Ticket:
        """Queue up."""
        ticket = Ticket()
        self.waiting.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> bool:
        """Give up waiting; False: the lead was just handed to this one, and nobody can take it."""
        if ticket.is_called_to_lead:
            return self.hand_over()
        if ticket in self.waiting:
            self.waiting.remove(ticket)
        return True

    def hand_over(self) -> bool:
        """Let the next follower lead; False: there is none."""
        if not self.waiting:
            return False
        self.waiting.popleft().call(leads=True)
        return True

    def land(self, value: Any, error: Exception | None) -> None:
        """Give all followers the outcome, at once."""
        self.landed, self.value, self.error = True, value, error
        if error is not None:
            self.traceback = error.__traceback__
        while self.waiting:
            self.waiting.popleft().call(leads=False)

    def outcome(self) -> Any:
        """Return the value or raise the error."""
        if self.error is not None:
            # Each with the traceback of the load, not with those of all who raised it before.
            raise self.error.with_traceback(self.traceback)
        return self.value


# The loads that this context is part of, also by way of a Pool: none may wait for itself.
loading: ContextVar[frozenset[Flight]] = ContextVar(
    "pywats_green.cache_loading", default=frozenset()
)
