"""Opens the folder of a queue, for `drain` and `queue`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pywats_green.cli.errors import WRONG_USE, CommandError
from pywats_green.exceptions import InvalidArgumentError, QueueFolderError, QueueItemError
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.held_files import patiently


@contextmanager
def opened_queue(
    path: str,
    *,
    order_by: str | None = None,
    keep_quarantined: float | None = None,
    write: bool = True,
) -> Iterator[FolderQueue]:
    """Open the queue in an existing folder during the block.

    Args:
        path: The folder. It is not created, in case its name was mistyped.
        order_by: A field of the reports. None: no groups.
        keep_quarantined: Seconds; see `FolderQueue`.
        write: Whether the queue will be changed.

    Raises:
        CommandError: The folder cannot be used, or the queue raised an error in the block.
    """
    folder = Path(path)
    if not patiently(folder.exists):
        raise CommandError(f"there is no folder {path!r}: give the folder of your queue", WRONG_USE)
    needed = os.R_OK | os.X_OK | (os.W_OK if write else 0)
    if not os.access(folder, needed):
        what = "read and write" if write else "read"
        raise CommandError(
            f"no permission to {what} the folder {path!r}: change its owner or mode, or run this "
            "as the user who owns it",
            WRONG_USE,
        )
    try:
        queue = FolderQueue(folder, order_by=order_by, keep_quarantined=keep_quarantined)
        try:
            yield queue
        finally:
            queue.close()
    except QueueItemError as exc:
        raise CommandError(f"{exc}. `queue list {path}` shows what is there") from exc
    except QueueFolderError as exc:
        raise CommandError(f"{exc}. Fix that and try again: nothing was lost") from exc
    except InvalidArgumentError as exc:
        raise CommandError(str(exc), WRONG_USE) from exc
