"""Calls every public method of the ten domains with plain upstream; run in a separate process.

    python tests/testing/upstream_calls.py URL TOKEN

Prints one JSON object: `errors` (method -> error), `empty` (methods that answered nothing),
`missing` (public methods without a call here), `called` (how many).
"""

from __future__ import annotations

import inspect
import io
import json
import logging
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from pywats.domains.product.models import BomItem, PublicBom, PublicBomComponent
from pywats.domains.production.models import ProductionBatch, Unit
from pywats.domains.report.models import WATSFilter
from pywats.domains.rootcause.enums import TicketStatus, TicketView
from typed import present, private

DOMAINS = (
    "product",
    "asset",
    "production",
    "report",
    "software",
    "analytics",
    "rootcause",
    "scim",
    "process",
    "manual_inspection",
)

BROKEN = {
    "production.reserve_serial_numbers": "json=",
    "scim.create_user": "json=",
    "scim.update_user": "json=",
    "scim.deactivate_user": "json=",
    "scim.set_user_active": "json=",
    "scim.update_display_name": "json=",
    "rootcause.upload_attachment": "files=",
    "software.get_revoked_packages": "a second definition shadows the first",
    "asset.get_assets_in_alarm": "AssetState.IN_ALARM does not exist",
    "asset.get_assets_in_warning": "AssetState.IN_WARNING does not exist",
    "scim.iter_users": "an async generator, which the facade hands out unwrapped",
    "software.install": "needs a manifest",
    "software.install_many": "needs a manifest",
}
"""Methods that fail in upstream itself, whatever the server answers, and why."""

EMPTY = {
    "software.check_for_updates",
    "software.cleanup_revoked",
    "software.get_available_packages",
    "report.get_recent_headers",
    "report.get_todays_headers",
    "process.clear_cache",
    "process.refresh",
    "scim.delete_user",
}
"""Methods that answer nothing here: no manifest, no report of today yet, or no result at all."""

Call = Callable[[pyWATS], Any]
PN, SN, AS = "PN-00003", "SN-00003", "AS-00003"
START, END = datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2025, 1, 1, tzinfo=timezone.utc)
FILTER = WATSFilter(part_number="PN-00001", top_count=3)
TAGS = [{"key": "colour", "value": "red"}]


