"""The supported versions of pywats-api: those with the seams that this package replaces."""

from __future__ import annotations

import re
from importlib import metadata

from pywats_green.exceptions import UnsupportedPywatsError

DISTRIBUTION = "pywats-api"
OLDEST = "0.5.0b6"  # older wheels do not import on Python below 3.14
BELOW = "0.7"
STABLE = "0.5.0b6"  # upstream's README: the one for production

# Which WATS server a release is for, by its first two numbers; from upstream's README.
_SERVERS = {(0, 5): "2025.3.9.824", (0, 6): "2026.3"}

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(a|b|rc)(\d+))?")
_FINAL = "z"  # sorts after a, b and rc


def _key(version: str) -> tuple[int, int, int, str, int]:
    match = _VERSION.match(version)
    if match is None:
        return (0, 0, 0, "", 0)
    major, minor, patch, stage, number = match.groups()
    return (int(major), int(minor), int(patch or 0), stage or _FINAL, int(number or 0))


def is_supported(version: str) -> bool:
    """Return whether a version of pywats-api is in the supported range.

    Args:
        version: As in the package metadata, such as "0.6.0rc1".
    """
    # A pre-release of the first unsupported version is unsupported, too.
    return _key(OLDEST) <= _key(version) and _key(version)[:3] < _key(BELOW)[:3]


def oldest_server(version: str) -> str | None:
    """Return the oldest WATS server that a version of pywats-api is for. None: not known.

    Args:
        version: As in the package metadata, such as "0.6.0rc1".
    """
    return _SERVERS.get(_key(version)[:2])


def is_internal(version: str) -> bool:
    """Return whether upstream calls a release internal: a candidate for servers to come."""
    return _key(version)[3] == "rc" and _key(version) > _key(STABLE)


def installed_version() -> str:
    """Return the version of the installed pywats-api.

    Raises:
        UnsupportedPywatsError: It is not installed.
    """
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError as exc:
        found = _version_without_metadata()
        if found is None:
            raise UnsupportedPywatsError(
                f"{DISTRIBUTION} is not installed: pip install '{DISTRIBUTION}>={OLDEST},<{BELOW}'"
            ) from exc
        return found


def _version_without_metadata() -> str | None:
    """Return what pywats itself says: a frozen program has no metadata. None: it is not there."""
    try:
        import pywats  # noqa: PLC0415  # otherwise imported only after its version was checked
    except ImportError:
        return None
    return getattr(pywats, "__version__", None)


def require_supported() -> str:
    """Return the installed version, if it is supported.

    Raises:
        UnsupportedPywatsError: It is not; the message has the range and the installed version.
    """
    found = installed_version()
    if not is_supported(found):
        raise UnsupportedPywatsError(
            f"{DISTRIBUTION} {found} is installed, but pywats_green needs >={OLDEST},<{BELOW}: "
            f"pip install '{DISTRIBUTION}>={OLDEST},<{BELOW}', or set PYWATS_GREEN_DISABLE=1"
        )
    return found


def releases_for(server: str) -> list[str] | None:
    """Return the release lines of pywats-api that fit a WATS server, newest first.

    Args:
        server: Its version, such as "2025.3.9.824".

    Returns:
        Such as ["0.6", "0.5"]. None: its version is not of that form.
    """
    found = _NUMBERS.match(server)
    if found is None:
        return None
    numbers = _as_numbers(found[0])
    fitting = [line for line, oldest in _SERVERS.items() if numbers >= _as_numbers(oldest)]
    return [f"{major}.{minor}" for major, minor in sorted(fitting, reverse=True)]


_NUMBERS = re.compile(r"\d{4}(?:\.\d+)+")


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
