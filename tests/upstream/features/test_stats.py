"""`stats()`: the statistics of this process."""

from pywats import pyWATS

from pywats_green import Pool, stats
from pywats_green.testing import WatsServer


def test_pools_and_connections_are_counted_while_they_live(server: WatsServer) -> None:
    before = stats()
    with pyWATS(base_url=server.url, token=server.token, enable_cache=False) as api:
        with Pool(7) as pool:
            seen = pool.map(lambda _: (api.get_version(), stats()["pool"]["running"])[1], range(3))
            inside = stats()
        assert inside["pool"]["pools"] == before["pool"]["pools"] + 1
        assert inside["pool"]["size"] == before["pool"]["size"] + 7
        assert min(seen) >= before["pool"]["running"] + 1
        assert inside["transport"]["origins"] == before["transport"]["origins"] + 1
        assert inside["transport"]["opened"] > before["transport"]["opened"]
        assert inside["transport"]["idle"] > before["transport"]["idle"]


def test_every_room_is_there() -> None:
    assert stats().keys() == {
        "cache", "pool", "throttle", "limits", "fleet", "transport", "queue",
    }  # fmt: skip
