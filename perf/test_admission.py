"""What limits and outages cost: how long a batch takes, and what fails or is refused."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.pool
import pytest
from gevent.pywsgi import WSGIServer
from pywats import RetryConfig, pyWATS
from pywats.core.throttle import configure_throttling
from recording import Records
from stage import EFFORT, pinned_server

from pywats_green import Pool, configure, stats
from pywats_green.upstream.client import exchange, gates

MINUTE = 2.0 if EFFORT.quick else 60.0
WINDOW = 1.0 if EFFORT.quick else 10.0
OUTAGE = 1.0 if EFFORT.quick else 6.0


@pytest.fixture(autouse=True)
def as_by_default() -> Iterator[None]:
    yield
    configure(wait_for_server=0.0)
    configure_throttling(enabled=False)


def _failed(results: list[Any]) -> int:
    return sum(not result.is_success for result in results)


def test_a_batch_beyond_the_limit(records: Records) -> None:
    """650 reads, 50 at a time, 500 a minute; the time limit of a call is shorter than the wait."""
    with pinned_server() as server:
        configure_throttling(500, MINUTE)
        timeout = MINUTE / 2
        with pyWATS(server.url, server.token, enable_cache=False, timeout=timeout) as api:
            started = time.perf_counter()
            results = Pool(50).map_results(
                lambda number: api.product.get_product(f"PN-{number % 100:05}"), range(650)
            )
            elapsed = time.perf_counter() - started
    note = f"650 reads, 50 at a time, 500 in {MINUTE:g} s"
    records.figure("beyond the limit: wall / the window", [elapsed / MINUTE], "", note)
    records.figure("beyond the limit: failed", [_failed(results)], "calls", note)


def test_a_limit_that_is_not_named(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 reads at once, with retries, meet 429 without Retry-After."""
    for module in (gates, exchange):
        monkeypatch.setattr(module, "pause_asked", lambda _: None)
    before = stats()["throttle"]["refused"]
    with pinned_server(rate_limit=(100, WINDOW)) as server:
        configure_throttling(enabled=False)
        retries = RetryConfig()
        with pyWATS(server.url, server.token, enable_cache=False, retry_config=retries) as api:
            started = time.perf_counter()
            results = Pool(500).map_results(
                lambda number: api.product.get_product(f"PN-{number % 100:05}"), range(500)
            )
            elapsed = time.perf_counter() - started
    refused = stats()["throttle"]["refused"] - before
    note = f"500 reads, all at once, 100 in {WINDOW:g} s, no Retry-After"
    records.figure("a limit that is not named: wall / ideal", [elapsed / WINDOW / 4], "", note)
    records.figure("a limit that is not named: failed", [_failed(results)], "calls", note)
    share = 100 * refused / (refused + len(results))
    records.figure("a limit that is not named: refused", [share], "% of the requests", note)


def test_an_outage(records: Records) -> None:
    """750 reads, 50 at a time; the server goes away for some seconds after 200 of them."""
    configure(wait_for_server=30)
    configure_throttling(enabled=False)
    with _server(0) as first:
        port = first.server_port
        api = pyWATS(f"http://127.0.0.1:{port}", "t", enable_cache=False)
        started = time.perf_counter()
        batch = gevent.spawn(
            Pool(50).map_results, lambda number: api.product.get_product(f"PN-{number}"), range(750)
        )
        while first.answered < 200:
            gevent.sleep(0.001)
    gevent.sleep(OUTAGE)
    with _server(port):
        back = time.perf_counter()
        results = batch.get()
        ended = time.perf_counter()
        api.close()
    note = f"750 reads, 50 at a time, away for {OUTAGE:g} s, wait_for_server=30"
    records.figure("an outage: failed", [_failed(results)], "calls", note)
    records.figure("an outage: from its return to the end", [ended - back], "s", note)
    records.figure("an outage: wall", [ended - started], "s", note)


@contextmanager
def _server(port: int) -> Iterator[Any]:
    """Answers every read, in this process: the embedded server cannot come back at its port."""

    def answer(environ: dict[str, Any], start: Any) -> list[bytes]:
        gevent.sleep(0.02)
        server.answered += 1
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"partNumber": environ["PATH_INFO"].rpartition("/")[2]}).encode()]

    connections = gevent.pool.Pool()
    server: Any = WSGIServer(("127.0.0.1", port), answer, spawn=connections, log=None)
    server.answered = 0
    server.start()
    try:
        yield server
    finally:
        server.close()
        connections.kill()
        server.stop()
