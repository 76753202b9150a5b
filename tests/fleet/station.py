"""A process that takes part in a fleet: it makes calls when it is told to on its input."""

import pywats_green  # isort: split

import json
import sys
import time
from typing import Any

from gevent.fileobject import FileObject
from pywats import pyWATS
from pywats.core.throttle import configure_throttling

from pywats_green import Pool, configure, stats

assert pywats_green.is_active()

_lines = FileObject(sys.stdin.fileno(), "r", close=False)


def tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def run(api: pyWATS, order: dict[str, Any]) -> dict[str, Any]:
    calls, concurrency = order["calls"], order.get("concurrency", 50)
    ended: list[float] = []

    def call(number: int) -> object:
        product = api.product.get_product(f"PN-{number % 100:05}")
        ended.append(time.time())
        return product

    started, cpu = time.time(), time.process_time()
    results = Pool(concurrency).map_results(call, range(calls))
    return {
        "done": sum(result.is_success for result in results),
        "errors": sorted({str(result) for result in results if not result.is_success})[:3],
        "started": started,
        "ended": ended,
        "cpu": time.process_time() - cpu,
    }


def main() -> None:
    given = json.loads(sys.argv[1])
    configure(fleet=given["fleet"], **given.get("settings", {}))
    configure_throttling(given["limit"], given["window"])
    token = given["token"]
    with pyWATS(given["url"], token, enable_cache=False) as api:
        if given.get("joins", True):
            api.product.get_product("PN-00000")
        tell(is_ready=True)
        for line in _lines:
            order = json.loads(line)
            if order["do"] == "run":
                tell(**run(api, order))
            elif order["do"] == "stats":
                tell(fleet=stats()["fleet"])
            else:
                break


main()
