"""Waiting for a limit, or for a server that asked all to wait, is no work and is no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from drain_fakes import FakeSource, FakeTiming, Refused, SocketTiming
from gevent.event import Event
from pywats import pyWATS
from pywats.core.exceptions import PyWATSError
from pywats.core.throttle import RateLimiter
from typed import private

import pywats_green
from pywats_green.admission_time import waiting
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import gates
from pywats_green.upstream.features.queues.processor import QueueProcessor

WSJF = "POST /api/Report/WSJF"
PRODUCTS = "GET /api/Product/Query"


@pytest.fixture(autouse=True)
def no_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test held must not stop the next."""
    monkeypatch.setattr(gates, "local", gates._NativeLocal())
    monkeypatch.setattr(gates, "_everywhere", [])


@pytest.fixture
def limited(server: WatsServer) -> Iterator[pyWATS]:
    """A client with a limit of its own, small enough for a test."""
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        private(api)._http_client._rate_limiter = RateLimiter(max_requests=10, window_seconds=1.0)
        yield api


def _source(count: int, timing: FakeTiming | None = None) -> FakeSource:
    source = FakeSource([], timing)
    for number in range(count):
        report = {"id": f"id-{number:02}", "type": "T", "pn": "PN-00001", "sn": f"SN-{number}"}
        source.put(report, f"item-{number:02}")
    return source


def test_the_limit_of_the_client_costs_no_attempt(server: WatsServer, limited: pyWATS) -> None:
    """All but ten wait for longer than a submission may take."""
    source = _source(35)
    summary = QueueProcessor(source, limited, concurrency=35, timeout=0.9).drain()
    assert summary[:5] == (35, 0, 0, 0, None)
    assert {end[1] for end in source.ends} == {"delivered"}
    assert sum(server.reports().values()) == 35


def test_work_counts_beside_a_wait() -> None:
    source, calls = FakeSource([1]), []

    def submit(_: int) -> None:
        calls.append(1)
        if len(calls) == 1:
            with waiting():
                gevent.sleep(0.1)  # long enough to be mentioned
            Event().wait()

    processor = QueueProcessor(source, submit, timeout=0.02, backoff=(0.001, 0.001))
    assert processor.drain()[:2] == (1, 0)
    assert source.of("1")[0][1].startswith("TimeoutError: not submitted within 0.02 s, beside ")


def test_an_admission_that_takes_too_long_puts_the_report_back(
    server: WatsServer, limited: pyWATS
) -> None:
    source = _source(25)
    with_limit = pywats_green.settings().admission_timeout
    pywats_green.configure(admission_timeout=0.1)
    try:
        summary = QueueProcessor(source, limited, concurrency=25).drain()
    finally:
        pywats_green.configure(admission_timeout=with_limit)
    assert summary[:5] == (25, 0, 0, 0, None)
    assert {end[1] for end in source.ends} == {"delivered", "release"}


def test_a_drain_does_not_hang_behind_what_reads_were_told(server: WatsServer, api: pyWATS) -> None:
    """A read was told to wait for a day: nothing is sent, so no report can be told so itself."""
    timing = FakeTiming()
    source = _source(30, timing)
    server.fail(PRODUCTS, 429, times=1, retry_after=86400.0)
    with pytest.raises(PyWATSError):
        api.product.get_products()
    processor = QueueProcessor(source, api, timing=timing)
    summary = processor.drain()
    assert summary[:4] == (0, 0, 0, 30)
    assert summary.paused_reason == (
        "all requests to the server wait (HTTP 429, Retry-After 300 s or more)"
    )
    assert processor.stats()["paused"] == summary.paused_reason
    assert summary.elapsed == pytest.approx(65, abs=1)  # and 5 s for what is in flight
    assert not source.claimed
    assert set(source.attempts.values()) == {0}
    assert server.reports() == {}


def test_no_read_waits_for_the_submissions_gate(
    server: WatsServer, api: pyWATS, tmp_path: Path
) -> None:
    """One report that the server always answers with 500, first of 50, over real sockets."""
    folder, timing = tmp_path / "queue", SocketTiming()
    queue = FolderQueue(folder, timer=timing.clock, clock=timing.clock)
    for number in range(50):
        queue.put({"id": f"id-{number}", "type": "T", "pn": "PN-00001", "sn": f"SN-{number}"})
    bad, reads = "id-0", []

    def submit(report: dict[str, str]) -> None:
        if report["id"] == bad:
            reads.append((processor.paused_reason, api.product.get_product("PN-00001")))
            raise Refused(500, "no")
        api.report.submit_report(report)

    def read_while_closed(*_: object) -> None:
        if processor.paused_reason is not None:
            reads.append((processor.paused_reason, api.product.get_product("PN-00001")))

    processor = QueueProcessor(queue, submit, timing=timing, on_result=read_while_closed)
    assert timing.serve(processor).drain()[:5] == (49, 4, 1, 0, None)
    assert len(server.reports()) == 49
    [item] = queue.list("quarantined")
    assert (item.item_id, item.attempts) == (bad, 5)
    assert item.last_error == "given up after 5 attempts; the last: HTTP 500: no"
    assert any(reason is not None for reason, _ in reads)
    told = json.loads((folder / "quarantine" / f"{item.name}.reason.json").read_text())
    assert told["attempts"] == 5
    assert [path for path in folder.iterdir() if path.is_file()] == []
