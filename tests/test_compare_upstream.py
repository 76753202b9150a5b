"""What `make test-upstream` finds."""

from pathlib import Path

import pytest
from compare_upstream import HANGS, Outcome, differing, main


@pytest.mark.long
def test_a_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "tests" / "cross_cutting"
    folder.mkdir(parents=True)
    (folder / "test_one.py").write_text(
        "import sys\n"
        "def test_same():\n    pass\n"
        "def test_fails_in_both():\n    assert False\n"
        "def test_only_plain():\n    assert 'gevent' not in sys.modules, 'it is green'\n"
        "def test_only_green():\n    assert 'gevent' in sys.modules\n"
    )
    (folder / "test_two.py").write_text(
        "import asyncio\n"
        "from pywats.pywats import _run_sync\n"
        "def test_waits():\n    assert _run_sync(asyncio.sleep(0.001, 3)) == 3\n"
    )
    (folder / "test_broken.py").write_text("import nothing_of_that_name\n")
    assert main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "test_one.py: 1 of 2" in out
    assert "passed -> failed" in out
    assert "it is green" in out
    assert "failed -> passed" in out
    assert "test_fails_in_both" not in out
    assert "test_two.py: 1 of 1" in out
    assert "failed in both" in out
    assert out.endswith("of 3 tests that pass plain, 2 pass green\n")


def test_a_green_run_that_hangs_loses_every_test() -> None:
    plain = {"a": Outcome("passed"), "b": Outcome("skipped")}
    green = {"test_one.py": Outcome(HANGS, "more than 300 s")}
    worse, _ = differing(plain, green)
    assert [(row.test, row.green.message) for row in worse] == [("a", "more than 300 s")]


def test_no_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "no tests in" in capsys.readouterr().out
