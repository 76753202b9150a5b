"""The outcome of a call as JSON: equal JSON for equal outcomes."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
_TODAY = datetime.now(timezone.utc).date()
_NEAR = "|".join(str(_TODAY + timedelta(days=days)) for days in (-1, 0, 1, 2))
_SERVER_TIME = re.compile(rf"(?:{_NEAR})T\d\d:\d\d:\d\d(?:\.\d+)?")
_DURATION = re.compile(r'(?<="duration_ms": ")[0-9.e+-]+')
LONGEST_ITERATION = 1000


def outcome_of(function: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """Call a function and describe the outcome.

    Returns:
        Its result, None where it raised, and the description.
    """
    try:
        result = function()
        return result, {"returned": described(result)}
    except Exception as exc:  # noqa: BLE001  # whatever it raises is what is compared
        return None, {"raised": described_error(exc)}


def described_error(exc: BaseException) -> dict[str, Any]:
    """Describe an exception: type, message and attributes."""
    return {
        "type": _name(type(exc)),
        "text": _ADDRESS.sub("0x", str(exc)),
        "attributes": {
            name: described(value)
            for name, value in sorted(vars(exc).items())
            # Ours: the answer that caused it, and the note of a time-out; see the document.
            if name not in ("response", "__notes__")
        },
    }


def described(value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  # one case a type
    """Describe a result."""
    if value is None or isinstance(value, (bool, int, str)):
        return _described_scalar(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Enum):
        return {"enum": str(value)}
    if isinstance(value, (UUID, date, PurePath)):
        return {type(value).__name__: str(value)}
    if hasattr(value, "status_code") and hasattr(value, "raw"):
        return _described_response(value)
    if hasattr(value, "model_dump"):
        return {_name(type(value)): _described_model(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {_name(type(value)): described(fields)}
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    if isinstance(value, BaseException):
        return described_error(value)
    if isinstance(value, Iterator):
        return {"iterator": [described(item) for item in islice(value, LONGEST_ITERATION)]}
    if hasattr(value, "_async"):
        return {"wrapper of": _name(type(value._async)), "subunits": described(value.subunits)}
    return {"object": _name(type(value))}


def _described_scalar(value: Any) -> Any:
    return {"enum": repr(value)} if isinstance(value, Enum) else value


def _described_model(model: Any) -> Any:
    try:
        return model.model_dump(mode="json", by_alias=True)
    except Exception:  # noqa: BLE001  # a field that JSON has no form for
        return described(dict(model))


def _described_response(response: Any) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "headers": {name: text for name, text in response.headers.items() if name != "date"},
        "data": described(response.data),
        "raw": described(response.raw),
    }


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def masked(text: str, masks: dict[str, str]) -> str:
    """Replace what varies between runs (ports, folders, durations, server time) with names."""
    for found, name in masks.items():
        text = text.replace(found, name)
    return _SERVER_TIME.sub("{server time}", _DURATION.sub("0", text))
