"""Software packages, their files, folders and history, and virtual folders."""

# ruff: noqa: D103 (handlers share a signature; the table ROUTES describes them)
from __future__ import annotations

import io
import zipfile
from typing import Any

from pywats_green.testing.app.handlers import every, find, matches, remove, update, without
from pywats_green.testing.app.messages import BINARY_TYPE, HttpError, Reply, Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.state import State, utc_now
from pywats_green.testing.app.table import Row, fold

STATUSES = ("Draft", "Pending", "Released", "Revoked")

package_by_id = find("packages", "id")
package_of = find("packages", "packageId")
file_of = find("package_files", "id")


def _named(state: State, name: str, status: str = "", version: str = "") -> Row:
    """Return the newest package with a name, and with a status and version if given."""
    wanted = {"status": status, "version": version}
    found = [row for row in state["packages"].find("name", name) if matches(row, wanted)]
    if not found:
        raise not_found(f"Package '{name}'")
    return max(found, key=lambda row: int(row.get("version") or 0))


def get_package_by_name(state: State, request: Request) -> Row:
    return _named(state, request.required("name"), request.text("status"), request.text("version"))


def get_packages_by_tag(state: State, request: Request) -> list[Row]:
    tag = fold(request.required("tag")), fold(request.text("value"))
    wanted = {"status": request.text("status")}
    return [
        row
        for row in state["packages"]
        if matches(row, wanted)
        and any(
            tag == (fold(item.get("key")), fold(item.get("value")))
            for item in row.get("tags") or []
        )
    ]


def post_package(state: State, request: Request) -> Row:
    values = request.json_object("name")
    found = state["packages"].find("name", values["name"])
    defaults = {
        "status": "Draft",
        "version": max([int(row.get("version") or 0) for row in found], default=0) + 1,
        "tags": [],
        "createdUtc": utc_now(),
        "createdBy": "api",
    }
    return state.insert("packages", {**defaults, **values})


def put_package(state: State, request: Request) -> Row:
    row = package_by_id(state, request)
    values = without(request.json_object(), "packageId")
    return state["packages"].update(row, {**values, "modifiedUtc": utc_now()})


def delete_package(state: State, request: Request) -> None:
    _delete(state, package_by_id(state, request))


def delete_package_by_name(state: State, request: Request) -> None:
    _delete(state, _named(state, request.required("name"), version=request.text("version")))


def _delete(state: State, row: Row) -> None:
    if row.get("status") == "Released":
        raise HttpError(400, "A released package cannot be deleted.")
    state["packages"].remove(row)


def post_status(state: State, request: Request) -> None:
    status = request.required("status")
    if status not in STATUSES:
        raise HttpError(400, f"The status '{status}' is unknown.")
    state["packages"].update(package_by_id(state, request), {"status": status})


def _files(state: State, package: Row) -> list[Row]:
    return state["package_files"].find("packageId", package["packageId"])


def get_files(state: State, request: Request) -> Any:
    files = _files(state, package_by_id(state, request))
    return [without(item, "packageId") for item in files]


