"""Files of assets, under /api/internal/Blob."""

# ruff: noqa: D103 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

import base64
from typing import Any

from pywats_green.testing.app.domains.asset import find_asset
from pywats_green.testing.app.messages import Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State


def upload(state: State, request: Request) -> bool:
    asset = find_asset(state, request.required("assetId"))
    files = state.asset_files.setdefault(asset["assetId"], {})
    files[request.required("filename")] = request.body
    return True


def download(state: State, request: Request) -> Any:
    asset = find_asset(state, request.required("assetId"))
    name = request.required("filename")
    content = state.asset_files.get(asset["assetId"], {}).get(name)
    if content is None:
        raise not_found(f"File '{name}'")
    # pywats reads a file out of this envelope; of raw bytes it would make text.
    return {"fileName": name, "content": base64.b64encode(content).decode()}


def list_files(state: State, request: Request) -> Any:
    asset = find_asset(state, request.params["assetId"])
    return sorted(state.asset_files.get(asset["assetId"], {}))


def delete(state: State, request: Request) -> None:
    asset = find_asset(state, request.required("assetId"))
    # pywats drops the list of names that its caller gave, so without a body all files go.
    if not request.body:
        state.asset_files.pop(asset["assetId"], None)
        return
    for name in request.json():
        state.asset_files.get(asset["assetId"], {}).pop(name, None)


ROUTES: RouteTable = {
    "POST /api/internal/Blob/Asset": upload,
    "GET /api/internal/Blob/Asset": download,
    "GET /api/internal/Blob/Asset/List/{assetId}": list_files,
    "DELETE /api/internal/Blob/Assets": delete,
}
