"""A contestant, in a separate process: runs rounds on request.

    python perf/contestant.py '{"flavour": "green", "url": ..., "token": ..., "concurrency": 50}'

It answers each line of JSON on stdin with one on stdout: `{"open": NAME}` prepares a play,
`{"play": NAME, "calls": N}` runs a round of it. So the harness can let contestants take turns on a
machine whose speed varies, and each has an interpreter that the others do not affect.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])
FLAVOUR: str = OPTIONS["flavour"]  # upstream, green, a library of RIVALS, or gate
RIVALS = ("aiohttp", "grequests", "requests")  # do not import pywats

if FLAVOUR in RIVALS:
    try:
        importlib.import_module(FLAVOUR)  # grequests patches the process, too
    except ImportError as exc:
        print(json.dumps({"absent": str(exc)}), flush=True)
        sys.exit()
elif FLAVOUR != "upstream":
    import pywats_green  # noqa: F401

from play import Play, Setting  # noqa: E402


def plays() -> dict[str, Callable[[Setting], Play]]:
    """Return all plays by name; imported here, after pywats_green."""
    if FLAVOUR in RIVALS:
        import rivals

        return rivals.PLAYS
    from pywats.core.throttle import configure_throttling

    if not OPTIONS.get("throttled"):
        configure_throttling(enabled=False)  # otherwise the limiter would dominate
    if FLAVOUR == "gate":
        from gate import workload

        return workload.PLAYS
    import crud
    import growth
    import holding
    import layers
    import lookups

    return {**lookups.PLAYS, **crud.PLAYS, **layers.PLAYS, **holding.PLAYS, **growth.PLAYS}


def played(play: Play, calls: int) -> dict[str, Any]:
    if play.prepare is not None:
        play.prepare(calls)
    gc.collect()
    cpu, start = time.process_time(), time.perf_counter()
    result = play.run(calls)
    seconds = time.perf_counter() - start
    answer = {"seconds": seconds, "cpu": time.process_time() - cpu}
    return {**answer, "result": result} if isinstance(result, dict) else answer


def answered(
    order: dict[str, Any],
    known: dict[str, Callable[[Setting], Play]],
    opened: dict[str, Play],
    setting: Setting,
) -> dict[str, Any]:
    """Execute a command; errors are answers, too."""
    name = order.get("open") or order["play"]
    try:
        if name not in opened:
            opened[name] = known[name](setting)
        return {} if "open" in order else played(opened[name], order["calls"])
    except Exception as exc:  # noqa: BLE001  # the other contestants continue
        return {"error": f"{type(exc).__name__}: {exc}"}


def main() -> None:
    known = plays()
    opened: dict[str, Play] = {}
    setting = Setting(FLAVOUR, OPTIONS["url"], OPTIONS["token"], OPTIONS["concurrency"])
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line), known, opened, setting)), flush=True)
    os._exit(0)  # do not wait for held calls and upstream's threads


if __name__ == "__main__":
    main()
