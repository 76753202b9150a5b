"""Turns source files into reports: the script of a child process, also called inline.

The child is plain Python without gevent. So this module only imports the standard library; the
package would cost every child the import of pywats, which the user's converter may not need.
Parent and child exchange frames over the child's stdin and stdout: 8 bytes of length, then the
content. The first frame is a pickle from the parent, all others are JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import queue
import signal
import struct
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping
from multiprocessing import spawn
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, cast

LENGTH = struct.Struct(">Q")

READY = "ready"
UNUSABLE = "unusable"
CONVERTED = "converted"
SKIPPED = "skipped"
FAILED = "failed"
SUSPENDED = "suspended"
OUT_OF_MEMORY = "out of memory"

_UPSTREAM = "pywats_client.converters"
_REPORT_IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "converter.pywats_green")
_CHUNK = 1 << 20
_SUSPENDED_FOR = 60.0  # seconds, upstream's default
_DEEPEST = 1000  # levels; beyond that a report is a circle
_SHOWN = 80  # characters of a value in an error


class ConversionReply(TypedDict, total=False):
    """What became of a source file, or of the start of a child.

    Attributes:
        status: One of the constants above.
        reports: The reports of a converted file; each has an id.
        reason: Why there are none, in one line.
        detail: The traceback.
        delay: Seconds after which to retry a suspended file.
        errno: The number of the system's error, if that refused the source file itself.
    """

    status: str
    reports: list[dict[str, Any]]
    reason: str
    detail: str
    delay: float
    errno: int


class _NotJsonError(Exception):
    """A report holds what JSON cannot express."""


def convert_file(convert: Any, path: Path) -> bytes:
    """Convert a source file.

    Args:
        convert: A callable of a path, an object with a method `convert` of a path, or a converter
            of upstream.
        path: The file.

    Returns:
        What became of it, a `ConversionReply` as JSON: failed if the converter raised an
        `Exception` or a report is no JSON; other exceptions pass through.
    """
    try:
        return _encoded(_converted_by(convert, path))
    except MemoryError:  # says nothing about the file
        return _encoded({"status": OUT_OF_MEMORY})
    except _NotJsonError as exc:
        reason = f"the report cannot be written as JSON: {exc}"
        return _encoded({"status": FAILED, "reason": reason})
    except Exception as exc:  # noqa: BLE001  # whatever a converter raises concerns only its file
        reply = _failure(FAILED, exc)
        if isinstance(exc, OSError) and exc.errno and exc.filename == str(path):
            reply["errno"] = exc.errno
        return _encoded(reply)


def _converted_by(convert: Any, path: Path) -> ConversionReply:
    digest = _digest(path)
    result = _call(convert, path)
    if hasattr(result, "status") and hasattr(result, "get_all_reports"):
        return _of_upstream(result, path.name, digest)
    return _converted(_listed(result), path.name, digest)


def _failure(status: str, exc: Exception) -> ConversionReply:
    reason = f"{type(exc).__name__}: {exc}"
    return {"status": status, "reason": reason, "detail": traceback.format_exc()}


def _encoded(reply: ConversionReply) -> bytes:
    """Return an answer as JSON.

    Reports must be JSON for whoever reads them: NaN and infinity are not, nor is half a character.
    A reason may hold any text, such as a name that no encoding fits.

    Raises:
        _NotJsonError: A report is none.
    """
    if "reports" not in reply:
        return json.dumps(reply).encode()
    try:
        return json.dumps(reply, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise _NotJsonError(_culprit(reply["reports"]) or str(exc)) from exc


def _culprit(reports: list[dict[str, Any]]) -> str | None:
    """Say where the number or text is that JSON cannot express; None: it is something else."""
    which = "" if len(reports) == 1 else "report {}: "
    places: list[tuple[str, int, Any]] = [
        (which.format(at), 0, report) for at, report in enumerate(reports, 1)
    ][::-1]
    while places:
        place, depth, value = places.pop()
        children: list[tuple[str, Any]] = []
        if isinstance(value, float) and not math.isfinite(value):
            return f"{place} is {value}"
        if isinstance(value, str) and not _is_text(value):
            return f"{place} has half a character (a lone surrogate): {ascii(value)[:_SHOWN]}"
        if isinstance(value, dict):
            for key in value:
                if isinstance(key, str) and not _is_text(key):
                    return f"{place} has a key with half a character: {ascii(key)[:_SHOWN]}"
            dot = "." if depth else ""
            children = [(f"{place}{dot}{key}", child) for key, child in value.items()]
        elif isinstance(value, (list, tuple)):
            children = [(f"{place}[{at}]", child) for at, child in enumerate(value)]
        if depth > _DEEPEST:
            return None
        places += [(name, depth + 1, child) for name, child in reversed(children)]
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _call(convert: Any, path: Path) -> Any:
    if any(cls.__module__.startswith(_UPSTREAM) for cls in type(convert).__mro__):
        return _call_upstream(convert, path)
    return convert(path) if callable(convert) else convert.convert(path)


def _call_upstream(convert: Any, path: Path) -> Any:
    """Call a converter as upstream's service does, with the types from its own modules."""
    types = sys.modules[f"{_UPSTREAM}.models"]
    folders = {
        "drop_folder": path.parent,
        "done_folder": path.parent / "done",
        "error_folder": path.parent / "error",
    }
    if hasattr(convert, "convert_file"):
        arguments = sys.modules[f"{_UPSTREAM}.base"].ConverterArguments(
            api_client=None,
            file_info=types.FileInfo(path),
            user_settings=convert.user_settings,
            **folders,
        )
        return convert.convert_file(path, arguments)
    context = sys.modules[f"{_UPSTREAM}.context"].ConverterContext(**folders)
    return convert.convert(types.ConverterSource.from_file(path), context)


