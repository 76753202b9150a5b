"""How long greenlets wait for admission, which no deadline counts.

A deadline counts work. While a call waits for the rate limit, a closed gate or a slot of a Pool,
nothing is wrong with it, and no work is done for it. Whatever makes a call wait does so inside
`waiting()`, and an expiring deadline looks up here how much of its time was spent that way.

The same holds for those that wait for such a call: readers that share its load, the item whose
Pool makes it. Late-comers to a load or batch wait inside `followed()`; for those that began
work which others carry out, that work runs inside `affecting()`.
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
    """The time that a greenlet, load or batch has waited for admission. For one native thread.

    The initial values are the class's, so one that never waits costs nothing.

    Attributes:
        waits: How many waits are in progress.
        total: Seconds of the waits that have ended.
    """

    waits = 0
    _since = 0.0
    total = 0.0
    _followed_by: dict[AdmissionTime, int] | None = None  # and how often each; rarely any

    def seconds(self) -> float:
        """Return the seconds waited up to now; overlapping waits count once."""
        return self.total + (time.monotonic() - self._since if self.waits else 0.0)

    def began(self) -> None:
        """Note that a wait has begun."""
        self.waits += 1
        if self.waits == 1:
            self._since = time.monotonic()
            for follower in self._followed_by or ():
                follower.began()

    def ended(self) -> None:
        """Note that a wait has ended."""
        self.waits -= 1
        if self.waits == 0:
            self.total += time.monotonic() - self._since
            for follower in self._followed_by or ():
                follower.ended()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Inside it, count the waits of this one as the current context's, too."""
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
"""What waits whenever this context waits, beside its greenlet; a Pool passes it on."""


def own() -> AdmissionTime:
    """Return the admission time of the current greenlet."""
    attributes = getcurrent().__dict__
    found: AdmissionTime | None = attributes.get(ATTRIBUTE)
    if found is None:
        found = attributes[ATTRIBUTE] = AdmissionTime()
    return found


def seconds_of(greenlet: Any) -> float:
    """Return the seconds that a greenlet has waited for admission up to now."""
    found: AdmissionTime | None = greenlet.__dict__.get(ATTRIBUTE)
    return 0.0 if found is None else found.seconds()


@contextmanager
def affecting(other: AdmissionTime) -> Iterator[None]:
    """Count the waits inside it as those of another one, too."""
    token = affected.set(affected.get() | {other})
    try:
        yield
    finally:
        affected.reset(token)


@contextmanager
def waiting() -> Iterator[None]:
    """Count what is inside it as a wait for admission."""
    times = {own(), *affected.get()}
    for each in times:
        each.began()
    try:
        yield
    finally:
        for each in times:
            each.ended()
