"""Settings: one frozen object, read from the environment once, replaced by `configure`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from pywats_green.exceptions import SettingsError

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11

# Whose answers can be given a TTL of their own: the domains of pywats, and what is in none.
DOMAINS = (
    "product", "asset", "production", "report", "software", "analytics", "rootcause", "scim",
    "process", "manual_inspection", "app", "other",
)  # fmt: skip

ENVIRONMENT_PREFIX = "PYWATS_GREEN_"

# What counts as a receipt for a queued report, beside the rule; no setting, because a program says
# it with `QueueProcessor(accept=)`.
ACCEPT = f"{ENVIRONMENT_PREFIX}ACCEPT"
ANY_2XX = "any-2xx"


class FrozenTTLs(dict[str, float]):
    """The TTLs of domains, in seconds, which cannot be changed; hashable, and can be copied."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict can be changed, this cannot
        return hash(frozenset(self.items()))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("settings cannot be changed: call configure(ttl=...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenTTLs], tuple[dict[str, float]]]:
        return type(self), (dict(self),)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, with the defaults. Times are seconds. See `configure` for the table."""

    keepalive_expiry: float = 30.0
    dns_ttl: float = 60.0
    ca_bundle: str | None = None
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

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            SettingsError: A value has the wrong type or is out of range.
        """
        for name in (
            "keepalive_expiry", "dns_ttl", "stale_if_error", "stale_while_revalidate",
            "wait_for_server",
        ):  # fmt: skip
            _require_seconds(name, getattr(self, name))
        _require_time_limit("admission_timeout", self.admission_timeout)
        for name in ("ca_bundle", "client_cert", "client_key"):
            _require_path(name, getattr(self, name))
        _require_bytes("cache_max_bytes", self.cache_max_bytes)
        _require_ttls(self.ttl)
        _require_flag("bulk_writes", self.bulk_writes)
        _require_flag("pool_reuse", self.pool_reuse)
        object.__setattr__(self, "ttl", FrozenTTLs(self.ttl))  # frozen, as the rest
        if self.client_key is not None and self.client_cert is None:
            raise SettingsError("client_key is set without client_cert: set both")


def _require_seconds(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise SettingsError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


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
        raise SettingsError(f"{name} must be a whole number, 0 or more, or None, not {value!r}")


def _require_ttls(value: object) -> None:
    if not isinstance(value, Mapping):
        raise SettingsError(f"ttl must be a mapping of domain to seconds, not {value!r}")
    for domain, ttl in value.items():
        if domain not in DOMAINS:
            raise SettingsError(f"ttl: unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
        _require_seconds(f"ttl of {domain}", ttl)


def _parse_ttls(text: str) -> dict[str, float]:
    """Read "process=3600,asset=60"."""
    pairs = (item.partition("=") for item in text.split(","))
    return {domain.strip(): float(ttl) for domain, _, ttl in pairs}


def _parse_flag(text: str) -> bool:
    """Read "1" or "true", "0" or "false"."""
    flags = {"1": True, "true": True, "0": False, "false": False}
    try:
        return flags[text.strip().lower()]
    except KeyError:
        raise ValueError(f"choose from {', '.join(flags)}") from None


# How the text of an environment variable becomes the value of a setting.
_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "keepalive_expiry": float,
    "dns_ttl": float,
    "ca_bundle": str,
    "client_cert": str,
    "client_key": str,
    "cache_max_bytes": int,
    "stale_if_error": float,
    "stale_while_revalidate": float,
    "ttl": _parse_ttls,
    "bulk_writes": _parse_flag,
    "pool_reuse": _parse_flag,
    "admission_timeout": float,
    "wait_for_server": float,
}


_PAIRED = ("client_key",)  # makes no sense alone: checked with the others


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
            if name not in _PAIRED:
                Settings(**{name: values[name]})  # so that its error names its variable
        except ValueError as exc:
            raise SettingsError(f"{variable}={text!r} does not fit: {exc}") from exc
    return Settings(**values)


def accepts_any_2xx(environ: Mapping[str, str]) -> bool:
    """Tell whether `PYWATS_GREEN_ACCEPT` makes every 2xx a receipt for a queued report.

    Args:
        environ: The environment; an empty variable counts as unset.

    Raises:
        SettingsError: It holds anything but `any-2xx`.
    """
    text = environ.get(ACCEPT, "").strip()
    if text not in ("", ANY_2XX):
        raise SettingsError(f"{ACCEPT}={text!r} does not fit: choose {ANY_2XX}, or unset it")
    return bool(text)


class SettingsChanges(TypedDict, total=False):
    """What `configure` takes; the table is there."""

    keepalive_expiry: float
    dns_ttl: float
    ca_bundle: str | None
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


in_force = Settings()
"""The settings in force, once the environment was read; for what every request looks at."""

_environment_was_read = False


def settings() -> Settings:
    """Return the settings in force.

    Raises:
        SettingsError: At the first call: an environment variable does not fit.
    """
    global in_force, _environment_was_read  # the one object in force
    if not _environment_was_read:
        in_force, _environment_was_read = from_environment(os.environ), True
    return in_force


def configure(**changes: Unpack[SettingsChanges]) -> Settings:
    """Change settings for this process.

    Each is read from `PYWATS_GREEN_<NAME>` at import, such as `PYWATS_GREEN_DNS_TTL`.

    | name | default | what it is | a change reaches |
    |---|---|---|---|
    | `keepalive_expiry` | 30.0 | seconds an idle connection is kept; 0: not kept | live clients |
    | `dns_ttl` | 60.0 | seconds a resolved name is kept; 0: not kept | live clients |
    | `ca_bundle` | None | file or folder of CA certificates; None: as below | new clients |
    | `client_cert` | None | PEM file of the client certificate | new clients |
    | `client_key` | None | PEM file of its key; None: in `client_cert` | new clients |
    | `cache_max_bytes` | None | bound of a client's cache in bytes; None: none | new clients |
    | `stale_if_error` | 0.0 | seconds beyond its TTL in which an answer stands in while the \
server is away; 0: never | live clients |
    | `stale_while_revalidate` | 0.0 | seconds beyond its TTL in which an answer is served while \
it is renewed; 0: never | live clients |
    | `ttl` | {} | seconds that answers of a domain are cached for, such as \
`{"process": 3600.0}`; 0: not cached; the mapping takes the place of the one before; as variable: \
`process=3600,asset=60` | live clients |
    | `bulk_writes` | False | whether pywats' own loops of writes (`bulk_save_revisions`, `save()` \
of a box build) are sent in bulk or at once; as variable: `1` or `true` | live clients |
    | `pool_reuse` | True | whether one greenlet of a `Pool` runs many items of a mapping; False: \
each has a greenlet, and so greenlet-locals, of its own; as variable: `0` or `false` | later calls |
    | `admission_timeout` | None | seconds that a call may wait to be sent, for the rate limit \
or a closed gate, which its own time limits do not count; then it fails with an \
`AdmissionTimeoutError`, a `TimeoutError`; None: no bound | live clients |
    | `wait_for_server` | 0.0 | seconds that a call waits for a server that cannot be connected \
to; 0: it fails at once, and after a few failures in a row all calls do, as upstream; above 0 the \
circuit breaker is not asked | live clients |

    Without `ca_bundle`, the first of `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE` and
    `SSL_CERT_DIR` counts that is set, else the bundle of certifi.

    Beside these, the environment variables `PYWATS_GREEN_DISABLE`, `PYWATS_GREEN_BASE_URL`,
    `PYWATS_GREEN_TOKEN` and `PYWATS_GREEN_ACCEPT` are read: URL and token by the command line
    alone; `PYWATS_GREEN_ACCEPT=any-2xx` lets every 2xx count as a receipt for a queued report
    (see `QueueProcessor`).

    Args:
        **changes: Settings by name.

    Returns:
        The settings now in force.

    Raises:
        SettingsError: A name is unknown or a value out of range; nothing was changed.
    """
    global in_force  # noqa: PLW0603  # the other writer
    unknown = changes.keys() - _PARSERS.keys()
    if unknown:
        raise SettingsError(
            f"unknown setting {', '.join(sorted(unknown))}: choose from {', '.join(_PARSERS)}"
        )
    in_force = dataclasses.replace(settings(), **changes)
    return in_force
