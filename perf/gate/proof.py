"""Proves the gate: equal revisions pass, and an injected slow-down is caught.

The result is written to docs/development/performance.md.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from gate.comparison import Comparison, Plan, Tell, Timing, Verdict, compare
from gate.report import percent, summary
from gate.revisions import ROOT, GateError, Revision, check_out

BEYOND = 1.5  # how many times the tolerance the slow copy is slower
DOCUMENT = ROOT / "docs" / "development" / "performance.md"
BEGIN, END = "<!-- gate:begin -->", "<!-- gate:end -->"

# Appended to the package of the slow copy. It does useless work in upstream's own methods, which
# are part of every call whatever this package does; the amount depends on the kind of call.
INJECTION = """

def _burn_in_every_call() -> None:
    import functools

    from pywats.domains.product.async_service import AsyncProductService
    from pywats.domains.report.async_service import AsyncReportService

    def burn_in(service, name):
        original = getattr(service, name)

        @functools.wraps(original)
        async def burning(self, *args, **kwargs):
            for _ in range(loops(self, name)):
                pass
            return await original(self, *args, **kwargs)

        setattr(service, name, burning)

    counts = {loops!r}

    def loops(self, name):
        if name == "submit_report":
            return counts["drain"]
        return counts.get(globals().get("gate_metric"), 0)

    burn_in(AsyncProductService, "get_product")
    burn_in(AsyncReportService, "submit_report")


if not _disabled:
    _burn_in_every_call()
"""


def loops_a_second() -> float:
    """Return how many iterations an empty loop makes per second of CPU time."""
    count = 200_000
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(count):
            pass
        best = min(best, time.process_time() - start)
    return count / best


def burns(timings: list[Timing], share: float, speed: float) -> dict[str, int]:
    """Return how many iterations add a fraction of a call's CPU time in its fastest repetition.

    The fastest, because other load on the machine can only add to it.
    """
    return {
        timing.metric.name: round(share * min(timing.base + timing.head) * speed)
        for timing in timings
        if timing.clock == "CPU"
    }


def inject(tree: Path, loops: dict[str, int]) -> None:
    """Slow a tree down by a number of iterations per call of each metric."""
    package = tree / "pywats_green" / "__init__.py"
    text = package.read_text(encoding="utf-8")
    package.write_text(text + INJECTION.format(loops=loops), encoding="utf-8")


def prove(
    name: str, plan: Plan, server: Any, folder: Path, tell: Tell
) -> tuple[Comparison, Comparison]:
    """Compare a revision with itself, then with a slower copy of itself.

    Raises:
        GateError: The measurement failed.
    """
    base = check_out(name, folder / "tree-a")
    same = check_out(name, folder / "tree-b")
    quiet = compare(base, same, plan, server, folder, tell)
    share = BEYOND * plan.tolerance
    slow = Revision(f"{base.name}, slowed by {percent(share)}", folder / "tree-c")
    shutil.copytree(base.tree, slow.tree)
    inject(slow.tree, burns(quiet.timings, share, loops_a_second()))
    return quiet, compare(base, slow, plan, server, folder, tell)


def proven(quiet: Comparison, caught: Comparison) -> bool:
    """Return whether the gate works: no false alarm, and every metric caught."""
    slow = {t.metric for t in caught.timings if caught.verdict_of(t) is Verdict.FAIL}
    all_of_them = {timing.metric for timing in caught.timings}
    return quiet.verdict() is not Verdict.FAIL and slow == all_of_them != set()


def write_block(quiet: Comparison, caught: Comparison, document: Path = DOCUMENT) -> None:
    """Put both tables between the markers of a document.

    Raises:
        GateError: It has no markers.
    """
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise GateError(f"{document} has no lines {BEGIN} and {END}")
    told = "Written by `python perf/gate --prove`; do not edit."
    lines = [begin, "", told, "", *summary(quiet), "", *summary(caught), "", end]
    document.write_text(before + "\n".join(lines) + after, encoding="utf-8")
