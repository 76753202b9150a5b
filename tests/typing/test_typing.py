"""The public types, as a type checker reads them in a user's program."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", sorted(HERE.glob("api_*.py")), ids=lambda path: path.stem)
def test_mypy_infers_the_public_types(path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(path)],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
