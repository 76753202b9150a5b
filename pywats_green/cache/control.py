"""Tells the calls made in a block how to use the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from pywats_green.exceptions import InvalidArgumentError


class Control(NamedTuple):
    """How a call uses the cache.

    Attributes:
        bypass: Neither read nor stored.
        refresh: Not read, but stored.
        ttl: Seconds that a stored answer lives. None: as without control.
    """

    bypass: bool = False
    refresh: bool = False
    ttl: float | None = None


_PLAIN = Control()
_control: ContextVar[Control] = ContextVar("pywats_green.cache_control", default=_PLAIN)


def current_control() -> Control:
    """Return the control in force in this context."""
    return _control.get()


@contextmanager
def cache_control(
    *, bypass: bool = False, refresh: bool = False, ttl: float | None = None
) -> Iterator[None]:
    """Control how the calls made inside the block use the cache of their client.

    It reaches the calls of this greenlet and those made through a `pywats_green.Pool` that is used
    inside the block. Blocks can be nested: what an inner one does not say, the outer one does.

    Args:
        bypass: Neither read the cache nor store in it.
        refresh: Ask the server, and store its answer.
        ttl: Seconds that stored answers live; 0: not stored. None: as without it.

    Raises:
        InvalidArgumentError: `ttl` is negative or no number.
    """
    if ttl is not None and not (isinstance(ttl, (int, float)) and ttl >= 0):
        raise InvalidArgumentError(f"ttl must be 0 or more seconds, or None, not {ttl!r}")
    outer = _control.get()
    token = _control.set(
        Control(bypass or outer.bypass, refresh or outer.refresh, outer.ttl if ttl is None else ttl)
    )
    try:
        yield
    finally:
        _control.reset(token)
