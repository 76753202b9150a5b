"""Checks of this process: environment, threads, early imports."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from urllib.request import getproxies

from pywats_green import config
from pywats_green.cli.checks.row import Row
from pywats_green.config import ACCEPT, ENVIRONMENT_PREFIX, Settings, accepts_any_2xx
from pywats_green.exceptions import SettingsError, TransportSetupError
from pywats_green.patching import too_early
from pywats_green.transport.tls import make_context, trust_in_use

# In addition to the settings; see `pywats_green.configure`.
OTHER_VARIABLES = ("DISABLE", "BASE_URL", "TOKEN", "ACCEPT", "STATUS_PASSWORD")

_TRUST = {
    "system": "system: the certificates of the operating system",
    "certifi": "certifi's bundle",
}


def environment() -> Iterator[Row]:
    """This package's environment variables: unknown names, incomplete pairs. Never a value."""
    known = {field.name.upper() for field in dataclasses.fields(Settings)} | {*OTHER_VARIABLES}
    names = sorted(
        name.removeprefix(ENVIRONMENT_PREFIX)
        for name in os.environ
        if name.startswith(ENVIRONMENT_PREFIX)
    )
    if isinstance(config.refused, SettingsError):
        yield Row("environment", "fail", str(config.refused), "correct or unset the variable")
        return
    try:
        accepts_any_2xx(config.environment())
    except SettingsError as exc:
        yield Row("environment", "fail", str(exc), f"unset {ACCEPT}")
        return
    unknown = [ENVIRONMENT_PREFIX + name for name in names if name not in known]
    if unknown:
        yield Row(
            "environment", "warn", f"set, but unknown: {', '.join(unknown)}",
            "see the table in help(pywats_green.configure)",
        )  # fmt: skip
    elif ("BASE_URL" in names) != ("TOKEN" in names):
        yield Row(
            "environment", "warn", "one of PYWATS_GREEN_BASE_URL and _TOKEN is set alone",
            "set both or neither",
        )  # fmt: skip
    elif names:
        listed = ", ".join(ENVIRONMENT_PREFIX + name for name in names)
        yield Row("environment", "ok", f"set: {listed}")
    else:
        yield Row("environment", "ok", f"no {ENVIRONMENT_PREFIX} variable is set")


def proxy() -> Iterator[Row]:
    """Whether calls go through a proxy. Never its URL, which may contain a password."""
    schemes = sorted({"http", "https", "all"} & getproxies().keys())
    if schemes:
        yield Row("proxy", "ok", f"the system sets a proxy for: {', '.join(schemes)}")
    else:
        yield Row("proxy", "ok", "none")


def trust() -> Iterator[Row]:
    """Whose certificates new clients trust. Never a path."""
    try:
        used = trust_in_use()
        make_context(verify=True)
    except SettingsError as exc:
        yield Row("trust", "fail", str(exc), "correct or unset the variable")
    except TransportSetupError as exc:
        yield Row("trust", "fail", f"{used}: {exc}", "see trust and ca_bundle of configure")
    else:
        yield Row("trust", "ok", _TRUST.get(used, f"the certificates that {used} names"))


def early_imports() -> Iterator[Row]:
    """Whether anything was imported or running before the patch."""
    early = too_early()
    if early:
        yield Row(
            "early-imports", "warn", f"before pywats_green: {', '.join(early)}",
            'put "import pywats_green" first; look at sitecustomize and .pth files',
        )  # fmt: skip
    else:
        yield Row("early-imports", "ok", "none")


def native_threads() -> Iterator[Row]:
    """Other native threads; a busy one costs two thirds of the green throughput."""
    others = thread_count() - 1
    if others:
        yield Row(
            "native-threads", "warn", f"{others} besides the main one",
            "find what starts them; a busy one slows every green call",
        )  # fmt: skip
    else:
        yield Row("native-threads", "ok", "none besides the main one")


def thread_count() -> int:
    """Count the native threads that run Python; once patched, `threading` shows greenlets."""
    return len(sys._current_frames())  # noqa: SLF001  # documented


def limiter() -> Iterator[Row]:
    """The limit of upstream's rate limiter."""
    try:
        from pywats.core.throttle import get_default_limiter  # noqa: PLC0415  # may be broken

        default = get_default_limiter()
    except Exception as exc:  # noqa: BLE001  # other checks report a broken pywats
        yield Row("limiter", "warn", f"unknown: {type(exc).__name__}", "repair pywats-api")
        return
    if default.enabled:
        allowed = f"{default.max_requests} requests in {default.window_seconds:g} s"
        yield Row("limiter", "ok", f"pywats allows {allowed}, then calls wait")
    else:
        yield Row("limiter", "ok", "off")
