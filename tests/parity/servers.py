"""Starts a driver and its servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from pywats_green.testing import WatsServer

TESTS = Path(__file__).parent.parent
RUN_TIMEOUT = 1200
"""Seconds; alone on two cores a run takes 45."""


@contextmanager
def scripted_server(folder: Path) -> Iterator[dict[str, int]]:
    """Start the scripted server and yield its ports by name."""
    certificate = folder / "server.pem"
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.scripted", str(certificate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=TESTS,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


@contextmanager
def driver(mode: str, folder: Path, passes: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a driver with its own servers; it writes `out.json` and `stderr.txt`."""
    folder.mkdir()
    with (
        WatsServer(record=True) as wats,
        scripted_server(folder) as ports,
        (folder / "stderr.txt").open("wb") as stderr,
    ):
        servers = folder / "servers.json"
        servers.write_text(json.dumps(_described(wats, ports)), encoding="utf-8")
        process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", f"{__package__}.driver"),
                *(mode, str(servers), str(folder / "out.json"), *passes),
            ],
            stderr=stderr,
            cwd=TESTS,
            env={**os.environ, "PYTHONHASHSEED": "0", "TZ": "Europe/Oslo"},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _described(wats: WatsServer, ports: dict[str, int]) -> dict[str, Any]:
    masks = {wats.url.removeprefix("http://"): "{wats}"}
    for name, port in ports.items():
        masks |= {f"127.0.0.1:{port}": f"{{{name}}}", f"localhost:{port}": f"{{localhost {name}}}"}
    return {
        "wats": wats.url,
        "token": wats.token,
        "scripted": f"http://127.0.0.1:{ports['a']}",
        "ports": ports,
        "masks": masks,
    }
