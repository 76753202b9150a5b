"""Tells whether HEAD is slower than BASE, and is believed.

Both are revisions of this repository, or directories. Each is installed in an environment of its
own with the same versions of all dependencies; then they take turns, A/B/B/A, in new processes for
every repetition, against one embedded server. It is HEAD's, for both sides: being the same it is
no difference between them, and it knows every route that either side calls.

    python perf/gate.py BASE HEAD [--tolerance 0.10] [--json FILE] [--markdown FILE]
    python perf/gate.py --prove [REVISION]

Exit status: 0 pass, 1 fail, 2 it could not measure, 3 inconclusive.

Needs git, tar and a package index, and strace for the system calls; Python's standard library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gate_comparison import compare
from gate_decision import Disposition
from gate_environments import GateError, check_out, find, install
from gate_proof import block, prove, proven, write_block
from gate_report import Report
from gate_timing import Plan

COULD_NOT_MEASURE = 2  # as argparse has it for a wrong command line
# Below, even from the least to the greatest of them is no interval of 95 % for the median.
FEWEST = 6
EXIT = {
    Disposition.PASS: 0,
    Disposition.FAIL: 1,
    Disposition.NOT_COMPARED: COULD_NOT_MEASURE,
    Disposition.INCONCLUSIVE: 3,
}


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="*", metavar="BASE HEAD")
    parser.add_argument(
        "--tolerance",
        type=float,
        help="how much slower HEAD may be: 0.10, the default, is 10 %% (--prove: 0.05)",
    )
    parser.add_argument("--repetitions", type=int, default=20, help="of every metric (20)")
    parser.add_argument(
        "--max-repetitions", type=int, default=60, help="where the first do not decide (60)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument(
        "--prove",
        action="store_true",
        help="compare REVISION (HEAD) with itself and with a copy 8 %% slower, and write both "
        "tables to docs/development/performance.md",
    )
    options = parser.parse_args(arguments)
    if options.tolerance is None:
        options.tolerance = 0.05 if options.prove else 0.10
    if options.prove:
        options.revisions = options.revisions or ["HEAD"]
    if len(options.revisions) != (1 if options.prove else 2):
        parser.error("--prove takes one revision" if options.prove else "BASE and HEAD are needed")
    if options.prove and (options.json or options.markdown):
        parser.error("--prove writes to docs/development/performance.md alone")
    if not 0 < options.tolerance < 1:
        parser.error("--tolerance is a share between 0 and 1: 0.05 is 5 %")
    if not FEWEST <= options.repetitions <= options.max_repetitions:
        parser.error(f"--repetitions is {FEWEST} or more, and --max-repetitions no less")
    return options


def gate(options: argparse.Namespace, plan: Plan, folder: Path) -> int:
    base, head = (find(name) for name in options.revisions)
    tell(f"installing {head}")
    new = install(check_out(head, folder / "tree-b"), folder / "b", str(head))
    tell(f"installing {base}")
    old = install(check_out(base, folder / "tree-a"), folder / "a", str(base), like=new)
    report = compare(old, new, plan, folder / "work", tell)
    write(report, options)
    return EXIT[report.disposition()]


def write(report: Report, options: argparse.Namespace) -> None:
    print(report.text())
    if options.json:
        options.json.write_text(report.json() + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown() + "\n", encoding="utf-8")


def proof(options: argparse.Namespace, plan: Plan, folder: Path) -> int:
    revision = find(options.revisions[0])
    quiet, caught = prove(revision, plan, folder, tell)
    print(f"A/A\n{quiet.text()}\n\ninjected\n{caught.text()}")
    write_block(block(quiet, caught, "python perf/gate.py --prove"))
    return 0 if proven(quiet, caught) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    plan = Plan(options.tolerance, options.repetitions, options.max_repetitions)
    with tempfile.TemporaryDirectory(prefix="pywats-green-gate-") as folder:
        try:
            return (proof if options.prove else gate)(options, plan, Path(folder))
        except GateError as exc:
            tell(f"gate: {exc}")
            return COULD_NOT_MEASURE


if __name__ == "__main__":
    sys.exit(main())
