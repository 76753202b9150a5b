"""Does anything grow, or get lost, under faults, kills and outages?

    python perf/soak [--scale 0.1] [--docs FOLDER]

Three phases, about ten minutes: 200,000 mixed calls, of which 5 % meet a fault and 10,000 are
killed; an outage of 20 minutes, on a clock that is 30 times as fast; 100 drainers that are killed
by SIGKILL. Prints a table, writes it into reliability.md, and a plot beside it. Uses the loopback
only, and ends only child processes of its own. Exit status: 0 steady, 1 something grew, was
lost, or reached the wrong caller, 2 too short to tell.
"""

from __future__ import annotations

import pywats_green  # isort: split

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pywats.core.throttle import configure_throttling

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import ROOT
from soak.calls import soaked
from soak.drainers import killed
from soak.measuring import FEWEST
from soak.outage import outage
from soak.report import Soak, draw, markdown, with_block

assert pywats_green.is_active()

WAVES, OUTAGE, KILLS = 50, 1_200.0, 100
DOCUMENT, PLOT = "reliability.md", "soak.svg"


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="how much of all that (1.0)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where to write (docs)")
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # faults are expected
    configure_throttling(enabled=False)
    waves, kills = max(1, round(WAVES * options.scale)), max(1, round(KILLS * options.scale))
    with tempfile.TemporaryDirectory(prefix="pywats-green-soak-") as name:
        folders = [Path(name, phase) for phase in ("calls", "outage", "killed")]
        for folder in folders:
            folder.mkdir()
        found = Soak(
            f"make soak SCALE={options.scale:g}",
            soaked(waves, folders[0], tell),
            outage(OUTAGE * options.scale, folders[1], tell),
            killed(kills, folders[2], tell),
        )
    block = markdown(found)
    print(block)
    problems = found.problems()
    for line in problems:
        tell(line)
    document = options.docs / DOCUMENT
    if document.exists():
        document.write_text(with_block(document.read_text("utf-8"), block), "utf-8")
    draw(found, options.docs / PLOT)
    if waves < FEWEST and not problems:
        tell(f"{waves} waves are too few to tell whether anything grew: {FEWEST}")
        return 2
    tell("not steady" if problems else "steady")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