def guid(kind: int, number: int) -> str:
    """Return the id of a seeded row."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def product_calls() -> dict[str, Call]:
    return {
        "get_product": lambda api: api.product.get_product(PN),
        "get_products": lambda api: api.product.get_products(),
        "get_products_full": lambda api: api.product.get_products_full(),
        "get_active_products": lambda api: api.product.get_active_products(),
        "query_products": lambda api: api.product.query_products(
            filter="partNumber eq 'pn-00003'", top=5, orderby="partNumber desc"
        ),
        "create_product": lambda api: api.product.create_product("PN-NEW", "New", "d"),
        "update_product": lambda api: api.product.update_product(api.product.get_product("PN-NEW")),
        "bulk_save_products": lambda api: api.product.bulk_save_products(
            [api.product.get_product("PN-NEW")]
        ),
        "create_revision": lambda api: api.product.create_revision("PN-NEW", "A", "n", "d"),
        "get_revision": lambda api: api.product.get_revision("PN-NEW", "A"),
        "get_revisions": lambda api: api.product.get_revisions("PN-NEW"),
        "update_revision": lambda api: api.product.update_revision(
            api.product.get_revision("PN-NEW", "A")
        ),
        "bulk_save_revisions": lambda api: api.product.bulk_save_revisions(
            [api.product.get_revision("PN-NEW", "A")]
        ),
        "get_groups": lambda api: api.product.get_groups(),
        "create_group": lambda api: api.product.create_group("G", "d"),
        "get_product_groups": lambda api: api.product.get_product_groups(1, include_filters=True),
        "create_product_group": lambda api: api.product.create_product_group("G2"),
        "update_product_group": lambda api: api.product.update_product_group(1, "G1"),
        "get_product_group_filters": lambda api: api.product.get_product_group_filters(1),
        "get_product_groups_by_product": lambda api: api.product.get_product_groups_by_product(PN),
        "get_groups_for_product": lambda api: api.product.get_groups_for_product(PN),
        "delete_product_group": lambda api: api.product.delete_product_group(1),
        "update_bom": lambda api: api.product.update_bom(
            PN, "A", [BomItem(component_ref="R1", part_number="C-1", quantity=2)], "d"
        ),
        "get_bom": lambda api: api.product.get_bom(PN, "A"),
        "get_bom_items": lambda api: api.product.get_bom_items(PN, "A"),
        "get_bom_public": lambda api: api.product.get_bom_public(PN, "A"),
        "upload_bom": lambda api: api.product.upload_bom(
            PN, "B", [{"partNumber": "C-2", "componentRef": "R2"}]
        ),
        "upload_bom_json": lambda api: api.product.upload_bom_json(
            PublicBom(
                part_number=PN,
                revision="B",
                components=[PublicBomComponent(number="C-3", quantity=1, reference="R3")],
            )
        ),
        "get_product_hierarchy": lambda api: api.product.get_product_hierarchy(PN, "A"),
        "add_subunit": lambda api: api.product.add_subunit(PN, "A", "PN-00004", "A", 2),
        "get_box_build_subunits": lambda api: api.product.get_box_build_subunits(PN, "A"),
        "get_box_build_template": _box_build,
        "remove_subunit": lambda api: api.product.remove_subunit(
            api.product.get_box_build_subunits(PN, "A")[0].relation_id
        ),
        "get_product_categories": lambda api: api.product.get_product_categories(),
        "save_product_categories": lambda api: api.product.save_product_categories([{"name": "C"}]),
        "add_product_tag": lambda api: api.product.add_product_tag(PN, "k", "v"),
        "set_product_tags": lambda api: api.product.set_product_tags(PN, TAGS),
        "get_product_tags": lambda api: api.product.get_product_tags(PN),
        "add_revision_tag": lambda api: api.product.add_revision_tag(PN, "A", "k", "v"),
        "set_revision_tags": lambda api: api.product.set_revision_tags(PN, "A", TAGS),
        "get_revision_tags": lambda api: api.product.get_revision_tags(PN, "A"),
        "get_vendors": lambda api: api.product.get_vendors(),
        "save_vendor": lambda api: api.product.save_vendor("V"),
        "delete_vendor": lambda api: api.product.delete_vendor(guid(0xD, 0)),
        "delete_revision": lambda api: api.product.delete_revision("PN-NEW", "A"),
        "delete_product": lambda api: api.product.delete_product("PN-NEW"),
    }


def _box_build(api: pyWATS) -> Any:
    with api.product.get_box_build_template("PN-00005", "A") as template:
        template.add_subunit("PN-00006", "A", quantity=2)
    found = api.product.get_box_build_subunits("PN-00005", "A")
    assert [item.child_part_number for item in found] == ["PN-00006"]
    return found


def asset_calls() -> dict[str, Call]:
    new = "AS-NEW"
    by_serial: dict[str, Any] = {"serial_number": AS}
    return {
        "get_assets": lambda api: api.asset.get_assets("contains(assetName, '3')", "assetName", 5),
        "get_asset": lambda api: api.asset.get_asset(asset_id=guid(0xE, 3)),
        "get_asset_by_serial": lambda api: api.asset.get_asset_by_serial(AS),
        "create_asset_type": lambda api: api.asset.create_asset_type("T", calibration_interval=30),
        "get_asset_types": lambda api: api.asset.get_asset_types(),
        "create_asset": lambda api: api.asset.create_asset(new, uuid.UUID(guid(0xF, 0)), "New"),
        "update_asset": lambda api: api.asset.update_asset(api.asset.get_asset_by_serial(new)),
        "get_status": lambda api: api.asset.get_status(**by_serial),
        "get_asset_state": lambda api: api.asset.get_asset_state(guid(0xE, 3)),
        "set_asset_state": lambda api: api.asset.set_asset_state(2, **by_serial),
        "get_assets_by_alarm_state": lambda api: api.asset.get_assets_by_alarm_state(2, 10),
        "increment_count": lambda api: api.asset.increment_count(**by_serial, amount=2),
        "reset_running_count": lambda api: api.asset.reset_running_count(**by_serial),
        "set_running_count": lambda api: api.asset.set_running_count(5, **by_serial),
        "set_total_count": lambda api: api.asset.set_total_count(5, **by_serial),
        "record_calibration": lambda api: api.asset.record_calibration(**by_serial),
        "record_maintenance": lambda api: api.asset.record_maintenance(
            **by_serial, date_time=START
        ),
        "record_calibration_external": lambda api: api.asset.record_calibration_external(
            **by_serial, from_date=START, to_date=END
        ),
        "record_maintenance_external": lambda api: api.asset.record_maintenance_external(
            **by_serial, from_date=START, to_date=END
        ),
        "add_log_message": lambda api: api.asset.add_log_message(guid(0xE, 3), "m", "u"),
        "get_asset_log": lambda api: api.asset.get_asset_log("type eq 4", "date desc", 3),
        "add_child_asset": lambda api: api.asset.add_child_asset(guid(0xE, 3), guid(0xE, 14)),
        "get_child_assets": lambda api: api.asset.get_child_assets(guid(0xE, 10), level=2),
        "upload_file": lambda api: api.asset.upload_file(guid(0xE, 3), "a.bin", b"\x00\xff"),
        "list_files": lambda api: api.asset.list_files(guid(0xE, 3)),
        "download_file": lambda api: api.asset.download_file(guid(0xE, 3), "a.bin"),
        "delete_files": lambda api: api.asset.delete_files(guid(0xE, 3), ["a.bin"]),
        "delete_asset": lambda api: api.asset.delete_asset(serial_number=new),
    }


def production_calls() -> dict[str, Call]:
    unit = Unit(serial_number="SN-NEW", part_number=PN, revision="A")
    other = Unit(serial_number="SN-NEW2", part_number=PN, revision="A")
    children = ("SN-00001", "PN-00001", "SN-00002", "PN-00002")
    kind = "Serial Number"
    return {
        "is_connected": lambda api: api.production.is_connected(),
        "get_unit": lambda api: api.production.get_unit(SN, PN),
        "query_units": lambda api: api.production.query_units(
            "(serialNumber eq 'SN-00001' and partNumber eq 'PN-00001')", 5, "serialNumber"
        ),
        "create_units": lambda api: api.production.create_units([unit]),
        "update_unit": lambda api: api.production.update_unit(unit),
        "create_unit_public": lambda api: api.production.create_unit_public(other),
        "update_unit_public": lambda api: api.production.update_unit_public(other),
        "create_unit": lambda api: api.production.create_unit("SN-NEW3", PN, "A", "B-1", 16),
        "change_unit_part_number": lambda api: api.production.change_unit_part_number(
            "SN-NEW3", PN, "PN-00004", "B"
        ),
        "set_unit_tag": lambda api: api.production.set_unit_tag(SN, PN, "k", "v"),
        "verify_unit": lambda api: api.production.verify_unit(SN, PN, "A"),
        "get_unit_grade": lambda api: api.production.get_unit_grade(SN, PN),
        "is_unit_passing": lambda api: api.production.is_unit_passing(SN, PN),
        "get_phases": lambda api: api.production.get_phases(),
        "get_phase": lambda api: api.production.get_phase(phase_id=16),
        "get_phase_by_name": lambda api: api.production.get_phase_by_name("finalized"),
        "get_phase_id": lambda api: api.production.get_phase_id("Finalized"),
        "get_all_unit_phases": lambda api: api.production.get_all_unit_phases(),
        "set_unit_phase": lambda api: api.production.set_unit_phase(SN, PN, "Finalized", "c"),
        "set_unit_process": lambda api: api.production.set_unit_process(SN, PN, 100),
        "get_unit_history": lambda api: api.production.get_unit_history(SN, PN),
        "get_unit_changes": lambda api: api.production.get_unit_changes(top=3, skip=1),
        "delete_unit_change": lambda api: api.production.delete_unit_change("1"),
        "acknowledge_unit_change": lambda api: api.production.acknowledge_unit_change("2"),
        "add_child_to_assembly": lambda api: api.production.add_child_to_assembly(*children),
        "verify_assembly": lambda api: api.production.verify_assembly("SN-00001", "PN-00001", "A"),
        "get_unit_hierarchy": lambda api: api.production.get_unit_hierarchy("SN-00001", "PN-00001"),
        "remove_child_from_assembly": lambda api: api.production.remove_child_from_assembly(
            *children
        ),
        "remove_all_children_from_assembly": lambda api: (
            api.production.remove_all_children_from_assembly("SN-00001", "PN-00001")
        ),
        "add_child_unit_validated": lambda api: api.production.add_child_unit_validated(
            *children, "PN-00002", "A"
        ),
        "validate_child_units": lambda api: api.production.validate_child_units(
            "SN-00001", "PN-00001"
        ),
        "remove_child_unit_localized": lambda api: api.production.remove_child_unit_localized(
            *children
        ),
        "remove_all_child_units": lambda api: api.production.remove_all_child_units(
            "SN-00001", "PN-00001"
        ),
        "get_unit_info": lambda api: api.production.get_unit_info(SN, PN),
        "get_unit_state_history": lambda api: api.production.get_unit_state_history(SN, PN),
        "get_unit_contents": lambda api: api.production.get_unit_contents(SN, PN, "A"),
        "get_sites": lambda api: api.production.get_sites(),
        "get_batches": lambda api: api.production.get_batches(),
        "create_batch": lambda api: api.production.create_batch(
            ProductionBatch(batch_number="B-N", batch_size=3)
        ),
        "update_batch": lambda api: api.production.update_batch(
            ProductionBatch(batch_number="B-N", batch_size=4)
        ),
        "save_batches": lambda api: api.production.save_batches([{"batchNumber": "B-M"}]),
        "get_serial_number_types": lambda api: api.production.get_serial_number_types(),
        "take_serial_numbers": lambda api: api.production.take_serial_numbers(kind, 3, SN, PN),
        "allocate_serial_numbers": lambda api: api.production.allocate_serial_numbers(
            "MAC Address", 2
        ),
        "find_serial_numbers_in_range": lambda api: api.production.find_serial_numbers_in_range(
            kind, "GRN000001", "GRN000002"
        ),
        "find_serial_numbers_by_reference": lambda api: (
            api.production.find_serial_numbers_by_reference(kind, SN)
        ),
        "import_serial_numbers": lambda api: api.production.import_serial_numbers(b"X1\r\nX2\r\n"),
        "export_serial_numbers": lambda api: api.production.export_serial_numbers(kind),
        "find_serial_numbers": lambda api: api.production.find_serial_numbers(
            kind, "GRN000001", "GRN000003", START, END
        ),
        "get_serial_number_count": lambda api: api.production.get_serial_number_count(kind),
        "get_serial_number_ranges": lambda api: api.production.get_serial_number_ranges(kind),
        "get_serial_number_statistics": lambda api: api.production.get_serial_number_statistics(),
        "free_serial_numbers": lambda api: api.production.free_serial_numbers([{"from": "1"}]),
        "delete_unit": lambda api: api.production.delete_unit("SN-NEW", PN),
    }


def report_calls() -> dict[str, Call]:
    uut = guid(5, 0)
    xml = (
        "<Reports><Report type='UUT' ID='00000077-0000-4000-8000-000000000000' PN='P' SN='S'"
        " Rev='A' Start='2024-01-01T00:00:00Z' Result='Passed' /></Reports>"
    )
    return {
        "get_recent_headers": lambda api: api.report.get_recent_headers(),
        "get_todays_headers": lambda api: api.report.get_todays_headers(),
        "submit": _submit,
        "submit_report": lambda api: api.report.submit_report(
            {"id": str(uuid.uuid4()), "type": "T", "pn": "P", "sn": "S", "rev": "A"}
        ),
        "submit_report_xml": lambda api: api.report.submit_report_xml(xml),
        "get_report": lambda api: (api.report.get_report(uut), api.report.get_report(guid(5, 5))),
        "get_report_xml": lambda api: api.report.get_report_xml(uut, include_attachments=True),
        "get_attachment": lambda api: api.report.get_attachment(attachment_id="1"),
        "get_all_attachments": lambda api: api.report.get_all_attachments(uut),
        "get_certificate": lambda api: api.report.get_certificate(uut),
        "query_headers": lambda api: api.report.query_headers(
            expand=["subUnits"], odata_filter="result eq 'Passed'", top=5, orderby="start desc"
        ),
        "query_uut_headers": lambda api: api.report.query_uut_headers(top=3),
        "query_uur_headers": lambda api: api.report.query_uur_headers(top=3),
        "query_headers_with_subunits": lambda api: api.report.query_headers_with_subunits(top=2),
        "query_headers_by_subunit_part_number": lambda api: (
            api.report.query_headers_by_subunit_part_number("PN-00999", "uut")
        ),
        "query_headers_by_subunit_serial": lambda api: api.report.query_headers_by_subunit_serial(
            "SUB-00000", "uut"
        ),
        "query_headers_by_misc_info": lambda api: api.report.query_headers_by_misc_info(
            "Operator note", "note 0", 5
        ),
        "get_headers_by_serial": lambda api: api.report.get_headers_by_serial("SN-00000"),
        "get_headers_by_part_number": lambda api: api.report.get_headers_by_part_number("PN-00000"),
        "get_headers_by_date_range": lambda api: api.report.get_headers_by_date_range(START, END),
    }


def _submit(api: pyWATS) -> Any:
    report = api.report.create_uut_report("op", "PN-1", "A", "SN-1", 100)
    root = report.get_root_sequence_call()
    root.add_numeric_step(name="volt", value=5.0, unit="V", low_limit=4, high_limit=6)
    report.add_misc_info("d", "v")
    number = present(api.report.submit(report))
    stored = api.report.get_report(number)
    assert stored is not None
    assert stored.model_dump(mode="json") == report.model_dump(mode="json")
    repair = api.report.create_uur_report(report, operator="op")
    again = api.report.get_report(present(api.report.submit(repair)))
    assert again is not None
    assert again.id == repair.id
    return number


def software_calls() -> dict[str, Call]:
    draft, folder, file = guid(0x51, 2), guid(0x53, 0), guid(0x52, 0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bin/run.txt", "hello")
    return {
        "is_connected": lambda api: api.software.is_connected(),
        "get_packages": lambda api: api.software.get_packages(),
        "get_package": lambda api: api.software.get_package(draft),
        "get_package_by_name": lambda api: api.software.get_package_by_name("Package 0"),
        "get_released_package": lambda api: api.software.get_released_package("Package 0"),
        "get_packages_by_tag": lambda api: api.software.get_packages_by_tag("line", "L0"),
        "get_packages_by_tag_internal": lambda api: api.software.get_packages_by_tag_internal(
            "//line[text()='L0']"
        ),
        "get_packages_by_tags": lambda api: api.software.get_packages_by_tags({"line": "L0"}),
        "create_package": lambda api: api.software.create_package("New package", "d"),
        "update_package": lambda api: api.software.update_package(
            api.software.get_package_by_name("New package")
        ),
        "submit_for_review": lambda api: api.software.submit_for_review(draft),
        "return_to_draft": lambda api: api.software.return_to_draft(draft),
        "release_package": lambda api: (
            api.software.submit_for_review(draft),
            api.software.release_package(draft),
        ),
        "revoke_package": lambda api: api.software.revoke_package(draft),
        "get_package_files": lambda api: api.software.get_package_files(guid(0x51, 0)),
        "upload_zip": lambda api: api.software.upload_zip(draft, packed.getvalue(), True),
        "update_file_attribute": lambda api: api.software.update_file_attribute(file, "8"),
        "get_file": lambda api: api.software.get_file(file),
        "check_file": lambda api: api.software.check_file(guid(0x51, 0), folder, "a", "0", 1),
        "create_package_folder": lambda api: api.software.create_package_folder(
            draft, {"name": "lib"}
        ),
        "update_package_folder": lambda api: api.software.update_package_folder(
            {"packageFolderId": folder, "name": "bin2"}
        ),
        "delete_package_folder_files": lambda api: api.software.delete_package_folder_files(
            [guid(0x54, 0)]
        ),
        "delete_package_folder": lambda api: api.software.delete_package_folder(folder),
        "get_package_history": lambda api: api.software.get_package_history("line"),
        "get_package_download_history": lambda api: api.software.get_package_download_history(1),
        "get_software_entity_details": lambda api: api.software.get_software_entity_details(draft),
        "log_download": lambda api: api.software.log_download(guid(0x51, 0), 5),
        "get_available_packages": lambda api: api.software.get_available_packages(),
        "check_for_updates": lambda api: api.software.check_for_updates(),
        "cleanup_revoked": lambda api: api.software.cleanup_revoked(tempfile.gettempdir()),
        "get_virtual_folders": lambda api: api.software.get_virtual_folders(),
        "create_virtual_folder": lambda api: api.software.create_virtual_folder("F"),
        "update_virtual_folder": lambda api: api.software.update_virtual_folder(
            guid(0x55, 1), "F2"
        ),
        "delete_virtual_folder": lambda api: api.software.delete_virtual_folder(guid(0x55, 1)),
        "delete_package_by_name": lambda api: api.software.delete_package_by_name("Package 3"),
        "delete_package": lambda api: api.software.delete_package(draft),
    }


def analytics_calls() -> dict[str, Call]:
    lists: tuple[Any, ...] = ("1", "1", 30, "<filters />", "<filters />")
    return {
        "get_version": lambda api: api.analytics.get_version(),
        "get_processes": lambda api: api.analytics.get_processes(include_repair_operations=True),
        "get_levels": lambda api: api.analytics.get_levels(),
        "get_product_groups": lambda api: api.analytics.get_product_groups(True),
        "get_dynamic_yield": lambda api: api.analytics.get_dynamic_yield(FILTER),
        "get_volume_yield": lambda api: (
            api.analytics.get_volume_yield(FILTER),
            api.analytics.get_volume_yield(product_group="G"),
        ),
        "get_high_volume": lambda api: (
            api.analytics.get_high_volume(FILTER),
            api.analytics.get_high_volume(level="L"),
        ),
        "get_high_volume_by_product_group": lambda api: (
            api.analytics.get_high_volume_by_product_group(FILTER)
        ),
        "get_worst_yield": lambda api: (
            api.analytics.get_worst_yield(FILTER),
            api.analytics.get_worst_yield(),
        ),
        "get_worst_yield_by_product_group": lambda api: (
            api.analytics.get_worst_yield_by_product_group(FILTER)
        ),
        "get_yield_summary": lambda api: api.analytics.get_yield_summary("PN-00001"),
        "get_station_yield": lambda api: api.analytics.get_station_yield("Station 0"),
        "get_dynamic_repair": lambda api: api.analytics.get_dynamic_repair(
            {"dimensions": "partNumber", "periodCount": 2}
        ),
        "get_related_repair_history": lambda api: api.analytics.get_related_repair_history(PN, "A"),
        "get_top_failed": lambda api: (
            api.analytics.get_top_failed(FILTER),
            api.analytics.get_top_failed(part_number=PN, top_count=2),
        ),
        "get_top_failed_by_product": lambda api: api.analytics.get_top_failed_by_product(
            PN, "100", "1", "1", 30
        ),
        "get_top_failed_internal": lambda api: api.analytics.get_top_failed_internal({}, 3),
        "get_test_step_analysis": lambda api: api.analytics.get_test_step_analysis(FILTER),
        "get_test_step_analysis_for_operation": lambda api: (
            api.analytics.get_test_step_analysis_for_operation(PN, "End of line test")
        ),
        "get_connection_and_execution_time": lambda api: (
            api.analytics.get_connection_and_execution_time(FILTER, min_connection_time=1)
        ),
        "get_measurements": lambda api: api.analytics.get_measurements(
            FILTER, measurement_paths="MainSequence Callback/Supply voltage"
        ),
        "get_aggregated_measurements": lambda api: api.analytics.get_aggregated_measurements(
            FILTER
        ),
        "get_oee_analysis": lambda api: api.analytics.get_oee_analysis(FILTER),
        "get_serial_number_history": lambda api: api.analytics.get_serial_number_history(FILTER),
        "get_uut_reports": lambda api: (
            api.analytics.get_uut_reports(FILTER),
            api.analytics.get_uut_reports(serial_number="SN-00000"),
        ),
        "get_uur_reports": lambda api: api.analytics.get_uur_reports({"topCount": 2}),
        "get_unit_flow": lambda api: api.analytics.get_unit_flow(),
        "get_flow_nodes": lambda api: api.analytics.get_flow_nodes(),
        "get_flow_links": lambda api: api.analytics.get_flow_links(),
        "get_flow_units": lambda api: api.analytics.get_flow_units(),
        "get_flow_summary": lambda api: api.analytics.get_flow_summary(),
        "get_bottlenecks": lambda api: api.analytics.get_bottlenecks(min_yield_threshold=99.0),
        "trace_serial_numbers": lambda api: api.analytics.trace_serial_numbers([SN]),
        "split_flow_by": lambda api: api.analytics.split_flow_by("stationName"),
        "set_unit_order": lambda api: api.analytics.set_unit_order("time"),
        "set_unit_flow_visibility": lambda api: api.analytics.set_unit_flow_visibility(["100"]),
        "show_operations": lambda api: api.analytics.show_operations(["100"]),
        "hide_operations": lambda api: api.analytics.hide_operations(["100"]),
        "expand_operations": lambda api: api.analytics.expand_operations(True),
        "get_measurement_list": lambda api: api.analytics.get_measurement_list({}, "a", "b"),
        "get_measurement_list_by_product": lambda api: (
            api.analytics.get_measurement_list_by_product(*lists)
        ),
        "get_step_status_list": lambda api: api.analytics.get_step_status_list({}, "a", "b"),
        "get_step_status_list_by_product": lambda api: (
            api.analytics.get_step_status_list_by_product(*lists)
        ),
        "get_alarm_logs": lambda api: api.analytics.get_alarm_logs(top_count=3),
    }


def rootcause_calls() -> dict[str, Call]:
    ticket, attachment = guid(0x61, 1), guid(0x63, 1)
    return {
        "get_ticket": lambda api: api.rootcause.get_ticket(ticket),
        "get_tickets": lambda api: api.rootcause.get_tickets(
            TicketStatus.OPEN | TicketStatus.SOLVED, TicketView.ALL, "Ticket"
        ),
        "get_open_tickets": lambda api: api.rootcause.get_open_tickets(),
        "get_active_tickets": lambda api: api.rootcause.get_active_tickets(),
        "create_ticket": lambda api: api.rootcause.create_ticket(
            "New", assignee="a", report_uuid=guid(5, 0), initial_comment="c"
        ),
        "update_ticket": lambda api: api.rootcause.update_ticket(api.rootcause.get_ticket(ticket)),
        "add_comment": lambda api: api.rootcause.add_comment(ticket, "c"),
        "assign_ticket": lambda api: api.rootcause.assign_ticket(ticket, "b"),
        "change_status": lambda api: api.rootcause.change_status(ticket, TicketStatus.SOLVED),
        "get_attachment": lambda api: api.rootcause.get_attachment(attachment, "t.txt"),
        "archive_tickets": lambda api: api.rootcause.archive_tickets([ticket]),
    }


def scim_calls() -> dict[str, Call]:
    return {
        "get_token": lambda api: api.scim.get_token(30),
        "get_users": lambda api: api.scim.get_users(2, 3),
        "get_user": lambda api: api.scim.get_user(guid(0x41, 0)),
        "get_user_by_username": lambda api: api.scim.get_user_by_username("user1@example.com"),
        "delete_user": lambda api: api.scim.delete_user(guid(0x41, 2)),
    }


def process_calls() -> dict[str, Call]:
    repair = uuid.UUID(guid(9, 500))
    return {
        "get_processes": lambda api: api.process.get_processes(),
        "get_processes_filtered": lambda api: api.process.get_processes_filtered(
            include_wip_operations=False
        ),
        "get_processes_detailed": lambda api: api.process.get_processes_detailed(),
        "get_process": lambda api: api.process.get_process(100),
        "get_process_by_code": lambda api: api.process.get_process_by_code(100),
        "get_process_by_name": lambda api: api.process.get_process_by_name("Burn-in"),
        "get_process_detailed": lambda api: api.process.get_process_detailed(repair),
        "get_test_operation": lambda api: api.process.get_test_operation(100),
        "get_test_operations": lambda api: api.process.get_test_operations(),
        "get_repair_operation": lambda api: api.process.get_repair_operation(500),
        "get_repair_operations": lambda api: api.process.get_repair_operations(),
        "get_wip_operation": lambda api: api.process.get_wip_operation(300),
        "get_wip_operations": lambda api: api.process.get_wip_operations(),
        "is_valid_test_operation": lambda api: api.process.is_valid_test_operation(100),
        "is_valid_repair_operation": lambda api: api.process.is_valid_repair_operation(500),
        "is_valid_wip_operation": lambda api: api.process.is_valid_wip_operation(300),
        "get_default_test_code": lambda api: api.process.get_default_test_code(),
        "get_default_test_operation": lambda api: api.process.get_default_test_operation(),
        "get_default_repair_code": lambda api: api.process.get_default_repair_code(),
        "get_default_repair_operation": lambda api: api.process.get_default_repair_operation(),
        "list_process_codes": lambda api: api.process.list_process_codes(),
        "list_process_names": lambda api: api.process.list_process_names(),
        "process_exists": lambda api: api.process.process_exists(100),
        "get_fail_codes": lambda api: api.process.get_fail_codes(500),
        "get_repair_categories": lambda api: api.process.get_repair_categories(500),
        "get_repair_codes": lambda api: api.process.get_repair_codes(500, "Component"),
        "get_repair_operation_config": lambda api: api.process.get_repair_operation_config(
            repair, 500
        ),
        "get_repair_operation_configs": lambda api: api.process.get_repair_operation_configs(),
        "refresh": lambda api: api.process.refresh(),
        "clear_cache": lambda api: api.process.clear_cache(),
    }


def inspection_calls() -> dict[str, Call]:
    first, other = guid(0x81, 0), guid(0x81, 1)
    relation = {"TestSequenceRelationId": guid(0x82, 1), "EntityValue": "PN-00000"}
    return {
        "list_definitions": lambda api: api.manual_inspection.list_definitions(),
        "get_definition": lambda api: api.manual_inspection.get_definition(first),
        "get_inspection": lambda api: api.manual_inspection.get_inspection(first),
        "copy_definition": lambda api: api.manual_inspection.copy_definition(first),
        "copy_inspection": lambda api: api.manual_inspection.copy_inspection(first),
        "get_instances_count": lambda api: api.manual_inspection.get_instances_count(other),
        "create_definition": lambda api: api.manual_inspection.create_definition("D", "d"),
        "create_inspection": lambda api: api.manual_inspection.create_inspection("I"),
        "update_definition": lambda api: api.manual_inspection.update_definition(first, name="N"),
        "move_to_pending": lambda api: api.manual_inspection.move_to_pending(first),
        "move_to_draft": lambda api: api.manual_inspection.move_to_draft(first),
        "release_inspection": lambda api: api.manual_inspection.release_inspection(first),
        "revoke_inspection": lambda api: api.manual_inspection.revoke_inspection(first),
        "list_relations": lambda api: api.manual_inspection.list_relations(first),
        "create_relation": lambda api: api.manual_inspection.create_relation(
            first, "Product", "Product", "PartNumber", "PN-1"
        ),
        "update_relation": lambda api: api.manual_inspection.update_relation(relation),
        "get_relation_conflicts": lambda api: api.manual_inspection.get_relation_conflicts(first),
        "delete_relation": lambda api: api.manual_inspection.delete_relation(relation),
        "list_sequences": lambda api: api.manual_inspection.list_sequences(),
        "update_sequence": lambda api: api.manual_inspection.update_sequence({"Name": "S"}),
        "get_mi_details": lambda api: api.manual_inspection.get_mi_details(guid(0x84, 0)),
        "get_xaml": lambda api: api.manual_inspection.get_xaml(first),
        "put_xaml": lambda api: api.manual_inspection.put_xaml(
            {"TestSequenceDefinitionId": first, "XAML": "<a />"}
        ),
        "get_wwf_content": lambda api: api.manual_inspection.get_wwf_content(first),
        "validate_misc_info": lambda api: api.manual_inspection.validate_misc_info({"a": 1}),
        "put_string_test": lambda api: api.manual_inspection.put_string_test({"a": 1}),
        "delete_sequence": lambda api: api.manual_inspection.delete_sequence(other),
    }


CALLS: dict[str, Callable[[], dict[str, Call]]] = {
    "product": product_calls,
    "asset": asset_calls,
    "production": production_calls,
    "report": report_calls,
    "software": software_calls,
    "analytics": analytics_calls,
    "rootcause": rootcause_calls,
    "scim": scim_calls,
    "process": process_calls,
    "manual_inspection": inspection_calls,
}


def public_methods(api: pyWATS, domain: str) -> set[str]:
    """Return the public methods of a domain that do I/O."""
    service = getattr(api, domain)._async
    return {
        name
        for name, member in inspect.getmembers(type(service))
        if not name.startswith("_")
        and (inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member))
    }


def main(url: str, token: str) -> dict[str, Any]:
    """Call everything and print what failed."""
    logging.disable(logging.CRITICAL)
    configure_throttling(enabled=False)
    assert "pywats_green" not in sys.modules
    api = pyWATS(base_url=url, token=token, enable_cache=False)
    # Upstream's blocking facade cannot start this clean-up task; the lookups work without it.
    private(api.process)._async._cache_started = True
    errors: dict[str, str] = {}
    empty: list[str] = []
    missing: list[str] = []
    called = 0
    for domain in DOMAINS:
        calls = CALLS[domain]()
        wanted = {f"{domain}.{name}" for name in public_methods(api, domain)}
        missing += sorted(wanted - {f"{domain}.{name}" for name in calls} - BROKEN.keys())
        for name, call in calls.items():
            called += 1
            try:
                result = call(api)
            except Exception as exc:  # noqa: BLE001 (each error is reported to the test)
                errors[f"{domain}.{name}"] = f"{type(exc).__name__}: {exc}"[:600]
                continue
            if result in (None, False, [], {}, b"", "") and f"{domain}.{name}" not in EMPTY:
                empty.append(f"{domain}.{name}")
    return {"errors": errors, "empty": empty, "missing": missing, "called": called}


if __name__ == "__main__":
    json.dump(main(sys.argv[1], sys.argv[2]), sys.stdout, indent=1)
