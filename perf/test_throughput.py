"""Calls per second against a server without latency, all contestants in one run."""

from harness import compare

from pywats_green.testing import WatsServer


def test_50_at_a_time() -> None:
    """The bar: 6 times AsyncWATS + gather."""
    with WatsServer() as server:
        result = compare(
            server,
            [("green", 1500), ("async", 300), ("threads", 300), ("green-http-client", 1500)],
            concurrency=50,
            rounds=7,
        )
    print("\n50 at a time, no latency\n" + result.table("async"))
    assert result.ratio("green", "async") >= 6


def test_one_after_another() -> None:
    with WatsServer() as server:
        result = compare(
            server, [("green-sequential", 400), ("sequential", 200)], concurrency=1, rounds=7
        )
    print("\none after another, no latency\n" + result.table("sequential"))
    assert result.ratio("green-sequential", "sequential") >= 1
