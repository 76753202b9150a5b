"""Shared by the tests of what knows pywats."""

import pytest
from pywats import pyWATS

from pywats_green import Pool, batching
from pywats_green.testing import WatsServer
from pywats_green.upstream.client import epochs
from upstream.lookups import QUERY, SINGLE, Counts, part_numbers


@pytest.fixture(autouse=True)
def nothing_unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the writes that other tests killed: for a while, nothing they touch is cached."""
    monkeypatch.setattr(epochs, "_unsettled", {})


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
