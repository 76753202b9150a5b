"""The types of pywats' client, from our stub of it: read by mypy and pyright, never run."""

from collections.abc import Iterator

from pywats import Product, pyWATS
from pywats.core.retry import RetryConfig
from pywats.domains.asset.models import Asset
from pywats.domains.production.models import Unit
from pywats.domains.report.models import ReportHeader
from pywats.domains.report.report_models import UUTReport
from pywats.domains.scim.models import ScimUser
from typing_extensions import assert_type

import pywats_green


def clients(retries: RetryConfig) -> None:
    with pyWATS(base_url="https://wats.example", token="...", timeout=2.5) as api:
        assert_type(api, pyWATS)
    pyWATS(retry_config=retries, retry_enabled=True, enable_cache=False, cache_ttl=60)
    pyWATS(api_key="...")  # type: ignore[call-arg]
    pyWATS(token=1)  # type: ignore[arg-type]


def blocking_methods(api: pyWATS) -> None:
    assert_type(api.product.get_product("PN-1"), Product | None)
    assert_type(api.product.get_products(), list[Product])
    assert_type(api.report.create_uut_report("Jo", "PN-1", "A", "SN-1", 10), UUTReport)
    assert_type(api.report.query_uut_headers(top=5), list[ReportHeader])
    assert_type(api.scim.iter_users(), Iterator[ScimUser])
    with api.product.get_box_build_template("PN-1", "A") as template:
        template.add_subunit("PN-2", "A", quantity=2).set_quantity("PN-2", "A", 3)
    api.product.get_product(1)  # type: ignore[arg-type]
    api.product.get_prodct("PN-1")  # type: ignore[attr-defined]


def fetching(api: pyWATS) -> None:
    assert_type(pywats_green.fetch_products(api, ["PN-1"]), dict[str, Product])
    assert_type(pywats_green.fetch_assets(api, ["SN-1"]), dict[str, Asset])
    assert_type(pywats_green.fetch_units(api, [("SN-1", "PN-1")]), dict[tuple[str, str], Unit])
