"""The TTLs of domains and other numbers, as settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from pywats_green.exceptions import SettingsError

# The domains of pywats and others that can be given a TTL.
DOMAINS = (
    "product", "asset", "production", "report", "software", "analytics", "rootcause", "scim",
    "process", "manual_inspection", "app", "other",
)  # fmt: skip


class FrozenTTLs(dict[str, float]):
    """The TTLs of domains in seconds; immutable, hashable and copyable."""

    def __hash__(self) -> int:  # type: ignore[override]  # unlike a dict, it is immutable
        return hash(frozenset(self.items()))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("settings cannot be changed: call configure(ttl=...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenTTLs], tuple[dict[str, float]]]:
        return type(self), (dict(self),)


def require_seconds(name: str, value: object) -> None:
    """Raise `SettingsError` unless a setting is a number of seconds, 0 or more."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise SettingsError(f"{name} must be a number of seconds, 0 or more, not {value!r}")


def require_ttls(value: object) -> None:
    """Raise `SettingsError` unless a value maps domains to seconds."""
    if not isinstance(value, Mapping):
        raise SettingsError(f"ttl must be a mapping of domain to seconds, not {value!r}")
    for domain, ttl in value.items():
        if domain not in DOMAINS:
            raise SettingsError(f"ttl: unknown domain {domain!r}: choose from {', '.join(DOMAINS)}")
        require_seconds(f"ttl of {domain}", ttl)


def parse_seconds(text: str) -> float:
    """Parse a number of seconds."""
    try:
        return float(text)
    except ValueError:
        raise ValueError("it must be a number of seconds") from None


def parse_integer(text: str) -> int:
    """Parse a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("it must be a whole number") from None


def parse_ttls(text: str) -> dict[str, float]:
    """Parse "process=3600,asset=60"."""
    pairs = (item.partition("=") for item in text.split(","))
    try:
        return {domain.strip(): float(ttl) for domain, _, ttl in pairs}
    except ValueError:
        raise ValueError("it must be domains and seconds, such as process=3600,asset=60") from None
