"""Gives each greenlet a running event loop of its own, as each thread has without the patch.

asyncio keeps the running loop per native thread, in C, where no patch of `threading.local` reaches
it: of two greenlets in `asyncio.run`, the second fails. So while a loop runs, each switch between
greenlets exchanges it there for the target's, and with it what a running loop sets for its thread:
the hooks of asynchronous generators and the depth of coroutine origins.

All that asyncio reads stays its own, in C, so whoever asks gets the same answer: C and Cython code,
names bound earlier, a Future made without a loop. Only the setter is replaced, to see when the
first loop starts and the last one ends; in between, a switch costs up to a microsecond more,
and otherwise nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import greenlet
from gevent import monkey
from greenlet import getcurrent

_NativeLocal: Any = monkey.get_original("threading", "local")

# From 3.14 on, a thread's state also holds its current task, which nobody has tried to exchange.
_BELOW = (3, 14)

_SAVED = "_pywats_green_running_loop"  # in the `__dict__` of a greenlet that is not running

_Tracer = Any  # what `greenlet.settrace` takes and `gettrace` returns
_Surroundings = tuple[Any, int]


_get_loop: Callable[[], Any] = lambda: None  # noqa: E731  # asyncio's own, once installed
_set_loop: Callable[[Any], None] = lambda _: None  # noqa: E731
_missing: str | None = "not installed"


def missing() -> str | None:
    """Return why all greenlets of a thread share one running loop; None if each has its own."""
    return _missing


def _surroundings() -> _Surroundings:
    return sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()


def _surround(surroundings: _Surroundings) -> None:
    hooks, depth = surroundings
    sys.set_asyncgen_hooks(*hooks)
    sys.set_coroutine_origin_tracking_depth(depth)


LOOPING: set[_Loops] = set()  # of the native threads in which a loop runs


class _Loops:
    """The running loops of the greenlets of one native thread.

    Attributes:
        count: How many greenlets have one.
        owner: The greenlet whose loop asyncio sees now. None: not tracing.
        idle: What surrounds greenlets without a loop.
        tracer: Ours. Others may be traced with it, above and below.
    """

    def __init__(self) -> None:
        self.count = 0
        self.owner: greenlet.greenlet | None = None
        self.idle: _Surroundings = ((None, None), 0)
        self.tracer: _Tracer = None
        self.below: _Tracer = None

    def started(self) -> None:
        self.count += 1
        LOOPING.add(self)
        self.watch()

    def watch(self) -> None:
        """See every switch from now on, even if somebody else has taken the tracer's place."""
        if self.owner is None:
            self.owner = getcurrent()
        if self.tracer is None or greenlet.gettrace() is not self.tracer:
            self.tracer, self.below = self._made_tracer(greenlet.gettrace())
            greenlet.settrace(self.tracer)

    def ended(self) -> None:
        if self.count > 0:
            self.count -= 1
        if self.count == 0:
            self.owner = None
            LOOPING.discard(self)
            if self.tracer is not None and greenlet.gettrace() is self.tracer:
                greenlet.settrace(self.below)
            # Otherwise, it is called by another tracer, and lets everything pass.
            self.tracer = self.below = None

    def _made_tracer(self, below: _Tracer) -> tuple[_Tracer, _Tracer]:
        # A new one each time: where another tracer calls an older one, each has its own `below`.
        arrived = self.arrived
        if below is None:
            return arrived, None

        def trace(event: str, arguments: Any) -> None:
            arrived()
            below(event, arguments)

        return trace, below

    def arrived(self, _: object = None, __: object = None) -> None:
        """Exchange the loop, after a switch; a tracer itself. A second call does nothing."""
        owner, current = self.owner, getcurrent()
        if owner is current or owner is None:
            return
        self.owner = current
        loop, saved = _get_loop(), current.__dict__.pop(_SAVED, None)
        if loop is None and saved is None:
            return
        surroundings = _surroundings()
        if loop is None:
            self.idle = surroundings
        else:
            owner.__dict__[_SAVED] = (loop, surroundings)
        loop, surroundings = (None, self.idle) if saved is None else saved
        _set_loop(loop)
        _surround(surroundings)


_here = _NativeLocal()


def _loops() -> _Loops:
    try:
        return _here.loops  # type: ignore[no-any-return]
    except AttributeError:
        loops = _here.loops = _Loops()
        return loops


def set_running_loop(loop: Any) -> None:
    """Set the running loop of this greenlet; stands in for asyncio's `_set_running_loop`."""
    here = _loops()
    here.arrived()  # whoever took the tracer's place may have hidden a switch
    had_one = _get_loop() is not None
    _set_loop(loop)
    if loop is None:
        if had_one:
            here.ended()
    elif had_one:
        here.watch()
    else:
        here.started()


@contextmanager
def hidden() -> Iterator[None]:
    """Run a block as if this greenlet had no running loop. Needs a loop for each greenlet."""
    loop, surroundings = _get_loop(), _surroundings()
    _set_loop(None)
    _surround(_loops().idle)
    try:
        yield
    finally:
        _set_loop(loop)
        _surround(surroundings)


def install(version: tuple[Any, ...] = sys.version_info) -> None:
    """Give each greenlet its own running loop, where a test shows that it holds. Stays.

    Args:
        version: Python's.
    """
    global _get_loop, _set_loop, _missing  # noqa: PLW0603  # set once, as the patch
    if _missing is None:
        return
    import asyncio  # noqa: PLC0415  # copies `threading.local`: only after gevent's patch

    events: Any = asyncio.events
    if version >= _BELOW:
        _missing = f"not tried on Python {version[0]}.{version[1]}"
        return
    if not hasattr(events, "_c__set_running_loop"):
        _missing = "asyncio is not built in C here"
        return
    _get_loop, _set_loop = events._c__get_running_loop, events._c__set_running_loop  # noqa: SLF001
    _missing = None if _holds(asyncio.get_running_loop) else "a test of it failed here"
    if _missing is not None:
        return
    events._set_running_loop = set_running_loop  # noqa: SLF001
    asyncio._set_running_loop = set_running_loop  # noqa: SLF001
    if _get_loop() is not None:
        _loops().started()  # imported while a loop runs
    from pywats_green.patching import loop_policy  # noqa: PLC0415  # imports asyncio, too

    loop_policy.adapt()


def _holds(get_running_loop: Callable[[], Any]) -> bool:
    """Try it: a greenlet keeps its loop while another one runs without, and vice versa.

    It takes a few microseconds, so its result is kept nowhere.
    """
    seen: list[Any] = []

    def asks() -> None:
        try:
            seen.append(get_running_loop())
        except RuntimeError:
            seen.append(None)

    def runs(loop: object) -> None:
        set_running_loop(loop)
        asks()
        parent.switch()
        asks()
        set_running_loop(None)
        asks()

    parent = getcurrent()
    outer = _get_loop()
    _set_loop(None)
    try:
        ones, others = greenlet.greenlet(runs), greenlet.greenlet(runs)
        ones.switch("one")
        asks()
        others.switch("other")
        asks()
        ones.switch()
        asks()
        others.switch()
        asks()
    finally:
        _set_loop(outer)
    expected = ["one", None, "other", None, "one", None, None, "other", None, None]
    return seen == expected and _loops().count == 0
