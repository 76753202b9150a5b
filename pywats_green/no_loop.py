"""What to tell about a coroutine that needs an event loop where it can have none."""

from __future__ import annotations

from traceback import walk_tb
from types import CodeType, TracebackType
from typing import Any

_ADVICE = (
    "a blocking call runs in a greenlet, where there is no asyncio event loop; "
    "await it through AsyncWATS under asyncio.run() instead"
)


def describe(coroutine: Any, awaited: object) -> str:
    """Describe the innermost coroutine and what it awaits."""
    while (inner := getattr(coroutine, "cr_await", None)) is not None:
        if not hasattr(inner, "cr_frame"):
            break
        coroutine = inner
    where = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    frame = getattr(coroutine, "cr_frame", None)
    if frame is not None:
        where += f" ({frame.f_code.co_filename}:{frame.f_lineno})"
    return f"{where} awaits {type(awaited).__module__}.{type(awaited).__qualname__}: {_ADVICE}"


_ASKED = ("asyncio", "pywats_green.patching.asking")  # what stands in for some of asyncio


def locate(traceback: TracebackType | None) -> str:
    """Describe the innermost place outside asyncio that asked for the running loop."""
    code: CodeType | None = None
    line = 0
    for frame, number in walk_tb(traceback):
        if not frame.f_globals.get("__name__", "").startswith(_ASKED):
            code, line = frame.f_code, number
    where = f"{code.co_name} ({code.co_filename}:{line})" if code else "a coroutine"
    return f"{where} asks for the running event loop: {_ADVICE}"
