"""Fills and drains folders in forked children that are killed; prints what it saw, as JSON.

Run with PYWATS_GREEN_DISABLE=1: the imports are paid once, each kill costs a fork.

    python drainer.py faults WORKDIR FIRST STEP    kill at every STEP-th fault point from FIRST on
    python drainer.py random WORKDIR SEED COUNT    kill at COUNT random moments
    python drainer.py pair WORKDIR SEED KILLS      two at once on one folder, killing one at random
    python drainer.py blame WORKDIR FIRST STEP     as faults, with one report that always fails
    python drainer.py trio WORKDIR SEED KILLS      three at once; two are killed at random and come
                                                   back, one of them under another host name
    python drainer.py disk WORKDIR SEED KILLS      one on a disk (WORKDIR) that fills and empties
    python drainer.py poison WORKDIR CONCURRENCY HOW   one report ends the process that sends it:
                                                   by a kill (0) or by SystemExit (1)

The server is a file to which each submission is appended.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pywats_green.exceptions import UnreadableReportError
from pywats_green.queue.folder import observer, owners
from pywats_green.queue.folder.claim import FolderClaim
from pywats_green.queue.folder.queue import FolderQueue
from pywats_green.upstream.features.queues.processor import QueueProcessor

WATCHED = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}

# Reports that come in with each kill, so that whoever is killed is at work.
MORE = 30


class FaultPoint:
    """Kills this process when it is about to take its n-th step in a folder; 0: never."""

    def __init__(self, folder, number):
        self.folder, self.left = str(folder), number
        fsync = os.fsync

        def counted(descriptor):
            self.step()
            fsync(descriptor)
            self.step()

        os.fsync = counted
        sys.addaudithook(self.audit)

    def audit(self, event, args):
        is_path = event in WATCHED and isinstance(args[0], (str, os.PathLike))
        if is_path and os.fspath(args[0]).startswith(self.folder):
            self.step()

    def step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fill(folder):
    """One of each kind of report. All have a number, some have an id, the last is poison."""
    folder.mkdir()
    queue = FolderQueue(folder)
    queue.put({"id": "own", "n": 0})
    queue.put({"n": 1}, item_id="named", priority=1)
    queue.put({"n": 2, "fail": 1})
    queue.close()
    (folder / "no-id.queued").write_text('{"n": 3}')
    (folder / "theirs.pending.wsjf").write_text('{"id": "theirs", "n": 4, "fail": 1}')
    (folder / "theirs.pending.meta.json").write_text('{"priority": 2, "attempts": 1}')
    (folder / "torn.queued").write_text('{"n": 5, ')


def log(record, *values):
    """Append a line, whole or not at all."""
    with record.open("ab", buffering=0) as file:
        file.write(json.dumps(values).encode() + b"\n")


def drain(folder, record, fault, pause=0.0):
    """Drain with three reports in hand; a report with `fail` is refused that many times."""
    queue = FolderQueue(folder, scan_interval=0.05)
    hand: list[FolderClaim] = []
    while True:
        while len(hand) < 3 and (claim := queue.claim()) is not None:
            hand.append(claim)
        if not hand:
            if queue.due_in() is None:
                break
            time.sleep(0.002)
            continue
        claim = hand.pop(0)
        try:
            report = claim.load()
        except UnreadableReportError as error:
            claim.quarantine(str(error))
            continue
        if claim.attempts < report.get("fail", 0):
            claim.retry("not now", 0.0)
            continue
        fault.step()
        log(record, "sent", report["n"], report["id"], os.getpid())
        fault.step()
        time.sleep(pause)
        claim.delivered()
    queue.close()


def put_some(folder, record):
    """What was acknowledged must be there."""
    queue = FolderQueue(folder)
    for number in range(10, 14):
        queue.put({"id": f"put-{number}", "n": number}, priority=number % 3 + 1)
        log(record, "put", number)


def fork(work):
    """Run `work` in a child; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        if code:
            import traceback

            traceback.print_exc()
        os._exit(code)


def wait(pid):
    """Wait for a child; tell whether it was killed."""
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed"
    return False


def in_flight(folder):
    """Return the numbers of the reports that are claimed now, as far as they can be read."""
    numbers = set()
    for path in folder.glob("*.claim"):
        with contextlib.suppress(ValueError, FileNotFoundError):
            numbers.add(json.loads(path.read_text())["n"])
    return numbers


