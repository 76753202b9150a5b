"""The demo's jobs: submitting real reports built with pywats' API, and reading back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from pywats.models import CompOp, ReportStatus, StepStatus

from pywats_green.cli.measuring import Job

if TYPE_CHECKING:
    from pywats.models import UUTReport

PROCESS_CODE = 100
LOW_LIMIT, HIGH_LIMIT = 4.75, 5.25  # volts


def build_reports(api: Any, count: int, part_numbers: Sequence[str]) -> list[UUTReport]:
    """Build UUT reports as a test station does; the same each time, except for their ids.

    Args:
        api: The client whose report API builds them.
        count: Number of reports.
        part_numbers: Part numbers to use in turn.

    Returns:
        The reports, each with its own serial number.
    """
    parts = islice(cycle(part_numbers), count)
    return [_build_report(api, number, part) for number, part in enumerate(parts, start=1)]


def _build_report(api: Any, number: int, part_number: str) -> UUTReport:
    report: UUTReport = api.report.create_uut_report(
        operator="demo",
        part_number=part_number,
        revision="A",
        serial_number=f"DEMO-{number:05d}",
        operation_type=PROCESS_CODE,
        station_name="Demo station",
        location="Demo line",
        purpose="Demo",
    )
    measured = random.Random(number).gauss(5.0, 0.1)  # noqa: S311  # a voltage, not a secret
    passed = LOW_LIMIT <= measured <= HIGH_LIMIT
    status = StepStatus.Passed if passed else StepStatus.Failed
    root = report.get_root_sequence_call()
    root.add_numeric_step(
        name="Supply voltage", value=round(measured, 4), unit="V", comp_op=CompOp.GELE,
        low_limit=LOW_LIMIT, high_limit=HIGH_LIMIT, status=status,
    )  # fmt: skip
    root.add_string_step(name="Firmware", value="2.4.1", comp_op=CompOp.CASESENSIT, limit="2.4.1")
    root.add_boolean_step(name="Self test")
    root.status = status
    report.result = ReportStatus.Passed if passed else ReportStatus.Failed
    return report


def submitting(api: Any, reports: Sequence[UUTReport]) -> Job:
    """Return the job that submits reports."""
    return Job("submit UUT reports", api.report.submit_report, reports)


def reading(
    api: Any,
    part_numbers: Sequence[str],
    asset_serials: Sequence[str],
    report_serials: Sequence[str],
) -> list[Job]:
    """Return the jobs that read, with one call per key."""

    def headers_of(serial_number: str) -> Any:
        return api.report.get_headers_by_serial(serial_number) or None

    return [
        Job("read products", api.product.get_product, part_numbers),
        Job("read assets", api.asset.get_asset_by_serial, asset_serials),
        Job("read report headers", headers_of, report_serials),
    ]


def list_products(api: Any, count: int) -> list[str]:
    """Ask the server for the part numbers of products, at most `count`.

    Raises:
        Exception: Whatever the call raises.
    """
    service = api.product
    if hasattr(service, "query_products"):
        products = service.query_products(top=count)
    else:  # pywats-api 0.5
        products = service.get_products()[:count]
    return [product.part_number for product in products if product.part_number]


def list_keys(api: Any, count: int) -> tuple[list[str], list[str], list[str]]:
    """Ask the server for keys to read, with one call per kind.

    Args:
        api: The client.
        count: Maximum of each.

    Returns:
        Part numbers of products, serial numbers of assets, serial numbers of reports.

    Raises:
        Exception: Whatever the calls raise.
    """
    assets = api.asset.get_assets(top=count)
    headers = api.report.query_headers(top=count)
    return (
        list_products(api, count),
        [asset.serial_number for asset in assets if asset.serial_number],
        [header.serial_number for header in headers if header.serial_number],
    )
