"""`queue`: show and change what is in a queue's folder."""

from __future__ import annotations

import argparse
import json
import time

from pywats_green.cli import options as option
from pywats_green.cli.errors import WRONG_USE, CommandError, redact
from pywats_green.cli.queue.folder import opened_queue, plain
from pywats_green.cli.queue.items import as_dict, as_page, as_table, span
from pywats_green.queue.folder.inspection import STATES
from pywats_green.queue.folder.queue import FolderQueue


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the actions and their options."""
    parser.epilog = (
        "If several items have the same ID, use the name of the file, as shown by `list --json`."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        sub.set_defaults(action=_ACTIONS[name])
        sub.add_argument("folder", metavar="FOLDER", help="the folder of the queue")
        sub.add_argument("--json", action="store_true", help="print the result as JSON, one line")
        return sub

    listing = action("list", "show what is in the queue, in the order in which it is sent")
    listing.add_argument("--state", choices=STATES, help="only items in this state (all)")
    showing = action("show", "show everything about an item, including the report")
    showing.add_argument("item", metavar="ID", help="the item")
    requeue = action("requeue", "move an item out of quarantine, due at once")
    requeue.add_argument("item", metavar="ID", nargs="?", help="the item")
    requeue.add_argument("--all", action="store_true", help="everything in quarantine")
    requeue.add_argument(
        "--reason", metavar="TEXT",
        help="with --all: only what has this in its reason, in upper or lower case",
    )  # fmt: skip
    requeue.add_argument(
        "--older-than", type=option.seconds, metavar="SECONDS",
        help="with --all: only what has been in quarantine for longer",
    )  # fmt: skip
    release = action("release", "put back what a process that is gone has claimed")
    release.add_argument("item", metavar="ID", nargs="?", help="the item")
    release.add_argument(
        "--all", action="store_true", help="everything whose owner does not certainly live"
    )
    discard = action("discard", "delete an item for good")
    discard.add_argument("item", metavar="ID", nargs="?", help="the item")
    discard.add_argument("--all", action="store_true", help="all items in the given state")
    discard.add_argument(
        "--state", choices=("quarantined", "waiting"), default="quarantined",
        help="what --all means (quarantined)",
    )  # fmt: skip


def execute(options: argparse.Namespace) -> int:
    """Run the action.

    Returns:
        0.

    Raises:
        CommandError: The action failed; the message says why.
    """
    if "all" in options and options.all == (options.item is not None):
        raise CommandError("give the ID of an item, or --all", WRONG_USE)
    looks_only = options.action in (_list, _show)
    with opened_queue(options.folder, write=not looks_only) as queue:
        print(options.action(queue, options))
    return 0


def _list(queue: FolderQueue, options: argparse.Namespace) -> str:
    items = queue.list(options.state)
    if options.json:
        return json.dumps([as_dict(item) for item in items])
    closure = queue.last_closure()
    if closure is None or not any(item.state == "waiting" for item in items):
        return as_table(items)
    ago = span(max(0.0, time.time() - closure.since))
    return f"{as_table(items)}\nnot sent for {ago}: {plain(redact(closure.cause))}"


def _show(queue: FolderQueue, options: argparse.Namespace) -> str:
    shown = queue.show(options.item)
    if not options.json:
        return as_page(shown)
    shown["id"] = shown.pop("item_id")
    return json.dumps(shown)


def _requeue(queue: FolderQueue, options: argparse.Namespace) -> str:
    if not options.all and (options.reason is not None or options.older_than is not None):
        raise CommandError("--reason and --older-than go with --all", WRONG_USE)
    count = queue.requeue(options.item, reason=options.reason, older_than=options.older_than)
    return _done("requeued", count, options)


def _release(queue: FolderQueue, options: argparse.Namespace) -> str:
    return _done("released", queue.release(options.item), options)


def _discard(queue: FolderQueue, options: argparse.Namespace) -> str:
    if options.all:
        return _done("discarded", queue.discard_all(options.state), options)
    queue.discard(options.item)
    return _done("discarded", 1, options)


def _done(what: str, count: int, options: argparse.Namespace) -> str:
    if options.json:
        return json.dumps({what: count})
    return f"{what} {plain(options.item)}" if options.item else f"{what}: {count}"


_ACTIONS = {
    "list": _list,
    "show": _show,
    "requeue": _requeue,
    "release": _release,
    "discard": _discard,
}
