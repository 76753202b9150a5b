"""`bench`: measures how many calls at once pay off on the user's server; it only reads."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.text import Text

from pywats_green.cli import options as option
from pywats_green.cli.clients import answering, configured_server, new_client, require_green
from pywats_green.cli.console import out
from pywats_green.cli.errors import FAILED, CommandError, redact
from pywats_green.cli.measuring import Job, Run, green
from pywats_green.cli.tables import Cell, Column, print_table
from pywats_green.cli.workload import list_products
from pywats_green.config import BASE_URL, TOKEN, environment
from pywats_green.progress import Bar, ProgressCallback

LEVELS = ((1, 6), (2, 12), (4, 20), (8, 32), (16, 48), (32, 64))
"""Calls at once, and how many are made: fewer than 200, within the limit of 500 a minute."""

_KEYS = 64
_NEARLY = 0.9  # of the highest rate; the rest is not worth more calls at once


class Level(NamedTuple):
    """A measurement.

    Attributes:
        at_once: Calls at once.
        run: All calls together.
        median: Seconds that a call took.
        longest: Seconds that the slowest took.
    """

    at_once: int
    run: Run
    median: float
    longest: float


@click.command(
    epilog=(
        f"The server is that of {BASE_URL} and {TOKEN}. Each request reads one "
        "product: fewer than 200, within the limit of 500 a minute. Nothing is written."
    )
)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@option.as_json
def command(yes: bool, as_json: bool) -> int:
    """Measure how many calls at once pay off on your server."""
    require_green()
    url, token = configured_server(environment())
    total = sum(calls for _, calls in LEVELS)
    if not yes:
        click.confirm(f"Read about {total} products from {redact(url)}?", abort=True, err=True)
    with new_client(url, token) as api:
        levels = measure(api, _keys(api))
    best = best_of(levels)
    errors = [redact(error) for level in levels for error in level.run.errors]
    if as_json:
        print(json.dumps(_as_dict(levels, best, errors)))
    else:
        _print(out(), levels, best, errors)
    return FAILED if errors else 0


def _keys(api: Any) -> list[str]:
    with answering():
        products = list_products(api, _KEYS)
        if products:
            api.product.get_product(products[0])  # the first call builds models
    if not products:
        raise CommandError("the server has no product to read: check the permissions of the token")
    return products


def measure(api: Any, keys: Sequence[str]) -> list[Level]:
    """Read products at each level, until one has errors.

    Args:
        api: A client without a cache.
        keys: Part numbers.
    """
    total = sum(calls for _, calls in LEVELS)
    levels: list[Level] = []
    done = 0
    with Bar("reading") as bar:
        for at_once, calls in LEVELS:
            level = _measured(
                api,
                list(islice(cycle(keys), calls)),
                at_once,
                lambda completed, _, before=done: bar(before + completed, total),  # type: ignore[misc]
            )
            levels.append(level)
            done += calls
            if level.run.errors:
                break
    return levels


def _measured(api: Any, keys: Sequence[str], at_once: int, progress: ProgressCallback) -> Level:
    taken: list[float] = []

    def read(part_number: str) -> Any:
        started = time.perf_counter()
        product = api.product.get_product(part_number)
        taken.append(time.perf_counter() - started)
        return product

    run = green(Job("read products", read, keys), at_once, progress)
    median, longest = (statistics.median(taken), max(taken)) if taken else (0.0, 0.0)
    return Level(at_once, run, median, longest)


def best_of(levels: Sequence[Level]) -> Level | None:
    """Return the lowest level at about the highest rate. None: all have errors."""
    clean = [level for level in levels if not level.run.errors]
    highest = max((level.run.rate for level in clean), default=0.0)
    return next((level for level in clean if level.run.rate >= highest * _NEARLY), None)


_COLUMNS = (
    Column("at once", right=True),
    Column("calls", right=True),
    Column("calls/s", right=True),
    Column("median", right=True),
    Column("slowest", right=True),
    Column("errors", right=True),
)


def _print(
    console: Console, levels: Sequence[Level], best: Level | None, errors: Sequence[str]
) -> None:
    print_table(console, _COLUMNS, [_row(level, is_best=level is best) for level in levels])
    console.print()
    if errors:
        console.print(Text(f"First error: {errors[0]}", "red"))
    if best is None:
        return
    text = f"Use Pool({best.at_once}): {best.run.rate:,.0f} calls/s"
    if best is levels[-1]:
        text += "; more calls at once may be faster still"
    elif not errors:
        text += "; more calls at once add little"
    console.print(Text(f"{text}.", "green"))
    console.print(
        "pywats' limiter admits 500 requests a minute: the first 500 calls run at this speed, the "
        "others wait."
    )


def _row(level: Level, *, is_best: bool) -> tuple[Cell, ...]:
    style = "bold green" if is_best else ""
    return (
        Text(str(level.at_once), style),
        str(level.run.calls),
        Text(f"{level.run.rate:,.1f}", style),
        f"{level.median * 1000:,.0f} ms",
        f"{level.longest * 1000:,.0f} ms",
        Text(str(len(level.run.errors)), "red" if level.run.errors else ""),
    )


def _as_dict(levels: Sequence[Level], best: Level | None, errors: Sequence[str]) -> dict[str, Any]:
    return {
        "levels": [
            {
                "at_once": level.at_once,
                "calls": level.run.calls,
                "calls_per_second": round(level.run.rate, 1),
                "median": round(level.median, 4),
                "longest": round(level.longest, 4),
                "errors": len(level.run.errors),
            }
            for level in levels
        ],
        "best": None if best is None else best.at_once,
        "first_error": errors[0] if errors else None,
    }
