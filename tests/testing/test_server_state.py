"""What was written can be read back."""

import base64
import io
import zipfile
from typing import Any
from urllib.parse import quote

import pytest

from pywats_green.testing import WatsServer

from .wire_client import WireClient

REPORT = "0000abcd-0000-4000-8000-000000000001"


def report(**values: Any) -> dict[str, Any]:
    return {
        "id": REPORT,
        "type": "T",
        "pn": "PN-1",
        "sn": "SN-1",
        "rev": "A",
        "processCode": 100,
        "result": "F",
        "machineName": "M",
        "start": "2026-01-02T03:04:05Z",
        **values,
    }


@pytest.mark.parametrize(
    "part_number", ["plain", "a b", "50%", "a/b", "it's", "ä€𝄞", "a+b", "a?b#c", "x" * 300, "or"]
)
def test_a_saved_product_is_read_back(client: WireClient, part_number: str) -> None:
    saved = client.call("PUT", "/api/Product", {"partNumber": part_number, "name": "n"})
    assert saved.status == 200
    answer = client.call("GET", f"/api/Product/{quote(part_number, safe='')}")
    assert answer.json() == saved.json()
    assert answer.json()["partNumber"] == part_number
    escaped = quote("partNumber eq '" + part_number.replace("'", "''") + "'", safe="")
    found = client.call("GET", f"/api/Product/Query?%24filter={escaped}")
    assert found.json() == [saved.json()]


def test_saving_again_updates_without_case(client: WireClient) -> None:
    client.call("PUT", "/api/Product", {"partNumber": "Case", "name": "one"})
    client.call("PUT", "/api/Product", {"partNumber": "CASE", "description": "two"})
    product = client.call("GET", "/api/Product/case").json()
    assert (product["partNumber"], product["name"]) == ("Case", "one")
    assert product["description"] == "two"


def test_put_state_keeps_spellings_apart_and_the_exact_one_wins(
    wats: WatsServer, client: WireClient
) -> None:
    wats.put_state("products", [{"partNumber": name, "name": name} for name in ("ab", "AB", "aB")])
    for name in ("ab", "AB", "aB"):
        assert client.call("GET", f"/api/Product/{name}").json()["name"] == name
    assert client.call("GET", "/api/Product/Ab").json()["name"] == "ab"
    found = client.call("GET", "/api/Product/Query?$filter=partNumber%20eq%20'ab'").json()
    assert [item["name"] for item in found] == ["ab", "AB", "aB"]


def test_revisions_live_in_their_product(client: WireClient) -> None:
    client.call("PUT", "/api/Product", {"partNumber": "P", "name": "n"})
    revision = {"partNumber": "P", "revision": "A", "name": "first"}
    assert client.call("PUT", "/api/Product/Revision", revision).status == 200
    assert client.call("GET", "/api/Product/P/A").json()["name"] == "first"
    assert client.call("GET", "/api/Product/P").json()["revisions"][0]["name"] == "first"
    assert client.call("DELETE", "/api/Product/P/A").status == 204
    assert client.call("GET", "/api/Product/P/A").status == 404
    assert client.call("DELETE", "/api/Product/P").status == 204
    assert client.call("GET", "/api/Product/P").status == 404


def test_a_product_with_units_is_only_deactivated(client: WireClient) -> None:
    answer = client.call("DELETE", "/api/Product/PN-00001")
    assert answer.status == 200
    assert "SN-00001" in answer.json()["serialNumbers"]
    assert client.call("GET", "/api/Product/PN-00001").json()["state"] == 0


def test_tags_are_merged_by_what_changed(client: WireClient) -> None:
    first = {"partNumber": "P", "tags": [{"key": "a", "value": "1", "change": 1}]}
    client.call("PUT", "/api/Product", first)
    more = [{"key": "b", "value": "2"}, {"key": "A", "value": "3", "change": 2}]
    client.call("PUT", "/api/Product", {"partNumber": "P", "tags": more})
    tags = client.call("GET", "/api/Product/P").json()["tags"]
    assert {tag["key"].lower(): tag["value"] for tag in tags} == {"a": "3", "b": "2"}
    gone = {"partNumber": "P", "tags": [{"key": "b", "change": 3}]}
    assert len(client.call("PUT", "/api/Product", gone).json()["tags"]) == 1


def test_an_asset_answers_to_its_id_and_its_serial_number(client: WireClient) -> None:
    by_serial = client.call("GET", "/api/Asset/as-00007").json()
    assert client.call("GET", f"/api/Asset/{by_serial['assetId']}").json() == by_serial
    client.call("PUT", "/api/Asset/Count?serialNumber=AS-00007&incrementBy=3")
    changed = client.call("GET", "/api/Asset/AS-00007").json()
    assert changed["totalCount"] == by_serial["totalCount"] + 3
    assert client.call("DELETE", "/api/Asset?serialNumber=AS-00007").status == 204
    assert client.call("GET", "/api/Asset/AS-00007").status == 404


