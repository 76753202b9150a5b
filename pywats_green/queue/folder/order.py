"""Which `order_by` a folder is used with: all that drain it must agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from pywats_green.exceptions import QueueOrderError
from pywats_green.queue.folder.files import folder_error, write_small
from pywats_green.queue.folder.long_paths import plain
from pywats_green.queue.folder.scan import ORDER
from pywats_green.queue.held_files import patiently

OrderBy: TypeAlias = "str | Callable[[dict[str, Any]], object] | None"


class OrderFile:
    """Keeps the `order_by` of a folder, as soon as somebody uses one.

    Args:
        folder: The queue's folder.
        order_by: That of this process. A function is known by its module and name.
    """

    def __init__(self, folder: Path, order_by: OrderBy) -> None:
        self._path = folder / ORDER
        self._own = _told(order_by)
        self._is_agreed = False

    def agree(self, *, only_putting: bool = False, is_kept: bool = True) -> None:
        """Compare with what the folder is used with, or note this as the first.

        Args:
            only_putting: Whether having none is no difference, because whoever drains determines
                the group.
            is_kept: Whether the folder keeps one, as far as the last scan tells.

        Raises:
            QueueOrderError: It differs.
            QueueFolderError: It cannot be read or noted.
        """
        if self._is_agreed or (self._own is None and (only_putting or not is_kept)):
            return
        try:
            kept = self._read()
            if kept is None and self._own is not None:
                write_small(self._path, json.dumps({"order_by": self._own}).encode("ascii"))
                kept = self._own
        except OSError as error:
            raise folder_error("agree on the order", self._path.parent, error) from error
        if kept != self._own:
            folder = plain(str(self._path.parent))
            raise QueueOrderError(
                f"the queue folder {folder} is used with order_by={kept!r}, not "
                f"{self._own!r}: pass the same (drain --order-by), or remove {ORDER} while no "
                "process uses the folder"
            )
        self._is_agreed = self._own is not None

    def _read(self) -> str | None:
        try:
            kept = json.loads(patiently(self._path.read_bytes))["order_by"]
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError):
            return None  # damaged: as if nobody had used one
        return kept if isinstance(kept, str) else None


def _told(order_by: OrderBy) -> str | None:
    if order_by is None or isinstance(order_by, str):
        return order_by
    kind = order_by if hasattr(order_by, "__qualname__") else type(order_by)
    return f"{kind.__module__}.{kind.__qualname__}()"
