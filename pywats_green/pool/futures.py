"""Tasks that are submitted one by one, each with a `concurrent.futures.Future`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextvars import Context
from typing import Any, NamedTuple

import gevent
from gevent import monkey

from pywats_green.pool.mapping import Mapping
from pywats_green.pool.slots import Slots


class _Task(NamedTuple):
    future: Future[Any]
    call: Callable[[], Any]
    context: Context


class Submissions:
    """Runs tasks in the order of their submission, in the slots of a pool.

    All tasks share one mapping, which ends when it runs out of them; the next task starts another.

    Args:
        slots: Slots of the pool.
    """

    __slots__ = ("_pending", "_running", "_slots")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._pending: deque[_Task] = deque()  # in step with the items of the mapping
        self._running: Mapping | None = None

    def add(self, call: Callable[[], Any], context: Context) -> Future[Any]:
        """Run a call as soon as a slot is free; do not wait for it.

        Args:
            call: What to run.
            context: The context to run it in.

        Returns:
            The future of its value or error.
        """
        future: Future[Any] = Future()
        self._pending.append(_Task(future, call, context))
        if not monkey.is_module_patched("threading"):
            self._run(None)  # switched off: waiting for the future would block the event loop
            return future
        running = self._running
        if running is None or running.is_stopped or running.is_done:
            running = self._running = Mapping(self._slots, self._run, Context(), self._keep)
        running.offer(None)
        return future

    def _run(self, _: None) -> None:
        task = self._pending.popleft()
        future = task.future
        if not future.set_running_or_notify_cancel():
            return
        try:
            value = task.context.run(task.call)
        except gevent.GreenletExit:
            future.set_exception(CancelledError())
            raise
        except (KeyboardInterrupt, SystemExit) as error:
            future.set_exception(error)
            raise
        except BaseException as error:  # noqa: BLE001  # such as a gevent.Timeout
            future.set_exception(error)
        else:
            future.set_result(value)

    def _keep(self, _: int, value: Any) -> None:
        """Cancel a task that will never start; what ran has settled its future itself."""
        if self._running is not None and value is self._running.cancelled:
            future = self._pending.popleft().future
            future.cancel()
            future.set_running_or_notify_cancel()  # wakes those in `wait` and `as_completed`
