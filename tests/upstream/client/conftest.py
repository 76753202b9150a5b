"""Each test has gates, limiters and a clock of its own."""

import types
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gevent
import pytest
from throttle.clock import HandClock

from pywats_green.throttle import Gates, Line, Tally
from pywats_green.upstream.client import admission, entry, slots, window


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tally() -> Tally:
    slots.tally.__init__()  # type: ignore[misc]  # from 0
    return slots.tally


@pytest.fixture(autouse=True)
def no_holds(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    """What one test held must not stop the next."""
    monkeypatch.setattr(admission, "_here", admission._NativeLocal())
    monkeypatch.setattr(admission, "_everywhere", [])


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, clock: HandClock, tally: Tally) -> HandClock:
    """Admission, and upstream's limiter, on a clock that is turned by hand."""
    from pywats.core import throttle

    fake_time = types.SimpleNamespace(monotonic=clock, time=clock)
    for module in (admission, entry, slots, window, throttle):
        monkeypatch.setattr(module, "time", fake_time)
    seams: dict[str, Any] = {"clock": clock, "start_timer": clock.start_timer}
    monkeypatch.setattr(slots, "Line", partial(Line, **seams))
    admission._here.gates = gates = Gates(tally, tell=admission._tell, **seams)
    admission._everywhere.append(weakref.ref(gates))
    return clock


@pytest.fixture
def spawn() -> Iterator[Callable[..., gevent.Greenlet]]:
    """Start greenlets that end with the test."""
    started: list[gevent.Greenlet] = []

    def start(*args: Any, **kwargs: Any) -> gevent.Greenlet:
        greenlet = gevent.spawn(*args, **kwargs)
        started.append(greenlet)
        return greenlet

    yield start
    gevent.killall(started)
