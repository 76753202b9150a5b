"""Drives a coroutine to its end in the current greenlet, without an event loop.

Upstream's services are coroutines all the way down to the HTTP client. When that client blocks
cooperatively, no coroutine ever has to suspend: one `send(None)` runs a call to its end. The only
thing that such a coroutine may yield is `MAY_BLOCK`, which the green client yields just before it
may block; only then does the bridge arm the timer, so a call that never blocks pays for none.
"""

from __future__ import annotations

import inspect
from asyncio import _get_running_loop
from collections.abc import Coroutine, Generator
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

import gevent

from pywats_green.deadlines import Deadline, DeadlineExceeded, set_deadline
from pywats_green.exceptions import EventLoopRequiredError

T = TypeVar("T")


class _MayBlock:
    """Awaited by a coroutine that is about to block its greenlet.

    The `await` returns when a timer will end the call, by `time.monotonic()`; None: there is none.
    """

    __slots__ = ()

    def __await__(self) -> Generator[_MayBlock, float | None, float | None]:
        # Beside a loop of another greenlet, the stack tells who drives this coroutine.
        if _get_running_loop() is not None and not _is_driven(inspect.currentframe()):
            raise EventLoopRequiredError(
                "a green client cannot be awaited on an event loop: use its blocking methods, or "
                "AsyncWATS there; after uninstall(), make a new client"
            )
        return (yield self)


def _is_driven(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not drive.__code__:
        frame = frame.f_back
    return frame is not None


MAY_BLOCK = _MayBlock()


def drive(coroutine: Coroutine[Any, float | None, T], timeout: float | None = None) -> T:
    """Run a coroutine to its end in this greenlet.

    Args:
        coroutine: What to run. It may block its greenlet and may await `MAY_BLOCK`.
        timeout: Seconds for all of it, waits and retries included. None: no limit.

    Returns:
        What the coroutine returns.

    Raises:
        TimeoutError: The builtin one, with upstream's text, when the time is over.
        EventLoopRequiredError: The coroutine awaited what only an event loop can finish.
    """
    deadline: Deadline | None = None
    reply: float | None = None
    try:
        while True:
            awaited = coroutine.send(reply)
            reply = None
            if awaited is MAY_BLOCK:
                if deadline is None and timeout is not None:
                    # Until now it cannot have waited: the clock starts where waiting may.
                    deadline = set_deadline(timeout)
                reply = None if deadline is None else deadline.at
            elif awaited is None:
                gevent.sleep(0)  # what `asyncio.sleep(0)` yields: let the others run
            else:
                raise EventLoopRequiredError(_describe(coroutine, awaited))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except DeadlineExceeded as expired:
        if expired.deadline is not deadline:
            raise
        raise TimeoutError(f"Operation timed out after {timeout}s") from None
    except RuntimeError as exc:
        if str(exc) != "no running event loop":
            raise
        raise EventLoopRequiredError(_locate(exc.__traceback__)) from exc
    finally:
        if deadline is not None:
            deadline.cancel()
        coroutine.close()  # runs its `finally` blocks when we leave it half-way


_ADVICE = (
    "a blocking call runs in a greenlet, where there is no asyncio event loop; "
    "await it through AsyncWATS under asyncio.run() instead"
)


def _describe(coroutine: Any, awaited: object) -> str:
    """Name the innermost coroutine and the thing it waits for."""
    while (inner := getattr(coroutine, "cr_await", None)) is not None:
        if not hasattr(inner, "cr_frame"):
            break
        coroutine = inner
    where = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    frame = getattr(coroutine, "cr_frame", None)
    if frame is not None:
        where += f" ({frame.f_code.co_filename}:{frame.f_lineno})"
    return f"{where} awaits {type(awaited).__module__}.{type(awaited).__qualname__}: {_ADVICE}"


def _locate(traceback: TracebackType | None) -> str:
    """Name the innermost place outside asyncio that asked for the running loop."""
    code: CodeType | None = None
    line = 0
    for frame, number in walk_tb(traceback):
        if not frame.f_globals.get("__name__", "").startswith("asyncio"):
            code, line = frame.f_code, number
    where = f"{code.co_name} ({code.co_filename}:{line})" if code else "a coroutine"
    return f"{where} asks for the running event loop: {_ADVICE}"
