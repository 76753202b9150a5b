"""The cost of a cache hit, what the cache saves, and contention by many readers."""

import gc
import time
from collections.abc import Callable
from typing import Any

import cachetools
import pytest
from harness import Cell
from pywats import pyWATS
from recording import Records, replayed
from stage import EFFORT, Part, Stage, pinned_server

from pywats_green import CacheManager, Pool, cache_of, cached, get_many

PLAIN = {
    "partNumber": "PN-00000", "name": "plain", "description": "", "state": 1, "nonSerial": False,
    "productId": "0000000a-0000-4000-8000-000000000001",
}  # fmt: skip
KINDS = ("with two revisions", "plain")  # the server is seeded with the first, then gets the other
PARTS = {
    "upstream": Part("upstream", "cached", at_once=False),
    "green": Part("green", "cached", at_once=False),
}


@replayed
@pytest.mark.parametrize(("kind", "who"), [(kind, who) for kind in KINDS for who in PARTS])
def test_a_hit(stage: Stage, records: Records, benchmark: Any, kind: str, who: str) -> None:
    """Both build the same pydantic model, half the cost of a green hit with two revisions."""

    def played() -> Cell:
        if kind == "plain":
            stage.server.put_state("products", [PLAIN])
            stage.close()  # new contestants have not cached the other kind
        cell = Cell("cache hit", f"product {kind}", {"cache": "cached"})
        return stage.take_turns(cell, PARTS, 1, rounds=15, seconds=0.15)

    records.show(benchmark, stage.cell(kind, played), who)


def filled(cache: Any, count: int = 1) -> Any:
    for number in range(count):
        cache[number] = number
    return cache


def manager(count: int = 1) -> CacheManager:
    found = CacheManager(max_size=2 * count)
    for number in range(count):
        found.set(number, number)
    return found


def bare() -> Any:
    return filled(cachetools.TLRUCache(1000, ttu=lambda _key, _value, now: now + 300))


loading = manager()
IN_PROCESS: dict[str, Callable[[], Any]] = {
    "TLRUCache.get, bare": lambda: bare().get,
    "CacheManager.get": lambda: manager().get,
    "CacheManager.get_or_load, a hit": lambda: lambda key: loading.get_or_load(key, dict),
    "@cached function, a hit": lambda: cached(ttl=300)(lambda key: key),
}


@pytest.mark.benchmark(group="in this process: cache", max_time=0.5)
@pytest.mark.parametrize("name", IN_PROCESS)
def test_in_process(benchmark: Any, name: str) -> None:
    benchmark(IN_PROCESS[name](), 0)


def test_get_against_a_bare_cachetools_cache(records: Records) -> None:
    def seconds(get: Any) -> float:
        start = time.perf_counter()
        for _ in range(20_000):
            get(0)
        return time.perf_counter() - start

    ours, theirs = manager(), bare()
    ratios = [seconds(ours.get) / seconds(theirs.get) for _ in range(EFFORT.rounds(15))]
    records.figure("CacheManager.get / bare TLRUCache.get", ratios, "")


def test_set_against_a_bare_cachetools_cache(records: Records) -> None:
    """Both full, so that each new entry evicts another."""

    def seconds(put: Any) -> float:
        start = time.perf_counter()
        for number in range(20_000):
            put(number, number)
        return time.perf_counter() - start

    ratios = [
        seconds(CacheManager(1000).set) / seconds(bare().__setitem__)
        for _ in range(EFFORT.rounds(15))
    ]
    records.figure("CacheManager.set / bare TLRUCache[...] =", ratios, "")


def test_expiry_of_many_at_once(records: Records) -> None:
    """The longest time that a single call blocks all others, in CPU time of the thread."""

    def longest(count: int) -> float:
        now = 0.0
        cache = CacheManager(count, timer=lambda: now)
        for number in range(count):
            cache.set(number, number)
        now, worst = 1e6, 0.0
        for number in range(count // 2):
            for call in (cache.get, lambda key: cache.set(-key, key)):
                start = time.thread_time()
                call(number)
                worst = max(worst, time.thread_time() - start)
        return worst * 1000

    gc.collect()
    gc.disable()  # not part of the measurement
    try:
        values = [longest(200_000) for _ in range(EFFORT.rounds(3))]
    finally:
        gc.enable()
    records.figure("200,000 entries expire together: the longest call", values, "ms")


def test_contention(records: Records) -> None:
    """10,000 keys hit by 200 greenlets, compared with a single greenlet making the same reads."""
    cache = manager(10_000)

    def reads(start: int, count: int) -> None:
        for key in range(start, start + count):
            cache.get(key % 10_000)

    def one() -> float:
        start = time.perf_counter()
        reads(0, 100_000)
        return time.perf_counter() - start

    def many() -> float:
        pool = Pool(200)
        start = time.perf_counter()
        pool.map(lambda number: reads(number * 50, 500), range(200))
        return time.perf_counter() - start

    ratios = [many() / one() for _ in range(EFFORT.rounds(11))]
    records.figure("the same 100,000 hits: 200 greenlets / one", ratios, "")


@pytest.mark.parametrize(("latency", "units", "rounds"), [(5, 40, 3), (50, 20, 1)])
def test_a_shift_of_reads_and_writes(
    records: Records, latency: int, units: int, rounds: int
) -> None:
    """A typical shift's mix through one client, with and without the cache."""
    seconds, requests = [], []
    for _ in range(min(rounds, EFFORT.rounds(rounds))):  # at 50 ms once: it is mostly waiting
        figures = {}
        for enable_cache in (False, True):
            with pinned_server(latency=latency / 1000) as server:
                api = pyWATS(base_url=server.url, token=server.token, enable_cache=enable_cache)
                start = time.perf_counter()
                _shift(api, units)
                figures[enable_cache] = (time.perf_counter() - start, server.stats()["total"])
                if enable_cache:
                    hit_rate = cache_of(api).get_stats()["hit_rate"]  # type: ignore[union-attr]
        seconds.append(figures[True][0] / figures[False][0])
        requests.append(figures[True][1] / figures[False][1])
    note = f"with the cache / without; hit rate {hit_rate:.0%}"
    records.figure(f"a shift at {latency} ms: time", seconds, "", note)
    records.figure(f"a shift at {latency} ms: requests", requests, "", note)


def _shift(api: pyWATS, units: int) -> None:
    """For each unit: setup reads by each station, a state change and a report; a product edit."""
    for number in range(units):
        part_number = f"PN-{number % 5:05d}"
        for _ in range(3):  # three stations read the same master data
            product = api.product.get_product(part_number)
            api.product.get_revision(part_number, "A")
            get_many(api, ["/api/App/Processes"])  # the stations share a client, not a process
        api.production.get_unit(f"SN-{number:05d}", f"PN-{number:05d}")
        report = api.report.create_uut_report(
            operator="op", part_number=part_number, revision="A",
            serial_number=f"SN-{number:05d}", operation_type=100,
        )  # fmt: skip
        api.report.submit_report(report)
        if number % 20 == 19 and product:
            api.product.update_product(product)
