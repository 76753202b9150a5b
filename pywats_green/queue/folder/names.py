"""File names in the queue's folder: they hold the state, order and id of a report.

    05-0006538c1f2a3b-00000000-<id>.pending.wsjf     waiting, put by us
    <id>.pending.wsjf, <id>.queued                   waiting, put by upstream
    <name of the waiting file>.<owner>.claim         claimed by the owner with that id
    <the same without .wsjf>.<owner>.meta.json       its sidecar while it is claimed
    <name of the waiting file>.sent                  delivered, but could not be removed
    <name of the waiting file> in quarantine/        quarantined
    <id>.failed.wsjf, <id>.suspended.wsjf            set aside by upstream

A file whose name is not one of these in full is not the queue's, and is not touched. The four parts
of our own names are the priority, the time of the put in microseconds (strictly increasing), the
group, and the id. Upstream's PersistentQueue can read them, too.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError

PENDING = ".pending.wsjf"
QUEUED = ".queued"
SENT = ".sent"
META = ".meta.json"
REASON = ".reason.json"
CLAIM = ".claim"

# States in which upstream leaves a report, and the waiting state to return it to. Everything that
# its AsyncPendingQueue takes ends in .error, beside an .error.info: it calls a method that does not
# exist.
ERROR = ".error"
ERROR_INFO = ".info"
PROCESSING = ".processing"
UPSTREAM_LEFT = {".processing.wsjf": PENDING, PROCESSING: QUEUED, ERROR: QUEUED}

# States in which upstream keeps what it has given up.
UPSTREAM_SET_ASIDE = (".failed.wsjf", ".suspended.wsjf")

DEFAULT_PRIORITY = 5
HIGHEST_PRIORITY, LOWEST_PRIORITY = 1, 10

UNKNOWN_GROUP = "0" * 8  # not yet determined
NO_GROUP = "f" * 8  # in no group

# Bytes. With what is added (27 before the id, 28 after it) our names stay within 255.
LONGEST_ID = 200
_LONGEST = 255

_OWN = re.compile(r"(\d\d)-([0-9a-f]{14})-([0-9a-f]{8})-(.+)\.pending\.wsjf", re.DOTALL)
_CLAIMED = re.compile(r"(.+)\.([0-9a-f]{8})\.claim", re.DOTALL)
_OWNER = re.compile(r"[0-9a-f]{8}")
_META = re.compile(r"[^.].*\.(pending|queued)(\.[0-9a-f]{8})?\.meta\.json", re.DOTALL)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
# Windows takes superscript digits for digits, and ignores blanks before a dot.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])( *\..*)?", re.IGNORECASE | re.DOTALL
)


@dataclass(slots=True)
class WaitingName:
    """The parsed name of a waiting file.

    Attributes:
        name: The name itself.
        item_id: The item's id.
        priority: 1 is sent before 10. None: not in the name.
        sequence: Microseconds; smaller is sent first. None: not in the name.
        group: UNKNOWN_GROUP, NO_GROUP or the token of a group.
    """

    name: str
    item_id: str
    priority: int | None = None
    sequence: int | None = None
    group: str = UNKNOWN_GROUP

    @property
    def is_own(self) -> bool:
        """Whether a FolderQueue gave this name; otherwise upstream did."""
        return self.sequence is not None


def waiting_name(priority: int, sequence: int, group: str, item_id: str) -> str:
    """Return the name of a waiting file of ours."""
    return f"{priority:02d}-{sequence:014x}-{group}-{item_id}{PENDING}"


def read_waiting(name: str) -> WaitingName | None:
    """Parse the name of a waiting file; None: it is not one."""
    if name.startswith("."):
        return None
    if match := _OWN.fullmatch(name):
        priority, sequence, group, item_id = match.groups()
        return WaitingName(name, item_id, int(priority), int(sequence, 16), group)
    for ending in (PENDING, QUEUED):
        if name.endswith(ending) and len(name) > len(ending):
            return WaitingName(name, name.removesuffix(ending))
    return None


def claimed_name(waiting: str, owner: str) -> str:
    """Return the name of a waiting file after an owner has claimed it."""
    return f"{waiting}.{owner}{CLAIM}"


def read_claimed(name: str) -> tuple[str, str] | None:
    """Return the waiting name and the owner of a claimed file; None: it is not one."""
    match = _CLAIMED.fullmatch(name)
    return (match[1], match[2]) if match and read_waiting(match[1]) else None


def is_owner(name: str) -> bool:
    """Return whether a name is the id of an owner."""
    return _OWNER.fullmatch(name) is not None


def read_sent(name: str) -> WaitingName | None:
    """Return the waiting name of a file that could not be removed; None: it is not one."""
    return read_waiting(name.removesuffix(SENT)) if name.endswith(SENT) else None


def read_set_aside(name: str) -> WaitingName | None:
    """Parse the name of what upstream has given up, with the id; None: it is not one."""
    for ending in UPSTREAM_SET_ASIDE:
        if name.endswith(ending) and len(name) > len(ending) and not name.startswith("."):
            return WaitingName(name, name.removesuffix(ending))
    return None


def left_by_upstream(name: str) -> str | None:
    """Return the ending of a file that upstream left in one of its own states; None: it is none."""
    if name.startswith("."):
        return None
    return next((end for end in UPSTREAM_LEFT if name.endswith(end) and name != end), None)


def meta_name(waiting: str) -> str:
    """Return the name of the sidecar with attempts, due time and last error, as upstream's."""
    return waiting.removesuffix(".wsjf") + META


