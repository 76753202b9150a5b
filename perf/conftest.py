"""The start button first, as in tests/conftest.py; the contestants are processes of their own."""

import sys
from pathlib import Path

import pywats_green  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from pywats.core.throttle import configure_throttling


@pytest.fixture(autouse=True)
def unthrottled() -> None:
    """Upstream's default of 500 requests a minute would be what every benchmark measures."""
    configure_throttling(enabled=False)
