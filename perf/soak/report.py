"""The table and the plot of a soak, and their place in the documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from machine import fingerprint
from soak.calls import Mixed
from soak.drainers import AT_ONCE, Killed
from soak.measuring import HELD, Sample, grown, thirds
from soak.outage import FACTOR, Outage
from tables import table

BEGIN, END = "<!-- soak:begin -->", "<!-- soak:end -->"
UNITS = {"rss": (1e6, "RSS, MB"), "files": (1, "descriptors"), "greenlets": (1, "greenlets")}


class Soak(NamedTuple):
    """The outcome of a run."""

    command: str
    calls: Mixed
    outage: Outage
    killed: Killed

    def problems(self) -> list[str]:
        """Return what was lost, grew, or went to the wrong caller."""
        mixed, outage, killed = self.calls, self.outage, self.killed
        found = [f"mixed calls: {line}" for line in grown(mixed.samples)]
        found += [f"mixed calls: lost report {key}" for key in sorted(mixed.lost)]
        if wrong := mixed.outcomes["WrongAnswerError"]:
            found.append(f"mixed calls: {wrong} answers reached the wrong caller")
        found += [f"outage: lost report {key}" for key in outage.lost]
        if outage.quarantined:
            found.append(f"outage: {outage.quarantined} reports were given up")
        if failed := outage.reads.total() - outage.reads["success"]:
            found.append(f"outage: {failed} reads failed")
        found += [f"drainers: lost report {key}" for key in killed.lost]
        if killed.again > killed.kills * AT_ONCE:
            found.append(f"drainers: {killed.again} reports were sent again, more than in flight")
        if killed.left:
            found.append(f"drainers: {killed.left} reports are left in the folder")
        return found


def _rows(soak: Soak) -> Iterator[tuple[str, str]]:
    mixed, outage, killed = soak.calls, soak.outage, soak.killed
    killed_calls = mixed.outcomes["killed"]
    made = mixed.outcomes.total() - mixed.outcomes["report sent"]
    gave_up = mixed.outcomes["Timeout"]
    failed = made - mixed.outcomes["success"] - killed_calls - gave_up
    yield "mixed calls, 5 % of them with a fault", f"{made:,}"
    yield "calls that failed, whose callers gave up", f"{failed:,}, {gave_up:,}"
    yield "calls killed", f"{killed_calls:,}"
    yield "answers that reached the wrong caller", f"{mixed.outcomes['WrongAnswerError']}"
    yield "reports queued meanwhile, lost", f"{mixed.reports:,}, {len(mixed.lost)}"
    for name, (first, last) in thirds(mixed.samples).items():
        scale, unit = UNITS.get(name, (1, name))
        yield f"{unit}: first third, last third", f"{first / scale:,.0f}, {last / scale:,.0f}"
    yield (
        f"outage, on a clock {FACTOR:g} times as fast",
        f"{outage.seconds / 60:,.0f} minutes",
    )
    yield (
        "reports put around it, lost, given up",
        (f"{outage.puts:,}, {len(outage.lost)}, {outage.quarantined}"),
    )
    yield (
        "reads that waited for the server or found it, failed",
        (f"{outage.reads.total():,}, {outage.reads.total() - outage.reads['success']}"),
    )
    yield "first report after the server is back", f"{outage.back_after:.0f} s"
    yield "drainers ended by SIGKILL", f"{killed.kills:,}"
    yield (
        "reports put, lost, sent more than once",
        (f"{killed.puts:,}, {len(killed.lost)}, {killed.again}"),
    )


def markdown(soak: Soak) -> str:
    """Return the table, and what it was measured on."""
    machine = fingerprint()
    versions = machine["versions"]
    where = (
        f"`{soak.command}`, {machine['date'][:10]}, {machine['cores']} cores, {machine['kernel']}, "
        f"{machine['python']}, gevent {versions['gevent']}, pywats-api {versions['pywats-api']}, "
        f"revision {machine['revision'][:10]}:"
    )
    return "\n".join([where, "", *table(["what", "measured"], _rows(soak))]).rstrip()


def with_block(document: str, block: str) -> str:
    """Replace the block in a text.

    Raises:
        ValueError: The text has no markers.
    """
    start, end = document.index(BEGIN) + len(BEGIN), document.index(END)
    return f"{document[:start]}\n{block}\n{document[end:]}"


def draw(soak: Soak, file: Path) -> None:
    """Write the plot, as SVG."""
    import matplotlib.pyplot as plt
    from charts import COLOURS

    phases = {"mixed calls": soak.calls.samples, "outage (its own clock)": soak.outage.samples}
    shown = [name for name in HELD if name in UNITS]
    figure, grid = plt.subplots(len(shown), len(phases), figsize=(9.0, 6.0), sharex="col")
    for column, (title, samples) in enumerate(phases.items()):
        for axes, name in zip(grid[:, column], shown, strict=True):
            _plot(axes, samples, name, COLOURS["green"])
        grid[0, column].set_title(title, loc="left")
        grid[-1, column].set_xlabel("minutes")
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _plot(axes: Any, samples: list[Sample], name: str, colour: str) -> None:
    scale, unit = UNITS[name]
    values = [getattr(sample, name) / scale for sample in samples]
    axes.plot([sample.at / 60 for sample in samples], values, color=colour)
    axes.set_ylim(0, max(values) * 1.2)
    axes.set_ylabel(unit)
