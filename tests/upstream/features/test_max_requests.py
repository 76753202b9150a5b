"""The `max_requests` fixture, in separate pytest runs, as in a user's project."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from platforms import PATIENCE

TESTS = """
import pytest
from pywats import pyWATS


@pytest.fixture
def api(wats_server):
    with pyWATS(
        base_url=wats_server.url, token=wats_server.token, enable_cache=False
    ) as client:
        yield client


KEYS = [f"PN-{number:05d}" for number in range(8)]


def test_within(api, max_requests):
    max_requests(8)
    for key in KEYS:
        api.product.get_product(key)


def test_over(api, max_requests):
    max_requests(7)
    for key in KEYS:
        api.product.get_product(key)  # the line


def test_block_over(api, max_requests):
    api.product.get_product("PN-00001")
    with max_requests(0) as profile:
        assert profile.request_count == 0
    with max_requests(1):
        api.product.get_product("PN-00001")
        api.product.get_product("PN-00002")
    pytest.exit("the block must have failed")


def test_block_within(api, max_requests):
    with max_requests(1):
        api.product.get_product("PN-00001")
    for key in KEYS:
        api.product.get_product(key)


def test_two_limits(api, max_requests):
    max_requests(9)
    api.product.get_product("PN-00001")
    with max_requests(8):
        for key in KEYS:
            api.product.get_product(key)


def test_own_error(api, max_requests):
    max_requests(0)
    api.product.get_product("PN-00001")
    raise ZeroDivisionError("my own")


def test_expected(api, max_requests):
    with pytest.raises(pytest.fail.Exception, match="2 requests were sent, at most 1"):
        with max_requests(1):
            api.product.get_product("PN-00001")
            api.product.get_product("PN-00002")


def test_nothing_stays(api):
    from pywats_green import events

    assert events.listeners == ()
"""

MODULE = "pywats_green_plugins.pytest_plugin"
# pytest loads it by itself where this package is installed with its entry points.
IS_LOADED = any(point.value == MODULE for point in entry_points(group="pytest11"))
PLUGIN = () if IS_LOADED else ("-p", MODULE)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "test_sample.py").write_text(TESTS, encoding="utf-8")

    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-rA", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.mark.long
def test_it_fails_the_test_with_the_report(run: Run) -> None:
    done = run("-p", "pywats_green", *PLUGIN)
    assert "3 failed, 5 passed" in done.stdout, done.stdout + done.stderr
    for name in ("over", "block_over", "own_error"):
        assert f"FAILED test_sample.py::test_{name}" in done.stdout
    assert "ERROR" not in done.stdout
    assert "8 requests were sent, at most 7 allowed" in done.stdout
    line = TESTS.splitlines().index("        api.product.get_product(key)  # the line") + 1
    assert f"test_sample.py:{line} in test_over" in done.stdout
    assert "products = pywats_green.fetch_products(api, part_numbers)" in done.stdout
    assert "2 requests were sent, at most 1 allowed" in done.stdout
    assert "ZeroDivisionError: my own" in done.stdout
    assert "at most 0 were allowed" not in done.stdout
