"""Drives a coroutine to its end in the current greenlet, without an event loop.

Upstream's services are coroutines all the way down to the HTTP client. If that client blocks
cooperatively, no coroutine ever has to suspend: one `send(None)` runs a call to its end. The only
thing such a coroutine may yield is `MAY_BLOCK`, which the green client yields just before it may
block. Only then does the bridge set the deadline, so calls that never block do not pay for one.
A coroutine that does need an event loop is lent one (`lent_loop`).

A deadline that is met, as nearly all are, costs next to nothing. A `gevent.Timeout` starts and
stops a timer of the event loop for each call. Here, all deadlines of the same length share one
timer: they expire in the order they were set, so the first key of a dictionary expires next.

A deadline counts work: when it expires, the time its greenlet has waited for admission since it was
set is added, and it continues with a timer of its own. So calls that need not wait pay nothing.
"""

from __future__ import annotations

import inspect
import time
from asyncio import CancelledError, _get_running_loop
from collections.abc import Coroutine, Generator
from concurrent import futures
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TypeAlias, TypeVar

import gevent
from gevent import monkey
from greenlet import getcurrent, greenlet

from pywats_green.admission_time import ATTRIBUTE as ADMISSION_TIME
from pywats_green.admission_time import seconds_of
from pywats_green.causes import noted
from pywats_green.exceptions import EventLoopRequiredError
from pywats_green.lent_loop import LentLoop, Loan
from pywats_green.no_loop import describe, locate
from pywats_green.patching.running_loops import LOOPING, hidden
from pywats_green.timers import at_fork, start_timer

T = TypeVar("T")
_Driven: TypeAlias = Coroutine[Any, Any, Any]

_NativeLocal: Any = monkey.get_original("threading", "local")

_LENGTHS = 64  # empty groups to keep; bounds memory if every deadline has a different length
_LONGEST = 1e9  # seconds; event loops count in integers
_SHOWN = 0.05  # seconds; shorter waits are not mentioned


class Deadline:
    """Interrupts its greenlet after a time, unless cancelled before.

    Attributes:
        at: When it expires, on the `time.monotonic()` clock, unless its greenlet waits for
            admission meanwhile.
        waited: Seconds that its greenlet has waited for admission, as of its last expiry.
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
        """Cancel the deadline. No effect once it has expired."""
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
        """What to add to the message of a timeout: how much time did not count."""
        shown = self.waited >= _SHOWN
        return f", beside {self.waited:.1f} s of waiting to be sent" if shown else ""

    def fall_due(self) -> None:
        """Raise `DeadlineExceeded` in the greenlet, or postpone it. Called in the hub."""
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
    """Raised in a greenlet whose deadline has expired; a BaseException, like `gevent.Timeout`.

    Args:
        deadline: The deadline; its length is the seconds.
    """

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        # Of seconds it would make a timer: freed without being closed, that corrupts libuv's heap.
        super().__init__(None)
        self.seconds = seconds
        self.deadline = deadline
        self.during = ""  # the request that it ended


class _Group(dict[Deadline, None]):
    """The deadlines of one length in one native thread, in order of expiry."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        # A timer of nan seconds would stop all timers of the hub, so this turns nan into 0.
        self.seconds = min(max(0.0, seconds), _LONGEST)
        # Once started, it keeps running; the event loop it keeps alive while there are deadlines.
        self.timer: Any = None

    def add(self, deadline: Deadline) -> None:
        if self.timer is None:
            self.timer = start_timer(self.seconds, self._expire)
        elif not self:
            self.timer.ref = True
        self[deadline] = None

    def _expire(self) -> None:
        """Expire what is due. Each throw runs its greenlet, which may set and cancel deadlines."""
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
                left = max(next(iter(self)).at - time.monotonic(), 0.0)
                self.timer = start_timer(left, self._expire)


_here = _NativeLocal()
at_fork(_here.__dict__.clear)  # their timers are the parent's


def set_deadline(seconds: float) -> Deadline:
    """Interrupt the current greenlet with `DeadlineExceeded` after a time.

    Args:
        seconds: The time. 0 or less, or nan: as soon as another greenlet runs.

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

    The `await` returns the deadline of the call, on the `time.monotonic()` clock. None: it has
    none.
    """

    __slots__ = ()

    def __await__(self) -> Generator[_MayBlock, float | None, float | None]:
        loop = _get_running_loop()
        if loop is not None:
            if isinstance(loop, LentLoop):
                if loop.borrower_runs:
                    return (yield self)
                return loop.at  # in a task beside the coroutine, which waits
            # Where greenlets share the running loop, it may be another's: the stack decides.
            if not _is_driven(inspect.currentframe()):
                raise EventLoopRequiredError(
                    "a green client cannot be awaited on an event loop: use its blocking methods, "
                    "or AsyncWATS there; after uninstall(), create a new client"
                )
        return (yield self)


