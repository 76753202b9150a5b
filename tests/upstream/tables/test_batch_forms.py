"""The table of batch forms, without a server."""

from typing import Any

import pytest
from pywats.core.routes import Routes

from pywats_green.transport import sorted_query
from pywats_green.upstream.tables.batch_forms import (
    ASSET,
    ASSET_BY_ID,
    LONGEST_URL,
    PRODUCT,
    REVISION,
    REVISION_BY_QUERY,
    UNIT,
    header_form,
    look_up_of,
)

GUID = "0000000e-0000-4000-8000-00000000000a"
BASE = "https://wats.example.com"


@pytest.mark.parametrize(
    ("endpoint", "params", "form", "key"),
    [
        (Routes.Product.product("PN-1"), None, PRODUCT, ("PN-1",)),
        (Routes.Product.product("O'Brien & ø".replace(" &", "")), {}, PRODUCT, ("O'Brien ø",)),
        (Routes.Product.revision("PN-1", "A"), None, REVISION, ("PN-1", "A")),
        (
            Routes.Product.BASE,
            {"partNumber": "P/N#1", "revision": "A?"},
            *(REVISION_BY_QUERY, ("P/N#1", "A?")),
        ),
        (Routes.Asset.asset("AS-1"), None, ASSET, ("AS-1",)),
        (Routes.Asset.asset(GUID), None, ASSET_BY_ID, (GUID,)),
        (Routes.Production.unit("SN-1", "PN-1"), None, UNIT, ("SN-1", "PN-1")),
        (
            Routes.Report.QUERY_HEADER,
            {"reportType": "U", "$filter": f"uuid eq '{GUID}'"},
            *(header_form("U", "uuid", "'"), (GUID,)),
        ),
        (
            Routes.Report.QUERY_HEADER,
            {"reportType": "R", "$filter": f"id eq {GUID}"},
            *(header_form("R", "id"), (GUID,)),
        ),
    ],
)
def test_what_can_travel_together(endpoint: str, params: Any, form: Any, key: Any) -> None:
    assert look_up_of(endpoint, params) == (form, key)


@pytest.mark.parametrize(
    "part",
    [
        *("", " ", "A/", "/A", "A/B/C", "A#B", "A?B", "A%20B", "A&B", "A:B", "A*", "<A>", "A+B"),
        *("A\\B", "A|B", " A", "A ", "A.", ".A", ".", "..", "A\n", "\tA", "\x7f", "\x00"),
        *("\ud800", "A\u00a0", "Query", "query", "QUERY", "BOM", "Groups", "Vendors", "Revisions"),
        *("PN-1/Revisions", "Vendors/5", "bom/A"),
    ],
)
def test_what_goes_singly_because_the_server_may_read_another_key(part: str) -> None:
    assert look_up_of(Routes.Product.product(part), None) is None


@pytest.mark.parametrize(
    ("endpoint", "params"),
    [
        (Routes.Product.product("PN-1"), {"x": 1}),
        ("api/Product/PN-1", None),
        (Routes.Product.BASE, None),
        (Routes.Product.BASE, {"partNumber": "PN-1"}),
        (Routes.Product.BASE, {"partNumber": "PN-1", "revision": None}),
        (Routes.Product.BASE, {"partNumber": "PN-1", "revision": 1}),
        (Routes.Product.BASE, {"partNumber": "PN-1", "revision": "\ud800"}),
        (Routes.Asset.STATUS, None),
        (Routes.Asset.TYPES, None),
        (Routes.Asset.calibrations("AS-1"), None),
        (f"{Routes.Production.UNIT}/Query", None),
        (f"{Routes.Production.UNIT}/SN-1", None),
        (f"{Routes.Production.UNIT}/SN-1/", None),
        (Routes.Report.wsjf(GUID), None),
        (Routes.Report.QUERY_HEADER, {"reportType": "U"}),
        (Routes.Report.QUERY_HEADER, {"reportType": "U", "$filter": f"uuid eq {GUID} "}),
        (Routes.Report.QUERY_HEADER, {"reportType": "U", "$filter": f"uuid eq '{GUID}"}),
        (Routes.Report.QUERY_HEADER, {"reportType": "U", "$filter": f"uuid eq {GUID}", "$top": 1}),
        (Routes.Report.QUERY_HEADER, {"reportType": None, "$filter": f"uuid eq {GUID}"}),
    ],
)
def test_other_reads_have_no_form(endpoint: str, params: Any) -> None:
    assert look_up_of(endpoint, params) is None


