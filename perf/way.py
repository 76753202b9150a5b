"""Counts the calls of this package's functions on the path of a request, and their files."""

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
    """The functions called.

    Attributes:
        functions: "file:function" in the package -> how often it was entered; resuming a coroutine
            or generator counts.
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
    """Make a call and count the functions it enters in the package; warm it up with a call first.

    `sys.setprofile` counts all greenlets of this thread, because callbacks in the hub are part of
    the path.
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
