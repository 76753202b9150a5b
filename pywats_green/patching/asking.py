"""Lends an event loop to a driven coroutine when it asks asyncio for one.

asyncio's functions ask `asyncio.events` for the running loop and fail without one. Here, if nothing
runs but the bridge, they get one. Code that only wants to know whether it is in a loop gets the
answer it got without: somebody handles the error there, so none of it may be lent a loop.
"""

from __future__ import annotations

import asyncio
import dis
import sys
from functools import lru_cache
from types import CodeType, FrameType, FunctionType
from typing import Any

from pywats_green.bridge import drive, lend
from pywats_green.lent_loop import LentLoop
from pywats_green.patching import running_loops

_events: Any = asyncio.events
_tasks: Any = asyncio.tasks
_bound: Any = asyncio.mixins._LoopBoundMixin  # noqa: SLF001

# By which asyncio finds a loop for a new future. Until 3.11, it is not the public one.
_EVENT_LOOP = "_get_event_loop" if hasattr(_events, "_get_event_loop") else "get_event_loop"

_running_loop = _events._get_running_loop  # noqa: SLF001
_get_running_loop = asyncio.get_running_loop
_get_event_loop = getattr(_events, _EVENT_LOOP)
_current_task = _tasks.current_task
_bound_loop = _bound._get_loop  # noqa: SLF001


def get_running_loop() -> Any:
    """Return the running loop; lend one to whoever needs it."""
    loop = _running_loop()
    if loop is None:
        loop = _lent(sys._getframe(1))  # noqa: SLF001
    return _get_running_loop() if loop is None else loop


def get_event_loop(*args: Any, **kwargs: Any) -> Any:
    """Return the running loop, else the thread's; lend one to whoever needs it."""
    if _running_loop() is None:
        _lent(sys._getframe(1))  # noqa: SLF001
    return _get_event_loop(*args, **kwargs)


def current_task(loop: Any = None) -> Any:
    """Return the current task; lend a loop to asyncio's own timeouts and task groups."""
    if loop is None and _running_loop() is None:
        _lent(sys._getframe(1))  # noqa: SLF001
    return _current_task(loop)


def bound_loop(self: Any) -> Any:
    """Return the loop of a lock, an event or a queue, which a lent one never becomes.

    Each greenlet waits on its own.
    """
    loop = _running_loop()
    if loop is None:
        loop = _lent(sys._getframe(1))  # noqa: SLF001
    return loop if isinstance(loop, LentLoop) else _bound_loop(self)


def _lent(asker: FrameType) -> LentLoop | None:
    """Lend a loop to the coroutine that the bridge drives for this frame.

    Args:
        asker: Who asks.

    Returns:
        The loop; None: the bridge does not drive it, or it only asks.
    """
    frame: FrameType | None = asker
    while frame is not None and frame.f_code is not drive.__code__:
        frame = frame.f_back
    if frame is None or not _needs_one(asker, frame):
        return None
    return lend(frame.f_locals["coroutine"])


def _needs_one(asker: FrameType, driver: FrameType) -> bool:
    """Return whether the call fails without a loop: asyncio asks, or nobody handles its error."""
    frame: FrameType | None = asker
    if asker.f_code is getattr(_current_task, "__code__", None):  # until 3.11; asks for another
        frame = asker.f_back
    if frame is not None and _is_asyncio(frame):
        return True
    while frame is not None and frame is not driver:
        if _is_guarded(frame):
            return False
        frame = frame.f_back
    return True


def _is_asyncio(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "asyncio"


_parsed_table: Any = getattr(dis, "_parse_exception_table", None)
_HANDLER = dis.opmap.get("PUSH_EXC_INFO")  # begins `except`, `finally` and the end of `with`


def _is_guarded(frame: FrameType) -> bool:
    """Return whether a frame would handle an error of the call it is in."""
    return _parsed_table is None or any(
        start <= frame.f_lasti < end for start, end in _guarded_ranges(frame.f_code)
    )


@lru_cache(maxsize=256)
def _guarded_ranges(code: CodeType) -> tuple[tuple[int, int], ...]:
    return tuple(
        (entry.start, entry.end)
        for entry in _parsed_table(code)
        if code.co_code[entry.target] == _HANDLER
    )


# In asyncio's name: from Python 3.12 on, a policy that has to make a loop warns the first caller
# outside asyncio, which must not be this module.
_get_event_loop_as_asyncio = FunctionType(
    get_event_loop.__code__, {**globals(), "__name__": "asyncio.events"}
)

_replacements: dict[tuple[Any, str], Any] = {
    (asyncio, "get_running_loop"): get_running_loop,
    (_events, "get_running_loop"): get_running_loop,
    (asyncio, "get_event_loop"): _get_event_loop_as_asyncio,
    (_events, "get_event_loop"): _get_event_loop_as_asyncio,
    (_events, _EVENT_LOOP): _get_event_loop_as_asyncio,
    (_tasks, "current_task"): current_task,
    (_bound, "_get_loop"): bound_loop,
}
_originals = {(where, name): getattr(where, name) for where, name in _replacements}


def watch() -> None:
    """Lend loops from now on, where each greenlet has a running loop of its own."""
    if running_loops.missing() is None:
        for (where, name), ours in _replacements.items():
            setattr(where, name, ours)


def unwatch() -> None:
    """Restore asyncio's own functions, but not where somebody else has replaced ours since."""
    for (where, name), ours in _replacements.items():
        if vars(where)[name] is ours:
            setattr(where, name, _originals[where, name])
