"""What pytest loads wherever this package is installed patches nobody."""

import ast
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from processes import run, write

import pywats_green_plugins

ROOT = Path(__file__).parents[2]


def test_the_plugins_import_nothing_of_the_package():
    for path in Path(pywats_green_plugins.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & {"pywats_green", "gevent"}, path


def pytest_in(folder: Path, *words: str, **env: str):
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    return run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", *words),
        cwd=folder,
        **{"PYTHONPATH": path, **env},
    )


MODULE = "pywats_green_plugins.pytest_plugin"
# pytest loads it by itself where this package is installed with its entry points.
IS_LOADED = any(point.value == MODULE for point in entry_points(group="pytest11"))
PLUGIN = () if IS_LOADED else ("-p", MODULE)


def test_the_fixture_wats_server(tmp_path):
    write(tmp_path / "test_mine.py", """
        from pywats import pyWATS

        def test_it(wats_server):
            api = pyWATS(base_url=wats_server.url, token=wats_server.token)
            assert api.product.get_product("PN-00001").part_number == "PN-00001"

        def test_it_starts_anew(wats_server):
            assert wats_server.stats()["total"] == 0
    """)  # fmt: skip
    green = pytest_in(tmp_path, "-p", "pywats_green", *PLUGIN)
    assert green.returncode == 0, green.stdout
    plain = pytest_in(tmp_path, *PLUGIN, PYWATS_GREEN_DISABLE="1")
    assert plain.returncode == 0, plain.stdout
    refused = pytest_in(tmp_path, *PLUGIN)
    assert refused.returncode == 1
    assert 'put "-p pywats_green" into addopts' in refused.stdout


@pytest.mark.long
def test_the_installed_wheel_leaves_an_unrelated_run_alone(tmp_path):
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    built = run("wheel", "--no-deps", "-w", "dist", str(ROOT), cwd=tmp_path, start=pip)
    assert built.returncode == 0, built.stderr
    [wheel] = (tmp_path / "dist").glob("*.whl")
    words = ("install", "--no-deps", "--target", "site", str(wheel))
    assert run(*words, cwd=tmp_path, start=pip).returncode == 0
    assert [*(tmp_path / "site" / "pywats_green_plugins").rglob("hook-*.py")]
    write(tmp_path / "test_unrelated.py", """
        import sys

        def test_nothing_is_patched(request):
            assert request.config.pluginmanager.has_plugin("wats_server")
            assert "pywats_green_plugins" in sys.modules
            assert "pywats_green" not in sys.modules
            assert "gevent" not in sys.modules
    """)  # fmt: skip
    done = pytest_in(tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stdout
