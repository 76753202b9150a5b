"""Converters for the tests; child processes import this module, so it imports next to nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace


def plain(path: Path) -> dict[str, object]:
    return {"sn": path.stem, "text": path.read_text()}


def with_id(path: Path) -> dict[str, object]:
    return {"id": f"own-{path.stem}", "sn": path.stem}


def three(path: Path) -> list[dict[str, object]]:
    return [{"sn": f"{path.stem}-{number}"} for number in range(3)]


def nothing(path: Path) -> None:
    return None


def chatty(path: Path) -> dict[str, object]:
    sys.stdout.write("this must not get between the answers")
    os.write(1, b"nor this")
    assert sys.stdin.read() == ""
    return {"sn": path.stem}


def by_content(path: Path) -> object:
    """Does what the file says."""
    word = path.read_text()
    if word == "crash":
        os._exit(7)
    if word == "exit":
        sys.exit("left")
    if word == "signal":
        os.kill(os.getpid(), 11)
    if word == "kill":
        os.kill(os.getpid(), 9)
    if word == "hang":
        wait_for_ever()
    if word == "raise":
        raise ValueError("no serial number in line 3")
    if word == "number":
        return 42
    if word == "set":
        return {"sn": {1, 2}}
    return {"sn": path.stem}


def wait_for_ever() -> None:
    time.sleep(1_000_000)


def crash_until_marked(path: Path) -> dict[str, object]:
    """Dies over the first file it ever sees; the file beside it remembers."""
    marker = path.parent / "done" / "marker"
    if not marker.exists():
        marker.touch()
        os._exit(1)
    return {"sn": path.stem}


def rendezvous(path: Path) -> dict[str, object]:
    """Ends only when all four files are being converted at once, each in a process of its own."""
    meeting = path.parent / "meeting"
    meeting.mkdir(exist_ok=True)
    (meeting / f"{os.getpid()}").touch()
    while len(list(meeting.iterdir())) < 4:
        time.sleep(0.01)
    return {"sn": path.stem}


def environment(path: Path) -> dict[str, object]:
    """What kind of a process this is."""
    return {
        "id": "environment",
        "gevent": "gevent" in sys.modules,
        "pywats": "pywats" in sys.modules,
        "patched": type(time.sleep).__name__,
        "pid": os.getpid(),
    }


def removes_its_source(path: Path) -> dict[str, object]:
    path.unlink()
    return {"sn": path.stem}


def touches_its_source_once(path: Path) -> dict[str, object]:
    text = path.read_text()
    if "more" not in text:
        path.write_text(text + " more")
    return {"sn": path.stem, "text": path.read_text()}


def starts_a_program(path: Path) -> None:
    """Starts a program, writes down its id, and hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000000)"])
    draft = path.parent / "done" / "draft"
    draft.write_text(str(child.pid))
    draft.rename(path.parent / "done" / "pid")
    wait_for_ever()


def large(path: Path) -> dict[str, object]:
    return {"sn": path.stem, "values": list(range(200_000))}


def announce(path: Path) -> dict[str, object]:
    """Says that it has begun, then waits until the test says go on."""
    (path.parent / "begun").mkdir(exist_ok=True)
    (path.parent / "begun" / path.name).touch()
    while not (path.parent / "go").exists():
        time.sleep(0.01)
    return {"sn": path.stem}


class Lines:
    """A converter object of one's own."""

    def __init__(self, separator: str) -> None:
        self.separator = separator

    def convert(self, path: Path) -> list[dict[str, str]]:
        return [{"sn": part} for part in path.read_text().split(self.separator)]


def suspended(path: Path) -> object:
    """What a ConverterResult of upstream looks like."""
    return SimpleNamespace(
        status=SimpleNamespace(value="suspended"),
        get_all_reports=list,
        suspend_reason="not yet",
        retry_after=None,
    )


def as_json(path: Path) -> object:
    return json.loads(path.read_text())


def busy(path: Path) -> dict[str, object]:
    """Computes until the test says go on."""
    (path.parent / "begun").mkdir()
    while not (path.parent / "go").exists():
        pass
    return {"sn": path.stem}


def report(path: Path) -> dict[str, object]:
    """What the embedded server accepts; without an id."""
    return {
        "type": "T", "pn": "PN-1", "sn": path.stem, "rev": "A", "processCode": 10,
        "result": "P", "machineName": "M", "location": "L", "purpose": "P",
        "start": "2024-01-01T00:00:00+00:00",
        "root": {"id": 0, "group": "M", "stepType": "SequenceCall", "name": "x", "status": "P"},
    }  # fmt: skip


def tells_its_id_and_hangs(path: Path) -> None:
    draft = path.parent / "done" / "draft"
    draft.write_text(str(os.getpid()))
    draft.rename(path.parent / "done" / "pid")
    wait_for_ever()


def needs_memory(path: Path) -> dict[str, object]:
    """Takes as many bytes as the file says; none: there is no memory at all."""
    size = int(path.read_text())
    if size == 0:
        raise MemoryError
    return {"sn": path.stem, "length": len(bytes(size))}


_kept: list[bytes] = []


def keeps_memory(path: Path) -> dict[str, object]:
    """Takes as many bytes as the file says, and never gives them back."""
    _kept.append(bytes(int(path.read_text())))
    return {"sn": path.stem, "pid": os.getpid()}


def refused(path: Path) -> dict[str, object]:
    """Cannot open its file as often as that says; another program holds it."""
    tries = path.parent / "done" / "tries"
    tries.touch()
    with tries.open("a") as file:
        file.write("x")
    if tries.stat().st_size <= int(path.read_text()):
        raise PermissionError(13, "Permission denied", str(path))
    return {"sn": path.stem}


def refused_another_file(path: Path) -> None:
    raise PermissionError(13, "Permission denied", "template.xml")


def deep(path: Path) -> dict[str, object]:
    """As deep as the file says."""
    found: dict[str, object] = {"sn": path.stem}
    for _ in range(int(path.read_text())):
        found = {"sn": path.stem, "sub": found}
    return found


def no_json(path: Path) -> dict[str, object]:
    """Puts what the file names somewhere into a report."""
    odd = {
        "nan": float("nan"),
        "infinity": float("inf"),
        "negative": float("-inf"),
        "surrogate": "A\udc80",
    }
    what = path.read_text()
    if what == "key":
        return {"sn": "1", "root": {"A\udc80": 1}}
    return {"sn": "1", "root": {"steps": [{"name": "fine"}, {"name": "odd", "value": odd[what]}]}}
