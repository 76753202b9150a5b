"""The routes of the domains, one module each."""

from __future__ import annotations

from pywats_green.testing.app.domains import (
    analytics,
    app_info,
    asset,
    asset_files,
    manual_inspection,
    measurements,
    process,
    product,
    product_groups,
    product_internal,
    production,
    production_internal,
    report,
    rootcause,
    scim,
    serial_numbers,
    software,
    software_internal,
    unit_flow,
)
from pywats_green.testing.app.router import RouteTable

TABLES: tuple[RouteTable, ...] = (
    app_info.ROUTES,
    analytics.ROUTES,
    asset.ROUTES,
    asset_files.ROUTES,
    manual_inspection.ROUTES,
    measurements.ROUTES,
    process.ROUTES,
    product.ROUTES,
    product_groups.ROUTES,
    product_internal.ROUTES,
    production.ROUTES,
    production_internal.ROUTES,
    report.ROUTES,
    rootcause.ROUTES,
    scim.ROUTES,
    serial_numbers.ROUTES,
    software.ROUTES,
    software_internal.ROUTES,
    unit_flow.ROUTES,
)
