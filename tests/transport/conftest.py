"""Fixtures of the transport's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pywats_green import config
from pywats_green.transport import Transport

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the influence of the machine's environment, and restore settings after a test."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in _CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "in_force", config.Settings())


@pytest.fixture
def connect(clean_environment: None) -> Iterator[Callable[..., Transport]]:
    """Make transports that are closed at the end of the test."""
    made: list[Transport] = []

    def make(url: str, *, verify: bool = True) -> Transport:
        made.append(Transport(url, verify=verify))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
