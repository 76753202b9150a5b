"""Records what upstream makes of each scenario: `cd tests && python -m faults.record`.

Runs in a process without the patch, with both clients, over TCP and over TLS. They do not differ.
"""

from __future__ import annotations

import json
import ssl
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trustme
from pywats.core.throttle import configure_throttling

from faults.play import KINDS, play, playing
from faults.scenarios import SCENARIOS

RECORDED = Path(__file__).with_name("recorded.json")
VERSIONS = ("pywats-api", "httpx", "h11")


def server_context() -> ssl.SSLContext:
    """Return a server's TLS, with a certificate for the loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def main() -> None:
    """Write recorded.json."""
    assert "pywats_green" not in sys.modules
    configure_throttling(enabled=False)
    warnings.simplefilter("ignore")  # upstream's, of connections that it leaves open
    found: dict[str, Any] = {}
    with playing(None) as plain, playing(server_context()) as tls:
        for number, (name, scenario) in enumerate(SCENARIOS.items()):
            outcomes = [
                play(player, kind, scenario, [], number)[0]
                for player in (plain, tls)
                for kind in KINDS
            ]
            found[name] = outcomes[0]
            assert all(outcome == found[name] for outcome in outcomes), (name, outcomes)
    versions = {package: version(package) for package in VERSIONS}
    document = {"versions": versions, "scenarios": found}
    RECORDED.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
