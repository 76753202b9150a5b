"""Programs whose blocking calls run coroutines that need a loop."""

# ruff: noqa: T201

import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from cases.base import case, everything, side_by_side


class Service:
    """An asynchronous service, as upstream's wrapper expects one."""

    name = "service"

    def __init__(self, errors: int = 0) -> None:
        self.errors = errors
        self.calls = 0
        self.seen: list[object] = []

    async def value(self, number: int, *, times: int = 1) -> int:
        """Return a number, later."""
        import asyncio

        await asyncio.sleep(0.001)
        return number * times

    async def everything(self, number: int) -> str:
        return await everything_later(number)

    async def at_once(self) -> None:
        self.calls += 1

    async def same(self) -> "Service":
        import asyncio

        await asyncio.sleep(0)
        return self

    async def fails(self) -> None:
        import asyncio

        await asyncio.sleep(0.001)
        raise KeyError("mine")

    async def gives_up(self, seconds: float) -> None:
        import asyncio

        if seconds:
            await asyncio.sleep(seconds)
        raise asyncio.CancelledError

    async def waits(self) -> None:
        import asyncio

        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            await asyncio.sleep(0.001)
            self.seen.append("cleaned up")
            raise

    async def fails_at_first(self, error: type[Exception] = ConnectionError) -> int:
        import asyncio

        self.calls += 1
        await asyncio.sleep(0.001)
        if self.calls <= self.errors:
            raise error(f"number {self.calls}")
        return self.calls

    async def correlation(self) -> list[str]:
        import asyncio

        correlation_id_var = private_name("correlation_id_var")

        first = correlation_id_var.get()
        await asyncio.sleep(0.001)
        ids = await asyncio.gather(identity(), asyncio.to_thread(correlation_id_var.get))
        return [first, *ids]

    async def __aenter__(self) -> Any:
        import asyncio

        await asyncio.sleep(0.001)
        self.seen.append("entered")
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.sleep(0.001)
        self.seen.append("left")


async def identity() -> Any:
    correlation_id_var = private_name("correlation_id_var")
    return correlation_id_var.get()


async def everything_later(number: int) -> str:
    """`everything`, once a loop was asked for: a Future made without one cannot ask."""
    import asyncio

    await asyncio.sleep(0.001)
    return await everything(number)


def private_name(name: str) -> Any:
    """Return what of `pywats.pywats` is not in its types."""
    import pywats.pywats

    return getattr(pywats.pywats, name)


def wrapped(service: Service, **settings: Any) -> Any:
    from pywats.core.config import SyncConfig

    return private_name("SyncServiceWrapper")(service, SyncConfig(**settings))


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as exc:  # noqa: BLE001
        return f"{type(exc).__name__}: {exc}"


@case
def a_wrapped_service() -> None:
    service = Service()
    wrapper = wrapped(service)
    print(wrapper.value(3), wrapper.value(3, times=2), wrapper.everything(1))
    print(wrapper.at_once(), service.calls, wrapper.same() is wrapper, wrapper.name)
    print(outcome(wrapper.fails), wrapper.value.__name__, wrapper.value.__doc__)
    print([outcome(partial(wrapper.gives_up, seconds)) for seconds in (0, 0.001)])
    with wrapper as entered:
        print(entered is wrapper, entered.value(4))
    print(service.seen)


@case
def a_wrapper_shared_by_threads() -> None:
    wrapper = wrapped(Service())
    print(side_by_side(wrapper.value), side_by_side(wrapper.everything))


@case
def a_wrapped_service_that_takes_too_long() -> None:
    service = Service()
    wrapper = wrapped(service, timeout=0.05)
    print(outcome(wrapper.waits), wrapper.value(1))
    print(service.seen)
    print(outcome(lambda: wrapped(Service(), timeout=None).value(2)))


@case
def retries_of_a_wrapped_service() -> None:
    retry = {"max_retries": 2, "backoff": 0.01}
    for errors in range(4):
        service = Service(errors)
        wrapper = wrapped(service, retry_enabled=True, retry=retry)
        print(errors, outcome(wrapper.fails_at_first), service.calls)
    service = Service(3)
    wrapper = wrapped(service, retry_enabled=True, retry=retry)
    print(outcome(lambda: wrapper.fails_at_first(ValueError)), service.calls)
    service = Service(3)
    print(outcome(wrapped(service).fails_at_first), service.calls)
    service = Service(1)
    wrapper = wrapped(service, retry_enabled=True, retry=retry, timeout=0.05)
    print(outcome(wrapper.waits), service.seen)


@case
def correlation_of_a_wrapped_service() -> None:
    correlation_id_var = private_name("correlation_id_var")
    ids = wrapped(Service()).correlation()
    print(len(set(ids)), len(ids[0]), correlation_id_var.get())
    print(wrapped(Service(), correlation_id_enabled=False).correlation())
    seen = side_by_side(lambda _: tuple(wrapped(Service()).correlation()))
    print(len(set(seen)), {len(set(ids)) for ids in seen})


