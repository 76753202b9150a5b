"""Carries contextvars into greenlets, which otherwise start with an empty context.

While somebody listens to the calls, the place of a Pool call travels along: in the greenlets that
it starts there may be no line of the user's, as in `pool.map(api.product.get_product, keys)`.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from sys import _getframe as current_frame
from types import CodeType, FrameType
from typing import TypeAlias

from greenlet import greenlet

from pywats_green import events

Place: TypeAlias = tuple[CodeType, int]
"""A place in the user's code: the code of a function, and the offset of an instruction in it.

The line is worked out when somebody asks. A plain tuple, because those cost the garbage collector
nothing once it has seen them, and a profile keeps very many.
"""

Way: TypeAlias = tuple[Place | None, CodeType | None]
"""How the user's code came to a call: from which place, and by which service of upstream's."""

pool_place: ContextVar[Place | None] = ContextVar("pywats_green.pool_place", default=None)
"""Where the Pool was called that runs this greenlet; only known while somebody listens."""


def line_of(place: Place) -> int:
    """Return the line of a place in its file; 0 where the compiler noted none."""
    code, offset = place
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return line or 0
    return 0


def capture() -> Context:
    """Copy the context of a Pool call, for `carry`."""
    captured = copy_context()
    if events.listeners:
        place, _ = way_in(current_frame(1))
        if place is not None:
            captured.run(pool_place.set, place)
    return captured


def carry(target: greenlet, captured: Context) -> None:
    """Give a greenlet that has not started its own copy of a context.

    Args:
        target: The greenlet; what it sets later stays its own.
        captured: The context to copy, from `capture` or `contextvars.copy_context()`.
    """
    target.gr_context = captured.copy()


# What lies between a user's line and a request: the callers of upstream's methods, and those who
# run a function in a greenlet or a thread.
_BETWEEN = frozenset({"pywats", "pywats_green", "gevent", "greenlet", "threading", "concurrent"})
_SERVICES = "pywats.domains."

OUTSIDE, BETWEEN, SERVICE = range(3)

_kinds: dict[str, int] = {}  # by file


def kind_of(frame: FrameType) -> int:
    """Tell whose code a frame runs: OUTSIDE is the user's, SERVICE a service of upstream's."""
    file = frame.f_code.co_filename
    kind = _kinds.get(file)
    if kind is None:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in _BETWEEN:
            kind = OUTSIDE
        else:
            kind = SERVICE if module.startswith(_SERVICES) else BETWEEN
        if not file.startswith("<"):  # generated code shares such names
            _kinds[file] = kind
    return kind


def way_in(frame: FrameType | None) -> Way:
    """Find by which way the user's code came here.

    Args:
        frame: Where to begin.

    Returns:
        The innermost place outside upstream, this package, gevent and the threads of the standard
        library, None where there is none; and the outermost code of upstream's services before it.
    """
    service = None
    while frame is not None:
        kind = kind_of(frame)
        if kind == OUTSIDE:
            return (frame.f_code, frame.f_lasti), service
        if kind == SERVICE:
            service = frame.f_code
        frame = frame.f_back
    return None, service
