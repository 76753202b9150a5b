"""Finds the place in the user's code that a call comes from.

The stack of a Pool greenlet may contain no user code, as in `pool.map(api.product.get_product,
keys)`. So while a profile is recorded, the place of a Pool call is stored in its context.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from sys import _getframe as current_frame
from types import CodeType, FrameType
from typing import TypeAlias

Place: TypeAlias = tuple[CodeType, int]
"""A place in the user's code: a code object and the offset of an instruction in it.

The line number is only computed when needed. A plain tuple, because the garbage collector untracks
those, and a profile keeps very many.
"""

Way: TypeAlias = tuple[Place | None, CodeType | None]
"""How the user's code reached a call: the place, and the service method."""

pool_place: ContextVar[Place | None] = ContextVar("pywats_green.pool_place", default=None)
"""Where the Pool that runs this greenlet was called; only set while a profile is recorded."""

# Packages that run functions in greenlets or threads, and are never the caller to report.
_RUNNERS = frozenset({"pywats_green", "gevent", "greenlet", "threading", "concurrent"})

_OUTSIDE, _BETWEEN, _SERVICE = range(3)


def line_of(place: Place) -> int:
    """Return the line number of a place. 0: the compiler recorded none."""
    code, offset = place
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return line or 0
    return 0


class CallerFinder:
    """Distinguishes the user's frames from those of a client library.

    Args:
        library: Top-level package of the library.
        services: Prefix of the modules whose methods users call.
    """

    def __init__(self, library: str, services: str) -> None:
        self._between = _RUNNERS | {library}
        self._services = services
        self._kinds: dict[str, int] = {}  # by file

    def way_in(self, frame: FrameType | None) -> Way:
        """Find how the user's code reached a frame.

        Args:
            frame: The frame to start from.

        Returns:
            The innermost place outside the library, this package, gevent and the standard
            library's threads, or None; and the outermost service method of the library below it.
        """
        service = None
        while frame is not None:
            kind = self._kinds.get(frame.f_code.co_filename)
            if kind is None:
                kind = self._kind_of(frame)
            if kind == _OUTSIDE:
                return (frame.f_code, frame.f_lasti), service
            if kind == _SERVICE:
                service = frame.f_code
            frame = frame.f_back
        return None, service

    def note_place(self, captured: Context) -> None:
        """Store the place of a Pool call in its context."""
        place, _ = self.way_in(current_frame(1))
        if place is not None:
            captured.run(pool_place.set, place)

    def _kind_of(self, frame: FrameType) -> int:
        file = frame.f_code.co_filename
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in self._between:
            kind = _OUTSIDE
        else:
            kind = _SERVICE if module.startswith(self._services) else _BETWEEN
        if not file.startswith("<"):  # generated code shares names
            self._kinds[file] = kind
        return kind
