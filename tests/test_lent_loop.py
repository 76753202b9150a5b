"""A driven coroutine that needs an event loop is lent one."""

import asyncio
import contextvars
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import nullcontext
from typing import Any

import anyio
import anyio.to_thread
import gevent
import httpx
import pytest
from gevent.event import AsyncResult, Event
from lending import (  # noqa: F401
    cooperative,
    forever,
    green,
    later,
    needs_loops,
    short_waits,
    since_3_11,
    taken_back,
)
from pywats import pyWATS
from pywats import pywats as pywats_module
from typed import present, private

from pywats_green import bridge
from pywats_green.bridge import MAY_BLOCK, drive
from pywats_green.exceptions import EventLoopRequiredError
from pywats_green.lent_loop import LentLoop
from pywats_green.patching import asking
from pywats_green.testing import WatsServer

pytestmark = [needs_loops, short_waits]

SyncServiceWrapper = private(pywats_module).SyncServiceWrapper


def test_sleeping() -> None:
    assert drive(later(1)) == 1


@pytest.mark.parametrize(
    "need",
    [
        lambda: asyncio.gather(later(1), green(2), later(3)),
        lambda: asyncio.wait_for(later([1, 2, 3]), 60),
        lambda: asyncio.shield(later([1, 2, 3])),
        lambda: asyncio.create_task(later([1, 2, 3])),
        lambda: asyncio.ensure_future(later([1, 2, 3])),
        lambda: asyncio.to_thread(list, (1, 2, 3)),
    ],
    ids=["gather", "wait_for", "shield", "create_task", "ensure_future", "to_thread"],
)
def test_what_asyncio_needs_a_loop_for(need: Callable[[], Any]) -> None:
    async def needs() -> Any:
        return await need()

    assert drive(needs(), 60) == [1, 2, 3]


@since_3_11
def test_timeouts_and_task_groups_find_a_task() -> None:
    timeout, task_group = private(asyncio).timeout, private(asyncio).TaskGroup

    async def both() -> list[object]:
        seen: list[object] = []
        try:
            async with timeout(0.001):
                await forever()
        except TimeoutError:
            seen.append("timeout")
        async with timeout(60), task_group() as group:
            tasks = [group.create_task(f(1)) for f in (later, green)]
        seen += [task.result() for task in tasks]
        try:
            async with task_group() as group:
                group.create_task(forever())
                group.create_task(asyncio.to_thread(int, "x"))
        except Exception as exc:  # noqa: BLE001  # an ExceptionGroup
            seen += [type(error) for error in getattr(exc, "exceptions", ())]
        return seen

    assert drive(both()) == ["timeout", 1, 1, ValueError]


@since_3_11
def test_the_running_loop_itself() -> None:
    async def makes_a_future() -> int:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        loop.call_later(0.001, future.set_result, 5)
        assert loop.is_running()
        assert asyncio.Future().get_loop() is loop
        return await future

    assert drive(makes_a_future()) == 5


@since_3_11
def test_the_loop_as_older_code_asks_for_it() -> None:
    async def asks() -> list[int]:
        loop = asyncio.get_event_loop()
        future = loop.create_future()
        loop.call_later(0.001, future.set_result, 1)
        return [await future, await asyncio.get_event_loop().run_in_executor(None, abs, -2)]

    assert drive(asks(), 60) == [1, 2]
    assert gevent.spawn(drive, asks(), 60).get(timeout=60) == [1, 2]


def test_who_only_asks_gets_the_answer_without() -> None:
    async def asks() -> list[object]:
        seen: list[object] = []
        for ask in (asyncio.get_running_loop, asyncio.current_task):
            try:
                ask()
            except RuntimeError as exc:
                seen.append(str(exc))
        return [*seen, asyncio._get_running_loop(), *bridge._loans]

    assert drive(asks()) == ["no running event loop"] * 2 + [None]


def test_who_asks_in_a_function_whose_caller_handles_the_error() -> None:
    def ask() -> object:
        return asyncio.get_running_loop()

    async def asks() -> object:
        try:
            return ask()
        except RuntimeError:
            return None

    assert drive(asks()) is None


def test_who_gets_none_is_named() -> None:
    async def only_asks() -> None:
        with nullcontext():
            asyncio.get_running_loop()

    with pytest.raises(EventLoopRequiredError, match=r"^only_asks \(.*lent_loop\.py:\d+\) asks"):
        drive(only_asks())


def test_nobody_else_is_lent_one() -> None:
    with pytest.raises(RuntimeError, match="^no running event loop$"):
        asyncio.get_running_loop()
    coroutine = asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="^no running event loop$"):
        coroutine.send(None)


def test_what_it_did_before_is_not_done_again(server: WatsServer) -> None:
    class Service:
        async def post_and_wait(self) -> object:
            await asyncio.sleep(0)
            response = await client.post("/api/Product", data={"partNumber": "PN-1"})
            await asyncio.sleep(0.001)
            await asyncio.gather(later(), later())
            return response is not None

    with pyWATS(base_url=server.url, token=server.token) as api:
        client: Any = private(api)._http_client
        assert SyncServiceWrapper(Service()).post_and_wait()
    assert [request.method for request in server.requests()] == ["POST"]


