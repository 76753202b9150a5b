"""Files that another program holds for a moment: nothing fails, nothing is lost."""

import logging
import os
from pathlib import Path

import gevent
import pytest
from scanner import OPERATIONS, scanner
from taking import take
from typed import present

from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.queue import FolderQueue


@pytest.mark.parametrize("only", [*OPERATIONS, None])
def test_a_whole_story(tmp_path: Path, only: str | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with scanner(tmp_path, only=only) as refused:
        queue = FolderQueue(tmp_path / "queue", scan_interval=0.01)
        for name in ("sent", "retried", "bad", "dropped"):
            queue.put({"id": name})
        claims: dict[str, FolderClaim] = {}
        while len(claims) < 4:  # one that is held is passed over for a second
            if (claim := queue.claim()) is None:
                gevent.sleep(queue.due_in() or 0.0)
                continue
            assert claim.load() == {"id": claim.item_id}
            claims[claim.item_id] = claim
        claims["sent"].delivered()
        claims["retried"].retry("server away", 100.0)
        claims["bad"].quarantine("because")
        claims["dropped"].release()
        queue.discard("dropped")
        assert {item.item_id: item.attempts for item in queue.list()} == {"retried": 1, "bad": 1}
        assert queue.show("bad")["reason"] == "because"
        assert queue.requeue() == 1
        queue.close()
    assert refused or (only == "link" and os.name == "nt")  # a rename will do there
    assert {item.item_id: item.state for item in queue.list()} == {
        "retried": "waiting",
        "bad": "waiting",
    }
    assert not list(tmp_path.rglob("*.tmp"))
    assert "Stays claimed" not in caplog.text


def test_a_kill_while_a_file_is_held_leaves_the_end_to_be_made(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    claim = take(queue)
    with scanner(tmp_path, times=1000, only="unlink") as refused:
        ending = gevent.spawn(claim.delivered)
        while not refused:
            gevent.sleep(0)
        ending.kill()
    assert queue.claim() is None
    assert not list(tmp_path.glob("*.wsjf*"))
    queue.close()


def test_a_side_car_that_is_held_costs_no_attempts(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    take(queue).retry("server away", 0.0)
    queue.close()
    queue = FolderQueue(tmp_path)
    queue.refresh()
    with scanner(tmp_path, times=1, only="open"):
        assert queue.claim() is None
        assert queue.due_in() == pytest.approx(1.0, abs=0.9)
        gevent.sleep(present(queue.due_in()))
        claim = take(queue)
    assert claim.attempts == 1
    queue.close()


@pytest.mark.usefixtures("impatient")
def test_nothing_else_of_a_group_is_sent_before_an_end_is_made(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path, order_by="sn")
    for number in range(2):
        queue.put({"id": str(number), "sn": "S"})
    claim = take(queue)
    with scanner(tmp_path, times=1000, only="rename"):
        claim.release()
        assert queue.claim() is None
    assert take(queue).item_id == "0"
    assert queue.claim() is None
    queue.close()


@pytest.mark.usefixtures("impatient")
def test_a_look_at_the_folder_carries_out_the_ends_that_were_refused(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "r"})
    queue.put({"id": "s"})
    claims = [take(queue), take(queue)]
    with scanner(tmp_path, times=1000):
        for claim in claims:
            claim.delivered()
    assert queue.counts()["in_flight"] == 2
    queue.refresh()
    assert queue.counts() == {"waiting": 0, "in_flight": 0, "quarantined": 0}
    assert not list(tmp_path.glob("*.wsjf*"))
    queue.close()
