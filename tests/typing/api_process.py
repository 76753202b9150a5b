"""The types of settings and statistics as a program sees them: read by mypy and pyright only."""

from typing_extensions import assert_type

import pywats_green
from pywats_green import Settings, configure, settings, stats


def settings_by_name() -> None:
    assert_type(configure(dns_ttl=5, ttl={"process": 60.0}, ca_bundle=None), Settings)
    assert_type(settings().keepalive_expiry, float)
    configure(admission_timeout=None, wait_for_server=30)
    configure(tracing=True, log_calls=False)
    configure(tracing="yes")  # type: ignore[arg-type]
    configure(dns_tll=5)  # type: ignore[call-arg]
    configure(pool_reuse="no")  # type: ignore[arg-type]
    bool(settings().dns_tll)  # type: ignore[attr-defined]


def statistics() -> None:
    assert_type(stats()["cache"]["hit_rate"], float)
    assert_type(stats()["cache"]["caches"], int)
    assert_type(stats()["pool"]["running"], int)
    assert_type(stats()["throttle"]["waits"], int)
    assert_type(stats()["throttle"]["gates"]["http://wats"]["opens_in"], float)
    assert_type(stats()["throttle"]["gates"]["http://wats"]["cause"], str | None)
    assert_type(stats()["transport"]["idle"], int)
    assert_type(stats()["queue"]["oldest_age"], float | None)
    stats()["cash"]  # type: ignore[typeddict-item]
    assert_type(pywats_green.is_active(), bool)
