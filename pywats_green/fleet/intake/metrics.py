"""The metrics of an intake in Prometheus' text format. Needs the extra `metrics`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

KIND = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "pywats_green_intake"


def exposition(counts: Mapping[str, int], size: int, *, is_full: bool) -> tuple[str, bytes]:
    """Return the content type and the text.

    Args:
        counts: Requests by outcome.
        size: Bytes of the reports that were taken.
        is_full: Whether the last report did not fit.
    """

    class Once(Collector):
        def collect(self) -> Iterator[Metric]:
            requests = CounterMetricFamily(
                f"{_PREFIX}_requests", "Reports handed in, by what became of them.", labels=["to"]
            )
            for outcome, count in sorted(counts.items()):
                requests.add_metric([outcome.replace(" ", "_")], count)
            yield requests
            yield CounterMetricFamily(f"{_PREFIX}_bytes", "Bytes of reports taken.", value=size)
            yield GaugeMetricFamily(
                f"{_PREFIX}_full", "1 while the last report did not fit.", value=float(is_full)
            )

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return KIND, generate_latest(registry)
