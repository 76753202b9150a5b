"""Tickets."""

from uuid import UUID

from pywats.domains.rootcause.enums import TicketPriority, TicketStatus, TicketView
from pywats.domains.rootcause.models import Ticket

from parity.rows import MISSING, call, guid, kept

TICKET = kept("ticket.ticket_id")

ROWS = (
    call("get_tickets"),
    call("get_tickets", TicketStatus.OPEN | TicketStatus.SOLVED, TicketView.ALL, "relé & O'Hara"),
    call("get_open_tickets"),
    call("get_open_tickets", TicketView.ALL),
    call("get_active_tickets"),
    call("get_active_tickets", TicketView.FOLLOWING),
    call(
        "create_ticket",
        "Broken relé",
        TicketPriority.HIGH,
        "me",
        "team",
        guid(0x5, 1),
        "it clicks",
        keep="ticket",
    ),
    call("create_ticket", ""),
    call("get_ticket", TICKET),
    call("get_ticket", UUID(MISSING)),
    call("get_ticket", ""),
    call("add_comment", TICKET, "looked at it", "me"),
    call("add_comment", MISSING, "nobody"),
    call("assign_ticket", TICKET, "you"),
    call("assign_ticket", MISSING, "you"),
    call("change_status", TICKET, TicketStatus.IN_PROGRESS, "you"),
    call("change_status", MISSING, TicketStatus.IN_PROGRESS),
    call("update_ticket", kept("ticket", subject="Mended", progress="90 %")),
    call("update_ticket", Ticket(subject="no id")),
    call("get_ticket", TICKET),
    call("upload_attachment", b"\x00\xff", "a.bin"),
    call("upload_attachment", b"", "empty.bin"),
    call("get_attachment", MISSING),
    call("get_attachment", MISSING, "a.bin"),
    call("change_status", TICKET, TicketStatus.CLOSED, "you"),
    call("archive_tickets", [TICKET]),
    call("archive_tickets", [MISSING]),
    call("archive_tickets", []),
)
