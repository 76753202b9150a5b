"""What failed in a batch, as a table."""

import pytest
from pywats import pyWATS
from pywats.core.parallel import parallel_execute

import pywats_green
from pywats_green import Pool, failure_table


def look_up(number: int) -> int | None:
    if number == 1:
        return None
    if number == 3:
        raise ValueError(f"it went\nwrong {'again and ' * 20}")
    return number


def test_a_row_for_each_failure() -> None:
    table = failure_table(Pool(2).map_results(look_up, range(5)))
    assert [row[:4] for row in table] == [
        (1, "1", "NOT_FOUND", None),
        (3, "3", "INVALID_INPUT", "ValueError"),
    ]
    assert table.total == 5


def test_its_text_is_a_table() -> None:
    text = str(failure_table(Pool(2).map_results(look_up, range(5))))
    head, names, first, second = text.splitlines()
    assert head == "2 of 5 failed"
    assert names.split() == ["key", "error_code", "exception_type", "message"]
    assert first.index("Operation returned None") == second.index("it went wrong again")
    assert second.endswith("...")


def test_a_long_one_is_cut() -> None:
    def fail(number: int) -> None:
        raise ValueError(number)

    lines = str(failure_table(Pool(2).map_results(fail, range(1_030)))).splitlines()
    assert lines[0] == "1,030 of 1,030 failed"
    assert lines[-1] == "... and 1,010 more"
    assert len(lines) == 23


def test_its_text_can_be_printed_anywhere() -> None:
    """Barcodes and file names hold more than text; an answer may hold control sequences."""

    def fail(_: str) -> None:
        raise ValueError("\x1b[31mred")

    text = str(failure_table(Pool(1).map_results(fail, ["SN-\udcff\x00", "é"])))
    assert text.replace("\n", "").isprintable()
    assert "SN-\\udcff\\x00" in text
    assert "\\x1b[31mred" in text
    assert "é" in text


def test_nothing_failed() -> None:
    table = failure_table(Pool(2).map_results(look_up, [0]))
    assert not table
    assert str(table) == "0 of 1 failed"


def test_of_upstreams_own_results() -> None:
    table = failure_table(parallel_execute([0, 1], look_up))
    assert [row.error_code for row in table] == ["NOT_FOUND"]


def test_of_pywats(api: pyWATS) -> None:
    results = Pool(2).map_results(api.product.get_product, ["PN-00001", "nothing"])
    [row] = failure_table(results)
    assert (row.position, row.key, row.error_code) == (1, "nothing", "NOT_FOUND")


def test_a_data_frame_takes_it() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(failure_table(Pool(2).map_results(look_up, range(5))))
    assert [*frame.columns] == ["position", "key", "error_code", "exception_type", "message"]
    assert [*frame["key"]] == ["1", "3"]
    assert pywats_green.is_active()
