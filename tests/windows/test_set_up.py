"""Only a machine that cannot have Wine may leave the smoke test out."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
UNREACHABLE = "http://127.0.0.1:9/simple"


@pytest.fixture
def wine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    import wine

    monkeypatch.setattr(wine, "HOME", tmp_path / ".wine")
    monkeypatch.setattr(wine, "stop", lambda: None)
    return wine


@pytest.fixture
def main(wine: ModuleType) -> Callable[[str], int]:
    found: Callable[[str], int] = runpy.run_path(str(HERE / "__main__.py"))["main"]
    return found


def test_no_wine_and_no_apt_is_told_and_is_no_failure_of_the_smoke_test(
    wine, main, monkeypatch, capsys
):
    monkeypatch.setattr(wine.shutil, "which", lambda name: None)
    assert main("smoke") == 0
    assert main("suite") == 3
    assert capsys.readouterr().out.count("Wine cannot be installed here") == 2


def test_a_package_that_does_not_exist_is_a_failure(wine, main, monkeypatch, capsys):
    monkeypatch.setattr(wine, "_install_wine", lambda: None)
    monkeypatch.setattr(wine, "_once", lambda name, wanted, install: install())
    calls = []

    def call(*command, **options):
        calls.append(command)
        if command[-1] != "pip":  # which can be had: there is a network
            raise wine.SetUpError("No matching distribution found")

    monkeypatch.setattr(wine, "_call", call)
    assert main("smoke") == 1
    assert "No matching distribution found" in capsys.readouterr().out
    assert len(calls) == 2


def test_no_network_is_no_failure_of_the_smoke_test(wine, main, monkeypatch, capsys):
    monkeypatch.setattr(wine, "_install_wine", lambda: None)
    monkeypatch.setenv("PIP_INDEX_URL", UNREACHABLE)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main("smoke") == 0
    assert "no package index can be reached" in capsys.readouterr().out


@pytest.mark.parametrize("failing", ["_install_python", "_install_packages"])
def test_any_other_step_that_fails_is_a_failure(wine, main, monkeypatch, failing):
    def fail():
        raise wine.SetUpError("python.exe does not start")

    for step in ("_install_wine", "_install_python", "_install_packages"):
        monkeypatch.setattr(wine, step, fail if step == failing else lambda: None)
    assert main("smoke") == 1
    assert main("setup") == 1


@pytest.mark.parametrize(
    ("said", "passed"),
    [([b"import ... ", b"ok\npass", b"ed\r\n"], True), ([b"wine: Unhandled page fault\n"], False)],
)
def test_a_crash_with_exit_status_0_is_a_failure(wine, main, monkeypatch, said, passed):
    def run(arguments, *, timeout, output):
        for data in said:
            output.write(data)
        return 0

    monkeypatch.setattr(wine, "set_up", lambda: None)
    monkeypatch.setattr(wine, "run", run)
    assert main("smoke") == (0 if passed else 1)
