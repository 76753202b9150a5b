"""One contestant of a comparison, in a process of its own.

Reads the number of calls of a round from stdin, makes them, writes the seconds they took: so the
harness can let the contestants take turns on a machine whose speed changes.

    python perf/contestant.py NAME URL TOKEN CONCURRENCY
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

NAME, URL, TOKEN, CONCURRENCY = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

if NAME.startswith("green"):
    import pywats_green

from pywats import AsyncWATS, pyWATS  # noqa: E402
from pywats.core.client import HttpClient  # noqa: E402
from pywats.core.throttle import configure_throttling  # noqa: E402

configure_throttling(enabled=False)  # the limiter would be what is measured
KEYS = [f"PN-{number:05d}" for number in range(1000)]
Round = Callable[[int], object]


def keys(count: int) -> Iterator[str]:
    return (KEYS[number % len(KEYS)] for number in range(count))


def spend(values: Iterable[object]) -> None:
    """Use values up without keeping them: the garbage collector would walk what is kept."""
    deque(values, maxlen=0)


def client() -> pyWATS:
    return pyWATS(base_url=URL, token=TOKEN, enable_cache=False)


def green() -> Round:
    """One shared pyWATS, a Pool."""
    api, pool = client(), pywats_green.Pool(CONCURRENCY)
    return lambda count: pool.map(api.product.get_product, keys(count))


def green_http_client() -> Round:
    """One shared HttpClient, a Pool."""
    http, pool = HttpClient(URL, TOKEN, enable_cache=False), pywats_green.Pool(CONCURRENCY)
    return lambda count: pool.map(http.get, (f"/api/Product/{key}" for key in keys(count)))


def sequential() -> Round:
    """One call after another."""
    api = client()
    return lambda count: spend(api.product.get_product(key) for key in keys(count))


def cached() -> Round:
    """The same key again and again, from the cache."""
    api = pyWATS(base_url=URL, token=TOKEN)
    return lambda count: spend(api.product.get_product(KEYS[0]) for _ in range(count))


def threads() -> Round:
    """Threads with a pyWATS each: upstream's own cannot be shared."""
    import threading
    from concurrent.futures import ThreadPoolExecutor

    local, pool = threading.local(), ThreadPoolExecutor(CONCURRENCY)

    def call(key: str) -> object:
        if not hasattr(local, "api"):
            local.api = client()
        return local.api.product.get_product(key)

    return lambda count: list(pool.map(call, keys(count)))


def async_gather() -> Round:
    """AsyncWATS with as many workers gathered: the rewrite that this package replaces."""
    import asyncio

    loop = asyncio.new_event_loop()
    api = AsyncWATS(base_url=URL, token=TOKEN, enable_cache=False)

    async def run(count: int) -> None:
        todo = keys(count)

        async def worker() -> None:
            for key in todo:
                await api.product.get_product(key)

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))

    return lambda count: loop.run_until_complete(run(count))


CONTESTANTS: dict[str, Callable[[], Round]] = {
    "green": green,
    "green-http-client": green_http_client,
    "green-sequential": sequential,
    "sequential": sequential,
    "green-cached": cached,
    "cached": cached,
    "threads": threads,
    "async": async_gather,
}


def main() -> None:
    play = CONTESTANTS[NAME]()
    play(2 * CONCURRENCY)  # connections and caches of the interpreter
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        play(int(line))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
