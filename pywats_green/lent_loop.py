"""The event loop that a driven coroutine gets when it asks for one, until it ends.

The bridge goes on driving the coroutine, in its greenlet and its context; nothing is started a
second time. The loop runs only while the coroutine waits for something on it. A task stands for the
coroutine on the loop, so that timeouts and task groups find whom to cancel.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import Any

from greenlet import getcurrent

from pywats_green.patching.running_loops import set_running_loop

_NOTHING = object()


class LentLoop(asyncio.SelectorEventLoop):
    """A loop that other greenlets may wake.

    Attributes:
        borrower_runs: Whether the coroutine runs, and the loop only seems to.
        interrupt: A kill or a timeout that struck in a task or callback of the loop.
        at: When the call's deadline expires, on the `time.monotonic()` clock. None: it has none.
        closing: What closes asynchronous generators that were collected.
    """

    def __init__(self) -> None:
        self.closing: set[asyncio.Task[Any]] = set()
        self.borrower_runs = False
        self.interrupt: BaseException | None = None
        self.at: float | None = None
        self._greenlet = getcurrent()
        self._ready: deque[asyncio.Handle]  # asyncio's
        self._held: list[asyncio.Handle] = []
        super().__init__()
        self._nothing = asyncio.Handle(int, (), self)
        self._nothing.cancel()
        self.set_task_factory(_guarded_task)
        self.set_exception_handler(_interrupting)

    def is_running(self) -> bool:
        """Return whether it runs, or its coroutine does."""
        return self.borrower_runs or super().is_running()

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call a function soon, also from another greenlet: one that releases a lock, say."""
        if getcurrent() is self._greenlet:
            return super().call_soon(callback, *args, context=context)
        return self.call_soon_threadsafe(callback, *args, context=context)

    def watch_generators(self) -> Any:
        """Close asynchronous generators that are begun from now on; return the hooks before."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        return hooks

    def _asyncgen_finalizer_hook(self, generator: AsyncGenerator[Any, Any]) -> None:
        # As asyncio's; but the loop may end soon, and has to know what to wait for.
        self._asyncgens.discard(generator)  # type: ignore[attr-defined]
        if not self.is_closed():
            self.call_soon_threadsafe(self._close_generator, generator.aclose())

    def _close_generator(self, closing: Coroutine[Any, Any, None]) -> None:
        task = self.create_task(closing)
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)

    def pause(self) -> None:
        """Stop at once, and not after the callbacks that are due.

        In a task, the coroutine would go on now, and perhaps cancel some of them.
        """
        due = len(self._ready)
        self._held = [self._ready.popleft() for _ in range(due)]
        self._ready.extend([self._nothing] * due)  # asyncio goes on to take as many
        self.stop()

    def resume(self) -> None:
        """Make what was due at the pause due again, after the next step of the coroutine."""
        held, self._held = self._held, []
        self._ready.extend(held)

    def interrupted(self, exc: BaseException) -> None:
        """Stop, and have `exc` raised where the coroutine is driven."""
        self.interrupt = exc
        self.stop()


def _is_interrupt(exc: object) -> bool:
    return isinstance(exc, BaseException) and not isinstance(
        exc, Exception | asyncio.CancelledError
    )


def _interrupting(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Pass on a kill that struck in a callback; asyncio would only log it."""
    exc = context.get("exception")
    if isinstance(loop, LentLoop) and isinstance(exc, BaseException) and _is_interrupt(exc):
        loop.interrupted(exc)
    else:
        loop.default_exception_handler(context)