def is_meta(name: str) -> bool:
    """Return whether a name is that of a sidecar of a waiting or claimed file."""
    return _META.fullmatch(name) is not None


def claim_meta_name(waiting: str, owner: str) -> str:
    """Return the name of the sidecar of a claimed file.

    It has one of its own, because upstream may write another report under the waiting name.
    """
    return f"{waiting.removesuffix('.wsjf')}.{owner}{META}"


def is_too_long(waiting: str) -> bool:
    """Return whether a waiting name of upstream's leaves no room for those it has when claimed."""
    owner = "0" * 8
    claimed = (claimed_name(waiting, owner), claim_meta_name(waiting, owner))
    return max(len(os.fsencode(name)) for name in claimed) > _LONGEST


def reason_name(waiting: str) -> str:
    """Return the name of the file with the reason for a quarantine."""
    return waiting + REASON


def short_id(item_id: str) -> str:
    """Shorten an id of upstream's so that it fits into our names."""
    cut = item_id.encode("utf-8", "surrogateescape")[: LONGEST_ID - 20]
    digest = hashlib.sha256(item_id.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{cut.decode('utf-8', 'ignore')}-{digest}"


def group_token(group: object) -> str:
    """Return the token of a group; two groups that share one merely wait for each other.

    Args:
        group: The serial number, or whatever defines the group. None: in no group.
    """
    if group is None:
        return NO_GROUP
    token = hashlib.sha256(str(group).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "1" * 8 if token in (UNKNOWN_GROUP, NO_GROUP) else token


def flaw_of_id(item_id: object) -> str | None:
    """Return why an id cannot be part of a file name on every system; None: it can."""
    if not isinstance(item_id, str) or not item_id:
        return "it is not a string, or it is empty"
    try:
        length = len(item_id.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if length > LONGEST_ID:
        return f"it is longer than {LONGEST_ID} bytes"
    if _FORBIDDEN.search(item_id):
        return 'it contains one of < > : " / \\ | ? * or a control character'
    if item_id[0] == "." or item_id[-1] in ". " or _RESERVED.fullmatch(item_id):
        return "it is reserved on Windows, starts with a dot, or ends with a dot or a space"
    return None


def check_id(item_id: object) -> None:
    """Refuse an id that cannot be part of a file name on every system.

    Raises:
        ArgumentTypeError: It is not a string.
        InvalidArgumentError: It cannot be part of a file name.
    """
    if not isinstance(item_id, str):
        raise ArgumentTypeError(f"item_id must be a string, not {item_id!r}")
    if flaw := flaw_of_id(item_id):
        raise InvalidArgumentError(f"item_id {str(item_id)[:40]!r} cannot name a file: {flaw}")


def check_priority(priority: object) -> None:
    """Refuse a priority out of range.

    Raises:
        ArgumentTypeError: It is not a whole number.
        InvalidArgumentError: It is not between 1 and 10.
    """
    text = f"priority must be 1 (first) to 10 (last), not {priority!r}"
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise ArgumentTypeError(text)
    if not HIGHEST_PRIORITY <= priority <= LOWEST_PRIORITY:
        raise InvalidArgumentError(text)
