"""The same work with fewer requests, because a WATS server allows only 500 a minute.

python examples/batch_operations.py
"""

import pywats_green  # isort: split

import time
from collections.abc import Callable
from typing import Any

from pywats import pyWATS
from pywats.domains.product import ProductRevision

from pywats_green import Pool, batching, fetch_assets, fetch_products, fetch_units
from pywats_green.testing import WatsServer

PART_NUMBERS = [f"PN-{number:05d}" for number in range(100)]
SERIAL_NUMBERS = [f"AS-{number:05d}" for number in range(100)]
UNITS = [(f"SN-{number:05d}", f"PN-{number:05d}") for number in range(100)]
REVISIONS = [ProductRevision(part_number=number, revision="C") for number in PART_NUMBERS[:40]]


def one_by_one(api: pyWATS) -> Any:
    return [api.product.get_product(number) for number in PART_NUMBERS]


def in_a_pool(api: pyWATS) -> Any:
    return Pool(100).map(api.product.get_product, PART_NUMBERS)


def inside_batching(api: pyWATS) -> Any:
    with batching():
        return Pool(100).map(api.product.get_product, PART_NUMBERS)


def fetched(api: pyWATS) -> Any:
    return list(fetch_products(api, PART_NUMBERS).values())


def save_in_bulk(api: pyWATS) -> Any:
    pywats_green.configure(bulk_writes=True)
    return api.product.bulk_save_revisions(REVISIONS)


def main() -> None:
    with WatsServer(latency=0.02) as server:

        def show(what: str, work: Callable[[pyWATS], Any]) -> Any:
            """Run it with a new client, which has cached and learned nothing."""
            server.reset()
            api = pyWATS(base_url=server.url, token=server.token)
            start = time.perf_counter()
            result = work(api)
            seconds = time.perf_counter() - start
            print(f"{what:36}{server.stats()['total']:5} requests {seconds:8.2f} s")
            return result

        results = [
            show("100 products, one by one", one_by_one),
            show("100 products, in a Pool", in_a_pool),
            show("100 products, inside batching()", inside_batching),
            show("100 products, fetch_products()", fetched),
        ]
        print("equal:", all(result == results[0] for result in results))
        print()
        show("100 assets, fetch_assets()", lambda api: fetch_assets(api, SERIAL_NUMBERS))
        show("100 units, fetch_units()", lambda api: fetch_units(api, UNITS))
        print()
        show(
            "40 revisions saved, as upstream",
            lambda api: api.product.bulk_save_revisions(REVISIONS),
        )
        show("40 revisions saved, bulk_writes", save_in_bulk)


if __name__ == "__main__":
    main()
