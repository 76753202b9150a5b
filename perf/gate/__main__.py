"""Decides, reliably, whether HEAD is slower than BASE.

Both are revisions of this repository, or directories. They run with the dependencies of this
Python, and take turns, A/B/B/A, in new processes for every repetition, against one embedded server.

    python perf/gate BASE HEAD [--tolerance 0.10] [--json FILE] [--markdown FILE]
    python perf/gate --prove [REVISION]

Exit status: 0 pass, 1 fail, 2 it could not measure, 3 inconclusive.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pywats_green  # isort: split  # noqa: F401  # must be first

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gate.comparison import Plan, Verdict, compare
from gate.proof import prove, proven, write_block
from gate.report import as_json, markdown, summary
from gate.revisions import GateError, check_out
from stage import pinned_server

COULD_NOT_MEASURE = 2  # argparse's status for a usage error
# With fewer, even minimum to maximum is not a 95 % interval for the median.
FEWEST = 6
EXIT = {
    Verdict.PASS: 0,
    Verdict.FAIL: 1,
    Verdict.NOT_COMPARED: COULD_NOT_MEASURE,
    Verdict.INCONCLUSIVE: 3,
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
        default=0.10,
        help="how much slower HEAD may be: 0.10, the default, is 10 %%",
    )
    parser.add_argument(
        "--repetitions", type=int, default=12, help="of every metric (12); 3 times as many in doubt"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument(
        "--prove",
        action="store_true",
        help="compare REVISION (HEAD) with itself and with a copy that is slower by 1.5 times the "
        "tolerance, and write both tables to docs/development/performance.md",
    )
    options = parser.parse_args(arguments)
    if options.prove:
        options.revisions = options.revisions or ["HEAD"]
    if len(options.revisions) != (1 if options.prove else 2):
        parser.error("--prove takes one revision" if options.prove else "BASE and HEAD are needed")
    if options.prove and (options.json or options.markdown):
        parser.error("--prove writes to docs/development/performance.md alone")
    if not 0 < options.tolerance < 1:
        parser.error("--tolerance is a share between 0 and 1: 0.05 is 5 %")
    if options.repetitions < FEWEST:
        parser.error(f"--repetitions is {FEWEST} or more")
    return options


def gate(options: argparse.Namespace, folder: Path) -> int:
    plan = Plan(options.tolerance, options.repetitions)
    if options.prove:
        with pinned_server() as server:
            quiet, caught = prove(options.revisions[0], plan, server, folder, tell)
        print("\n".join([*summary(quiet), "", *summary(caught)]))
        write_block(quiet, caught)
        return 0 if proven(quiet, caught) else 1
    base, head = (
        check_out(name, folder / side)
        for name, side in zip(options.revisions, ("base", "head"), strict=True)
    )
    with pinned_server() as server:
        found = compare(base, head, plan, server, folder, tell)
    print("\n".join(summary(found)))
    if options.json:
        options.json.write_text(as_json(found), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown(found), encoding="utf-8")
    return EXIT[found.verdict()]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="pywats-green-gate-") as folder:
        try:
            return gate(options, Path(folder))
        except GateError as exc:
            tell(f"gate: {exc}")
            return COULD_NOT_MEASURE


if __name__ == "__main__":
    sys.exit(main())
