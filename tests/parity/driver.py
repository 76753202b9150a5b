"""Makes the calls of a pass and records the outcome of each.

`python -m parity.driver plain|green SERVERS.json OUT.json PASS...`, with `tests` on the path.
The test runs it without pywats_green, with it, and with it on its optional transport, and compares
the files.
"""

# ruff: noqa: E402
# What is imported when is the difference between the two runs.

from __future__ import annotations

import sys

GREEN = sys.argv[1] != "plain"

from parity import determinism

determinism.freeze_uuids()

if GREEN:
    import pywats_green

    assert pywats_green.is_active()

import json
import tempfile
from pathlib import Path
from typing import Any

import pywats
from pywats.core.throttle import configure_throttling

from parity import passes
from parity.outcome import masked

assert ("pywats_green" in sys.modules) == GREEN


def main(servers_file: str, out_file: str, names: list[str]) -> None:
    """Run the passes and write their outcomes."""
    configure_throttling(enabled=False)
    determinism.freeze_clocks()
    servers: dict[str, Any] = json.loads(Path(servers_file).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        found = {name: passes.PASSES[name](servers, Path(folder)) for name in names}
        text = json.dumps(found, indent=1, sort_keys=True)
        text = masked(text, {**servers["masks"], folder: "{folder}"})
    Path(out_file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    assert pywats.__name__ == "pywats"
    main(sys.argv[2], sys.argv[3], sys.argv[4:])
