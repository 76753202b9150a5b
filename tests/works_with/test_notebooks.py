"""Notebooks: a kernel that cannot be patched says what works instead, and that works."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import needs, run, write

from pywats_green.patching import standard_library

NOTEBOOK = Path(__file__).parents[2] / "docs" / "guides" / "notebook.ipynb"

# Runs the cells given, and prints what each prints or the error it raises.
RUNNER = """
    import sys
    import nbformat
    from nbclient import NotebookClient

    kernel, *cells = sys.argv[1:]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, timeout=60, kernel_name=kernel, allow_errors=True).execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            print((output.get("text") or output.get("evalue") or "").strip())
"""
JUPYTER = ("ipykernel", "nbclient")
is_green_kernel_possible = pytest.mark.skipif(
    find_spec("pywats_green.patching.running_loops") is None,
    reason="needs an event loop for each greenlet",
)


@pytest.mark.parametrize(
    ("version", "threads", "expected"),
    [
        ((7, 4, 0), ["ipykernel.shellchannel"], True),
        ((6, 30, 0), ["ipykernel.heartbeat"], False),
        ((7, 4, 0), ["threading"], False),  # imported, but no kernel
        (None, ["threading"], False),
    ],
)
def test_what_is_a_kernel(monkeypatch, version, threads, expected):
    module = None if version is None else SimpleNamespace(version_info=version)
    monkeypatch.setitem(sys.modules, "ipykernel", module)
    running = [type("Thread", (), {"__module__": name})() for name in threads]
    monkeypatch.setattr(standard_library.threading, "enumerate", lambda: running)
    assert standard_library.runs_notebook_kernel() is expected


def test_the_kernel_spec(tmp_path):
    done = run("-m", "pywats_green", "kernel", "--install", "--prefix", "here", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    spec = (tmp_path / "here/share/jupyter/kernels/pywats-green/kernel.json").read_text("utf-8")
    assert '"kernel"' in spec
    assert "{connection_file}" in spec


@pytest.fixture
def notebook(tmp_path):
    for name in ("pywats-green", "plain"):
        run("-m", "pywats_green", "kernel", "--install", "--prefix", name, cwd=tmp_path)
    folder = tmp_path / "pywats-green" / "share" / "jupyter"
    plain = folder / "kernels" / "plain" / "kernel.json"
    green = folder / "kernels" / "pywats-green" / "kernel.json"
    start = green.read_text("utf-8")
    write(plain, start.replace('"pywats_green"', '"ipykernel_launcher"').replace('"kernel",', ""))
    write(tmp_path / "runner.py", RUNNER)

    def run_cells(*words):
        done = run("runner.py", *words, cwd=tmp_path, JUPYTER_PATH=str(folder))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_cells


@pytest.mark.long
@needs(*JUPYTER)
def test_an_ordinary_kernel_refuses_and_goes_on(notebook):
    done = notebook("plain", "import pywats_green", "print(6 * 7)")
    assert "kernel --install" in done
    assert f"%%script {sys.executable}" in done
    assert "42" in done  # it was not patched


@pytest.mark.long
@needs(*JUPYTER)
def test_a_cell_in_a_process_of_its_own(notebook):
    cell = "%%script {sys.executable}\nimport pywats_green\nprint(pywats_green.is_active())"
    assert notebook("plain", "import sys", cell) == "True\n"


@pytest.mark.long
@needs(*JUPYTER)
@is_green_kernel_possible
def test_a_kernel_that_starts_green_runs_the_guides_notebook(notebook):
    import json

    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    shown = "".join("".join(text) for cell in code for text in
                    (output.get("text", "") for output in cell["outputs"]))  # fmt: skip
    done = notebook("pywats-green", *("".join(cell["source"]) for cell in code))
    assert done.split() == shown.split()
