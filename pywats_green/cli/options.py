"""What the commands' options have in common."""

from __future__ import annotations

import math
from typing import Any

import click

COUNT = click.IntRange(min=1)
PORT = click.IntRange(0, 65_535)


class _Seconds(click.FloatRange):
    """A finite time in seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a time in seconds.", param, ctx)
        return number


SECONDS = _Seconds(min=0)
TIMEOUT = _Seconds(min=0, min_open=True)

as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON, one line."
)
folder = click.argument("folder", type=click.Path(file_okay=False))
