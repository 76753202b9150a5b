"""Runs the suite and writes its report.

    python perf                     everything, into perf/results, and the block of docs/figures.md
    python perf -k EXPRESSION ...   a part (pytest's arguments), into perf/results/partial
    python perf --report            no run: report, charts and block from perf/results/results.json

PERF_QUICK=1 runs fewer cells and rounds, into perf/results/partial as well. A cell whose key row
misses its bar is run once more, and the report shows the first result, too. The exit status is 1 if
a key row misses its bar or a cell failed; the report is always written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bars import KEY_ROWS, missed
from report import bar_table, figures_block, markdown, with_block
from results import Results, condensed, load
from tables import span

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS, PARTIAL = HERE / "results", HERE / "results" / "partial"
ONE_TEST = 600  # seconds; the first test of a cell runs all of it


def play(folder: Path, arguments: list[str]) -> Results | None:
    """Run the suite. The results contain its failures; None if it did not start."""
    records, run = folder / "raw.json", folder / "run.json"
    for old in (records, run):
        old.unlink(missing_ok=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(HERE), "-v", "-p", "no:cacheprovider"),
            # A cell that failed leaves its benchmark unused, which is not another error.
            *("-W", "default::pytest_benchmark.logger.PytestBenchmarkWarning"),
            *(f"--timeout={ONE_TEST}", f"--benchmark-json={records}", "--benchmark-quiet"),
            *arguments,
        ],
        cwd=ROOT,
        check=False,
    )
    if not run.exists():
        return None
    measured = json.loads(records.read_text("utf-8"))["benchmarks"] if records.exists() else []
    return Results(condensed(json.loads(run.read_text("utf-8")), measured))


def again(results: Results, folder: Path) -> Results:
    """Run the cells of missed key rows once more; the report keeps the first results."""
    rows = [row for row in missed(results) if row.measured(results) is not None]
    if not rows:
        return results
    before = {row.what: span(row.measured(results), row.unit) for row in rows}
    cells = " or ".join(dict.fromkeys(f"({row.only})" for row in rows))
    print(f"once more: {cells}")
    second = play(folder, ["-k", cells])
    return results if second is None else results.with_second(second, before)


def keep(results: Results, folder: Path) -> None:
    """Write the results as JSON, with a cell or figure per line."""
    text = json.dumps(results.content, separators=(",", ":"))
    for start in ('{"group"', '{"name"'):
        text = text.replace(start, "\n" + start)
    folder.joinpath("results.json").write_text(text + "\n", "utf-8")


def write(results: Results, folder: Path) -> None:
    folder.joinpath("results.md").write_text(markdown(results), "utf-8")
    try:
        from charts import draw
    except ImportError as exc:  # charts are optional
        print(f"no charts: {exc}: pip install -e '.[perf]'")
    else:
        draw(results, folder)


def refresh_figures(results: Results) -> None:
    figures = ROOT / "docs" / "figures.md"
    figures.write_text(with_block(figures.read_text("utf-8"), figures_block(results)), "utf-8")


def main(arguments: list[str]) -> int:
    whole = not arguments and os.environ.get("PERF_QUICK", "") in ("", "0")
    if arguments == ["--report"]:
        kept = load(RESULTS / "results.json")
        write(kept, RESULTS)
        refresh_figures(kept)
        return 0
    folder = RESULTS if whole else PARTIAL
    folder.mkdir(parents=True, exist_ok=True)
    results = play(folder, arguments)
    if results is None:
        print("pytest did not run: nothing to report")
        return 1
    results = again(results, folder)
    keep(results, folder)
    write(results, folder)
    if whole:
        refresh_figures(results)
    print("\n".join(bar_table(results, KEY_ROWS)))
    print(f"Report: {folder / 'results.md'}")
    behind = missed(results)
    if not whole:
        behind = [row for row in behind if row.measured(results) is not None]
    for row in behind:
        print(f"missed: {row.what}")
    for test, why in results.content["broken"].items():
        print(f"broken: {test}: {why}")
    return 1 if behind or results.content["broken"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