def _is_driven(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not drive.__code__:
        frame = frame.f_back
    return frame is not None


MAY_BLOCK = _MayBlock()


def drive(  # noqa: C901, PLR0912  # one function, which keeps calls cheap
    coroutine: Coroutine[Any, float | None, T], timeout: float | None = None
) -> T:
    """Run a coroutine to its end in this greenlet.

    Args:
        coroutine: The coroutine. It may block its greenlet and may await `MAY_BLOCK`.
        timeout: Seconds for the whole run, including retries, excluding waits for admission.
            None: no limit.

    Returns:
        What the coroutine returns.

    Raises:
        TimeoutError: It took too long; the builtin error, with upstream's message.
        concurrent.futures.CancelledError: The coroutine raised asyncio's, which is no `Exception`;
            upstream waits for a future.
        EventLoopRequiredError: The coroutine awaited something that needs an event loop.
    """
    if LOOPING and _get_running_loop() is not None:
        with hidden():  # which belongs to whoever calls this
            return drive(coroutine, timeout)
    deadline: Deadline | None = None
    reply: float | None = None
    interrupt: BaseException | None = None
    try:
        while True:
            awaited = coroutine.send(reply) if interrupt is None else coroutine.throw(interrupt)
            if deadline is None and timeout is not None:
                deadline = set_deadline(timeout)  # it cannot have blocked before
            reply = None if deadline is None else deadline.at
            interrupt = None
            if awaited is not MAY_BLOCK:
                interrupt = _wait(coroutine, awaited, reply)
                reply = None
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except DeadlineExceeded as expired:
        if expired.deadline is not deadline:
            raise
        loan = _loans.get(id(coroutine))
        if loan is not None and loan.is_waiting:
            with suppress(CancelledError):
                return _cancel(coroutine, loan)  # its cleanup decides, as under `asyncio.wait_for`
        late = TimeoutError(f"Operation timed out after {timeout}s{deadline.beside}")
        raise noted(late, expired.during) from None
    except CancelledError as exc:
        raise futures.CancelledError from exc
    except RuntimeError as exc:
        if str(exc) != "no running event loop":
            raise
        raise EventLoopRequiredError(locate(exc.__traceback__)) from exc
    finally:
        interrupt = None  # refers back to this frame
        if deadline is not None:
            deadline.cancel()
        try:
            if id(coroutine) not in _loans:
                coroutine.close()  # runs its `finally` blocks if it has not ended
        finally:
            if id(coroutine) in _loans:  # perhaps only since then
                _end(coroutine)


# By the id of the coroutine, which is alive meanwhile.
_loans: dict[int, Loan] = {}


def lend(coroutine: _Driven) -> LentLoop:
    """Lend an event loop to a coroutine that is being driven, until it ends."""
    loan = _loans.get(id(coroutine))
    if loan is None:
        loan = _loans[id(coroutine)] = Loan(coroutine)
    return loan.loop


def _wait(coroutine: _Driven, awaited: object, at: float | None) -> BaseException | None:
    """Wait for what a coroutine awaits that is not to block; on a lent loop, drive it to its end.

    Returns:
        What interrupted the wait, to be thrown into the coroutine. None: nothing.
    """
    loan = _loans.get(id(coroutine))
    if loan is not None:
        loan.loop.at = at
        _drive_on(coroutine, loan, awaited)
    elif awaited is None:
        try:
            gevent.sleep(0)  # `asyncio.sleep(0)` yields None
        except BaseException as exc:  # noqa: BLE001  # as if the coroutine had blocked
            return exc
    else:
        raise EventLoopRequiredError(describe(coroutine, awaited))
    return None


def _drive_on(coroutine: _Driven, loan: Loan, awaited: object) -> NoReturn:
    while True:
        if awaited is MAY_BLOCK:
            awaited = coroutine.send(loan.loop.at)
            continue
        error = loan.wait(awaited)
        awaited = coroutine.send(None) if error is None else coroutine.throw(error)


def _cancel(coroutine: Coroutine[Any, Any, T], loan: Loan) -> T:
    """Cancel a coroutine that was interrupted in a wait, as asyncio would; return what it does."""
    loan.loop.at = None
    try:
        _drive_on(coroutine, loan, coroutine.throw(loan.cancel()))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    finally:
        loan.is_waiting = False  # cancelled only once: interrupted again, it is closed


def _end(coroutine: _Driven) -> None:
    """End a loan; cancel a coroutine that a kill, say, interrupted in a wait."""
    loan = _loans[id(coroutine)]
    try:
        if loan.is_waiting:
            with suppress(CancelledError):
                _cancel(coroutine, loan)
    except Exception as exc:  # noqa: BLE001  # the interruption is what counts
        report = {"message": "a cancelled call failed", "exception": exc, "task": loan.task}
        loan.loop.call_exception_handler(report)
    finally:
        with suppress(RuntimeError):  # interrupted again, it awaits something even now
            coroutine.close()
        try:
            loan.end()
        finally:
            del _loans[id(coroutine)]  # only now: whatever is closed there may ask for a loop
