"""Software routes under /api/internal: folders, history, downloads."""

# ruff: noqa: D103, ARG001 (handlers share one signature; the table ROUTES says what they are)
from __future__ import annotations

from typing import Any

from pywats_green.testing.app.domains.common import row_or_404
from pywats_green.testing.app.domains.software import named, package_or_404
from pywats_green.testing.app.messages import BINARY_TYPE, Reply, Request, not_found
from pywats_green.testing.app.router import RouteTable
from pywats_green.testing.app.series import fold
from pywats_green.testing.app.state import State, utc_now


def is_connected(state: State, request: Request) -> bool:
    return True


def get_file(state: State, request: Request) -> Any:
    return row_or_404(state.package_files, "File", request.params["id"])


def check_file(state: State, request: Request) -> Any:
    package = package_or_404(state, request.required("packageId"))
    checksum = fold(request.required("checksum"))
    files = state.package_files.find("packageId", package["packageId"])
    known = next((item for item in files if fold(item["checksum"]) == checksum), None)
    return {"exists": known is not None, "fileId": None if known is None else known["fileId"]}


def post_folder(state: State, request: Request) -> Any:
    package = package_or_404(state, request.required("packageId"))
    values = request.json_object() if request.body else {}
    folder = {
        "parentFolderId": None,
        "name": "folder",
        "packageFolderFiles": [],
        "packageFolders": [],
        "modified": utc_now(),
        **values,
    }
    keys = {"packageFolderId": state.new_guid(), "packageId": package["packageId"]}
    return state.package_folders.upsert({**folder, **keys})


def update_folder(state: State, request: Request) -> Any:
    values = request.json_object()
    row = row_or_404(state.package_folders, "Folder", str(values.get("packageFolderId")))
    return state.package_folders.update(row, {**values, "modified": utc_now()})


def delete_folder(state: State, request: Request) -> Any:
    row = row_or_404(state.package_folders, "Folder", request.required("packageFolderId"))
    state.package_folders.remove(row)
    return {"deleted": 1}


def delete_folder_files(state: State, request: Request) -> Any:
    wanted = {fold(item) for item in request.required("packageFolderFileIds").split(",")}
    deleted = 0
    for folder in state.package_folders:
        files = folder.get("packageFolderFiles") or []
        kept = [item for item in files if fold(item.get("packageFolderFileId")) not in wanted]
        deleted += len(files) - len(kept)
        state.package_folders.update(folder, {"packageFolderFiles": kept})
    return {"deleted": deleted}


def get_history(state: State, request: Request) -> Any:
    return list(state.packages)


def get_download_history(state: State, request: Request) -> Any:
    client = request.required("clientId")
    return [row for row in state.downloads if str(row.get("clientId")) == client]


def _installed(request: Request) -> set[str]:
    return {fold(item) for item in request.text("installedPackages").split(",") if item}


def get_revoked(state: State, request: Request) -> Any:
    installed = _installed(request)
    return [
        row["packageId"]
        for row in state.packages
        if fold(row["packageId"]) in installed and row.get("status") == "Revoked"
    ]


def get_available(state: State, request: Request) -> Any:
    installed = _installed(request)
    return [
        row
        for row in state.packages
        if row.get("status") == "Released" and fold(row["packageId"]) not in installed
    ]


def get_details(state: State, request: Request) -> Any:
    package = package_or_404(state, request.required("packageId"))
    folders = state.package_folders.find("packageId", package["packageId"])
    return {**package, "packageFolders": folders}


def get_package_by_name(state: State, request: Request) -> Any:
    package = named(state, request.required("packageName"), request.text("status"))
    folders = state.package_folders.find("packageId", package["packageId"])
    return {**package, "packageFolders": folders}


def get_packages_by_tag(state: State, request: Request) -> Any:
    """`tags` is XPath; what is told from it is whether a tag's value stands in it."""
    path, status = request.text("tags"), request.text("status")
    return [
        row
        for row in state.packages
        if status in ("", row.get("status"))
        and any(str(tag.get("value")) in path for tag in row.get("tags") or [])
    ]


def download(state: State, request: Request) -> Reply:
    number = request.required("repositoryFolderFileId")
    content = state.file_contents.get(number.lower())
    if content is None:
        raise not_found(f"File '{number}'")
    return Reply(content, content_type=BINARY_TYPE)


def log(state: State, request: Request) -> Any:
    package = package_or_404(state, request.required("packageId"))
    state.downloads.upsert(
        {
            "logId": state.next_number("download", 2),
            "clientId": 1,
            "packageName": package["name"],
            "downloadSize": request.integer("downloadSize", 0),
            "downloadedUtc": utc_now(),
        }
    )
    return {"logged": True}


BASE = "/api/internal/Software"

ROUTES: RouteTable = {
    f"GET {BASE}/isConnected": is_connected,
    f"GET {BASE}/File/{{id}}": get_file,
    f"GET {BASE}/CheckFile": check_file,
    f"POST {BASE}/PostPackageFolder": post_folder,
    f"POST {BASE}/UpdatePackageFolder": update_folder,
    f"POST {BASE}/DeletePackageFolder": delete_folder,
    f"POST {BASE}/DeletePackageFolderFiles": delete_folder_files,
    f"GET {BASE}/GetPackageHistory": get_history,
    f"GET {BASE}/GetPackageDownloadHistory": get_download_history,
    f"GET {BASE}/GetRevokedPackages": get_revoked,
    f"GET {BASE}/GetAvailablePackages": get_available,
    f"GET {BASE}/GetSoftwareEntityDetails": get_details,
    f"GET {BASE}/GetPackage": get_details,
    f"GET {BASE}/GetPackageByName": get_package_by_name,
    f"GET {BASE}/GetPackagesByTag": get_packages_by_tag,
    f"GET {BASE}/GetPackagesByPackageManagerFilter": get_history,
    f"GET {BASE}/DownloadFile": download,
    f"GET {BASE}/Log": log,
}
