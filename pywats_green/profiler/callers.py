"""Finds the place in the user's code that a call comes from.

The greenlets of a Pool may hold no line of the user's, as in `pool.map(api.product.get_product,
keys)`. So while a profile is recorded, the place of a Pool call travels along in its context.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from sys import _getframe as current_frame
from types import CodeType, FrameType
from typing import TypeAlias

Place: TypeAlias = tuple[CodeType, int]
"""A place in the user's code: the code of a function, and the offset of an instruction in it.

The line is worked out when somebody asks. A plain tuple, because those cost the garbage collector
nothing once it has seen them, and a profile keeps very many.
"""

Way: TypeAlias = tuple[Place | None, CodeType | None]
"""How the user's code came to a call: from which place, and by which service method."""

pool_place: ContextVar[Place | None] = ContextVar("pywats_green.pool_place", default=None)
"""Where the Pool was called that runs this greenlet; only known while a profile is recorded."""

# Who runs a function in a greenlet or a thread: never the caller that is meant.
_RUNNERS = frozenset({"pywats_green", "gevent", "greenlet", "threading", "concurrent"})

_OUTSIDE, _BETWEEN, _SERVICE = range(3)


def line_of(place: Place) -> int:
    """Return the line of a place in its file; 0 where the compiler noted none."""
    code, offset = place
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return line or 0
    return 0


class CallerFinder:
    """Tells the user's frames from those of a client library.

    Args:
        library: The top-level package of that library.
        services: What the names of the modules begin with whose methods users call.
    """

    def __init__(self, library: str, services: str) -> None:
        self._between = _RUNNERS | {library}
        self._services = services
        self._kinds: dict[str, int] = {}  # by file

    def way_in(self, frame: FrameType | None) -> Way:
        """Find by which way the user's code came here.

        Args:
            frame: Where to begin.

        Returns:
            The innermost place outside the library, this package, gevent and the threads of the
            standard library, None where there is none; and the outermost code of the library's
            services before it.
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
        """Note in the context of a Pool call where it is made."""
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
        if not file.startswith("<"):  # generated code shares such names
            self._kinds[file] = kind
        return kind