def test_a_query_is_written_with_upstreams_escapes() -> None:
    assert PRODUCT.query([("O'Brien",), ("{0}",)]) == (
        "/api/Product/Query",
        {"$filter": "partNumber eq 'O''Brien' or partNumber eq '{0}'", "$top": 4},
    )
    assert UNIT.query([("S", "P")])[1]["$filter"] == "(serialNumber eq 'S' and partNumber eq 'P')"
    assert REVISION.query([("P", "A"), ("P", "B")])[1]["$filter"] == "partNumber eq 'P'"
    assert header_form("R", "id").query([(GUID,)]) == (
        "/api/Report/Query/Header",
        {"reportType": "R", "$filter": f"id eq {GUID}", "$top": 2},
    )


@pytest.mark.parametrize("length", [0, 1, 20, 90, 500])
@pytest.mark.parametrize("letter", ["x", "'", " ", "ø", "漢", "😀"])
def test_queries_fit_into_a_url(letter: str, length: int) -> None:
    keys = [(f"{number}{letter * length}",) for number in range(200)]
    divided = list(PRODUCT.queries(keys, BASE, most=1000))
    assert [key for part in divided for key in part] == keys
    for part in divided:
        endpoint, params = PRODUCT.query(part)
        url = f"{BASE}{endpoint}?{sorted_query(params)}"
        assert len(url) <= LONGEST_URL or len(part) == 1


def test_queries_hold_so_many_keys_and_each_once() -> None:
    keys = [(str(number % 50),) for number in range(100)]
    assert [len(part) for part in PRODUCT.queries(keys, BASE)] == [18, 18, 14]
    assert [len(part) for part in PRODUCT.queries(keys, BASE, most=20)] == [20, 20, 10]
    assert list(PRODUCT.queries([], BASE)) == []


def test_the_answers_in_a_result() -> None:
    rows = [
        {"partNumber": "abc", "revisions": [{"revision": "A"}, {"revision": "B"}]},
        {"partNumber": "ABC", "revisions": None},
        {"partNumber": "twice", "n": 1},
        {"partNumber": "twice", "n": 2},
        {"partNumber": None},
        {"other": 1},
    ]
    keys = [("abc",), ("Abc",), ("twice",), ("gone",)]
    assert PRODUCT.found(keys, rows) == {("abc",): rows[0]}
    revisions = [("abc", "A"), ("abc", "a"), ("ABC", "A"), ("x", "y"), ("z", "z")]
    assert REVISION.found(revisions, rows) == {("abc", "A"): {"revision": "A"}}


def test_an_asset_answers_by_either_name_but_not_two_assets() -> None:
    first = {"serialNumber": "S", "assetId": "1"}
    same = {"serialNumber": "same", "assetId": "same"}
    other = {"serialNumber": "1", "assetId": "2"}
    assert ASSET_BY_ID.found([("S",), ("same",)], [first, same]) == {
        ("S",): first,
        ("same",): same,
    }
    assert ASSET_BY_ID.found([("1",), ("2",)], [first, other]) == {("2",): other}


def test_a_result_that_may_have_been_cut_answers_nothing() -> None:
    rows = [{"partNumber": f"{number}"} for number in range(4)]
    assert PRODUCT.found([("0",), ("1",)], rows) == {}
    assert len(PRODUCT.found([("0",), ("1",)], rows[:3])) == 2


@pytest.mark.parametrize("rows", [None, {}, "html", [1], [None], [{"partNumber": []}]])
def test_a_result_that_is_no_list_of_objects(rows: Any) -> None:
    with pytest.raises(ValueError, match="object"):
        PRODUCT.found([("1",), ("2",)], rows)
    with pytest.raises(ValueError, match="shape"):
        REVISION.found([("1", "A")], [{"partNumber": "1", "revisions": [1]}])


def test_a_header_is_a_list_as_its_query_gives_it() -> None:
    form = header_form("U")
    row = {"uuid": GUID}
    assert form.found([(GUID,), ("x",)], [row]) == {(GUID,): [row]}
