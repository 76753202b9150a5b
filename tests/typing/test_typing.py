"""The public types, as type checkers read them in a user's program."""

import ast
import inspect
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import stub
from pywats import pyWATS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MADE_OF = "0.6.0rc1"


def check(*words: str) -> None:
    """Run a type checker, which finds pywats-stubs on the path, as installed beside pywats."""
    found = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", sorted(HERE.glob("api_*.py")), ids=lambda path: path.stem)
def test_mypy_infers_the_public_types(path: Path) -> None:
    check("mypy", "--strict", str(path))


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_infers_the_public_types() -> None:
    pytest.importorskip("pyright")
    check("pyright", "--pythonpath", sys.executable)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=" ".join)
def test_the_readmes_program_is_accepted(checker: list[str], tmp_path: Path) -> None:
    pytest.importorskip(checker[0])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    program = tmp_path / "program.py"
    program.write_text(blocks[0])
    pythonpath = ["--pythonpath", sys.executable] if checker[0] == "pyright" else []
    check(*checker, *pythonpath, str(program))


@pytest.mark.skipif(version("pywats-api") != MADE_OF, reason=f"the stub is of {MADE_OF}")
def test_the_stub_is_made_of_the_installed_pywats() -> None:
    assert stub.STUB.read_text(encoding="utf-8") == stub.made(), "run `make stub`"


def test_the_stub_has_the_arguments_of_the_client() -> None:
    tree = ast.parse(stub.CLIENT.format(services=""))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    [client] = [node for node in functions if node.name == "__init__"]
    in_stub = [argument.arg for argument in client.args.args]
    assert in_stub == [*inspect.signature(pyWATS.__init__).parameters]
