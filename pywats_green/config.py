"""Settings: one frozen object, read from the environment once, replaced by `configure`."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pywats_green import ttls
from pywats_green.arguments import is_url
from pywats_green.exceptions import PywatsGreenError, SettingsError
from pywats_green.redaction import Secret, guarded_url
from pywats_green.ttls import FrozenTTLs, require_seconds, require_ttls

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11

_FLEET_SCHEMES = ("redis://", "rediss://", "unix://")

ENVIRONMENT_PREFIX = "PYWATS_GREEN_"

# The server of the commands; no settings.
BASE_URL = f"{ENVIRONMENT_PREFIX}BASE_URL"
TOKEN = f"{ENVIRONMENT_PREFIX}TOKEN"

# Overrides what counts as a receipt for a queued report. Not a setting, because programs use
# `QueueProcessor(accept=)`.
ACCEPT = f"{ENVIRONMENT_PREFIX}ACCEPT"
ANY_2XX = "any-2xx"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The settings and their defaults. Times are in seconds. `configure` documents them."""

    keepalive_expiry: float = 30.0
    dns_ttl: float = 60.0
    ca_bundle: str | None = None
    trust: Literal["system"] | None = None
    client_cert: str | None = None
    client_key: str | None = None
    cache_max_bytes: int | None = None
    stale_if_error: float = 0.0
    stale_while_revalidate: float = 0.0
    ttl: Mapping[str, float] = dataclasses.field(default_factory=dict)
    bulk_writes: bool = False
    pool_reuse: bool = True
    admission_timeout: float | None = None
    wait_for_server: float = 0.0
    max_answer_bytes: int | None = 268_435_456
    fleet: str | None = None
    fleet_invalidation: bool = False
    tracing: bool = False
    log_calls: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingsError: A value has the wrong type or is out of range.
        """
        for name in (
            "keepalive_expiry", "dns_ttl", "stale_if_error", "stale_while_revalidate",
            "wait_for_server",
        ):  # fmt: skip
            require_seconds(name, getattr(self, name))
        _require_time_limit("admission_timeout", self.admission_timeout)
        for name in ("ca_bundle", "client_cert", "client_key"):
            _require_path(name, getattr(self, name))
        _require_bytes("cache_max_bytes", self.cache_max_bytes)
        _require_bytes("max_answer_bytes", self.max_answer_bytes)
        require_ttls(self.ttl)
        for name in ("bulk_writes", "pool_reuse", "fleet_invalidation", "tracing", "log_calls"):
            _require_flag(name, getattr(self, name))
        if self.fleet is not None:
            _require_fleet(self.fleet)
            object.__setattr__(self, "fleet", Secret(self.fleet))  # may hold a password
        object.__setattr__(self, "ttl", FrozenTTLs(self.ttl))  # frozen like the others
        if self.trust not in (None, "system"):
            raise SettingsError(f'trust must be "system" or None, not {self.trust!r}')
        if self.trust is not None and self.ca_bundle is not None:
            raise SettingsError('trust="system" and ca_bundle exclude each other: set one of them')
        if self.client_key is not None and self.client_cert is None:
            raise SettingsError("client_key is set without client_cert: set both")


def _require_time_limit(name: str, value: object) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):  # type: ignore[operator]
        raise SettingsError(
            f"{name} must be a number of seconds, more than 0, or None, not {value!r}"
        )


def _require_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise SettingsError(f"{name} must be True or False, not {value!r}")


def _require_path(name: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise SettingsError(f"{name} must be the path of a file, or None, not {value!r}")


def _require_bytes(name: str, value: object) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and value >= 0):  # type: ignore[operator]
        raise SettingsError(f"{name} must be an integer, 0 or more, or None, not {value!r}")


def _require_fleet(value: object) -> None:
    if not (isinstance(value, str) and value.startswith(_FLEET_SCHEMES)):
        raise SettingsError(f"fleet must be a URL that starts with {', '.join(_FLEET_SCHEMES)}")
    if importlib.util.find_spec("redis") is None:
        raise SettingsError("fleet needs redis: pip install 'pywats-green[fleet]'")
    if not is_url(value):
        raise SettingsError("fleet is no valid URL: write / in a password as %2F, % as %25")


def _parse_flag(text: str) -> bool:
    """Parse "1" or "true", "0" or "false"."""
    flags = {"1": True, "true": True, "0": False, "false": False}
    try:
        return flags[text.strip().lower()]
    except KeyError:
        raise ValueError(f"choose from {', '.join(flags)}") from None


# Converts the text of an environment variable to the value of a setting.
_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "keepalive_expiry": ttls.parse_seconds,
    "dns_ttl": ttls.parse_seconds,
    "ca_bundle": str,
    "trust": str,
    "client_cert": str,
    "client_key": str,
    "cache_max_bytes": ttls.parse_integer,
    "stale_if_error": ttls.parse_seconds,
    "stale_while_revalidate": ttls.parse_seconds,
    "ttl": ttls.parse_ttls,
    "bulk_writes": _parse_flag,
    "pool_reuse": _parse_flag,
    "admission_timeout": ttls.parse_seconds,
    "wait_for_server": ttls.parse_seconds,
    "max_answer_bytes": ttls.parse_integer,
    "fleet": Secret,
    "fleet_invalidation": _parse_flag,
    "tracing": _parse_flag,
    "log_calls": _parse_flag,
}


_PAIRED = ("client_key",)  # invalid on its own, so checked with the others


def environment() -> dict[str, str]:
    """Return this package's variables, not those of others, and the credentials as a `Secret`."""
    names = [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]
    secrets = ("TOKEN", "PASSWORD", "FLEET")
    wraps = {name: Secret if name.endswith(secrets) else guarded_url for name in names}
    return {name: wrap(os.environ[name]) for name, wrap in wraps.items()}


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `PYWATS_GREEN_<NAME>` variables.

    Args:
        environ: The environment; an empty variable counts as unset.

    Returns:
        The defaults, with the values from the environment.

    Raises:
        SettingsError: A variable has an invalid value; the message names it.
    """
    values: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        variable = ENVIRONMENT_PREFIX + name.upper()
        text = environ.get(variable)
        if not text:
            continue
        try:
            values[name] = parse(text)
            if name not in _PAIRED:
                Settings(**{name: values[name]})  # singly, so that errors name the variable
        except ValueError as exc:
            raise SettingsError(f"{variable}={text!r} does not fit: {exc}") from None
    return Settings(**values)


def accepts_any_2xx(environ: Mapping[str, str]) -> bool:
    """Return whether `PYWATS_GREEN_ACCEPT` makes every 2xx a receipt for a queued report.

    Args:
        environ: The environment; an empty variable counts as unset.

    Raises:
        SettingsError: Its value is not `any-2xx`.
    """
    text = environ.get(ACCEPT, "").strip()
    if text not in ("", ANY_2XX):
        raise SettingsError(f"{ACCEPT}={text!r} does not fit: choose {ANY_2XX}, or unset it")
    return bool(text)


class SettingsChanges(TypedDict, total=False):
    """The keyword arguments of `configure`, which documents them."""

    keepalive_expiry: float
    dns_ttl: float
    ca_bundle: str | None
    trust: Literal["system"] | None
    client_cert: str | None
    client_key: str | None
    cache_max_bytes: int | None
    stale_if_error: float
    stale_while_revalidate: float
    ttl: Mapping[str, float]
    bulk_writes: bool
    pool_reuse: bool
    admission_timeout: float | None
    wait_for_server: float
    max_answer_bytes: int | None
    fleet: str | None
    fleet_invalidation: bool
    tracing: bool
    log_calls: bool


in_force = Settings()
"""The settings in force, once the environment was read; for what every request looks at."""

_environment_was_read = False

refused: PywatsGreenError | None = None
"""Why a command of this package must not go on; `doctor` does, and shows it."""


def refuse(error: PywatsGreenError) -> None:
    """Note why a command must not go on, and let the defaults be in force."""
    global refused, _environment_was_read  # at start, once
    refused, _environment_was_read = refused or error, True


_followers: list[Callable[[Settings], object]] = []


def settings() -> Settings:
    """Return the settings in force.

    Raises:
        SettingsError: On the first call, an environment variable is invalid.
    """
    global in_force, _environment_was_read
    if not _environment_was_read:
        in_force, _environment_was_read = from_environment(environment()), True
    return in_force


def follow(follower: Callable[[Settings], object]) -> None:
    """Call a function with the settings now, and with new ones before they are in force.

    Args:
        follower: If it raises an error, nothing is changed.
    """
    follower(settings())
    _followers.append(follower)


def configure(**changes: Unpack[SettingsChanges]) -> Settings:
    """Change settings for this process.

    Each is initialised at import from `PYWATS_GREEN_<NAME>`, such as `PYWATS_GREEN_DNS_TTL`.

    | name | default | meaning | changes apply to |
    |---|---|---|---|
    | `keepalive_expiry` | 30.0 | seconds an idle connection is kept; 0: not kept | live clients |
    | `dns_ttl` | 60.0 | seconds a resolved name is cached; 0: not cached | live clients |
    | `ca_bundle` | None | file or folder of CA certificates; None: as below | new clients |
    | `trust` | None | `"system"`: trust the certificates of the operating system, which needs the \
