"""The pass of single exchanges."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pywats.pywats as pywats_module
from pywats import pyWATS
from pywats.core.client import HttpClient
from pywats.core.retry import RetryConfig
from typed import private

from parity import determinism
from parity.control import Control
from parity.outcome import outcome_of
from parity.tables.wire import ROWS, Exchange, Step

KINDS = ("pyWATS", "HttpClient")


def exchanges(kind: str) -> Callable[[dict[str, Any], Path], dict[str, list[dict[str, Any]]]]:
    """Make a pass that runs every row on one kind of client."""

    def run(servers: dict[str, Any], _: Path) -> dict[str, list[dict[str, Any]]]:
        with Control(servers["scripted"]) as control:
            return {kind: [_record(kind, exchange, servers, control) for exchange in ROWS]}

    return run


def _record(
    kind: str, exchange: Exchange, servers: dict[str, Any], control: Control
) -> dict[str, Any]:
    control.send("clear_requests")
    determinism.open_gates()
    base = re.sub(
        r"\{(\w+)\}", lambda found: f"127.0.0.1:{servers['ports'][found[1]]}", exchange.base
    )
    if exchange.name == "cache":
        # Under another name it is another server: after the failed writes of other rows, green
        # caches nothing of it for a while.
        base = base.replace("127.0.0.1", "localhost")
    options = {"token": "dG9rZW4=", "verify_ssl": base.startswith("https"), "enable_cache": False}
    options |= copy.deepcopy(exchange.options)
    record: dict[str, Any] = {"row": exchange.name, "steps": []}
    client, made = outcome_of(lambda: CLIENTS[kind](base, options))
    if client is None:
        return {**record, "made": made}
    try:
        record["steps"] = [_outcome(client, step, control) for step in exchange.steps]
    finally:
        client.close()
    retry: RetryConfig = client.retry_config
    record["retries"] = [retry._total_retries, round(retry._total_retry_time, 6)]
    record["requests"] = control.taken_requests()
    return record


def _outcome(client: _Client, step: Step, control: Control) -> Any:
    if step.verb == "close":
        control.send("close")
        return None
    _, outcome = outcome_of(lambda: client.call(step))
    return outcome


class _Client:
    """The interface to a client that a row needs."""

    retry_config: RetryConfig

    def call(self, step: Step) -> Any:
        """Make a call."""

    def close(self) -> None:
        """Close the connections."""


class _PyWats(_Client):
    def __init__(self, base: str, options: dict[str, Any]) -> None:
        retry = options.setdefault("retry_config", RetryConfig(enabled=False))
        self.retry_config = retry
        self._api = pyWATS(base_url=base, **options)

    def call(self, step: Step) -> Any:
        method = getattr(private(self._api)._http_client, step.verb)
        arguments = copy.deepcopy(step.arguments)
        run = private(pywats_module)._run_sync
        return run(
            method(step.endpoint, **arguments), timeout=private(self._api)._sync_config.timeout
        )

    def close(self) -> None:
        self._api.close()


class _Http(_Client):
    def __init__(self, base: str, options: dict[str, Any]) -> None:
        options.pop("sync_config", None)
        self.retry_config = options.setdefault("retry_config", RetryConfig(enabled=False))
        self._client = HttpClient(base, **options)

    def call(self, step: Step) -> Any:
        return getattr(self._client, step.verb)(step.endpoint, **copy.deepcopy(step.arguments))

    def close(self) -> None:
        self._client.close()


CLIENTS: dict[str, Callable[[str, dict[str, Any]], _Client]] = {
    "pyWATS": _PyWats, "HttpClient": _Http,
}  # fmt: skip
