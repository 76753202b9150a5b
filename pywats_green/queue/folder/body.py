"""The body of a report: from what is put in to JSON, and from a file to a dict."""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from pywats_green.exceptions import (
    ArgumentTypeError,
    InvalidArgumentError,
    UnreadableReportError,
)
from pywats_green.queue.folder.files import off_hub
from pywats_green.queue.held_files import patiently

Document: TypeAlias = "dict[str, Any]"

# Below this many bytes, reading and parsing are quicker than a trip to another thread.
SMALL = 64 * 1024

# With this many values, encoding a report takes tens of milliseconds.
_MANY = 100_000

_ID = "id"

# Characters of a broken text that its error shows.
_START = 60

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def document_of(report: object) -> tuple[Document, bytes | None, bool]:
    """Turn a report into a new dict, with an id that every attempt to send it will carry.

    Args:
        report: A dict, JSON text or bytes, or a model with `model_dump`. It is not changed.

    Returns:
        The dict, the JSON that was given if it can be stored unchanged, and whether the id is new.

    Raises:
        UnreadableReportError: It is text, but not a JSON object; the message has its start.
        InvalidArgumentError: It contains text that is not valid Unicode.
        ArgumentTypeError: It is none of these.
    """
    raw: bytes | None = None
    if isinstance(report, (str, bytes, bytearray)):
        document, raw = _parse_given(report)
    elif isinstance(report, Mapping):
        document = dict(report)
    elif callable(dump := getattr(report, "model_dump", None)):
        document = dict(dump(mode="json", by_alias=True, exclude_none=True))
    else:
        raise ArgumentTypeError(
            f"a report is a dict, JSON text or bytes, or a model of pywats, not {type(report)!r}"
        )
    is_new = give_id(document)
    return document, None if is_new else raw, is_new


def give_id(document: Document) -> bool:
    """Give a report an id if it has none; return whether it had none."""
    if not is_without_id(document):
        return False
    document[_ID] = str(uuid.uuid4())
    return True


def is_without_id(document: Document) -> bool:
    """Return whether a report has no id."""
    return document.get(_ID) in (None, "")


def lasting_id(name: str, modified: int, document: Document) -> str:
    """Return an id for a report that has none: always the same for the same file.

    Args:
        name: The waiting name of the file.
        modified: Its mtime in nanoseconds, so that the same report written again has another.
        document: What it holds.
    """
    digest = hashlib.sha256(f"{name}\0{modified}\0".encode("utf-8", "surrogateescape"))
    digest.update(encode(document))
    return str(uuid.UUID(bytes=digest.digest()[:16], version=4))


def encode(document: Document) -> bytes:
    """Return a report as JSON.

    Raises:
        InvalidArgumentError: It contains something that JSON cannot express; the message says
            where, as `steps[2].value`.
    """
    try:
        return _encoded(document, in_pieces=is_large(document))
    except RecursionError as error:
        raise InvalidArgumentError(f"the report cannot be written as JSON: {error}") from error
    except (TypeError, ValueError) as error:
        place = _place_of_fault(document)
        raise InvalidArgumentError(
            f"the report cannot be written as JSON: {error}{place and f', at {place}'}"
        ) from error


def _encoded(value: object, *, in_pieces: bool = False) -> bytes:
    encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
    if in_pieces:  # the C encoder never lets the hub run
        data = "".join(encoder.iterencode(value)).encode("ascii")
    else:
        data = encoder.encode(value).encode("ascii")
    _check_unicode(data, value)
    return data


def _place_of_fault(document: Document) -> str:
    """Return the path of the innermost value that cannot be encoded; empty: the whole."""
    place, value = "", cast("object", document)
    seen: set[int] = set()
    while isinstance(value, (dict, list, tuple)) and id(value) not in seen:
        seen.add(id(value))
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in pairs:
            try:
                _encoded(child)
            except (TypeError, ValueError):
                step = f".{key}" if isinstance(value, dict) else f"[{key}]"
                place, value = place + step, child
                break
        else:
            break
    return place.removeprefix(".")


def _check_unicode(data: bytes, value: object) -> None:
    """Refuse a lone surrogate: JSON can hold it escaped, but no request can.

    Raises:
        UnicodeEncodeError: There is one; a ValueError.
    """
    if _SURROGATE.search(data):
        json.dumps(value, ensure_ascii=False).encode()


def parse(text: str | bytes | bytearray, *, large: bool = False, strict: bool = False) -> Document:
    """Parse a report.

    Args:
        text: JSON.
        large: Call Python code for every object and number. The C parser holds the GIL until it is
            done, even in a thread; each such call lets the hub run.
        strict: Refuse NaN and Infinity, which Python takes and JSON has not.

    Raises:
        UnreadableReportError: It is not a JSON object.
    """
    hooks: Document = {}
    if large:
        hooks.update(object_hook=_same, parse_float=_float, parse_int=_int)
    if strict:
        hooks.update(parse_constant=_refuse)
    try:
        with _no_collection() if large else contextlib.nullcontext():
            document = json.loads(text, **hooks)
    except (ValueError, RecursionError) as error:
        what = "empty" if not text.strip() else f"not valid JSON: {error}"
        raise UnreadableReportError(f"the report is {what}") from error
    if not isinstance(document, dict):
        raise UnreadableReportError(
            f"the report is not a JSON object but a {type(document).__name__}"
        )
    return document


def read(path: Path) -> Document:
    """Read a report from a file, off the hub unless it is small.

    Raises:
        UnreadableReportError: It contains nothing that could be sent.
        OSError: It could not be read at the moment.
    """
    status = patiently(lambda: _status(path))
    if stat.S_ISDIR(status.st_mode):  # Windows would say that permission is denied
        raise UnreadableReportError("there is a folder where a report should be")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would stop all greenlets
        raise UnreadableReportError("there is a pipe or a device where a report should be")
    if status.st_size <= SMALL:
        return parse(patiently(path.read_bytes))
    return off_hub(lambda: parse(patiently(path.read_bytes), large=True))


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        # Waiting does not help: a link without an end, or one whose end is gone.
        if path.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
            raise UnreadableReportError("there is a link that leads nowhere") from error
        raise


def _parse_given(text: str | bytes | bytearray) -> tuple[Document, bytes | None]:
    large = len(text) > SMALL
    try:
        if large:
            document = off_hub(lambda: parse(text, large=True, strict=True))
        else:
            document = parse(text, strict=True)
    except UnreadableReportError as error:
        start = text[:_START]
        raise UnreadableReportError(f"{error}; it starts with {start!r}") from error
    try:
        raw = text.encode() if isinstance(text, str) else bytes(text)
        _check_unicode(raw, document)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"the report is not valid Unicode: {error}") from error
    return document, raw


def as_text(document: Document) -> str:
    """Return a large report as JSON, as a client would write it, while other greenlets go on.

    Raises:
        TypeError: It contains something that JSON cannot express.
        ValueError: It contains NaN or Infinity.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return off_hub(lambda: "".join(encoder.iterencode(document)))


def is_large(document: Document) -> bool:
    """Return whether a report has so many values that encoding it takes long."""
    count = 0
    containers: list[Any] = [document]
    while containers and count < _MANY:
        container = containers.pop()
        values = container.values() if isinstance(container, dict) else container
        count += len(values)
        containers += [value for value in values if isinstance(value, (dict, list, tuple))]
    return count >= _MANY


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Hold off the garbage collector: it stops all threads to look at millions of new values."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _refuse(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _same(value: Document) -> Document:
    return value


def _float(text: str) -> float:
    return float(text)


def _int(text: str) -> int:
    return int(text)