@case
def run_sync_of_upstream() -> None:
    import asyncio

    from pywats.core.sync_runner import run_sync, sync_wrapper

    _run_sync = private_name("_run_sync")

    async def value(number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    async def several() -> list[int]:
        return await asyncio.gather(*(value(number) for number in range(3)))

    async def fails() -> None:
        await asyncio.sleep(0.001)
        raise ValueError("mine")

    runners: list[Callable[[Coroutine[Any, Any, Any]], Any]] = [_run_sync, run_sync]
    for run in runners:
        print(run(value(1)), run(several()), run(everything_later(1)))

        def one(number: int, run: Any = run) -> Any:
            return run(value(number))

        def failing(run: Any = run) -> Any:
            return run(fails())

        print(outcome(failing))
        print(side_by_side(one))

        async def inside(run: Any = run) -> list[object]:
            loop = asyncio.get_running_loop()
            seen = [run(value(2)), run(several()), outcome(lambda: run(fails()))]
            await asyncio.sleep(0.001)
            return [*seen, asyncio.get_running_loop() is loop]

        print(asyncio.run(inside()))
        print(side_by_side(lambda _: asyncio.run(inside()), 3))

    @sync_wrapper  # type: ignore[untyped-decorator]  # upstream's
    async def decorated(number: int) -> int:
        return await value(number)

    print(decorated(5), decorated.__name__)
    print(outcome(lambda: _run_sync(asyncio.sleep(60), timeout=0.01)))


@case
def wrapped_mocks() -> None:
    """Upstream's tests wrap mocks."""
    from unittest.mock import AsyncMock, MagicMock, Mock

    service = AsyncMock()
    service.read.return_value = 7
    service.fails.side_effect = ValueError("mine")
    service.several.side_effect = [1, ConnectionError("once"), 3]
    service.plain = Mock(return_value=service)
    wrapper = wrapped(service, timeout=60)
    print(wrapper.read("key", top=1), service.read.await_args, outcome(wrapper.fails))
    print([outcome(wrapper.several) for _ in range(4)], wrapper.plain() is wrapper)
    service = MagicMock()
    service.__aenter__.return_value = service
    with wrapped(service) as entered:
        print(type(entered).__name__)
    print(service.__aenter__.await_count, service.__aexit__.await_args)


@case
def runs_inside_runs() -> None:
    """A coroutine that upstream runs, runs another."""
    import asyncio

    from pywats.core.sync_runner import SyncWrapper, run_sync

    _run_sync = private_name("_run_sync")

    class Wrapper(SyncWrapper):
        def read(self, number: int) -> Any:
            return self._run(Service().value(number))

    async def nested(run: Callable[..., Any], depth: int) -> Any:
        await asyncio.sleep(0.001)
        return [depth, run(nested(run, depth - 1))] if depth else Wrapper().read(9)

    for run in (_run_sync, run_sync):
        print(Wrapper().read(1), run(nested(run, 2)))

        def deep(_: int, run: Any = run) -> Any:
            return run(nested(run, 0))

        # Each run inside a loop takes one of the 4 threads that upstream has for them.
        print(side_by_side(deep, 3))

    async def blocks(number: int) -> Any:
        await asyncio.sleep(0)
        return [run_sync(Service().value(number)), _run_sync(Service().value(number))]

    async def several() -> Any:
        return await asyncio.gather(*(blocks(number) for number in range(5)))

    print(asyncio.run(several()), side_by_side(lambda _: asyncio.run(several()), 3))


@case
def loops_of_upstreams_pool() -> None:
    import asyncio
    import threading

    from pywats.core.event_loop_pool import EventLoopPool

    async def loop_of() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("mine")

    first = EventLoopPool.run_coroutine(loop_of())
    print(first is EventLoopPool.run_coroutine(loop_of()))
    print(first is EventLoopPool.get_or_create_loop(), first.is_running())
    print(outcome(lambda: EventLoopPool.run_coroutine(fails())))
    barrier = threading.Barrier(6)

    def own(_: int) -> asyncio.AbstractEventLoop:
        barrier.wait(60)
        loop = EventLoopPool.run_coroutine(loop_of())
        assert loop is EventLoopPool.run_coroutine(loop_of())
        return loop

    print(len({first, *side_by_side(own)}))
    EventLoopPool.shutdown_all()
    EventLoopPool.shutdown_all()
    print(first is EventLoopPool.run_coroutine(loop_of()), first.is_running())
    print(
        [EventLoopPool.run_coroutine(everything(n)) for n in range(20)]
        == [f"done {n}" for n in range(20)]
    )
    sys.stdout.flush()