def _of_upstream(result: Any, name: str, digest: str) -> ConversionReply:
    """Read a ConverterResult; what it asks for the source file (delete, zip, keep) is ignored."""
    status = str(getattr(result.status, "value", result.status))
    if status == "success":
        return _converted(result.get_all_reports(), name, digest)
    if status == "suspended":
        delay = result.retry_after.total_seconds() if result.retry_after else _SUSPENDED_FOR
        return {"status": SUSPENDED, "reason": result.suspend_reason or "", "delay": delay}
    reason = result.error or f"the converter answered {status!r}"
    return {"status": SKIPPED if status == "skipped" else FAILED, "reason": reason}


def _listed(result: Any) -> list[Any]:
    if result is None:
        return []
    if isinstance(result, Mapping) or hasattr(result, "model_dump"):
        return [result]
    if isinstance(result, Iterable) and not isinstance(result, (str, bytes)):
        return list(result)
    raise TypeError(
        "a converter must return a report (a dict or a model), a list of reports, or None to "
        f"skip the file, not {type(result).__name__}"
    )


def _converted(reports: list[Any], name: str, digest: str) -> ConversionReply:
    if not reports:
        return {"status": SKIPPED, "reason": "the converter found no report in it"}
    found = [_with_id(report, f"{name}\0{digest}\0{at}") for at, report in enumerate(reports)]
    return {"status": CONVERTED, "reports": found}


def _with_id(report: Any, origin: str) -> dict[str, Any]:
    """Return a report as a dict with an id that is stable if the file is converted again.

    A model of upstream generates an id when it is built; that is not one of the converter.
    """
    if hasattr(report, "model_dump"):
        data = cast("dict[str, Any]", report.model_dump(
            mode="json", by_alias=True, exclude_none=True
        ))  # fmt: skip
        given = "id" in report.model_fields_set
    elif isinstance(report, Mapping):
        data = dict(report)
        given = bool(data.get("id"))
    else:
        raise TypeError(f"a report must be a dict or a model, not {type(report).__name__}")
    if not given:
        data["id"] = str(uuid.uuid5(_REPORT_IDS, origin))
    return data


def _digest(path: Path) -> str:
    known = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            known.update(chunk)
    return known.hexdigest()


def send(stream: BinaryIO, frame: bytes) -> None:
    """Write a frame.

    Raises:
        OSError: Nobody reads it.
    """
    stream.write(LENGTH.pack(len(frame)))
    stream.write(frame)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Read a frame; None: the other side has ended."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    length: int = LENGTH.unpack(head)[0]
    frame = stream.read(length)
    return frame if len(frame) == length else None


def main() -> None:
    """Convert the files whose paths arrive, until the parent closes our stdin."""
    _leave_signals_to_the_parent()
    requests, answers = _private_pipes()
    start = receive(requests)
    if start is None:
        return
    paths: queue.SimpleQueue[str] = queue.SimpleQueue()
    try:
        convert = _load(start)
        threading.Thread(target=_take_in, args=(requests, paths.put), daemon=True).start()
    except Exception as exc:  # noqa: BLE001  # a user's import may raise anything
        send(answers, _encoded(_failure(UNUSABLE, exc)))
        return
    send(answers, _encoded({"status": READY}))
    while True:
        send(answers, convert_file(convert, Path(paths.get())))


def _load(start: bytes) -> Any:
    plan = pickle.loads(start)  # noqa: S301  # from our own parent
    _limit_memory(plan["memory_limit"])
    spawn.prepare(plan["preparation"])
    return pickle.loads(plan["convert"])  # noqa: S301  # the same


def _limit_memory(limit: int | None) -> None:
    """Let this process, and each that it starts, take no more than so many bytes of addresses."""
    if limit is not None:
        import resource  # noqa: PLC0415  # Windows has none

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _take_in(stream: BinaryIO, put: Callable[[str], object]) -> None:
    """Pass on what arrives; at the end of input the parent is gone or wants us to end: exit."""
    while (frame := receive(stream)) is not None:
        put(json.loads(frame))
    os._exit(0)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Hide our pipes from the converter: its prints go to stderr, and it reads nothing."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _leave_signals_to_the_parent() -> None:
    """Ignore signals to the whole process group; the parent ends us.

    A handler rather than SIG_IGN, which programs started by a converter would inherit.
    """
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda _number, _frame: None)


if __name__ == "__main__":
    main()
