"""The processor between a FolderQueue and the embedded server."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from drain_fakes import FakeTiming, SocketTiming
from gevent.event import Event
from platforms import PATIENCE
from pywats import pyWATS
from scanner import scanner
from typed import present, private
from waiting import until

from pywats_green.exceptions import QueueFolderError
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.queue.folder.store import Store
from pywats_green.testing import WatsServer
from pywats_green.upstream.features.queues.processor import QueueProcessor

WSJF = "POST /api/Report/WSJF"


def _report(number: int, **fields: Any) -> dict[str, Any]:
    report_id = str(uuid.UUID(int=number + 1))
    return {"id": report_id, "type": "T", "pn": "PN-00001", "sn": f"SN-{number}", **fields}


def _left_in(folder: Path) -> list[Path]:
    """Return the files in a folder, but for the locks of ids, which stay."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def _fill(folder: Path, count: int, start: int = 0) -> set[str]:
    """Write reports as upstream's station software leaves them: quick, and a test of that too."""
    folder.mkdir(exist_ok=True)
    ids = set()
    for number in range(start, start + count):
        report = _report(number)
        (folder / f"r{number:05d}.queued").write_text(json.dumps(report))
        ids.add(report["id"])
    return ids


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "queue"


def test_a_thousand_reports_at_50_at_a_time(server: WatsServer, api: pyWATS, folder: Path) -> None:
    ids = _fill(folder, 1000)
    summary = QueueProcessor(folder, api, concurrency=50).drain()
    assert summary[:5] == (1000, 0, 0, 0, None)
    assert server.reports() == dict.fromkeys(ids, 1)
    assert _left_in(folder) == []


@pytest.mark.parametrize(
    ("status", "end"),
    [
        *((status, "poison") for status in (400, 409, 413, 415, 422)),
        *((status, "paused") for status in (401, 403, 404, 405, 407, 408, 410, 421, 425, 429)),
        *((status, "paused") for status in (500, 502, 503, 504)),
    ],
)
def test_each_status(server: WatsServer, api: pyWATS, folder: Path, status: int, end: str) -> None:
    ids = _fill(folder, 3)
    server.fail(WSJF, status, times=1)
    results: list[tuple[str, str]] = []
    summary = QueueProcessor(
        folder,
        api,
        concurrency=1,
        backoff=(0.01, 0.02),
        on_result=lambda item, outcome, _: results.append((item, outcome)),
    ).drain()
    quarantined = int(end == "poison")
    assert summary[:5] == (3 - quarantined, 0, quarantined, 0, None)
    assert not (folder / ".gate.json").exists()
    counts = server.reports()
    assert len(counts) == 3 - quarantined
    assert set(counts) <= ids
    outcomes = Counter(outcome for _, outcome in results)
    assert outcomes["released"] == int(end == "paused")
    if quarantined:
        [item] = FolderQueue(folder).list("quarantined")
        assert f"HTTP {status}" in FolderQueue(folder).show(item.item_id)["reason"]


def test_retry_after_is_kept(server: WatsServer, api: pyWATS, folder: Path) -> None:
    _fill(folder, 20)
    server.fail(WSJF, 429, times=1, retry_after=1.0)
    summary = QueueProcessor(folder, api, backoff=(0.01, 0.01)).drain()
    assert summary[:4] == (20, 0, 0, 0)
    assert summary.elapsed >= 1.0


@pytest.mark.parametrize("mode", ["reset", "close", "cut", "hang"])
def test_broken_exchanges_are_sent_again(
    server: WatsServer, api: pyWATS, folder: Path, mode: str
) -> None:
    ids = _fill(folder, 20)
    server.fail(WSJF, times=5, mode=mode)
    timeout = 0.5 if mode == "hang" else 60.0
    summary = QueueProcessor(
        folder, api, backoff=(0.01, 0.02), timeout=timeout, max_attempts=None
    ).drain()
    assert (summary.submitted, summary.quarantined, summary.remaining) == (20, 0, 0)
    assert set(server.reports()) == ids


def test_a_pause_ends_when_the_token_is_taken_again(
    server: WatsServer, api: pyWATS, folder: Path
) -> None:
    ids = _fill(folder, 50)
    server.fail(WSJF, 401, times=25)
    summary = QueueProcessor(folder, api, concurrency=20, backoff=(0.01, 0.02)).drain()
    assert summary[:5] == (50, 0, 0, 0, None)
    assert set(server.reports()) == ids


