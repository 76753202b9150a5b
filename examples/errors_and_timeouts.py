"""Every item gets a result: a Failure if it is missing, too slow or broken.

python examples/errors_and_timeouts.py
"""

import pywats_green  # isort: split

from pywats import pyWATS

from pywats_green.testing import WatsServer


def main() -> None:
    with WatsServer() as server:
        api = pyWATS(base_url=server.url, token=server.token)
        server.fail("GET /api/Product/{partNumber}", mode="hang", times=1)
        part_numbers = ["PN-00001", "PN-00002", "no such product", "PN-00003"]
        with pywats_green.Pool(1) as pool:
            results = pool.map_results(api.product.get_product, part_numbers, timeout=1.0)
        for part_number, result in zip(part_numbers, results, strict=True):
            if result.is_success:
                print(f"{part_number}: {result.value.name}")
            else:
                print(f"{part_number}: {result.error_code}: {result.message}")


if __name__ == "__main__":
    main()
