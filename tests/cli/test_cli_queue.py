"""`queue`: list, show, requeue and discard, for people and for programs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import Completed

from pywats_green.__main__ import main
from pywats_green.cli.queue.items import span
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.source import DrainState


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    """Three waiting, one of them due later, one quarantined."""
    found = FolderQueue(tmp_path / "queue")
    for name in ("bad", "later"):
        found.put({"sn": name}, item_id=name, priority=1)
    first, second = found.claim(), found.claim()
    assert first is not None
    assert second is not None
    first.quarantine("HTTP 400: the serial number\nis missing \x1b[31m" + "x" * 100)
    second.retry("HTTP 503: busy", 600.0)
    found.put({"sn": "a"}, item_id="a")
    found.put({"sn": "b"}, item_id="b")
    found.close()
    return found


@pytest.fixture
def run(queue, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run in this process, because starting another takes longer than the command."""

    def words(action: str, *rest: str) -> tuple[int, str, str]:
        status = main(["queue", action, str(queue.path), *rest])
        return status, *capsys.readouterr()

    return words


def test_list(run):
    status, out, err = run("list")
    assert (status, err) == (0, "")
    head, *rows, empty, counts = out.splitlines()
    assert head.split()[:4] == ["ID", "STATE", "PRIORITY", "ATTEMPTS"]
    assert [row.split()[0] for row in rows] == ["bad", "later", "a", "b"]
    column = head.index("LAST ERROR")
    assert rows[0][column:].startswith("HTTP 400: the serial number is missing \\x1b[31mx")
    assert rows[0].endswith("x...")
    assert rows[1][column:] == "HTTP 503: busy"
    assert " 10 min " in rows[1]
    assert " now " in rows[2]
    assert (empty, counts) == ("", "3 waiting, 1 quarantined")


def test_list_says_why_nothing_was_sent(run, queue):
    queue.remember(DrainState(cause="the server failed (HTTP 500: \x1b[31m busy)"))
    _, out, _ = run("list")
    assert out.splitlines()[-2:] == [
        "3 waiting, 1 quarantined",
        "not sent for 0 s: the server failed (HTTP 500: \\x1b[31m busy)",
    ]
    assert "not sent" not in run("list", "--state", "quarantined")[1]
    queue.remember(DrainState(receipts=1))  # the gate is open again
    assert "not sent" not in run("list")[1]


def test_list_of_a_state(run):
    _, out, _ = run("list", "--state", "quarantined", "--json")
    (found,) = json.loads(out)
    assert (found["id"], found["state"], found["attempts"]) == ("bad", "quarantined", 1)
    assert out.count("\n") == 1
    assert run("list", "--state", "sent") == (0, "no items\n", "")


def test_show(run):
    status, out, _ = run("show", "bad")
    assert status == 0
    assert "\nreason    HTTP 400: the serial number is missing" in out
    assert out.splitlines()[-1] == "}"
    status, out, _ = run("show", "later", "--json")
    found = json.loads(out)
    assert (found["id"], found["body"]["sn"], found["reason"]) == (
        "later",
        "later",
        "HTTP 503: busy",
    )


def test_show_of_what_cannot_be_read(run, queue):
    (queue.path / "torn.queued").write_text("{")
    _, out, _ = run("show", "torn")
    assert out.splitlines()[-1] == "the report cannot be read"


def test_requeue(run, queue):
    assert run("requeue", "bad") == (0, "requeued bad\n", "")
    first = queue.list("waiting")[0]
    assert (first.item_id, first.attempts) == ("bad", 0)
    assert run("requeue", "later") == (0, "requeued later\n", "")
    assert {item.due_in for item in queue.list()} == {0.0}
    assert run("requeue", "--all", "--json") == (0, '{"requeued": 0}\n', "")


def test_requeue_all(run, queue):
    assert run("requeue", "--all") == (0, "requeued: 1\n", "")
    assert queue.list("quarantined") == []


def test_discard(run, queue):
    assert run("discard", "a") == (0, "discarded a\n", "")
    assert run("discard", "--all", "--json") == (0, '{"discarded": 1}\n', "")
    assert [item.item_id for item in queue.list()] == ["later", "b"]
    assert run("discard", "--all", "--state", "waiting") == (0, "discarded: 2\n", "")
    assert queue.list() == []


