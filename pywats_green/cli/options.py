"""What the commands' options have in common."""

from __future__ import annotations

import math
from typing import Any

import click

from pywats_green.exceptions import InvalidArgumentError

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
    "--json", "as_json", is_flag=True, help="Print the result as one line of JSON."
)
folder = click.argument("folder", type=click.Path(file_okay=False))


def checked_address(_ctx: click.Context, _param: click.Parameter, given: str | None) -> str | None:
    """Refuse an address that is not HOST:PORT; the callback of an option."""
    from pywats_green.wsgi import parse_address  # noqa: PLC0415  # rarely used, and takes a while

    try:
        if given is not None:
            parse_address(given)
    except InvalidArgumentError as exc:
        raise click.BadParameter(f"{exc}.") from exc
    return given
