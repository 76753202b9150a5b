"""The Prometheus collector, and the Grafana dashboard that reads it."""

import json
import re
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.exceptions import PyWATSError
from pywats.core.metrics import MetricsCollector
from typed import private

import pywats_green
from pywats_green import FolderQueue, Pool, QueueProcessor, events, metrics_collector
from pywats_green.testing import WatsServer

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "pywats-green.json"


@pytest.fixture(autouse=True)
def nobody_listens_any_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "listeners", ())  # a collector listens for ever


def families_of(registry: prometheus_client.CollectorRegistry) -> dict[str, Any]:
    text = prometheus_client.generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value_of(families: dict[str, Any], name: str) -> float:
    (sample,) = families[f"pywats_green_{name}"].samples
    return float(sample.value)


def test_it_covers_cache_pool_throttle_transport_and_queue(server: WatsServer, tmp_path: Path):
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics_collector())
    queue = FolderQueue(tmp_path)
    queue.put({"id": "1"})
    processor = QueueProcessor(queue, lambda _: True)
    pool = Pool(7)
    with pyWATS(base_url=server.url, token=server.token) as api:
        pool.map(api.product.get_product, ["PN-00001"] * 3)
        found, stats = families_of(registry), pywats_green.stats()
    assert value_of(found, "cache_entries") == stats["cache"]["size"] >= 1
    assert value_of(found, "cache_hits") == stats["cache"]["hits"]
    assert value_of(found, "pool_size") == stats["pool"]["size"] >= 7
    assert value_of(found, "throttle_waits") == stats["throttle"]["waits"]
    assert value_of(found, "connections_opened") == stats["transport"]["opened"] >= 1
    assert value_of(found, "queue_depth") == stats["queue"]["depth"] >= 1
    del processor


def test_it_stands_beside_upstreams(server: WatsServer):
    upstreams = MetricsCollector()
    upstreams.registry.register(metrics_collector())
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        private(api)._http_client._metrics_collector = upstreams
        api.product.get_product("PN-00001")
    found = families_of(upstreams.registry)
    assert [sample.value for sample in found["pywats_green_requests"].samples] == [1]
    totals = [s.value for s in found["pywats_http_requests"].samples if s.name.endswith("_total")]
    assert totals == [1]


def test_a_path_that_is_not_unicode_spoils_no_scrape(server: WatsServer):
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics_collector())
    with HttpClient(server.url, server.token) as client, pytest.raises(PyWATSError):
        client.get("/nowhere/\udcff")
    (sample,) = families_of(registry)["pywats_green_calls"].samples
    assert sample.labels["route"] == r"/nowhere/\udcff"


def test_figures_that_no_cache_has_are_zero():
    from pywats_green.observe.metrics import StatsCollector

    stats: Any = pywats_green.stats()
    stats["cache"] = dict.fromkeys(stats["cache"])
    registry = prometheus_client.CollectorRegistry()
    registry.register(StatsCollector(lambda: stats, list))
    assert value_of(families_of(registry), "cache_evictions") == 0


# --- the dashboard ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def queries(dashboard: Any) -> list[str]:
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [variable["query"] for variable in dashboard["templating"]["list"]]
    return [*found, *(query["query"] for query in variables if isinstance(query, dict))]


def test_every_metric_that_it_queries_exists(dashboard, server: WatsServer):
    registry = prometheus_client.CollectorRegistry()
    registry.register(metrics_collector())
    server.fail("GET /api/Product", status=503, times=1, retry_after=0)
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        Pool(1).map_results(api.product.get_product, ["PN-00001"] * 2)
    exported = {family: {s.name for s in found.samples} for family, found in
                families_of(registry).items()}  # fmt: skip
    names = {name for samples in exported.values() for name in samples}
    names |= {"pywats_green_gate_closed"}  # has samples only while a gate is not open
    assert "pywats_green_gate_closed" in exported
    queried = {
        name for query in queries(dashboard) for name in re.findall(r"pywats_green_\w+", query)
    }
    assert len(queried) > 20
    assert queried <= names


def test_labels_that_it_groups_by_exist(dashboard):
    ours = {"method", "route", "server"}
    prometheus_own = {"instance", "job"}
    for query in queries(dashboard):
        for labels in re.findall(r"by \(([^)]*)\)", query):
            assert set(labels.split(", ")) <= ours | prometheus_own


def test_its_panels_do_not_overlap(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