class _Forwarding(Coroutine[Any, Any, Any]):
    _coroutine: Coroutine[Any, Any, Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError  # only tasks run these

    def close(self) -> None:
        """Nothing to close by default."""


class _Guarded(_Forwarding):
    """A task's coroutine; passes on a kill that strikes in it, which asyncio would keep there."""

    def __init__(self, loop: LentLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *args: Any) -> Any:
        return self._step(self._coroutine.throw, *args)

    def close(self) -> None:
        self._coroutine.close()

    def _step(self, step: Any, *args: Any) -> Any:
        try:
            return step(*args)
        except BaseException as exc:
            if _is_interrupt(exc):
                self._loop.interrupted(exc)
            raise


def _guarded_task(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    if asyncio.iscoroutine(coroutine):
        coroutine = _Guarded(loop, coroutine)
    return asyncio.Task(coroutine, loop=loop, **options)


class _Stand(_Forwarding):
    """What the task of a driven coroutine runs: it awaits what the coroutine does, and reports.

    To who looks at the task, it looks like the coroutine.

    Attributes:
        awaited: What to await in the next step.
        outcome: None: the wait is over; an exception: to be thrown into the coroutine;
            `_NOTHING`: still waiting.
        over: Whether the coroutine has ended.
    """

    def __init__(self, loop: LentLoop, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self.awaited: Any = _NOTHING
        self.outcome: Any = _NOTHING
        self.over = False

    def send(self, _: Any) -> Any:
        if self.over:
            raise StopIteration
        if self.awaited is not _NOTHING:
            awaited, self.awaited = self.awaited, _NOTHING
            return awaited
        return self._report(None)

    def throw(self, *args: Any) -> Any:
        exc = args[-1] if isinstance(args[-1], BaseException) else args[0]
        if self.over:
            raise exc
        awaited, self.awaited = self.awaited, _NOTHING
        if isinstance(exc, asyncio.CancelledError) and hasattr(awaited, "cancel"):
            # Cancelled while the coroutine ran: like a task, cancel what it awaits next.
            if awaited.cancel():
                return awaited
            awaited._asyncio_future_blocking = False  # noqa: SLF001
        return self._report(exc)

    def _report(self, outcome: Any) -> None:
        # To yield None is to be resumed when the loop runs again: with what is awaited next.
        self.outcome = outcome
        self._loop.pause()


class Loan:
    """A loop lent to a driven coroutine, which runs on it, as it seems, from now on."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop = LentLoop()
        self._stand = _Stand(self.loop, coroutine)
        self.task: asyncio.Task[Any] = asyncio.Task(self._stand, loop=self.loop)
        self.is_waiting = False
        self._hooks: Any = ()
        self._step_out_of_loop()

    def _step_out_of_loop(self) -> None:
        set_running_loop(self.loop)
        asyncio.tasks._enter_task(self.loop, self.task)  # noqa: SLF001
        self.loop.borrower_runs = True
        self._hooks = self.loop.watch_generators()

    def _step_into_loop(self) -> None:
        sys.set_asyncgen_hooks(*self._hooks)
        self.loop.borrower_runs = False
        asyncio.tasks._leave_task(self.loop, self.task)  # noqa: SLF001
        set_running_loop(None)

    def wait(self, awaited: Any) -> BaseException | None:
        """Run the loop until the coroutine has to go on.

        Args:
            awaited: What it has yielded.

        Returns:
            The exception to throw into it; None: resume it.

        Raises:
            BaseException: A kill or a timeout struck meanwhile. The coroutine still waits.
        """
        self._stand.awaited, self._stand.outcome = awaited, _NOTHING
        self.is_waiting = True
        return self._wait()

    def cancel(self) -> BaseException:
        """Cancel what an interrupted coroutine waits for, until it has to go on.

        Returns:
            The exception to throw into it.
        """
        if self._stand.outcome is _NOTHING:
            self.task.cancel()
            return self._wait() or asyncio.CancelledError()
        self.is_waiting = False  # the wait was over before the interrupt
        return asyncio.CancelledError()

    def _wait(self) -> BaseException | None:
        self._step_into_loop()
        try:
            while self._stand.outcome is _NOTHING:
                self.loop.resume()
                self.loop.run_forever()
                interrupt, self.loop.interrupt = self.loop.interrupt, None
                if interrupt is not None:
                    raise interrupt
        finally:
            self._step_out_of_loop()
        self.is_waiting = False
        return self._stand.outcome  # type: ignore[no-any-return]

    def end(self) -> None:
        """Take the loop back, once the coroutine has ended; its other tasks are cancelled."""
        self._step_into_loop()
        self._stand.over = True
        self.loop.resume()
        try:
            left = asyncio.all_tasks(self.loop) - {self.task, *self.loop.closing}
            for task in left:
                task.cancel()
            ending = self.loop.create_task(self._ended(left))
            try:
                self.loop.run_until_complete(ending)
            except BaseException:  # interrupted even now: asyncio would complain of what is left
                for task in asyncio.all_tasks(self.loop):
                    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
                    with suppress(RuntimeError):  # it awaits something even then
                        task.get_coro().close()
                raise
        finally:
            self.loop.close()

    async def _ended(self, left: set[asyncio.Task[Any]]) -> None:
        await asyncio.gather(self.task, *left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await asyncio.gather(*self.loop.closing, return_exceptions=True)
