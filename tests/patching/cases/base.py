"""What the programs share."""

import sys
from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[..., None]] = {}
NEEDS: dict[str, str] = {}  # packages that a case is about


def start() -> None:
    """Import pywats_green, if this run is a green one."""
    if sys.argv[2] == "green":
        import pywats_green

        assert pywats_green.is_active()
    if sys.platform == "win32":  # the default one waits natively
        import asyncio

        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())


def case(function: Callable[..., None]) -> Callable[..., None]:
    """A case that starts with the import of pywats_green."""

    def started(*args: str) -> None:
        start()
        function(*args)

    CASES[function.__name__] = started
    return function


def late_case(function: Callable[..., None]) -> Callable[..., None]:
    """A case that calls `start` itself."""
    CASES[function.__name__] = function
    return function


def needs(package: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def note(function: Callable[..., None]) -> Callable[..., None]:
        NEEDS[function.__name__] = package
        return function

    return note


def side_by_side(job: Callable[[int], Any], jobs: int = 6) -> list[Any]:
    """Run jobs in threads, each of which waits until all have begun."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(job, range(jobs)))


class Meeting:
    """All have to be here, each in a loop of its own, before anyone goes on."""

    def __init__(self, jobs: int = 6) -> None:
        import threading

        self.barrier = threading.Barrier(jobs)

    async def wait(self) -> None:
        self.barrier.wait(60)


async def everything(number: int) -> str:
    """Use what asyncio offers; return the number if all of it works."""
    import asyncio

    async def value(result: int, seconds: float = 0.001) -> int:
        await asyncio.sleep(seconds)
        return result

    loop = asyncio.get_running_loop()
    assert asyncio.Future().get_loop() is loop
    assert await asyncio.gather(*(value(n) for n in range(5))) == [0, 1, 2, 3, 4]
    assert await asyncio.wait_for(value(7), 60) == 7
    assert await asyncio.ensure_future(value(8)) == 8
    assert await asyncio.shield(value(9)) == 9
    assert await asyncio.to_thread(abs, -3) == 3
    assert await loop.run_in_executor(None, abs, -4) == 4
    try:
        await asyncio.wait_for(value(7, 60), 0.001)
    except asyncio.TimeoutError:
        pass
    else:
        raise AssertionError
    if sys.version_info >= (3, 11):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            pass
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(value(n)) for n in range(3)]
        assert [task.result() for task in tasks] == [0, 1, 2]
    queue: asyncio.Queue[int] = asyncio.Queue()
    loop.call_later(0.001, queue.put_nowait, 5)
    assert await queue.get() == 5
    event = asyncio.Event()
    loop.call_soon(event.set)
    assert await event.wait()
    assert asyncio.get_running_loop() is loop
    task = asyncio.current_task()
    assert task in asyncio.all_tasks()
    return f"done {number}"
