"""The number of this package's functions and files on the path of a request, with defaults."""

from collections.abc import Iterator

import pytest
from play import KEYS
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from recording import Records
from stage import Stage
from way import walked


@pytest.fixture
def api(stage: Stage) -> Iterator[pyWATS]:
    configure_throttling(enabled=True)
    with pyWATS(base_url=stage.server.url, token=stage.server.token) as api:
        for key in KEYS[:3]:
            api.product.get_product(key)
        yield api


@pytest.mark.parametrize(("what", "key"), [("an uncached GET", KEYS[3]), ("a hit", KEYS[0])])
def test_way(records: Records, api: pyWATS, what: str, key: str) -> None:
    way = walked(lambda: api.product.get_product(key))
    print(f"\n{way}")
    records.figure(f"the way of {what}: calls", [float(way.calls)], "", "sys.setprofile")
    records.figure(f"the way of {what}: files", [float(len(way.files))], "", "sys.setprofile")