def upload_zip(state: State, request: Request) -> None:
    row = package_by_id(state, request)
    try:
        archive = zipfile.ZipFile(io.BytesIO(request.body))
        members = [(item, archive.read(item)) for item in archive.infolist() if not item.is_dir()]
    except zipfile.BadZipFile as exc:
        raise HttpError(400, f"The upload is not a zip file: {exc}") from None
    if request.text("cleanInstall") == "true":
        for item in list(_files(state, row)):
            state["package_files"].remove(item)
    for member, content in members:
        number = state.new_guid()
        state.file_contents[number] = content
        state["package_files"].upsert(
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
    row = file_of(state, request)
    state["package_files"].update(row, {"attributes": request.json_object().get("attributes")})


def check_file(state: State, request: Request) -> Any:
    package, checksum = package_of(state, request), fold(request.required("checksum"))
    ids = [item["fileId"] for item in _files(state, package) if fold(item["checksum"]) == checksum]
    return {"exists": bool(ids), "fileId": ids[0] if ids else None}


def download(state: State, request: Request) -> Reply:
    number = request.required("repositoryFolderFileId")
    content = state.file_contents.get(number.lower())
    if content is None:
        raise not_found(f"File '{number}'")
    return Reply(content, content_type=BINARY_TYPE)


def save_virtual_folder(state: State, request: Request) -> Row:
    values = request.json_object("name")
    number = values.pop("id", None)
    table = state["virtual_folders"]
    if request.method == "PUT":
        return table.update(table.row(str(number)), values)
    folder = {"parentId": None, "path": f"/{values['name']}", **values}
    return table.upsert({**folder, "folderId": state.new_guid()})


def post_folder(state: State, request: Request) -> Row:
    package = package_of(state, request)
    folder = {
        "parentFolderId": None,
        "name": "folder",
        "packageFolderFiles": [],
        "packageFolders": [],
        "modified": utc_now(),
        **(request.json_object() if request.body else {}),
    }
    keys = {"packageFolderId": state.new_guid(), "packageId": package["packageId"]}
    return state["package_folders"].upsert({**folder, **keys})


def delete_folder_files(state: State, request: Request) -> Any:
    wanted = {fold(item) for item in request.required("packageFolderFileIds").split(",")}
    deleted = 0
    for folder in state["package_folders"]:
        files = folder.get("packageFolderFiles") or []
        kept = [item for item in files if fold(item.get("packageFolderFileId")) not in wanted]
        deleted += len(files) - len(kept)
        state["package_folders"].update(folder, {"packageFolderFiles": kept})
    return {"deleted": deleted}


def get_download_history(state: State, request: Request) -> Any:
    client = request.required("clientId")
    return [row for row in state["downloads"] if str(row.get("clientId")) == client]


def get_revoked(state: State, request: Request) -> Any:
    installed, _ = _split(state, request)
    return [row["packageId"] for row in installed if row.get("status") == "Revoked"]


def get_available(state: State, request: Request) -> Any:
    _, others = _split(state, request)
    return [row for row in others if row.get("status") == "Released"]


def _split(state: State, request: Request) -> tuple[list[Row], list[Row]]:
    """Return the packages that the client has installed, and the others."""
    names = {fold(item) for item in request.text("installedPackages").split(",") if item}
    split: tuple[list[Row], list[Row]] = ([], [])
    for row in state["packages"]:
        split[fold(row["packageId"]) not in names].append(row)
    return split


def get_details(state: State, request: Request) -> Any:
    return _detailed(state, package_of(state, request))


def get_details_by_name(state: State, request: Request) -> Any:
    return _detailed(state, _named(state, request.required("packageName"), request.text("status")))


def _detailed(state: State, package: Row) -> dict[str, Any]:
    folders = state["package_folders"].find("packageId", package["packageId"])
    return {**package, "packageFolders": folders}


def get_packages_by_path(state: State, request: Request) -> Any:
    """Match `tags`, an XPath, simply by whether it contains the value of a tag."""
    path, wanted = request.text("tags"), {"status": request.text("status")}
    return [
        row
        for row in state["packages"]
        if matches(row, wanted)
        and any(str(tag.get("value")) in path for tag in row.get("tags") or [])
    ]


def log(state: State, request: Request) -> Any:
    entry = {
        "logId": None,
        "clientId": 1,
        "packageName": package_of(state, request)["name"],
        "downloadSize": request.integer("downloadSize", 0),
        "downloadedUtc": utc_now(),
    }
    state.insert("downloads", entry)
    return {"logged": True}


BASE = "/api/Software"
INTERNAL = "/api/internal/Software"

ROUTES: RouteTable = {
    f"GET {BASE}/Packages": every("packages"),
    f"POST {BASE}/Package": post_package,
    f"GET {BASE}/Package/{{id}}": package_by_id,
    f"PUT {BASE}/Package/{{id}}": put_package,
    f"DELETE {BASE}/Package/{{id}}": delete_package,
    f"GET {BASE}/PackageByName": get_package_by_name,
    f"DELETE {BASE}/PackageByName": delete_package_by_name,
    f"GET {BASE}/PackagesByTag": get_packages_by_tag,
    f"POST {BASE}/PackageStatus/{{id}}": post_status,
    f"GET {BASE}/PackageFiles/{{id}}": get_files,
    f"POST {BASE}/Package/UploadZip/{{id}}": upload_zip,
    f"POST {BASE}/Package/FileAttribute/{{id}}": post_file_attribute,
    f"GET {BASE}/VirtualFolders": every("virtual_folders"),
    f"POST {BASE}/VirtualFolder": save_virtual_folder,
    f"PUT {BASE}/VirtualFolder": save_virtual_folder,
    f"DELETE {BASE}/VirtualFolder/{{id}}": remove("virtual_folders", "id"),
    f"GET {INTERNAL}/isConnected": True,
    f"GET {INTERNAL}/File/{{id}}": file_of,
    f"GET {INTERNAL}/CheckFile": check_file,
    f"GET {INTERNAL}/DownloadFile": download,
    f"POST {INTERNAL}/PostPackageFolder": post_folder,
    f"POST {INTERNAL}/UpdatePackageFolder": update("package_folders", modified=utc_now),
    f"POST {INTERNAL}/DeletePackageFolder": remove(
        "package_folders", "packageFolderId", answer={"deleted": 1}
    ),
    f"POST {INTERNAL}/DeletePackageFolderFiles": delete_folder_files,
    f"GET {INTERNAL}/GetPackageHistory": every("packages"),
    f"GET {INTERNAL}/GetPackageDownloadHistory": get_download_history,
    f"GET {INTERNAL}/GetRevokedPackages": get_revoked,
    f"GET {INTERNAL}/GetAvailablePackages": get_available,
    f"GET {INTERNAL}/GetSoftwareEntityDetails": get_details,
    f"GET {INTERNAL}/GetPackage": get_details,
    f"GET {INTERNAL}/GetPackageByName": get_details_by_name,
    f"GET {INTERNAL}/GetPackagesByTag": get_packages_by_path,
    f"GET {INTERNAL}/GetPackagesByPackageManagerFilter": every("packages"),
    f"GET {INTERNAL}/Log": log,
}