def problems_of(folder, record, killed_with, expected):
    """Compare what the server got with what was put in."""
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    sent = [
        (number, report_id)
        for kind, number, *rest in lines
        if kind == "sent"
        for report_id in rest[:1]
    ]
    acknowledged = {line[1] for line in lines if line[0] == "put"}
    numbers = [number for number, _ in sent]
    again = {number for number in numbers if numbers.count(number) > 1}
    problems = []
    if lost := (expected | acknowledged) - set(numbers):
        problems.append(f"lost {lost}")
    if not again <= killed_with:
        problems.append(f"sent again though not in flight: {again - killed_with}")
    ids = {number: {report_id for other, report_id in sent if other == number} for number in again}
    problems += [
        f"{number} went out under {ids[number]}" for number in again if len(ids[number]) > 1
    ]
    left = [path.name for path in folder.iterdir() if path.is_file()]
    left = [name for name in left if not name.endswith((".tmp", ".meta.json"))]
    if left:
        problems.append(f"left over {left}")
    return problems, len(again)


def check_quarantine(folder):
    names = sorted(path.name for path in (folder / "quarantine").iterdir())
    names = [name for name in names if not name.endswith(".tmp")]
    good = names == ["torn.queued", "torn.queued.reason.json"]
    return [] if good else [f"quarantine holds {names}"]


def one_case(workdir, name, kill):
    """Drain a folder, killing the first child as `kill` does; returns problems and figures."""
    folder, record = workdir / name, workdir / f"{name}.txt"
    assert not wait(fork(lambda: fill(folder)))  # a process with gevent's threads cannot fork
    record.touch()
    was_killed = kill(folder, record)
    claimed = in_flight(folder)
    assert not wait(fork(lambda: drain(folder, record, FaultPoint(folder, 0))))
    problems, again = problems_of(folder, record, claimed, {0, 1, 2, 3, 4})
    return was_killed, [f"{name}: {text}" for text in problems + check_quarantine(folder)], again


class RefusedError(Exception):
    """An answer of the server's."""

    def __init__(self):
        super().__init__("HTTP 500")
        self.response = SimpleNamespace(status_code=500)


def process(folder, record, fault):
    """Drain with a processor; report 3 always fails."""

    def submit(report):
        fault.step()
        failed = report["n"] == 3
        log(record, "failed" if failed else "sent", report["n"], report["id"], os.getpid())
        fault.step()
        if failed:
            raise RefusedError

    processor = QueueProcessor(
        folder, submit, concurrency=3, max_attempts=3, backoff=(0.001, 0.002), give_up_after=3.0
    )
    processor.drain()


def blamed_too_much(folder, record, killed_with):
    """Compare what is held against the report that always fails with what the server saw.

    A delivery that a kill ended counts in any case.
    """
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    failures = counting = 0
    for kind, *_ in lines:
        if kind == "failed":
            failures += 1
        else:  # another got through
            counting = failures
    counting += 3 in killed_with
    items = FolderQueue(folder)._items(None)  # `list` starts a thread, see `one_case`
    attempts = [item.attempts for item in items if item.item_id == "r3"]
    numbers = {number for kind, number, *_ in lines if kind == "sent"}
    problems = []
    if attempts != [min(attempts[0], counting)]:
        problems.append(f"{attempts} attempts are held against it, {counting} count")
    if (folder / "quarantine").exists() != (attempts[0] >= 3):
        problems.append(f"set aside after {attempts} attempts")
    if numbers != set(range(14)) - {3}:
        problems.append(f"sent {numbers}")
    return problems, attempts[0] >= 3


def blame(workdir, first, step):
    kills, problems, set_aside = 0, [], 0
    for number in range(first, 10_000, step):
        folder, record = workdir / f"blame-{number}", workdir / f"blame-{number}.txt"
        folder.mkdir()
        record.touch()
        for item in range(14):
            name = f"05-{item:014x}-00000000-r{item}.pending.wsjf"
            (folder / name).write_text(json.dumps({"id": f"r{item}", "n": item}))

        def work(folder=folder, record=record, number=number):
            process(folder, record, FaultPoint(folder, number))

        was_killed = wait(fork(work))
        killed_with = in_flight(folder)
        assert not wait(
            fork(
                lambda folder=folder, record=record: process(folder, record, FaultPoint(folder, 0))
            )
        )
        found, is_aside = blamed_too_much(folder, record, killed_with)
        kills, set_aside = kills + was_killed, set_aside + is_aside
        problems += [f"{folder.name}: {text}" for text in found]
        if not was_killed:
            break
    return {"kills": kills, "problems": problems, "set_aside": set_aside}


