"""Runs scripts in a process of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import TIMEOUT, Completed, run, write


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that starts programs is long."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "guide" not in item.path.name:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Completed]:
    """Run this source as a script; warnings are errors."""

    def run_script(source: str, *args: str, timeout: float = TIMEOUT, **env: Any) -> Completed:
        path = write(tmp_path / "script.py", source)
        return run("-W", "error", str(path), *args, cwd=tmp_path, timeout=timeout, **env)

    return run_script