def test_a_refused_token_ends_the_drain_and_changes_nothing(
    server: WatsServer, folder: Path
) -> None:
    _fill(folder, 30)
    with pyWATS(base_url=server.url, token="d3Jvbmc6d3Jvbmc=") as api:
        summary = QueueProcessor(folder, api, give_up_after=0.2, backoff=(0.05, 0.1)).drain()
    assert summary[:4] == (0, 0, 0, 30)
    assert summary.paused_reason is not None
    assert "refused the token" in summary.paused_reason
    assert "d3Jvbmc" not in summary.paused_reason
    assert min(path.name for path in folder.glob("*.queued")) == "r00000.queued"
    assert len(list(folder.glob("*.queued"))) == 30


def test_a_server_that_comes_back_is_found_by_one_probe(folder: Path) -> None:
    ids = _fill(folder, 200)
    with WatsServer() as first:
        port = int(first.url.rpartition(":")[2])
    away = Event()
    with pyWATS(base_url=f"http://127.0.0.1:{port}", token=first.token) as api:
        processor = QueueProcessor(
            folder,
            api,
            concurrency=50,
            backoff=(0.05, 1.0),
            on_result=lambda _item, outcome, _error: outcome == "released" and away.set(),
        )
        drain = gevent.spawn(processor.drain)
        assert away.wait(30)
        assert processor.paused_reason is not None
        assert "the server is unreachable" in processor.paused_reason
        with WatsServer(port=port) as second:
            summary = drain.get(timeout=60)
            assert second.reports() == dict.fromkeys(ids, 1)
        assert summary[:5] == (200, 0, 0, 0, None)
        assert processor.stats()["released"] < 150  # what was in flight, and probes one by one
        assert private(api)._http_client._circuit_breaker.state.name == "CLOSED"


def test_the_breaker_is_neither_fed_nor_asked(server: WatsServer, folder: Path) -> None:
    _fill(folder, 40)
    with pyWATS(base_url="http://127.0.0.1:9", token="x") as api:
        QueueProcessor(folder, api, give_up_after=0.3, backoff=(0.01, 0.02)).drain()
        assert private(api)._http_client._circuit_breaker.state.name == "CLOSED"
    with pyWATS(base_url=server.url, token=server.token) as api:
        breaker = private(api)._http_client._circuit_breaker
        for _ in range(5):
            with pytest.raises(OSError, match="planted"):
                breaker.call(_planted)
        assert breaker.state.name == "OPEN"
        assert QueueProcessor(folder, api).drain().submitted == 40
        assert breaker.state.name == "OPEN"


def _planted() -> None:
    raise OSError("planted")


def test_poison_among_good_ones(server: WatsServer, api: pyWATS, folder: Path) -> None:
    ids = _fill(folder, 30)
    for name, text in {"torn": '{"id": "tor', "empty": "", "list": "[1]"}.items():
        path = folder / f"{name}.queued"
        path.write_text(text)
        os.utime(path, (0, 0))  # nobody is writing it any more
    (folder / "bad.queued").write_text('{"type": "T"}')  # 400 by the server
    summary = QueueProcessor(folder, api).drain()
    assert summary[:4] == (30, 0, 4, 0)
    assert set(server.reports()) == ids


@pytest.mark.long
def test_two_drainers_send_each_report_once(server: WatsServer, folder: Path) -> None:
    ids = _fill(folder, 200)
    server.configure(latency=1.0)
    drainers = [_start(folder, server, 10) for _ in range(2)]
    for drainer in drainers:
        _go(drainer)
    _in_flight(server, 11)  # so both are at work
    server.configure(latency=0.0)
    sent = [int(drainer.communicate(timeout=PATIENCE)[0]) for drainer in drainers]
    assert [drainer.returncode for drainer in drainers] == [0, 0]
    assert sum(sent) == 200
    assert min(sent) > 0
    assert server.reports() == dict.fromkeys(ids, 1)


