"""The plays of the contestants, without timing."""

import pytest
from harness import Cell, Contestant, Player, take_turns
from rivals import PLAYS
from way import PACKAGE, walked

import pywats_green
from pywats_green.exceptions import PywatsGreenError
from pywats_green.testing import WatsServer


@pytest.mark.long  # they are installed for these runs only
@pytest.mark.parametrize("library", PLAYS)
def test_other_libraries_read_what_we_read(server: WatsServer, library: str) -> None:
    """In separate processes, so that nothing is patched."""
    before = server.stats()["total"]
    with Contestant(library, server, 5) as contestant:
        cell = take_turns(
            Cell("g", "c", {}), [Player(library, contestant, library, 10)], rounds=2, seconds=0
        )
    assert cell.absent == {}
    assert [lap.calls for lap in cell.laps[library]] == [10, 10]
    assert server.stats()["total"] - before == 4 * 10


def test_the_way_counts_our_functions_and_files() -> None:
    way = walked(pywats_green.settings)
    assert way.calls == way.functions["config.py:settings"] == 1
    assert way.files == {"config.py"}
    assert str(way).startswith("1 calls in 1 files")
    assert walked(lambda: PywatsGreenError("not a function of ours")).calls == 0
    assert PACKAGE.endswith("pywats_green")
