"""The charts of a report, as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "pywats-green",  # the same data, the same file
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "figure.constrained_layout.use": True,
    }
)

import matplotlib.pyplot as plt  # noqa: E402
from estimates import estimate  # noqa: E402
from layers import LAYERS  # noqa: E402
from results import Results  # noqa: E402

COLOURS = {
    "green": "#009e73",
    "AsyncWATS": "#0072b2",
    "threads": "#d55e00",
    "HttpClient threads": "#e69f00",
    "aiohttp": "#cc79a7",
    "grequests": "#56b4e9",
    "requests threads": "#f0e442",
    "sequential": "#777777",
}  # told apart without red against green, too
AT_ONCE = 50
SIZE = (7.5, 4.5)


def curves(
    results: Results, axis: str, fixed: tuple[str, int]
) -> Iterator[tuple[str, list[int], list[float]]]:
    """Plot calls per second of each contestant over one condition, with the other one fixed."""
    cells = [
        cell for cell in results.cells("concurrent") if cell["conditions"][fixed[0]] == fixed[1]
    ]
    cells.sort(key=lambda cell: cell["conditions"][axis])
    for name in COLOURS:
        points = [
            (cell["conditions"][axis], 1 / estimate(cell["contestants"][name]["seconds"]).median)
            for cell in cells
            if name in cell["contestants"]
        ]
        if points:
            yield name, [x for x, _ in points], [y for _, y in points]


def drawn(axes: Any, results: Results, axis: str, fixed: tuple[str, int], places: Any) -> None:
    for name, where, speeds in curves(results, axis, fixed):
        axes.plot(
            [places(x) for x in where], speeds, "-", marker="o", color=COLOURS[name], label=name
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{y:,.0f}"))
    axes.set_ylabel("calls a second")
    if axes.lines:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def by_concurrency(results: Results) -> Any:
    figure, axes = plt.subplots(figsize=SIZE)
    drawn(axes, results, "concurrency", ("latency_ms", 0), lambda x: x)
    axes.set_xscale("log")
    ticks = sorted({cell["conditions"]["concurrency"] for cell in results.cells("concurrent")})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.set_xlabel("calls at once")
    axes.set_title("get_product against a server without latency", loc="left")
    return figure


def by_latency(results: Results) -> Any:
    figure, axes = plt.subplots(figsize=SIZE)
    ticks = sorted({cell["conditions"]["latency_ms"] for cell in results.cells("concurrent")})
    drawn(axes, results, "latency_ms", ("concurrency", AT_ONCE), ticks.index)
    axes.set_xticks(range(len(ticks)), [f"{tick} ms" for tick in ticks])
    axes.set_xlabel("latency of the server")
    axes.set_title(f"get_product, {AT_ONCE} at a time", loc="left")
    return figure


def by_layer(results: Results) -> Any:
    figure, axes = plt.subplots(figsize=(7.5, 3.5))
    laps = results.laps("layers", f"{AT_ONCE} at a time, 0 ms")
    present = [layer for layer in LAYERS if f"{layer}, green" in laps]
    costs = [estimate(laps[f"{layer}, green"]["cpu"]).median * 1e6 for layer in present]
    places = [list(LAYERS).index(layer) for layer in present]
    bars = axes.barh(places, costs, 0.6, color=COLOURS["green"])
    axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.margins(x=0.1)
    axes.set_yticks(range(len(LAYERS)), list(LAYERS))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"CPU, microseconds a call, with all below it ({AT_ONCE} at a time)")
    return figure


CHARTS = {
    "throughput-by-concurrency": by_concurrency,
    "throughput-by-latency": by_latency,
    "cost-by-layer": by_layer,
}


def draw(results: Results, folder: Path) -> None:
    """Write all charts."""
    for name, chart in CHARTS.items():
        figure = chart(results)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)
