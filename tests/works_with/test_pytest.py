"""pytest started by `run`, and pytest-xdist, which is refused by name."""

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from processes import needs, run, write

ROOT = Path(__file__).parents[2]
MODULE = "pywats_green_plugins.pytest_plugin"
# pytest loads it by itself where this package is installed with its entry points.
IS_LOADED = any(point.value == MODULE for point in entry_points(group="pytest11"))
PLUGIN = () if IS_LOADED else ("-p", MODULE)

TESTS = """
    def test_it_is_green():
        import pywats_green
        from gevent import monkey
        assert pywats_green.is_active()
        assert monkey.is_module_patched("socket")
"""


@pytest.fixture
def run_pytest(tmp_path):
    write(tmp_path / "test_mine.py", TESTS)

    def run_here(*words, green=False, warnings="error", **env):
        start = ("-W", warnings, *(("-m", "pywats_green", "run") * green), "-m", "pytest", "-q")
        env.setdefault("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
        return run(*start, "-p", "no:cacheprovider", *PLUGIN, *words, cwd=tmp_path, **env)

    return run_here


def test_run_pytest(run_pytest):
    done = run_pytest(green=True)
    assert done.returncode == 0, done.stdout


def test_run_pytest_by_its_name_says_how(tmp_path):
    done = run("-m", "pywats_green", "run", "pytest", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("Give an existing Python script, or: run -m pytest\n")


@needs("pytest-xdist")
@pytest.mark.parametrize("how", ["run", "-p", "conftest"])
def test_xdist_is_refused(run_pytest, tmp_path, how):
    if how == "conftest":
        write(tmp_path / "conftest.py", "import pywats_green")
    plugin = ("-p", "pywats_green") if how == "-p" else ()
    warnings = "default" if how == "conftest" else "error"  # there it is too late anyway
    done = run_pytest(*plugin, "-n", "2", green=how == "run", warnings=warnings)
    assert done.returncode == 4, done.stdout
    assert "pytest-xdist cannot run in a process that pywats_green has patched" in done.stderr


@pytest.mark.long
@needs("pytest-xdist")
def test_xdist_is_refused_in_a_worker(run_pytest):
    done = run_pytest("-n", "1")
    assert done.returncode == 1
    assert "UnpatchableProcessError: a worker of pytest-xdist would hang" in done.stdout


@pytest.mark.long
@needs("pytest-xdist")
def test_xdist_without_us(run_pytest, tmp_path):
    write(tmp_path / "test_mine.py", "def test_it():\n    import pywats_green\n")
    done = run_pytest("-p", "pywats_green", "-n", "2", PYWATS_GREEN_DISABLE="1")
    assert done.returncode == 0, done.stdout