def poison(workdir, concurrency, how):
    """Ten reports stand behind one whose sending ends the process, which is started anew."""
    folder, record = workdir / "poison", workdir / "poison.txt"
    folder.mkdir()
    record.touch()
    for number in range(11):
        name = f"05-{number:014x}-00000000-r{number}.pending.wsjf"
        (folder / name).write_text(json.dumps({"id": f"r{number}", "n": number}))

    def submit(report):
        log(
            record, "poison" if report["n"] == 0 else "sent", report["n"], report["id"], os.getpid()
        )
        if report["n"] == 0:
            if how == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            raise SystemExit(3)

    def work():
        with contextlib.suppress(SystemExit):
            QueueProcessor(folder, submit, concurrency=concurrency).drain()

    runs = []
    for _ in range(12):
        wait(fork(work))
        runs.append(sum(b"sent" in line for line in record.read_bytes().splitlines()))
        if not list(folder.glob("*.wsjf*")):
            break
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    [reason] = (folder / "quarantine").glob("*.reason.json")
    return {
        "sent": sorted(line[1] for line in lines if line[0] == "sent"),
        "deliveries": sum(line[0] == "poison" for line in lines),
        "sent_by_run": runs,
        "reason": json.loads(reason.read_text()),
    }


def one_put_case(workdir, name, number):
    folder, record = workdir / name, workdir / f"{name}.txt"
    folder.mkdir()
    record.touch()

    def work():
        FaultPoint(folder, number)
        put_some(folder, record)

    was_killed = wait(fork(work))
    assert not wait(fork(lambda: drain(folder, record, FaultPoint(folder, 0))))
    problems, _ = problems_of(folder, record, set(), set())
    return was_killed, [f"{name}: {text}" for text in problems]


def faults(workdir, first, step):
    kills, problems, resent = 0, [], 0
    for number in range(first, 10_000, step):

        def kill(folder, record, number=number):
            return wait(fork(lambda: drain(folder, record, FaultPoint(folder, number))))

        was_killed, found, again = one_case(workdir, f"fault-{number}", kill)
        kills, resent = kills + was_killed, resent + again
        problems += found
        if not was_killed:
            break
    for number in range(first, 10_000, step):
        was_killed, found = one_put_case(workdir, f"put-{number}", number)
        kills += was_killed
        problems += found
        if not was_killed:
            break
    return {"kills": kills, "problems": problems, "resent": resent}


def at_random(workdir, seed, count):
    chance = random.Random(seed)
    kills, problems, resent = 0, [], 0
    while kills < count:

        def kill(folder, record):
            pid = fork(lambda: drain(folder, record, FaultPoint(folder, 0), pause=0.001))
            time.sleep(chance.uniform(0.0, 0.04))
            os.kill(pid, signal.SIGKILL)  # our child, and not yet waited for
            return wait(pid)

        was_killed, found, again = one_case(workdir, f"random-{kills}-{chance.random()}", kill)
        kills, resent = kills + was_killed, resent + again
        problems += found
    return {"kills": kills, "problems": problems, "resent": resent}


def await_drainers(record, count):
    """Wait until that many processes have sent something."""
    for _ in range(6000):
        if len(drainers_of(record)) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("a drainer sends nothing")


def drainers_of(record):
    lines = record.read_text().splitlines(keepends=True)
    return {json.loads(line)[3] for line in lines if line.endswith("\n")}


def add(folder, numbers):
    """Add reports beside drainers at work, which must not see half of one."""
    for number in numbers:
        name = f"05-{number:014x}-00000000-r{number}.pending.wsjf"
        draft = folder / f".{name}"
        draft.write_text(json.dumps({"id": f"r{number}", "n": number}))
        draft.rename(folder / name)


def kill_one(pid, folder):
    """Kill a drainer; tell whether it was still at work, and which reports were in flight."""
    os.kill(pid, signal.SIGSTOP)  # so that what it holds can be read
    claimed = in_flight(folder)
    os.kill(pid, signal.SIGKILL)  # our child, and not yet waited for
    return wait(pid), claimed


