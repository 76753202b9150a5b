"""`queue`: show and change what is in a queue's folder."""

from __future__ import annotations

import json
import time

import click

from pywats_green.cli import options as option
from pywats_green.cli.console import out, plain
from pywats_green.cli.errors import redact
from pywats_green.cli.queue.folder import opened_queue
from pywats_green.cli.queue.items import as_dict, print_items, print_page, span
from pywats_green.queue.folder.inspection import STATES, State


@click.group(
    epilog="If several items have the same ID, use the name of the file, as `list --json` shows it."
)
def command() -> None:
    """Show and change what is in the folder of a queue."""


_item = click.argument("item", metavar="[ID]", required=False)


@command.command("list")
@option.folder
@click.option("--state", type=click.Choice(STATES), help="Only items in this state.")
@option.as_json
def list_items(folder: str, state: State | None, as_json: bool) -> int:
    """Show what is in the queue, in the order in which it is sent."""
    with opened_queue(folder, write=False) as queue:
        items, closure = queue.list(state), queue.last_closure()
    if as_json:
        print(json.dumps([as_dict(item) for item in items]))
        return 0
    print_items(out(), items)
    if closure is not None and any(item.state == "waiting" for item in items):
        ago = span(max(0.0, time.time() - closure.since))
        print(f"not sent for {ago}: {redact(closure.cause)}")
    return 0


@command.command("show")
@option.folder
@click.argument("item", metavar="ID")
@option.as_json
def show_item(folder: str, item: str, as_json: bool) -> int:
    """Show everything about an item, including the report."""
    with opened_queue(folder, write=False) as queue:
        shown = queue.show(item)
    if not as_json:
        print_page(out(), shown)
        return 0
    shown["id"] = shown.pop("item_id")
    print(json.dumps(shown))
    return 0


@command.command("requeue")
@option.folder
@_item
@click.option("--all", "everything", is_flag=True, help="All items in quarantine.")
@click.option(
    "--reason", metavar="TEXT",
    help="With --all: only items whose reason contains this, ignoring case.",
)  # fmt: skip
@click.option(
    "--older-than", type=option.SECONDS,
    help="With --all: only items that have been in quarantine for longer.",
)  # fmt: skip
@option.as_json
def requeue(
    folder: str,
    item: str | None,
    everything: bool,
    reason: str | None,
    older_than: float | None,
    as_json: bool,
) -> int:
    """Move an item out of quarantine, due at once."""
    _require_one(item, everything)
    if not everything and (reason is not None or older_than is not None):
        raise click.UsageError("--reason and --older-than go with --all.")
    with opened_queue(folder) as queue:
        count = queue.requeue(item, reason=reason, older_than=older_than)
    return _done("requeued", count, item, as_json=as_json)


@command.command("release")
@option.folder
@_item
@click.option(
    "--all", "everything", is_flag=True, help="All items whose owner is not known to be alive."
)  # fmt: skip
@option.as_json
def release(folder: str, item: str | None, everything: bool, as_json: bool) -> int:
    """Put back what a process that is gone has claimed."""
    _require_one(item, everything)
    with opened_queue(folder) as queue:
        count = queue.release(item)
    return _done("released", count, item, as_json=as_json)


@command.command("discard")
@option.folder
@_item
@click.option("--all", "everything", is_flag=True, help="All items in the given state.")
@click.option(
    "--state", type=click.Choice(["quarantined", "waiting"]),
    help="With --all: which items.  [default: quarantined]",
)  # fmt: skip
@option.as_json
def discard(
    folder: str, item: str | None, everything: bool, state: State | None, as_json: bool
) -> int:
    """Delete an item for good."""
    _require_one(item, everything)
    if not everything and state is not None:
        raise click.UsageError("--state goes with --all.")
    with opened_queue(folder) as queue:
        if item is None:
            count = queue.discard_all(state or "quarantined")
        else:
            queue.discard(item)
            count = 1
    return _done("discarded", count, item, as_json=as_json)


def _require_one(item: str | None, everything: bool) -> None:
    if everything == (item is not None):
        raise click.UsageError("Give the ID of an item, or --all.")


def _done(what: str, count: int, item: str | None, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({what: count}))
    else:
        print(f"{what} {plain(item)}" if item else f"{what}: {count}")
    return 0
