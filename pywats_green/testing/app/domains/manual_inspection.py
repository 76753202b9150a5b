"""Manual inspection: definitions, relations, sequences, instances."""

# ruff: noqa: D103, ARG001 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.handlers import create, find, of, pick, remove, update, without
from pywats_green.testing.app.messages import Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed.items import guid
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

ID = "TestSequenceDefinitionId"
RELATION_ID = "TestSequenceRelationId"
UNLISTED = ("XAML", "Relations")


definition_of = find("definitions", "definitionId")
definition_by_id = find("definitions", "id")


def get_definitions(state: State, request: Request) -> Any:
    wanted = request.text("isGlobalDefinitions") == "true"
    return [
        without(row, *UNLISTED)
        for row in state["definitions"]
        if bool(row.get("IsGlobal")) == wanted
    ]


def get_definition(state: State, request: Request) -> Any:
    row = definition_of(state, request)
    return {**row, "Relations": state["definition_relations"].find(ID, row[ID])}


def get_copy(state: State, request: Request) -> Row:
    row = definition_by_id(state, request)
    copied = {ID: state.new_guid(), "Name": f"{row['Name']} (copy)", "Status": 0, "Version": 1}
    return state["definitions"].upsert({**row, **copied})


def get_relations(state: State, request: Request) -> Any:
    return state["definition_relations"].find(ID, definition_by_id(state, request)[ID])


def get_conflicts(state: State, request: Request) -> Any:
    own = get_relations(state, request)
    values = {item["EntityValue"] for item in own}
    return [
        {
            ID: item[ID],
            RELATION_ID: item[RELATION_ID],
            "Name": state["definitions"].row(item[ID])["Name"],
            **pick(item, "EntityName", "EntityValue", "Status"),
        }
        for item in state["definition_relations"]
        if item not in own and item.get("EntityValue") in values
    ]


def post_relation(state: State, request: Request) -> Row:
    values = request.json_object()
    state["definitions"].row(str(values.get(ID)))
    return state.insert("definition_relations", {"Status": 1, **values})


def delete_relation(state: State, request: Request) -> bool:
    table = state["definition_relations"]
    table.remove(table.row(str(request.json_object().get(RELATION_ID))))
    return True


def get_sequences(state: State, request: Request) -> Any:
    return [pick(row, ID, "Name", "Version", "Status") for row in state["definitions"]]


def put_sequence(state: State, request: Request) -> Any:
    values = request.json_object()
    row = state["definitions"].get(str(values.get(ID)))
    if row is not None:
        state["definitions"].update(row, values)
    return {"success": True}


def get_details(state: State, request: Request) -> Any:
    return {
        "TestSequenceInstanceId": guid(0x83, 0, state.seed),
        ID: guid(0x81, 0, state.seed),
        "UnitId": request.params["id"],
        "SerialNumber": "SN-00000",
        "PartNumber": "PN-00000",
        "Revision": "A",
        "Created": "2024-03-01T08:00:00Z",
        "LastEventTime": "2024-03-01T08:05:00Z",
    }


def put_xaml(state: State, request: Request) -> bool:
    values = request.json_object()
    row = state["definitions"].row(str(values.get(ID) or values.get("definitionId")))
    state["definitions"].update(row, {"XAML": values.get("XAML") or values.get("xaml")})
    return True


BASE = "/api/internal/ManualInspection"

ROUTES: RouteTable = {
    f"GET {BASE}/GetTestSequenceDefinitions": get_definitions,
    f"GET {BASE}/GetTestSequenceDefinition": get_definition,
    f"GET {BASE}/GetDefinitionCopy/{{id}}": get_copy,
    f"GET {BASE}/GetInstancesCount/{{id}}": of(
        definition_by_id, lambda row: int(row.get("InstancesCount") or 0)
    ),
    f"POST {BASE}/PostDefinition": create(
        "definitions", "Name", Version=1, Status=0, Created=utc_now, CreatedBy="api"
    ),
    f"PUT {BASE}/PutDefinitionNew": update("definitions", Modified=utc_now, ModifiedBy="api"),
    f"GET {BASE}/GetRelations/{{id}}": get_relations,
    f"GET {BASE}/GetRelationConflicts/{{id}}": get_conflicts,
    f"GET {BASE}/GetRelationConflictsNew/{{id}}": get_conflicts,
    f"POST {BASE}/PostRelation": post_relation,
    f"PUT {BASE}/PutRelation": update("definition_relations"),
    f"PUT {BASE}/DeleteRelationNew": delete_relation,
    f"GET {BASE}/GetSequences": get_sequences,
    f"PUT {BASE}/PutSequence": put_sequence,
    f"DELETE {BASE}/DeleteSequence/{{id}}": remove("definitions", "id", answer={"success": True}),
    f"GET {BASE}/GetMiDetails/{{id}}": get_details,
    f"GET {BASE}/GetMiDetailsNew/{{id}}": get_details,
    f"GET {BASE}/GetTestSequenceDefinitionXaml": of(
        definition_of, lambda row: row.get("XAML") or ""
    ),
    f"PUT {BASE}/PutTestSequenceDefinitionXaml": put_xaml,
    f"GET {BASE}/GetWatswwfContent/{{id}}": of(
        definition_by_id, lambda row: {"definitionId": row[ID], "content": row.get("XAML") or ""}
    ),
    f"PUT {BASE}/ValidateMiscInfo": {"isValid": True, "errors": ["none"]},
    f"PUT {BASE}/PutStringTest": {"isMatch": True},
}