extra `trust`; excludes `ca_bundle`; None: as below | new clients |
    | `client_cert` | None | PEM file of the client certificate | new clients |
    | `client_key` | None | PEM file of its key; None: in `client_cert` | new clients |
    | `cache_max_bytes` | None | maximum size of a client's cache in bytes; None: no limit | new \
clients |
    | `stale_if_error` | 0.0 | seconds beyond its TTL for which a response is served while the \
server is unreachable; 0: never | live clients |
    | `stale_while_revalidate` | 0.0 | seconds beyond its TTL for which a response is served while \
it is revalidated; 0: never | live clients |
    | `ttl` | {} | seconds for which responses of a domain are cached, such as \
`{"process": 3600.0}`; 0: not cached; the mapping replaces the previous one; as \
variable: `process=3600,asset=60` | live clients |
    | `bulk_writes` | False | whether pywats' loops of writes (`bulk_save_revisions`, `save()` of \
a box build) are sent in bulk or concurrently; as variable: `1` or `true` | live clients |
    | `pool_reuse` | True | whether a greenlet of a `Pool` runs many items of a mapping; False: \
each item has its own greenlet and greenlet-locals; as variable: `0` or `false` | later calls |
    | `admission_timeout` | None | seconds for which a call may wait to be sent, for the rate \
