"""order_by: reports of one group in order, groups side by side."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from taking import take
from typed import present

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.order import OrderBy
from pywats_green.queue.folder.queue import FolderQueue


def drain_ids(queue: FolderQueue) -> list[str]:
    ids = []
    while (claim := queue.claim()) is not None:
        ids.append(claim.load()["id"])
        claim.delivered()
    return ids


@pytest.mark.parametrize("order_by", ["sn", lambda report: report.get("sn")])
def test_one_of_a_group_at_a_time_and_the_groups_side_by_side(tmp_path: Path, order_by) -> None:
    queue = FolderQueue(tmp_path, order_by=order_by)
    for item_id, sn in [
        ("a1", "a"),
        ("a2", "a"),
        ("b1", "b"),
        ("x", None),
        ("a3", "a"),
        ("y", None),
    ]:
        queue.put({"id": item_id, "sn": sn})
    claims = [take(queue) for _ in range(4)]
    assert [claim.item_id for claim in claims] == ["a1", "b1", "x", "y"]
    assert claims[0].group != claims[1].group
    assert claims[2].group is None
    assert queue.claim() is None
    assert present(queue.due_in()) > 0
    claims[0].delivered()
    second = take(queue)
    assert second.item_id == "a2"
    second.retry("not now", 0.0)
    assert take(queue).item_id == "a2"  # a3 does not overtake it
    queue.close()


def test_a_group_waits_for_its_first_also_across_a_restart(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    for item_id in ("a1", "a2"):
        queue.put({"id": item_id, "sn": "a"})
    queue.put({"id": "b1", "sn": "b"})
    take(queue).retry("server away", 60.0)
    queue.close()
    again = FolderQueue(tmp_path, order_by="sn")
    assert take(again).item_id == "b1"
    assert again.claim() is None
    assert 0 < present(again.due_in()) <= 60
    assert again.counts()["waiting"] == 2
    again.close()


@pytest.mark.parametrize("end", ["quarantine", "delivered"])
def test_the_next_follows_when_the_first_is_gone(tmp_path: Path, end: str) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    for item_id in ("a1", "a2"):
        queue.put({"id": item_id, "sn": "a"})
    claim = take(queue)
    claim.quarantine("bad") if end == "quarantine" else claim.delivered()
    assert queue.due_in() == 0.0
    assert take(queue).item_id == "a2"
    queue.close()


def test_discarding_the_first_lets_the_next_go(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    for item_id in ("a1", "a2"):
        queue.put({"id": item_id, "sn": "a"})
    take(queue).retry("server away", 600.0)
    queue.discard("a1")
    assert take(queue).item_id == "a2"
    queue.close()


def test_files_of_others_are_looked_into_when_they_are_claimed(tmp_path: Path) -> None:
    for number, sn in enumerate("aabac"):
        path = tmp_path / f"{number}.queued"
        path.write_text(json.dumps({"id": str(number), "sn": sn}))
        os.utime(path, (1_700_000_000 + number,) * 2)
    (tmp_path / "torn.queued").write_text("{")
    queue = FolderQueue(tmp_path, order_by="sn")
    claims = [take(queue) for _ in range(4)]
    assert [claim.item_id for claim in claims] == ["0", "2", "4", "torn"]
    assert queue.claim() is None
    claims[0].delivered()
    claim = take(queue)
    assert (claim.item_id, claim.load()["sn"]) == ("1", "a")
    assert queue.claim() is None
    queue.close()
    assert len(list(tmp_path.glob("*.queued"))) == 5


def test_an_order_by_that_fails_costs_the_order_and_no_report(tmp_path: Path) -> None:
    (tmp_path / "a.queued").write_text('{"id": "a"}')
    queue = FolderQueue(tmp_path, order_by=lambda report: report["sn"])
    assert drain_ids(queue) == ["a"]
    with pytest.raises(KeyError):
        queue.put({"id": "b"})  # whoever puts it in can still mend it
    queue.close()


def test_two_drainers_keep_the_order_of_each_group(tmp_path: Path) -> None:
    chance = random.Random(3)
    writer = FolderQueue(tmp_path, order_by="sn")
    for number in range(120):
        writer.put({"id": f"{number}", "sn": f"s{number % 4}", "n": number})
    queues = [FolderQueue(tmp_path, order_by="sn", scan_interval=0.001) for _ in range(2)]
    held: list[tuple[FolderClaim, dict[str, Any]]] = []
    done: dict[str, list[int]] = {}
    while any(queue.due_in() is not None for queue in queues) or held:
        if chance.random() < 0.6 and (claim := chance.choice(queues).claim()) is not None:
            report = claim.load()
            assert report["sn"] not in [other["sn"] for _, other in held], "two of one group"
            held.append((claim, report))
        elif held:
            claim, report = held.pop(chance.randrange(len(held)))
            if chance.random() < 0.2:
                claim.retry("not now", 0.0)
            else:
                claim.delivered()
                done.setdefault(report["sn"], []).append(report["n"])
    assert sorted(len(numbers) for numbers in done.values()) == [30] * 4
    assert all(numbers == sorted(numbers) for numbers in done.values())
    for queue in queues:
        queue.close()


def first_letter(report: dict[str, str]) -> str:
    return report["sn"][0]


def test_another_order_by_is_refused(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    queue.put({"sn": "S"})
    FolderQueue(tmp_path).put({"sn": "S"})  # its group is determined when it is claimed
    others: list[OrderBy] = ["pn", first_letter]
    for other in others:
        with pytest.raises(InvalidArgumentError, match="is used with order_by='sn', not "):
            FolderQueue(tmp_path, order_by=other).put({"sn": "S"})
    for other in (None, *others):
        with pytest.raises(InvalidArgumentError, match=r"remove \.order\.json while no process"):
            FolderQueue(tmp_path, order_by=other).claim()
    assert len(FolderQueue(tmp_path).list()) == 2  # who only looks needs none
    again = FolderQueue(tmp_path, order_by="sn")
    assert again.claim() is not None
    assert again.claim() is None
    again.close()


def test_a_function_is_known_by_its_name(tmp_path: Path) -> None:
    FolderQueue(tmp_path, order_by=first_letter).put({"sn": "S"})
    queue = FolderQueue(tmp_path, order_by=first_letter)
    assert queue.claim() is not None
    queue.close()
    with pytest.raises(InvalidArgumentError, match=r"first_letter\(\)'"):
        FolderQueue(tmp_path).claim()


def test_an_empty_field_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="order_by must name a field"):
        FolderQueue(tmp_path, order_by="")
