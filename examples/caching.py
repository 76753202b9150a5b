"""What the cache saves, how a write invalidates it, and its statistics.

python examples/caching.py
"""

import pywats_green  # isort: split

from pywats import pyWATS

from pywats_green.testing import WatsServer


def main() -> None:
    with WatsServer(latency=0.02) as server:
        api = pyWATS(base_url=server.url, token=server.token)
        part_numbers = [f"PN-{number % 25:05d}" for number in range(100)]
        with pywats_green.Pool(20) as pool:
            pool.map(api.product.get_product, part_numbers)
        print("100 reads over 25 products:", server.stats()["total"], "requests")
        print(f"hit rate: {pywats_green.cache_of(api).get_stats()['hit_rate']:.0%}")

        product = api.product.get_product("PN-00001")
        product.description = "changed"
        api.product.update_product(product)
        print("after the write:", api.product.get_product("PN-00001").description)

        with pywats_green.cache_control(bypass=True):
            api.product.get_product("PN-00001")
        print("requests in total:", server.stats()["total"])


if __name__ == "__main__":
    main()
