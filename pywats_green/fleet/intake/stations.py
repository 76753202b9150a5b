"""Which stations may hand in reports, and the secret of each."""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywats_green.exceptions import InvalidArgumentError
from pywats_green.queue.folder import names
from pywats_green.queue.held_files import patiently
from pywats_green.redaction import Secret

logger = logging.getLogger("pywats_green.fleet.intake")

# A part of the names of files. No dot, which ends it there.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_SHORTEST = 16  # characters of a secret


class Stations:
    """The stations and their secrets.

    Args:
        given: By name; or the path of a JSON file with such an object, which is read again when it
            has changed, so a new station needs no restart. A name consists of at most 64 letters,
            digits, "_" and "-"; a secret of at least 16 characters.

    Raises:
        InvalidArgumentError: There is no such file, or it holds something else.
    """

    def __init__(self, given: Mapping[str, str] | str | os.PathLike[str]) -> None:
        self._path = None if isinstance(given, Mapping) else Path(given)
        self._stamp: object = None
        if isinstance(given, Mapping):
            self._secrets = _checked(given, "stations")
        else:
            self._secrets = self._read(Path(given))

    def knows(self, name: str, secret: str) -> bool:
        """Return whether this is a station and its secret."""
        self._refresh()
        expected = self._secrets.get(name)
        given = secret.encode()
        # As long for an unknown name as for a wrong secret.
        is_same = hmac.compare_digest(given, (expected or Secret("\0")).encode())
        return is_same and expected is not None

    def _refresh(self) -> None:
        if self._path is None:
            return
        if _stamp(self._path) == self._stamp:
            return
        try:
            self._secrets = self._read(self._path)
        except InvalidArgumentError as error:
            logger.error("The stations stay as they were: %s", error)  # noqa: TRY400  # one line

    def _read(self, path: Path) -> dict[str, Secret]:
        # Before it is read: what is written meanwhile is read the next time.
        self._stamp = _stamp(path)
        try:
            found = json.loads(patiently(path.read_bytes))
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else "it is not JSON"
            raise InvalidArgumentError(f"the stations cannot be read from {path}: {told}") from None
        return _checked(found, str(path))

    def __repr__(self) -> str:
        return f"<Stations: {len(self._secrets)}>"


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _checked(found: Any, where: str) -> dict[str, Secret]:
    """Return the secrets by name.

    Raises:
        InvalidArgumentError: It is something else; the message shows no secret.
    """
    if not isinstance(found, Mapping):
        raise InvalidArgumentError(f"{where}: not an object of secrets by station")
    for name, secret in found.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)) or names.flaw_of_id(f"{name}.id"):
            raise InvalidArgumentError(
                f"{where}: a station's name is 1 to 64 letters, digits, _ and -, and "
                f"no device of Windows, not {name!r}"
            )
        if not (isinstance(secret, str) and len(secret) >= _SHORTEST and _is_text(secret)):
            raise InvalidArgumentError(
                f"{where}: the secret of {name} needs {_SHORTEST} characters of Unicode or more"
            )
    return {name: Secret(secret) for name, secret in found.items()}


def _is_text(value: str) -> bool:
    """Return whether no surrogate is in it, which cannot be encoded."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)
