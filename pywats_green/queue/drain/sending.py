"""Sends one claimed report: reads it, submits it in time, ends its claim, reports the result."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeAlias

import gevent
from gevent.event import Event

from pywats_green.bridge import DeadlineExceeded, set_deadline
from pywats_green.context import carry
from pywats_green.exceptions import PywatsGreenError
from pywats_green.queue.drain.settling import Cancelled, Settled, Settler, Taken, ends_the_run
from pywats_green.queue.source import Claim

logger = logging.getLogger("pywats_green.queue")

OnResult: TypeAlias = Callable[[str, Settled, "BaseException | None"], object]

# A function that swallows the kill (a bare `except:`) is abandoned after this time.
_SECONDS_TO_DIE = 2.0


class CancellableCall:
    """A call in a greenlet of its own, so that cancelling it does not kill the one who waits.

    Args:
        func: What to call.
        context: The contextvars it starts with; what it sets stays private.
    """

    def __init__(self, func: Callable[[], object], context: Context) -> None:
        self._func = func
        self._error: BaseException | None = None
        self._ended = False
        self._is_cancelled = False
        self._wake = Event()
        self._greenlet = gevent.Greenlet(self._body)
        carry(self._greenlet, context)

    @property
    def greenlet(self) -> gevent.Greenlet[..., None]:
        """The greenlet it runs in."""
        return self._greenlet

    def run(self) -> BaseException | None:
        """Make the call and wait for its end.

        Returns:
            Whatever it raised; `Cancelled` if it was cancelled before it ended, whatever came of
            it; None: it returned.
        """
        if not self._is_cancelled:
            self._greenlet.start()
            self._await_end()
        # It may have returned because it swallowed the kill: that is no success.
        return Cancelled() if self._is_cancelled else self._error

    def cancel(self) -> None:
        """Kill it unless it has ended; does not wait."""
        if self._ended or self._is_cancelled:
            return
        self._is_cancelled = True
        self._greenlet.kill(block=False)
        self._wake.set()

    def _await_end(self) -> None:
        self._wake.wait()
        if not self._ended:  # it was cancelled
            self._wake.clear()
            self._wake.wait(_SECONDS_TO_DIE)

    def _body(self) -> None:
        try:
            self._func()
        except BaseException as exc:  # noqa: BLE001  # handed to the one who waits
            self._error = exc
        finally:
            self._ended = True
            self._wake.set()


class Sender:
    """What all sendings of a processor share.

    Args:
        submit: Called with a report; returning means accepted.
        timeout: Seconds for each submission. None: no limit.
        settler: Ends the claims.
        on_result: Called with the item's id, what became of it, and the error. None: nobody is.
    """

    def __init__(
        self,
        submit: Callable[[Any], object],
        timeout: float | None,
        settler: Settler,
        on_result: OnResult | None,
    ) -> None:
        self._submit = submit
        self._timeout = timeout
        self.settler = settler
        self._on_result = on_result
        self._has_complained = False

    def send(self, claim: Claim, on_read: Callable[[], None]) -> None:
        """Read the report and submit it.

        Args:
            claim: The claim.
            on_read: Called when the report has been read.

        Raises:
            TimeoutError: It took longer than the timeout.
            TypeError: The callable is asynchronous.
            Exception: What `load` and the callable raise.
        """
        report = claim.load()
        on_read()
        answer = self._submit(report) if self._timeout is None else self._in_time(report)
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError("submit is asynchronous: nothing was sent; give a blocking callable")

    def _in_time(self, report: Any) -> object:
        """Submit a report within the timeout, waits for admission excluded."""
        deadline = set_deadline(self._timeout or 0.0)
        try:
            answer = self._submit(report)
            # A callable may have swallowed the timeout and returned without an answer.
            is_over = deadline.is_over
        except DeadlineExceeded as exceeded:
            if exceeded.deadline is not deadline:
                raise
            is_over = True
        finally:
            deadline.cancel()
        if is_over:
            raise TimeoutError(f"not submitted within {self._timeout:g} s{deadline.beside}")
        return answer

    def listener(
        self, item_id: str, settled: Settled, error: BaseException | None
    ) -> Callable[[], None] | None:
        """Return a function that calls `on_result`; None: there is none."""
        on_result = self._on_result
        if on_result is None:
            return None

        def tell() -> None:
            try:
                on_result(item_id, settled, error)
            except Exception:
                if not self._has_complained:  # once: it may fail for every report
                    self._has_complained = True
                    logger.exception("on_result failed for %s; the drain goes on", item_id)

        return tell


class Sending:
    """A claimed report being sent. `run` is never killed, so the claim is always ended.

    Args:
        taken: The claim, and what it was taken with.
        sender: Reads, submits and settles.
        context: The contextvars that the callables run in.
    """

    def __init__(self, taken: Taken, sender: Sender, context: Context) -> None:
        self._taken = taken
        self._sender = sender
        self._context = context
        self._was_read = False
        self._is_cancelled = False
        self._call = CancellableCall(lambda: sender.send(taken.claim, self._note_read), context)

    def run(self) -> BaseException | None:
        """Send the report to its end.

        Returns:
            What must end the whole run (Ctrl-C, a misused client); None: nothing.
        """
        settler = self._sender.settler
        error: BaseException | None
        reason = settler.has_used_up(self._taken.claim)
        if reason is not None:
            settled = settler.set_aside(self._taken, reason)
            error = PywatsGreenError(reason)
        else:
            error = self._call.run()
            settled = settler.settle(self._taken, error, was_read=self._was_read)
        if isinstance(error, Cancelled):
            error = None
        tell = self._sender.listener(self._taken.claim.item_id, settled, error)
        fatal = error if error is not None and ends_the_run(error) else None
        if tell is not None and not self._is_cancelled:
            self._call = CancellableCall(tell, self._context)
            told = self._call.run()
            if told is not None and not isinstance(told, (Exception, gevent.Timeout)):
                fatal = told  # Ctrl-C, an exit; ordinary errors are already logged
        return fatal

    def cancel(self) -> None:
        """Kill the submission, or the call of `on_result`. Does not wait."""
        self._is_cancelled = True
        self._call.cancel()

    def _note_read(self) -> None:
        self._was_read = True

    def is_current(self) -> bool:
        """Return whether the caller runs inside this sending's callable."""
        return gevent.getcurrent() is self._call.greenlet
