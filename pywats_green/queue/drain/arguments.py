"""Checks what a processor is given."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.queue.drain.source import Source


def source_of(source: str | os.PathLike[str] | Source) -> tuple[Source, bool]:
    """Return the queue to drain, and whether it was made here, so that it is ours to close.

    Args:
        source: A folder, or any `Source`.

    Raises:
        InvalidArgumentError: It is neither.
        QueueFolderError: The folder cannot be a queue.
    """
    if isinstance(source, (str, os.PathLike)):
        # Here, so that a processor of another source needs nothing of files.
        from pywats_green.queue.folder.queue import FolderQueue  # noqa: PLC0415

        return FolderQueue(source), True
    missing = [
        name for name in ("claim", "due_in", "counts", "oldest_age") if not hasattr(source, name)
    ]
    if missing:
        raise InvalidArgumentError(
            f"source must be a folder, a FolderQueue, or another queue, not {source!r}: "
            f"it has no {missing[0]}()"
        )
    return source, False


def checked_submit(submit: Any) -> Callable[[Any], object]:
    """Return the callable.

    Raises:
        InvalidArgumentError: It is none, or an asynchronous one, whose return would say nothing.
    """
    if inspect.iscoroutinefunction(submit) or inspect.iscoroutinefunction(
        getattr(submit, "__call__", None)  # noqa: B004  # an object whose call is asynchronous
    ):
        raise InvalidArgumentError(
            f"submit must block until the server has answered; {submit!r} is asynchronous"
        )
    if not callable(submit):
        raise InvalidArgumentError(f"submit must be a pyWATS or a callable, not {submit!r}")
    return submit  # type: ignore[no-any-return]


def checked_pair(backoff: Any) -> tuple[float, float]:
    """Return base and cap of the backoff.

    Raises:
        InvalidArgumentError: They are not two numbers.
    """
    try:
        base, cap = backoff
        return float(base), float(cap)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"backoff must be (base, cap), not {backoff!r}") from None


def check_arguments(
    concurrency: Any, max_attempts: Any, timeout: Any, give_up_after: Any, on_result: Any
) -> None:
    """Refuse what is out of range.

    Raises:
        InvalidArgumentError: Something is.
    """
    for name, value in (("concurrency", concurrency), ("max_attempts", max_attempts)):
        if name == "max_attempts" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidArgumentError(
                f"{name} must be a whole number of at least 1, not {value!r}"
            )
    if timeout is not None and not timeout > 0:
        raise InvalidArgumentError(f"timeout must be more than 0 seconds, or None, not {timeout!r}")
    if give_up_after is not None and not give_up_after >= 0:
        raise InvalidArgumentError(
            f"give_up_after must be 0 seconds or more, or None, not {give_up_after!r}"
        )
    if on_result is not None and not callable(on_result):
        raise InvalidArgumentError(f"on_result must be callable, not {on_result!r}")
