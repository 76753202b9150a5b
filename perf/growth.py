"""A play that makes many calls and counts the objects that remain."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from typing import Any

from lookups import uncached
from play import Play, Setting, keys

WARM_UP = 2000  # calls, after which permanent objects exist


def grown(setting: Setting) -> Play:
    """Return the types, by objgraph, with more objects after the calls of the round."""
    import objgraph

    import pywats_green

    api, pool = uncached(setting), pywats_green.Pool(setting.concurrency)
    peaks: dict[str, int] = {}

    def look_up(count: int) -> None:
        deque(pool.imap_unordered(api.product.get_product, keys(count)), maxlen=0)

    def prepare(_: int) -> None:
        look_up(WARM_UP)
        for _ in range(2):  # the first measurement creates objects itself
            gc.collect()
            objgraph.growth(limit=None, peak_stats=peaks)

    def run(count: int) -> dict[str, Any]:
        look_up(count)
        gc.collect()
        more = objgraph.growth(limit=None, peak_stats=peaks)
        return {"grown": {name: increase for name, _, increase in more}}

    return Play(run, prepare)


PLAYS: dict[str, Callable[[Setting], Play]] = {"growth": grown}
