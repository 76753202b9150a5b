"""Plays that look up products: sequentially, or concurrently in each contestant's way."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from play import KEYS, Play, Setting, keys, paths
from pywats import AsyncWATS, pyWATS
from pywats.core.client import HttpClient
from pywats.core.config import SyncConfig

DEADLINE = 5.0  # seconds; upstream's 30 would only make the run longer
ADDRESS = re.compile("0x[0-9a-f]+")
HOT = KEYS[:100]


def hot(count: int) -> Iterator[str]:
    return itertools.islice(itertools.cycle(HOT), count)


def client(setting: Setting, **options: Any) -> pyWATS:
    return pyWATS(**{"base_url": setting.url, "token": setting.token, **options})


def uncached(setting: Setting) -> pyWATS:
    return client(setting, enable_cache=False)


def sequential(setting: Setting) -> Play:
    """One call after another."""
    api = uncached(setting)
    return Play(lambda count: one_by_one(api.product.get_product, keys(count)))


def cached(setting: Setting) -> Play:
    """The same key every time, from the cache."""
    api = client(setting)
    return Play(lambda n: one_by_one(api.product.get_product, itertools.repeat(KEYS[0], n)))


def one_by_one(func: Callable[[str], object], arguments: Iterable[str]) -> None:
    """Drop each result, as a loop does: who is quicker in a round would keep more of them."""
    for argument in arguments:
        func(argument)


def pool(setting: Setting) -> Play:
    """One shared pyWATS, a green Pool."""
    import pywats_green

    api, greenlets = uncached(setting), pywats_green.Pool(setting.concurrency)
    return Play(lambda count: greenlets.map(api.product.get_product, keys(count)))


def pool_of_http_client(setting: Setting) -> Play:
    """One shared HttpClient, a green Pool."""
    import pywats_green

    http = HttpClient(setting.url, setting.token, enable_cache=False)
    greenlets = pywats_green.Pool(setting.concurrency)
    return Play(lambda count: greenlets.map(http.get, paths(count)))


def pool_cold(setting: Setting) -> Play:
    """The same with the cache, which is empty at the start of a round."""
    import pywats_green

    api, greenlets = client(setting), pywats_green.Pool(setting.concurrency)
    cache = pywats_green.cache_of(api)
    assert cache is not None
    return Play(lambda n: greenlets.map(api.product.get_product, keys(n)), lambda _: cache.clear())


def pool_hits(setting: Setting) -> Play:
    """The same, all of it from the cache."""
    import pywats_green

    api, greenlets = client(setting), pywats_green.Pool(setting.concurrency)
    look_up = api.product.get_product
    return Play(lambda n: greenlets.map(look_up, hot(n)), lambda _: greenlets.map(look_up, HOT))


def batched(setting: Setting) -> Play:
    """One shared pyWATS, a green Pool inside `batching()`; a new client for each round."""
    import pywats_green

    greenlets = pywats_green.Pool(setting.concurrency)
    fresh: list[pyWATS] = []

    def run(count: int) -> dict[str, int]:
        with pywats_green.batching():
            found = greenlets.map(fresh[0].product.get_product, keys(count))
        return {"found": sum(product is not None for product in found)}

    def prepare(_: int) -> None:
        fresh[:] = [uncached(setting)]

    return Play(run, prepare)


def batched_uncollected(setting: Setting) -> Play:
    """The same while Python's garbage collector, which walks all models that are kept, is off."""
    play = batched(setting)

    def run(count: int) -> Any:
        gc.disable()
        try:
            return play.run(count)
        finally:
            gc.enable()

    return play._replace(run=run)


def threads(setting: Setting) -> Play:
    """Threads with a pyWATS each, because upstream's cannot be shared."""
    local = threading.local()

    def equip() -> None:
        local.api = uncached(setting)

    def look_up(key: str) -> object:
        return local.api.product.get_product(key)

    executor = ThreadPoolExecutor(setting.concurrency, initializer=equip)
    return Play(lambda count: list(executor.map(look_up, keys(count))))


def http_client_threads(setting: Setting) -> Play:
    """Threads that share a HttpClient, upstream's plain client, which returns plain JSON."""
    http = HttpClient(setting.url, setting.token, enable_cache=False)
    http.get(next(paths(1)))  # creates its httpx client, or several threads would each create one
    executor = ThreadPoolExecutor(setting.concurrency)
    return Play(lambda count: list(executor.map(http.get, paths(count))))


Look = Callable[[Iterable[str]], Coroutine[Any, Any, list[Any]]]


def gathered(setting: Setting, api: AsyncWATS) -> Look:
    """A gathered worker per call in flight: the rewrite that this package makes unnecessary."""

    async def look_up(wanted: Iterable[str]) -> list[Any]:
        todo = iter(wanted)

        async def worker() -> list[Any]:
            return [await api.product.get_product(key) for key in todo]

        found: list[Any] = await asyncio.gather(*(worker() for _ in range(setting.concurrency)))
        return found

    return look_up


def gather(setting: Setting) -> Play:
    """AsyncWATS, no cache."""
    play = asyncio.new_event_loop().run_until_complete
    api = AsyncWATS(base_url=setting.url, token=setting.token, enable_cache=False)
    look_up = gathered(setting, api)
    return Play(lambda count: play(look_up(keys(count))))


def gather_cold(setting: Setting) -> Play:
    """AsyncWATS with the cache, which is empty at the start of a round."""
    play = asyncio.new_event_loop().run_until_complete
    api = AsyncWATS(base_url=setting.url, token=setting.token)
    look_up, clear = gathered(setting, api), api._http_client.clear_cache  # noqa: SLF001
    return Play(lambda count: play(look_up(keys(count))), lambda _: play(clear()))


def gather_hits(setting: Setting) -> Play:
    """AsyncWATS, all of it from the cache."""
    play = asyncio.new_event_loop().run_until_complete
    look_up = gathered(setting, AsyncWATS(base_url=setting.url, token=setting.token))
    return Play(lambda count: play(look_up(hot(count))), lambda _: play(look_up(HOT)))


def shared_by_threads(setting: Setting) -> Play:
    """One pyWATS shared by threads: what a user would try first. Counts failures."""
    api = client(setting, enable_cache=False, sync_config=SyncConfig(timeout=DEADLINE))
    executor = ThreadPoolExecutor(setting.concurrency)

    def call(key: str) -> str:
        try:
            api.product.get_product(key)
        except Exception as exc:  # noqa: BLE001  # errors are the result
            return ADDRESS.sub("0x...", f"{type(exc).__name__}: {exc}")
        return "success"

    def run(count: int) -> dict[str, Any]:
        return {"outcomes": dict(Counter(executor.map(call, keys(count))).most_common())}

    return Play(run)


PLAYS: dict[str, Callable[[Setting], Play]] = {
    "sequential": sequential,
    "cached": cached,
    "pool": pool,
    "pool of http client": pool_of_http_client,
    "pool cold": pool_cold,
    "pool hits": pool_hits,
    "batched": batched,
    "batched uncollected": batched_uncollected,
    "threads": threads,
    "http client threads": http_client_threads,
    "gather": gather,
    "gather cold": gather_cold,
    "gather hits": gather_hits,
    "shared by threads": shared_by_threads,
}