DRAINER = """
import sys
import pywats_green
from pywats import pyWATS
from pywats.core.throttle import configure_throttling
from pywats_green.upstream.features.queues.processor import QueueProcessor

folder, url, token, concurrency, how = sys.argv[1:]
configure_throttling(enabled=False)
api = pyWATS(base_url=url, token=token)
processor = QueueProcessor(folder, api, concurrency=int(concurrency), backoff=(0.01, 0.05))
print("ready", file=sys.stderr, flush=True)
if how == "drain":
    sys.stdin.readline()
    print(processor.drain().submitted)
else:
    processor.run(handle_signals=True, stop_timeout=float(how))
    print(processor.stats()["submitted"])
"""


def _start(
    folder: Path, server: WatsServer, concurrency: int, how: str = "drain"
) -> "subprocess.Popen[str]":
    process = _launch(folder, server, concurrency, how)
    _ready(process)
    return process


def _ready(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line == "ready\n", line + process.stderr.read()


def _launch(
    folder: Path, server: WatsServer, concurrency: int, how: str = "drain"
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-c", DRAINER, str(folder), server.url),
            *(server.token, str(concurrency), how),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _launched.append(process)
    return process


_launched: list["subprocess.Popen[str]"] = []


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    while _launched:
        process = _launched.pop()
        if process.poll() is None:  # the test failed half-way
            process.kill()
            process.communicate()


def _go(drainer: "subprocess.Popen[str]") -> None:
    assert drainer.stdin is not None
    drainer.stdin.write("go\n")
    drainer.stdin.flush()


def _in_flight(server: WatsServer, count: int) -> None:
    """Wait until the server holds that many requests."""
    until(lambda: server.stats()["in_flight"] >= count)


@pytest.mark.parametrize(
    ("kills", "first"),
    [
        (2, 3),
        pytest.param(12, 0, marks=[pytest.mark.long, pytest.mark.timeout(300)]),
        pytest.param(12, 12, marks=[pytest.mark.long, pytest.mark.timeout(300)]),
    ],
)
def test_kill_9_loses_nothing_and_repeats_only_what_was_in_flight(
    server: WatsServer, folder: Path, kills: int, first: int
) -> None:
    """Kills after 0, 1, 2, ... accepted reports; the bound on re-sends holds over all kills."""
    concurrency = 8
    ids = _fill(folder, 300)
    server.configure(latency=0.04)
    following = _launch(folder, server, concurrency)  # one starts up while the other drains
    for number in range(kills):
        drainer, following = following, _launch(folder, server, concurrency)
        ids |= _fill(folder, 20, start=300 + 20 * number)  # so that there is always work
        _ready(drainer)
        wanted = sum(server.reports().values()) + first + number
        _go(drainer)
        until(
            lambda drainer=drainer, wanted=wanted: (
                sum(server.reports().values()) >= wanted or drainer.poll() is not None
            )
        )
        drainer.kill()
        drainer.communicate()
    following.kill()
    following.communicate()
    left = len([path for path in folder.iterdir() if ".queued" in path.name])
    assert len(server.reports()) + left >= len(ids)  # each is there, here or in both places
    summary = QueueProcessor(folder, _client(server)).drain()
    assert summary.quarantined == 0
    counts = server.reports()
    assert set(counts) == ids
    assert sum(counts.values()) - len(counts) <= kills * concurrency


def _client(server: WatsServer) -> pyWATS:
    return pyWATS(base_url=server.url, token=server.token)


@pytest.fixture
def slow_server() -> Iterator[WatsServer]:
    with WatsServer(latency=0.4) as server:
        yield server


@pytest.mark.skipif(sys.platform == "win32", reason="Windows delivers no signal to another process")
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_a_signal_lets_what_is_in_flight_finish(
    slow_server: WatsServer, folder: Path, number: signal.Signals
) -> None:
    ids = _fill(folder, 300)
    drainer = _start(folder, slow_server, 10, how="30")
    _in_flight(slow_server, 10)
    drainer.send_signal(number)
    out, err = drainer.communicate(timeout=PATIENCE)
    assert (drainer.returncode, err) == (0, "")
    sent = int(out)
    counts = slow_server.reports()
    assert 10 <= sent == len(counts) < 300
    assert set(counts.values()) == {1}
    assert len(list(folder.glob("*.queued"))) == 300 - sent  # under the names they had
    slow_server.configure(latency=0.0)
    with _client(slow_server) as api:
        QueueProcessor(folder, api).drain()
    assert slow_server.reports() == dict.fromkeys(ids, 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no signal to another process")
def test_after_the_stop_timeout_the_rest_is_given_back(
    slow_server: WatsServer, folder: Path
) -> None:
    _fill(folder, 30)
    slow_server.configure(latency=30.0)
    drainer = _start(folder, slow_server, 10, how="0.1")
    _in_flight(slow_server, 10)
    drainer.send_signal(signal.SIGTERM)
    out, err = drainer.communicate(timeout=PATIENCE)
    assert (drainer.returncode, out, err) == (0, "0\n", "")
    assert len(list(folder.glob("*.queued"))) == 30
    assert not list(folder.glob("*.meta.json"))


def test_signal_handlers_are_put_back(folder: Path, api: pyWATS) -> None:
    folder.mkdir()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    processor = QueueProcessor(folder, api)
    gevent.spawn(processor.stop)  # when `run` begins to wait
    processor.run(handle_signals=True)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_run_picks_up_new_files(server: WatsServer, api: pyWATS, folder: Path) -> None:
    folder.mkdir()
    processor = QueueProcessor(folder, api)
    runner = gevent.spawn(processor.run)
    arrived = Event()
    gevent.idle()
    processor._sender._on_result = lambda *_: arrived.set()
    _fill(folder, 1)
    assert arrived.wait(30)
    FolderQueue(folder).put(_report(7))
    arrived.clear()
    assert arrived.wait(30)
    processor.stop()
    runner.get(timeout=30)
    assert len(server.reports()) == 2
    assert _left_in(folder) == []


@pytest.mark.long
def test_a_scanner_that_holds_every_file_for_a_moment(
    server: WatsServer, api: pyWATS, folder: Path
) -> None:
    queue = FolderQueue(folder)
    for number in range(3):
        queue.put(_report(number))
    queue.close()
    with scanner(folder) as refused:
        summary = QueueProcessor(folder, api).drain()
    assert refused.keys() >= {"rename", "unlink", "scandir", "open", "stat"}
    assert summary[:5] == (3, 0, 0, 0, None)
    assert set(server.reports().values()) == {1}
    assert _left_in(folder) == []


@pytest.mark.parametrize(
    "fault",
    [
        *(503, "close"),
        *(
            pytest.param(fault, marks=pytest.mark.long)
            for fault in (404, 405, 407, 410, 421, "html")
        ),
    ],
)
def test_after_an_outage_of_20_minutes_all_is_sent(
    server: WatsServer, api: pyWATS, folder: Path, fault: int | str
) -> None:
    """Over real sockets, with a folder whose clocks are turned by hand, too."""
    timing = SocketTiming()
    queue = FolderQueue(folder, timer=timing.clock, clock=timing.clock)
    ids = {queue.put(_report(number)) for number in range(60)}
    posts: list[float] = []
    how: Any = {"status": fault} if isinstance(fault, int) else {"mode": fault}
    server.fail(WSJF, times=None, **how)

    def until_it_is_over(*_: object) -> None:
        posts.append(timing.now)
        if timing.now >= 1000 + 1200:
            server.clear_faults()

    processor = QueueProcessor(
        queue, api, timing=timing, give_up_after=None, on_result=until_it_is_over
    )
    summary = timing.serve(processor).drain()
    assert summary[:5] == (60, 0, 0, 0, None)
    assert set(server.reports()) == ids
    assert 1200 <= summary.elapsed < 1200 + 600
    assert len([when for when in posts if when < 2200]) <= 20 + 50  # then one at a time
    assert [path for path in folder.iterdir() if path.is_file()] == []


def claimed_elsewhere(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"r{number}.queued.0badf00d.claim").write_text(json.dumps(_report(number)))


def test_a_drain_waits_for_the_claims_of_a_silent_owner(tmp_path: Path) -> None:
    claimed_elsewhere(tmp_path, 4)
    timing = FakeTiming()
    queue = FolderQueue(tmp_path, lease=60.0, timer=timing.clock)
    sent: list[object] = []
    summary = QueueProcessor(queue, sent.append, timing=timing).drain()
    assert (len(sent), summary.remaining) == (4, 0)
    assert 60 <= summary.elapsed < 70


def test_what_others_hold_when_a_drain_ends_remains(tmp_path: Path) -> None:
    claimed_elsewhere(tmp_path, 4)
    timing = FakeTiming()
    queue = FolderQueue(tmp_path, lease=60.0, timer=timing.clock)
    queue.put(_report(10))
    summary = QueueProcessor(queue, lambda _: None, timing=timing).drain(timeout=5.0)
    assert (summary.submitted, summary.remaining) == (1, 4)
    held = present(queue.elsewhere().told)
    assert held.startswith("4 held by owner 0badf00d (unknown host, pid unknown) until ")
    (tmp_path / "x.processing.wsjf").write_text("{}")
    queue.refresh()
    assert queue.elsewhere().items == 5
    assert [item.owner for item in queue.list("claimed")] == ["0badf00d"] * 4 + ["upstream"]


def test_a_file_that_is_being_written_is_read_again_until_it_is_whole(tmp_path: Path) -> None:
    timing = FakeTiming()
    sent: list[object] = []
    queue = FolderQueue(tmp_path, timer=timing.clock, clock=timing.clock)
    path = tmp_path / "r.queued"
    path.write_text('{"id": "r", ')
    tries: list[str] = []

    def note(_item_id: str, outcome: str, error: BaseException | None) -> None:
        tries.append(outcome)
        if len(tries) == 7:
            path.write_text('{"id": "r", "v": 1}')

    summary = QueueProcessor(queue, sent.append, on_result=note, timing=timing).drain()
    assert tries == ["released"] * 7 + ["submitted"]
    assert sent == [{"id": "r", "v": 1}]
    assert (summary.submitted, summary.quarantined) == (1, 0)


def test_a_file_that_is_not_whole_after_a_minute_is_named_in_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "r.queued"
    path.write_text('{"id": "r", ')
    os.utime(path, (1.0, 1.0))
    summary = QueueProcessor(tmp_path, lambda _: None).drain()
    assert summary.quarantined == 1
    [item] = FolderQueue(tmp_path).list()
    assert present(item.last_error).startswith("r.queued: the report is not valid JSON: ")


def test_a_lack_of_memory_is_not_the_reports_fault(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path)
    queue.put(_report(1))

    def submit(_report: object) -> None:
        raise MemoryError

    summary = QueueProcessor(queue, submit, max_attempts=1, give_up_after=0.0).drain()
    assert (summary.quarantined, summary.remaining) == (0, 1)
    assert "nothing can be sent from here" in present(summary.paused_reason)
    queue.close()


def test_a_large_report_is_encoded_off_the_hub(
    server: WatsServer, api: pyWATS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would encode it in one piece, and nothing else would run meanwhile."""
    report = _report(1, misc=[{"d": "\u00e6", "n": n * 1.5} for n in range(60_000)])
    (tmp_path / "big.queued").write_text(json.dumps(report))
    threads: list[int] = []
    native_thread = gevent.monkey.get_original("_thread", "get_ident")
    iterencode = json.JSONEncoder.iterencode

    def noting(*args: Any, **options: Any) -> Any:
        if isinstance(args[1], dict) and "misc" in args[1]:
            threads.append(native_thread())
        return iterencode(*args, **options)

    monkeypatch.setattr(json.JSONEncoder, "iterencode", noting)
    assert QueueProcessor(tmp_path, api).drain().submitted == 1
    assert server.reports() == {report["id"]: 1}
    assert len(threads) == 1
    assert threads[0] != native_thread()


def test_a_mistyped_folder_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(QueueFolderError, match=r"or create it with FolderQueue\('.*nofolder'\)"):
        QueueProcessor(tmp_path / "nofolder", lambda _: None)
    assert not list(tmp_path.iterdir())


def test_a_drain_gives_up_on_what_the_system_never_lets_it_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's files in a folder that lets only their owner rename them."""
    FolderQueue(tmp_path).put(_report(1))
    timing = FakeTiming()
    queue = FolderQueue(tmp_path, timer=timing.clock)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Store, "claim", refuse)
    summary = QueueProcessor(queue, lambda _: None, give_up_after=30.0, timing=timing).drain()
    queue.close()
    assert summary[:4] == (0, 0, 0, 1)
    assert summary.paused_reason is not None
    assert "can be claimed ([Errno 1] Operation not permitted)" in summary.paused_reason
    assert 30.0 <= summary.elapsed < 60.0  # of the fake clock
