"""What a person sees of a queue, and can do to it."""

import json
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from taking import take

from pywats_green.exceptions import ArgumentTypeError, InvalidArgumentError, QueueItemError
from pywats_green.queue.folder import inspection, operated
from pywats_green.queue.folder.inspection import State
from pywats_green.queue.folder.queue import FolderQueue


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    """One waiting put off, one claimed, one in quarantine, one fresh of upstream's."""
    queue = FolderQueue(tmp_path)
    for item_id in ("bad", "late", "held"):
        queue.put({"id": item_id, "pad": "x" * 10}, priority=3)
    take(queue).quarantine("422: no such process")
    take(queue).retry("503", 100.0)
    queue.claim()
    (tmp_path / "theirs.queued").write_text("{}")
    queue.refresh()
    return queue


def test_list_shows_all_without_reading_a_body(
    queue: FolderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a body was read")

    monkeypatch.setattr("pywats_green.queue.folder.body.parse", refuse)
    items = {item.item_id: item for item in queue.list()}
    assert {item_id: item.state for item_id, item in items.items()} == {
        "bad": "quarantined", "late": "waiting", "held": "claimed", "theirs": "waiting",
    }  # fmt: skip
    late, bad = items["late"], items["bad"]
    assert (late.priority, late.attempts, late.last_error, late.size) == (3, 1, "503", 32)
    assert 90 < late.due_in <= 100
    assert 0 <= late.age < 100
    assert (bad.attempts, bad.last_error, bad.due_in) == (1, "422: no such process", 0.0)
    assert items["held"].owner
    assert (items["theirs"].priority, items["theirs"].size) == (5, 2)
    queue.close()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("waiting", {"late", "theirs"}),
        ("claimed", {"held"}),
        ("quarantined", {"bad"}),
        ("sent", set()),
    ],
)
def test_list_of_one_state(queue: FolderQueue, state: State, expected: set[str]) -> None:
    assert {item.item_id for item in queue.list(state)} == expected
    queue.close()


def test_a_state_that_does_not_exist_is_an_error(queue: FolderQueue) -> None:
    with pytest.raises(InvalidArgumentError, match="waiting, claimed, quarantined"):
        queue.list("failed")  # type: ignore[arg-type]
    queue.close()


def test_show_tells_all(queue: FolderQueue) -> None:
    shown = queue.show("bad")
    assert shown["body"] == {"id": "bad", "pad": "x" * 10}
    assert (shown["reason"], shown["state"]) == ("422: no such process", "quarantined")
    assert queue.show("held")["state"] == "claimed"
    assert Path(shown["path"]).exists()
    queue.close()


def test_show_of_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "torn.queued").write_text("{")
    shown = FolderQueue(tmp_path).show("torn")
    assert shown["body"] is None
    assert "not valid JSON" in shown["reason"]


def test_requeue_from_quarantine_begins_anew(queue: FolderQueue) -> None:
    assert queue.requeue("bad") == 1
    claim = take(queue)
    assert (claim.item_id, claim.attempts) == ("bad", 0)
    claim.delivered()
    queue.close()
    assert not list((queue.path / "quarantine").iterdir())


def test_requeue_of_a_waiting_one_makes_it_due(queue: FolderQueue) -> None:
    assert queue.requeue("late") == 1
    claim = take(queue)
    assert (claim.item_id, claim.attempts) == ("late", 0)
    queue.close()


def test_a_drainer_notices_a_requeue_by_another(queue: FolderQueue) -> None:
    FolderQueue(queue.path).requeue("late")
    queue.refresh()
    assert take(queue).item_id == "late"
    queue.close()


def test_requeue_of_all_is_of_all_in_quarantine(queue: FolderQueue) -> None:
    take(queue).quarantine("bad, too")
    assert queue.requeue() == 2
    assert queue.counts() == {"waiting": 3, "in_flight": 1, "quarantined": 0}
    assert queue.requeue() == 0
    queue.close()


def test_requeue_keeps_the_priority_of_upstreams(tmp_path: Path) -> None:
    (tmp_path / "a.pending.wsjf").write_text("{}")
    (tmp_path / "a.pending.meta.json").write_text('{"priority": 1, "attempts": 4}')
    queue = FolderQueue(tmp_path)
    queue.put({"id": "b"}, priority=2)
    take(queue).quarantine("bad")
    assert not (tmp_path / "a.pending.meta.json").exists()
    queue.requeue("a")
    claim = take(queue)
    assert (claim.item_id, claim.attempts) == ("a", 0)
    claim.release()
    queue.requeue("a")
    assert queue.list()[0].item_id == "a"
    queue.close()


def test_requeue_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.queued").write_text('{"id": "1"}')
    queue = FolderQueue(tmp_path)
    take(queue).quarantine("bad")
    (tmp_path / "a.queued").write_text('{"id": "2"}')
    with pytest.raises(QueueItemError, match="waiting already"):
        queue.requeue()
    assert len(queue.list()) == 2
    queue.close()


@pytest.mark.parametrize("item_id", ["bad", "late", "theirs"])
def test_discard_removes_all_of_it(queue: FolderQueue, item_id: str) -> None:
    queue.discard(item_id)
    assert item_id not in {item.item_id for item in queue.list()}
    assert not [path for path in queue.path.rglob(f"*{item_id}*") if path.is_file()]
    queue.close()


