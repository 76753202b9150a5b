"""Reports: headers, submission, attachments."""

from datetime import datetime, timezone
from uuid import UUID

from pywats.domains.report.enums import ReportType

from parity.rows import MISSING, call, guid, kept

A_UUT, A_UUR = guid(0x5, 0), guid(0x5, 5)
FROM, TO = (datetime(2024, month, 1, tzinfo=timezone.utc) for month in (1, 3))
WSJF = {
    "id": guid(0x77, 1), "type": "T", "pn": "PN-00001", "sn": "SN-00001", "rev": "A",
    "processCode": 100, "result": "P", "machineName": "Stasjon Å", "location": "L",
    "purpose": "P", "start": "2024-01-02T03:04:05Z", "root": {"name": "Main", "status": "P"},
    "uut": {"user": "op", "execTime": 1.5},
}  # fmt: skip
WSXF = '<?xml version="1.0"?><Reports><Report ID="x" note="Ærlig ☃"/></Reports>'
UUT_ARGS = ("op", "PN-00001", "A", "SN-00001", 100)

ROWS = (
    call("query_headers", top=2),
    call("query_headers", ReportType.UUR, top=2),
    call(
        "query_headers",
        "U",
        expand=["subUnits", "miscInfo"],
        odata_filter="partNumber eq 'PN-00001'",
        top=3,
        orderby="start desc",
        skip=1,
    ),
    call("query_headers", odata_filter="no such field eq"),
    call("query_uut_headers", ["subUnits"], "serialNumber eq 'SN-00001'", 2, "start"),
    call("query_uut_headers", top=1),
    call("query_uur_headers", ["uurSubUnits"], "serialNumber eq 'SN-00005'", 2, "start"),
    call("query_uur_headers", top=1),
    call("query_headers_with_subunits", top=2),
    call("query_headers_with_subunits", ReportType.UUR, "partNumber eq 'PN-00005'", 2, "start"),
    call("query_headers_by_misc_info", "Operator note", "note 1", 2),
    call("query_headers_by_misc_info", "none", "none"),
    call("query_headers_by_subunit_part_number", "PN-00999", top=2),
    call("query_headers_by_subunit_part_number", "O'Hara", ReportType.UUR),
    call("query_headers_by_subunit_serial", "SUB-00001", top=2),
    call("query_headers_by_subunit_serial", "SUB-MISSING", "R"),
    call("get_headers_by_serial", "SN-00001", top=2),
    call("get_headers_by_serial", "SN-MISSING", ReportType.UUR),
    call("get_headers_by_part_number", "PN-00001", top=2),
    call("get_headers_by_part_number", "O'Hara & Søn"),
    call("get_headers_by_date_range", FROM, TO),
    call("get_headers_by_date_range", FROM, TO, "R"),
    call("get_recent_headers", top=2),
    call("get_recent_headers", 30, ReportType.UUR),
    call("get_todays_headers", top=2),
    call("get_report", A_UUT, keep="uut"),
    call("get_report", A_UUR),
    call("get_report", A_UUT, 2),
    call("get_report", MISSING),
    call("get_report", ""),
    call("get_report_xml", A_UUT),
    call("get_report_xml", A_UUT, True, False, True),
    call("get_report_xml", MISSING),
    call("get_attachment", attachment_id=MISSING),
    call("get_attachment", step_id=MISSING),
    call("get_attachment"),
    call("get_all_attachments", A_UUT),
    call("get_all_attachments", MISSING),
    call("get_certificate", A_UUT),
    call("get_certificate", MISSING),
    call("create_uut_report", *UUT_ARGS, keep="new_uut"),
    call(
        "create_uut_report",
        *UUT_ARGS,
        station_name="S",
        location="L",
        purpose="P",
        start_time=FROM,
    ),
    call("create_uur_from_uut", kept("new_uut"), "repairer", "dry joint", keep="new_uur"),
    call("create_uur_report", kept("new_uut"), 100, operator="repairer"),
    call("create_uur_report", UUID(A_UUT), 100, part_number="PN-1", serial_number="S-1"),
    call(
        "create_uur_report",
        part_number="PN-1",
        serial_number="S-1",
        revision="B",
        repair_process_code=510,
        test_operation_code=100,
        station_name="S",
        comment="Ø",
    ),
    call("create_uur_report"),
    call("submit", kept("new_uut")),
    call("submit", kept("new_uur")),
    call("submit", WSJF),
    call("submit", {"no": "report"}),
    call("submit", '{"id": "text goes out as it is"}'),
    call("submit_report", WSJF),
    call("submit_report", {}),
    call("submit_report_xml", WSXF),
    call("submit_report_xml", ""),
    call("get_report", WSJF["id"]),
)
