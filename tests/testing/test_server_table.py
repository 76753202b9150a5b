"""Rows made lazily behave as if all had been made at once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pywats_green.testing.app.seed.items import units
from pywats_green.testing.app.table import Row, Series, Table

COUNT = 6

serials = st.sampled_from([*(f"SN-{n:05d}" for n in range(COUNT + 1)), "sn-00002", "SN-2", "new"])
parts = st.sampled_from([*(f"PN-{n:05d}" for n in range(COUNT + 1)), "pn-00002", "PN-01002", ""])
steps = st.one_of(
    st.tuples(st.just("get"), serials, parts),
    st.tuples(st.just("find serial"), serials, parts),
    st.tuples(st.just("find part"), serials, parts),
    st.tuples(st.just("upsert"), serials, parts),
    st.tuples(st.just("add"), serials, parts),
    st.tuples(st.just("remove"), serials, parts),
    st.tuples(st.just("rekey"), serials, parts),
    st.tuples(st.just("join"), serials, parts),
    st.tuples(st.just("reset"), serials, parts),
)


def step(table: Table, action: str, serial: str, part: str) -> Any:
    key = {"serialNumber": serial, "partNumber": part}
    row = None if action in {"find serial", "find part", "reset"} else table.get(serial, part)
    if action == "find serial":
        return table.find("serialNumber", serial)
    if action == "find part":
        return table.find("partNumber", part)
    if action == "reset":
        return table.reset()
    if action == "upsert":
        return table.upsert({**key, "revision": "changed"})
    if action == "add":
        return table.add({**key, "revision": "added"})
    if row is not None:
        change(table, row, action)
    return row


def change(table: Table, row: Row, action: str) -> None:
    if action == "remove":
        table.remove(row)
    elif action == "rekey":
        table.rekey(row, {"partNumber": "moved"})
    elif action == "join":
        table.update(row, {"parentSerialNumber": "SN-00000"})


@settings(deadline=None, database=None)
@given(st.lists(steps, max_size=12))
def test_a_lazy_table_equals_an_eager_one(actions: list[tuple[str, str, str]]) -> None:
    series = units(COUNT)
    key = ("serialNumber", "partNumber")
    lazy = Table(*key, indexes=("parentSerialNumber",), seed=series)
    eager = Table(*key, indexes=("parentSerialNumber",), seed=Series(COUNT, series.make))
    assert len(eager) == COUNT
    for action in actions:
        assert step(lazy, *action) == step(eager, *action)
        assert lazy.field_name("SERIALNUMBER") == "serialNumber"
    assert list(lazy) == list(eager)
    assert lazy.find("parentSerialNumber", "SN-00000") == eager.find(
        "parentSerialNumber", "SN-00000"
    )
    for row in lazy:
        assert lazy.get(*(row[name] for name in key)) is row
