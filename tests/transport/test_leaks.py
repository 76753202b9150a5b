"""Many calls leave no more objects behind than a few."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from gevent.pool import Pool
from greenlet import greenlet
from waiting import until

from pywats_green.testing import WatsServer
from pywats_green.transport import Transport

from .servers import Server

Connect = Callable[..., Transport]
PROC = Path("/proc/self")


def census() -> dict[str, int]:
    gc.collect()
    status = PROC.joinpath("status").read_text()
    return {
        "greenlets": sum(isinstance(each, greenlet) for each in gc.get_objects()),
        "descriptors": len(list(PROC.joinpath("fd").iterdir())),
        "threads": int(status.split("Threads:")[1].split()[0]),
    }


@pytest.mark.long
@pytest.mark.skipif(not PROC.exists(), reason="counts in /proc")
def test_10_000_calls_grow_nothing(connect: Connect, server: WatsServer) -> None:
    transport = connect(server.url)
    headers = {"Authorization": f"Basic {server.token}"}
    pool = Pool(50)

    def ask(number: int) -> int:
        path = f"/api/Product/PN-{number % 5_000:05}"
        return transport.request("GET", path, None, headers, None, 10.0).status

    def ask_all(calls: int) -> None:
        for status in pool.imap_unordered(ask, range(calls), maxsize=50):
            assert status == 200

    server.configure(latency=0.02)
    ask_all(200)  # all of the 50 connections
    server.configure(latency=0.0)
    before = census()
    ask_all(10_000)
    after = census()
    assert after["greenlets"] <= before["greenlets"] + 2, (before, after)
    assert after["descriptors"] <= before["descriptors"], (before, after)
    assert after["threads"] <= before["threads"], (before, after)


def test_a_forgotten_transport_closes_its_connections() -> None:
    with Server() as server:
        for _ in range(5):
            Transport(server.url).request("GET", "/x", None, {}, None, 5.0)
        gc.collect()  # a warning of an unclosed socket would be an error here
        until(lambda: server.closed == 5)


def test_a_closed_transport_keeps_no_pools() -> None:
    with Server() as server:
        transport = Transport(server.url)
        transport.request("GET", "/x", None, {}, None, 5.0)
        (pool,) = (weakref.ref(each) for each in transport._pools.values())
        transport.close()
        gc.collect()
        assert pool() is None
