"""Counts the calls of our functions on the way of a request, and the files that they stand in."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pywats_green

PACKAGE = str(Path(pywats_green.__file__).parent)


class Way(NamedTuple):
    """What was called.

    Attributes:
        functions: "file:function" in the package -> how often it was entered; a coroutine or
            generator that goes on counts as entered again.
    """

    functions: Counter[str]

    @property
    def calls(self) -> int:
        return self.functions.total()

    @property
    def files(self) -> set[str]:
        return {name.partition(":")[0] for name in self.functions}

    def __str__(self) -> str:
        rows = [f"{count:4} {name}" for name, count in self.functions.most_common()]
        return "\n".join([f"{self.calls} calls in {len(self.files)} files", *rows])


def walked(call: Callable[[], object]) -> Way:
    """Make a call and count what it enters in the package; call it once before, so that it is warm.

    Counted with `sys.setprofile` in this thread, in whatever greenlet it runs: the way's own
    callbacks in the hub belong to it.
    """
    found: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE):
            found[f"{Path(code.co_filename).relative_to(PACKAGE)}:{code.co_name}"] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return Way(found)
