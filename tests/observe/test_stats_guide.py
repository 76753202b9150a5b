"""The guide names every key of `stats()`."""

import re
from pathlib import Path
from typing import Any

import pywats_green

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "monitoring.md"


def test_every_key_is_documented() -> None:
    named: dict[str, set[str]] = {}
    room = ""
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[2].startswith("`"):
            room = cells[1].strip("`") or room
            named.setdefault(room, set()).update(re.findall(r"`(\w+)`", cells[2]))
    found: dict[str, Any] = {**pywats_green.stats()}
    assert named.pop("limits") == {"used", "limit", "seconds"}
    elsewhere = ("limits", "fleet")  # the latter has its own guide, and is empty without one
    assert named == {room: {*found[room]} for room in found if room not in elsewhere}
