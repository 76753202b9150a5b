"""Controls how the calls in a block use the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from pywats_green.cache.entries import checked_ttl


class Directives(NamedTuple):
    """How a call uses the cache.

    Attributes:
        bypass: Neither read nor stored.
        refresh: Not read, but stored.
        ttl: Seconds for which a response is cached. 0: not stored. None: the default.
    """

    bypass: bool = False
    refresh: bool = False
    ttl: float | None = None


_NONE = Directives()
_directives: ContextVar[Directives] = ContextVar("pywats_green.cache_control", default=_NONE)

current_directives = _directives.get
"""Returns the directives in force in this context."""


@contextmanager
def cache_control(
    *, bypass: bool = False, refresh: bool = False, ttl: float | None = None
) -> Iterator[None]:
    """Control how the calls made inside the block use the cache of their client.

    Applies to the calls of this greenlet and those made through a `pywats_green.Pool` used inside
    the block. Blocks can be nested; what the inner one does not set is inherited.

    Args:
        bypass: Whether to ignore the cache: neither read from it nor store in it.
        refresh: Whether to ask the server, and store its response.
        ttl: Seconds for which responses are cached. 0: not stored. None: the default.

    Raises:
        ArgumentTypeError: `ttl` is not a number.
        InvalidArgumentError: `ttl` is negative.
    """
    if ttl is not None:
        checked_ttl(ttl)
    outer = _directives.get()
    token = _directives.set(
        Directives(
            bypass or outer.bypass, refresh or outer.refresh, outer.ttl if ttl is None else ttl
        )
    )
    try:
        yield
    finally:
        _directives.reset(token)
