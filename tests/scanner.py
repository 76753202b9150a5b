"""Another program that holds each file for a moment, as a virus scanner does on Windows."""

import contextlib
import errno
import io
import os
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pywats_green.queue.folder.long_paths import plain

# What Windows refuses while someone has the file open.
OPERATIONS = ("rename", "replace", "unlink", "mkdir", "stat", "scandir", "open", "link")


@contextlib.contextmanager
def scanner(folder: Path, times: int = 1, only: str | None = None) -> Iterator[Counter[str]]:
    """Refuse the first calls of each operation on each file below a folder.

    Args:
        folder: The folder.
        times: How many calls of each.
        only: The one operation that is refused. None: all are.

    Yields:
        How often each operation was refused.
    """
    refused: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()

    def holding(operation: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **options: Any) -> Any:
            name = plain(os.fspath(path)) if isinstance(path, (str, os.PathLike)) else ""
            if name.startswith(str(folder)) and operation == (only or operation):
                seen[operation, name] += 1
                if seen[operation, name] <= times:
                    refused[operation] += 1
                    raise PermissionError(errno.EACCES, "held by another program", name)
            return function(path, *args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for operation in OPERATIONS:
            patch.setattr(os, operation, holding(operation, getattr(os, operation)))
        patch.setattr(io, "open", holding("open", io.open))
        if accessor := getattr(pathlib, "_NormalAccessor", None):  # Python 3.10: names bound early
            for operation in OPERATIONS:
                if found := getattr(accessor, operation, None):
                    patch.setattr(accessor, operation, staticmethod(holding(operation, found)))
        yield refused
