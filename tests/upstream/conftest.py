"""Fixtures for the tests of `upstream`."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pywats import pyWATS

from pywats_green import Pool, batching
from pywats_green.testing import WatsServer
from upstream.lookups import ENDLESS, QUERY, SINGLE, Counts, part_numbers


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make batching windows end when all other greenlets wait, however slow the machine is.

    So concurrent look-ups are always batched. A window of a minute does not end.
    """

    def spawn_later(seconds: float, function: Callable[[], Any]) -> "gevent.Greenlet[..., Any]":
        def window() -> None:
            if seconds >= ENDLESS:
                Event().wait()
            gevent.idle()
            function()

        return gevent.spawn(window)

    monkeypatch.setattr(gevent, "spawn_later", spawn_later)


@pytest.fixture
def counts(server: WatsServer) -> Counts:
    return Counts(server)


@pytest.fixture
def proven(api: pyWATS, counts: Counts) -> pyWATS:
    """A client for which the products' route is proven."""
    with batching(window=0.0):
        Pool(2).map(api.product.get_product, part_numbers(2))
    assert counts.new() == {QUERY: 1, SINGLE: 1}
    return api
