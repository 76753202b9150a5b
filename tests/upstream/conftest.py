"""Shared by the tests of what knows pywats."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pywats import pyWATS

from pywats_green import Pool, batching
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import epochs
from upstream.lookups import ENDLESS, QUERY, SINGLE, Counts, part_numbers


@pytest.fixture(autouse=True)
def nothing_unsettled() -> None:
    """Forget the writes that other tests killed: for a while, nothing they touch is cached."""
    epochs.unsettled.clear()


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of batching ends when all other greenlets wait, however slow the machine is.

    So what is asked for at once always travels together. A window of a minute does not end.
    """

    def spawn_later(seconds: float, function: Callable[[], Any]) -> gevent.Greenlet:
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
    """A client that has proven the route of products."""
    with batching(window=0.0):
        Pool(2).map(api.product.get_product, part_numbers(2))
    assert counts.new() == {QUERY: 1, SINGLE: 1}
    return api
