"""Makes an intake of the environment."""

from __future__ import annotations

from pywats_green.config import ENVIRONMENT_PREFIX, environment
from pywats_green.exceptions import SettingsError
from pywats_green.fleet.intake.application import Intake
from pywats_green.queue.folder.queue import FolderQueue

_PREFIX = f"{ENVIRONMENT_PREFIX}INTAKE_"


def from_environment() -> Intake:
    """Return an intake as the variables say.

    Raises:
        SettingsError: One is missing, or is not a number.
        InvalidArgumentError: The stations cannot be read, or a limit is out of range.
        QueueFolderError: The folder cannot be used.
    """
    given = environment()
    queue = FolderQueue(
        _required(given, "FOLDER"),
        max_reports=_count(given, "MAX_REPORTS"),
        max_bytes=_count(given, "MAX_BYTES"),
    )
    return Intake(queue, _required(given, "STATIONS"))


def _required(given: dict[str, str], name: str) -> str:
    value = given.get(_PREFIX + name)
    if not value:
        raise SettingsError(f"set {_PREFIX}{name}: an intake needs it")
    return value


def _count(given: dict[str, str], name: str) -> int | None:
    value = given.get(_PREFIX + name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal()):
        raise SettingsError(f"{_PREFIX}{name} must be a whole number, not {value!r}")
    return int(value)