limit or a closed gate, outside its own time limits; then it fails with `AdmissionTimeoutError`, a \
`TimeoutError`; None: no limit | live clients |
    | `wait_for_server` | 0.0 | seconds for which a call waits for an unreachable server; 0: it \
fails at once, and after a few failures in a row all calls do, as upstream; above 0, the circuit \
breaker is bypassed | live clients |
    | `max_answer_bytes` | 268435456 | bytes to which a compressed response may expand; \
beyond them the call fails; None: no limit | live clients |
    | `fleet` | None | URL of a Redis or Valkey server, such as `rediss://:password@host:6379`, \
over which all processes that name it share one rate limit and one gate for each server; needs the \
extra `fleet`; None: this process is on its own | live clients |
    | `fleet_invalidation` | False | whether a write here outdates what other members of the fleet \
have cached, and theirs what is cached here; as variable: `1` or `true` | live clients |
    | `tracing` | False | whether each call is a span of OpenTelemetry, with `traceparent` on the \
wire; needs the extra `otel` | live clients |
    | `log_calls` | False | whether the logger `pywats_green.calls` logs each call | live clients |

    Without `ca_bundle` and `trust`, the first that is set of `REQUESTS_CA_BUNDLE`,
    `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and `SSL_CERT_DIR` is used, else certifi's bundle.

    These environment variables are read as well: `PYWATS_GREEN_DISABLE`; `PYWATS_GREEN_BASE_URL`
    and `PYWATS_GREEN_TOKEN`, by the command line only; `PYWATS_GREEN_ACCEPT`, where `any-2xx`
    makes every 2xx a receipt for a queued report (see `QueueProcessor`); and
    `PYWATS_GREEN_STATUS_PASSWORD` (see `serve_status`).

    Args:
        **changes: Settings by name.

    Returns:
        The settings now in force.

    Raises:
        SettingsError: A name is unknown, a value out of range, or a package missing that a setting
            needs; nothing was changed.
    """
    global in_force  # noqa: PLW0603  # the other writer
    unknown = changes.keys() - _PARSERS.keys()
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(sorted(unknown))}: choose from {', '.join(_PARSERS)}"
        )
    changed = dataclasses.replace(settings(), **changes)
    for follower in _followers:
        follower(changed)
    in_force = changed
    return in_force
