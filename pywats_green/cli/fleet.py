"""`fleet`: shows who takes part in a fleet, and how much of each limit is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from pywats_green.cli import options as option
from pywats_green.cli.console import out, plain
from pywats_green.cli.errors import NOT_CONFIGURED, UNAVAILABLE, CommandError
from pywats_green.cli.tables import Column, print_table
from pywats_green.config import settings

if TYPE_CHECKING:
    from pywats_green.fleet.overview import SharedLimit

_COLUMNS = (
    Column("member"),
    Column("calls/s", right=True),
    Column("waiting", right=True),
    Column("slots held", right=True),
    Column("heard of", right=True),
)


@click.command(
    epilog="Exit status: 0; 3 if PYWATS_GREEN_FLEET is not set, and 4 if its server is away."
)
@option.as_json
def command(as_json: bool) -> int:
    """Show who takes part in the fleet of PYWATS_GREEN_FLEET, by WATS server."""
    url = settings().fleet
    if url is None:
        raise CommandError(
            "set PYWATS_GREEN_FLEET to the URL of the fleet's Redis or Valkey server",
            NOT_CONFIGURED,
        )
    # Imported here, because redis is optional.
    from pywats_green.fleet.link import LinkError  # noqa: PLC0415
    from pywats_green.fleet.overview import overview  # noqa: PLC0415

    try:
        limits = overview(url)
    except LinkError as exc:
        raise CommandError(str(exc), UNAVAILABLE) from None
    if as_json:
        print(json.dumps(limits))
    else:
        print_limits(out(), limits)
    return 0


def print_limits(console: Console, limits: list[SharedLimit]) -> None:
    """Print a heading for each limit, the state of its gate, and its members."""
    if not limits:
        console.print("nobody takes part")
    for limit in limits:
        console.print(Text(plain(limit["server"]), "bold"), Text(f"token {limit['token'][:8]}"))
        share = 100 * limit["used"] / max(limit["limit"], 1)
        console.print(
            f"  {limit['used']} of {limit['limit']} requests in {limit['seconds']:g} s used "
            f"({share:.0f} %), {limit['rate']:.1f} per second, {limit['waiting']} waiting"
        )
        gate = limit["gate"]
        if gate is None:
            console.print("  the gate is open")
        elif gate["cause"] is None:
            console.print(
                Text(f"  the gate reopens: {gate['width']} in flight at a time", "yellow")
            )
        else:
            probe = f"the next probe goes in {gate['opens_in']:.0f} s"
            closed = f"  the gate is closed ({plain(gate['cause'])}), and {probe}"
            console.print(Text(closed, "bold red"))
        rows = [
            (
                f"{plain(member['host'])}, process {member['pid']}",
                f"{member['rate']:.1f}",
                str(member["waiting"]),
                str(member["held"]),
                f"{member['heard']:.0f} s ago",
            )
            for member in limit["members"]
        ]
        print_table(console, _COLUMNS, rows, indent=2)
