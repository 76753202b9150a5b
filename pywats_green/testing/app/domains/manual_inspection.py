"""Manual inspection: definitions, relations, sequences, instances."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import need, row_or_404
from pywats_green.testing.app.messages import Request
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.seed import guid
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

ID = "TestSequenceDefinitionId"
RELATION_ID = "TestSequenceRelationId"
UNLISTED = ("XAML", "Relations")


def definition_or_404(state: State, number: str) -> Row:
    """A definition by its id.

    Raises:
        HttpError: 404 where there is none.
    """
    return row_or_404(state.definitions, "Definition", number)


def get_definitions(state: State, request: Request) -> Any:
    wanted = request.text("isGlobalDefinitions") == "true"
    return [
        {name: value for name, value in row.items() if name not in UNLISTED}
        for row in state.definitions
        if bool(row.get("IsGlobal")) == wanted
    ]


def get_definition(state: State, request: Request) -> Any:
    row = definition_or_404(state, request.required("definitionId"))
    return {**row, "Relations": state.definition_relations.find(ID, row[ID])}


def get_copy(state: State, request: Request) -> Any:
    row = definition_or_404(state, request.params["id"])
    copied = {ID: state.new_guid(), "Name": f"{row['Name']} (copy)", "Status": 0, "Version": 1}
    return state.definitions.upsert({**row, **copied})


def count_instances(state: State, request: Request) -> int:
    return int(definition_or_404(state, request.params["id"]).get("InstancesCount") or 0)


def post_definition(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "Name")
    defaults = {"Version": 1, "Status": 0, "Created": utc_now(), "CreatedBy": "api"}
    number = values.get(ID) or state.new_guid()
    return state.definitions.upsert({**defaults, **values, ID: number})


def put_definition(state: State, request: Request) -> Any:
    values = request.json_object()
    row = definition_or_404(state, str(values.get(ID)))
    return state.definitions.update(row, {**values, "Modified": utc_now(), "ModifiedBy": "api"})


def get_relations(state: State, request: Request) -> Any:
    row = definition_or_404(state, request.params["id"])
    return state.definition_relations.find(ID, row[ID])


def get_conflicts(state: State, request: Request) -> Any:
    row = definition_or_404(state, request.params["id"])
    values = {item["EntityValue"] for item in state.definition_relations.find(ID, row[ID])}
    return [
        {
            ID: item[ID],
            RELATION_ID: item[RELATION_ID],
            "Name": definition_or_404(state, item[ID])["Name"],
            "EntityName": item.get("EntityName"),
            "EntityValue": item.get("EntityValue"),
            "Status": item.get("Status"),
        }
        for item in state.definition_relations
        if item[ID] != row[ID] and item.get("EntityValue") in values
    ]


def post_relation(state: State, request: Request) -> Any:
    values = request.json_object()
    definition_or_404(state, str(values.get(ID)))
    number = values.get(RELATION_ID) or state.new_guid()
    return state.definition_relations.upsert({"Status": 1, **values, RELATION_ID: number})


def put_relation(state: State, request: Request) -> Any:
    values = request.json_object()
    row = row_or_404(state.definition_relations, "Relation", str(values.get(RELATION_ID)))
    return state.definition_relations.update(row, values)


def delete_relation(state: State, request: Request) -> bool:
    number = str(request.json_object().get(RELATION_ID))
    state.definition_relations.remove(row_or_404(state.definition_relations, "Relation", number))
    return True


def get_sequences(state: State, request: Request) -> Any:
    names = (ID, "Name", "Version", "Status")
    return [{name: row.get(name) for name in names} for row in state.definitions]


def put_sequence(state: State, request: Request) -> Any:
    values = request.json_object()
    row = state.definitions.get(str(values.get(ID)))
    if row is not None:
        state.definitions.update(row, values)
    return {"success": True}


def delete_sequence(state: State, request: Request) -> Any:
    state.definitions.remove(definition_or_404(state, request.params["id"]))
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


def get_xaml(state: State, request: Request) -> Any:
    return definition_or_404(state, request.required("definitionId")).get("XAML") or ""


def put_xaml(state: State, request: Request) -> bool:
    values = request.json_object()
    number = values.get(ID) or values.get("definitionId")
    xaml = values.get("XAML") or values.get("xaml")
    state.definitions.update(definition_or_404(state, str(number)), {"XAML": xaml})
    return True


def get_wwf(state: State, request: Request) -> Any:
    row = definition_or_404(state, request.params["id"])
    return {"definitionId": row[ID], "content": row.get("XAML") or ""}


def validate(state: State, request: Request) -> Any:
    request.json_object()
    return {"isValid": True, "errors": ["none"]}


def put_string_test(state: State, request: Request) -> Any:
    request.json_object()
    return {"isMatch": True}


BASE = "/api/internal/ManualInspection"

ROUTES: RouteTable = {
    f"GET {BASE}/GetTestSequenceDefinitions": get_definitions,
    f"GET {BASE}/GetTestSequenceDefinition": get_definition,
    f"GET {BASE}/GetDefinitionCopy/{{id}}": get_copy,
    f"GET {BASE}/GetInstancesCount/{{id}}": count_instances,
    f"POST {BASE}/PostDefinition": post_definition,
    f"PUT {BASE}/PutDefinitionNew": put_definition,
    f"GET {BASE}/GetRelations/{{id}}": get_relations,
    f"GET {BASE}/GetRelationConflicts/{{id}}": get_conflicts,
    f"GET {BASE}/GetRelationConflictsNew/{{id}}": get_conflicts,
    f"POST {BASE}/PostRelation": post_relation,
    f"PUT {BASE}/PutRelation": put_relation,
    f"PUT {BASE}/DeleteRelationNew": delete_relation,
    f"GET {BASE}/GetSequences": get_sequences,
    f"PUT {BASE}/PutSequence": put_sequence,
    f"DELETE {BASE}/DeleteSequence/{{id}}": delete_sequence,
    f"GET {BASE}/GetMiDetails/{{id}}": get_details,
    f"GET {BASE}/GetMiDetailsNew/{{id}}": get_details,
    f"GET {BASE}/GetTestSequenceDefinitionXaml": get_xaml,
    f"PUT {BASE}/PutTestSequenceDefinitionXaml": put_xaml,
    f"GET {BASE}/GetWatswwfContent/{{id}}": get_wwf,
    f"PUT {BASE}/ValidateMiscInfo": validate,
    f"PUT {BASE}/PutStringTest": put_string_test,
}