def test_a_state_does_not_choose_one_item(run, queue):
    status, _, err = run("discard", "a", "--state", "quarantined")
    assert (status, "--state goes with --all." in err) == (2, True)
    assert "a" in [item.item_id for item in queue.list("waiting")]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["show", "nobody"], 1, "there is no item 'nobody'"),
        (["requeue", "nobody"], 1, "`queue list"),
        (["discard", "nobody"], 1, "there is no item"),
    ],
)
def test_errors_are_one_line(run, words, status, told):
    found, out, err = run(*words)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert err.startswith("python -m pywats_green queue: ")
    assert told in err


@pytest.mark.parametrize("words", [["requeue"], ["release"], ["discard", "a", "--all"]])
def test_an_item_or_all(run, words):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith(f"Usage: python -m pywats_green queue {words[0]} [OPTIONS] FOLDER [ID]")
    assert "Give the ID of an item, or --all." in err


def test_what_is_being_sent_is_left_alone(run, queue):
    claim = queue.claim()
    assert claim is not None
    for action in ("discard", "requeue"):
        status, _, err = run(action, claim.item_id)
        assert (status, err.count("\n")) == (1, 1)
        assert "is being sent by owner" in err
    claim.release()
    queue.close()


def test_two_items_of_one_id(run, queue):
    (queue.path / "a.queued").write_text("{}")  # upstream asks nobody
    status, _, err = run("discard", "a")
    assert status == 1
    name = "a.queued"
    assert name in err
    assert run("discard", name)[0] == 0
    assert run("discard", "a")[0] == 0


@pytest.mark.parametrize("action", ["list", "show", "requeue", "discard"])
def test_wrong_folders(cli, action, tmp_path):
    """In a separate process, which must also work when the package is disabled."""
    (tmp_path / "file").touch()
    item = [] if action == "list" else ["x"]
    done: Completed = cli("queue", action, "missing", *item, PYWATS_GREEN_DISABLE="1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "there is no folder 'missing'" in done.stderr
    assert not (tmp_path / "missing").exists()
    assert main(["queue", action, str(tmp_path / "file"), *item]) == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may do anything")
def test_no_permission(run, queue):
    queue.path.chmod(0o500)
    try:
        assert run("list")[0] == 0
        status, _, err = run("discard", "a")
    finally:
        queue.path.chmod(0o700)
    assert status == 2
    assert "no permission to read and write" in err


def test_texts():
    assert [span(seconds) for seconds in (0.4, 119, 120, 7200, 200_000)] == [
        "0 s", "119 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip


def test_release_frees_what_a_process_that_is_gone_has_claimed(run, queue):
    for name in ("x", "y"):
        (queue.path / f"{name}.queued.0badf00d.claim").write_text("{}")
    assert run("release", "x") == (0, "released x\n", "")
    assert run("release", "--all", "--json") == (0, '{"released": 1}\n', "")
    assert {item.item_id for item in queue.list("waiting")} >= {"x", "y"}
    status, _, err = run("release", "x")
    assert (status, "nobody has claimed it" in err) == (1, True)


def test_requeue_by_reason_and_age(run, queue):
    assert run("requeue", "--all", "--reason", "no such", "--json")[:2] == (0, '{"requeued": 0}\n')
    assert run("requeue", "--all", "--older-than", "3600")[1] == "requeued: 0\n"
    status, _, err = run("requeue", "bad", "--reason", "x")
    assert (status, "go with --all" in err) == (2, True)
    assert run("requeue", "--all", "--reason", "SERIAL number")[1] == "requeued: 1\n"


def test_what_cannot_be_requeued_ends_with_1(run, queue):
    [bad] = queue.list("quarantined")
    (queue.path / bad.name).write_text("{}")
    status, out, err = run("requeue", "--all")
    assert (status, out) == (1, "")
    assert "requeue: 0 done, 1 not, the first because of bad: " in err


def test_json_tells_for_how_long_each_has_been_in_its_state(run, queue):
    items = {item["id"]: item for item in json.loads(run("list", "--json")[1])}
    assert 0 <= items["bad"]["since"] < 60
