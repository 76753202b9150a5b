"""`drain`: what is sent, what stays, exit status and output."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from commandline import COMMAND, TIMEOUT, Completed, environment
from typed import present
from waiting import until

from pywats_green.__main__ import main
from pywats_green.cli.console import plain
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.folder.store import Store
from pywats_green.testing import WatsServer

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")

SUBMIT = "POST /api/Report/WSJF"
TOKEN = "PYWATS_GREEN_TOKEN"
URL = "PYWATS_GREEN_BASE_URL"
ACCEPT = "PYWATS_GREEN_ACCEPT"


def report(number: int, **fields: object) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "type": "T", "pn": "PN-1", "sn": f"SN-{number}", "rev": "A", "processCode": 10,
        "result": "P", "machineName": "M", "location": "L", "purpose": "P",
        "start": "2024-01-01T00:00:00+00:00",
        "root": {"id": 0, "group": "M", "stepType": "SequenceCall", "name": "x", "status": "P"},
        **fields,
    }  # fmt: skip


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    return FolderQueue(tmp_path / "queue")


@pytest.fixture
def drain(cli: Callable[..., Completed], server: WatsServer) -> Callable[..., Completed]:
    def run(*words: str, **env: str) -> Completed:
        return cli("drain", *words, **{URL: server.url, TOKEN: server.token, **env})

    return run


def test_all_sent(drain, queue, server):
    for number in range(30):
        queue.put(report(number))
    done = drain("queue")
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert [rows[name] for name in ("sent", "quarantined", "remaining")] == ["30", "0", "0"]
    assert len({len(line) for line in done.stdout.splitlines()}) == 1  # it lines up
    assert server.reports() == {report(number)["id"]: 1 for number in range(30)}
    assert queue.list() == []


def test_an_empty_folder_is_all_sent(drain, queue):
    done = drain("queue", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["submitted"] == 0


def test_what_is_refused_goes_to_quarantine(drain, queue, server):
    for number in range(3):
        queue.put(report(number), item_id=f"item-{number}")
    server.fail(SUBMIT, status=400, times=1)
    done = drain("queue", "--concurrency", "1", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["submitted"], found["quarantined"], found["exit_status"]) == (2, 1, 1)
    lines = done.stderr.splitlines()
    assert "item-0 goes to quarantine" in lines[0]
    assert lines[1].endswith("queue list queue --state quarantined")
    assert len(lines) == 2


@pytest.mark.long
def test_max_attempts_and_order(drain, queue, server):
    for number in range(4):
        queue.put(report(number, sn="one unit"))
    server.fail(SUBMIT, status=503, times=None)
    done = drain(
        *("queue", "--max-attempts", "1", "--order-by", "sn", "--give-up-after", "0", "--json")
    )
    found = json.loads(done.stdout)
    assert (done.returncode, found["quarantined"], found["remaining"]) == (4, 0, 4)
    assert found["paused_reason"].startswith("the server failed (HTTP 503")
    assert done.stderr.endswith("): drain again when it is well; nothing was lost\n")
    assert server.stats()["requests"] == {SUBMIT: 1}  # one unit at a time


@pytest.mark.long
def test_the_next_drain_begins_with_one_probe(drain, queue, server):
    for number in range(9):
        queue.put(report(number))
    server.fail(SUBMIT, mode="html", times=None)
    drain("queue", "--give-up-after", "0", "--concurrency", "4")
    first = server.stats()["requests"][SUBMIT]
    drain("queue", "--give-up-after", "0", "--concurrency", "4")
    assert (first, server.stats()["requests"][SUBMIT]) == (4, 5)


def test_a_server_that_is_away(drain, queue):
    queue.put(report(1))
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    done = drain("queue", "--give-up-after", "0.2", **{URL: url})
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("the server is unreachable (")
    assert f"check {URL} and the network, then drain again" in done.stderr
    assert [item.attempts for item in queue.list("waiting")] == [0]


@pytest.mark.long
def test_a_token_that_is_refused(drain, queue):
    queue.put(report(1))
    done = drain("queue", "--give-up-after", "0.2", **{TOKEN: "c2VjcmV0OnNlY3JldA=="})
    assert done.returncode == 4
    assert done.stderr.startswith("the server refused the token (")
    assert f"check {TOKEN}, then drain again" in done.stderr
    assert "c2VjcmV0" not in done.stderr + done.stdout
    assert [item.attempts for item in queue.list("waiting")] == [0]


@pytest.mark.long
def test_what_is_no_receipt(drain, queue, server):
    for number in range(3):
        queue.put(report(number))
    server.fail(SUBMIT, mode="html", times=None)
    done = drain("queue", "--give-up-after", "0", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["submitted"], found["remaining"]) == (4, 0, 3)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("the answer was no receipt of WATS (HTTP 200: <!DOCTYPE html>")
    assert "check the address and the proxy" in done.stderr
    assert "drain --accept any-2xx" in done.stderr
    assert [item.attempts for item in queue.list("waiting")] == [0] * 3
    done = drain("queue", "--accept", "any-2xx", "--json")
    assert (done.returncode, json.loads(done.stdout)["submitted"]) == (0, 3)


@pytest.mark.long
def test_any_2xx_by_the_environment(drain, queue, server):
    queue.put(report(1))
    server.fail(SUBMIT, mode="html", times=None)
    done = drain("queue", PYWATS_GREEN_ACCEPT="any-2xx")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({ACCEPT: "all"}, f"{ACCEPT}='all' does not fit: choose any-2xx"),
        ({URL: ""}, f"set {URL} in"),
        ({TOKEN: " "}, f"set {TOKEN} in"),
        ({URL: "", TOKEN: ""}, f"set {URL} and {TOKEN} in"),
        ({URL: "wats.example"}, f"{URL} is not a URL"),
        ({URL: "http://"}, f"{URL} is not a URL"),
        ({URL: "http://[::1"}, f"{URL} is not a URL"),
        ({URL: "http://host:99999"}, f"{URL} is not a URL"),
        ({URL: "http://host:x"}, f"{URL} is not a URL"),
        ({URL: "http://host:65536"}, f"{URL} is not a URL"),
    ],
)
def test_not_configured(queue, env, told, monkeypatch, capsys):
    for name, value in {URL: "http://127.0.0.1:9", TOKEN: "token", **env}.items():
        monkeypatch.setenv(name, value)
    assert main(["drain", str(queue.path)]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing"], "there is no folder 'missing'"),
        (["file"], "'file' is a file"),
        (["queue", "--watch", "--timeout", "1"], "not allowed with"),
        (["queue", "--timeout", "0"], "x>0"),
        (["queue", "--concurrency", "0"], "x>=1"),
        (["queue", "--accept", "all"], "'all' is not 'any-2xx'"),
        (["queue", "--status", "nonsense"], "'nonsense' is not HOST:PORT"),
        ([], "FOLDER"),
    ],
)
def test_wrong_use(queue, tmp_path, words, told, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    status = main(["drain", *words])
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert told in err.splitlines()[-1]
    assert not (tmp_path / "missing").exists()


def test_disabled(drain, queue):
    done = drain("queue", PYWATS_GREEN_DISABLE="1")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "unset it" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may do anything")
def test_no_permission(drain, queue):
    queue.path.chmod(0o500)
    done = drain("queue")
    queue.path.chmod(0o700)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no permission" in done.stderr


@contextmanager
def started(server: WatsServer, folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*COMMAND, "drain", str(folder), "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(**{URL: server.url, TOKEN: server.token}),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)


@posix
@pytest.mark.parametrize(
    ("number", "watch"),
    [(signal.SIGINT, False), pytest.param(signal.SIGTERM, True, marks=pytest.mark.long)],
)
def test_a_signal_lets_what_is_being_sent_finish(server, queue, number, watch):
    server.configure(latency=0.5)
    for index in range(20):
        queue.put(report(index))
    options = ["--concurrency", "2", *(["--watch"] if watch else [])]
    with started(server, queue.path, *options) as process:
        until(lambda: queue.list("claimed"))
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
    found = json.loads(out)
    assert process.returncode == 1
    assert found["remaining"] == 20 - found["submitted"] == len(queue.list("waiting"))
    assert found["submitted"] < 20
    assert queue.list("claimed") == []
    assert len(server.reports()) == found["submitted"]
    assert set(server.reports().values()) == {1}
    told = [f"watching {queue.path}; Ctrl-C ends it"] if watch else []
    assert err.splitlines() == [*told, "stopping, up to 30 s; again to stop now"]


@pytest.mark.long
@posix
def test_a_second_signal_does_not_wait(server, queue):
    server.configure(latency=1000.0)
    queue.put(report(1))
    with started(server, queue.path) as process:
        until(lambda: queue.list("claimed"))
        # Two of a kind would be one to a process that had no time to look between them.
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
    server.configure(latency=0.0)
    assert err.splitlines() == [
        "stopping, up to 30 s; again to stop now",
        "stopping now; what was being sent goes back to the folder",
    ]
    assert (process.returncode, json.loads(out)["remaining"]) == (1, 1)
    assert [item.attempts for item in queue.list("waiting")] == [0]


@posix
def test_a_signal_ends_it_although_nobody_reads_stderr(server, queue):
    ours, theirs = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "drain", str(queue.path), "--watch"], stdout=subprocess.DEVNULL, stderr=theirs,
        env=environment(**{URL: server.url, TOKEN: server.token}),
    ) as process:  # fmt: skip
        os.close(theirs)
        assert os.read(ours, 1000).startswith(b"watching ")
        os.close(ours)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(TIMEOUT) == 0
        finally:
            process.kill()


@posix
def test_watch_sends_what_comes_in_and_tells_of_pauses(server, queue):
    server.fail(SUBMIT, status=401, times=1)
    with started(server, queue.path, "--watch") as process:
        for number in range(3):
            queue.put(report(number))
            until(lambda number=number: len(server.reports()) == number + 1)
        until(lambda: not queue.list())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, json.loads(out)["submitted"]) == (0, 3)
    lines = err.splitlines()
    assert lines[0].startswith("watching ")
    assert lines[1].startswith("waiting: the server refused the token (")
    assert lines[2:] == ["sending again", "stopping, up to 30 s; again to stop now"]


def test_who_reads_that_it_watches_may_end_it(server, queue, monkeypatch, capsys):
    def say(text: str) -> None:
        if text.startswith("watching "):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("pywats_green.cli.drain.say", say)
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(TOKEN, server.token)
    queue.close()
    assert main(["drain", str(queue.path), "--watch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["remaining"] == 0


@posix
def test_a_status_page_beside_it(server, queue):
    with started(server, queue.path, "--watch", "--status", "127.0.0.1:0") as process:
        line = next(line for line in present(process.stderr) if line.startswith("status page: "))
        url = line.removeprefix("status page: ").strip()
        assert requests.get(f"{url}healthz", timeout=TIMEOUT).text == "ok\n"
        found = requests.get(f"{url}status.json", timeout=TIMEOUT).json()
        assert [state["name"] for state in found["queues"]] == [str(queue.path)]
        assert server.token not in str(found)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


def test_a_status_page_without_a_password(drain, queue):
    result = drain("queue", "--status", "0.0.0.0:0")
    assert result.returncode == 3
    assert "no status page: " in result.stderr


@pytest.mark.long
@posix
def test_a_terminal_shows_a_bar(server, queue):
    import pty

    for number in range(5):
        queue.put(report(number))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "drain", str(queue.path)],
        stdout=subprocess.PIPE, stderr=theirs, text=True,
        env=environment(**{URL: server.url, TOKEN: server.token}),
    ) as process:  # fmt: skip
        out, _ = process.communicate(timeout=TIMEOUT)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "sent" in out
    assert re.search(r"sent .*5/5.* [\d.,]+/s", shown)
    assert "\r\n" in shown[-12:]
    assert "\x1b[?25l" not in shown.rpartition("\x1b[?25h")[2]  # the cursor is there again


def test_text_from_outside_is_one_plain_line():
    assert plain("a\x1b[2J\nb\udcff") == "a\\x1b[2J b\\udcff"


def test_what_another_process_holds_remains_and_is_told(drain, queue, server):
    queue.put(report(1))
    queue.put(report(2))
    claim = queue.claim()
    done = drain("queue", "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["submitted"], summary["remaining"]) == (1, 1)
    assert "1 held by owner " in done.stderr
    assert ", which lives; `queue release` frees what no living process holds" in done.stderr
    claim.release()
    queue.close()
    assert drain("queue").returncode == 0


def test_what_was_quarantined_long_ago_is_deleted_where_that_is_wanted(drain, queue):
    for number in (1, 2):
        queue.put(report(number))
        claim = queue.claim()
        assert claim is not None
        claim.quarantine("HTTP 400: bad")
    queue.close()
    [old] = (queue.path / "quarantine").glob("*1.pending.wsjf.reason.json")
    os.utime(old, (1.0, 1.0))
    assert drain("queue").returncode == 0
    assert len(queue.list("quarantined")) == 2
    done = drain("queue", "--keep-quarantined", "3600")
    assert (done.returncode, done.stderr) == (
        0, "Reports deleted after more than 3600 s in quarantine: 1\n",
    )  # fmt: skip
    assert [item.item_id[-1] for item in queue.list("quarantined")] == ["2"]


@posix
def test_what_was_sent_and_could_not_be_removed_remains(queue, server, monkeypatch, capsys):
    queue.put(report(1))
    signals = [signal.SIGTERM]

    def refuse(*_args: object) -> None:
        if signals:
            os.kill(os.getpid(), signals.pop())
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Store, "finish", refuse)
    monkeypatch.setenv(URL, server.url)
    monkeypatch.setenv(TOKEN, server.token)
    status = main(["drain", str(queue.path), "--watch", "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert (summary["submitted"], summary["remaining"], status) == (1, 1, 1)


@posix
@pytest.mark.parametrize("is_terminal", [True, False])
def test_it_goes_on_when_nobody_reads_what_it_says(server, queue, is_terminal):
    """As when a connection breaks off, and the program ignores SIGHUP."""
    import pty

    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    with subprocess.Popen(
        [*COMMAND, "drain", str(queue.path), "--json", "--watch"],
        stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True,
        env=environment(**{URL: server.url, TOKEN: server.token, "TERM": "xterm"}),
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while (b"drain" if is_terminal else b"watching") not in seen:
            seen += os.read(ours, 10_000)
        os.close(ours)
        server.fail(SUBMIT, status=400, times=1)
        for number in range(3):
            queue.put(report(number))
        until(lambda: len(server.reports()) == 2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=TIMEOUT)
    summary = json.loads(out)
    assert (process.returncode, summary["submitted"], summary["quarantined"]) == (1, 2, 1)