def test_green_calls_in_tasks(server: WatsServer) -> None:
    class Service:
        async def read(self) -> list[str]:
            keys = [f"PN-{number:05}" for number in range(3)]
            read = await asyncio.gather(*(service.get_product(key) for key in keys))
            return [product.part_number for product in read]

    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        service: Any = private(api.product)._async
        assert SyncServiceWrapper(Service()).read() == [
            "PN-00000",
            "PN-00001",
            "PN-00002",
        ]


def test_greenlets_have_loops_of_their_own() -> None:
    loops = []
    both = Event()

    async def waits() -> None:
        await later()
        loops.append(asyncio._get_running_loop())
        if len(loops) == 2:
            both.set()
        await MAY_BLOCK
        both.wait(60)
        assert asyncio._get_running_loop() is not None
        await later()

    for done in [gevent.spawn(drive, waits(), 60) for _ in range(2)]:
        done.get(timeout=60)
    assert len(set(loops)) == 2
    assert all(present(loop).is_closed() for loop in loops)


def test_beside_a_loop_of_another_greenlet() -> None:
    running: AsyncResult[asyncio.AbstractEventLoop] = AsyncResult()
    ended = asyncio.Event()

    async def runs() -> None:
        running.set(asyncio.get_running_loop())
        await ended.wait()

    other = gevent.spawn(asyncio.run, runs())
    loop = present(running.get(timeout=60))
    assert drive(later(1)) == 1
    loop.call_soon_threadsafe(ended.set)
    other.get(timeout=60)


def test_inside_a_loop() -> None:
    """A blocking call in a coroutine blocks its loop, and needs another one itself."""

    async def outer() -> list[object]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        hooks = sys.get_asyncgen_hooks()
        seen = [drive(later(1), 60), drive(asyncio.wait_for(green(2), 60))]
        assert sys.get_asyncgen_hooks() == hooks
        return [*seen, asyncio.get_running_loop() is loop, asyncio.current_task() is task]

    assert asyncio.run(outer()) == [1, 2, True, True]


def test_inside_a_lent_loop() -> None:
    async def outer() -> list[object]:
        async def child() -> object:
            return drive(later(2))

        await later()
        return [drive(later(1)), await asyncio.create_task(child()), await later(3)]

    assert drive(outer()) == [1, 2, 3]


def test_context_variables_stay_the_callers() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def sets() -> list[str]:
        token = variable.set("before")
        await later()
        seen = [variable.get(), await asyncio.create_task(reads())]
        variable.reset(token)
        variable.set("after")
        return seen

    async def reads() -> str:
        seen = variable.get()
        variable.set("the task's")
        return seen

    def calls() -> list[str]:
        return [*drive(sets()), variable.get()]

    assert contextvars.copy_context().run(calls) == ["before", "before", "after"]


def test_asynchronous_generators_are_closed_on_the_loop() -> None:
    """Those that are collected while it runs, at its end, and those that are kept."""
    closed: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []

    async def numbers(name: str) -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await later()
            closed.append(name)

    async def first(generator: AsyncGenerator[int, None]) -> int:
        async for number in generator:
            return number
        return 0

    async def leaves() -> list[str]:
        await later()
        await first(numbers("collected"))
        while not closed:
            await later()
        kept.append(numbers("kept"))
        await first(kept[0])
        last = numbers("at the end")
        await first(last)
        return list(closed)

    assert drive(leaves(), 5) == ["collected"]
    assert closed[0] == "collected"
    assert sorted(closed[1:]) == ["at the end", "kept"]


def test_waiting_lets_other_greenlets_run() -> None:
    seen: list[str] = []

    async def turns() -> None:
        await later()
        gevent.spawn(seen.append, "other")
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    drive(turns())
    assert seen == ["other"]


def test_once_uninstalled_none_is_lent() -> None:
    asking.unwatch()
    try:
        with pytest.raises(EventLoopRequiredError, match=r"later.*lending\.py"):
            drive(later())
        assert asyncio.events.get_running_loop is private(asyncio.events)._c_get_running_loop
    finally:
        asking.watch()
    assert drive(later(1)) == 1


def test_a_call_that_asks_for_none_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LentLoop, "__init__", lambda _: pytest.fail("a loop was made"))
    assert drive(green(1), 60) == 1


@pytest.mark.parametrize("rounds", range(2))
def test_anyio_and_what_stands_on_it(server: WatsServer, rounds: int) -> None:
    """Once there is a loop; who asks first finds none."""

    async def uses() -> list[object]:
        await later()
        with anyio.move_on_after(0.001) as scope:
            await forever()
        seen: list[object] = []
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.001)
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{server.url}/api/App/Version")
            seen.append(answer.status_code)
        return [scope.cancelled_caught, *seen, await anyio.to_thread.run_sync(abs, -rounds)]

    assert drive(uses(), 60) == [True, 401, rounds]