def pair(workdir, seed, kills):
    """Two drainers on one folder; one of them is killed now and then, and replaced."""
    chance = random.Random(seed)
    folder, record = workdir / "pair", workdir / "pair.txt"
    folder.mkdir()
    record.touch()
    add(folder, range(300))

    def work():
        drain(folder, record, FaultPoint(folder, 0), pause=0.001)

    other = fork(work)
    await_drainers(record, 1)
    os.kill(other, signal.SIGSTOP)  # so that it leaves something to the second one
    steady = fork(work)
    await_drainers(record, 2)
    os.kill(other, signal.SIGCONT)
    killed, count = 0, 300
    killed_with: set[str] = set()
    while killed < kills:
        time.sleep(chance.uniform(0.01, 0.06))
        was_killed, claimed = kill_one(other, folder)
        killed, killed_with = killed + was_killed, killed_with | claimed
        add(folder, range(count, count + MORE))
        count += MORE
        other = fork(work)
    wait(steady)
    wait(other)
    problems, again = problems_of(folder, record, killed_with, set(range(count)))
    drainers = len(drainers_of(record))
    return {"kills": killed, "problems": problems, "resent": again, "drainers": drainers}


def trio(workdir, seed, kills):
    """Three drainers on one folder; two are killed in turn, and one comes back under a new name."""
    chance = random.Random(seed)
    folder, record = workdir / "trio", workdir / "trio.txt"
    folder.mkdir()
    record.touch()
    add(folder, range(300))

    def work(host=None):
        if host is not None:  # as a container after kill -9
            owners.this_host = observer.this_host = lambda: host
        drain(folder, record, FaultPoint(folder, 0), pause=0.001)

    def renamed(number):
        return fork(lambda: work(f"container-{number}/"))

    steady, others = fork(work), [fork(work), renamed(0)]
    await_drainers(record, 1)
    killed, count = 0, 300
    killed_with: set[str] = set()
    for number in itertools.count():
        time.sleep(chance.uniform(0.01, 0.05))
        which = number % 2
        was_killed, claimed = kill_one(others[which], folder)
        killed, killed_with = killed + was_killed, killed_with | claimed
        add(folder, range(count, count + MORE))
        count += MORE
        others[which] = renamed(number + 1) if which else fork(work)
        if killed == kills:
            break
    for pid in (steady, *others):
        wait(pid)
    assert not wait(fork(work))  # what the last one killed held, if the others had ended by then
    problems, again = problems_of(folder, record, killed_with, set(range(count)))
    return {"kills": killed, "problems": problems, "resent": again}


def fill_up(disk):
    """Take the last byte."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


def disk(workdir, seed, kills):
    """One drainer, killed at random, while the disk fills up and empties; some reports are bad."""
    chance = random.Random(seed)
    folder = workdir / "queue"
    folder.mkdir()
    record = Path(tempfile.mkdtemp()) / "record.txt"  # the server has a disk of its own
    record.touch()
    for number in range(200):
        name = f"05-{number:014x}-00000000-r{number}.pending.wsjf"
        (folder / name).write_text(json.dumps({"n": number, "pad": "x" * 2000}))

    def submit(report):
        log(record, "bad" if report["n"] % 10 == 0 else "sent", report["n"], report["id"], 0)
        time.sleep(0.002)
        if report["n"] % 10 == 0:
            error: Any = ValueError("bad")
            error.response = SimpleNamespace(status_code=400, text="bad", headers={})
            raise error

    def work():
        QueueProcessor(folder, submit, concurrency=3, max_attempts=None).drain()

    killed = 0
    for number in range(kills):
        filler = fill_up(workdir) if number % 2 else workdir / "filler"
        pid = fork(work)
        time.sleep(chance.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
        killed += wait(pid)
        filler.unlink(missing_ok=True)
    assert not wait(fork(work))
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    good = {number for number in range(200) if number % 10}
    problems = []
    if lost := good - {line[1] for line in lines if line[0] == "sent"}:
        problems.append(f"lost {lost}")
    ids = {number: {line[2] for line in lines if line[1] == number} for number in good}
    problems += [
        f"{number} went out under {ids[number]}" for number in good if len(ids[number]) > 1
    ]
    reasons = len(list((folder / "quarantine").glob("*.reason.json")))
    bad = len([*(folder / "quarantine").glob("*.wsjf")])
    left = [path.name for path in folder.glob("*.wsjf*")]
    return {"kills": killed, "problems": problems, "bad": bad, "reasons": reasons, "left": left}


def main():
    mode, workdir, first, second = sys.argv[1:]
    runs = (faults, at_random, pair, blame, poison, trio, disk)
    modes = {run.__name__.removeprefix("at_"): run for run in runs}
    run = modes[mode]
    sys.stdout.write(json.dumps(run(Path(workdir), int(first), int(second))))


if __name__ == "__main__":
    main()
