"""Settings: one frozen object, read from the environment once, replaced by `configure`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

from pywats_green.exceptions import SettingsError

ENVIRONMENT_PREFIX = "PYWATS_GREEN_"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, with the defaults. Times are seconds. See `configure` for the table."""

    keepalive_expiry: float = 30.0
    dns_ttl: float = 60.0
    ca_bundle: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingsError: A value has the wrong type or is out of range.
        """
        for name in ("keepalive_expiry", "dns_ttl"):
            _require_seconds(name, getattr(self, name))
        for name in ("ca_bundle", "client_cert", "client_key"):
            _require_path(name, getattr(self, name))
        if self.client_key is not None and self.client_cert is None:
            raise SettingsError("client_key is set without client_cert: set both")


def _require_seconds(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise SettingsError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


def _require_path(name: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise SettingsError(f"{name} must be the path of a file, or None, not {value!r}")


# How the text of an environment variable becomes the value of a setting.
_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "keepalive_expiry": float,
    "dns_ttl": float,
    "ca_bundle": str,
    "client_cert": str,
    "client_key": str,
}


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `PYWATS_GREEN_<NAME>` variables.

    Args:
        environ: The environment; an empty variable counts as unset.

    Returns:
        The defaults with what the environment sets.

    Raises:
        SettingsError: A variable holds a value that does not fit; the text names the variable.
    """
    values: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        text = environ.get(variable)
        if not text:
            continue
        try:
            values[name] = parse(text)
            Settings(**{name: values[name]} if name != "client_key" else {})
        except ValueError as exc:
            raise SettingsError(f"{variable}={text!r} does not fit: {exc}") from exc
    return Settings(**values)


_current = from_environment(os.environ)


def settings() -> Settings:
    """Return the settings in force."""
    return _current


def configure(**changes: Any) -> Settings:
    """Change settings for this process.

    Each is read from `PYWATS_GREEN_<NAME>` at import, such as `PYWATS_GREEN_DNS_TTL`.

    | name | default | what it is | a change reaches |
    |---|---|---|---|
    | `keepalive_expiry` | 30.0 | seconds an idle connection is kept; 0: not kept | live clients |
    | `dns_ttl` | 60.0 | seconds a resolved name is kept; 0: not kept | live clients |
    | `ca_bundle` | None | file or folder of CA certificates; None: as below | new clients |
    | `client_cert` | None | PEM file of the client certificate | new clients |
    | `client_key` | None | PEM file of its key; None: in `client_cert` | new clients |

    Without `ca_bundle`, the first of `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and
    `SSL_CERT_DIR` counts that is set, else the bundle of certifi.

    Beside these, the environment variables `PYWATS_GREEN_DISABLE`, `PYWATS_GREEN_BASE_URL` and
    `PYWATS_GREEN_TOKEN` are read; the last two by the command line alone.

    Args:
        **changes: Settings by name.

    Returns:
        The settings now in force.

    Raises:
        SettingsError: A name is unknown or a value out of range; nothing was changed.
    """
    global _current  # noqa: PLW0603  # the one writer of the one current object
    unknown = changes.keys() - _PARSERS.keys()
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(sorted(unknown))}: choose from {', '.join(_PARSERS)}"
        )
    _current = dataclasses.replace(_current, **changes)
    return _current
