"""The counts in the guide are those printed by the example."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from platforms import PATIENCE

ROOT = Path(__file__).parents[3]


@pytest.mark.long
def test_the_counts_of_the_guide_are_the_examples() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "batch_operations.py")],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    ).stdout  # fmt: skip
    assert "equal: True" in printed
    counted = re.findall(r"^(.+ requests)\b", printed, re.MULTILINE)
    guide = (ROOT / "docs" / "guides" / "batching.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- counts: .*-->\n```text\n(.+?)\n```", guide, re.DOTALL)
    assert block is not None
    assert block[1].splitlines() == counted
