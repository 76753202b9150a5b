"""Frozen programs: what the hook lists, and the quickstart, frozen and run."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import needs, run, write
from pywats import pyWATS

import pywats_green
from pywats_green.testing import WatsServer
from pywats_green.upstream.hooks.seams import RELIED_ON, SEAMS
from pywats_green_plugins.pyinstaller import PYWATS, data_of, get_hook_dirs, modules_of

ROOT = Path(__file__).parents[2]
LISTED = {*modules_of(Path(pywats_green.__file__).parent)}


def test_the_hook_lists_the_modules_of_pywats_that_are_imported_by_name():
    assert {seam.module for seam in (*SEAMS, *RELIED_ON)} <= {*PYWATS}
    domains = [name for name, value in vars(pyWATS).items() if isinstance(value, property)]
    services = [f"pywats.domains.{domain}" for domain in domains]
    assert {f"{name}.async_service" for name in services if find_spec(name)} <= {*PYWATS}


def test_the_hook_lists_what_is_imported_late():
    assert {*pywats_green._LATER.values()} <= LISTED
    replacements = {seam.replacement.rpartition(".")[0] for seam in SEAMS if seam.replacement}
    assert {f"pywats_green.upstream.{module}" for module in replacements} <= LISTED
    assert not any(name.startswith("pywats_green.cli") for name in LISTED)
    assert "pywats_green.testing.plugin" not in LISTED  # it would bring pytest


def test_the_hook_lists_what_the_modules_read():
    package = Path(pywats_green.__file__).parent
    listed = {Path(folder) / Path(path).name for path, folder in data_of(package)}
    assert Path("pywats_green/py.typed") in listed
    read = [path for path in package.rglob("*") if path.suffix in (".html", ".json", ".css")]
    assert {path.relative_to(package.parent) for path in read} <= listed


def test_the_hook_is_where_the_entry_point_says():
    [folder] = get_hook_dirs()
    assert [path.name for path in Path(folder).glob("hook-*.py")] == ["hook-pywats_green.py"]


def test_without_metadata(script):
    done = script("""
        from importlib import metadata

        def version(name):
            raise metadata.PackageNotFoundError(name)

        metadata.version = version
        import pywats_green
        assert pywats_green.is_active()
        print("done")
    """)
    assert done.stdout == "done\n", done.stderr


def test_a_frozen_program_is_told_that_it_cannot_start_the_server(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(RuntimeError, match=r"frozen program.*mock_wats"):
        WatsServer().start()


PROGRAM = """
    import sys
    from contextlib import nullcontext
    from types import SimpleNamespace

    import quickstart  # imports pywats_green first

    import pywats_green
    from pywats_green.testing import WatsServer, mock_wats

    url, token, folder = sys.argv[1:]
    outside = SimpleNamespace(url=url, token=token)
    quickstart.WatsServer = lambda latency: nullcontext(outside)
    quickstart.main()
    for name in pywats_green.__all__:
        getattr(pywats_green, name)
    pywats_green.FolderQueue(folder).put({"pn": "A"})
    quickstart.WatsServer = mock_wats
    quickstart.main()
    try:
        WatsServer().start()
    except RuntimeError as exc:
        assert "frozen" in str(exc)
        print("done")
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@needs("pyinstaller")
def test_the_quickstart_frozen(tmp_path, server):
    write(tmp_path / "program.py", PROGRAM)
    source = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    (tmp_path / "quickstart.py").write_text(source, encoding="utf-8")
    # The hook's folder is an entry point; given besides for an installation that is older than it.
    built = run(
        *("-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
        *("--additional-hooks-dir", *get_hook_dirs(), "program.py"),
        cwd=tmp_path,
        timeout=800,
        PYTHONPATH=str(ROOT),
    )
    assert built.returncode == 0, built.stderr
    program = tmp_path / "dist" / "program" / "program"
    done = run(server.url, server.token, "queue", cwd=tmp_path, start=(str(program),))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2::3] == ["equal: True", "equal: True"], done.stdout
    assert done.stdout.splitlines()[-1] == "done"
    assert server.stats()["total"] == 200
