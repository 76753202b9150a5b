"""Drives a coroutine to its end in the current greenlet, without an event loop.

Upstream's services are coroutines all the way down to the HTTP client. When that client blocks
cooperatively, no coroutine ever has to suspend: one `send(None)` runs a call to its end. The only
thing that such a coroutine may yield is `MAY_BLOCK`, which the green client yields just before it
may block; only then does the bridge set the deadline, so a call that never blocks pays for none.

A deadline costs next to nothing when it is met, which is nearly always. A `gevent.Timeout` starts
and stops a timer of the event loop for each call. Here all deadlines of one length share one timer:
they fall due in the order in which they were set, so a dictionary, which keeps that order, tells
which is next.

A deadline counts work: what its greenlet has waited to be admitted since it was set is added when
it falls due, and it goes on with a timer of its own. So a call that need not wait pays nothing.
"""

from __future__ import annotations

import inspect
import time
from asyncio import _get_running_loop
from collections.abc import Coroutine, Generator
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

import gevent
from gevent import monkey
from greenlet import getcurrent, greenlet

from pywats_green.admission_time import ATTRIBUTE as ADMISSION_TIME
from pywats_green.admission_time import seconds_of
from pywats_green.exceptions import EventLoopRequiredError

T = TypeVar("T")

_NativeLocal: Any = monkey.get_original("threading", "local")

_LENGTHS = 64  # groups that may be kept empty: who sets ever new lengths must not fill memory
_LONGEST = 1e9  # seconds; event loops count in integers
_SHOWN = 0.05  # seconds of waiting that are worth a word


class Deadline:
    """Ends what its greenlet does when the time is over, unless it is cancelled before.

    Attributes:
        at: When, by `time.monotonic()`, if its greenlet does not wait to be admitted meanwhile.
        waited: For how many seconds it did, as far as that was asked when the deadline fell due.
    """

    __slots__ = ("_greenlet", "_group", "_known", "_seconds", "at", "waited")

    def __init__(self, group: _Group, seconds: float) -> None:
        self._greenlet: greenlet = getcurrent()
        self._group = group
        self._seconds = seconds
        spent = self._greenlet.__dict__.get(ADMISSION_TIME)  # none in a greenlet that never waited
        if spent is None:
            self._known = 0.0
        else:
            self._known = spent.seconds() if spent.waits else spent.total
        self.at = time.monotonic() + seconds
        self.waited = 0.0

    def cancel(self) -> None:
        """Let the greenlet be; once the time is over it changes nothing."""
        group = self._group
        if self in group:
            del group[self]
            if not group:
                group.timer.ref = False

    @property
    def is_over(self) -> bool:
        """Whether its time is over, or it was cancelled."""
        return self not in self._group

    @property
    def beside(self) -> str:
        """What to add to the text of a time-out: how much time did not count."""
        return (
            f", beside {self.waited:.1f} s of waiting to be sent" if self.waited >= _SHOWN else ""
        )

    def fall_due(self) -> None:
        """Raise `DeadlineExceeded` in the greenlet, or put it off. Called in the hub."""
        known, self._known = self._known, seconds_of(self._greenlet)
        self.waited += self._known - known
        self.at += self._known - known
        left = self.at - time.monotonic()
        if left > 0:
            self._group = _Group(left)
            self._group.add(self)
        else:
            self._greenlet.throw(DeadlineExceeded(self, self._seconds))


class DeadlineExceeded(gevent.Timeout):
    """Raised in a greenlet whose deadline has passed; a BaseException, as `gevent.Timeout` is.

    Args:
        deadline: Which.
        seconds: How long it was.
    """

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        super().__init__(seconds)  # not started: for its text
        self.deadline = deadline


class _Group(dict[Deadline, None]):
    """The deadlines of one length that are set in one native thread, the next one first."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        # A timer of nan seconds would stop all timers of the hub: nan is 0 here.
        self.seconds = min(max(0.0, seconds), _LONGEST)
        # Runs on, once started, while deadlines come and go. It keeps the loop alive, and so those
        # who wait for the loop to end, only as long as there is one.
        self.timer: Any = None

    def add(self, deadline: Deadline) -> None:
        if self.timer is None:
            self._start_timer(self.seconds)
        elif not self:
            self.timer.ref = True
        self[deadline] = None

    def _start_timer(self, seconds: float) -> None:
        loop = gevent.get_hub().loop
        loop.update_now()  # its idea of now may be old, and the timer would come early
        self.timer = loop.timer(seconds)
        self.timer.start(self._expire)

    def _expire(self) -> None:
        """End what is due. Each throw runs its greenlet, which may add to and take from us."""
        self.timer.close()
        self.timer = None
        try:
            while self:
                deadline = next(iter(self))
                if deadline.at > time.monotonic():
                    break
                del self[deadline]
                deadline.fall_due()
        finally:
            if self and self.timer is None:
                self._start_timer(max(next(iter(self)).at - time.monotonic(), 0.0))


_here = _NativeLocal()


def set_deadline(seconds: float) -> Deadline:
    """Let the current greenlet be interrupted by `DeadlineExceeded` in so many seconds.

    Args:
        seconds: 0 or less, and nan: as soon as another greenlet runs.

    Returns:
        The deadline, to be cancelled in a `finally`; an exception that names another deadline is
        for somebody further out.
    """
    try:
        groups: dict[float, _Group] = _here.groups
    except AttributeError:
        groups = _here.groups = {}
    group = groups.get(seconds)
    if group is None:
        if len(groups) >= _LENGTHS:
            for unused in [length for length, group in groups.items() if not group]:
                del groups[unused]
        group = groups[seconds] = _Group(seconds)
    deadline = Deadline(group, group.seconds)
    group.add(deadline)
    return deadline


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
        timeout: Seconds for all of it, retries included, waits to be admitted not. None: no
            limit.

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
        raise TimeoutError(f"Operation timed out after {timeout}s{deadline.beside}") from None
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
