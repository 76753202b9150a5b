"""What pytest loads wherever this package is installed patches nobody."""

import ast
import os
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

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


def pytest_in(folder: Path, *words: str, **env: Any):
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


def test_the_fixture_wats_api(tmp_path):
    write(tmp_path / "test_mine.py", """
        import os
        import pytest
        import pywats_green
        from pywats import pyWATS
        from pywats.core.throttle import get_default_limiter

        def test_it(wats_api, wats_server):
            pywats_green.Pool(20).map(wats_api.product.get_product, ["PN-00001"] * 9)
            assert wats_server.stats()["total"] == 1

        def test_its_cache_is_empty(wats_api, wats_server):
            wats_api.product.get_product("PN-00001")
            assert wats_server.stats()["total"] == 1

        def test_it_has_no_limit_and_others_keep_theirs(wats_api, wats_server):
            limiter = get_default_limiter()
            assert (limiter.enabled, limiter.max_requests) == (True, 500)
            path = [f"PN-{number:05}" for number in range(600)]
            pywats_green.Pool(50).map(wats_api.product.get_product, path)
            assert pywats_green.stats()["throttle"]["waits"] == 0

        def test_a_gate_closes(wats_api, wats_server):
            wats_server.fail("GET /api/Product", status=503, times=1, retry_after=300)
            with pytest.raises(TimeoutError):
                pywats_green.configure(admission_timeout=0.01)
                for _ in range(2):
                    try:
                        wats_api.product.get_product("PN-00001")
                    except pywats_green.AdmissionTimeoutError:
                        raise
                    except Exception:
                        assert pywats_green.stats()["throttle"]["gates"]
            pywats_green.configure(admission_timeout=None)

        def test_and_is_open_for_the_next(wats_api):
            assert wats_api.product.get_product("PN-00001").part_number == "PN-00001"
    """)  # fmt: skip
    done = pytest_in(tmp_path, "-p", "pywats_green", *PLUGIN)
    assert done.returncode == 0, done.stdout


def test_the_fixture_mock_wats(tmp_path):
    write(tmp_path / "test_mine.py", """
        import pytest
        from pywats import pyWATS

        def test_it(mock_wats):
            api = pyWATS(base_url=mock_wats.url, token=mock_wats.token)
            assert api.product.get_product("PN-00001").part_number == "PN-00001"
            mock_wats.fail("GET /api/Product", status=500)
            with pytest.raises(Exception, match="500"):
                api.product.get_product("PN-00002")

        def test_it_starts_anew(mock_wats):
            assert mock_wats.requests() == []
    """)  # fmt: skip
    green = pytest_in(tmp_path, "-p", "pywats_green", *PLUGIN)
    assert green.returncode == 0, green.stdout
    plain = pytest_in(tmp_path, *PLUGIN, PYWATS_GREEN_DISABLE="1")
    assert plain.returncode == 0, plain.stdout


@pytest.mark.parametrize("fixture", ["wats_api", "mock_wats", "max_requests"])
def test_a_fixture_says_what_it_needs(tmp_path, fixture):
    write(tmp_path / "test_mine.py", f"def test_it({fixture}): pass")
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
    stubs = tmp_path / "site" / "pywats-stubs"
    assert {path.name for path in stubs.iterdir()} == {"py.typed", "pywats.pyi"}
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


def test_the_guides_tests_pass(tmp_path):
    guide = (ROOT / "docs" / "guides" / "testing.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    write(tmp_path / "test_guide.py", "\n".join(blocks))
    done = pytest_in(tmp_path, "-p", "pywats_green", *PLUGIN)
    assert "5 passed" in done.stdout, done.stdout
