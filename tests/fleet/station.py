"""A process that takes part in a fleet: it does what it is told on its input."""

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


class Station:
    def __init__(self) -> None:
        self.api: pyWATS | None = None

    def join(self, order: dict[str, Any]) -> dict[str, Any]:
        """Join a fleet, with a client of its own."""
        configure(fleet=order["fleet"], **order["settings"])
        configure_throttling(order["limit"], order["window"])
        caches = order.get("caches", False)
        self.api = pyWATS(order["url"], order["token"], enable_cache=caches)
        if order.get("calls", True):
            self.api.product.get_product("PN-00000")
        return {}

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Make calls."""
        assert self.api is not None
        read = self.api.product.get_product
        part, ended = order.get("part"), []

        def call(number: int) -> object:
            product = read(part or f"PN-{number % 100:05}")
            ended.append(time.time())
            return product

        started, cpu = time.time(), time.process_time()
        pool = Pool(order.get("concurrency", 50))
        results = pool.map_results(call, range(order["calls"]))
        return {
            "done": sum(result.is_success for result in results),
            "errors": sorted({str(result) for result in results if not result.is_success})[:3],
            "started": started,
            "ended": ended,
            "cpu": time.process_time() - cpu,
        }

    def write(self, order: dict[str, Any]) -> dict[str, Any]:
        """Change a product's name."""
        assert self.api is not None
        product = self.api.product.get_product(order["part"])
        assert product is not None
        product.name = order["name"]
        self.api.product.update_product(product)
        return {}

    def name(self, order: dict[str, Any]) -> dict[str, Any]:
        """Read a product's name."""
        assert self.api is not None
        product = self.api.product.get_product(order["part"])
        assert product is not None
        return {"name": product.name}

    def stats(self, order: dict[str, Any]) -> dict[str, Any]:
        state = stats()
        return {"fleet": state["fleet"], "throttle": state["throttle"]}


station = Station()
for line in _lines:
    given = json.loads(line)
    answer = getattr(station, given["do"])(given)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
