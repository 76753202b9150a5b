"""The same calls, one after another and through a Pool, on the embedded server.

python examples/quickstart.py
"""

import pywats_green  # isort: split

import time

from pywats import pyWATS

from pywats_green.testing import WatsServer

PART_NUMBERS = [f"PN-{number:05d}" for number in range(100)]


def main() -> None:
    with WatsServer(latency=0.02) as server:
        api = pyWATS(base_url=server.url, token=server.token, enable_cache=False)

        start = time.perf_counter()
        one_by_one = [api.product.get_product(number) for number in PART_NUMBERS]
        print(f"one by one: {time.perf_counter() - start:.2f} s")

        start = time.perf_counter()
        with pywats_green.Pool(50) as pool:
            at_once = pool.map(api.product.get_product, PART_NUMBERS)
        print(f"50 at once: {time.perf_counter() - start:.2f} s")

        print("equal:", at_once == one_by_one)


if __name__ == "__main__":
    main()
