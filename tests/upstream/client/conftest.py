"""Each test has gates, limiters and a clock of its own."""

import time
import types
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gevent
import pytest
from throttle.clock import HandClock

from pywats_green import admission_time, bridge
from pywats_green.throttle import Gates, Line, Tally
from pywats_green.upstream.client import admission, entry, exchange, gates, slots


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tally() -> Tally:
    gates.tally.__init__()  # type: ignore[misc]  # from 0
    return gates.tally


@pytest.fixture(autouse=True)
def no_holds(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    """What one test held must not stop the next."""
    monkeypatch.setattr(gates, "local", gates._NativeLocal())
    monkeypatch.setattr(gates, "_everywhere", [])


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, clock: HandClock, tally: Tally) -> HandClock:
    """Admission, and upstream's limiter, on a clock that is turned by hand."""
    from pywats.core import throttle

    fake_time = types.SimpleNamespace(monotonic=clock, time=clock)
    for module in (admission, entry, gates, slots, throttle):
        monkeypatch.setattr(module, "time", fake_time)
    real = {"time": time.time, "perf_counter": time.perf_counter}
    monkeypatch.setattr(exchange, "time", types.SimpleNamespace(monotonic=clock, **real))
    seams: dict[str, Any] = {"clock": clock, "start_timer": clock.start_timer}
    monkeypatch.setattr(slots, "Line", partial(Line, **seams))
    gates.local.gates = here = Gates(tally, tell=gates._tell, **seams)
    gates._everywhere.append(weakref.ref(here))
    return clock


@pytest.fixture
def deadlines_by_hand(monkeypatch: pytest.MonkeyPatch, by_hand: HandClock) -> HandClock:
    """Time limits, too, are on the clock that is turned by hand."""
    fake_time = types.SimpleNamespace(monotonic=by_hand)
    for module in (bridge, admission_time):
        monkeypatch.setattr(module, "time", fake_time)
    monkeypatch.setattr(bridge, "start_timer", by_hand.start_hub_timer)
    monkeypatch.setattr(bridge, "_here", bridge._NativeLocal())
    return by_hand


@pytest.fixture
def spawn() -> Iterator[Callable[..., "gevent.Greenlet[..., Any]"]]:
    """Start greenlets that end with the test."""
    started: list[gevent.Greenlet[..., Any]] = []

    def start(*args: Any, **kwargs: Any) -> "gevent.Greenlet[..., Any]":
        greenlet = gevent.spawn(*args, **kwargs)
        started.append(greenlet)
        return greenlet

    yield start
    gevent.killall(started)
