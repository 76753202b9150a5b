"""How long calls wait to be admitted: the time in which their limits stand still.

A time limit counts work. While a call waits for a rate limit, a closed gate or a slot of a pool,
nothing is wrong with it and nothing is done for it. So whoever makes it wait does so inside
`waiting()`, and a deadline that falls due looks here how much of its time was spent so.

Whoever waits for a call that waits stands still, too: the readers that share its load, the item
whose pool makes it. They `follow` it, or were there first and are `affected`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from greenlet import getcurrent

ATTRIBUTE = "_pywats_green_admission_time"  # of a greenlet


class AdmissionTime:
    """The seconds that somebody has waited to be admitted; for greenlets of one native thread.

    One that never waits costs nothing: what it begins with belongs to the class.

    Attributes:
        waits: How many waits are going on.
        total: Seconds of those that have ended.
    """

    waits = 0
    _since = 0.0
    total = 0.0
    _followed_by: dict[AdmissionTime, int] | None = None  # and how often; few ever have any

    def seconds(self) -> float:
        """Return the seconds up to now; waits at the same time count once."""
        return self.total + (time.monotonic() - self._since if self.waits else 0.0)

    def began(self) -> None:
        """Note that a wait began."""
        self.waits += 1
        if self.waits == 1:
            self._since = time.monotonic()
            for follower in self._followed_by or ():
                follower.began()

    def ended(self) -> None:
        """Note that it ended."""
        self.waits -= 1
        if self.waits == 0:
            self.total += time.monotonic() - self._since
            for follower in self._followed_by or ():
                follower.ended()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Let what the current greenlet does wait whenever this one waits."""
        followers = {own(), *affected.get()} - {self}
        known = self._followed_by
        if known is None:
            known = self._followed_by = {}
        for follower in followers:
            known[follower] = known.get(follower, 0) + 1
            if known[follower] == 1 and self.waits:
                follower.began()
        try:
            yield
        finally:
            for follower in followers:
                known[follower] -= 1
                if not known[follower]:
                    del known[follower]
                    if self.waits:
                        follower.ended()


affected: ContextVar[frozenset[AdmissionTime]] = ContextVar(
    "pywats_green.admission_times", default=frozenset()
)
"""Beside the greenlet's own, those that wait when this context waits, also by way of a Pool."""


def own() -> AdmissionTime:
    """Return that of the current greenlet."""
    attributes = getcurrent().__dict__
    found: AdmissionTime | None = attributes.get(ATTRIBUTE)
    if found is None:
        found = attributes[ATTRIBUTE] = AdmissionTime()
    return found


def seconds_of(greenlet: Any) -> float:
    """Return the seconds that a greenlet has waited to be admitted up to now."""
    found: AdmissionTime | None = greenlet.__dict__.get(ATTRIBUTE)
    return 0.0 if found is None else found.seconds()


@contextmanager
def affecting(other: AdmissionTime) -> Iterator[None]:
    """Let another one wait whenever what is done inside waits."""
    token = affected.set(affected.get() | {other})
    try:
        yield
    finally:
        affected.reset(token)


@contextmanager
def waiting() -> Iterator[None]:
    """Wait inside it to be admitted."""
    times = {own(), *affected.get()}
    for each in times:
        each.began()
    try:
        yield
    finally:
        for each in times:
            each.ended()