def test_units_join_and_part(client: WireClient) -> None:
    pair = (
        "parentSerialNumber=SN-00001&parentPartNumber=PN-00001"
        "&childSerialNumber=SN-00002&childPartNumber=PN-00002"
    )
    assert client.call("POST", f"/api/Production/AddChildUnit?{pair}").status == 204
    child = client.call("GET", "/api/Production/Unit/SN-00002/PN-00002").json()
    assert child["parentSerialNumber"] == "SN-00001"
    parent = client.call("GET", "/api/Production/Unit/SN-00001/PN-00001").json()
    assert [item["serialNumber"] for item in parent["subUnits"]] == ["SN-00002"]
    assert client.call("POST", f"/api/Production/RemoveChildUnit?{pair}").status == 204
    child = client.call("GET", "/api/Production/Unit/SN-00002/PN-00002").json()
    assert child["parentSerialNumber"] is None


def test_serial_numbers_are_never_given_twice(client: WireClient) -> None:
    taken = []
    for _ in range(3):
        target = "/api/Production/SerialNumbers/Take?serialNumberType=Serial%20Number&quantity=5"
        answer = client.call("POST", target)
        assert answer.headers["content-type"].startswith("application/xml")
        taken += [part.split('"')[0] for part in answer.body.decode().split('<SN id="')[1:]]
    assert len(set(taken)) == 15
    body = {"sn": {"serialNumberType": "MAC Address", "batchSize": 2}}
    reserved = client.call("POST", "/api/internal/Production/GetAndReserveNewSerialNumbers", body)
    assert reserved.json()["sn"].count("<SN id=") == 2


def test_a_report_is_found_by_its_id_and_its_header(wats: WatsServer, client: WireClient) -> None:
    answer = client.call("POST", "/api/Report/WSJF", report())
    assert answer.json()[0]["ID"] == REPORT
    assert client.call("GET", f"/api/Report/Wsjf/{REPORT.upper()}").json() == report()
    for condition in (f"uuid eq {REPORT}", "serialNumber eq 'sn-1'", "result eq 'Failed'"):
        target = f"/api/Report/Query/Header?reportType=U&$filter={quote(condition)}"
        assert REPORT in [item["uuid"] for item in client.call("GET", target).json()]
    assert wats.reports() == {REPORT: 1}


def test_the_same_report_twice_is_counted_but_not_doubled(
    wats: WatsServer, client: WireClient
) -> None:
    for comment in ("one", "two"):
        again = report(id=REPORT.upper(), uut={"comment": comment})
        assert client.call("POST", "/api/Report/WSJF", again).status == 200
    assert wats.reports() == {REPORT: 2}
    target = "/api/Report/Query/Header?reportType=U&$filter=serialNumber%20eq%20'SN-1'"
    (header,) = client.call("GET", target).json()
    assert (header["comment"], header["receiveCount"]) == ("two", 2)


def test_collections_of_a_header_come_only_when_expanded(client: WireClient) -> None:
    document = report(
        subUnits=[{"pn": "C", "sn": "S", "rev": "A"}],
        miscInfos=[{"description": "d", "text": "v"}],
    )
    client.call("POST", "/api/Report/WSJF", document)
    target = "/api/Report/Query/Header?reportType=U&$filter=serialNumber%20eq%20'SN-1'"
    (bare,) = client.call("GET", target).json()
    (full,) = client.call("GET", f"{target}&$expand=subUnits,miscInfo").json()
    assert "subUnits" not in bare
    assert full["subUnits"][0]["partNumber"] == "C"
    assert full["miscInfo"] == [{"description": "d", "value": "v"}]
    misc = "/api/Report/Query/HeaderByMiscInfo?description=d&stringValue=V"
    assert [item["uuid"] for item in client.call("GET", misc).json()] == [REPORT]


def test_attachments_come_single_and_as_zip(client: WireClient) -> None:
    data = base64.b64encode(b"\x00\x01binary").decode()
    files = [{"name": "a.bin", "contentType": "application/x-a", "data": data}]
    client.call("POST", "/api/Report/WSJF", report(binaryData=files))
    packed = client.call("GET", f"/api/Report/Attachments/{REPORT}")
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        assert archive.read("a.bin") == b"\x00\x01binary"
    first = client.call("GET", "/api/Report/Attachment?attachmentId=1")
    assert first.body == b"log of report 0\n"
    certificate = client.call("GET", f"/api/Report/Certificate/{REPORT}")
    assert certificate.body.startswith(b"%PDF")
    bare = client.call("GET", f"/api/Report/Wsjf/{REPORT}?includeAttachments=false").json()
    assert "binaryData" not in bare


