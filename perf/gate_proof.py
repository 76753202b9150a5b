"""Proves the gate: equal revisions stay quiet, an injected slowdown is caught.

The result goes into docs/development/performance.md, so that nobody types it.
"""

from __future__ import annotations

from pathlib import Path

from gate_comparison import compare
from gate_decision import Disposition
from gate_environments import ROOT, GateError, Revision, check_out, install
from gate_report import Report, percent
from gate_timing import Plan, Tell, Timing

SLOWDOWN = 0.08
# Seconds that the injected wrapper costs beside what it burns.
WRAPPER = 4e-7
DOCUMENT = ROOT / "docs" / "development" / "performance.md"
BEGIN, END = "<!-- gate:begin -->", "<!-- gate:end -->"

# Appended to the package of the slow copy. It burns in upstream's own methods, which every call of
# the workload passes whatever our hot path looks like; the workload's first argument is its metric.
INJECTION = """

def _burn_in_every_call() -> None:
    import functools
    import sys
    import time

    from pywats.domains.product.async_service import AsyncProductService
    from pywats.domains.report.async_service import AsyncReportService

    seconds = {seconds!r}.get(sys.argv[1] if len(sys.argv) > 1 else "", 0.0)

    def burn_in(service, name):
        original = getattr(service, name)

        @functools.wraps(original)
        async def burning(*args, **kwargs):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
            return await original(*args, **kwargs)

        setattr(service, name, burning)

    burn_in(AsyncProductService, "get_product")
    burn_in(AsyncReportService, "submit_report")


if not _disabled:
    _burn_in_every_call()
"""


def prove(revision: Revision, plan: Plan, folder: Path, tell: Tell) -> tuple[Report, Report]:
    """Compare a revision with itself, then with a slower copy of itself.

    Args:
        revision: What is compared.
        plan: How long, and how strict.
        folder: An empty directory.
        tell: Is told of progress.

    Returns:
        The report on equals, and the report on the slower copy.

    Raises:
        GateError: It could not be measured.
    """
    tell(f"installing {revision} twice")
    base = install(check_out(revision, folder / "tree-a"), folder / "a", str(revision))
    same = install(check_out(revision, folder / "tree-b"), folder / "b", str(revision), like=base)
    quiet = compare(base, same, plan, folder / "quiet", tell)
    burns = burn_seconds(quiet.timings)
    tree = check_out(revision, folder / "tree-c")
    inject(tree, burns)
    tell("installing the slow copy")
    slow = install(tree, folder / "c", f"{revision}, slowed by {percent(SLOWDOWN)}", like=base)
    # The times alone: what burns makes no calls, so nothing that is counted could catch it.
    caught = compare(base, slow, plan, folder / "slow", tell, counters=False)
    caught.notes.append(
        "Burnt in every call: "
        + ", ".join(f"{name} {seconds * 1e6:.1f} us" for name, seconds in burns.items())
        + "."
    )
    return quiet, caught


def burn_seconds(timings: list[Timing]) -> dict[str, float]:
    """How much a call has to burn to take so much longer by the clock on the wall.

    By that of the quickest repetition: what else the machine does can only add to it.
    """
    return {
        timing.metric.name: max(0.0, SLOWDOWN * min(timing.base + timing.head) - WRAPPER)
        for timing in timings
        if timing.clock == "wall"
    }


def inject(tree: Path, seconds: dict[str, float]) -> None:
    """Slow a tree down, by so many seconds a call of each metric."""
    package = tree / "pywats_green" / "__init__.py"
    text = package.read_text(encoding="utf-8")
    package.write_text(text + INJECTION.format(seconds=seconds), encoding="utf-8")


def proven(quiet: Report, caught: Report) -> bool:
    """Whether the gate is to be believed."""
    return quiet.disposition() is Disposition.PASS and caught.disposition() is Disposition.FAIL


def block(quiet: Report, caught: Report, command: str) -> str:
    """What goes into the document."""
    parts = [
        f"Written by `{command}`; do not edit.",
        f"**Equal revisions (A/A): {quiet.disposition().value}**",
        quiet.table(),
        *quiet.summary(),
        f"**Every call {percent(SLOWDOWN)} slower: {caught.disposition().value}**",
        caught.table(),
        *caught.summary(),
    ]
    return "\n\n".join(parts)


def write_block(text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of a document.

    Raises:
        GateError: It has no such markers.
    """
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise GateError(f"{document} has no lines {BEGIN} and {END}")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
