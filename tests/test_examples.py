import subprocess
import sys
from pathlib import Path

import pytest
from platforms import PATIENCE

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
FIRST = "quickstart.py"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name, marks=[] if path.name == FIRST else pytest.mark.long)
        for path in EXAMPLES
    ],
)
def test_runs_and_says_something(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout
