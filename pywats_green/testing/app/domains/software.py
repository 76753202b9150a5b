"""Software packages, their files, and virtual folders."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

import io
import zipfile
from typing import Any

from pywats_green.testing.app.domains.common import need, row_or_404
from pywats_green.testing.app.messages import HttpError, Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row

STATUSES = ("Draft", "Pending", "Released", "Revoked")


def get_packages(state: State, request: Request) -> Any:
    return list(state.packages)


def package_or_404(state: State, number: str) -> Row:
    """A package by its id.

    Raises:
        HttpError: 404 where there is none.
    """
    return row_or_404(state.packages, "Package", number)


def get_package(state: State, request: Request) -> Any:
    return package_or_404(state, request.params["id"])


def named(state: State, name: str, status: str = "", version: str = "") -> Row:
    """The newest package of a name, in a status and a version where these are given.

    Raises:
        HttpError: 404 where there is none.
    """
    found = [
        row
        for row in state.packages.find("name", name)
        if status in ("", row.get("status")) and version in ("", str(row.get("version")))
    ]
    if not found:
        raise not_found(f"Package '{name}'")
    return max(found, key=lambda row: int(row.get("version") or 0))


def get_package_by_name(state: State, request: Request) -> Any:
    return named(state, request.required("name"), request.text("status"), request.text("version"))


def get_packages_by_tag(state: State, request: Request) -> Any:
    key, value = fold(request.required("tag")), fold(request.text("value"))
    status = request.text("status")
    return [
        row
        for row in state.packages
        if status in ("", row.get("status"))
        and any(
            fold(tag.get("key")) == key and fold(tag.get("value")) == value
            for tag in row.get("tags") or []
        )
    ]


def post_package(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "name")
    versions = [int(row.get("version") or 0) for row in state.packages.find("name", values["name"])]
    return state.packages.upsert(
        {
            "status": "Draft",
            "version": max(versions, default=0) + 1,
            "tags": [],
            "createdUtc": utc_now(),
            "createdBy": "api",
            **values,
            "packageId": values.get("packageId") or state.new_guid(),
        }
    )


def put_package(state: State, request: Request) -> Any:
    row = package_or_404(state, request.params["id"])
    values = request.json_object()
    values.pop("packageId", None)
    return state.packages.update(row, {**values, "modifiedUtc": utc_now()})


def delete_package(state: State, request: Request) -> None:
    _delete(state, package_or_404(state, request.params["id"]))


def delete_package_by_name(state: State, request: Request) -> None:
    _delete(state, named(state, request.required("name"), version=request.text("version")))


def _delete(state: State, row: Row) -> None:
    if row.get("status") == "Released":
        raise HttpError(400, "A released package cannot be deleted.")
    state.packages.remove(row)


def post_status(state: State, request: Request) -> None:
    status = request.required("status")
    if status not in STATUSES:
        raise HttpError(400, f"The status '{status}' is unknown.")
    state.packages.update(package_or_404(state, request.params["id"]), {"status": status})


def get_files(state: State, request: Request) -> Any:
    row = package_or_404(state, request.params["id"])
    return [
        {name: value for name, value in item.items() if name != "packageId"}
        for item in state.package_files.find("packageId", row["packageId"])
    ]


def upload_zip(state: State, request: Request) -> None:
    row = package_or_404(state, request.params["id"])
    try:
        archive = zipfile.ZipFile(io.BytesIO(request.body))
        members = [(item, archive.read(item)) for item in archive.infolist() if not item.is_dir()]
    except zipfile.BadZipFile as exc:
        raise HttpError(400, f"The upload is not a zip file: {exc}") from None
    if request.text("cleanInstall") == "true":
        for item in list(state.package_files.find("packageId", row["packageId"])):
            state.package_files.remove(item)
    for member, content in members:
        number = state.new_guid()
        state.file_contents[number] = content
        state.package_files.upsert(
            {
                "fileId": number,
                "packageId": row["packageId"],
                "filename": member.filename.rpartition("/")[2],
                "path": member.filename,
                "size": len(content),
                "checksum": f"{member.CRC:08x}",
                "createdUtc": utc_now(),
                "modifiedUtc": utc_now(),
                "attributes": "0",
            }
        )


def post_file_attribute(state: State, request: Request) -> None:
    row = row_or_404(state.package_files, "File", request.params["id"])
    state.package_files.update(row, {"attributes": request.json_object().get("attributes")})


def get_virtual_folders(state: State, request: Request) -> Any:
    return list(state.virtual_folders)


def save_virtual_folder(state: State, request: Request) -> Any:
    values = request.json_object()
    need(values, "name")
    number = values.pop("id", None)
    if request.method == "PUT":
        return state.virtual_folders.update(
            row_or_404(state.virtual_folders, "Folder", str(number)), values
        )
    folder = {"parentId": None, "path": f"/{values['name']}", **values}
    return state.virtual_folders.upsert({**folder, "folderId": state.new_guid()})


def delete_virtual_folder(state: State, request: Request) -> None:
    row = row_or_404(state.virtual_folders, "Folder", request.params["id"])
    state.virtual_folders.remove(row)


BASE = "/api/Software"

ROUTES: RouteTable = {
    f"GET {BASE}/Packages": get_packages,
    f"POST {BASE}/Package": post_package,
    f"GET {BASE}/Package/{{id}}": get_package,
    f"PUT {BASE}/Package/{{id}}": put_package,
    f"DELETE {BASE}/Package/{{id}}": delete_package,
    f"GET {BASE}/PackageByName": get_package_by_name,
    f"DELETE {BASE}/PackageByName": delete_package_by_name,
    f"GET {BASE}/PackagesByTag": get_packages_by_tag,
    f"POST {BASE}/PackageStatus/{{id}}": post_status,
    f"GET {BASE}/PackageFiles/{{id}}": get_files,
    f"POST {BASE}/Package/UploadZip/{{id}}": upload_zip,
    f"POST {BASE}/Package/FileAttribute/{{id}}": post_file_attribute,
    f"GET {BASE}/VirtualFolders": get_virtual_folders,
    f"POST {BASE}/VirtualFolder": save_virtual_folder,
    f"PUT {BASE}/VirtualFolder": save_virtual_folder,
    f"DELETE {BASE}/VirtualFolder/{{id}}": delete_virtual_folder,
}
