"""The recipes in docs/recipes, with the real programs: many calls at once, and an end when told."""

import configparser
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from documents import ROOT, Block, blocks
from processes import TIMEOUT, end, environment, needs
from waiting import until

from pywats_green.testing import WatsServer

RECIPES = ROOT / "docs" / "recipes"
AT_ONCE = 20


def recipe(name: str, folder: Path) -> list[Block]:
    """Save the files of a recipe; return its blocks."""
    found = list(blocks(RECIPES / f"{name}.md"))
    for block in found:
        if block.verb == "file":
            (folder / str(block.word)).write_text(block.code, encoding="utf-8")
    return found


def command(found: list[Block], start: str) -> list[str]:
    """Return the words of the command in a recipe that starts like this."""
    lines = [
        line for block in found if block.language == "shell" for line in block.code.split("\n")
    ]
    return shlex.split(next(line for line in lines if line.startswith(start)))


@contextmanager
def running(words: list[str], folder: Path, **env: str) -> Iterator[Path]:
    """Run a program until the block ends, and expect it to end within TIMEOUT when told to."""
    said = folder / "said.txt"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with said.open("w") as file:
        process = subprocess.Popen(
            words, cwd=folder, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            env=environment(PATH=path, PYTHONPATH=str(ROOT), **env),
        )  # fmt: skip
    try:
        yield said
        process.terminate()
        process.wait(TIMEOUT)
    finally:
        if process.poll() is None:
            end(process)


def a_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def name_of(port: int, number: int) -> str:
    url = f"http://127.0.0.1:{port}/products/PN-{number:05d}"
    with urllib.request.urlopen(url, timeout=60) as response:
        return str(json.load(response)["name"])


def serves_many_at_once(port: int, server: WatsServer) -> None:
    until(lambda: answers(port), "the program")
    server.reset()
    server.configure(latency=0.5)  # so that they meet at the server
    with ThreadPoolExecutor(AT_ONCE) as executor:
        names = list(executor.map(lambda number: name_of(port, number), range(AT_ONCE)))
    assert names == [f"Product {number}" for number in range(AT_ONCE)]
    assert server.stats()["highest_concurrency"] > 1


def at(server: WatsServer) -> dict[str, str]:
    return {"PYWATS_GREEN_BASE_URL": server.url, "PYWATS_GREEN_TOKEN": server.token}


@pytest.mark.long
@needs("flask", "gunicorn")
def test_gunicorn(tmp_path: Path, server: WatsServer) -> None:
    port = a_port()
    words = command(recipe("gunicorn", tmp_path), "gunicorn")
    words = [word.replace(":8000", f":{port}") for word in words]
    with running(words, tmp_path, **at(server)):
        serves_many_at_once(port, server)


@pytest.mark.long
@needs("fastapi", "uvicorn")
def test_fastapi(tmp_path: Path, server: WatsServer) -> None:
    port = a_port()
    words = command(recipe("fastapi", tmp_path), "python")
    with running(words, tmp_path, PORT=str(port), **at(server)):
        serves_many_at_once(port, server)


@pytest.mark.long
@needs("celery")
def test_celery(tmp_path: Path, server: WatsServer) -> None:
    words = command(recipe("celery", tmp_path), "celery")
    # The recipe's broker is Redis; folders need no service.
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    with (tmp_path / "tasks.py").open("a") as tasks:
        tasks.write(
            "app.conf.broker_transport_options = {\n"
            "    'data_folder_in': 'queue', 'data_folder_out': 'queue',\n"
            "    'control_folder': 'control',\n"
            "}\n"
            "app.conf.result_backend = 'file://results'\n"
        )
    (tmp_path / "ask.py").write_text(
        "from tasks import product_name\n"
        f"asked = [product_name.delay(f'PN-{{n:05d}}') for n in range({AT_ONCE})]\n"
        "print([task.get(timeout=60) for task in asked])\n"
    )
    server.configure(latency=0.5)
    with running(words, tmp_path, BROKER_URL="filesystem://", **at(server)) as said:
        asked = subprocess.run(
            [sys.executable, "ask.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=TIMEOUT,
            env=environment(PYTHONPATH=str(ROOT), BROKER_URL="filesystem://", **at(server)),
        )  # fmt: skip
        assert asked.returncode == 0, f"{asked.stderr}\n{said.read_text()}"
    assert asked.stdout.strip() == str([f"Product {number}" for number in range(AT_ONCE)])
    assert server.stats()["highest_concurrency"] > 1


def test_the_systemd_unit_names_a_command_that_there_is(tmp_path: Path) -> None:
    recipe("systemd", tmp_path)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(tmp_path / "wats-drain.service")
    assert "-m pywats_green drain " in unit["Service"]["ExecStart"]
    assert "TOKEN" not in unit["Service"]["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    recipe("systemd", tmp_path)
    unit = tmp_path / "wats-drain.service"
    # Its Python does not exist here, and systemd looks whether it does.
    unit.write_text(unit.read_text().replace("/opt/wats/venv/bin/python", sys.executable))
    done = subprocess.run(
        ["/usr/bin/env", "systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wats-drain" not in done.stderr
