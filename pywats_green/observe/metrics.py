"""A Prometheus collector over the statistics of this process. Needs the extra `metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pywats_green.observe.traffic import RouteCounts

_PREFIX = "pywats_green"

# Room, key of `stats()`, name, help. Names follow Prometheus' rules: base units, _total.
_COUNTERS = (
    ("cache", "hits", "cache_hits", "Reads answered by a cache."),
    ("cache", "misses", "cache_misses", "Reads that a cache could not answer."),
    ("cache", "coalesced", "cache_coalesced", "Reads answered by another call's request."),
    ("cache", "stale_served", "cache_stale_served", "Expired responses that were served."),
    ("cache", "expirations", "cache_expirations", "Entries that expired."),
    ("cache", "evictions", "cache_evictions", "Entries evicted because a cache was full."),
    ("throttle", "waits", "throttle_waits", "Calls that had to wait for admission."),
    ("throttle", "wait_seconds", "throttle_wait_seconds", "Time waited for admission."),
    ("throttle", "refused", "throttle_refused", "Responses with status 429."),
    ("throttle", "closings", "gate_closings", "How often a server's gate closed."),
    ("throttle", "probes", "gate_probes", "Calls that probed a server behind its gate."),
    ("throttle", "reopenings", "gate_reopenings", "How often a server's gate reopened."),
    ("transport", "opened", "connections_opened", "Connections opened."),
    ("queue", "submitted", "queue_submitted", "Reports that the server has."),
    ("queue", "retried", "queue_retried", "Failed attempts that counted."),
    ("queue", "released", "queue_released", "Reports put back without counting the attempt."),
    ("queue", "closings", "queue_gate_closings", "How often a submissions gate closed."),
    ("queue", "quarantined", "queue_quarantined", "Reports put into quarantine."),
)
_GAUGES = (
    ("cache", "size", "cache_entries", "Entries in the caches."),
    ("pool", "size", "pool_size", "Slots of the Pools."),
    ("pool", "running", "pool_running", "Greenlets running in the Pools."),
    ("throttle", "waiting", "throttle_waiting", "Calls waiting for admission."),
    ("transport", "idle", "connections_idle", "Idle connections."),
    ("queue", "depth", "queue_depth", "Reports waiting."),
    ("queue", "in_flight", "queue_in_flight", "Reports being sent."),
    ("queue", "oldest_age", "queue_oldest_age_seconds", "Age of the oldest waiting report."),
    ("queue", "unreadable", "queue_unreadable", "Queue processors whose queue cannot be read."),
    ("queue", "paused", "queue_paused", "Queue processors that are paused."),
)
_OF_ROUTES = (
    ("calls", "calls", "Calls that have ended."),
    ("requests", "requests", "Requests sent, retries included."),
    ("failures", "call_failures", "Calls that raised or were answered with 400 or more."),
    ("from_cache", "calls_from_cache", "Calls answered without a request of their own."),
    ("seconds", "call_seconds", "Duration of calls, waits for admission included."),
    ("waited", "call_wait_seconds", "Seconds of these that they waited for admission."),
)


class StatsCollector(Collector):
    """Collects `stats()` and the counts by route when it is scraped.

    Args:
        stats: Returns the statistics of the process.
        routes: Returns the counts by route.
    """

    def __init__(
        self,
        stats: Callable[[], Mapping[str, Any]],
        routes: Callable[[], Iterable[RouteCounts]],
    ) -> None:
        self._stats = stats
        self._routes = routes

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        stats = self._stats()
        for room, key, name, text in _COUNTERS:
            yield CounterMetricFamily(f"{_PREFIX}_{name}", text, value=stats[room][key] or 0)
        for room, key, name, text in _GAUGES:
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=stats[room][key] or 0)
        yield from self._of_limits(stats)
        routes = [*self._routes()]
        for field, name, text in _OF_ROUTES:
            family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=("method", "route"))
            for counts in routes:
                family.add_metric((counts.method, counts.route), getattr(counts, field))
            yield family

    def _of_limits(self, stats: Mapping[str, Any]) -> Iterable[Metric]:
        gate = GaugeMetricFamily(
            f"{_PREFIX}_gate_closed", "Whether the gate of a server is closed.", labels=("server",)
        )
        for server, state in stats["throttle"]["gates"].items():
            gate.add_metric((server,), float(state["cause"] is not None))
        yield gate
        limits = stats["limits"]
        yield GaugeMetricFamily(
            f"{_PREFIX}_limit_used", "Requests that count towards the rate limit now.",
            value=sum(limit["used"] for limit in limits),
        )  # fmt: skip
        yield GaugeMetricFamily(
            f"{_PREFIX}_limit", "Requests that the rate limit allows in its window.",
            value=sum(limit["limit"] for limit in limits),
        )  # fmt: skip


def exposition(collector: StatsCollector) -> bytes:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)
