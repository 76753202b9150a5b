"""Programs that use libraries for asyncio."""

# ruff: noqa: T201

from cases.base import Meeting, case, everything, needs, side_by_side


@needs("uvloop")
@case
def uvloop_runs() -> None:
    import asyncio
    import warnings

    import uvloop

    warnings.filterwarnings("ignore", "uvloop waits natively", RuntimeWarning)

    async def main(number: int) -> str:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, uvloop.Loop)
        assert asyncio.Future().get_loop() is loop
        await asyncio.gather(asyncio.sleep(0.001), asyncio.sleep(0.002))
        return f"{number} {asyncio.get_running_loop() is loop}"

    def run(number: int) -> str:
        loop = uvloop.new_event_loop()
        try:
            return loop.run_until_complete(main(number))
        finally:
            loop.close()

    print(run(0), side_by_side(run, 3), asyncio._get_running_loop())
    print(asyncio.run(everything(1)))


@needs("nest_asyncio")
@case
def nested_loops() -> None:
    import asyncio

    import nest_asyncio

    nest_asyncio.apply()

    async def value() -> int:
        await asyncio.sleep(0.001)
        return 1

    async def main() -> int:
        loop = asyncio.get_running_loop()
        inner = loop.run_until_complete(value()) + asyncio.run(value())
        assert asyncio.get_running_loop() is loop
        return inner + await value()

    print(asyncio.run(main()))


@needs("sniffio")
@case
def sniffio_asks() -> None:
    import asyncio

    import sniffio

    meeting = Meeting(3)

    async def job(_: int) -> str:
        await meeting.wait()
        await asyncio.sleep(0.001)
        return sniffio.current_async_library()

    print(side_by_side(lambda number: asyncio.run(job(number)), 3))
    try:
        sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        print("none")


@needs("anyio")
@case
def anyio_runs() -> None:
    import anyio
    import anyio.to_thread

    meeting = Meeting(3)

    async def job(number: int) -> list[object]:
        await meeting.wait()
        seen: list[object] = []

        async def child(value: int) -> None:
            await anyio.sleep(0.001 * value)
            seen.append(value)

        async with anyio.create_task_group() as group:
            for value in (1, 9):
                group.start_soon(child, value)
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep(60)
        return [*seen, scope.cancelled_caught, await anyio.to_thread.run_sync(abs, -number)]

    print(side_by_side(lambda number: anyio.run(job, number), 3))
