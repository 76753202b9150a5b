"""What stands in the documents runs as it stands, as a reader would run it against `serve`."""

import ast
import configparser
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from documents import DOCUMENTS, ROOT, Block, blocks, identity
from waiting import until

from pywats_green.patching import running_loops
from pywats_green.testing import WatsServer

if sys.version_info >= (3, 11):
    import tomllib

BASH = ["/usr/bin/env", "bash"]
PORT = "8080"  # the documents' fixed port; the tests use a free one
WITH_CODE = [document for document in DOCUMENTS if any(True for _ in blocks(document))]
NOT_CHECKED = {"text", "bat", "powershell", "dockerfile"}  # nothing here can parse them


def _check(block: Block) -> None:
    """Raise an error if the block has a mistake that its language's parser finds."""
    if block.language == "python":
        compile(block.code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    elif block.language == "shell":
        if sys.platform != "win32":
            subprocess.run([*BASH, "-n"], input=block.code, text=True, check=True)
    elif block.language == "json":
        json.loads(block.code)
    elif block.language in ("yaml", "yml"):
        list(yaml.safe_load_all(block.code))
    elif block.language == "toml":
        if sys.version_info >= (3, 11):
            tomllib.loads(block.code)
    elif block.language == "ini":
        configparser.ConfigParser(strict=False, interpolation=None).read_string(block.code)
    else:
        assert block.language in NOT_CHECKED, f"{block.language!r}: which language is it?"


@pytest.mark.parametrize("document", WITH_CODE, ids=identity)
def test_every_block_is_free_of_mistakes(document: Path) -> None:
    for block in blocks(document):
        try:
            _check(block)
        except Exception as exc:
            exc.args = (f"{identity(document)}:{block.line}: {exc}", *exc.args)
            raise
        assert block.verb != "not run" or block.word, f"line {block.line}: say why it is not run"


def _script(document: Path) -> str:
    """Return the Python of a document as a script, each line where it is in the document."""
    lines: list[str] = []
    for block in blocks(document):
        if block.language == "python" and block.verb is None:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.code.splitlines()
    return "\n".join(lines)


def _commands(document: Path, verb: str | None) -> list[str]:
    return [
        block.code for block in blocks(document) if block.language == "shell" and block.verb == verb
    ]


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


@contextmanager
def _in_another_terminal(command: str, folder: Path, env: dict[str, str]) -> Iterator[None]:
    """Run a command that goes on until it is interrupted, once it has said something."""
    said = folder / "terminal.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            [*BASH, "-c", f"exec {command}"],
            cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until(lambda: said.read_text() or process.poll() is not None)
        assert process.poll() is None, said.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def env(server: WatsServer) -> dict[str, str]:
    """The environment of a reader who has activated the environment and started `serve`."""
    kept = {name: value for name, value in os.environ.items() if "PYWATS_GREEN" not in name}
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYWATS_GREEN_BASE_URL": server.url,
        "PYWATS_GREEN_TOKEN": server.token,
    }


def _save_files(document: Path, folder: Path) -> None:
    for block in blocks(document):
        if block.verb == "file":
            (folder / str(block.word)).write_text(block.code, encoding="utf-8")


@pytest.mark.parametrize("document", [path for path in WITH_CODE if _script(path)], ids=identity)
def test_the_python_runs(document: Path, tmp_path: Path, env: dict[str, str]) -> None:
    if document.name == "asyncio.md" and (reason := running_loops.missing()) is not None:
        pytest.skip(f"greenlets share a loop here: {reason}")
    if document.name == "pandas.md":
        pytest.importorskip("pandas")
    (tmp_path / "document.py").write_text(_script(document), encoding="utf-8")
    _run([sys.executable, "-W", "error", "document.py"], tmp_path, env)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="they are for a POSIX shell")
@pytest.mark.parametrize(
    "document", [path for path in WITH_CODE if _commands(path, None)], ids=identity
)
def test_the_commands_run(document: Path, tmp_path: Path, env: dict[str, str]) -> None:
    port = _free_port()
    _save_files(document, tmp_path)
    if script := _script(document):  # what it leaves on disk is there for the commands
        (tmp_path / "document.py").write_text(script, encoding="utf-8")
        _run([sys.executable, "document.py"], tmp_path, env)
    with ExitStack() as terminals:
        for command in _commands(document, "another terminal"):
            terminal = _in_another_terminal(command.replace(PORT, port), tmp_path, env)
            terminals.enter_context(terminal)
        commands = "".join(_commands(document, None))
        _run([*BASH, "-euc", commands.replace(PORT, port)], tmp_path, env)


def _run(words: list[str], folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        words, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