def test_wsxf_goes_in_and_comes_out(wats: WatsServer, client: WireClient) -> None:
    xml = f"<Reports><Report type='UUT' ID='{REPORT}' PN='P' SN='XML' /></Reports>".encode()
    assert client.call("POST", "/api/Report/WSXF", xml).json() == {"id": REPORT}
    assert client.call("GET", f"/api/Report/Wsxf/{REPORT}").body == xml
    assert client.call("GET", f"/api/Report/Wsjf/{REPORT}").json()["sn"] == "XML"
    assert client.call("POST", "/api/Report/WSXF", b"not xml").status == 400
    assert wats.reports() == {REPORT: 1}


def test_routes_that_upstream_cannot_reach_answer_too(client: WireClient) -> None:
    user = {"userName": "new@example.com", "displayName": "New"}
    number = client.call("POST", "/api/SCIM/v2/Users", user).json()["id"]
    patch = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
    changed = client.call("PATCH", f"/api/SCIM/v2/Users/{number}", patch).json()
    assert changed["active"] is False
    by_name = client.call("GET", "/api/SCIM/v2/Users/userName=new@example.com").json()
    assert by_name["id"] == number
    assert client.call("POST", "/api/SCIM/v2/Users", user).status == 409
    uploaded = client.call("POST", "/api/RootCause/Attachment", b"content").json()
    target = f"/api/RootCause/Attachment?attachmentId={uploaded}"
    assert client.call("GET", target).body == b"content"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/api/Product"),
        ("PUT", "/api/Product/Products"),
        ("PUT", "/api/Asset"),
        ("PUT", "/api/Production/Units"),
        ("POST", "/api/Report/WSJF"),
        ("POST", "/api/RootCause/Ticket"),
    ],
)
@pytest.mark.parametrize("body", [b"{not json", b"3", b"[1]", b'"text"', b"\xff\xfe"])
def test_bad_bodies_are_400(client: WireClient, method: str, target: str, body: bytes) -> None:
    answer = client.call(method, target, body)
    assert answer.status == 400
    assert "Message" in answer.json()


@pytest.mark.parametrize(
    "target",
    [
        "/api/Product/none",
        "/api/Product/PN-00001/none",
        "/api/Asset/none",
        "/api/Production/Unit/SN-00001/none",
        "/api/Report/Wsjf/none",
        "/api/Report/Attachments/none",
        "/api/RootCause/Ticket?ticketId=none",
        "/api/SCIM/v2/Users/none",
        "/api/Software/Package/none",
        "/api/internal/Process/GetProcess/none",
        "/api/internal/ManualInspection/GetRelations/none",
    ],
)
def test_unknown_keys_are_404(client: WireClient, target: str) -> None:
    answer = client.call("GET", target)
    assert answer.status == 404
    assert "none" in answer.json()["Message"]


def test_what_is_encoded_in_a_path_separates_nothing(wats: WatsServer, client: WireClient) -> None:
    for target in ("/api/Product/%7B", "/api/Product/Query%2F", "/api/%7B/Query"):
        assert client.call("GET", target).status == 404
    requests = wats.stats()["requests"]
    assert requests == {"GET /api/Product/{partNumber}": 2, "unknown": 1}
    assert client.call("PATCH", "/api/Product/Query").status == 405


def test_reset_brings_back_the_seeded_state(wats: WatsServer, client: WireClient) -> None:
    before = client.call("GET", "/api/Product/PN-00001").json()
    client.call("PUT", "/api/Product", {"partNumber": "PN-00001", "name": "changed"})
    wats.configure(latency=0.01, default_top=3)
    wats.fail("*", times=None)
    wats.reset()
    assert client.call("GET", "/api/Product/PN-00001").json() == before
    assert len(client.call("GET", "/api/Product/Query").json()) == 1000
    assert wats.stats()["total"] == 2
    assert wats.reports() == {}


def test_state_can_be_seeded(wats: WatsServer, client: WireClient) -> None:
    wats.seed_products(3)
    wats.seed_assets(2)
    wats.seed_units(1)
    assert client.call("GET", "/api/Product/PN-00003").status == 404
    assert len(client.call("GET", "/api/Product/Query").json()) == 3
    assert len(client.call("GET", "/api/Asset").json()) == 2
    assert len(wats.get_state("units")) == 1
    wats.put_state("reports", [report()])
    assert client.call("GET", f"/api/Report/Wsjf/{REPORT}").json()["sn"] == "SN-1"
    with pytest.raises(ValueError, match="needs partNumber"):
        wats.put_state("products", [{"name": "no key"}])
    with pytest.raises(ValueError, match="nonsense"):
        wats.put_state("nonsense", [])
