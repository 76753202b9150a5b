"""The overhead of the Pool per item: no-op calls, compared with gevent's Pool."""

import gc
import time
import tracemalloc
from typing import Any

import gevent.pool
import pytest
from recording import Records
from stage import EFFORT

from pywats_green import Pool

AT_ONCE = 50
FEW = 1_000
MANY = 10_000 if EFFORT.quick else 100_000


@pytest.mark.benchmark(group="in this process: 1,000 items that do nothing", max_time=0.5)
@pytest.mark.parametrize("kind", [Pool, gevent.pool.Pool])
def test_pool(benchmark: Any, kind: type) -> None:
    pool = kind(AT_ONCE)
    benchmark.name = f"{kind.__module__.partition('.')[0]} Pool.map"
    benchmark(pool.map, abs, range(FEW))


def seconds(kind: type, count: int, times: int = 1) -> float:
    """Return the CPU time per item."""
    pool = kind(AT_ONCE)
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        pool.map(abs, range(count))
    return (time.process_time() - start) / (count * times)


def peak(kind: type, count: int) -> float:
    """Return the peak memory per item in bytes."""
    pool = kind(AT_ONCE)
    gc.collect()
    tracemalloc.start()
    try:
        pool.map(abs, range(count))
        return tracemalloc.get_traced_memory()[1] / count
    finally:
        tracemalloc.stop()


def test_no_op_map(records: Records) -> None:
    rounds = range(EFFORT.rounds(5))
    ratios = [seconds(gevent.pool.Pool, MANY) / seconds(Pool, MANY) for _ in rounds]
    records.figure("no-op Pool.map: gevent's / ours, CPU", ratios, "")
    records.figure(
        "no-op Pool.map: gevent's / ours, memory",
        [peak(gevent.pool.Pool, MANY) / peak(Pool, MANY)],
        "",
    )


def test_cost_of_an_item_does_not_grow(records: Records) -> None:
    ratios = [
        seconds(Pool, MANY) / seconds(Pool, FEW, times=MANY // FEW)
        for _ in range(EFFORT.rounds(11))
    ]
    records.figure(f"no-op Pool.map: an item of {MANY:,} / of {FEW:,}", ratios, "")