def test_a_claimed_one_is_refused(queue: FolderQueue) -> None:
    for refused in (queue.requeue, queue.discard):
        with pytest.raises(QueueItemError, match="is being sent by owner"):
            refused("held")
    queue.close()


def test_what_is_not_there_is_an_error(queue: FolderQueue) -> None:
    for refused in (queue.requeue, queue.discard, queue.show):
        with pytest.raises(QueueItemError, match="there is no item 'nobody'"):
            refused("nobody")
    queue.close()


def test_of_several_with_one_id_the_file_is_to_be_named(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "a", "n": 2})
    (tmp_path / "a.queued").write_text('{"id": "a", "n": 1}')  # upstream asks nobody
    with pytest.raises(QueueItemError, match="say which file") as caught:
        queue.discard("a")
    name = "a.queued"
    assert name in str(caught.value)
    queue.discard(name)
    assert queue.show("a")["body"]["n"] == 2


def test_a_folder_is_not_discarded(tmp_path: Path) -> None:
    (tmp_path / "d.queued").mkdir()
    with pytest.raises(QueueItemError, match="by hand"):
        FolderQueue(tmp_path).discard("d")


def set_aside(folder: Path, count: int, reason: str = "HTTP 400: bad", start: int = 0) -> None:
    """Write what a drain has quarantined."""
    room = folder / "quarantine"
    room.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        name = f"05-{number:014x}-00000000-q{number}.pending.wsjf"
        (room / name).write_text("{}")
        told = {"id": f"q{number}", "reason": reason, "attempts": 1, "priority": 5,
                "quarantined_at": f"2024-01-0{1 + number % 5}T00:00:00+00:00"}  # fmt: skip
        (room / f"{name}.reason.json").write_text(json.dumps(told))


def calls_of(function: Callable[[], object]) -> int:
    """Return how many calls, of Python and of C, it makes, in its worker threads, too."""
    calls = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def traced() -> object:
        sys.setprofile(note)
        try:
            return function()
        finally:
            sys.setprofile(None)

    with pytest.MonkeyPatch.context() as patch:
        for module in (inspection, operated):
            patch.setattr(module, "off_hub", lambda work: work())
        traced()
    return calls


@pytest.mark.parametrize("change", ["discard_all", "requeue"])
def test_changing_all_is_linear(tmp_path: Path, change: str) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    set_aside(few, 100)
    set_aside(many, 1000)
    costs = [calls_of(getattr(FolderQueue(folder), change)) for folder in (few, many)]
    assert costs[1] < 12 * costs[0]
    assert FolderQueue(many).list("quarantined") == []


@pytest.mark.parametrize("change", ["discard_all", "requeue"])
def test_changing_all_goes_on_past_one_that_cannot_be_changed(tmp_path: Path, change: str) -> None:
    set_aside(tmp_path, 5)
    name = "05-00000000000002-00000000-q2.pending.wsjf"
    (tmp_path / "quarantine" / name).unlink()
    (tmp_path / "quarantine" / name).mkdir()
    if change == "requeue":
        (tmp_path / name).write_text("{}")
    queue = FolderQueue(tmp_path)
    with pytest.raises(QueueItemError, match=r": 4 done, 1 not, the first because of q2: "):
        getattr(queue, change)()
    assert [item.item_id for item in queue.list("quarantined")] == ["q2"]


def test_requeue_by_reason_and_by_age(tmp_path: Path) -> None:
    set_aside(tmp_path, 3, "HTTP 400: the serial number is missing")
    set_aside(tmp_path, 4, "HTTP 413: too large", start=3)
    days = 86_400.0
    now = datetime(2024, 1, 5, tzinfo=timezone.utc).timestamp()
    queue = FolderQueue(tmp_path, clock=lambda: now)
    assert queue.requeue(reason="serial NUMBER", older_than=3 * days) == 2
    assert {item.item_id for item in queue.list("waiting")} == {"q0", "q1"}
    assert queue.requeue(reason="413") == 4
    assert queue.requeue() == 1
    with pytest.raises(InvalidArgumentError):
        queue.requeue("q0", reason="x")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"reason": 413}, ArgumentTypeError),
        ({"older_than": "1 day"}, ArgumentTypeError),
        ({"older_than": -1.0}, InvalidArgumentError),
        ({"older_than": float("nan")}, InvalidArgumentError),
    ],
)
def test_what_cannot_choose_requeues_nothing(
    tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    set_aside(tmp_path, 1, "HTTP 400")
    queue = FolderQueue(tmp_path)
    with pytest.raises(error):
        queue.requeue(**options)
    assert len(queue.list("quarantined")) == 1


def test_only_what_waits_or_is_quarantined_is_discarded(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="only waiting and quarantined"):
        FolderQueue(tmp_path).discard_all("claimed")


def test_show_of_what_goes_on_just_now_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FolderQueue(tmp_path)
    queue.put({"id": "a"})
    find = queue._find

    def find_too_soon(key: str) -> inspection.QueueItem:
        item = find(key)
        item.path.unlink()
        return item

    monkeypatch.setattr(queue, "_find", find_too_soon)
    with pytest.raises(QueueItemError, match="a has just gone; look again"):
        queue.show("a")
