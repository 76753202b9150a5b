"""The overhead of `profile_queries()` and other listeners per call: on and off in turns, here."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from pywats import pyWATS
from recording import Records
from stage import EFFORT, Stage

from pywats_green import Pool, configure
from pywats_green.events import subscribe
from pywats_green.upstream.features.profiling import profile_queries

KEY = "PN-00000"
Way = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def api(stage: Stage) -> Iterator[pyWATS]:
    stage.server.configure(latency=0.0)
    url, token = stage.server.url, stage.server.token
    with pyWATS(base_url=url, token=token, enable_cache=False) as client:
        yield client


@pytest.fixture
def cached(stage: Stage) -> Iterator[pyWATS]:
    with pyWATS(base_url=stage.server.url, token=stage.server.token) as client:
        yield client


def cpu(play: Callable[[int], Any], calls: int, way: Way) -> float:
    """Return the CPU seconds of this process per call."""
    with way():
        start = time.process_time()
        play(calls)
        return (time.process_time() - start) / calls


def take_turns(
    play: Callable[[int], Any], calls: int, rounds: int, on: Way = profile_queries
) -> tuple[list[float], list[float]]:
    """Run rounds off and on, alternating the order."""
    play(calls)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(EFFORT.rounds(rounds)):
        for which in (0, 1)[:: -1 if number % 2 else 1]:
            times[which].append(cpu(play, calls, on if which else nullcontext))
    return times


@pytest.mark.parametrize("how", ["50 at a time", "one after another"])
def test_of_a_call(records: Records, api: pyWATS, how: str) -> None:
    """A look-up without latency, with which the overhead would be a smaller fraction."""

    def one_by_one(count: int) -> None:
        for _ in range(count):
            api.product.get_product(KEY)

    pool = Pool(50)
    if how == "50 at a time":
        off, on = take_turns(lambda n: pool.map(api.product.get_product, [KEY] * n), 50, 401)
    else:
        off, on = take_turns(one_by_one, 20, 401)
    percent = [100 * (b / a - 1) for a, b in zip(off, on, strict=True)]
    records.figure(f"CPU that the profiler adds, {how}", percent, "%", "of a call, no latency")


def test_of_a_call_at_5_ms(records: Records, stage: Stage, api: pyWATS) -> None:
    """Wall time of a call to a nearby server; CPU time is measured above."""
    stage.server.configure(latency=0.005)
    calls = []
    for _ in range(EFFORT.rounds(15)):
        start = time.perf_counter()
        for _ in range(40):
            api.product.get_product(KEY)
        calls.append((time.perf_counter() - start) / 40)
    stage.server.configure(latency=0.0)

    def one_by_one(count: int) -> None:
        for _ in range(count):
            api.product.get_product(KEY)

    off, on = take_turns(one_by_one, 20, 101)
    call = statistics.median(calls)
    percent = [100 * (b - a) / call for a, b in zip(off, on, strict=True)]
    records.figure(
        "CPU that the profiler adds, one after another, 5 ms", percent, "%", "of the call's time"
    )


@pytest.mark.parametrize("listener", ["profile_queries()", "a listener that does nothing"])
def test_in_microseconds(records: Records, cached: pyWATS, listener: str) -> None:
    """The same for a cache hit, without the noise of sockets."""
    way = profile_queries if listener == "profile_queries()" else _listening
    _in_microseconds(records, cached, listener, way)


@pytest.mark.parametrize("setting", ["tracing", "log_calls"])
def test_a_setting_in_microseconds(records: Records, cached: pyWATS, setting: str) -> None:
    """With the SDK of OpenTelemetry, without an exporter; with a logger that nobody reads."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    _in_microseconds(records, cached, f"configure({setting}=True)", lambda: _configured(setting))


def _in_microseconds(records: Records, cached: pyWATS, listener: str, way: Way) -> None:

    def play(count: int) -> None:
        for _ in range(count):
            cached.product.get_product(KEY)

    off, on = take_turns(play, 100, 301, way)
    added = [1e6 * (b - a) for a, b in zip(off, on, strict=True)]
    records.figure(f"CPU that {listener} adds to a cache hit", added, "us", "")


@contextmanager
def _configured(setting: str) -> Iterator[None]:
    logger = logging.getLogger("pywats_green.calls")
    configure(**{setting: True})  # type: ignore[arg-type]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        configure(**{setting: False})  # type: ignore[arg-type]
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


class _listening:  # noqa: N801  # stands where a function stands
    def __enter__(self) -> None:
        self._cancel = subscribe(lambda _: None)

    def __exit__(self, *_: object) -> None:
        self._cancel()
