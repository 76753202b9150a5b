"""Time that is turned by hand, with timers, for everything that waits."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import gevent

# For libuv, gevent's loop on Windows, it is idle after each round, of 50 switches and more.
_ROUNDS = 40 if os.name == "nt" else 1


def run_all() -> None:
    """Let every greenlet run until all wait."""
    for _ in range(_ROUNDS):
        gevent.idle()


class HandTimer:
    ref = True

    def __init__(self, clock: "HandClock", at: float, callback: Callable[[], object]) -> None:
        self.at = at
        self.callback = callback
        self._clock = clock

    def close(self) -> None:
        if self in self._clock.timers:
            self._clock.timers.remove(self)


class HandClock:
    """Called, it tells the seconds. Timers go off while it is turned."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.timers: list[HandTimer] = []
        self.most_timers = 0

    def __call__(self) -> float:
        return self.now

    def start_timer(self, seconds: float, callback: Callable[[], object]) -> HandTimer:
        assert seconds > 0
        timer = HandTimer(self, self.now + seconds, callback)
        self.timers.append(timer)
        self.most_timers = max(self.most_timers, len(self.timers))
        return timer

    def start_hub_timer(self, seconds: float, callback: Callable[[], object]) -> HandTimer:
        """Start one whose callback runs in the hub, as that of a real one does."""
        run = gevent.get_hub().loop.run_callback
        return self.start_timer(max(seconds, 1e-9), lambda: run(callback))

    def turn(self, seconds: float) -> None:
        """Turn it on, stopping at each timer, and let everything run that is woken."""
        run_all()
        end = self.now + seconds
        for turns in itertools.count():
            due = min(self.timers, key=lambda timer: timer.at, default=None)
            if due is None or due.at > end:
                break
            assert turns < 100_000, "a timer that is set again and again"
            self.now = max(self.now, due.at)
            due.close()
            due.callback()
            run_all()
        self.now = end


class Crowd:
    """Greenlets that go through something one by one, and the order in which they come out."""

    def __init__(self, enter: Callable[[], Any]) -> None:
        self._enter = enter
        self.greenlets: list[gevent.Greenlet[..., Any]] = []
        self.through: list[int] = []
        self.results: list[Any] = []

    def _one(self, number: int) -> None:
        result = self._enter()
        self.through.append(number)
        self.results.append(result)

    def come(self, count: int) -> None:
        """Let so many come, in order, and let them get as far as they can."""
        for _ in range(count):
            self.greenlets.append(gevent.spawn(self._one, len(self.greenlets)))
        run_all()

    def kill(self, number: int) -> None:
        self.greenlets[number].kill()
        run_all()
