"""The routes of the domains, one module per domain."""

from __future__ import annotations

from pywats_green.testing.app.domains import (
    analytics,
    asset,
    bom,
    manual_inspection,
    process,
    product,
    production,
    report,
    rootcause,
    scim,
    serial_numbers,
    software,
)
from pywats_green.testing.app.router import RouteTable

TABLES: tuple[RouteTable, ...] = (
    analytics.ROUTES,
    asset.ROUTES,
    bom.ROUTES,
    manual_inspection.ROUTES,
    process.ROUTES,
    product.ROUTES,
    production.ROUTES,
    report.ROUTES,
    rootcause.ROUTES,
    scim.ROUTES,
    serial_numbers.ROUTES,
    software.ROUTES,
)
