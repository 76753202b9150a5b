"""Programs that use upstream beside asyncio."""

# ruff: noqa: T201, ASYNC110

from cases.base import Meeting, case, everything, side_by_side


@case
def clients_side_by_side(url: str, token: str) -> None:
    import asyncio

    from pywats import AsyncWATS

    meeting = Meeting()

    async def job(number: int) -> list[str]:
        async with AsyncWATS(base_url=url, token=token, enable_cache=False) as api:
            await meeting.wait()
            keys = [f"PN-{number:04}{n}" for n in range(5)]
            read = await asyncio.gather(*(api.product.get_product(key) for key in keys))
            one = await asyncio.wait_for(api.product.get_product(keys[0]), 60)
            return [product.part_number for product in (*read, one) if product]

    print(side_by_side(lambda number: asyncio.run(job(number))))


@case
def a_loop_beside_blocking_calls(url: str, token: str) -> None:
    import asyncio
    import threading

    from pywats import pyWATS

    read: list[str] = []
    meeting = Meeting(4)

    def calls(number: int) -> None:
        api = pyWATS(base_url=url, token=token, enable_cache=False)
        meeting.barrier.wait(60)
        keys = [f"PN-{number:04}{n}" for n in range(5)]
        products = [api.product.get_product(key) for key in keys]
        read.extend(product.part_number for product in products if product)

    async def main() -> str:
        await meeting.wait()
        done = await everything(1)
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.01)
        return done

    threads = [threading.Thread(target=calls, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    print(asyncio.run(main()), sorted(read))


@case
def after_upstreams_loop_pool() -> None:
    import asyncio

    from pywats.core.event_loop_pool import EventLoopPool

    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    print(EventLoopPool.run_coroutine(add(1, 2)))
    print(asyncio.run(everything(1)))
    print(EventLoopPool.run_coroutine(everything(2)))
    print(side_by_side(lambda number: EventLoopPool.run_coroutine(everything(number))))
    EventLoopPool.shutdown_all()
    print(asyncio.run(everything(3)))
